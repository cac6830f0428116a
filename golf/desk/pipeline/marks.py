"""What was seen in each split, by fingerprint: documents that are alike, and stretches that are."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from golf.desk.pipeline.checked import Trouble

LEAK_SHARE = 0.01
"""Of a held-out split's windows that also stand in another split; from here on it is no boilerplate any more."""


@dataclass
class Marks:
    """Fingerprints (uint64), with the file and the place each was seen at."""

    _hashes: list[np.ndarray] = field(default_factory=list)
    _files: list[np.ndarray] = field(default_factory=list)
    _places: list[np.ndarray] = field(default_factory=list)

    def add(self, hashes: np.ndarray, file: int, places: np.ndarray) -> None:
        """Of one file, or a part of it."""
        self._hashes.append(np.asarray(hashes, dtype=np.uint64))
        self._files.append(np.full(len(hashes), file, dtype=np.int32))
        self._places.append(np.asarray(places, dtype=np.int64))

    def merge(self) -> None:
        """All parts as one."""
        if len(self._hashes) > 1:
            self._hashes = [np.concatenate(self._hashes)]
            self._files = [np.concatenate(self._files)]
            self._places = [np.concatenate(self._places)]

    @property
    def hashes(self) -> np.ndarray:
        self.merge()
        return self._hashes[0] if self._hashes else np.zeros(0, dtype=np.uint64)

    def at(self, index: int) -> tuple[int, int]:
        """File and place of one of them."""
        self.merge()
        return int(self._files[0][index]), int(self._places[0][index])


@dataclass
class Split:
    """Of one split."""

    documents: Marks = field(default_factory=Marks)
    windows: Marks = field(default_factory=Marks)


def leaks(held: Split, held_name: str, other: Split, other_name: str, names: list[str], what: str) -> Iterator[Trouble]:
    """Documents and stretches of a held-out split that stand in another one too."""
    mask = np.isin(held.documents.hashes, other.documents.hashes)
    if count := int(mask.sum()):
        file, place, twin = _first(held.documents, mask, other.documents, names)
        yield Trouble(
            code="LEAK_DOCUMENTS", severity="error", file=file, place=place, count=count,
            text=f"{count} of {mask.size} {held_name} documents ({count / mask.size:.2%}) are in {other_name} too; "
            f"this one at {twin}",
            fix="split by a hash of each document's words, as golf data template does; scores on this split are void",
        )  # fmt: skip
    mask = np.isin(held.windows.hashes, other.windows.hashes)
    if count := int(mask.sum()):
        share = count / mask.size
        file, place, twin = _first(held.windows, mask, other.windows, names)
        is_leak = share >= LEAK_SHARE
        yield Trouble(
            code="LEAK_STRETCHES" if is_leak else "SHARED_STRETCHES",
            severity="error" if is_leak else "warning", file=file, place=place, count=count,
            text=f"{share:.2%} of the {held_name} split's stretches of {what} stand in {other_name} too, word for "
            f"word; this one at {twin}",
            fix="remove near copies before splitting; what recurs everywhere, as a licence does, is no leak",
        )  # fmt: skip


def duplicates(split: Split, name: str, names: list[str]) -> Iterator[Trouble]:
    """Copies within one split."""
    hashes = split.documents.hashes
    if not hashes.size:
        return
    order = np.argsort(hashes, kind="stable")
    is_copy = np.zeros(hashes.size, dtype=bool)
    is_copy[order[1:]] = hashes[order[1:]] == hashes[order[:-1]]
    if count := int(is_copy.sum()):
        file, place = split.documents.at(int(np.flatnonzero(is_copy)[0]))
        yield Trouble(
            code="DUPLICATES", severity="warning", file=names[file], place=place, count=count,
            text=f"{count} of {hashes.size} documents of {name or 'the data'} ({count / hashes.size:.2%}) are copies",
            fix="keep the first of each, before splitting",
        )  # fmt: skip


def _first(held: Marks, mask: np.ndarray, other: Marks, names: list[str]) -> tuple[str, int, str]:
    """File and place of the first that is in both, and where the other one stands."""
    index = int(np.flatnonzero(mask)[0])
    file, place = held.at(index)
    twin, there = other.at(int(np.flatnonzero(other.hashes == held.hashes[index])[0]))
    return names[file], place, f"{names[twin]}:{there}"
