"""Temporary folders that do not outlive their owner, however it ends.

A block's end removes its folder; so does a signal that asks to end (`asked_to_end`). What a `kill -9` leaves is removed
by the next one who makes such a folder: the owner holds a lock on a file in it, which the system lets go of with the
owner's last breath. No process id is believed: a container sees other processes than its host, in the same folder.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

LOCK = ".owner"

_swept: set[tuple[str, str]] = set()


@contextlib.contextmanager
def folder(prefix: str) -> Iterator[Path]:
    """A new folder whose name begins with `prefix`, gone after the block; first, those of dead owners are removed."""
    _sweep(prefix)
    place = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        with _locked(place / LOCK):
            yield place
    finally:
        remove(place)


def remove(place: Path) -> None:
    """A folder with all that is in it, as far as possible."""
    with contextlib.suppress(RecursionError):  # it may be nested without end
        shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def asked_to_end() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP end this process as an exit does, so that every open block is left in order.

    Where somebody else decides on them, e.g. `nohup`, that stands.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        for each in mine:  # a second one, e.g. of the terminal that closes, must not break off the tidying up
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    mine: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        mine = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is signal.SIG_DFL]
    for each in mine:
        signal.signal(each, leave)
    try:
        yield
    finally:
        for each in mine:
            signal.signal(each, signal.SIG_DFL)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock on a file that appears only with it: nobody finds it free before."""
    coming = path.with_name(f"{path.name}.new")
    with open(coming, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        coming.rename(path)
        yield


def _sweep(prefix: str) -> None:
    """Remove our user's folders of this prefix whose owner is gone; once in a process."""
    top = tempfile.gettempdir()
    if (top, prefix) in _swept:
        return
    _swept.add((top, prefix))
    with contextlib.suppress(OSError), os.scandir(top) as entries:
        for entry in entries:
            if entry.name.startswith(prefix) and entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                        _remove_if_left(Path(entry.path))


def _remove_if_left(place: Path) -> None:
    with open(place / LOCK, "rb") as file:  # one without it is not ours, or just being made
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove(place)
