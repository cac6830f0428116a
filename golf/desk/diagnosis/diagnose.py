"""`golf diagnose`: what is wrong with a training run, from its log and its script (S94).

The curves are read by `symptoms`, the rate by `rates`, the script by `recipe`, final scores by `evaluated`. Nothing is
run. What a log does not state is listed under `not_examined`: of that, "fine" says nothing.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from golf.desk.diagnosis import evaluated, rates, symptoms
from golf.desk.diagnosis.recipe import Recipe
from golf.desk.diagnosis.trouble import Curve, Diagnosis, Trouble
from golf.desk.findings import SEVERITIES
from golf.desk.series import Run, read_run
from golf.errors import NotFound, UnreadableInput
from golf.jobs.store import JobStore
from golf.measure.logs import FILES_MAX
from golf.play import experiments
from golf.referee.case import Case, open_case
from golf.referee.program import Program, program_of
from golf.referee.settings import effective
from golf.referee.texts import Script, TextFile
from golf.rulings import Evidence, Submission
from golf.workspace import Workspace

CURVE_POINTS = 120
"""Of one run in the answer; every k-th where there are more, and always the last."""
SCRIPT_BYTES_MAX = 4_000_000
SETTINGS = "config.yaml!env"
"""What an experiment's settings are called as evidence."""
NUMBERED = ("train_seq_len", "eval_seq_len", "grad_clip_norm", "grad_clip", "max_grad_norm", "clip_grad_norm")


def diagnose(workspace: Workspace | None, subject: str, *, script: Path | None = None) -> Diagnosis:
    """Look for what is wrong with a run.

    Args:
        workspace: Where experiments and jobs are looked up; None outside of one.
        subject: An experiment, a job's id, a log or metrics file, or a folder with logs and script.
        script: The training script, where it is not beside the logs.

    Raises:
        NotFound: there is nothing of that name, or no log in it.
        UnreadableInput: no log states a step.
    """
    files, folder, env = _found(workspace, subject)
    case = _case(folder, script, env, alone=len(files) == 1 and Path(subject).is_file())
    recipe = None
    if case is not None and case.has_code:
        recipe = Recipe(program_of(case) if case.place is not None else Program(case, effective(case)))
    runs, skipped = _runs(files, folder)
    findings: list[Trouble] = []
    for run in runs:
        findings += _of_run(run, recipe)
    if recipe is not None:
        findings += _of_script(recipe)
    findings.sort(key=lambda one: SEVERITIES.index(one.severity))
    examined, missing = _coverage(runs, recipe)
    return Diagnosis(
        subject=subject,
        findings=findings,
        examined=examined,
        not_examined={**missing, **skipped},
        curves=[curve for run in runs if (curve := _curve(run))],
    )


def _found(workspace: Workspace | None, subject: str) -> tuple[list[Path], Path, Mapping[str, str]]:
    """The files of a run, the folder that they are named from, and the settings it was given."""
    given = Path(subject)
    if given.is_file():
        return [given], given.parent, {}
    inside = workspace is not None and given.is_dir() and experiments.around(workspace, given) is not None
    if given.is_dir() and not inside:
        return _log_files(given), given, {}
    if workspace is None:
        raise NotFound(
            f"nothing at {subject}, and no workspace here to look up an experiment or a job; golf init makes one"
        )
    name = subject
    if not experiments.exists(workspace, name):
        try:
            name = JobStore(workspace).get(subject).subject
        except NotFound:
            raise NotFound(
                f"no experiment, job, log or folder {subject[:100]!r}. See them: golf history, golf jobs"
            ) from None
    folder = experiments.find(workspace, name)
    result = experiments.read_result(folder)
    env = result.settings if result is not None else experiments.settings(workspace, experiments.load(folder))
    logs = folder / "logs"
    return _log_files(logs) if logs.is_dir() else [], folder, env


