"""`results.tsv`: one line per finished run, append only, readable with grep at 2 am.

Nine tab-separated columns under a header. None is an empty cell; numbers are written so that they
read back exactly; in text a backslash and every unprintable character (tab and line break among
them) is written as a Python escape, so a row is always one line. 0 in a measured column is how
other loops spell "not measured" and is read as None.

Files of other loops are read by their header's names and appended to in their own layout: five
columns (karpathy/autoresearch) or ten (robinojw/parameter-golf-autoresearch, whose extra column is
`source_item`). Columns of ours that a layout lacks ride at the end of the description, as
` [tier=… artifact_bytes=… promoted=… cost_usd=…]`, so that a paid run cannot look free there.

A torn line, left by a kill or a power cut within an append, was never acknowledged: it is reported
in the log and skipped. Any other line that cannot be read is an error, because skipping it would
silently lose a run.
"""

import fcntl
import hashlib
import io
import logging
import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

from golf import durable
from golf.errors import UnreadableInput
from golf.schema import Row, Tier

log = logging.getLogger(__name__)

COLUMNS = (
    "commit",
    "tier",
    "val_bpb",
    "artifact_bytes",
    "memory_gb",
    "status",
    "promoted",
    "cost_usd",
    "description",
)
HEADER = "\t".join(COLUMNS)

REQUIRED = {"commit", "val_bpb", "status", "description"}
"""A first line with these names is a ledger's header; other columns may be absent or unknown."""

BLANKS = {"", "-", "–", "...", "…", "?", "n/a", "na", "none", "null"}
"""Cells that say "no number", in lower case; nan and inf are none either."""

NOT_RUN = {"infra", "rate_limited"}
"""Statuses robin's loop adds for lines that are no experiment; read as `discard`, named in the description."""

MARKED_BYTES = 4096
"""Of the end of a file that is marked: one that was rewritten or merged meanwhile is told by them."""

TORN = " # torn"
"""Closes off a torn line. It starts with no tab: half of it must not complete a row either."""


def append(path: Path, row: Row) -> durable.Appended:
    """Append one row; when this returns it is on disk, whole, whatever is killed next.

    Returns:
        The file's states before and after, for `golf.play.ledger_index`.

    Raises:
        UnreadableInput: a number in the row is not finite, or the file is not a ledger.
    """
    layout = layout_of(path)
    return durable.append_line(path, layout.format(row), header=HEADER, close=layout.close)


def replace(path: Path, rows: Iterable[Row]) -> None:
    """Make these the rows of the file, atomically and in the layout it has; for merging, which nothing else needs.

    Raises:
        UnreadableInput: as `append`; the file is as it was.
    """
    layout = layout_of(path)
    lines = ["\t".join(layout.columns), *map(layout.format, rows)]
    durable.replace(path, "".join(f"{line}\n" for line in lines))


def mark(path: Path) -> str:
    """Where the file ends, and with what: `holds` then tells what has been appended since."""
    try:
        with open(path, "rb") as file:
            return _mark(file, file.seek(0, os.SEEK_END))
    except FileNotFoundError:
        return _mark(io.BytesIO(), 0)


def holds(path: Path, row: Row, since: str) -> bool | None:
    """Whether this very row was appended after `since` was marked; None where what was marked is no longer there.

    Raises:
        UnreadableInput: the file is not a ledger.
    """
    if not path.exists():
        return False if since == mark(path) else None
    line = layout_of(path).format(row).encode()
    with open(path, "rb") as file:
        size = int(since.split(" ")[0])
        if _mark(file, size) != since:
            return None
        file.seek(size)
        return any(raw.rstrip(b"\r\n") == line for raw in file)  # a line break may be all that is torn off


def read(path: Path) -> list[Row]:
    """Every row, oldest first; none when there is no file yet.

    Raises:
        UnreadableInput: the file is not a ledger, or a line in it is malformed; names file and line.
    """
    return list(iterate(path))


def iterate(path: Path) -> Iterator[Row]:
    """Like `read`, one row at a time in constant memory; rows appended meanwhile are left out."""
    if not path.exists():
        return
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # held for an instant: a line is then never seen half written
        left = os.fstat(file.fileno()).st_size
        fcntl.flock(file, fcntl.LOCK_UN)
        yield from rows(file, left, path)


def rows(file: BinaryIO, left: int, path: Path, layout: "Layout | None" = None, first: int = 1) -> Iterator[Row]:
    """The rows in the next `left` bytes of an open ledger, whose next line is line `first` of the file at `path`.

    Without a `layout` that line is the header. A torn line is reported in the log.

    Raises:
        UnreadableInput: as `read`.
    """
    for line in lines(file, left, path, layout, first):
        if line.row is not None:
            yield line.row
        elif line.torn:
            warn_of_torn(path, line.number, line.torn)


