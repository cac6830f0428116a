"""What else than a setting could be the reason: what changed with it, time, the seeds, the tier."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from golf.desk.analysis import ranking
from golf.desk.analysis.table import Setting, Table

TOGETHER = 0.9
"""Correlation of two settings from which they cannot be told apart."""
ALIGNED = 0.7
"""Correlation with time, seeds or tier from which either could be the reason."""
COMMON_MIN = 5
"""Runs that two settings must share to be compared."""


def warnings(table: Table, one: Setting, others: Sequence[Setting]) -> list[str]:
    """What else could be the reason."""
    found: list[str] = []
    together = [
        other.names[0] for other in others
        if len(common := sorted(set(one.places) & set(other.places))) >= COMMON_MIN
        and 2 * len(common) >= len(one.places)
        and _together(one.columns(common), other.columns(common)) >= TOGETHER
    ]  # fmt: skip
    if len(one.names) > 1:
        found.append(f"always changed together: {_listed(one.names)}")
    if together:
        found.append(f"changed together with {_listed(together)}")
    places = one.places
    mine = one.columns(places)
    if _together(mine, ranking.ranks([table.order[place] for place in places])[:, None]) >= ALIGNED:
        found.append("went with time")
    runs = [table.runs[place] for place in places]
    if _aligned(mine, [tuple(sorted(run.seeds)) for run in runs]):
        found.append("went with the seeds")
    if _aligned(mine, [run.tier for run in runs]):
        found.append("went with the tier")
    return found


def _together(x: np.ndarray, y: np.ndarray) -> float:
    """The strongest correlation of any column of one with any of the other."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    sizes = np.outer(np.sqrt((x**2).sum(axis=0)), np.sqrt((y**2).sum(axis=0)))
    return float(np.max(np.abs(x.T @ y) / np.where(sizes > 0, sizes, np.inf)))


def _aligned(mine: np.ndarray, labels: Sequence[object]) -> bool:
    """Whether a setting tells, of labels that occur more than once, which one a run has."""
    codes = {label: code for code, (label, count) in enumerate(Counter(labels).items()) if count > 1}
    if not codes or len(set(labels)) < 2:
        return False
    columns = np.array([[float(codes.get(label) == code) for code in codes.values()] for label in labels])
    return _together(mine, columns) >= ALIGNED


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
