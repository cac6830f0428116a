"""An index of `results.tsv`, so that what is asked most costs the same at a thousand rows and at a million.

The ledger stays the truth: the index has where each row begins, its shelf (tier and status) and its score, and rows are
read from the ledger. It lies in the workspace's database, is brought up to date before every answer, and may be dropped
at any time. Three things keep it equal to a scan of the whole file:

- a *stamp* (which file, its size, its time of change) says that the file is as it was when it was last read;
- whoever appends under the file's lock moves the stamp on (`follow`), since an append changes nothing of what was read;
- under any other stamp the file is held against the hashes of its blocks, and read anew from the first that differs.

What is surprising: a stamp younger than `durable.SETTLED_NS` is not kept, because a file system's clock ticks, and
another write within the tick would bear the same one. So lines that another tool has appended cost a reading of the
whole file, at a gigabyte a second, each time until it has come to rest. Our own appends set a time that no tick bears
(`golf.durable.append_line`), and are believed at once.
"""

import contextlib
import fcntl
import hashlib
import heapq
import io
import os
import sqlite3
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from golf import database, durable
from golf.errors import UnreadableInput
from golf.play import ledger
from golf.play.ledger import Layout
from golf.schema import Row
from golf.workspace import Workspace

TABLES = """
CREATE TABLE IF NOT EXISTS ledger_mark (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    stamp TEXT NOT NULL,        -- the state of the file that begins with what was read
    covered INTEGER NOT NULL,   -- bytes that are indexed, a last line without its break among them
    end_byte INTEGER NOT NULL,  -- of whole lines
    lines INTEGER NOT NULL,     -- whole lines
    hashes BLOB NOT NULL,       -- SHA-256 of every block of whole lines, the last one as long as it is
    recorded TEXT NOT NULL DEFAULT '' -- the state that the last append of ours left
);
CREATE TABLE IF NOT EXISTS ledger_shelf (
    id INTEGER PRIMARY KEY,
    tier BLOB NOT NULL,         -- what a ledger may hold, text in SQLite may not: half of a surrogate pair
    status TEXT NOT NULL,
    num_rows INTEGER NOT NULL,
    UNIQUE (tier, status)
);
CREATE TABLE IF NOT EXISTS ledger_row (start INTEGER PRIMARY KEY, shelf INTEGER NOT NULL, val_bpb REAL);
CREATE INDEX IF NOT EXISTS ledger_row_newest ON ledger_row (shelf);
CREATE INDEX IF NOT EXISTS ledger_row_lowest ON ledger_row (shelf, val_bpb) WHERE val_bpb IS NOT NULL;
CREATE TABLE IF NOT EXISTS ledger_torn (start INTEGER PRIMARY KEY, line INTEGER NOT NULL);
"""

BLOCK_BYTES = 1 << 18
"""Bytes under one hash."""

PIECE_BYTES = 1 << 20
"""Of the ledger that are read in one transaction, a tenth of a second, so that others who write need not wait long."""

ATTEMPTS = 5
"""At a state that nobody changes meanwhile; then an index in memory answers."""

TORN_MAX = 10
"""Torn lines that are reported."""


@contextlib.contextmanager
def opened(workspace: Workspace) -> Iterator["LedgerIndex"]:
    """The workspace's ledger as it is now; rows that are appended meanwhile are left out.

    Where the database cannot be written, the whole ledger is read into memory.

    Raises:
        UnreadableInput: the file is not a ledger, or a line in it is malformed; names file and line.
    """
    with contextlib.closing(_Ledger(workspace.ledger)) as file, contextlib.ExitStack() as stack:
        index = None
        if file.size:
            with contextlib.suppress(sqlite3.Error, OSError):
                connection = stack.enter_context(contextlib.closing(database.connect(workspace.database, TABLES)))
                connection.execute("PRAGMA synchronous=NORMAL")  # it is rebuildable
                index = _at_rest(connection, file)
        if index is None:
            connection = stack.enter_context(contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)))
            connection.executescript(TABLES)
            _catch_up(connection, file)
            index = LedgerIndex(connection, file)
        index.warn()
        yield index


