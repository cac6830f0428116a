"""A model that looks ahead: attention without a causal mask, or a later token mixed into an earlier position.

What a position may depend on is the text before it (issue #1017, condition 1). Only the plain ways are read off the
code: fused attention that is told, or left, not to be causal, and text shifted by a constant towards the future that is
added to what the model computes, or handed to it beside its targets. Masks and attention written out are not followed;
`golf audit` asks the scorer itself. A script with causal attention as well may have an encoder that scores nothing, so
only one whose attention is nowhere causal is spoken of; outside the record track it may be a denoiser that states its
score as a bound, which is no cheat.
"""

import ast
import re
from collections.abc import Iterator
from itertools import islice

from golf.referee.case import Case
from golf.referee.program import Function, Module, Program, program_of
from golf.referee.prose import assertions
from golf.referee.reached import Place, calls_of, places
from golf.referee.rulebook import finding
from golf.referee.settings import UNKNOWN
from golf.referee.syntax import last_name, statements, targets
from golf.referee.tracks import is_record
from golf.rulings import Finding

PLACES_MAX = 100
"""Statements of one kind that are looked at."""

_ATTENTION = ("scaled_dot_product_attention", "flash_attn_func", "flash_attn_3_func", "flash_attn_varlen_func")
_FUSED = re.compile(r"^(?:scaled_dot_product_attention|flash_attn\w*_func|_?flash_attn_interface_func)$")
_MASKED = frozenset(("attn_mask", "attn_bias", "block_mask", "mask"))
SDPA_MASK = 3
"""Place of the mask among the arguments of `scaled_dot_product_attention(query, key, value, attn_mask, …)`."""
SDPA_CAUSAL = 5
_BOUND = re.compile(r"\bELBO\b|\bvariational\b|\bdenois\w+", re.IGNORECASE)
_TARGETS = re.compile(r"target|label|tgt|^y$|^ys$|gold|next", re.IGNORECASE)
TARGETS_AT = 1
"""Place of the targets among what a model is given: `model(x, y)`."""


def findings(case: Case) -> list[Finding]:
    """SLOT_NONCAUSAL, at most one for attention and one for a shift."""
    if not case.has_code:
        return []
    program = program_of(case)
    is_bound = not is_record(case) and any(True for _ in assertions(case, _BOUND))
    return [*islice(_attention(program, is_bound), 1), *islice(_mixed(program), 1), *islice(_handed(program), 1)]


# --- attention


def _attention(program: Program, is_bound: bool) -> Iterator[Finding]:
    """The first attention that is not causal, where none that runs may be."""
    first: tuple[Place, ast.Call] | None = None
    for place in islice(places(program, _ATTENTION), PLACES_MAX):
        for call in calls_of(place.statement):
            if not _FUSED.match(last_name(call.func)):
                continue
            if _is_causal(call, program) is not False:
                return
            first = first or (place, call)
    if first is not None:
        place, call = first
        script = place.module.script
        yield finding(
            "SLOT_NONCAUSAL",
            f"{last_name(call.func)} in {place.function or 'its top'} is not causal, and no other attention that runs "
            f"is: every position sees the tokens after it (line {call.lineno} of {script.name})",
            script.at(call.lineno),
            confidence=0.8,
            severity="note" if is_bound else "flag",
        )


def _is_causal(call: ast.Call, program: Program) -> bool | None:
    """Whether fused attention is causal by its arguments; None when a mask or an unknown value decides."""
    given = {word.arg: word.value for word in call.keywords}
    if None in given or any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    if any(name in given and not _is_none(given[name]) for name in _MASKED):
        return None
    told = given.get("is_causal", given.get("causal"))
    if last_name(call.func) == "scaled_dot_product_attention":
        if len(call.args) > SDPA_MASK and not _is_none(call.args[SDPA_MASK]):
            return None
        told = call.args[SDPA_CAUSAL] if told is None and len(call.args) > SDPA_CAUSAL else told
    elif told is None and (len(call.args) > SDPA_MASK or "window_size" in given):
        return None
    if told is None:
        return False
    if not isinstance(told, ast.Constant | ast.Attribute):
        return None
    value = program.settings.value(told)
    return None if value is UNKNOWN else bool(value)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


# --- shifts


def _mixed(program: Program) -> Iterator[Finding]:
    """Where a model's forward adds what lies one position on to what lies here."""
    for module in program.modules.values():
        text = module.script.text
        if "roll(" not in text and "1:]" not in text:
            continue
        for method in _methods(module):
            lines = range(method.lineno, (method.end_lineno or method.lineno) + 1)
            if not any("roll(" in line or "1:]" in line for line in module.code[lines.start - 1 : lines.stop - 1]):
                continue
            yield from _mixed_in(module, method, program)


