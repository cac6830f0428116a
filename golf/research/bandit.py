"""What every technique promises: expected gain per dollar with exploration, from the attempts that had it.

The model is plain on purpose. An attempt wins when it improved on what was known. A technique's chance to win is
Beta-binomial with a prior of `PRIOR` attempts at the rate of all attempts together (shrinkage to the pooled mean):

    p = (w + PRIOR * p0) / (n + PRIOR)

with w wins among n attempts. Attempts count less as they age, halved every `HALF_LIFE_DAYS`, because what wins changes
(discounted UCB: Garivier and Moulines, 2011). A win is worth the mean of all wins: single
sizes are those of whole stacks of techniques, and ranking by them did worse on the challenge's history
(bench/research_backtest.py). The score is an upper bound of the expected gain over the expected cost (density ordering
of budgeted bandits: Tran-Thanh et al., 2012), `kappa` standard deviations of the Beta posterior up:

    score = (p + kappa * sqrt(p (1 - p) / (n + PRIOR + 1))) * usual win / cost

Nothing here is random: the same history, the same list.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from golf.referee import techniques
from golf.research.attempts import Attempt

PRIOR = 5.0
"""Attempts that the pooled rate counts for."""

HALF_LIFE_DAYS = 7.0
"""Age at which an attempt counts half."""

KAPPA = 0.5
"""Standard deviations of exploration."""

COST_MIN_USD = 0.05
"""An attempt costs at least so much: a free machine's time is no nothing, and nothing is divided by it."""


class Scored(NamedTuple):
    """A technique with what its attempts say."""

    technique: str
    family: str
    chance: float
    """Posterior chance of a win."""
    gain_bpb: float
    """Expected: chance times the size of a win."""
    score: float
    """Upper bound of the expected gain per dollar."""
    tries: int
    wins: int


@dataclass
class _Tally:
    """What attempts come to; all but the first two fields count the younger ones for more."""

    tries: int = 0
    wins: int = 0
    measured: float = 0.0
    won: float = 0.0
    gain_bpb: float = 0.0
    """Of the wins."""
    cost_usd: float = 0.0

    def add(self, one: Attempt, weight: float) -> None:
        """Count an attempt; one without a measured gain is a try and no more."""
        self.tries += 1
        if one.gain_bpb is not None:
            self.wins += one.is_win
            self.measured += weight
            self.won += weight * one.is_win
            self.gain_bpb += weight * max(0.0, one.gain_bpb)
            self.cost_usd += weight * max(COST_MIN_USD, one.cost_usd)


def scored(
    attempts: Iterable[Attempt],
    *,
    now: datetime | None = None,
    prior: float = PRIOR,
    half_life_days: float = HALF_LIFE_DAYS,
    kappa: float = KAPPA,
) -> list[Scored]:
    """Every technique of the catalogue that was tried, the highest score first.

    Attempts without a measured gain count as tried and teach nothing; undated ones do not age.
    """
    together, by_technique = _Tally(), defaultdict[str, _Tally](_Tally)
    for one in attempts:
        if one.is_tried:
            age_days = (now - one.at).total_seconds() / 86_400 if now and one.at else 0.0
            weight = 0.5 ** (max(0.0, age_days) / half_life_days)
            for tally in (together, *(by_technique[id] for id in one.techniques)):
                tally.add(one, weight)
    rate = together.won / together.measured if together.measured else 0.0
    usual_gain = together.gain_bpb / together.won if together.won else 0.0
    usual_cost = together.cost_usd / together.measured if together.measured else COST_MIN_USD
    known = techniques.catalogue()
    found = []
    for id, own in by_technique.items():
        if id in known:
            weight = own.measured + prior
            chance = (own.won + prior * rate) / weight
            deviation = math.sqrt(max(0.0, chance * (1 - chance)) / (weight + 1))
            price = (own.cost_usd + prior * usual_cost) / weight
            score = (chance + kappa * deviation) * usual_gain / price
            found.append(Scored(id, known[id].family, chance, chance * usual_gain, score, own.tries, own.wins))
    return sorted(found, key=lambda one: (-one.score, one.technique))
