"""f-strings as Python 3.12 writes them, respelled for the parser of 3.11: for reading, never for running.

Since PEP 701 a replacement field may hold its string's own quotes, backslashes and line breaks, and scripts of the
challenge do: `f"{", ".join(names)}"`. Such a string gets triple quotes, and strings in its fields lose their
backslashes. No line moves.
"""

import re
from dataclasses import dataclass

NESTED_MAX = 4
"""f-strings inside one another; quotes give out before."""

_IN_CODE = re.compile(r"#[^\n]*|(?<![A-Za-z0-9_])(?P<prefix>[A-Za-z]{0,2})(?P<quote>\"\"\"|'''|\"|')")
_IN_FIELD = re.compile(_IN_CODE.pattern + r"|[\[({})\]:\n]")
_IN_STRING = re.compile(r"\\N\{[^}\n]*\}|\\[^{}]|\{\{|\}\}|[{}]|\"\"\"|'''|\"|'|\n")
_ENDS = {quote: re.compile(rf"(?:[^\\]|\\.)*?{quote}", re.DOTALL) for quote in ('"""', "'''", '"', "'")}


@dataclass
class _FString:
    """An f-string that is open."""

    opened: int
    """Index of its opening quote among the pieces."""
    quote: str
    needs_triple: bool = False
    in_spec: bool = False
    """Inside the format of a field, after its colon."""


@dataclass
class _Field:
    """A replacement field that is open, and the brackets open in it."""

    string: _FString
    brackets: int = 0


def respell(source: str) -> str:
    """Give every f-string that needs it quotes that the parser of Python 3.11 understands.

    Raises:
        ValueError: a string is not closed, or too many are nested.
    """
    pieces: list[str] = []
    open_: list[_FString | _Field] = []
    at = 0
    while at < len(source):
        inside = open_[-1] if open_ else None
        pattern = _IN_STRING if isinstance(inside, _FString) else _IN_FIELD if inside else _IN_CODE
        match = pattern.search(source, at)
        pieces.append(source[at : match.start() if match else len(source)])
        if match is None:
            break
        at = match.end()
        if isinstance(inside, _FString):
            at = match.start() + _string_token(match[0], inside, pieces, open_)
        elif match["quote"] is None:
            _code_token(match[0], inside, pieces, open_)
        elif "f" in match["prefix"].lower():
            if len(open_) > 2 * NESTED_MAX:
                raise ValueError(f"over {NESTED_MAX} f-strings are nested")
            _needed_by(match[0], open_)
            pieces += [match["prefix"], match["quote"]]
            open_.append(_FString(len(pieces) - 1, match["quote"]))
        else:
            end = _ENDS[match["quote"]].match(source, at)
            if end is None:
                raise ValueError(f"a string that begins with {match[0]} is not closed")
            text, at = match[0] + end[0], end.end()
            _needed_by(text, open_)
            pieces.append(re.sub(r"\\.", "__", text, flags=re.DOTALL) if open_ else text)
    if open_:
        raise ValueError("an f-string is not closed")
    return "".join(pieces)


def _string_token(token: str, string: _FString, pieces: list[str], open_: list[_FString | _Field]) -> int:
    """Take what stands in the text of an f-string; returns how many characters of it were taken."""
    ends = len(string.quote) == 1 and token[0] == string.quote
    if ends or (string.in_spec and token in ("{{", "}}")):
        token = token[0]
    pieces.append(token)
    if token == "{":
        open_.append(_Field(string))
    elif token == "}":
        string.in_spec = False
    elif token == string.quote:
        open_.pop()
        if string.needs_triple and len(string.quote) == 1:
            taken = {one.quote for one in open_ if isinstance(one, _FString) and one.needs_triple}
            own = string.quote if string.quote not in taken else {'"': "'", "'": '"'}[string.quote]
            pieces[string.opened] = pieces[-1] = own * 3
    return len(token)


def _code_token(token: str, field: _Field | None, pieces: list[str], open_: list[_FString | _Field]) -> None:
    pieces.append(token)
    if field is None:
        return
    if token[0] == "#":
        pieces[-1] = ""
    elif token == "\n":
        _needed_by(token, open_)
    elif token in "([{":
        field.brackets += 1
    elif token == "}" and not field.brackets:
        open_.pop()
    elif token == ":" and not field.brackets:
        open_.pop()
        field.string.in_spec = True
    elif token in ")]}":
        field.brackets -= 1


def _needed_by(text: str, open_: list[_FString | _Field]) -> None:
    """Mark the open f-strings whose one-character quotes cannot hold `text`."""
    for string in open_:
        if isinstance(string, _FString) and (string.quote in text or "\n" in text):
            string.needs_triple = True
