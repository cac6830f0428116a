"""What a script makes of its counts: which keys it looks them up with, what it divides, and what it mixes with a model.

Every n-gram cache does the same whatever it calls things: it hashes the context into a key, and the context with one
more token into another, and divides the two counts. If the token is the one to be predicted, what comes out is a number
for that token alone, which no sum over the vocabulary has ever been taken of. If it runs over the vocabulary, or was
read from a table by context alone, it is a distribution or a hint.

So values are followed as sets of labels (`Label`) through the statements of each function, in order, calls into the
script's own functions included, and nothing is executed.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from golf.referee.program import Function, Module
from golf.referee.syntax import blocks, last_name, name_of, statements, targets

STEPS_MAX = 40_000
"""Expressions looked at in one script."""
CALLS_MAX = 5
"""Own functions within own functions that are followed."""

Label = Literal["target", "vocab", "product", "hash", "gold", "counts", "vocab_counts", "vocab_total", "smoothed"] | int
"""target: the token to be predicted; vocab: runs over the vocabulary; product, hash: steps to a hashed key; gold: a
count of the target alone; counts: one found without it; vocab_counts: counts of every token; vocab_total: their sum;
smoothed: a gold count added to a weighted probability. A number is the line of a lookup or quotient that led here."""

Labels = frozenset[Label]
Value = Labels | tuple["Value", ...]
NONE: Labels = frozenset()
NOBODY: frozenset[str] = frozenset()


Kind = Literal["lookup", "quotient", "mixture"]


@dataclass(frozen=True)
class Use:
    """One thing done with a count of the token to be predicted."""

    kind: Kind
    """lookup: by a hashed key with the token in it; quotient: divided by another count; mixture: added to something."""
    line: int
    lookups: frozenset[int]
    """Lines of the lookups that lead here."""
    quotients: frozenset[int]
    """Lines of the quotients that lead here."""
    is_smoothed: bool = False
    """A quotient that holds its mixture: `(count + weight * prior) / (total + weight)`."""


_UPDATES = (
    "add.at(", "bincount(", "scatter_add", "index_add", "accumulate=True", "] += 1", "]+=1", ", 0) + 1", ",0)+1",
    "defaultdict(int",
)  # fmt: skip
"""How counts are made; a script without any has no count tables."""
_XOR = re.compile(r"(?<![\['\"|(^])\^(?![\]'\"])")
"""An operator and no part of a regular expression."""
_MODULO = re.compile(
    r"(?:\*|<<)\s*[\w.\[\], :]+(?:\([^()]*\))?(?:\s*[+|]\s*[\w.\[\], :]+(?:\([^()]*\))?)?\)\s*[%&]\s*[\w.(]"
)
_TARGET = re.compile(
    r"(?:^|_)(?:tgts?|targets?|golds?|labels?|nxt|next_tok\w*|next_ids?|true_tok\w*)(?=_|\d|$)(?!_(?:prime|len|size|dtype|mult|mask)s?\b)"
    r"|^_?y(?:s|b|_?batch|_?np|_?true|_?flat|_?cpu|_?t)?\d?$|^tg\d?$|^tgt",
    re.IGNORECASE,
)
_VOCABULARY = re.compile(r"vocab|^V$|^n_?tokens?_types$", re.IGNORECASE)
_EMPTIES = frozenset(
    ("len", "zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like", "range", "arange", "bincount",
     "at", "scatter_add_", "index_add_", "isinstance", "print", "log0", "any", "all", "nonzero", "searchsorted")
)  # fmt: skip
"""Calls whose result has nothing of what it is given."""
_MIXES = frozenset(("logaddexp", "lerp", "lerp_", "logsumexp", "log_add", "log_sum_exp"))
_LOOKS_UP = frozenset(("gather", "take", "index_select", "take_along_axis", "take_along_dim", "get"))
_ARRAY_MODULES = frozenset(("np", "numpy", "torch", "F", "math", "jnp", "mx", "cp"))


def uses(module: Module) -> list[Use]:
    """What a script does with hashed counts, by line; empty for a script that keeps no counts."""
    if not any(word in module.script.text for word in _UPDATES):
        return []
    return _Reading(module).run()


@dataclass
class _Env:
    """Names of one call."""

    names: dict[str, Value]
    built: frozenset[str] = frozenset()
    """Names that a loop builds up from themselves: hashes of a context."""
    ahead: frozenset[tuple[str, str]] = frozenset()
    """Array and index such that the array is also read at places before that index: the token there is the target."""
    halved: frozenset[str] = frozenset()
    """Arrays of which both `[:-1]` and `[1:]` are taken: inputs and targets."""
    returned: list[Value] = field(default_factory=list)


class _Reading:
    """One script, read function by function."""

    def __init__(self, module: Module):
        self.module = module
        self.found: dict[tuple[str, int], Use] = {}
        self.steps = 0
        self.depth = 0
        self.known: dict[tuple[int, tuple[tuple[str, Value], ...]], Value] = {}
        self.shapes: dict[int, _Env] = {}
        self.followed: set[str] = set()
        """Own functions whose calls are looked into."""

    def run(self) -> list[Use]:
        hashing = self.hashing
        self.followed = {function.name for function in hashing}
        made = [self.alone(function) for function in hashing]
        if self.found or any({"hash", "target"} <= labels for labels in made):
            callers = self.callers(hashing)
            self.followed |= {function.name for function in callers}
            for function in callers:
                self.alone(function)
        return sorted(self.found.values(), key=lambda use: use.line)

    def alone(self, function: Function) -> Labels:
        """What a function returns when nothing is known of its arguments; nothing for one that is nested too deeply."""
        self.depth = 0
        try:
            return _flat(self.call(function, ()))
        except RecursionError:
            return NONE

    @cached_property
    def functions(self) -> Mapping[str, Sequence[Function]]:
        """Functions and methods by name."""
        return {
            name: [node for node in nodes if isinstance(node, Function)]
            for name, nodes in self.module.definitions.items()
        }

    @property
    def hashing(self) -> list[Function]:
        """Functions that hash something."""
        lines = [number for number, line in enumerate(self.module.script.lines, 1) if _is_hashing(line)]
        every = (function for functions in self.functions.values() for function in functions)
        return [
            function
            for function in every
            if any(function.lineno <= line <= (function.end_lineno or function.lineno) for line in lines)
        ]

    def callers(self, called: Sequence[Function]) -> list[Function]:
        """Other functions that name any of these, directly or through each other."""
        every = [function for functions in self.functions.values() for function in functions]
        chosen = {id(function) for function in called}
        names = {function.name for function in called}
        found: list[Function] = []
        grown = True
        while grown:
            grown = False
            for function in every:
                lines = range(function.lineno + 1, (function.end_lineno or function.lineno) + 1)
                if id(function) in chosen or not any(names & self.module.identifiers.get(n, NOBODY) for n in lines):
                    continue
                chosen.add(id(function))
                found.append(function)
                grown = True
                if not function.name.startswith("__"):
                    names.add(function.name)
        return found

    def note(self, kind: Kind, node: ast.AST, labels: Labels, is_smoothed: bool = False) -> int:
        """Write a use down with what led to it; returns its line."""
        line = getattr(node, "lineno", 1)
        numbers = frozenset(label for label in labels if isinstance(label, int))
        known = self.found.get((kind, line), Use(kind, line, frozenset(), frozenset()))
        self.found[kind, line] = replace(
            known,
            lookups=known.lookups | {number for number in numbers if ("lookup", number) in self.found},
            quotients=known.quotients | {number for number in numbers if ("quotient", number) in self.found},
            is_smoothed=known.is_smoothed or is_smoothed,
        )
        return line

    def has_quotient(self, labels: Labels) -> bool:
        """Whether a quotient went into a value."""
        return any(isinstance(label, int) and ("quotient", label) in self.found for label in labels)

    # functions

    def call(self, function: Function, arguments: tuple[Value, ...], words: Mapping[str, Value] | None = None) -> Value:
        """What a function returns, given what it is given."""
        names = [*function.args.posonlyargs, *function.args.args]
        if len(names) > len(arguments) and names and names[0].arg in ("self", "cls"):
            names = names[1:]
        given = {name.arg: value for name, value in zip(names, arguments, strict=False)} | dict(words or {})
        key = (id(function), tuple(sorted(((k, v) for k, v in given.items() if v), key=lambda item: item[0])))
        if key in self.known:
            return self.known[key]
        self.known[key] = NONE
        if self.depth >= CALLS_MAX:
            return NONE
        self.depth += 1
        shape = self.shapes.get(id(function)) or _shape(function)
        self.shapes[id(function)] = shape
        env = _Env({k: v for k, v in given.items() if v}, shape.built, shape.ahead, shape.halved)
        self.body(function.body, env)
        self.depth -= 1
        self.known[key] = _joined(env.returned)
        return self.known[key]

    def body(self, body: Sequence[ast.stmt], env: _Env) -> None:
        for statement in body:
            if self.steps > STEPS_MAX:
                return
            self.statement(statement, env)

    def statement(self, statement: ast.stmt, env: _Env) -> None:
        if isinstance(statement, Function | ast.ClassDef | ast.Import | ast.ImportFrom):
            return
        if isinstance(statement, ast.Return):
            if statement.value is not None:
                env.returned.append(self.value(statement.value, env))
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            if statement.value is not None:
                value = self.assigned(statement, statement.value, env)
                for target in targets(statement):
                    self.bind(target, value, env)
        elif isinstance(statement, ast.AugAssign):
            self.augment(statement, env)
        elif isinstance(statement, ast.Expr):
            self.expression_statement(statement.value, env)
        elif isinstance(statement, ast.For | ast.AsyncFor):
            element = self.element(statement.iter, env)
            for _ in range(2):  # what one round stores, the next may use
                self.bind(statement.target, element, env)
                self.branch(statement.body, env)
            self.body(statement.orelse, env)
        else:
            for name in ("test", "subject"):
                if isinstance(test := getattr(statement, name, None), ast.expr):
                    self.value(test, env)
            for item in getattr(statement, "items", ()):
                self.value(item.context_expr, env)
            for block in blocks(statement):
                self.branch(block, env)

    def branch(self, body: Sequence[ast.stmt], env: _Env) -> None:
        """A block that may or may not run: names keep what they had before as well."""
        before = dict(env.names)
        self.body(body, env)
        for name, value in before.items():
            if env.names.get(name) is not value:
                env.names[name] = _join(value, env.names.get(name, NONE))

    def assigned(self, statement: ast.stmt, value: ast.expr, env: _Env) -> Value:
        """An assigned value; a hash that goes on building itself is not yet completed by a target."""
        names = {target.id for target in targets(statement) if isinstance(target, ast.Name)} & env.built
        if not names:
            return self.value(value, env)
        built, env.built = env.built, env.built - names
        try:
            return self.value(value, env)
        finally:
            env.built = built

    def augment(self, statement: ast.AugAssign, env: _Env) -> None:
        name = name_of(statement.target)
        before = env.names.get(name, NONE) if isinstance(statement.target, ast.Name | ast.Attribute) else NONE
        value = self.value(statement.value, env)
        if isinstance(statement.op, ast.Add) and _is_weighted(statement.value) and self.has_quotient(_flat(value)):
            self.note("mixture", statement, _flat(value))
        made = self.combined(statement.op, before, value)
        if isinstance(statement.target, ast.Subscript):
            name = _base(statement.target)
            made = made if "gold" in made or self.has_quotient(made) else NONE
        env.names[name] = _join(env.names.get(name, NONE), made)

    def expression_statement(self, node: ast.expr, env: _Env) -> None:
        value = self.value(node, env)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = _base(node.func.value)
            if node.func.attr in ("append", "extend") and node.args:
                value = self.value(node.args[0], env)
            elif not node.func.attr.endswith("_"):  # in place
                return
            env.names[name] = _join(env.names.get(name, NONE), value)

    def bind(self, target: ast.expr, value: Value, env: _Env) -> None:
        if isinstance(target, ast.Name):
            env.names[target.id] = value
        elif isinstance(target, ast.Attribute):
            env.names[name_of(target)] = value
        elif isinstance(target, ast.Subscript):
            name = _base(target)
            env.names[name] = _join(env.names.get(name, NONE), value)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, value, env)
        elif isinstance(target, ast.Tuple | ast.List):
            parts = (
                value if isinstance(value, tuple) and len(value) == len(target.elts) else (value,) * len(target.elts)
            )
            for part, one in zip(target.elts, parts, strict=True):
                self.bind(part, one if isinstance(value, tuple) and len(value) == len(target.elts) else _flat(one), env)

    def element(self, node: ast.expr, env: _Env) -> Value:
        """What a loop over an expression yields."""
        if isinstance(node, ast.Call):
            name = last_name(node.func)
            if name == "zip":
                return tuple(self.element(argument, env) for argument in node.args)
            if name == "enumerate" and node.args:
                return (NONE, self.element(node.args[0], env))
            if name in ("reversed", "sorted", "tqdm", "list", "prange") and node.args:
                return self.element(node.args[0], env)
        return self.value(node, env)

    # expressions

    def value(self, node: ast.expr, env: _Env) -> Value:
        self.steps += 1
        if self.steps > STEPS_MAX:
            return NONE
        handler = _HANDLERS.get(type(node))
        return handler(self, node, env) if handler else NONE

    def labels(self, node: ast.expr, env: _Env) -> Labels:
        return _flat(self.value(node, env))

    def name(self, node: ast.Name, env: _Env) -> Value:
        value = env.names.get(node.id, NONE)
        return _join(value, _TARGETS) if not isinstance(value, tuple) and _TARGET.search(node.id) else value

    def attribute(self, node: ast.Attribute, env: _Env) -> Value:
        value = env.names.get(name_of(node), NONE)
        if not value and node.attr in ("T", "data", "values", "real"):
            return self.value(node.value, env)
        return _join(value, _TARGETS) if not isinstance(value, tuple) and _TARGET.search(node.attr) else value

    def binary(self, node: ast.BinOp, env: _Env) -> Value:
        left, right = self.labels(node.left, env), self.labels(node.right, env)
        made = self.combined(node.op, left, right)
        if isinstance(node.op, ast.BitXor | ast.Add) and (
            self.completes(node.left, right, env) or self.completes(node.right, left, env)
        ):
            made |= _TARGETS
        if isinstance(node.op, ast.Add):
            if self.is_mixture(node, left, right):
                self.note("mixture", node, left | right)
            if ("gold" in left and "product" in right) or ("gold" in right and "product" in left):
                made |= _SMOOTHED
        elif isinstance(node.op, ast.Sub) and "gold" in left and "gold" not in right:
            made |= left
        elif isinstance(node.op, ast.Div):
            made = self.divided(node, left, right)
        return made

    def combined(self, op: ast.operator, left: Value, right: Value) -> Labels:
        """Labels of two values put together by an operator."""
        both = _flat(left) | _flat(right)
        if isinstance(op, ast.Mult):
            return both | _PRODUCT
        if isinstance(op, ast.BitXor) or (isinstance(op, ast.Mod | ast.BitAnd) and both & {"product", "hash"}):
            return both | _HASH
        if isinstance(op, ast.LShift):
            return both | _PRODUCT
        return both

    def completes(self, node: ast.expr, other: Labels, env: _Env) -> bool:
        """Whether a context's finished hash is mixed with one more token that is no vocabulary."""
        return isinstance(node, ast.Name) and node.id in env.built and "product" in other and "vocab" not in other

    def is_mixture(self, node: ast.BinOp, left: Labels, right: Labels) -> bool:
        """Whether a weighted quotient is added to something that is none."""
        for one, others, labels in ((node.left, right, left), (node.right, left, right)):
            if _is_weighted(one) and self.has_quotient(labels) and not self.has_quotient(others):
                return not isinstance(node.right if one is node.left else node.left, ast.Constant)
        return False

    def divided(self, node: ast.expr, above: Labels, below: Labels) -> Labels:
        if "gold" in above and below & {"counts", "gold"}:
            return ((above | below) - _COUNTS) | {self.note("quotient", node, above, "smoothed" in above)}
        return (above | below) - _COUNTS

    def subscript(self, node: ast.Subscript, env: _Env) -> Value:
        base = self.value(node.value, env)
        key = self.value(node.slice, env)
        if isinstance(base, tuple):
            if (
                isinstance(node.slice, ast.Constant)
                and isinstance(node.slice.value, int)
                and -len(base) <= node.slice.value < len(base)
            ):
                return base[node.slice.value]
            return base
        parts = key if isinstance(node.slice, ast.Tuple) and isinstance(key, tuple) else (key,)
        if looked := self.looked_up(node, base, *map(_flat, parts)):
            return looked
        if self.is_target(node, env):
            return base | _TARGETS
        return base

    def looked_up(self, node: ast.expr, base: Labels, *keys: Labels) -> Labels:
        """Labels of a count found under a hashed key, or picked from the counts of every token; empty if neither.

        Of several keys each is one axis: a row per hashed context and a column per token is a distribution.
        """
        if "vocab_counts" in base and any("target" in key for key in keys):
            return frozenset(("gold",))
        hashed = [key for key in keys if "hash" in key]
        if not hashed:
            return NONE
        if any("vocab" in key for key in hashed):
            return frozenset(("vocab_counts",))
        if any("target" in key for key in hashed):
            return frozenset(("gold", self.note("lookup", node, NONE)))
        return frozenset(("counts",))

    def is_target(self, node: ast.Subscript, env: _Env) -> bool:
        index = node.slice
        if isinstance(index, ast.Tuple) and index.elts and not _is_ellipsis(index.elts[0]):
            index = index.elts[-1]
        name = name_of(node.value)
        if isinstance(index, ast.Slice):
            return name in env.halved and _number(index.lower) == 1 and index.upper is None
        return isinstance(index, ast.Name) and (name, index.id) in env.ahead

    def called(self, node: ast.Call, env: _Env) -> Value:
        name = last_name(node.func)
        receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
        if name in ("range", "arange") and any(
            _VOCABULARY.search(last_name(part)) for argument in node.args for part in ast.walk(argument)
        ):
            return frozenset(("vocab",))
        arguments = tuple(self.value(argument, env) for argument in node.args)
        words = {word.arg: self.value(word.value, env) for word in node.keywords if word.arg}
        every = _flat(_joined([*arguments, *words.values()]))
        on_module = receiver is not None and name_of(receiver).split(".")[0] in _ARRAY_MODULES
        held = self.value(receiver, env) if receiver is not None and not on_module else NONE
        if (name in self.followed or (name in self.functions and self.has_quotient(every))) and not on_module:
            return _joined([self.call(function, arguments, words) for function in self.functions[name][:3]])
        if name in _LOOKS_UP:
            table, keys = (
                (_flat(arguments[0]) if arguments else NONE, arguments[1:]) if on_module else (_flat(held), arguments)
            )
            if looked := self.looked_up(node, table, _flat(_joined([*keys, *words.values()]))):
                return looked
            if "vocab_counts" in table:
                return frozenset(("gold",))
            return _flat(held) | table
        if name in ("sum", "sum_") and "vocab_counts" in _flat(held) | every:
            return frozenset(("vocab_total",))
        if name in ("div", "divide", "true_divide", "div_"):
            first, *rest = (*arguments, NONE) if on_module else (held, *arguments, NONE)
            return self.divided(node, _flat(first), _flat(rest[0]))
        if name in ("bitwise_xor", "bitwise_xor_", "xor"):
            return every | _flat(held) | _HASH
        if name in _MIXES and self.has_quotient(every | _flat(held)):
            self.note("mixture", node, every | _flat(held))
        if (
            name in ("sum", "mean")
            and receiver is not None
            and _is_weighted(receiver)
            and self.has_quotient(_flat(held))
        ):
            self.note("mixture", node, _flat(held))
        if name in _EMPTIES:
            return NONE
        if name == "zip":
            return tuple(arguments)
        if isinstance(held, tuple) and not arguments:
            return held
        return every | _flat(held)

    def collected(self, node: ast.Tuple | ast.List, env: _Env) -> Value:
        return tuple(self.value(item, env) for item in node.elts)

    def comprehended(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp, env: _Env) -> Value:
        inner = _Env(dict(env.names), env.built, env.ahead, env.halved)
        for generator in node.generators:
            self.bind(generator.target, self.element(generator.iter, inner), inner)
        return self.value(node.elt, inner)

    def either(self, node: ast.IfExp, env: _Env) -> Value:
        return _join(self.value(node.body, env), self.value(node.orelse, env))

    def operand(self, node: ast.UnaryOp | ast.Starred | ast.NamedExpr, env: _Env) -> Value:
        if isinstance(node, ast.UnaryOp):
            return self.value(node.operand, env)
        value = self.value(node.value, env)
        if isinstance(node, ast.NamedExpr):
            self.bind(node.target, value, env)
        return value

    def compared(self, node: ast.Compare | ast.BoolOp, env: _Env) -> Value:
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                self.value(part, env)
        return NONE


