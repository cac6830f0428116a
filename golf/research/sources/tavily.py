"""Tavily's search of the web, in the scheduled kinds of golf.toml and, every hour, for breaking news. TAVILY_API_KEY.

Source: docs.tavily.com, `POST /search`: each result has title, url, content and a score from 0 to 1; with topic `news`
a `published_date` (RFC 2822). Kinds and the least score: "Parameter Golf Auto Research", 2026-03-27, "The Research
Pipeline".
"""

import hashlib
import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from golf.research.foreign import address, as_dict, line, moment, prose
from golf.research.nouns import Item
from golf.research.sources import Found, Off, each, is_since, made, rows
from golf.research.web import Web, secret
from golf.workspace import ResearchSettings, WebSearch

RELEVANCE_MIN = 0.4
"""A result that scores less is dropped; so is one without a score, which shows nothing."""


def fetch(since: datetime, settings: ResearchSettings, web: Web) -> Found:
    """The scheduled kinds."""
    return _searched("tavily", settings.tavily.items(), since, settings, web)


def fetch_breaking(since: datetime, settings: ResearchSettings, web: Web) -> Found:
    """The hourly kind."""
    return _searched("tavily_breaking", [("breaking", settings.breaking)], since, settings, web)


def asked(search: WebSearch, query: str) -> dict[str, object]:
    """The body of one question."""
    body = {
        "query": query,
        "topic": search.topic,
        "search_depth": search.depth,
        "time_range": search.time_range,
        "max_results": search.max_results,
        "include_answer": False,
        "include_raw_content": False,
    }
    return {**body, "include_domains": search.domains} if search.domains else body


def parse(answer: object, source: str, mode: str, now: datetime) -> list[Item]:
    """The results that are relevant enough.

    Raises:
        WebFailed: it is no answer of this search.
    """

    def result(entry: dict[str, object]) -> Item | None:
        score, url = entry.get("score"), address(entry["url"])
        if url is None:
            raise ValueError("no address of the web")
        if not isinstance(score, int | float) or isinstance(score, bool) or not RELEVANCE_MIN <= score < math.inf:
            return None
        return Item(
            id="url:" + hashlib.sha256(url.encode()).hexdigest()[:16],
            source=source,
            title=line(entry.get("title") or url),
            url=url,
            text=prose(entry.get("content") or ""),
            published_at=moment(entry.get("published_date")),
            fetched_at=now,
            relevance=min(1.0, float(score)),
            details={"mode": mode},
        )

    return made(rows(as_dict(answer).get("results"), "Tavily"), result, "Tavily")


def _searched(
    source: str, modes: Iterable[tuple[str, WebSearch]], since: datetime, settings: ResearchSettings, web: Web
) -> Found:
    key = secret("TAVILY_API_KEY")
    if key is None:
        raise Off("TAVILY_API_KEY is not set")

    def one(part: tuple[str, WebSearch, str]) -> Iterator[Item]:
        mode, search, query = part
        answer = web.post(
            f"{settings.endpoints.tavily}/search", asked(search, query), {"Authorization": f"Bearer {key}"}
        )
        found = parse(answer.json(), source, mode, datetime.now(UTC))
        yield from (item for item in found if is_since(item, since))

    parts = [(mode, search, query) for mode, search in modes for query in search.queries]
    return each(parts, one, web, lambda part: f"{part[0]}: {part[2]}")
