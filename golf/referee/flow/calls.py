"""What a call does: the submission's own functions are walked, others are known by name or join what they are given."""

import ast
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from golf.referee.flow import names
from golf.referee.flow.expressions import Expressions
from golf.referee.flow.paths import JOINS, path_tags
from golf.referee.flow.splits import split_of_name
from golf.referee.flow.tags import NOTHING, Tag, Tags, is_text, keys, only, without
from golf.referee.flow.values import EMPTY, Closure, Env, Value, joined
from golf.referee.program import Function
from golf.referee.settings import Settings
from golf.referee.syntax import last_name, name_of

CALL_LEVELS = 8
"""Levels that the body of a function needs at least."""
LIBRARIES = frozenset(("torch", "F", "np", "numpy", "math", "mx", "jnp"))
"""Modules whose functions compute something new from what they are given."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call, with its parts evaluated."""

    node: ast.Call
    env: Env
    name: str
    """The last part of what is called: `step` of `optimizers[0].step`."""
    dotted: str
    receiver: Value
    """What the method is called on; empty for a function."""
    callee: Value
    arguments: Sequence[Value]
    words: Mapping[str, Value]

    @property
    def given(self) -> Tags:
        """Tags of all arguments."""
        return joined([*self.arguments, *self.words.values()])

    @property
    def target(self) -> ast.expr | None:
        """The expression a method is called on."""
        return self.node.func.value if isinstance(self.node.func, ast.Attribute) else None


