"""Where the search has been: coverage of the technique families, how clustered it is, and the loops it is caught in.

A family counts as tried when an experiment of one's own touches it; what others did, and what was only read about, is
counted beside it. Loops are named findings with the rows that they rest on: they say what happened, and forbid nothing.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from golf.referee.techniques import Family
from golf.research.attempts import OTHER, Attempt, idea, ideas, named
from golf.research.likeness import Likeness, likeness
from golf.schema import Noun, Row

WINDOW = 10
"""Attempts that count as the last ones."""

REMEMBERED = 200
"""Earlier attempts that the last ones are compared with."""

DRAIN_ATTEMPTS = 5
"""Attempts without a win, and without a technique that is new, from which money spent on them counts as drained."""

CLUSTERED = 0.6
"""Share of the last attempts in one family from which they are clustered."""

PUBLISHED_RATIO = 20.0
"""Source: "Parameter Golf Auto Research" (2026-03-27), What's next: 20 local experiments for every one promoted."""

FAMILIES: tuple[str, ...] = get_args(Family)

LoopRule = Literal["same idea again", "paraphrased", "another knob value", "nothing new for the money"]

LOOP_RULES: Mapping[Likeness, LoopRule] = {
    "same idea": "same idea again",
    "paraphrased": "paraphrased",
    "another knob value": "another knob value",
}


class FamilyCoverage(Noun):
    """What was tried of one family."""

    family: str
    tries: int
    """Own experiments that touch it."""
    rounds_since: int | None
    """Own experiments since it was last touched, 0 for the newest; None when never."""
    wins: int
    """Ideas of those that gained, once for all the tiers it ran on."""
    best_gain_bpb: float | None
    spent_usd: float
    """Its share: an attempt's cost is split evenly over its families."""
    tries_by_others: int
    wins_by_others: int
    proposals: int
    """Things read about it."""


class Loop(Noun):
    """A way in which the search goes in circles."""

    rule: LoopRule
    rows: list[str]
    """Names of the attempts it rests on, oldest first."""
    reason: str


class Coverage(Noun):
    """Where the search has been."""

    families: list[FamilyCoverage]
    """Every family of the catalogue, in its order, and `other` when something fits none."""
    never_tried: list[str]
    """Families without an experiment of one's own."""
    window: int
    """How many of the last own experiments the numbers below are about."""
    diversity: float | None
    """Entropy of the families of the last experiments over that of an even spread; 0 one family, 1 even; None for fewer
    than two experiments."""
    clustered_in: str | None
    """The family that holds most of the last experiments, when it holds too many; else None."""
    clustered_share: float | None
    """The largest family's share of them; None without any."""
    loops: list[Loop]


class Ratio(Noun):
    """Local experiments per promoted one."""

    local: int
    """Rows that cost nothing."""
    promoted: int
    """Ideas that a row, local or paid, says were promoted or await their paid run."""
    per_promoted: float | None
    """None before the first promotion."""
    published: float = PUBLISHED_RATIO
    reason: str


def coverage(attempts: Sequence[Attempt], window: int = WINDOW) -> Coverage:
    """Coverage by attempts in the order they were made, own and others' mixed."""
    own = [one for one in attempts if one.source == "experiment"]
    last = own[-window:] if window else []
    shares = _shares(last)
    top = min(shares, key=lambda family: (-shares[family], family), default=None)
    families = [*FAMILIES, *([OTHER] if any(OTHER in one.families for one in attempts) else [])]
    covered = [_covered(family, own, attempts) for family in families]
    is_clustered = top is not None and len(last) >= 3 and shares[top] >= CLUSTERED
    return Coverage(
        families=covered,
        never_tried=[one.family for one in covered if not one.tries and one.family != OTHER],
        window=len(last),
        diversity=diversity(last),
        clustered_in=top if is_clustered else None,
        clustered_share=None if top is None else shares[top],
        loops=loops(own, window),
    )


