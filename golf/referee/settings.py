"""What is switched on in a submission: the value each setting had in the run that is submitted.

A script states defaults (`ttt_enabled = bool(int(os.environ.get("TTT_ENABLED", "0")))`), a README's command or a shell
script overrides them through the environment, and a log's hyper-parameter dump says what they were in the end. So,
weakest first: code, README, shell, log. Surprising: a README often holds several commands, the submitted one and
ablations. A name is then evaluated under each, and where they come to different values it is disputed: neither on nor
off.

Nothing is executed: an expression of constants, environment reads and plain conversions is evaluated here, and anything
else is unknown.
"""

import ast
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from golf.referee.case import Case, Script, TextFile
from golf.referee.syntax import counted, last_name, name_of, targets
from golf.rulings import Evidence

Source = Literal["code", "readme", "shell", "log"]

COMMANDS_MAX = 12
"""Commands of one submission that are told apart; further ones are not looked at."""
DEPTH_MAX = 40
"""Nesting of an expression that is still evaluated."""
STEPS_MAX = 400
"""Parts of one expression, and of those its names stand for, that are evaluated."""
LOG_LINES_MAX = 20_000
"""Searched for the line a setting stands on."""

UNKNOWN: Any = type("Unknown", (), {"__repr__": lambda self: "UNKNOWN", "__bool__": lambda self: False})()
"""What an expression comes to when its value cannot be told without running it."""


_HOLDS_SETTINGS = re.compile(
    r"^(?:a|h|hp|args?|cfg|conf|opts?|flags|options|namespace|h(?:yper)?_?params?|hyper\w*|(?:\w*_)?(?:config|settings))$"
    r"|(?:^|_)(?:args|cfg|hps?|hparams)$",
    re.IGNORECASE,
)
"""Names of objects whose attributes are settings: of any other, such as `layer._zero_init = True`, they say nothing
about whatever else has an attribute of that name."""

Local = Callable[[str], "tuple[ast.expr | None, Local] | None"]
"""A function's own names: the expression one stands for (None: it has no single one) and the names that hold there;
None for a name that is not the function's."""


@dataclass(frozen=True)
class Setting:
    """One setting of the submitted run, with where it stands."""

    name: str
    value: bool | int | float | str | None
    source: Source
    """Which of the sources won."""
    evidence: Evidence
    disputed: bool = False
    """The submission's commands, logs or assignments come to different values; `value` is the first."""

    @property
    def is_on(self) -> bool:
        """Whether the value switches something on: true, a number above zero, a word other than no."""
        return is_on(self.value)


def is_on(value: Any) -> bool:
    """Whether a setting's value switches something on; `"0"`, `"false"`, `"off"` and `""` do not."""
    if isinstance(value, str):
        return value.strip().lower() not in ("", "0", "0.0", "false", "no", "off", "none", "n", "f")
    return bool(value) and not (isinstance(value, int | float) and value < 0)


@dataclass(frozen=True)
class _Declared:
    """A name given a value in code."""

    value: ast.expr
    script: Script
    line: int


@dataclass
class _Command:
    """One command's environment: variable to its value and the line it stands on."""

    source: Source
    variables: dict[str, tuple[str, Evidence]] = field(default_factory=dict)


def effective(case: Case) -> "Settings":
    """The settings of a submission, from its code, README, shell scripts and logs."""
    code = _Code()
    for script in case.scripts:
        if script.tree is not None:
            code.read(script, script.tree)
    shells = list(islice((one for text in case.shells for one in _commands(text, "shell")), COMMANDS_MAX))
    readmes = list(islice((one for text in case.readmes for one in _commands(text, "readme")), COMMANDS_MAX))
    return Settings(code, _merged(readmes, shells), case)