class Calls(Expressions):
    """Walks calls; the body of a function is walked by whoever extends it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.calling: list[ast.AST] = []
        self.called: set[ast.AST] = set()
        self.chosen_by: Tags = NOTHING
        """Loops whose variables the guards around ask about: what is kept under them is selected by those loops."""

    @abstractmethod
    def block(self, body: Sequence[ast.stmt], env: Env) -> bool:
        """Walk statements in order; True when the block is left before its end."""

    @abstractmethod
    def mutate(self, target: ast.expr, tags: Tags, env: Env) -> None:
        """Add tags to what a name or attribute holds."""

    def call(self, node: ast.Call, env: Env) -> Value:
        if isinstance(node.func, ast.Attribute):
            receiver = self.value(node.func.value, env)
            callee = self.attribute_of(receiver, node.func)
        else:
            receiver, callee = EMPTY, self.value(node.func, env)
        arguments, words = self.arguments(node, env)
        call = Call(node, env, last_name(node.func), name_of(node.func), receiver, callee, arguments, words)
        if names.exports(call.name):
            self.add_export(node, env, call.given)
        if names.is_meant(call.name, call.dotted):
            for meaning in (self.gradient, self.weights, self.container, self.fresh, self.output):
                if (value := meaning(call)) is not None:
                    return value
        closure = callee.closure or (self.method(receiver, call.name) if call.target is not None else None)
        if closure is not None:
            return self.call_closure(closure, node, arguments, words, env)
        return self.unknown(call)

    def arguments(self, node: ast.Call, env: Env) -> tuple[list[Value], dict[str, Value]]:
        """Positional and named arguments, stars spelled out where they can be."""
        positional: list[Value] = []
        for argument in node.args:
            value = self.value(argument, env)
            is_spelled = isinstance(argument, ast.Starred) and value.items is not None
            positional.extend(value.items if is_spelled and value.items else [value])
        words: dict[str, Value] = {}
        for word in node.keywords:
            value = self.value(word.value, env)
            words |= {word.arg: value} if word.arg is not None else value.fields or {}
        return positional, words

    # calls with a meaning of their own; each gives None for any other

    def gradient(self, call: Call) -> Value | None:
        """Gradients: computed, thrown away, used."""
        if call.name == "backward":
            self.backward(call.node, call.env, call.receiver.tags or call.given)
        elif call.name == "grad" and "autograd" in call.dotted:
            self.backward(call.node, call.env, call.arguments[0].tags if call.arguments else NOTHING)
            self.update(call.node, call.env, joined(call.arguments[1:]))
            self.gradients.pop()
            return Value(self.computed(call.given))
        elif call.name == "zero_grad":
            self.zero()
        elif call.name == "step" and call.target is not None:
            for argument in call.arguments:
                if argument.closure:
                    self.call_closure(argument.closure, call.node, [], {}, call.env)
            self.update(call.node, call.env, call.receiver.tags)
        else:
            return None
        return EMPTY

    def weights(self, call: Call) -> Value | None:
        """Weights: loaded, copied, put into others, computed losses with."""
        nets = keys(call.receiver.tags, "net")
        if call.name in names.LOADS and call.target is not None:
            self.renew(call.node, call.env, nets, only(call.given, "adapted"))
        elif call.name == "setattr" and len(call.arguments) == 3:
            self.put_into(call.arguments[0].tags, self.networks(call.arguments[2].tags))
        elif call.name.startswith("register_forward") and call.arguments and call.arguments[0].closure:
            hooked = call.arguments[0].closure.env
            self.put_into(call.receiver.tags, self.networks(joined(hooked.names.values()) if hooked.outer else NOTHING))
        elif call.name in names.SNAPSHOTS:
            return self.snapshot(call)
        elif call.name in names.LOSSES:
            return Value(self.add_forward(call.node, call.env, call.receiver.tags | call.given))
        elif call.name == "partial" and call.arguments and (first := call.arguments[0].closure):
            bound = Closure(first.node, first.env, (*first.bound, *call.arguments[1:]), {**first.words, **call.words})
            return Value(call.given, closure=bound)
        else:
            return None
        return EMPTY

    def snapshot(self, call: Call) -> Value:
        """A copy: what it was when it was copied, whatever becomes of the original."""
        tags = call.receiver.tags | call.given
        if call.name == "deepcopy" and self.networks(tags):
            net = self.new_net(call.node, call.env)
            self.adapted[net] = only(tags, "adapted")
            return Value(frozenset((Tag("net", net),)))
        return Value(self.computed(tags))

    def container(self, call: Call) -> Value | None:
        """Things counted, kept in lists, written into tensors."""
        if call.name in names.COUNTS:
            return EMPTY
        if call.target is None:
            return None
        if call.name in names.APPENDS and self.method(call.receiver, call.name) is None:
            self.add_bank(call.node, call.env, call.given)
            self.mutate(call.target, call.given | self.chosen_by, call.env)
            return Value(call.given)
        if call.name not in names.IN_PLACE:
            return None
        nets = keys(call.receiver.tags, "net")
        if nets and call.name == "copy_":
            self.renew(call.node, call.env, nets, only(call.given, "adapted"))
        elif self.steps_by_hand(call.receiver.tags):
            self.update(call.node, call.env, call.receiver.tags)
        else:
            self.add_bank(call.node, call.env, call.given)
            self.mutate(call.target, self.computed(call.given), call.env)
        return call.receiver

    def fresh(self, call: Call) -> Value | None:
        """Tensors and networks made here."""
        if call.name == "Parameter":
            return Value(self.new_tensor(call.node, call.env, call.node.args[0] if call.node.args else None))
        if call.name == "requires_grad_" and call.target is not None and not keys(call.receiver.tags, "net"):
            made = self.new_tensor(call.node, call.env, call.target)
            self.mutate(call.target, made, call.env)
            return Value(without(call.receiver.tags, "uses", "adapted", "loss") | made)
        if names.MAKES_NET.search(call.dotted) and not call.callee.closure:
            return Value(frozenset((Tag("net", self.new_net(call.node, call.env)),)))
        if call.name not in names.FRESH or call.callee.closure:
            return None
        if any(word.arg == "requires_grad" for word in call.node.keywords):
            return Value(self.new_tensor(call.node, call.env, call.node))
        return Value(self.computed(call.given) if call.name in ("tensor", "full") else NOTHING)

    def output(self, call: Call) -> Value | None:
        """Files and prints."""
        if call.name in names.SAVES:
            self.on_disk = self.on_disk | only(call.given | call.receiver.tags, "adapted")
            return EMPTY
        texts = [part for part in call.node.args if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        has_text = bool(texts) or any(isinstance(part, ast.JoinedStr) for part in call.node.args)
        if call.name not in names.PRINTS or not has_text:
            return None
        if any(names.BPB.search(str(part.value)) for part in texts):
            self.report(call.node, call.env, call.given)
        return EMPTY

    # calls without

    def unknown(self, call: Call) -> Value:
        """A call that is not walked: a network's forward, or a library's function that joins what it is given."""
        keeps = call.name in names.KEEPS_HANDLE
        for argument in () if keeps else call.arguments:
            if argument.closure and not isinstance(argument.closure.node, ast.ClassDef):
                self.call_closure(argument.closure, call.node, [], {}, call.env)
        if names.RESETS.match(call.name):
            self.renew(call.node, call.env, keys(call.receiver.tags, "net"), NOTHING)
        if self.networks(call.callee.tags) and is_text(call.given):
            return Value(self.add_forward(call.node, call.env, call.callee.tags | call.given))
        if call.name in JOINS and call.target is not None and not call.callee.closure:
            parts = zip((call.target, *call.node.args), (call.receiver, *call.arguments), strict=False)
            return Value(path_tags(call.node, [(part, value.tags) for part, value in parts], self.teller(call.env)))
        tags = self.read(call, (call.receiver.tags if call.target is not None else call.callee.tags) | call.given)
        is_computed = call.dotted.split(".", 1)[0] in LIBRARIES and "optim" not in call.dotted and not keeps
        first = call.arguments[0] if keeps and call.arguments else EMPTY
        same = first if len(call.arguments) == 1 else call.receiver if call.name == "to" else EMPTY
        tags = self.computed(tags) if is_computed else tags
        return Value(tags, self.items(call), closure=first.closure, instance=same.instance)

    def read(self, call: Call, tags: Tags) -> Tags:
        """Tags of what a call joins, with what it reads from elsewhere: the next text, a file, a container."""
        if call.name == "get":
            tags = self.looked_up(call.receiver.tags, call.given) | call.given
        if is_text(tags):
            if names.READS_ON.match(call.name):
                cut = self.cut(("read", self.steps), ())
                tags = tags | {Tag("cut", cut), *(Tag("loop", index) for index in self.loops)}
        elif call.name in names.READS:
            tags = tags | self.on_disk
        return tags

    def items(self, call: Call) -> tuple[Value, ...] | None:
        """What `list`, `zip` and `enumerate` give, item by item."""
        if call.name in ("list", "tuple") and len(call.arguments) == 1:
            return call.arguments[0].items
        if call.name not in ("zip", "enumerate"):
            return None
        counter = [EMPTY] if call.name == "enumerate" else []
        return tuple(Value(argument.tags) for argument in (*counter, *call.arguments))

    # the submission's own

    def method(self, receiver: Value, name: str) -> Closure | None:
        """The submission's own method, of objects that are no networks."""
        if receiver.instance is None or self.is_network(receiver.instance):
            return None
        closure = self.classes[receiver.instance]
        found = self.member(closure, name)
        return Closure(found, closure.env, (receiver,)) if isinstance(found, Function) else None

    def call_closure(
        self, closure: Closure, node: ast.AST, arguments: Sequence[Value], words: Mapping[str, Value], env: Env
    ) -> Value:
        target = closure.node
        arguments = [*closure.bound, *arguments]
        words = {**closure.words, **words}
        if isinstance(target, ast.ClassDef):
            return self.instantiate(closure, node, arguments, words, env)
        if target in self.calling or self.is_too_deep(by=CALL_LEVELS):
            return Value(self.computed(joined([*arguments, *words.values()])))
        name = getattr(target, "name", "<lambda>")
        inner = self.new_env(closure.env.module, name, closure.env)
        behind = self.bind_parameters(target, arguments, words, inner, node, env)
        calibrates = bool(names.CALIBRATES.search(name))
        self.calibrating += calibrates
        self.calling.append(target)
        self.called.add(target)
        try:
            if isinstance(target, ast.Lambda):
                return self.value(target.body, inner)
            self.block(target.body, inner)
        finally:
            self.calling.pop()
            self.calibrating -= calibrates
        for parameter, argument in behind.items():
            if parameter in inner.mutated and parameter in inner.names:
                self.mutate(argument, without(inner.names[parameter].tags, "net"), env)
        return one_of(inner.returned)

    def bind_parameters(
        self,
        target: Function | ast.Lambda,
        arguments: Sequence[Value],
        words: Mapping[str, Value],
        inner: Env,
        node: ast.AST,
        env: Env,
    ) -> dict[str, ast.expr]:
        """Give parameters their values; returns the caller's expression behind each, where it is plain."""
        spec = target.args
        positional = [parameter.arg for parameter in (*spec.posonlyargs, *spec.args)]
        every = [*positional, *(parameter.arg for parameter in spec.kwonlyargs)]
        defaults = dict(zip(reversed(positional), reversed(spec.defaults), strict=False))
        defaults |= {p.arg: d for p, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if d is not None}
        values = dict(zip(positional, arguments, strict=False))
        values |= {name: value for name, value in words.items() if name in every}
        behind = _behind(node, positional, every, len(arguments))
        for name in every:
            if name in values:
                value = values[name]
                inner.sources[name] = (behind[name], env) if name in behind else None
            else:
                value = self.value(defaults.get(name), inner.outer or inner)
                inner.sources[name] = (defaults[name], inner.outer or inner) if name in defaults else None
            is_plain = not value.tags and value.closure is None and value.instance is None
            inner.names[name] = Value(split_of_name(name)) if is_plain else value
        if spec.vararg:
            rest = tuple(arguments[len(positional) :])
            inner.names[spec.vararg.arg] = Value(joined(rest), rest)
        if spec.kwarg:
            others = {name: value for name, value in words.items() if name not in every}
            inner.names[spec.kwarg.arg] = Value(joined(others.values()), fields=others)
        return behind

    def instantiate(
        self, closure: Closure, node: ast.AST, arguments: Sequence[Value], words: Mapping[str, Value], env: Env
    ) -> Value:
        """An object of one of the submission's classes; a network's construction is not walked."""
        net = self.new_net(node, env)
        self.classes[net] = closure
        handle = Value(frozenset((Tag("net", net),)), instance=net)
        if self.is_module(closure):
            return handle
        init = self.member(closure, "__init__")
        if isinstance(init, Function):
            self.call_closure(Closure(init, closure.env, (handle,)), node, arguments, words, env)
        else:
            body = closure.node.body if isinstance(closure.node, ast.ClassDef) else []
            declared = [last_name(part.target) for part in body if isinstance(part, ast.AnnAssign)]
            for name, value in (*zip(declared, arguments, strict=False), *words.items()):
                self.attributes[net, name] = value
        given = joined([*arguments, *words.values()])
        held = only(given, "data", "cut") | {Tag("net", other) for other in self.networks(given)}
        return handle.with_tags(handle.tags | held)


def one_of(returned: Sequence[Value]) -> Value:
    """One value for all that a function returns."""
    if len(returned) <= 1:
        return returned[0] if returned else EMPTY
    rows = [value.items for value in returned if value.items]
    items = None
    if len(rows) == len(returned) and len({len(row) for row in rows}) == 1:
        items = tuple(Value(joined(column)) for column in zip(*rows, strict=True))
    closure = next((value.closure for value in returned if value.closure), None)
    instance = next((value.instance for value in returned if value.instance is not None), None)
    return Value(joined(returned), items, None, closure, instance)


def _behind(node: ast.AST, positional: Sequence[str], every: Sequence[str], count: int) -> dict[str, ast.expr]:
    """The caller's expression for each parameter, where no star hides it."""
    if not isinstance(node, ast.Call) or any(isinstance(argument, ast.Starred) for argument in node.args):
        return {}
    offset = max(count - len(node.args), 0)  # what is bound already, `self` or a partial's
    behind = dict(zip(positional[offset:], node.args, strict=False))
    return behind | {word.arg: word.value for word in node.keywords if word.arg is not None and word.arg in every}
