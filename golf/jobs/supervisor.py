"""The detached process that answers for one local job: `python -m golf.jobs.supervisor FOLDER`.

It starts the job's command in a process group, holds it to its wall-clock limit, ends it when
asked (a `cancel` file, SIGTERM, SIGINT, SIGHUP) or when the foreground command that owns it has
gone, sweeps up descendants, and writes how it ended. It outlives the server that started it;
should it be killed itself, the reaper finishes its work at the next start of anything.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from golf import durable
from golf.jobs import process, progress
from golf.jobs.store import JobStore
from golf.schema import JobState
from golf.workspace import Workspace


@dataclass(frozen=True)
class Spec:
    """`spec.json`: what the supervisor is to run."""

    workspace: str
    job_id: str
    command: list[str]
    cwd: str
    time_limit_s: float
    owner_pid: int | None = None
    """A foreground command the job must not outlive; None for a detached job."""
    owner_started: float | None = None

    def write(self, folder: Path) -> None:
        """Save beside the job's other files."""
        durable.replace_json(folder / "spec.json", asdict(self))

    @classmethod
    def read(cls, folder: Path) -> "Spec":
        """Load what `write` saved."""
        return cls(**json.loads((folder / "spec.json").read_text(encoding="utf-8")))


class _Stop:
    """Why the job has to end, once there is a reason; `state` is what it will have ended as."""

    def __init__(self, spec: Spec, folder: Path) -> None:
        self.spec, self.cancel_file = spec, folder / "cancel"
        self.deadline = time.monotonic() + spec.time_limit_s
        self.state: JobState = "cancelled"
        self.signal: int | None = None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._remember)

    def _remember(self, number: int, frame: object) -> None:
        self.signal = number

    def __call__(self) -> str | None:
        if self.cancel_file.exists():
            return "cancelled"
        if self.signal is not None:
            return f"cancelled: the supervisor got {signal.Signals(self.signal).name}"
        if self.spec.owner_pid is not None and not process.is_alive(self.spec.owner_pid, self.spec.owner_started):
            return f"cancelled: the command it ran for (pid {self.spec.owner_pid}) has gone"
        if time.monotonic() >= self.deadline:
            self.state = "timed_out"
            return f"over its time limit of {self.spec.time_limit_s:g} s"
        return None


def supervise(folder: Path) -> int:
    """Run the job in `folder` to its end; returns the exit code for this process."""
    _adopt_orphans()
    spec = Spec.read(folder)
    store = JobStore(Workspace(Path(spec.workspace)))
    stop = _Stop(spec, folder)
    if not store.started(spec.job_id):
        return 0  # cancelled or reaped before it began
    environment = {**os.environ, process.JOB_MARK: spec.job_id, "PYTHONUNBUFFERED": "1"}
    state: JobState = "failed"
    code: int | None = None
    message = "the supervisor failed; see supervisor.log"
    try:
        ended = process.run(
            spec.command, cwd=Path(spec.cwd), env=environment, output=folder / "output.log", should_stop=stop
        )
        code = ended.exit_code
        said = progress.outcome(folder)
        if code == 0 or said.get("result") is not None:  # a result stands, also when the report after it did not end
            state, message = "done", said.get("message", "finished")
        elif ended.reason is not None:
            state, message = stop.state, ended.reason
        else:
            message = said.get("message") or f"its worker {ended.told}: {_last_line(folder / 'output.log')}"
    except OSError as error:
        message = f"could not be started: {error}"
    finally:
        process.end_marked(spec.job_id, psutil.Process().children(recursive=True))
        store.ended(spec.job_id, state, code, message)
    return 0


def _adopt_orphans() -> None:
    """On Linux, descendants that detach become children of this process, whatever their environment says."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def _last_line(path: Path) -> str:
    lines = durable.tail(path).splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "no output")


if __name__ == "__main__":
    sys.exit(supervise(Path(sys.argv[1])))
