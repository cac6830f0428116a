"""Somebody's repository as a program: which of its files a script imports, and which of their lines can run.

Everything is read by AST and nothing is imported or run. Reaching is by name, generously, as in `golf.referee.program`:
from the script's top level on, every definition that a reached line names, whichever file has it.
"""

import ast
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from golf.errors import NotFound, UnreadableInput
from golf.referee import source
from golf.referee.program import Function, is_main_guard
from golf.referee.syntax import blocks, name_of, statements, targets
from golf.referee.texts import Script

FILE_BYTES_MAX = 1_000_000
"""A larger Python file is data, or generated, and is not read."""
FILES_MAX = 5000
"""Python files of one repository that are looked at."""
TREES_MAX = 400
"""Files that one script imports from its repository."""

SKIPPED = frozenset(
    ("node_modules", "site-packages", "__pycache__", "venv", "env", "build", "dist", "tests", "test", "docs",
     "third_party")
)  # fmt: skip
"""Folders whose scripts are nobody's training; hidden ones are skipped too. An import from them is still followed."""

_TEST = re.compile(r"(?:test_.*|.*_test|conftest|setup|noxfile|__init__)\.py")
_EXECUTED = re.compile(r"exec\(\s*(?:compile\()?\s*open\(\s*[\"']([\w./-]{1,200}\.py)[\"']")
"""`exec(open("configurator.py").read())`: an import by other means."""


@dataclass(frozen=True)
class Module:
    """One file that parses."""

    script: Script
    tree: ast.Module

    @cached_property
    def aliases(self) -> dict[str, str]:
        """What imported names stand for: `np` for `numpy`, `F` for `torch.nn.functional`; `.` leads a relative one."""
        found: dict[str, str] = {}
        for node in statements(self.tree.body):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{'.' * node.level}{node.module or ''}.{alias.name}"
        return found

    @cached_property
    def imported(self) -> frozenset[str]:
        """Full names of all that is imported."""
        return frozenset(self.aliases.values())

    @cached_property
    def packages(self) -> frozenset[str]:
        """Top-level packages that are imported."""
        return frozenset(name.split(".")[0] for name in self.imported)

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Every node's parent."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def _values(self) -> dict[ast.AST, dict[str, list[ast.expr]]]:
        found: dict[ast.AST, dict[str, list[ast.expr]]] = {}
        for statement in self.script.statements:
            value = getattr(statement, "value", None)
            names = [target.id for target in targets(statement) if isinstance(target, ast.Name)]
            if value is not None and names:
                there = found.setdefault(self.scope(statement), {})
                for name in names:
                    there.setdefault(name, []).append(value)
        return found

    def values(self, node: ast.AST, name: str) -> list[ast.expr]:
        """What a name is assigned in the function around a node, else at the top of the module."""
        for scope in (self.scope(node), self.tree):
            if found := self._values.get(scope, {}).get(name):
                return found
        return []

    @cached_property
    def loads(self) -> dict[str, list[ast.expr]]:
        """Where a dotted name is read."""
        found: dict[str, list[ast.expr]] = {}
        for node in self.parents:
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                found.setdefault(name_of(node), []).append(node)
        return found

    def name(self, node: ast.AST | None) -> str:
        """The full dotted name that an expression spells, imports resolved: `torch.manual_seed`; see `name_of`."""
        root, dot, rest = name_of(node).partition(".")
        return f"{self.aliases.get(root, root)}{dot}{rest}"

    def scope(self, node: ast.AST) -> ast.AST:
        """The innermost function, or the module, around a node."""
        while node is not self.tree:
            node = self.parents.get(node, self.tree)
            if isinstance(node, Function | ast.Lambda):
                break
        return node


@dataclass(frozen=True)
class Place:
    """A statement that can run."""

    module: Module
    statement: ast.stmt
    tests: tuple[ast.expr, ...] = ()
    """Conditions around it within its function."""

    @cached_property
    def own(self) -> Sequence[ast.AST]:
        """Its nodes, those of its blocks left out, and not a docstring."""
        if isinstance(self.statement, ast.Expr) and isinstance(self.statement.value, ast.Constant):
            return []
        below = {id(inner) for block in blocks(self.statement) for inner in block}
        waiting: list[ast.AST] = [self.statement]
        found: list[ast.AST] = []
        while waiting:
            node = waiting.pop()
            found.append(node)
            waiting += [child for child in ast.iter_child_nodes(node) if id(child) not in below]
        return found


