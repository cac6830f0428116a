"""OpenReview's search, one question a phrase: submissions to ICLR, NeurIPS, TMLR and others, reviewed or not.

Surprising: values of API 2 stand in envelopes (`{"value": …}`), dates are milliseconds; and while its index is away it
answers 200 with no notes and `searchUnavailable`, which is a failure here and not an empty result.

Source: docs.openreview.net, reference/api-v2/entities/note; api2.openreview.net/notes/search.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from golf.research.addresses import WebFailed
from golf.research.foreign import as_dict, line, moment, names, prose
from golf.research.nouns import Item
from golf.research.sources import Found, Off, each, is_since, made, rows
from golf.research.web import Web
from golf.workspace import ResearchSettings

RESULTS_MAX = 50


def fetch(since: datetime, settings: ResearchSettings, web: Web) -> Found:
    """Submissions made public since then."""
    if not settings.queries:
        raise Off("research.queries is empty")

    def one(query: str) -> Iterator[Item]:
        answer = web.get(f"{settings.endpoints.openreview}/notes/search", params=asked(query))
        if not answer.is_unchanged:
            yield from (item for item in parse(answer.json(), datetime.now(UTC)) if is_since(item, since))

    return each(settings.queries, one, web, str)


def asked(query: str) -> dict[str, str | int]:
    """The question's parameters: submissions, not their reviews."""
    return {
        "term": query, "type": "terms", "content": "all", "group": "all", "source": "forum", "limit": RESULTS_MAX,
    }  # fmt: skip


def parse(answer: object, now: datetime) -> list[Item]:
    """The notes that are submissions.

    Raises:
        WebFailed: it is no answer of this search.
    """
    if as_dict(answer).get("searchUnavailable"):
        raise WebFailed("OpenReview's search is not available at the moment")

    def note(entry: dict[str, object]) -> Item | None:
        content = as_dict(entry["content"])
        title = line(_value(content, "title") or "")
        if not title:
            return None
        forum = line(entry.get("forum") or entry["id"], 40)
        return Item(
            id=f"openreview:{forum}",
            source="openreview",
            title=title,
            url=f"https://openreview.net/forum?id={forum}",
            text=prose(_value(content, "abstract") or ""),
            authors=names(_value(content, "authors")),
            published_at=moment(entry.get("pdate") or entry.get("cdate") or entry.get("tcdate")),
            fetched_at=now,
            details={"venue": line(_value(content, "venue") or "", 100)},
        )

    return made(rows(as_dict(answer).get("notes"), "OpenReview"), note, "OpenReview")


def _value(content: object, name: str) -> object:
    """A field's value, in its envelope or, as in API 1, without."""
    field = as_dict(content).get(name)
    return field.get("value") if isinstance(field, dict) else field