def _log_files(folder: Path) -> list[Path]:
    """Logs and metrics of a folder, a log before the metrics of the same run."""
    found = [
        path for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
        and (path.suffix.lower() in (".log", ".txt", ".out") or path.name.endswith(".metrics.jsonl"))
        and "earlier" not in path.relative_to(folder).parts
    ]  # fmt: skip
    return found[:FILES_MAX]


def _runs(files: Sequence[Path], folder: Path) -> tuple[list[Run], dict[str, str]]:
    """Each file's run; a metrics file fills in what the log of the same seed leaves out."""
    runs: dict[str, Run] = {}
    skipped: dict[str, str] = {}
    seen: set[bytes] = set()
    problems: list[str] = []
    for path in sorted(files, key=lambda path: path.suffix == ".jsonl"):
        shown = path.relative_to(folder).as_posix()
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
            if digest in seen:
                continue
            seen.add(digest)
            run = read_run(path, shown)
        except UnreadableInput as error:
            problems.append(str(error))
            continue
        twin = runs.get(_run_name(path))
        if twin is None:
            runs[_run_name(path)] = run
        elif path.suffix == ".jsonl":
            runs[_run_name(path)] = _denser(twin, run)
        else:
            runs[shown] = run
    if not runs:
        raise (
            UnreadableInput(problems[0])
            if len(problems) == 1
            else NotFound(
                f"no log with a step in {folder.name or folder}; give a training log, or play it: golf run NAME"
            )
        )
    return list(runs.values()), skipped


def _run_name(path: Path) -> str:
    found = re.search(r"seed[-_]?(\d+)", path.name)
    return f"{path.parent}/{found[1]}" if found else str(path)


def _denser(log: Run, metrics: Run) -> Run:
    """Whichever of both has more points, with the conclusions of the log; what that one lacks is in the other."""
    points = [sum(map(len, run.series.curves.values())) for run in (log, metrics)]
    return replace(metrics, log=log.log, facts=log.facts) if points[1] > points[0] else log


def _case(folder: Path, script: Path | None, env: Mapping[str, str], *, alone: bool) -> Case | None:
    """The script as the referee reads one, with the run's settings; None when there is none."""
    if script is None and alone:
        beside = sorted(folder.glob("*.py"))
        named = [path for path in beside if path.name.startswith("train")]
        script = named[0] if named else beside[0] if len(beside) == 1 else None
        if script is None:
            return None
    if script is not None:
        if not script.is_file() or script.stat().st_size > SCRIPT_BYTES_MAX:
            raise NotFound(f"no readable training script at {script}; name one: --script PATH")
        source = Script(script.name, script.read_text(encoding="utf-8", errors="replace"))
        case = Case(
            folder=folder, files={}, readmes=[], json={}, json_file=None, scripts=[source], shells=[], others=[],
            logs=[], submission=Submission(folder=folder.resolve().name or "run"),
        )  # fmt: skip
    else:
        case = open_case(folder)
    if env:
        lines = [f'{key}="{value}"' for key, value in env.items() if '"' not in value and "\n" not in value]
        case.shells = [TextFile(SETTINGS, "\n".join([*lines, "python train_gpt.py"]))]
    return case


def _of_run(run: Run, recipe: Recipe | None) -> Iterator[Trouble]:
    log = run.log
    is_over = run.is_quiet or (log is not None and (log.steps is not None or bool(log.candidates)))
    facts = dict(_facts(run, recipe))
    clip = next((value for name, (value, _) in facts.items() if "clip" in name and value), None)
    if clip is None and recipe is not None and recipe.clip is not None:
        clip = recipe.clip[0]
    yield from symptoms.of_curves(run, float(clip) if clip else None)
    yield from rates.of_rates(run, recipe, is_over)
    for trouble in evaluated.of_scores(run, facts):
        if trouble.code == "TRAIN_VAL_GAP" and recipe is not None and recipe.augmentations:
            trouble = trouble.model_copy(update={"evidence": [*trouble.evidence, *recipe.augmentations]})
        yield trouble


