"""What Python code on a command line (`python -c`, a here-document) writes, starts and names.

Models edit files this way as often as with a patch. Only what the syntax tree says plainly is found: paths
that are spelt out or joined from spelt-out parts, and commands handed to `os.system` or `subprocess`.
"""

import ast
import warnings
from dataclasses import dataclass, field

UNKNOWN = "\ufffd"
"""Stands for a part of a path that only running would tell; it is like no name that is written out."""

_WRITING = {"write_text", "write_bytes", "unlink", "rmdir", "touch", "symlink_to", "hardlink_to", "chmod"}
_SAVING = {"save", "savez", "savetxt", "to_csv", "to_json", "to_parquet", "tofile", "save_file"}
_RENAMING = {"rename", "replace"}
_OF_OS = {"remove", "unlink", "rmdir", "removedirs", "truncate", "chmod", "chown"}
_WHOLE = {"rmtree", "move"}
_COPYING = {"copy", "copy2", "copyfile", "copytree", "copymode", "link", "symlink"}
_STARTING = {"system", "popen", "run", "call", "check_call", "check_output", "Popen", "getoutput", "getstatusoutput"}
_JOINING = {"Path", "PurePath", "PosixPath", "join", "str", "fspath", "resolve", "absolute", "expanduser"}


@dataclass
class Findings:
    """What one piece of code does, as far as it says so."""

    writes: list[str] = field(default_factory=list)
    trees: list[str] = field(default_factory=list)
    """Written with all that is below them."""
    starts: list[str] = field(default_factory=list)
    """Shell lines."""
    lists: list[list[str]] = field(default_factory=list)
    """Commands given word by word."""
    names: list[str] = field(default_factory=list)
    """Every string in it that could be a path."""


def inspect(code: str) -> Findings:
    """Read `code`; what is not Python has no findings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the code's author may read; hooks say nothing
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Findings()
    found = Findings()
    known: dict[str, str] = {}
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            value = _path(node.value, known)
            if value is not None:
                known[node.targets[0].id] = value
        elif isinstance(node, ast.For) and isinstance(node.target, ast.Name):
            value = _path(node.iter, known)
            if value is not None:
                known[node.target.id] = value
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 4096:
            found.names.append(node.value)
        elif isinstance(node, ast.BinOp | ast.Call) and (joined := _path(node, known)) is not None:
            found.names.append(joined)
        if isinstance(node, ast.Call):
            _call(node, known, modules, found)
    return found


def _call(node: ast.Call, known: dict[str, str], modules: dict[str, str], found: Findings) -> None:
    function = node.func
    name = (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
    receiver = function.value if isinstance(function, ast.Attribute) else None
    module = receiver.id if isinstance(receiver, ast.Name) and receiver.id not in known else ""
    module = modules.get(module, module)
    place = None if receiver is None or module else _path(receiver, known)
    given = [_path(argument, known) for argument in node.args]
    paths = [path for path in given if path is not None]
    if name == "open":
        opened, rest = (place, node.args) if place is not None else (given[0] if given else None, node.args[1:])
        modes = [word.value for word in node.keywords if word.arg == "mode"] + rest[:1]
        mode = modes[0].value if modes and isinstance(modes[0], ast.Constant) else ""
        if opened is not None and set(str(mode)) & set("wax+"):
            found.writes.append(opened)
    elif name in _WHOLE:
        found.trees += paths
    elif name in _COPYING and module in ("shutil", "os", ""):
        found.writes += paths[1:]
    elif name in _SAVING:
        found.writes += paths
    elif place is not None and name in _WRITING:
        found.writes.append(place)
    elif name in _RENAMING and (place is not None or module == "os"):
        found.trees += [*([place] if place is not None else []), *paths] if _is_path(receiver) or module == "os" else []
    elif module in ("os", "shutil") and name in _OF_OS:
        found.writes += paths
    elif module == "os" and name in ("kill", "killpg"):
        found.lists.append(["kill", *(ast.unparse(argument) for argument in node.args[:1])])
    elif name in _STARTING and module in ("os", "subprocess", "") and node.args:
        words = node.args[0]
        if isinstance(words, ast.List | ast.Tuple):
            found.lists.append([_path(word, known) or UNKNOWN for word in words.elts])
        elif (line := _path(words, known)) is not None:
            found.starts.append(line)


def _is_path(node: ast.expr | None) -> bool:
    """Whether an expression makes a path object, so that `.replace` moves a file and not letters."""
    while isinstance(node, ast.BinOp | ast.Attribute):
        node = node.left if isinstance(node, ast.BinOp) else node.value
    return isinstance(node, ast.Call)


def _path(node: ast.expr, known: dict[str, str], depth: int = 0) -> str | None:
    """The text an expression stands for, unknown parts as `UNKNOWN`; None when it is all unknown."""
    if depth > 30:
        return None
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.JoinedStr):
        return "".join(_path(part, known, depth + 1) or UNKNOWN for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _path(node.value, known, depth + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Add):
        left, right = _path(node.left, known, depth + 1), _path(node.right, known, depth + 1)
        if left is None and right is None:
            return None
        return f"{left or UNKNOWN}{'/' if isinstance(node.op, ast.Div) else ''}{right or UNKNOWN}"
    if isinstance(node, ast.Call):
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        parts = [_path(argument, known, depth + 1) for argument in node.args]
        if name in ("cwd", "getcwd"):
            return "."
        if name in ("glob", "rglob", "iterdir", "joinpath", "with_name") and isinstance(function, ast.Attribute):
            start = _path(function.value, known, depth + 1)
            named = [part for part in parts if part is not None]
            if start is not None or named:
                return "/".join([start or ".", *(["**"] if name == "rglob" else []), *(named or ["*"])])
        if name in _JOINING:
            if isinstance(function, ast.Attribute) and not parts:
                return _path(function.value, known, depth + 1)
            if any(part is not None for part in parts):
                return "/".join(part or UNKNOWN for part in parts)
    return None
