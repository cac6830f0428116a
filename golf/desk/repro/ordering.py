"""Order that is nobody's decision: of files in a folder, of sets, of what finishes first, of the clock.

A listing that is sorted, counted, put into a set or only deleted from is no finding; nor is a set of numbers, whose
order is always the same.
"""

import ast
import re
from collections.abc import Iterator

from golf.desk.findings import Finding
from golf.desk.repro.placing import at
from golf.desk.repro.program import Module, Program
from golf.referee.program import Function
from golf.referee.syntax import last_name, name_of, statements, targets

_LISTINGS = frozenset(("os.listdir", "os.scandir", "os.walk", "glob.glob", "glob.iglob"))
_PATH_LISTINGS = frozenset(("glob", "rglob", "iterdir"))
_SETTLES = frozenset(
    ("sorted", "natsorted", "len", "set", "frozenset", "any", "all", "sum", "min", "max", "Counter", "isinstance",
     "bool", "sort", "unique", "print")
)  # fmt: skip
"""Calls of which the order of what they are given does not come out."""
_PASSES = frozenset(
    ("list", "tuple", "iter", "filter", "map", "enumerate", "zip", "reversed", "str", "chain", "from_iterable", "tqdm",
     "array", "asarray", "tensor", "join", "dict", "fromkeys", "Path", "next", "choice", "sample")
)  # fmt: skip
VALUES_MAX = 50
"""Assignments and uses of one name that are followed."""
_HARMLESS = frozenset(
    ("unlink", "remove", "rmtree", "rmdir", "print", "touch", "mkdir", "chmod", "copy", "copy2", "copyfile", "move",
     "rename", "info", "debug", "warning", "add", "discard", "update", "symlink_to", "close", "log")
)  # fmt: skip
_NUMBERS = frozenset(("int", "len", "ord", "numel", "dim", "size", "index", "count"))
"""Calls that give a number, of which the hash is always the same."""
_CLOCKS = re.compile(r"time\.(?:time|perf_counter|monotonic|process_time)(?:_ns)?|.*\.elapsed_time")
_ENDS = re.compile(r"stop|done|finish|last|break|end_|reached|cap", re.IGNORECASE)


def files(program: Program, environment: dict[str, str]) -> Iterator[Finding]:
    """Folders that are listed in the file system's order."""
    del environment
    for call in program.calls:
        is_listing = call.name in _LISTINGS or (
            call.last in _PATH_LISTINGS and isinstance(call.node.func, ast.Attribute)
        )
        if not is_listing or (call.last in _PATH_LISTINGS and call.name.startswith(("torch.", "numpy."))):
            continue
        if not _is_settled(program, call.place.module, call.node):
            yield at(
                call.place.module, call.node, "FILE_ORDER", "error",
                f"{call.last} gives files in the file system's order, which is another one on another disk or copy",
                "sorted(...) around the listing",
            )  # fmt: skip


def sets(program: Program, environment: dict[str, str]) -> Iterator[Finding]:
    """Sets whose order comes out, and `hash`: for text both differ between processes unless PYTHONHASHSEED is set."""
    if environment.get("PYTHONHASHSEED", "random") != "random":
        return
    inside = _sets_hash_seed(program)
    hint = f" ({inside} sets PYTHONHASHSEED too late: it is read when Python starts)" if inside else ""
    for place in program.places:
        for node in place.own:
            if not isinstance(node, ast.expr):
                continue
            module = place.module
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hash":
                scope = module.scope(node)
                if "hash" not in program.definitions and not (isinstance(scope, Function) and scope.name == "__hash__"):
                    yield at(
                        module, node, "HASH_ORDER", "error",
                        f"hash() of text is another number in every process{hint}",
                        "hashlib.sha256(text.encode()), or start with PYTHONHASHSEED=0 in the environment",
                    )  # fmt: skip
                continue
            if _is_set(module, node) and (leak := _leak(module, node)) and not _is_settled(program, module, leak):
                yield at(
                    module, node, "SET_ORDER", "error",
                    f"the order of a set comes out here, and for text it is another one in every process{hint}",
                    "sorted(...) around it, or dict.fromkeys(...) for the order of arrival; else PYTHONHASHSEED=0",
                )  # fmt: skip
    for call in program.calls:
        key = call.keyword("key")
        if call.last in ("sorted", "sort", "min", "max") and isinstance(key, ast.Name) and key.id in ("id", "hash"):
            yield at(
                call.place.module, call.node, "HASH_ORDER", "error",
                f"sorted by {key.id}(), which is another number in every process{hint}",
                "sort by a name or a number of its own",
            )  # fmt: skip


