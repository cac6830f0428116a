"""Ending what a lease is for, and knowing that it has ended: the one way, whoever does it.

Ask the provider, look until it is gone, then close the lease with what it cost: as billed where the provider tells,
else by the second from asking to now, boot included. While the provider cannot be reached the lease stays open, its
money set aside, and the next who looks tries again. Nothing but ids that our own leases hold, and listings under our
own owner tag, is ever ended.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable

from golf.errors import GolfError
from golf.jobs.backend import Backend, BackendFailed, Remote, open_backend
from golf.jobs.leases import Lease, Leases, now_us
from golf.jobs.store import JobStore
from golf.workspace import Workspace

CONFIRM_S = 60.0
"""Looked for a launch to be gone before it is left to the next who looks."""

Opener = Callable[[Lease], Backend]


def opened(lease: Lease) -> Backend:
    """The back-end a lease was written for."""
    return open_backend(lease.backend, json.loads(lease.options))


def due(workspace: Workspace, open_for: Opener = opened, is_forgotten: Callable[[Lease], bool] | None = None) -> bool:
    """End what is due: leases that were not renewed in time, are at their end, or whose run's job has ended.

    Returns whether all of it is gone. What could not be ended is said on standard error and left to the next look.
    """
    from golf.jobs import salvage  # it looks for launches as this does

    leases, store = Leases(workspace.database), JobStore(workspace)
    all_gone = True
    for lease in leases.open():
        run = store.get(lease.run_id)
        is_over = run.has_ended or lease.is_due(workspace.config.jobs.lease_s)
        if not is_over and not (is_forgotten and is_forgotten(lease)):
            continue
        try:
            backend = open_for(lease)
            if run.state == "lost":
                with contextlib.suppress(BackendFailed, OSError):  # what cannot be saved is no reason to pay on
                    salvage.fetch(workspace, backend, lease)
            is_gone = end(workspace, backend, lease, "nobody looked after it any more")
        except GolfError as error:
            print(f"{lease.key}: {error}", file=sys.stderr, flush=True)
            is_gone = False
        all_gone = all_gone and is_gone
    return all_gone


def end(workspace: Workspace, backend: Backend, lease: Lease, message: str) -> bool:
    """End one launch and close its lease; False when the provider has not confirmed it yet.

    Raises:
        BackendFailed: the provider could not be reached.
    """
    leases = Leases(workspace.database)
    lease = leases.get(lease.key)
    if lease.state == "gone":
        return True
    if lease.state == "planned":
        return leases.gone(lease.key, 0.0, "seconds", "never asked for") or True
    remote = found(leases, backend, lease)
    if remote is None and lease.state == "asked" and lease.remote_id is None:
        return _never_came(leases, lease, workspace.config.jobs.settling_s)
    deadline = time.monotonic() + CONFIRM_S
    pause = 0.2
    while remote is not None and remote.state != "ended":
        backend.end(remote.id)
        remote = backend.poll(remote.id)
        if remote is None or remote.state == "ended":
            break
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(2 * pause, 5.0)
    close(leases, lease, remote, message)
    return True


def found(leases: Leases, backend: Backend, lease: Lease) -> Remote | None:
    """What the provider has of a lease, by its id or else by its key; None when there is nothing of it."""
    if lease.remote_id is not None:
        return backend.poll(lease.remote_id)
    mine = [remote for remote in backend.mine(lease.owner) if remote.key == lease.key]
    for twin in mine[1:]:  # a question that was repeated by a network between us
        backend.end(twin.id)
    if not mine:
        return None
    leases.held(lease.key, mine[0].id)
    return mine[0]


def close(leases: Leases, lease: Lease, remote: Remote | None, message: str) -> None:
    """Close a lease whose launch is gone, with the provider's bill or else the seconds it was there."""
    if remote is not None and remote.cost_usd is not None:
        leases.gone(lease.key, remote.cost_usd, "provider", message)
        return
    seconds = min(lease.age_s(now_us()), lease.limit_s)
    leases.gone(lease.key, seconds * lease.usd_per_s, "seconds", message)


def _never_came(leases: Leases, lease: Lease, settling_s: float) -> bool:
    """An unanswered launch that is in no listing: believed to have come to nothing only after a while."""
    if 0 <= lease.age_s() < settling_s:
        return False
    return leases.gone(lease.key, 0.0, "seconds", "it was asked for and the provider has never listed it") or True
