"""What others claim, as the referee sees it: mean over seeds, spread, lineage, and what speaks against believing it.

Nobody's script is run. A competitor is credible when there is no doubt: it is clear, its logs show enough seeds, its
claim is no better than they are, and its artifact has a known size within the limit. That a program is a near-duplicate
of a blocked one is no doubt by itself, a repaired one and an original that was copied are as close; having the very
lines that were ruled invalid is one.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from golf import rules
from golf.referee import reconcile, standings
from golf.referee.field import Entry, Field
from golf.referee.triage import Progress
from golf.research import foreign, place, readme_scores, submitted, surveys
from golf.research.mentions import mentioned
from golf.research.nouns import Competitor, Item
from golf.research.surveys import Survey
from golf.workspace import Workspace

INDEX = "submissions.db"
"""The referee's index of what was judged before, apart from that of `golf triage`: it tells what is new since its own
last run, which this one must not use up."""

SEEDS_MIN = 2
"""Logged seeds wherever the record track's three are not asked for: one alone has no spread."""

DOUBT_CHARS = 240

NOTED = frozenset({"SIZE_OVER", "TIME_OVER_TRAIN", "TIME_OVER_EVAL"})
"""Findings of the referee that are told of a competitor as notes: a limit of the challenge, and within what is let by.
"""
NOTES_MAX = 2
NOTE_CHARS = 160


def survey(
    workspace: Workspace,
    folder: Path,
    *,
    repository: str | None = None,
    is_only: bool = False,
    on_progress: Progress | None = None,
) -> list[Competitor]:
    """Judge every submission below `folder`, or of the pull requests in the repository there, and keep that.

    The lowest score comes first.

    Args:
        workspace: Whose limits count, and where the referee's index is kept.
        folder: Record folders, or a clone with its pull requests.
        repository: `owner/name` on GitHub, for addresses.
        is_only: Whether surveys of other folders are forgotten; one of this folder is replaced in any case.
        on_progress: Told how many are judged, of how many.

    Raises:
        NotFound, UnreadableInput: as `golf.referee.triage.survey`.
    """
    from golf.referee import triage

    field = triage.survey(folder, index=place.folder(workspace) / INDEX, on_progress=on_progress)
    found = from_field(field, workspace.challenge, repository)
    surveys.keep(
        workspace, Survey(at=datetime.now(UTC), folder=str(folder.resolve()), competitors=found), is_only=is_only
    )
    return found


def from_field(field: Field, challenge: rules.Challenge, repository: str | None = None) -> list[Competitor]:
    """The competitors of a field, the lowest score first, those without one last."""
    pulls = Counter(entry.ruling.submission.pr for entry in field.entries)
    users = Counter(id for entry in field.entries for id in entry.ruling.techniques)
    found = [_competitor(entry, challenge, repository, pulls, users) for entry in field.entries]
    return sorted(found, key=_order)


def from_item(item: Item, baseline_bpb: float | None) -> Competitor | None:
    """A pull request known by its text alone, never credible: no log was read. None where it states no score."""
    number = item.details.get("number", "")
    said = _claimed(item)
    if said is None:
        return None
    name = f"PR #{number}" if number.isdecimal() else foreign.line(item.title, 120) or item.id
    return Competitor(
        name=name,
        number=int(number) if number.isdecimal() and len(number) < 9 else None,
        author=item.authors[0] if item.authors else "",
        url=item.url,
        techniques=list(mentioned(item.text)),
        val_bpb=said.val_bpb,
        std_bpb=said.std_bpb,
        num_seeds=said.num_seeds,
        delta_from_baseline=None if baseline_bpb is None else said.val_bpb - baseline_bpb,
        doubts=["only its text was read, no log", *said.doubts],
        notes=said.notes,
        published_at=item.published_at,
    )


def merged(judged: Iterable[Competitor], told: Iterable[Competitor]) -> list[Competitor]:
    """Those the referee judged, and of those known by their text alone the others; the lowest score first."""
    known = list(judged)
    numbers = {one.number for one in known if one.number is not None}
    return sorted([*known, *(one for one in told if one.number is None or one.number not in numbers)], key=_order)


def credible_best(competitors: Iterable[Competitor]) -> Competitor | None:
    """The lowest score that can be believed, the earlier in the list of equals; None when none can."""
    believed = (one for one in competitors if one.is_credible and one.val_bpb is not None)
    return min(believed, key=lambda one: one.val_bpb or 0.0, default=None)


def incredible_ahead(competitors: Sequence[Competitor]) -> list[Competitor]:
    """Scores below the credible best that are not believed, the lowest first: shown, and no target."""
    best = credible_best(competitors)
    return sorted(
        (
            one
            for one in competitors
            if not one.is_credible and one.val_bpb is not None and (best is None or one.val_bpb < (best.val_bpb or 0.0))
        ),
        key=_order,
    )


