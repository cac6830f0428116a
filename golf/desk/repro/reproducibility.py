"""Whether a training script would give the same numbers again, by its code: `golf audit --repro` (S72).

Read by AST, with what it imports from its own repository; nothing is run. What the code says is no proof: `--rerun`
runs it (`golf.desk.repro.repetition`).
"""

import os
from collections.abc import Iterator
from pathlib import Path

from golf.desk.findings import SEVERITIES, Finding
from golf.desk.repro import determinism, ordering, randomness, requirements
from golf.desk.repro.program import Program
from golf.desk.repro.repetition import Repetition
from golf.desk.repro.repository import open_repository
from golf.errors import UnreadableInput
from golf.schema import Noun

SCRIPTS_MAX = 300
"""Scripts of one folder that are audited; the rest is named."""


class Reproducibility(Noun):
    """What stands between a script and its own numbers."""

    path: str
    """As it was given."""
    scripts: list[str]
    """What was audited, relative to the repository's root."""
    num_files: int
    """Python files that were read, those the scripts import among them."""
    errors: int
    warnings: int
    findings: list[Finding]
    """Errors first, then by file and line. error: the same command gives other numbers, here or on a machine with the
    same files and versions; warning: it does so under a condition (a GPU, other versions, other workers)."""
    not_read: dict[str, str] = {}
    """Files that a script imports and that could not be read, with the reason."""
    repetition: Repetition | None = None
    """The proof, where it was asked for."""

    @property
    def is_clean(self) -> bool:
        """No error, and no repetition that differed."""
        return not self.errors and (self.repetition is None or self.repetition.verdict == "identical")


def audit(path: Path) -> Reproducibility:
    """Read a script, or every script of a folder.

    Raises:
        NotFound: there is nothing at `path`, or no script in it.
        UnreadableInput: the script is no Python, or the folder has too many files.
    """
    repository, entries = open_repository(path)
    found: dict[tuple[str, str, int], Finding] = {}
    files: set[str] = set()
    scripts: list[str] = []
    for entry in entries[:SCRIPTS_MAX]:
        try:
            program = repository.program(entry)
        except UnreadableInput:
            if len(entries) == 1:
                raise
            continue  # it is in not_read
        scripts.append(program.name)
        files |= {module.script.name for module in program.modules}
        for one in findings(program, repository.root):
            is_said_once = one.code == "UNLISTED"
            found.setdefault((one.code, "" if is_said_once else one.file, 0 if is_said_once else one.line), one)
    ordered = sorted(found.values(), key=lambda one: (SEVERITIES.index(one.severity), one.file, one.line, one.code))
    not_read = dict(sorted(repository.not_read.items()))
    for entry in entries[SCRIPTS_MAX:]:
        not_read[Path(os.path.relpath(entry, repository.root)).as_posix()] = f"only {SCRIPTS_MAX} scripts are audited"
    return Reproducibility(
        path=str(path),
        scripts=scripts,
        num_files=len(files),
        errors=sum(one.severity == "error" for one in ordered),
        warnings=sum(one.severity == "warning" for one in ordered),
        findings=ordered,
        not_read=not_read,
    )


def findings(program: Program, root: Path) -> Iterator[Finding]:
    """Everything that is wrong with one script."""
    environment = requirements.launched_with(program, root)
    yield from randomness.missing_seeds(program)
    yield from randomness.seeds_that_vary(program)
    for check in (
        determinism.flags, determinism.loaders, determinism.precision, ordering.files, ordering.sets, ordering.clocks,
    ):  # fmt: skip
        yield from check(program, environment)
    yield from requirements.unpinned(program, root)
