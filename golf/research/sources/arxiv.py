"""arXiv's newest papers with our phrases in them: one question for all, as its terms ask for three seconds between two.

Source: arXiv API User's Manual (info.arxiv.org/help/api/user-manual.html), 3.1.1, 3.3.2 and 3.4.
"""

import re
from datetime import UTC, datetime
from typing import Any

from golf.research.addresses import WebFailed
from golf.research.foreign import line, moment, names, plain
from golf.research.nouns import Item
from golf.research.sources import Found, Off, is_since, made
from golf.research.sources.feeds import entries
from golf.research.web import Web
from golf.workspace import ResearchSettings

RESULTS_MAX = 100
ID = re.compile(r"arxiv\.org/abs/(.+?)(?:v\d+)?$")


def fetch(since: datetime, settings: ResearchSettings, web: Web) -> Found:
    """Papers submitted since then."""
    if not settings.queries:
        raise Off("research.queries is empty")
    answer = web.get(f"{settings.endpoints.arxiv}/api/query", params=asked(settings))
    if answer.is_unchanged:
        return Found()
    return Found([item for item in parse(answer.body, datetime.now(UTC)) if is_since(item, since)])


def asked(settings: ResearchSettings) -> dict[str, str | int]:
    """The question's parameters: any of the phrases, in any of the categories, newest first."""
    phrases = " OR ".join('all:"' + query.replace('"', " ").strip() + '"' for query in settings.queries)
    categories = " OR ".join(f"cat:{category}" for category in settings.categories)
    return {
        "search_query": f"({phrases}) AND ({categories})" if categories else phrases,
        "sortBy": "submittedDate",
        "sortOrder": "descending",
        "start": 0,
        "max_results": RESULTS_MAX,
    }


def parse(body: bytes, now: datetime) -> list[Item]:
    """The feed's papers; a paper's versions are one item.

    Raises:
        WebFailed: it is no feed, or arXiv's way to say that something was wrong: a feed with one entry, "Error".
    """

    def paper(entry: dict[str, Any]) -> Item | None:
        if "/api/errors" in entry["id"]:
            raise WebFailed(f"arXiv did not understand the question: {line(entry.get('summary', ''))}")
        found = ID.search(entry["id"])
        if found is None:
            raise ValueError(entry["id"])
        return Item(
            id=f"arxiv:{line(found[1], 40)}",
            source="arxiv",
            title=line(entry["title"]),
            url=f"https://arxiv.org/abs/{line(found[1], 40)}",
            text=plain(entry.get("summary", "")),
            authors=names([author.get("name", "") for author in entry.get("authors", [])]),
            published_at=moment(entry.get("published_parsed")),
            fetched_at=now,
            details={"category": line(entry.get("arxiv_primary_category", {}).get("term", ""), 20)},
        )

    return made(entries(body, "arXiv"), paper, "arXiv")
