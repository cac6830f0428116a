"""Past runs in one form, whoever made them: a workspace's ledger and results, or folders of logs of any trainer.

What is surprising:

- A setting is what somebody chose before the run. What came out of it (scores, bytes, times) is a field, and what only
  names it (paths, run ids, ranks) is neither: a correlation of the score with its own bytes would look like a finding.
- The logs of a folder that have the same settings are one run over several seeds; those that differ are several runs.
- In a folder that is no submission, logs of one run say different seeds: two of one seed, or of none, are two runs, for
  nothing says that only the seed was different.
- Nothing of a folder is run: settings come from what its logs printed, a configuration beside them, and the defaults of
  its script, read by AST.
- Where no log at all states a score after training, the last step's is the score; the two are never mixed, since the
  first is mostly of what was compressed.
"""

import contextlib
import hashlib
import itertools
import os
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeAlias

from golf.desk.drift.parameters import literal, read_config
from golf.desk.series import read_run
from golf.errors import BadConfig, GolfError, NotFound, UnreadableInput
from golf.measure import logs
from golf.play import experiments, ledger
from golf.schema import Experiment, Noun, Result, Row, TrainingLog
from golf.workspace import Workspace

Value: TypeAlias = bool | int | float | str | None

FOLDERS_MAX = 20_000
"""Folders of logs that are read below one folder; more are refused, since which were left out would decide the rest."""
SETTINGS_MAX = 2_000
"""Of one run; more are no configuration."""
TEXT_MAX = 200
"""Characters of a setting's value that are kept."""
CONFIGS = ("config", "args", "hparams", "hyperparameters", "params", "settings")
"""Stems of configuration files that lie beside logs."""
NESTED = ("config", "hyperparameters", "hparams", "params", "settings", "args")
"""Tables of a submission.json that hold settings; what stands at its top is mostly outcome."""

_OUTCOME = re.compile(
    r"^_|(?:^|_)(?:val_bpb|bpb|seeds?|run_id|rank|local_rank|is_main_process|distributed|logfile|pattern|hostname|port)$"
    r"|^(?:val_loss|train_loss|tokens|val_tokens|val_loader|model_params|params|mtp_params|name|date|author|github_id"
    r"|blurb|track|log|logs|s|t|phase|phase\d|total_eval_time|num_seeds|commit|hypothesis)$"
    r"|_(?:path|paths|dir|dirs|file|files|params|s|ms|seconds_taken|usd|sha256|hash)$"
    r"|^(?:golf_|wandb|trackio|mlflow|cuda_visible|omp_|master_|hf_|pytorch_|nccl_|tokenizers_parallelism)",
    re.IGNORECASE,
)
"""Names of what is no choice: outcomes, identities, places, and what belongs to the machine."""
_DATED = re.compile(r"(?:^|[^0-9])(20\d\d)[-_]?([01]\d)[-_]?([0-3]\d)(?![0-9])")


class PastRun(Noun):
    """One finished run over all its seeds. Bytes, seconds, US dollars; lower scores are better."""

    name: str
    source: str = ""
    """Where it was read: the ledger, or a folder relative to what was given."""
    at: datetime | None = None
    """When it ended; of a folder of logs the day its name carries, else its newest log's time."""
    tier: str = ""
    """Rung it was played on; of a folder of logs the folder above it. Scores of two tiers do not compare."""
    data: str = ""
    status: str = ""
    promoted: str = ""
    val_bpb: float | None = None
    """Mean over its seeds."""
    val_bpb_std: float | None = None
    val_loss: float | None = None
    """Nats per token, mean over its seeds."""
    artifact_bytes: int | None = None
    memory_gb: float | None = None
    train_time_s: float | None = None
    eval_time_s: float | None = None
    steps: int | None = None
    cost_usd: float | None = None
    seeds: list[int] = []
    scores: list[float] = []
    """val_bpb by seed, in their order."""
    commit: str = ""
    hypothesis: str = ""
    parent: str = ""
    techniques: list[str] = []
    script: str = ""
    """Beginning of the SHA-256 of the training script."""
    settings: dict[str, Value] = {}
    """By name in lower case: `MATRIX_LR` of an environment is `matrix_lr` of a log."""


