"""Whether a gain is real: Student's t on scores per seed, with the standard library alone.

Scores move when nothing but the seed changes. `seed_noise` says how far, from a baseline's seeds,
so that a gain can be compared with it before the candidate has seeds of its own; `pool` says it from
the seeds of several experiments; `welch` compares two that both have several, and `more_seeds` how
many it would take. Lower scores are better throughout.

The t distribution comes from the regularised incomplete beta function as a continued fraction
(modified Lentz; Numerical Recipes, 3rd ed., section 6.4): scipy, which is the oracle in the tests,
would add 143 MB and 1.5 s of import to every door.
"""

import bisect
import math
import statistics
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from golf.errors import UnreadableInput
from golf.schema import Noise

CONFIDENCE = 0.95
"""One-sided level at which a gain stops being called noise."""

POWER = 0.8
"""Chance of showing a gain that is there, for which seeds are planned; the field's custom."""

MORE_SEEDS_MAX = 1_000
"""More seeds than anybody runs: beyond, a gain counts as one that seeds cannot show."""


class Welch(NamedTuple):
    """Welch's t-test of "a scores lower than b", variances not assumed equal."""

    t: float
    """Negative when a's mean is lower, which is better."""
    df: float
    """Welch-Satterthwaite degrees of freedom."""
    p_one_sided: float
    """Chance of so low a t if a were no better than b."""


class Spread(NamedTuple):
    """How one side's scores vary, and over how many seeds that was seen."""

    std: float
    num_seeds: int


class Pooled(NamedTuple):
    """Seed noise of several experiments taken together, each around its own mean."""

    std: float
    df: int
    """Degrees of freedom: seeds minus experiments."""


def seed_noise(baseline_scores: Sequence[float], num_candidate_seeds: int) -> Noise:
    """How much lower a candidate's mean must be than the baseline's before it is more than noise.

    threshold = t(95 %, n_b - 1) × s_b × sqrt(1/n_b + 1/n_c): the candidate is taken to vary as the
    baseline does. Unknown (None) with fewer than two baseline seeds.

    Raises:
        UnreadableInput: a score is not finite, or the candidate has no seed.
    """
    _check(baseline_scores)
    if num_candidate_seeds < 1:
        raise UnreadableInput(f"a candidate needs at least one seed (got {num_candidate_seeds})")
    n = len(baseline_scores)
    if n < 2:
        return Noise(num_seeds=n, std_bpb=None, threshold_bpb=None)
    std = statistics.stdev(baseline_scores)
    threshold = t_quantile(CONFIDENCE, n - 1) * std * math.sqrt(1 / n + 1 / num_candidate_seeds)
    return Noise(num_seeds=n, std_bpb=std, threshold_bpb=threshold)


def pool(groups: Iterable[Sequence[float]]) -> Pooled | None:
    """Seed noise over groups of scores that differ by their seed alone; None where no group has two.

    Raises:
        UnreadableInput: a score is not finite.
    """
    squares, df = 0.0, 0
    for scores in groups:
        _check(scores)
        if len(scores) > 1:
            mean = math.fsum(scores) / len(scores)
            squares += math.fsum((score - mean) ** 2 for score in scores)
            df += len(scores) - 1
    return Pooled(math.sqrt(squares / df), df) if df else None


def more_seeds(gain: float, a: Spread, b: Spread, level: float) -> int | None:
    """Seeds to add on each side until Welch's p falls below `level` with a chance of `POWER`.

    The gain and the spreads are taken as they were observed, which flatters a gain that was picked for its size. None
    when no affordable number of seeds would do, as for a gain that is none.
    """
    if gain <= 0:
        return None

    def shows(more: int) -> bool:
        n_a, n_b = a.num_seeds + more, b.num_seeds + more
        error_a, error_b = a.std**2 / n_a, b.std**2 / n_b
        if min(n_a, n_b) < 2 or error_a + error_b == 0:
            return False
        df = welch_df(error_a, n_a, error_b, n_b)
        return gain >= (t_quantile(1 - level, df) + t_quantile(POWER, df)) * math.sqrt(error_a + error_b)

    if not shows(MORE_SEEDS_MAX):
        return None
    return bisect.bisect_left(range(MORE_SEEDS_MAX), True, key=shows)


def welch(a: Sequence[float], b: Sequence[float], margin: float = 0.0) -> Welch:
    """Test whether the scores `a` are lower than the scores `b` by more than `margin`, one score per seed.

    Raises:
        UnreadableInput: fewer than two scores on a side, one is not finite, or neither side varies.
    """
    for scores in (a, b):
        _check(scores)
        if len(scores) < 2:
            raise UnreadableInput(f"a t-test needs at least 2 seeds on each side (got {len(a)} and {len(b)})")
    squared_error_a = statistics.variance(a) / len(a)
    squared_error_b = statistics.variance(b) / len(b)
    squared_error = squared_error_a + squared_error_b
    if squared_error == 0:
        raise UnreadableInput(
            f"all {len(a)} and {len(b)} scores are equal on their side, so there is no noise to test against; "
            "check that the script uses SEED"
        )
    t = (statistics.fmean(a) - statistics.fmean(b) + margin) / math.sqrt(squared_error)
    df = welch_df(squared_error_a, len(a), squared_error_b, len(b))
    return Welch(t, df, t_cdf(t, df))


def t_cdf(t: float, df: float) -> float:
    """Probability that Student's t with `df` degrees of freedom is at most `t`."""
    if math.isinf(t) or t * t == math.inf:
        return float(t > 0)
    tail = _beta_share(df / 2, 0.5, df / (df + t * t), t * t / (df + t * t)) / 2
    return tail if t <= 0 else 1 - tail


@lru_cache
def t_quantile(probability: float, df: float) -> float:
    """The t that Student's t with `df` degrees of freedom stays below with `probability`."""
    low, high = -1.0, 1.0
    while t_cdf(low, df) > probability:
        low *= 2
    while t_cdf(high, df) < probability:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if t_cdf(middle, df) < probability else (low, middle)
    return high


def welch_df(error_a: float, n_a: int, error_b: float, n_b: int) -> float:
    """Welch-Satterthwaite degrees of freedom from the squared errors of two means."""
    # shares instead of squares: variances near the smallest float would vanish when squared
    share_a, share_b = error_a / (error_a + error_b), error_b / (error_a + error_b)
    return 1 / (share_a**2 / (n_a - 1) + share_b**2 / (n_b - 1))


def _beta_share(a: float, b: float, x: float, y: float) -> float:
    """Regularised incomplete beta I_x(a, b); `y` is 1 - x, given because it may be tiny."""
    if x <= 0:
        return 0.0
    if y <= 0:
        return 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges on the other side
        return 1 - _beta_share(b, a, y, x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(y)
    return math.exp(log_front) * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300

    def nonzero(value: float) -> float:
        return value if abs(value) > tiny else tiny

    c, d = 1.0, 1 / nonzero(1 - (a + b) * x / (a + 1))
    result = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        step = 1.0
        for term in (even, odd):
            d = 1 / nonzero(1 + term * d)
            c = nonzero(1 + term / c)
            step = c * d
            result *= step
        if abs(step - 1) < 1e-15:
            return result
    raise UnreadableInput(f"the t distribution did not converge (a={a}, b={b}, x={x}); compare fewer scores")


def _check(scores: Sequence[float]) -> None:
    for score in scores:
        if not math.isfinite(score):
            raise UnreadableInput(f"a score is {score}, which is no measurement; repeat that seed's run")
