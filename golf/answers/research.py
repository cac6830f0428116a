"""What was read, graded; the totals are added up here and are no part of an answer."""

from typing import Annotated, Literal

from pydantic import Field

from golf.answers.base import Answer, Name, Said
from golf.schema import Noun

UpTo2 = Annotated[int, Field(ge=0, le=2)]
UpTo3 = Annotated[int, Field(ge=0, le=3)]
UpTo4 = Annotated[int, Field(ge=0, le=4)]


class GradedItem(Answer):
    """One paper, pull request or post, graded for this challenge; the total is Caddie's to add up."""

    title: Said
    url: str | None
    bpb_impact: UpTo3
    """How far it can lower val_bpb."""
    size_compatibility: UpTo3
    """Whether it leaves the artifact within its bytes."""
    time_compatibility: UpTo2
    """Whether it leaves training within its seconds."""
    implementability: UpTo4
    """How surely it can be built in one script."""
    novelty: UpTo3
    """How different it is from what was tried; 0 for a repetition of a failed experiment."""
    competitor_validated: UpTo2 | None
    """Whether somebody else's run supports it; null when no competitors' results were given."""
    needs_new_dependency: bool
    needs_more_bytes: bool
    """The artifact would be over its limit."""
    needs_more_time: bool
    """Training would be over its limit."""
    techniques: list[Name]
    reason: Said
    """The grades in a sentence or two, with words from the source."""

    @property
    def is_ruled_out(self) -> bool:
        """A dependency, bytes or time the challenge does not allow: worth nothing, however good the idea."""
        return self.needs_new_dependency or self.needs_more_bytes or self.needs_more_time

    @property
    def total(self) -> int:
        """Sum of the grades, of 15 (17 with competitors)."""
        if self.is_ruled_out:
            return 0
        own = self.bpb_impact + self.size_compatibility + self.time_compatibility + self.implementability + self.novelty
        return own + (self.competitor_validated or 0)

    @property
    def tier(self) -> Literal["A", "B", "C"]:
        """A from 10, B from 7.

        Source: "Parameter Golf Auto Research" (2026-03-27), section on grading research against the constraints.
        """
        return "A" if self.total >= 10 else "B" if self.total >= 7 else "C"


class ResearchGrade(Answer):
    """Grades of what was read."""

    items: list[GradedItem]


class VerifiedItem(GradedItem):
    """An item that was read in full, graded anew, and held against something else than itself."""

    sources: list[Said]
    """Addresses, or files of the workspace, that it was held against; at least one besides the item itself."""
    brief: Said
    """How to build it here: what changes in the script, at what cost in bytes and seconds, and the cheapest test."""


class ResearchVerification(Answer):
    """The most promising of what was read, verified."""

    items: list[VerifiedItem]


class Tallied(Noun):
    """A graded item with its total, best first."""

    title: str
    url: str | None
    total: int
    tier: Literal["A", "B", "C"]
    ruled_out: bool
    reason: str


def tally(grades: ResearchGrade) -> list[Tallied]:
    """Totals and tiers of accepted grades, the highest first."""
    found = [
        Tallied(
            title=item.title,
            url=item.url,
            total=item.total,
            tier=item.tier,
            ruled_out=item.is_ruled_out,
            reason=item.reason,
        )
        for item in grades.items
    ]
    return sorted(found, key=lambda item: -item.total)
