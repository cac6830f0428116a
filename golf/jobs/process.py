"""One child process: own group, output to a capped file, an end that takes its descendants along.

Used by the supervisor for a job and by the job for each trainer. A process is identified by pid
*and* start time, because pids are reused. Descendants that leave the group (torchrun's workers
do) are found by the job's mark in their environment.
"""

import contextlib
import functools
import os
import platform
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

JOB_MARK = "GOLF_JOB"
"""Environment variable that names the job a process belongs to."""

OUTPUT_CAP_BYTES = 64 * 1024 * 1024
GRACE_S = 5.0
"""Between asking (SIGTERM) and making sure (SIGKILL)."""
LOOKS = 5
"""For processes of a job that is to end: a worker may start a trainer between a look at all and its own end."""


@dataclass(frozen=True)
class Ended:
    """How a child ended."""

    exit_code: int
    """Its own exit code, or minus the signal that ended it."""
    reason: str | None
    """Why it was stopped from outside; None when it ended by itself."""
    peak_memory_bytes: int
    """Largest resident set among the child and the descendants it waited for."""
    wall_time_s: float

    @property
    def told(self) -> str:
        """How it ended, in words."""
        if self.reason is not None:
            return f"was stopped: {self.reason}"
        return (
            f"was ended by signal {-self.exit_code}" if self.exit_code < 0 else f"ended with exit code {self.exit_code}"
        )


def start_time(pid: int) -> float | None:
    """When process `pid` started, in seconds after the machine did; None when there is no such process.

    Not the time of day: a clock that is set back or forth must not make a living process look like another.
    """
    try:
        return psutil.Process(pid).create_time() - psutil.boot_time()
    except psutil.Error:
        return None


@functools.cache
def place() -> str:
    """Where the pids that this process sees mean something: machine, its boot, PID namespace; dashes off Linux."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{platform.node()} {boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return "- - -"


def lives(pid: int | None, started: float | None, where: str, here: str) -> bool | None:
    """As `is_alive`, of a process seen at `where`; None where its pid means nothing `here`: in a container, say.

    Both begin as `place` does.
    """
    if where == here:
        return is_alive(pid, started)
    theirs, ours = where.split(" "), here.split(" ")
    is_boot_alone = theirs[:1] + theirs[2:] == ours[:1] + ours[2:]
    return False if is_boot_alone else None  # the same machine has been started anew


def is_alive(pid: int | None, started: float | None) -> bool:
    """Whether the very process (pid and start time) still runs; zombies count as ended."""
    if pid is None or started is None:
        return False
    try:
        now = start_time(pid)
        return now is not None and abs(now - started) < 1.0 and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def marked(job_id: str) -> list[psutil.Process]:
    """Every process whose environment carries the job's mark, this one excepted."""
    return [found for found, whose in all_marked() if whose == job_id]


def all_marked() -> Iterator[tuple[psutil.Process, str]]:
    """Every process whose environment carries a job's mark, and the job's id; this process excepted."""
    for found in psutil.process_iter():
        if found.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if (job_id := found.environ().get(JOB_MARK)) is not None:
                yield found, job_id


def end(processes: Sequence[psutil.Process], grace_s: float = GRACE_S) -> None:
    """Ask the processes to end, then make sure."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=grace_s)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=grace_s)


def end_marked(job_id: str, also: Sequence[psutil.Process] = ()) -> None:
    """End every process that carries the job's mark, `also` these, and what they start while they are looked for."""
    victims = [*marked(job_id), *also]
    for _ in range(LOOKS):
        if not victims:
            return
        end(victims)
        victims = marked(job_id)


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    output: Path,
    should_stop: Callable[[], str | None],
    new_group: bool = True,
    output_cap_bytes: int = OUTPUT_CAP_BYTES,
    grace_s: float = GRACE_S,
    on_start: Callable[[int], None] = lambda pid: None,
) -> Ended:
    """Run `command` to its end or until `should_stop` gives a reason; polls five times a second.

    The child's stdout and stderr go to `output`, at most `output_cap_bytes` of them; the rest is
    read and dropped, so that a chatty child neither fills the disk nor blocks. When this function
    leaves, by return or by exception, the child is gone.

    Raises:
        OSError: the command could not be started.
    """
    began = time.monotonic()
    with open(output, "ab"):  # an output that cannot be written is known before anything starts
        pass
    child = subprocess.Popen(
        command,
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=new_group,
    )
    assert child.stdout is not None
    pump = _Pump(child.stdout, output, output_cap_bytes)
    pump.start()
    reason = usage = None
    try:
        on_start(child.pid)
        while usage is None and reason is None:
            usage = _reap(child)
            reason = should_stop() if usage is None else None
            if usage is None and reason is None:
                time.sleep(0.2)
    finally:
        if usage is None:
            usage = _stop(child, new_group, 0.0 if reason is None else grace_s)
        pump.join(timeout=2.0)  # a descendant may hold the pipe open; it is not waited for
    return Ended(child.returncode, reason, usage, time.monotonic() - began)


class _Pump(threading.Thread):
    """Copies a pipe to a file up to a cap, and drains the rest.

    It alone closes both: a descendant may write after the child has gone, and must not write into a
    file that was given the same descriptor since.
    """

    def __init__(self, source: IO[bytes], sink: Path, cap: int) -> None:
        super().__init__(daemon=True)
        self.source, self.sink, self.left = source, sink, cap

    def run(self) -> None:
        """Until every holder of the pipe has closed it."""
        with self.source, open(self.sink, "ab", buffering=0) as sink:
            while chunk := os.read(self.source.fileno(), 1 << 16):
                kept = chunk[: self.left]
                self.left -= len(kept)
                with contextlib.suppress(OSError):  # a full disk must not stop the draining
                    sink.write(kept)


def _reap(child: subprocess.Popen[bytes]) -> int | None:
    """The child's peak memory in bytes once it has ended, else None."""
    pid, status, usage = os.wait4(child.pid, os.WNOHANG)
    if pid == 0:
        return None
    child.returncode = os.waitstatus_to_exitcode(status)
    scale = 1 if os.uname().sysname == "Darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return usage.ru_maxrss * scale


def _stop(child: subprocess.Popen[bytes], group: bool, grace_s: float) -> int:
    """Ask, then make sure; returns the child's peak memory in bytes."""

    def send(number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if group:
                os.killpg(child.pid, number)
            else:
                child.send_signal(number)

    send(signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while (usage := _reap(child)) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    send(signal.SIGKILL)  # whatever of the group outlived its leader
    while usage is None:
        usage = _reap(child)
        time.sleep(0.01)
    return usage