@dataclass(frozen=True)
class Call:
    """A call that can run."""

    name: str
    """Full dotted name of what is called, as `Module.name` gives it."""
    node: ast.Call
    place: Place

    @property
    def last(self) -> str:
        """The last part of its name, also of a call's result: `half` of `build().half()`."""
        return self.node.func.attr if isinstance(self.node.func, ast.Attribute) else self.name.rsplit(".", 1)[-1]

    def keyword(self, name: str) -> ast.expr | None:
        """The value of a keyword argument."""
        return next((one.value for one in self.node.keywords if one.arg == name), None)

    @property
    def is_open(self) -> bool:
        """Whether `**settings` may give it more keywords than are seen."""
        return any(one.arg is None for one in self.node.keywords)


class Program:
    """What one script runs of its repository."""

    def __init__(self, entry: Module, modules: Sequence[Module]):
        self.entry, self.modules = entry, modules

    @property
    def name(self) -> str:
        """The script's file name, as findings give it."""
        return self.entry.script.name

    @cached_property
    def definitions(self) -> dict[str, list[tuple[Module, Function | ast.ClassDef]]]:
        """Functions and classes at any depth, by name."""
        found: dict[str, list[tuple[Module, Function | ast.ClassDef]]] = {}
        for module in self.modules:
            for node in module.script.statements:
                if isinstance(node, Function | ast.ClassDef):
                    found.setdefault(node.name, []).append((module, node))
        return found

    @cached_property
    def places(self) -> Sequence[Place]:
        """Every statement that can run, file by file in the order of the text."""
        found: list[Place] = []
        named: set[str] = set()
        waiting = [(module, module.tree.body) for module in self.modules]
        while waiting:
            module, body = waiting.pop(0)
            fresh: set[str] = set()
            for place in _run(module, body, module is self.entry):
                found.append(place)
                if isinstance(place.statement, Function) and place.statement.decorator_list:
                    fresh.add(place.statement.name)  # what registers it may call it
                for node in place.own:
                    if isinstance(node, ast.Name):
                        fresh.add(node.id)
                    elif isinstance(node, ast.Attribute):
                        fresh.add(node.attr)
            for name in sorted(fresh - named):
                named.add(name)
                for where, node in self.definitions.get(name, ()):
                    waiting.append((where, node.body))
                    if isinstance(node, ast.ClassDef):  # a framework calls methods that nothing here names
                        waiting += [(where, method.body) for method in node.body if isinstance(method, Function)]
        order = {module.script.name: index for index, module in enumerate(self.modules)}
        unique = {(place.module.script.name, id(place.statement)): place for place in found}
        return sorted(unique.values(), key=lambda one: (order[one.module.script.name], one.statement.lineno))

    @cached_property
    def calls(self) -> Sequence[Call]:
        """Every call that can run, in order."""
        found = [
            Call(place.module.name(node.func), node, place)
            for place in self.places
            for node in place.own
            if isinstance(node, ast.Call)
        ]
        order = {module.script.name: index for index, module in enumerate(self.modules)}
        found.sort(key=lambda one: (order[one.place.module.script.name], one.node.lineno, one.node.col_offset))
        return found

    @cached_property
    def calls_of(self) -> dict[str, list[Call]]:
        """The calls by the last part of what they call."""
        found: dict[str, list[Call]] = {}
        for call in self.calls:
            found.setdefault(call.last, []).append(call)
        return found


def _run(module: Module, body: list[ast.stmt], is_entry: bool) -> Iterator[Place]:
    """A body's statements with the conditions around them; functions and classes in it wait to be named."""
    waiting: list[tuple[ast.stmt, tuple[ast.expr, ...]]] = [(statement, ()) for statement in reversed(body)]
    while waiting:
        statement, tests = waiting.pop()
        yield Place(module, statement, tests)
        if isinstance(statement, Function | ast.ClassDef):
            continue
        for position, block in reversed(list(enumerate(blocks(statement)))):
            inner = tests
            if isinstance(statement, ast.If):
                if is_main_guard(statement.test) and not is_entry and position == 0:
                    continue
                inner = (*tests, statement.test) if not is_main_guard(statement.test) else tests
            waiting += [(below, inner) for below in reversed(block)]


