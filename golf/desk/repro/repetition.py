"""The proof: the same script, settings and seed several times, and up to which step the losses are the same bits (S72).

Each run is played as an experiment's are: on this machine, in a git worktree of one snapshot, by the workspace's
interpreter, on the smoke tier's settings. What the trainer wrote for GOLF_METRICS is compared at full precision; where
it wrote nothing, its log is, and then no more can be said than the digits it printed.
"""

import contextlib
import hashlib
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from golf import durable
from golf.desk import series
from golf.errors import AmbiguousInput, BadConfig, JobFailed, NotFound, UnreadableInput
from golf.jobs import process, progress
from golf.measure import artifact
from golf.play import experiments, training, worktree
from golf.schema import Experiment, Noun
from golf.workspace import TierSettings, Workspace

SMOKE = "smoke"
"""The tier whose settings a repetition takes, where golf.toml has it."""
COMPARED: tuple[series.Quantity, ...] = ("train_loss", "val_loss", "val_bpb", "grad_norm")
"""Everything else that trainers log is a rate of their schedule, or a time."""


class Difference(Noun):
    """The first place at which two of the runs disagree."""

    step: int
    quantity: str
    values: list[float | None]
    """Of each run, in order; None where it has no number there, or one that is not finite."""


class Repetition(Noun):
    """What came of the same run, several times."""

    target: str
    runs: int
    seed: int
    tier: str
    verdict: Literal["identical", "differs"]
    reason: str
    precision: Literal["full", "as printed"]
    """full: from the metrics files; as printed: from the logs' digits."""
    agree_to_step: int | None
    """The last step up to which every logged number is the same in all runs; None where the first differs already."""
    last_steps: list[int]
    """The last step that each run logged."""
    first_difference: Difference | None = None
    same_weights: bool | None = None
    """Whether the weights files that the runs left are the same bytes; None where there are none."""
    train_times_s: list[float]
    """Wall-clock seconds of each run, its start included."""
    commit: str
    """The snapshot that was run: `git show COMMIT:SCRIPT`."""
    folder: str
    """Logs and metrics, a folder per run; relative to the workspace."""


@dataclass(frozen=True)
class Subject:
    """A script that can be played in a workspace."""

    name: str
    script: Path
    """Inside the workspace, absolute."""
    claim: Experiment


def find_subject(workspace: Workspace, target: str) -> Subject:
    """What `target` means: an experiment of the workspace, or a script in it.

    Raises:
        NotFound: there is neither.
        BadConfig: the script lies outside the workspace, or config.yaml is not usable.
    """
    path = Path(target)
    if path.suffix == ".py" and path.is_file():
        script = workspace.inside(path.resolve())
        claim = Experiment(hypothesis="the same again", script=script.name)
        return Subject(script.relative_to(workspace.root.resolve()).as_posix(), script, claim)
    with contextlib.suppress(AmbiguousInput):
        if not experiments.exists(workspace, target):
            raise NotFound(f"{target} is neither an experiment of {workspace.root} nor a script in it")
    folder = experiments.find(workspace, target)
    claim = experiments.load(folder)
    script = folder / claim.script
    if not script.is_file():
        raise NotFound(f"{script} is missing; {folder.name}/config.yaml names it as its script")
    return Subject(folder.name, script, claim)