class Line(NamedTuple):
    """One line of a ledger, read."""

    number: int
    """Of the file, from 1."""
    row: Row | None
    """None for a header, a blank line and a torn one."""
    length: int
    """Bytes, the line break included where there is one."""
    is_whole: bool
    """It has its line break."""
    torn: str = ""
    """What a kill has left of a row."""


def lines(file: BinaryIO, left: int, path: Path, layout: "Layout | None" = None, first: int = 1) -> Iterator[Line]:
    """The lines in the next `left` bytes of an open ledger; as `rows`, and nothing is reported.

    Raises:
        UnreadableInput: as `read`.
    """
    for number, raw in enumerate(file, start=first):
        if left <= 0:
            return
        raw = raw[:left]
        left -= len(raw)
        whole = raw.endswith(b"\n")
        line = raw.decode("utf-8", "backslashreplace").rstrip("\r\n")
        row, torn = None, ""
        if layout is None:
            if not whole and _is_torn_header(line):
                return
            layout = Layout.of(line, path)
        elif line.strip() and not layout.is_header(line):
            try:
                row = layout.parse(line, untrimmed=not whole)
            except ValueError as error:
                if whole and not line.endswith(TORN):
                    raise UnreadableInput(
                        f"{path}:{number} is not a ledger row: {error}. The line is {_shorten(line)!r}. "
                        f"Correct it or delete it: ${{EDITOR:-vi}} +{number} {path}"
                    ) from None
                torn = line
        yield Line(number, row, len(raw), whole, torn)


def warn_of_torn(path: Path, number: int, line: str) -> None:
    """Say in the log that a line was torn."""
    log.warning("%s:%d is torn and was skipped: %r", path, number, _shorten(line))


def best(rows: Iterable[Row], tier: Tier) -> Row | None:
    """The kept row of `tier` with the lowest val_bpb, the earlier one of equals; None without any."""
    kept = (row for row in rows if row.tier == tier and row.status == "keep" and row.val_bpb is not None)
    return min(kept, key=lambda row: row.val_bpb or math.inf, default=None)


@dataclass(frozen=True)
class Layout:
    """The columns of one file, in its own order."""

    columns: tuple[str, ...]

    @classmethod
    def of(cls, header: str, path: Path) -> "Layout":
        """The layout that a file's first line names.

        Raises:
            UnreadableInput: it is not a ledger's header.
        """
        columns = tuple(cell.strip() for cell in header.removeprefix("\ufeff").split("\t"))
        if not set(columns) >= REQUIRED or len(set(columns)) < len(columns):
            raise UnreadableInput(
                f"{path}:1 is not a ledger's header: {_shorten(header)!r}. It needs the tab-separated columns "
                f"{', '.join(sorted(REQUIRED))}. Move it away and a new one starts: mv {path} {path}.old"
            )
        return cls(columns)

    @cached_property
    def header(self) -> str:
        return "\t".join(self.columns)

    @cached_property
    def lost(self) -> tuple[str, ...]:
        """Our columns that this layout has no place for."""
        return tuple(name for name in COLUMNS if name not in self.columns)

    @cached_property
    def carried(self) -> re.Pattern[str]:
        """A description with the lost columns behind it."""
        cells = " ".join(rf"{name}=(\S*)" for name in self.lost)
        return re.compile(rf"(.*) \[{cells}\]")

    @cached_property
    def width(self) -> int:
        """Cells up to the last column that is ours; a complete row has no fewer."""
        return 1 + max(index for index, name in enumerate(self.columns) if name in COLUMNS)

    def is_header(self, line: str) -> bool:
        """True for the header, also where files were concatenated."""
        return line == self.header

    def parse(self, line: str, untrimmed: bool = False) -> Row:
        """One line as a row; missing trailing cells are blank unless `untrimmed`.

        Raises:
            ValueError: a cell does not fit its column.
        """
        cells = line.split("\t")
        if len(cells) == 1:
            cells = line.split("\\t")  # agents' `echo` writes backslash-t for tab; such rows occur in real files
        if len(cells) > len(self.columns) and any(cell.strip() for cell in cells[len(self.columns) :]):
            raise ValueError(f"it has {len(cells)} cells, the header {len(self.columns)}")
        if untrimmed and len(cells) < self.width:
            raise ValueError(f"it has {len(cells)} cells and no line break, the header {len(self.columns)}")
        cell = dict.fromkeys(COLUMNS, "") | dict(zip(self.columns, cells, strict=False))
        if self.lost and (match := self.carried.fullmatch(cell["description"])):
            cell |= dict(zip(("description", *self.lost), match.groups(), strict=True))
        status = cell["status"].strip().lower()
        description = _unescape(cell["description"])
        if status in NOT_RUN:
            status, description = "discard", f"{status}: {description}"
        promoted = cell["promoted"].strip().lower() or "no"
        if status not in ("keep", "discard", "crash"):
            raise ValueError(f"status is {cell['status']!r}, not keep, discard or crash")
        if promoted not in ("yes", "no", "pending"):
            raise ValueError(f"promoted is {cell['promoted']!r}, not yes, no or pending")
        return Row(
            commit=_unescape(cell["commit"]),
            tier=_unescape(cell["tier"]) or "local",
            val_bpb=_number("val_bpb", cell) or None,
            artifact_bytes=_count("artifact_bytes", cell) or None,
            memory_gb=_number("memory_gb", cell) or None,
            status=status,
            promoted=promoted,
            cost_usd=_number("cost_usd", cell) or 0.0,
            description=description,
        )

    def format(self, row: Row) -> str:
        """One row as this file's line, without the line break.

        Raises:
            UnreadableInput: a number is not finite.
        """
        cell = {name: _cell(name, getattr(row, name)) for name in COLUMNS}
        if self.lost:
            riders = " ".join(f"{name}={cell[name].replace(' ', _escape_character(' '))}" for name in self.lost)
            cell["description"] += f" [{riders}]"
        return "\t".join(cell.get(name, "") for name in self.columns)

    def close(self, line: str) -> str:
        """What belongs behind a last line without a line break: nothing, unless it is torn."""
        if _is_torn_header(line):
            return HEADER[len(line) :]
        if self.is_header(line):
            return ""
        try:
            self.parse(line, untrimmed=True)
        except ValueError:
            return TORN
        return ""


