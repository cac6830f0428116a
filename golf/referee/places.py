"""Where the submissions are in a list of file names: one rule for folders on disk and for what a pull request adds."""

import re
from collections.abc import Iterable, Sequence

MARK = re.compile(r"submission.*\.json|readme\.md|train_gpt.*\.py", re.IGNORECASE)
"""A folder with such a file is a submission."""

TABLE = re.compile(r"submission.*\.json", re.IGNORECASE)
"""The one among them that nothing but a submission has."""

TRACK = re.compile(r"track_(\w[\w-]*)")


def submissions(files: Iterable[str]) -> dict[str, list[str]]:
    """Submission folder → its files, relative to the top like the folder, `.` for the top itself; both sorted.

    The topmost folder with a mark is a submission, and what lies below belongs to it. The top of everything is one only
    when nothing below it is, or when it has a submission.json: a repository's README.md makes no submission of it all.
    A folder without a mark, in a track or beside a submission, is one as well: some hold a log and nothing else.
    """
    held: dict[str, list[str]] = {}
    for name in files:
        held.setdefault(name.rpartition("/")[0], []).append(name)
    marked = {folder for folder, names in held.items() if any(MARK.fullmatch(_base(name)) for name in names)}
    if marked != {""} and not any(TABLE.fullmatch(_base(name)) for name in held.get("", ())):
        marked.discard("")
    tops = {folder for folder in marked if not marked.intersection(_around(folder))}
    beside = {folder.rpartition("/")[0] for folder in tops if folder}
    above = {around for folder in tops for around in _around(folder)}
    found: dict[str, list[str]] = {}
    for folder, names in held.items():
        line = [*_around(folder), folder]
        top = next((place for place in line if place in tops), None)
        if top is None:
            top = next((place for place in line if place not in above and _is_beside(place, beside)), None)
        if top is not None:
            found.setdefault(top or ".", []).extend(names)
    return {place: sorted(found[place]) for place in sorted(found)}


def track(place: str) -> str | None:
    """The track that a folder lies in: `records/track_10min_16mb/x` → `10min_16mb`."""
    parts = [match[1] for part in place.split("/") if (match := TRACK.fullmatch(part))]
    return parts[-1] if parts else None


def _is_beside(place: str, beside: set[str]) -> bool:
    parent, _, name = place.rpartition("/")
    return bool(place) and not name.startswith(".") and (parent in beside or bool(TRACK.fullmatch(_base(parent))))


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _around(folder: str) -> Sequence[str]:
    """Folders around one, outermost first, the top (`""`) included."""
    parts = folder.split("/") if folder else []
    return ["/".join(parts[:depth]) for depth in range(len(parts))]
