"""The running local baseline, and an experiment's gates on the way to paid compute."""

import contextlib
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from golf.errors import UnreadableInput
from golf.measure.significance import Pooled, pool
from golf.play import change, experiments, gate, ledger_index, override, record, review, settlement, transfer
from golf.play.budget import BudgetBook
from golf.play.contamination import contamination_gate
from golf.play.feasibility import feasibility_gate
from golf.play.ledger_index import LedgerIndex
from golf.schema import Gate, Promotion, Result, Row
from golf.workspace import Workspace

FLOOR_DF_MIN = 5
"""A noise floor pooled over fewer degrees of freedom (seeds minus experiments) counts as not measured."""


def running_baseline(workspace: Workspace, tier: str, data: str | None = None) -> Result | None:
    """The best kept experiment of a tier, or None before the first.

    An experiment that is played again is judged like any other: a repetition that gains nothing is discarded,
    and the run that was kept stays the baseline.

    Args:
        workspace: Whose ledger is read.
        tier: The rung; scores on different rungs do not compare.
        data: Only experiments scored on this data (`Result.data`); None takes any.

    Raises:
        UnreadableInput: the ledger names an experiment whose evidence is gone or damaged.
    """
    with ledger_index.opened(workspace) as index:
        for _, equals in itertools.groupby(_kept(index, tier), key=lambda kept: kept[1].val_bpb):
            for name, row in sorted(equals, key=lambda kept: (kept[1].commit, kept[0])):
                result = _evidence(workspace, name, row)
                if data is None or result.data == data:
                    return result
    return None


def tier_noise(workspace: Workspace, tier: str) -> Pooled | None:
    """Seed noise pooled over everything kept on a tier; None while too little measures it."""
    best = running_baseline(workspace, tier)
    return None if best is None else noise_floor(workspace, tier, best.data, [])


def noise_floor(workspace: Workspace, tier: str, data: str, scores: Sequence[float]) -> Pooled | None:
    """Seed noise pooled over everything kept on a tier and its data, and an experiment's own `scores`.

    None while fewer than `FLOOR_DF_MIN` degrees of freedom measure it, or where seeds change nothing.
    """
    groups = [scores]
    with ledger_index.opened(workspace) as index:
        kept = list(_kept(index, tier))
    for name, row in kept:
        with contextlib.suppress(UnreadableInput):  # a floor stands on the evidence that is there
            result = _evidence(workspace, name, row)
            if result.data == data:
                groups.append([seed.val_bpb for seed in result.seeds])
    floor = pool(groups)
    return floor if floor is not None and floor.df >= FLOOR_DF_MIN and floor.std > 0 else None


def check_promotion(workspace: Workspace, name: str, tier: str | None = None) -> Promotion:
    """The gates of a played experiment: as its run found them, and those of what is known now.

    Args:
        workspace: Where it was played.
        name: The experiment.
        tier: The paid tier in question; None: the first one in golf.toml, or with none there the budget's own paid
            run of the model that was played.

    Raises:
        NotFound: no such experiment.
        UnreadableInput: it has not been played to a score.
    """
    folder = experiments.find(workspace, name)
    result = experiments.read_result(folder)
    if result is None or result.promotion is None:
        why = f"crashed: {result.error}" if result and result.error else "has not been played"
        raise UnreadableInput(f"{folder.name} {why}; only a scored experiment can be promoted: golf run {folder.name}")
    experiment = experiments.load(folder)
    cost, settings = None, result.settings
    tier = tier or next((one for one, rung in workspace.config.tiers.items() if rung.hourly_rate_usd > 0), None)
    if tier is not None:
        paid = workspace.tier(tier)
        cost = settlement.price(tier, paid, len(experiment.seeds)).at_most_usd
        settings = experiments.settings(workspace, experiment, paid)
    book = BudgetBook(workspace.database, workspace.config.budget)
    judged = result.promotion
    for further in (
        feasibility_gate(workspace, result, settings),
        contamination_gate(folder, result),
        evidence_gate(workspace, folder, result),
        review.review_gate(workspace, folder),
        *([] if tier is None else [transfer.gate_of(workspace, folder, result, tier, cost or 0.0)]),
        *gate.money_gates(book.state(cost)),
    ):
        judged = gate.with_gate(judged, further)
    return gate.in_order(override.applied(workspace, folder, judged))


def evidence_gate(workspace: Workspace, folder: Path, result: Result) -> Gate:
    """Whether the local evidence is what was measured, of the bytes that lie there, and still the best there is."""
    if result.experiment != folder.name or not record.is_recorded(workspace, result):
        return _evidence_gate("fail", "result.json is not what a run recorded here; play it again")
    if changed := change.edited(workspace, folder, result.commit):
        return _evidence_gate(
            "fail",
            f"{', '.join(changed)} was edited after the run, so that its score belongs to other bytes. Restore it "
            f"(git show {result.commit[:12]}:…), or play the change as an experiment of its own",
        )
    assert result.promotion is not None and result.val_bpb is not None  # scored
    best = running_baseline(workspace, result.tier, result.data)
    known = (result.experiment, result.promotion.baseline)
    if best is not None and best.experiment not in known and (best.val_bpb or 0.0) < result.val_bpb:
        return _evidence_gate(
            "fail", f"since its run {best.experiment} was kept with {best.val_bpb:.4f}, which is better: promote that"
        )
    return _evidence_gate("pass", f"recorded by run {result.run_id}, and the files are those it took")


def _evidence_gate(verdict: Literal["pass", "fail"], reason: str) -> Gate:
    return Gate(name="evidence", verdict=verdict, reason=reason)


def _kept(index: LedgerIndex, tier: str) -> Iterator[tuple[str, Row]]:
    """Names and ledger rows of what was kept on a tier and has its evidence here, the lowest score first."""
    for row in index.lowest(tier, "keep"):
        name = experiments.named_in(row.description)
        if re.match(r"\d{4}-\d\d-\d\d_", name):  # rows of other tools have no evidence here to compare with
            yield name, row


def _evidence(workspace: Workspace, name: str, row: Row) -> Result:
    """The result a ledger row was written from, also when the experiment has been repeated since."""
    folder = workspace.experiments / name
    for place in (folder, *sorted(_folders(folder / "earlier"))):
        result = experiments.read_result(place)
        if result is not None and result.commit.startswith(row.commit):
            return result
    raise UnreadableInput(
        f"{workspace.ledger} has {name} with val_bpb {row.val_bpb}, and there is no result.json of commit {row.commit} "
        f"in {folder}: the running baseline cannot be compared with. Restore the folder."
    )


def _folders(parent: Path) -> list[Path]:
    return [path for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []
