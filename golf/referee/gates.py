"""Gates that look: choices between experts that depend on the very token to be predicted.

A mixture may choose by what came before. Two kinds of choice do not: by which expert gives the true token the better
score, and by what kind of token the true one is, such as one that begins a word. Both are looked for in Python, the
second in C and C++ as well, which submissions compile at start; C is read line by line.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from golf.referee.case import TextFile
from golf.referee.program import Module
from golf.referee.syntax import last_name, name_of, statements

LINES_MAX = 20_000
"""Lines of C that are read."""
REACH_MAX = 400
"""Lines after a token's property within which a gate may use it."""
BLOCK_MAX = 40
"""Lines of a block that a gate opens."""


@dataclass(frozen=True)
class Gate:
    """A choice, and the line that makes it look at the true token."""

    line: int
    looks: int


# --- by score

_SCORE = re.compile(r"(?:^|_)(?:nll|ptl|xent|neglogp?|surprisal)s?(?:_|\d|$)|^losses(?:_|$)", re.IGNORECASE)
_SUMMARY = re.compile(r"(?:^|_)(?:mean|avg|sum|total|val|train|median|epoch|step|ema)(?:_|$)", re.IGNORECASE)
_LESS = re.compile(r"\bf?min(?:imum)?\(|<")


def by_score(module: Module) -> list[Gate]:
    """Where the better of two scores of the true token is taken, token by token."""
    lines = module.script.lines
    marked = {number for number, line in enumerate(lines, 1) if "nll" in line or "ptl" in line or "losses" in line}
    if not any(_LESS.search(lines[number - 1]) for number in marked):
        return []
    found = []
    for statement in module.script.statements:
        if statement.lineno not in marked:
            continue
        if isinstance(statement, ast.If):
            found += _kept_if_better(statement)
        elif isinstance(statement, ast.Assign | ast.AugAssign | ast.Return | ast.Expr) and statement.value is not None:
            found += _lesser(statement.value)
    return found


def _lesser(value: ast.expr) -> Iterator[Gate]:
    """`minimum(a, b)` and `where(a < b, a, b)` of two scores."""
    for node in ast.walk(value):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in ("minimum", "fmin") and len(node.args) == 2 and all(map(_is_score, node.args)):
            yield Gate(node.lineno, node.lineno)
        elif node.func.attr == "where" and len(node.args) == 3 and isinstance(node.args[0], ast.Compare):
            compared = [node.args[0].left, *node.args[0].comparators]
            if len(compared) == 2 and all(map(_is_score, compared)) and all(map(_is_score, node.args[1:])):
                yield Gate(node.lineno, node.lineno)


def _kept_if_better(statement: ast.If) -> Iterator[Gate]:
    """`if new_nll < old_nll: nll[i] = new_nll`."""
    test = statement.test
    if (
        not isinstance(test, ast.Compare)
        or len(test.ops) != 1
        or not isinstance(test.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE)
    ):
        return
    if not _is_score(test.left) or not _is_score(test.comparators[0]):
        return
    compared = {_score_name(test.left), _score_name(test.comparators[0])}
    for inner in statements(statement.body):
        if not isinstance(inner, ast.Assign) or not isinstance(inner.targets[0], ast.Subscript):
            continue
        if _is_score(inner.targets[0]) and _score_name(inner.value) in compared:
            yield Gate(statement.lineno, inner.lineno)


def _score_name(node: ast.expr) -> str:
    """The name of what is subscripted or converted."""
    while isinstance(node, ast.Subscript | ast.Call | ast.Attribute):
        if isinstance(node, ast.Attribute) and not isinstance(node.value, ast.Subscript | ast.Call):
            return node.attr
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_score(node: ast.expr) -> bool:
    name = _score_name(node)
    return bool(_SCORE.search(name)) and not _SUMMARY.search(name)


# --- by the token, in Python

_HINTS = re.compile(r"hint|top_?tok|best_?tok|proposal", re.IGNORECASE)


def _speaks_of_hints(text: str) -> bool:
    return any(word in text for word in ("hint", "HINT", "top_tok", "toptok", "best_tok", "proposal"))


def by_token(module: Module) -> list[Gate]:
    """Where a hint for a position is written only if the token at that position has some property."""
    if not _speaks_of_hints(module.script.text):
        return []
    found = []
    for statement in module.script.statements:
        if isinstance(statement, ast.For):
            found += _in_loop(statement)
    return found


