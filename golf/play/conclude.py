"""Concluding a lost run from what was salvaged of it: scored, judged and recorded like any other, once, as itself."""

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


def conclude(workspace: Workspace, run_id: str) -> bool:
    """Begin to conclude a lost run that trained elsewhere; False when there is nothing to conclude it from.

    True also while that is going on, or while it is not known yet whether anything can be salvaged.
    """
    leases = Leases(workspace.database).of_run(run_id)
    if any(lease.state in ("asked", "held") for lease in leases):
        return True
    if not salvage.is_whole(workspace, run_id):
        return False
    lost = JobStore(workspace).folder(run_id)
    orders = _request(lost)
    if _was_tried(workspace, orders["experiment"], run_id):
        return False
    orders |= {"run_id": run_id, "salvaged": str(lost / "salvaged")}

    def request(row: Record, job_folder: Path) -> list[str]:
        durable.replace_json(job_folder / "request.json", orders)
        return [sys.executable, "-m", "golf.cli.worker", str(job_folder)]

    try:
        LocalJobs(workspace).submit("conclude", orders["experiment"], request, time_limit_s=LIMIT_S)
    except AmbiguousInput:  # it is being concluded already
        return True
    return True


def _was_tried(workspace: Workspace, experiment: str, run_id: str) -> bool:
    """Whether a job was at it that came to nothing: once is enough."""
    store = JobStore(workspace)
    return any(
        row.kind == "conclude"
        and row.subject == experiment
        and row.has_ended
        and _request(store.folder(row.id)).get("run_id") == run_id
        for row in store.recent(1000)
    )


def _request(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "request.json").read_text(encoding="utf-8"))
