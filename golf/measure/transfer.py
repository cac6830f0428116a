"""What scores on one tier say about scores on another: a line through pairs, and families that differ from it.

The published loop keeps the mean difference of paired scores. Here it stands beside what a decision needs: whether the
order of ideas survives (Kendall's tau), and where an idea would land on the other tier (a regression on the cheap
score), each with an interval. Families of techniques transfer differently, and most have one pair or two: a family's
own mean is drawn towards the whole by as much as its pairs are few beside how far families differ at all (partial
pooling, variance components by the method of moments). With fewer than `PAIRS_MIN` pairs there is no number.
"""

import itertools
import math
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from golf.errors import UnreadableInput
from golf.measure.significance import t_cdf, t_quantile
from golf.schema import Noun

PAIRS_MIN = 5
"""Fewer pairs say nothing: the line takes two of them, and tau's interval needs n > 4.

Source: as many as robinojw/parameter-golf-autoresearch calls reliable; Fieller et al. for tau.
"""

CONFIDENCE = 0.95
"""Of the two-sided intervals."""

EXACT_MAX = 60
"""Pairs up to which tau's chance is counted out. The effort grows with their fourth power, and by then the normal
distribution is within a tenth of the exact chance down to one in a thousand."""


class Pair(Noun):
    """One idea on two tiers."""

    name: str
    family: str = "other"
    """What kind of technique it tries, as the catalogue has it."""
    local_bpb: float
    paid_bpb: float
    cost_usd: float = 0.0
    """What the paid run cost."""


class Tau(NamedTuple):
    """Kendall's rank correlation, with its interval."""

    tau: float
    low: float
    high: float
    p_none: float
    """Chance of a correlation so far above 0 if the order on one tier said nothing about the other."""


class Pooled(NamedTuple):
    """Families' means, drawn towards the mean of all."""

    whole: float
    families: Mapping[str, float]
    between: float
    """Variance of families' true means."""
    within: float
    """Variance within families."""
    sizes: Mapping[str, int]

    def weight(self, family: str) -> float:
        """How much a family's own mean counts, 0 to 1."""
        pairs = self.sizes.get(family, 0)
        if not pairs or not self.between:
            return 0.0
        return pairs * self.between / (pairs * self.between + self.within)


class Prediction(NamedTuple):
    """A paid score, foretold from a local one; bits per byte."""

    val_bpb: float
    low: float
    high: float
    """A paid run ends between them with `CONFIDENCE`."""
    expected_error: float
    """Standard error of the expectation alone, without what differs from idea to idea."""
    error: float
    """Standard error of one paid run."""
    df: int

    def chance_below(self, bpb: float) -> float:
        """Chance that a paid run ends below `bpb`."""
        return t_cdf((bpb - self.val_bpb) / self.error, self.df)

    def expected_gain(self, best_bpb: float) -> float:
        """Mean of what a paid run improves on `best_bpb`, a worse one counting 0."""
        z, df = (best_bpb - self.val_bpb) / self.error, self.df
        log_density = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2
        density = math.exp(log_density - (df + 1) / 2 * math.log1p(z * z / df))
        return max(0.0, self.error * (z * t_cdf(z, df) + (df + z * z) / (df - 1) * density))


def check(pairs: Sequence[Pair]) -> None:
    """Refuse to conclude from too little.

    Raises:
        UnreadableInput: fewer than `PAIRS_MIN` pairs, a score that is none, or local scores that are all the same.
    """
    if len(pairs) < PAIRS_MIN:
        raise UnreadableInput(
            f"not enough pairs: {len(pairs)} experiments were scored on both tiers, {PAIRS_MIN} are needed; "
            f"{PAIRS_MIN - len(pairs)} more paid runs of experiments played locally"
        )
    for pair in pairs:
        if not all(math.isfinite(bpb) and bpb > 0 for bpb in (pair.local_bpb, pair.paid_bpb)):
            raise UnreadableInput(f"{pair.name} has scores {pair.local_bpb} and {pair.paid_bpb}: no measurements")
    if len({pair.local_bpb for pair in pairs}) < 3:
        raise UnreadableInput("the local scores of all pairs are the same but for one: they say nothing about the paid")


