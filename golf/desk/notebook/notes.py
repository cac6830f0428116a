"""An experiment's note: its hypothesis, expected outcome and rollback criteria, from YAML or Markdown.

A heading is found by its words, however it is set: a key, `## Hypothesis`, `**Hypothesis:** …` or `Hypothesis: …`. What
stands under it counts when somebody wrote it: `TODO`, `...` or the template's own words are no statement.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Heading = Literal["hypothesis", "expected_outcome", "rollback_criteria"]

HEADINGS: dict[Heading, str] = {
    "hypothesis": r"hypothes[ie]s",
    "expected_outcome": r"(?:expected|predicted) (?:outcomes?|results?|effects?|gains?|improvements?)|expectations?"
    r"|predictions?|success criteri(?:a|on)",
    "rollback_criteria": r"roll ?back(?: (?:criteri(?:a|on)|plan|conditions?))?"
    r"|(?:abort|stop(?:ping)?|kill|give up|abandon(?:ing)?) (?:criteri(?:a|on)|conditions?|rules?)"
    r"|when to (?:give up|stop)",
}
"""What an experiment states before any code, and the words it goes by.

Source: the experiment notebook pattern of "Codex CLI for ML Engineering", which wants the three before any code.
"""

RESULT = r"(?:final |measured |actual )?(?:results?|outcomes?|findings)|what happened"
"""Headings of what came out."""

NOTE_BYTES_MAX = 1_000_000
"""A larger file is no note."""

VALUES_MAX = 100_000
"""Values of a YAML note, its aliases written out."""

_EMPTY = re.compile(
    r"(?:todo|tbd|tba|tbc|fixme|xxx+|n/?a|none|null|nil|nothing|unknown|later|pending|placeholder|not stated|not yet|"
    r"(?:to be|please|fill|write|describe|your|insert|add|state) .{0,60}(?:here|in|filled|done|decided|stated)|"
    r"to be (?:determined|done|filled|decided)|lorem ipsum.*|(?:the |your )?(?:hypothesis|expected outcomes?|"
    r"rollback criteria)(?: here)?|what (?:do )?you expect,? (?:and )?why)",
    re.IGNORECASE,
)
_ATX = re.compile(r" {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*")
_LABEL = re.compile(
    r"(?:[-*+]\s+|\d+[.)]\s+)?(?:\*\*|__)?([A-Za-z][A-Za-z _-]{2,40}?)(?:\*\*|__)?\s*:(?:\*\*|__)?\s*(.*)"
)
_BOLD = re.compile(r"(?:[-*+]\s+)?(?:\*\*|__)([A-Za-z][A-Za-z _-]{2,40}?)[.:]?(?:\*\*|__)[.:]?\s*(.*)")
_KEY = re.compile(r"(\s*)([A-Za-z_][\w -]*?)\s*[:=](?:\s|$)")


@dataclass(frozen=True)
class Statement:
    """What stands under one heading."""

    text: str
    line: int
    """Of the heading, counted from 1."""

    @property
    def problem(self) -> Literal["", "empty", "placeholder"]:
        """Why it says nothing; empty where it says something."""
        said = " ".join(re.sub(r"[*_`>~#|\-\s]+", " ", self.text).split()).strip(" .:;,…")
        if not said:
            return "empty"
        bare = said.strip("<>[](){}\"' .!?")
        framed = re.fullmatch(r"<[^<>]*>|\[[^\[\]]*\]|\{[^{}]*\}", self.text.strip()) is not None
        too_short = len(bare.split()) < 2 and not any(character.isdigit() for character in bare)
        return "placeholder" if framed or too_short or _EMPTY.fullmatch(bare) else ""

    @property
    def words(self) -> str:
        """The text without what only sets it."""
        return " ".join(self.text.split())


@dataclass(frozen=True)
class Note:
    """A note as it stood at one time."""

    said: dict[Heading, Statement] = field(default_factory=dict)
    result_line: int | None = None
    """Where a result is stated."""

    def missing(self, heading: Heading) -> Literal["", "missing", "empty", "placeholder"]:
        """What a heading lacks; empty where it is stated."""
        statement = self.said.get(heading)
        return "missing" if statement is None else statement.problem

    @property
    def is_stated(self) -> bool:
        """Whether all three are."""
        return not any(self.missing(heading) for heading in HEADINGS)

    @property
    def has_hypothesis(self) -> bool:
        return not self.missing("hypothesis")


def read(name: str, text: str) -> Note:
    """The note in a file called `name`.

    Raises:
        ValueError: it is called YAML and is none.
    """
    found: dict[Heading, Statement] = {}
    result_line = None
    for title, body, line in _yaml(text) if name.lower().endswith((".yaml", ".yml")) else _markdown(text):
        for heading, words in HEADINGS.items():
            if heading not in found and re.fullmatch(words, title):
                found[heading] = Statement(body, line)
        if result_line is None and re.fullmatch(RESULT, title) and not Statement(body, line).problem:
            result_line = line
    return Note(found, result_line)


def _title(text: str) -> str:
    """A heading's words: no marks, numbers, or bracketed remarks."""
    plain = re.sub(r"\([^()]*\)|[*_`:.?!#–—-]+", " ", text)
    return " ".join(re.sub(r"^\s*\d+(\.\d+)*\s+", "", plain).lower().split())