def _facts(run: Run, recipe: Recipe | None) -> Iterator[tuple[str, tuple[Any, Evidence]]]:
    """Settings the log states, else those the script had, where they are numbers."""
    logged = {} if run.log is None else {name.lower(): value for name, value in run.log.hyperparameters.items()}
    for name in NUMBERED:
        if name in logged and re.fullmatch(r"-?\d{1,12}(?:\.\d{1,12})?", logged[name]):
            number, text = run.facts.get(name, (None, f"{name}: {logged[name]}"))
            value = float(logged[name])
            yield (
                name,
                (
                    int(value) if value.is_integer() else value,
                    Evidence(file=run.series.file, line=number, quote=" ".join(text.split())[:200] or name),
                ),
            )
            continue
        found = None if recipe is None else recipe.program.settings.get(name)
        if found is not None and type(found.value) in (int, float) and not found.disputed:
            yield name, (found.value, found.evidence)


def _of_script(recipe: Recipe) -> Iterator[Trouble]:
    for one in recipe.decayed:
        yield Trouble(
            code="DECAY_ON_NORMS",
            severity="warning" if one.whole_model else "note",
            text=f"{one.optimiser} decays "
            + (
                "every parameter, norms and biases among them"
                if one.whole_model
                else "a group of norms, gains or scalars"
            )
            + f", by {one.weight_decay:g}",
            evidence=[one.at],
            advice="two groups: tensors of two and more dimensions with weight decay, the rest (norms, biases, gains) "
            "with weight_decay=0"
            if one.whole_model
            else "weight_decay=0 for that group, unless pulling its gains to 0 is meant",
        )


def _coverage(runs: Sequence[Run], recipe: Recipe | None) -> tuple[list[str], dict[str, str]]:
    """What was looked at, and what not, and why."""
    examined: list[str] = []
    missing: dict[str, str] = {}

    def either(what: str, is_there: bool, why: str) -> None:
        if is_there:
            examined.append(what)
        else:
            missing[what] = why

    def any_has(name: Any, at_least: int) -> bool:
        return any(len(run.series[name]) >= at_least for run in runs)

    either(
        "loss",
        any_has("train_loss", symptoms.SPIKE_WINDOW + 2),
        "too few training losses are logged to see more than a NaN",
    )
    either("validation", any_has("val_bpb", 2) or any_has("val_loss", 2), "no log states two validations")
    either(
        "step time", any_has("train_time_s", 7) or any_has("step_time_s", 7), "no log times seven stretches of steps"
    )
    has_rates = any_has("rate", rates.POINTS_MIN)
    either(
        "learning rate", has_rates or (recipe is not None and recipe.schedule is not None),
        "the log states no rates and there is no script" if recipe is None else
        "the log states no rates, and the script has no schedule that could be read",
    )  # fmt: skip
    clipped = any_has("grad_norm", symptoms.CLIPPED_POINTS)
    either("clipping", clipped, "no log states gradient norms: log what clip_grad_norm_ returns as grad_norm")
    either("weight decay", recipe is not None, "there is no script: name one with --script")
    either(
        "round trip",
        any(run.log is not None and bool(run.log.candidates) for run in runs),
        "no score after training is logged",
    )
    return examined, missing


def _curve(run: Run) -> Curve | None:
    for quantity in ("train_loss", "val_loss", "val_bpb"):
        points = run.series.finite(quantity)
        if points:
            every = -(-len(points) // CURVE_POINTS)
            kept = points[::every]
            if kept[-1] is not points[-1]:
                kept = [*kept[: CURVE_POINTS - 1], points[-1]]
            return Curve(
                file=run.series.file, steps=run.series.last_step, iterations=run.series.iterations, quantity=quantity,
                points=[(point.step, round(point.value, 6)) for point in kept],
            )  # fmt: skip
    return None
