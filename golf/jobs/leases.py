"""Leases: what was asked of providers, until it is known to be gone. The table that money depends on.

A lease is written before its launch is asked for, in the transaction that sets the money aside, and closed only when
the provider no longer has what was started, or never had it:

    planned ──asked──▶ asked ──held──▶ held ──gone──▶ gone
       └──────gone(0)────┴───────gone(cost)────┘

`planned` was never asked for and costs nothing, as what was refused (gone at once) does not. `asked` may exist at
the provider: only its listing tells, also after a crash between the question and the answer. `held` has the provider's
id. A launch that was believed never to have come and then appears opens its lease again; a later word on what one cost
stands where it is the higher.

A workspace's tag is bound to its database's very file: what a copy of the folder lists is the original's, who renews it
elsewhere, and is left alone (`foreign`) until somebody says that it is this one's now (`adopt`).

While a launch runs its lease is renewed, which is counted: whoever watches goes by the count and a clock of its own
(`golf.jobs.watchdog`), so that no clock that is set, and no laptop that slept, ends or lengthens anything. A launch
whose run has ended is ended by whoever looks next (`golf.jobs.ending`).
"""

import secrets
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from golf import database
from golf.errors import NotFound

TABLES = """
CREATE TABLE IF NOT EXISTS leases (
    key         TEXT PRIMARY KEY,
    run_id      TEXT NOT NULL,
    seed        INTEGER NOT NULL,
    tier        TEXT NOT NULL,
    backend     TEXT NOT NULL,
    options     TEXT NOT NULL,                                  -- JSON, what opens the back-end again
    owner       TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('planned', 'asked', 'held', 'gone')),
    remote_id   TEXT,
    usd_per_s   REAL NOT NULL CHECK (usd_per_s >= 0),
    limit_s     REAL NOT NULL CHECK (limit_s > 0),
    lease_s     REAL NOT NULL DEFAULT 180 CHECK (lease_s > 0),  -- as it was when the run was submitted
    asked_at    INTEGER,                                        -- microseconds since 1970, UTC
    renewals    INTEGER NOT NULL DEFAULT 0,
    seen        INTEGER NOT NULL DEFAULT 0,                     -- the provider has shown it at least once
    gone_at     INTEGER,
    cost        INTEGER NOT NULL DEFAULT 0 CHECK (cost >= 0),   -- micro-dollars, once gone
    billed_by   TEXT NOT NULL DEFAULT '',                       -- a BilledBy, once gone
    message     TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS leases_by_run ON leases (run_id);
CREATE INDEX IF NOT EXISTS leases_by_state ON leases (state);
CREATE TABLE IF NOT EXISTS owner (tag TEXT PRIMARY KEY, inode INTEGER NOT NULL DEFAULT 0);  -- of this database's file
"""

RENEWALS = 6
"""In the time that a lease holds without one."""
LeaseState = Literal["planned", "asked", "held", "gone"]
BilledBy = Literal["provider", "seconds", "nobody"]
"""nobody: the provider said no, and nothing was started."""


@dataclass(frozen=True)
class Lease:
    """One row."""

    key: str
    run_id: str
    seed: int
    tier: str
    backend: str
    options: str
    owner: str
    state: LeaseState
    remote_id: str | None
    usd_per_s: float
    limit_s: float
    lease_s: float
    asked_at: int | None
    renewals: int
    seen: int
    gone_at: int | None
    cost: int
    billed_by: str
    message: str

    @property
    def cost_usd(self) -> float:
        """Dollars, once it is gone."""
        return self.cost / 1_000_000

    @property
    def may_have_started(self) -> bool:
        """Whether it was asked for, and not refused; what was refused and has cost all the same was none the less."""
        return self.asked_at is not None and (self.billed_by != "nobody" or self.cost > 0)

    def elapsed_s(self, now: int | None = None) -> float:
        """Seconds since it was asked for, by this machine's clock: negative where that was set back since; 0 before."""
        return 0.0 if self.asked_at is None else ((now_us() if now is None else now) - self.asked_at) / 1e6

    def age_s(self, now: int | None = None) -> float:
        """The same to pay for: all of its limit where the clock was set back."""
        seconds = self.elapsed_s(now)
        return seconds if seconds >= 0 else self.limit_s


FIELDS = ", ".join(field.name for field in fields(Lease))
"""Another version's table may have more."""


def now_us() -> int:
    """This machine's clock, in microseconds since 1970."""
    return time.time_ns() // 1000


def key_of(owner: str, run_id: str, seed: int) -> str:
    """Name of a launch at its provider: of one workspace, one run and one seed."""
    return f"caddie-{owner}-{run_id}-s{seed}"


def plan(
    connection: sqlite3.Connection,
    run_id: str,
    seeds: Sequence[int],
    *,
    tier: str,
    backend: str,
    options: str,
    usd_per_s: float,
    limit_s: float,
    lease_s: float,
) -> list[str]:
    """Write a lease per seed, to be asked for; inside the transaction that sets the money aside. Returns their keys."""
    inode = _inode(connection)
    row = connection.execute("SELECT tag FROM owner WHERE inode = ?", (inode,)).fetchone()
    owner = row["tag"] if row else secrets.token_hex(4)
    if row is None:
        connection.execute("INSERT INTO owner (tag, inode) VALUES (?, ?)", (owner, inode))
    keys = [key_of(owner, run_id, seed) for seed in seeds]
    connection.executemany(
        "INSERT INTO leases (key, run_id, seed, tier, backend, options, owner, state, usd_per_s, limit_s, lease_s) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, 'planned', ?, ?, ?)",
        [
            (key, run_id, seed, tier, backend, options, owner, usd_per_s, limit_s, lease_s)
            for key, seed in zip(keys, seeds, strict=True)
        ],
    )
    return keys


