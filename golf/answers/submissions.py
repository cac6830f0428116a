"""Other people's submissions, sorted for the people who decide."""

from typing import Annotated

from pydantic import Field, FiniteFloat, model_validator

from golf.answers.base import Answer, Name, Said
from golf.rulings import Code, Evidence, RulingVerdict, Severity

VERDICTS: tuple[RulingVerdict, ...] = ("block", "review", "clear")
"""Worst first."""


class TriagedFinding(Answer):
    """One thing that decides about a submission; its rule and what would clear it follow from the code."""

    code: Code
    severity: Severity
    """block: disqualifies by a maintainer's rule, with evidence; flag: a person must look; note: good to know."""
    text: Said
    """What it is, in a sentence with its numbers."""
    evidence: list[Evidence]


class TriagedSubmission(Answer):
    """One submission: what it claims, what was found, and whether a person has to look."""

    submission: Name
    """Folder, relative to what was triaged; `#1493 records/…` for a pull request's."""
    verdict: RulingVerdict
    """block: disqualified, with evidence; clear: its code and logs were read and nothing was found; else review."""
    track: str | None
    claimed_val_bpb: FiniteFloat | None
    """The headline, bits per byte."""
    logged_val_bpb: FiniteFloat | None
    """Mean of the seeds' logged scores."""
    num_seeds: Annotated[int, Field(ge=0)]
    """Seeds with a logged score."""
    artifact_bytes: Annotated[int, Field(ge=0)] | None
    """The largest that a log states; null when none does."""
    train_time_s: Annotated[FiniteFloat, Field(ge=0)] | None
    """The longest of its seeds."""
    techniques: list[Name]
    """Ids of the catalogue: what tells it apart from the naive baseline."""
    findings: list[TriagedFinding]
    reason: Said
    """Why this verdict."""

    @model_validator(mode="after")
    def _is_founded(self) -> "TriagedSubmission":
        blocks = [finding for finding in self.findings if finding.severity == "block"]
        if self.verdict == "block" and not any(finding.evidence for finding in blocks):
            raise ValueError(f"{self.submission} is blocked without a line of evidence")
        if self.verdict != "block" and blocks:
            raise ValueError(f"{self.submission} is called {self.verdict} in spite of: {blocks[0].text}")
        flag = next((finding for finding in self.findings if finding.severity == "flag"), None)
        if self.verdict == "clear" and flag is not None:
            raise ValueError(f"{self.submission} is called clear in spite of: {flag.text}")
        return self


class Triage(Answer):
    """Many submissions, sorted for the people who decide."""

    num_submissions: Annotated[int, Field(ge=0)]
    submissions: list[TriagedSubmission]
    """Blocks first, then review, then clear."""
    summary: Said

    @model_validator(mode="after")
    def _is_whole(self) -> "Triage":
        names = [entry.submission for entry in self.submissions]
        if len(names) != self.num_submissions:
            raise ValueError(f"num_submissions is {self.num_submissions}, and {len(names)} are listed")
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise ValueError(f"listed twice: {', '.join(twice[:5])}")
        order = [VERDICTS.index(entry.verdict) for entry in self.submissions]
        if order != sorted(order):
            raise ValueError("submissions come in the order block, review, clear")
        return self
