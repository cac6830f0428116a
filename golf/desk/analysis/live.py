"""A run as it is going, from the files it writes: curve, speed, what is left of time and money, its last words.

Passive: nothing is signalled, attached to or asked of a GPU, and no file is written. What is not written is not known:
a trainer that logs no time has no speed here.
"""

import contextlib
import json
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from golf import durable
from golf.desk.series import QUIET_S, Point, Run, is_step, read_run
from golf.errors import GolfError, NotFound, UnreadableInput
from golf.jobs.progress import read_job
from golf.jobs.store import JobStore, Record
from golf.measure.logs import FILES_MAX
from golf.play import experiments
from golf.play.budget import BudgetBook
from golf.schema import ENDED, Job, Noun
from golf.workspace import Workspace

CURVE_POINTS = 400
"""Of one curve: more do not fit a terminal."""
RECENT = 10
"""Points over which speed is measured: one pause must not decide it, and an hour ago is not now."""
LINES = 6
"""Last lines of a log that are shown."""
LINE_MAX = 200
DEAD_S = 60.0
"""So soon where its last words are a traceback: a program may also print one and go on."""


class LiveSeed(Noun):
    """One trainer of a run."""

    file: str
    """Its log or metrics file, by name."""
    quantity: Literal["val_bpb", "val_loss", "train_loss", ""] = ""
    """What the curve is of: bits per byte, or nats per token."""
    points: list[tuple[int, float]] = []
    """Steps and values."""
    train_loss: float | None = None
    """The last, nats per token."""
    step: int = 0
    iterations: int | None = None
    train_time_s: float | None = None
    steps_per_s: float | None = None
    tok_per_s: float | None = None
    """Training tokens a second, where the batch's size is known."""
    time_left_s: float | None = None
    """To the last step at the present speed, or to the wall-clock cap, whichever comes first."""
    silent_s: float | None = None
    """Since the file was last written."""
    last_lines: list[str] = []


class Live(Noun):
    """A run as it is now."""

    subject: str
    job: str = ""
    """Its id; empty for a log that is watched by its path."""
    state: str
    phase: str = ""
    message: str = ""
    at: datetime
    seeds: list[LiveSeed]
    cost_usd: float = 0.0
    """So far."""
    budget_left_usd: float | None = None
    """Of the workspace: neither spent nor set aside."""

    @property
    def has_ended(self) -> bool:
        """Nothing more will come."""
        return self.state in ENDED


def look(workspace: Workspace | None, subject: str | None = None, now: Callable[[], float] = time.time) -> Live:
    """How a run is doing.

    Args:
        workspace: Where runs and jobs are looked up; None outside of one.
        subject: An experiment, a job's id, a log or metrics file, or a folder of logs; default the newest job that
            runs.
        now: The time in seconds since 1970.

    Raises:
        NotFound: there is nothing of that name, or nothing runs and nothing is named.
    """
    given = Path(subject) if subject else None
    if given is not None and (given.is_file() or (given.is_dir() and not _is_experiment(workspace, given))):
        return _of_files(given, now)
    if workspace is None and subject:
        raise NotFound(f"no log or folder {subject[:100]!r}, and no workspace here whose run it could be")
    if workspace is None:
        raise NotFound("no workspace here; name a log: golf watch train.log")
    store = JobStore(workspace)
    record, name = _found(workspace, store, subject)
    settings = _settings(workspace, name)
    budget = None
    with contextlib.suppress(GolfError):
        budget = BudgetBook(workspace.database, workspace.config.budget).state().remaining_usd
    if record is None:
        logs = _files(workspace.experiments / name / "logs")
        result = experiments.read_result(workspace.experiments / name)
        state = "done" if result is not None else "queued"
        seeds = _seeds(logs, settings, now)
        return _settled(Live(subject=name, state=state, at=_instant(now), seeds=seeds, budget_left_usd=budget))
    job = read_job(store, record)
    return _settled(
        Live(
            subject=job.subject, job=job.id, state=job.state, phase=job.phase or "", message=job.message,
            at=_instant(now), seeds=_seeds(_of_job(workspace, store, job), settings, now), cost_usd=job.cost_usd,
            budget_left_usd=budget,
        )
    )  # fmt: skip


