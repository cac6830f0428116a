"""Pull requests of the watched repositories; of a challenge's repository with the README and submission.json they add.

A file that a pull request adds stands whole in its patch, so that one question shows all of them. Only what GitHub
leaves out of a patch is asked for by itself.

Source: docs.github.com/en/rest/pulls/pulls, "List pull requests" and "List pull requests files"; the repositories:
"Parameter Golf Auto Research", 2026-03-27, "The Research Pipeline".
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote

from golf.errors import BadConfig
from golf.research import submitted
from golf.research.foreign import as_dict, line, moment, prose
from golf.research.nouns import Item
from golf.research.sources import Found, Off, each, made, rows
from golf.research.sources.github import headers
from golf.research.web import Web
from golf.workspace import ResearchSettings

REPOSITORY = r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+"
TOLD = re.compile(r"records/(?:[^/]+/)+(?:README\.md|submission[^/]*\.json)", re.IGNORECASE)
"""The files of a record folder that say what it is."""
TOLD_MAX = 4
"""Of one pull request."""
FILE_CHARS_MAX = 10_000


def fetch(since: datetime, settings: ResearchSettings, web: Web) -> Found:
    """Pull requests that were opened or changed since then."""
    if not settings.repositories:
        raise Off("research.repositories is empty")

    def one(repository: str) -> Iterator[Item]:
        if not re.fullmatch(REPOSITORY, repository):
            raise BadConfig(f"research.repositories: {repository!r} is not OWNER/NAME")
        root = f"{settings.endpoints.github}/repos/{repository}"
        answer = web.get(f"{root}/pulls", params=asked(settings), headers=headers())
        if answer.is_unchanged:
            return
        for pull in parse(answer.json(), repository, datetime.now(UTC)):
            changed_at = moment(pull.details["updated_at"])
            if changed_at is not None and changed_at < since:
                continue
            if repository in settings.submissions_of:
                place = f"{root}/pulls/{pull.details['number']}/files"
                files = web.get(place, params={"per_page": 100}, headers=headers())
                if files.is_unchanged:
                    continue  # it is stored, files and all
                yield with_files(pull, [_whole(web, root, file) for file in told_files(files.json())])
            else:
                yield pull

    return each(settings.repositories, one, web, str)


def asked(settings: ResearchSettings) -> dict[str, str | int]:
    """The question's parameters: open and closed ones, the last changed first."""
    return {"state": "all", "sort": "updated", "direction": "desc", "per_page": settings.pulls_max}


def parse(answer: object, repository: str, now: datetime) -> list[Item]:
    """The pull requests of one page. `details["version"]` is the newest commit: with another it is stored again.

    Raises:
        WebFailed: it is no such page.
    """

    def pull(entry: dict[str, object]) -> Item | None:
        number = entry["number"]
        if not isinstance(number, int) or isinstance(number, bool):
            raise TypeError("number")
        return Item(
            id=f"github:{repository}#{number}",
            source="github_pulls",
            title=line(entry["title"]),
            url=f"https://github.com/{repository}/pull/{number}",
            text=prose(entry.get("body") or ""),
            authors=[line(as_dict(entry.get("user")).get("login") or "unknown", 60)],
            published_at=moment(entry.get("created_at")),
            fetched_at=now,
            details={
                "repository": repository,
                "number": str(number),
                "state": "merged" if entry.get("merged_at") else line(entry.get("state") or "", 20),
                "updated_at": line(entry.get("updated_at") or "", 40),
                "version": line(as_dict(entry.get("head")).get("sha") or "", 64),
            },
        )

    where = f"GitHub ({repository})"
    return made(rows(answer, where), pull, where)


def told_files(answer: object) -> list[tuple[str, str | None, str]]:
    """Of a pull request's files those that say what it is: path, content (None: not in the answer), its commit.

    Of several folders the record track's come first, then the newest.

    Raises:
        WebFailed: it is no list of files.
    """
    found = []
    for entry in map(as_dict, rows(answer, "GitHub")):
        path, patch = str(entry.get("filename", "")), entry.get("patch")
        if TOLD.fullmatch(path) and entry.get("status") != "removed":
            is_whole = entry.get("status") == "added" and isinstance(patch, str)
            commit = re.search(r"[?&]ref=([0-9a-f]{7,64})", str(entry.get("contents_url", "")))
            found.append((path, added(str(patch)) if is_whole else None, commit[1] if commit else ""))
    return sorted(found, key=lambda file: submitted.order(file[0]))[:TOLD_MAX]


def added(patch: str) -> str:
    """The content of a file that a patch adds."""
    return "\n".join(row[1:] for row in patch.split("\n") if row.startswith("+"))


def with_files(pull: Item, files: list[tuple[str, str]]) -> Item:
    """The pull request with its files' text behind its own, and what its submission.json claims in its details."""
    text = "\n\n".join(
        [pull.text[: FILE_CHARS_MAX // 2], *(f"[{path}]\n{prose(said, FILE_CHARS_MAX)}" for path, said in files)]
    )
    folders = sorted({path.rpartition("/")[0] for path, _ in files})
    details = {"folders": line(", ".join(folders), 500)} if folders else {}
    return pull.model_copy(
        update={"text": prose(text), "details": {**pull.details, **details, **submitted.details(files)}}
    )


def _whole(web: Web, root: str, file: tuple[str, str | None, str]) -> tuple[str, str]:
    path, said, commit = file
    if said is None:
        answer = web.get(
            f"{root}/contents/{quote(path)}",
            params={"ref": commit} if commit else None,
            headers=headers("application/vnd.github.raw+json"),
        )
        said = answer.body.decode(errors="replace")
    return line(path, 300), said