def target_bpb(own: float | None, competitors: Iterable[Competitor]) -> float | None:
    """What has to be beaten, bits per byte: one's own best or the credible one; None before there is any."""
    best = credible_best(competitors)
    return min((one for one in (own, best and best.val_bpb) if one is not None), default=None)


class _Claim(NamedTuple):
    val_bpb: float
    std_bpb: float | None
    num_seeds: int
    doubts: list[str]
    notes: list[str]


def _claimed(item: Item) -> _Claim | None:
    """The score by its submission.json, else by its README."""
    text, said = readme_scores.read(submitted.prose(item.text)), submitted.claim(item)
    if said is None:
        return None if text.val_bpb is None else _Claim(text.val_bpb, text.std_bpb, text.num_seeds, text.doubts, [])
    if said.val_bpb is None:
        return None
    agrees = text.val_bpb is not None and abs(text.val_bpb - said.val_bpb) <= submitted.NEAR_BPB
    seeds = said.num_seeds or (text.num_seeds if agrees else 0)
    alone = {0: "of how many seeds its val_bpb is the mean is not seen", 1: "its val_bpb is of one seed"}
    folder = said.path.rpartition("/")[0].rpartition("/")[2]
    return _Claim(
        said.val_bpb,
        said.std_bpb if said.std_bpb is not None or not agrees else text.std_bpb,
        seeds,
        [doubt for doubt in (said.doubt, alone.get(seeds)) if doubt],
        [foreign.line(f"of {said.files} submission.json, that of {folder}", NOTE_CHARS)] if said.files > 1 else [],
    )


def _competitor(
    entry: Entry,
    challenge: rules.Challenge,
    repository: str | None,
    pulls: Counter[int | None],
    users: Counter[str],
) -> Competitor:
    said = entry.ruling.submission
    score = said.val_bpb if said.val_bpb is not None else said.claimed_val_bpb
    is_pull = said.pr is not None and re.match(rf"#{said.pr}\b", entry.name) is not None
    name = f"PR #{said.pr}" if is_pull else said.folder
    if not is_pull or pulls[said.pr] > 1:
        name = f"{name} {said.folder}" if is_pull else entry.name
    doubts = [foreign.line(doubt, DOUBT_CHARS) for doubt in _doubts(entry, challenge)]
    return Competitor(
        name=foreign.line(name, 160),
        number=said.pr,
        author=foreign.line(said.github_id or said.author or "", 80),
        url=f"https://github.com/{repository}/pull/{said.pr}" if repository and said.pr is not None else None,
        techniques=sorted(entry.ruling.techniques, key=lambda id: users[id]),  # what few have tells it apart
        val_bpb=score,
        std_bpb=said.val_bpb_std,
        num_seeds=sum(seed.val_bpb is not None for seed in said.seeds),
        delta_from_baseline=None if score is None or challenge.baseline_bpb is None else score - challenge.baseline_bpb,
        parents=[foreign.line(parent, 160) for parent in said.parents],
        is_credible=not doubts,
        doubts=doubts,
        notes=[
            foreign.line(f"{finding.code}: {finding.text}", NOTE_CHARS)
            for finding in entry.ruling.findings
            if finding.severity == "note" and finding.code in NOTED
        ][:NOTES_MAX],
        published_at=foreign.moment(entry.day),
    )


def _doubts(entry: Entry, challenge: rules.Challenge) -> Iterator[str]:
    said, ruling = entry.ruling.submission, entry.ruling
    if ruling.verdict == "block":
        yield f"blocked: {ruling.reason}"
    elif ruling.verdict == "review":
        yield f"a person must look: {ruling.reason}"
    for finding in ruling.findings:
        if finding.code == "RESEMBLES_INVALID" and finding.severity != "note" and finding.text not in ruling.reason:
            yield f"known invalid: {finding.text}"
    seeds = sum(seed.val_bpb is not None for seed in said.seeds)
    needed = standings.SEEDS_MIN if standings.is_record(said.track) else SEEDS_MIN
    if said.val_bpb is None:
        yield "no log gives its score" if said.claimed_val_bpb is not None else "it states no score"
    elif seeds < needed:
        yield f"{seeds} seed{'s are' if seeds > 1 else ' is'} logged, and {needed} are needed"
    claim = said.claimed_val_bpb
    if claim is not None and said.val_bpb is not None and said.val_bpb - claim > reconcile.FLATTERY_BPB:
        yield f"it claims {claim:.4f}, and its {seeds} logs give {said.val_bpb:.4f} on average"
    if not standings.is_record(said.track):
        yield "not on the record track"
    size = max((size for size in (said.artifact_bytes, said.claimed_bytes) if size is not None), default=None)
    if size is None:
        yield "its artifact's size is not known"
    elif size > challenge.artifact_bytes_max:
        yield f"its artifact has {size:,} bytes, over {challenge.artifact_bytes_max:,}"


def _order(one: Competitor) -> tuple[bool, float, str]:
    return one.val_bpb is None, one.val_bpb or 0.0, one.name
