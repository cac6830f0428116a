"""What there is to track: a played experiment, a run that is on, a log or metrics file, a folder of logs.

A look reads files that the trainer wrote and nothing else; looking again later shows more of the same runs.
"""

import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from golf.desk.series import QUIET_S, Series, read_run
from golf.desk.tracking import alerts
from golf.desk.tracking.tracker import Alert
from golf.errors import GolfError, NotFound, UnreadableInput
from golf.jobs import progress
from golf.jobs.store import JobStore, Record
from golf.measure import logs
from golf.play import experiments, worktree
from golf.play.replay import Replay
from golf.schema import Experiment, Result, TrainingLog
from golf.workspace import TierSettings, Workspace

Steps = dict[int, dict[str, float]]
"""Metrics by step, the steps in order."""


@dataclass(frozen=True)
class Reading:
    """One run as its files show it now."""

    key: str
    """What run it is, wherever it is tracked."""
    name: str
    config: Mapping[str, Any]
    tags: Mapping[str, str]
    steps: Steps
    summary: Mapping[str, Any]
    """Final values; empty while it is on."""
    is_over: bool
    file: Path
    """What its curves are looked at in, for alerts."""
    more_alerts: list[Alert] = field(default_factory=list)

    def alerts(self) -> list[Alert]:
        """What whoever watches should know."""
        return [*alerts.of_curves(self.file), *self.more_alerts]


Look = Callable[[], list[Reading]]
"""Reads everything anew."""


def find(workspace: Workspace | None, subject: str, has_ended: Callable[[], bool] = lambda: False) -> Look:
    """How to look at a subject: an experiment, a job's id, a log or metrics file, or a folder with logs.

    `has_ended` is for who knows of a job's end before the table does.

    Raises:
        NotFound: there is nothing of that name.
        UnreadableInput: it states no step.
    """
    given = Path(subject)
    if given.is_file():
        return lambda: [_of_file(given, given.parent)]
    if workspace is not None:
        if experiments.exists(workspace, subject):
            folder = experiments.find(workspace, subject)
            return lambda: _of_experiment(workspace, folder)
        if not given.is_dir():
            try:
                record = JobStore(workspace).get(subject)
            except NotFound:
                raise NotFound(
                    f"no experiment, job, log or folder {subject[:100]!r}. See them: golf history, golf jobs"
                ) from None
            return lambda: _of_job(workspace, record.id, has_ended())
    if given.is_dir():
        return lambda: _of_folder(given)
    raise NotFound(f"nothing at {subject[:100]}, and no workspace here to look up an experiment; golf init makes one")


def _of_folder(folder: Path) -> list[Reading]:
    found: list[Reading] = []
    for log in logs.folder_logs(folder):
        try:
            found.append(_of_file(Path(log.path), folder, log))
        except UnreadableInput:  # it has a score and no step
            continue
    if not found:
        raise NotFound(f"no log with a step in {folder.name or folder}; give a training log or a metrics file (.jsonl)")
    return found


def _of_file(path: Path, folder: Path, log: TrainingLog | None = None) -> Reading:
    steps = _merged(progress.read_metrics(path, with_nonfinite=True)) if path.suffix == ".jsonl" else {}
    is_over = False
    if steps:  # whatever its names are
        is_over = time.time() - path.stat().st_mtime > QUIET_S
        with path.open(encoding="utf-8", errors="replace") as file:
            first = next((line for line in file if line.strip()), "")
    else:
        run = read_run(path, path.relative_to(folder).as_posix())
        log, is_over, steps = log or run.log, run.is_quiet, _of_series(run.series)
        first = run.series.texts[min(run.series.texts)]
    name = "-".join(part for part in (folder.resolve().name, *path.relative_to(folder).with_suffix("").parts) if part)
    digest = hashlib.sha256(f"{name}\n{first.strip()}".encode()).hexdigest()[:16]  # a file grows at its end only
    config: dict[str, Any] = {} if log is None else {**log.hyperparameters}
    summary: dict[str, Any] = {}
    if log is not None:
        is_over |= log.steps is not None or bool(log.candidates)
        if log.seed is not None:
            config["seed"] = log.seed
        summary = {
            "val_bpb": log.final_bpb,
            "val_loss": log.final_loss,
            "artifact_bytes": log.artifact_bytes,
            "train_time_s": log.train_time_s,
            "steps": log.steps,
        }
    return Reading(
        key=f"file/{digest}",
        name=name,
        config=config,
        tags={"source": path.name},
        steps=steps,
        summary={key: value for key, value in summary.items() if value is not None},
        is_over=is_over,
        file=path,
    )


def _of_experiment(workspace: Workspace, folder: Path) -> list[Reading]:
    result = experiments.read_result(folder)
    played = [row for row in JobStore(workspace).recent(1000) if row.subject == folder.name and row.kind != "evaluate"]
    if played and (result is None or not result.seeds or not played[0].has_ended):
        return _of_job(workspace, played[0].id)
    if result is None or not result.seeds:
        raise NotFound(
            f"{folder.name} was not played yet, so there is nothing to track. Play it: golf run {folder.name}"
        )
    return _of_result(workspace, folder, result)


