"""A submission's scripts as a program: what they define, which of them run, and what of them is ever reached.

Much of a script is copied from others and never called, so a check asks `Program.reaches` before it judges a line.
Reaching is by name, generously: whatever a reached line names is reached. Only guards that the effective settings
decide, and definitions that nobody names, are left out.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from golf.referee.case import Case, Script
from golf.referee.settings import Settings, effective
from golf.referee.syntax import blocks, counted, statements

Function = ast.FunctionDef | ast.AsyncFunctionDef

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
ENTRIES_MAX = 8
"""Scripts that a run may start with."""

_ENTRY_WORDS = ("train", "main", "run", "eval")
_LAUNCHER = re.compile(r"\btorchrun\b|\bdistributed\.(?:run|launch)\b|\baccelerate launch\b|\bdeepspeed\b")
"""What it starts is a run, whatever its name."""


@dataclass(frozen=True)
class Module:
    """One script's definitions."""

    script: Script
    tree: ast.Module

    @cached_property
    def functions(self) -> Mapping[str, Function]:
        """Functions at the top of the module, the last of each name."""
        return {node.name: node for node in statements(self.tree.body, into_scopes=False) if isinstance(node, Function)}

    @cached_property
    def classes(self) -> Mapping[str, ast.ClassDef]:
        """Classes at the top of the module."""
        return {
            node.name: node for node in statements(self.tree.body, into_scopes=False) if isinstance(node, ast.ClassDef)
        }

    @cached_property
    def definitions(self) -> Mapping[str, Sequence[Function | ast.ClassDef]]:
        """Functions and classes at any depth, by name."""
        found: dict[str, list[Function | ast.ClassDef]] = {}
        for node in self.script.statements:
            if isinstance(node, Function | ast.ClassDef):
                found.setdefault(node.name, []).append(node)
        return found

    @cached_property
    def has_walrus(self) -> bool:
        """Whether an expression may bind a name."""
        return ":=" in self.script.text

    @cached_property
    def code(self) -> Sequence[str]:
        """The lines without their comments."""
        return [line.split(" #", 1)[0] if "#" in line else line for line in self.script.lines]

    @cached_property
    def identifiers(self) -> Mapping[int, frozenset[str]]:
        """Names each line mentions, comments aside."""
        return {number: frozenset(_IDENTIFIER.findall(line)) for number, line in enumerate(self.code, 1)}


class Program:
    """The scripts of a submission that run, and what they reach under its effective settings."""

    def __init__(self, case: Case, settings: Settings):
        self.settings = settings
        self.modules = {script.name: Module(script, script.tree) for script in case.scripts if script.tree is not None}
        self.entries: Sequence[Module] = _entries(case, self.modules)
        """Where a run starts: the training script, and whatever it or a command starts by name."""

    def module(self, name: str) -> Module | None:
        """The script that `import name` finds, if it is one of the submission's own."""
        stem = name.rsplit(".", 1)[-1]
        return next((module for key, module in self.modules.items() if PurePosixPath(key).stem == stem), None)

    def reaches(self, script: str, line: int) -> bool:
        """Whether a line of a script runs under the effective settings, as far as names and guards tell."""
        return line in self._reached.get(script, ())

    @cached_property
    def _reached(self) -> Mapping[str, set[int]]:
        reached: dict[str, set[int]] = {}
        for entry in self.entries:
            if entry.script.name in reached:
                continue
            for name, lines in _Reach(list(self._with_imports(entry)), self.settings).lines.items():
                reached.setdefault(name, set()).update(lines)
        return reached

    def _with_imports(self, entry: Module) -> Iterator[Module]:
        waiting, seen = [entry], set()
        while waiting:
            module = waiting.pop()
            if module.script.name in seen:
                continue
            seen.add(module.script.name)
            yield module
            for statement in module.script.statements:
                for name in imported(statement):
                    if found := self.module(name):
                        waiting.append(found)


def program_of(case: Case) -> Program:
    """The case's scripts under its effective settings, made once for all who ask."""
    kept = vars(case)  # as a cached property of the case would be
    if "program" not in kept:
        kept["program"] = Program(case, effective(case))
    return kept["program"]


