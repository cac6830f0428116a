"""`raw_cache.jsonl`: everything that was read, one item a line, each thing once.

The same thing is known again by its id, by its address however it is written, and by its words
(`golf.research.twins`). What comes from where things are revised (a pull request, a note) bears a version; with another
one it is stored again, and the newest is what is read.
"""

from collections.abc import Iterable
from pathlib import Path

from golf.research import records
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
        """Append what is not there yet; returns that. When this returns, it is on disk.

        Raises:
            UnreadableInput: a line of the file is no item.
        """
        with locked(self._path.parent):
            self._read_on()
            added = []
            for item in items:
                if not self._seen.knows(item):
                    records.append(self._path, item)
                    self._seen.add(item)
                    added.append(item)
            self._offset = self._path.stat().st_size if self._path.exists() else 0
        return added

    def _read_on(self) -> None:
        for item in records.read(self._path, Item, self._offset):
            self._seen.add(item)


def read(path: Path) -> list[Item]:
    """Every item in its newest version, oldest first; none when there is no file yet.

    Raises:
        UnreadableInput: a line is no item.
    """
    found: dict[str, Item] = {}
    for item in records.read(path, Item):
        found.pop(item.id, None)
        found[item.id] = item
    return list(found.values())
