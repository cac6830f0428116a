"""A finding at a place in code that was read."""

import ast

from golf.desk.findings import Finding, Severity
from golf.desk.repro.program import Module


def at(module: Module, node: ast.AST, code: str, severity: Severity, text: str, fix: str) -> Finding:
    """A finding at a node of a module."""
    line = getattr(node, "lineno", 1)
    quote = module.script.at(line).quote
    return Finding(
        code=code, severity=severity, file=module.script.name, line=line, quote=quote, text=text, fix=fix
    )  # fmt: skip
