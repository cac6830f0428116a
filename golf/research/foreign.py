"""What strangers wrote, made fit to keep: printable, cut to a length, dates in UTC. It is data, whatever it says."""

import html
import math
import re
from calendar import timegm
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import struct_time

TITLE_CHARS_MAX = 300
TEXT_CHARS_MAX = 20_000
"""Of an item; a README of a long story is cut."""
NAMES_MAX = 20

_TAG = re.compile(r"<[^<>]*>")
"""Linear in the text, closed or not."""


def line(text: object, at_most: int = TITLE_CHARS_MAX) -> str:
    """One printable line."""
    kept = str(text)[: 4 * at_most]
    return " ".join("".join(c if c.isprintable() else _instead(c) for c in kept).split())[:at_most].rstrip()


def prose(text: object, at_most: int = TEXT_CHARS_MAX) -> str:
    """Printable lines, without blank ones beyond one in a row."""
    kept = str(text)[: 2 * at_most].replace("\r\n", "\n").replace("\r", "\n")
    lines = "".join(c if c.isprintable() or c == "\n" else _instead(c) for c in kept).split("\n")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip()[:at_most].rstrip()


def plain(markup: object, at_most: int = TEXT_CHARS_MAX) -> str:
    """HTML as `prose`, its tags left out."""
    return prose(html.unescape(_TAG.sub(" ", str(markup)[: 4 * at_most])), at_most)


def names(found: object) -> list[str]:
    """Authors, at most `NAMES_MAX`."""
    if not isinstance(found, Sequence) or isinstance(found, str):
        return []
    said = (line(one, 100) for one in found[:NAMES_MAX] if isinstance(one, str))
    return [one for one in said if one]


def moment(said: object) -> datetime | None:
    """A date as the web writes it: ISO 8601, RFC 2822, milliseconds since 1970, feedparser's; None where it is none."""
    try:
        if isinstance(said, struct_time):
            return datetime.fromtimestamp(timegm(said), UTC)
        if isinstance(said, int | float) and not isinstance(said, bool) and math.isfinite(said):
            return datetime.fromtimestamp(said / 1000, UTC)
        if isinstance(said, str) and said:
            try:
                found = datetime.fromisoformat(said.strip())
            except ValueError:
                found = parsedate_to_datetime(said)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, OSError, IndexError):
        pass
    return None


def as_dict(value: object) -> Mapping[str, object]:
    """Itself where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def _instead(character: str) -> str:
    return " " if character.isspace() else ""
