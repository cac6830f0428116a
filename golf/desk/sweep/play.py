"""A sweep played here: each combination an experiment of its own, on a free tier, a few at a time.

The experiment's name is the sweep's and the combination's, so that a sweep which was killed goes on: what has a result
is not played again, and the record gets its row. A crash is repeated once; the second one is a result."""

import math
import re
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from golf.desk.sweep import claims, record
from golf.desk.sweep.plan import SweepPlan, plan
from golf.desk.sweep.points import Point
from golf.desk.sweep.record import Record
from golf.desk.sweep.search import STORE, Search
from golf.desk.sweep.specification import Specification
from golf.errors import BadConfig, NotFound
from golf.jobs.store import JobStore
from golf.play import experiments, ledger, many, settlement
from golf.schema import Noun, Played, Result
from golf.workspace import Workspace

RESULTS_LOOKED_AT = 20
"""The newest of a tier, for the time that a run takes."""

OnChange = Callable[[int, int, str], None]


class SweepRun(Noun):
    """A sweep that is played as experiments: what it comes to, and where it is."""

    name: str
    tier: str
    points: int
    seeds: int
    runs: int
    """Points times seeds."""
    done: int
    """Points that have a score."""
    crashed: int
    """Points without a score that have crashed twice."""
    left: int
    """Points to be played, or to be given more seeds."""
    runs_left: int
    parallel: int
    estimated_s: float
    """For what is left."""
    estimated_by: str
    """What the estimate rests on."""
    cost_usd: float
    """What is left would cost at most; 0 on a free tier."""
    record: str
    """The rows, relative to the workspace."""
    next: list[str]
    """Experiments that are played next, up to ten."""


def check(spec: Specification, workspace: Workspace) -> str:
    """The tier that a sweep is played on.

    Raises:
        BadConfig: it has no hypothesis, no script or parent, or a style that experiments do not have.
        NotFound: there is no such parent or script.
    """
    if spec.style != "env":
        raise BadConfig(
            f"golf sweep run plays trainers that take their settings from the environment, and style is {spec.style}: "
            "play this one by its script, as golf sweep plan writes it, then golf sweep report"
        )
    if spec.seed_setting != "SEED":
        raise BadConfig(f"golf sweep run gives seeds as SEED, and seed_key is {spec.seed_key or 'null'}; leave it out")
    if not spec.hypothesis.strip():
        raise BadConfig("a sweep needs its hypothesis before it is played: what you expect, and why")
    if spec.parent is None and spec.script is None:
        raise BadConfig("a sweep of experiments needs a parent to change, or a script: parent: baseline")
    if spec.script is not None and not workspace.inside(spec.script).is_file():
        raise NotFound(f"no training script {spec.script} in the workspace")
    tier = claims.tier(spec, workspace)
    workspace.tier(tier)
    return tier


def standing(
    spec: Specification, workspace: Workspace, planned: SweepPlan, out: Path, *, parallel: int = 1, again: bool = False
) -> SweepRun:
    """Where a sweep is, and what is left of it; takes results that are there into the record.

    Raises:
        BadConfig: as `check`, or an experiment of its name has other settings.
    """
    tier = check(spec, workspace)
    rows = gather(spec, workspace, planned, out)
    due = claims.due(spec, workspace, planned, rows, again)
    seconds, by = _seconds(spec, workspace, rows, tier)
    settings = workspace.tier(tier)
    is_free = settlement.is_free(settings)
    rounds = [math.ceil(len(one.seeds) / settings.parallel_seeds) for one in due]
    waiting = {one.point.name for one in due}
    return SweepRun(
        name=planned.name,
        tier=tier,
        points=len(planned.points),
        seeds=len(planned.seeds),
        runs=planned.runs,
        done=sum(one.name not in waiting and _mean(rows, one.name) is not None for one in planned.points),
        crashed=sum(one.name not in waiting and _mean(rows, one.name) is None for one in planned.points),
        left=len(waiting),
        runs_left=sum(len(one.seeds) for one in due),
        parallel=parallel,
        estimated_s=seconds * sum(rounds) / min(parallel, len(due) or 1),
        estimated_by=by,
        cost_usd=0.0 if is_free else sum(settlement.price(tier, settings, len(o.seeds)).at_most_usd for o in due),
        record=record_path(out).relative_to(workspace.root).as_posix(),
        next=[one.name for one in due[:10]],
    )


def play(
    spec: Specification,
    workspace: Workspace,
    planned: SweepPlan,
    out: Path,
    *,
    parallel: int = 1,
    again: bool = False,
    on_change: OnChange = lambda done, total, what: None,
) -> list[Played]:
    """Play what is left of a sweep to its end; returns how each of its experiments came out.

    Args:
        spec: The sweep.
        workspace: Where its experiments lie.
        planned: Its combinations.
        out: Where the record lies.
        parallel: Experiments at the same time.
        again: Also play combinations that have crashed twice.
        on_change: Told how many have ended, of how many, and what happened last.

    Raises:
        BadConfig: as `check`; its tier costs money; or an experiment of its name has other settings.
    """
    tier = check(spec, workspace)
    settlement.check_free(workspace, tier, f"{spec.name}-…")
    rows = gather(spec, workspace, planned, out)
    due = claims.due(spec, workspace, planned, rows, again)
    before = len(planned.points) - len({one.point.name for one in due})
    total = before + len(due)
    on_change(before, total, f"{before} were played before")
    for one in due:
        if not experiments.exists(workspace, one.name):
            claims.claim(spec, workspace, one, tier)

    def changed(done: int, _: int, what: str) -> None:
        gather(spec, workspace, planned, out)
        on_change(before + done, total, what)

    now: list[Played] = []
    if due:
        now = many.play_all(workspace, [one.name for one in due], at_once=parallel, on_change=changed)
    gather(spec, workspace, planned, out)
    by_folder = {one.experiment: one for one in now}
    return [
        by_folder.get(folder.name) or _played(folder)
        for one in planned.points
        for _, folder in claims.family(spec, workspace, one)
    ]