class Settings:
    """Settings by name: the environment variable or the script's attribute, upper or lower case alike."""

    def __init__(self, code: "_Code", commands: Sequence[_Command], case: Case):
        self._code = code
        self._commands = commands
        self._folder, self._logs = case.folder, case.logs  # not the case, which holds these settings
        self._logged: dict[str, list[tuple[str, int]]] = {}
        for number, log in enumerate(case.logs):
            for name, value in log.hyperparameters.items():
                self._logged.setdefault(name.lower(), []).append((value, number))
        self._known: dict[str, list[Any]] = {}
        self._disputed: dict[ast.expr, bool] = {}

    def get(self, name: str) -> Setting | None:
        """The setting of that name, or None when nothing states it."""
        key = self._code.attribute_of(name)
        values = [value for value in self._values(key) if value is not UNKNOWN]
        if not values:
            return None
        disputed = len(_distinct(self._values(key))) > 1
        if key in self._logged:
            value, number = self._logged[key][0]
            evidence = self._log_line(number, key, value)
            return Setting(name, values[0], "log", evidence, disputed)
        for command in self._commands:
            for variable in self._code.variables_of(key):
                if variable in command.variables:
                    return Setting(name, values[0], command.source, command.variables[variable][1], disputed)
        declared = self._code.declared[key][0]
        return Setting(name, values[0], "code", declared.script.at(declared.line), disputed)

    def named(self, part: str) -> list[str]:
        """Lower-case names of settings that contain `part`."""
        known = {
            *self._code.declared,
            *self._logged,
            *(name.lower() for one in self._commands for name in one.variables),
        }
        return sorted(name for name in known if part in name)

    def is_on(self, *names: str) -> bool | None:
        """Whether any of these settings is on; None when none is known to be on and one is disputed or unstated."""
        found = [self._is_on(name) for name in names]
        return True if True in found else None if None in found or not found else False

    def value(self, expression: ast.expr, local: Local | None = None) -> Any:
        """What an expression of the script comes to under these settings; `UNKNOWN` when that cannot be told."""
        values = _distinct(self._under(expression, command, local) for command in self._commands or (_Command("code"),))
        return values[0] if len(values) == 1 else UNKNOWN

    def truth(self, condition: ast.expr, local: Local | None = None) -> bool | None:
        """Which way a condition of the script goes under these settings; None when that cannot be told."""
        value = self.value(condition, local)
        return None if value is UNKNOWN else bool(value)

    def is_disputed(self, condition: ast.expr) -> bool:
        """Whether a condition names a setting that the submission's sources disagree on."""
        if condition not in self._disputed:
            names = {last_name(node) for node in ast.walk(condition) if isinstance(node, ast.Name | ast.Attribute)}
            self._disputed[condition] = any(len(self._values(self._code.attribute_of(name))) > 1 for name in names)
        return self._disputed[condition]

    def _is_on(self, name: str) -> bool | None:
        values = self._values(self._code.attribute_of(name))
        found = {None if value is UNKNOWN else is_on(value) for value in values}
        return found.pop() if len(found) == 1 else None

    def _values(self, key: str) -> list[Any]:
        """Values a name may have, first the likeliest; empty when nothing states it."""
        if key not in self._known:
            self._known[key] = [UNKNOWN]  # should its own declaration name it
            self._known[key] = self._resolve(key)
        return self._known[key]

    def _resolve(self, key: str) -> list[Any]:
        if key in self._logged:
            counted = Counter(value for value, _ in self._logged[key]).most_common()
            is_settled = counted[0][1] * 2 > len(self._logged[key])  # one log may be an ablation's
            return _distinct(_literal(value) for value, _ in counted[:1] if is_settled) or _distinct(
                _literal(value) for value, _ in counted
            )
        if key in self._code.declared:
            return _distinct(
                self._under(declared.value, command)
                for declared in self._code.declared[key]
                for command in self._commands or (_Command("code"),)
            )
        stated = (command.variables.get(key.upper()) for command in self._commands)
        values = [UNKNOWN if found is None else _literal(found[0]) for found in stated]
        return _distinct(values) if any(value is not UNKNOWN for value in values) else []

    def _under(self, node: ast.expr, command: _Command, local: Local | None = None) -> Any:
        return _Evaluation(self, self._code, command, local).value(node)

    def _variable(self, variable: str, command: _Command) -> Any:
        """The text of an environment variable, or UNKNOWN where it is not set."""
        if variable in self._code.assigned:
            return self._code.assigned[variable]
        if variable in command.variables:
            return command.variables[variable][0]
        logged = self._logged.get(variable.lower())
        if logged and len({value for value, _ in logged}) == 1:
            return {"True": "1", "False": "0"}.get(logged[0][0], logged[0][0])
        return self._code.preset.get(variable, UNKNOWN)

    def _log_line(self, number: int, key: str, value: str) -> Evidence:
        path = Path(self._logs[number].path)
        shown = path.relative_to(self._folder) if path.is_relative_to(self._folder) else Path(path.name)
        stated = re.compile(rf"\b{re.escape(key)}\s?[:=]\s*{re.escape(value)}", re.IGNORECASE)
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                for line in range(1, LOG_LINES_MAX):
                    text = file.readline(4096)
                    if not text:
                        break
                    if stated.search(text):
                        return TextFile(shown.as_posix(), "").at(line, text)
        except OSError:
            pass
        return TextFile(shown.as_posix(), "").at(None, f"{key}: {value}")


