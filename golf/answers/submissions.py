"""Other people's submissions, sorted for the people who decide."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from golf.answers.base import Answer, Name, Said

FindingKind = Literal[
    "artifact_over_limit",
    "train_time_over_limit",
    "eval_time_over_limit",
    "score_disagrees",
    "size_disagrees",
    "single_seed",
    "missing_files",
    "unreadable",
    "leakage",
    "not_causal",
    "not_normalised",
    "bytes_miscounted",
    "partial_validation",
    "other",
]


class Evidence(Answer):
    """Where a finding can be read."""

    file: Said
    """Relative to the submission's folder."""
    line: Annotated[int, Field(ge=1)] | None
    quote: Said
    """The words or number that stand there."""


class Finding(Answer):
    """One thing to know about a submission."""

    kind: FindingKind
    text: Said
    """What it is, in a sentence with its numbers."""
    evidence: list[Evidence]


class TriagedSubmission(Answer):
    """One submission: what it claims, what was found, and whether a person has to look."""

    submission: Name
    """Folder name, relative to the folder that was triaged."""
    verdict: Literal["clear", "review", "violation"]
    """violation: a rule is broken, with evidence; clear: its legality was examined and nothing found; else review."""
    track: str | None
    claimed_val_bpb: FiniteFloat | None
    """As submission.json says, else the README."""
    logged_val_bpb: FiniteFloat | None
    """Mean of the logs' final scores."""
    num_seeds: Annotated[int, Field(ge=0)]
    """Logs with a final score."""
    artifact_bytes: Annotated[int, Field(ge=0)] | None
    """The largest that its files or logs support; null when nothing does."""
    train_time_s: Annotated[FiniteFloat, Field(ge=0)] | None
    """The longest of its logs."""
    techniques: list[Name]
    findings: list[Finding]
    reason: Said
    """Why this verdict."""

    @model_validator(mode="after")
    def _is_founded(self) -> "TriagedSubmission":
        if self.verdict == "violation" and not any(finding.evidence for finding in self.findings):
            raise ValueError(f"{self.submission} is called a violation without a line of evidence")
        if self.verdict == "clear" and self.findings:
            raise ValueError(f"{self.submission} is called clear in spite of: {self.findings[0].text}")
        return self


class Triage(Answer):
    """A folder of submissions, sorted for the people who decide."""

    num_submissions: Annotated[int, Field(ge=0)]
    submissions: list[TriagedSubmission]
    """Violations first, then review, then clear."""
    summary: Said

    @model_validator(mode="after")
    def _is_whole(self) -> "Triage":
        names = [entry.submission for entry in self.submissions]
        if len(names) != self.num_submissions:
            raise ValueError(f"num_submissions is {self.num_submissions}, and {len(names)} are listed")
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise ValueError(f"listed twice: {', '.join(twice[:5])}")
        order = [("violation", "review", "clear").index(entry.verdict) for entry in self.submissions]
        if order != sorted(order):
            raise ValueError("submissions come in the order violation, review, clear")
        return self
