"""What a script does with its data, in the order it does it: a light data flow over Python's `ast`.

`follow` walks the submission's scripts from their tops as a run would, under the effective settings, and writes down
what matters to a referee: where a model or a loss is computed on validation text, where weights are then updated, what
had been updated by then, which loop does what, and which of those losses reach a reported score. Nothing is executed: a
value is a set of tags (`Tag`), an expression joins the tags of what it is made of, a call to the submission's own
function walks that function, and a loop's body is walked once.

So it holds what is read off the order of one iteration; what an earlier iteration did to a later one is left to whoever
reads the trace, who knows each event's loops and which of them select its text. Every walk is bounded.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeGuard

from golf.referee.program import Function, Module, Program, ends, imported, is_main_guard
from golf.referee.settings import Local, Settings
from golf.referee.syntax import last_name, name_of, targets
from golf.rulings import Evidence

STEPS_MAX = 60_000
"""Expressions and statements walked per entry script; beyond, the trace says it is cut short."""
LEVELS_MAX = 150
"""Nesting of calls, blocks and expressions that is walked."""
EVENTS_MAX = 4_000
"""Events kept of each kind."""

REPORTS_MAX = 40
"""Places kept at which one forward is reported."""

TagKind = Literal["data", "cut", "loop", "upto", "from", "net", "uses", "adapted", "loss"]


class Tag(NamedTuple):
    """One thing known about a value."""

    kind: TagKind
    """data: text of a split; cut: one particular slice of it; loop: chosen by that loop's variable; upto, from: a slice
    that ends or begins at a named place; net: a handle on weights or an object; uses: computed with those weights;
    adapted: computed with weights after that update; loss: computed in that forward."""
    key: Any


Tags = frozenset[Tag]
NOTHING: Tags = frozenset()
VAL = Tag("data", "val")
TRAIN = Tag("data", "train")


@dataclass(frozen=True)
class Event:
    """Something that happens, where and when."""

    module: Module
    line: int
    function: str
    order: int
    """Position in the walk: what is smaller happens first, within one iteration of the loops both are in."""
    loops: tuple[int, ...]
    """Loops it is in, outermost first; indices into `Trace.loops`."""
    is_certain: bool
    """False when a guard that the settings leave open stands before it."""

    @property
    def evidence(self) -> Evidence:
        """The line it stands on."""
        return self.module.script.at(self.line)


@dataclass(frozen=True)
class Loop(Event):
    """A loop, as often as it is entered."""

    is_counted: bool
    """`for`, whose variable tells what it selects; a `while` may select anything."""
    rounds: int | None
    """How often it goes round, where a setting or a constant tells."""
    is_settled: bool
    """False when the submission's sources disagree on how often."""


@dataclass(frozen=True)
class Forward(Event):
    """A model or a loss computed on text."""

    data: Tags
    """Tags of the text: data, cut, loop, upto, from."""
    nets: frozenset[int]
    """Weights it is computed with."""
    adapted: frozenset[int]
    """Updates on validation text that those weights had been through; indices into `Trace.updates`."""
    calibrates: bool
    """Inside a function that gathers statistics for quantisation."""


@dataclass(frozen=True)
class Update(Event):
    """Weights changed by a gradient: the line is the backward's."""

    data: Tags
    nets: frozenset[int]
    forwards: frozenset[int]
    """Forwards that the gradient comes from; indices into `Trace.forwards`."""
    step_line: int


@dataclass(frozen=True)
class Bank(Event):
    """Losses kept: added up, appended or stored."""

    forwards: frozenset[int]
    first_of: frozenset[int]
    """Loops in whose first iteration alone this happens."""
    begins: frozenset[str]
    """Named places that the kept part begins at: `s` of `nll[s:]`."""


@dataclass(frozen=True)
class Report(Event):
    """A number called bits per byte is named or printed."""

    label: str
    """The word a printed line begins with, e.g. `final_int8_zlib_roundtrip_exact`; empty where a name takes it."""


@dataclass
class Trace:
    """What happened, each list in its order."""

    loops: list[Loop] = field(default_factory=list)
    forwards: list[Forward] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    banks: list[Bank] = field(default_factory=list)
    exports: list[Event] = field(default_factory=list)
    """Weights quantised, saved or packed."""
    reported: dict[int, list[Report]] = field(default_factory=dict)
    """Forwards whose loss reaches a number called bits per byte, with the places that it does."""
    renewed: dict[int, list[Event]] = field(default_factory=dict)
    """Weights made, reset or loaded anew."""
    cuts: list[tuple[int, ...]] = field(default_factory=list)
    """For each slice of text the loops it is taken in."""
    tensors: set[int] = field(default_factory=set)
    """Weights that are single tensors made in the script, such as an added bias."""
    single: set[int] = field(default_factory=set)
    """Of these the ones whose first dimension is 1: one for a whole batch."""
    is_cut_short: bool = False


def follow(program: Program) -> list[Trace]:
    """One trace per script that a run starts with."""
    return [_Walk(program, entry).trace for entry in program.entries]


# --- values


@dataclass(frozen=True, slots=True, eq=False)
class _Value:
    tags: Tags = NOTHING
    items: "tuple[_Value, ...] | None" = None
    """Of a tuple or list that is spelled out."""
    fields: "Mapping[str, _Value] | None" = None
    """Of a dict with spelled-out keys."""
    closure: "_Closure | None" = None
    instance: "int | None" = None
    """Net index of an object of one of the submission's own classes."""


_EMPTY = _Value()


@dataclass(frozen=True, slots=True, eq=False)
class _Closure:
    node: "Function | ast.Lambda | ast.ClassDef"
    env: "_Env"
    bound: tuple[_Value, ...] = ()
    words: Mapping[str, _Value] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Env:
    """Names of one call or module."""

    module: Module
    function: str
    outer: "_Env | None" = None
    names: dict[str, _Value] = field(default_factory=dict)
    sources: "dict[str, tuple[ast.expr, _Env] | None]" = field(default_factory=dict)
    """The expression a name stands for; None when it had more than one."""
    elsewhere: set[str] = field(default_factory=set)
    """Names declared global or nonlocal."""
    mutated: set[str] = field(default_factory=set)
    returned: list[_Value] = field(default_factory=list)

    def find(self, name: str) -> _Value | None:
        """The value of a name, here or further out."""
        env: _Env | None = self
        while env is not None:
            if name in env.names:
                return env.names[name]
            env = env.outer
        return None

    def local(self, name: str) -> "tuple[ast.expr | None, Local] | None":
        """The expression a name stands for, with the names that hold there."""
        env: _Env | None = self
        while env is not None and env.outer is not None:  # a module's own names are settings
            if name in env.sources:
                found = env.sources[name]
                is_open = found is None or isinstance(found[0], ast.List | ast.Dict | ast.Set)  # may be added to
                return (None, env.local) if found is None or is_open else (found[0], found[1].local)
            env = env.outer
        return None


def _joined(values: Iterable[_Value]) -> Tags:
    tags = NOTHING
    for value in values:
        if value.tags:
            tags = tags | value.tags if tags else value.tags
    return tags


def _keys(tags: Tags, *kinds: TagKind) -> frozenset[Any]:
    return tags and frozenset(tag.key for tag in tags if tag.kind in kinds)


def _only(tags: Tags, *kinds: TagKind) -> Tags:
    return tags and frozenset(tag for tag in tags if tag.kind in kinds)


def _without(tags: Tags, *kinds: TagKind) -> Tags:
    return tags and frozenset(tag for tag in tags if tag.kind not in kinds)