# --- code


class _Code:
    """Names the scripts give a value, and the environment variables they read for it."""

    def __init__(self) -> None:
        self.declared: dict[str, list[_Declared]] = {}
        """Lower-case name to its declarations; those of the first script that has any."""
        self.assigned: dict[str, str] = {}
        """Variables the script itself sets, whatever the command says."""
        self.preset: dict[str, str] = {}
        """Variables the script sets where the command does not."""
        self.readers: set[str] = set()
        """Functions of the scripts that read a variable: `env_bool("X", True)`."""
        self._variables: dict[str, list[str]] = {}
        self._attributes: dict[str, list[str]] = {}

    def attribute_of(self, name: str) -> str:
        """The name a variable's value is kept under; the name itself where there is no other."""
        found = self._attributes.get(name.upper(), [])
        return name.lower() if name.lower() in self.declared or len(found) != 1 else found[0]

    def variables_of(self, key: str) -> list[str]:
        """The variables a declared name is read from."""
        return self._variables.get(key, []) or [key.upper()]

    def read(self, script: Script, tree: ast.Module) -> None:
        """Take up one script's declarations."""
        earlier = set(self.declared)
        reading = set(script.lines_with("environ", "getenv"))
        self._read_readers(tree, reading)
        if self.readers:
            reading.update(script.lines_with(*self.readers))
        top = {id(statement) for statement in tree.body}
        constants = {id(inner) for outer in tree.body if isinstance(outer, ast.ClassDef) for inner in outer.body} | top
        changed = _changed(tree, script)
        for statement in script.statements:
            if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr):
                continue
            value = statement.value
            if value is None:
                continue
            last = statement.end_lineno or statement.lineno
            reads = not reading.isdisjoint(range(statement.lineno, last + 1))
            if reads and id(statement) in top:
                self._read_environment_write(statement)
            for target in targets(statement):
                key = last_name(target).lower()
                is_constant = id(statement) in constants or (
                    isinstance(target, ast.Attribute) and _HOLDS_SETTINGS.match(last_name(target.value)) is not None
                )
                if not reads and isinstance(target, ast.Name) and target.id in changed:
                    continue
                if (reads or is_constant) and key != "?" and key not in earlier:
                    self._declare(key, value, script, statement.lineno, reads)

    def _declare(self, key: str, value: ast.expr, script: Script, line: int, reads: bool) -> None:
        self.declared.setdefault(key, []).append(_Declared(value, script, line))
        if not reads:
            return
        for node in ast.walk(value):
            if variable := self.variable_read(node):
                self._variables.setdefault(key, []).append(variable)
                self._attributes.setdefault(variable, []).append(key)

    def _read_readers(self, tree: ast.Module, reading: set[int]) -> None:
        """Functions with `environ` in a short body, and names for `os.environ.get` itself."""
        for statement in tree.body:
            if isinstance(statement, ast.FunctionDef) and statement.args.args:
                last = statement.end_lineno or statement.lineno
                if last - statement.lineno < 20 and not reading.isdisjoint(range(statement.lineno, last + 1)):
                    self.readers.add(statement.name)
            elif isinstance(statement, ast.Assign) and name_of(statement.value).endswith(("environ.get", "getenv")):
                self.readers.update(last_name(target) for target in statement.targets)

    def _read_environment_write(self, statement: ast.stmt) -> None:
        """Take up `os.environ["X"] = "1"` and `os.environ.setdefault("X", "1")`."""
        value = getattr(statement, "value", None)
        for target in targets(statement):
            if isinstance(target, ast.Subscript) and name_of(target.value).endswith("environ"):
                key, text = _constant(target.slice), _constant(value)
                if isinstance(key, str) and isinstance(text, str):
                    self.assigned[key] = text
        if isinstance(value, ast.Call) and name_of(value.func).endswith("environ.setdefault") and len(value.args) == 2:
            key, text = map(_constant, value.args)
            if isinstance(key, str) and isinstance(text, str):
                self.preset.setdefault(key, text)

    def variable_read(self, node: ast.AST) -> str | None:
        """The environment variable an expression reads, if it is such a read."""
        if isinstance(node, ast.Call) and node.args:
            reads = name_of(node.func).endswith(("environ.get", "getenv")) or last_name(node.func) in self.readers
            key = _constant(node.args[0]) if reads else None
        elif isinstance(node, ast.Subscript) and name_of(node.value).endswith("environ"):
            key = _constant(node.slice)
        else:
            return None
        return key if isinstance(key, str) else None


