"""What an expression is made of: its tags."""

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from golf.referee.flow.names import BPB, LABEL, place_name
from golf.referee.flow.paths import asked_split, is_text_sum, path_tags
from golf.referee.flow.recorder import THINGS_MAX, Exhausted, Recorder
from golf.referee.flow.splits import BOTH, split_of_name, split_of_text
from golf.referee.flow.tags import NOTHING, TRAIN, VAL, Tag, Tags, is_text, keys, only, without
from golf.referee.flow.values import EMPTY, Closure, Env, Value, joined
from golf.referee.program import Function, Module, is_main_guard
from golf.referee.settings import Settings
from golf.referee.syntax import last_name, targets

STEPS_MAX = 60_000
"""Expressions and statements walked per script, beyond which the trace is cut short; real ones take up to 20,000."""
LEVELS_MAX = 150
"""Nesting of calls, blocks and expressions that is walked."""
BASES_MAX = 8
"""Base classes followed upwards."""

PLAIN_ATTRIBUTES = frozenset(("shape", "device", "dtype", "ndim", "training", "param_groups", "state"))
"""Of a tensor or network, and no text."""


class Expressions(Recorder, ABC):
    """Walks expressions; calls are walked by whoever extends it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.steps = 0
        self.level = 0
        self.attributes: dict[tuple[int, str], Value] = {}
        """By the number of the object and the name."""
        self.class_envs: dict[ast.AST, Env] = {}
        self.cuts: dict[Any, int] = {}
        self.kept: list[Any] = []
        """What slices were taken of, so that its identity stays its own."""
        self._envs: list[Env] = []
        self._members: dict[ast.ClassDef, Mapping[str, Function | ast.expr | None]] = {}

    @abstractmethod
    def call(self, node: ast.Call, env: Env) -> Value:
        """Tags of what a call gives."""

    @abstractmethod
    def call_closure(
        self, closure: Closure, node: ast.AST, arguments: list[Value], words: Mapping[str, Value], env: Env
    ) -> Value:
        """Walk one of the submission's own functions."""

    @abstractmethod
    def bind(self, target: ast.expr, value: Value, env: Env, source: ast.expr | None = None) -> None:
        """Give a target its value."""

    def new_env(self, module: Module, function: str, outer: Env | None = None) -> Env:
        """Names of one more call or module."""
        env = Env(module, function, outer)
        self._envs.append(env)
        return env

    def forget(self) -> None:
        """Let go of all names: a function knows where it was defined and vice versa, and a tree hangs on it."""
        for env in self._envs:
            env.clear()

    def is_too_deep(self, by: int = 0) -> bool:
        """Whether nothing further in is walked; the trace is then cut short."""
        if self.level + by < LEVELS_MAX:
            return False
        self.trace.is_cut_short = True
        return True

    def step(self) -> None:
        """Count one more thing that is walked."""
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise Exhausted

    def truth(self, test: ast.expr, env: Env) -> bool | None:
        """Which way a condition goes under the settings; None when they do not tell."""
        return True if is_main_guard(test) else self.settings.truth(test, env.local)

    def teller(self, env: Env) -> Callable[[ast.expr], Any]:
        """What expressions come to under the settings, where these names hold."""
        return lambda node: self.settings.value(node, env.local)

    def value(self, node: ast.expr | None, env: Env) -> Value:
        """Tags of an expression."""
        if node is None:
            return EMPTY
        self.step()
        walker = EXPRESSIONS.get(type(node))
        if walker is None or self.is_too_deep():
            return EMPTY
        if isinstance(node, ast.Name | ast.Constant):  # nothing is nested in these
            return walker(self, node, env)
        self.level += 1
        try:
            return walker(self, node, env)
        finally:
            self.level -= 1

    def constant(self, node: ast.Constant, env: Env) -> Value:
        return Value(split_of_text(node.value)) if isinstance(node.value, str) else EMPTY

    def name(self, node: ast.Name, env: Env) -> Value:
        value = env.find(node.id)
        if value is None:
            named = split_of_name(node.id)
            return Value(named) if named else EMPTY
        return value.with_tags(self.live(value.tags))

    def attribute(self, node: ast.Attribute, env: Env) -> Value:
        return self.attribute_of(self.value(node.value, env), node)

    def attribute_of(self, owner: Value, node: ast.Attribute) -> Value:
        """An attribute of a value: what was assigned to it, a member of its class, or the value's own tags."""
        if owner.fields and node.attr in owner.fields:
            return owner.fields[node.attr]
        found = [
            self.attributes[net, node.attr] for net in keys(owner.tags, "net") if (net, node.attr) in self.attributes
        ]
        if found:
            value = found[0] if len(found) == 1 else Value(joined(found))
            return value.with_tags(self.live(value.tags))
        if owner.instance is not None and not self.is_network(owner.instance):
            return self.class_attribute(owner, node.attr) or Value(split_of_name(node.attr))
        if node.attr in PLAIN_ATTRIBUTES:
            return EMPTY
        return Value(owner.tags or split_of_name(node.attr))

    def class_attribute(self, owner: Value, name: str) -> Value | None:
        """A method, or what the class body assigns, evaluated when first asked for."""
        closure = self.classes.get(owner.instance or 0)
        found = self.member(closure, name) if closure else None
        if found is None or closure is None:
            return None
        if isinstance(found, Function):
            is_static = any(last_name(item) == "staticmethod" for item in found.decorator_list)
            if any(last_name(item) == "property" for item in found.decorator_list):
                return self.call_closure(Closure(found, closure.env, (owner,)), found, [], {}, closure.env)
            return Value(closure=Closure(found, closure.env, () if is_static else (owner,)))
        key = (owner.instance or 0, name)
        self.attributes[key] = EMPTY
        self.attributes[key] = self.value(found, self.class_env(closure))
        return self.attributes[key]

    def class_env(self, closure: Closure) -> Env:
        """Names that a class body's declarations refer to: by the texts in them, or by themselves."""
        if closure.node not in self.class_envs:
            env = self.class_envs[closure.node] = self.new_env(closure.env.module, "", closure.env)
            env.declared = {
                target.id: getattr(statement, "value", None)
                for statement in (closure.node.body if isinstance(closure.node, ast.ClassDef) else [])
                for target in targets(statement)
                if isinstance(target, ast.Name)
            }
        return self.class_envs[closure.node]

    def member(self, closure: Closure, name: str, depth: int = 0) -> "Function | ast.expr | None":
        """A class's method or assigned expression of that name, its bases' included."""
        node = closure.node
        if not isinstance(node, ast.ClassDef):
            return None
        if node not in self._members:
            self._members[node] = _members(node)
        if name in self._members[node]:
            return self._members[node][name]
        for base in node.bases if depth < BASES_MAX else []:
            found = closure.env.find(last_name(base))
            if found and found.closure and (inner := self.member(found.closure, name, depth + 1)) is not None:
                return inner
        return None

    def bounds(self, index: ast.expr) -> Tags:
        """Where a slice begins and ends, as far as it is named."""
        parts = index.elts if isinstance(index, ast.Tuple) else [index]
        slices = [part for part in parts if isinstance(part, ast.Slice)]
        ends = {Tag("upto", place_name(part.upper)) for part in slices}
        begins = {Tag("from", place_name(part.lower)) for part in slices}
        return frozenset(tag for tag in ends | begins if "?" not in tag.key)

    def cut(self, shape: Any, held: Sequence[Any]) -> int:
        """A number for one particular slice: the same bounds of the same values give the same number."""
        key = (shape, tuple(map(id, held)))
        if key not in self.cuts:
            if len(self.cuts) >= THINGS_MAX:
                raise Exhausted
            self.cuts[key] = len(self.cuts)
            self.trace.cuts.append(tuple(self.loops))
            self.kept.append(held)
        return self.cuts[key]

    def subscript(self, node: ast.Subscript, env: Env) -> Value:
        base = self.value(node.value, env)
        index = node.slice
        if isinstance(index, ast.Constant):
            return self.item_of(base, index.value)
        chosen = without(self.value(index, env).tags, "net", "uses")
        if not base.tags:
            return self.any_of(base, chosen)
        tags = self.looked_up(base.tags, chosen) | without(chosen, "cut")
        if is_text(base.tags):
            tags = tags | self.bounds(index)
            if isinstance(index, ast.Slice | ast.Tuple) and not keys(base.tags, "loss"):
                tags = tags | self.cut_of(node, env)
        return Value(tags, closure=base.closure)

    def item_of(self, base: Value, index: Any) -> Value:
        """One item of what is spelled out, or what all of it is."""
        if base.fields and isinstance(index, str) and index in base.fields:
            return base.fields[index]
        if base.items and isinstance(index, int) and -len(base.items) <= index < len(base.items):
            return base.items[index]
        return Value(base.tags, closure=base.closure)

    def any_of(self, base: Value, chosen: Tags) -> Value:
        """Any item of a container, chosen by an index."""
        values = [*(base.fields or {}).values(), *(base.items or ())]
        if not values:
            return Value(chosen, closure=base.closure)
        closure = next((value.closure for value in values if value.closure), None)
        return Value(joined(values) | only(chosen, "loop"), closure=closure)

    def cut_of(self, node: ast.Subscript, env: Env) -> Tags:
        """The tag of this slice of a text: bounds that are names with these values."""
        names = [inner.id for inner in ast.walk(node.slice) if isinstance(inner, ast.Name)]
        if not names:
            return NOTHING
        shape = (ast.dump(node.slice), node.value.id if isinstance(node.value, ast.Name) else "")
        return frozenset((Tag("cut", self.cut(shape, [env.find(name) for name in names])),))

    def looked_up(self, held: Tags, key: Tags) -> Tags:
        """What a container gives for a key: of texts by their path, those of the key's split."""
        splits = key & {VAL, TRAIN}
        return held - {VAL, TRAIN} | splits if splits and held & {VAL, TRAIN} else held

    def slice_expression(self, node: ast.Slice, env: Env) -> Value:
        return Value(joined(self.value(part, env) for part in (node.lower, node.upper, node.step)))

    def joined_string(self, node: ast.JoinedStr, env: Env) -> Value:
        pieces: list[tuple[ast.expr, Tags]] = []
        says_bpb = is_path = False
        for part in node.values:
            if isinstance(part, ast.Constant):
                says_bpb = says_bpb or bool(BPB.search(str(part.value)))
                is_path = is_path or "fineweb" in str(part.value) or ".bin" in str(part.value)
                pieces.append((part, split_of_text(str(part.value))))
            elif isinstance(part, ast.FormattedValue):
                pieces.append((part, self.value(part.value, env).tags))
        tags = path_tags(node, pieces, self.teller(env)) if is_path else NOTHING.union(*(held for _, held in pieces))
        if says_bpb:
            first = node.values[0]
            word = (
                LABEL.match(first.value) if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
            )
            self.report(node, env, tags, word[1] if word else "")
        return Value(without(tags, "loss"))

    def operation(self, node: ast.BinOp | ast.Compare | ast.UnaryOp, env: Env) -> Value:
        if isinstance(node, ast.BinOp):
            parts = [node.left, node.right]
        elif isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        else:
            parts = [node.operand]
        held = [self.value(part, env) for part in parts]
        if is_text_sum(node):
            pieces = [(part, value.tags) for part, value in zip(parts, held, strict=True)]
            return Value(path_tags(node, pieces, self.teller(env)))
        tags = joined(held)
        return Value(self.computed(tags)) if tags else EMPTY

    def choice(self, node: ast.IfExp, env: Env) -> Value:
        self.value(node.test, env)
        taken = self.truth(node.test, env)
        if taken is not None:
            return self.value(node.body if taken else node.orelse, env)
        first, second = self.value(node.body, env), self.value(node.orelse, env)
        return Value(
            first.tags | second.tags,
            closure=first.closure or second.closure,
            instance=first.instance or second.instance,
        )

    def either(self, node: ast.BoolOp, env: Env) -> Value:
        values = [self.value(child, env) for child in node.values]
        return Value(joined(values), closure=next((value.closure for value in values if value.closure), None))

    def display(self, node: ast.Tuple | ast.List | ast.Set, env: Env) -> Value:
        values = tuple(self.value(item, env) for item in node.elts)
        return Value(joined(values), values)

    def dictionary(self, node: ast.Dict, env: Env) -> Value:
        fields = {}
        for key, item in zip(node.keys, node.values, strict=True):
            value = self.value(item, env)
            text = key.value if isinstance(key, ast.Constant) else None
            if isinstance(text, str):
                if BPB.search(text):
                    self.report(item, env, value.tags)
                fields[text] = value
            else:
                fields[f"?{len(fields)}"] = value
        return Value(joined(fields.values()), fields=fields)

    def comprehension(self, node: Any, env: Env) -> Value:
        inner = self.new_env(env.module, env.function, env)
        asked = NOTHING
        for generator in node.generators:
            over = self.value(generator.iter, inner)
            for test in generator.ifs if over.tags >= BOTH else ():
                over = over.with_tags(over.tags - BOTH | (asked_split(test) or BOTH))
            self.bind(
                generator.target,
                Value(over.tags, over.items if isinstance(generator.target, ast.Tuple) else None),
                inner,
            )
            for test in generator.ifs:
                asked = asked | only(self.value(test, inner).tags, "loop")
        if isinstance(node, ast.DictComp):
            key, value = self.value(node.key, inner), self.value(node.value, inner)
            return Value(without(key.tags, "net") | value.tags | asked)
        made = self.value(node.elt, inner)
        return Value(made.tags | asked, closure=made.closure)

    def lambda_expression(self, node: ast.Lambda, env: Env) -> Value:
        return Value(closure=Closure(node, env))

    def starred(self, node: ast.Starred | ast.Await | ast.FormattedValue, env: Env) -> Value:
        return self.value(node.value, env)

    def yielded(self, node: ast.Yield | ast.YieldFrom, env: Env) -> Value:
        value = self.value(node.value, env)
        env.returned.append(value)
        return value

    def walrus(self, node: ast.NamedExpr, env: Env) -> Value:
        value = self.value(node.value, env)
        self.bind(node.target, value, env, node.value)
        return value