_TARGETS: Labels = frozenset(("target",))
_PRODUCT: Labels = frozenset(("product",))
_HASH: Labels = frozenset(("hash",))
_SMOOTHED: Labels = frozenset(("smoothed",))
_COUNTS: Labels = frozenset(("gold", "counts", "vocab_counts", "vocab_total", "smoothed"))

_HANDLERS: Mapping[type, Callable[["_Reading", Any, _Env], Value]] = {
    ast.Name: _Reading.name, ast.Attribute: _Reading.attribute, ast.BinOp: _Reading.binary,
    ast.Subscript: _Reading.subscript, ast.Call: _Reading.called,
    ast.Tuple: _Reading.collected, ast.List: _Reading.collected,
    ast.ListComp: _Reading.comprehended, ast.GeneratorExp: _Reading.comprehended, ast.IfExp: _Reading.either,
    ast.UnaryOp: _Reading.operand, ast.Starred: _Reading.operand, ast.NamedExpr: _Reading.operand,
    ast.Compare: _Reading.compared, ast.BoolOp: _Reading.compared,
}  # fmt: skip


def _is_hashing(line: str) -> bool:
    """Whether a line of code may make a key of tokens."""
    if "^" in line and _XOR.search(line):
        return True
    return "bitwise_xor" in line or (("%" in line or "&" in line) and _MODULO.search(line) is not None)


