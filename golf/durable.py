"""Files that survive a `kill -9`: whole-file replacement and locked, flushed appends.

A reader never sees half a file written by `replace`; a line appended by `append_line` is either
wholly there or not there, also with many writers. A torn last line, left by a power cut, is
closed off by the next append so that it can only ever cost itself.
"""

import contextlib
import fcntl
import json
import os
import tempfile
from pathlib import Path
from typing import Any


def replace(path: Path, data: bytes | str) -> None:
    """Write `data` to `path` atomically: temporary file beside it, fsync, rename, fsync of the folder."""
    payload = data.encode() if isinstance(data, str) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    sync_folder(path.parent)


def replace_json(path: Path, value: Any) -> None:
    """Like `replace`, for a JSON document (pydantic models are dumped by the caller)."""
    replace(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def append_line(path: Path, line: str, header: str | None = None) -> None:
    """Append one line under the file's lock and flush it to disk; `header` starts a new file.

    Raises:
        ValueError: `line` contains a line break.
    """
    if "\n" in line or "\r" in line:
        raise ValueError(f"a ledger line must not contain line breaks (got {line!r})")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # on the file itself: no lock files in people's folders
        size = file.seek(0, os.SEEK_END)
        prefix = b""
        if size == 0 and header is not None:
            prefix = header.encode() + b"\n"
        elif size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                prefix = b"\n"
        file.write(prefix + line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename survives a power cut (no-op where unsupported)."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
