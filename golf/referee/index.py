"""What was judged before, so that a second run reads only what is new.

One SQLite file, a cache and never a source of truth: each value carries a checksum over itself and its key. A value
that does not match is judged again, and a damaged index is moved aside (`.damaged`) and begun anew. A file that is no
index is somebody's, and left alone. Keys are made of what a value depends on, so that nothing stale is ever found.
"""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from golf.errors import UnreadableInput

TABLES = "CREATE TABLE IF NOT EXISTS kept (kind TEXT, key TEXT, value BLOB, checksum BLOB, PRIMARY KEY (kind, key))"
MAGIC = b"SQLite format 3\0"
"""Begins every such file; SQLite itself would write over a shorter one."""

COLUMNS = ["kind", "key", "value", "checksum"]
MARK = b"golf"
"""SQLite's application id, which stands in the file's header: by it an index is known even when it is damaged."""

_MARK_AT = 68

WAIT_S = 30.0
"""Seconds to wait for another run that is writing."""


class Index:
    """Values by kind and key; in memory alone where no path is given.

    Raises:
        UnreadableInput: the file cannot be opened or written, or it is no index.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._connection = self._opened()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def get(self, kind: str, keys: Iterable[str]) -> dict[str, bytes]:
        """The values of those keys that are there and whole."""
        wanted = set(keys)
        found: dict[str, bytes] = {}
        with self._healing():
            rows = self._connection.execute("SELECT key, value, checksum FROM kept WHERE kind = ?", (kind,))
            for key, value, checksum in rows:
                if key in wanted and checksum == _checksum(kind, key, value):
                    found[key] = value
        return found

    def put(self, kind: str, values: Mapping[str, bytes]) -> None:
        """Keep values, in place of older ones."""
        rows = [(kind, key, value, _checksum(kind, key, value)) for key, value in values.items()]
        with self._healing(), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)", rows)

    def keep_only(self, kinds: Iterable[str]) -> None:
        """Forget the values of all other kinds."""
        wanted = list(kinds)
        with self._healing(), self._connection:
            marks = ", ".join("?" * len(wanted))
            self._connection.execute(f"DELETE FROM kept WHERE kind NOT IN ({marks})", wanted)

    @contextlib.contextmanager
    def _healing(self) -> Iterator[None]:
        """Begin anew when the file turns out to be damaged; what was asked of it is then not found, or not kept."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if _is_in_the_way(error):
                raise UnreadableInput(f"the index {self._path} could not be used: {error}") from error
            self._connection.close()
            self._move_aside()
            self._connection = self._opened()

    def _opened(self) -> sqlite3.Connection:
        if self._path is None:
            connection = sqlite3.connect(":memory:")
            connection.execute(TABLES)
            return connection
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            is_marked = self._is_marked()
            connection = sqlite3.connect(self._path, timeout=WAIT_S)
        except (OSError, sqlite3.Error) as error:
            raise UnreadableInput(f"the index {self._path} could not be opened: {error}") from error
        try:
            if not is_marked:
                self._adopt(connection)
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute(TABLES)
            connection.execute("SELECT kind, key, value, checksum FROM kept LIMIT 1").fetchone()
        except UnreadableInput:
            connection.close()
            raise
        except sqlite3.DatabaseError as error:
            connection.close()
            if _is_in_the_way(error):
                raise UnreadableInput(f"the index {self._path} could not be used: {error}") from error
            if not is_marked:
                raise self._not_ours() from error
            self._move_aside()
            return self._opened()
        return connection

    def _is_marked(self) -> bool:
        """Whether the file says that it is an index.

        Raises:
            UnreadableInput: it holds something that is no database.
        """
        assert self._path is not None
        if not self._path.exists():
            return False
        with open(self._path, "rb") as file:
            header = file.read(100)
        if header[: len(MAGIC)] not in (b"", MAGIC):
            raise self._not_ours()
        return header[_MARK_AT : _MARK_AT + len(MARK)] == MARK

    def _adopt(self, connection: sqlite3.Connection) -> None:
        """Mark an empty database, or one with an index's table alone: older ones have no mark.

        Raises:
            UnreadableInput: it holds something else.
        """
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = [row[1] for row in connection.execute("PRAGMA table_info(kept)")]
        if tables not in ([], ["kept"]) or (tables and columns != COLUMNS):
            raise self._not_ours()
        connection.execute(f"PRAGMA application_id = {int.from_bytes(MARK, 'big')}")

    def _not_ours(self) -> UnreadableInput:
        return UnreadableInput(
            f"{self._path} is no index of judged submissions, and is left as it is. Give a file that is one, or a new "
            "name; if it was one, move it away"
        )

    def _move_aside(self) -> None:
        if self._path is not None:
            self._path.replace(self._path.with_name(f"{self._path.name}.damaged"))


def _is_in_the_way(error: sqlite3.DatabaseError) -> bool:
    """Whether something else than the file's content keeps us from it: a lock, a full disk, a missing permission."""
    return isinstance(error, sqlite3.OperationalError) and not str(error).startswith("no such")


def _checksum(kind: str, key: str, value: bytes) -> bytes:
    return hashlib.sha256(b"\0".join([kind.encode(), key.encode(), value])).digest()
