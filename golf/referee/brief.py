"""A field in short: as a triage answer, and as the few lines that a tool may say."""

from golf.answers.submissions import Triage, TriagedFinding, TriagedSubmission
from golf.referee.field import Entry, Field, number_of
from golf.rulings import Described

EVIDENCE_MAX = 2
"""Lines that a finding of the triage answer quotes."""

SUMMARY_BYTES_MAX = 2_000
"""Of a summary as JSON."""

LINE_MAX = 160
"""Characters of one line of a summary."""


class TriageSummary(Described):
    """A field in under two kilobytes: what to know first, and where the rest is."""

    summary: str
    num_submissions: int
    num_blocked: int
    num_review: int
    num_clear: int
    num_new: int | None
    """Since the last run; null at the first."""
    leaders: list[str]
    """The credible best of each track, with score, seeds and rank by claim."""
    open_first: list[str]
    """Submissions that would lead if their number stood."""
    blocked: list[str]
    """Some of them, with code and line."""
    page: str | None
    """The bulletin, Markdown."""
    data: str | None
    """Everything, JSON."""


def triaged(field: Field) -> Triage:
    """The field in the shape of a triage answer: what decides about each submission, two lines of evidence each."""
    return Triage(
        num_submissions=len(field.entries),
        submissions=[_triaged(entry) for entry in field.entries],
        summary=_sentence(field),
    )


def _triaged(entry: Entry) -> TriagedSubmission:
    said = entry.ruling.submission
    return TriagedSubmission(
        submission=entry.name,
        verdict=entry.ruling.verdict,
        track=said.track,
        claimed_val_bpb=said.claimed_val_bpb,
        logged_val_bpb=said.val_bpb,
        num_seeds=sum(seed.val_bpb is not None for seed in said.seeds),
        artifact_bytes=said.artifact_bytes,
        train_time_s=said.train_time_s,
        techniques=entry.ruling.techniques,
        findings=[
            TriagedFinding(
                code=finding.code,
                severity=finding.severity,
                text=finding.text,
                evidence=finding.evidence[:EVIDENCE_MAX],
            )
            for finding in entry.ruling.findings
            if finding.severity != "note"
        ],
        reason=entry.ruling.reason,
    )


def _sentence(field: Field) -> str:
    verdicts = [entry.ruling.verdict for entry in field.entries]
    credible = sum(entry.standing == "credible" for entry in field.entries)
    new = f", {len(field.changes.new)} new" if field.changes else ""
    return (
        f"{len(verdicts)} submissions{new}: {verdicts.count('block')} blocked by a line of evidence, "
        f"{verdicts.count('review')} for a person to look at, {verdicts.count('clear')} clear, {credible} of them "
        f"with a credible score; {len(field.families)} families"
    )


def summary(field: Field, *, page: str | None = None, data: str | None = None) -> TriageSummary:
    """What to know first; as many lines of each kind as fit, the last ones of the longest left out."""
    verdicts = [entry.ruling.verdict for entry in field.entries]
    tracks = sorted({entry.ruling.submission.track for entry in field.entries}, key=str)
    leaders = [_leader(entry) for track in tracks for entry in field.leaders(track)[:3]]
    open_first = [_contender(entry) for track in tracks for entry in field.contenders(track)[:3]]
    blocked = [_blocked(entry) for entry in field.entries if entry.standing == "blocked"][:20]
    while True:
        found = TriageSummary(
            summary=_sentence(field),
            num_submissions=len(verdicts),
            num_blocked=verdicts.count("block"),
            num_review=verdicts.count("review"),
            num_clear=verdicts.count("clear"),
            num_new=len(field.changes.new) if field.changes else None,
            leaders=leaders,
            open_first=open_first,
            blocked=blocked,
            page=page,
            data=data,
        )
        longest = max((blocked, open_first, leaders), key=len)
        if len(found.model_dump_json().encode()) <= SUMMARY_BYTES_MAX or not longest:
            return found
        longest.pop()


def _leader(entry: Entry) -> str:
    said = entry.ruling.submission
    seeds = sum(seed.val_bpb is not None for seed in said.seeds)
    claim = f", rank {entry.rank_by_claim} by claim" if entry.rank_by_claim else ""
    return _cut(f"{said.track} {entry.rank}: {said.val_bpb:.5f} over {seeds} seeds{claim}, {entry.name}")


def _contender(entry: Entry) -> str:
    return _cut(f"{number_of(entry.ruling)} {entry.standing}, {entry.name}: {entry.why}")


def _blocked(entry: Entry) -> str:
    worst = entry.ruling.findings[0]
    where = worst.evidence[0]
    return _cut(f"{worst.code} {where.file}:{where.line or ''} {entry.name}")


def _cut(text: str) -> str:
    return text if len(text) <= LINE_MAX else text[: LINE_MAX - 1] + "…"
