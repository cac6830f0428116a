"""How words of strangers are shown: on a line of their own, without what a terminal or a reader acts on, and cut.

Nothing here judges a text. Control characters, invisible ones (zero width, bidirectional marks, tags) and private ones
go; every kind of line break is a line break; what is longer than its place ends in `…`.
"""

import unicodedata

_GONE = ("Cc", "Cf", "Cs", "Co", "Cn")
"""Unicode categories that show nothing, or nothing two readers agree on."""

_BREAKS = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")


def clean(text: str) -> str:
    """`text` without invisible characters; its line breaks are kept as `\\n`, tabs and odd spaces become spaces."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text.replace("\r\n", "\n"))


def one_line(text: str, chars_max: int) -> str:
    """`text` cleaned, on one line, in at most `chars_max` characters."""
    return cut(" ".join(clean(text[: 8 * chars_max]).split()), chars_max)


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
    return one_line(text[first:last], chars_max)


def _shown(character: str) -> str:
    if character in _BREAKS:
        return "\n"
    if character == "\t":
        return " "
    category = unicodedata.category(character)
    if category in _GONE:
        return ""
    return " " if category == "Zs" else character