def past_runs(workspace: Workspace | None, place: Path | None = None) -> list[PastRun]:
    """Every run, oldest first: of the workspace, of another one, or of a folder of folders of logs.

    Args:
        workspace: Whose ledger is read, where no `place` is named.
        place: A folder with logs somewhere in it, or another workspace.

    Raises:
        NotFound: there is no workspace and no place, or no log in it.
        UnreadableInput: results.tsv has a malformed line.
    """
    if place is not None:
        place = place.resolve() if place.is_dir() else place
        if not place.is_dir():
            raise NotFound(f"no folder {place}; give one with logs in it, or leave --from out for this workspace")
        return of_workspace(Workspace(place)) if (place / "golf.toml").is_file() else of_folders(place)
    if workspace is None:
        raise NotFound("no workspace here; golf init makes one, and --from FOLDER reads logs that lie anywhere")
    return of_workspace(workspace)


def is_setting(name: str) -> bool:
    """Whether a name is of something that was chosen before the run, and not an outcome, a place or an identity."""
    return not _OUTCOME.search(name.rpartition(".")[2])


# --- a workspace


def of_workspace(workspace: Workspace) -> list[PastRun]:
    """The ledger's rows, each with its result's settings where that still lies there; in the ledger's order."""
    results: dict[str, list[tuple[Path, Result]]] = {}
    for folder in sorted(workspace.experiments.glob("*")):
        for path in (folder, *sorted((folder / "earlier").glob("*"))):
            with contextlib.suppress(GolfError):
                if (result := experiments.read_result(path)) is not None:
                    results.setdefault(folder.name, []).append((folder, result))
    return [_of_row(row, results.get(experiments.named_in(row.description), [])) for row in
            ledger.iterate(workspace.ledger)]  # fmt: skip


def _of_row(row: Row, found: Sequence[tuple[Path, Result]]) -> PastRun:
    name, _, hypothesis = row.description.partition(": ")
    run = PastRun(
        name=name if hypothesis else experiments.named_in(row.description),
        source="results.tsv", tier=row.tier, status=row.status, promoted=row.promoted, val_bpb=row.val_bpb,
        artifact_bytes=row.artifact_bytes, memory_gb=row.memory_gb, cost_usd=row.cost_usd, commit=row.commit,
        hypothesis=hypothesis,
    )  # fmt: skip
    match = [one for one in found if one[1].tier == row.tier and row.commit and one[1].commit.startswith(row.commit)]
    if not match:
        return run
    folder, result = match[0]
    claim: Experiment | None = None
    with contextlib.suppress(GolfError):
        claim = experiments.load(folder)
    steps = [seed.steps for seed in result.seeds if seed.steps is not None]
    return run.model_copy(
        update={
            "at": result.finished_at, "data": result.data, "val_bpb_std": result.val_bpb_std,
            "val_loss": statistics.fmean(seed.val_loss for seed in result.seeds) if result.seeds else None,
            "train_time_s": result.train_time_s, "eval_time_s": result.eval_time_s, "steps": max(steps, default=None),
            "seeds": [seed.seed for seed in result.seeds], "scores": [seed.val_bpb for seed in result.seeds],
            "hypothesis": result.hypothesis, "parent": (claim.parent if claim else None) or "",
            "techniques": claim.techniques if claim else [],
            "script": _digest(folder / claim.script) if claim else "",
            "settings": _settings({key: literal(value) for key, value in result.settings.items()}),
        }
    )  # fmt: skip


# --- folders of logs


