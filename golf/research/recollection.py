"""The memory of what was tried, brought up to date from the files that are the truth.

Every claim under `experiments/` is a record, and every row of `results.tsv` says what came of one. It is cheap to be
asked again: folders that are known are not opened, and of the ledger only lines behind those already read are parsed;
their hash is kept, so that a ledger that was cut or rewritten is noticed, and everything is read anew.

What is surprising: the first row that measured an experiment stands. A repetition is compared with its own first run
and would seem to gain nothing. Rows of another loop are named by their words and their place in the ledger.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from golf import database
from golf.errors import UNUSABLE, GolfError, explained
from golf.play import experiments, known_claims, ledger
from golf.play.known_claims import Load
from golf.research import attempts, foreign, gains, memory
from golf.research.memory import Hypothesis
from golf.schema import Experiment, Row
from golf.workspace import Workspace

TABLES = """
CREATE TABLE IF NOT EXISTS recollection_claim (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS recollection_ledger (
    id INTEGER PRIMARY KEY CHECK (id = 1), end_byte INTEGER NOT NULL, sha256 TEXT NOT NULL, rows INTEGER NOT NULL,
    best TEXT NOT NULL
);
"""

TEXT_CHARS_MAX = 2_000
"""Of a hypothesis that is remembered; likeness compares fewer."""

WORDS_MAX = 60
"""Characters of a row's own words in its record's name."""

LINES_BYTES = 1 << 16
"""Of the ledger that are read in one transaction, so that others who write need not wait long."""

CLAIMS = 200
"""Claims that are read in one transaction."""

DATED = re.compile(rf"\d{{4}}-\d\d-\d\d_{experiments.NAME}")
"""An experiment's name as `golf.play.experiments.create` writes it."""


class Place(NamedTuple):
    """How far the ledger was read."""

    end: int = 0
    """Bytes."""
    sha256: str = hashlib.sha256().hexdigest()
    """Of those bytes."""
    rows: int = 0
    best: dict[str, float] = {}
    """Tier → its best kept score in bits per byte."""


@contextlib.contextmanager
def opened(workspace: Workspace) -> Iterator[sqlite3.Connection]:
    """The memory (see `golf.research.memory`), after everything that the files say was read in.

    Raises:
        UnreadableInput: results.tsv has a malformed line; what came before it is remembered.
    """
    with contextlib.closing(database.connect(workspace.database, memory.TABLES + TABLES)) as connection:
        content = _content(connection, workspace.ledger)
        _follow_claims(connection, workspace)
        while _follow_rows(connection, workspace.ledger, content):
            pass
        yield connection


def catch_up(workspace: Workspace) -> None:
    """Read in what is new in the files.

    Raises:
        UnreadableInput: as `opened`.
    """
    with opened(workspace):
        pass


def warning(workspace: Workspace, experiment: str, text: str) -> str:
    """What came of the idea of a new experiment the last time, in at most 400 bytes; empty when it is new.

    It warns only: when the files cannot be read, that is what it says. What `experiment` itself claims does not count.
    """
    try:
        with opened(workspace) as connection:
            return memory.you_tried_this(connection, text, but=experiment) or ""
    except UNUSABLE as error:
        return memory.fit(f"Whether this was tried before is not known: {foreign.line(explained(error), 350)}")


def _content(connection: sqlite3.Connection, path: Path) -> bytes:
    """The ledger as it is now; what was remembered is dropped when it does not begin as it did."""
    with database.transaction(connection):  # read within it: never older than what another process has noted
        content = path.read_bytes() if path.exists() else b""
        place = _place(connection)
        if hashlib.sha256(content[: place.end]).hexdigest() != place.sha256:
            memory.forget(connection)
            connection.execute("DELETE FROM recollection_claim")
            connection.execute("DELETE FROM recollection_ledger")
    return content


def _follow_claims(connection: sqlite3.Connection, workspace: Workspace) -> None:
    """Claims of new folders come in; a claim goes with its folder, unless there is a result of it."""
    folder = workspace.experiments
    known = {row["name"] for row in connection.execute("SELECT name FROM recollection_claim")}
    there = {name for name in os.listdir(folder) if _is_name(name)} if folder.is_dir() else set()
    fresh = sorted(there - known)
    for start in range(0, len(fresh), CLAIMS):
        with known_claims.opened(workspace) as load:
            claims = list(_claims(folder, fresh[start : start + CLAIMS], load))
        with database.transaction(connection):
            for name, claim in claims:
                _put_claim(connection, name, claim)
    with database.transaction(connection):
        for name in known - there:
            old = memory.get(connection, name)
            if old and old.status == "open":
                memory.forget(connection, name)
            connection.execute("DELETE FROM recollection_claim WHERE name = ?", (name,))


def _claims(folder: Path, names: Iterable[str], load: Load) -> Iterator[tuple[str, Experiment]]:
    for name in names:
        with contextlib.suppress(
            GolfError, OSError, ValueError, RecursionError
        ):  # one damaged claim is not the others'
            yield name, load(folder / name)


def _put_claim(connection: sqlite3.Connection, name: str, claim: Experiment) -> None:
    text = foreign.line(claim.hypothesis, TEXT_CHARS_MAX)
    if text:
        old = memory.get(connection, name)  # a row that came before its claim
        record = Hypothesis(
            name=name,
            text=text,
            predicted_gain_bpb=foretold(claim),
            gain_bpb=old and old.gain_bpb,
            status=old.status if old else "open",
            at=foreign.moment(claim.created_at or name[:10]),
        )
        memory.put(connection, record)
    connection.execute("INSERT OR IGNORE INTO recollection_claim VALUES (?)", (name,))


def foretold(claim: Experiment) -> float | None:
    """The first gain that the expected outcome states, in bits per byte; None where it states none."""
    said = gains.stated(foreign.line(claim.expected_outcome, TEXT_CHARS_MAX))
    return next((gain for _, gain in said), None)


def _follow_rows(connection: sqlite3.Connection, path: Path, content: bytes) -> bool:
    """Read some more whole lines of the ledger; False when there are none. A last line without its break waits."""
    with database.transaction(connection):
        place = _place(connection)
        start, near = place.end, place.end + LINES_BYTES
        end = (content.rfind(b"\n", start, near) + 1) or (content.find(b"\n", near) + 1)
        if not end:
            return False
        layout = ledger.Layout.of(_header(content), path) if start else None
        number = 1 + content.count(b"\n", 0, start)
        best, count = dict(place.best), place.rows
        for row in ledger.rows(io.BytesIO(content[start:end]), end - start, path, layout, number):
            count += 1
            _put_row(connection, row, count, attempts.gained(row, best))
        connection.execute(
            "REPLACE INTO recollection_ledger VALUES (1, ?, ?, ?, ?)",
            (end, hashlib.sha256(content[:end]).hexdigest(), count, json.dumps(best)),
        )
    return True


def _put_row(connection: sqlite3.Connection, row: Row, number: int, gain: float | None) -> None:
    if row.val_bpb is None and row.description.partition(": ")[0] in ledger.NOT_RUN:
        return  # another loop's note that nothing was run says nothing about the idea
    name, words = attempts.named(row.description)
    if DATED.fullmatch(name) or _is_claimed(connection, name):
        text = foreign.line(words, TEXT_CHARS_MAX) or name
        old = memory.get(connection, name) or Hypothesis(name=name, text=text, at=foreign.moment(name[:10]))
        if old.status in ("keep", "discard"):
            return
    elif words := foreign.line(row.description, TEXT_CHARS_MAX):
        old = Hypothesis(name=f"{foreign.cut(words, WORDS_MAX)} (row {number})", text=words)
    else:
        return
    memory.put(connection, old.model_copy(update={"gain_bpb": gain, "status": row.status}))


def _is_name(name: str) -> bool:
    return bool(re.fullmatch(experiments.NAME, name) or DATED.fullmatch(name))


def _is_claimed(connection: sqlite3.Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM recollection_claim WHERE name = ?", (name,)).fetchone() is not None


def _place(connection: sqlite3.Connection) -> Place:
    row = connection.execute("SELECT end_byte, sha256, rows, best FROM recollection_ledger").fetchone()
    return Place() if row is None else Place(row["end_byte"], row["sha256"], row["rows"], json.loads(row["best"]))


def _header(content: bytes) -> str:
    return content[: content.find(b"\n")].decode("utf-8", "backslashreplace").rstrip("\r\n")
