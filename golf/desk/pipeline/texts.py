"""Documents of text files: JSON Lines, a document a line; plain text, a document between empty lines."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from golf.desk.pipeline.checked import Trouble

LINE_BYTES_MAX = 64 << 20
"""A longer line is no document."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NOT_WORDS = re.compile(r"[\W_]+")

Tell = Callable[[str, int], None]
"""A code and the line it was seen on."""

SAID: dict[str, tuple[str, str, str]] = {
    "NOT_UTF8": ("error", "a line is not UTF-8", "decode it as what it is and write UTF-8"),
    "NOT_JSON": ("error", "a line is no JSON object", "one JSON object per line, without a trailing comma"),
    "NO_TEXT": ("error", "a line has no text under the field", "name the right field: --field NAME"),
    "TOO_LONG": ("error", f"a line is over {LINE_BYTES_MAX} bytes and was not read", "one document per line"),
    "EMPTY": ("warning", "a document is empty", "leave it out"),
    "REPLACEMENT": (
        "warning",
        "a document holds U+FFFD, the mark of bytes that were lost when it was decoded",
        "decode the source again, by its own encoding",
    ),
    "CONTROL": ("warning", "a document holds control characters", "strip them, or find out where they come from"),
    "BOM": ("warning", "the file begins with a byte order mark, which becomes part of the text", "write UTF-8 without"),
    "CRLF": ("warning", "lines end in CR LF: the CR becomes part of a plain text", "write LF alone"),
}
"""Severity, what is wrong, and what to do, by code."""


def words(text: str) -> str:
    """Text without case, punctuation and white space: what copies have in common."""
    return _NOT_WORDS.sub(" ", text.casefold()).strip()


def lines(path: Path, tell: Tell) -> Iterator[tuple[int, str]]:
    """Lines of a file with their numbers, as far as they can be read."""
    with open(path, "rb") as file:
        number = 0
        while raw := file.readline(LINE_BYTES_MAX):
            number += 1
            if number == 1 and raw.startswith(b"\xef\xbb\xbf"):
                tell("BOM", 1)
                raw = raw[3:]
            if len(raw) == LINE_BYTES_MAX and not raw.endswith(b"\n"):
                tell("TOO_LONG", number)
                while raw and not raw.endswith(b"\n"):
                    raw = file.readline(LINE_BYTES_MAX)
                continue
            if raw.endswith(b"\r\n"):
                tell("CRLF", number)
            try:
                yield number, raw.decode("utf-8")
            except UnicodeDecodeError:
                tell("NOT_UTF8", number)


def jsonl(path: Path, field: str, tell: Tell) -> Iterator[tuple[int, str]]:
    """Documents of a JSON Lines file with their lines."""
    for number, line in lines(path, tell):
        if not line.strip():
            tell("EMPTY", number)
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            tell("NOT_JSON", number)
            continue
        if not isinstance(found, dict):
            tell("NOT_JSON", number)
        elif not isinstance(text := found.get(field), str):
            tell("NO_TEXT", number)
        elif not text.strip():
            tell("EMPTY", number)
        else:
            yield from _looked_at(number, text, tell)


def plain(path: Path, tell: Tell) -> Iterator[tuple[int, str]]:
    """Paragraphs of a plain text with the lines they begin on."""
    begun, gathered = 0, list[str]()
    for number, line in lines(path, tell):
        if line.strip():
            begun = begun if gathered else number
            gathered.append(line)
        elif gathered:
            yield from _looked_at(begun, "".join(gathered), tell)
            gathered = []
    if gathered:
        yield from _looked_at(begun, "".join(gathered), tell)


def _looked_at(number: int, text: str, tell: Tell) -> Iterator[tuple[int, str]]:
    if "\ufffd" in text:
        tell("REPLACEMENT", number)
    if _CONTROL.search(text):
        tell("CONTROL", number)
    yield number, text


def fields(path: Path) -> list[str]:
    """Where a JSON Lines file's first record has texts, the longest first."""
    with open(path, "rb") as file:
        try:
            found = json.loads(file.readline(LINE_BYTES_MAX))
        except (ValueError, RecursionError):
            return []
    if not isinstance(found, dict):
        return []
    return sorted((key for key, one in found.items() if isinstance(one, str)), key=lambda key: -len(found[key]))


def troubles(seen: dict[str, list[int]], name: str, field: str, others: list[str]) -> Iterator[Trouble]:
    """One for each kind of thing that was seen in a file; `seen` has the first line and how many."""
    for code, (first, count) in seen.items():
        severity, text, fix = SAID[code]
        if code == "NO_TEXT":
            text = f"a line has no text under {field!r}"
            fix += f"; the first line has texts under {', '.join(others[:5])}" if others else ""
        yield Trouble(
            code=code,
            severity="error" if severity == "error" else "warning",
            file=name,
            place=first,
            count=count,
            text=text,
            fix=fix,
        )