def _changed(tree: ast.Module, script: Script) -> frozenset[str]:
    """A module's own names that change as it runs, so that no declaration tells them: counters, and globals written."""
    declared = {
        name
        for number in script.lines_with("global ")
        for name in re.findall(r"[A-Za-z_]\w*", script.lines[number - 1].partition("global ")[2].partition("#")[0])
    }
    return counted(tree.body, with_walrus=":=" in script.text) | declared


# --- evaluation


_BINARY: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_CONVERSIONS: Mapping[str, Callable[..., Any]] = {
    "int": int, "float": float, "bool": bool, "str": str, "abs": abs, "min": min, "max": max, "round": round,
    "len": len, "any": any, "all": all, "reversed": lambda items: tuple(reversed(items)), "list": tuple, "chr": chr,
}  # fmt: skip
_TEXT_METHODS = (
    "lower", "upper", "strip", "rstrip", "lstrip", "startswith", "endswith", "split", "replace", "removeprefix",
    "removesuffix", "join",
)  # fmt: skip
_TEXT_MAX = 4096
_NUMBER_MAX = 10**15


class _Evaluation:
    """One expression under one command's environment."""

    def __init__(self, settings: Settings, code: _Code, command: _Command, local: Local | None):
        self._settings = settings
        self._code = code
        self._command = command
        self._local = local
        self._steps = 0

    def value(self, node: ast.expr | None, depth: int = 0) -> Any:
        """The expression's value, or UNKNOWN."""
        self._steps += 1
        if node is None or depth > DEPTH_MAX or self._steps > STEPS_MAX:
            return UNKNOWN
        if isinstance(node, ast.Constant):
            return node.value
        if (variable := self._code.variable_read(node)) is not None:
            return self._read(node, variable, depth)
        if isinstance(node, ast.Name) and self._local and (found := self._local(node.id)) is not None:
            here, self._local = self._local, found[1]
            value = self.value(found[0], depth + 1)
            self._local = here
            return value
        if isinstance(node, ast.Name | ast.Attribute):
            values = self._settings._values(self._code.attribute_of(last_name(node)))
            return values[0] if len(values) == 1 else UNKNOWN
        if isinstance(node, ast.BoolOp):
            return self._bool_op(node, depth)
        if isinstance(node, ast.IfExp):
            test = self.value(node.test, depth + 1)
            return UNKNOWN if test is UNKNOWN else self.value(node.body if test else node.orelse, depth + 1)
        try:
            return self._computed(node, depth)
        except (TypeError, ValueError, ArithmeticError, AttributeError, IndexError):
            return UNKNOWN

    def _read(self, node: ast.expr, variable: str, depth: int) -> Any:
        text = self._settings._variable(variable, self._command)
        if text is not UNKNOWN or not isinstance(node, ast.Call):
            return text
        defaults = [*node.args[1:], *(word.value for word in node.keywords if word.arg == "default")]
        return self.value(defaults[0], depth + 1) if defaults else None

    def _bool_op(self, node: ast.BoolOp, depth: int) -> Any:
        """`and` and `or` with unknowns: one false decides an `and`, one true an `or`."""
        decides = isinstance(node.op, ast.Or)
        value: Any = UNKNOWN
        unknown = False
        for operand in node.values:
            value = self.value(operand, depth + 1)
            if value is UNKNOWN:
                unknown = True
            elif bool(value) == decides:
                return value
        return UNKNOWN if unknown else value

    def _computed(self, node: ast.expr, depth: int) -> Any:
        if isinstance(node, ast.UnaryOp):
            value = self.value(node.operand, depth + 1)
            if value is UNKNOWN or isinstance(node.op, ast.Invert):
                return UNKNOWN
            return not value if isinstance(node.op, ast.Not) else -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.BinOp):
            return self._binary(node.op, self.value(node.left, depth + 1), self.value(node.right, depth + 1))
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            variable = _constant(node.left)
            if isinstance(variable, str) and name_of(node.comparators[0]).endswith("environ"):
                is_set = self._settings._variable(variable, self._command) is not UNKNOWN
                return is_set == isinstance(node.ops[0], ast.In)
            left, right = self.value(node.left, depth + 1), self.value(node.comparators[0], depth + 1)
            return self._binary(node.ops[0], left, right)
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            items = [self.value(item, depth + 1) for item in node.elts]
            return UNKNOWN if UNKNOWN in items else tuple(items)
        if isinstance(node, ast.Subscript):
            return self._sliced(node, depth)
        if isinstance(node, ast.JoinedStr):
            pieces = [self.value(part, depth + 1) for part in node.values]
            return "".join(pieces)[:_TEXT_MAX] if all(isinstance(piece, str) for piece in pieces) else UNKNOWN
        if isinstance(node, ast.FormattedValue):
            value = self.value(node.value, depth + 1)
            return str(value) if isinstance(value, str | int) and node.format_spec is None else UNKNOWN
        if isinstance(node, ast.Call):
            return self._called(node, depth)
        return UNKNOWN

    def _binary(self, op: ast.operator | ast.cmpop, left: Any, right: Any) -> Any:
        if left is UNKNOWN or right is UNKNOWN or type(op) not in _BINARY:
            return UNKNOWN
        for operand in (left, right):
            if isinstance(operand, str | tuple) and len(operand) > _TEXT_MAX:
                return UNKNOWN
            if isinstance(operand, int | float) and abs(operand) > _NUMBER_MAX:
                return UNKNOWN
        if isinstance(op, ast.Mult | ast.Mod) and not all(isinstance(item, int | float) for item in (left, right)):
            return UNKNOWN  # text times a number may be any length
        return _BINARY[type(op)](left, right)

    def _sliced(self, node: ast.Subscript, depth: int) -> Any:
        """A part of a text or tuple: `word[::-1]`, `words[0]`."""
        whole = self.value(node.value, depth + 1)
        if not isinstance(whole, str | tuple):
            return UNKNOWN
        if isinstance(node.slice, ast.Slice):
            ends = [
                None if part is None else self.value(part, depth + 1)
                for part in (node.slice.lower, node.slice.upper, node.slice.step)
            ]
            return UNKNOWN if UNKNOWN in ends else whole[slice(*ends)]
        index = self.value(node.slice, depth + 1)
        return whole[index] if isinstance(index, int) else UNKNOWN

    def _called(self, node: ast.Call, depth: int) -> Any:
        name = last_name(node.func)
        if name == "field":  # a dataclass's default
            for word in node.keywords:
                if word.arg in ("default", "default_factory"):
                    made = word.value.body if isinstance(word.value, ast.Lambda) else word.value
                    return self.value(made, depth + 1)
        if isinstance(node.func, ast.Attribute) and name in _TEXT_METHODS:
            text = self.value(node.func.value, depth + 1)
            arguments = [self.value(argument, depth + 1) for argument in node.args]
            if name_of(node.func).endswith("path.join") and all(isinstance(one, str) for one in arguments):
                return "/".join(arguments)[:_TEXT_MAX]
            if not isinstance(text, str) or len(text) > _TEXT_MAX or UNKNOWN in arguments:
                return UNKNOWN
            if (len(text) + 1) * sum(len(str(one)) for one in arguments) > _TEXT_MAX * 16:
                return UNKNOWN  # a replacement or a separator may be put in at every character
            result = getattr(text, name)(*arguments)
            return tuple(result) if isinstance(result, list) else result
        if isinstance(node.func, ast.Name) and name == "getattr" and len(node.args) > 1:
            return self._read_attribute(node, depth)
        if isinstance(node.func, ast.Name) and name in _CONVERSIONS and not node.keywords:
            arguments = [self.value(argument, depth + 1) for argument in node.args]
            if UNKNOWN in arguments or any(isinstance(item, str) and len(item) > 300 for item in arguments):
                return UNKNOWN
            return _CONVERSIONS[name](*arguments)
        return UNKNOWN

    def _read_attribute(self, node: ast.Call, depth: int) -> Any:
        """`getattr(args, "name", default)`."""
        key = _constant(node.args[1])
        values = self._settings._values(self._code.attribute_of(key)) if isinstance(key, str) else []
        if len(values) == 1:
            return values[0]
        return self.value(node.args[2], depth + 1) if not values and len(node.args) > 2 else UNKNOWN