class Leases:
    """The leases of one workspace; a connection per act, safe from many processes and threads."""

    def __init__(self, database: Path) -> None:
        self.path = database

    def get(self, key: str) -> Lease:
        """One lease.

        Raises:
            NotFound: no such lease.
        """
        with self._connection() as connection:
            row = connection.execute(f"SELECT {FIELDS} FROM leases WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise NotFound(f"no lease {key} in {self.path}")
        return Lease(**dict(row))

    def of_run(self, run_id: str) -> list[Lease]:
        """A run's leases, by seed."""
        return self._select("WHERE run_id = ? ORDER BY seed", run_id)

    def open(self) -> list[Lease]:
        """Everything of ours that may exist at a provider, oldest first."""
        return self._own("state IN ('asked', 'held') ORDER BY asked_at, key")

    def planned(self) -> list[Lease]:
        """Written down and not asked for yet."""
        return self._own("state = 'planned' ORDER BY key")

    def everything(self) -> list[Lease]:
        """Whatever was ever asked for under our tag, the newest first."""
        return self._own("asked_at IS NOT NULL ORDER BY asked_at DESC, key")

    def foreign(self) -> list[Lease]:
        """What is open of the workspace that this one is a copy of."""
        ours = {lease.key for lease in self.open()}
        return [one for one in self._select("WHERE state IN ('asked', 'held') ORDER BY key") if one.key not in ours]

    def adopt(self) -> None:
        """What came along with a copied or restored folder is this workspace's from now on."""
        with self._connection() as connection:
            connection.execute("UPDATE owner SET inode = ?", (_inode(connection),))

    def asked(self, key: str, limit_s: float) -> Lease:
        """The launch is about to be asked for, for at most `limit_s`: on disk before the provider hears of it.

        Raises:
            NotFound: there is no such lease, or it was asked for before: a launch is asked for once.
        """
        if not self._change(
            "UPDATE leases SET state = 'asked', asked_at = ?, limit_s = min(limit_s, ?) "
            "WHERE key = ? AND state = 'planned'",
            now_us(), limit_s, key,
        ):  # fmt: skip
            raise NotFound(f"lease {key} is not there to be asked for: it was asked for before, or given back")
        return self.get(key)

    def held(self, key: str, remote_id: str) -> bool:
        """The provider has answered, or its listing has shown it; False when there is no such lease to hold it by.

        One that was closed as never having come is open again.
        """
        return self._change(
            "UPDATE leases SET state = 'held', remote_id = ?, gone_at = NULL "
            "WHERE key = ? AND asked_at IS NOT NULL AND remote_id IS NULL",
            remote_id, key,
        )  # fmt: skip

    def renew(self, key: str) -> bool:
        """Somebody looks after it; False when it is over."""
        return self._change(
            "UPDATE leases SET renewals = renewals + 1 WHERE key = ? AND state IN ('asked', 'held')", key
        )

    def was_seen(self, key: str) -> None:
        """The provider has shown it: from now on its silence means something."""
        self._change("UPDATE leases SET seen = 1 WHERE key = ?", key)

    def gone(self, key: str, cost_usd: float, billed_by: BilledBy, message: str) -> bool:
        """The provider has nothing of it any more; False when that was known. The higher of two costs stands."""
        micro = max(0, round(cost_usd * 1_000_000))
        is_first = self._change(
            "UPDATE leases SET state = 'gone', gone_at = ?, cost = max(cost, ?), billed_by = ?, message = ? "
            "WHERE key = ? AND state != 'gone'",
            now_us(), micro, billed_by, message[:500], key,
        )  # fmt: skip
        return is_first or (self._change("UPDATE leases SET cost = max(cost, ?) WHERE key = ?", micro, key) and False)

    def give_back(self, run_id: str) -> int:
        """Close the leases of a run that were never asked for; returns how many."""
        with self._connection() as connection:
            return connection.execute(
                "UPDATE leases SET state = 'gone', gone_at = ?, message = 'never asked for' "
                "WHERE run_id = ? AND state = 'planned'",
                (now_us(), run_id),
            ).rowcount

    def _own(self, where: str) -> list[Lease]:
        with self._connection() as connection:
            ours = "owner IN (SELECT tag FROM owner WHERE inode = ?)"
            rows = connection.execute(f"SELECT {FIELDS} FROM leases WHERE {ours} AND {where}", (_inode(connection),))
            return [Lease(**dict(row)) for row in rows]

    def _change(self, statement: str, *values: object) -> bool:
        with self._connection() as connection:
            return connection.execute(statement, values).rowcount > 0

    def _select(self, where: str, *values: object) -> list[Lease]:
        with self._connection() as connection:
            return [Lease(**dict(row)) for row in connection.execute(f"SELECT {FIELDS} FROM leases {where}", values)]

    def _connection(self) -> closing[sqlite3.Connection]:
        return closing(database.connect(self.path, TABLES))


def _inode(connection: sqlite3.Connection) -> int:
    """Which file the database is, wherever it is mounted or moved to; a copy is another one."""
    return Path(connection.execute("PRAGMA database_list").fetchone()["file"]).stat().st_ino
