"""A local clone of the challenge's repository, pull requests included: the same items as GitHub gives, offline.

Nothing is checked out, fetched or run (`golf.referee.pull_requests`). Only pull requests that add a submission are
items: what the others say stands on GitHub and not in the clone.
"""

import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from golf import leftovers
from golf.errors import BadConfig
from golf.referee import pull_requests
from golf.referee.pull_requests import AddedFolder, Head
from golf.research import submitted
from golf.research.foreign import as_dict, line, moment
from golf.research.nouns import Item
from golf.research.sources import Found, Off
from golf.research.sources.github_pulls import REPOSITORY, TOLD, TOLD_MAX, with_files
from golf.research.sources.notes import heading
from golf.research.web import Web
from golf.workspace import ResearchSettings


def fetch(since: datetime, settings: ResearchSettings, web: Web) -> Found:
    """The newest pull requests of the clone, however old: a changed one is stored again, an unchanged one is not.

    Raises:
        Off: no clone is named.
        BadConfig: the folder is none, or has no pull requests.
        UnreadableInput: git cannot read it.
    """
    if not settings.clone:
        raise Off("research.clone names no clone")
    if not re.fullmatch(REPOSITORY, settings.clone_of):
        raise BadConfig(f"research.clone_of: {settings.clone_of!r} is not OWNER/NAME")
    folder = Path(settings.clone)
    heads = pull_requests.heads(folder)[-settings.clone_pulls_max :]
    if not heads:
        raise BadConfig(
            f"research.clone: {folder} is no clone with pull requests. Fetch them into it: "
            f"git -C {folder} fetch origin 'refs/pull/*/head:refs/remotes/origin/pr/*'"
        )
    found = [(head, folders) for head, folders in pull_requests.added(folder, heads).items() if folders]
    items = []
    with leftovers.folder("caddie-clone-") as place, contextlib.closing(pull_requests.Objects(folder)) as objects:
        for head, folders in found:
            told = {path: blob for added in folders for path, blob in added.files.items() if TOLD.fullmatch(path)}
            paths = sorted(told, key=submitted.order)[:TOLD_MAX]
            to = place / str(head.number)
            objects.write({path: told[path] for path in paths}, to)
            texts = [(path, (to / path).read_text(errors="replace")) for path in paths if (to / path).is_file()]
            items.append(item(settings.clone_of, head, folders, texts, datetime.now(UTC)))
    return Found(items)


def item(repository: str, head: Head, folders: list[AddedFolder], texts: list[tuple[str, str]], now: datetime) -> Item:
    """One pull request; its title is that of its submission.json, else of its README, else its folder's name."""
    pull = Item(
        id=f"github:{repository}#{head.number}",
        source="clone",
        title=line(next(_titles(texts), folders[0].path.rpartition("/")[2])),
        url=f"https://github.com/{repository}/pull/{head.number}",
        published_at=moment(folders[0].since),
        fetched_at=now,
        details={
            "repository": repository,
            "number": str(head.number),
            "updated_at": folders[0].until,
            "version": head.commit,
            "folders": line(", ".join(added.path for added in folders), 500),
        },
    )
    return with_files(pull, texts)


def _titles(texts: list[tuple[str, str]]) -> Iterator[str]:
    import json

    for path, text in texts:
        if path.lower().endswith(".json"):
            with contextlib.suppress(ValueError, RecursionError):
                name = as_dict(json.loads(text)).get("name")
                if isinstance(name, str) and name.strip():
                    yield name
    for path, text in texts:
        if path.lower().endswith(".md") and (title := heading(text)):
            yield title
