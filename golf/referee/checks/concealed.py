"""Code that runs from where the referee cannot read it: another kind of file, a library, a text made as it runs.

What cannot be read is nothing to be clear of. So for every call that runs what it is given, whatever leads to its
arguments is followed through the script's assignments: there must be a script of the submission among the names in it,
or code that was unpacked, and no shipped file of another kind. Of 139 submissions looked at, none needs more.
"""

import ast
import bisect
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath

from golf.referee import unpack
from golf.referee.case import SHELLS, Case
from golf.referee.program import Module, program_of
from golf.referee.rulebook import finding
from golf.referee.syntax import last_name, name_of, targets
from golf.rulings import Evidence, Finding

HOPS_MAX = 6
"""Assignments followed from an argument back, the argument itself being the first."""

NODES_MAX = 20_000
"""Nodes looked at for one call."""

SOURCES = (".py", ".ipynb", ".c", ".h", ".cc", ".cpp", ".hpp", ".cu", ".cuh", ".rs", *SHELLS)
"""Endings of what is read as code."""

_WORDS = (
    "exec", "eval", "builtins", "marshal", "runpy", "ctypes", "dlopen", "load_library", "__import__", "spec_from_",
    "FileLoader", "import_module", "weights_only", "allow_pickle", "pickle", "joblib", "jit.load", "os.system",
    "os.popen", "subprocess", "zipimport", "compile",
)  # fmt: skip
"""One of these is on every line of a call that is looked for."""

_SUSPECT = re.compile(
    r"\bexec\b|\beval\b|__builtins__|\bbuiltins\b|\bmarshal\b|\brunpy\b|\bctypes\b|dlopen|load_library|__import__"
    r"|spec_from_|FileLoader|\bimport_module|weights_only\s*=\s*False|allow_pickle\s*=\s*True|pickle|joblib|jit\.load"
    r"|\bos\.(?:system|popen|exec\w*)|\bsubprocess\b|zipimport|\bcompile\b"
)
"""What makes such a line one to look at."""

_RUNS_TEXT = re.compile(
    r"^(?:builtins\.|__builtins__\.)?(?:exec|eval)$|^runpy\.run_|^marshal\.loads?$|(?:^|\.)spec_from_file_location$"
    r"|(?:^|\.)Source(?:less)?FileLoader$|(?:^|\.)zipimporter$|^(?:types\.)?(?:FunctionType|CodeType)$"
)
"""Calls that run their argument as Python: it has to be found."""

_RUNS_FILE = re.compile(
    r"(?:^|\.)(?:CDLL|PyDLL|WinDLL|LoadLibrary|dlopen|load_library)$|(?:^|\.)(?:c?pickle|dill|joblib|cloudpickle)\.loads?$"
    r"|^torch\.jit\.load$"
)
"""Calls that run what is in a file: a shipped one must be source."""

_STARTS = re.compile(r"^os\.(?:system|popen|exec\w+|spawn\w+)$|^subprocess\.\w+$")
"""Calls that start a program: only a file that stands in the call is taken for one that it runs."""

_UNPICKLES = {
    "torch.load": ("weights_only", False),
    "np.load": ("allow_pickle", True),
    "numpy.load": ("allow_pickle", True),
}
_COMMAND = re.compile(r"\b(?:torchrun|python[\d.]*|accelerate launch|deepspeed)\s+([^\n;&|>]{1,500})")

_OPTION = re.compile(r"-|\d+$|.*\.(?:ya?ml|json|toml)$")
"""A word between a launcher and the script it starts."""


def findings(case: Case) -> list[Finding]:
    """UNREADABLE: at most one finding per script or command."""
    return [*_calls(case), *_commands(case)]


def _calls(case: Case) -> Iterator[Finding]:
    if not case.has_code:
        return
    scripts = {PurePosixPath(script.packed_in or script.name.split("!")[0]).name for script in case.scripts}
    program = program_of(case)
    for module in program.modules.values():
        lines = module.script.lines
        suspects = [number for number in module.script.lines_with(*_WORDS) if _SUSPECT.search(lines[number - 1])]
        if not suspects:
            continue
        reader = _Reader(module, suspects, case, scripts)
        problems = sorted(reader.problems(), key=lambda one: not program.reaches(module.script.name, one[0]))
        for line, problem in problems[:1]:  # those that run come first
            yield finding(
                "UNREADABLE",
                f"{module.script.name} {problem} (line {line})",
                module.script.at(line),
                confidence=0.8,
                severity="flag" if program.reaches(module.script.name, line) else "note",
            )


