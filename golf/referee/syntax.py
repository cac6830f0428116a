"""Python's `ast` as the referee walks it: statements in order and names, without recursion.

Other people's scripts nest as deep as they like, so nothing here calls itself on what it reads; `ast` itself raises
before a tree gets too deep to walk this way.
"""

import ast
from collections.abc import Iterator

NAME_PARTS_MAX = 20
"""Read of one dotted name."""

_COMPOUND = frozenset(
    (
        ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.If, ast.For, ast.AsyncFor, ast.While, ast.With,
        ast.AsyncWith, ast.Try, ast.TryStar, ast.Match,
    )
)  # fmt: skip

_SCOPES = frozenset((ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))


def name_of(node: ast.AST | None) -> str:
    """The dotted name an expression spells, e.g. `os.environ.get`; what is no name in it is `?`.

    A call inside (`model().eval`) and a subscript (`optimizers[0].step`) count as `?`.
    """
    parts = []
    for _ in range(NAME_PARTS_MAX):
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        else:
            parts.append(node.id if isinstance(node, ast.Name) else "?")
            break
    return ".".join(reversed(parts))


def last_name(node: ast.AST | None) -> str:
    """The last part of a dotted name: `step` of `optimizers[0].step`; `?` when there is none."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else "?"


def blocks(statement: ast.stmt) -> list[list[ast.stmt]]:
    """The statement lists directly inside a statement, in the order they are written."""
    if type(statement) not in _COMPOUND:
        return []
    found = [getattr(statement, field) for field in ("body", "orelse", "finalbody") if getattr(statement, field, None)]
    handlers = getattr(statement, "handlers", None) or getattr(statement, "cases", None) or []
    return found[:1] + [handler.body for handler in handlers] + found[1:]


def statements(body: list[ast.stmt], into_scopes: bool = True) -> Iterator[ast.stmt]:
    """Every statement below, in the order of the text; `into_scopes` also those of nested functions and classes."""
    waiting = body[::-1]
    while waiting:
        statement = waiting.pop()
        yield statement
        if type(statement) in (_COMPOUND if into_scopes else _COMPOUND - _SCOPES):
            for block in reversed(blocks(statement)):
                waiting += reversed(block)


def rebound(body: list[ast.stmt], with_walrus: bool = True) -> frozenset[str]:
    """Names that statements give a value, nested functions and classes left out; what is no plain name is left out too.

    `with_walrus` looks into every expression for `:=`, which takes longer.
    """
    names: set[str] = set()
    for statement in statements(body, into_scopes=False):
        waiting = [*targets(statement)]
        if isinstance(statement, ast.For | ast.AsyncFor):
            waiting.append(statement.target)
        elif isinstance(statement, ast.With | ast.AsyncWith):
            waiting += [item.optional_vars for item in statement.items if item.optional_vars is not None]
        while waiting:
            target = waiting.pop()
            if isinstance(target, ast.Name):
                names.add(target.id)
            elif isinstance(target, ast.Tuple | ast.List):
                waiting += target.elts
            elif isinstance(target, ast.Starred):
                waiting.append(target.value)
        if with_walrus and not blocks(statement):
            names.update(_walrused(statement))
        elif with_walrus and isinstance(statement, ast.If | ast.While):
            names.update(_walrused(statement.test))
    return frozenset(names)


def _walrused(node: ast.AST) -> Iterator[str]:
    return (part.target.id for part in ast.walk(node) if isinstance(part, ast.NamedExpr))


def is_used_first(body: list[ast.stmt], name: str) -> bool:
    """Whether statements use a name's value in a line before the one that gives it another."""
    found = [
        (part.lineno, isinstance(part.ctx, ast.Load))
        for statement in body
        for part in ast.walk(statement)
        if isinstance(part, ast.Name) and part.id == name
    ]
    bound = min((line for line, is_load in found if not is_load), default=0)
    return any(is_load and line < bound for line, is_load in found)


def counted(body: list[ast.stmt], with_walrus: bool = True) -> frozenset[str]:
    """Names that statements change as they go: bound inside a loop, or added to; no single expression tells them."""
    names: set[str] = set()
    for statement in statements(body, into_scopes=False):
        if isinstance(statement, ast.For | ast.AsyncFor | ast.While):
            names |= rebound([statement], with_walrus)
        elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            names.add(statement.target.id)
    return frozenset(names)


def targets(statement: ast.stmt) -> list[ast.expr]:
    """What an assignment assigns to; empty for any other statement."""
    if isinstance(statement, ast.Assign):
        return statement.targets
    if isinstance(statement, ast.AnnAssign | ast.AugAssign):
        return [statement.target]
    return []
