"""What a hostile case is, and the corpus that builders are taken into."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

CANARY = "canary-5f1c-must-not-be-read"
CLOSED = "closed to its reader"
"""The case that needs a reader without rights."""

Build = Callable[[Path], object]


class Case(NamedTuple):
    """One hostile folder and what the referee should say of it."""

    name: str
    build: Build
    finds: str
    """`UNREADABLE`, another code, `note` for an UNREADABLE that needs nobody, `review` for any flag, or nothing."""
    while_read: Build | None = None
    """What goes on in the folder while it is read."""


CASES: list[Case] = []


def hostile(name: str, finds: str = "UNREADABLE", while_read: Build | None = None) -> Callable[[Build], Build]:
    """Take a builder into the corpus; it is given a folder with an honest submission in it."""

    def take(build: Build) -> Build:
        CASES.append(Case(name, build, finds, while_read))
        return build

    return take


def marker(folder: Path) -> Path:
    """What appears when something of a submission is run; everybody may make it."""
    return folder.parent / "marks" / folder.name
