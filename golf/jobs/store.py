"""The job table: what was started, by whom, and how it ended.

Rows change only forwards (queued → running → ended) and an ended job stays ended, whichever of
supervisor, canceller and reaper comes first. Progress is not stored here: it is read from the
files the job writes (`progress.py`).
"""

import os
import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from golf import database
from golf.errors import AmbiguousInput, NotFound
from golf.jobs import process
from golf.schema import ENDED, JobState
from golf.workspace import Workspace

TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    backend TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at TEXT NOT NULL,
    started_at TEXT,
    ended_at TEXT,
    supervisor_pid INTEGER,
    supervisor_started REAL,
    place TEXT NOT NULL DEFAULT '',  -- where that pid means something, and the inode of this very file
    exit_code INTEGER,
    message TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state);
CREATE UNIQUE INDEX IF NOT EXISTS one_run_at_a_time ON jobs (subject)
    WHERE kind = 'run' AND state IN ('queued', 'running');
CREATE UNIQUE INDEX IF NOT EXISTS one_play_at_a_time ON jobs (subject)
    WHERE kind IN ('run', 'conclude') AND state IN ('queued', 'running');
"""


@dataclass(frozen=True)
class Record:
    """One row of the job table."""

    id: str
    kind: str
    subject: str
    backend: str
    state: JobState
    created_at: str
    started_at: str | None
    ended_at: str | None
    supervisor_pid: int | None
    supervisor_started: float | None
    place: str
    """Where that pid means something, and the database's inode: a copied folder's jobs are the original's."""
    here: str
    """The same, of whoever has read this row."""
    exit_code: int | None
    message: str

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @property
    def is_supervised(self) -> bool | None:
        """Whether the process that answers for it lives; None where that cannot be told from here."""
        return process.lives(self.supervisor_pid, self.supervisor_started, self.place, self.here)

    @property
    def is_copied(self) -> bool:
        """Whether it came along with a copied or restored folder."""
        return self.place.rpartition(" ")[2] != self.here.rpartition(" ")[2]


FIELDS = ", ".join(field.name for field in fields(Record) if field.name != "here")
"""Of the table: another version's may have more."""


class JobStore:
    """Rows of one workspace; a connection per call, so that threads need no care."""

    def __init__(self, workspace: Workspace) -> None:
        self.path = workspace.database
        self.folders = workspace.jobs

    def folder(self, job_id: str) -> Path:
        """Where the job's files lie."""
        return self.folders / job_id

    def add(self, kind: str, subject: str, backend: str) -> Record:
        """A new queued job with an id that sorts by time; until a supervisor takes over, the caller answers for it.

        Raises:
            AmbiguousInput: `kind` is `run` or `conclude`, and one of `subject` has not ended yet.
        """
        now = _now()
        job_id = f"{now[:10].replace('-', '')}-{now[11:19].replace(':', '')}-{secrets.token_hex(3)}"
        try:
            with self._connection() as connection:
                connection.execute(
                    "INSERT INTO jobs (id, kind, subject, backend, state, created_at, supervisor_pid, "
                    "supervisor_started, place) VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?)",
                    (job_id, kind, subject, backend, now, *self._myself()),
                )
        except sqlite3.IntegrityError:
            raise AmbiguousInput(f"{subject} is being played already. Watch it: golf jobs, golf wait ID") from None
        return self.get(job_id)

    def hand_over(self, job_id: str, pid: int) -> None:
        """Process `pid` answers for the job from here on."""
        with self._connection() as connection:
            connection.execute(
                "UPDATE jobs SET supervisor_pid = ?, supervisor_started = ? WHERE id = ? AND state = 'queued'",
                (pid, process.start_time(pid), job_id),
            )

    def started(self, job_id: str) -> bool:
        """The calling process supervises the job now; False when it had ended before it began."""
        with self._connection() as connection:
            changed = connection.execute(
                "UPDATE jobs SET state = 'running', supervisor_pid = ?, supervisor_started = ?, place = ?, "
                "started_at = ? WHERE id = ? AND state = 'queued'",
                (*self._myself(), _now(), job_id),
            ).rowcount
        return changed > 0

    def ended(self, job_id: str, state: JobState, exit_code: int | None, message: str) -> bool:
        """Close a job; False when it had ended already (the first word stands)."""
        with self._connection() as connection:
            changed = connection.execute(
                "UPDATE jobs SET state = ?, exit_code = ?, message = ?, ended_at = ? "
                "WHERE id = ? AND state IN ('queued', 'running')",
                (state, exit_code, message[:2000], _now(), job_id),
            ).rowcount
        return changed > 0

    def get(self, job_id: str) -> Record:
        """One job, by its id or an unambiguous beginning or ending of it.

        Raises:
            NotFound: no such job, or more than one fits.
        """
        with self._connection() as connection:
            rows = connection.execute(f"SELECT {FIELDS} FROM jobs WHERE id = ?", (job_id,)).fetchall()
            if not rows and len(job_id) >= 4:
                rows = connection.execute(
                    f"SELECT {FIELDS} FROM jobs WHERE substr(id, 1, ?) = ? OR substr(id, ?) = ? LIMIT 2",
                    (len(job_id), job_id, -len(job_id), job_id),
                ).fetchall()
        if len(rows) != 1:
            count = "several jobs fit" if rows else "no job has"
            raise NotFound(f"{count} the id {job_id!r}. See them all: golf jobs")
        return Record(**dict(rows[0]), here=self._here())

    def recent(self, limit: int = 20, states: Sequence[str] = ()) -> list[Record]:
        """The newest jobs first, optionally only those in `states`."""
        marks = ", ".join("?" for _ in states)
        where = f"WHERE state IN ({marks})" if states else ""
        with self._connection() as connection:
            rows = connection.execute(
                f"SELECT {FIELDS} FROM jobs {where} ORDER BY created_at DESC, rowid DESC LIMIT ?", (*states, limit)
            ).fetchall()
        here = self._here()
        return [Record(**dict(row), here=here) for row in rows]

    def _myself(self) -> tuple[int, float | None, str]:
        return os.getpid(), process.start_time(os.getpid()), self._here()

    def _here(self) -> str:
        return f"{process.place()} {self.path.stat().st_ino}"

    def _connection(self) -> closing[sqlite3.Connection]:
        return closing(database.connect(self.path, TABLES))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
