"""Where research keeps its files, and the lock under which they are changed."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from golf.errors import UnreadableInput
from golf.workspace import Workspace

RAW_CACHE = "raw_cache.jsonl"
VALIDATORS = "validators.json"
HEALTH = "health.json"


def folder(workspace: Workspace) -> Path:
    """`.golf/research/`.

    Raises:
        UnreadableInput: something else lies there.
        BadConfig: it leads out of the workspace.
    """
    place = workspace.state / "research"
    try:
        place.mkdir(exist_ok=True)
    except FileExistsError:
        raise UnreadableInput(f"{place} is no folder; move it away, research keeps its files there") from None
    if place.is_symlink():
        workspace.inside(place.relative_to(workspace.root))
    return place


@contextlib.contextmanager
def locked(place: Path) -> Iterator[None]:
    """One writer of this folder at a time, over threads and processes; the system lets go of it when one is killed."""
    place.mkdir(parents=True, exist_ok=True)
    held = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
