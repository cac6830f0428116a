"""Reservations of paid runs that have ended become what they cost.

Called wherever leftovers are finished (`record.recover`), so that it also happens after a kill: a run
that never started gives its money back, any other pays for the time its job was there, and never
more than the time limit it was reserved for.
"""

from datetime import datetime

from golf.errors import BadConfig, NotFound
from golf.jobs.store import JobStore
from golf.play.budget import BudgetBook, cost_usd
from golf.workspace import TierSettings, Workspace


def worst_case_usd(name: str, tier: TierSettings) -> float:
    """What a run on the tier costs at most: its GPUs for its whole time limit.

    Raises:
        BadConfig: the tier has a price and no GPUs to multiply it with.
    """
    if tier.hourly_rate_usd > 0 and tier.gpus == 0:
        raise BadConfig(
            f"tier {name!r} costs ${tier.hourly_rate_usd:g} an hour for 8 GPUs, and says not how many it has: gpus = 8"
        )
    return cost_usd(tier.time_limit_s, tier.gpus, tier.hourly_rate_usd)


def settle(workspace: Workspace) -> None:
    """Settle or release every open reservation whose job has ended."""
    book = BudgetBook(workspace.database, workspace.config.budget)
    for reservation in book.open_reservations():
        try:
            job = JobStore(workspace).get(reservation.run_id)
        except NotFound:
            continue  # reserved by something that keeps its own books
        if job.ended_at is None:
            continue
        if job.started_at is None:
            book.release(reservation.run_id)
            continue
        seconds = (datetime.fromisoformat(job.ended_at) - datetime.fromisoformat(job.started_at)).total_seconds()
        tier = workspace.config.tiers.get(reservation.tier)
        spent = reservation.cost_usd if tier is None else cost_usd(max(0.0, seconds), tier.gpus, tier.hourly_rate_usd)
        book.settle(reservation.run_id, min(spent, reservation.cost_usd))
