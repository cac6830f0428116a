"""Tier A items that were read in full and held against something else, one JSON line each in `.golf/research/`.

A record without a source, or without a word on how to build it, is an opinion and is refused. So is one whose only
source is the item itself: reading a claim again does not verify it.

Source: "Parameter Golf Auto Research" (2026-03-27), "Verified Research (deep-analyzed)".
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from golf import durable
from golf.errors import BadConfig, NotFound, RuleBroken, UnreadableInput
from golf.research import place, quoting
from golf.research.nouns import Graded, Verified
from golf.workspace import Workspace

log = logging.getLogger(__name__)

VERIFIED = "verified.jsonl"

BRIEF_CHARS_MAX = 4_000
SOURCES_MAX = 20

TORN = " # torn"
"""Closes off a line that a kill cut short."""


def verify(workspace: Workspace, record: Verified, graded: Iterable[Graded]) -> Verified:
    """Keep a record; when this returns it is on disk, with its texts cleaned.

    Args:
        workspace: Where it is kept.
        record: What reading the item in full came to; `before` is the total of the item's newest grade.
        graded: The grades there are.

    Raises:
        NotFound: the item is not graded, or a source is neither an address, nor a graded item, nor a file.
        RuleBroken: the item is not Tier A.
        BadConfig: it has no source but the item itself, no brief, or another total before than the item has.
    """
    grades = list(graded)
    grade = max((one for one in grades if one.item_id == record.item_id), key=lambda one: one.graded_at, default=None)
    if grade is None:
        raise NotFound(f"no item {record.item_id!r} was graded. Give the id of one that was, then verify it again")
    if grade.tier != "A":
        raise RuleBroken(
            f"{record.item_id} is Tier {grade.tier} with {grade.total} points; only Tier A, from 10 on, is verified"
        )
    if record.before != grade.total:
        raise BadConfig(f"before is {record.before}, and {record.item_id} was graded {grade.total}: give that number")
    brief = quoting.clean(record.brief).strip()
    if not any(character.isalnum() for character in brief) or len(brief) > BRIEF_CHARS_MAX:
        raise BadConfig(f"the brief has {len(brief)} characters; say in 1 to {BRIEF_CHARS_MAX:,} how to build it here")
    sources = list(dict.fromkeys(quoting.one_line(source, 500) for source in record.sources))
    others = [source for source in sources if source and source not in (record.item_id, record.url, grade.url)]
    if not others or len(sources) > SOURCES_MAX:
        raise BadConfig(
            f"{len(others)} sources besides the item itself; give 1 to {SOURCES_MAX} addresses or files it was held "
            "against"
        )
    known = {one.item_id for one in grades}
    for source in sources:
        if source not in known and not _is_address(source) and not _is_file(workspace, source):
            raise NotFound(f"the source {source!r} is no address (https://…), no graded item and no file")
    kept = record.model_copy(
        update={"brief": brief, "sources": sources, "title": quoting.one_line(record.title, 300) or grade.title}
    )
    durable.append_line(path(workspace), kept.model_dump_json(), close=_closed)
    return kept


def read(workspace: Workspace) -> list[Verified]:
    """Every record, oldest first; none when nothing was verified yet.

    Raises:
        UnreadableInput: a line is no record; the message names it. One that a kill cut short is left out.
    """
    file = path(workspace)
    if not file.is_file():
        return []
    found = []
    lines = file.read_bytes().split(b"\n")
    for number, raw in enumerate(lines, start=1):
        line = raw.decode("utf-8", "replace")
        if not line.strip() or line.endswith(TORN):
            continue
        try:
            found.append(Verified.model_validate_json(line))
        except ValidationError:
            if number < len(lines):
                raise UnreadableInput(
                    f"{file}:{number} is no verified record: {quoting.one_line(line, 120)!r}. Correct it or delete it: "
                    f"${{EDITOR:-vi}} +{number} {file}"
                ) from None
            log.warning("%s:%d is torn and was left out", file, number)
    return found


def path(workspace: Workspace) -> Path:
    """Where the records are."""
    return place.folder(workspace) / VERIFIED


def _closed(line: str) -> str:
    try:
        Verified.model_validate_json(line)
    except ValidationError:
        return TORN
    return ""


def _is_address(source: str) -> bool:
    try:
        parts = urlsplit(source)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and "." in (parts.hostname or "") and " " not in source


def _is_file(workspace: Workspace, source: str) -> bool:
    """Also with a line behind it, as `README.md:12`."""
    name, _, line = source.rpartition(":")
    try:
        return any((workspace.root / one).is_file() for one in (source, name if line.isdigit() else source))
    except (OSError, ValueError):
        return False
