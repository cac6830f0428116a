"""What is wrong at a line of somebody's code, and what to write there instead."""

import ast
from typing import Literal

from golf.desk.repro.repository import Module
from golf.schema import Noun

Severity = Literal["error", "warning", "note"]


class Finding(Noun):
    """One defect, with the line it stands on."""

    code: str
    """Its kind, e.g. `SEED_NUMPY`."""
    severity: Severity
    """error: the same command gives other numbers, here or on a machine with the same files and versions. warning: it
    does so under a condition (a GPU, other versions, another number of workers). note: good to know."""
    file: str
    """Relative to the repository's root."""
    line: int
    """Counted from 1."""
    quote: str
    """The line itself."""
    text: str
    """What is wrong, in a sentence."""
    fix: str
    """What to write instead."""


def at(module: Module, node: ast.AST, code: str, severity: Severity, text: str, fix: str) -> Finding:
    """A finding at a node of a module."""
    line = getattr(node, "lineno", 1)
    quote = module.script.at(line).quote
    return Finding(
        code=code, severity=severity, file=module.script.name, line=line, quote=quote, text=text, fix=fix
    )  # fmt: skip
