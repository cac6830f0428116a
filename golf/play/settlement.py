"""Reservations of paid runs that have ended become what they cost.

Called wherever leftovers are finished (`record.recover`), so that it also happens after a kill: a run
that never started gives its money back, any other pays for the time its job was there, and never
more than the time limit it was reserved for.
"""

from golf.errors import BadConfig, NotFound
from golf.jobs.progress import Price, read_job
from golf.jobs.store import JobStore
from golf.play.budget import BudgetBook, cost_usd
from golf.workspace import TierSettings, Workspace

CENT = 0.01


def price(name: str, tier: TierSettings) -> Price:
    """What a run on the tier costs: its GPUs by the second, and for its whole time limit at most.

    Raises:
        BadConfig: the tier has a price and no GPUs to multiply it with.
    """
    if tier.hourly_rate_usd > 0 and tier.gpus == 0:
        raise BadConfig(
            f"tier {name!r} costs ${tier.hourly_rate_usd:g} an hour for 8 GPUs; say how many it has, as in: gpus = 8"
        )
    return Price(
        usd_per_s=cost_usd(1.0, tier.gpus, tier.hourly_rate_usd),
        at_most_usd=cost_usd(tier.time_limit_s, tier.gpus, tier.hourly_rate_usd),
    )


def settle(workspace: Workspace) -> None:
    """Settle or release every open reservation whose job has ended; without the price it was made for, all is gone."""
    book, store = BudgetBook(workspace.database, workspace.config.budget), JobStore(workspace)
    for reservation in book.open_reservations():
        try:
            record = store.get(reservation.run_id)
        except NotFound:
            continue  # reserved by something that keeps its own books
        if not record.has_ended:
            continue
        if record.started_at is None:
            book.release(record.id)
        else:
            price = Price.read(store.folder(record.id))
            as_reserved = price is not None and abs(price.at_most_usd - reservation.cost_usd) < CENT / 100
            book.settle(record.id, read_job(store, record).cost_usd if as_reserved else reservation.cost_usd)
