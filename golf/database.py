"""The workspace's SQLite file: one connection recipe, one kind of transaction.

`.golf/golf.db` holds jobs, money and intents to record. WAL with full synchronisation: a committed row
survives `kill -9` and power loss. Each owner (`jobs.store`, `play.record`, `play.budget`) brings its own tables.
"""

import contextlib
import fcntl
import os
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
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # SQLite does not wait for the change to WAL: first comers would fail
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(tables)
    except sqlite3.Error:
        connection.close()
        raise
    finally:
        os.close(folder)
    connection.execute("PRAGMA synchronous=FULL")
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