layout_named = lru_cache(maxsize=8)(Layout.of)
"""`Layout.of`, of the headers that were met last."""

OURS = Layout(COLUMNS)


def layout_of(path: Path) -> Layout:
    """The layout of the file at `path`; ours where there is none yet.

    Raises:
        UnreadableInput: the file is not a ledger.
    """
    try:
        with open(path, "rb") as file:
            raw = file.readline()
    except FileNotFoundError:
        return OURS
    line = raw.decode("utf-8", "backslashreplace")
    return OURS if _is_torn_header(line) else layout_named(line.rstrip("\r\n"), path)


def _mark(file: BinaryIO, size: int) -> str:
    start = max(0, size - MARKED_BYTES)
    file.seek(start)
    return f"{size} {hashlib.sha256(file.read(size - start)).hexdigest()}"


def _is_torn_header(line: str) -> bool:
    return HEADER.startswith(line)


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UnreadableInput(
                f"{name} is {value}, which is no measurement; record the run as a crash with {name} None"
            )
        cents = f"{value:.2f}"
        return cents if name == "cost_usd" and float(cents) == value else repr(value)
    return _escape(str(value))


def _number(name: str, cell: dict[str, str]) -> float | None:
    try:
        value = float(cell[name])
    except ValueError:
        if cell[name].strip().lower() in BLANKS:
            return None
        raise ValueError(f"{name} is {cell[name]!r}, not a number") from None
    return value if math.isfinite(value) else None


def _count(name: str, cell: dict[str, str]) -> int | None:
    try:
        return int(cell[name])
    except ValueError:
        value = _number(name, cell)  # spreadsheets write 14200000.0
        if value is None or value.is_integer():
            return None if value is None else int(value)
        raise ValueError(f"{name} is {cell[name]!r}, not a whole number") from None


def _escape(text: str) -> str:
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(c if c.isprintable() and c != "\\" else _escape_character(c) for c in text)


def _escape_character(c: str) -> str:
    named = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
    code = ord(c)
    return named.get(c) or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )


_ESCAPE = re.compile(r"\\(?:([\\tnr])|x([0-9a-f]{2})|u([0-9a-f]{4})|U(00[01][0-9a-f]{5}))")


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text

    def character(match: re.Match[str]) -> str:
        if match[1]:
            return {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}[match[1]]
        code = int(match[2] or match[3] or match[4], 16)
        return chr(code) if code <= 0x10FFFF else match[0]

    return _ESCAPE.sub(character, text)


def _shorten(line: str, width: int = 120) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"