def _flat(value: Value) -> Labels:
    """All labels of a value and of its parts."""
    if not isinstance(value, tuple):
        return value
    return frozenset(label for part in value for label in _flat(part))


def _join(one: Value, other: Value) -> Value:
    """A value that may be either."""
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return tuple(_join(left, right) for left, right in zip(one, other, strict=True))
    if not one or not other:
        return one or other
    return _flat(one) | _flat(other)


def _joined(values: Iterable[Value]) -> Value:
    result: Value = NONE
    for value in values:
        result = _join(result, value)
    return result


def _base(node: ast.expr) -> str:
    """The name of what is subscripted, however often."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return name_of(node)


def _number(node: ast.expr | None) -> int | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, int) else None


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _is_weighted(node: ast.expr) -> bool:
    """Whether an expression is a product, inside conversions."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)


def _shape(function: Function) -> _Env:
    """What the form of a function says before its values are followed."""
    built: set[str] = set()
    read: dict[str, set[str]] = {}
    before: set[tuple[str, str]] = set()
    starts: dict[str, set[bool]] = {}
    for statement in statements(function.body, into_scopes=False):
        if isinstance(statement, ast.For | ast.While):
            built.update(_built_up(statement))
    for node in ast.walk(function):
        if not isinstance(node, ast.Subscript):
            continue
        name, index = name_of(node.value), node.slice
        if isinstance(index, ast.Tuple) and index.elts and not _is_ellipsis(index.elts[0]):
            index = index.elts[-1]
        if isinstance(index, ast.Name):
            read.setdefault(name, set()).add(index.id)
        elif isinstance(index, ast.BinOp) and isinstance(index.op, ast.Sub) and isinstance(index.left, ast.Name):
            before.add((name, index.left.id))
        elif isinstance(index, ast.Slice):
            if _number(index.lower) == 1 and index.upper is None:
                starts.setdefault(name, set()).add(True)
            elif index.lower is None and isinstance(index.upper, ast.UnaryOp):
                starts.setdefault(name, set()).add(False)
    ahead = frozenset(pair for pair in before if pair[1] in read.get(pair[0], ()))
    halved = frozenset(name for name, sides in starts.items() if len(sides) == 2)
    return _Env({}, frozenset(built), ahead, halved)


def _built_up(loop: ast.For | ast.While) -> Iterator[str]:
    """Names that a loop's rounds hash into themselves."""
    for statement in statements(loop.body, into_scopes=False):
        if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            if isinstance(statement.op, ast.BitXor):
                yield statement.target.id
        elif (
            isinstance(statement, ast.Assign)
            and len(statement.targets) == 1
            and isinstance(statement.targets[0], ast.Name)
        ):
            name = statement.targets[0].id
            parts = list(ast.walk(statement.value))
            if any(isinstance(part, ast.BinOp) and isinstance(part.op, ast.BitXor) for part in parts) and any(
                isinstance(part, ast.Name) and part.id == name for part in parts
            ):
                yield name
