"""Compute credits: what is spent, set aside and left, and whether a paid run may start.

A paid run is reserved at its worst-case cost before it starts and settled at its real cost after.
Between the two its money counts as gone, whatever happens to the process: only `settle` or
`release` ends a reservation, so a killed process can never make room. Asking and reserving are one
transaction, so any number of processes together stay within the budget, above the reserve and
within the rate limit.

The floor is strict: what remains after a run must not be below the reserve. 500 credits with a
reserve of 50 are 128 runs at $3.50.

Amounts are whole micro-dollars in the database, rounded up: sums do not drift, and rounding never
makes a run cheaper.
"""

import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

from golf import database
from golf.errors import BadConfig, BudgetRefused, NotFound
from golf.jobs.leases import TABLES as LEASES
from golf.schema import Budget, Tier
from golf.workspace import BudgetSettings

TABLES = (
    LEASES
    + """
CREATE TABLE IF NOT EXISTS paid_runs (
    run_id      TEXT PRIMARY KEY,
    tier        TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('open', 'released', 'settled')),
    reserved    INTEGER NOT NULL CHECK (reserved > 0),          -- micro-dollars, worst case
    spent       INTEGER NOT NULL DEFAULT 0 CHECK (spent >= 0),  -- micro-dollars, once settled
    reserved_at INTEGER NOT NULL                                -- microseconds since 1970, UTC
);
"""
)

MICRO = 1_000_000

LARGEST_USD = 1e9
"""More than this is a typing error, and would leave the range of the database's integers."""

WARNING_BAND = 2
"""Below this many reserves a run is allowed with a warning. Source: the published loop's `can_submit`."""


@dataclass(frozen=True)
class Reservation:
    """A paid run that was allowed and has not been settled."""

    run_id: str
    tier: Tier
    cost_usd: float
    """Set aside: the run's worst case."""
    reserved_at: datetime


def cost_usd(seconds: float, gpus: int, hourly_rate_usd: float) -> float:
    """US dollars for `gpus` GPUs over `seconds`, where 8 GPUs cost `hourly_rate_usd` an hour.

    600 s on 8 GPUs at $20 is $3.33; 480 s is $2.67.

    Raises:
        BadConfig: a quantity is negative or not finite.
    """
    for name, value in (("seconds", seconds), ("gpus", gpus), ("hourly_rate_usd", hourly_rate_usd)):
        if not (math.isfinite(value) and value >= 0):
            raise BadConfig(f"{name} is {value}; the cost of a run needs a finite number of at least 0")
    return seconds / 3600 * gpus * hourly_rate_usd / 8