def follow(connection: sqlite3.Connection, appended: durable.Appended) -> None:
    """Note that the ledger went from one state to another by an append alone; the row is read in when it is needed."""
    if appended.after:
        connection.execute(
            "UPDATE ledger_mark SET stamp = iif(stamp = ?, ?, stamp), recorded = ?",
            (appended.before, appended.after, appended.after),
        )


class LedgerIndex:
    """Answers from one state of the ledger; made by `opened`."""

    def __init__(self, connection: sqlite3.Connection, file: "_Ledger") -> None:
        self._connection = connection
        self._file = file

    def count(self, tier: str | None = None, status: str | None = None) -> int:
        """Rows of a tier and a status; None is any."""
        return sum(shelf.num_rows for shelf in self._shelves(tier, status))

    def newest(self, limit: int, tier: str | None = None, status: str | None = None) -> list[Row]:
        """At most `limit` rows, the oldest of them first."""
        found = [
            start
            for shelf in self._shelves(tier, status)
            for (start,) in self._connection.execute(
                "SELECT start FROM ledger_row WHERE shelf = ? ORDER BY start DESC LIMIT ?", (shelf.id, limit)
            )
        ]
        return [self._file.row(start) for start in sorted(heapq.nlargest(limit, found))]

    def newest_first(self) -> Iterator[Row]:
        """Every row, from the last one backwards."""
        for (start,) in self._connection.execute("SELECT start FROM ledger_row ORDER BY start DESC"):
            yield self._file.row(start)

    def lowest(self, tier: str | None = None, status: str | None = None) -> Iterator[Row]:
        """Rows with a score, the lowest val_bpb first and the older one of equals."""
        ordered = [
            self._connection.execute(
                "SELECT val_bpb, start FROM ledger_row WHERE shelf = ? AND val_bpb IS NOT NULL ORDER BY val_bpb, start",
                (shelf.id,),
            )
            for shelf in self._shelves(tier, status)
        ]
        return (self._file.row(start) for _, start in heapq.merge(*(map(tuple, rows) for rows in ordered)))

    def best(self, tier: str) -> Row | None:
        """The kept row of `tier` with the lowest val_bpb, the earlier one of equals; None without any."""
        return next(self.lowest(tier, "keep"), None)

    def warn(self) -> None:
        """Report torn lines in the log."""
        for start, line in self._connection.execute("SELECT start, line FROM ledger_torn LIMIT ?", (TORN_MAX,)):
            ledger.warn_of_torn(self._file.path, line, self._file.line(start)[0])

    def _shelves(self, tier: str | None, status: str | None) -> list["_Shelf"]:
        wanted = None if tier is None else _bytes(tier)
        found = self._connection.execute("SELECT id, tier, status, num_rows FROM ledger_shelf")
        return [one for one in map(_Shelf._make, found) if wanted in (None, one.tier) and status in (None, one.status)]


class _Shelf(NamedTuple):
    id: int
    tier: bytes
    status: str
    num_rows: int


class _Mark(NamedTuple):
    """How far the ledger was read; the columns of `ledger_mark`."""

    stamp: str = ""
    covered: int = 0
    end: int = 0
    lines: int = 0
    hashes: bytes = b""
    recorded: str = ""

    @property
    def block(self) -> int:
        """Where the block begins that the next bytes belong to."""
        return self.end // BLOCK_BYTES * BLOCK_BYTES


