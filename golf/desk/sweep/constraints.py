"""Which combinations are left out: by their values, or by an expression that does not hold.

An expression is read as Python's syntax tree and worked out here; nothing of it is ever run. It knows settings,
numbers, texts, arithmetic, comparisons, `and`, `or`, `not` and `in`.
"""

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from golf.errors import BadConfig

TEXT_MAX = 500
"""Characters of an expression."""
LARGEST = 1e300

_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}


def allowed(settings: Mapping[str, Any], exclude: Sequence[Mapping[str, Any]], constraints: Sequence[str]) -> bool:
    """Whether a combination stays.

    Raises:
        BadConfig: an exclusion or an expression names no setting, or cannot be worked out.
    """
    if any(_matches(settings, one) for one in exclude):
        return False
    return all(bool(holds(text, settings)) for text in constraints)


def _matches(settings: Mapping[str, Any], excluded: Mapping[str, Any]) -> bool:
    if not excluded:
        raise BadConfig("an exclusion is empty and would leave everything out; name its settings and values")
    for key, wanted in excluded.items():
        if key not in settings:
            raise BadConfig(f"exclude names {key}, which is no setting of the sweep; it has: {', '.join(settings)}")
        options = wanted if isinstance(wanted, list) and not isinstance(settings[key], list) else [wanted]
        if not any(_same(settings[key], option) for option in options):
            return False
    return True


def _same(a: Any, b: Any) -> bool:
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def holds(text: str, settings: Mapping[str, Any]) -> Any:
    """An expression's value for a combination.

    Raises:
        BadConfig: it is no expression, names no setting, or cannot be worked out.
    """
    if len(text) > TEXT_MAX:
        raise BadConfig(f"a constraint has {len(text)} characters, over the limit of {TEXT_MAX}")
    names = {key.lstrip("+"): value for key, value in settings.items()}
    try:
        return _value(ast.parse(text.strip(), mode="eval").body, names)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise BadConfig(f"constraint {text!r} is no expression, such as n_embd % n_head == 0") from error
    except (TypeError, ZeroDivisionError, OverflowError, ValueError) as error:
        shown = ", ".join(f"{key}={value!r}" for key, value in names.items())[:200]
        raise BadConfig(f"constraint {text!r} cannot be worked out for {shown}: {error}") from error


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name() | ast.Attribute():
            return _setting(ast.unparse(node), names)
        case ast.List() | ast.Tuple():
            return [_value(item, names) for item in node.elts]
        case ast.UnaryOp(op=ast.Not()):
            return not _value(node.operand, names)
        case ast.UnaryOp(op=ast.USub()):
            return -_value(node.operand, names)
        case ast.BoolOp():
            parts = (_value(item, names) for item in node.values)
            return all(parts) if isinstance(node.op, ast.And) else any(parts)
        case ast.BinOp() if type(node.op) in _ARITHMETIC:
            return _number(type(node.op), _value(node.left, names), _value(node.right, names))
        case ast.Compare():
            left = _value(node.left, names)
            for op, item in zip(node.ops, node.comparators, strict=True):
                right = _value(item, names)
                if type(op) not in _COMPARISONS:
                    raise SyntaxError
                if not _COMPARISONS[type(op)](left, right):
                    return False
                left = right
            return True
    raise SyntaxError


def _setting(name: str, names: Mapping[str, Any]) -> Any:
    if name not in names:
        raise BadConfig(f"a constraint names {name}, which is no setting of the sweep; it has: {', '.join(names)}")
    return names[name]


def _number(op: type, left: Any, right: Any) -> float:
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        raise TypeError("arithmetic is for numbers")
    if op is ast.Pow and abs(right) > 64:
        raise ValueError("a power is at most 64")
    found = _ARITHMETIC[op](left, right)
    if isinstance(found, complex) or abs(found) > LARGEST:
        raise ValueError("the number is too large")
    return found
