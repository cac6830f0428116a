"""Compute credits over time: each moment at which money was set aside, spent or given back."""

from contextlib import closing
from datetime import UTC, datetime
from typing import NamedTuple

from golf import database
from golf.jobs.store import TABLES as JOBS
from golf.play.budget import MICRO, TABLES
from golf.workspace import Workspace


class Moment(NamedTuple):
    """What was spent and set aside from a moment on, in US dollars."""

    at: datetime
    spent_usd: float
    reserved_usd: float


def burn(workspace: Workspace) -> list[Moment]:
    """Every change of the money, oldest first; empty before the first paid run.

    A run's money is set aside when it is reserved, and spent or given back when its last launch was gone; of a run
    without launches elsewhere when its job ended.
    """
    if not workspace.database.exists():
        return []
    with closing(database.connect(workspace.database, JOBS + TABLES)) as connection:
        rows = connection.execute(
            "SELECT paid_runs.*, (SELECT max(gone_at) FROM leases WHERE leases.run_id = paid_runs.run_id) AS gone_at, "
            "(SELECT ended_at FROM jobs WHERE jobs.id = paid_runs.run_id) AS ended_at FROM paid_runs"
        ).fetchall()
    changes: list[tuple[float, int, int]] = []  # seconds, spent and reserved in micro-dollars
    for row in rows:
        begun = row["reserved_at"] / MICRO
        changes.append((begun, 0, row["reserved"]))
        if row["state"] == "open":
            continue
        ended = row["gone_at"] / MICRO if row["gone_at"] else _seconds(row["ended_at"])
        changes.append((max(begun, ended or begun), row["spent"], -row["reserved"]))
    found: dict[float, Moment] = {}
    spent = reserved = 0
    for at, more_spent, more_reserved in sorted(changes):
        spent, reserved = spent + more_spent, reserved + more_reserved
        found[at] = Moment(datetime.fromtimestamp(at, UTC), spent / MICRO, reserved / MICRO)
    return list(found.values())


def _seconds(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()
