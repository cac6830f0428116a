"""Which combinations are best, and whether seeds show it: the cut below the best few, tested against seed noise.

Means alone always rank. Here a set of best is named only where the worst of it beats the best of the rest by more than
noise explains, at 95 % over all pairs that the cut compares (Bonferroni). Otherwise it is said which combinations are
in question and how many seeds more would settle it. Two combinations with four seeds or more are each taken by their
own noise (Welch): a rate at the edge of divergence moves ten times as far as its neighbours. With fewer seeds that is
not to be seen, and the noise of all combinations is pooled.
"""

import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from golf.measure.significance import CONFIDENCE, Pooled, Spread, more_seeds, pool, t_cdf, t_quantile, welch_df

OWN_SEEDS = 4
"""Seeds from which on a combination's own spread is believed."""
HARDEST = 3
"""Pairs that the number of seeds due is worked out for."""


class Placed(NamedTuple):
    """A combination with scores."""

    name: str
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over seeds."""
        return statistics.fmean(self.scores)


class Cut(NamedTuple):
    """The best few, and whether they are."""

    verdict: Literal["settled", "too_few_seeds", "all"]
    """all: there are no more than were asked for, so that nothing had to be cut."""
    placed: tuple[Placed, ...]
    """Best first, by mean."""
    top: int
    """How many were to be chosen."""
    in_question: tuple[str, ...]
    """Combinations of which it is open whether they belong to the best."""
    floor: Pooled | None
    """Seed noise; None while nothing measures it."""
    gap: float | None
    """Between the last that is in and the first that is out; positive."""
    needed: float | None
    """The gap that would settle it with these seeds."""
    unshown: tuple[tuple[Placed, Placed], ...]
    """Pairs of one that is in and one that is out, of which seeds do not show that; the hardest first."""
    best_is_alone: bool
    """The first is better than the second by more than noise."""


def cut(
    scores: Mapping[str, Sequence[float]], *, top: int = 3, is_lower_better: bool = True, floor: Pooled | None = None
) -> Cut:
    """The best `top` of combinations.

    Args:
        scores: Of each combination, one per seed; those without any are left out.
        top: How many are to be chosen.
        is_lower_better: The metric's direction.
        floor: Seed noise measured elsewhere, for where each combination has one seed.
    """
    sign = 1.0 if is_lower_better else -1.0
    placed = sorted(
        (Placed(name, tuple(values)) for name, values in scores.items() if values),
        key=lambda one: (sign * one.mean, one.name),
    )
    own = pool(one.scores for one in placed)
    noise = own if own is not None and own.std > 0 else floor
    if len(placed) <= top:
        alone = len(placed) == 1 or (
            noise is not None and len(placed) > 1 and _shows(placed[0], placed[1], sign, noise, _orders(len(placed), 1))
        )
        return Cut("all", tuple(placed), top, (), noise, None, None, (), alone)
    gap = sign * (placed[top].mean - placed[top - 1].mean)
    if noise is None or noise.std <= 0:
        return Cut("too_few_seeds", tuple(placed), top, tuple(one.name for one in placed), None, gap, None, (), False)
    pairs = _orders(len(placed), top)
    chosen, rest = placed[:top], placed[top:]
    chances = [(_p(a, b, sign, noise), (a, b)) for a in chosen for b in rest]
    open_ = [one for one in chances if one[0] >= (1 - CONFIDENCE) / pairs]
    unshown = [pair for _, pair in sorted(open_, key=lambda one: one[0], reverse=True)]
    in_question = {one.name for pair in unshown for one in pair}
    return Cut(
        "too_few_seeds" if unshown else "settled",
        tuple(placed),
        top,
        tuple(one.name for one in placed if one.name in in_question),
        noise,
        gap,
        _needed(chosen[-1], rest[0], noise, pairs),
        tuple(unshown),
        _shows(placed[0], placed[1], sign, noise, _orders(len(placed), 1)),
    )


def seeds_due(cut: Cut) -> int | None:
    """More seeds for each combination in question that would settle it, with a chance of 80 % for the hardest pair.

    None where no affordable number would do, where nothing measures noise, and where it is settled.
    """
    if cut.floor is None or not cut.unshown:
        return None
    pairs = _orders(len(cut.placed), cut.top)
    most = 1
    for better, worse in cut.unshown[:HARDEST]:
        is_own = _has_own(better) and _has_own(worse)
        a, b = (
            Spread(statistics.stdev(one.scores) if is_own else cut.floor.std, len(one.scores))
            for one in (better, worse)
        )
        found = more_seeds(abs(worse.mean - better.mean), a, b, (1 - CONFIDENCE) / pairs)
        if found is None:
            return None
        most = max(most, found)
    return most


def _orders(many: int, top: int) -> int:
    """Pairs that a cut compares; two at least, as either of two may turn out to be the better one."""
    return max(2, top * (many - top))


def _needed(a: Placed, b: Placed, noise: Pooled, pairs: int) -> float:
    """The difference of means that is more than noise."""
    error, df = _error(a, b, noise)
    return t_quantile(1 - (1 - CONFIDENCE) / pairs, df) * error


def _error(a: Placed, b: Placed, noise: Pooled) -> tuple[float, float]:
    """Of a difference of means, with its degrees of freedom."""
    if _has_own(a) and _has_own(b):
        square_a, square_b = (_variance(one.scores) / len(one.scores) for one in (a, b))
        return math.sqrt(square_a + square_b), welch_df(square_a, len(a.scores), square_b, len(b.scores))
    return noise.std * math.sqrt(1 / len(a.scores) + 1 / len(b.scores)), noise.df


def _has_own(one: Placed) -> bool:
    return len(one.scores) >= OWN_SEEDS and _variance(one.scores) > 0


@functools.lru_cache(maxsize=16_384)
def _variance(scores: tuple[float, ...]) -> float:
    return statistics.variance(scores)  # exact, and so slow that each combination's is worked out once


def _p(better: Placed, worse: Placed, sign: float, noise: Pooled) -> float:
    """Chance of so large a difference if there were none."""
    error, df = _error(better, worse, noise)
    return t_cdf(-sign * (worse.mean - better.mean) / error, df)


def _shows(better: Placed, worse: Placed, sign: float, noise: Pooled, pairs: int) -> bool:
    return _p(better, worse, sign, noise) < (1 - CONFIDENCE) / pairs


def flattery(cut: Cut) -> float | None:
    """By how much the best of so many looks better than it is, in the metric's unit, if all were equal.

    Source: the expected maximum of n normal values, by Blom's approximation (1958).
    """
    if cut.floor is None or len(cut.placed) < 2:
        return None
    n = len(cut.placed)
    quantile = statistics.NormalDist().inv_cdf((n - 0.375) / (n + 0.25))
    return quantile * cut.floor.std / math.sqrt(len(cut.placed[0].scores))
