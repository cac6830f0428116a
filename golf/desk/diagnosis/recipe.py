"""How a script trains: its learning-rate schedule, its clip, and what its weight decay reaches.

Read by AST through the referee's program and settings; nothing is run.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from golf.referee.case import Script
from golf.referee.program import Program
from golf.referee.settings import UNKNOWN
from golf.referee.syntax import last_name, name_of, targets
from golf.rulings import Evidence

Function = ast.FunctionDef | ast.AsyncFunctionDef

_SCHEDULE = re.compile(r"(?:^|_)lr(?:_|$)|learning_rate|(?:^|_)sched(?:ule)?(?:_|$)|lr_?lambda", re.IGNORECASE)
_PROGRESS = re.compile(r"(?:^|_)(?:frac|fraction|progress)(?:_|$)", re.IGNORECASE)
_CLOCK = re.compile(r"elapsed|wall_?clock|remaining|(?:^|_)(?:ms|seconds|secs|time)(?:_|$)", re.IGNORECASE)
_WARM_UP = re.compile(r"warm_?up", re.IGNORECASE)
_COOL_DOWN = re.compile(r"warm_?down|cool_?down", re.IGNORECASE)
_HORIZON = re.compile(
    r"lr_?decay_?(?:iters|steps)|max_?(?:iters|steps)|num_?(?:iterations|steps|training_steps)|total_?steps|^iterations$"
    r"|train_?steps",
    re.IGNORECASE,
)
_SCHEDULERS = {
    "CosineAnnealingLR": "T_max", "OneCycleLR": "total_steps", "PolynomialLR": "total_iters",
    "get_cosine_schedule_with_warmup": "num_training_steps", "get_linear_schedule_with_warmup": "num_training_steps",
    "get_polynomial_decay_schedule_with_warmup": "num_training_steps",
}  # fmt: skip
"""Library schedules whose horizon is in steps, and the argument that holds it."""
_POSITION = {"CosineAnnealingLR": 1, "PolynomialLR": 1, "OneCycleLR": 2}
"""Where that argument stands when it is not named; 2 for the rest."""

_DECAYING = {"AdamW": 0.01, "Adam": 0.0, "SGD": 0.0, "NAdam": 0.0, "RAdam": 0.0, "Lion": 0.0, "RMSprop": 0.0,
             "FusedAdam": 0.0, "Adafactor": 0.0, "LAMB": 0.0, "Lamb": 0.0, "AdamW8bit": 0.01}  # fmt: skip
"""Optimisers, and the weight decay they have when none is given."""
_SCALARS = re.compile(r"scalar|norm|bias|gain|(?:^|_)ln(?:_|$)|control", re.IGNORECASE)
_UNDECAYED = re.compile(r"no_?(?:wd|decay|weight_decay)|undecayed|skip_decay", re.IGNORECASE)
_HAS_NORM = re.compile(
    r"\b(?:\w*Norm\w*|BatchNorm\dd)\s*\(|\bbias\s*=\s*True|\bnn\.Linear\((?![^)]*bias)|\.bias\b|LayerNorm"
)


@dataclass(frozen=True)
class Schedule:
    """A learning-rate schedule, as far as the script tells; steps."""

    name: str
    at: Evidence
    by_clock: bool
    """It follows the time that is left, so a run ended by its limit is cooled down all the same."""
    warm_up: float | None
    """Steps, or a share of the run up to 1."""
    cool_down: float | None
    """Likewise."""
    horizon: float | None
    """Step at which it arrives at its lowest rate."""

    def warm_up_share(self, made: int) -> float:
        """The warm-up as a share of the steps made; 0 without one."""
        return _share(self.warm_up, made)

    def cool_down_share(self, made: int) -> float:
        """The cooldown likewise."""
        return _share(self.cool_down, made)


def _share(setting: float | None, made: int) -> float:
    """A setting below 1, or of 1.0, is a share of the run; above, a number of steps."""
    if not setting or setting <= 0:
        return 0.0
    return setting if setting <= 1 else setting / max(made, 1)


@dataclass(frozen=True)
class Decayed:
    """Weight decay that reaches norms and biases."""

    optimiser: str
    weight_decay: float
    whole_model: bool
    """All parameters in one group; otherwise a group of scalars has a decay of its own."""
    at: Evidence


class Recipe:
    """What the reached lines of a program say about training."""

    def __init__(self, program: Program):
        self.program = program

    @cached_property
    def _scripts(self) -> list[tuple[Script, ast.Module]]:
        return [(module.script, module.tree) for module in self.program.modules.values()]

    def _nodes(self, kind: type | tuple[type, ...]) -> Iterator[tuple[Script, Any]]:
        for script, tree in self._scripts:
            for node in ast.walk(tree):
                if isinstance(node, kind) and self.program.reaches(script.name, getattr(node, "lineno", 0)):
                    yield script, node

    def number(self, name: str) -> float | None:
        """A setting's value, where it is one number."""
        found = self.program.settings.get(name)
        if found is None or found.disputed or isinstance(found.value, bool | str) or found.value is None:
            return None
        return float(found.value)

    def _value(self, node: ast.expr | None) -> float | None:
        value = UNKNOWN if node is None else self.program.settings.value(node)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    @cached_property
    def schedule(self) -> Schedule | None:
        """The schedule of the first training script that has one."""
        for script, node in self._nodes((ast.FunctionDef, ast.AsyncFunctionDef)):
            if _SCHEDULE.search(node.name) and _returns_number(node) and (found := self._of_function(script, node)):
                return found
        for script, node in self._nodes(ast.Call):
            if (name := last_name(node.func)) in _SCHEDULERS:
                horizon = self._value(_argument(node, _SCHEDULERS[name], _POSITION.get(name, 2)))
                warm_up = self._value(_argument(node, "num_warmup_steps", 1)) if name.startswith("get_") else None
                return Schedule(name, script.at(node.lineno), False, warm_up, None, horizon)
        return None

    def _of_function(self, script: Script, node: Function) -> Schedule | None:
        words = _words(node)
        feeding = set(words)
        for _, other in self._nodes((ast.FunctionDef, ast.AsyncFunctionDef)):
            if _PROGRESS.search(other.name):
                feeding |= _words(other)
        for _, call in self._nodes(ast.Call):
            if last_name(call.func) == node.name:
                feeding |= {last_name(part) for argument in call.args for part in ast.walk(argument)}
        warm = self._setting(words, _WARM_UP)
        cool = self._setting(words, _COOL_DOWN)
        horizon = self._setting(words, _HORIZON)
        if warm is None and cool is None and horizon is None:
            return None
        by_clock = any(_CLOCK.search(word) for word in feeding)
        if horizon is None:
            horizon = self._setting(feeding | {"iterations", "num_iterations", "max_iters"}, _HORIZON)
        at = script.at(node.lineno)
        return Schedule(node.name, at, by_clock, warm, cool, horizon)

    def _setting(self, words: set[str], pattern: re.Pattern[str]) -> float | None:
        found = [value for word in sorted(words) if pattern.search(word) and (value := self.number(word)) is not None]
        return found[0] if found else None

    @cached_property
    def clip(self) -> tuple[float, Evidence] | None:
        """The norm gradients are clipped to."""
        for script, node in self._nodes(ast.Call):
            if last_name(node.func) in ("clip_grad_norm_", "clip_grad_norm"):
                value = self._value(_argument(node, "max_norm", 1))
                if value is not None and value > 0:
                    return value, script.at(node.lineno)
        return None

    @cached_property
    def augmentations(self) -> list[Evidence]:
        """Lines that make training harder than validation: dropout, label smoothing, augmentation."""
        found = []
        for script, node in self._nodes(ast.Call):
            name = last_name(node.func)
            rate = None
            if name in ("Dropout", "dropout", "Dropout2d", "DropPath"):
                rate = self._value(_argument(node, "p", 1 if name == "dropout" else 0))
            elif name in ("cross_entropy", "CrossEntropyLoss"):
                rate = self._value(_argument(node, "label_smoothing", 99))
            elif name in ("RandAugment", "AutoAugment", "RandomErasing", "MixUp", "CutMix", "mixup", "cutmix"):
                rate = 1.0
            if rate:
                found.append(script.at(node.lineno))
        return found[:3]

    @cached_property
    def decayed(self) -> list[Decayed]:
        """Optimisers whose weight decay reaches norms and biases."""
        found = []
        for script, node in self._nodes(ast.Call):
            if not isinstance(node, ast.Call) or (name := last_name(node.func)) not in _DECAYING or not node.args:
                continue
            given = _argument(node, "weight_decay", 99)
            if given is not None and "ttt" in ast.unparse(given).lower():
                continue  # of weights that are trained while scoring
            decay = _DECAYING[name] if given is None else self._value(given)
            for part, own in self._groups(script, node, node.args[0]):
                amount = decay if own is None else self._value(own)
                if not amount or amount <= 0:
                    continue
                kind = self._kind(script, part)
                if kind == "all" and _HAS_NORM.search(script.text):
                    found.append(Decayed(name, amount, True, script.at(node.lineno)))
                elif kind == "scalars":
                    found.append(Decayed(name, amount, False, script.at(node.lineno)))
        return found

    def _groups(
        self, script: Script, call: ast.Call, node: ast.expr, depth: int = 0
    ) -> Iterator[tuple[ast.expr, ast.expr | None]]:
        """The parameter groups of an optimiser: what is in each, and its own weight decay."""
        if isinstance(node, ast.Name) and depth < 3:
            assigned = self._assigned(script, node.id, call.lineno)
            tables = isinstance(assigned, ast.List | ast.Tuple) and any(
                isinstance(one, ast.Dict) for one in assigned.elts
            )
            if assigned is not None and (tables or isinstance(assigned, ast.Name)):
                yield from self._groups(script, call, assigned, depth + 1)
                return
        if isinstance(node, ast.List | ast.Tuple) and any(isinstance(item, ast.Dict) for item in node.elts):
            for item in node.elts:
                if isinstance(item, ast.Dict):
                    table = {
                        key.value: value
                        for key, value in zip(item.keys, item.values, strict=True)
                        if isinstance(key, ast.Constant)
                    }
                    if "params" in table:
                        yield table["params"], table.get("weight_decay")
            return
        yield node, None

    def _kind(self, script: Script, node: ast.expr, depth: int = 0) -> str:
        """`all` parameters of a model, `scalars` alone, or `other`."""
        if isinstance(node, ast.Call) and last_name(node.func) in ("list", "filter", "tuple") and node.args:
            return self._kind(script, node.args[-1], depth)
        if isinstance(node, ast.Call) and last_name(node.func) == "parameters":
            owner = node.func.value if isinstance(node.func, ast.Attribute) else None
            made = self._assigned(script, owner.id, node.lineno) if isinstance(owner, ast.Name) else None
            maker = "" if made is None else ast.unparse(made)[:300]
            return "other" if _COMPONENT.search(name_of(node.func)) or _COMPONENT.search(maker) else "all"
        if isinstance(node, ast.ListComp | ast.GeneratorExp):
            source = node.generators[0]
            if not source.ifs or all(_is_requires_grad(test) for test in source.ifs):
                return (
                    "all"
                    if last_name(getattr(source.iter, "func", None)) in ("parameters", "named_parameters")
                    else "other"
                )
            return "other"
        name = last_name(node)
        if name == "?" or _UNDECAYED.search(name):
            return "other" if name == "?" else "scalars"
        if isinstance(node, ast.Name) and depth < 3:
            assigned = self._assigned(script, name, None)
            if assigned is not None and not isinstance(assigned, ast.List):
                kind = self._kind(script, assigned, depth + 1)
                if kind != "other":
                    return kind
        return "scalars" if _SCALARS.search(name) else "other"

    def _assigned(self, script: Script, name: str, before: int | None) -> ast.expr | None:
        """What a name was last given before a line."""
        found = None
        for statement in script.statements:
            if before is not None and statement.lineno >= before:
                break
            if isinstance(statement, ast.Assign | ast.AnnAssign) and any(
                isinstance(target, ast.Name) and target.id == name for target in targets(statement)
            ):
                found = statement.value
        return found


_COMPONENT = re.compile(r"head|embed|lora|adapter|probe|ttt", re.IGNORECASE)


def _is_requires_grad(test: ast.expr) -> bool:
    return last_name(test) == "requires_grad"


def _argument(call: ast.Call, name: str, position: int) -> ast.expr | None:
    for word in call.keywords:
        if word.arg == name:
            return word.value
    return call.args[position] if position < len(call.args) else None


def _words(node: ast.AST) -> set[str]:
    """Names and attributes that stand in a function, its arguments' among them."""
    found = {last_name(part) for part in ast.walk(node) if isinstance(part, ast.Name | ast.Attribute)}
    return found | {part.arg for part in ast.walk(node) if isinstance(part, ast.arg)}


def _returns_number(node: Function) -> bool:
    """Whether some return has arithmetic or a number in it: not a method that only gives an object away."""
    returns: Sequence[ast.Return] = [part for part in ast.walk(node) if isinstance(part, ast.Return)]
    return any(
        isinstance(part, ast.BinOp | ast.Constant | ast.Call | ast.IfExp)
        for one in returns
        if one.value is not None
        for part in [one.value]
    )
