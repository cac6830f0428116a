"""Submitting an experiment to a tier that costs money: through every gate, with the money set aside first.

The paid run is an experiment of its own, `<name>-<tier>`, whose parent is the one that earned it: the
local evidence stays where it is, and the pair shows how the tiers relate.
"""

from pathlib import Path

from golf.errors import BadConfig, RuleBroken
from golf.play import experiments, promotion, settlement, start, worktree
from golf.play.budget import BudgetBook
from golf.schema import Job, Promotion
from golf.workspace import Workspace

RECORDS = ("experiments", "notes.jsonl", "results.tsv", "program.md")
"""What may change between the local run and the paid one: records, and no code that either runs."""


def submit(workspace: Workspace, name: str, tier: str, *, foreground: bool = False) -> Job:
    """Start a played experiment on a paid tier; returns its job.

    Raises:
        RuleBroken: a gate is not passed; the message names each that is missing and what would pass it.
        BudgetRefused: the money is not there, or another run took it in between.
        BadConfig: the tier is free, has no price that can be computed, or its back-end is not in this version.
        UnreadableInput: the experiment has no score yet.
    """
    check(workspace, name, tier)
    paid = _paid(workspace, experiments.find(workspace, name), tier)
    price = settlement.price(tier, workspace.tier(tier))
    book = BudgetBook(workspace.database, workspace.config.budget)

    def pay(run_id: str, job_folder: Path) -> None:
        price.write(job_folder)
        book.reserve(run_id, price.at_most_usd, tier)

    return start.start_run(workspace, paid.name, pay=pay, foreground=foreground)


def check(workspace: Workspace, name: str, tier: str) -> Promotion:
    """The gates of a paid run, all of them passed; a dry run of `submit`.

    Raises:
        GolfError: as `submit`.
    """
    settings = workspace.tier(tier)
    if settings.backend == "local" and settings.hourly_rate_usd == 0:
        raise BadConfig(f"tier {tier!r} is free: it needs no submission. Play it: golf run (run_experiment)")
    found = promotion.check_promotion(workspace, name, settlement.price(tier, settings).at_most_usd)
    if not found.promoted:
        missing = [gate for gate in found.gates if gate.verdict == "fail"] or [
            gate for gate in found.gates if gate.verdict == "unknown"
        ]
        raise RuleBroken(
            f"{found.experiment} has not earned tier {tier!r}. Missing:\n"
            + "\n".join(f"- {gate.name}: {gate.reason}" for gate in missing)
        )
    result = experiments.read_result(experiments.find(workspace, name))
    assert result is not None  # check_promotion has read it
    if changed := worktree.changed_since(workspace.root, result.commit, RECORDS):
        raise RuleBroken(
            f"{', '.join(changed[:5])} changed since {found.experiment} was played and reviewed: what would be paid "
            f"for is not what was measured. Restore them, or play it again: golf run {found.experiment} --again"
        )
    if settings.backend != "local":
        raise BadConfig(
            f"every gate is passed, and this version has no back-end {settings.backend!r}: nothing was started or spent"
        )
    return found


def _paid(workspace: Workspace, folder: Path, tier: str) -> Path:
    """The paid run's own experiment: claimed once, and to the byte what was reviewed.

    Raises:
        RuleBroken: something else lies under its name.
    """
    name, local = f"{folder.name}-{tier}", experiments.load(folder)
    if not experiments.exists(workspace, name):
        experiments.claim(
            workspace,
            name,
            hypothesis=local.hypothesis,
            expected_outcome=local.expected_outcome,
            rollback_criteria=local.rollback_criteria,
            parent=folder.name,
            tier=tier,
            techniques=local.techniques,
        )
    paid = experiments.find(workspace, name)
    claim = experiments.load(paid)
    same = (
        claim.model_copy(update={"parent": local.parent, "tier": local.tier, "created_at": local.created_at}) == local
    )
    script = folder / local.script
    for path in {script, experiments.model_script(script)}:
        same = same and (paid / path.name).is_file() and (paid / path.name).read_bytes() == path.read_bytes()
    strangers = {path.name for path in paid.glob("*.py")} - {path.name for path in folder.glob("*.py")}
    if not same or strangers or (claim.parent, claim.tier) != (folder.name, tier):
        raise RuleBroken(
            f"{paid.name} is there and is not what was reviewed as {folder.name}: its claim or a script differs. "
            "Move that folder away, then submit again"
        )
    return paid
