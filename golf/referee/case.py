"""A submission's folder as the referee reads it: files by strangers, read up to a size, never run or unpickled.

`open_case` reads everything once; each check then looks at the same `Case`.
"""

import ast
import os
import stat
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from golf.rulings import Evidence, Finding, Submission
from golf.schema import TrainingLog

TEXT_BYTES_MAX = 4_000_000
"""Read of one README, JSON, script or shell file; what is beyond is not read, and a finding says so."""


@dataclass(frozen=True)
class TextFile:
    """One text of a submission."""

    name: str
    """Relative to the folder; `train_gpt.py!unpacked` for what a packed script holds."""
    text: str

    def at(self, line: int | None, quote: str | None = None) -> Evidence:
        """Evidence at a line (counted from 1); the quote is that line unless given."""
        if quote is None and line is not None:
            lines = self.lines
            quote = lines[line - 1] if 0 < line <= len(lines) else ""
        shown = " ".join((quote or "").split())[:200]
        return Evidence(file=self.name, line=line, quote=shown or "(empty)")

    def find(self, offset: int, quote: str | None = None) -> Evidence:
        """Evidence at a character offset, e.g. of a regular expression's match."""
        return self.at(self.text.count("\n", 0, offset) + 1, quote)

    @cached_property
    def lines(self) -> list[str]:
        """The text by line."""
        return self.text.splitlines()


@dataclass(frozen=True)
class Script(TextFile):
    """Python source, shipped or unpacked; `tree` is None when it does not parse."""

    packed_in: str | None = None
    """The shipped file it was unpacked from."""

    @cached_property
    def tree(self) -> ast.Module | None:
        """The parsed source; nothing of it is ever executed."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # SyntaxWarnings about other people's escapes
                return ast.parse(self.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


@dataclass
class Case:
    """Everything the referee reads of one submission, and what it has found so far."""

    folder: Path
    files: Mapping[str, int]
    """Every regular file, relative name to bytes."""
    readmes: Sequence[TextFile]
    json: Mapping[str, Any]
    """The parsed submission.json; empty when there is none."""
    json_file: TextFile | None
    scripts: Sequence[Script]
    """Python sources, the training script first; packed ones are followed by what they hold."""
    shells: Sequence[TextFile]
    """Shell scripts and Makefiles."""
    others: Sequence[TextFile]
    """C, C++, CUDA, TOML, YAML, CSV and other JSON."""
    logs: Sequence[TrainingLog]
    submission: Submission
    findings: list[Finding] = field(default_factory=list)
    """About reading it: unreadable files, disagreements between README, JSON and logs."""

    @property
    def has_code(self) -> bool:
        """Whether any Python source could be read."""
        return any(script.text.strip() for script in self.scripts)


def regular_files(folder: Path) -> dict[str, int]:
    """Relative names and sizes of the regular files below `folder`; links and special files are left out."""
    found = {}
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(names):
            path = Path(root) / name
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                found[path.relative_to(folder).as_posix()] = status.st_size
    return found


def open_case(folder: Path) -> Case:
    """Read one submission's folder.

    Raises:
        NotFound: there is no such folder.
    """
    import json

    from golf.measure import logs

    files = regular_files(folder)

    def texts(*endings: str) -> list[TextFile]:
        return [
            TextFile(name, (folder / name).read_text(encoding="utf-8", errors="replace"))
            for name in files
            if name.lower().endswith(endings) and files[name] <= TEXT_BYTES_MAX
        ]

    scripts = [Script(text.name, text.text) for text in texts(".py")]
    scripts.sort(key=lambda script: (script.name != "train_gpt.py", script.name))
    jsons = [text for text in texts(".json") if Path(text.name).name.startswith("submission")]
    try:
        table = json.loads(jsons[0].text) if jsons else {}
    except ValueError:
        table = {}
    return Case(
        folder=folder,
        files=files,
        readmes=texts(".md"),
        json=table if isinstance(table, dict) else {},
        json_file=jsons[0] if jsons else None,
        scripts=scripts,
        shells=texts(".sh", "makefile"),
        others=texts(".c", ".cpp", ".cu", ".toml", ".yaml", ".yml", ".csv"),
        logs=logs.folder_logs(folder),
        submission=Submission(folder=folder.name),
    )
