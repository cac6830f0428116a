"""Concluding a run that died from what its launches left: scored, judged and recorded like any other, once, as itself.

The seeds that are there count. Which of the claimed ones are missing, and why, stands in the result.
"""

import json
import sys
from pathlib import Path
from typing import Any

from golf import durable
from golf.errors import AmbiguousInput
from golf.jobs import salvage
from golf.jobs.leases import Leases
from golf.jobs.local import LocalJobs
from golf.jobs.store import JobStore, Record
from golf.workspace import Workspace

LIMIT_S = 6 * 3600.0
TRIES = 3
"""Of jobs that were killed before they came to a result; one that failed by itself is not tried again."""


def conclude(workspace: Workspace, run_id: str) -> bool:
    """Begin to conclude a run that trained elsewhere and died unrecorded; False when there is nothing to do it from.

    True also while that is going on, or while it is not known yet whether anything can be salvaged.
    """
    leases = Leases(workspace.database).of_run(run_id)
    if any(lease.state in ("asked", "held") for lease in leases):
        return True
    lost, place = JobStore(workspace).folder(run_id), salvage.place(workspace, run_id)
    orders = _request(lost)
    if not salvage.kept(place) or not orders or _was_tried(workspace, orders["experiment"], run_id):
        return False
    orders |= {"run_id": run_id, "salvaged": str(place)}

    def request(row: Record, job_folder: Path) -> list[str]:
        durable.replace_json(job_folder / "request.json", orders)
        return [sys.executable, "-m", "golf.cli.worker", str(job_folder)]

    try:
        LocalJobs(workspace).submit("conclude", orders["experiment"], request, time_limit_s=LIMIT_S)
    except AmbiguousInput:  # it is being concluded already, or the experiment is being played
        return True
    return True


def _was_tried(workspace: Workspace, experiment: str, run_id: str) -> bool:
    """Whether jobs were at it that came to nothing: one by itself, or several that were killed."""
    store = JobStore(workspace)
    tries = [
        row
        for row in store.recent(1000)
        if row.kind == "conclude"
        and row.subject == experiment
        and row.has_ended
        and _request(store.folder(row.id)).get("run_id", run_id) == run_id  # without orders: killed before it had any
    ]
    return len(tries) >= TRIES or any(not _was_killed(row) for row in tries)


def _was_killed(row: Record) -> bool:
    """By a signal, as for want of memory or when the machine went down, or with all that looked after it."""
    by_signal = row.exit_code is None or row.exit_code < 0
    return (
        row.state == "lost"
        or (row.state == "failed" and by_signal)
        or (row.state == "cancelled" and row.message.startswith("cancelled: "))  # by no person
    )


def _request(folder: Path) -> dict[str, Any]:
    """A job's orders; nothing where there are none that can be read."""
    try:
        orders = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return orders if isinstance(orders, dict) and isinstance(orders.get("experiment"), str) else {}
