"""One launch from asking to the last cent: what stands in for `process.run` where the trainer runs elsewhere.

The caller's own thread asks, follows, copies the log, and fetches; a second one renews the lease meanwhile, for as long
as the first gets on. When this function leaves, by return or by exception, what it started has been ended by the id it
holds in memory, whatever disk and database do; what cannot be confirmed is left to the watchdog. Errors of the
provider's are waited out for as long as the lease's time allows; nothing is asked for twice.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from golf.errors import JobFailed
from golf.jobs import ending, process, salvage
from golf.jobs.backend import CALL_S, Backend, BackendFailed, Launch, Refused, Remote, Uncertain
from golf.jobs.leases import RENEWALS, Lease, Leases
from golf.workspace import Workspace

LOOKING_S = 120.0
"""Looked in the provider's listing for a launch whose answer was lost."""
FETCHING_S = 300.0
"""Tried to fetch the outputs of a trainer that ended well, and to look once more at one whose time is up."""
CHUNKS_MAX = 8
"""Pieces of a log copied per look: a trainer that prints faster than we read must not keep us from looking."""
UNSEEN = 3
"""Looks in a row that show nothing, and a listing that does not either, before a launch is believed to be gone."""


def run(
    workspace: Workspace,
    backend: Backend,
    launch: Launch,
    *,
    output: Path,
    stop_file: Path,
    should_stop: Callable[[], str | None],
) -> process.Ended:
    """Run a launch whose lease is planned, to its end or until `should_stop` gives a reason.

    What it prints goes to `output`, its outputs into `launch.tree`. `stop_file` asks the trainer to end early.

    Raises:
        JobFailed: it could not be started, it cannot be told whether it was, or it went without a word.
    """
    leases = Leases(workspace.database)
    began = time.monotonic()
    lease = leases.asked(launch.key, launch.time_limit_s)
    remote_id: str | None = None
    with _Renewer(leases, lease) as renewer:
        try:
            remote_id = _ask(leases, backend, launch, lease, renewer)
            follower = _Follower(workspace, backend, launch, remote_id, output, stop_file, renewer)
            reason, last = follower.follow(should_stop, began)
            if reason is None and last is not None and last.exit_code == 0:
                _fetch(backend, remote_id, launch, renewer)
                salvage.keep(workspace, lease, launch.tree, output)
        finally:
            _end(workspace, backend, lease, remote_id, renewer)
    if reason is None and (last is None or last.exit_code is None):
        told = f": {last.message}" if last is not None and last.message else ""
        raise JobFailed(f"{launch.key} ended at its provider without an exit code{told}. Output: {output}")
    code = last.exit_code if last is not None and last.exit_code is not None else -15
    return process.Ended(code, reason, 0, time.monotonic() - began)


class _Renewer(threading.Thread):
    """Renews a lease while the thread that follows the launch gets on; a stuck one is not covered for."""

    def __init__(self, leases: Leases, lease: Lease) -> None:
        super().__init__(daemon=True)
        self._leases, self._lease = leases, lease
        self._over = threading.Event()
        self._covered_until = time.monotonic() + 3 * CALL_S
        self.is_lost = False
        """The lease is no longer open: somebody else has decided."""

    def __enter__(self) -> "_Renewer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def on(self) -> None:
        """The follower gets on: whatever it does next may take as long as a few calls."""
        self._covered_until = time.monotonic() + 3 * CALL_S

    def run(self) -> None:
        """Until it is told that the launch is over."""
        while not self._over.wait(self._lease.lease_s / RENEWALS):
            if time.monotonic() < self._covered_until:
                with contextlib.suppress(sqlite3.Error, OSError):  # a full disk; the next renewal may come through
                    self.is_lost = not self._leases.renew(self._lease.key)


def _ask(leases: Leases, backend: Backend, launch: Launch, lease: Lease, renewer: _Renewer) -> str:
    try:
        remote_id = backend.submit(launch)
    except Refused as error:
        leases.gone(launch.key, 0.0, "nobody", f"refused: {error}")
        raise JobFailed(f"{launch.key} was not started: {error}") from error
    except Uncertain as error:
        remote_id = _look_for(leases, backend, lease, renewer)
        if remote_id is None:
            raise JobFailed(
                f"{launch.key} was asked for and not answered ({error}), and is in no listing so far. Its money stays "
                "set aside until that is certain; golf reap looks again"
            ) from error
    renewer.on()
    with contextlib.suppress(sqlite3.Error, OSError):
        leases.held(launch.key, remote_id)
    return remote_id


def _look_for(leases: Leases, backend: Backend, lease: Lease, renewer: _Renewer) -> str | None:
    deadline = time.monotonic() + LOOKING_S
    pause = 1.0
    while True:
        renewer.on()
        try:
            remote = ending.found(leases, backend, lease)
        except BackendFailed:
            remote = None
        if remote is not None:
            return remote.id
        if time.monotonic() + pause >= deadline:
            return None
        time.sleep(pause)
        pause = min(2 * pause, 15.0)