class _Ledger:
    """The open file, at the state it had when last looked at."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO = io.BytesIO()
        self.stamp, self.size = "", 0
        self.look()

    def look(self) -> None:
        """Take the file's state of now, also where another has taken its place."""
        with contextlib.suppress(FileNotFoundError):
            there = self.path.stat()
            if isinstance(self._file, io.BytesIO) or not os.path.samestat(os.fstat(self._file.fileno()), there):
                fresh = open(self.path, "rb")  # noqa: SIM115 (`close` closes it)
                self._file.close()
                self._file = fresh
            fcntl.flock(self._file, fcntl.LOCK_SH)  # for an instant: a line is then never seen half written
            self.stamp, self.size = durable.stamp(self._file.fileno()), os.fstat(self._file.fileno()).st_size
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        self._file.close()

    def read(self, start: int, stop: int) -> bytes:
        self._file.seek(start)
        return self._file.read(max(0, min(stop, self.size) - start))

    def line(self, start: int) -> tuple[str, bool]:
        """The line that begins at byte `start`, and whether it has its break."""
        self._file.seek(start)
        raw = self._file.readline()[: self.size - start]
        return raw.decode("utf-8", "backslashreplace").rstrip("\r\n"), raw.endswith(b"\n")

    def row(self, start: int) -> Row:
        line, is_whole = self.line(start)
        try:
            return self.layout.parse(line, untrimmed=not is_whole)
        except ValueError as error:
            raise UnreadableInput(f"{self.path} was changed while it was read: {error}. Ask again") from None

    @property
    def layout(self) -> Layout:
        return ledger.layout_named(self.line(0)[0], self.path)

    def blocks(self, stop: int) -> Iterator[bytes]:
        for at in range(0, min(stop, self.size), BLOCK_BYTES):
            yield self.read(at, min(at + BLOCK_BYTES, stop))

    def same(self, mark: _Mark) -> int:
        """Bytes from the beginning that are as they were read."""
        same = 0
        for block, hash in zip(self.blocks(mark.end), _split(mark.hashes), strict=False):
            if hashlib.sha256(block).digest() != hash:
                break
            same += len(block)
        return same


def _at_rest(connection: sqlite3.Connection, file: _Ledger) -> LedgerIndex | None:
    """The index at the file's state, in a transaction that keeps it there; None where others keep on changing it."""
    known = file.stamp
    for _ in range(ATTEMPTS):
        connection.execute("BEGIN")
        mark = _mark(connection)
        if mark is not None and mark.stamp == known and mark.covered == file.size:
            return LedgerIndex(connection, file)
        connection.execute("COMMIT")
        known = _catch_up(connection, file)
    return None


def _catch_up(connection: sqlite3.Connection, file: _Ledger) -> str:
    """Read in what is new, piece by piece; returns the stamp that it leaves."""
    mine = uuid.uuid4().hex
    while True:
        with database.transaction(connection):
            file.look()  # never older than what another process has noted
            passing = f"{file.stamp} {mine}"  # the next reader holds the file against the hashes again
            mark = _mark(connection) or _Mark()
            recorded = mark.recorded
            if mark.stamp not in (file.stamp, passing):
                mark = _kept(connection, file, mark)._replace(stamp=passing)
            if mark.stamp == passing and (file.stamp == recorded or durable.is_settled(file.stamp)):
                mark = mark._replace(stamp=file.stamp)
            mark = _read_on(connection, file, mark)._replace(recorded=recorded)
            connection.execute("REPLACE INTO ledger_mark VALUES (1, ?, ?, ?, ?, ?, ?)", mark)
        if mark.covered == file.size:
            return mark.stamp


def _kept(connection: sqlite3.Connection, file: _Ledger, mark: _Mark) -> _Mark:
    """What is left of the index of a file that may have been changed anywhere."""
    same = file.same(mark)
    if same == mark.end:
        return mark
    same = same // BLOCK_BYTES * BLOCK_BYTES
    last = connection.execute("SELECT MAX(start) FROM ledger_row WHERE start <= ?", (same,)).fetchone()[0] or 0
    _forget(connection, last)
    lines, hashes = 0, b""
    for block in file.blocks(last):
        lines += block.count(b"\n")
        hashes += hashlib.sha256(block).digest()
    return _Mark(end=last, lines=lines, hashes=hashes)


