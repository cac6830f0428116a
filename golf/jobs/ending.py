"""Ending what a lease is for, and knowing that it has ended: the one way, whoever does it.

Ask the provider, look until it is gone, then close the lease with what it cost: as billed where the provider tells,
else by the second from asking to now, boot included. While the provider cannot be reached the lease stays open, its
money set aside, and the next who looks tries again. Nothing but ids that our own leases hold, and listings under our
own owner tag, is ever ended.
"""

import json
import time
from collections.abc import Callable

from golf.errors import GolfError
from golf.jobs.backend import Backend, BackendFailed, Remote, open_backend
from golf.jobs.leases import SETTLING_S, Lease, Leases, now_us
from golf.workspace import Workspace

CONFIRM_S = 60.0
"""Looked for a launch to be gone before it is left to the next who looks."""

Opener = Callable[[Lease], Backend]


def opened(lease: Lease) -> Backend:
    """The back-end a lease was written for."""
    return open_backend(lease.backend, json.loads(lease.options))


def due(workspace: Workspace, open_for: Opener = opened, now: int | None = None) -> list[Lease]:
    """End every lease of the workspace that is due; returns those still open afterwards."""
    leases = Leases(workspace)
    left = []
    for lease in leases.open():
        if not lease.is_due(now):
            continue
        try:
            if not end(leases, open_for(lease), lease, "nobody looked after it any more", confirm_s=CONFIRM_S):
                left.append(lease)
        except GolfError:
            left.append(lease)
    return left


def end(leases: Leases, backend: Backend, lease: Lease, message: str, confirm_s: float = CONFIRM_S) -> bool:
    """End one launch and close its lease; False when the provider has not confirmed it yet.

    Raises:
        BackendFailed: the provider could not be reached.
    """
    lease = leases.get(lease.key)
    if lease.state == "gone":
        return True
    if lease.state == "planned":
        return leases.gone(lease.key, 0.0, "seconds", "never asked for") or True
    remote = found(leases, backend, lease)
    if remote is None and lease.state == "asked" and lease.remote_id is None:
        return _never_came(leases, lease)
    deadline = time.monotonic() + confirm_s
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


def _never_came(leases: Leases, lease: Lease) -> bool:
    """An unanswered launch that is in no listing: believed to have come to nothing only after a while."""
    if 0 <= lease.age_s() < SETTLING_S:
        return False
    return leases.gone(lease.key, 0.0, "seconds", "it was asked for and the provider has never listed it") or True


__all__ = ["BackendFailed", "close", "due", "end", "found", "opened"]
