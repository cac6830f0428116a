"""What was supposed, foretold and found: hypotheses in the workspace's database, and what they teach.

A new idea is compared with the nearest few of all earlier ones: SQLite's full-text index finds those that share its
rarest concepts, `golf.research.likeness` then decides. So 50,000 records are asked in milliseconds.

It is an index: what was tried is in `experiments/` and `results.tsv`, and `golf.research.recollection` reads it in.
"""

import contextlib
import re
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, Field, FiniteFloat

from golf import database
from golf.research import foreign
from golf.research.likeness import Likeness, idea, likeness
from golf.schema import Noun
from golf.workspace import Workspace

TABLES = """
CREATE TABLE IF NOT EXISTS hypothesis (
    id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, text TEXT NOT NULL, record TEXT NOT NULL
);
CREATE VIRTUAL TABLE IF NOT EXISTS hypothesis_concepts USING fts5(concepts, tokenize = "unicode61 tokenchars '_'");
CREATE VIRTUAL TABLE IF NOT EXISTS hypothesis_vocabulary USING fts5vocab(hypothesis_concepts, row);
"""

CANDIDATES = 50
"""Nearest records that are compared word by word."""

RAREST = 3
"""Concepts of an idea by which they are looked for; what all ideas share finds nothing."""

ANSWER_BYTES_MAX = 400
RULE_FAILURES_MIN = 2
"""Failures of one idea that make a rule."""


class Hypothesis(Noun):
    """One supposition, as it was put before the run, and what came of it."""

    name: str = Field(pattern=r"\S")
    """The experiment's."""
    text: str = Field(pattern=r"\S")
    predicted_gain_bpb: FiniteFloat | None = None
    """Foretold before the run; positive is better."""
    gain_bpb: FiniteFloat | None = None
    """Measured; None while it was not."""
    status: Literal["open", "keep", "discard", "crash"] = "open"
    at: AwareDatetime | None = None

    @property
    def is_failure(self) -> bool:
        """Whether it was tried, and gained nothing; what gained and was discarded, for its size say, did not fail."""
        return self.status in ("discard", "crash") and not (self.gain_bpb or 0.0) > 0


class Tried(Noun):
    """An earlier record that is the same idea."""

    record: Hypothesis
    kind: Likeness


@contextlib.contextmanager
def opened(workspace: Workspace) -> Iterator[sqlite3.Connection]:
    """The workspace's database, with the memory's tables."""
    with contextlib.closing(database.connect(workspace.database, TABLES)) as connection:
        yield connection


def remember(connection: sqlite3.Connection, records: Iterable[Hypothesis]) -> None:
    """Keep records; one with a known name takes the earlier one's place. All of them, or none."""
    with database.transaction(connection):
        for record in records:
            put(connection, record if record.at else record.model_copy(update={"at": datetime.now(UTC)}))


def put(connection: sqlite3.Connection, record: Hypothesis) -> None:
    """Keep a record in the earlier place of its name, within the caller's transaction."""
    old = connection.execute("SELECT id, text FROM hypothesis WHERE name = ?", (record.name,)).fetchone()
    if old and old["text"] == record.text:
        connection.execute("UPDATE hypothesis SET record = ? WHERE id = ?", (record.model_dump_json(), old["id"]))
        return
    if old:
        connection.execute("DELETE FROM hypothesis_concepts WHERE rowid = ?", (old["id"],))
        connection.execute("DELETE FROM hypothesis WHERE id = ?", (old["id"],))
    cursor = connection.execute(
        "INSERT INTO hypothesis (id, name, text, record) VALUES (?, ?, ?, ?)",
        (old and old["id"], record.name, record.text, record.model_dump_json()),
    )
    connection.execute(
        "INSERT INTO hypothesis_concepts (rowid, concepts) VALUES (?, ?)",
        (cursor.lastrowid, " ".join(_terms(record.text))),
    )


def get(connection: sqlite3.Connection, name: str) -> Hypothesis | None:
    """The record of that name."""
    row = connection.execute("SELECT record FROM hypothesis WHERE name = ?", (name,)).fetchone()
    return None if row is None else Hypothesis.model_validate_json(row["record"])