def clocks(program: Program, environment: dict[str, str]) -> Iterator[Finding]:
    """Results taken in the order in which they are ready, and loops that the clock ends."""
    del environment
    for call in program.calls:
        if call.last in ("imap_unordered", "as_completed"):
            yield at(
                call.place.module, call.node, "TIME_ORDER", "warning",
                f"{call.last} gives what is ready first: the order depends on timing",
                "map or imap, which keep the order; or sort what came",
            )  # fmt: skip
    tainted: dict[tuple[str, int], set[str]] = {}
    for place in program.places:
        statement = place.statement
        if not isinstance(statement, ast.If | ast.While):
            continue
        scope = place.module.scope(statement)
        key = (place.module.script.name, id(scope))
        if key not in tainted:
            tainted[key] = _timed(place.module, scope)
        if not any(
            (isinstance(part, ast.Name) and part.id in tainted[key])
            or (isinstance(part, ast.Call) and _CLOCKS.fullmatch(place.module.name(part.func)))
            for part in ast.walk(statement.test)
        ):
            continue
        if isinstance(statement, ast.While) or _ends_loop(place.module, statement):
            yield at(
                place.module, statement, "CLOCK_ENDS", "warning",
                "the clock decides how many steps are made: a slower or busier machine makes fewer",
                "end after a fixed number of steps, and log how many there were",
            )  # fmt: skip


def _ends_loop(module: Module, statement: ast.If) -> bool:
    node: ast.AST = statement
    while not isinstance(node, ast.For | ast.While):
        if node is module.tree or isinstance(node, Function):
            return False
        node = module.parents[node]
    for inner in statements(statement.body, into_scopes=False):
        if isinstance(inner, ast.Break):
            return True
        if isinstance(inner, ast.Assign) and any(
            isinstance(target, ast.Name) and _ENDS.search(target.id) for target in targets(inner)
        ):
            return True
    return False


def _timed(module: Module, scope: ast.AST) -> set[str]:
    """Names in a scope that hold a time that went by."""
    found: set[str] = set()
    body = scope.body if isinstance(scope, Function | ast.Module) else []
    assigned = [
        (one, value)
        for one in statements(body, into_scopes=False)
        if targets(one) and isinstance(value := getattr(one, "value", None), ast.AST)
    ]
    for _ in range(4):  # names of names
        before = len(found)
        for statement, value in assigned:
            parts = list(ast.walk(value))
            is_timed = any(
                (isinstance(part, ast.Call) and _CLOCKS.fullmatch(module.name(part.func)))
                or (isinstance(part, ast.Name) and part.id in found)
                for part in parts
            )
            if is_timed:
                found |= {target.id for target in targets(statement) if isinstance(target, ast.Name)}
        if len(found) == before:
            break
    return found


def _sets_hash_seed(program: Program) -> str | None:
    for place in program.places:
        for target in targets(place.statement):
            key = target.slice if isinstance(target, ast.Subscript) else None
            if isinstance(key, ast.Constant) and key.value == "PYTHONHASHSEED":
                return f"{place.module.script.name}:{place.statement.lineno}"
    return None


def _is_set(module: Module, node: ast.AST, hops: int = 2) -> bool:
    """Whether an expression is a set whose elements may be text."""
    if isinstance(node, ast.Set):
        return not all(isinstance(one, ast.Constant) and isinstance(one.value, int | float) for one in node.elts)
    if isinstance(node, ast.SetComp):
        return not (isinstance(node.elt, ast.Call) and last_name(node.elt.func) in _NUMBERS)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("set", "frozenset"):
        inner = node.args[0] if node.args else None
        if isinstance(inner, ast.Call) and name_of(inner.func) == "range":
            return False
        if isinstance(inner, ast.Call) and name_of(inner.func) == "map" and inner.args:
            return last_name(inner.args[0]) not in _NUMBERS
        if isinstance(inner, ast.GeneratorExp | ast.ListComp) and isinstance(inner.elt, ast.Call):
            return last_name(inner.elt.func) not in _NUMBERS
        if isinstance(inner, ast.List | ast.Tuple):
            return not all(isinstance(one, ast.Constant) and isinstance(one.value, int | float) for one in inner.elts)
        return inner is not None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
        return hops > 0 and (_is_set(module, node.left, hops - 1) or _is_set(module, node.right, hops - 1))
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and hops > 0:
        values = module.values(node, node.id)[:VALUES_MAX]
        return bool(values) and all(_is_set(module, value, hops - 1) for value in values)
    return False


def _leak(module: Module, node: ast.expr) -> ast.AST | None:
    """What takes a set's elements in their order: a loop, a comprehension or a call; None where nothing does."""
    parent = module.parents.get(node)
    if isinstance(parent, ast.For | ast.AsyncFor) and parent.iter is node:
        return node
    if isinstance(parent, ast.comprehension) and parent.iter is node:
        return node
    if isinstance(parent, ast.Starred):
        return node
    if isinstance(parent, ast.Call) and node in parent.args:
        return node if last_name(parent.func) in _PASSES else None
    if isinstance(parent, ast.Attribute) and parent.attr == "pop":
        call = module.parents.get(parent)
        return call if isinstance(call, ast.Call) and not call.args else None
    return None


