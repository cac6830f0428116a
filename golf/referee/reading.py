"""A stranger's folder, listed and read within bounds; nothing in it is followed, run or unpickled.

Links and special files are left out, and so is whatever is beyond the limits here; each is a finding. A file may
have become something else since it was listed, so it is opened without following a link or waiting for a pipe.
"""

import codecs
import os
import re
import stat
import unicodedata
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from golf.errors import NotFound
from golf.referee.rulebook import finding
from golf.rulings import Evidence, Finding, Severity

FILES_MAX = 2_000
"""Files listed in one submission; the largest of 2,059 pull requests has 153."""

FOLDERS_MAX = 1_000
DEPTH_MAX = 12
"""Folders below the submission's own."""

ENTRIES_MAX = 20_000
"""Names looked at, whatever they are."""

TEXT_BYTES_MAX = 4_000_000
"""Of one text; a larger one is not read. The largest script or log of those pull requests has 2.2 MB."""

TOTAL_BYTES_MAX = 24_000_000
"""Of all that is read of one submission; what comes after is not read."""

TOTAL_LINES_MAX = 400_000
"""Lines of all that is read: lines take time however short they are. The most in those pull requests are 158,000."""

SHOWN_MAX = 5
"""Files named in a finding that is about many."""

NO_TEXT_SHARE = 0.1
"""Of a file's characters, null bytes, control characters and bad UTF-8, beyond which it is no text, whatever its name
says; a damaged README has a few."""

STRANGE_MIN = 100
"""So many of them at least."""

_STRANGE = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")

_ACTED_ON = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
"""Unicode categories that a terminal acts on or cannot show."""


@dataclass(frozen=True)
class Listed:
    """A regular file as it was when it was listed."""

    path: bytes
    """As the system has it: a name need not be UTF-8."""
    size: int


@dataclass
class Folder:
    """The files of one submission, and what is wrong with them."""

    path: Path
    files: dict[str, Listed] = field(default_factory=dict)
    """By name relative to the folder, cleaned: it may be shown as it is."""
    _problems: dict[tuple[str, Severity], list[tuple[str, str]]] = field(default_factory=dict)
    """Per kind of problem the files that have it, each with what stands there."""
    opened: set[str] = field(default_factory=set)
    """Names of the files that were read."""
    left: int = TOTAL_BYTES_MAX
    """Bytes that may still be read."""
    lines_left: int = TOTAL_LINES_MAX
    """Line ends that may still be."""

    def note(self, problem: str, name: str, quote: str, severity: Severity = "flag") -> None:
        """Record that a file has a problem."""
        self._problems.setdefault((problem, severity), []).append((name, quote))

    def is_noted(self, name: str) -> bool:
        """Whether a file has a problem that is recorded."""
        return any(name == noted for places in self._problems.values() for noted, _ in places)

    @property
    def findings(self) -> list[Finding]:
        """One finding per kind of problem."""
        found = []
        for (problem, severity), places in self._problems.items():
            text = f"{problem}: {listed([name for name, _ in places])}"
            evidence = [Evidence(file=name, line=None, quote=quote) for name, quote in places[:SHOWN_MAX]]
            found.append(finding("UNREADABLE", text, *evidence, confidence=1.0, severity=severity))
        return found

    def read(self, name: str, at_most: int = TEXT_BYTES_MAX) -> bytes | None:
        """The bytes of a listed file; None, with a finding, when it is too large or cannot be read."""
        path, size = self.files[name].path, self.files[name].size
        if size > at_most:
            return self.note(f"over {at_most:,} bytes and not read", name, f"{size} bytes")
        if size > self.left:
            return self.note(f"not read, as {TOTAL_BYTES_MAX:,} bytes were read before", name, f"{size} bytes")
        try:
            data = _read(path, at_most)
        except OSError as error:
            return self.note("cannot be read", name, error.strerror or type(error).__name__)
        self.left -= len(data)
        self.opened.add(name)
        num_lines = data.count(b"\n") + data.count(b"\r")
        if num_lines > self.lines_left:
            return self.note(f"not read, as there are over {TOTAL_LINES_MAX:,} lines", name, f"{num_lines} lines")
        self.lines_left -= num_lines
        return data

    def text(self, name: str, strict: bool = False) -> str | None:
        """A listed file as text, byte order marks understood; what is no UTF-8 is replaced, with a finding.

        A `strict` text is one a machine must read, such as a script: there, null bytes and bad UTF-8 need a person.
        """
        data = self.read(name)
        if data is None:
            return None
        text = decoded(data)
        strange = 0 if strict else len(_STRANGE.findall(text))
        if strange >= STRANGE_MIN and (share := strange / len(text)) > NO_TEXT_SHARE:
            self.opened.discard(name)
            return self.note("is no text and was not read", name, f"{share:.0%} of it is no character of a text")
        severity: Severity = "flag" if strict else "note"
        if "\0" in text:
            self.note("holds null bytes", name, f"{text.count(chr(0))} null bytes", severity)
        if "\ufffd" in text and "\ufffd".encode() not in data:
            self.note("is no valid UTF-8", name, f"{text.count(chr(0xFFFD))} bytes replaced", severity)
        return text


