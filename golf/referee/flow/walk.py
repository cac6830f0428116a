"""The walk through a script, statement by statement, as a run would go."""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from golf.referee.flow.calls import Calls
from golf.referee.flow.events import Loop
from golf.referee.flow.names import BPB, is_callable, is_range, is_read, is_started
from golf.referee.flow.recorder import THINGS_MAX, Exhausted
from golf.referee.flow.splits import BOTH, split_of_name
from golf.referee.flow.tags import NOTHING, TRAIN, VAL, Tag, Tags, is_text, keys, only
from golf.referee.flow.values import EMPTY, Closure, Env, Value
from golf.referee.program import Function, Module, Program, ends, imported
from golf.referee.syntax import is_used_first, last_name, rebound, statements, targets

TURNS_MAX = 4
"""Functions or objects that a loop over them is walked for, one by one."""


class Walk(Calls):
    """One run of one script."""

    def __init__(self, program: Program, entry: Module) -> None:
        super().__init__(program.settings)
        self.program = program
        self.modules: dict[str, Env] = {}
        self.rebound: dict[ast.stmt, frozenset[str]] = {}
        """Names that the body of a loop binds."""
        try:
            self.run_entry(entry)
        except (Exhausted, RecursionError):
            self.trace.is_cut_short = True
        finally:
            self.forget()

    def run_entry(self, entry: Module) -> None:
        """Walk the script, and what another program would start of it."""
        env = self.run_module(entry, is_main=True)
        for value in list(env.names.values()):
            node = value.closure.node if value.closure else None
            if isinstance(node, Function) and node not in self.called and value.closure and is_started(node):
                self.call_closure(value.closure, node, [], {}, env)

    def run_module(self, module: Module, is_main: bool = False) -> Env:
        env = self.new_env(module, "")
        self.modules[module.script.name] = env
        for name, node in {**module.functions, **module.classes}.items():
            env.names[name] = Value(closure=Closure(node, env))
        if is_main:
            self.block(module.tree.body, env)
        else:
            self.block(
                [node for node in module.tree.body if isinstance(node, ast.Import | ast.ImportFrom | ast.Assign)], env
            )
        return env

    def block(self, body: Sequence[ast.stmt], env: Env) -> bool:
        """Walk statements in order; True when the block is left before its end."""
        if self.is_too_deep():
            return False
        self.level += 1
        try:
            return any(self.statement(statement, env) for statement in body)
        finally:
            self.level -= 1

    def statement(self, node: ast.stmt, env: Env) -> bool:
        self.step()
        walker = STATEMENTS.get(type(node))
        return bool(walker(self, node, env)) if walker else False

    def expression_statement(self, node: ast.Expr, env: Env) -> None:
        if not isinstance(node.value, ast.Constant):
            self.value(node.value, env)

    def assign(self, node: ast.Assign | ast.AnnAssign, env: Env) -> None:
        if node.value is None:
            return
        value = self.value(node.value, env)
        for target in targets(node):
            self.bind(target, value, env, node.value)

    def aug_assign(self, node: ast.AugAssign, env: Env) -> None:
        value = self.value(node.value, env)
        target = self.value(node.target, env)
        self.add_bank(node, env, value.tags)
        if self.steps_by_hand(target.tags):
            self.update(node, env, target.tags)
        self.mutate(node.target, self.computed(value.tags), env)
        if isinstance(node.target, ast.Name):
            env.sources[node.target.id] = None

    def bind(self, target: ast.expr, value: Value, env: Env, source: ast.expr | None = None) -> None:
        """Give a target its value."""
        if isinstance(target, ast.Name):
            name = target.id
            if BPB.search(name):
                self.report(target, env, value.tags)
            home = env
            if name in env.elsewhere:
                while home.outer is not None and (home is env or name not in home.names):
                    home = home.outer
            if not value.tags and value.closure is None and is_read(source) and (named := split_of_name(name)):
                value = Value(named)
            home.names[name] = value
            home.sources[name] = None if name in home.sources or source is None else (source, env)
        elif isinstance(target, ast.Tuple | ast.List):
            items = value.items if value.items is not None and len(value.items) == len(target.elts) else None
            for index, inner in enumerate(target.elts):
                self.bind(inner, items[index] if items else Value(value.tags), env)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, Value(value.tags), env)
        elif isinstance(target, ast.Attribute):
            self.bind_attribute(target, value, env)
        elif isinstance(target, ast.Subscript):
            chosen = only(self.value(target.slice, env).tags, "loop")
            self.add_bank(target, env, value.tags)
            self.mutate(target.value, self.computed(value.tags) | self.bounds(target.slice) | chosen, env)

    def bind_attribute(self, target: ast.Attribute, value: Value, env: Env) -> None:
        owner = self.value(target.value, env)
        if BPB.search(target.attr):
            self.report(target, env, value.tags)
        if target.attr == "requires_grad" and not keys(owner.tags, "net"):
            self.mutate(target.value, self.new_tensor(target, env, None), env)
            return
        if target.attr == "data":
            if self.steps_by_hand(owner.tags):
                self.update(target, env, owner.tags)
            else:
                self.renew(target, env, keys(owner.tags, "net"), only(value.tags, "adapted"))
            return
        for net in keys(owner.tags, "net"):
            self.attributes[net, target.attr] = value
        self.put_into(owner.tags, self.networks(value.tags))

    def mutate(self, target: ast.expr, tags: Tags, env: Env) -> None:
        """Add tags to what a name or attribute holds."""
        if not tags:
            return
        while isinstance(target, ast.Subscript | ast.Starred):
            target = target.value
        if isinstance(target, ast.Name):
            home: Env | None = env
            while home is not None and target.id not in home.names:
                home = home.outer
            home = home or env
            old = home.names.get(target.id, EMPTY)
            if not tags <= old.tags:
                home.names[target.id] = Value(old.tags | tags, closure=old.closure, instance=old.instance)
                home.mutated.add(target.id)
        elif isinstance(target, ast.Attribute):
            owner = self.value(target.value, env)
            for net in keys(owner.tags, "net"):
                old = self.attributes.get((net, target.attr), EMPTY)
                self.attributes[net, target.attr] = Value(old.tags | tags, closure=old.closure, instance=old.instance)
            if not keys(owner.tags, "net") and target.attr == "data":
                self.mutate(target.value, tags, env)

    def if_statement(self, node: ast.If, env: Env) -> bool:
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
        self.chosen_by = chosen_by | only(tags, "loop")
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
                return [key for key in keys(tags, "loop") if key in self.loops]
        return []

    def merge(self, env: Env, other: dict[str, Value]) -> None:
        for name, value in other.items():
            mine = env.names.get(name)
            if mine is None:
                env.names[name] = value
            elif mine is not value:
                closure = mine.closure or value.closure
                instance = mine.instance if mine.instance is not None else value.instance
                env.names[name] = Value(mine.tags | value.tags, None, mine.fields or value.fields, closure, instance)

    @contextmanager
    def loop(self, node: ast.stmt, env: Env, rounds: int | None = None, is_settled: bool = True) -> Iterator[int]:
        if len(self.trace.loops) >= THINGS_MAX:
            raise Exhausted
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

    def unsettle(self, node: "ast.For | ast.AsyncFor | ast.While", env: Env) -> None:
        """Forget what the names that a loop's body binds stood for before it: `step` is 0 in the first round alone."""
        if node not in self.rebound:
            self.rebound[node] = rebound(node.body, env.module.has_walrus)
        for name in self.rebound[node]:
            if name in env.sources:
                env.sources[name] = None

    def rounds(self, node: "ast.For | ast.AsyncFor | ast.While", env: Env) -> None:
        """Walk a loop's body: once, and again where a name that held training text at the beginning, and is used before
        it is given another value, holds validation text at the end."""
        held = [name for name in self.rebound[node] if name in env.names and env.names[name].tags & BOTH == {TRAIN}]
        self.block(node.body, env)
        changed = [name for name in held if name in env.names and VAL in env.names[name].tags]
        if any(is_used_first(node.body, name) for name in changed):
            self.block(node.body, env)

    def for_loop(self, node: ast.For | ast.AsyncFor, env: Env) -> None:
        over = self.value(node.iter, env)
        times = node.iter.args[0] if is_range(node.iter) else None
        rounds = self.settings.value(times, env.local) if times is not None else None
        rounds = rounds if isinstance(rounds, int) else None
        if rounds is not None and rounds <= 0:
            return
        is_settled = times is None or not self.settings.is_disputed(times)
        self.unsettle(node, env)
        with self.loop(node, env, rounds, is_settled) as index:
            items = over.items
            if items and all(is_callable(item) for item in items):
                for item in items[:TURNS_MAX]:
                    self.bind(node.target, item, env)
                    self.block(node.body, env)
            else:
                tags = over.tags | {Tag("loop", index)}
                self.bind(node.target, self.chosen(node, tags, index, over), env)
                self.rounds(node, env)
        self.block(node.orelse, env)

    def chosen(self, node: ast.For | ast.AsyncFor, tags: Tags, index: int, over: Value) -> Value:
        """What a loop's variable holds: one element, text of its own where the iterable is text."""
        if is_text(tags):
            tags = tags | {Tag("cut", self.cut(("loop", index), ()))}
        items = tuple(Value(item.tags | {Tag("loop", index)}) for item in over.items) if over.items else None
        is_enumerated = isinstance(node.iter, ast.Call) and last_name(node.iter.func) in ("enumerate", "zip")
        if is_enumerated and isinstance(node.target, ast.Tuple) and items and len(items) == len(node.target.elts):
            return Value(tags, items)
        return Value(tags)

    def while_loop(self, node: ast.While, env: Env) -> None:
        if self.truth(node.test, env) is False:
            return
        self.unsettle(node, env)
        self.value(node.test, env)
        with self.loop(node, env):
            self.rounds(node, env)
        self.block(node.orelse, env)

    def with_statement(self, node: ast.With | ast.AsyncWith, env: Env) -> bool:
        for item in node.items:
            value = self.value(item.context_expr, env)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value, env)
        return self.block(node.body, env)

    def try_statement(self, node: ast.Try | ast.TryStar, env: Env) -> bool:
        left = self.block(node.body, env)
        for handler in node.handlers:
            before = dict(env.names)
            self.block(handler.body, env)
            if ends(handler.body):
                env.names = before
        if not left:
            left = self.block(node.orelse, env)
        return self.block(node.finalbody, env) or left

    def match_statement(self, node: ast.Match, env: Env) -> None:
        self.value(node.subject, env)
        for case in node.cases:
            self.block(case.body, env)

    def define(self, node: Function | ast.ClassDef, env: Env) -> None:
        env.names[node.name] = Value(closure=Closure(node, env))
        for statement in statements(node.body, into_scopes=False) if env.outer is not None else ():
            for name in statement.names if isinstance(statement, ast.Nonlocal) else ():
                home: Env | None = env
                while home is not None and home.outer is not None:  # it may be called at any time, and changes it
                    home.sources[name] = None
                    home = home.outer

    def return_statement(self, node: ast.Return, env: Env) -> bool:
        if node.value is not None:
            env.returned.append(self.value(node.value, env))
        return True

    def leave(self, node: ast.stmt, env: Env) -> bool:
        return True

    def declare_elsewhere(self, node: ast.Global | ast.Nonlocal, env: Env) -> None:
        env.elsewhere.update(node.names)

    def delete(self, node: ast.Delete, env: Env) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                env.names.pop(target.id, None)

    def import_statement(self, node: ast.Import | ast.ImportFrom, env: Env) -> None:
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
                    env.names[alias.asname or alias.name.split(".")[0]] = Value(fields=theirs.names)


STATEMENTS: Mapping[type, Callable[[Walk, Any, Env], bool | None]] = {
    ast.Expr: Walk.expression_statement, ast.Assign: Walk.assign, ast.AnnAssign: Walk.assign,
    ast.AugAssign: Walk.aug_assign, ast.If: Walk.if_statement, ast.For: Walk.for_loop, ast.AsyncFor: Walk.for_loop,
    ast.While: Walk.while_loop, ast.With: Walk.with_statement, ast.AsyncWith: Walk.with_statement,
    ast.Try: Walk.try_statement, ast.TryStar: Walk.try_statement, ast.Match: Walk.match_statement,
    ast.FunctionDef: Walk.define, ast.AsyncFunctionDef: Walk.define, ast.ClassDef: Walk.define,
    ast.Return: Walk.return_statement, ast.Raise: Walk.leave, ast.Break: Walk.leave, ast.Continue: Walk.leave,
    ast.Global: Walk.declare_elsewhere, ast.Nonlocal: Walk.declare_elsewhere, ast.Delete: Walk.delete,
    ast.Import: Walk.import_statement, ast.ImportFrom: Walk.import_statement,
}  # fmt: skip