# --- names that mean something

_VAL_NAME = re.compile(
    r"(?:^|_)(?:val|valid|validation)_(?:files?|glob|pattern|paths?|shards?|tokens?|toks?|data|docs?|dataset|bin|ids|stream"
    r"|loader|text|seqs?)(?:$|_)",
    re.IGNORECASE,
)
_TRAIN_NAME = re.compile(
    r"(?:^|_)(?:train|training)_(?:files?|glob|pattern|paths?|shards?|tokens?|toks?|data|docs?|dataset|bin|ids|stream"
    r"|loader|text)(?:$|_)",
    re.IGNORECASE,
)
_VAL_TEXT = re.compile(r"fineweb_val|(?:^|[/_])val(?:id|idation)?(?:_?\*|/|[\w*]*\.bin)")
_TRAIN_TEXT = re.compile(r"fineweb_train|(?:^|[/_])train(?:ing)?(?:_?\*|/|[\w*]*\.bin)")
_BPB = re.compile(r"bpb|bits_per_byte|bits/byte", re.IGNORECASE)
_LABEL = re.compile(r"\s*([\w.+/-]+)")
_CALIBRATES = re.compile(r"hessian|calib", re.IGNORECASE)
_MAKES_NET = re.compile(
    r"(?:^|\.)nn\.[A-Z]\w+$|(?:^|\.)[A-Z]\w*(?:GPT|Model|Net|Transformer|LoRA|LM)$|(?:^|\.)(?:GPT|LM)\w*$"
)
"""Networks whose class is not among the scripts."""
_EXPORTS = re.compile(r"quanti[sz]e(?!r)|serialize|export|pack_|compress|gptq", re.IGNORECASE)
_READS_ON = re.compile(r"^(?:next|next_\w+|get_batch|get_next\w*|__next__|sample\w*|read\w*|fetch\w*|take|pop\w*)$")

_COUNTS = frozenset(("len", "numel", "size", "dim", "element_size", "nelement", "stat", "isinstance", "id", "type"))
_APPENDS = frozenset(("append", "extend", "add", "insert", "update", "setdefault", "appendleft", "put"))
_IN_PLACE = frozenset(
    ("add_", "sub_", "mul_", "div_", "copy_", "fill_", "lerp_", "addcmul_", "addcdiv_", "scatter_", "scatter_add_",
     "index_add_", "index_copy_", "masked_fill_", "clamp_")
)  # fmt: skip
_FRESH = frozenset(
    ("zeros", "ones", "empty", "randn", "rand", "full", "zeros_like", "ones_like", "empty_like", "randn_like",
     "randint", "arange", "tensor")
)  # fmt: skip
_SNAPSHOTS = frozenset(("clone", "deepcopy", "numpy", "tolist"))
_LOSSES = frozenset(
    ("cross_entropy", "nll_loss", "log_softmax", "logsumexp", "softmax", "kl_div", "cross_entropy_loss",
     "linear_cross_entropy")
)  # fmt: skip
_KEEPS_HANDLE = frozenset(
    ("compile", "DistributedDataParallel", "DDP", "FSDP", "DataParallel", "unwrap", "script", "jit", "parameters",
     "named_parameters", "state_dict", "modules", "named_modules", "children", "buffers", "named_buffers", "to", "cuda",
     "cpu", "eval", "train", "requires_grad_", "bfloat16", "half", "float", "double", "list", "tuple", "dict", "set",
     "zip", "enumerate", "reversed", "sorted", "iter", "filter", "map", "chain", "values", "items", "keys", "getattr",
     "next", "wait", "module", "detach", "data_ptr", "get", "partial")
)  # fmt: skip
_LOADS = frozenset(("load_state_dict", "load_weights", "restore", "load_params"))
_RESETS = re.compile(r"^_?(?:reset\w*|re_?init\w*|init_weights|zero_)$")
_PRINTS = frozenset(
    ("print", "log", "log0", "info", "log_fn", "print0", "write_log", "master_print", "debug", "warning")
)
_SAVES = frozenset(("save", "dump", "write", "savez", "savez_compressed", "save_file", "write_bytes", "tofile"))
_READS = frozenset(("load", "open", "read_bytes", "fromfile", "memmap", "frombuffer", "load_file", "read"))


@lru_cache(maxsize=4096)
def _named(name: str) -> Tags:
    """What a name alone says of the text it holds."""
    if _VAL_NAME.search(name):
        return frozenset((VAL,))
    return frozenset((TRAIN,)) if _TRAIN_NAME.search(name) else NOTHING


def _spelled(text: str) -> Tags:
    """What a path or glob says of the text behind it."""
    if len(text) > 300:
        return NOTHING
    if _VAL_TEXT.search(text):
        return frozenset((VAL,))
    return frozenset((TRAIN,)) if _TRAIN_TEXT.search(text) else NOTHING


def _place(bound: ast.expr | None) -> str:
    """The name of a place in a text: `end` of `end`, `end + 1` and `int(end)`; `?` without one."""
    while isinstance(bound, ast.BinOp | ast.Call):
        if isinstance(bound, ast.BinOp) and isinstance(bound.right, ast.Constant):
            bound = bound.left
        elif isinstance(bound, ast.Call) and last_name(bound.func) == "int" and len(bound.args) == 1:
            bound = bound.args[0]
        else:
            break
    return name_of(bound)


def _is_range(node: ast.expr) -> TypeGuard[ast.Call]:
    """Whether an expression is `range(n)`."""
    return isinstance(node, ast.Call) and last_name(node.func) in ("range", "trange") and len(node.args) == 1


def _is_callable(value: _Value) -> bool:
    """Whether a value is a function or an object, or a row that has one."""
    return bool(value.closure) or value.instance is not None or any(map(_is_callable, value.items or ()))


def _is_read(source: ast.expr | None) -> bool:
    """Whether an expression may read text, so that the name it is given tells which."""
    if isinstance(source, ast.Call):
        return last_name(source.func) not in _COUNTS | {"int", "float", "bool", "str", "max", "min", "sum"}
    return isinstance(source, ast.ListComp | ast.GeneratorExp | ast.Subscript)


def _is_started(node: Function) -> bool:
    """Whether a function that the script never calls is its beginning all the same."""
    decorators = {last_name(item.func if isinstance(item, ast.Call) else item) for item in node.decorator_list}
    return node.name == "main" or bool(decorators & {"function", "local_entrypoint", "command", "entrypoint", "remote"})


class _Exhausted(Exception):
    """The walk has used its steps."""


# --- the walk


