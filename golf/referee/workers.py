"""Processes that judge submissions, each ended when one takes too long: a hostile submission costs its own slot alone.

A worker is `python -m golf.referee.workers SCRATCH`: it reads tasks from its standard input and answers on its standard
output, a line each. It is a process of its own and no fork, so that a server with threads may start it; its memory is
limited, and it ends when whoever started it does. In place of one that died or was ended, the next task gets a new one.
"""

import contextlib
import gc
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from golf import environment, leftovers
from golf.errors import UnreadableInput
from golf.referee import judging, pull_requests

LIMIT_S = 60.0
"""Seconds for one submission, reading and judging."""

MEMORY_BYTES = 3 << 30
"""Address space of a worker: a guard against runaways, far above the 150 MB that one takes."""

WORKERS_MAX = 6
"""However many cores there are: with the process that starts them they stay below a gigabyte."""

COLLECT_EVERY = 8
"""Tasks between two garbage collections: syntax trees are many small objects that refer to nothing older."""


@dataclass(frozen=True)
class Task:
    """One submission to judge: a folder on disk, or one that only a repository's objects hold."""

    name: str
    folder: Path
    """Of the submission, or of the repository where `added` is given."""
    added: pull_requests.AddedFolder | None = None

    @property
    def line(self) -> bytes:
        """What a worker is told."""
        told: dict[str, Any] = {"name": self.name, "folder": str(self.folder)}
        if self.added is not None:
            told |= {"pr": self.added.number, "path": self.added.path, "files": dict(self.added.files)}
        return json.dumps(told).encode() + b"\n"


@dataclass(frozen=True)
class Answer:
    """What came of a task."""

    task: Task
    judged: bytes | None
    """A `Judged` as JSON; None when the worker came to an end over it."""
    problem: str = ""
    """What end that was."""


def available() -> int:
    """Workers that this machine's cores are good for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, WORKERS_MAX))


def answers(tasks: Sequence[Task], num_workers: int, limit_s: float = LIMIT_S) -> Iterator[Answer]:
    """Judge every task, at most `limit_s` seconds each; answers come as they are made."""
    waiting: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
    made: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    slots = [_Slot(waiting, made, limit_s) for _ in range(min(num_workers, len(tasks)))]
    for task in (*tasks, *(None for _ in slots)):
        waiting.put(task)
    with leftovers.folder("golf-triage-") as scratch:
        try:
            for slot in slots:
                slot.begin(scratch)
            for _ in tasks:
                yield made.get()
        finally:
            for slot in slots:
                slot.stop()


class _Slot:
    """One worker after the other, with a clock beside it."""

    def __init__(
        self, waiting: "queue.SimpleQueue[Task | None]", made: "queue.SimpleQueue[Answer]", limit_s: float
    ) -> None:
        self._waiting, self._made, self._limit_s = waiting, made, limit_s
        self._worker: subprocess.Popen[bytes] | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self, scratch: Path) -> None:
        self._scratch = scratch
        self._thread.start()

    def stop(self) -> None:
        """End the worker, whatever it is at, and wait for it."""
        self._is_over.set()
        if self._worker is not None:
            self._worker.kill()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.is_set() and (task := self._waiting.get()) is not None:
            self._made.put(self._judge(task))
        self._end()

    def _judge(self, task: Task) -> Answer:
        try:
            worker = self._worker = self._worker or _start(self._scratch)
        except OSError as error:
            return Answer(task, None, f"no process could be started for it: {error.strerror or error}")
        assert worker.stdin is not None and worker.stdout is not None
        is_late = threading.Event()

        def give_up() -> None:
            is_late.set()
            worker.kill()

        clock = threading.Timer(self._limit_s, give_up)
        clock.start()
        try:
            worker.stdin.write(task.line)
            worker.stdin.flush()
            line = worker.stdout.readline()
        except OSError:
            line = b""
        clock.cancel()
        is_whole = line.endswith(b"\n")
        code = None if is_whole and not is_late.is_set() else self._end()
        if is_whole:
            return Answer(task, line)
        why = f"it took over {self._limit_s:g} s" if is_late.is_set() else f"the process reading it ended with {code}"
        return Answer(task, None, why)

    def _end(self) -> int | None:
        worker, self._worker = self._worker, None
        if worker is None:
            return None
        worker.kill()
        worker.communicate()
        return worker.returncode


def _start(scratch: Path) -> subprocess.Popen[bytes]:
    package = Path(__file__).parents[2]
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "golf.referee.workers", str(scratch)],
        env={**environment.inherited(), **one_thread, "PYTHONPATH": str(package)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


# --- inside a worker


class _Worker:
    """Judges what it is told to; keeps a repository open from task to task."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._objects: pull_requests.Objects | None = None

    def judge(self, told: Mapping[str, Any]) -> judging.Judged:
        """Judge one submission; whatever goes wrong with a stranger's files is a judgement as well."""
        try:
            return self._judge(told)
        except MemoryError:
            why = "it takes more memory than one submission is given"
        except Exception as error:  # ours or theirs, it costs this submission alone and is said
            why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return judging.not_judged(told["name"], told.get("pr"), why)

    def _judge(self, told: Mapping[str, Any]) -> judging.Judged:
        if "files" not in told:
            return judging.judge(Path(told["folder"]))
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as top:
            lost = self._write(Path(told["folder"]), told["files"], Path(top))
            unread = [path for path in lost if path.lower().endswith(pull_requests.READ)]
            if unread:
                raise UnreadableInput(f"the repository does not hold {len(unread)} of its texts, such as {unread[0]}")
            return judging.judge(Path(top) / told["path"], told["pr"])

    def _write(self, repository: Path, files: Mapping[str, str], to: Path) -> list[str]:
        self._objects = self._objects or pull_requests.Objects(repository)
        try:
            return self._objects.write(files, to)
        except BaseException:  # what is left in its pipe is nobody's answer
            self._objects.close()
            self._objects = None
            raise


def main() -> None:
    """Answer tasks until there are no more."""
    answering = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints does not answer
    _limit_memory()
    gc.disable()
    gc.collect()
    gc.freeze()  # the modules are not looked through again
    worker = _Worker(Path(sys.argv[1]))
    for number, told in enumerate(sys.stdin.buffer):
        judged = worker.judge(json.loads(told))
        answering.write(judged.model_dump_json(exclude_computed_fields=True).encode() + b"\n")
        answering.flush()
        if number % COLLECT_EVERY == 0:
            gc.collect()


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


if __name__ == "__main__":
    main()
