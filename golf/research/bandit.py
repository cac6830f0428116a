"""What every technique promises: expected gain per dollar with exploration, from the attempts that had it.

The model is plain on purpose. An attempt wins when it improved on what was known. A technique's chance to win is
Beta-binomial with a prior of `PRIOR` attempts at the rate of all attempts together (shrinkage to the pooled mean):

    p = (w + PRIOR * p0) / (n + PRIOR)

with w wins among n attempts, one's own `OWN_WEIGHT` times. Attempts count less as they age, halved every
`HALF_LIFE_DAYS`, because what wins changes (discounted UCB: Garivier and Moulines, 2011). A win is worth the mean of
all wins: single sizes are those of whole stacks of techniques, and ranking by them did worse on the challenge's history
(bench/research_backtest.py). The score is an upper bound of the expected gain over the expected cost (density ordering
of budgeted bandits: Tran-Thanh et al., 2012), `kappa` standard deviations of the Beta posterior up:

    score = (p + kappa * sqrt(p (1 - p) / (n + PRIOR + 1))) * usual win / cost

Without a single win p is the prior's alone and promises nothing: whoever shows it looks at `wins`. Scores that are
equal to six digits are: fewer tries then come first. Nothing here is random: the same history, the same list.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from golf.referee import techniques
from golf.research.attempts import Attempt

PRIOR = 5.0
"""Attempts that the pooled rate counts for."""

OWN_WEIGHT = 3.0
"""Attempts of others that one of one's own counts for: it was measured here, theirs are mostly claims."""

HALF_LIFE_DAYS = 7.0
"""Age at which an attempt counts half."""

KAPPA = 0.15
"""Standard deviations of exploration. More of it finds less of what records added (bench/research_backtest.py)."""

SCORE_DIGITS = 6
"""Of a score, in bits per byte per dollar: what is smaller is left of attempts long gone."""

COST_MIN_USD = 0.05
"""An attempt costs at least so much: a free machine's time is no nothing, and nothing is divided by it."""


class Scored(NamedTuple):
    """A technique, or a whole family, with what its attempts say."""

    technique: str
    """Empty of a family."""
    family: str
    chance: float
    """Posterior chance of a win."""
    gain_bpb: float
    """Expected: chance times the size of a win."""
    score: float
    """Upper bound of the expected gain per dollar, rounded."""
    price_usd: float
    """Expected, of one attempt; at least `COST_MIN_USD`."""
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

    Attempts without a measured gain count as tried and teach nothing; undated ones do not age. Without `now` one's own
    age from the newest of one's own and others' from the newest of others': a field that rests is not forgotten.
    """
    known = techniques.catalogue()
    found = _scored(attempts, lambda one: one.techniques, now, prior, half_life_days, kappa)
    return [row._replace(family=known[row.technique].family) for row in found if row.technique in known]


def families(attempts: Iterable[Attempt], *, now: datetime | None = None) -> dict[str, Scored]:
    """The same of families as wholes: what an untried technique promises beside others of its family that gained.

    What a rule forbids speaks for none.
    """
    allowed = {id: one.family for id, one in techniques.catalogue().items() if one.forbidden is None}

    def of(one: Attempt) -> list[str]:
        return sorted({allowed[id] for id in one.techniques if id in allowed})

    found = _scored(attempts, of, now, PRIOR, HALF_LIFE_DAYS, KAPPA)
    return {row.technique: row._replace(technique="", family=row.technique) for row in found}


def _scored(
    attempts: Iterable[Attempt],
    keys: Callable[[Attempt], Iterable[str]],
    now: datetime | None,
    prior: float,
    half_life_days: float,
    kappa: float,
) -> list[Scored]:
    """By whatever `keys` says that an attempt is of, under `technique`."""
    tried = [one for one in attempts if one.is_tried]
    newest = {
        source: now or max((one.at for one in tried if one.source == source and one.at is not None), default=None)
        for source in {one.source for one in tried}
    }
    together, by_key = _Tally(), defaultdict[str, _Tally](_Tally)
    for one in tried:
        since = newest[one.source]
        age_days = (since - one.at).total_seconds() / 86_400 if since and one.at else 0.0
        weight = 0.5 ** (max(0.0, age_days) / half_life_days) * (OWN_WEIGHT if one.source == "experiment" else 1.0)
        for tally in (together, *(by_key[key] for key in keys(one))):
            tally.add(one, weight)
    rate = together.won / together.measured if together.measured else 0.0
    usual_gain = together.gain_bpb / together.won if together.won else 0.0
    usual_cost = together.cost_usd / together.measured if together.measured else COST_MIN_USD
    found = []
    for key, own in by_key.items():
        weight = own.measured + prior
        chance = (own.won + prior * rate) / weight
        deviation = math.sqrt(max(0.0, chance * (1 - chance)) / (weight + 1))
        price = (own.cost_usd + prior * usual_cost) / weight
        score = round((chance + kappa * deviation) * usual_gain / price, SCORE_DIGITS)
        found.append(Scored(key, "", chance, chance * usual_gain, score, price, own.tries, own.wins))
    return sorted(found, key=lambda one: (-one.score, one.tries, one.technique))