def repeat(
    workspace: Workspace,
    subject: Subject,
    *,
    runs: int,
    seed: int | None = None,
    env: dict[str, str] | None = None,
    beside: Sequence[Path] = (),
    time_limit_s: float,
) -> Repetition:
    """Run a script several times, one after the other, and compare what it logged.

    Args:
        workspace: Whose interpreter, data and smoke tier are used.
        subject: What is run, as `find_subject` gives it.
        runs: How often; at least 2.
        seed: The one seed of them all; None: the experiment's first.
        env: Settings besides the tier's and the experiment's.
        beside: Files and folders of the workspace that git ignores and the script reads, such as data; they are linked.
        time_limit_s: Seconds for all runs together.

    Raises:
        BadConfig: fewer than 2 runs, a tier that does not run here, or data outside the workspace.
        NotFound: there is nothing at a path of `beside`.
        JobFailed: a run failed or took too long; the message ends in its log's last lines.
        UnreadableInput: a run logged no loss, so that nothing can be compared.
    """
    if runs < 2:
        raise BadConfig(f"--rerun wants at least 2 runs to compare (got {runs})")
    name, tier = _tier(workspace, subject.claim)
    linked = [file for path in beside for file in _files(workspace, path)]
    chosen = subject.claim.seeds[0] if seed is None else seed
    mark = f"rerun-{uuid.uuid4().hex[:12]}"
    place = workspace.state / "reruns" / mark
    place.mkdir(parents=True)
    commit, _ = worktree.snapshot(workspace.root, mark, always=[subject.script])
    deadline = time.monotonic() + time_limit_s
    ended: list[process.Ended] = []
    weights: list[dict[str, str]] = []
    for number in range(1, runs + 1):
        done, left = _run(workspace, subject, tier, env or {}, linked, commit, chosen, place / str(number), deadline)
        ended.append(done)
        weights.append(left)
    read = [_read(place / str(number)) for number in range(1, runs + 1)]
    has_metrics = all(one.metrics is not None for one in read)
    compared = [one.metrics if has_metrics and one.metrics else one.log for one in read]
    steps, first, agree = compare([one for one in compared if one is not None])
    same_weights = all(one == weights[0] for one in weights) if any(weights) else None
    verdict, reason = _verdict(steps, first, agree, same_weights, has_metrics)
    return Repetition(
        target=subject.name,
        runs=runs,
        seed=chosen,
        tier=name,
        verdict=verdict,
        reason=reason,
        precision="full" if has_metrics else "as printed",
        agree_to_step=agree,
        last_steps=steps,
        first_difference=first,
        same_weights=same_weights,
        train_times_s=[round(one.wall_time_s, 3) for one in ended],
        commit=commit,
        folder=place.relative_to(workspace.root).as_posix(),
    )


Curves = dict[tuple[int, str], str]
"""Bits of every number by step and quantity."""


@dataclass(frozen=True)
class _Read:
    metrics: Curves | None
    log: Curves | None


def compare(runs: Sequence[Curves]) -> tuple[list[int], Difference | None, int | None]:
    """The last step of each run, the first disagreement, and the last step up to which all agree.

    A number that only some of the runs have is a disagreement where their steps say that all should have it: trainers
    log heartbeats by the clock, so a step that a run does not have at all is none, unless it ended before.
    """
    steps = [max(step for step, _ in run) for run in runs]
    logged = [{step for step, _ in run} for run in runs]
    agree: int | None = None
    for step in sorted(set().union(*logged)):
        if not all(step in one for one in logged):
            if step > min(steps):
                break
            continue
        for quantity in sorted({name for run in runs for at, name in run if at == step}):
            bits = [run.get((step, quantity)) for run in runs]
            if len(set(bits)) > 1:
                return steps, Difference(step=step, quantity=quantity, values=[_number(one) for one in bits]), agree
        agree = step
    return steps, None, agree


def _number(bits: str | None) -> float | None:
    value = float("nan") if bits is None else float.fromhex(bits)
    return value if abs(value) < float("inf") else None  # NaN fails every comparison