def of_folders(place: Path) -> list[PastRun]:
    """Runs of the folders below `place` that hold logs, by date and name.

    A folder with a submission.json is one submission with all that lies below it; any other that has logs in itself is
    a run's.

    Raises:
        NotFound: no log in it states a score.
        BadConfig: there are more folders, or more files in one, than are read.
    """
    folders = list(itertools.islice(_folders(place), FOLDERS_MAX + 1))
    if len(folders) > FOLDERS_MAX:
        raise BadConfig(f"more than {FOLDERS_MAX:,} folders below {place.name} have logs; name one further down")
    read: list[tuple[Path, list[TrainingLog]]] = []
    for folder in folders:
        with contextlib.suppress(UnreadableInput):
            read.append((folder, [one for one in logs.folder_logs(folder) if _is_here(Path(one.path), folder)]))
    is_concluded = any(one.final_bpb is not None or one.candidates for _, found in read for one in found)
    runs = [run for folder, found in read for run in _of_folder(folder, place, found, is_concluded)]
    if not runs:
        raise NotFound(
            f"no log below {place.name} states a score; logs end in .log or .txt and have lines such as "
            "`step:100/2000 val_bpb:1.31` or `step 100: val loss 2.9`"
        )
    return sorted(runs, key=lambda run: (run.at or datetime.min.replace(tzinfo=UTC), run.name))


def _folders(place: Path) -> Iterator[Path]:
    for root, below, files in os.walk(place):
        below[:] = sorted(name for name in below if not name.startswith("."))
        is_one = any(re.fullmatch(r"submission.*\.json", name) for name in files)
        texts = sum(name.lower().endswith((".log", ".txt")) for name in files)
        if texts > logs.FILES_MAX and not is_one:
            raise BadConfig(
                f"{Path(root).name} has {texts:,} logs in one folder, and {logs.FILES_MAX} are read; give each run a "
                "folder of its own, or name one that has fewer"
            )
        if is_one or texts:
            yield Path(root)
            if is_one:
                below.clear()


def _of_folder(folder: Path, place: Path, found: Sequence[TrainingLog], is_concluded: bool) -> Iterator[PastRun]:
    """Its runs. `is_concluded`: a score counts that follows training; else the last step's."""
    beside = _beside(folder) if found else {}
    groups = _configured(found, is_submission=any(folder.glob("submission*.json")))
    shown = folder.relative_to(place).as_posix() if folder != place else folder.name
    tier = folder.parent.name if folder.parent != place and folder != place else ""
    script = next(iter(sorted(folder.glob("train*.py")) or sorted(folder.glob("*.py"))), None)
    for own, members in groups:
        bpb = {one.path: one.final_bpb if is_concluded else one.last_step_bpb for one in members}
        scored = [one for one in members if bpb[one.path] is not None]
        losses = [loss for one in members if (loss := _loss(one)) is not None]
        if not scored and not losses:
            continue
        name = shown if len(groups) == 1 else f"{shown}/{Path(members[0].path).stem}"
        scores = [score for score in bpb.values() if score is not None]
        yield PastRun(
            name=name, source=shown, tier=tier, at=_when(folder, members[0]),
            val_bpb=statistics.fmean(scores) if scores else None,
            val_bpb_std=statistics.stdev(scores) if len(scores) > 1 else None,
            val_loss=statistics.fmean(losses) if losses else None,
            artifact_bytes=_most(one.artifact_bytes for one in members),
            memory_gb=None if (held := _most(one.memory_bytes for one in members)) is None else round(held / 1e9, 3),
            train_time_s=_most(one.train_time_s for one in members),
            eval_time_s=_most(one.eval_time_s for one in members),
            steps=_most(one.steps for one in members), scores=scores,
            seeds=[one.seed for one in (scored or members) if one.seed is not None],
            script=_digest(script) if script is not None else "", settings=_settings({**beside, **own}),
        )  # fmt: skip


def _is_here(path: Path, folder: Path) -> bool:
    """Whether a log is this folder's own: below one without a submission.json each folder is a run's of its own."""
    return path.parent == folder or any(folder.glob("submission*.json"))


