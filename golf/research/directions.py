"""Where to go next: technique families, and the techniques within, by what they promise (`golf.research.bandit`).

A family promises what its best technique does that gained before; where the current best has all of those already, what
the family as a whole does. A family that gained nothing yet promises nothing: untried it is unexplored, tried it comes
last. One direction in four is off the beaten track (S99): the least tried
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
from golf.research.attempts import Attempt, ideas
from golf.schema import Noun

OFF_TRACK_SHARE = 0.25
"""Share of directions off the beaten track."""

HABITS: techniques.Family = "search"
"""Habits of research, no change to a model: never off the beaten track of changes."""

NAMED_MAX = 3
"""Techniques of one family that are named."""

FAILED_MAX = 2
"""Own attempts in one family that are told."""

HAD_MAX = 2
"""Techniques of one family that are named because the best has them."""

GAIN_DIGITS = 5
"""Of an expected gain in bits per byte, as it is shown: what is smaller makes no gain the larger one."""

RENDERED_BYTES_MAX = 2_000

Track = Literal["promising", "off the beaten track", "unexplored", "nothing gained yet"]
"""Where too few promise anything unexplored ones stand in, never tried, and then those that gained nothing yet."""


class NextStep(Noun):
    """A family worth going into, with techniques within."""

    family: str
    track: Track
    techniques: list[str]
    """The best of it, at most three."""
    tries: int
    """Of the family's techniques, one's own and others'; an idea's runs on several tiers are one."""
    wins: int
    """Of those, as are the tries."""
    expected_gain_bpb: float | None
    """Of one attempt at its best technique; None where nothing gained yet that it could rest on."""
    failed: list[str]
    """Own attempts in it that crashed or were measured no better, newest first, with how they ended; at most two."""
    reason: str
    """Whose attempts gained, what the best has already, and why it stands before a larger gain where it does."""


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
        now: When attempts are looked back on from; default: one's own from the newest of one's own, others' likewise.

    Raises:
        BadConfig: a share is not between 0 and 1, or `count` is below 1.
    """
    for name, share in (("off_track", off_track), ("human_share", human_share)):
        if not 0 <= share <= 1:
            raise BadConfig(f"{name} is a share from 0 to 1 (got {share:g})")
    if count < 1:
        raise BadConfig(f"count is at least 1 (got {count})")
    known = techniques.catalogue()
    attempts = ideas(attempts)
    own = [id for id in have if id in known]
    had = techniques.with_parents(own)
    scored: defaultdict[str, list[bandit.Scored]] = defaultdict(list)
    for row in bandit.scored(attempts, now=now):
        if row.technique not in had and known[row.technique].forbidden is None:
            scored[row.family].append(row)
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
    promises = _promises(bandit.families(attempts, now=now), scored, fresh)
    promising = [one for one in promises if one.family not in off][: wanted - len(off)]

    def step(family: str, track: Track, promise: bandit.Scored | None = None, why: str = "") -> NextStep:
        there = [id for id in own if known[id].family == family and not known[id].baseline]
        return _step(family, track, scored[family], fresh[family], touching[family], promise, there, why)

    steps = [step(one.family, "promising", one, _why(one, promising[n:])) for n, one in enumerate(promising, start=1)]
    taken = {*off, *(one.family for one in promising)}
    spare = [family for family in quiet if family not in taken] if share else []
    for family in spare[: wanted - len(off) - len(promising)]:
        steps.append(step(family, "nothing gained yet" if touching[family] else "unexplored"))
    every = max(1, round(wanted / len(off))) if off else 0
    for place, family in enumerate(off, start=1):
        steps.insert(place * every - 1, step(family, "off the beaten track"))
    return NextSteps(steps=steps, human_share=human_share, human_slots=human_slots)


def render(found: NextSteps, bytes_max: int = RENDERED_BYTES_MAX) -> str:
    """The directions in words, at most `bytes_max` bytes of UTF-8, cut at a direction's end."""
    head = "Next directions (by expected gain per dollar; one line each):"
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


def _promises(
    families: Mapping[str, bandit.Scored],
    scored: Mapping[str, Sequence[bandit.Scored]],
    fresh: Mapping[str, Sequence[str]],
) -> list[bandit.Scored]:
    """The best promise of every family that holds one up with a win, the highest score first, then the less tried."""
    found: list[bandit.Scored] = []
    for family, whole in families.items():
        best = next((row for row in scored.get(family, ()) if row.wins), None)
        if best is None and whole.wins and fresh.get(family):
            best = whole  # what gained is there already; what is like it was not tried
        if best is not None:
            found.append(best)
    return sorted(found, key=lambda one: (-one.score, families[one.family].tries, one.family))


def _why(one: bandit.Scored, later: Sequence[bandit.Scored]) -> str:
    """Why it stands before a larger expected gain; empty where it does not."""
    gain = round(one.gain_bpb, GAIN_DIGITS)
    larger = [other for other in later if round(other.gain_bpb, GAIN_DIGITS) > gain]
    if not larger:
        return ""
    if all(one.gain_bpb / one.price_usd >= other.gain_bpb / other.price_usd for other in larger):
        return f"ahead for its price, ${one.price_usd:.2f} an attempt"
    return "ahead because less is known of it"


def _step(
    family: str,
    track: Track,
    scored: Sequence[bandit.Scored],
    fresh: Sequence[str],
    touching: Sequence[Attempt],
    promise: bandit.Scored | None,
    there: Sequence[str],
    why: str,
) -> NextStep:
    won = [row.technique for row in scored if row.wins]
    lost = [row.technique for row in scored if not row.wins]
    failed = [one for one in reversed(touching) if one.source == "experiment" and one.is_failure]
    said = [_record(touching)]
    if promise is not None:
        said.append(f"{promise.gain_bpb:.{GAIN_DIGITS}f} BPB expected")
    if why:
        said.append(why)
    if there:
        said.append(f"the best has {', '.join(there[:HAD_MAX])} already")
    return NextStep(
        family=family,
        track=track,
        techniques=[*won, *fresh, *lost][:NAMED_MAX] if promise else [*fresh, *won, *lost][:NAMED_MAX],
        tries=len(touching),
        wins=sum(one.is_win for one in touching),
        expected_gain_bpb=promise and promise.gain_bpb,
        failed=[f"{foreign.line(one.text or one.name, 60)!r} {_ended(one)}" for one in failed[:FAILED_MAX]],
        reason=f"{'; '.join(said)}.",
    )


def _record(touching: Sequence[Attempt]) -> str:
    """How many gained, and whose they were."""
    if not touching:
        return "never tried, here or by anybody known"
    wins, tries = sum(one.is_win for one in touching), len(touching)
    own = [one for one in touching if one.source == "experiment"]
    if len(own) == tries:
        return f"{wins} of {tries} attempts gained here"
    here = f"here {sum(one.is_win for one in own)} of {len(own)}" if own else "here none"
    return f"{wins} of {tries} attempts gained, others' included ({here})"


def _ended(one: Attempt) -> str:
    if one.gain_bpb is None:
        return one.outcome or "unmeasured"
    return f"{one.outcome or 'ended'} at {-one.gain_bpb:+.4f} BPB"