class BudgetBook:
    """The workspace's money, in its database; safe to use from many processes and threads at once.

    Raises:
        BadConfig: a limit in `settings` is not a usable number.
    """

    def __init__(self, path: Path, settings: BudgetSettings):
        self.path = path
        self._total = _micro(settings.total_usd, "budget.total_usd")
        self._reserve = _micro(settings.reserve_usd, "budget.reserve_usd")
        self._run_cost = _micro(
            cost_usd(settings.run_time_s, settings.gpus, settings.hourly_rate_usd), "the cost of a run in budget"
        )
        if settings.min_interval_s > 366 * 86_400:
            raise BadConfig(f"budget.min_interval_s is {settings.min_interval_s}; it may be at most a year")
        self._interval = timedelta(seconds=settings.min_interval_s)

    def state(self, cost_usd: float | None = None, now: datetime | None = None) -> Budget:
        """The money now, and whether a run of `cost_usd` (default: the settings' paid run) may start.

        Raises:
            BadConfig: `cost_usd` is negative or not finite.
        """
        cost = self._run_cost if cost_usd is None else _micro(cost_usd, "the cost of the run")
        with self._open() as connection:
            return self._state(connection, cost, _instant(now))

    def reserve(
        self,
        run_id: str,
        cost_usd: float,
        tier: Tier,
        now: datetime | None = None,
        also: Callable[[sqlite3.Connection], object] | None = None,
    ) -> Budget:
        """Set aside the worst-case cost of a run that is about to start; a free run needs nothing.

        `also` is called in the same transaction: both happen or none. Returns the state that allowed it, its own
        reservation not yet counted.

        Raises:
            BudgetRefused: the reserve, the rate limit or an earlier use of `run_id` forbids it.
            BadConfig: `cost_usd` is negative or not finite.
        """
        cost = _micro(cost_usd, "the cost of the run")
        with self._open() as connection, database.transaction(connection):
            if (earlier := _find(connection, run_id)) is not None:
                raise BudgetRefused(
                    f"Blocked: run {run_id} was reserved before and is {earlier['state']}; one reservation pays for "
                    "one run. Start it under a new run id"
                )
            instant = _instant(now)  # taken behind the lock, which others may have held for a while
            budget = self._state(connection, cost, instant)
            if not budget.allowed:
                raise BudgetRefused(budget.message)
            if also is not None:
                also(connection)
            if cost > 0:
                connection.execute(
                    "INSERT INTO paid_runs (run_id, tier, state, reserved, reserved_at) VALUES (?, ?, 'open', ?, ?)",
                    (run_id, tier, cost, instant),
                )
            return budget

    def settle(self, run_id: str, cost_usd: float) -> None:
        """Replace a run's reservation by what it cost, which may be less or more.

        Settling again changes nothing, except that the higher of two amounts stands. A run that was
        released and turns out to have been billed is settled too: the money is gone.

        Raises:
            NotFound: nothing was ever reserved for `run_id`.
            BadConfig: `cost_usd` is negative or not finite.
        """
        cost = _micro(cost_usd, "the cost of the run")
        with self._open() as connection, database.transaction(connection):
            self._expect(connection, run_id)
            connection.execute(
                "UPDATE paid_runs SET state = 'settled', spent = max(spent, ?) WHERE run_id = ?", (cost, run_id)
            )

    def release(self, run_id: str) -> None:
        """Give back the reservation of a run that never started; a settled run stays settled.

        The run no longer counts for the rate limit either.

        Raises:
            NotFound: nothing was ever reserved for `run_id`.
        """
        with self._open() as connection, database.transaction(connection):
            self._expect(connection, run_id)
            connection.execute("UPDATE paid_runs SET state = 'released' WHERE run_id = ? AND state = 'open'", (run_id,))

    def open_reservations(self) -> list[Reservation]:
        """Runs that are neither settled nor released, oldest first."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT run_id, tier, reserved, reserved_at FROM paid_runs WHERE state = 'open'"
                " ORDER BY reserved_at, run_id"
            ).fetchall()
        return [
            Reservation(row["run_id"], row["tier"], row["reserved"] / MICRO, _moment(row["reserved_at"]))
            for row in rows
        ]

    def underpaid(self) -> list[str]:
        """Runs that are settled or released, and whose launches are all gone and have cost more: it was billed late."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT run_id FROM paid_runs JOIN leases USING (run_id) WHERE paid_runs.state != 'open'"
                " GROUP BY run_id HAVING sum(leases.cost) > paid_runs.spent"
                " AND sum(leases.state IN ('asked', 'held')) = 0"
            ).fetchall()
        return [row["run_id"] for row in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection per act: it may then cross threads and forks, and money is asked for rarely."""
        with closing(database.connect(self.path, TABLES)) as connection:
            yield connection

    def _expect(self, connection: sqlite3.Connection, run_id: str) -> None:
        if _find(connection, run_id) is None:
            raise NotFound(f"no money was reserved for run {run_id} in {self.path}; see what is: golf check-budget")

    def _state(self, connection: sqlite3.Connection, cost: int, instant: int) -> Budget:
        spent, reserved, last = connection.execute(
            "SELECT coalesce(sum(spent) FILTER (WHERE state = 'settled'), 0),"
            " coalesce(sum(reserved) FILTER (WHERE state = 'open'), 0),"
            " max(reserved_at) FILTER (WHERE state != 'released') FROM paid_runs"
        ).fetchone()
        remaining = self._total - spent - reserved
        spendable = remaining - self._reserve
        next_allowed = self._next_allowed(last, instant)
        floor = _dollars(self._reserve)
        price = cost or self._run_cost
        runs_left = max(0, spendable // price) if price else 0

        if cost == 0:
            verdict, message = "ok", f"OK: the run is free. Remaining ${_dollars(remaining)}, reserve ${floor}"
        elif remaining < self._reserve:
            verdict = "blocked"
            message = f"Blocked: remaining ${_dollars(remaining)} is below reserve ${floor}. {WHAT_NEXT}"
        elif spendable < cost:
            verdict = "blocked"
            message = (
                f"Blocked: remaining ${_dollars(remaining - cost)} is below reserve ${floor} once this run's "
                f"${_dollars(cost)} are taken from ${_dollars(remaining)}. {WHAT_NEXT}"
            )
        elif next_allowed is not None:
            verdict, message = "rate_limited", self._rate_message(next_allowed, last, instant)
        elif remaining < WARNING_BAND * self._reserve:
            verdict = "warning"
            message = (
                f"Warning: remaining ${_dollars(remaining)} is below {WARNING_BAND}x reserve "
                f"${_dollars(WARNING_BAND * self._reserve)}; runs of ${_dollars(cost)} left: {runs_left}"
            )
        else:
            verdict = "ok"
            message = (
                f"OK: remaining ${_dollars(remaining)}, reserve ${floor}; runs of ${_dollars(cost)} left: {runs_left}"
            )
        return Budget(
            total_usd=self._total / MICRO,
            reserve_usd=self._reserve / MICRO,
            spent_usd=spent / MICRO,
            reserved_usd=reserved / MICRO,
            remaining_usd=remaining / MICRO,
            run_cost_usd=cost / MICRO,
            runs_left=runs_left,
            next_allowed_at=next_allowed,
            verdict=verdict,
            allowed=verdict in ("ok", "warning"),
            message=message,
        )

    def _next_allowed(self, last: int | None, instant: int) -> datetime | None:
        """When the rate limit ends; None when it does not hold.

        A last run in the future means that the clock went back. How long ago it really was cannot
        be known, so it counts as just now.
        """
        if last is None:
            return None
        end = min(last, instant) + self._interval // timedelta(microseconds=1)
        return _moment(end) if end > instant else None

    def _rate_message(self, next_allowed: datetime, last: int, instant: int) -> str:
        wait = next_allowed - _moment(instant)
        message = (
            f"Rate limited: less than {_span(self._interval)} since last Tier 2 run. "
            f"The next may start at {next_allowed:%Y-%m-%d %H:%M:%S} UTC, in {_span(wait)}"
        )
        if last > instant:
            message += (
                f". That run is recorded for {_moment(last):%Y-%m-%d %H:%M:%S} UTC, which is to come: check the clock"
            )
        return message


WHAT_NEXT = "Free tiers still run: golf run EXPERIMENT. To spend more, raise budget.total_usd in golf.toml"


def _find(connection: sqlite3.Connection, run_id: str) -> sqlite3.Row | None:
    return connection.execute("SELECT state FROM paid_runs WHERE run_id = ?", (run_id,)).fetchone()


def _micro(usd: float, name: str) -> int:
    """Dollars as micro-dollars, rounded up; by way of the decimal a person typed, so 3.47 stays 3.47."""
    if not 0 <= usd <= LARGEST_USD:  # NaN is not, either
        raise BadConfig(f"{name} is {usd}; it must be an amount in US dollars between 0 and {LARGEST_USD:.0f}")
    return int((Decimal(repr(float(usd))) * MICRO).to_integral_value(rounding=ROUND_CEILING))


def _dollars(micro: int) -> str:
    """Rounded down to cents, so that less than the reserve never reads as the reserve."""
    cents = micro // (MICRO // 100)
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _instant(now: datetime | None) -> int:
    moment = datetime.now(UTC) if now is None else now.astimezone(UTC)
    return (moment - _moment(0)) // timedelta(microseconds=1)


def _moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def _span(duration: timedelta) -> str:
    """A duration in its largest whole unit that loses nothing a person waits for."""
    seconds = math.ceil(duration.total_seconds())
    if seconds >= 3600 and seconds % 3600 == 0:
        return f"{seconds // 3600} hour{'s' if seconds > 3600 else ''}"
    if seconds >= 60:
        return f"{math.ceil(seconds / 60)} min"
    return f"{seconds} s"