def _configured(
    found: Sequence[TrainingLog], *, is_submission: bool
) -> list[tuple[dict[str, Value], list[TrainingLog]]]:
    """Logs by what they were given: those that contradict each other nowhere are one run over several seeds.

    That they are of one run a submission says; elsewhere their seeds do, by being different.
    """
    groups: list[tuple[dict[str, Value], list[TrainingLog]]] = []
    for one in found:
        own = _settings({name: literal(value) for name, value in one.hyperparameters.items()})
        for known, members in groups:
            are_seeds = is_submission or (one.seed is not None and one.seed not in {other.seed for other in members})
            if are_seeds and all(known[name] == value for name, value in own.items() if name in known):
                known.update(own)
                members.append(one)
                break
        else:
            groups.append((own, [one]))
    return groups


def _loss(log: TrainingLog) -> float | None:
    """Nats per token at the end: as concluded, else the last validation of whatever dialect."""
    if log.final_loss is not None:
        return log.final_loss
    with contextlib.suppress(UnreadableInput, OSError):
        points = read_run(Path(log.path), log.path).series.finite("val_loss")
        return points[-1].value if points else None
    return None


def _beside(folder: Path) -> dict[str, Any]:
    """Settings that are no log's: a configuration's or a submission.json's table's, above the script's defaults."""
    found = _of_script(folder)
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() in (".yaml", ".yml", ".json", ".toml") and path.is_file() and not path.is_symlink():
            is_config = path.stem.lower() in CONFIGS
            if not is_config and not re.fullmatch(r"submission.*", path.stem):
                continue
            with contextlib.suppress(GolfError, OSError):
                for name, one in read_config(path)[0].values.items():
                    table, _, inner = name.partition(".")
                    if is_config:
                        found[name] = one.value
                    elif table in NESTED and inner:
                        found[inner] = one.value
    return found


def _of_script(folder: Path) -> dict[str, Any]:
    """What the folder's script reads from the environment, as it was set there: by command, log or default."""
    from golf.referee.case import open_case
    from golf.referee.settings import UNKNOWN, effective

    if not any(folder.glob("*.py")):
        return {}
    found: dict[str, Any] = {}
    with contextlib.suppress(GolfError, OSError, RecursionError):
        case = open_case(folder)
        settings = effective(case)
        lines = {script.name: script.lines for script in case.scripts}
        for name in settings.named(""):
            one = settings.get(name)
            if (
                one is None
                or one.disputed
                or one.value is UNKNOWN
                or not isinstance(one.value, bool | int | float | str)
            ):
                continue
            text = lines.get(one.evidence.file, [])
            number = one.evidence.line
            if text and (number is None or not re.search(r"environ|getenv", text[number - 1])):
                continue  # a constant of the program, or a local
            found[name] = literal(one.value) if isinstance(one.value, str) else one.value
    return found


# --- values


def _settings(table: Mapping[str, Any]) -> dict[str, Value]:
    kept: dict[str, Value] = {}
    for name, value in table.items():
        if not is_setting(name) or len(kept) >= SETTINGS_MAX:
            continue
        kept[name.lower()] = value if isinstance(value, bool | int | float) or value is None else str(value)[:TEXT_MAX]
    return kept


def _digest(path: Path) -> str:
    if not path.is_file():  # a pipe or a device that a stranger named so has no end
        return ""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:8]
    except OSError:
        return ""


def _when(folder: Path, log: TrainingLog) -> datetime | None:
    """The last day in the folder's name, else the log's own time."""
    for year, month, day in reversed(_DATED.findall(folder.name)):
        with contextlib.suppress(ValueError):
            found = date(int(year), int(month), int(day))
            return datetime(found.year, found.month, found.day, tzinfo=UTC)
    with contextlib.suppress(OSError):
        return datetime.fromtimestamp(Path(log.path).stat().st_mtime, UTC)
    return None


def _most(values: Iterator[Any]) -> Any:
    return max((value for value in values if value is not None), default=None)
