"""Who leads with what can be believed, on whose shoulders, and how the record came down.

The record line is made of credible scores alone, day by day; what is lower and not believed stands beside it, with the
reason. Nothing in here was run: the referee read logs and scripts.
"""

from collections.abc import Iterable, Sequence
from datetime import date

from golf.research import competitors, foreign, hearsay, surveys
from golf.research.nouns import Competitor
from golf.research.standing import standing
from golf.research.surveys import Survey
from golf.schema import Noun
from golf.workspace import Workspace

SHOWN = 3
"""Of each list, in an answer; the page has more."""

LINEAGE_MAX = 6
"""Steps back from the leader."""

DOUBT_CHARS = 90
NOTE_CHARS = 80
"""Of each note: the figure that it is about, and no more."""


class Place(Noun):
    """One submission in a line."""

    name: str
    """As its author wrote it, who is a stranger."""
    val_bpb: float
    std_bpb: float | None
    num_seeds: int
    techniques: list[str]
    doubt: str = ""
    """Why it is not believed; empty for a credible one."""
    note: str = ""
    """What the referee notes of a credible one without doubting it: a limit that is met only as the rules count."""


class Step(Noun):
    """A credible score that was below all credible ones of the days before."""

    day: date
    name: str
    val_bpb: float
    gain_bpb: float
    """Over the record before it, at first over the naive baseline."""


class Leaderboard(Noun):
    """What others claim, by what can be believed."""

    target_bpb: float | None
    """What has to be beaten: the own best or the credible one, bits per byte; None before there is any."""
    own_bpb: float | None
    """Best of the workspace, kept on a paid tier."""
    baseline_bpb: float | None
    submissions: int
    scored: int
    credible: int
    leaders: list[Place]
    """The credible ones with the lowest score, at most three."""
    doubted: list[Place]
    """Lower than the credible best and not believed, at most three."""
    doubted_total: int
    lineage: list[str]
    """The leader, what it builds on, what that builds on, as far as it is seen."""
    records: int
    """How often the credible record fell."""
    median_gain_bpb: float | None
    """Of these steps from one record to the next; the first, from the baseline, is left out."""
    steps: list[Step]
    """The last three of them, oldest first."""
    surveyed: str
    """What the referee judged and when; without that nobody is credible."""


def leaderboard(workspace: Workspace) -> Leaderboard:
    """From the surveys and the pull requests that were read since; nothing is judged anew.

    Raises:
        UnreadableInput: results.tsv or a file of research is damaged.
    """
    return of(
        hearsay.known(workspace),
        own_bpb=standing(workspace).best_bpb,
        baseline_bpb=workspace.challenge.baseline_bpb,
        surveyed=surveys.read(workspace).surveys,
    )


def of(
    found: Sequence[Competitor], *, own_bpb: float | None, baseline_bpb: float | None, surveyed: Sequence[Survey]
) -> Leaderboard:
    """The leaderboard of `found`, which come by score."""
    import statistics

    scored = [one for one in found if one.val_bpb is not None]
    credible = [one for one in scored if one.is_credible]
    ahead = competitors.incredible_ahead(found)
    steps = record_line(credible, baseline_bpb)
    return Leaderboard(
        target_bpb=competitors.target_bpb(own_bpb, found),
        own_bpb=own_bpb,
        baseline_bpb=baseline_bpb,
        submissions=len(found),
        scored=len(scored),
        credible=len(credible),
        leaders=[_place(one) for one in credible[:SHOWN]],
        doubted=[_place(one) for one in ahead[:SHOWN]],
        doubted_total=len(ahead),
        lineage=lineage(credible[0], found) if credible else [],
        records=len(steps),
        median_gain_bpb=statistics.median(step.gain_bpb for step in steps[1:]) if len(steps) > 1 else None,
        steps=steps[-SHOWN:],
        surveyed=surveys.told(surveyed) or "nothing yet: golf research competitors FOLDER",
    )


def record_line(credible: Iterable[Competitor], baseline_bpb: float | None) -> list[Step]:
    """Every day's lowest credible score that is below all of the days before, and below the baseline; oldest first.

    What has no date is left out.
    """
    lowest: dict[date, Competitor] = {}
    for one in sorted(credible, key=lambda one: one.val_bpb or 0.0):
        if one.published_at is not None:
            lowest.setdefault(one.published_at.date(), one)
    best, steps = baseline_bpb, []
    for day, one in sorted(lowest.items()):
        score = one.val_bpb or 0.0
        if best is None or score < best:
            steps.append(Step(day=day, name=_name(one), val_bpb=score, gain_bpb=(best or score) - score))
            best = score
    return steps


def lineage(leader: Competitor, found: Iterable[Competitor]) -> list[str]:
    """Names from `leader` back along the first parent that is known."""
    known = {one.name.rpartition("/")[2]: one for one in found}  # as the referee's extractor writes a parent
    known |= {f"#{one.number}": one for one in found if one.number is not None}
    chain, one = [_name(leader)], leader
    while one.parents and len(chain) < LINEAGE_MAX:
        parent = next((known[name] for name in one.parents if name in known), None)
        name = _name(parent) if parent else foreign.line(one.parents[0], 80)
        if name in chain:
            break
        chain.append(name)
        if parent is None:
            break
        one = parent
    return chain


def _place(one: Competitor) -> Place:
    return Place(
        name=_name(one),
        val_bpb=one.val_bpb or 0.0,
        std_bpb=one.std_bpb,
        num_seeds=one.num_seeds,
        techniques=one.techniques[:3],
        doubt="" if one.is_credible else foreign.line("; ".join(one.doubts) or "not said why", DOUBT_CHARS),
        note="; ".join(foreign.line(note, NOTE_CHARS) for note in one.notes) if one.is_credible else "",
    )


def _name(one: Competitor) -> str:
    return foreign.line(one.name, 60)
