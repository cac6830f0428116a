"""Finishes what a `kill -9` interrupted: jobs whose supervisor is gone, and their processes.

Runs at the start of every command and of the server. Ownership is by the job's mark in the
environment and by pid with start time; nothing else is ever touched.
"""

import contextlib

import psutil

from golf.errors import NotFound
from golf.jobs import process, progress
from golf.jobs.store import JobStore, Record
from golf.schema import JobState
from golf.workspace import Workspace


def reap(workspace: Workspace) -> list[Record]:
    """Close every job that nobody answers for any more; returns those lost now."""
    if not (workspace.root / ".golf" / "golf.db").exists():
        return []
    store = JobStore(workspace)
    closed = []
    for record in store.recent(1000, ("queued", "running")):
        if record.is_supervised is not False:  # of what runs in a container nobody outside can tell
            continue
        said = progress.outcome(store.folder(record.id))
        if said.get("result") is not None:  # killed between the result and the last word
            finish(store, record, "done", said["message"])
        elif finish(store, record, "lost", "its supervisor was killed; what it left running was ended"):
            closed.append(store.get(record.id))
    return closed


def unseen(workspace: Workspace) -> list[Record]:
    """Open jobs of which it cannot be told from here whether they run."""
    return [one for one in JobStore(workspace).recent(1000, ("queued", "running")) if one.is_supervised is None]


def adopt(workspace: Workspace) -> list[Record]:
    """Close what a copied or restored folder brought along, on somebody's word that the original is no more."""
    store = JobStore(workspace)
    brought = [one for one in unseen(workspace) if one.is_copied]
    for one in brought:
        store.ended(one.id, "lost", None, "the workspace that it was started in is said to be no more")
    return [store.get(one.id) for one in brought]


def sweep(workspace: Workspace) -> int:
    """End what still runs of jobs that have ended here; returns how many processes that were."""
    store, victims = JobStore(workspace), []
    for found, job_id in process.all_marked():
        with contextlib.suppress(NotFound):  # of another workspace
            record = store.get(job_id)
            if record.has_ended and record.place == record.here:
                victims.append(found)
    process.end(victims)
    return len(victims)


def finish(store: JobStore, record: Record, state: JobState, message: str) -> bool:
    """End the supervisor (if it lives) and everything that carries the job's mark, then close the job."""
    supervisor = []
    pid = record.supervisor_pid
    # a queued job's is still its submitter's, who may be the very server that is asked
    if record.state == "running" and pid is not None and record.is_supervised:
        with contextlib.suppress(psutil.Error):
            supervisor.append(psutil.Process(pid))
    process.end_marked(record.id, supervisor)
    return store.ended(record.id, state, None, message)
