"""Tracking beside a played run: `python -m golf.desk.tracking.attend JOB_ID`, started by the job's worker.

A process of its own, so that neither a tracker's crash nor a server that does not answer costs the run anything. It
only reads files, and ends when its stdin does: when the worker says that the run is over, or is no more. What a
tracker could not keep becomes a note.
"""

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from golf.desk.tracking import mirror, sources
from golf.errors import GolfError, explained
from golf.play import notes
from golf.workspace import Workspace

LAST_WORDS_S = 60.0
"""For the stores to take the rest of a run that is over."""
NOTE_CHARS = 1000
COMMAND = [sys.executable, "-P", "-m", "golf.desk.tracking.attend"]


@contextlib.contextmanager
def attended(workspace: Workspace, job_id: str) -> Iterator["Attendant"]:
    """A process that tracks the job's run, from now on where golf.toml says live; `done` brings in the rest of it.

    Nothing in here is ever raised to the run.
    """
    attendant = Attendant(workspace, job_id)
    try:
        if workspace.config.tracking.to and workspace.config.tracking.live:
            attendant.start()
        yield attendant
    finally:
        attendant.done()


class Attendant:
    """The worker's end of the process."""

    def __init__(self, workspace: Workspace, job_id: str) -> None:
        self.workspace, self.job_id = workspace, job_id
        self.process: subprocess.Popen[bytes] | None = None
        self._is_done = False

    def start(self) -> None:
        """Begin to follow the run."""
        try:
            self.process = subprocess.Popen(
                [*COMMAND, str(self.workspace.root), self.job_id],
                stdin=subprocess.PIPE,
            )
        except OSError as error:
            print(f"tracking: {error}", file=sys.stderr)

    def done(self) -> None:
        """The run is over, or recorded: what is not tracked yet is, within a minute."""
        if self._is_done or not self.workspace.config.tracking.to:
            return
        self._is_done = True
        if self.process is None:
            self.start()
        if (process := self.process) is None:
            return
        try:
            process.communicate(timeout=LAST_WORDS_S)  # ends its stdin
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            note(
                self.workspace, self.job_id, [f"tracking was given up after {LAST_WORDS_S:g} s: a store did not answer"]
            )


def main(root: Path, job_id: str) -> int:
    """Exit 0 when every tracker kept every run."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: over.set())  # the whole job is ended: what is there is kept
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), over.set()), daemon=True).start()
    workspace = Workspace(root)
    settings = workspace.config.tracking
    to, missing = mirror.installed(settings.to)
    failures = missing
    try:
        done = mirror.track(
            job_id,
            sources.find(workspace, job_id, has_ended=over.is_set),
            mirror.Stores.of(workspace),
            to,
            with_alerts=settings.alerts,
            wait=lambda seconds: not over.wait(seconds),
        )
        failures = [*missing, *done.failures]
    except Exception as error:  # whatever it was, the run stands
        told = str(explained(error)) if isinstance(error, GolfError | OSError) else f"{type(error).__name__}: {error}"
        failures = [*missing, f"the run was not tracked: {told}"]
    note(workspace, job_id, failures)
    return 1 if failures else 0


def note(workspace: Workspace, job_id: str, failures: list[str]) -> None:
    """Put what could not be kept into the notes, in one; saying it again adds nothing."""
    for failure in failures:
        print(f"tracking: {failure}", file=sys.stderr)
    if failures:
        told = "; ".join(failures)[:NOTE_CHARS]
        with contextlib.suppress(GolfError, OSError):
            notes.add(workspace, by="tracking", kind="finding", text=f"{told}. Later: golf track {job_id}")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