# --- commands


_SETS = re.compile(
    r"""(?<![\w$.{/-])(?P<name>[A-Z][A-Z0-9_]{0,63})=(?P<value>"[^"\n]{0,300}"|'[^'\n]{0,300}'|[^\s;&|)`]{0,300})"""
)
_RUNS = re.compile(
    r"\b(?:torchrun|accelerate launch|deepspeed)\b|\bpython[\d.]*\b.{0,200}\b(?:train|eval|run)\w*\.py\b"
)
_DEFAULTED = re.compile(r"\$\{\w+:?[-=]([^}$]*)\}")
_SHELL_FENCES = ("", "bash", "sh", "shell", "console", "zsh", "text", "txt", "env", "shell-session", "makefile")
_FENCE = re.compile(r"^\s{0,8}(?:```|~~~)\s*([\w-]*)")


def _commands(text: TextFile, source: Source) -> Iterator[_Command]:
    """The commands a README or shell script gives, each with the environment it runs in."""
    if source == "shell":
        blocks = [list(enumerate(text.lines, 1))]
    else:
        blocks = list(_shell_blocks(text)) or [_listed(text)]
    for block in blocks:
        exported = _Command(source)
        ran = False
        for lines in _logical_lines(block):
            given: dict[str, tuple[str, Evidence]] = {}
            runs = False
            for number, line in lines:
                runs = runs or _RUNS.search(line) is not None
                for match in _SETS.finditer(line):
                    value = _DEFAULTED.sub(r"\1", match["value"].rstrip(",").strip("\"'"))
                    if "$" not in value:
                        given[match["name"]] = (value, text.at(number))
            if runs:
                ran = True
                yield _Command(source, {**exported.variables, **given})
            else:
                exported.variables.update(given)
        if not ran and exported.variables:
            yield exported


