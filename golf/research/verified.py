"""Tier A items that were read in full and held against something else, one JSON line each in `.golf/research/`.

A record without a source, or without a word on how to build it, is an opinion and is refused. So is one whose only
source is the item itself: reading a claim again does not verify it.

Source: "Parameter Golf Auto Research" (2026-03-27), "Verified Research (deep-analyzed)".
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from golf.answers.research import ResearchVerification
from golf.errors import BadConfig, NotFound, RuleBroken
from golf.research import blocks, foreign, grades, place, records
from golf.research.nouns import Competitor, Graded, Verified
from golf.research.twins import canonical
from golf.workspace import Workspace

VERIFIED = "verified.jsonl"

BRIEF_CHARS_MAX = 4_000
SOURCES_MAX = 20


def accept(
    workspace: Workspace,
    answer: ResearchVerification,
    competitors: Sequence[Competitor] = (),
    now: datetime | None = None,
) -> list[Verified]:
    """Take what reading items in full came to, all of it or nothing; the new records, and Codex's grades are kept.

    Totals before and after are added up here. What the newest record of an item says already is not recorded again: its
    total before would be the one after.

    Raises:
        NotFound, RuleBroken, BadConfig: as `golf.research.grades.judged` and `verify`; nothing is taken.
    """
    earlier = blocks.counting(grades.read(workspace))
    newest = {one.item_id: one for one in read(workspace)}
    before = {one.item_id: one.total for one in earlier}
    found = grades.judged(workspace, answer.items, competitors, now)
    claimed = [
        Verified(
            item_id=one.item_id,
            title=one.title,
            url=one.url,
            before=before.get(one.item_id, 0),
            after=one.total,
            sources=_sources(given.sources),
            brief=_brief(given.brief),
            verified_at=one.graded_at,
        )
        for given, one in zip(answer.items, found, strict=True)
    ]
    said = {one.item_id for one in claimed if _finding(one) == _finding(newest.get(one.item_id))}
    checked = [_checked(workspace, one, earlier) for one in claimed if one.item_id not in said]
    for one in checked:
        records.append(path(workspace), one)
    grades.keep(workspace, found)  # last: the totals before are those without it, should it be done again
    return checked


def verify(workspace: Workspace, record: Verified, graded: Iterable[Graded]) -> Verified:
    """Keep a record; when this returns it is on disk, with its texts cleaned.

    Args:
        workspace: Where it is kept.
        record: What reading the item in full came to; `before` is the total that counts (`blocks.counting`).
        graded: The grades there are, oldest first.

    Raises:
        NotFound: the item is not graded, or a source is neither an address, nor a graded item, nor a file.
        RuleBroken: the item is not Tier A.
        BadConfig: it has no source but the item itself, no brief, or another total before than the item has.
    """
    kept = _checked(workspace, record, blocks.counting(graded))
    records.append(path(workspace), kept)
    return kept


def _checked(workspace: Workspace, record: Verified, earlier: Sequence[Graded]) -> Verified:
    grade = next((one for one in earlier if one.item_id == record.item_id), None)
    if grade is None:
        raise NotFound(f"no item {record.item_id!r} was graded. Give the id of one that was, then verify it again")
    if grade.tier != "A":
        raise RuleBroken(
            f"{record.item_id} is Tier {grade.tier} with {grade.total} points; only Tier A, from 10 on, is verified"
        )
    if record.before != grade.total:
        raise BadConfig(f"before is {record.before}, and {record.item_id} was graded {grade.total}: give that number")
    brief = _brief(record.brief)
    if not any(character.isalnum() for character in brief) or len(brief) > BRIEF_CHARS_MAX:
        raise BadConfig(f"the brief has {len(brief)} characters; say in 1 to {BRIEF_CHARS_MAX:,} how to build it here")
    sources = _sources(record.sources)
    own = {record.item_id, *(canonical(url) for url in (record.url, grade.url) if url)}
    others = [source for source in sources if source and own.isdisjoint((source, canonical(source)))]
    if not others or len(sources) > SOURCES_MAX:
        raise BadConfig(
            f"{len(others)} sources besides the item itself; give 1 to {SOURCES_MAX} addresses or files it was held "
            "against"
        )
    known = {one.item_id for one in earlier}
    for source in sources:
        if source not in known and not _is_address(source) and not _is_file(workspace, source):
            raise NotFound(f"the source {source!r} is no address (https://…), no graded item and no file")
    return record.model_copy(
        update={
            "brief": brief,
            "sources": sources,
            "title": foreign.line(record.title) or grade.title,
            "url": foreign.address(record.url) or grade.url,
        }
    )


def _brief(said: str) -> str:
    return foreign.clean(said).strip()


def _sources(said: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(foreign.line(source, 500) for source in said))


def _finding(record: Verified | None) -> tuple[int, list[str], str] | None:
    """What verifying came to, whenever it was."""
    return record and (record.after, record.sources, record.brief)


def read(workspace: Workspace) -> list[Verified]:
    """Every record, oldest first; none when nothing was verified yet.

    Raises:
        UnreadableInput: a line is no record; the message names it. One that a kill cut short is left out.
    """
    return records.read(path(workspace), Verified)


def path(workspace: Workspace) -> Path:
    """Where the records are."""
    return place.folder(workspace) / VERIFIED


def _is_address(source: str) -> bool:
    return foreign.address(source) is not None and "." in (urlsplit(source).hostname or "")


def _is_file(workspace: Workspace, source: str) -> bool:
    """Also with a line behind it, as `README.md:12`."""
    name, _, line = source.rpartition(":")
    try:
        return any((workspace.root / one).is_file() for one in (source, name if line.isdigit() else source))
    except (OSError, ValueError):
        return False
