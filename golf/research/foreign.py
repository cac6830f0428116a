"""Words and values of strangers, made fit to keep and to show: printable, cut to a length, dates in UTC.

All of it is data, whatever it says; nothing here judges it. Control characters, invisible ones (zero width,
bidirectional marks, tags), private ones and halves of surrogate pairs go; every kind of line break is a line break;
what is longer than its place ends in `…`.
"""

import html
import math
import re
from calendar import timegm
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import struct_time
from urllib.parse import urljoin, urlsplit

TITLE_CHARS_MAX = 300
TEXT_CHARS_MAX = 20_000
"""Of an item that is kept, and of any text that is read for what it says; a README of a long story is cut."""
URL_CHARS_MAX = 1_000
"""A longer address is none: cut, it would lead elsewhere."""
NAMES_MAX = 20

_BREAKS = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")

_TAG = re.compile(r"<[^<>]*>")
"""Linear in the text, closed or not."""


def clean(text: str) -> str:
    """`text` without what shows nothing; its line breaks are kept as `\\n`, tabs and odd spaces become spaces."""
    if text.isprintable():
        return text
    return "\n".join(map(_cleaned, text.replace("\r\n", "\n").split("\n")))


def line(text: object, chars_max: int = TITLE_CHARS_MAX) -> str:
    """`text` cleaned, on one line, in at most `chars_max` characters."""
    return cut(" ".join(clean(str(text)[: 8 * chars_max]).split()), chars_max)


def prose(text: object, chars_max: int = TEXT_CHARS_MAX) -> str:
    """`text` cleaned, without blank lines beyond one in a row, in at most `chars_max` characters."""
    lines = "\n".join(line.rstrip() for line in clean(str(text)[: 2 * chars_max]).split("\n"))
    return cut(re.sub(r"\n{3,}", "\n\n", lines).strip(), chars_max)


def plain(markup: object, chars_max: int = TEXT_CHARS_MAX) -> str:
    """HTML as `prose`, its tags left out."""
    return prose(html.unescape(_TAG.sub(" ", str(markup)[: 4 * chars_max])), chars_max)


def cut(text: str, chars_max: int) -> str:
    """`text` in at most `chars_max` characters; a shortened one ends in `…`."""
    return text if len(text) <= chars_max else text[: chars_max - 1].rstrip() + "…"


def around(text: str, start: int, end: int, chars_max: int = 120) -> str:
    """The words around `text[start:end]` on one line: what a claim rests on."""
    spare = max(0, chars_max - (end - start)) // 2
    first, last = max(0, start - spare), min(len(text), end + spare)
    if first and (space := text.find(" ", first, start)) >= 0:
        first = space + 1
    if last < len(text) and (space := text.rfind(" ", end, last)) >= 0:
        last = space
    return line(text[first:last], chars_max)


def address(said: object, base: str = "") -> str | None:
    """An address of the web (http or https) on one line, taken from `base` where it is relative; None where it is none.

    What is no address of the web is never kept as one: somebody may click on it.
    """
    words = line(said, URL_CHARS_MAX + 1) if isinstance(said, str) else ""
    if not words:
        return None
    try:
        url = urljoin(base, words)
        parts = urlsplit(url)
        is_odd = bool(set(" @") & set(parts.netloc)) or len(url) > URL_CHARS_MAX
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and not is_odd
    except ValueError:
        return None
    return url if is_one else None


def names(found: object) -> list[str]:
    """Authors, at most `NAMES_MAX`."""
    if not isinstance(found, Sequence) or isinstance(found, str):
        return []
    said = (line(one, 100) for one in found[:NAMES_MAX] if isinstance(one, str))
    return [one for one in said if one]


def moment(said: object) -> datetime | None:
    """A date as others write it: ISO 8601, RFC 2822, milliseconds since 1970, feedparser's; None where it is none.

    What names no time zone is in UTC.
    """
    try:
        if isinstance(said, struct_time):
            return datetime.fromtimestamp(timegm(said), UTC)
        if isinstance(said, int | float) and not isinstance(said, bool) and math.isfinite(said):
            return datetime.fromtimestamp(said / 1000, UTC)
        if isinstance(said, str) and said:
            try:
                said = datetime.fromisoformat(said.strip())
            except ValueError:
                said = parsedate_to_datetime(said)
        if isinstance(said, datetime):
            return (said if said.tzinfo else said.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, OSError, IndexError):
        pass
    return None


def as_dict(value: object) -> Mapping[str, object]:
    """Itself where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def _cleaned(line: str) -> str:
    return line if line.isprintable() else "".join(c if c.isprintable() else _instead(c) for c in line)


def _instead(character: str) -> str:
    """For one that is not printable."""
    return "\n" if character in _BREAKS else " " if character.isspace() else ""