def _settled(seen: Live) -> Live:
    """What has ended has no time left, and that nothing is written any more says nothing."""
    if not seen.has_ended:
        return seen
    over = [seed.model_copy(update={"time_left_s": None, "silent_s": None}) for seed in seen.seeds]
    return seen.model_copy(update={"seeds": over})


def _is_experiment(workspace: Workspace | None, folder: Path) -> bool:
    return workspace is not None and (folder / experiments.CONFIG).is_file()


def _found(workspace: Workspace, store: JobStore, subject: str | None) -> tuple[Record | None, str]:
    """The job that is meant, if one is known, and the experiment."""
    if subject is None:
        running = store.recent(1, ("running", "queued"))
        if not running:
            raise NotFound(
                "nothing runs here now. Start something: golf run EXPERIMENT --detach, or name what to look at"
            )
        return running[0], running[0].subject
    if experiments.exists(workspace, subject):
        name = experiments.find(workspace, subject).name
        return next((one for one in store.recent(1000) if one.subject == name), None), name
    with contextlib.suppress(NotFound):
        record = store.get(subject)
        return record, record.subject
    raise NotFound(f"no experiment, job, log or folder {subject[:100]!r}. See them: golf history, golf jobs")


def _of_job(workspace: Workspace, store: JobStore, job: Job) -> list[Path]:
    """Files its trainers write, as its status names them; of a run that has ended, its experiment's logs."""
    try:
        status = json.loads((store.folder(job.id) / "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        status = {}
    if not isinstance(status, dict):
        status = {}
    named = [
        Path(name) for key in ("logs", "metrics") if isinstance(status.get(key), list) for name in status[key]
        if isinstance(name, str)
    ]  # fmt: skip
    there = [path for path in named if path.is_file()]
    return there or _files(workspace.experiments / job.subject / "logs")


def _of_files(given: Path, now: Callable[[], float]) -> Live:
    files = [given] if given.is_file() else _files(given)
    seeds = _seeds(files, {}, now)
    if not seeds:
        raise NotFound(f"no log in {given.name}; logs end in .log, .txt, .out or .metrics.jsonl")
    silent = min((seed.silent_s for seed in seeds if seed.silent_s is not None), default=0.0)
    state, message = "done" if silent > QUIET_S else "running", ""
    if silent > DEAD_S and (died := next((said for path in files if (said := _last_error(path))), "")):
        state, message = "failed", f"the log ends in an error: {died[:LINE_MAX]}"
    return _settled(Live(subject=given.name, state=state, message=message, at=_instant(now), seeds=seeds))


def _last_error(path: Path) -> str:
    """The last line of a log that ends in a traceback, with no step after it; else empty."""
    lines = [line for line in _tail(path).splitlines() if line.strip()]
    for place in range(len(lines) - 1, -1, -1):
        if "Traceback (most recent call last)" in lines[place]:
            said = (
                line
                for line in lines[place + 1 :]
                if re.match(r"(?:\[\w+\]:)?\s*[\w.]*(?:Error|Exception|Interrupt)\b", line)
            )
            return next(said, lines[-1]).strip()
        if is_step(lines[place]):
            return ""
    return ""


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = [
        path for path in sorted(folder.iterdir())
        if path.is_file() and not path.is_symlink()
        and (path.suffix.lower() in (".log", ".txt", ".out") or path.name.endswith(".metrics.jsonl"))
    ]  # fmt: skip
    return found[:FILES_MAX]


def _seeds(files: Sequence[Path], settings: dict[str, str], now: Callable[[], float]) -> list[LiveSeed]:
    """One of each trainer: its log and its metrics file are the same run, told apart by the seed in their names."""
    from golf.measure.logs import seed_in_name

    pairs: dict[object, list[Path]] = {}
    for path in files:
        seed = seed_in_name(path.with_name(path.name.replace(".metrics", "")))
        pairs.setdefault(path if seed is None else seed, []).append(path)
    return [_seed(paths, settings, now) for paths in pairs.values()]


def _seed(paths: Sequence[Path], settings: dict[str, str], now: Callable[[], float]) -> LiveSeed:
    runs: list[Run] = []
    for path in paths:
        with contextlib.suppress(UnreadableInput, OSError):  # not a step yet
            runs.append(read_run(path, path.name))
    logs = [path for path in paths if path.suffix != ".jsonl"]
    shown = (logs or list(paths))[0]
    lines = [line[:LINE_MAX] for line in _tail(shown).splitlines() if line.strip()][-LINES:] if logs else []
    found = LiveSeed(file=shown.name, silent_s=_silent(paths, now), last_lines=lines)
    if not runs:
        return found
    run = max(runs, key=lambda run: (run.series.last_step, sum(map(len, run.series.curves.values()))))
    series = run.series
    quantity, points = _curve(run)
    times = series.finite("train_time_s")
    rate = _rate(times)
    stated = {} if run.log is None else {name.lower(): value for name, value in run.log.hyperparameters.items()}
    known = {**stated, **{name.lower(): value for name, value in settings.items()}}
    batch, cap = _number(known.get("train_batch_tokens")), _number(known.get("max_wallclock_seconds"))
    losses = series.finite("train_loss")
    step = series.last_step
    spent = times[-1].value if times else None
    left = [] if rate is None or series.iterations is None else [max(0, series.iterations - step) / rate]
    if cap and spent is not None:
        left.append(max(0.0, cap - spent))
    return found.model_copy(
        update={
            "quantity": quantity, "points": _thinned(points), "train_loss": losses[-1].value if losses else None,
            "step": step, "iterations": series.iterations, "train_time_s": spent, "steps_per_s": rate,
            "tok_per_s": rate * batch if rate is not None and batch else None, "time_left_s": min(left, default=None),
        }
    )  # fmt: skip


def _curve(run: Run) -> tuple[Literal["val_bpb", "val_loss", "train_loss", ""], Sequence[Point]]:
    """Validation where there is some of it, else the training loss."""
    ways: tuple[tuple[Literal["val_bpb", "val_loss", "train_loss"], int], ...] = (
        ("val_bpb", 3), ("val_loss", 3), ("train_loss", 1), ("val_bpb", 1), ("val_loss", 1),
    )  # fmt: skip
    for quantity, least in ways:
        points = run.series.finite(quantity)
        if len(points) >= least:
            return quantity, points
    return "", []


def _rate(times: Sequence[Point]) -> float | None:
    """Steps a second over the last points."""
    recent = times[-RECENT:]
    if not recent:
        return None
    if len(recent) == 1:
        recent = [Point(0, 0.0, 0), recent[0]]
    steps, seconds = recent[-1].step - recent[0].step, recent[-1].value - recent[0].value
    return steps / seconds if steps > 0 and seconds > 0 else None


def _thinned(points: Sequence[Point]) -> list[tuple[int, float]]:
    every = -(-len(points) // CURVE_POINTS) or 1
    kept = list(points[::every])
    if points and kept[-1] is not points[-1]:
        kept.append(points[-1])
    return [(point.step, round(point.value, 6)) for point in kept]


def _settings(workspace: Workspace, name: str) -> dict[str, str]:
    with contextlib.suppress(GolfError):
        folder = experiments.find(workspace, name)
        result = experiments.read_result(folder)
        return result.settings if result is not None else experiments.settings(workspace, experiments.load(folder))
    return {}


def _tail(path: Path) -> str:
    try:
        return durable.tail(path)
    except OSError:
        return ""


def _silent(paths: Sequence[Path], now: Callable[[], float]) -> float | None:
    ages: list[float] = []
    for path in paths:
        with contextlib.suppress(OSError):
            ages.append(max(0.0, now() - path.stat().st_mtime))
    return min(ages, default=None)


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _instant(now: Callable[[], float]) -> datetime:
    return datetime.fromtimestamp(now(), UTC)
