"""How something stands in a text: its clause, the words around it, and whether they deny it.

The text is `folded` first: a line of it is a paragraph, a row of a table, an entry of a list, or a command.
"""

import re

from golf.research import foreign
from golf.schema import Noun

FLAGS = re.IGNORECASE | re.ASCII
"""ASCII, as `ſ` is an `s` else and `ı` an `i`, and no unit is written so."""

N = r"(\d{1,3}(?:,\d{3}){1,4}|\d{1,12}(?:\.\d{1,6})?)"
"""A number, as `number` reads it."""
FREE = r"(?<![\w.,$])"
"""Right before a number that is no part of something else."""
GAP = r"(?:[^.;!?\n]|\.(?=\d))"
"""A character of the same clause."""

WORDS_MIN = 0.2
"""Share of a text's characters, spaces apart, that ordinary words must have: random bytes have 0.1, READMEs of the
challenge from 0.38 on."""
SHORT_CHARS = 200
"""A shorter text is read whatever it looks like."""

_WORD = re.compile(r"[^\W\d_]{3,}")
_STOPS = (". ", "; ", "! ", "? ", "\n")

_DENIED = re.compile(
    r"\b(?:no|not|never|without|n't|neither)\b[^.;\n]{0,16}$|n't [^.;\n]{0,12}$",
    re.IGNORECASE,
)

_OWN_LINE = re.compile(
    r"\s*(?:[#|>`~$]|[-*+•] |\*\*|\d{1,3}[.)] |(?:pip3?|uv|python3?|torchrun|cd|git|export) |[A-Z_]{3,40}=)"
)
"""How a line begins that carries none on: a heading, a row, an entry, a fence, a command."""


class Stated(Noun):
    """A number and the words it stands in."""

    value: float
    quote: str


def is_readable(text: str) -> bool:
    """Whether a text is made of words, and not of bytes, base64 or the like."""
    text = text[: foreign.TEXT_CHARS_MAX]
    chars = len("".join(text.split()))
    words = _WORD.findall(text)
    ordinary = sum(len(word) for word in words if word in (word.lower(), word.upper(), word.title()))
    return chars < SHORT_CHARS or ordinary >= WORDS_MIN * chars


def folded(text: str) -> str:
    """A text as lines that each stand alone, with single spaces between words.

    Lines that a paragraph was broken into are one again, and so are those of a command that a backslash carries on.
    """
    lines: list[list[str]] = []
    is_open = is_carried = is_code = False
    for line in foreign.clean(text).split("\n"):
        words = " ".join(line.split())
        is_fence = words.startswith("```")
        is_code ^= is_fence
        if words and (is_carried or (is_open and not is_code and not _OWN_LINE.match(words))):
            lines[-1].append(words.removesuffix("\\").rstrip())
        elif words:
            lines.append([words.removesuffix("\\").rstrip()])
        is_carried = words.endswith("\\")
        is_open = bool(words) and not is_fence and not words.startswith("#")
    return "\n".join(" ".join(line) for line in lines)


def stated(text: str, match: re.Match[str], value: float) -> Stated:
    """A number that a match states."""
    return Stated(value=value, quote=quoted(text, match))


def quoted(text: str, match: re.Match[str]) -> str:
    """The words around a match."""
    return foreign.around(text, match.start(), match.end())


def clause(text: str, match: re.Match[str], reach: int = 100) -> tuple[int, str]:
    """Where the clause around a match begins, and the clause; at most `reach` characters to either side."""
    start, end = max(0, match.start() - reach), min(len(text), match.end() + reach)
    stops = [at + len(stop) for stop in _STOPS if (at := text.rfind(stop, start, match.start())) >= 0]
    start = max(stops, default=start)
    return start, text[
        start : min((at for stop in _STOPS if (at := text.find(stop, match.end(), end)) >= 0), default=end)
    ]


def is_denied(text: str, match: re.Match[str]) -> bool:
    """Whether the words right before a match say that it is not so."""
    return bool(_DENIED.search(text[max(0, match.start() - 24) : match.start()]))


def number(digits: str) -> float:
    """The number that `N` has matched."""
    return float(digits.replace(",", ""))