def _is_small(value: object) -> bool:
    """Whether it can be written out: a few aliases of aliases come to billions of values, or to no end."""
    left, count = [value], 0
    while left:
        one = left.pop()
        count += 1
        if count > VALUES_MAX:
            return False
        if isinstance(one, dict):
            left += one.values()
        elif isinstance(one, list | tuple | set):
            left += one
    return True


def _yaml(text: str) -> Iterator[tuple[str, str, int]]:
    import yaml

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ValueError(" ".join(str(error).split())[:200]) from error
    if not _is_small(value):
        raise ValueError(f"its aliases come to more than {VALUES_MAX} values")
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if key := _KEY.match(line):
            lines.setdefault(key[2], number)

    def below(table: object, depth: int) -> Iterator[tuple[str, str, int]]:
        if not isinstance(table, dict) or depth > 3:
            return
        for key, inner in table.items():
            if isinstance(inner, dict):
                yield from below(inner, depth + 1)
            body = "\n".join(map(str, inner)) if isinstance(inner, list) else "" if inner is None else str(inner)
            yield _title(str(key).replace("_", " ")), body, lines.get(str(key), 1)

    yield from below(value, 0)


def _markdown(text: str) -> Iterator[tuple[str, str, int]]:
    """Every heading or label with what stands under it, up to the next of the same rank or a higher one."""
    lines = _without_comments(text).splitlines()
    marks = list(_marks(lines))
    for position, (line, rank, title, beside) in enumerate(marks):
        end = next((other for other, theirs, *_ in marks[position + 1 :] if theirs <= rank), len(lines))
        under = [one for one in lines[line + 1 : end] if not re.fullmatch(r"\s*(?:=+|-{3,}|\*{3,})\s*", one)]
        yield title, "\n".join([beside, *under]).strip(), line + 1


def _marks(lines: list[str]) -> Iterator[tuple[int, int, str, str]]:
    """Line, rank (a label's is the lowest), title and what stands beside it."""
    is_fenced = False
    known = re.compile("|".join([*HEADINGS.values(), RESULT]))
    for number, line in enumerate(lines):
        if re.match(r"\s*(```|~~~)", line):
            is_fenced = not is_fenced
        if is_fenced:
            continue
        below = lines[number + 1] if number + 1 < len(lines) else ""
        if atx := _ATX.fullmatch(line):
            title, colon, beside = atx[2].partition(":")
            is_label = bool(colon) and known.fullmatch(_title(title)) is not None
            yield number, len(atx[1]), _title(title if is_label else atx[2]), beside.strip() if is_label else ""
        elif line.strip() and re.fullmatch(r"=+\s*|-{3,}\s*", below) and not line.lstrip().startswith(("-", "|", ">")):
            yield number, 1 if below.startswith("=") else 2, _title(line), ""
        else:
            label = _LABEL.fullmatch(line.strip()) or _BOLD.fullmatch(line.strip())
            if label and known.fullmatch(_title(label[1])):
                yield number, 7, _title(label[1]), label[2]


def _without_comments(text: str) -> str:
    """HTML comments are the template speaking; the lines stay where they are."""
    return re.sub(r"<!--.*?(?:-->|\Z)", lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL)
