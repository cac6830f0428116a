"""What a launch left whose run was lost, and whose trainer ended well while nobody looked: fetched before it is ended.

The weights and the log go to the lost job's folder, a folder per seed, which appears there only whole. What becomes of
them is decided where runs are concluded.
"""

import shutil
from pathlib import Path

from golf.jobs import ending
from golf.jobs.backend import Backend
from golf.jobs.leases import Lease, Leases
from golf.jobs.store import JobStore
from golf.measure import artifact
from golf.workspace import Workspace

LOG = "train.log"
LOG_BYTES_MAX = 64 << 20


def folder(workspace: Workspace, run_id: str, seed: int) -> Path:
    """Where a lost run's seed lies once it is fetched."""
    return JobStore(workspace).folder(run_id) / "salvaged" / f"seed{seed}"


def fetch(workspace: Workspace, backend: Backend, lease: Lease) -> bool:
    """Fetch what the trainer left if it has ended well; whether it is there.

    Raises:
        BackendFailed: the provider could not be reached, or did not give it.
    """
    place = folder(workspace, lease.run_id, lease.seed)
    if place.is_dir():
        return True
    remote = ending.found(Leases(workspace.database), backend, lease)
    if remote is None or remote.exit_code != 0:
        return False
    coming = place.with_name(f".{place.name}")
    shutil.rmtree(coming, ignore_errors=True)
    coming.mkdir(parents=True)
    backend.fetch(remote.id, coming, artifact.PATTERNS)
    with open(coming / LOG, "wb") as log:
        while log.tell() < LOG_BYTES_MAX and (more := backend.log(remote.id, log.tell())):
            log.write(more)
    coming.rename(place)
    return True


def is_whole(workspace: Workspace, run_id: str) -> bool:
    """Whether every seed of a lost run was fetched."""
    leases = Leases(workspace.database).of_run(run_id)
    return bool(leases) and all(folder(workspace, run_id, lease.seed).is_dir() for lease in leases)
