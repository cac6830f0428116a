"""Whether a part of a script ran, by what it prints.

Settings say what a script would do; a log that holds the words a function prints shows that it did, whatever default or
command says otherwise, and a log without any of them that it hardly did.
"""

import ast
import re
from collections.abc import Iterator

from golf.referee import logged
from golf.referee.case import Case
from golf.referee.program import Function, Module
from golf.referee.syntax import last_name
from golf.schema import TrainingLog

_PRINTS = re.compile(r"print|log|info|write|emit", re.IGNORECASE)
_DENIES = re.compile(r"skip|disabl|\boff\b|fail|unavailable|missing|not found", re.IGNORECASE)
_WORDS_MIN = 6
"""Characters of a message that tell it from others."""


def ran(case: Case, module: Module, line: int, topic: re.Pattern[str]) -> bool | None:
    """Whether the function around a line ran, by its messages about a topic and those of its callers.

    None when there are no such messages, or no log, or when only the log of another run than the submitted holds them.
    """
    around = list(_around(module, line))
    around += _callers(module, {function.name for function in around})
    messages = {
        message
        for function in around
        for message in _messages(function)
        if topic.search(message) and not _DENIES.search(message)
    }
    shown = {log.path: _shows(case, log, messages) for log in case.logs}
    if not messages or set(shown.values()) <= {None}:
        return None
    if any(shown[log.path] for log in logged.submitted(case)):
        return True
    return None if True in shown.values() else False


def _shows(case: Case, log: TrainingLog, messages: set[str]) -> bool | None:
    """Whether a log holds any of these messages; None for one without lines of its own."""
    text = "\n".join(words for _, words in logged.lines(case, log))
    return any(message in text for message in messages) if text else None


def _around(module: Module, line: int) -> Iterator[Function]:
    """The functions that a line is in."""
    for nodes in module.definitions.values():
        for node in nodes:
            if isinstance(node, Function) and node.lineno <= line <= (node.end_lineno or node.lineno):
                yield node


def _callers(module: Module, names: set[str]) -> list[Function]:
    """Functions that name any of these."""
    lines = [number for number, mentioned in module.identifiers.items() if names & mentioned]
    found = {node.lineno: node for line in lines for node in _around(module, line) if node.name not in names}
    return list(found.values())


def _messages(function: Function) -> Iterator[str]:
    """How the messages begin that a function prints, as far as they are spelled out."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or not node.args or not _PRINTS.search(last_name(node.func)):
            continue
        first = node.args[0]
        if isinstance(first, ast.JoinedStr) and first.values:
            first = first.values[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            message = first.value.strip()
            if len(message) >= _WORDS_MIN and "\n" not in message:
                yield message