def _methods(module: Module) -> Iterator[Function]:
    """What runs in forwards: the methods of networks."""
    for named in module.definitions.values():
        for node in named:
            if isinstance(node, ast.ClassDef) and any("Module" in last_name(base) for base in node.bases):
                yield from (inner for inner in node.body if isinstance(inner, Function))


def _mixed_in(module: Module, method: Function, program: Program) -> Iterator[Finding]:
    shifted: dict[str, int] = {}
    for statement in statements(method.body, into_scopes=False):
        if not program.reaches(module.script.name, statement.lineno):
            continue
        value = getattr(statement, "value", None)
        if value is None:
            continue
        for node in ast.walk(value):
            if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add | ast.Mult | ast.Sub):
                continue
            for part in (node.left, node.right):
                line = shifted.get(part.id) if isinstance(part, ast.Name) else _shift(part)
                if line is not None:
                    yield _of_shift(module, f"{method.name} adds the next position to each", line)
                    return
        for target in targets(statement):
            if isinstance(target, ast.Name):
                if (line := _shift(value)) is not None and not _TARGETS.search(target.id):
                    shifted[target.id] = line
                else:
                    shifted.pop(target.id, None)


def _handed(program: Program) -> Iterator[Finding]:
    """Where a model is handed shifted text beside its input and its targets."""
    shifted: dict[str, int] = {}
    shifts = list(islice(places(program, ("roll(",)), PLACES_MAX))
    for place in shifts:
        for target in targets(place.statement):
            line = _shift(getattr(place.statement, "value", target), is_text=True)
            if isinstance(target, ast.Name) and line is not None:
                shifted[target.id] = line
    for place in (*shifts, *(islice(places(program, [*shifted]), PLACES_MAX) if shifted else ())):
        for call in calls_of(place.statement):
            if "model" not in last_name(call.func).lower():
                continue
            others = [*call.args[TARGETS_AT + 1 :]]
            others += [word.value for word in call.keywords if word.arg and not _TARGETS.search(word.arg)]
            for part in others:
                line = shifted.get(part.id) if isinstance(part, ast.Name) else _shift(part, is_text=True)
                if line is not None:
                    what = f"{last_name(call.func)} is handed later tokens beside its targets"
                    yield _of_shift(place.module, what, line)


def _of_shift(module: Module, what: str, line: int) -> Finding:
    script = module.script
    return finding(
        "SLOT_NONCAUSAL",
        f"{what}: a shift towards the future (line {line} of {script.name})",
        script.at(line),
        confidence=0.7,
        severity="flag",
    )


def _shift(node: ast.expr, is_text: bool = False) -> int | None:
    """The line of an expression that moves text or activations towards the future by a constant, scaled or not."""
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        if (line := _shift(node.left)) is not None:
            return line
        node = node.right
    if not isinstance(node, ast.Call):
        return None
    name, first = last_name(node.func), node.args[0] if node.args else None
    if name == "roll" and first is not None:
        shifts = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "shifts")]
        dims = [*node.args[2:3], *(word.value for word in node.keywords if word.arg in ("dims", "dim"))]
        is_time = not dims or _is_time(dims[0]) or (is_text and ast.unparse(dims[0]) == "-1")
        return node.lineno if shifts and _is_negative(shifts[0]) and is_time else None
    if name in ("cat", "concat", "concatenate") and isinstance(first, ast.List | ast.Tuple) and len(first.elts) > 1:
        dims = [*node.args[1:2], *(word.value for word in node.keywords if word.arg in ("dim", "axis"))]
        return node.lineno if dims and _is_time(dims[0]) and _is_later(first.elts[0]) else None
    if name == "pad" and first is not None and _is_later(first):
        return node.lineno
    return None


def _is_negative(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def _is_time(node: ast.expr) -> bool:
    """Whether a dimension is that of the positions: `1` or `-2` of (B, T, C)."""
    return ast.unparse(node) in ("1", "-2", "(1,)")


def _is_later(node: ast.expr) -> bool:
    """`x[:, 1:]`: everything but the first position."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Tuple) or len(node.slice.elts) < 2:
        return False
    rows, positions = node.slice.elts[:2]
    is_every = isinstance(rows, ast.Slice) and rows.lower is None and rows.upper is None
    return (
        is_every
        and isinstance(positions, ast.Slice)
        and isinstance(positions.lower, ast.Constant)
        and positions.upper is None
        and isinstance(positions.lower.value, int)
        and positions.lower.value > 0
    )