def _shell_blocks(text: TextFile) -> Iterator[list[tuple[int, str]]]:
    """A README's fenced shell text, and lines elsewhere that run a script, as numbered lines."""
    block: list[tuple[int, str]] = []
    fence: str | None = None
    for number, line in enumerate(text.lines, 1):
        opened = _FENCE.match(line)
        if opened and fence is None:
            fence = opened[1].lower()
        elif opened:
            if fence in _SHELL_FENCES and any(_SETS.search(line) or _RUNS.search(line) for _, line in block):
                yield block
            block, fence = [], None
        elif fence is not None:
            block.append((number, line))
        elif _RUNS.search(line) and (line.startswith(("    ", "\t")) or "`" in line):
            spans = re.findall(r"`([^`\n]+)`", line) or [line]
            yield [(number, span) for span in spans if _RUNS.search(span)]


def _listed(text: TextFile) -> list[tuple[int, str]]:
    """Inline code that sets at least two names: a README without a command lists its settings so."""
    spans = ((number, span) for number, line in enumerate(text.lines, 1) for span in re.findall(r"`([^`\n]+)`", line))
    return [(number, span) for number, span in spans if len(_SETS.findall(span)) > 1]


def _logical_lines(block: list[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """Lines joined where a backslash continues them; comments and `echo` left out."""
    joined: list[tuple[int, str]] = []
    for number, line in block:
        bare = line.strip()
        if bare.startswith(("#", "echo ", "printf ")) and not bare.startswith("#SBATCH"):
            continue
        joined.append((number, re.split(r"\s#", bare, maxsplit=1)[0]))
        if not bare.endswith("\\"):
            yield joined
            joined = []
    if joined:
        yield joined


def _merged(readmes: list[_Command], shells: list[_Command]) -> list[_Command]:
    """Every README command with every shell script's environment over it; different ones, so many as are told apart."""
    merged: dict[tuple[tuple[str, str], ...], _Command] = {}
    for readme in readmes or [_Command("readme")]:
        for shell in shells or [_Command("shell")]:
            variables = {**readme.variables, **shell.variables}
            key = tuple(
                sorted((name, value) for name, (value, _) in variables.items() if name not in ("SEED", "RUN_ID"))
            )
            merged.setdefault(key, _Command("shell" if shell.variables else "readme", variables))
    return list(merged.values())[:COMMANDS_MAX]


# --- values


def _constant(node: ast.AST | None) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


def _literal(text: str) -> Any:
    """A logged or exported value as Python would have it."""
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _distinct(values: Any) -> list[Any]:
    """Values without repetition, in their order; 1 and True are told apart."""
    found: dict[tuple[type, str], Any] = {}
    for value in values:
        found.setdefault((type(value), repr(value)), value)
    return list(found.values())
