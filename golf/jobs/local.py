"""The `local` back-end: jobs as supervised processes on this machine, free of charge.

`submit` returns at once; the supervisor runs in a session of its own, so that the death of a
server or terminal neither kills the job nor leaves it unwatched.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from golf import database
from golf.errors import RuleBroken
from golf.jobs import ending, process, progress, reaper
from golf.jobs.store import JobStore, Record
from golf.jobs.supervisor import Spec
from golf.schema import Job
from golf.workspace import Workspace

NAME = "local"

POLL_S_MAX = 1.0
"""Between two looks at a job that takes long: it is its trainer that the cores are for."""


class LocalJobs:
    """Jobs of one workspace on this machine."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.store = JobStore(workspace)

    def submit(
        self,
        kind: str,
        subject: str,
        request: Callable[[Record, Path], list[str]],
        *,
        time_limit_s: float,
        foreground: bool = False,
        backend: str = NAME,
    ) -> Job:
        """Start a job and return it, queued.

        Args:
            kind: `run`, `evaluate`, or `conclude` for a run that was lost.
            subject: The experiment or path it is about.
            request: Given the new row and the job's folder, writes what the job needs there and
                returns its command.
            time_limit_s: Wall-clock limit; the process group is ended at it.
            foreground: The job ends with the calling process.
            backend: Where its trainers run; the job itself is here in any case.

        Raises:
            AmbiguousInput: a run of `subject` has not ended yet.
        """
        record = self.store.add(kind, subject, backend)
        folder = self.store.folder(record.id)
        try:
            folder.mkdir(parents=True)
            owner = os.getpid() if foreground else None
            Spec(
                workspace=str(self.workspace.root),
                job_id=record.id,
                command=request(record, folder),
                cwd=str(self.workspace.root),
                time_limit_s=time_limit_s,
                owner_pid=owner,
                owner_started=None if owner is None else process.start_time(owner),
            ).write(folder)
            environment = {key: value for key, value in os.environ.items() if key != process.JOB_MARK}
            with open(folder / "supervisor.log", "ab") as log:
                child = subprocess.Popen(
                    [sys.executable, "-m", "golf.jobs.supervisor", str(folder)],
                    cwd=self.workspace.root,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except BaseException as error:
            state = "cancelled" if isinstance(error, RuleBroken) else "failed"  # refused is not a crash
            self.store.ended(record.id, state, None, f"could not be started: {error}")
            raise
        self.store.hand_over(record.id, child.pid)
        threading.Thread(target=child.wait, daemon=True).start()  # so that it does not stay as a zombie
        return self.get(record.id)

    def get(self, job_id: str) -> Job:
        """The job as its files show it now.

        Raises:
            NotFound: no such job.
        """
        record = self.store.get(job_id)
        if not record.has_ended and record.is_supervised is False:
            reaper.reap(self.workspace)
            record = self.store.get(record.id)
        return progress.read_job(self.store, record)

    def recent(self, limit: int = 20) -> list[Job]:
        """The newest jobs first."""
        reaper.reap(self.workspace)
        return [progress.read_job(self.store, record) for record in self.store.recent(limit)]

    def wait(self, job_id: str, timeout_s: float | None, on_poll: Callable[[Job], None] = lambda job: None) -> Job:
        """Return when the job has ended, or after `timeout_s` seconds with it still running."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        pause = 0.05
        with database.kept_open(self.store.path):
            while True:
                job = self.get(job_id)
                on_poll(job)
                left = None if deadline is None else deadline - time.monotonic()
                if job.ended_at is not None or (left is not None and left <= 0):
                    return job
                time.sleep(pause if left is None else min(pause, left))
                pause = min(pause * 1.5, POLL_S_MAX)

    def cancel(self, job_id: str, is_gone: bool = False) -> Job:
        """Ask the job to stop, then make sure; cancelling an ended job changes nothing.

        One whose processes are not seen from here is asked, and stays open until it has heard. `is_gone` is somebody's
        word that what it ran on is no more, which closes it.

        Raises:
            NotFound: no such job.
        """
        record = self.store.get(job_id)
        if not record.has_ended:
            (self.store.folder(record.id) / "cancel").touch()
            job = self.wait(record.id, process.GRACE_S * 2 + 5)
            if job.ended_at is None and record.is_supervised is not None:  # stuck: end it and whatever it supervises
                reaper.finish(self.store, self.store.get(record.id), "cancelled", "cancelled by force")
            elif job.ended_at is None and is_gone:
                self.store.ended(record.id, "cancelled", None, "given up: what it ran on is said to be no more")
            ending.due(self.workspace)
        return self.get(record.id)
