"""What each setting does on average: main effects of a factorial design, and means by value of a whole grid.

With seeds repeated, an effect is held against their noise; without, against the other contrasts, of which most do
nothing (Lenth's method). Either way the level is shared among the settings that are looked at.

Source: Lenth, Quick and Easy Analysis of Unreplicated Factorials, Technometrics 31 (1989).
"""

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Literal

from golf.desk.sweep.fractional import Fraction, named
from golf.measure.significance import CONFIDENCE, pool, t_quantile
from golf.schema import Noun

CONTRASTS_MIN = 7
"""Fewer tell nothing of what is usual among them."""


class Effect(Noun):
    """What a setting does from its first level to its second, averaged over all others."""

    setting: str
    low: str
    high: str
    effect: float
    """Mean at the second level minus mean at the first, in the metric's unit."""
    margin: float | None
    """An effect inside ± this is not told from noise; None where nothing measures noise."""
    verdict: Literal["real", "noise", "unknown"]
    aliases: list[str] = []
    """Interactions that it cannot be told from."""


class LevelMean(Noun):
    """A value's mean score over all values of the others."""

    setting: str
    value: str
    mean: float
    points: int


def main_effects(
    design: Fraction,
    names: Sequence[str],
    levels: Mapping[str, tuple[str, str]],
    scores: Sequence[Sequence[float]],
) -> list[Effect]:
    """Main effects, one per setting.

    Args:
        design: As it was played.
        names: The settings, in the design's order.
        levels: Their two values, as written.
        scores: Of each combination in the design's order, one per seed; each has one at least.
    """
    rows = design.rows()
    means = [statistics.fmean(values) for values in scores]
    noise = pool(scores)
    margin: float | None = None
    share = (1 - CONFIDENCE) / 2 / len(names)
    if noise is not None and noise.std > 0:
        variance = sum(1 / len(values) for values in scores) * noise.std**2
        margin = t_quantile(1 - share, noise.df) * 2 / len(rows) * math.sqrt(variance)
    elif len(rows) > CONTRASTS_MIN:
        margin = _lenth(design, rows, means, share)
    found = []
    for index, name in enumerate(names):
        effect = _contrast(rows, means, (index,))
        verdict = "unknown" if margin is None else "real" if abs(effect) > margin else "noise"
        aliases = [named(bits, names) for bits in design.aliases(1 << index) if bits]
        found.append(
            Effect(
                setting=name, low=levels[name][0], high=levels[name][1], effect=effect, margin=margin, verdict=verdict,
                aliases=aliases,
            )
        )  # fmt: skip
    return found


def _contrast(rows: Sequence[Sequence[int]], means: Sequence[float], factors: Sequence[int]) -> float:
    total = 0.0
    for row, mean in zip(rows, means, strict=True):
        sign = math.prod(2 * row[factor] - 1 for factor in factors)
        total += sign * mean
    return 2 * total / len(rows)


def _lenth(design: Fraction, rows: Sequence[Sequence[int]], means: Sequence[float], share: float) -> float:
    """The simultaneous margin from all contrasts of the base settings."""
    contrasts = [
        abs(_contrast(rows, means, factors))
        for size in range(1, design.base + 1)
        for factors in itertools.combinations(range(design.base), size)
    ]
    first = 1.5 * statistics.median(contrasts)
    usual = [one for one in contrasts if one < 2.5 * first] or contrasts
    return t_quantile(1 - share, len(contrasts) / 3) * 1.5 * statistics.median(usual)


def level_means(
    axes: Mapping[str, Sequence[str]], points: Sequence[Mapping[str, str]], means: Sequence[float]
) -> list[LevelMean]:
    """Means by value; empty unless every combination of a whole grid has a score, for others are not balanced."""
    if len(points) != math.prod(len(values) for values in axes.values()) or len(axes) < 2:
        return []
    found = []
    for name, values in axes.items():
        for value in values:
            own = [mean for point, mean in zip(points, means, strict=True) if point[name] == value]
            found.append(LevelMean(setting=name, value=value, mean=statistics.fmean(own), points=len(own)))
    return found
