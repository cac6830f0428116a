"""Reservations of paid runs that have ended become what they cost.

Called wherever leftovers are finished (`record.recover`), so that it also happens after a kill: a run
that never started gives its money back, any other pays for the time its job was there, and never
more than the time limit it was reserved for. What ran elsewhere pays what its launches cost, also what
is billed for one that appears when its run has long been settled.
"""

import contextlib
import math

from golf.errors import BadConfig, GolfError, NotFound
from golf.jobs.backend import MAY_BE_FREE, open_backend
from golf.jobs.leases import Leases
from golf.jobs.progress import Price, read_job
from golf.jobs.store import JobStore
from golf.play.budget import LARGEST_USD, MICRO, BudgetBook, cost_usd
from golf.workspace import TierSettings, Workspace

CENT = 0.01


def is_free(tier: TierSettings) -> bool:
    """Whether a run there costs nothing: the machine is one's own, and has no price."""
    return tier.hourly_rate_usd == 0 and tier.backend in MAY_BE_FREE


def check_free(workspace: Workspace, tier: str, name: str) -> None:
    """`golf run` never spends money.

    Raises:
        BadConfig: the tier is not free, or there is none of the name.
    """
    if not is_free(workspace.tier(tier)):
        raise BadConfig(
            f"tier {tier!r} is not free; `golf run` never spends money. Play it on a free tier, then: "
            f"golf submit {name} --tier {tier}"
        )


def price(name: str, tier: TierSettings, num_seeds: int = 1) -> Price:
    """What a run on the tier costs: its GPUs by the second, and for its whole time limit at most.

    Elsewhere the limit is that of each launch, every seed is one, and what may be billed beyond it is in the price.

    Raises:
        BadConfig: the tier has a price and no GPUs to multiply it with, or none where others' machines have one, or
            what it comes to is no amount.
    """
    if tier.backend not in MAY_BE_FREE and tier.hourly_rate_usd == 0:
        raise BadConfig(
            f"tier {name!r} runs on {tier.backend}, which is not free: state what 8 GPUs cost there for an hour, "
            "as in: hourly_rate_usd = 20"
        )
    if tier.hourly_rate_usd > 0 and tier.gpus == 0:
        raise BadConfig(
            f"tier {name!r} costs ${tier.hourly_rate_usd:g} an hour for 8 GPUs; say how many it has, as in: gpus = 8"
        )
    for key, value in (("hourly_rate_usd", tier.hourly_rate_usd), ("time_limit_s", tier.time_limit_s)):
        if not math.isfinite(value):
            raise BadConfig(f"tier {name!r} has {key} = {value}; what it costs needs a finite number")
    launches, beyond_s = 1, 0.0
    if tier.backend != "local":
        launches = num_seeds
        with contextlib.suppress(GolfError):  # one that cannot be opened is asked for nothing
            beyond_s = open_backend(tier.backend, tier.options).beyond_s
    at_most_usd = cost_usd(tier.time_limit_s + beyond_s, tier.gpus, tier.hourly_rate_usd) * launches
    if not at_most_usd <= LARGEST_USD:  # infinity, too
        raise BadConfig(
            f"a run on tier {name!r} would cost ${at_most_usd:.3g} at most, over ${LARGEST_USD:.3g}, which can be no "
            f"price. It comes from hourly_rate_usd = {tier.hourly_rate_usd:g}, gpus = {tier.gpus} and "
            f"time_limit_s = {tier.time_limit_s:g}: correct them in golf.toml"
        )
    return Price(usd_per_s=cost_usd(1.0, tier.gpus, tier.hourly_rate_usd), at_most_usd=at_most_usd)


def spent_usd(workspace: Workspace, run_id: str) -> float:
    """What a run has cost until now: its launches elsewhere as billed or by the second, else its job here.

    A run that records itself is not over: its last second or two are in the budget and not in its record.
    """
    store = JobStore(workspace)
    try:
        return read_job(store, store.get(run_id)).cost_usd
    except NotFound:  # played by something that keeps its own books
        return 0.0


def settle(workspace: Workspace) -> None:
    """Settle or release every open reservation whose job has ended; without the price it was made for, all is gone."""
    book, store = BudgetBook(workspace.database, workspace.config.budget), JobStore(workspace)
    leases = Leases(workspace.database)
    for reservation in book.open_reservations():
        try:
            record = store.get(reservation.run_id)
        except NotFound:
            continue  # reserved by something that keeps its own books
        if not record.has_ended:
            continue
        if its_leases := leases.of_run(record.id):
            leases.give_back(record.id)
            if any(lease.state in ("asked", "held") for lease in its_leases):
                continue  # something may still cost: its money stays set aside
            if not any(lease.may_have_started for lease in its_leases):
                book.release(record.id)
            else:
                book.settle(record.id, sum(lease.cost for lease in its_leases) / MICRO)
        elif record.started_at is None:
            book.release(record.id)
        else:
            price = Price.read(store.folder(record.id))
            as_reserved = price is not None and abs(price.at_most_usd - reservation.cost_usd) < CENT / 100
            book.settle(record.id, read_job(store, record).cost_usd if as_reserved else reservation.cost_usd)
    for run_id in book.underpaid():
        book.settle(run_id, sum(lease.cost for lease in leases.of_run(run_id)) / MICRO)