def imported(statement: ast.stmt) -> list[str]:
    """Modules an import statement names."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    return [statement.module] if isinstance(statement, ast.ImportFrom) and statement.module else []


def _entries(case: Case, modules: Mapping[str, Module]) -> list[Module]:
    """The training script, scripts that run what it packs, and scripts that it or a command names."""
    if not modules:
        return []
    names = list(modules)
    first = next((name for name in names if PurePosixPath(name.split("!")[0]).name == "train_gpt.py"), None)
    if first is None:
        chosen = [name for name in names if PurePosixPath(name).stem.lower().startswith(_ENTRY_WORDS)] or names[:1]
    else:
        chosen = [first]
    commands = "\n".join(
        line
        for text in (*case.readmes, *case.shells)
        for line in text.lines
        if re.search(r"torchrun|python|nproc_per_node", line)
    )
    for name in names:
        module = modules[name].script
        file = PurePosixPath(name.split("!")[0]).name
        if name in chosen:
            continue
        started = module.packed_in is not None and any(module.packed_in == other.split("!")[0] for other in chosen)
        by_script = any(file in modules[other].script.text for other in chosen)
        place = re.search(rf"^(.*)(?<![\w.]){re.escape(file)}\b", commands, re.MULTILINE)
        by_command = place and (file.lower().startswith(_ENTRY_WORDS) or _LAUNCHER.search(place[1]))
        if started or by_script or by_command:
            chosen.append(name)
    return [modules[name] for name in chosen[:ENTRIES_MAX]]


class _Reach:
    """Lines that run of modules that import each other: from their tops on, and of every definition that a reached line
    names, whichever of them has it."""

    def __init__(self, modules: Sequence[Module], settings: Settings):
        self.settings = settings
        self.lines: dict[str, set[int]] = {module.script.name: set() for module in modules}
        waiting = [(module, module.tree.body) for module in modules]
        named: set[str] = set()
        while waiting:
            for name in self._walk(*waiting.pop()) - named:
                named.add(name)
                waiting += [
                    (module, definition.body) for module in modules for definition in module.definitions.get(name, ())
                ]

    def _walk(self, module: Module, body: Iterable[ast.stmt]) -> set[str]:
        """Mark what runs of a body and return the names it mentions; nested definitions wait to be named."""
        names: set[str] = set()
        reached: list[tuple[int, int]] = []
        body = list(body)
        waiting = [iter(body)]
        changing: frozenset[str] | None = None
        while waiting:
            statement = next(waiting[-1], None)
            if statement is None:
                waiting.pop()
                continue
            inner = blocks(statement)
            if not inner:
                reached.append((statement.lineno, statement.end_lineno or statement.lineno))
                continue
            if isinstance(statement, Function):
                self.lines[module.script.name].add(statement.lineno)
                if statement.name.startswith("__") or statement.name == "forward":
                    names.add(statement.name)  # called without being named
                continue
            first = min(block[0].lineno for block in inner)
            reached.append((statement.lineno, max(first - 1, statement.lineno)))
            if isinstance(statement, ast.If):
                taken = True if is_main_guard(statement.test) else self.settings.truth(statement.test)
                if taken is not None and not is_main_guard(statement.test):
                    changing = counted(body, module.has_walrus) if changing is None else changing
                    if any(isinstance(part, ast.Name) and part.id in changing for part in ast.walk(statement.test)):
                        taken = None  # a counter here, whatever setting has its name
                inner = [statement.body] if taken else [statement.orelse] if taken is False else inner
                if taken is not None and ends(inner[0]):
                    waiting[-1] = iter(())
            waiting.extend(iter(block) for block in reversed(inner))
        for start, end in reached:
            self.lines[module.script.name].update(range(start, end + 1))
        return names.union(_IDENTIFIER.findall("\n".join("\n".join(module.code[a - 1 : b]) for a, b in reached)))


def is_main_guard(test: ast.expr) -> bool:
    """Whether a condition is `__name__ == "__main__"`."""
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def ends(body: Sequence[ast.stmt]) -> bool:
    """Whether a block leaves what it stands in: its last statement returns, raises, breaks or continues."""
    return bool(body) and isinstance(body[-1], ast.Return | ast.Raise | ast.Break | ast.Continue)
