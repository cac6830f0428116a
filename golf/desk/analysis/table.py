"""The runs that count as a table: what each gained, in which order, and the settings that changed over them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from golf.desk.analysis import ranking
from golf.desk.analysis.runs import PastRun, Value


@dataclass
class Setting:
    """One changed setting over the runs that state it."""

    name: str
    places: tuple[int, ...]
    """Of those runs."""
    values: list[Value]
    is_number: bool
    names: list[str] = field(default_factory=list)
    """All that laid themselves over the runs in just this way."""

    @property
    def numbers(self) -> list[float]:
        """Of a number: its values."""
        return [float(value) for value in self.values if value is not None]

    @property
    def codes(self) -> list[int]:
        """Its values by the order they first came in, from 0."""
        first: dict[str, int] = {}
        return [first.setdefault(repr(value), len(first)) for value in self.values]

    @property
    def pattern(self) -> tuple[tuple[int, ...], bool, tuple[int, ...]]:
        """The same for settings that no statistic can tell apart."""
        if not self.is_number or len(set(self.codes)) == 2:
            return self.places, False, tuple(self.codes)
        order = {value: place for place, value in enumerate(sorted(set(self.numbers)))}
        up = tuple(order[value] for value in self.numbers)
        down = tuple(len(order) - 1 - place for place in up)
        return self.places, True, min(up, down)

    def columns(self, places: Sequence[int]) -> np.ndarray:
        """Over some of its runs, as numbers: shape (runs, 1), or one column for each value of a category."""
        at = {place: index for index, place in enumerate(self.places)}
        if self.is_number:
            return ranking.ranks([self.numbers[at[place]] for place in places])[:, None]
        codes = np.array([self.codes[at[place]] for place in places])
        return np.stack([codes == code for code in np.unique(codes)], axis=1).astype(float)


class Table:
    """The runs that count: what they gained, in which order, under which settings."""

    def __init__(self, runs: Sequence[tuple[PastRun, float]], gains: Sequence[float]) -> None:
        self.runs = [run for run, _ in runs]
        self.gains = list(gains)
        self.order = [float(place) for place in range(len(runs))]
        self._dealt: dict[tuple[int, ...], tuple[np.ndarray, bool]] = {}

    def dealt(self, places: tuple[int, ...]) -> tuple[np.ndarray, bool]:
        """`ranking.deals` of the gains of some runs."""
        if places not in self._dealt:
            self._dealt = {places: ranking.deals([self.gains[place] for place in places])}  # one at a time: 20,000 rows
        return self._dealt[places]


def changed(runs: Sequence[PastRun]) -> tuple[list[Setting], int]:
    """Settings that took more than one value, and how many did not."""
    names = sorted({name for run in runs for name in run.settings})
    found: list[Setting] = []
    constant = 0
    for name in names:
        stated = [(place, run.settings[name]) for place, run in enumerate(runs) if run.settings.get(name) is not None]
        is_number = all(isinstance(value, bool | int | float) and abs(value) < 1e300 for _, value in stated)
        if not is_number:  # a value seen once cannot be told from its run
            counts = Counter(repr(value) for _, value in stated)
            if len(counts) > 1:
                stated = [(place, value) for place, value in stated if counts[repr(value)] > 1] or stated
        if len({float(value) if is_number and value is not None else repr(value) for _, value in stated}) < 2:
            constant += 1
            continue
        found.append(Setting(name, tuple(place for place, _ in stated), [value for _, value in stated], is_number))
    return found, constant
