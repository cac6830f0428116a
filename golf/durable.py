"""Files that survive a `kill -9`: whole-file replacement and locked, flushed appends.

A reader never sees half a file written by `replace`; a line appended by `append_line` is either
wholly there or not there, also with many writers. A torn last line, left by a power cut, is
closed off by the next append so that it can only ever cost itself.
"""

import contextlib
import fcntl
import json
import mmap
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple


@contextlib.contextmanager
def replacement(path: Path) -> Iterator[BinaryIO]:
    """A binary file that becomes `path` when the block ends well, and vanishes when it raises.

    Temporary file beside it, fsync, rename, fsync of the folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(fd, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def replace(path: Path, data: bytes | str) -> None:
    """Write `data` to `path` atomically, as `replacement` does."""
    with replacement(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def replace_json(path: Path, value: Any) -> None:
    """Like `replace`, for a JSON document (pydantic models are dumped by the caller)."""
    replace(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


class Appended(NamedTuple):
    """The states of a file that one append lies between, as `stamp` tells them."""

    before: str
    after: str


SETTLED_NS = 2_000_000_000
"""A file changed longer ago bears a stamp that no later change will bear; the coarsest clocks tick in two seconds."""


def stamp(file: int | str) -> str:
    """What tells one state of a file from another without reading it: which file, its size, when it was changed."""
    status = os.stat(file)  # noqa: PTH116 (one that is open, too)
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def is_settled(stamp: str) -> bool:
    """Whether no later change of the file will leave the same stamp; not for an empty one."""
    return bool(stamp) and time.time_ns() - max(map(int, stamp.split(" ")[2:])) > SETTLED_NS


def append_line(
    path: Path, line: str, header: str | None = None, close: Callable[[str], str] | None = None
) -> Appended:
    """Append one line under the file's lock and flush it to disk; `header` starts a new file.

    `close` is shown a last line that has no line break and returns what to write behind it before
    the break, so that a format can tell a torn line from one whose break was merely left out.
    The file's time is set to the nanosecond: the system's own is a tick's, which several writes may share, so that
    `after` is also told from what others write in the same tick. Where that cannot be done, `after` is empty.

    Raises:
        ValueError: `line` contains a line break.
    """
    if "\n" in line or "\r" in line:
        raise ValueError(f"a ledger line must not contain line breaks (got {line!r})")
    try:
        file = open(path, "ab+")  # noqa: SIM115 (the block below closes it)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "ab+")  # noqa: SIM115 (as above)
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)  # on the file itself: no lock files in people's folders
        size = file.seek(0, os.SEEK_END)
        prefix = b""
        if size == 0 and header is not None:
            prefix = header.encode() + b"\n"
        elif size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                prefix = (close(_last_line(file.fileno())) if close else "").encode() + b"\n"
        before = stamp(file.fileno())
        file.write(prefix + line.encode() + b"\n")
        file.flush()
        is_told = _set_time(file.fileno())
        os.fsync(file.fileno())
        after = stamp(file.fileno()) if is_told else ""
    if size == 0:
        sync_folder(path.parent)
    return Appended(before, after)


def _set_time(fd: int) -> bool:
    now = time.time_ns()
    try:
        os.utime(fd, ns=(now, now))
    except OSError:  # not our file, though we may write to it
        return False
    return os.fstat(fd).st_mtime_ns == now  # file systems that count in seconds or microseconds cannot say it


def _last_line(fd: int) -> str:
    with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as content:
        return content[content.rfind(b"\n") + 1 :].decode("utf-8", "replace")


def tail(path: Path, num_bytes: int = 16 * 1024) -> str:
    """The end of a text file, without reading the rest; empty when there is no such file."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - num_bytes))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename survives a power cut (no-op where unsupported)."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
