"""One process at a time brings a run into a store: two would each find it missing, and write it twice."""

import contextlib
import fcntl
import hashlib
import os
import time
from pathlib import Path

from golf.errors import TrackingFailed

WAITS_S = 20.0
"""For another one to end; one that follows a run may stay for hours, and is not waited for."""
POLL_S = 0.1


class Alone:
    """A lock on a run in a store; the kernel lets go of it when its process ends, however that ends.

    Args:
        folder: Of the stores.
        to: The store's name.
        key: What run it is.
    """

    def __init__(self, folder: Path, to: str, key: str) -> None:
        self._path = folder / "tracking" / f"{to}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.lock"
        self._to, self._held = to, -1

    def take(self) -> None:
        """Hold it, or go without where no file can be made: then the store itself says what is wrong.

        Raises:
            TrackingFailed: another process has held it for all of `WAITS_S`.
        """
        until = time.monotonic() + WAITS_S
        while self._held < 0:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                opened = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError:
                return
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._path.stat().st_ino == os.fstat(opened).st_ino:
                    self._held = opened
                    return
            except FileNotFoundError:  # whoever held it has just let go
                pass
            except BlockingIOError:
                if time.monotonic() >= until:
                    os.close(opened)
                    raise TrackingFailed(
                        f"another process is bringing this run into {self._to} (golf track, or the run's own live "
                        "tracking), and two would write it twice. Wait for that one, or end it, and say it again"
                    ) from None
                time.sleep(POLL_S)
            os.close(opened)

    def leave(self) -> None:
        """Let go of it."""
        if self._held >= 0:
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(self._held)
            self._held = -1
