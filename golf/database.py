"""The workspace's SQLite file: one connection recipe, one kind of transaction.

`.golf/golf.db` holds jobs, money and intents to record. WAL with full synchronisation: a committed row
survives `kill -9` and power loss. Each owner (`jobs.store`, `play.record`, `play.budget`) brings its own tables.

A table that an earlier version made gets the columns that it lacks when it is next opened, at their default. So a later
version may add a column to a table, with a default where it is NOT NULL and never as part of a key; nothing else.
"""

import contextlib
import fcntl
import functools
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


def connect(path: Path, tables: str) -> sqlite3.Connection:
    """Open the database, creating `tables` (`CREATE TABLE IF NOT EXISTS …`) and columns of them when missing.

    The connection is in autocommit mode; group writes with `transaction`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        if not _SUFFICIENT.get(tables) or _state(connection) not in _SUFFICIENT[tables]:
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                fcntl.flock(
                    folder, fcntl.LOCK_EX
                )  # SQLite does not wait for the change to WAL: first comers would fail
                connection.execute("PRAGMA journal_mode=WAL")
                _add_columns(connection, tables)  # first: an index below may be of a new column
                connection.executescript(tables)
                _SUFFICIENT.setdefault(tables, set()).add(_state(connection))
            finally:
                os.close(folder)
        connection.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


_SUFFICIENT: dict[str, set[str]] = {}
"""By tables: states of a file that hold them all. To read one is cheap, and a server connects again and again."""


def _state(connection: sqlite3.Connection) -> str:
    """All that was ever created in the file, and how it is written."""
    made = connection.execute("SELECT group_concat(sql, ';') FROM sqlite_master").fetchall()[0][0]
    return f"{connection.execute('PRAGMA journal_mode').fetchall()[0][0]} {made}"


def _add_columns(connection: sqlite3.Connection, tables: str) -> None:
    wanted = _wanted(tables)
    for table, made_by in connection.execute(_MADE_BY):
        if table in wanted and made_by != wanted[table].made_by:  # cheaper than a look at the columns of each
            there = {name for name, _ in _declared(connection, table)}
            for column, declared in wanted[table].columns:
                if column not in there:
                    connection.execute(f'ALTER TABLE "{table}" ADD COLUMN {declared}')


_MADE_BY = "SELECT name, sql FROM sqlite_master WHERE type = 'table'"


class _Table(NamedTuple):
    made_by: str
    columns: list[tuple[str, str]]


@functools.cache
def _wanted(tables: str) -> dict[str, _Table]:
    with contextlib.closing(sqlite3.connect(":memory:")) as scratch:
        scratch.executescript(tables)
        made = scratch.execute(_MADE_BY).fetchall()
        return {table: _Table(made_by, _declared(scratch, table)) for table, made_by in made}


def _declared(connection: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    """Each column and what declares it; CHECKs are not repeated."""
    return [
        (name, f'"{name}" {kind}' + " NOT NULL" * not_null + ("" if default is None else f" DEFAULT {default}"))
        for _, name, kind, not_null, default, _ in connection.execute(f'PRAGMA table_info("{table}")')
    ]


@contextlib.contextmanager
def kept_open(path: Path) -> Iterator[None]:
    """For a process that connects often: half of a connection's cost is what the last one to close tidies up, the log.

    Nothing where there is no database yet.
    """
    if not path.exists():
        yield
        return
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "SELECT 1 FROM sqlite_master"
        ).fetchall()  # opens it, and to the end: no reader keeps the log
        yield


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One writer at a time from the first statement on: read, decide and write cannot interleave."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
