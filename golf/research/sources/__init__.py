"""Where research looks. One file a source: build the request, parse the answer, and a `fetch` that does both.

A source finds what it can: a part of it that fails (one feed of four) costs neither the others nor what that part
had already found. Where a source is not set up (no key, no folder) it is `Off`, which is no error.
"""

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from pydantic import ValidationError

from golf.errors import UNUSABLE, BadConfig, explained
from golf.jobs.heard import told
from golf.research.addresses import WebFailed
from golf.research.nouns import Item
from golf.research.web import Web
from golf.workspace import ResearchSettings

Part = TypeVar("Part")

Cadence = Literal["batch", "breaking"]


class Off(Exception):
    """The source is not set up; the message says what would set it up."""


@dataclass
class Found:
    """What one visit brought."""

    items: list[Item] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """One line for each part that failed."""


class Fetch(Protocol):
    """A source."""

    def __call__(self, since: datetime, settings: ResearchSettings, web: Web) -> Found:
        """What there is since then; paths in `settings` are absolute.

        Raises:
            Off: the source is not set up.
            GolfError: nothing could be read.
        """
        ...


@dataclass(frozen=True)
class Listed:
    """A source in the table."""

    place: str
    """`module:function`, imported when it is asked for."""
    cadence: Cadence = "batch"


SOURCES = {
    "arxiv": Listed("golf.research.sources.arxiv:fetch"),
    "openreview": Listed("golf.research.sources.openreview:fetch"),
    "semantic_scholar": Listed("golf.research.sources.semantic_scholar:fetch"),
    "github_pulls": Listed("golf.research.sources.github_pulls:fetch"),
    "feeds": Listed("golf.research.sources.feeds:fetch"),
    "tavily": Listed("golf.research.sources.tavily:fetch"),
    "github_code": Listed("golf.research.sources.github_code:fetch"),
    "notes": Listed("golf.research.sources.notes:fetch"),
    "clone": Listed("golf.research.sources.clone:fetch"),
    "tavily_breaking": Listed("golf.research.sources.tavily:fetch_breaking", "breaking"),
}
"""Name → where it is.

Source: "Parameter Golf Auto Research", 2026-03-27, "The Research Pipeline", for the seven of the web and the breaking
news; the two folders are ours, and need neither key nor network.
"""


def chosen(settings: ResearchSettings, only: Sequence[str] = ()) -> list[str]:
    """The sources to ask: those that golf.toml has, or these.

    Raises:
        BadConfig: there is no such source.
    """
    wanted = list(dict.fromkeys(only or (name for name in SOURCES if name not in settings.off)))
    if strange := [name for name in (*wanted, *settings.off) if name not in SOURCES]:
        raise BadConfig(f"no source {', '.join(map(repr, strange))}; there are: {', '.join(SOURCES)}")
    return wanted


def opened(name: str) -> Fetch:
    """The source of that name."""
    module, _, function = SOURCES[name].place.partition(":")
    return getattr(importlib.import_module(module), function)


def each(
    parts: Iterable[Part], ask: Callable[[Part], Iterator[Item]], web: Web, called: Callable[[Part], str]
) -> Found:
    """Ask every part; what a failing one had found before it failed is kept.

    Raises:
        GolfError: every part failed, and nothing was found.
    """
    found, first, asked = Found(), None, 0
    for part in parts:
        asked += 1
        mark = web.mark()
        try:
            for item in ask(part):
                found.items.append(item)
        except UNUSABLE as error:
            web.forget_since(mark)
            failure = explained(error)
            first = first or failure
            found.failures.append(f"{told(called(part), 80)}: {told(failure)}")
    if first is not None and len(found.failures) == asked and not found.items:
        raise first
    return found


def rows(answer: object, where: str) -> list[object]:
    """A list in an answer.

    Raises:
        WebFailed: it is not there, so that this is no answer of this source.
    """
    if not isinstance(answer, list):
        raise WebFailed(f"{where} answered without the list that it should have: its API may have changed")
    return answer


def made(found: Iterable[object], make: Callable[[dict[str, object]], Item | None], where: str) -> list[Item]:
    """Each entry as an item; None leaves one out on purpose, a malformed one is passed over.

    Raises:
        WebFailed: all of them are malformed.
    """
    items: list[Item] = []
    malformed = left_out = 0
    for entry in found:
        try:
            if not isinstance(entry, dict):
                raise TypeError("no object")
            item = make(entry)
        except (KeyError, TypeError, ValueError, AttributeError, ValidationError):
            malformed += 1
            continue
        if item is None:
            left_out += 1
        else:
            items.append(item)
    if malformed and not items and not left_out:
        raise WebFailed(f"{where} answered with {malformed} entries, none of them readable: its API may have changed")
    return items


def is_since(item: Item, since: datetime) -> bool:
    """Whether it belongs to this visit; what bears no date does."""
    return item.published_at is None or item.published_at >= since