def _in_loop(loop: ast.For) -> Iterator[Gate]:
    """A loop over positions and their tokens: `for i, tok in enumerate(tokens)`."""
    target, source = loop.target, loop.iter
    if not isinstance(source, ast.Call) or last_name(source.func) != "enumerate" or not isinstance(target, ast.Tuple):
        return
    if len(target.elts) != 2 or not all(isinstance(part, ast.Name) for part in target.elts):
        return
    index, token = (part.id for part in target.elts if isinstance(part, ast.Name))
    tokens, properties = {token}, dict[str, int]()
    for statement in statements(loop.body, into_scopes=False):
        if (
            isinstance(statement, ast.Assign)
            and len(statement.targets) == 1
            and isinstance(statement.targets[0], ast.Name)
        ):
            name = statement.targets[0].id
            looks = _looks_at(statement.value, tokens, properties)
            if looks:
                properties[name] = looks
            elif _names(statement.value) & tokens and isinstance(statement.value, ast.Call | ast.Name):
                tokens.add(name)
        elif isinstance(statement, ast.If):
            looks = _looks_at(statement.test, tokens, properties)
            if looks and any(_writes(inner, index, tokens) for inner in statements(statement.body, into_scopes=False)):
                yield Gate(statement.lineno, looks)


def _looks_at(node: ast.expr, tokens: set[str], properties: dict[str, int]) -> int | None:
    """The line at which an expression, or a name in it, looks a property of the token up."""
    for part in ast.walk(node):
        if isinstance(part, ast.Subscript) and _names(part.slice) & tokens:
            return part.lineno
        if isinstance(part, ast.Name) and part.id in properties:
            return properties[part.id]
    return None


def _writes(statement: ast.stmt, index: str, tokens: set[str]) -> bool:
    """Whether a statement writes something looked up elsewhere at the loop's position."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Subscript):
        return False
    target = statement.targets[0]
    is_here = isinstance(target.slice, ast.Name) and target.slice.id == index
    looked_up = any(isinstance(part, ast.Subscript) for part in ast.walk(statement.value))
    return is_here and looked_up and not _names(statement.value) & tokens and bool(_HINTS.search(name_of(target.value)))


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


# --- by the token, in C

_IS_C = re.compile(r"\bu?int(?:8|16|32|64)_t\b")
_TOKEN = re.compile(r"\b(\w+)\s*=\s*[\w\s():<>]*?\b(\w*(?:tok|target|tgt|ids)\w*)\s*\[\s*(\w+)\s*\]\s*\)?\s*;")
_PROPERTY = r"\b(\w+)\s*=[^;=]*\b\w+\s*\[\s*{token}\s*\]"
_CALL = r"\b\w*(?:hint|lookup|predict|propose|expert)\w*\s*\([^;]*\b{name}\b"
_TEST = r"\bif\s*\([^;{{]*\b{name}\b"
_OUTPUT = r"\b\w*(?:hint|top|best|pred|valid)\w*\s*\[\s*{index}\s*\]\s*=(?!=)"


def by_token_in_c(text: TextFile) -> list[Gate]:
    """The same in C or C++, also where it stands in a string of a Python script."""
    if "int" not in text.text or not _speaks_of_hints(text.text) or not _IS_C.search(text.text):
        return []
    lines = [line.split("//", 1)[0] for line in text.lines[:LINES_MAX]]
    found: list[Gate] = []
    for number, line in enumerate(lines):
        match = _TOKEN.search(line)
        if match and match[1] != match[3]:
            found += _after_token(lines, number, match[1], match[3])
    return found


def _after_token(lines: Sequence[str], start: int, token: str, index: str) -> Iterator[Gate]:
    properties: dict[str, int] = {}
    property_of = re.compile(_PROPERTY.format(token=re.escape(token)))
    for number in range(start + 1, min(start + REACH_MAX, len(lines))):
        line = lines[number]
        if (again := _TOKEN.search(line)) and again[1] == token:
            return
        if match := property_of.search(line):
            properties[match[1]] = number + 1
            continue
        for name, looks in properties.items():
            if name in line and _is_gate(lines, number, name, index):
                yield Gate(number + 1, looks)
                return


def _is_gate(lines: Sequence[str], number: int, name: str, index: str) -> bool:
    line = lines[number]
    if re.search(_CALL.format(name=re.escape(name)), line):
        return True
    if not re.search(_TEST.format(name=re.escape(name)), line):
        return False
    output = re.compile(_OUTPUT.format(index=re.escape(index)))
    depth = 0
    for inner in lines[number : number + BLOCK_MAX]:
        depth += inner.count("{") - inner.count("}")
        if output.search(inner):
            return True
        if depth <= 0 and inner is not line:
            return False
    return False