def _read_on(connection: sqlite3.Connection, file: _Ledger, mark: _Mark) -> _Mark:
    """Index some more of the ledger."""
    _forget(connection, mark.end)  # a last line that had no break: it may have grown
    known = mark.end - mark.block
    data = file.read(mark.block, mark.end + PIECE_BYTES)
    if hashlib.sha256(data[:known]).digest() != (_split(mark.hashes)[-1] if known else _NOTHING):
        return _kept(connection, file, mark)._replace(stamp=mark.stamp, covered=0)  # changed since it was looked at
    while mark.block + len(data) < file.size and b"\n" not in data[known:]:
        data += file.read(mark.block + len(data), mark.block + 2 * len(data))
    is_rest = mark.block + len(data) >= file.size
    if not is_rest:
        data = data[: data.rfind(b"\n") + 1]
    known_shelves = connection.execute("SELECT id, tier, status FROM ledger_shelf")
    shelves = {(tier, status): id for id, tier, status in known_shelves}
    rows: list[tuple[int, int, float | None]] = []
    at, end, lines = mark.end, mark.end, mark.lines
    layout = file.layout if mark.end else None
    for line in ledger.lines(io.BytesIO(data[known:]), len(data) - known, file.path, layout, mark.lines + 1):
        if line.row is not None:
            shelf = shelves.setdefault((_bytes(line.row.tier), line.row.status), len(shelves) + 1)
            rows.append((at, shelf, line.row.val_bpb))
        elif line.torn:
            connection.execute("INSERT INTO ledger_torn VALUES (?, ?)", (at, line.number))
        at += line.length
        if line.is_whole:
            end, lines = at, line.number
    connection.executemany(
        "INSERT OR IGNORE INTO ledger_shelf VALUES (?, ?, ?, 0)", [(id, *shelf) for shelf, id in shelves.items()]
    )
    connection.executemany("INSERT INTO ledger_row VALUES (?, ?, ?)", rows)
    _count(connection, (shelf for _, shelf, _ in rows), 1)
    data = data[: end - mark.block]
    fresh = (hashlib.sha256(data[at : at + BLOCK_BYTES]).digest() for at in range(0, len(data), BLOCK_BYTES))
    before = mark.hashes[: mark.block // BLOCK_BYTES * len(_NOTHING)]
    return _Mark(mark.stamp, file.size if is_rest else at, end, lines, b"".join((before, *fresh)))


def _bytes(tier: str) -> bytes:
    return tier.encode("utf-8", "surrogatepass")


_NOTHING = hashlib.sha256().digest()


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + len(_NOTHING)] for at in range(0, len(hashes), len(_NOTHING))]


def _forget(connection: sqlite3.Connection, start: int) -> None:
    """Drop what begins at byte `start` or behind it."""
    gone = connection.execute("SELECT shelf FROM ledger_row WHERE start >= ?", (start,))
    _count(connection, (shelf for (shelf,) in gone.fetchall()), -1)
    connection.execute("DELETE FROM ledger_row WHERE start >= ?", (start,))
    connection.execute("DELETE FROM ledger_torn WHERE start >= ?", (start,))


def _count(connection: sqlite3.Connection, shelves: Iterable[int], by: int) -> None:
    counts = Counter(shelves)
    connection.executemany(
        "UPDATE ledger_shelf SET num_rows = num_rows + ? WHERE id = ?", [(by * n, id) for id, n in counts.items()]
    )


def _mark(connection: sqlite3.Connection) -> _Mark | None:
    found = connection.execute("SELECT stamp, covered, end_byte, lines, hashes, recorded FROM ledger_mark").fetchone()
    return None if found is None else _Mark(*found)
