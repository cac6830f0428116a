"""Where to go next: technique families, and the techniques within, by what they promise (`golf.research.bandit`).

A family promises what its best technique does. One direction in four is off the beaten track (S99): the least tried
ones, whatever their score, which the score alone would never choose. The same history gives the same list.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from golf.errors import BadConfig
from golf.referee import techniques
from golf.research import bandit, foreign
from golf.research.attempts import Attempt
from golf.schema import Noun

OFF_TRACK_SHARE = 0.25
"""Share of directions off the beaten track."""

HABITS: techniques.Family = "search"
"""Habits of research, no change to a model: never off the beaten track of changes."""

NAMED_MAX = 3
"""Techniques of one family that are named."""

FAILED_MAX = 2
"""Own attempts in one family that are told."""

RENDERED_BYTES_MAX = 2_000

Track = Literal["promising", "off the beaten track", "unexplored"]
"""unexplored: stands in where too few promise anything."""


class NextStep(Noun):
    """A family worth going into, with techniques within."""

    family: str
    track: Track
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
        have: Techniques that the current best already has: no directions, nor are the wider ones they belong to.
        now: When attempts are looked back on from; default: they do not age.

    Raises:
        BadConfig: a share is not between 0 and 1, or `count` is below 1.
    """
    for name, share in (("off_track", off_track), ("human_share", human_share)):
        if not 0 <= share <= 1:
            raise BadConfig(f"{name} is a share from 0 to 1 (got {share:g})")
    if count < 1:
        raise BadConfig(f"count is at least 1 (got {count})")
    known = techniques.catalogue()
    had = techniques.with_parents(id for id in have if id in known)
    scored: defaultdict[str, list[bandit.Scored]] = defaultdict(list)
    for row in bandit.scored(attempts, now=now):
        if row.technique not in had and known[row.technique].forbidden is None:
            scored[row.family].append(row)  # families come by their best technique
    touching: defaultdict[str, list[Attempt]] = defaultdict(list)
    for one in attempts:
        for family in one.families if one.is_tried else ():
            touching[family].append(one)
    fresh = _fresh(attempts, had)
    human_slots = round(count * human_share)
    wanted = count - human_slots
    quiet = sorted((family for family in fresh if family != HABITS), key=lambda family: len(touching[family]))
    share = math.floor(wanted * off_track + 0.5)
    off = quiet[:share]
    promising = [family for family in scored if family not in off][: wanted - len(off)]
    steps = [_step(one, "promising", scored[one], fresh[one], touching[one]) for one in promising]
    spare = [family for family in quiet if family not in (*off, *promising)] if share else []
    for family in spare[: wanted - len(off) - len(promising)]:
        steps.append(_step(family, "unexplored", scored[family], fresh[family], touching[family]))
    every = max(1, round(wanted / len(off))) if off else 0
    for place, family in enumerate(off, start=1):
        step = _step(family, "off the beaten track", scored[family], fresh[family], touching[family])
        steps.insert(place * every - 1, step)
    return NextSteps(steps=steps, human_share=human_share, human_slots=human_slots)


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


def _fresh(attempts: Iterable[Attempt], had: set[str]) -> Mapping[str, list[str]]:
    """Family → its techniques that nobody tried, the most read about first; so are the families.

    What a narrower technique that was tried belongs to was tried with it, and the naive baseline has its own.
    """
    known = techniques.catalogue()
    tried: set[str] = set()
    read: Counter[str] = Counter()
    for one in attempts:
        (tried if one.is_tried else read).update(id for id in one.techniques if id in known)
    spent = techniques.with_parents(tried) | had | {id for id, one in known.items() if one.forbidden}
    families = {technique.family for technique in known.values()}
    reads = Counter(known[id].family for id in read.elements())
    return {
        family: sorted(
            (id for id, one in known.items() if one.family == family and not one.baseline and id not in spent),
            key=lambda id: (-read[id], id),
        )
        for family in sorted(families, key=lambda family: (-reads[family], family))
    }


def _step(
    family: str, track: Track, scored: Sequence[bandit.Scored], fresh: Sequence[str], touching: Sequence[Attempt]
) -> NextStep:
    tried = [row.technique for row in scored]
    wins = sum(one.is_win for one in touching)
    failed = [one for one in reversed(touching) if one.source == "experiment" and not one.is_win]
    gain = None
    if track == "promising":
        gain = scored[0].gain_bpb
        reason = f"{wins} of {len(touching)} attempts gained; {gain:.5f} BPB expected"
    elif touching:
        reason = f"only {len(touching)} attempts, {wins} gained"
    else:
        reason = "never tried"
    return NextStep(
        family=family,
        track=track,
        techniques=[*tried, *fresh][:NAMED_MAX] if track == "promising" else [*fresh, *tried][:NAMED_MAX],
        tries=len(touching),
        wins=wins,
        expected_gain_bpb=gain,
        failed=[f"{foreign.line(one.text or one.name, 60)!r} {_ended(one)}" for one in failed[:FAILED_MAX]],
        reason=f"{reason}.",
    )


def _ended(one: Attempt) -> str:
    if one.gain_bpb is None:
        return one.outcome or "unmeasured"
    return f"{one.outcome or 'ended'} at {-one.gain_bpb:+.4f} BPB"
