"""Which versions a repository asks for, and what its launchers set: read from its files, nothing is resolved.

A lock file, or one list in which every version is exact, is enough; ranges beside it are for those who build on it.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from golf.desk.findings import Finding
from golf.desk.repro.placing import at
from golf.desk.repro.program import Program
from golf.referee.reading import printable

LOCKS = (
    "uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pixi.lock", "conda-lock.yml", "pylock.toml",
    "requirements.lock", "requirements-lock.txt",
)  # fmt: skip
LISTS = ("requirements*.txt", "requirements/*.txt", "pyproject.toml", "environment*.yml", "environment*.yaml")
LAUNCHERS = (
    "*.sh",
    "*.slurm",
    "*.sbatch",
    "Makefile",
    "justfile",
    "Dockerfile*",
    "*.yml",
    "*.yaml",
    "*.env",
    ".env",
    "README*",
)
"""Where a command's environment is set; in the repository's top folder, the script's own, and `scripts/`."""
TEXT_BYTES_MAX = 1_000_000
NAMED_MAX = 8
"""Packages that a finding names."""

_EXACT = re.compile(r"===?\s*[^*\s,;]+\s*$")
_COMMIT = re.compile(r"@\s*(?:git\+)?\S+@[0-9a-f]{7,40}\b|git\+\S+@[0-9a-f]{7,40}\b|\.whl\b|#sha256=")
_VARIABLES = re.compile(r"\b(PYTHONHASHSEED|CUBLAS_WORKSPACE_CONFIG)\s*[=:]\s*[\"']?([\w:]+)")


@dataclass(frozen=True)
class Listed:
    """One requirement as a file states it."""

    name: str
    line: int
    quote: str
    is_exact: bool


def unpinned(program: Program, root: Path) -> Iterator[Finding]:
    """A list of packages whose versions are not exact, or none at all, for a script that imports packages."""
    packages = third_party(program, root)
    if not packages:
        return
    script = root / program.name
    places = [folder for folder in script.parents if folder.is_relative_to(root)] or [root]
    for place in places:
        if any((place / name).is_file() for name in LOCKS):
            return
        lists = [path for pattern in LISTS for path in sorted(place.glob(pattern)) if path.is_file()]
        read = [(path, listed) for path in lists if (listed := _read(path))]
        if any(all(one.is_exact for one in listed) for _, listed in read):
            return
        for path, listed in read:
            loose = [one for one in listed if not one.is_exact]
            more = f" and {len(loose) - NAMED_MAX} more" if len(loose) > NAMED_MAX else ""
            yield Finding(
                code="UNPINNED",
                severity="warning",
                file=path.relative_to(root).as_posix(),
                line=loose[0].line,
                quote=printable(loose[0].quote)[:200] or "(empty)",
                text=f"{', '.join(one.name for one in loose[:NAMED_MAX])}{more} may be any version: kernels, defaults "
                "and random streams change between versions",
                fix="exact versions (name==1.2.3), or a lock file: pip freeze, uv lock, conda-lock",
            )
        if read:
            return
    node = packages[0][1]
    names = ", ".join(list(dict.fromkeys(name for name, _ in packages))[:NAMED_MAX])
    yield at(
        program.entry, node, "UNLISTED", "warning",
        f"no file says which versions of {names} it runs with",
        "requirements.txt with exact versions: pip freeze > requirements.txt",
    )  # fmt: skip


def third_party(program: Program, root: Path) -> list[tuple[str, ast.AST]]:
    """Packages that a script imports itself which are neither Python's own nor the repository's."""
    own = {module.script.name.removesuffix(".py").split("/")[-1] for module in program.modules}
    own |= {part for module in program.modules for part in module.script.name.split("/")[:-1]}
    places = [root, root / "src", (root / program.name).parent]
    own |= {path.stem for place in places for path in place.glob("*.py")}  # also what could not be read
    found: list[tuple[str, ast.AST]] = []
    for node in program.entry.script.statements:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in names:
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names and top not in own and not (root / top).exists():
                found.append((top, node))
    return found


def launched_with(program: Program, root: Path) -> dict[str, str]:
    """Values of PYTHONHASHSEED and CUBLAS_WORKSPACE_CONFIG that files beside the script set for it."""
    found: dict[str, str] = {}
    script = root / program.name
    for folder in dict.fromkeys((root, script.parent, root / "scripts")):
        for pattern in LAUNCHERS:
            for path in sorted(folder.glob(pattern))[:100]:
                for match in _VARIABLES.finditer(_text(path)):
                    found.setdefault(match[1], match[2])
    return found


def _text(path: Path) -> str:
    try:
        if not path.is_file() or path.is_symlink() or path.stat().st_size > TEXT_BYTES_MAX:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _read(path: Path) -> list[Listed]:
    text = _text(path)
    if path.suffix == ".txt":
        return list(_requirements(text))
    try:
        if path.suffix == ".toml":
            return list(_pyproject(tomllib.loads(text), text))
        return list(_environment(yaml.safe_load(text), text))
    except (tomllib.TOMLDecodeError, yaml.YAMLError, RecursionError, ValueError):
        return []


def _requirements(text: str) -> Iterator[Listed]:
    lines = text.replace("\\\n", " \x00").splitlines()
    number = 1
    for line in lines:
        stated = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
        if stated and not stated.startswith("-"):
            yield _listed(stated.replace("\x00", " "), number, line.split("\x00")[0])
        number += 1 + line.count("\x00")


def _listed(stated: str, number: int, quote: str) -> Listed:
    name = re.split(r"[\s<>=!~;@\[(]", stated, maxsplit=1)[0][:60]
    version = stated.split(";")[0].split(" --")[0].strip()
    return Listed(name or stated[:60], number, quote.strip(), bool(_EXACT.search(version) or _COMMIT.search(stated)))


def _pyproject(table: dict[str, Any], text: str) -> Iterator[Listed]:
    project = table.get("project")
    stated = project.get("dependencies") if isinstance(project, dict) else None
    for one in stated if isinstance(stated, list) else []:
        if isinstance(one, str):
            yield _listed(one, *_line_of(text, one))
    tool = table.get("tool")
    poetry = tool.get("poetry") if isinstance(tool, dict) else None
    packages = poetry.get("dependencies") if isinstance(poetry, dict) else None
    for name, value in packages.items() if isinstance(packages, dict) else ():
        version = value.get("version", value.get("rev", "")) if isinstance(value, dict) else value
        if name != "python":
            is_exact = bool(re.fullmatch(r"(?:==)?\d[\w.+-]*|[0-9a-f]{7,40}", str(version)))
            yield Listed(str(name), *_line_of(text, str(name)), is_exact)


def _environment(value: Any, text: str) -> Iterator[Listed]:
    stated = value.get("dependencies") if isinstance(value, dict) else None
    for one in stated if isinstance(stated, list) else []:
        for word in [one] if isinstance(one, str) else one.get("pip", []) if isinstance(one, dict) else []:
            if not isinstance(word, str) or word in ("pip",) or word.startswith("-"):
                continue
            number, quote = _line_of(text, word)
            is_pip = not isinstance(one, str)
            is_exact = (
                _listed(word, 0, "").is_exact if is_pip else bool(re.search(r"[^<>!~]=\s*\d[\w.]*(?:=\S+)?$", word))
            )
            yield Listed(re.split(r"[\s<>=!~;@\[(]", word, maxsplit=1)[0][:60], number, quote, is_exact)


def _line_of(text: str, words: str) -> tuple[int, str]:
    for number, line in enumerate(text.splitlines(), 1):
        if words in line:
            return number, line.strip()
    return 1, words
