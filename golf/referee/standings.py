"""Who leads with what can be believed.

A number is credible when its submission is clear, its logs show it and, on the record track, enough seeds do. The rank
by claim stands beside it: the lowest number rarely survives.
"""

import re
from collections import Counter
from collections.abc import Iterable

from golf.referee.field import Standing
from golf.rulings import Ruling

SEEDS_MIN = 3
"""Logged seeds that a number on the record track needs (R: 'an average over 3 training runs is sufficient')."""


def is_record(track: str | None) -> bool:
    """Whether a track is held to the limits in seconds and the bar for records; one that nobody names is."""
    return track is None or not re.search("non|unlimited", track, re.IGNORECASE)


def standing(ruling: Ruling) -> tuple[Standing, str]:
    """What a submission's number is worth, and why."""
    said = ruling.submission
    seeds = sum(seed.val_bpb is not None for seed in said.seeds)
    if ruling.verdict == "block":
        return "blocked", ruling.reason
    if said.val_bpb is None or not seeds:
        return "unsupported", "no log gives its score"
    if ruling.verdict == "review":
        return "open", ruling.reason
    if is_record(said.track) and seeds < SEEDS_MIN:
        return "open", f"{seeds} of {SEEDS_MIN} seeds are logged"
    return "credible", f"clear, and logged over {seeds} seed{'s' * (seeds > 1)}"


def ranks(scored: Iterable[tuple[str, str | None, float | None]]) -> dict[str, int]:
    """Name → rank on its track for (name, track, bits per byte), the lowest first, among equals in the order given."""
    taken: Counter[str | None] = Counter()
    found = {}
    known = [(name, track, score) for name, track, score in scored if score is not None]
    for name, track, _ in sorted(known, key=lambda row: row[2]):
        taken[track] += 1
        found[name] = taken[track]
    return found