def diversity(attempts: Sequence[Attempt]) -> float | None:
    """Shannon entropy of their families over its maximum, `log min(families, attempts)`: 0 to 1 (Pielou, 1966).

    An attempt of several families counts a part for each. None for fewer than two attempts.
    """
    if len(attempts) < 2:
        return None
    shares = [share for share in _shares(attempts).values() if share]
    entropy = -math.fsum(share * math.log(share) for share in shares)
    return min(1.0, max(0.0, entropy / math.log(min(len(FAMILIES) + 1, max(len(attempts), len(shares))))))


def loops(own: Sequence[Attempt], window: int = WINDOW) -> list[Loop]:
    """The loops that the last `window` of one's own experiments are part of."""
    found: dict[tuple[Likeness, int], list[str]] = {}
    for place in range(max(0, len(own) - window), len(own)):
        for before in range(max(0, place - REMEMBERED), place):
            if kind := _again(own[before], own[place]):
                found.setdefault((kind, before), [own[before].name]).append(own[place].name)
                break  # the oldest of a kind stands for the later ones
    named = [
        Loop(
            rule=LOOP_RULES[kind],
            rows=rows,
            reason=f"{rows[0]} gained nothing, and {len(rows) - 1} later ones are it again ({kind})",
        )
        for (kind, _), rows in found.items()
    ]
    return [*named, *_drain(own)]


def ratio(rows: Sequence[Row]) -> Ratio:
    """Local experiments (rows that cost nothing) for each idea that was promoted or awaits its paid run (S116).

    The mark is on the local row, on the paid one, or on both: one idea is told by its words.
    """
    local = [row for row in rows if row.cost_usd == 0]
    promoted = len({idea(*named(row.description)) for row in rows if row.promoted != "no"})
    if not promoted:
        return Ratio(
            local=len(local), promoted=0, per_promoted=None, reason=f"none of {len(local)} local runs was promoted yet"
        )
    value = len(local) / promoted
    side = "as many as" if value == PUBLISHED_RATIO else "fewer than" if value < PUBLISHED_RATIO else "more than"
    return Ratio(
        local=len(local),
        promoted=promoted,
        per_promoted=value,
        reason=f"{value:.1f} local runs for each promoted one, {side} the published {PUBLISHED_RATIO:g}",
    )


def _again(earlier: Attempt, later: Attempt) -> Likeness | None:
    """How `later` repeats what gained nothing; the very same on another tier does not, it is that tier's own run."""
    kind = None if earlier.is_win else likeness(earlier.text, later.text)
    return None if kind == "same idea" and earlier.tier != later.tier else kind


def _drain(own: Sequence[Attempt]) -> list[Loop]:
    """Money spent since the last win, or since the last technique that was new, whichever was later."""
    known: set[str] = set()
    start = 0
    for place, one in enumerate(own):
        if one.is_win or not known.issuperset(one.techniques):
            start = place + 1
        known.update(one.techniques)
    idle = own[start:]
    spent = math.fsum(one.cost_usd for one in idle)
    if len(idle) < DRAIN_ATTEMPTS or not spent:
        return []
    return [
        Loop(
            rule="nothing new for the money",
            rows=[one.name for one in idle],
            reason=f"${spent:.2f} went into {len(idle)} experiments without a gain or a technique not tried before",
        )
    ]


def _shares(attempts: Sequence[Attempt]) -> dict[str, float]:
    parts: defaultdict[str, float] = defaultdict(float)
    for one in attempts:
        for family in one.families:
            parts[family] += 1 / len(one.families)
    return {family: part / len(attempts) for family, part in parts.items()}


def _covered(family: str, own: Sequence[Attempt], attempts: Sequence[Attempt]) -> FamilyCoverage:
    mine = [one for one in own if family in one.families]
    others = [one for one in attempts if one.source == "competitor" and family in one.families]
    ages = [age for age, one in enumerate(reversed(own)) if family in one.families]
    return FamilyCoverage(
        family=family,
        tries=len(mine),
        rounds_since=ages[0] if ages else None,
        wins=sum(one.is_win for one in ideas(mine)),
        best_gain_bpb=max((one.gain_bpb for one in mine if one.gain_bpb is not None), default=None),
        spent_usd=math.fsum(one.cost_usd / len(one.families) for one in mine),
        tries_by_others=len(others),
        wins_by_others=sum(one.is_win for one in others),
        proposals=sum(one.source == "item" and family in one.families for one in attempts),
    )