def _is_settled(program: Program, module: Module, node: ast.AST, hops: int = 2) -> bool:
    """Whether the order in which an expression gives its elements does not reach any result, as far as is seen."""
    below, above = node, module.parents.get(node)
    is_numbered = False
    while above is not None:
        if isinstance(above, ast.Call) and below is not above.func:
            name = last_name(above.func)
            is_numbered = is_numbered or name in ("enumerate", "zip")
            if name in _SETTLES:
                return True
            if name not in _PASSES and not (isinstance(above.func, ast.Name) and above.func.id in _PASSES):
                return _is_bare(above, module)
        elif _is_question(above, below) or isinstance(above, ast.SetComp):
            return True
        elif isinstance(above, ast.DictComp):
            return not is_numbered and _is_settled(program, module, above, hops)
        elif isinstance(above, ast.For | ast.AsyncFor):
            return above.iter is below and _is_harmless(module, above)
        elif isinstance(above, ast.Return):
            return hops > 0 and _callers_settle(program, module, above, hops)
        elif isinstance(above, ast.Assign | ast.AnnAssign | ast.AugAssign):
            return all(_is_sorted_later(program, module, target, above, hops) for target in targets(above))
        elif isinstance(above, ast.stmt):
            return isinstance(above, ast.Expr) and isinstance(below, ast.Call) and last_name(below.func) in _HARMLESS
        below, above = above, module.parents.get(above)
    return False


def _is_question(above: ast.AST, below: ast.AST) -> bool:
    """Whether only yes or no comes out: a comparison, a condition, or a method such as `.sort()`."""
    return (
        isinstance(above, ast.Compare)
        or (isinstance(above, ast.UnaryOp) and isinstance(above.op, ast.Not))
        or (isinstance(above, ast.If | ast.While | ast.Assert) and above.test is below)
        or (isinstance(above, ast.Call) and isinstance(below, ast.Attribute) and below.attr in _SETTLES)
    )


def _is_bare(call: ast.Call, module: Module) -> bool:
    """A call for its effect alone that keeps no order, e.g. `names.update(os.listdir(folder))`."""
    return isinstance(module.parents.get(call), ast.Expr) and last_name(call.func) in _HARMLESS


def _callers_settle(program: Program, module: Module, node: ast.AST, hops: int) -> bool:
    scope = module.scope(node)
    if not isinstance(scope, Function):
        return False
    calls = program.calls_of.get(scope.name, [])[:VALUES_MAX]
    return bool(calls) and all(_is_settled(program, call.place.module, call.node, hops - 1) for call in calls)


def _is_sorted_later(program: Program, module: Module, target: ast.expr, statement: ast.stmt, hops: int) -> bool:
    """Whether a name is sorted, or only counted, wherever it is used after an assignment."""
    is_local = isinstance(target, ast.Name)
    scope = module.scope(statement)
    uses = [
        node
        for node in module.loads.get(name_of(target), [])
        if node.lineno >= statement.lineno and (not is_local or scope is module.tree or module.scope(node) is scope)
    ][:VALUES_MAX]
    if any(isinstance(parent := module.parents.get(use), ast.Attribute) and parent.attr == "sort" for use in uses):
        return True
    if not uses or hops <= 0:
        return False
    return all(
        use in module.parents and (_is_settled(program, module, use, hops - 1) or _is_len(module, use)) for use in uses
    )


def _is_len(module: Module, node: ast.AST) -> bool:
    parent = module.parents.get(node)
    return isinstance(parent, ast.Call) and last_name(parent.func) in _SETTLES


def _is_harmless(module: Module, loop: ast.For | ast.AsyncFor) -> bool:
    """Whether a loop's effects do not depend on its order: it deletes, prints, counts, or fills what is sorted."""
    body = list(statements(loop.body, into_scopes=False))
    if any(
        isinstance(node, ast.Call) and last_name(node.func) in ("sort", "sorted", "natsorted")
        for one in body
        for node in ast.walk(one)
    ):
        return True
    for statement in body:
        if isinstance(
            statement,
            ast.If | ast.Continue | ast.Pass | ast.Raise | ast.Assert | ast.For | ast.With | ast.Try | ast.Delete,
        ):
            continue
        if isinstance(statement, ast.AugAssign) and isinstance(statement.value, ast.Constant):
            continue
        if isinstance(statement, ast.Return) and (statement.value is None or isinstance(statement.value, ast.Constant)):
            continue
        if isinstance(statement, ast.Assign) and all(isinstance(target, ast.Name) for target in statement.targets):
            continue  # a value of this round
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            name = last_name(statement.value.func)
            if name in _HARMLESS:
                continue
            if name in ("append", "extend") and isinstance(statement.value.func, ast.Attribute):
                kept = name_of(statement.value.func.value)
                if _sorted_after(module, loop, kept):
                    continue
        return False
    return True


def _sorted_after(module: Module, loop: ast.AST, name: str) -> bool:
    """Whether a list is sorted somewhere in the function around a loop."""
    for node in module.loads.get(name, []):
        parent = module.parents[node]
        if isinstance(parent, ast.Attribute) and parent.attr == "sort":
            return True
        if isinstance(parent, ast.Call) and node in parent.args and last_name(parent.func) in _SETTLES:
            return True
    return False
