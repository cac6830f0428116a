"""`.golf/research/grades.jsonl`: every grade that was given, the rules' and Codex's beside each other.

The newest per item and grader counts, so that an outcome in `results.tsv` changes what stands here by being graded
again. Neither grader overwrites the other: where they disagree, both are shown.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from golf.answers.research import GradedItem, ResearchGrade
from golf.errors import NotFound
from golf.referee.techniques import catalogue
from golf.research import cache, foreign, mentions, place, prompt, records, rubric
from golf.research.grader import grade
from golf.research.nouns import Competitor, Graded, Item
from golf.research.standing import standing
from golf.schema import Noun
from golf.workspace import Workspace

GRADES = "grades.jsonl"

REASON_CHARS_MAX = 1_000
"""Of Codex's reason for a grade."""


class Difference(Noun):
    """A dimension in which the graders disagree."""

    dimension: str
    rules: int
    codex: int


class Opinions(Noun):
    """What is thought of one item, by rules and by Codex."""

    item_id: str
    title: str
    rules: Graded | None = None
    codex: Graded | None = None

    @property
    def differences(self) -> list[Difference]:
        """Where they disagree, the widest first; none while there is one opinion alone."""
        if self.rules is None or self.codex is None:
            return []
        found = [
            Difference(dimension=name, rules=mine, codex=theirs)
            for name in rubric.ALL_DIMENSIONS
            if (mine := getattr(self.rules, name) or 0) != (theirs := getattr(self.codex, name) or 0)
        ]
        return sorted(found, key=lambda one: -abs(one.rules - one.codex))

    @property
    def is_ruled_out(self) -> bool:
        """Whether either found that the challenge does not allow it."""
        return any(one is not None and bool(one.ruled_out) for one in (self.rules, self.codex))

    @property
    def rank(self) -> int:
        """The lower total of both (as `golf.research.blocks.counting`); 0 where either ruled it out."""
        return 0 if self.is_ruled_out else min(one.total for one in (self.rules, self.codex) if one is not None)


def grade_all(
    workspace: Workspace, items: Iterable[Item], competitors: Sequence[Competitor] = (), now: datetime | None = None
) -> list[Graded]:
    """Grade items by the rules against what is known now, and keep what is new of it; in the items' order.

    Raises:
        UnreadableInput: results.tsv has a malformed line.
    """
    known = standing(workspace, competitors)
    at = now or datetime.now(UTC)
    found = [grade(item, known, at) for item in items]
    keep(workspace, found)
    return found


def accept(
    workspace: Workspace,
    answer: ResearchGrade,
    competitors: Sequence[Competitor] = (),
    now: datetime | None = None,
) -> list[Graded]:
    """Take Codex's grades of items that were read; all of them or none.

    Raises:
        NotFound: as `judged`; nothing is taken.
    """
    found = judged(workspace, answer.items, competitors, now)
    keep(workspace, found)
    return found


def judged(
    workspace: Workspace,
    given: Sequence[GradedItem],
    competitors: Sequence[Competitor] = (),
    now: datetime | None = None,
) -> list[Graded]:
    """Codex's grades with the items they are of and the totals that follow, in their order; nothing is kept.

    Args:
        workspace: Whose cache the items are in.
        given: Codex's; an item is known by its address, else by its title, as the prompt showed them.
        competitors: Those the prompt listed; without any, grades for `competitor_validated` are left out.
        now: When.

    Raises:
        NotFound: one is of something that was not read here, or two are of one thing; names it.
    """
    items = cache.read(place.folder(workspace) / place.RAW_CACHE)
    at = now or datetime.now(UTC)
    return [
        rubric.graded(
            one.model_copy(
                update={
                    "title": prompt.shown_title(item),
                    "url": item.url,
                    "techniques": _ids(one.techniques),
                    "reason": foreign.line(one.reason, REASON_CHARS_MAX),
                }
            ),
            item_id=item.id,
            source=item.source,
            by="codex",
            at=at,
            has_competitors=bool(competitors),
        )
        for one, item in _matched(given, items)
    ]


def keep(workspace: Workspace, grades: Sequence[Graded]) -> None:
    """Append what says something else than the newest of its kind."""
    folder = place.folder(workspace)
    with place.locked(folder):
        known = {(one.item_id, one.graded_by): one for one in read(workspace)}
        for one in grades:
            before = known.get((one.item_id, one.graded_by))
            if before is None or before.model_copy(update={"graded_at": one.graded_at}) != one:
                records.append(folder / GRADES, one)


def read(workspace: Workspace) -> list[Graded]:
    """The newest grade per item and grader, oldest first.

    Raises:
        UnreadableInput: a line of the file is no grade.
    """
    newest: dict[tuple[str, str], Graded] = {}
    for one in records.read(place.folder(workspace) / GRADES, Graded):
        newest.pop((one.item_id, one.graded_by), None)
        newest[one.item_id, one.graded_by] = one
    return list(newest.values())


def opinions(workspace: Workspace) -> list[Opinions]:
    """Both graders' opinions of everything that was graded, the most promising first."""
    by_item: dict[str, dict[str, Graded]] = {}
    for one in read(workspace):
        by_item.setdefault(one.item_id, {})[one.graded_by] = one
    found = [
        Opinions(item_id=id, title=next(iter(both.values())).title, rules=both.get("rules"), codex=both.get("codex"))
        for id, both in by_item.items()
    ]
    return sorted(found, key=lambda one: (-one.rank, one.item_id))


def _matched(given: Sequence[GradedItem], items: Sequence[Item]) -> list[tuple[GradedItem, Item]]:
    by_url = {shown: item for item in items for shown in (item.url, prompt.shown_url(item)) if shown is not None}
    by_title: dict[str, list[Item]] = {}
    for item in items:
        for title in {_folded(item.title), _folded(prompt.shown_title(item))}:
            by_title.setdefault(title, []).append(item)
    matched: list[tuple[GradedItem, Item]] = []
    problems: list[str] = []
    for one in given:
        titled = by_title.get(_folded(one.title), [])
        item = by_url.get(one.url or "") or (titled[0] if len(titled) == 1 else None)
        said = repr(foreign.line(one.title, 80))
        if item is None:
            problems.append(f"{said} ({'several have this title; give its url' if titled else 'not among them'})")
        elif any(other.id == item.id for _, other in matched):
            problems.append(f"{said} (graded twice)")
        else:
            matched.append((one, item))
    if problems:
        raise NotFound(
            f"no grade was taken: of {len(given)}, {len(problems)} are not one thing each that was read here: "
            f"{'; '.join(problems[:10])}. What was read: golf research list"
        )
    return matched


def _ids(named: Sequence[str]) -> list[str]:
    """Techniques as the catalogue has them; what it does not know is left out."""
    known = catalogue()
    return [id for name in named for id in ([name] if name in known else mentions.mentioned(name))]


def _folded(title: str) -> str:
    return foreign.line(title).casefold()