def forget(connection: sqlite3.Connection, name: str | None = None) -> None:
    """Drop one record, or all of them, within the caller's transaction."""
    connection.execute(
        "DELETE FROM hypothesis_concepts WHERE rowid IN (SELECT id FROM hypothesis WHERE name = ?1 OR ?1 IS NULL)",
        (name,),
    )
    connection.execute("DELETE FROM hypothesis WHERE name = ?1 OR ?1 IS NULL", (name,))


def recall(connection: sqlite3.Connection, text: str, but: str = "") -> list[Tried]:
    """Earlier records that are the same idea as `text`, the newest first; the one named `but` is left out."""
    terms = _terms(text)
    marks = ", ".join("?" * len(terms))
    known = connection.execute(f"SELECT term, doc FROM hypothesis_vocabulary WHERE term IN ({marks})", terms).fetchall()
    rarest = [row["term"] for row in sorted(known, key=lambda row: (row["doc"], row["term"]))[:RAREST]]
    if not rarest:
        return []
    rows = connection.execute(
        "SELECT text, record FROM hypothesis WHERE name != ? AND id IN (SELECT rowid FROM hypothesis_concepts WHERE "
        "hypothesis_concepts MATCH ? ORDER BY rank LIMIT ?) ORDER BY id DESC",
        (but, " OR ".join(f'"{term}"' for term in rarest), CANDIDATES),
    )
    found = []
    for row in rows:
        if kind := likeness(row["text"], text):
            found.append(Tried(record=Hypothesis.model_validate_json(row["record"]), kind=kind))
    return sorted(found, key=lambda one: _when(one.record), reverse=True)


def you_tried_this(connection: sqlite3.Connection, text: str, but: str = "") -> str | None:
    """What came of an idea the last time, in at most 400 bytes of UTF-8; None when it is new here.

    The record named `but` is left out: an experiment is not like itself.
    """
    found = recall(connection, text, but)
    if not found:
        return None
    last = next((one for one in found if one.record.status != "open"), found[0])
    times = "" if len(found) == 1 else f" ({len(found)} records)"
    failures = sum(one.record.is_failure for one in found)
    said = foreign.line(last.record.text, 90)
    name = foreign.line(last.record.name, 60)
    answer = f"You tried this ({last.kind}){times}: {name} {said!r}: {_ended(last.record)}."
    if failures >= RULE_FAILURES_MIN:
        answer += f" It failed {failures} times; say what is different now."
    return fit(answer)


def rules(connection: sqlite3.Connection) -> list[str]:
    """What failed at least twice and never gained, a line per idea: `int5 for the MLP failed twice: …`."""
    groups: dict[str, list[Hypothesis]] = {}
    rows = connection.execute(
        "SELECT concepts, record FROM hypothesis JOIN hypothesis_concepts ON hypothesis_concepts.rowid = hypothesis.id "
        "WHERE concepts != '' ORDER BY hypothesis.id"
    )
    known = [(row["concepts"], Hypothesis.model_validate_json(row["record"])) for row in rows]
    for concepts, record in sorted(known, key=lambda one: _when(one[1])):
        if record.status != "open":
            groups.setdefault(concepts, []).append(record)
    found = []
    for group in groups.values():
        if len(group) >= RULE_FAILURES_MIN and all(one.is_failure for one in group):
            times = "twice" if len(group) == 2 else f"{len(group)} times"
            ended = "; ".join(f"{foreign.line(one.name, 60)} {_ended(one)}" for one in group[-3:])
            found.append(f"{foreign.line(group[0].text, 80)} failed {times}: {ended}")
    return found


def _when(record: Hypothesis) -> datetime:
    """For sorting; what has no date came from another loop, before everything here."""
    return record.at or datetime.min.replace(tzinfo=UTC)


def _ended(record: Hypothesis) -> str:
    if record.gain_bpb is None:
        return record.status
    foretold = "" if record.predicted_gain_bpb is None else f", {record.predicted_gain_bpb:+.4f} foretold"
    return f"{record.status}, {record.gain_bpb:+.4f} BPB gained{foretold}"


def _terms(text: str) -> list[str]:
    """An idea's concepts as words of the index."""
    return sorted({re.sub(r"\W+", "_", concept) for concept in idea(text).concepts})[:100]


def fit(text: str) -> str:
    """`text` in at most `ANSWER_BYTES_MAX` bytes, no character halved."""
    if len(text.encode()) <= ANSWER_BYTES_MAX:
        return text
    return text.encode()[: ANSWER_BYTES_MAX - 3].decode(errors="ignore") + "…"