class _Walk:
    """One run of one script."""

    def __init__(self, program: Program, entry: Module):
        self.program = program
        self.settings: Settings = program.settings
        self.trace = Trace()
        self.steps = 0
        self.level = 0
        self.order = 0
        self.open_guards = 0
        self.loops: list[int] = []
        self.first_of: list[int] = []
        self.chosen_by: Tags = NOTHING
        """Loops whose variables the guards around ask about: what is kept under them is selected by those loops."""
        self.calling: list[ast.AST] = []
        self.called: set[ast.AST] = set()
        self.calibrating = 0
        self.nets = 0
        self.adapted: dict[int, Tags] = {}
        """Net to the updates on validation text it carries."""
        self.parts: dict[int, frozenset[int]] = {}
        """Net to others that were put into it: adapters assigned to a module, or hooked onto it."""
        self.on_disk: Tags = NOTHING
        self.pending: list[tuple[_Value, int, _Env]] = []
        """Backwards since gradients were last zeroed."""
        self.is_stepped = True
        """Whether an optimiser has used them: if not, a script may do the step by hand."""
        self.attributes: dict[tuple[int, str], _Value] = {}
        self.classes: dict[int, _Closure] = {}
        self.class_envs: dict[ast.AST, _Env] = {}
        self.cuts: dict[Any, int] = {}
        self.kept: list[Any] = []
        self.modules: dict[str, _Env] = {}
        try:
            self.run_entry(entry)
        except (_Exhausted, RecursionError):
            self.trace.is_cut_short = True

    # events

    def place(self, node: ast.AST, env: _Env) -> dict[str, Any]:
        self.order += 1
        return {
            "module": env.module, "line": getattr(node, "lineno", 1), "function": env.function, "order": self.order,
            "loops": tuple(self.loops), "is_certain": not self.open_guards,
        }  # fmt: skip

    def add_forward(self, node: ast.AST, env: _Env, tags: Tags) -> Tags:
        """Write down a forward over text; returns the tags of its result."""
        data = _only(tags, "data", "cut", "loop", "upto", "from")
        result = self.computed(tags)
        if not any(tag.kind == "data" for tag in data) or len(self.trace.forwards) >= EVENTS_MAX:
            return result
        forward = Forward(
            **self.place(node, env),
            data=data,
            nets=self.whole(_keys(tags, "net", "uses")),
            adapted=_keys(result, "adapted"),
            calibrates=bool(self.calibrating),
        )
        self.trace.forwards.append(forward)
        return result | {Tag("loss", len(self.trace.forwards) - 1)}

    def add_bank(self, node: ast.AST, env: _Env, tags: Tags) -> None:
        if (forwards := _keys(tags, "loss")) and len(self.trace.banks) < EVENTS_MAX:
            self.trace.banks.append(
                Bank(
                    **self.place(node, env),
                    forwards=forwards,
                    first_of=frozenset(self.first_of),
                    begins=_keys(tags, "from"),
                )
            )

    def report(self, node: ast.AST, env: _Env, tags: Tags, label: str = "") -> None:
        if forwards := _keys(tags, "loss"):
            report = Report(**self.place(node, env), label=label)
            for forward in forwards:
                reports = self.trace.reported.setdefault(forward, [])
                if len(reports) < REPORTS_MAX:
                    reports.append(report)

    def update(self, node: ast.AST, env: _Env, tags: Tags) -> None:
        """A step: the pending gradients go into the weights that `tags` has handles on."""
        stepped = self.networks(tags)
        self.is_stepped = True
        for value, line, where in self.pending:
            used = _keys(value.tags, "uses", "net")
            forwards = _keys(value.tags, "loss")
            nets = (stepped & used) or stepped or used
            data = _only(value.tags, "data", "cut", "loop", "upto", "from")
            if len(self.trace.updates) >= EVENTS_MAX:
                continue
            place = self.place(node, env) | {"line": line, "module": where.module, "function": where.function}
            event = Update(**place, data=data, nets=nets, forwards=forwards, step_line=getattr(node, "lineno", line))
            self.trace.updates.append(event)
            if VAL in data:
                tag = Tag("adapted", len(self.trace.updates) - 1)
                for net in nets:
                    self.adapted[net] = self.adapted.get(net, NOTHING) | {tag}

    def renew(self, node: ast.AST, env: _Env, nets: Iterable[int], adapted: Tags) -> None:
        for net in nets:
            self.adapted[net] = adapted
            self.trace.renewed.setdefault(net, []).append(Event(**self.place(node, env)))

    def new_net(self, node: ast.AST, env: _Env) -> int:
        self.nets += 1
        self.renew(node, env, (self.nets,), NOTHING)
        return self.nets

    # tags

    def live(self, tags: Tags, with_parts: bool = False) -> Tags:
        """Tags with what the weights behind them have been through by now."""
        if not self.adapted:
            return tags
        nets = _keys(tags, "net")
        for net in self.whole(nets) if with_parts else nets:
            tags = tags | self.adapted.get(net, NOTHING)
        return tags

    def whole(self, nets: frozenset[int]) -> frozenset[int]:
        """Networks with all that was put into them."""
        if not self.parts:
            return nets
        while not (more := frozenset().union(*(self.parts.get(net, frozenset()) for net in nets))) <= nets:
            nets = nets | more
        return nets

    def put_into(self, owners: Tags, parts: frozenset[int]) -> None:
        for net in self.networks(owners):
            if parts - {net}:
                self.parts[net] = self.parts.get(net, frozenset()) | parts

    def computed(self, tags: Tags) -> Tags:
        """Tags of a result: no handle any more, but what was used."""
        tags = self.live(tags, with_parts=True)  # what is put into a network is computed with, and seldom saved with it
        nets = self.whole(_keys(tags, "net"))
        return _without(tags, "net") | {Tag("uses", net) for net in nets} if nets else tags

    def networks(self, tags: Tags) -> frozenset[int]:
        """Handles on networks and tensors, plain objects aside."""
        return frozenset(net for net in _keys(tags, "net") if self.is_net(net))

    def steps_by_hand(self, tags: Tags) -> bool:
        """Whether writing into these would be a step that no optimiser did."""
        return not self.is_stepped and bool(self.networks(tags))

    def is_net(self, net: int) -> bool:
        """Whether an object is a network or a tensor rather than a plain object."""
        return net not in self.classes or self.is_module_class(self.classes[net])

    def is_module_class(self, closure: _Closure, depth: int = 0) -> bool:
        node = closure.node
        if not isinstance(node, ast.ClassDef) or depth > 8:
            return False
        for base in node.bases:
            if "Module" in last_name(base):
                return True
            found = closure.env.find(last_name(base))
            if found and found.closure and self.is_module_class(found.closure, depth + 1):
                return True
        return False

    # statements

    @contextmanager
    def deeper(self) -> Iterator[None]:
        self.level += 1
        try:
            yield
        finally:
            self.level -= 1

    def run_entry(self, entry: Module) -> None:
        """Walk the script, and what another program would start of it."""
        env = self.run_module(entry, is_main=True)
        for value in list(env.names.values()):
            node = value.closure.node if value.closure else None
            if isinstance(node, Function) and node not in self.called and value.closure and _is_started(node):
                self.call_closure(value.closure, node, [], {}, env)

    def run_module(self, module: Module, is_main: bool = False) -> _Env:
        env = _Env(module, "")
        self.modules[module.script.name] = env
        for name, node in {**module.functions, **module.classes}.items():
            env.names[name] = _Value(closure=_Closure(node, env))
        if is_main:
            self.block(module.tree.body, env)
        else:
            self.block(
                [node for node in module.tree.body if isinstance(node, ast.Import | ast.ImportFrom | ast.Assign)], env
            )
        return env

    def block(self, body: Sequence[ast.stmt], env: _Env) -> bool:
        """Walk statements in order; True when the block is left before its end."""
        if self.level >= LEVELS_MAX:
            return False
        self.level += 1
        try:
            return any(self.statement(statement, env) for statement in body)
        finally:
            self.level -= 1

    def statement(self, node: ast.stmt, env: _Env) -> bool:
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise _Exhausted
        walker = _STATEMENTS.get(type(node))
        return bool(walker(self, node, env)) if walker else False

    def expression_statement(self, node: ast.Expr, env: _Env) -> None:
        if not isinstance(node.value, ast.Constant):
            self.value(node.value, env)

    def assign(self, node: ast.Assign | ast.AnnAssign, env: _Env) -> None:
        if node.value is None:
            return
        value = self.value(node.value, env)
        for target in targets(node):
            self.bind(target, value, env, node.value)

    def aug_assign(self, node: ast.AugAssign, env: _Env) -> None:
        value = self.value(node.value, env)
        target = self.value(node.target, env)
        self.add_bank(node, env, value.tags)
        if self.steps_by_hand(target.tags):
            self.update(node, env, target.tags)
        self.mutate(node.target, self.computed(value.tags), env)
        if isinstance(node.target, ast.Name):
            env.sources[node.target.id] = None

    def bind(self, target: ast.expr, value: _Value, env: _Env, source: ast.expr | None = None) -> None:
        """Give a target its value."""
        if isinstance(target, ast.Name):
            name = target.id
            if _BPB.search(name):
                self.report(target, env, value.tags)
            home = env
            if name in env.elsewhere:
                while home.outer is not None and (home is env or name not in home.names):
                    home = home.outer
            if not value.tags and value.closure is None and _is_read(source) and (named := _named(name)):
                value = _Value(named)
            home.names[name] = value
            home.sources[name] = None if name in home.sources or source is None else (source, env)
        elif isinstance(target, ast.Tuple | ast.List):
            items = value.items if value.items is not None and len(value.items) == len(target.elts) else None
            for index, inner in enumerate(target.elts):
                self.bind(inner, items[index] if items else _Value(value.tags), env)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, _Value(value.tags), env)
        elif isinstance(target, ast.Attribute):
            self.bind_attribute(target, value, env)
        elif isinstance(target, ast.Subscript):
            index = self.value(target.slice, env)
            self.add_bank(target, env, value.tags)
            self.mutate(
                target.value, self.computed(value.tags) | self.bounds(target.slice) | _only(index.tags, "loop"), env
            )

    def bind_attribute(self, target: ast.Attribute, value: _Value, env: _Env) -> None:
        owner = self.value(target.value, env)
        if _BPB.search(target.attr):
            self.report(target, env, value.tags)
        if target.attr == "requires_grad" and not _keys(owner.tags, "net"):
            self.mutate(target.value, frozenset((Tag("net", self.new_tensor(target, env)),)), env)
            return
        if target.attr == "data":
            if self.steps_by_hand(owner.tags):
                self.update(target, env, owner.tags)
            else:
                self.renew(target, env, _keys(owner.tags, "net"), _only(value.tags, "adapted"))
            return
        for net in _keys(owner.tags, "net"):
            self.attributes[net, target.attr] = value
        self.put_into(owner.tags, self.networks(value.tags))

    def new_tensor(self, node: ast.AST, env: _Env) -> int:
        net = self.new_net(node, env)
        self.trace.tensors.add(net)
        return net

    def learnable(self, node: ast.AST, env: _Env, shape: ast.expr | None) -> _Value:
        """A tensor of the script's own that gradients go into, made by a call such as `torch.zeros(1, 512)`."""
        net = self.new_tensor(node, env)
        first = shape.args[0] if isinstance(shape, ast.Call) and shape.args else None
        if isinstance(first, ast.Tuple | ast.List) and first.elts:
            first = first.elts[0]
        if isinstance(first, ast.Constant) and first.value == 1:
            self.trace.single.add(net)
        return _Value(frozenset((Tag("net", net),)))

    def mutate(self, target: ast.expr, tags: Tags, env: _Env) -> None:
        """Add tags to what a name or attribute holds."""
        if not tags:
            return
        while isinstance(target, ast.Subscript | ast.Starred):
            target = target.value
        if isinstance(target, ast.Name):
            home: _Env | None = env
            while home is not None and target.id not in home.names:
                home = home.outer
            home = home or env
            old = home.names.get(target.id, _EMPTY)
            if not tags <= old.tags:
                home.names[target.id] = _Value(old.tags | tags, None, None, old.closure, old.instance)
                home.mutated.add(target.id)
        elif isinstance(target, ast.Attribute):
            owner = self.value(target.value, env)
            for net in _keys(owner.tags, "net"):
                old = self.attributes.get((net, target.attr), _EMPTY)
                self.attributes[net, target.attr] = _Value(old.tags | tags, None, None, old.closure, old.instance)
            if not _keys(owner.tags, "net") and target.attr == "data":
                self.mutate(target.value, tags, env)

    def truth(self, test: ast.expr, env: _Env) -> bool | None:
        return True if is_main_guard(test) else self.settings.truth(test, env.local)

    def if_statement(self, node: ast.If, env: _Env) -> bool:
        tags = self.value(node.test, env).tags
        taken = self.truth(node.test, env)
        if taken is not None:
            return self.block(node.body if taken else node.orelse, env)
        is_open = self.settings.is_disputed(node.test)
        first = self.first_guard(node.test, tags)
        names, adapted = dict(env.names), dict(self.adapted)
        chosen_by = self.chosen_by
        self.open_guards += is_open
        self.first_of.extend(first)
        self.chosen_by = chosen_by | _only(tags, "loop")
        left = self.block(node.body, env)
        del self.first_of[len(self.first_of) - len(first) :]
        then_names, then_adapted = env.names, self.adapted
        if node.orelse or left:
            env.names, self.adapted = names, adapted
        left_too = self.block(node.orelse, env)
        self.chosen_by = chosen_by
        self.open_guards -= is_open
        if left_too:
            env.names, self.adapted = then_names, then_adapted
        elif not left:
            self.merge(env, then_names)
            for net, tags in then_adapted.items() if node.orelse else ():
                self.adapted[net] = self.adapted.get(net, NOTHING) | tags
        return left and left_too

    def first_guard(self, test: ast.expr, tags: Tags) -> list[int]:
        """Loops whose first iteration a condition asks for: `epoch == 0`, `not epoch`, `epoch < 1`."""
        for part in test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]:
            is_first = (
                isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.Not) and isinstance(part.operand, ast.Name)
            )
            if isinstance(part, ast.Compare) and isinstance(part.comparators[0], ast.Constant):
                asked = type(part.ops[0]), part.comparators[0].value
                is_first = asked in ((ast.Eq, 0), (ast.Lt, 1), (ast.LtE, 0))
            if is_first:
                return [key for key in _keys(tags, "loop") if key in self.loops]
        return []

    def merge(self, env: _Env, other: dict[str, _Value]) -> None:
        for name, value in other.items():
            mine = env.names.get(name)
            if mine is None:
                env.names[name] = value
            elif mine is not value:
                closure = mine.closure or value.closure
                instance = mine.instance if mine.instance is not None else value.instance
                env.names[name] = _Value(mine.tags | value.tags, None, mine.fields or value.fields, closure, instance)

    @contextmanager
    def loop(self, node: ast.stmt, env: _Env, rounds: int | None = None, is_settled: bool = True) -> Iterator[int]:
        is_counted = not isinstance(node, ast.While)
        self.trace.loops.append(
            Loop(**self.place(node, env), is_counted=is_counted, rounds=rounds, is_settled=is_settled)
        )
        index = len(self.trace.loops) - 1
        self.loops.append(index)
        try:
            yield index
        finally:
            self.loops.pop()

    def for_loop(self, node: ast.For | ast.AsyncFor, env: _Env) -> None:
        over = self.value(node.iter, env)
        times = node.iter.args[0] if _is_range(node.iter) else None
        rounds = self.settings.value(times, env.local) if times is not None else None
        rounds = rounds if isinstance(rounds, int) else None
        if rounds is not None and rounds <= 0:
            return
        is_settled = times is None or not self.settings.is_disputed(times)
        with self.loop(node, env, rounds, is_settled) as index:
            items = over.items
            if items and all(_is_callable(item) for item in items):
                for item in items[:4]:  # functions or objects in turn
                    self.bind(node.target, item, env)
                    self.block(node.body, env)
            else:
                tags = over.tags | {Tag("loop", index)}
                self.bind(node.target, self.chosen(node, tags, index, over), env)
                self.block(node.body, env)
        self.block(node.orelse, env)

    def chosen(self, node: ast.For | ast.AsyncFor, tags: Tags, index: int, over: _Value) -> _Value:
        """What a loop's variable holds: one element, text of its own where the iterable is text."""
        if any(tag.kind == "data" for tag in tags):
            tags = tags | {Tag("cut", self.cut(("loop", index), ()))}
        items = tuple(_Value(item.tags | {Tag("loop", index)}) for item in over.items) if over.items else None
        is_enumerated = isinstance(node.iter, ast.Call) and last_name(node.iter.func) in ("enumerate", "zip")
        if is_enumerated and isinstance(node.target, ast.Tuple) and items and len(items) == len(node.target.elts):
            return _Value(tags, items)
        return _Value(tags)

    def while_loop(self, node: ast.While, env: _Env) -> None:
        if self.truth(node.test, env) is False:
            return
        self.value(node.test, env)
        with self.loop(node, env):
            self.block(node.body, env)
        self.block(node.orelse, env)

    def with_statement(self, node: ast.With | ast.AsyncWith, env: _Env) -> bool:
        for item in node.items:
            value = self.value(item.context_expr, env)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value, env)
        return self.block(node.body, env)

    def try_statement(self, node: ast.Try | ast.TryStar, env: _Env) -> bool:
        left = self.block(node.body, env)
        for handler in node.handlers:
            before = dict(env.names)
            self.block(handler.body, env)
            if ends(handler.body):
                env.names = before
        if not left:
            left = self.block(node.orelse, env)
        return self.block(node.finalbody, env) or left

    def match_statement(self, node: ast.Match, env: _Env) -> None:
        self.value(node.subject, env)
        for case in node.cases:
            self.block(case.body, env)

    def define(self, node: Function | ast.ClassDef, env: _Env) -> None:
        env.names[node.name] = _Value(closure=_Closure(node, env))

    def return_statement(self, node: ast.Return, env: _Env) -> bool:
        if node.value is not None:
            env.returned.append(self.value(node.value, env))
        return True

    def leave(self, node: ast.stmt, env: _Env) -> bool:
        return True

    def declare_elsewhere(self, node: ast.Global | ast.Nonlocal, env: _Env) -> None:
        env.elsewhere.update(node.names)

    def delete(self, node: ast.Delete, env: _Env) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                env.names.pop(target.id, None)

    def import_statement(self, node: ast.Import | ast.ImportFrom, env: _Env) -> None:
        for name in imported(node):
            module = self.program.module(name)
            if module is None:
                continue
            theirs = self.modules.get(module.script.name) or self.run_module(module)
            for alias in node.names if isinstance(node, ast.ImportFrom) else []:
                if alias.name == "*":
                    env.names.update({key: value for key, value in theirs.names.items() if key not in env.names})
                elif alias.name in theirs.names:
                    env.names[alias.asname or alias.name] = theirs.names[alias.name]
            if isinstance(node, ast.Import):
                for alias in node.names:
                    env.names[alias.asname or alias.name.split(".")[0]] = _Value(fields=theirs.names)

    # expressions

    def value(self, node: ast.expr | None, env: _Env) -> _Value:
        """Tags of an expression."""
        if node is None:
            return _EMPTY
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise _Exhausted
        walker = _EXPRESSIONS.get(type(node))
        if walker is None or self.level >= LEVELS_MAX:
            return _EMPTY
        self.level += 1
        try:
            return walker(self, node, env)
        finally:
            self.level -= 1

    def constant(self, node: ast.Constant, env: _Env) -> _Value:
        return _Value(_spelled(node.value)) if isinstance(node.value, str) else _EMPTY

    def name(self, node: ast.Name, env: _Env) -> _Value:
        value = env.find(node.id)
        if value is None:
            named = _named(node.id)
            return _Value(named) if named else _EMPTY
        tags = self.live(value.tags)
        if tags is value.tags:
            return value
        return _Value(tags, value.items, value.fields, value.closure, value.instance)

    def attribute(self, node: ast.Attribute, env: _Env) -> _Value:
        owner = self.value(node.value, env)
        if owner.fields and node.attr in owner.fields:
            return owner.fields[node.attr]
        found = [
            self.attributes[net, node.attr] for net in _keys(owner.tags, "net") if (net, node.attr) in self.attributes
        ]
        if found:
            value = found[0] if len(found) == 1 else _Value(_joined(found))
            return _Value(self.live(value.tags), value.items, value.fields, value.closure, value.instance)
        if owner.instance is not None and not self.is_net(owner.instance):
            return self.class_attribute(owner, node.attr) or _Value(_named(node.attr))
        if node.attr in ("shape", "device", "dtype", "ndim", "training", "param_groups", "state"):
            return _EMPTY
        return _Value(self.live(owner.tags) | _named(node.attr) if not owner.tags else owner.tags)

    def class_attribute(self, owner: _Value, name: str) -> _Value | None:
        """A method, or what the class body assigns, evaluated when first asked for."""
        closure = self.classes.get(owner.instance or 0)
        found = self.member(closure, name) if closure else None
        if found is None or closure is None:
            return None
        if isinstance(found, Function):
            is_static = any(last_name(item) == "staticmethod" for item in found.decorator_list)
            if any(last_name(item) == "property" for item in found.decorator_list):
                return self.call_closure(_Closure(found, closure.env, (owner,)), found, [], {}, closure.env)
            return _Value(closure=_Closure(found, closure.env, () if is_static else (owner,)))
        key = (owner.instance or 0, name)
        self.attributes[key] = _EMPTY
        self.attributes[key] = self.value(found, self.class_env(closure))
        return self.attributes[key]

    def class_env(self, closure: _Closure) -> _Env:
        """Names of a class body: those that a declaration may refer to."""
        if closure.node in self.class_envs:
            return self.class_envs[closure.node]
        env = self.class_envs[closure.node] = _Env(closure.env.module, "", closure.env)
        for statement in closure.node.body if isinstance(closure.node, ast.ClassDef) else []:
            for target in targets(statement):
                if isinstance(target, ast.Name):
                    value = getattr(statement, "value", None)
                    env.names[target.id] = _Value(self.literal_tags(value) or _named(target.id))
        return env

    def literal_tags(self, node: ast.expr | None) -> Tags:
        """Tags of the texts spelled out in an expression."""
        if node is None:
            return NOTHING
        texts = [
            inner.value for inner in ast.walk(node) if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
        ]
        return frozenset().union(*map(_spelled, texts))

    def member(self, closure: _Closure, name: str, depth: int = 0) -> "Function | ast.expr | None":
        """A class's method or assigned expression of that name, its bases' included."""
        node = closure.node
        if not isinstance(node, ast.ClassDef):
            return None
        for statement in node.body:
            if isinstance(statement, Function) and statement.name == name:
                return statement
            if any(isinstance(target, ast.Name) and target.id == name for target in targets(statement)):
                return getattr(statement, "value", None)
        for base in node.bases if depth < 8 else []:
            found = closure.env.find(last_name(base))
            if found and found.closure and (inner := self.member(found.closure, name, depth + 1)) is not None:
                return inner
        return None

    def bounds(self, index: ast.expr) -> Tags:
        """Where a slice begins and ends, as far as it is named."""
        tags: set[Tag] = set()
        for part in index.elts if isinstance(index, ast.Tuple) else [index]:
            if isinstance(part, ast.Slice):
                if "?" not in (name := _place(part.upper)):
                    tags.add(Tag("upto", name))
                if "?" not in (name := _place(part.lower)):
                    tags.add(Tag("from", name))
        return frozenset(tags)

    def cut(self, shape: Any, held: Sequence[Any]) -> int:
        """A number for one particular slice: the same bounds of the same values give the same number."""
        key = (shape, tuple(map(id, held)))
        if key not in self.cuts:
            self.cuts[key] = len(self.cuts)
            self.trace.cuts.append(tuple(self.loops))
            self.kept.append(held)  # their ids must stay theirs
        return self.cuts[key]

    def subscript(self, node: ast.Subscript, env: _Env) -> _Value:
        base = self.value(node.value, env)
        index = node.slice
        if isinstance(index, ast.Constant):
            if base.fields and isinstance(index.value, str) and index.value in base.fields:
                return base.fields[index.value]
            if base.items and isinstance(index.value, int) and -len(base.items) <= index.value < len(base.items):
                return base.items[index.value]
            return _Value(base.tags, None, None, base.closure)
        chosen = self.value(index, env).tags
        if not base.tags:
            if base.fields or base.items:
                values = [*(base.fields or {}).values(), *(base.items or ())]
                return _Value(
                    _joined(values) | _only(chosen, "loop"),
                    closure=next((v.closure for v in values if v.closure), None),
                )
            return _Value(_only(chosen, "loop", "data", "cut", "upto", "from"), closure=base.closure)
        tags = self.looked_up(base.tags, chosen) | _without(chosen, "net", "uses", "cut")
        if any(tag.kind == "data" for tag in base.tags):
            if isinstance(index, ast.Slice | ast.Tuple) and not _only(base.tags, "loss"):
                names = [inner for inner in ast.walk(index) if isinstance(inner, ast.Name)]
                held = [env.find(inner.id) for inner in names]
                shape = (ast.dump(index), node.value.id if isinstance(node.value, ast.Name) else "")
                tags = tags | {Tag("cut", self.cut(shape, held))} if names else tags
            tags = tags | self.bounds(index)
        return _Value(tags, closure=base.closure)

    def looked_up(self, held: Tags, key: Tags) -> Tags:
        """What a container gives for a key: of texts by their path, those of the key's split."""
        splits = key & {VAL, TRAIN}
        return held - {VAL, TRAIN} | splits if splits and held & {VAL, TRAIN} else held

    def slice_expression(self, node: ast.Slice, env: _Env) -> _Value:
        return _Value(_joined(self.value(part, env) for part in (node.lower, node.upper, node.step)))

    def joined_string(self, node: ast.JoinedStr, env: _Env) -> _Value:
        tags = NOTHING
        says_bpb = False
        for part in node.values:
            if isinstance(part, ast.Constant):
                says_bpb = says_bpb or bool(_BPB.search(str(part.value)))
                tags = tags | _spelled(str(part.value))
            elif isinstance(part, ast.FormattedValue):
                tags = tags | self.value(part.value, env).tags
        if says_bpb:
            first = node.values[0]
            word = (
                _LABEL.match(first.value) if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
            )
            self.report(node, env, tags, word[1] if word else "")
        return _Value(_without(tags, "loss"))

    def operation(self, node: ast.BinOp | ast.Compare | ast.UnaryOp, env: _Env) -> _Value:
        if isinstance(node, ast.BinOp):
            parts = [node.left, node.right]
        elif isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        else:
            parts = [node.operand]
        tags = _joined(self.value(part, env) for part in parts)
        return _Value(self.computed(tags)) if tags else _EMPTY

    def choice(self, node: ast.IfExp, env: _Env) -> _Value:
        self.value(node.test, env)
        taken = self.truth(node.test, env)
        if taken is not None:
            return self.value(node.body if taken else node.orelse, env)
        first, second = self.value(node.body, env), self.value(node.orelse, env)
        return _Value(
            first.tags | second.tags,
            closure=first.closure or second.closure,
            instance=first.instance or second.instance,
        )

    def either(self, node: ast.BoolOp, env: _Env) -> _Value:
        values = [self.value(child, env) for child in node.values]
        return _Value(_joined(values), closure=next((value.closure for value in values if value.closure), None))

    def display(self, node: ast.Tuple | ast.List | ast.Set, env: _Env) -> _Value:
        values = tuple(self.value(item, env) for item in node.elts)
        return _Value(_joined(values), values)

    def dictionary(self, node: ast.Dict, env: _Env) -> _Value:
        fields = {}
        for key, item in zip(node.keys, node.values, strict=True):
            value = self.value(item, env)
            text = key.value if isinstance(key, ast.Constant) else None
            if isinstance(text, str):
                if _BPB.search(text):
                    self.report(item, env, value.tags)
                fields[text] = value
            else:
                fields[f"?{len(fields)}"] = value
        return _Value(_joined(fields.values()), fields=fields)

    def comprehension(self, node: Any, env: _Env) -> _Value:
        inner = _Env(env.module, env.function, env)
        asked = NOTHING
        for generator in node.generators:
            over = self.value(generator.iter, inner)
            self.bind(
                generator.target,
                _Value(over.tags, over.items if isinstance(generator.target, ast.Tuple) else None),
                inner,
            )
            for test in generator.ifs:
                asked = asked | _only(self.value(test, inner).tags, "loop")
        if isinstance(node, ast.DictComp):
            key, value = self.value(node.key, inner), self.value(node.value, inner)
            return _Value(_without(key.tags, "net") | value.tags | asked)
        made = self.value(node.elt, inner)
        return _Value(made.tags | asked, closure=made.closure)

    def lambda_expression(self, node: ast.Lambda, env: _Env) -> _Value:
        return _Value(closure=_Closure(node, env))

    def starred(self, node: ast.Starred | ast.Await | ast.FormattedValue, env: _Env) -> _Value:
        return self.value(node.value, env)

    def yielded(self, node: ast.Yield | ast.YieldFrom, env: _Env) -> _Value:
        value = self.value(node.value, env)
        env.returned.append(value)
        return value

    def walrus(self, node: ast.NamedExpr, env: _Env) -> _Value:
        value = self.value(node.value, env)
        self.bind(node.target, value, env, node.value)
        return value

    # calls

    def call(self, node: ast.Call, env: _Env) -> _Value:
        callee = self.value(node.func, env)
        name = last_name(node.func)
        arguments, words = self.arguments(node, env)
        receiver = self.value(node.func.value, env) if isinstance(node.func, ast.Attribute) else _EMPTY
        given = _joined([*arguments, *words.values()])
        if _EXPORTS.search(name) and len(self.trace.exports) < EVENTS_MAX:
            self.trace.exports.append(Event(**self.place(node, env)))
            self.on_disk = self.on_disk | _only(given, "adapted")
        if name == "partial" and arguments and arguments[0].closure:
            first = arguments[0].closure
            bound = _Closure(first.node, first.env, (*first.bound, *arguments[1:]), {**first.words, **words})
            return _Value(given, closure=bound)
        if (known := self.known_call(node, env, name, receiver, arguments, words, given)) is not None:
            return known
        closure = callee.closure
        if closure is None and receiver.instance is not None and isinstance(node.func, ast.Attribute):
            closure = self.method(receiver, name)
        if closure is not None:
            return self.call_closure(closure, node, arguments, words, env)
        return self.unknown_call(node, env, name, callee, receiver, arguments, given)

    def arguments(self, node: ast.Call, env: _Env) -> tuple[list[_Value], dict[str, _Value]]:
        positional: list[_Value] = []
        for argument in node.args:
            value = self.value(argument, env)
            if isinstance(argument, ast.Starred) and value.items is not None:
                positional.extend(value.items)
            else:
                positional.append(value)
        words: dict[str, _Value] = {}
        for word in node.keywords:
            value = self.value(word.value, env)
            if word.arg is None:
                words.update(value.fields or {})
            else:
                words[word.arg] = value
        return positional, words

    def known_call(
        self,
        node: ast.Call,
        env: _Env,
        name: str,
        receiver: _Value,
        arguments: list[_Value],
        words: dict[str, _Value],
        given: Tags,
    ) -> _Value | None:
        """Calls whose meaning is fixed by their name; None for any other."""
        if name == "backward":
            tags = receiver.tags or given
            self.pending.append((_Value(tags), node.lineno, env))
            self.is_stepped = False
            return _EMPTY
        if name == "grad" and "autograd" in name_of(node.func):
            first = arguments[0] if arguments else _EMPTY
            self.pending.append((first, node.lineno, env))
            self.update(node, env, _joined(arguments[1:]))
            self.pending.pop()
            return _Value(self.computed(given))
        if name == "zero_grad":
            self.pending.clear()
            self.is_stepped = True
            return _EMPTY
        if name == "step" and isinstance(node.func, ast.Attribute):
            for argument in arguments:
                if argument.closure:
                    self.call_closure(argument.closure, node, [], {}, env)
            self.update(node, env, receiver.tags)
            return _EMPTY
        if name in _COUNTS:
            return _EMPTY
        if name in _LOADS and isinstance(node.func, ast.Attribute):
            self.renew(node, env, _keys(receiver.tags, "net"), _only(given, "adapted"))
            return _EMPTY
        if name in _APPENDS and isinstance(node.func, ast.Attribute) and self.method(receiver, name) is None:
            self.add_bank(node, env, given)
            self.mutate(node.func.value, given | self.chosen_by, env)
            return _Value(given)
        if name in _IN_PLACE and isinstance(node.func, ast.Attribute):
            return self.in_place(node, env, name, receiver, given)
        if name in _FRESH and not (isinstance(node.func, ast.Name) and env.find(name)):
            if "requires_grad" in words or any(word.arg == "requires_grad" for word in node.keywords):
                return self.learnable(node, env, node)
            return _Value(self.computed(given) if name in ("tensor", "full") else NOTHING)
        if name == "Parameter":
            return self.learnable(node, env, node.args[0] if node.args else None)
        if name == "requires_grad_" and isinstance(node.func, ast.Attribute) and not _keys(receiver.tags, "net"):
            made = self.learnable(node, env, node.func.value)
            self.mutate(node.func.value, made.tags, env)
            return _Value(_without(receiver.tags, "uses", "adapted", "loss") | made.tags)
        if name == "setattr" and len(arguments) == 3:
            self.put_into(arguments[0].tags, self.networks(arguments[2].tags))
            return _EMPTY
        if name.startswith("register_forward") and arguments and arguments[0].closure:
            hooked = arguments[0].closure.env
            self.put_into(receiver.tags, self.networks(_joined(hooked.names.values()) if hooked.outer else NOTHING))
            return _EMPTY
        if name in _SNAPSHOTS:
            return self.snapshot(node, env, name, receiver, given)
        if name in _LOSSES:
            return _Value(self.add_forward(node, env, self.live(receiver.tags | given)))
        if name in _SAVES:
            self.on_disk = self.on_disk | _only(given | receiver.tags, "adapted")
            return _EMPTY
        texts = [part for part in node.args if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        if name in _PRINTS and (texts or any(isinstance(part, ast.JoinedStr) for part in node.args)):
            if any(_BPB.search(str(part.value)) for part in texts):
                self.report(node, env, given)
            return _EMPTY
        return None

    def in_place(self, node: ast.Call, env: _Env, name: str, receiver: _Value, given: Tags) -> _Value:
        nets = _keys(receiver.tags, "net")
        if self.steps_by_hand(receiver.tags) and name != "copy_":
            self.update(node, env, receiver.tags)
        elif nets and name == "copy_":
            self.renew(node, env, nets, _only(given, "adapted"))
        elif isinstance(node.func, ast.Attribute):
            self.add_bank(node, env, given)
            self.mutate(node.func.value, self.computed(given), env)
        return receiver

    def snapshot(self, node: ast.Call, env: _Env, name: str, receiver: _Value, given: Tags) -> _Value:
        """A copy: what it was when it was copied, whatever becomes of the original."""
        tags = self.live(receiver.tags | given)
        nets = _keys(tags, "net")
        if name == "deepcopy" and any(self.is_net(net) for net in nets):
            net = self.new_net(node, env)
            self.adapted[net] = _only(tags, "adapted")
            return _Value(frozenset((Tag("net", net),)))
        return _Value(self.computed(tags))

    def method(self, receiver: _Value, name: str) -> _Closure | None:
        """The submission's own method, of objects that are no networks."""
        if receiver.instance is None or self.is_net(receiver.instance):
            return None
        closure = self.classes[receiver.instance]
        found = self.member(closure, name)
        return _Closure(found, closure.env, (receiver,)) if isinstance(found, Function) else None

    def unknown_call(
        self,
        node: ast.Call,
        env: _Env,
        name: str,
        callee: _Value,
        receiver: _Value,
        arguments: list[_Value],
        given: Tags,
    ) -> _Value:
        """A call that is not walked: a network's forward, a library's function."""
        for argument in arguments:
            if argument.closure and not isinstance(argument.closure.node, ast.ClassDef) and name not in _KEEPS_HANDLE:
                self.call_closure(argument.closure, node, [], {}, env)
        if _RESETS.match(name) and isinstance(node.func, ast.Attribute):
            self.renew(node, env, _keys(receiver.tags, "net"), NOTHING)
        if self.networks(callee.tags) and any(tag.kind == "data" for tag in given):
            return _Value(self.add_forward(node, env, self.live(callee.tags | given)))
        tags = receiver.tags | given if isinstance(node.func, ast.Attribute) else callee.tags | given
        if name == "get":
            tags = self.looked_up(receiver.tags, given) | given
        closure = (
            next((argument.closure for argument in arguments if argument.closure), None)
            if name in _KEEPS_HANDLE
            else None
        )
        if _READS_ON.match(name) and any(tag.kind == "data" for tag in tags):
            tags = tags | {Tag("loop", index) for index in self.loops}
            tags = tags | {Tag("cut", self.cut(("read", self.steps), ()))}
        if name in _READS and not any(tag.kind == "data" for tag in tags):
            tags = tags | self.on_disk
        dotted = name_of(node.func)
        if _MAKES_NET.search(dotted):
            return _Value(frozenset((Tag("net", self.new_net(node, env)),)))
        root = dotted.split(".", 1)[0]
        is_math = root in ("torch", "F", "np", "numpy", "math", "mx") and "optim" not in dotted
        if name not in _KEEPS_HANDLE and is_math:
            tags = self.computed(tags)
        items = arguments[0].items if name in ("list", "tuple") and len(arguments) == 1 else None
        if name in ("zip", "enumerate"):
            items = tuple(_Value(argument.tags) for argument in ([_EMPTY] if name == "enumerate" else []) + arguments)
        instance = (
            arguments[0].instance
            if name in _KEEPS_HANDLE and len(arguments) == 1
            else receiver.instance
            if name == "to"
            else None
        )
        return _Value(tags, items, closure=closure, instance=instance)

    def call_closure(
        self, closure: _Closure, node: ast.AST, arguments: list[_Value], words: Mapping[str, _Value], env: _Env
    ) -> _Value:
        """Walk one of the submission's own functions, or make one of its objects."""
        target = closure.node
        arguments = [*closure.bound, *arguments]
        words = {**closure.words, **words}
        if isinstance(target, ast.ClassDef):
            return self.instantiate(closure, node, arguments, words, env)
        given = _joined([*arguments, *words.values()])
        if target in self.calling or self.level >= LEVELS_MAX - 8:
            return _Value(self.computed(given))
        name = getattr(target, "name", "<lambda>")
        inner = _Env(closure.env.module, name, closure.env)
        sources = self.bind_parameters(target, arguments, words, inner, node, env)
        calibrates = bool(_CALIBRATES.search(name))
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
        for parameter, argument in sources.items():
            if parameter in inner.mutated and parameter in inner.names:
                self.mutate(argument, _without(inner.names[parameter].tags, "net"), env)
        return self.result(inner.returned)

    def result(self, returned: list[_Value]) -> _Value:
        """One value for all that a function returns."""
        if len(returned) == 1:
            return returned[0]
        if not returned:
            return _EMPTY
        shapes = {len(value.items) if value.items is not None else -1 for value in returned}
        items = None
        if len(shapes) == 1 and (count := shapes.pop()) > 0:
            items = tuple(
                _Value(_joined(value.items[index] for value in returned if value.items)) for index in range(count)
            )
        closure = next((value.closure for value in returned if value.closure), None)
        instance = next((value.instance for value in returned if value.instance is not None), None)
        return _Value(_joined(returned), items, None, closure, instance)

    def bind_parameters(
        self,
        target: Function | ast.Lambda,
        arguments: list[_Value],
        words: Mapping[str, _Value],
        inner: _Env,
        node: ast.AST,
        env: _Env,
    ) -> dict[str, ast.expr]:
        """Give parameters their values; returns the caller's expression behind each, where it is plain."""
        spec = target.args
        names = [parameter.arg for parameter in (*spec.posonlyargs, *spec.args)]
        every = [*names, *(parameter.arg for parameter in spec.kwonlyargs)]
        defaults = dict(zip(reversed(names), reversed(spec.defaults), strict=False))
        defaults |= {p.arg: d for p, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if d is not None}
        values = dict(zip(names, arguments, strict=False)) | {
            key: value for key, value in words.items() if key in every
        }
        sources: dict[str, ast.expr] = {}
        if isinstance(node, ast.Call) and not any(isinstance(argument, ast.Starred) for argument in node.args):
            offset = len(arguments) - len(node.args)
            sources = dict(zip(names[max(offset, 0) :], node.args, strict=False))
            sources |= {word.arg: word.value for word in node.keywords if word.arg in every}
        for name in every:
            if name in values:
                value = values[name]
                inner.sources[name] = (sources[name], env) if name in sources else None
            else:
                value = self.value(defaults.get(name), inner.outer or inner)
                inner.sources[name] = (defaults[name], inner.outer or inner) if name in defaults else None
            if not value.tags and value.closure is None and value.instance is None and (named := _named(name)):
                value = _Value(named)
            inner.names[name] = value
        if spec.vararg:
            rest = tuple(arguments[len(names) :])
            inner.names[spec.vararg.arg] = _Value(_joined(rest), rest)
        if spec.kwarg:
            rest_words = {key: value for key, value in words.items() if key not in every}
            inner.names[spec.kwarg.arg] = _Value(_joined(rest_words.values()), fields=rest_words)
        return sources

    def instantiate(
        self, closure: _Closure, node: ast.AST, arguments: list[_Value], words: Mapping[str, _Value], env: _Env
    ) -> _Value:
        """An object of one of the submission's classes; a network's construction is not walked."""
        net = self.new_net(node, env)
        self.classes[net] = closure
        given = _joined([*arguments, *words.values()])
        if self.is_module_class(closure):
            return _Value(frozenset((Tag("net", net),)), instance=net)
        held = frozenset(
            tag for tag in given if tag.kind in ("data", "cut") or (tag.kind == "net" and self.is_net(tag.key))
        )
        made = _Value(held | {Tag("net", net)}, instance=net)
        init = self.member(closure, "__init__")
        if isinstance(init, Function):
            self.call_closure(
                _Closure(init, closure.env, (_Value(frozenset((Tag("net", net),)), instance=net),)),
                node,
                arguments,
                words,
                env,
            )
        else:
            names = [
                last_name(statement.target)
                for statement in (closure.node.body if isinstance(closure.node, ast.ClassDef) else [])
                if isinstance(statement, ast.AnnAssign)
            ]
            for name, value in (*zip(names, arguments, strict=False), *words.items()):
                self.attributes[net, name] = value
        return made


_STATEMENTS: Mapping[type, Callable[[_Walk, Any, _Env], bool | None]] = {
    ast.Expr: _Walk.expression_statement, ast.Assign: _Walk.assign, ast.AnnAssign: _Walk.assign,
    ast.AugAssign: _Walk.aug_assign, ast.If: _Walk.if_statement, ast.For: _Walk.for_loop, ast.AsyncFor: _Walk.for_loop,
    ast.While: _Walk.while_loop, ast.With: _Walk.with_statement, ast.AsyncWith: _Walk.with_statement,
    ast.Try: _Walk.try_statement, ast.TryStar: _Walk.try_statement, ast.Match: _Walk.match_statement,
    ast.FunctionDef: _Walk.define, ast.AsyncFunctionDef: _Walk.define, ast.ClassDef: _Walk.define,
    ast.Return: _Walk.return_statement, ast.Raise: _Walk.leave, ast.Break: _Walk.leave, ast.Continue: _Walk.leave,
    ast.Global: _Walk.declare_elsewhere, ast.Nonlocal: _Walk.declare_elsewhere, ast.Delete: _Walk.delete,
    ast.Import: _Walk.import_statement, ast.ImportFrom: _Walk.import_statement,
}  # fmt: skip

_EXPRESSIONS: Mapping[type, Callable[[_Walk, Any, _Env], _Value]] = {
    ast.Constant: _Walk.constant, ast.Name: _Walk.name, ast.Attribute: _Walk.attribute, ast.Subscript: _Walk.subscript,
    ast.Slice: _Walk.slice_expression, ast.JoinedStr: _Walk.joined_string, ast.FormattedValue: _Walk.starred,
    ast.BinOp: _Walk.operation, ast.UnaryOp: _Walk.operation, ast.Compare: _Walk.operation, ast.BoolOp: _Walk.either,
    ast.IfExp: _Walk.choice, ast.Tuple: _Walk.display, ast.List: _Walk.display, ast.Set: _Walk.display,
    ast.Dict: _Walk.dictionary, ast.ListComp: _Walk.comprehension, ast.SetComp: _Walk.comprehension,
    ast.GeneratorExp: _Walk.comprehension, ast.DictComp: _Walk.comprehension, ast.Lambda: _Walk.lambda_expression,
    ast.Starred: _Walk.starred, ast.Await: _Walk.starred, ast.Yield: _Walk.yielded, ast.YieldFrom: _Walk.yielded,
    ast.NamedExpr: _Walk.walrus, ast.Call: _Walk.call,
}  # fmt: skip
