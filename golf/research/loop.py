"""One turn of the closed loop: read, grade against what is known now, rewrite `program.md`.

An outcome in `results.tsv` changes the next turn's grades; nothing has to be told of it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from golf.answers.base import Answer
from golf.answers.research import ResearchGrade, ResearchVerification
from golf.errors import BadConfig, NotFound
from golf.research import blocks, cache, grades, hearsay, knowledge, place, prompt, sections, verified
from golf.research.nouns import Graded, Item
from golf.research.refresh import Refreshed
from golf.research.standing import standing
from golf.schema import Noun
from golf.workspace import Workspace

SHOWN = 5
"""Of the best, in an answer."""

Program = Literal["rewritten", "unchanged", "missing"]


class Promise(Noun):
    """A graded item in a line."""

    id: str
    tier: Literal["A", "B", "C"]
    total: int
    title: str
    """As its author wrote it, who is a stranger."""
    url: str | None


class Closed(Noun):
    """What is known after grading."""

    graded: int
    """Items that were graded; every one that was ever read."""
    tier_a: int
    tier_b: int
    target_bpb: float | None
    """What has to be beaten, bits per byte."""
    best: list[Promise]
    program: Program
    """What was done with `program.md`; without one: `golf research inject --begin`."""


class Turn(Refreshed):
    """What a turn of the loop read, and what is known after it."""

    closed: Closed


class Injected(Noun):
    """What was done with `program.md`."""

    path: str
    program: Program
    target_bpb: float | None


def turn(workspace: Workspace, read: Refreshed, now: datetime | None = None) -> Turn:
    """`close` a turn that has read something in.

    Raises:
        UnreadableInput: as `close`; what was read is kept.
    """
    return Turn(**dict(read), closed=close(workspace, now))


def close(workspace: Workspace, now: datetime | None = None) -> Closed:
    """Grade everything that was read by the rules, against what is known now, and rewrite `program.md`.

    Raises:
        UnreadableInput: results.tsv or a file of research is malformed, or a marker of `program.md` is missing or
            doubled; grades are kept in the last case, and the file is as it was.
    """
    grade(workspace, now)
    known = knowledge.known(workspace)
    return _closed(known, _inject(workspace, known))


def grade(workspace: Workspace, now: datetime | None = None) -> list[Graded]:
    """Grade everything that was read by the rules, against what is known now; `program.md` stays as it is.

    Raises:
        UnreadableInput: results.tsv or a file of research is malformed.
    """
    items = cache.read(place.folder(workspace) / place.RAW_CACHE)
    return grades.grade_all(workspace, items, hearsay.known(workspace), now)


def accept(workspace: Workspace, answer: Answer, now: datetime | None = None) -> Closed:
    """Take Codex's grades, or what verifying came to, all of it or nothing, and `close`.

    Raises:
        NotFound, RuleBroken, BadConfig: as `golf.research.grades.judged` and `golf.research.verified.verify`.
        UnreadableInput: as `close`.
    """
    others = hearsay.known(workspace)
    if isinstance(answer, ResearchVerification):
        verified.accept(workspace, answer, others, now)
    elif isinstance(answer, ResearchGrade):
        grades.accept(workspace, answer, others, now)
    else:
        raise BadConfig(f"{type(answer).__name__} is no grade; see: golf schema research-grade")
    return close(workspace, now)


def grading_prompt(workspace: Workspace, found: Sequence[Graded] | None = None) -> str | None:
    """For Codex's second opinion, on what has none yet, the best by the rules first; None when there is nothing left.

    Args:
        workspace: Whose research it is.
        found: The rules' grades as they are now; by default everything is graded for it.

    Raises:
        UnreadableInput: as `grade`.
    """
    found = grade(workspace) if found is None else found
    has_opinion = {one.item_id for one in grades.read(workspace) if one.graded_by == "codex"}
    wanted = [one for one in blocks.best_graded(found) if one.item_id not in has_opinion]
    items = _items(workspace, wanted)
    return prompt.grading_prompt(standing(workspace, hearsay.known(workspace)), items) if items else None


def verifying_prompt(workspace: Workspace) -> str | None:
    """For verifying the Tier A items that are not verified yet, the best first; None when there is none left.

    Raises:
        UnreadableInput: as `grade`.
    """
    grade(workspace)
    done = {one.item_id for one in verified.read(workspace)}
    best = blocks.best_graded(grades.read(workspace))
    wanted = [one for one in best if one.tier == "A" and one.item_id not in done][: blocks.VERIFIED_ITEMS]
    items = _items(workspace, wanted)
    return prompt.verifying_prompt(standing(workspace, hearsay.known(workspace)), items) if items else None


def _items(workspace: Workspace, wanted: Sequence[Graded]) -> list[Item]:
    by_id = {item.id: item for item in cache.read(place.folder(workspace) / place.RAW_CACHE)}
    return [by_id[one.item_id] for one in wanted if one.item_id in by_id]


def inject(workspace: Workspace) -> Injected:
    """Rewrite the sections of `program.md` from what is known now; nothing is graded anew.

    Raises:
        NotFound: there is no such file.
        UnreadableInput, BadConfig: as `golf.research.sections.rewrite` and `program`; nothing was written.
    """
    known = knowledge.known(workspace)
    has_changed = knowledge.inject(workspace, known)
    return Injected(
        path=str(sections.program(workspace)),
        program="rewritten" if has_changed else "unchanged",
        target_bpb=known.target_bpb,
    )


def _inject(workspace: Workspace, known: knowledge.Knowledge) -> Program:
    try:
        return "rewritten" if knowledge.inject(workspace, known) else "unchanged"
    except NotFound:
        return "missing"


def _closed(known: knowledge.Knowledge, program: Program) -> Closed:
    best = blocks.best_graded(known.graded)
    return Closed(
        graded=len({one.item_id for one in known.graded}),
        tier_a=sum(one.tier == "A" for one in best),
        tier_b=sum(one.tier == "B" for one in best),
        target_bpb=known.target_bpb,
        best=[
            Promise(id=one.item_id, tier=one.tier, total=one.total, title=one.title, url=one.url)
            for one in best[:SHOWN]
        ],
        program=program,
    )
