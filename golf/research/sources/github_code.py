"""GitHub's code search: files in which others do what we are about to do. It wants a token (GITHUB_TOKEN).

Source: docs.github.com/en/rest/search/search, "Search code": ten questions a minute, with a token only.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from golf.research.foreign import address, as_dict, line, prose
from golf.research.nouns import Item
from golf.research.sources import Found, Off, each, made, rows
from golf.research.sources.github import headers
from golf.research.web import Web, secret
from golf.workspace import ResearchSettings

RESULTS_MAX = 30


def fetch(since: datetime, settings: ResearchSettings, web: Web) -> Found:
    """Files that match; code bears no date, so `since` says nothing here."""
    if not settings.code_queries:
        raise Off("research.code_queries is empty")
    if secret("GITHUB_TOKEN") is None:
        raise Off("GITHUB_TOKEN is not set, and GitHub searches code for nobody without one")

    def one(query: str) -> Iterator[Item]:
        answer = web.get(
            f"{settings.endpoints.github}/search/code",
            params={"q": query, "per_page": RESULTS_MAX},
            headers=headers("application/vnd.github.text-match+json"),
        )
        if not answer.is_unchanged:
            yield from parse(answer.json(), datetime.now(UTC))

    return each(settings.code_queries, one, web, str)


def parse(answer: object, now: datetime) -> list[Item]:
    """The files, with the fragments that matched.

    Raises:
        WebFailed: it is no answer of this search.
    """

    def file(entry: dict[str, object]) -> Item | None:
        repository = as_dict(entry["repository"])
        name, path = line(repository["full_name"], 140), line(entry["path"])
        matches = entry.get("text_matches")
        fragments = [str(as_dict(match).get("fragment", "")) for match in matches] if isinstance(matches, list) else []
        return Item(
            id=f"github-code:{name}/{path}",
            source="github_code",
            title=line(f"{name}: {path}"),
            url=address(entry["html_url"]),
            text=prose("\n…\n".join([str(repository.get("description") or ""), *fragments])),
            fetched_at=now,
            details={"repository": name, "version": line(entry.get("sha") or "", 64)},
        )

    return made(rows(as_dict(answer).get("items"), "GitHub's code search"), file, "GitHub's code search")
