"""Where to go next: technique families, and the techniques within, by expected gain per dollar with exploration.

The model is plain on purpose. An attempt wins when it improved on what was known. A technique's chance to win is
Beta-binomial with a prior of `PRIOR` attempts at the rate of all attempts together (shrinkage to the pooled mean):

    p = (w + PRIOR * p0) / (n + PRIOR)

with w wins among n attempts. Attempts count less as they age, halved every `HALF_LIFE_DAYS`, because what wins changes
(discounted UCB: Garivier and Moulines, 2011). A win is worth the mean of all wins: single
sizes are those of whole stacks of techniques, and ranking by them did worse on the challenge's history
(bench/research_backtest.py). The score is an upper bound of the expected gain over the expected cost (density ordering
of budgeted bandits: Tran-Thanh et al., 2012), `kappa` standard deviations of the Beta posterior up:

    score = (p + kappa * sqrt(p (1 - p) / (n + PRIOR + 1))) * usual win / cost

A family scores as its best technique. One direction in four is off the beaten track (S99): the least tried ones,
whatever their score, which the score alone would never choose. Nothing here is random: the same history, the same list.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from golf.errors import BadConfig
from golf.referee import techniques
from golf.research import quoting
from golf.research.attempts import Attempt
from golf.schema import Noun

PRIOR = 5.0
"""Attempts that the pooled rate counts for."""

HALF_LIFE_DAYS = 7.0
"""Age at which an attempt counts half."""

KAPPA = 0.5
"""Standard deviations of exploration."""

OFF_TRACK_SHARE = 0.25
"""Share of directions off the beaten track."""

COST_MIN_USD = 0.05
"""An attempt costs at least so much: a free machine's time is no nothing, and nothing is divided by it."""

RENDERED_BYTES_MAX = 2_000


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


class NextStep(Noun):
    """A family worth going into, with techniques within."""

    family: str
    track: Literal["promising", "off the beaten track"]
    techniques: list[str]
    """The best of it, at most three."""
    tries: int
    """Of the family's techniques, one's own and others'."""
    wins: int
    expected_gain_bpb: float | None
    """Of one attempt at its best technique; None where nothing was ever measured."""
    failed: list[str]
    """Own attempts in it that gained nothing, newest first, with how they ended; at most two."""
    reason: str


class NextSteps(Noun):
    """Where to go next, most promising first, the directions off the beaten track spread among them."""

    steps: list[NextStep]
    human_share: float
    """Share of experiments that a person directs; so many of `steps` are left to them."""
    human_slots: int


def scored(
    attempts: Iterable[Attempt],
    *,
    now: datetime | None = None,
    prior: float = PRIOR,
    half_life_days: float = HALF_LIFE_DAYS,
    kappa: float = KAPPA,
) -> list[Scored]:
    """Every technique that was tried, the highest score first; wider ones that a narrower one implies count as tried.

    Attempts without a measured gain count as tried and teach nothing; undated ones do not age.
    """
    n: Counter[str] = Counter()
    won: Counter[str] = Counter()
    cost: Counter[str] = Counter()
    tries: Counter[str] = Counter()
    wins: Counter[str] = Counter()
    total = total_won = total_size = total_cost = 0.0
    for one in attempts:
        if not one.is_tried:
            continue
        tries.update(one.techniques)
        if one.gain_bpb is None:
            continue
        age = (now - one.at).total_seconds() / 86_400 if now and one.at else 0.0
        weight = 0.5 ** (max(0.0, age) / half_life_days)
        gain = weight * one.gain_bpb if one.is_win else 0.0
        paid = weight * max(COST_MIN_USD, one.cost_usd)
        total, total_cost = total + weight, total_cost + paid
        total_won, total_size = total_won + weight * one.is_win, total_size + gain
        for id in one.techniques:
            n[id] += weight  # type: ignore[assignment]
            cost[id] += paid  # type: ignore[assignment]
            won[id] += weight * one.is_win  # type: ignore[assignment]
            wins[id] += one.is_win
    rate = total_won / total if total else 0.0
    usual_size = total_size / total_won if total_won else 0.0
    usual_cost = total_cost / total if total else COST_MIN_USD
    known = techniques.catalogue()
    found = []
    for id in tries:
        if id not in known:
            continue
        weight = n[id] + prior
        chance = (won[id] + prior * rate) / weight
        deviation = math.sqrt(max(0.0, chance * (1 - chance)) / (weight + 1))
        price = (cost[id] + prior * usual_cost) / weight
        score = (chance + kappa * deviation) * usual_size / price
        found.append(Scored(id, known[id].family, chance, chance * usual_size, score, tries[id], wins[id]))
    return sorted(found, key=lambda one: (-one.score, one.technique))


