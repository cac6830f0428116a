"""Is the model of a script the challenge's baseline, to the letter?

Known by what the code says, not by its names: from the class `GPT` on, every definition of the script that it refers to
is gathered, stripped of docstrings, comments, annotations and of what `raise` would say, and hashed. Two texts are
known: the challenge's `train_gpt.py` and the one in `baselines/naive`. Then the live objects have to be those very
definitions: one binding per name, methods that start on the lines of the text, no hooks, no forward of an instance's
own, torch's functions untouched. Configuration is not part of it; that is read from the model.

A script can still deceive this on purpose. So nothing is scored by what follows from it without a trial on real data:
`golf.measure.forward`.
"""

import ast
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules import module as nn_module

Rotary = Callable[[int, Tensor], tuple[Tensor, Tensor]]
"""Length T and a tensor of the dtype and device wanted, to cosines and sines, both (T, head_dim / 2)."""

_DUNDERS = {
    "__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__parameters__",
    "__firstlineno__", "__static_attributes__", "__annotate__", "__annotate_func__", "__annotations_cache__",
    "__conditional_annotations__", "__classdictcell__", "__constants__",
}  # fmt: skip
"""What a class has without its author saying so."""

_TORCH: dict[tuple[Any, str], Any] = {
    (owner, name): getattr(owner, name)
    for owner, names in (
        (F, ("linear", "rms_norm", "scaled_dot_product_attention", "cross_entropy", "embedding")),
        (torch, ("arange", "cat", "outer", "promote_types", "relu", "tanh")),
        (nn.Module, ("__call__", "__getattr__", "_call_impl", "register_buffer", "to", "eval")),
        (nn.Embedding, ("forward",)),
        (nn.ModuleList, ("__getitem__", "__iter__")),
        (Tensor, ("chunk", "cos", "flatten", "relu", "sin", "square", "to", "transpose", "view", "reshape")),
    )
    for name in names
}
"""As they were before any script was loaded."""


def _rotary_of_the_challenge(model: Any, module: ModuleType) -> Rotary:
    def tables(length: int, like: Tensor) -> tuple[Tensor, Tensor]:
        cos, sin = model.blocks[0].attn.rotary(length, like.device, like.dtype)
        return cos[0, 0], sin[0, 0]

    return tables


def _rotary_of_ours(model: Any, module: ModuleType) -> Rotary:
    return lambda length, like: module.rotary_tables(length, model.head_dim, model.rope_base, like)


_KNOWN: dict[str, Callable[[Any, ModuleType], Rotary]] = {
    "2e2dab8bc138ad05408d9743b71f691d9e24fcf7010bf893f364bb9524db77e1": _rotary_of_the_challenge,
    "84245578f026010b0e14312fa61c9b4aeb5a499830b5ddfe988115c745c373b4": _rotary_of_ours,
}
"""Digest of the definitions, and where such a model has its rotary tables."""


def rotary_of(model: nn.Module, module: ModuleType) -> Rotary | None:
    """The rotary tables of a model that is the challenge's baseline; None for any other."""
    try:
        text = Path(str(module.__file__)).read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (OSError, ValueError, SyntaxError):
        return None
    found = _definitions(tree)
    used = _used(found)
    known = _KNOWN.get(_digest(found, used)) if used is not None else None
    if known is None or used is None or not _is_live(model, module, found, used):
        return None
    return known(model, module)


def digest(text: str) -> str | None:
    """Hash of the definitions behind `GPT` in a script; None where a name is bound more than once, or missing."""
    found = _definitions(ast.parse(text))
    used = _used(found)
    return None if used is None else _digest(found, used)


_Found = dict[str, list[ast.AST]]


def _definitions(tree: ast.Module) -> _Found:
    """Every statement that binds a name at the top level, also under `if`, `try`, `for` and `with`."""
    found: _Found = {}
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        names: list[str] = []
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names = [node.name]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [(alias.asname or alias.name).split(".")[0] for alias in node.names]
        else:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
                names = [node.id]
            waiting += ast.iter_child_nodes(node)
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [target.id for target in targets if isinstance(target, ast.Name)]
                waiting = [one for one in waiting if one not in targets]
        for name in names:
            found.setdefault(name, []).append(node)
    return found


