"""The process that ends what nobody looks after any more: `python -m golf.jobs.watchdog WORKSPACE`.

One per workspace (a lock file says so), started by whoever submits, beside the job and not under it: a supervisor
sweeps up what its job leaves. It ends when no lease is open and none will be. It goes by renewals it has seen, on a
clock that nobody can set, as well as by the leases' own times. Killed itself, its work is left to the provider's limit,
to `golf reap` and to the next command.
"""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from golf.jobs import ending, process, reaper
from golf.jobs.leases import Lease, Leases
from golf.jobs.store import JobStore
from golf.workspace import Workspace

LOOK_S = 10.0
"""Between two looks at the leases, at most."""
FAILING_S = 60.0
"""A watchdog whose looks have failed for so long lets another try, which may have keys or a network that it has not."""


def ensure(workspace: Workspace) -> None:
    """Start a watchdog where none is."""
    lock = _lock(workspace)
    if lock is None:
        return
    lock.close()  # the new one takes it; of two, one ends at once
    with open(workspace.state / "watchdog.log", "ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "golf.jobs.watchdog", str(workspace.root)],
            env={key: value for key, value in os.environ.items() if key != process.JOB_MARK},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    child.returncode = 0  # it is nobody's to wait for: it outlives us


def watch(workspace: Workspace) -> None:
    """Look until no lease is open and no run may still ask for one.

    One that cannot end anything (no keys, no network) lets go of the lock between its looks, so that the next command
    starts another, and leaves when that one is there.
    """
    memory = _Memory()
    failing_since: float | None = None
    while (lock := _lock(workspace)) is not None:
        with lock:
            while True:
                try:
                    reaper.reap(workspace)
                    if not _is_needed(workspace):
                        ending.strays(workspace)
                        break
                    all_gone = ending.due(workspace, is_forgotten=memory.is_forgotten)
                except Exception as error:  # a full disk, a damaged row: the next look may be luckier
                    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                    all_gone = False
                failing_since = None if all_gone else failing_since or time.monotonic()
                if failing_since is not None and time.monotonic() - failing_since >= FAILING_S:
                    break
                time.sleep(_pause_s(workspace))
        if not _is_needed(workspace):  # once more: somebody may have seen the lock held
            return
        time.sleep(_pause_s(workspace))


def _pause_s(workspace: Workspace) -> float:
    return min(LOOK_S, workspace.config.jobs.lease_s / 4)


class _Memory:
    """Renewals as this process has seen them, on a clock that nobody can set and that stands while a laptop sleeps."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}

    def is_forgotten(self, lease: Lease) -> bool:
        """Whether no renewal was seen for a lease's time."""
        renewals, since = self._seen.get(lease.key, (-1, 0.0))
        if renewals != lease.renewals:
            self._seen[lease.key] = (lease.renewals, time.monotonic())
            return False
        return time.monotonic() - since >= lease.lease_s


def _is_needed(workspace: Workspace) -> bool:
    """Whether a lease is open, or a run that has not ended may still ask for one: in this order, as leases go."""
    leases, store = Leases(workspace.database), JobStore(workspace)
    is_expected = any(not store.get(run_id).has_ended for run_id in {lease.run_id for lease in leases.planned()})
    return is_expected or bool(leases.open())


def _lock(workspace: Workspace) -> IO[bytes] | None:
    """The lock of this workspace's watchdog; None while another holds it."""
    file = open(workspace.state / "watchdog.lock", "ab")  # noqa: SIM115 - held open by whoever gets it
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


if __name__ == "__main__":
    watch(Workspace(Path(sys.argv[1])))