def _of_result(workspace: Workspace, folder: Path, result: Result) -> list[Reading]:
    claim = experiments.load(folder)
    found: list[Reading] = []
    tier = workspace.config.tiers.get(result.tier)
    for seed in result.seeds:
        log = folder / seed.log
        file, steps = _curves(folder / "logs" / f"seed{seed.seed}.metrics.jsonl", log)
        if file is None:
            continue
        found.append(
            Reading(
                **_identity(folder.name, result.run_id, seed.seed, result.tier),
                config=_config(result.settings, seed.seed, result.commit, claim.hypothesis),
                steps=steps,
                summary={
                    "val_bpb": seed.val_bpb, "val_loss": seed.val_loss, "artifact_bytes": seed.artifact_bytes,
                    "train_time_s": seed.train_time_s, "eval_time_s": seed.eval_time_s, "steps": seed.steps,
                    "cost_usd": result.cost_usd or None, "status": result.status,
                },
                is_over=True,
                file=log if log.is_file() else file,
                more_alerts=[] if tier is None else alerts.of_budget(workspace, tier),
            )
        )  # fmt: skip
    return found


def _of_job(workspace: Workspace, job_id: str, has_ended: bool = False) -> list[Reading]:
    """The runs of a job, from the files that it says its trainers write."""
    record = JobStore(workspace).get(job_id)
    folder = workspace.experiments / record.subject
    order = _order(workspace, record)
    if order is None:
        raise NotFound(f"job {record.id} plays no experiment, so there is nothing to track")
    run_id = str(order.get("run_id", record.id))
    result = experiments.read_result(folder)
    if result is not None and result.run_id == run_id and result.seeds:
        return _of_result(workspace, folder, result)
    status = _table(JobStore(workspace).folder(record.id) / "status.json")
    claim, tier = _claim(workspace, folder, order)
    settings = experiments.settings(workspace, claim, tier)
    has_ended = has_ended or record.has_ended
    found: list[Reading] = []
    written: dict[int, dict[str, Path]] = {}
    for kind in ("metrics", "logs"):
        for path in status.get(kind, []):
            if (seed := logs.seed_in_name(Path(path))) is not None:
                written.setdefault(seed, {})[kind] = Path(path)
    for seed, files in written.items():
        file, steps = _curves(files.get("metrics"), files.get("logs"))
        if file is None:
            continue
        log = files.get("logs")
        found.append(
            Reading(
                **_identity(folder.name, run_id, seed, claim.tier),
                config=_config(settings, seed, _commit(workspace, run_id), claim.hypothesis),
                steps=steps,
                summary={"status": "crash"} if has_ended else {},
                is_over=has_ended,
                file=log if log is not None and log.is_file() else file,
                more_alerts=alerts.of_budget(workspace, tier),
            )
        )
    return found


def _identity(experiment: str, run_id: str, seed: int, tier: str) -> dict[str, Any]:
    return {
        "key": f"{run_id}/seed{seed}",
        "name": f"{experiment}-seed{seed}-{run_id[-6:]}",
        "tags": {"experiment": experiment, "run_id": run_id, "seed": str(seed), "tier": tier},
    }


def _config(settings: Mapping[str, str], seed: int, commit: str, hypothesis: str) -> dict[str, Any]:
    kept = {key: value for key, value in settings.items() if not key.endswith(("_PATH", "_DIR"))}
    return {**kept, "seed": seed, "commit": commit, "hypothesis": hypothesis}


def _order(workspace: Workspace, record: Record) -> dict[str, Any] | None:
    order = _table(JobStore(workspace).folder(record.id) / "request.json")
    return order if "experiment" in order else None


def _table(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _claim(workspace: Workspace, folder: Path, order: Mapping[str, Any]) -> tuple[Experiment, TierSettings]:
    if (orders := order.get("replay")) is not None:
        replay = Replay.model_validate(orders)
        return replay.claim, replay.tier
    claim = experiments.load(folder)
    return claim, workspace.tier(claim.tier)


def _commit(workspace: Workspace, run_id: str) -> str:
    try:
        return worktree.kept(workspace.root, run_id)
    except GolfError:
        return ""


def _curves(metrics: Path | None, log: Path | None) -> tuple[Path | None, Steps]:
    """The first of both that has a step, and its steps: what the trainer wrote for whoever watches, else its log."""
    if metrics is not None and (steps := _merged(progress.read_metrics(metrics, with_nonfinite=True))):
        return metrics, steps
    if log is not None:
        try:
            return log, _of_series(read_run(log, log.name).series)
        except GolfError:
            pass
    return None, {}


def _merged(points: Iterable[Mapping[str, float]]) -> Steps:
    """Lines of one step together; a run that was taken up again from an earlier step counts from there."""
    steps: Steps = {}
    newest = -1
    for point in points:
        if not math.isfinite(point.get("step", math.nan)):
            continue
        step = int(point["step"])
        if step < newest:
            steps = {at: values for at, values in steps.items() if at < step}
        newest = step
        values = {name: value for name, value in point.items() if name not in ("step", "iterations")}
        if values:
            steps.setdefault(step, {}).update(values)
    return steps


def _of_series(series: Series) -> Steps:
    steps: Steps = {}
    for name, points in series.curves.items():
        for point in points:
            steps.setdefault(point.step, {})[name] = point.value
    return {step: steps[step] for step in sorted(steps)}


def named(text: str) -> str:
    """A project's name from a folder's."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "default"
