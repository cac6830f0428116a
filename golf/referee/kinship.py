"""Who is like whom: nearest relatives, families, and how alike everybody has become.

A family is a founder and all later programs that share half of themselves with it more than with any other founder.
Comparing with founders alone, and not with any member, keeps families from growing into one long chain.
"""

import datetime
import itertools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from golf.referee import techniques
from golf.referee.duplicates import PERMUTATIONS, Sketch
from golf.referee.field import Entry, Family, Likeness, Week
from golf.referee.relatives import Pool, Relatives

FAMILY = 0.5
"""Share of a program that it has in common with its family's founder, at least."""

COPY = 0.9
"""From here on two programs are near-duplicates: renamed, reformatted, retuned."""

LINKED = 0.25
"""Programs that share less than this are no relatives: some of it is what every training script has."""

COMMON = 0.8
"""Share of a family that has a technique which is called common to it."""


class Kinship:
    """Relatives among all programs; names, sketches and verdicts come in the order of the days."""

    def __init__(self, names: Sequence[str], sketches: Sequence[Sketch], blocked: Sequence[bool]) -> None:
        self.names = names
        self._relatives = Relatives(sketches)
        self._blocked = blocked
        self.founders = self._founders()
        """Program → its family's founder, itself where it founds one."""

    def nearest(self) -> dict[str, Likeness]:
        """Program → the earlier one that it shares most with, where that is `LINKED` at least."""
        earlier = Pool(self._relatives)
        found = {}
        for row, name in enumerate(self.names):
            if near := self._relatives.nearest(row, earlier, _entries(LINKED)):
                found[name] = self._likeness(*near)
            earlier.add(row)
        return found

    def nearest_blocked(self) -> dict[str, Likeness]:
        """Program that is not blocked → the blocked one, of any day, that it is a near-duplicate of."""
        blocked = Pool(self._relatives, [row for row, is_blocked in enumerate(self._blocked) if is_blocked])
        return {
            name: self._likeness(*near)
            for row, name in enumerate(self.names)
            if not self._blocked[row] and (near := self._relatives.nearest(row, blocked, _entries(COPY)))
        }

    def similarity(self, names: Sequence[str]) -> float | None:
        """Mean share in common over all pairs of these; None with fewer than two programs."""
        wanted = set(names)
        rows = [row for row, name in enumerate(self.names) if name in wanted]
        pairs = len(rows) * (len(rows) - 1) // 2
        return round(self._relatives.agreeing(rows) / (pairs * PERMUTATIONS), 4) if pairs else None

    def _founders(self) -> dict[str, str]:
        founders = Pool(self._relatives)
        found = {}
        for row, name in enumerate(self.names):
            near = self._relatives.nearest(row, founders, _entries(FAMILY))
            if near is None:
                founders.add(row)
            found[name] = self.names[near[0] if near else row]
        return found

    def _likeness(self, other: int, shared: int) -> Likeness:
        return Likeness(name=self.names[other], similarity=round(shared / PERMUTATIONS, 3))


def _entries(share: float) -> int:
    """Entries of a sketch that make so much of it at least."""
    return math.ceil(share * PERMUTATIONS)


def families(entries: Sequence[Entry]) -> list[Family]:
    """The families of two and more, the largest first; entries come in the order of the days."""
    by_founder: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.family is not None:
            by_founder.setdefault(entry.family, []).append(entry)
    found = [_family(founder, members) for founder, members in by_founder.items() if len(members) > 1]
    return sorted(found, key=lambda family: (-len(family.members), family.founder))


def _family(founder: str, members: Sequence[Entry]) -> Family:
    counted = Counter(technique for entry in members for technique in entry.ruling.techniques)
    ranked = [(entry.ruling.submission.val_bpb, entry.name) for entry in members if entry.rank]
    return Family(
        founder=founder,
        members=[entry.name for entry in members],
        num_copies=sum(entry.nearest is not None and entry.nearest.similarity >= COPY for entry in members),
        common=sorted(technique for technique, num in counted.items() if num >= COMMON * len(members)),
        best=min(ranked)[1] if ranked else None,
    )


def weeks(entries: Sequence[Entry], kinship: Kinship) -> list[Week]:
    """How alike the submissions of each week are."""
    dated = sorted(((week, entry) for entry in entries if (week := _week(entry.day))), key=lambda pair: pair[0])
    known: set[str] = set()
    found = []
    for week, group in itertools.groupby(dated, key=lambda pair: pair[0]):
        members = [entry for _, entry in group]
        sets = [set(entry.ruling.techniques) for entry in members if entry.ruling.techniques]
        new = set().union(*sets) - known
        known |= new
        found.append(
            Week(
                week=week,
                num_submissions=len(members),
                similarity=kinship.similarity([entry.name for entry in members]),
                technique_overlap=_mean_of_pairs(_jaccard(sets)),
                num_founders=sum(entry.family == entry.name for entry in members),
                new_techniques=sorted(new),
            )
        )
    return found


def _week(day: str | None) -> str | None:
    if day is None:
        return None
    year, week, _ = datetime.date.fromisoformat(day).isocalendar()
    return f"{year}-W{week:02}"


def _jaccard(sets: Sequence[set[str]]) -> npt.NDArray[np.float32]:
    """Size of the intersection over that of the union, for every pair of sets, none empty. Shape (sets, sets)."""
    columns = {technique: column for column, technique in enumerate(techniques.catalogue())}
    has = np.zeros((len(sets), len(columns)), np.float32)
    for row, one in enumerate(sets):
        has[row, [columns[technique] for technique in one]] = 1
    both = has @ has.T
    sizes = has.sum(axis=1)
    return both / np.maximum(sizes[:, None] + sizes[None, :] - both, 1)


def _mean_of_pairs(values: npt.NDArray[np.float32]) -> float | None:
    """Mean of what lies off the diagonal; None with fewer than two rows."""
    count = len(values)
    if count < 2:
        return None
    return round(float((values.sum(dtype=np.float64) - np.trace(values)) / (count * (count - 1))), 4)