def list_folder(path: Path) -> Folder:
    """List the regular files below `path`, nearest first.

    Raises:
        NotFound: there is no such folder.
    """
    if not path.is_dir():
        raise NotFound(f"there is no folder {path}. Give one submission's folder")
    folder = Folder(path)
    for raw, entry in _entries(os.fsencode(path), folder):
        name = printable(raw)
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            folder.note("cannot be read", name, error.strerror or type(error).__name__)
            continue
        if stat.S_ISDIR(status.st_mode):
            continue
        if stat.S_ISLNK(status.st_mode):
            folder.note("a link and not followed", name, "a symbolic link")
        elif not stat.S_ISREG(status.st_mode):
            folder.note("a special file and not opened", name, "neither a file nor a folder")
        elif len(folder.files) >= FILES_MAX:
            folder.note(f"over {FILES_MAX:,} files; not read, with all after it", name, f"file {FILES_MAX + 1}")
            break
        else:
            if name.encode() != raw:
                folder.note("a name that cannot be shown as it is", name, ascii(raw)[:200], "note")
            folder.files[_unused(name, folder.files)] = Listed(entry.path, status.st_size)
    _note_twins(folder)
    return folder


def _note_twins(folder: Folder) -> None:
    """Names that differ in case alone: which of the files counts depends on who reads them."""
    seen: dict[str, str] = {}
    for name in folder.files:
        if (other := seen.setdefault(name.casefold(), name)) != name:
            folder.note("a name that differs from another in case alone", name, other)


def _entries(top: bytes, folder: Folder) -> Iterator[tuple[bytes, "os.DirEntry[bytes]"]]:
    """Everything below `top` but Git's own with its relative name, the nearest first and sorted within a folder."""
    waiting = deque([(top, b"", 0)])
    folders, seen = 0, 0
    while waiting:
        place, inside, depth = waiting.popleft()
        name = printable(inside) or "."
        folders += 1
        if folders > FOLDERS_MAX:
            return folder.note(f"over {FOLDERS_MAX:,} folders; not read, with all after it", name, "a folder")
        entries = []
        try:
            with os.scandir(place) as found:
                for entry in found:
                    entries.append(entry)
                    seen += 1
                    if seen > ENTRIES_MAX:
                        folder.note(f"over {ENTRIES_MAX:,} names; not all were read", name, f"{seen} names")
                        break
        except OSError as error:
            folder.note("cannot be read", name, error.strerror or type(error).__name__)
        entries.sort(key=lambda entry: entry.name)
        for entry in entries:
            if entry.name == b".git":
                continue
            raw = inside + b"/" + entry.name if inside else entry.name
            yield raw, entry
            if entry.is_dir(follow_symlinks=False):
                if depth < DEPTH_MAX:
                    waiting.append((entry.path, raw, depth + 1))
                else:
                    folder.note(f"over {DEPTH_MAX} folders deep and not read", printable(raw), "a folder")
        if seen > ENTRIES_MAX:
            return None
    return None


def _read(path: bytes, at_most: int) -> bytes:
    """Up to `at_most` bytes of a file that is a regular one at this moment; raises OSError otherwise."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "no longer a regular file")
        return file.read(at_most)


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - SHOWN_MAX} more" if len(names) > SHOWN_MAX else ""
    return ", ".join(names[:SHOWN_MAX]) + more


def decoded(data: bytes) -> str:
    """Bytes as text, byte order marks understood and taken off; what is neither UTF-8 nor UTF-16 is replaced."""
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    return data.decode(encoding, errors="replace")


def printable(name: bytes | str) -> str:
    """A name that can be shown and encoded: whatever a terminal would act on is escaped."""
    text = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in _ACTED_ON else character
        for character in text
    )


def _unused(name: str, taken: dict[str, Listed]) -> str:
    """Two names may look the same once cleaned."""
    number = 2
    unused = name
    while unused in taken:
        unused = f"{name} ({number})"
        number += 1
    return unused
