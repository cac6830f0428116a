"""A folder of Markdown notes: what somebody wrote down by hand, read as it is."""

import hashlib
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from golf.research.foreign import line, prose
from golf.research.nouns import Item
from golf.research.sources import Found, Off, each
from golf.research.web import Web
from golf.workspace import ResearchSettings

FILES_MAX = 500
FILE_BYTES_MAX = 200_000
HEADING = re.compile(r"^#{1,6}[ \t]+(.+)$", re.MULTILINE)


def fetch(since: datetime, settings: ResearchSettings, web: Web) -> Found:
    """Every note, however old: a changed one is stored again, an unchanged one is not.

    Raises:
        Off: there is no folder.
    """
    if not settings.notes:
        raise Off("research.notes names no folder")
    folder = Path(settings.notes)
    if not folder.is_dir():
        raise Off(f"there is no folder {folder}")

    def one(path: Path) -> Iterator[Item]:
        with open(path, "rb") as file:
            content = file.read(FILE_BYTES_MAX)
        changed_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        yield parse(content, path.relative_to(folder).as_posix(), changed_at, datetime.now(UTC))

    return each(_files(folder), one, web, str)


def parse(content: bytes, name: str, changed_at: datetime, now: datetime) -> Item:
    """One note; its title is its first heading, else its name."""
    text = content.decode(errors="replace")
    return Item(
        id=f"note:{line(name)}",
        source="notes",
        title=line(heading(text) or name),
        text=prose(text),
        published_at=changed_at,
        fetched_at=now,
        details={"version": hashlib.sha256(content).hexdigest()[:16]},
    )


def heading(text: str) -> str | None:
    """The first heading of a Markdown text that says anything."""
    found = (match[1].strip(" \t#") for match in HEADING.finditer(text))
    return next((words for words in found if words), None)


def _files(folder: Path) -> list[Path]:
    """Markdown files in it and below, no links, nothing hidden; the first `FILES_MAX` by name."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder):  # does not follow links
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(place, name) for name in files if name.lower().endswith((".md", ".markdown")))
        found += [path for path in paths if not path.name.startswith(".") and not path.is_symlink() and path.is_file()]
    return sorted(found)[:FILES_MAX]
