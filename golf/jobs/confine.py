"""A child process for code that is not trusted: no network, a read-only view, limits, and a pipe to talk over.

    with Confined([python, "-m", "golf.referee.exchange", source]) as child:
        child.write(question)
        answer = child.read(8 * tokens.size)

What the system allows is in force and the rest is named (`in_force`, `lacking`): `golf.jobs.jail` tries every measure.
The child inherits no variable but those of `golf.environment`, no open file, and the places where programs keep their
secrets are hidden from it. Its scratch folder is memory that goes with it, so that two children share nothing. What it
prints is kept to its last words. Whatever ends this process ends the child, and it never outlives the block.

What a child answers is a stranger's word: `read` takes exactly as many bytes as are asked for, and nothing unpickles.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil

import golf
from golf import leftovers
from golf.environment import inherited
from golf.errors import JobFailed
from golf.jobs import jail, process, view
from golf.referee.reading import printable

PRIVATE = (
    *(".aws", ".azure", ".codex", ".config/gcloud", ".config/gh", ".docker", ".git-credentials", ".gnupg"),
    *(".cache/huggingface/token", ".huggingface", ".kube", ".netrc", ".pypirc", ".runpod", ".ssh"),
)
"""Where programs keep secrets, below the home folder."""

_LAST_WORDS = 4_096
_LINE_MAX = 1 << 16
_TOLD_MAX = 6
"""Paths named of those that are shown."""
_POLL_S = 0.2


@dataclass(frozen=True)
class Limits:
    """What a confined process may use."""

    time_s: float = 300.0
    """Wall-clock time; all of its processes are killed at it."""
    memory_bytes: int = 8 << 30
    """Private memory of each process, and resident memory of all of them together."""
    scratch_bytes: int = 1 << 30
    """What its scratch folder holds."""
    processes: int = 256
    """All of its processes together."""


class Confined:
    """One confined child; a context manager, alive inside its block.

    On Linux the child also ends with the thread that entered the block.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        hidden: Sequence[Path] = (),
        shown: Sequence[Path] | None = None,
        devices: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> None:
        """Nothing starts before the block is entered.

        Args:
            command: A program and its arguments; requests come on descriptor 0, answers go to `jail.ANSWERS`.
            env: Variables besides the inherited ones. A Python finds `golf`, and nothing beside it.
            hidden: Files and folders it must not read, e.g. the text that a decoder has to come up with. Of a folder
                with the program or golf in it, these are kept.
            shown: Files and folders that are all it sees besides the interpreter, the system's libraries, golf and its
                scratch folder. None: everything but what is hidden, for what has to find its own way.
            devices: Names below /dev that it may use besides `jail.DEVICES`, e.g. `nvidia0`.
            limits: None: the defaults.
        """
        self.limits = limits or Limits()
        self.in_force: list[str] = []
        self.lacking: list[str] = []
        self._command, self._env = list(command), dict(env or {})
        self._hidden, self._devices = list(hidden), list(devices)
        self._shown = None if shown is None else [Path(os.path.realpath(path)) for path in shown]
        self._stack = contextlib.ExitStack()
        self._is_over = threading.Event()
        self._stopped_for: str | None = None
        self._unread = bytearray()
        self._said = b""

    def __enter__(self) -> "Confined":
        try:
            self._start()
            said = json.loads(self.readline())
        except BaseException:
            self._stack.close()
            raise
        self.in_force, self.lacking = said["in_force"], said["lacking"]
        self.in_force += [
            f"memory of {self.limits.memory_bytes} bytes and {self.limits.processes} processes, watched together",
            f"wall-clock time of {self.limits.time_s:.0f} s, then every process is killed",
            "an environment without secrets, no inherited files",
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def write(self, data: bytes) -> None:
        """Send all of `data`.

        Raises:
            JobFailed: the child is gone, or out of time.
        """
        view = memoryview(data)
        while view:
            self._wait(self._requests, select.POLLOUT)
            try:
                view = view[os.write(self._requests, view) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self._gone() from None

    def read(self, num_bytes: int) -> bytes:
        """Exactly `num_bytes` of what the child answers.

        Raises:
            JobFailed: it ended before, or is out of time.
        """
        while len(self._unread) < num_bytes:
            self._receive()
        data = bytes(self._unread[:num_bytes])
        del self._unread[:num_bytes]
        return data

    def readline(self) -> bytes:
        """The next line of what the child answers, without its end.

        Raises:
            JobFailed: as `read`, or it does not end within 64 KiB.
        """
        while (end := self._unread.find(b"\n")) < 0:
            if len(self._unread) > _LINE_MAX:
                raise JobFailed("the confined process answered something that is no line")
            self._receive()
        return self.read(end + 1)[:-1]

    def _start(self) -> None:
        place = self._stack.enter_context(leftovers.folder("golf-confined-"))
        self._stack.callback(self._sweep, place.name)
        (place / "scratch").mkdir()
        (place / "view").mkdir()
        (place / "library").mkdir()  # golf alone: where it is installed may be full of another Python's packages
        (place / "library" / "golf").symlink_to(Path(golf.__file__).resolve().parent)
        self._deadline = time.monotonic() + self.limits.time_s
        with contextlib.ExitStack() as theirs:
            requests, self._requests = self._pipe(theirs, ours_writes=True)
            answers, self._answers = self._pipe(theirs, ours_writes=False)
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", jail.__file__, json.dumps(self._spec(place, answers))],
                cwd=place,
                env=inherited(),
                stdin=requests,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(answers,),
                start_new_session=True,
            )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._stack.callback(self._kill)
        self._stack.callback(self._is_over.set)
        self._listener.start()
        threading.Thread(target=self._watch, daemon=True).start()

    def _pipe(self, theirs: contextlib.ExitStack, ours_writes: bool) -> tuple[int, int]:
        """The child's end, closed here with `theirs`, and ours."""
        reading, writing = os.pipe()
        their_end, our_end = (reading, writing) if ours_writes else (writing, reading)
        theirs.callback(os.close, their_end)
        self._stack.callback(os.close, our_end)
        os.set_blocking(our_end, False)
        return their_end, our_end

    def _spec(self, place: Path, answers: int) -> dict[str, object]:
        scratch, home = str(place / "scratch"), Path("~").expanduser()
        hidden = {Path(os.path.realpath(path)) for path in (*self._hidden, *(home / name for name in PRIVATE))}
        seen, command = self._view(place), list(self._command)
        if seen is not None:
            command[0] = view.program(command[0])
        outermost = [path for path in hidden if hidden.isdisjoint(path.parents)]
        return {
            "command": command,
            "env": {
                **inherited(),
                "PYTHONPATH": str(place / "library"),
                "PYTHONDONTWRITEBYTECODE": "1",
                "TMPDIR": scratch,
                "XDG_CACHE_HOME": scratch,
                "TORCHINDUCTOR_CACHE_DIR": scratch,  # torch sets it for its children once it has compiled anything
                **self._env,
                process.JOB_MARK: place.name,
            },
            "answers": answers,
            "scratch": scratch,
            "hidden": sorted(str(path) for path in outermost if os.path.exists(path)),  # noqa: PTH110 # never raises
            "view": seen,
            "kept": sorted({str(path) for path in _needed(self._command[0]) if path.is_dir()}),
            "devices": [name for name in self._devices if (Path("/dev") / name).exists()],
            "limits": {"memory_bytes": self.limits.memory_bytes, "scratch_bytes": self.limits.scratch_bytes},
        }

    def _view(self, place: Path) -> dict[str, object] | None:
        if self._shown is None:
            return None
        places, links = view.of(self._command[0], [*self._shown, place / "library", place / "library" / "golf"])
        told = ", ".join(map(str, self._shown[:_TOLD_MAX])) or "golf"
        told += f" and {len(self._shown) - _TOLD_MAX} more" if len(self._shown) > _TOLD_MAX else ""
        return {"root": str(place / "view"), "places": places, "links": links, "told": told}

    def _receive(self) -> None:
        self._wait(self._answers, select.POLLIN)
        try:
            chunk = os.read(self._answers, 1 << 20)
        except BlockingIOError:
            return
        if not chunk:
            raise self._gone()
        self._unread += chunk

    def _wait(self, descriptor: int, event: int) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        left = self._deadline - time.monotonic() + 5 * _POLL_S  # the watch comes first, and says why
        if not poll.poll(max(0.0, left) * 1000):
            raise self._gone()

    def _gone(self) -> JobFailed:
        """Make sure of the end, and say what it was."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout=2 * _POLL_S)
        code = self._child.poll()
        self._kill()
        self._listener.join(timeout=2 * _POLL_S)  # a descendant may hold its pipe open: it is not waited for
        if self._stopped_for:
            how = self._stopped_for
        elif code is None:
            how = "closed its answers"
        elif code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
        else:
            how = f"ended with exit status {code}"
        words = printable(" ".join(self._said.decode("utf-8", "replace").split())[-400:])
        return JobFailed(f"the confined process {how}" + (f"; its last words: {words}" if words else ""))

    def _listen(self) -> None:
        """Keep the last words, drop the rest: a chatty child must neither block nor fill a disk."""
        assert self._child.stdout is not None
        with self._child.stdout as pipe:  # closed here alone: another thread's file may get the same descriptor
            while chunk := os.read(pipe.fileno(), 1 << 16):
                self._said = (self._said + chunk)[-_LAST_WORDS:]

    def _watch(self) -> None:
        """Hold it to the limits that no single process can be held to."""
        while not self._is_over.wait(_POLL_S):
            if time.monotonic() > self._deadline:
                self._stopped_for = f"took longer than its limit of {self.limits.time_s:g} s"
            else:
                self._stopped_for = self._excess()
            if self._stopped_for:
                self._kill()
                return

    def _excess(self) -> str | None:
        memory, members = 0, []
        with contextlib.suppress(psutil.Error):
            members = psutil.Process(self._child.pid).children(recursive=True)
        if len(members) > self.limits.processes:
            return f"started more processes than its limit of {self.limits.processes}"
        for member in members:
            with contextlib.suppress(psutil.Error):
                memory += member.memory_info().rss
        if memory > self.limits.memory_bytes:
            return f"used more memory than its limit of {self.limits.memory_bytes} bytes"
        return None

    def _kill(self) -> None:
        if self._child.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a zombie
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()

    def _sweep(self, mark: str) -> None:
        """Where no process namespace took them along, end what the child left behind."""
        if jail.SEPARATE not in self.in_force:
            process.end(process.marked(mark), grace_s=0)


def _needed(program: str) -> list[Path]:
    """Folders without which the program does not start: where it is installed, as named and as resolved, and golf."""
    found = Path(shutil.which(program) or program)
    installed = [path.parent.parent for path in (found.absolute(), found.resolve()) if path.parent.name == "bin"]
    return [*installed, Path(golf.__file__).resolve().parent]
