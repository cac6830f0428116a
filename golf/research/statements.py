"""How something stands in a one-line text: its clause, the words around it, and whether they deny it."""

import re

from golf.research import foreign
from golf.schema import Noun

_STOPS = (". ", "; ", "! ", "? ")

_DENIED = re.compile(
    r"\b(?:no|not|never|without|n't|neither)\b[^.;]{0,16}$|n't [^.;]{0,12}$",
    re.IGNORECASE,
)


class Stated(Noun):
    """A number and the words it stands in."""

    value: float
    quote: str


def stated(text: str, match: re.Match[str], value: float) -> Stated:
    """A number that a match states."""
    return Stated(value=value, quote=quoted(text, match))


def quoted(text: str, match: re.Match[str]) -> str:
    """The words around a match."""
    return foreign.around(text, match.start(), match.end())


def clause(text: str, match: re.Match[str], reach: int = 100) -> tuple[int, str]:
    """Where the clause around a match begins, and the clause; at most `reach` characters to either side."""
    start, end = max(0, match.start() - reach), min(len(text), match.end() + reach)
    before = max(text.rfind(stop, start, match.start()) for stop in _STOPS)
    start = start if before < 0 else before + 2
    return start, text[
        start : min((at for stop in _STOPS if (at := text.find(stop, match.end(), end)) >= 0), default=end)
    ]


def is_denied(text: str, match: re.Match[str]) -> bool:
    """Whether the words right before a match say that it is not so."""
    return bool(_DENIED.search(text[max(0, match.start() - 24) : match.start()]))
