"""The most alike of many sketches, found without comparing every two.

Two sketches of n entries that agree in k of them agree in at least one of any n - k + 1 entries of one of them. So a
sketch's rarest entries are looked up, in an inverted index of which sketch has which, until no other sketch can agree
in as many as the best one found does (prefix filtering; Chaudhuri, Ganti and Kaushik, "A primitive operator for
similarity joins in data cleaning", 2006). What is found is exact: only what agrees in fewer than `least` entries is
not looked for. Sketches that are the same are one.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from golf.referee.duplicates import PERMUTATIONS, Sketch

FIRST = 8
"""Entries that are looked up first; twice as many with each further look."""


class Pool:
    """Some of the programs, among which relatives are looked for; the same sketch counts once, as the first added."""

    def __init__(self, relatives: "Relatives", rows: Sequence[int] = ()) -> None:
        self.stand_in = np.full(relatives.num_distinct, len(relatives.distinct))
        """Distinct sketch → the program in the pool that has it, behind all of them where none has."""
        self._members = np.empty(relatives.num_distinct, np.int64)
        self._count = 0
        self._distinct = relatives.distinct
        for row in rows:
            self.add(row)

    def __len__(self) -> int:
        return self._count

    @property
    def members(self) -> npt.NDArray[np.int64]:
        """The distinct sketches in it."""
        return self._members[: self._count]

    def add(self, row: int) -> None:
        """Add a program; the order of adding is that of the rows."""
        one = self._distinct[row]
        if self.stand_in[one] == len(self._distinct):
            self.stand_in[one] = row
            self._members[self._count] = one
            self._count += 1


class Relatives:
    """Of sketches in rows."""

    def __init__(self, sketches: Sequence[Sketch]) -> None:
        known: dict[bytes, int] = {}
        self.distinct = [known.setdefault(sketch.tobytes(), len(known)) for sketch in sketches]
        """Program → number of its sketch among the distinct ones."""
        self.num_distinct = len(known)
        self._table = np.frombuffer(b"".join(known), np.uint32).reshape(len(known), PERMUTATIONS)
        order = np.argsort(self._table, axis=0, kind="stable")
        values = np.take_along_axis(self._table, order, axis=0)
        begins = np.ones(values.shape, bool)
        begins[1:] = values[1:] != values[:-1]
        self._holders = np.ascontiguousarray(order.T).reshape(-1)
        """Distinct sketches, those with the same value in the same entry beside each other."""
        edges = np.append(np.flatnonzero(begins.T), self._holders.size)
        group = np.cumsum(begins.T) - 1
        groups = np.empty(self._table.shape, np.int64)
        np.put_along_axis(groups, order, group.reshape(PERMUTATIONS, -1).T, axis=0)
        sizes = np.diff(edges)[groups]
        rarest = np.argsort(sizes, axis=1, kind="stable")
        self._sizes = np.take_along_axis(sizes, rarest, axis=1)
        self._starts = edges[np.take_along_axis(groups, rarest, axis=1)]
        self._alone = (sizes == 1).sum(axis=1)
        """Entries of a distinct sketch that no other has."""

    def nearest(self, row: int, pool: Pool, least: int) -> tuple[int, int] | None:
        """The program of the pool that shares most entries with this one, the first of several, and how many.

        None where no one in the pool shares `least` of them, at least one.
        """
        one = self.distinct[row]
        nobody = len(self.distinct)
        if pool.stand_in[one] != nobody:
            return int(pool.stand_in[one]), PERMUTATIONS
        found, most = nobody, least
        sizes, starts = self._sizes[one], self._starts[one]
        looked = int(self._alone[one])
        width = FIRST
        while looked < (end := min(looked + width, PERMUTATIONS - most + 1)):
            if sizes[looked:end].sum() >= len(pool):
                found, most = self._best(one, pool.members, pool, found, most)
                break
            spans = zip(starts[looked:end].tolist(), sizes[looked:end].tolist(), strict=True)
            holders = np.concatenate([self._holders[start : start + size] for start, size in spans])
            holders = np.unique(holders[pool.stand_in[holders] != nobody])
            found, most = self._best(one, holders, pool, found, most)
            looked, width = end, 2 * width
        return None if found == nobody else (found, most)

    def agreeing(self, rows: Sequence[int]) -> int:
        """Entries in which two agree, summed over all pairs of these programs."""
        chosen = np.sort(self._table[[self.distinct[row] for row in rows]], axis=0)
        begins = np.ones(chosen.shape, bool)
        begins[1:] = chosen[1:] != chosen[:-1]
        sizes = np.diff(np.append(np.flatnonzero(begins.T), chosen.size))
        return int((sizes * (sizes - 1) // 2).sum())

    def _best(self, one: int, others: npt.NDArray[np.int64], pool: Pool, found: int, most: int) -> tuple[int, int]:
        """The best of these, or what was found before where that is better or as good and earlier."""
        if not len(others):
            return found, most
        shared = np.count_nonzero(self._table[others] == self._table[one], axis=1)
        top = int(shared.max())
        if top < most:
            return found, most
        first = int(pool.stand_in[others[shared == top]].min())
        return (first, top) if top > most else (min(found, first), top)