def search(
    spec: Specification,
    workspace: Workspace,
    planned_of: Callable[[Sequence[Point]], SweepPlan],
    out: Path,
    *,
    parallel: int = 1,
    on_change: OnChange = lambda done, total, what: None,
) -> SweepPlan:
    """Play a sweep whose combinations Optuna chooses, to its last trial; returns all of them.

    Raises:
        BadConfig: as `play`; the search's store is of other settings; or none of what it asked for came to an end.
        MissingPackage: Optuna is not installed.
    """
    assert spec.optuna is not None  # read has checked it
    check(spec, workspace)
    trials = spec.optuna.trials
    asked = Search(spec, out / STORE)
    while True:
        planned = planned_of(asked.points())
        rows = gather(spec, workspace, planned, out)
        tell(asked, rows)
        waiting = asked.waiting() or asked.ask(min(parallel, trials))
        if not waiting:
            return planned_of(asked.points())
        batch = planned_of(waiting)
        ended = len(asked.points()) - len(waiting)

        def told(done: int, total: int, what: str, ended: int = ended) -> None:
            on_change(ended + done, trials, what)

        played = play(spec, workspace, batch, out, parallel=parallel, on_change=told)
        if not tell(asked, gather(spec, workspace, batch, out)):  # it would be asked for ever
            why = next((f": {one.status}" for one in played if one.val_bpb is None), "")
            raise BadConfig(f"none of {', '.join(one.name for one in waiting)} came to an end{why}")


def going(spec: Specification, workspace: Workspace) -> dict[str, str]:
    """The sweep's experiments that are being played, each with its job's id."""
    rows = JobStore(workspace).recent(1000, ("queued", "running"))
    own = re.compile(rf"\d{{4}}-\d\d-\d\d_{re.escape(spec.name)}-.+")
    return {row.subject: row.id for row in rows if row.kind == "run" and own.fullmatch(row.subject)}


def open_points(
    spec: Specification, workspace: Workspace | None, folder: Path, root: Path, out: Path, *, asks: bool
) -> Sequence[Point]:
    """All that Optuna was asked for so far; `asks` for more first, until a batch is open.

    Raises:
        BadConfig: the search's store is of other settings.
        MissingPackage: Optuna is not installed.
    """
    assert spec.optuna is not None  # read has checked it
    if not asks and not (out / STORE).is_file():
        return ()
    asked = Search(spec, out / STORE)
    if asks:
        known = plan(spec, folder, root, points=asked.points())
        tell(asked, gather(spec, workspace, known, out))
        asked.ask(max(0, spec.optuna.batch - len(asked.waiting())))
    return asked.points()


def tell(asked: Search, rows: Record) -> int:
    """Say to a search what the record knows; returns of how many points."""
    return asked.tell(lambda name: _mean(rows, name), lambda name: _has_crashed(rows, name))


def gather(spec: Specification, workspace: Workspace | None, planned: SweepPlan, out: Path) -> Record:
    """The record, with what lies on disk and is not in it yet: results of experiments, logs of the script's runs."""
    found = record.of_logs(out, planned, spec.metric)
    if workspace is not None and spec.style == "env":
        for one in planned.points:
            found += claims.outcomes(spec, workspace, one)
    return record.extend(record_path(out), planned, found)


def record_path(out: Path) -> Path:
    """Where a sweep's record lies."""
    return out / record.RECORD


def _played(folder: Path) -> Played:
    result = experiments.read_result(folder)
    status = "did not come to an end" if result is None else result.status
    return Played(experiment=folder.name, val_bpb=result.val_bpb if result else None, status=status, was_there=True)


def _has_crashed(rows: Record, name: str) -> bool:
    crashes = {one.source for one in rows.outcomes if one.point == name and one.status == "crash"}
    return _mean(rows, name) is None and len(crashes) >= claims.CRASHES_MAX


def _mean(rows: Record, name: str) -> float | None:
    scores = [one.score for one in rows.of(name).values() if one.score is not None]
    return statistics.fmean(scores) if scores else None


def _seconds(spec: Specification, workspace: Workspace, rows: Record, tier: str) -> tuple[float, str]:
    """How long a run takes, and what that rests on."""
    own = [one.time_s for one in rows.outcomes if one.time_s is not None]
    if own:
        return statistics.fmean(own), f"{len(own)} runs of this sweep"
    if spec.run_time_s is not None:
        return spec.run_time_s, "run_time_s of the sweep's file"
    others = [seed.wall_time_s for result in _newest(workspace, tier) for seed in result.seeds if seed.wall_time_s]
    if others:
        return statistics.fmean(others), f"{len(others)} earlier runs on tier {tier}"
    return workspace.tier(tier).time_limit_s, f"the time limit of tier {tier}: at most so long"


def _newest(workspace: Workspace, tier: str) -> list[Result]:
    found: list[Result] = []
    for row in reversed(list(ledger.iterate(workspace.ledger))):
        if len(found) >= RESULTS_LOOKED_AT:
            break
        folder = workspace.experiments / experiments.named_in(row.description)
        result = experiments.read_result(folder) if row.tier == tier and folder.is_dir() else None
        if result is not None:
            found.append(result)
    return found
