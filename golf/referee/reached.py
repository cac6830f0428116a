"""Statements that run, looked for by a word on their lines, with where they stand and how surely they run."""

import ast
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from golf.referee.program import Function, Module, Program
from golf.referee.settings import Settings
from golf.referee.syntax import blocks

EVALUATES = re.compile(r"(?:^|_)(?:eval|evaluate|evaluation|score)(?:_|$)")
"""Names of functions that evaluate."""
_TRAINS = re.compile(r"(?:^|_)train(?:ing)?(?:_|$)")


@dataclass(frozen=True)
class Place:
    """A statement that runs, and how surely."""

    module: Module
    statement: ast.stmt
    function: str
    """The innermost one it is in; empty at the top of the module."""
    is_certain: bool
    """No condition that the settings leave open, and no handler of an error, stands between it and its function."""

    @property
    def evaluates(self) -> bool:
        """Whether it is part of an evaluation by its function's name."""
        return bool(EVALUATES.search(self.function)) and not _TRAINS.search(self.function)


def places(program: Program, wanted: Sequence[str]) -> Iterator[Place]:
    """Statements that run and that have a wanted word on one of their own lines."""
    for module in program.modules.values():
        script = module.script
        lines = [number for number in script.lines_with(*wanted) if program.reaches(script.name, number)]
        if lines:
            yield from _at(module, lines, program.settings)


def _at(module: Module, lines: Sequence[int], settings: Settings) -> Iterator[Place]:
    waiting: list[tuple[Iterator[ast.stmt], str, bool]] = [(iter(module.tree.body), "", True)]
    while waiting:
        body, function, is_certain = waiting[-1]
        statement = next(body, None)
        if statement is None:
            waiting.pop()
            continue
        if not _any_within(lines, statement.lineno, (statement.end_lineno or statement.lineno) + 1):
            continue
        inner = blocks(statement)
        if _any_within(lines, statement.lineno, _body_from(statement, inner)):
            yield Place(module, statement, function, is_certain)
        within = statement.name if isinstance(statement, Function) else function
        for position, block in reversed(list(enumerate(inner))):
            is_open = isinstance(statement, ast.Match) or (isinstance(statement, ast.Try) and position > 0)
            if isinstance(statement, ast.If):
                is_open = settings.truth(statement.test) is None
            waiting.append((iter(block), within, isinstance(statement, Function) or (is_certain and not is_open)))


def _any_within(lines: Sequence[int], first: int, end: int) -> bool:
    """Whether any of the ascending `lines` is at least `first` and before `end`."""
    position = bisect_left(lines, first)
    return position < len(lines) and lines[position] < end


def _body_from(statement: ast.stmt, inner: Sequence[Sequence[ast.stmt]]) -> int:
    """The line at which a statement's blocks begin, or the one after it."""
    first = min((block[0].lineno for block in inner), default=(statement.end_lineno or statement.lineno) + 1)
    return max(first, statement.lineno + 1)


def calls_of(statement: ast.stmt) -> Iterator[ast.Call]:
    """Calls of a statement, those in its blocks left out."""
    below = {id(inner) for block in blocks(statement) for inner in block}
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call):
            yield node
        waiting += [child for child in ast.iter_child_nodes(node) if id(child) not in below]


def words(node: ast.AST) -> Iterator[str]:
    """Names, attributes and texts an expression is made of."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def mentions(node: ast.AST, wanted: re.Pattern[str]) -> bool:
    """Whether any of an expression's words matches."""
    return any(wanted.search(word) for word in words(node))
