"""What a workspace's files say, read with the standard library alone and changed by nothing here.

A question is answered from the files when it is asked for the first time, so that the common command, about
which nothing has to be known, costs no reading. Long files are read from their end.
"""

import json
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

CONFIG = "golf.toml"
FROZEN = ("baselines", "eval.py")
TOTAL_USD, RESERVE_USD = 500.0, 50.0
"""What golf.toml means where it says nothing; a test holds them to `golf.workspace`."""

OVERRIDE = timedelta(hours=24)
"""How long a human's word opens a frozen path."""

LEDGER_TAIL = 1 << 20
NOTES_TAIL = 8 << 20
METRICS_TAIL = 1 << 12
"""Bytes that are read from the ends of results.tsv, notes.jsonl and a trainer's metrics."""

MICRO = 1_000_000
COLUMNS = ("commit", "tier", "val_bpb", "artifact_bytes", "memory_gb", "status", "promoted", "cost_usd", "description")


@dataclass(frozen=True)
class Job:
    """A row of the job table that somebody still answers for, or that has ended."""

    id: str
    kind: str
    subject: str
    state: str
    created_at: str
    supervisor_pid: int | None
    is_alive: bool
    """Whether its supervisor's process is there."""


@dataclass(frozen=True)
class Money:
    """Compute credits in US dollars."""

    spent: float
    reserved: float
    total: float
    reserve: float

    @property
    def remaining(self) -> float:
        return self.total - self.spent - self.reserved


