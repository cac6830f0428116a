"""Rank statistics for few runs, with numpy alone: how strongly two orders agree, and how often chance would.

Few runs need no normal distribution: the scores are dealt out anew over the runs, all orders where they are few
(`EXACT_RUNS`), else `DEALS` random ones from a fixed seed, so that the same runs give the same number. scipy is the
oracle in the tests.
"""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

EXACT_RUNS = 8
"""Up to so many runs every order is counted: 40,320 of them."""
DEALS = 19_999
"""Orders drawn at random beyond; the smallest p is then 1 in 20,000, still 5 % after Holm over 1,000 settings."""
SEED = 20_260_317
TIE = 1e-9
"""Relative difference below which two strengths are the same: their sums are made in different orders."""


class Strength(NamedTuple):
    """How strongly something goes with the scores, and how often it would by chance."""

    value: float
    """rho from -1 to 1, or epsilon squared from 0 to 1."""
    p: float
    """Two-sided."""


def ranks(values: Sequence[float]) -> np.ndarray:
    """Ranks from 1, equal values sharing the mean of theirs; shape (n,)."""
    array = np.asarray(values, dtype=float)
    order = np.argsort(array, kind="stable")
    found = np.empty(len(array))
    place = 0
    while place < len(array):
        end = place
        while end + 1 < len(array) and array[order[end + 1]] == array[order[place]]:
            end += 1
        found[order[place : end + 1]] = (place + end) / 2 + 1
        place = end + 1
    return found


def spearman(x: Sequence[float], y: Sequence[float]) -> float:
    """Spearman's rank correlation; 0 where one side never changes."""
    return _correlation(ranks(x), ranks(y))


def beside(columns: np.ndarray, y: Sequence[float], z: Sequence[float]) -> Strength | None:
    """What is left of the agreement of some columns (n, k) with y when the ranks' straight line over z is taken out.

    Both sides are taken as what they deviate from their line by; p by dealing out the deviations of y anew (Freedman
    and Lane, 1983). None where nothing deviates.
    """
    line = ranks(z) - (len(z) + 1) / 2
    size = float(line @ line)
    if size == 0:
        return None
    left = ranks(y) - (len(y) + 1) / 2
    left = left - line * float(line @ left) / size
    mine = columns - columns.mean(axis=0)
    mine = mine - np.outer(line, line @ mine) / size
    spread = np.sqrt((mine**2).sum(axis=0))
    mine = mine[:, spread > 1e-6 * math.sqrt(size)]
    whole = float(left @ left)
    if not mine.size or whole < 1e-12 * size:
        return None
    mine = mine / np.sqrt((mine**2).sum(axis=0))
    dealt, is_exact = _orders(len(y))
    seen = np.abs(left @ mine)
    best = int(seen.argmax())
    chance = np.abs(left[dealt] @ mine).max(axis=1)
    value = float(left @ mine[:, best]) / math.sqrt(whole)
    return Strength(max(-1.0, min(1.0, value)), _p(chance, float(seen[best]), is_exact))


def deals(y: Sequence[float]) -> tuple[np.ndarray, bool]:
    """Orders of the ranks of y, centred: shape (deals, n); and whether they are all that there are."""
    centred = ranks(y)
    centred = centred - centred.mean()
    orders, is_exact = _orders(len(centred))
    return centred[orders], is_exact


def of_numbers(x: Sequence[float], y: Sequence[float], dealt: tuple[np.ndarray, bool]) -> Strength:
    """Spearman's rho of x and y, with its permutation p from `deals(y)`."""
    centred = ranks(x)
    centred = centred - centred.mean()
    mine = ranks(y)
    seen = abs(float(centred @ (mine - mine.mean())))
    return Strength(spearman(x, y), _p(np.abs(dealt[0] @ centred), seen, dealt[1]))


def of_groups(groups: Sequence[int], y: Sequence[float], dealt: tuple[np.ndarray, bool]) -> Strength:
    """Epsilon squared of Kruskal and Wallis: the share of the ranks' spread that lies between groups.

    p from `deals(y)`, as for `of_numbers`.

    Source: Kruskal and Wallis (1952); Tomczak and Tomczak (2014) for epsilon squared, H / (n - 1).
    """
    codes = np.asarray(groups)
    members = np.stack([codes == code for code in np.unique(codes)], axis=1).astype(float)  # (n, groups)
    sizes = members.sum(axis=0)
    mine = ranks(y)
    mine = mine - mine.mean()
    whole = float(mine @ mine)
    if whole == 0:
        return Strength(0.0, 1.0)
    between = float((((mine @ members) ** 2) / sizes).sum())
    return Strength(between / whole, _p((((dealt[0] @ members) ** 2) / sizes).sum(axis=1), between, dealt[1]))


def ways(values: Sequence[object]) -> float:
    """In how many different ways these values could lie over the runs: n! over that of each repeated value."""
    n = len(values)
    logged = math.lgamma(n + 1) - sum(math.lgamma(count + 1) for count in Counter(values).values())
    return math.exp(min(logged, 700.0))


def holm(found: Sequence[float]) -> list[float]:
    """p values corrected for having asked them all at once (Holm, 1979), in their order."""
    order = sorted(range(len(found)), key=lambda place: found[place])
    corrected = [0.0] * len(found)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(found) - rank) * found[place]))
        corrected[place] = highest
    return corrected


def _orders(n: int) -> tuple[np.ndarray, bool]:
    """Orders of n things, shape (deals, n), and whether they are all."""
    if n <= EXACT_RUNS:
        return np.array(list(itertools.permutations(range(n)))), True
    generator = np.random.default_rng(SEED)
    return generator.permuted(np.tile(np.arange(n), (DEALS, 1)), axis=1), False


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(), y - y.mean()
    size = math.sqrt(float(x @ x) * float(y @ y))
    return 0.0 if size == 0 else max(-1.0, min(1.0, float(x @ y) / size))


def _p(dealt: np.ndarray, seen: float, is_exact: bool) -> float:
    as_strong = int((dealt >= seen - TIE * max(1.0, seen)).sum())
    return as_strong / len(dealt) if is_exact else (as_strong + 1) / (len(dealt) + 1)
