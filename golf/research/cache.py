"""`raw_cache.jsonl`: everything that was read, one item a line, each thing once.

Appended to under a lock and read as it lies: a line torn by a kill is passed over, and closed off by the next append.
The same thing is known again by its id, by its address however it is written, and by its words
(`golf.research.twins`). What comes from where things are revised (a pull request, a note) bears a version; with another
one it is stored again, and the newest is what is read.
"""

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from golf import durable
from golf.research.nouns import Item
from golf.research.place import locked
from golf.research.twins import Seen


class RawCache:
    """The file, for adding to it: it is read once, and what other processes append meanwhile is read on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = Seen()
        self._offset = 0

    def add(self, items: Iterable[Item]) -> list[Item]:
        """Append what is not there yet; returns that. When this returns, it is on disk."""
        with locked(self._path.parent):
            self._read_on()
            added = []
            for item in items:
                if not self._seen.knows(item):
                    durable.append_line(self._path, item.model_dump_json())
                    self._seen.add(item)
                    added.append(item)
            self._offset = self._path.stat().st_size if self._path.exists() else 0
        return added

    def _read_on(self) -> None:
        if not self._path.exists():
            return
        with open(self._path, "rb") as file:
            file.seek(self._offset)
            for item in _items(file.read()):
                self._seen.add(item)


def read(path: Path) -> list[Item]:
    """Every item in its newest version, oldest first; none when there is no file yet."""
    found: dict[str, Item] = {}
    for item in _items(path.read_bytes() if path.exists() else b""):
        found.pop(item.id, None)
        found[item.id] = item
    return list(found.values())


def _items(raw: bytes) -> Iterable[Item]:
    for line in raw.split(b"\n"):
        try:
            yield Item.model_validate_json(line)
        except ValidationError:
            continue  # torn, empty, or of another hand