class _Reader:
    """Follows what a script runs back to where it is written."""

    def __init__(self, module: Module, suspects: Sequence[int], case: Case, scripts: set[str]) -> None:
        self._module = module
        self._lines = suspects
        self._scripts = scripts
        self._others = {
            name
            for path in case.files
            if not (name := PurePosixPath(path).name).lower().endswith(SOURCES) and name not in scripts
        }
        name = module.script.name
        self._unpacked = any(other.name.startswith(f"{name}!unpacked") for other in case.scripts)

    def problems(self) -> Iterator[tuple[int, str]]:
        """Lines that run what is not found, in order, each with what they do."""
        nodes = list(_on(self._lines, self._module.tree))
        called: set[ast.AST] = set()
        found: list[tuple[int, str]] = []
        for node in nodes:
            if isinstance(node, ast.Call):
                called.add(node.func)
                if problem := self._problem(node):
                    found.append((node.lineno, problem))
        for node in nodes:
            if isinstance(node, ast.Name) and node.id in ("exec", "__builtins__") and node not in called:
                found.append((node.lineno, f"reaches for {node.id} without calling it"))
        yield from sorted(found)

    def _problem(self, call: ast.Call) -> str | None:
        name = name_of(call.func)
        if name == "getattr" and call.args and name_of(call.args[0]) in ("builtins", "__builtins__"):
            return "takes a name out of builtins"
        if name == "eval" and len(call.args) == 1 and isinstance(call.args[0], ast.Constant):
            return None
        runs_text = _RUNS_TEXT.search(name) is not None
        starts = _STARTS.search(name) is not None
        if not (runs_text or starts or _RUNS_FILE.search(name) or _unpickles(name, call)):
            return None
        texts = self._texts(call, 1 if starts else HOPS_MAX)
        if concealed := sorted(other for other in self._others if any(_names(text, other) for text in texts)):
            return f"runs what is in {concealed[0]}, which is no source"
        if not runs_text or any(_names(text, script) for text in texts for script in self._scripts):
            return None
        if self._unpacked and (
            name == "runpy.run_path" or any(len(text) >= unpack.PAYLOAD_CHARS_MIN for text in texts)
        ):
            return None  # a path to run is that of the file it was written to
        return f"calls {name} on what was not found"

    def _texts(self, call: ast.Call, hops: int) -> list[str]:
        """The strings that lead to a call's arguments, through the assignments to the names in them."""
        waiting: list[ast.AST] = [*call.args, *(keyword.value for keyword in call.keywords)]
        texts: list[str] = []
        seen: set[str] = set()
        looked = 0
        for hop in range(1, hops + 1):
            names: set[str] = set()
            for root in waiting:
                for node in ast.walk(root):
                    looked += 1
                    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
                        texts.append(node.value if isinstance(node.value, str) else node.value.decode("latin-1"))
                    elif isinstance(node, ast.Name | ast.Attribute):
                        names.add(last_name(node))
                    if looked > NODES_MAX:
                        return texts
            if hop == hops:
                break
            waiting = [value for name in names - seen for value in self._assigned.get(name, ())]
            seen |= names
            if not waiting:
                break
        return texts

    @cached_property
    def _assigned(self) -> Mapping[str, list[ast.AST]]:
        """Name → what it is assigned, opened as, looped over or, for a function, returns."""
        found: dict[str, list[ast.AST]] = {}
        script = self._module.script
        within = (
            node
            for node in _on(script.lines_with(" for ", ":="), self._module.tree)
            if isinstance(node, ast.comprehension | ast.NamedExpr)
        )
        for node in (*script.statements, *within):
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, []).extend(node.body)
            for target, value in _given(node):
                for part in (target,) if isinstance(target, ast.Name) else ast.walk(target):
                    if isinstance(part, ast.Name | ast.Attribute):
                        found.setdefault(last_name(part), []).append(value)
        return found


def _given(node: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """Targets in a statement or expression, each with what it is given."""
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return [(target, node.value) for target in targets(node) if node.value is not None]
    if isinstance(node, ast.NamedExpr):
        return [(node.target, node.value)]
    if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        return [(node.target, node.iter)]
    if isinstance(node, ast.With | ast.AsyncWith):
        return [(item.optional_vars, item.context_expr) for item in node.items if item.optional_vars]
    return []


def _on(lines: Sequence[int], tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that stand on one of these lines or around it, `lines` in order."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        first = getattr(node, "lineno", None)
        if first is not None:
            at = bisect.bisect_left(lines, first)
            if at == len(lines) or lines[at] > (getattr(node, "end_lineno", None) or first):
                continue
        yield node
        waiting.extend(ast.iter_child_nodes(node))


def _unpickles(name: str, call: ast.Call) -> bool:
    """Whether a call that loads data also runs what is in it."""
    keyword, dangerous = _UNPICKLES.get(name, (None, None))
    return keyword is not None and any(
        given.arg == keyword and isinstance(given.value, ast.Constant) and given.value.value is dangerous
        for given in call.keywords
    )


def _names(text: str, file: str) -> bool:
    """Whether a text of a script names a file; a long one is a payload or a page, and no path."""
    return len(text) < unpack.PAYLOAD_CHARS_MIN and file in text


def _commands(case: Case) -> Iterator[Finding]:
    """Commands that start a shipped file which is no script."""
    kinds = {PurePosixPath(path).name: path.lower().endswith(SOURCES) for path in case.files}
    for text in (*case.shells, *case.readmes[:1]):
        for match in _COMMAND.finditer(text.text):
            started = next((word for word in match[1].split() if not _OPTION.match(word)), "").strip("\"'`")
            if kinds.get(PurePosixPath(started).name) is False:
                where: Evidence = text.find(match.start())
                yield finding("UNREADABLE", f"{text.name} starts {started}, which is no script", where, confidence=0.8)
                break
