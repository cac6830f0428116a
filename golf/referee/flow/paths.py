"""Paths put together from pieces, spelled out as far as constants and settings tell.

`"fineweb_" + word + "_*.bin"` is one split's text or the other's only as a whole, and so is
`train_files.replace("train", "val")`. A piece that is not told is `UNTOLD`, which matches nothing.
"""

import ast
from collections.abc import Callable, Sequence
from typing import Any

from golf.referee.flow.splits import BOTH, PATH_CHARS_MAX, split_of_text
from golf.referee.flow.tags import NOTHING, TRAIN, VAL, Tag, Tags
from golf.referee.settings import UNKNOWN
from golf.referee.syntax import last_name, name_of

UNTOLD = "\0"
DEPTH_MAX = 12
"""Nesting of an expression that is still spelled out."""
JOINS = frozenset(("join", "joinpath", "replace", "with_name"))
"""Calls that put a path together."""
OPPOSITE = {VAL: TRAIN, TRAIN: VAL}

Tell = Callable[[ast.expr], Any]
"""What an expression comes to under the settings, or `UNKNOWN`."""


def is_text_sum(node: ast.AST) -> bool:
    """Whether an addition, or a division of paths, has a text for one of its operands."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add | ast.Div):
        return False
    return any(_is_text(part) or is_text_sum(part) for part in (node.right, node.left))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def spelled(node: ast.expr, tell: Tell, depth: int = 0) -> str:
    """The text an expression comes to, `UNTOLD` where that cannot be told."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else UNTOLD
    if depth > DEPTH_MAX:
        return UNTOLD
    value = tell(node)
    if isinstance(value, str):
        return value if len(value) <= PATH_CHARS_MAX else UNTOLD
    parts: list[str] = []
    between = ""
    if isinstance(node, ast.JoinedStr):
        parts = [spelled(part, tell, depth + 1) for part in node.values]
    elif isinstance(node, ast.FormattedValue):
        return str(value) if value is not UNKNOWN and isinstance(value, int) else spelled(node.value, tell, depth + 1)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Div):
        between = "/" if isinstance(node.op, ast.Div) else ""
        parts = [spelled(part, tell, depth + 1) for part in (node.left, node.right)]
    elif isinstance(node, ast.Call):
        name = last_name(node.func)
        receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
        if name_of(node.func).endswith("path.join") or name in ("Path", "PurePath", "PosixPath", "str"):
            between, parts = "/", [spelled(part, tell, depth + 1) for part in node.args]
        elif receiver is not None and name in ("joinpath", "with_name"):
            between, parts = "/", [spelled(part, tell, depth + 1) for part in (receiver, *node.args)]
        elif receiver is not None and name == "replace" and len(node.args) == 2:
            whole, old, new = (spelled(part, tell, depth + 1) for part in (receiver, *node.args))
            return UNTOLD if UNTOLD in old + new or not old else whole.replace(old, new)[: PATH_CHARS_MAX + 1]
    text = between.join(parts)
    return text if 0 < len(text) <= PATH_CHARS_MAX else UNTOLD


def path_tags(node: ast.expr, parts: Sequence[tuple[ast.expr, Tags]], tell: Tell) -> Tags:
    """Tags of a path put together from parts: what it says as a whole goes before what the parts say, and a directory
    of one split before a glob that would find both."""
    tags = NOTHING.union(*(held for part, held in parts if not (isinstance(part, ast.Constant) and held == BOTH)))
    whole = split_of_text(spelled(node, tell))
    if len(whole) == 1:
        return tags - BOTH | whole
    if isinstance(node, ast.Call) and last_name(node.func) == "replace" and len(parts) == 3:
        old, new = (_named(part) for part, _ in parts[1:])
        if old is not None and new is not None and old in tags:
            return tags - BOTH | {new}
    return tags if tags & BOTH else tags | whole


def asked_split(test: ast.expr) -> Tags:
    """Which split's files a filter such as `"train" in name` lets through; none that it tells."""
    is_not = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    asked = test.operand if isinstance(test, ast.UnaryOp) else test
    found: Tag | None = None
    if isinstance(asked, ast.Compare) and isinstance(asked.ops[0], ast.In | ast.NotIn):
        found, is_not = _named(asked.left), is_not != isinstance(asked.ops[0], ast.NotIn)
    elif isinstance(asked, ast.Call) and last_name(asked.func) in ("startswith", "search", "match", "fnmatch"):
        found = next((tag for part in asked.args if (tag := _named(part)) is not None), None)
    return NOTHING if found is None else frozenset((OPPOSITE[found] if is_not else found,))


def _named(node: ast.expr) -> Tag | None:
    """The split that a word names."""
    text = node.value.lower() if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
    return TRAIN if "train" in text else VAL if "val" in text else None
