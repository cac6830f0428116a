"""The workspace's SQLite file: one connection recipe, one kind of transaction.

`.golf/golf.db` holds jobs, leases and money. WAL with full synchronisation: a committed row
survives `kill -9` and power loss. Each owner (`jobs.store`, `play.budget`) brings its own tables.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path


def connect(path: Path, tables: str) -> sqlite3.Connection:
    """Open the database, creating `tables` (`CREATE TABLE IF NOT EXISTS …`) when missing.

    The connection is in autocommit mode; group writes with `transaction`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.executescript(tables)
    return connection


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
