"""Strangers' Python, parsed within bounds and never run.

`ast.parse` itself is no safe reader: a dotted name of thousands of parts takes gigabytes, and every two characters of
source may cost a kilobyte. So a source is measured before it is parsed.
"""

import ast
import contextlib
import re
import warnings

from golf.errors import UnreadableInput
from golf.referee.fstrings import respell

TOKENS_MAX = 150_000
"""Of all sources of one submission, at up to 1 kB of tree each; the longest real script has 67,000."""

_SLICE = 1 << 16
"""Characters whose tokens are held at once."""

_TOKEN = re.compile(r"\w+|[^\w ]")
_LONG_NAME = re.compile(r"(?<!\w)(?:\w++(?:\s|\\\n)*+\.(?:\s|\\\n)*+){100}")
"""A dotted name of over 100 parts: `import a.a.a` costs the square of its length."""
_PART = re.compile(r"[\w\s\\]*")


def count_tokens(text: str, at_most: int = TOKENS_MAX) -> int:
    """At least the tokens of a source: exact where it matters, and just above `at_most` when there are more."""
    if len(text) <= at_most:
        return len(text)
    count = 0
    for start in range(0, len(text), _SLICE):
        count += len(_TOKEN.findall(text, start, start + _SLICE))
        if count > at_most:
            break
    return count


def parse(text: str) -> ast.Module:
    """The tree of a source that is small enough, also where it needs the f-strings of Python 3.12.

    Raises:
        UnreadableInput: it is no Python, or nothing that can be parsed within bounds.
    """
    if _may_have_long_name(text) and _LONG_NAME.search(text):
        raise UnreadableInput("it has a dotted name of over 100 parts")
    try:
        return _parse(text)
    except SyntaxError as error:
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            return _parse(respell(text))
        raise UnreadableInput(f"it is no Python: {error.msg[:100]} in line {error.lineno}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UnreadableInput(f"it cannot be parsed: {str(error)[:100] or 'nested too deeply'}") from None


def _may_have_long_name(text: str) -> bool:
    """Whether 50 parts in a row between dots could be a name's: one of over 100 has such a row wherever it begins."""
    parts = text.split(".")
    return any(all(map(_PART.fullmatch, parts[at : at + 50])) for at in range(0, len(parts), 50))


def _parse(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SyntaxWarnings about other people's escapes
        return ast.parse(text)
