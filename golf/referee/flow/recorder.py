"""Writes down what happens in a walk, and what each network has learnt from validation text by then."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from golf.referee.flow.events import Bank, Event, Forward, Report, Trace, Update
from golf.referee.flow.tags import NOTHING, VAL, Tag, Tags, is_text, keys, only, without
from golf.referee.flow.values import Closure, Env
from golf.referee.syntax import last_name

EVENTS_MAX = 100
"""Events kept of each kind; real scripts have up to 31."""
EXPORTS_MAX = 400
"""Of these, weights packed; real scripts have up to 185."""
THINGS_MAX = 800
"""Loops entered, slices taken and objects made, each; real scripts have up to 183."""
REPORTS_MAX = 40
"""Places kept at which one forward is reported."""
BASES_MAX = 8
"""Base classes followed upwards."""

TEXT = ("data", "cut", "loop", "upto", "from")
"""Kinds of tags that say which text a value is of."""


class Exhausted(Exception):
    """A walk has used what it may: steps, or things it makes."""


@dataclass(frozen=True)
class Gradient:
    """A backward that a step may follow."""

    tags: Tags
    line: int
    env: Env


class Recorder:
    """The trace of one walk, and the networks in it by number."""

    def __init__(self) -> None:
        self.trace = Trace()
        self.order = 0
        self.open_guards = 0
        """Guards around that the settings leave open."""
        self.calibrating = 0
        """Functions around that gather statistics for quantisation."""
        self.loops: list[int] = []
        self.first_of: list[int] = []
        """Loops whose first iteration a guard around asks for."""
        self.nets = 0
        self.classes: dict[int, Closure] = {}
        """Number of an object of the submission's own to its class."""
        self.adapted: dict[int, Tags] = {}
        """Number of a network to the updates on validation text it carries."""
        self.parts: dict[int, frozenset[int]] = {}
        """Number of a network to others put into it: adapters assigned to a module, or hooked onto it."""
        self.on_disk: Tags = NOTHING
        """Updates on validation text that saved weights carry."""
        self.gradients: list[Gradient] = []
        """Since gradients were last zeroed."""
        self.is_stepped = True
        """Whether an optimiser has used them: if not, a script may do the step by hand."""

    # events

    def place(self, node: ast.AST, env: Env) -> dict[str, Any]:
        """Where and when: what every event has."""
        self.order += 1
        return {
            "module": env.module, "line": getattr(node, "lineno", 1), "function": env.function, "order": self.order,
            "loops": tuple(self.loops), "is_certain": not self.open_guards,
        }  # fmt: skip

    def add_forward(self, node: ast.AST, env: Env, tags: Tags) -> Tags:
        """Write down a forward over text; returns the tags of its result."""
        result = self.computed(tags)
        if not is_text(tags) or len(self.trace.forwards) >= EVENTS_MAX:
            return result
        forward = Forward(
            **self.place(node, env),
            data=only(tags, *TEXT),
            nets=self.whole(keys(tags, "net", "uses")),
            adapted=keys(result, "adapted"),
            calibrates=bool(self.calibrating),
        )
        self.trace.forwards.append(forward)
        return result | {Tag("loss", len(self.trace.forwards) - 1)}

    def add_bank(self, node: ast.AST, env: Env, tags: Tags) -> None:
        """Write down that losses are kept, if these are any."""
        forwards = keys(tags, "loss")
        if forwards and len(self.trace.banks) < EVENTS_MAX:
            first_of, begins = frozenset(self.first_of), keys(tags, "from")
            self.trace.banks.append(Bank(**self.place(node, env), forwards=forwards, first_of=first_of, begins=begins))

    def add_export(self, node: ast.AST, env: Env, tags: Tags) -> None:
        """Write down that weights are packed."""
        if len(self.trace.exports) < EXPORTS_MAX:
            self.trace.exports.append(Event(**self.place(node, env)))
        self.on_disk = self.on_disk | only(tags, "adapted")

    def report(self, node: ast.AST, env: Env, tags: Tags, label: str = "") -> None:
        """Write down that losses reach a number called bits per byte, if these are any."""
        if forwards := keys(tags, "loss"):
            report = Report(**self.place(node, env), label=label)
            for forward in forwards:
                reports = self.trace.reported.setdefault(forward, [])
                if len(reports) < REPORTS_MAX:
                    reports.append(report)

    def backward(self, node: ast.AST, env: Env, tags: Tags) -> None:
        """A gradient is there to be used."""
        self.gradients.append(Gradient(tags, getattr(node, "lineno", 1), env))
        self.is_stepped = False

    def zero(self) -> None:
        """Gradients are thrown away."""
        self.gradients.clear()
        self.is_stepped = True

    def update(self, node: ast.AST, env: Env, tags: Tags) -> None:
        """Write down a step: the gradients that are there go into the weights that `tags` has handles on."""
        stepped = self.networks(tags)
        self.is_stepped = True
        for gradient in self.gradients:
            if len(self.trace.updates) >= EVENTS_MAX:
                break
            used = keys(gradient.tags, "uses", "net")
            nets = (stepped & used) or stepped or used
            place = self.place(node, env) | {
                "line": gradient.line, "module": gradient.env.module, "function": gradient.env.function,
            }  # fmt: skip
            self.trace.updates.append(
                Update(**place, data=only(gradient.tags, *TEXT), nets=nets, forwards=keys(gradient.tags, "loss"))
            )
            if VAL in gradient.tags:
                learnt = frozenset((Tag("adapted", len(self.trace.updates) - 1),))
                for net in nets:
                    self.adapted[net] = self.adapted.get(net, NOTHING) | learnt

    def renew(self, node: ast.AST, env: Env, nets: Iterable[int], adapted: Tags) -> None:
        """Weights are made, reset or loaded: what they carry is what they are given."""
        for net in nets:
            self.adapted[net] = adapted
            events = self.trace.renewed.setdefault(net, [])
            if len(events) < EVENTS_MAX:
                events.append(Event(**self.place(node, env)))

    # networks

    def new_net(self, node: ast.AST, env: Env) -> int:
        """Number a new network, tensor or object."""
        self.nets += 1
        if self.nets > THINGS_MAX:
            raise Exhausted
        self.renew(node, env, (self.nets,), NOTHING)
        return self.nets

    def new_tensor(self, node: ast.AST, env: Env, shape: ast.expr | None) -> Tags:
        """A handle on a tensor of the script's own that gradients go into, made by e.g. `torch.zeros(1, 512)`."""
        net = self.new_net(node, env)
        self.trace.tensors.add(net)
        first = shape.args[0] if isinstance(shape, ast.Call) and shape.args else None
        if isinstance(first, ast.Tuple | ast.List) and first.elts:
            first = first.elts[0]
        if isinstance(first, ast.Constant) and first.value == 1:
            self.trace.single.add(net)
        return frozenset((Tag("net", net),))

    def put_into(self, owners: Tags, parts: frozenset[int]) -> None:
        """Networks become parts of others."""
        for net in self.networks(owners):
            if parts - {net}:
                self.parts[net] = self.parts.get(net, frozenset()) | parts

    def whole(self, nets: frozenset[int]) -> frozenset[int]:
        """Networks with all that was put into them."""
        if not self.parts:
            return nets
        while not (more := frozenset().union(*(self.parts.get(net, frozenset()) for net in nets))) <= nets:
            nets = nets | more
        return nets

    def networks(self, tags: Tags) -> frozenset[int]:
        """Handles on networks and tensors, plain objects aside."""
        return frozenset(net for net in keys(tags, "net") if self.is_network(net))

    def is_network(self, net: int) -> bool:
        """Whether an object is a network or a tensor rather than a plain object."""
        return net not in self.classes or self.is_module(self.classes[net])

    def is_module(self, closure: Closure, depth: int = 0) -> bool:
        """Whether a class is a `Module` by its bases."""
        node = closure.node
        if not isinstance(node, ast.ClassDef) or depth > BASES_MAX:
            return False
        for base in node.bases:
            found = closure.env.find(last_name(base))
            if "Module" in last_name(base):
                return True
            if found and found.closure and self.is_module(found.closure, depth + 1):
                return True
        return False

    # tags

    def live(self, tags: Tags) -> Tags:
        """Tags with what the weights behind them carry by now."""
        return self._carried(tags, keys(tags, "net")) if tags and self.adapted else tags

    def computed(self, tags: Tags) -> Tags:
        """Tags of a result: no handle any more, but what was used; of a network also what is put into it."""
        nets = keys(tags, "net")
        if not nets:
            return tags
        nets = self.whole(nets)
        return without(self._carried(tags, nets), "net") | {Tag("uses", net) for net in nets}

    def _carried(self, tags: Tags, nets: frozenset[int]) -> Tags:
        for net in nets:
            tags = tags | self.adapted.get(net, NOTHING)
        return tags

    def steps_by_hand(self, tags: Tags) -> bool:
        """Whether writing into these would be a step that no optimiser did."""
        return not self.is_stepped and bool(self.networks(tags))
