"""What one script runs of its repository: its files' syntax, which of their lines can run, and what they call.

Reaching is by name, generously, as in `golf.referee.program`: from the script's top level on, every definition that a
reached line names, whichever file has it. Nothing is imported or run.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from golf.referee.program import Function, is_main_guard
from golf.referee.syntax import blocks, name_of, statements, targets
from golf.referee.texts import Script


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