def _fetch(backend: Backend, remote_id: str, launch: Launch, renewer: _Renewer) -> None:
    """Copy the outputs, trying again: a paid-for result is not given up for one broken connection."""
    deadline = time.monotonic() + FETCHING_S
    pause = 1.0
    while True:
        renewer.on()
        try:
            return backend.fetch(remote_id, launch.tree, launch.outputs)
        except BackendFailed as error:
            if time.monotonic() + pause >= deadline:
                raise JobFailed(f"{launch.key} has ended, and its outputs could not be fetched: {error}") from error
        time.sleep(pause)
        pause = min(2 * pause, 30.0)


def _end(workspace: Workspace, backend: Backend, lease: Lease, remote_id: str | None, renewer: _Renewer) -> None:
    """End by the id in memory first, then by the books. What fails is the watchdog's: the lease is not renewed."""
    renewer.on()
    with contextlib.suppress(BackendFailed):
        if remote_id is not None:
            backend.end(remote_id)
    with contextlib.suppress(BackendFailed, JobFailed, sqlite3.Error, OSError):
        ending.end(workspace, backend, lease, "its run has ended")


class _Follower:
    """Looks at one launch until it is done."""

    def __init__(
        self,
        workspace: Workspace,
        backend: Backend,
        launch: Launch,
        remote_id: str,
        output: Path,
        stop_file: Path,
        renewer: _Renewer,
    ) -> None:
        self._leases, self._pace = Leases(workspace.database), workspace.config.jobs
        self._backend, self._launch, self._id, self._renewer = backend, launch, remote_id, renewer
        self._output, self._stop_file = output, stop_file
        self._offset = 0
        self._unseen = 0
        self._was_seen = self._is_asked_to_stop = False

    def follow(self, should_stop: Callable[[], str | None], began: float) -> tuple[str | None, Remote | None]:
        """Why it has to be ended (None: its command has ended by itself), and how it was last seen."""
        last: Remote | None = None
        next_look = time.monotonic()
        while True:
            if (reason := should_stop()) is not None:
                self._copy()
                return reason, last
            if self._renewer.is_lost:
                return "its lease was closed by somebody else", last
            if time.monotonic() - began >= self._launch.time_limit_s:
                return self._at_the_limit(last)
            if time.monotonic() >= next_look:
                is_over, remote = self._look()
                last = remote or last
                if is_over:
                    self._copy()
                    return None, remote
                next_look = time.monotonic() + self._pace.poll_s
            time.sleep(min(0.2, self._pace.poll_s))

    def _at_the_limit(self, last: Remote | None) -> tuple[str | None, Remote | None]:
        """One more answer: it may have ended well while the provider could not be reached."""
        deadline = time.monotonic() + min(FETCHING_S, self._launch.time_limit_s)
        while True:
            self._renewer.on()
            with contextlib.suppress(BackendFailed):
                remote = self._backend.poll(self._id)
                self._copy()
                if remote is not None and remote.exit_code is not None:
                    return None, remote
                break
            if time.monotonic() >= deadline:
                break
            time.sleep(min(5.0, self._pace.poll_s))
        return f"over its time limit of {self._launch.time_limit_s:g} s", last

    def _look(self) -> tuple[bool, Remote | None]:
        """Whether it is over, and what the provider shows."""
        self._renewer.on()
        try:
            remote = self._backend.poll(self._id)
            if remote is None:
                return self._is_gone(), None
        except BackendFailed:
            return False, None
        self._unseen = 0
        if not self._was_seen:
            with contextlib.suppress(sqlite3.Error, OSError):
                self._leases.was_seen(self._launch.key)
                self._was_seen = True
        self._copy()
        if not self._is_asked_to_stop and self._stop_file.exists():
            with contextlib.suppress(BackendFailed):
                self._backend.ask_to_stop(self._id)
                self._is_asked_to_stop = True
        return remote.is_done, remote

    def _is_gone(self) -> bool:
        """Whether what one look did not show is gone: not before several, and never while the listing has it."""
        self._unseen += 1
        if self._unseen < UNSEEN:
            return False
        return not any(one.id == self._id and one.state != "ended" for one in self._backend.mine(self._launch.owner))

    def _copy(self) -> None:
        """Append what is new of its output; a log that cannot be read now is read at the next look."""
        with contextlib.suppress(BackendFailed, OSError):
            for _ in range(CHUNKS_MAX):
                if not (new := self._backend.log(self._id, self._offset)):
                    return
                kept = new[: max(0, process.OUTPUT_CAP_BYTES - self._offset)]
                with open(self._output, "ab") as file:
                    file.write(kept)
                self._offset += len(new)
