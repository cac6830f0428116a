"""The running local baseline, and an experiment's gates against it."""

from golf.errors import UnreadableInput
from golf.play import experiments, gate, ledger
from golf.play.budget import BudgetBook
from golf.schema import Promotion, Result
from golf.workspace import Workspace


def running_baseline(workspace: Workspace, tier: str) -> Result | None:
    """The best kept experiment of a tier, or None before the first.

    Raises:
        UnreadableInput: the ledger names an experiment whose result.json is gone or damaged.
    """
    if not workspace.ledger.exists():
        return None
    best = ledger.best(ledger.read(workspace.ledger), tier)
    if best is None:
        return None
    name = experiments.named_in(best.description)
    result = experiments.read_result(workspace.experiments / name)
    if result is None:
        raise UnreadableInput(
            f"{workspace.ledger} has {name} as the best of tier {tier}, and {workspace.experiments / name} has no "
            "result.json: the running baseline cannot be compared with. Restore the folder."
        )
    return result


def check_promotion(workspace: Workspace, name: str) -> Promotion:
    """The gates of a played experiment as they stand now, the budget among them.

    Raises:
        NotFound: no such experiment.
        UnreadableInput: it has not been played to a score.
    """
    folder = experiments.find(workspace, name)
    result = experiments.read_result(folder)
    if result is None or result.val_bpb is None or result.artifact_bytes is None or result.promotion is None:
        why = f"crashed: {result.error}" if result and result.error else "has not been played"
        raise UnreadableInput(f"{folder.name} {why}; only a scored experiment can be promoted: golf run {folder.name}")
    against = result.promotion.baseline
    baseline = None if against is None else experiments.read_result(workspace.experiments / against)
    if against is not None and baseline is None:
        raise UnreadableInput(f"{folder.name} was compared with {against}, which has no result.json any more")
    return gate.decide(
        experiment=folder.name,
        tier=result.tier,
        scores=[seed.val_bpb for seed in result.seeds],
        baseline=against,
        baseline_scores=[seed.val_bpb for seed in baseline.seeds] if baseline else [],
        artifact_bytes=result.artifact_bytes,
        limit_bytes=workspace.challenge.artifact_bytes_max,
        line_delta=result.promotion.line_delta,
        has_hypothesis=bool(result.hypothesis.strip()),
        threshold=workspace.config.gate.promotion,
        budget=BudgetBook(workspace.database, workspace.config.budget).state(),
    )