def _verdict(
    steps: list[int], first: Difference | None, agree: int | None, same_weights: bool | None, is_full: bool
) -> tuple[Literal["identical", "differs"], str]:
    digits = "bit for bit" if is_full else "in every printed digit (the trainer writes no GOLF_METRICS)"
    if first is not None:
        until = "from the first logged step on" if agree is None else f"after step {agree}"
        return "differs", f"losses differ {until}: {first.quantity} at step {first.step}"
    if len(set(steps)) > 1:
        return "differs", f"losses agree {digits} to step {agree}, but the runs ended at different steps: {steps}"
    if agree is None:
        raise UnreadableInput("the runs logged no step in common, so there is nothing to compare; log every few steps")
    but = "; the weights files differ all the same: look whether they hold a time" if same_weights is False else ""
    return "identical", f"losses agree {digits} to the last logged step, {agree}{but}"


def _files(workspace: Workspace, path: Path) -> list[Path]:
    """Files at a path, relative to the workspace."""
    place = workspace.inside(path.resolve())
    if not place.exists():
        raise NotFound(f"there is nothing at {path}. --with takes a file or folder that the script reads")
    found = [place] if place.is_file() else [file for file in sorted(place.rglob("*")) if file.is_file()]
    return [file.relative_to(workspace.root.resolve()) for file in found]


def _tier(workspace: Workspace, claim: Experiment) -> tuple[str, TierSettings]:
    name = SMOKE if SMOKE in workspace.config.tiers else claim.tier
    tier = workspace.tier(name)
    if tier.backend != "local" or tier.hourly_rate_usd:
        raise BadConfig(
            f"tier {name!r} does not run here for free, and a repetition does. Add a tier called {SMOKE!r} to golf.toml"
        )
    return name, tier


def _run(
    workspace: Workspace,
    subject: Subject,
    tier: TierSettings,
    env: dict[str, str],
    linked: Sequence[Path],
    commit: str,
    seed: int,
    place: Path,
    deadline: float,
) -> tuple[process.Ended, dict[str, str]]:
    """One run, and hashes of the weights files it left."""
    place.mkdir()
    log = place / "train.log"

    def should_stop() -> str | None:
        return "the time limit for all runs (--time-limit) is over" if time.monotonic() > deadline else None

    command = subject.claim.command or tier.command
    settings = {**experiments.settings(workspace, subject.claim, tier), **env}
    inside = subject.script.resolve().relative_to(workspace.root.resolve())
    with worktree.checkout(workspace.root, commit, workspace.worktrees / f"{place.parent.name}.{place.name}") as root:
        for file in linked:
            target = root / file
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.symlink_to(workspace.root.resolve() / file)
        before = {path.name for path in root.iterdir()}
        ended = training.run_here(
            workspace, command, str(inside), settings, seed=seed, root=root, log=log, metrics=place / "metrics.jsonl",
            stop_file=log.with_suffix(".stop"), should_stop=should_stop, new_group=True,
        )  # fmt: skip
        if ended.reason is not None or ended.exit_code != 0:
            raise JobFailed(
                f"run {place.name} {ended.told}. It sees the files that git does not ignore, and those of --with PATH. "
                f"Log: {log}\n{durable.tail(log, 2000)[-800:]}"
            )
        left = [path for path in sorted(root.iterdir()) if path.name not in before and _is_weights(path)]
        digests = {path.name: _digest(path) for path in left}
    return ended, digests


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_weights(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith((*artifact.COMPRESSED, *artifact.RAW))


def _read(place: Path) -> _Read:
    metrics = _curves(place / "metrics.jsonl") if (place / "metrics.jsonl").exists() else None
    log = None
    if not metrics:
        log = _curves(place / "train.log")
        if not log:
            raise UnreadableInput(
                f"run {place.name} logged no loss at any step, so there is nothing to compare. Print lines such as "
                "`step:10/100 train_loss:3.1415926`, or append JSON lines with step and train_loss to the file that "
                f"{progress.METRICS} names. Log: {place / 'train.log'}"
            )
    return _Read(metrics or None, log)


def _curves(path: Path) -> Curves | None:
    try:
        found = series.read_run(path, path.name).series
    except UnreadableInput:
        return None
    return {(point.step, name): point.value.hex() for name in COMPARED for point in found[name]} or None
