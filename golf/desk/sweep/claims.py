"""A combination of a sweep as experiments: their names, their claims, what came of them, what is due.

An experiment's claim stands as it was written. So one of other settings under a combination's name is an error, and
seeds that are added to a sweep later are played in an experiment beside the first (`…-more1`), whose parent it is.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from golf.desk.sweep.plan import PlannedPoint, SweepPlan
from golf.desk.sweep.record import Outcome, Record
from golf.desk.sweep.specification import Specification
from golf.errors import BadConfig
from golf.play import experiments
from golf.schema import Experiment
from golf.workspace import Workspace

CRASHES_MAX = 2
"""Of one experiment; then it is a result."""


class Due(NamedTuple):
    """An experiment to be played."""

    point: PlannedPoint
    name: str
    """Without its day."""
    seeds: tuple[int, ...]


def name_of(spec: Specification, point: str) -> str:
    """A combination's experiment, without its day."""
    return f"{spec.name}-{point}"


def family(spec: Specification, workspace: Workspace, one: PlannedPoint) -> list[tuple[str, Path]]:
    """A combination's experiments, with their names: its own, and those of seeds that were added later."""
    found = []
    for name in _names(spec, one):
        if not experiments.exists(workspace, name):
            break
        found.append((name, experiments.find(workspace, name)))
    return found


def _names(spec: Specification, one: PlannedPoint) -> Iterator[str]:
    yield name_of(spec, one.name)
    for number in itertools.count(1):
        yield f"{name_of(spec, one.name)}-more{number}"


def outcomes(spec: Specification, workspace: Workspace, one: PlannedPoint) -> list[Outcome]:
    """Rows of a combination, by the results of its experiments."""
    found: list[Outcome] = []
    for name, folder in family(spec, workspace, one):
        result = experiments.read_result(folder)
        stated = experiments.load(folder)
        if result is None or _differs(spec, workspace, one, name, folder, stated):
            continue
        if result.status == "crash":
            note = (result.error or "crashed").splitlines()[0][:200]
            found += [
                Outcome(
                    point=one.name, seed=seed, digest=one.digest, status="crash", note=note,
                    source=f"{folder.name} {result.run_id}",
                )
                for seed in stated.seeds
            ]  # fmt: skip
            continue
        found += [
            Outcome(
                point=one.name, seed=seed.seed, digest=one.digest, status="done", score=seed.val_bpb,
                time_s=seed.wall_time_s or seed.train_time_s, source=folder.name,
            )
            for seed in result.seeds
        ]  # fmt: skip
    return [one for one in found if one.seed in spec.seeds]


def tier(spec: Specification, workspace: Workspace) -> str:
    """The tier that a sweep's experiments are claimed for.

    Raises:
        NotFound: there is no such parent.
    """
    if spec.tier is not None:
        return spec.tier
    return "local" if spec.parent is None else experiments.load(experiments.find(workspace, spec.parent)).tier


def _differs(
    spec: Specification, workspace: Workspace, one: PlannedPoint, name: str, folder: Path, claim: Experiment
) -> str:
    """In what an experiment is not of this combination: empty, or its tier, parent, settings or script."""
    own = name_of(spec, one.name)
    parent = spec.parent if name == own else own
    wanted = dict(text.split("=", 1) for text in one.words)
    base = {} if spec.parent is None else experiments.load(experiments.find(workspace, spec.parent)).env
    if claim.tier != tier(spec, workspace):
        return f"tier {claim.tier}"
    if claim.parent != (None if parent is None else experiments.find(workspace, parent).name):
        return f"parent {claim.parent or 'none'}"
    wanted = {**base, **wanted}
    if others := sorted(key for key in {*claim.env, *wanted} if claim.env.get(key) != wanted.get(key)):
        return "settings " + ", ".join(f"{key}={claim.env.get(key, '(none)')}" for key in others[:5])
    script = None if spec.script is None else workspace.inside(spec.script)
    if script is not None and script.is_file() and script.read_bytes() != (folder / claim.script).read_bytes():
        return f"a script that is not what {spec.script} is now"
    return ""


def due(spec: Specification, workspace: Workspace, planned: SweepPlan, rows: Record, again: bool) -> list[Due]:
    """What is to be played.

    Raises:
        BadConfig: an experiment of a combination's name has another tier, parent or script, or other settings.
    """
    found = []
    for one in planned.points:
        claimed: set[int] = set()
        for name, folder in family(spec, workspace, one):
            stated = experiments.load(folder)
            if differs := _differs(spec, workspace, one, name, folder, stated):
                raise BadConfig(
                    f"{folder.name} exists with {differs}, which is not this sweep's; a claim stands as it was "
                    "written: give the sweep a new name"
                )
            claimed |= set(stated.seeds)
            result = experiments.read_result(folder)
            if result is not None and result.status != "crash":
                continue
            crashes = {row.source for row in rows.outcomes if row.source.startswith(f"{folder.name} ")}
            if again or len(crashes) < CRASHES_MAX:
                found.append(Due(one, name, tuple(stated.seeds)))
        missing = tuple(seed for seed in spec.seeds if seed not in claimed)
        if missing:
            new = next(name for name in _names(spec, one) if not experiments.exists(workspace, name))
            found.append(Due(one, new, missing))
    return found


def claim(spec: Specification, workspace: Workspace, due: Due, tier: str) -> None:
    """Write an experiment down; nothing of it is played."""
    one, own = due.point, name_of(spec, due.point.name)
    values = ", ".join(f"{key}={value}" for key, value in one.settings.items())
    more = "" if due.name == own else "; more seeds"
    experiments.claim(
        workspace,
        due.name,
        hypothesis=f"{' '.join(spec.hypothesis.split())} (sweep {spec.name}: {values}{more})",
        expected_outcome=f"a row of the sweep {spec.name}, of {spec.metric.name}",
        rollback_criteria="the sweep's report does not recommend it",
        script=None if spec.script is None or more else workspace.inside(spec.script),
        parent=own if more else spec.parent,
        tier=tier,
        env=dict(text.split("=", 1) for text in one.words),
        seeds=due.seeds,
    )
