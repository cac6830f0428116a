"""A question about settings as one writes it in Python: `val_bpb < 1.2 and lr > 0.01 and tier in ('smoke', 'local')`.

Parsed by Python's own `ast` and interpreted here, never compiled or run. It has names, numbers, texts, lists of them,
comparisons (chained ones too), `in`, `and`, `or`, `not`, and `+ - * / // %` on numbers; nothing else: no call, no
attribute of an object (a dotted name is a setting's whole name), no power, which a short text could make endless.

A name without a value is unknown, as in SQL: a comparison with it is neither true nor false, and a run that lacks it is
not found, not even by `not`. `lr == None` asks for just that. Upper and lower case are the same.
"""

import ast
import difflib
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from golf.errors import BadConfig

CHARACTERS_MAX = 2_000
DEPTH_MAX = 40
OFFERED = 3
"""Near names offered for a misspelt one."""

_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_SPELT = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/",
    ast.FloorDiv: "//", ast.Mod: "%",
}  # fmt: skip


class Expression:
    """A text that is one of these, and the names in it.

    Raises:
        BadConfig: it is none; the message says what is not allowed and what is.
    """

    def __init__(self, text: str, what: str = "filter") -> None:
        self.text, self.what = text.strip(), what
        if not self.text or len(self.text) > CHARACTERS_MAX:
            raise BadConfig(f"a {what} has 1 to {CHARACTERS_MAX:,} characters (got {len(self.text):,})")
        try:
            self._root = ast.parse(self.text, mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            at = f" at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
            said = error.msg if isinstance(error, SyntaxError) else error
            raise BadConfig(f"not a {what}{at}: {said}. {self._allowed}") from None
        self.names: list[str] = []
        """As they are written, each once."""
        self._check(self._root, 0)

    @property
    def _allowed(self) -> str:
        return (
            f"A {self.what} has names, numbers, 'texts', comparisons, in, and, or, not, and + - * / // % on numbers, "
            'e.g. "batch % 8 == 0 and lr > 0.01"'
        )

    def __call__(self, names: Mapping[str, Any]) -> Any:
        """Its value where names, in lower case, stand for these values; None where that is unknown.

        Raises:
            BadConfig: a text and a number are ordered or added.
        """
        return self._value(self._root, names)

    def holds(self, names: Mapping[str, Any]) -> bool:
        """Whether it is surely true of a run."""
        found = self(names)
        return found is not None and bool(found)

    def check_known(self, known: Iterable[str]) -> None:
        """Refuse names that no run has.

        Raises:
            BadConfig: there is one; the message offers near ones.
        """
        every = sorted(set(known))
        for name in self.names:
            if name.lower() in every:
                continue
            near = difflib.get_close_matches(name.lower(), every, OFFERED, 0.6)
            near += [one for one in every if name.lower() in one and one not in near][: OFFERED - len(near)]
            offer = (
                f"; did you mean {' or '.join(near)}?" if near else f". Some that there are: {', '.join(every[:12])}"
            )
            raise BadConfig(f"no run has a field or setting {name!r}{offer}")

    def _check(self, node: ast.AST, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise BadConfig(f"the {self.what} is nested deeper than {DEPTH_MAX}; write it flatter")
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None):
                return
            case ast.Name() | ast.Attribute() | ast.Subscript():
                name = _name(node)
                if name is None:
                    raise self._refused(node)
                if name not in self.names:
                    self.names.append(name)
                return
            case ast.BoolOp() | ast.Tuple() | ast.List():
                inner: Sequence[ast.AST] = node.values if isinstance(node, ast.BoolOp) else node.elts
            case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.UAdd()):
                inner = [node.operand]
            case ast.BinOp() if type(node.op) in _ARITHMETIC:
                inner = [node.left, node.right]
            case ast.Compare():
                inner = [node.left, *node.comparators]
            case _:
                raise self._refused(node)
        for one in inner:
            self._check(one, depth + 1)

    def _refused(self, node: ast.AST) -> BadConfig:
        written = ast.get_source_segment(self.text, node) if isinstance(node, ast.expr) else None
        return BadConfig(f"a {self.what} cannot have {(written or type(node).__name__)[:80]!r}. {self._allowed}")

    def _value(self, node: ast.AST, names: Mapping[str, Any]) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return names.get((_name(node) or "").lower())
            case ast.Tuple() | ast.List():
                return [self._value(one, names) for one in node.elts]
            case ast.BoolOp():
                return _joined([self._value(one, names) for one in node.values], isinstance(node.op, ast.Or))
            case ast.UnaryOp():
                inner = self._value(node.operand, names)
                if inner is None:
                    return None
                if isinstance(node.op, ast.Not):
                    return not inner
                return self._number(inner, node) * (-1 if isinstance(node.op, ast.USub) else 1)
            case ast.BinOp():
                left, right = self._value(node.left, names), self._value(node.right, names)
                if left is None or right is None:
                    return None
                try:
                    found = _ARITHMETIC[type(node.op)](self._number(left, node), self._number(right, node))
                    return found if math.isfinite(found) else None
                except (ZeroDivisionError, OverflowError):
                    return None
            case ast.Compare():
                return self._compared(node, names)
        raise self._refused(node)

    def _compared(self, node: ast.Compare, names: Mapping[str, Any]) -> bool | None:
        values = [self._value(one, names) for one in (node.left, *node.comparators)]
        written = [node.left, *node.comparators]
        found: list[bool | None] = []
        for place, sign in enumerate(node.ops):
            left, right = values[place], values[place + 1]
            asks_for_none = any(isinstance(one, ast.Constant) and one.value is None for one in written)
            if isinstance(sign, ast.Is | ast.IsNot | ast.Eq | ast.NotEq):
                is_not = isinstance(sign, ast.IsNot | ast.NotEq)
                unknown = (left is None or right is None) and not asks_for_none
                found.append(None if unknown else (left == right) != is_not)
            elif isinstance(sign, ast.In | ast.NotIn):
                if left is None or right is None:
                    found.append(None)
                    continue
                if not isinstance(right, list) and not (isinstance(left, str) and isinstance(right, str)):
                    raise BadConfig(
                        f"`in` wants a list or a text on its right, e.g. tier in ('smoke', 'local'): {self.text}"
                    )
                found.append((left in right) != isinstance(sign, ast.NotIn))
            elif left is None or right is None:
                found.append(None)
            elif isinstance(left, str) != isinstance(right, str) or isinstance(left, list) or isinstance(right, list):
                what = f"{_shown(left)} and {_shown(right)} have no order"
                raise BadConfig(f"{what}, so {_SPELT[type(sign)]} cannot be asked in: {self.text}")
            else:
                found.append(_COMPARE[type(sign)](left, right))
        return _joined(found, is_or=False)

    def _number(self, value: Any, node: ast.AST) -> Any:
        if isinstance(value, bool | int | float):
            return value
        raise BadConfig(f"{_shown(value)} is no number to calculate with, in: {self.text}")


def _name(node: ast.AST) -> str | None:
    """A plain or dotted name, or what `settings['…']` says; None for anything else."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            inner = _name(node.value)
            return None if inner is None else f"{inner}.{node.attr}"
        case ast.Subscript(value=ast.Name(id="settings"), slice=ast.Constant(value=str() as name)):
            return name
    return None


def _joined(values: Sequence[Any], is_or: bool) -> bool | None:
    """`and`, or `or`, with the unknown (Kleene's logic)."""
    told = [None if value is None else bool(value) for value in values]
    if is_or in told:
        return is_or
    return None if None in told else not is_or


def _shown(value: Any) -> str:
    return (
        f"the text {value[:40]!r}"
        if isinstance(value, str)
        else f"the list {value!r:.40}"
        if isinstance(value, list)
        else repr(value)
    )
