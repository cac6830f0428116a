"""A submission's texts, with the lines that findings quote."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from golf.errors import UnreadableInput
from golf.referee import source
from golf.referee.reading import printable
from golf.referee.syntax import statements
from golf.rulings import Evidence

QUOTE_CHARS_MAX = 200


@dataclass(frozen=True)
class TextFile:
    """One text of a submission."""

    name: str
    """Relative to the folder; `train_gpt.py!unpacked` for what a packed script holds."""
    text: str

    def at(self, line: int | None, quote: str | None = None) -> Evidence:
        """Evidence at a line (counted from 1); the quote is that line unless given."""
        if quote is None and line is not None:
            lines = self.lines
            quote = lines[line - 1] if 0 < line <= len(lines) else ""
        shown = printable(" ".join((quote or "")[: 10 * QUOTE_CHARS_MAX].split()))[:QUOTE_CHARS_MAX]
        return Evidence(file=self.name, line=line, quote=shown or "(empty)")

    def find(self, offset: int, quote: str | None = None) -> Evidence:
        """Evidence at a character offset, e.g. of a regular expression's match."""
        return self.at(self.text.count("\n", 0, offset) + 1, quote)

    @cached_property
    def lines(self) -> list[str]:
        """The text by line, as line numbers count them."""
        return [line.rstrip("\r") for line in self.text.split("\n")]

    def lines_with(self, *words: str) -> list[int]:
        """Numbers of the lines that any of these words stand in, in order; fast where they are few."""
        found: set[int] = set()
        for word in words:
            at, number, counted = self.text.find(word), 1, 0
            while at >= 0:
                number, counted = number + self.text.count("\n", counted, at), at
                found.add(number)
                end = self.text.find("\n", at)
                at = self.text.find(word, end) if end >= 0 else -1
        return sorted(found)


@dataclass(frozen=True)
class Script(TextFile):
    """Python source, shipped or unpacked."""

    packed_in: str | None = None
    """The shipped file it was unpacked from."""
    is_small: bool = True
    """Few enough tokens to be parsed, together with the scripts before it."""

    @property
    def tree(self) -> ast.Module | None:
        """The parsed source, None when it does not parse; nothing of it is ever executed."""
        return self._parsed[0]

    @cached_property
    def statements(self) -> Sequence[ast.stmt]:
        """Every statement of the tree at any depth, in the order of the text; empty where there is no tree."""
        return list(statements(self.tree.body)) if self.tree else []

    @property
    def problem(self) -> str | None:
        """Why there is no tree."""
        return self._parsed[1]

    @cached_property
    def _parsed(self) -> tuple[ast.Module | None, str | None]:
        if not self.is_small:
            return None, f"the submission's scripts have over {source.TOKENS_MAX:,} tokens"
        try:
            return source.parse(self.text), None
        except UnreadableInput as error:
            return None, str(error)


@dataclass(frozen=True)
class LogText(TextFile):
    """The text of a log, which may hold the source of its script as well."""

    own_lines: Sequence[tuple[int, str]] = ()
    """Numbers and texts of the lines that are the log's own, of the last run that came to anything."""
