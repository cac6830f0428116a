"""The nouns of many submissions seen together; `golf.referee.survey` makes them."""

import math
from typing import Literal

from pydantic import FiniteFloat

from golf.referee.techniques import Sighting
from golf.rulings import Described, Ruling

Standing = Literal["credible", "open", "unsupported", "blocked"]
"""credible: clear, logged, enough seeds; open: a person must look, or too few seeds; unsupported: no logged score."""


class Likeness(Described):
    """Another submission, and the share of the program that both have."""

    name: str
    similarity: FiniteFloat


class Entry(Described):
    """One submission in the field."""

    name: str
    """Folder, relative to what was triaged; `#1493 records/…` for a pull request's."""
    day: str | None
    standing: Standing
    why: str
    """Of the standing."""
    rank: int | None
    """Among the credible of its track."""
    rank_by_claim: int | None
    """Among all that claim a number on its track, blocked ones included."""
    family: str | None
    """Name of the founder; null when there is no code to compare."""
    nearest: Likeness | None
    """The earlier submission that it shares most with; null where none has a quarter of it."""
    nearest_blocked: Likeness | None
    """For one that is not blocked: a blocked one that it is a near-duplicate of."""
    parents: list[str]
    """Submissions of this field that it says it builds on, nearest first."""
    ruling: Ruling
    sightings: list[Sighting]


class Family(Described):
    """Submissions that share half their program with the first of them."""

    founder: str
    members: list[str]
    """The founder first, then by day."""
    num_copies: int
    """Members that are near-duplicates of an earlier submission."""
    common: list[str]
    """Techniques that four fifths of the members have."""
    best: str | None
    """The credible member with the lowest score."""


class Week(Described):
    """How alike the submissions of one week are."""

    week: str
    """ISO year and week, `2026-W14`."""
    num_submissions: int
    similarity: FiniteFloat | None
    """Mean share of program in common, over all pairs; null with fewer than two programs."""
    technique_overlap: FiniteFloat | None
    """Mean Jaccard index of technique sets, over all pairs; what the naive baseline has is not counted."""
    num_founders: int
    """Submissions that no earlier family holds."""
    new_techniques: list[str]
    """Seen for the first time."""


class Spread(Described):
    """How far a technique has spread."""

    technique: str
    name: str
    family: str
    num_used: int
    num_off: int
    """In the code and switched off."""
    num_claimed: int
    """In a README alone."""
    num_credible: int
    num_blocked: int
    """Users that are credible, and that are blocked."""
    first: str | None
    """The earliest user."""


class Changes(Described):
    """What is different from the last run over the same place."""

    new: list[str]
    gone: list[str]
    verdicts: dict[str, str]
    """Submission → `review → block`."""


class Field(Described):
    """Everything about many submissions."""

    source: str
    entries: list[Entry]
    """Blocked first, then review, then clear; by name."""
    families: list[Family]
    """The largest first; those of one are left out."""
    weeks: list[Week]
    techniques: list[Spread]
    """In the order of the catalogue."""
    changes: Changes | None
    """Null at the first run."""

    def on_track(self, track: str | None) -> list[Entry]:
        """The entries of one track."""
        return [entry for entry in self.entries if entry.ruling.submission.track == track]

    def leaders(self, track: str | None) -> list[Entry]:
        """The credible ones of a track, best first."""
        return sorted((entry for entry in self.on_track(track) if entry.rank), key=lambda entry: entry.rank or 0)

    def contenders(self, track: str | None) -> list[Entry]:
        """Those of a track that would lead if their number stood: what a person should open first.

        The lowest first, but what no log shows after what one does.
        """
        leaders = self.leaders(track)
        best = leaders[0].ruling.submission.val_bpb if leaders else math.inf
        waiting = [entry for entry in self.on_track(track) if entry.standing in ("open", "unsupported")]
        numbers = {entry.name: number_of(entry.ruling) for entry in waiting}
        ahead = [entry for entry in waiting if (numbers[entry.name] or math.inf) < (best or math.inf)]
        return sorted(ahead, key=lambda entry: (entry.standing == "unsupported", numbers[entry.name], entry.name))


def number_of(ruling: Ruling) -> float | None:
    """The score that a submission's logs give, else the one it claims, bits per byte."""
    said = ruling.submission
    return said.val_bpb if said.val_bpb is not None else said.claimed_val_bpb