def kendall(pairs: Sequence[Pair]) -> Tau:
    """Kendall's tau-b of local and paid scores.

    The interval is Fisher's z with Fieller's variance, 0.437 / (n - 4), around a tau that counts half a disagreement
    more, so that perfect agreement of few pairs is no certainty, and with Student's t for the few; simulated, it covers
    95 % to 100 %. The chance is exact for distinct scores (permutations by their inversions), and for ties that of the
    same count of agreements without them; beyond `EXACT_MAX` pairs it is a normal distribution's.

    Raises:
        UnreadableInput: as `check`.
    """
    check(pairs)
    agree, comparable = 0, math.comb(len(pairs), 2)
    before: list[float] = []  # paid scores of those with a lower local one, in order
    by_local = sorted((pair.local_bpb, pair.paid_bpb) for pair in pairs)
    for _, equals in itertools.groupby(by_local, key=lambda scores: scores[0]):
        paid = [score for _, score in equals]
        agree += sum(bisect_left(before, score) + bisect_right(before, score) - len(before) for score in paid)
        for score in paid:
            insort(before, score)
    local_ties, paid_ties = (_ties(getattr(pair, tier) for pair in pairs) for tier in ("local_bpb", "paid_bpb"))
    scale = math.sqrt((comparable - local_ties) * (comparable - paid_ties))
    tau = agree / scale if scale else 0.0
    z = math.atanh(tau * comparable / (comparable + 1))
    margin = t_quantile((1 + CONFIDENCE) / 2, len(pairs) - 2) * math.sqrt(0.437 / (len(pairs) - 4))
    low, high = math.tanh(z - margin), math.tanh(z + margin)
    return Tau(tau, min(low, tau), max(high, tau), _chance_of(agree, len(pairs)))


def pool(values: Iterable[tuple[str, float]]) -> Pooled:
    """Means of families, each drawn towards the mean of all by how little it has to say.

    Raises:
        UnreadableInput: there are no values.
    """
    groups: dict[str, list[float]] = {}
    for family, value in sorted(values):
        groups.setdefault(family, []).append(value)
    sizes = {family: len(group) for family, group in groups.items()}
    count = sum(sizes.values())
    if not count:
        raise UnreadableInput("there is nothing to pool; give pairs")
    whole = math.fsum(value for group in groups.values() for value in group) / count
    means = {family: fmean(group) for family, group in groups.items()}
    squares = math.fsum((value - means[family]) ** 2 for family, group in groups.items() for value in group)
    within_df, between_df = count - len(groups), len(groups) - 1
    between, within = 0.0, 0.0
    if within_df and between_df:  # else families and ideas cannot be told apart
        within = squares / within_df
        among = math.fsum(sizes[family] * (mean - whole) ** 2 for family, mean in means.items()) / between_df
        usual = (count - sum(size**2 for size in sizes.values()) / count) / between_df
        between = max(0.0, (among - within) / usual)
    pooled = Pooled(whole, {}, between, within, sizes)
    drawn = {family: whole + pooled.weight(family) * (mean - whole) for family, mean in means.items()}
    return pooled._replace(families=drawn)


def predict(pairs: Sequence[Pair], local_bpb: float, family: str) -> Prediction:
    """Where an idea with a local score lands on the paid tier.

    Raises:
        UnreadableInput: as `check`.
    """
    check(pairs)
    count = len(pairs)
    x, y = [pair.local_bpb for pair in pairs], [pair.paid_bpb for pair in pairs]
    middle = math.fsum(x) / count
    width = math.fsum((at - middle) ** 2 for at in x)
    slope = math.fsum((at - middle) * value for at, value in zip(x, y, strict=True)) / width
    level = math.fsum(y) / count
    rest = [value - level - slope * (at - middle) for at, value in zip(x, y, strict=True)]
    df = count - 2
    pooled = pool((pair.family, value) for pair, value in zip(pairs, rest, strict=True))
    variance = math.fsum(value**2 for value in rest) / df
    between = min(pooled.between, variance)
    within = pooled.within if between else variance
    leverage = 1 / count + (local_bpb - middle) ** 2 / width
    expected = variance * leverage + between * (1 - pooled.weight(family))
    error = max(math.sqrt(expected + within), 1e-9)
    at = level + slope * (local_bpb - middle) + pooled.families.get(family, 0.0)
    margin = t_quantile((1 + CONFIDENCE) / 2, df) * error
    return Prediction(at, at - margin, at + margin, math.sqrt(expected), error, df)


def _ties(scores: Iterable[float]) -> int:
    """Pairs of equal scores."""
    return sum(math.comb(count, 2) for count in Counter(scores).values())


def _chance_of(agree: int, count: int) -> float:
    """Chance that a random order agrees with another by so much or more."""
    if count > EXACT_MAX:
        spread = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
        return math.erfc((agree - 1) / spread / math.sqrt(2)) / 2  # agreements differ by two: half of that
    ways = [1.0]  # permutations by their number of inversions, as shares
    for size in range(2, count + 1):
        longer = [0.0] * (len(ways) + size - 1)
        for inversions, share in enumerate(ways):
            for more in range(size):
                longer[inversions + more] += share / size
        ways = longer
    most = (count * (count - 1) // 2 - agree) // 2  # inversions that leave that much agreement
    return min(1.0, math.fsum(ways[: most + 1]))
