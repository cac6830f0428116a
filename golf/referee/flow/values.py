"""Values as the walk holds them, and the names they go by."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from golf.referee.flow.splits import split_of_name, split_of_texts
from golf.referee.flow.tags import NOTHING, Tags
from golf.referee.program import Function, Module
from golf.referee.settings import Local


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One value."""

    tags: Tags = NOTHING
    items: "tuple[Value, ...] | None" = None
    """Of a tuple or list that is spelled out."""
    fields: "Mapping[str, Value] | None" = None
    """Of a dict with spelled-out keys."""
    closure: "Closure | None" = None
    instance: "int | None" = None
    """Number of an object of one of the submission's own classes."""

    def with_tags(self, tags: Tags) -> "Value":
        """The same value with other tags."""
        return self if tags == self.tags else Value(tags, self.items, self.fields, self.closure, self.instance)


EMPTY = Value()


@dataclass(frozen=True, slots=True, eq=False)
class Closure:
    """A function or class of the submission, where it was defined."""

    node: "Function | ast.Lambda | ast.ClassDef"
    env: "Env"
    bound: tuple[Value, ...] = ()
    words: Mapping[str, Value] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Env:
    """Names of one call or module."""

    module: Module
    function: str
    outer: "Env | None" = None
    names: dict[str, Value] = field(default_factory=dict)
    sources: "dict[str, tuple[ast.expr, Env] | None]" = field(default_factory=dict)
    """The expression a name stands for; None when it had more than one."""
    elsewhere: set[str] = field(default_factory=set)
    """Names declared global or nonlocal."""
    declared: "Mapping[str, ast.expr | None]" = field(default_factory=dict)
    """Of a class body: what its names are assigned, looked at when they are asked for."""
    mutated: set[str] = field(default_factory=set)
    returned: list[Value] = field(default_factory=list)

    def clear(self) -> None:
        """Let go of every value."""
        self.names, self.sources, self.declared, self.returned = {}, {}, {}, []

    def find(self, name: str) -> Value | None:
        """The value of a name, here or further out."""
        env: Env | None = self
        while env is not None:
            if name in env.names:
                return env.names[name]
            if name in env.declared:
                env.names[name] = Value(split_of_texts(env.declared[name]) or split_of_name(name))
                return env.names[name]
            env = env.outer
        return None

    def local(self, name: str) -> "tuple[ast.expr | None, Local] | None":
        """The expression a name stands for, with the names that hold there."""
        env: Env | None = self
        while env is not None and env.outer is not None:  # a module's own names are settings
            if name in env.sources:
                found = env.sources[name]
                is_open = found is None or isinstance(found[0], ast.List | ast.Dict | ast.Set)  # may be added to
                return (None, env.local) if found is None or is_open else (found[0], found[1].local)
            env = env.outer
        return None


def joined(values: Iterable[Value]) -> Tags:
    """The tags of all of them."""
    tags = NOTHING
    for value in values:
        if value.tags:
            tags = tags | value.tags if tags else value.tags
    return tags