def _used(found: _Found) -> list[str] | None:
    """Names of the definitions that `GPT` needs, sorted, itself among them."""
    used: set[str] = set()
    waiting = ["GPT"]
    while waiting:
        name = waiting.pop()
        if name in used:
            continue
        nodes = found.get(name, [])
        if len(nodes) != 1:
            if name == "GPT" or nodes:
                return None
            continue  # a builtin, or a local
        used.add(name)
        waiting += _names(nodes[0])
    return sorted(used)


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    for _, child in _parts(node):
        if isinstance(child, ast.AST):
            yield from _names(child)


def _digest(found: _Found, used: list[str]) -> str:
    return hashlib.sha256("\n".join(f"{name}: {_plain(found[name][0])}" for name in used).encode()).hexdigest()


def _parts(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """Fields that decide what the code does, one entry each."""
    if isinstance(node, ast.Raise):
        return  # where it raises there is no number
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "type_comment", "type_params", "ctx", "kind"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if child is None:
                continue
            if field == "body" and isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue  # a docstring
            if isinstance(child, ast.AnnAssign) and child.value is None and isinstance(child.target, ast.Name):
                continue  # an annotation alone
            yield field, child


def _plain(node: ast.AST) -> str:
    """Like `ast.dump`, but the same under every version of Python."""
    kind = "Assign" if isinstance(node, ast.AnnAssign) else type(node).__name__
    parts = []
    for field, child in _parts(node):
        name = "targets" if (kind, field) == ("Assign", "target") else field
        if name == "simple":
            continue
        parts.append(f"{name}={_plain(child) if isinstance(child, ast.AST) else repr(child)}")
    return f"{kind}({', '.join(parts)})"


def _is_live(model: nn.Module, module: ModuleType, found: _Found, used: list[str]) -> bool:
    """Are the objects in memory those that the text defines, and nothing around them changed?"""
    if any(getattr(owner, name) is not original for (owner, name), original in _TORCH.items()):
        return False
    imported = {"torch": torch, "nn": nn, "F": F, "Tensor": Tensor, "math": None}
    classes: set[type] = {nn.Embedding, nn.ModuleList}
    for name in used:
        node, live = found[name][0], vars(module).get(name)
        if isinstance(node, ast.ClassDef):
            if type(live) is not type or not _is_class_of(live, node, module):
                return False
            classes.add(live)
        elif isinstance(node, ast.FunctionDef):
            if not _is_function_of(live, node, module):
                return False
        elif isinstance(node, ast.Import | ast.ImportFrom):
            if name not in imported or live is not imported[name]:
                return False
        else:
            return False
    return type(model) is vars(module)["GPT"] and _is_untouched(model, classes)


def _is_class_of(live: type, node: ast.ClassDef, module: ModuleType) -> bool:
    methods = {one.name: one for one in node.body if isinstance(one, ast.FunctionDef)}
    return live.__module__ == module.__name__ and all(
        _is_function_of(value, methods[name], module) if name in methods else name in _DUNDERS
        for name, value in vars(live).items()
    )


def _is_function_of(live: object, node: ast.FunctionDef, module: ModuleType) -> bool:
    if not isinstance(live, FunctionType) or live.__globals__ is not vars(module) or hasattr(live, "__wrapped__"):
        return False
    code = live.__code__
    return (code.co_filename, code.co_name, code.co_firstlineno) == (module.__file__, node.name, node.lineno)


def _is_untouched(model: nn.Module, classes: set[type]) -> bool:
    hooks = ("_forward_hooks", "_forward_pre_hooks")
    if any(getattr(nn_module, f"_global{name}") for name in hooks):
        return False
    return all(
        type(part) in classes and "forward" not in vars(part) and not any(getattr(part, name) for name in hooks)
        for part in model.modules()
    )
