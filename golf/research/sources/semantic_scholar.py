"""Semantic Scholar's bulk search: any of our phrases, newest first, in one question. S2_API_KEY is used where set.

Source: api.semanticscholar.org/api-docs/graph, `/paper/search/bulk`; `|` is its "or".
"""

from datetime import UTC, datetime

from golf.research.foreign import address, as_dict, line, moment, names, prose
from golf.research.nouns import Item
from golf.research.sources import Found, Off, is_since, made, rows
from golf.research.web import Web, secret
from golf.workspace import ResearchSettings

FIELDS = "title,abstract,url,venue,publicationDate,externalIds,authors"
RESULTS_MAX = 200
"""A bulk answer has up to 1,000; they are the newest."""


def fetch(since: datetime, settings: ResearchSettings, web: Web) -> Found:
    """Papers published since then."""
    if not settings.queries:
        raise Off("research.queries is empty")
    key = secret("S2_API_KEY")
    answer = web.get(
        f"{settings.endpoints.semantic_scholar}/graph/v1/paper/search/bulk",
        params=asked(since, settings),
        headers={"x-api-key": key} if key else {},
    )
    if answer.is_unchanged:
        return Found()
    return Found([item for item in parse(answer.json(), datetime.now(UTC)) if is_since(item, since)])


def asked(since: datetime, settings: ResearchSettings) -> dict[str, str | int]:
    """The question's parameters."""
    return {
        "query": " | ".join('"' + query.replace('"', " ").strip() + '"' for query in settings.queries),
        "fields": FIELDS,
        "sort": "publicationDate:desc",
        "publicationDateOrYear": f"{since.date().isoformat()}:",
    }


def parse(answer: object, now: datetime) -> list[Item]:
    """The papers; one that is on arXiv bears arXiv's id, so that it is not stored twice.

    Raises:
        WebFailed: it is no answer of this search.
    """

    def paper(entry: dict[str, object]) -> Item | None:
        title = line(entry.get("title") or "")
        if not title:
            return None
        arxiv = line(as_dict(entry.get("externalIds")).get("ArXiv") or "", 40)
        authors = entry.get("authors")
        return Item(
            id=f"arxiv:{arxiv}" if arxiv else f"semantic_scholar:{line(entry['paperId'], 60)}",
            source="semantic_scholar",
            title=title,
            url=f"https://arxiv.org/abs/{arxiv}" if arxiv else address(entry.get("url")),
            text=prose(entry.get("abstract") or ""),
            authors=names([as_dict(a).get("name") for a in authors] if isinstance(authors, list) else None),
            published_at=moment(entry.get("publicationDate")),
            fetched_at=now,
            details={"venue": line(entry.get("venue") or "", 100)},
        )

    found = rows(as_dict(answer).get("data"), "Semantic Scholar")
    return made(found[:RESULTS_MAX], paper, "Semantic Scholar")
