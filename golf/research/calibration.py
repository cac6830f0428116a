"""Grades against measured outcomes: which dimensions of the rubric foretell a gain, and which foretell nothing.

Ranks are compared (Spearman), because grades are a few whole numbers and gains have long tails. A dimension that could
not be shown to predict is not thereby shown useless: the interval says what is still possible.
"""

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import FiniteFloat

from golf.research import rubric
from golf.research.nouns import Graded
from golf.schema import Noun

if TYPE_CHECKING:
    import numpy as np

DIMENSIONS = {name: rubric.highest(name) for name in rubric.ALL_DIMENSIONS}
"""Dimension → its highest grade."""

OUTCOMES_MIN = 20
"""Fewer outcomes say nothing: a correlation of 0.5 is then missed more often than found."""

LEVEL = 0.05
"""Chance of calling a useless dimension useful."""

PERMUTATIONS = 2_000

Verdict = Literal["predicts", "this dimension predicts nothing", "not enough outcomes", "no spread"]

NOTHING: Verdict = "this dimension predicts nothing"
NOT_ENOUGH: Verdict = "not enough outcomes"


class Dimension(Noun):
    """One dimension against outcomes."""

    name: str
    outcomes: int
    correlation: float | None
    """Spearman's rank correlation of grade and gain; None below the floor, or where all grades are the same."""
    low: float | None
    high: float | None
    """Its 95 % interval."""
    p: float | None
    """Chance of a correlation so far above 0 if grades said nothing, by permutation."""
    verdict: Verdict
    weight: float | None
    """Proposed factor of its grade: 1 leaves it; totals keep their scale. None while there are too few outcomes."""


class Calibration(Noun):
    """The grader against what was measured."""

    outcomes: int
    dimensions: list[Dimension]
    summary: str


class Outcome(Noun):
    """A graded item that was tried."""

    graded: Graded
    gain_bpb: FiniteFloat
    """Measured; positive is better."""


def calibrate(outcomes: Sequence[Outcome], seed: int = 1337) -> Calibration:
    """Every dimension against measured gains; `competitor_validated` counts where it was graded."""
    found = _weighted([_against(name, outcomes, seed) for name in DIMENSIONS])
    useless = [one.name for one in found if one.verdict == NOTHING]
    if len(outcomes) < OUTCOMES_MIN:
        summary = f"{NOT_ENOUGH}: {len(outcomes)} of {OUTCOMES_MIN} graded items have a measured result"
    elif useless:
        summary = f"{', '.join(useless)}: {NOTHING}, by {len(outcomes)} outcomes"
    else:
        summary = f"every dimension that could be judged predicts gains, by {len(outcomes)} outcomes"
    return Calibration(outcomes=len(outcomes), dimensions=found, summary=summary)


def spearman(grades: Sequence[float], gains: Sequence[float], seed: int = 1337) -> tuple[float, float, float, float]:
    """Rank correlation, its 95 % interval, and the one-sided chance of so much by permutation.

    Ties take their mean rank. The interval is Fisher's z with the variance 1.06 / (n - 3) (Fieller, Hartley and
    Pearson, 1957). Needs more than 3 values, not all the same on either side.
    """
    import numpy as np

    x, y = _ranks(grades), _ranks(gains)
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    rho = max(-1.0, min(1.0, float(np.mean(x * y))))
    shuffled = np.random.default_rng(seed).permuted(np.tile(y, (PERMUTATIONS, 1)), axis=1)
    above = int(np.count_nonzero(shuffled @ x / len(x) >= rho - 1e-12))
    z = math.atanh(max(-0.9999, min(0.9999, rho)))
    margin = statistics.NormalDist().inv_cdf(0.975) * math.sqrt(1.06 / (len(x) - 3))
    return rho, min(rho, math.tanh(z - margin)), max(rho, math.tanh(z + margin)), (above + 1) / (PERMUTATIONS + 1)


def _against(name: str, outcomes: Sequence[Outcome], seed: int) -> Dimension:
    pairs = [(grade, one.gain_bpb) for one in outcomes if (grade := getattr(one.graded, name)) is not None]
    verdict = NOT_ENOUGH
    if len(pairs) >= OUTCOMES_MIN:
        verdict = "no spread"
        if len({grade for grade, _ in pairs}) > 1 and len({gain for _, gain in pairs}) > 1:
            rho, low, high, p = spearman([grade for grade, _ in pairs], [gain for _, gain in pairs], seed)
            return Dimension(
                name=name, outcomes=len(pairs), correlation=rho, low=low, high=high, p=p,
                verdict="predicts" if p <= LEVEL else NOTHING, weight=None,
            )  # fmt: skip
    return Dimension(
        name=name, outcomes=len(pairs), correlation=None, low=None, high=None, p=None, verdict=verdict, weight=None
    )


def _weighted(found: Sequence[Dimension]) -> list[Dimension]:
    """With a proposed factor: in proportion to the correlation, nothing for what predicts nothing, scale kept.

    None where no dimension predicts: nothing can be proposed then.
    """
    judged = {
        one.name: max(0.0, one.correlation or 0.0) if one.verdict == "predicts" else 0.0
        for one in found
        if one.correlation is not None
    }
    kept = sum(DIMENSIONS[name] for name in judged)
    scale = sum(DIMENSIONS[name] * value for name, value in judged.items())
    if not scale:
        return list(found)
    return [
        one.model_copy(update={"weight": judged[one.name] * kept / scale}) if one.name in judged else one
        for one in found
    ]


def _ranks(values: Sequence[float]) -> "np.ndarray":
    import numpy as np

    _, place, count = np.unique(np.asarray(values, dtype=float), return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]