class Repository:
    """The Python files below a folder, read when they are asked for."""

    def __init__(self, root: Path):
        self.root = root
        self.not_read: dict[str, str] = {}
        """Files that could not be read, and why."""
        self._modules: dict[Path, Module | None] = {}

    def module(self, path: Path) -> Module | None:
        """A file's module; None, and a line in `not_read`, when it cannot be had."""
        path = Path(os.path.normpath(path))
        if path not in self._modules:
            self._modules[path] = self._read(path)
        return self._modules[path]

    def _read(self, path: Path) -> Module | None:
        name = Path(os.path.relpath(path, self.root)).as_posix()
        if not path.resolve().is_relative_to(self.root.resolve()):
            self.not_read[name] = "it is a link that leads out of the repository"
            return None
        try:
            data = path.read_bytes() if path.stat().st_size <= FILE_BYTES_MAX else None
        except OSError as error:
            self.not_read[name] = str(error.strerror)
            return None
        if data is None:
            self.not_read[name] = f"it has over {FILE_BYTES_MAX:,} bytes"
            return None
        text = data.decode("utf-8-sig", errors="replace")
        if source.count_tokens(text) > source.TOKENS_MAX:
            self.not_read[name] = f"it has over {source.TOKENS_MAX:,} tokens"
            return None
        script = Script(name, text)
        if script.tree is None:
            self.not_read[name] = script.problem or "it does not parse"
            return None
        return Module(script, script.tree)

    def scripts(self) -> list[Path]:
        """Every Python file that may be somebody's script, in order of its name.

        Raises:
            UnreadableInput: there are too many.
        """
        found: list[Path] = []
        for folder, folders, files in os.walk(self.root):
            folders[:] = sorted(one for one in folders if one not in SKIPPED and not one.startswith("."))
            if "pyvenv.cfg" in files:
                folders[:] = []
                continue
            found += [
                Path(folder) / file for file in sorted(files) if file.endswith(".py") and not _TEST.fullmatch(file)
            ]
            if len(found) > FILES_MAX:
                raise UnreadableInput(f"over {FILES_MAX:,} Python files below the folder; name one of its folders")
        return found

    def program(self, path: Path) -> Program:
        """What a script runs.

        Raises:
            UnreadableInput: the script itself cannot be read.
        """
        entry = self.module(path)
        if entry is None:
            name = Path(os.path.relpath(path, self.root)).as_posix()
            raise UnreadableInput(f"{name} cannot be audited: {self.not_read[name]}")
        found, waiting = {path: entry}, [(path, entry)]
        while waiting and len(found) < TREES_MAX:
            where, module = waiting.pop()
            for target in self._imported(module, where, path.parent):
                if target not in found and (other := self.module(target)) is not None:
                    found[target] = other
                    waiting.append((target, other))
        return Program(entry, list(found.values()))

    def _imported(self, module: Module, where: Path, beside: Path) -> Iterator[Path]:
        """Files of the repository that a module imports; Python searches the script's folder, `beside`, first."""
        within = [folder for folder in beside.parents if folder.is_relative_to(self.root)]
        bases = list(dict.fromkeys([beside, *within, self.root, self.root / "src"]))
        for node in module.script.statements:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield from _find(bases, alias.name.split("."))
            elif isinstance(node, ast.ImportFrom):
                parts = node.module.split(".") if node.module else []
                base = bases
                if node.level:
                    above = [where.parent, *where.parent.parents]
                    base = [above[min(node.level, len(above)) - 1]]
                    if not base[0].is_relative_to(self.root):
                        continue
                for alias in node.names:
                    yield from _find(base, [*parts, alias.name])
        for match in _EXECUTED.finditer(module.script.text):
            if (place := beside / match[1]).is_file():
                yield place


def _find(bases: Sequence[Path], parts: list[str]) -> list[Path]:
    """The files that importing `parts` runs, from the first base that has any; the last part may be no module."""
    for base in bases:
        found: list[Path] = []
        place = base
        for part in parts:
            if (place / f"{part}.py").is_file():
                found.append(place / f"{part}.py")
            place = place / part
            if (place / "__init__.py").is_file():
                found.append(place / "__init__.py")
            if not place.is_dir():
                break
        if found:
            return found
    return []


def is_script(module: Module) -> bool:
    """Whether a file is started rather than imported: it has a main guard, or its top level does something."""
    for node in module.tree.body:
        if isinstance(node, ast.If) and is_main_guard(node.test):
            return True
        if isinstance(node, ast.While | ast.For):
            return True
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            return True
    return False


def root_of(script: Path) -> Path:
    """The repository around a script: the folder with `.git`, else the script's own."""
    for folder in script.parents:
        if (folder / ".git").exists():
            return folder
    return script.parent


def open_repository(path: Path) -> tuple[Repository, list[Path]]:
    """The repository at or around `path`, and its scripts: the one, or every one of a folder.

    Raises:
        NotFound: there is nothing at `path`, or no script in the folder.
        UnreadableInput: a folder with too many files.
    """
    if path.is_file():
        script = path.resolve()
        return Repository(root_of(script)), [script]
    if not path.is_dir():
        raise NotFound(f"there is nothing at {path}. Give a training script, or the folder of a repository")
    repository = Repository(path.resolve())
    entries = [one for one in repository.scripts() if (module := repository.module(one)) and is_script(module)]
    if not entries:
        raise NotFound(f"no script in {path}: no Python file with a main guard or a top level that does something")
    return repository, entries
