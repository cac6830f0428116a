"""RSS and Atom feeds, read by feedparser once expat has found nothing in them that it would choke on.

Surprising: feedparser expands entities, takes quadratic time on deep nesting, and falls back to a parser that takes
quadratic time on much that is not well-formed. So a feed is looked over first, in linear time. Its HTML sanitiser,
quadratic too, is off: tags are stripped here (`golf.research.foreign.plain`).
"""

import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from xml.parsers import expat

from golf.research.addresses import WebFailed, host_of
from golf.research.foreign import address, line, moment, names, plain
from golf.research.nouns import Item
from golf.research.sources import Found, each, is_since
from golf.research.web import Web
from golf.workspace import ResearchSettings

DEPTH_MAX = 100
"""Of nested elements."""
LENIENT_BYTES_MAX = 64_000
"""A longer feed has to be well-formed: the lenient parser needs a second for so much."""
ENTRIES_MAX = 200
"""Of one feed; the newest come first."""


def fetch(since: datetime, settings: ResearchSettings, web: Web) -> Found:
    """Entries of every feed in golf.toml."""

    def one(url: str) -> Iterator[Item]:
        answer = web.get(url, headers={"Accept": "application/atom+xml, application/rss+xml, application/xml;q=0.9"})
        if not answer.is_unchanged:
            yield from (item for item in parse(answer.body, url, datetime.now(UTC)) if is_since(item, since))

    return each(settings.feeds, one, web, host_of)


def parse(body: bytes, url: str, now: datetime) -> list[Item]:
    """A feed's entries as items.

    Raises:
        WebFailed: it is no feed, or one that is not read.
    """
    items = []
    for entry in entries(body, host_of(url))[:ENTRIES_MAX]:
        title, link = line(plain(entry.get("title", ""))), address(entry.get("link", ""), url)
        said = [entry.get("summary", ""), *(part.get("value", "") for part in entry.get("content", []))]
        if title and link:
            items.append(
                Item(
                    id="feed:" + hashlib.sha256(str(entry.get("id") or link).encode(errors="replace")).hexdigest()[:16],
                    source="feeds",
                    title=title,
                    url=link,
                    text=plain(max(said, key=len)),
                    authors=names([author.get("name", "") for author in entry.get("authors", [])]),
                    published_at=moment(entry.get("published_parsed") or entry.get("updated_parsed")),
                    fetched_at=now,
                    details={"feed": host_of(url)},
                )
            )
    return items


def entries(body: bytes, where: str) -> list[Any]:
    """The entries of an RSS or Atom document, as feedparser has them.

    Raises:
        WebFailed: it is no feed, or one that is not read.
    """
    import feedparser

    _looked_over(body, where)
    feed = feedparser.parse(io.BytesIO(body), sanitize_html=False, resolve_relative_uris=False)
    if not feed.get("version"):
        raise WebFailed(f"{where} answered with something that is neither RSS nor Atom")
    return feed.entries


def _looked_over(body: bytes, where: str) -> None:
    depth = 0

    def opened(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH_MAX:
            raise WebFailed(f"{where} answered with elements nested more than {DEPTH_MAX} deep; it is not read")

    def closed(*_: object) -> None:
        nonlocal depth
        depth -= 1

    def declared(*_: object) -> None:
        raise WebFailed(f"{where} answered with XML that declares entities; it is not read")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.EntityDeclHandler = opened, closed, declared
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:  # the latter two: an encoding that expat has not
        if len(body) > LENIENT_BYTES_MAX:
            raise WebFailed(f"{where} answered with XML that is not well-formed ({error})") from None
