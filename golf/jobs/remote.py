"""One launch from asking to the last cent: what stands in for `process.run` where the trainer runs elsewhere.

The caller's own thread asks, follows, renews the lease, copies the log, and fetches; when this function leaves, by
return or by exception, what it started has been ended, or its lease is left to the watchdog. Errors of the provider's
are waited out for as long as the lease's time allows; nothing is asked for twice.
"""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from golf.errors import JobFailed
from golf.jobs import ending, process
from golf.jobs.backend import Backend, BackendFailed, Launch, Refused, Remote, Uncertain
from golf.jobs.leases import RENEWALS, Lease, Leases
from golf.workspace import JobsSettings, Workspace

LOOKING_S = 120.0
"""Looked in the provider's listing for a launch whose answer was lost."""


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
    try:
        remote_id = _ask(leases, backend, launch, lease)
        follower = _Follower(leases, backend, launch, remote_id, output, stop_file)
        reason, last = follower.follow(should_stop, workspace.config.jobs, began)
        if last is not None and reason is None:
            _fetch(backend, remote_id, launch)
    finally:
        _end(workspace, backend, lease)
    if reason is None and (last is None or last.exit_code is None):
        told = f": {last.message}" if last is not None and last.message else ""
        raise JobFailed(f"{launch.key} ended at its provider without an exit code{told}. Output: {output}")
    code = last.exit_code if last is not None and last.exit_code is not None else -15
    return process.Ended(code, reason, 0, time.monotonic() - began)


def _ask(leases: Leases, backend: Backend, launch: Launch, lease: Lease) -> str:
    try:
        remote_id = backend.submit(launch)
    except Refused as error:
        leases.gone(launch.key, 0.0, "seconds", f"refused: {error}")
        raise JobFailed(f"{launch.key} was not started: {error}") from error
    except Uncertain as error:
        remote_id = _look_for(leases, backend, lease)
        if remote_id is None:
            raise JobFailed(
                f"{launch.key} was asked for and not answered ({error}), and is in no listing so far. Its money stays "
                "set aside until that is certain; golf reap looks again"
            ) from error
    leases.held(launch.key, remote_id)
    return remote_id


def _look_for(leases: Leases, backend: Backend, lease: Lease) -> str | None:
    deadline = time.monotonic() + LOOKING_S
    pause = 1.0
    while True:
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
        leases.renew(lease.key)


def _fetch(backend: Backend, remote_id: str, launch: Launch) -> None:
    try:
        backend.fetch(remote_id, launch.tree, launch.outputs)
    except BackendFailed as error:
        raise JobFailed(f"{launch.key} has ended, and its outputs could not be fetched: {error}") from error


def _end(workspace: Workspace, backend: Backend, lease: Lease) -> None:
    """What cannot be ended now is the watchdog's; its lease is open and no longer renewed."""
    try:
        ending.end(workspace, backend, lease, "its run has ended")
    except BackendFailed:
        return


class _Follower:
    """Looks at one launch until it is done."""

    def __init__(
        self, leases: Leases, backend: Backend, launch: Launch, remote_id: str, output: Path, stop_file: Path
    ) -> None:
        self._leases, self._backend, self._launch, self._id = leases, backend, launch, remote_id
        self._output, self._stop_file = output, stop_file
        self._offset = 0
        self._is_asked_to_stop = False

    def follow(
        self, should_stop: Callable[[], str | None], pace: JobsSettings, began: float
    ) -> tuple[str | None, Remote | None]:
        """Why it has to be ended (None: its command has ended by itself), and how it was last seen."""
        last: Remote | None = None
        next_look = next_renewal = time.monotonic()
        while True:
            if (reason := should_stop()) is not None:
                self._copy()
                return reason, last
            if time.monotonic() - began >= self._launch.time_limit_s:
                self._copy()
                return f"over its time limit of {self._launch.time_limit_s:g} s", last
            if time.monotonic() >= next_renewal:
                self._leases.renew(self._launch.key)
                next_renewal = time.monotonic() + pace.lease_s / RENEWALS
            if time.monotonic() >= next_look:
                seen, remote = self._look()
                last = remote or last
                if seen and (remote is None or remote.is_done):
                    self._copy()
                    return None, remote
                next_look = time.monotonic() + pace.poll_s
            time.sleep(min(0.2, pace.poll_s))

    def _look(self) -> tuple[bool, Remote | None]:
        """Whether the provider answered, and what it shows."""
        try:
            remote = self._backend.poll(self._id)
        except BackendFailed:
            return False, None
        self._copy()
        if not self._is_asked_to_stop and self._stop_file.exists():
            with contextlib.suppress(BackendFailed):
                self._backend.ask_to_stop(self._id)
                self._is_asked_to_stop = True
        return True, remote

    def _copy(self) -> None:
        """Append what is new of its output; a log that cannot be read now is read at the next look."""
        try:
            while new := self._backend.log(self._id, self._offset):
                kept = new[: max(0, process.OUTPUT_CAP_BYTES - self._offset)]
                with open(self._output, "ab") as file:
                    file.write(kept)
                self._offset += len(new)
        except (BackendFailed, OSError):
            return