@dataclass
class State:
    """One workspace; each property is read once."""

    root: Path
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    problems: list[str] = field(default_factory=list)
    """Files that could not be read, for the log."""

    @cached_property
    def settings(self) -> dict[str, Any]:
        """golf.toml; empty, with a problem noted, when it cannot be read."""
        import tomllib  # here, because most calls need no file read

        try:
            return tomllib.loads((self.root / CONFIG).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            self.problems.append(f"{CONFIG}: {error}")
            return {}

    @cached_property
    def frozen(self) -> tuple[str, ...]:
        """Paths that score experiments, relative to the root."""
        named = self._table("guard").get("frozen", FROZEN)
        if isinstance(named, list | tuple) and all(isinstance(name, str) for name in named):
            return tuple(os.path.normpath(name) for name in named if name)
        self.problems.append(f"{CONFIG}: guard.frozen is no list of paths")
        return FROZEN

    # --- jobs and money ------------------------------------------------------------------------

    @cached_property
    def jobs(self) -> list[Job]:
        """Jobs that have not ended, oldest first."""
        rows = self._select(
            "SELECT id, kind, subject, state, created_at, supervisor_pid, supervisor_started FROM jobs "
            "WHERE state IN ('queued', 'running') ORDER BY created_at LIMIT 50"
        )
        return [Job(*row[:6], is_alive=_is_alive(row[5], row[6])) for row in rows]

    @cached_property
    def active(self) -> list[Job]:
        """Runs and evaluations that are going on."""
        return [job for job in self.jobs if job.is_alive and job.kind in ("run", "evaluate")]

    @cached_property
    def unrecorded(self) -> list[tuple[str, str, str]]:
        """Runs that ended and that the ledger does not have: id, experiment and how it ended."""
        if not self._select("SELECT 1 FROM sqlite_master WHERE name = 'jobs'"):
            return []
        known = ""
        if self._select("SELECT 1 FROM sqlite_master WHERE name = 'recordings'"):
            known = "AND id NOT IN (SELECT run_id FROM recordings WHERE done)"
        rows = self._select(
            "SELECT id, subject, state FROM jobs WHERE kind = 'run' "
            f"AND state IN ('done', 'failed', 'lost', 'timed_out') {known} ORDER BY created_at DESC LIMIT 20"
        )
        gone = [
            (job.id, job.subject, "left by its supervisor")
            for job in self.jobs
            if job.kind == "run" and not job.is_alive
        ]
        return [*gone, *((str(row[0]), str(row[1]), str(row[2])) for row in rows)]

    @cached_property
    def leases(self) -> list[tuple[str, str, float]]:
        """Money that is set aside: run, tier and US dollars."""
        rows = self._select(
            "SELECT run_id, tier, reserved FROM paid_runs WHERE state = 'open' ORDER BY reserved_at, run_id LIMIT 20"
        )
        return [(str(row[0]), str(row[1]), row[2] / MICRO) for row in rows]

    @cached_property
    def money(self) -> Money:
        """Spent, set aside and allowed."""
        rows = self._select(
            "SELECT coalesce(sum(CASE WHEN state = 'settled' THEN spent END), 0), "
            "coalesce(sum(CASE WHEN state = 'open' THEN reserved END), 0) FROM paid_runs"
        ) or [(0, 0)]
        budget = self._table("budget")

        def limit(name: str, otherwise: float) -> float:
            value = budget.get(name, otherwise)
            return float(value) if isinstance(value, int | float) else otherwise

        return Money(
            spent=rows[0][0] / MICRO,
            reserved=rows[0][1] / MICRO,
            total=limit("total_usd", TOTAL_USD),
            reserve=limit("reserve_usd", RESERVE_USD),
        )

    def progress(self, job: Job) -> str:
        """The job's phase and last step, from the files it writes."""
        try:
            status = json.loads(_tail(self.root / ".golf" / "jobs" / job.id / "status.json", METRICS_TAIL * 16))
            phase = str(status["phase"])
            metrics = [Path(str(path)) for path in status.get("metrics") or []]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return ""
        steps = []
        for path in metrics[:8]:
            for line in reversed(_tail(path, METRICS_TAIL).splitlines()):
                point = _object(line)
                if isinstance(point.get("step"), int):
                    steps.append(point["step"])
                    break
        return f"{phase}, step {min(steps)}" if steps else phase

    # --- ledger and notes ----------------------------------------------------------------------

    @cached_property
    def results(self) -> list[dict[str, str]]:
        """Rows of results.tsv by column, oldest first; of a long file its last megabyte."""
        path = self.root / "results.tsv"
        header = head(path, METRICS_TAIL).split("\n")[0].removeprefix("\ufeff").rstrip("\r")
        if not header:
            return []
        columns = header.split("\t")
        if "val_bpb" not in columns or "description" not in columns:
            self.problems.append("results.tsv: its first line is no ledger's header")
            return []
        *lines, torn = _tail(path, LEDGER_TAIL).split("\n")
        rows = []
        for line in lines[1:] + [torn] * (torn.count("\t") == header.count("\t")):  # the first is the header, or cut
            cells = line.rstrip("\r").split("\t")
            if line != header and not line.endswith(" # torn") and len(cells) > columns.index("val_bpb"):
                rows.append(_row(dict(zip(columns, cells, strict=False))))
        return rows

    @cached_property
    def notes(self) -> list[dict[str, Any]]:
        """Lines of the shared channel that are notes, oldest first; of a long file those at its end."""
        return list(_as_notes(_tail(self.root / "notes.jsonl", NOTES_TAIL).split("\n")))

    def _spoken(self, word: str) -> Iterator[dict[str, Any]]:
        """The notes of the whole channel that hold a word in quotes, oldest first."""
        path = self.root / "notes.jsonl"
        try:
            if path.is_file() and path.stat().st_size:
                with open(path, "rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as text:
                    yield from _as_notes(_lines_with(f'"{word}"'.encode(), text))
        except (OSError, ValueError) as error:
            self.problems.append(f"notes.jsonl: {error}")

    @property
    def directives(self) -> list[str]:
        """The human's standing orders, oldest first."""
        standing: dict[str, None] = {}
        for note in self._spoken("directive"):
            if note.get("kind") == "directive" and str(note.get("by", "")).startswith("human:"):
                standing.pop(note["text"], None)
                if note.get("target") != "withdrawn":
                    standing[note["text"]] = None
        return list(standing)

    @cached_property
    def overrides(self) -> set[str]:
        """Paths, relative to the root, that a human opened within the last day."""
        opened = set()
        for note in self._spoken("override"):
            said = _when(note.get("at"))
            is_fresh = said is not None and timedelta(minutes=-5) < self.now - said < OVERRIDE
            target = note.get("target")
            is_human = note.get("kind") == "override" and str(note.get("by", "")).startswith("human:")
            if is_human and is_fresh and isinstance(target, str) and note.get("experiment") is None:
                opened.add(os.path.normpath(target))
        return opened

    # --- git -----------------------------------------------------------------------------------

    def is_tracked(self, name: str) -> bool:
        """Whether git's index has this file, or files in this folder."""
        return bool(git(self.root, "ls-files", "--", name))

    def is_unchanged(self, pattern: str) -> bool:
        """Whether git has the files of `pattern`, and all below them, as they are; also where it has none of them."""
        return not git(self.root, "status", "--porcelain", "--untracked-files=no", "--", pattern, f"{pattern}/*")

    # --- how -----------------------------------------------------------------------------------

    def _table(self, name: str) -> dict[str, Any]:
        table = self.settings.get(name, {})
        return table if isinstance(table, dict) else {}

    def _select(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of the workspace's database; none where there is no database, or not yet this table."""
        path = self.root / ".golf" / "golf.db"
        if not path.is_file():
            return []
        import sqlite3

        # Without a log beside it nobody is writing, and `immutable` keeps SQLite from making one.
        mode = "mode=ro" if path.with_name("golf.db-wal").exists() else "mode=ro&immutable=1"
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=0.2)) as connection:
                return connection.execute(statement).fetchall()
        except sqlite3.Error as error:
            if "no such table" not in str(error):
                self.problems.append(f"golf.db: {error}")
            return []


def find(starts: Iterable[object], environment: Mapping[str, str]) -> list[State]:
    """The workspaces a call is about: GOLF_WORKSPACE's, then those around each of the folders `starts`."""
    named = environment.get("GOLF_WORKSPACE")
    roots: dict[Path, None] = {}
    if named and (Path(named) / CONFIG).is_file():
        roots[Path(named).resolve()] = None
    for start in starts:
        try:
            folder = Path(start).resolve() if isinstance(start, str) and start else None
        except (OSError, ValueError, RuntimeError):  # a name no folder can have; a folder that is gone
            continue
        around = (folder, *folder.parents) if folder is not None else ()
        root = next((place for place in around if (place / CONFIG).is_file()), None)
        if root is not None:
            roots[root] = None
    return [State(root) for root in roots]


def git(folder: object, *asked: str) -> str:
    """What git answers; nothing where it cannot, or takes longer than a second."""
    import subprocess

    try:
        done = subprocess.run(["git", "-C", str(folder), *asked], capture_output=True, timeout=1.0, check=False)
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return os.fsdecode(done.stdout)


def clean(text: object, longest: int = 200) -> str:
    """Text from a file on one line: no control or formatting characters, and cut."""
    cut = str(text)[: longest * 4]
    kept = "".join(" " if c.isspace() else c for c in cut if c.isspace() or unicodedata.category(c)[0] != "C")
    line = " ".join(kept.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def quoted(text: object, longest: int = 200) -> str:
    """`clean` text between quotation marks that it cannot close itself."""
    return '"' + clean(text, longest).replace('"', "'") + '"'


def _row(cell: dict[str, str]) -> dict[str, str]:
    """A ledger's row; what foreign layouts carry behind the description comes to its place."""
    row = {name: cell.get(name, "") for name in COLUMNS}
    told, found, rider = row["description"].rpartition(" [")
    if "tier" not in cell and found and rider.startswith("tier=") and rider.endswith("]"):
        row["description"] = told
        for item in rider[:-1].split(" "):
            name, _, value = item.partition("=")
            row |= {name: value} if name in row else {}
    row["tier"] = row["tier"] or "local"
    return row


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _when(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def head(path: Path, num_bytes: int) -> str:
    """The beginning of a file; empty for what is none, or cannot be read."""
    try:
        if path.is_file():  # a pipe would wait for its writer
            with open(path, "rb") as file:
                return file.read(num_bytes).decode("utf-8", "replace")
    except OSError:
        pass
    return ""


def _lines_with(word: bytes, text: mmap) -> Iterator[str]:
    at = text.find(word)
    while at >= 0:
        end = text.find(b"\n", at)
        end = len(text) if end < 0 else end
        yield text[text.rfind(b"\n", 0, at) + 1 : end].decode("utf-8", "replace")
        at = text.find(word, end)


def _as_notes(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    return (note for line in lines if isinstance((note := _object(line)).get("text"), str))


def _tail(path: Path, num_bytes: int) -> str:
    if not path.is_file():
        return ""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - num_bytes))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _is_alive(pid: object, started: object) -> bool:
    """Whether the very process is there; where /proc tells its start, a reused pid is told apart."""
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is there, and somebody else's
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        since = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return True
    return fields[0] != "Z" and (not isinstance(started, int | float) or abs(since - started) < 2.0)