def next_directions(
    attempts: Sequence[Attempt],
    *,
    count: int = 8,
    off_track: float = OFF_TRACK_SHARE,
    human_share: float = 0.0,
    have: Iterable[str] = (),
    now: datetime | None = None,
) -> NextSteps:
    """Families to go into next.

    Args:
        attempts: One's own and others', and what was read (`golf.research.attempts`), oldest first.
        count: Directions wanted; human slots are taken from them.
        off_track: Share of them off the beaten track, 0 to 1.
        human_share: Share of experiments that a person directs, 0 to 1.
        have: Techniques that the current best already has: no directions.
        now: When attempts are looked back on from; default: they do not age.

    Raises:
        BadConfig: a share is not between 0 and 1, or `count` is below 1.
    """
    for name, share in (("off_track", off_track), ("human_share", human_share)):
        if not 0 <= share <= 1:
            raise BadConfig(f"{name} is a share from 0 to 1 (got {share:g})")
    if count < 1:
        raise BadConfig(f"count is at least 1 (got {count})")
    slots = round(count * human_share)
    wanted = count - slots
    had = set(have)
    known = techniques.catalogue()
    rows = [row for row in scored(attempts, now=now) if row.technique not in had]
    proposed = Counter(id for one in attempts if not one.is_tried for id in one.techniques)
    tries = Counter(family for one in attempts if one.is_tried for family in one.families)
    beaten = list(dict.fromkeys(row.family for row in rows))
    families = dict.fromkeys(
        technique.family for technique in known.values() if technique.family != "search"
    )  # research habits, no change to a model
    quiet = sorted(families, key=lambda family: (tries[family], -_read(proposed, family), family))
    num_off = min(len(quiet), math.floor(wanted * off_track + 0.5))
    off = quiet[:num_off]
    promising = [family for family in beaten if family not in off][: wanted - len(off)]
    steps = [_step(family, "promising", rows, attempts, proposed, had) for family in promising]
    every = max(1, round(1 / off_track)) if off_track else 0
    for place, family in enumerate(off, start=1):
        steps.insert(place * every - 1, _step(family, "off the beaten track", rows, attempts, proposed, had))
    return NextSteps(steps=steps, human_share=human_share, human_slots=slots)


def render(found: NextSteps, bytes_max: int = RENDERED_BYTES_MAX) -> str:
    """The directions in words, at most `bytes_max` bytes of UTF-8, cut at a direction's end."""
    head = "Next directions (expected gain per dollar; one line each):"
    if found.human_slots:
        head = f"{found.human_slots} of the next experiments are a person's to direct. {head}"
    lines = [head]
    for number, step in enumerate(found.steps, start=1):
        line = f"{number}. {step.family} [{step.track}]: {', '.join(step.techniques) or 'anything'}. {step.reason}"
        if step.failed:
            line += f" Tried: {'; '.join(step.failed)}."
        if len("\n".join([*lines, line]).encode()) > bytes_max:
            break
        lines.append(line)
    return "\n".join(lines)


def _step(
    family: str,
    track: Literal["promising", "off the beaten track"],
    rows: Sequence[Scored],
    attempts: Sequence[Attempt],
    proposed: Counter[str],
    had: set[str],
) -> NextStep:
    known = techniques.catalogue()
    own = [row for row in rows if row.family == family]
    tried = {row.technique for row in rows}
    fresh = sorted(
        (id for id, one in known.items() if one.family == family and not one.baseline and id not in tried | had),
        key=lambda id: (-proposed[id], id),
    )
    named = [row.technique for row in own] if track == "promising" else fresh
    named = (named + (fresh if track == "promising" else [row.technique for row in own]))[:3]
    touching = [one for one in attempts if one.is_tried and family in one.families]
    wins = sum(one.is_win for one in touching)
    gain = own[0].gain_bpb if own and track == "promising" else None
    failed = [
        f"{quoting.one_line(one.text or one.name, 60)!r} {_ended(one)}"
        for one in reversed(touching)
        if one.source == "experiment" and not one.is_win
    ][:2]
    if track == "promising":
        reason = f"{wins} of {len(touching)} attempts gained"
        reason += f"; {own[0].gain_bpb:.5f} BPB expected" if own else ""
    elif touching:
        reason = f"only {len(touching)} attempts, {wins} gained"
    else:
        reason = "never tried"
    return NextStep(
        family=family, track=track, techniques=named, tries=len(touching), wins=wins, expected_gain_bpb=gain,
        failed=failed, reason=reason + ".",
    )  # fmt: skip


def _ended(one: Attempt) -> str:
    if one.gain_bpb is None:
        return one.outcome or "unmeasured"
    return f"{one.outcome or 'ended'} at {-one.gain_bpb:+.4f} BPB"


def _read(proposed: Counter[str], family: str) -> int:
    known = techniques.catalogue()
    return sum(times for id, times in proposed.items() if id in known and known[id].family == family)
