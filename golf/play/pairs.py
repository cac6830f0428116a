"""A workspace's pairs of a local and a paid run of one idea, and what kind of idea each is.

A paid run's experiment is its local one's claim on another tier, with that as its parent (`golf.play.submission`).
"""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from golf.errors import GolfError, UnreadableInput
from golf.measure.transfer import Pair
from golf.play import experiments, known_claims
from golf.play.known_claims import Load
from golf.referee import techniques
from golf.schema import Experiment, Result
from golf.workspace import Workspace, describe

OTHER = "other"
"""Family of a change that names no technique of the catalogue."""


class Paired(NamedTuple):
    """An experiment that was played on two tiers."""

    local: Result
    paid: Result
    pair: Pair


def paired(workspace: Workspace) -> list[Paired]:
    """Every experiment that was scored locally and on another tier, in the order of the paid runs' ends."""
    if not workspace.experiments.is_dir():
        return []
    found = []
    with known_claims.opened(workspace) as load:
        twins = list(_twins(workspace, load))
    for parent, folder in twins:
        try:
            paid = experiments.read_result(folder)
            if paid is None or paid.val_bpb is None:
                continue
            local = _played(parent, paid.commit)
        except GolfError:  # another experiment's damage takes no pair away
            continue
        if local is not None and local.val_bpb is not None:
            pair = Pair(
                name=parent.name,
                family=family_of(workspace, parent),
                local_bpb=local.val_bpb,
                paid_bpb=paid.val_bpb,
                cost_usd=paid.cost_usd,
            )
            found.append(Paired(local, paid, pair))
    return sorted(found, key=lambda one: (one.paid.finished_at, one.pair.name))


def pairs_between(found: Sequence[Paired], local: Result, paid_tier: str) -> list[Pair]:
    """Those whose local run compares with `local`: its tier and data, and the paid tier's most recent data."""
    same = [
        one
        for one in found
        if (one.local.tier, one.local.data, one.paid.tier) == (local.tier, local.data, paid_tier)
        and one.pair.name != local.experiment
    ]
    return [one.pair for one in same if one.paid.data == same[-1].paid.data]


def read_history(path: Path) -> list[Pair]:
    """Pairs recorded elsewhere, a JSON object a line with `Pair`'s fields, in the order they were played.

    Raises:
        UnreadableInput: the file is missing, or a line is no pair.
    """
    found = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableInput(f"{path} could not be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found.append(Pair.model_validate(json.loads(line)))
            except ValidationError as error:
                raise UnreadableInput(f"{path}:{number} is no pair: {describe(error)}") from error
            except ValueError as error:
                raise UnreadableInput(f"{path}:{number} is no JSON: {error}") from error
    return found


def best_paid(workspace: Workspace, tier: str) -> float | None:
    """Lowest score on a paid tier whose artifact fits, on the data last used there; None before the first.

    Kept or not: on a paid tier gains are far below the threshold that keeps local ones.
    """
    scored = [
        result
        for folder in _folders(workspace)
        if (result := _readable(folder)) is not None
        and result.tier == tier
        and result.val_bpb is not None
        and (result.headroom_bytes or 0) >= 0
    ]
    if not scored:
        return None
    data = max(scored, key=lambda result: result.finished_at).data
    return min(result.val_bpb for result in scored if result.data == data and result.val_bpb is not None)


def family_of(workspace: Workspace, folder: Path) -> str:
    """The family most of an experiment's new techniques belong to: those it claims, else those its change names."""
    claim = experiments.load(folder)
    known = techniques.catalogue()
    named = [id for id in claim.techniques if id in known]
    if not named:
        ours = techniques.in_source(experiments.source(folder, claim))
        parent = None if claim.parent is None else workspace.experiments / claim.parent
        before = {} if parent is None else techniques.in_source(experiments.source(parent, experiments.load(parent)))
        named = [id for id in ours if id not in before and not known[id].baseline]
    families = Counter(known[id].family for id in named)
    return min(families, key=lambda family: (-families[family], family), default=OTHER)


def _twins(workspace: Workspace, load: Load) -> Iterator[tuple[Path, Path]]:
    """The folders of experiments and of their twins on further tiers, whether played or not."""
    for folder in _folders(workspace):
        with contextlib.suppress(GolfError):
            claim = load(folder)
            parent = None if claim.parent is None else workspace.experiments / claim.parent
            if parent is not None and _is_twin(load(parent), claim):
                yield parent, folder


def _folders(workspace: Workspace) -> list[Path]:
    """Every experiment's, by name: to compare whole paths takes six times as long."""
    return sorted(workspace.experiments.glob("????-??-??_*"), key=lambda folder: folder.name)


def _is_twin(local: Experiment, paid: Experiment) -> bool:
    """Whether a claim is another's on a further tier, as submitting makes it."""
    same = {"tier": local.tier, "parent": local.parent, "created_at": local.created_at}
    return paid.tier != local.tier and paid.model_copy(update=same) == local


def _played(folder: Path, commit: str) -> Result | None:
    """An experiment's run that the paid one replayed; its newest where that cannot be told."""
    now = experiments.read_result(folder)
    earlier = [experiments.read_result(place) for place in sorted((folder / "earlier").glob("*"))]
    return next((result for result in (now, *earlier) if result is not None and result.commit == commit), now)


def _readable(folder: Path) -> Result | None:
    try:
        return experiments.read_result(folder)
    except UnreadableInput:
        return None
