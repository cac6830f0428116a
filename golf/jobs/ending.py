"""Ending what a lease is for, and knowing that it has ended: the one way, whoever does it.

Ask the provider, look until it is gone, then close the lease with what it cost: as billed where the provider tells,
else by the second from asking to now, boot included. While the provider cannot be reached the lease stays open, its
money set aside, and the next who looks tries again. Nothing but ids that our own leases hold, and listings under our
own owner tag, is ever ended.

What is surprising: providers forget for a moment. A launch that was never shown is not gone because one look does not
show it; and what appears late, or twice, is found by listing everything of ours (`strays`).
"""

import contextlib
import fcntl
import json
import sys
import time
from collections.abc import Callable, Iterator

from golf.jobs.backend import Backend, BackendFailed, Remote, open_backend
from golf.jobs.leases import Lease, Leases
from golf.jobs.store import JobStore
from golf.workspace import Workspace

CONFIRM_S = 60.0
"""Looked for a launch to be gone before it is left to the next who looks."""
RECENT = 200
"""Newest leases whose providers are asked for strays."""


def opened(lease: Lease) -> Backend:
    """The back-end a lease was written for, whatever golf.toml has become."""
    return open_backend(lease.backend, json.loads(lease.options))


def due(workspace: Workspace, is_forgotten: Callable[[Lease], bool] = lambda lease: False) -> bool:
    """End every launch whose run's job has ended, or that `is_forgotten` says nobody looks after.

    All are asked to end before any is waited for. Returns whether all of it is gone; what could not be ended is said on
    standard error and left to the next look.
    """
    leases, store = Leases(workspace.database), JobStore(workspace)
    over = [lease for lease in leases.open() if store.get(lease.run_id).has_ended or is_forgotten(lease)]
    left = [lease for lease in over if not _one(workspace, lease, confirm_s=0.0)]
    return not [lease for lease in left if not _one(workspace, lease, confirm_s=CONFIRM_S)]


def strays(workspace: Workspace) -> bool:
    """End what providers list under our tag and no open lease is for: it came late, or twice. Whether all is gone."""
    leases = Leases(workspace.database)
    recent = leases.everything()[:RECENT]
    known = {lease.key: lease for lease in recent}
    all_gone = True
    for lease in {(one.backend, one.options, one.owner): one for one in recent}.values():
        try:
            backend = opened(lease)
            for remote in backend.mine(lease.owner):
                ours = known.get(remote.key)
                is_expected = ours is not None and ours.state != "gone" and ours.remote_id in (None, remote.id)
                if remote.state != "ended" and not is_expected:
                    print(f"{remote.key}: {remote.id} came late or twice, and is ended", file=sys.stderr, flush=True)
                    cost = _until_gone(backend, remote.id, remote, CONFIRM_S)
                    all_gone = all_gone and cost is not None
                    if ours is not None and cost is not None and cost.cost_usd is not None:
                        leases.gone(remote.key, ours.cost_usd + cost.cost_usd, "provider", "with what came late")
        except Exception as error:
            print(f"{lease.backend}: not asked for strays: {error}", file=sys.stderr, flush=True)
            all_gone = False
    return all_gone


def end(workspace: Workspace, backend: Backend, lease: Lease, message: str, confirm_s: float = CONFIRM_S) -> bool:
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
    lease = leases.get(lease.key)
    settling_s = workspace.config.jobs.settling_s
    if lease.remote_id is None:
        return _never_came(leases, lease, settling_s)
    if remote is None:
        backend.end(lease.remote_id)  # not shown is not gone
        if not lease.seen and lease.elapsed_s() < settling_s:
            return False
    was_alive = remote is not None and remote.state != "ended"
    last = _until_gone(backend, lease.remote_id, remote, confirm_s)
    if last is None:
        return False
    close(leases, lease, last, was_alive, message, backend.beyond_s)
    return True


def found(leases: Leases, backend: Backend, lease: Lease) -> Remote | None:
    """What the provider has of a lease, by its id or else by its key; None when it shows nothing of it."""
    remote = backend.poll(lease.remote_id) if lease.remote_id is not None else None
    if remote is None:
        mine = sorted(
            (one for one in backend.mine(lease.owner) if one.key == lease.key), key=lambda one: one.state == "ended"
        )
        remote = next((one for one in mine if lease.remote_id in (None, one.id)), None)
        if remote is not None and lease.remote_id is None:
            leases.held(lease.key, remote.id)
        for twin in mine:  # of a question that was repeated by a network between us; `strays` makes sure of it
            if remote is not None and twin.id != remote.id and twin.state != "ended":
                backend.end(twin.id)
    if remote is not None and not lease.seen:
        leases.was_seen(lease.key)
    return remote


def close(leases: Leases, lease: Lease, last: Remote, was_alive: bool, message: str, beyond_s: float = 0.0) -> None:
    """Close a lease whose launch is gone, with the provider's bill or else the seconds it was there.

    One that was found ended was ended `beyond_s` after its limit at the latest; one that was still there has cost until
    now.
    """
    if last.cost_usd is not None:
        leases.gone(lease.key, last.cost_usd, "provider", message)
        return
    seconds = lease.age_s() if was_alive else min(lease.age_s(), lease.limit_s + beyond_s)
    leases.gone(lease.key, seconds * lease.usd_per_s, "seconds", message)


def _one(workspace: Workspace, lease: Lease, confirm_s: float) -> bool:
    """End one launch, its results fetched before; False when it is not known to be gone, whatever went wrong."""
    from golf.jobs import salvage  # it looks for launches as this does

    try:
        with _alone(workspace, lease) as is_mine:
            if not is_mine:
                return False  # another is at it
            backend = opened(lease)
            if JobStore(workspace).get(lease.run_id).state != "cancelled":
                with contextlib.suppress(BackendFailed, OSError):  # what cannot be saved is no reason to pay on
                    salvage.fetch(workspace, backend, lease)
            return end(workspace, backend, lease, "nobody looked after it any more", confirm_s)
    except Exception as error:  # one odd answer must not leave the others unwatched
        print(f"{lease.key}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return False


def _until_gone(backend: Backend, remote_id: str, remote: Remote | None, confirm_s: float) -> Remote | None:
    """Ask and look until it is gone; how it was last shown, or None while it is still there."""
    last = remote or Remote(remote_id, "", "ended")
    deadline = time.monotonic() + confirm_s
    pause = 0.2
    while remote is not None and remote.state != "ended":
        backend.end(remote_id)
        remote = backend.poll(remote_id)
        last = remote or last
        if remote is None or remote.state == "ended":
            break
        if time.monotonic() >= deadline:
            return None
        time.sleep(pause)
        pause = min(2 * pause, 5.0)
    return last


@contextlib.contextmanager
def _alone(workspace: Workspace, lease: Lease) -> Iterator[bool]:
    """Whether nobody else of this machine is ending the same launch now."""
    folder = workspace.state / "leases"
    folder.mkdir(exist_ok=True)
    with open(folder / lease.key, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def _never_came(leases: Leases, lease: Lease, settling_s: float) -> bool:
    """An unanswered launch that is in no listing: believed to have come to nothing only after a while."""
    if lease.elapsed_s() < settling_s:
        return False
    return leases.gone(lease.key, 0.0, "seconds", "it was asked for and the provider has never listed it") or True