def _members(node: ast.ClassDef) -> "dict[str, Function | ast.expr | None]":
    """What a class body defines and assigns, the first of each name."""
    found: dict[str, Function | ast.expr | None] = {}
    for statement in node.body:
        if isinstance(statement, Function):
            found.setdefault(statement.name, statement)
        for target in targets(statement):
            if isinstance(target, ast.Name):
                found.setdefault(target.id, getattr(statement, "value", None))
    return found


EXPRESSIONS: Mapping[type, Callable[[Expressions, Any, Env], Value]] = {
    ast.Constant: Expressions.constant, ast.Name: Expressions.name, ast.Attribute: Expressions.attribute,
    ast.Subscript: Expressions.subscript, ast.Slice: Expressions.slice_expression,
    ast.JoinedStr: Expressions.joined_string, ast.FormattedValue: Expressions.starred,
    ast.BinOp: Expressions.operation, ast.UnaryOp: Expressions.operation, ast.Compare: Expressions.operation,
    ast.BoolOp: Expressions.either, ast.IfExp: Expressions.choice, ast.Tuple: Expressions.display,
    ast.List: Expressions.display, ast.Set: Expressions.display, ast.Dict: Expressions.dictionary,
    ast.ListComp: Expressions.comprehension, ast.SetComp: Expressions.comprehension,
    ast.GeneratorExp: Expressions.comprehension, ast.DictComp: Expressions.comprehension,
    ast.Lambda: Expressions.lambda_expression, ast.Starred: Expressions.starred, ast.Await: Expressions.starred,
    ast.Yield: Expressions.yielded, ast.YieldFrom: Expressions.yielded, ast.NamedExpr: Expressions.walrus,
    ast.Call: lambda walk, node, env: walk.call(node, env),
}  # fmt: skip
