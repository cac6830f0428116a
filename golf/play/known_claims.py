"""Claims that were read before, so that who asks about every experiment parses only what is new or was changed.

A claim is kept in the workspace's database by the stamp of its file (which file, its size, when it was changed), as
`golf.play.ledger_index` keeps the ledger; config.yaml stays the truth, and the table may be dropped at any time. A
stamp younger than a file system's clock can tell apart is not kept. What is surprising: a kept claim is checked like
one that was just read, so that a later version's rules hold for it too; what does not keep to them is read anew.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic_core import PydanticSerializationError, ValidationError

from golf import database, durable
from golf.play import experiments
from golf.schema import Experiment
from golf.workspace import Workspace

TABLES = "CREATE TABLE IF NOT EXISTS known_claim (name TEXT PRIMARY KEY, stamp TEXT NOT NULL, claim TEXT NOT NULL)"

WRITTEN = 1_000
"""Claims that are written in one transaction, so that others who write need not wait long."""

Load = Callable[[Path], Experiment]
"""A folder's claim; raises `BadConfig` as `golf.play.experiments.load` does."""


@contextlib.contextmanager
def opened(workspace: Workspace) -> Iterator[Load]:
    """`golf.play.experiments.load` for many of the workspace's claims; where the database cannot be used, itself."""
    if not workspace.experiments.is_dir():
        yield experiments.load
        return
    try:
        connection = database.connect(workspace.database, TABLES)
    except (sqlite3.Error, OSError):
        yield experiments.load
        return
    with contextlib.closing(connection):
        connection.execute("PRAGMA synchronous=NORMAL")  # it is rebuildable
        known = _Known(connection)
        try:
            yield known.load
        finally:
            known.write()


class _Known:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._fresh: list[tuple[str, str, str]] = []

    def load(self, folder: Path) -> Experiment:
        path = f"{folder}/{experiments.CONFIG}"  # a Path of every one would cost as much as the rest
        try:
            stamp = durable.stamp(path)
        except (OSError, ValueError):
            return experiments.load(folder)  # which says what is wrong
        kept = self._kept(folder.name, stamp)
        if kept is not None:
            return kept
        claim = experiments.load(folder)
        if durable.is_settled(stamp):
            self._keep(folder.name, stamp, claim)
        return claim

    def _kept(self, name: str, stamp: str) -> Experiment | None:
        try:
            row = self._connection.execute("SELECT stamp, claim FROM known_claim WHERE name = ?", (name,)).fetchone()
            return None if row is None or row[0] != stamp else Experiment.model_validate_json(row[1])
        except (sqlite3.Error, UnicodeEncodeError, ValidationError):
            return None

    def _keep(self, name: str, stamp: str, claim: Experiment) -> None:
        try:
            text = claim.model_dump_json(exclude_unset=True)
            if Experiment.model_validate_json(text) != claim:
                return
            name.encode()
        except (PydanticSerializationError, UnicodeEncodeError, ValidationError):  # JSON cannot say it
            return
        self._fresh.append((name, stamp, text))
        if len(self._fresh) >= WRITTEN:
            self.write()

    def write(self) -> None:
        """What is new goes to the database; where it cannot be written, it is read again the next time."""
        if self._fresh:
            with contextlib.suppress(sqlite3.Error), database.transaction(self._connection):
                self._connection.executemany("REPLACE INTO known_claim VALUES (?, ?, ?)", self._fresh)
        self._fresh = []
