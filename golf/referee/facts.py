"""Who, where and when: a submission's name, author, pull request, track, date and hardware.

The folder decides its track and may give its date; submission.json comes next, the README last.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from golf.referee.reading import printable
from golf.referee.stated import number_of, text_of
from golf.referee.texts import TextFile

HARDWARE_LINES = 120
"""Lines of a README that may state the hardware."""

_TRACKS = ((re.compile(r"non[-_ ]?record|unlimited"), "non_record_16mb"), (re.compile(r"10[-_ ]?min"), "10min_16mb"))
_README_TRACK = re.compile(
    r"^\W{0,6}track\W{1,6}(.{3,80})|^#\s.*?\b(non[- ]record|record\s*:)", re.IGNORECASE | re.MULTILINE
)
_GPU = re.compile(
    r"(?<![\w.])(\d{1,3})\s?[x×*]\s?(?:nvidia[ -])?(?:tesla |geforce )?"
    r"((?:RTX|GTX|Quadro|DGX)[ -]?\w{3,6}|[A-Z]{1,3}\d{1,4}[A-Z]{0,3})(?![A-Z])",
    re.IGNORECASE,
)
_DATE = re.compile(r"20\d\d-[01]\d-[0-3]\d")


def read(folder: Path, table: Mapping[str, Any], readme: TextFile, pr: int | None) -> dict[str, Any]:
    """Those fields of a `Submission`; `pr` is the pull request it came with, where the caller knows it."""
    authors = table.get("authors")
    people = [table.get("author"), *(authors if isinstance(authors, list) else [])]
    name = printable(folder.resolve().name)
    github_id = _text(table, "github_id", "github", "github_username", "author_github")
    github_id = github_id or _person(people, "github_id", "github")
    return {
        "folder": name or "submission",
        "name": _text(table, "name", "title", "submission_name", "run_name") or _title(readme),
        "author": _person(people, "name", "author"),
        "github_id": github_id.removeprefix("https://github.com/").lstrip("@") if github_id else None,
        "pr": pr if pr is not None else _own_pr(table),
        "track": _track(folder, table, readme),
        "date": _date(table, name),
        "hardware": _hardware(table, readme),
    }


def _text(table: Mapping[str, Any], *keys: str) -> str | None:
    return next((text for key in keys if (text := text_of(table.get(key)))), None)


def _person(people: Sequence[Any], *keys: str) -> str | None:
    for person in people:
        if isinstance(person, dict) and (text := _text(person, *keys)):
            return text
        if keys[0] == "name" and (text := text_of(person)):
            return text
    return None


def _title(readme: TextFile) -> str | None:
    return next((text_of(line.lstrip("# ")) for line in readme.lines[:20] if line.startswith("#")), None)


def _own_pr(table: Mapping[str, Any]) -> int | None:
    for key in ("pr", "pr_number", "pull_request", "pr_url"):
        match = re.search(r"(\d{1,5})/?$", str(table.get(key, ""))[:200])
        if match and not isinstance(table.get(key), dict | list | bool):
            return int(match[1])
    return None


def _track(folder: Path, table: Mapping[str, Any], readme: TextFile) -> str | None:
    """The folder decides, then submission.json, then the README."""
    in_folder = [part.removeprefix("track_") for part in folder.resolve().parts if part.startswith("track_")]
    found = _README_TRACK.search(readme.text[:4_000])
    in_readme = found and (found[1] or ("10min" if found[2].lower().startswith("record") else "non-record"))
    for text in (*reversed(in_folder), _text(table, "track"), in_readme):
        for pattern, track in _TRACKS:
            if text and pattern.search(text.lower()):
                return track
    return None


def _date(table: Mapping[str, Any], folder: str) -> str | None:
    for text in (_text(table, "date", "submission_date"), folder):
        if text and (match := _DATE.search(text)):
            return match[0]
    return None


def _hardware(table: Mapping[str, Any], readme: TextFile) -> str | None:
    """GPUs, as `8xH100` where they are spelled in any such way; else what submission.json says of them."""
    keys = ("hardware", "training_hardware", "gpu", "gpu_config", "hardware_used", "gpus", "platform", "gpu_type")
    said = [text for key in keys if (text := text_of(table.get(key)))]
    count = number_of(table.get("num_gpus", table.get("gpu_count")))
    if count and said:
        said.insert(0, f"{count:.0f}x{said[0]}")
    for text in (*said, "\n".join(readme.lines[:HARDWARE_LINES])):
        if match := _GPU.search(text):
            return f"{int(match[1])}x{match[2].replace(' ', '').upper()}"
    return said[0] if said else None
