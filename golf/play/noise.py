"""Keep or discard against a measured noise floor: Wald's sequential test on scores per seed.

A loop that keeps whatever scores lower once keeps much luck: a new best is the lowest of many draws. Here an idea is
kept when its seeds are 150 times likelier under the gain that is sought than under none, dropped when they are
twice as likely under none, and given one seed more otherwise. Three things follow:

- looking after every seed is paid for already: an idea that gains nothing reaches such odds at any time with a
  chance of at most 1 in 150 (Ville's inequality);
- when one idea in nine is good, at most one keep in twenty is luck, whatever the noise: noise that is large beside the
  gain that is sought raises the evidence asked for instead of the share of false keeps;
- most ideas without a gain cost one seed.

The noise is pooled over the seeds of everything kept and of the idea itself. How uncertain so few seeds leave it is
part of the odds: they are those of Student's t, the noise integrated out, and stay small while few seeds measure it.
A kept idea was chosen for its score, which flatters it (the winner's curse): as the new baseline it is given seeds
until it has as many as the idea it is compared with, and `BASELINE_SEEDS` at least.

Source: Wald, Sequential Analysis (1947); `bench/keep_discard.py` plays sessions of it beside greedy loops.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from golf.errors import UnreadableInput
from golf.measure.significance import Pooled

KEEP_ODDS = 150.0
"""How many times likelier the seeds must be under the gain that is sought than under none."""

DOUBLINGS, DOUBLING_ODDS = 8, 4.0
"""Gains much larger than what is sought are weighed too, each doubling at odds so many times higher: they are rarer."""

DROP_ODDS = 2.0
"""How many times likelier under none ends an idea; in the simulation hardly a good one is lost to it."""

SEEDS_MAX = 16
"""An idea that is undecided by then is dropped: the next one is the better use of a run."""

BASELINE_SEEDS = 4
"""Seeds that a baseline should have before anything is compared with it."""


class Weighed(NamedTuple):
    """What an idea's seeds say."""

    verdict: Literal["keep", "discard", "more"]
    """more: undecided, one seed more may tell."""
    gain_bpb: float
    """Baseline's mean minus the idea's: positive is better."""
    keep_from_bpb: float | None
    """The gain that keeps with this many seeds; None when none does."""
    drop_below_bpb: float | None
    """The gain that drops with this many seeds; None when none does."""
    seeds_due: int
    """About how many seeds on each side let a gain of the size that is sought decide."""


def weigh(scores: Sequence[float], baseline_scores: Sequence[float], floor: Pooled, sought_bpb: float) -> Weighed:
    """Whether to keep an idea, by its scores and its baseline's, one per seed.

    Args:
        scores: The idea's.
        baseline_scores: Those of what it would replace.
        floor: Seed noise, pooled over everything kept and the idea itself.
        sought_bpb: The gain that the loop is after; with many seeds, half of it is enough.

    Raises:
        UnreadableInput: a side has no scores, or there is no noise or no gain to weigh with.
    """
    if not scores or not baseline_scores or not floor.std > 0 or not sought_bpb > 0:
        raise UnreadableInput(
            f"{len(scores)} scores against {len(baseline_scores)}, noise {floor.std} and sought gain {sought_bpb} BPB: "
            "each must be more than 0"
        )
    gain = math.fsum(baseline_scores) / len(baseline_scores) - math.fsum(scores) / len(scores)
    variance = floor.std**2 * (1 / len(scores) + 1 / len(baseline_scores))
    lines = [
        _gain_at(KEEP_ODDS * DOUBLING_ODDS**doubling, variance, floor.df, sought_bpb * 2**doubling)
        for doubling in range(DOUBLINGS + 1)
    ]
    keep_from = min((line for line in lines if line is not None), default=None)
    drop_below = _gain_at(1 / DROP_ODDS, variance, floor.df, sought_bpb)
    if keep_from is not None and gain >= keep_from:
        verdict = "keep"
    elif (drop_below is not None and gain <= drop_below) or len(scores) >= SEEDS_MAX:
        verdict = "discard"
    else:
        verdict = "more"
    seeds_due = math.ceil(4 * floor.std**2 * math.log(KEEP_ODDS) / sought_bpb**2)
    return Weighed(verdict, gain, keep_from, drop_below, seeds_due)


def baseline_seeds_due(num_seeds: int) -> int:
    """Seeds a baseline should have when an idea with `num_seeds` is compared with it."""
    return max(BASELINE_SEEDS, num_seeds)


def _gain_at(odds: float, variance: float, df: int, sought: float) -> float | None:
    """The gain at which the odds of `sought` against 0 are `odds`; None when no gain reaches them.

    Odds of two means under Student's t: ((df·V + g²) / (df·V + (g - sought)²)) ^ ((df + 1) / 2), solved for g. Of the
    two solutions the nearer one: the t's heavy tails take odds back from gains far beyond what is sought, and a larger
    gain is no weaker a reason to keep.
    """
    root = odds ** (2 / (df + 1))
    square = root * sought**2 - (root - 1) ** 2 * df * variance
    return None if square < 0 else (root * sought - math.sqrt(square)) / (root - 1)
