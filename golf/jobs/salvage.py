"""What launches left, kept beside their run's job until the run is recorded: it was paid for, and outlives its monitor.

The monitor keeps what it has fetched before a launch is ended; what ended well while nobody looked is fetched and kept
by whoever ends it. A seed's folder appears only whole, made by whoever is first. What becomes of the seeds is decided
where runs are concluded (`golf.play.conclude`).
"""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from golf.jobs.backend import Backend
from golf.jobs.leases import Lease, Leases
from golf.jobs.store import JobStore
from golf.measure import artifact
from golf.workspace import Workspace

LOG = "train.log"
LOG_BYTES_MAX = 64 << 20


def place(workspace: Workspace, run_id: str) -> Path:
    """Where a run's seeds lie, a folder each."""
    return JobStore(workspace).folder(run_id) / "salvaged"


def folder(workspace: Workspace, run_id: str, seed: int) -> Path:
    """Where one seed of a run lies once it is kept."""
    return place(workspace, run_id) / f"seed{seed}"


def kept(place: Path) -> list[int]:
    """The seeds that are there, whole."""
    names = [path.name for path in place.glob("seed*") if path.is_dir()]
    return sorted(int(name.removeprefix("seed")) for name in names if re.fullmatch(r"seed\d+", name))


def keep(workspace: Workspace, lease: Lease, tree: Path, log: Path) -> None:
    """Keep what was fetched into `tree`, weights that came with the snapshot included, and what was printed (`log`).

    Where the disk is full, or the like, nothing is kept: this is for when the run is killed, and must not end it.
    """
    there = folder(workspace, lease.run_id, lease.seed)
    if there.is_dir():
        return
    with contextlib.suppress(OSError), _coming(there) as coming:
        for file in _weights(tree):
            shutil.copyfile(file, coming / file.name)
        if log.is_file():
            shutil.copyfile(log, coming / LOG)


def fetch(workspace: Workspace, backend: Backend, lease: Lease) -> bool:
    """Fetch what the trainer left if it has ended well; whether it is there.

    Raises:
        BackendFailed: the provider could not be reached, or did not give it.
        OSError: the disk is full, or the like.
    """
    from golf.jobs import ending  # which fetches by this before it ends

    there = folder(workspace, lease.run_id, lease.seed)
    if there.is_dir():
        return True
    remote = ending.found(Leases(workspace.database), backend, lease)
    if remote is None or remote.exit_code != 0:
        return False
    with _coming(there) as coming:
        backend.fetch(remote.id, coming, artifact.PATTERNS)
        with open(coming / LOG, "wb") as log:
            while log.tell() < LOG_BYTES_MAX and (more := backend.log(remote.id, log.tell())):
                log.write(more)
    return True


def drop(workspace: Workspace, run_id: str) -> None:
    """Let go of what was kept: the run is recorded, and its evidence lies with its experiment."""
    shutil.rmtree(place(workspace, run_id), ignore_errors=True)


@contextlib.contextmanager
def _coming(there: Path) -> Iterator[Path]:
    """A folder of one's own that becomes `there` when it is whole; of two at once, the later one is dropped."""
    there.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{there.name}-", dir=there.parent, ignore_cleanup_errors=True) as scratch:
        coming = Path(scratch) / there.name
        coming.mkdir()
        yield coming
        try:
            coming.rename(there)
        except OSError:
            if not there.is_dir():  # nobody was first: it is the disk
                raise


def _weights(tree: Path) -> list[Path]:
    return [path for pattern in artifact.PATTERNS for path in tree.glob(pattern) if path.is_file()]
