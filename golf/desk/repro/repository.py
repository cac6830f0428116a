"""Somebody's repository: its Python files, and which a script imports. Read by AST; nothing is imported or run."""

import ast
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from golf.desk.repro.program import Module, Program
from golf.errors import NotFound, UnreadableInput
from golf.referee import source
from golf.referee.program import is_main_guard
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
        if path.exists() and not path.is_file():
            self.not_read[name] = "it is no regular file"  # a pipe has no end
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
