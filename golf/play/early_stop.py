"""Whether a run that is going is worth its end: decided from what it wrote, and carried out by a file it polls.

Two modes. `bank`: its curve against those of finished runs (`golf.measure.curves`): stop when with 97 % it cannot end
below the best score minus what a gain must be, at two looks in a row. With too few comparable runs it "cannot tell" and
the run goes on. `step-1000`: the published loop's simple rule, made fair: what a run has at step 1,000 is held against
the slowest of those that reached the target, or the best run where none did. That loop compares with the best run's
*final* score plus a percent, which stops winners and losers alike (`bench/early_stop.py`).

Neither mode stops anything before step 1,000. Nothing here touches a process: whoever asked makes the stop file that
the trainer polls (`golf.jobs.progress.STOP`), and its result counts.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from golf.errors import NotFound, UnreadableInput
from golf.jobs.progress import read_metrics
from golf.measure import curves, logs
from golf.measure.curves import Curve, Running
from golf.play import experiments
from golf.schema import LogPoint, Noun
from golf.workspace import Workspace

CONFIDENCE = 0.97
"""With which a run that is stopped would not have reached its target."""

FLOOR_STEP = 1_000
"""Before it no run is stopped. Source: robinojw/parameter-golf-autoresearch, README, "Early-abort oracle"."""

TOLERANCE = 0.01
"""How much worse than a winner at step 1,000 the simple mode allows, relative. Source: ibid., orchestrate.py."""


class Watched(NamedTuple):
    """A run that is going, by what is known of it."""

    points: Sequence[LogPoint]
    """Its step lines so far, in the order of steps."""
    iterations: int | None
    """Steps it was asked for."""
    time_limit_s: float | None
    """Its own limit on training time; None or 0 is none."""
    usd_per_s: float = 0.0

    def until(self, step: int | None = None) -> Running:
        """The run as it stood at a step, by default the newest.

        Raises:
            UnreadableInput: there was no step yet, or nothing says how many there will be.
        """
        run = curves.running(self.points, self.iterations, self.time_limit_s, upto=step)
        if run is None:
            raise UnreadableInput(
                "the run has no step yet, or nothing says how many it will have; look again later, or give iterations"
            )
        return run


class Advice(Noun):
    """What to do about a run that is going."""

    verdict: Literal["stop", "go on", "cannot tell"]
    """`cannot tell` goes on as well."""
    step: int
    steps: int
    """Expected at its end."""
    target_bpb: float
    """What it must end below: the best score minus what a gain must be."""
    val_bpb: float | None = None
    """Foretold for its end; None where it cannot be told."""
    best_bpb: float | None = None
    """It ends no lower, with `CONFIDENCE`."""
    chance: float | None = None
    """Of ending below the target."""
    saved_s: float | None = None
    """Seconds of training that stopping now saves, at its pace; None where it states no times."""
    saved_usd: float | None = None
    reason: str


def bank_of(workspace: Workspace, tier: str, data: str, *folders: Path, without: str | None = None) -> list[Curve]:
    """Curves of the workspace's runs on a tier and its data, and of the logs in further folders, a group each.

    Args:
        workspace: Whose experiments are read.
        tier: Scores on different rungs do not compare.
        data: Likewise, `Result.data`.
        *folders: Of other logs; their last step's score stands for the final one.
        without: An experiment that is left out: the one that is going.
    """
    found: list[Curve] = []
    places = sorted(workspace.experiments.glob("????-??-??_*")) if workspace.experiments.is_dir() else []
    for place in places:
        try:
            result = experiments.read_result(place)
        except UnreadableInput:
            continue
        if place.name == without or result is None or (result.tier, result.data) != (tier, data):
            continue
        for seed in result.seeds:
            log = place / seed.log
            if log.with_suffix(".stop").exists():
                continue  # stopped early: where it would have ended is not known
            try:
                curve = curves.finished(logs.read_log(log), place.name, seed.val_bpb)
            except UnreadableInput:
                continue
            found += [curve] if curve else []
    for folder in folders:
        found += curves.read_folder(folder)
    return found


def look(
    log: Path,
    bank: Sequence[Curve],
    *,
    target_bpb: float,
    iterations: int | None = None,
    time_limit_s: float | None = None,
    usd_per_s: float = 0.0,
    mode: Literal["bank", "step-1000"] = "bank",
) -> Advice:
    """Advice on the run that writes `log`: its training log, or its metrics file (`.jsonl`).

    Args:
        log: Read and nothing else.
        bank: Curves it is held against.
        target_bpb: What it must end below, best score minus what a gain must be.
        iterations: Steps it was asked for, where the log does not say.
        time_limit_s: Its own limit on training time, where the log does not say.
        usd_per_s: What it costs.
        mode: As the module says.

    Raises:
        UnreadableInput: the file is missing or no log, or has no step yet.
    """
    if log.suffix == ".jsonl":
        points = _from_metrics(log)
        asked = next((int(line["iterations"]) for line in read_metrics(log) if line.get("iterations")), iterations)
        limit = time_limit_s
    else:
        read = logs.read_log(log)
        points, asked, limit = read.points, read.iterations or iterations, read.wallclock_cap_s or time_limit_s
    advice = advise if mode == "bank" else advise_simply
    return advice(Watched(points, asked, limit, usd_per_s), bank, target_bpb)


def advise(watched: Watched, bank: Sequence[Curve], target_bpb: float) -> Advice:
    """Advice by the bank.

    Raises:
        UnreadableInput: as `Watched.until`.
    """
    run = watched.until()
    looks = sorted({point.step for point in watched.points if point.step >= FLOOR_STEP})[-2:]
    if not looks:
        return _early(run, target_bpb)
    try:
        now = curves.foretell(bank, run, CONFIDENCE)
    except UnreadableInput as error:
        return _advice("cannot tell", run, target_bpb, str(error))
    reason = (
        f"by {now.curves} curves of {now.groups} experiments it ends at {now.val_bpb:.4f}, and not below "
        f"{now.best_bpb:.4f} with {CONFIDENCE:.0%}; the target is {target_bpb:.4f}"
    )
    told = {"val_bpb": now.val_bpb, "best_bpb": now.best_bpb, "chance": now.chance_below(target_bpb)}
    if now.best_bpb <= target_bpb:
        return _advice("go on", run, target_bpb, reason, **told)
    if len(looks) < 2 or not _is_hopeless(bank, watched.until(looks[0]), target_bpb):
        return _advice("go on", run, target_bpb, f"{reason}. It counts when the next look says so too", **told)
    return _stop(watched, target_bpb, reason, **told)


def advise_simply(watched: Watched, bank: Sequence[Curve], target_bpb: float) -> Advice:
    """Advice by the simple rule: at step 1,000, against what winners had by then.

    Raises:
        UnreadableInput: as `Watched.until`.
    """
    run = watched.until()
    if run.step < FLOOR_STEP:
        return _early(run, target_bpb)
    by_end = sorted(bank, key=lambda curve: curve.final_bpb)
    winners = [curve for curve in by_end if curve.final_bpb < target_bpb] or by_end[:1]
    starts = [at for curve in winners if (at := curves.level(curve.points, FLOOR_STEP)) is not None]
    ours = curves.level(run.points, FLOOR_STEP)
    if not starts or ours is None:
        return _advice("cannot tell", run, target_bpb, f"no score near step {FLOOR_STEP} to hold against a winner's")
    reason = f"{ours:.4f} near step {FLOOR_STEP}; the slowest of {len(starts)} winners had {max(starts):.4f}"
    if ours <= max(starts) * (1 + TOLERANCE):
        return _advice("go on", run, target_bpb, reason)
    return _stop(watched, target_bpb, f"{reason}, and {TOLERANCE:.0%} more is allowed")


def _is_hopeless(bank: Sequence[Curve], before: Running, target_bpb: float) -> bool:
    """Whether the look before said the same: one hard batch, or one lucky one, decides nothing."""
    try:
        return curves.foretell(bank, before, CONFIDENCE).best_bpb > target_bpb
    except UnreadableInput:
        return False


def _early(run: Running, target_bpb: float) -> Advice:
    return _advice("go on", run, target_bpb, f"step {run.step}: nothing is stopped before step {FLOOR_STEP}")


def _stop(watched: Watched, target_bpb: float, reason: str, **told: float | None) -> Advice:
    run = watched.until()
    if run.seconds_left is None:
        return _advice("stop", run, target_bpb, reason, **told)
    usd = round(run.seconds_left * watched.usd_per_s, 4)
    worth = f"{run.seconds_left:.0f} s of training" + (f", ${usd:.2f}" if usd else "")
    reason = f"{reason}. Stopping saves {worth}"
    return _advice("stop", run, target_bpb, reason, **told, saved_s=run.seconds_left, saved_usd=usd)


def _advice(
    verdict: Literal["stop", "go on", "cannot tell"], run: Running, target_bpb: float, reason: str, **told: float | None
) -> Advice:
    return Advice(verdict=verdict, step=run.step, steps=run.steps, target_bpb=target_bpb, reason=reason, **told)


def _from_metrics(path: Path) -> list[LogPoint]:
    if not path.is_file():
        raise NotFound(f"no metrics file {path}; give the run's training log, or look again later")
    found = []
    for line in read_metrics(path):
        if "step" in line:
            kept = {key: line[key] for key in ("train_time_s", "train_loss", "val_loss", "val_bpb") if key in line}
            found.append(LogPoint(step=int(line["step"]), **kept))
    return found
