"""Whether a part of a script ran, and made the score, by what it prints.

Settings say what a script would do; a log that holds the words a function prints shows that it did, whatever default or
command says otherwise, and a log without any of them that it hardly did.
"""

import ast
import re
from collections.abc import Iterator
from typing import Literal

from golf.referee import logged
from golf.referee.case import Case
from golf.referee.claimed import claimed_bpb
from golf.referee.program import Function, Module
from golf.referee.syntax import last_name
from golf.schema import TrainingLog

Account = Literal["ran", "denied", "silent", "unknown"]
"""ran: its messages are there; denied: they are, and say that it is off; silent: they are not; unknown: there are no
such messages, or no logs, or only the log of another run than the submitted has them."""

SEED_BPB = 0.0005
"""A logged score this near to the same log's is the same, differently rounded."""
SAME_BPB = 0.003
"""The last of a log's scores this near to the claimed mean is of one of its seeds."""

_PRINTS = re.compile(r"print|log|info|write|emit", re.IGNORECASE)
_DENIES = re.compile(r"skip|disabl|\boff\b|fail|unavailable|missing|not found", re.IGNORECASE)
_OFF = re.compile(r"\s*(?:False|None|off|no|0)(?![\w.])")
_WORDS_MIN = 6
"""Characters of a message that tell it from others."""
_BPB = re.compile(r"(?:bpb|bits per byte)\W{0,3}(\d\.\d{3,10})", re.IGNORECASE)


def account(case: Case, module: Module, line: int, topic: re.Pattern[str]) -> Account:
    """What the logs tell of the function around a line, by its messages about a topic and those of its callers."""
    around = list(_around(module, line))
    around += _callers(module, {function.name for function in around})
    messages = {
        message
        for function in around
        for message in _messages(function)
        if topic.search(message) and not _DENIES.search(message)
    }
    told = {log.path: _told(case, log, messages) for log in case.logs}
    if not messages or set(told.values()) <= {"unknown"}:
        return "unknown"
    submitted = {told[log.path] for log in logged.submitted(case)}
    if "ran" in submitted:
        return "ran"
    if "denied" in submitted:
        return "denied"
    return "unknown" if "ran" in told.values() else "silent"


def _told(case: Case, log: TrainingLog, messages: set[str]) -> Account:
    """What one log tells."""
    text = "\n".join(words for _, words in logged.lines(case, log))
    if not text:
        return "unknown"
    ends = [found.end() for message in messages for found in re.finditer(re.escape(message), text)]
    if not ends:
        return "silent"
    return "denied" if all(_OFF.match(text, end) for end in ends) else "ran"


def makes_the_score(case: Case, topic: re.Pattern[str]) -> bool:
    """Whether the claimed score is the last that a log states about a topic.

    Where no other line states it either, a score of the same log's seed will do. True as well where nothing tells that
    it is not: no claim, or no score about the topic.
    """
    claim = claimed_bpb(case)
    stated = {log.path: _scores(case, log, topic) for log in case.logs}
    if claim is None or not any(about for about, _ in stated.values()):
        return True
    if any(about and abs(about[-1] - claim[0]) < SAME_BPB for about, _ in stated.values()):
        return True
    if any(abs(score - claim[0]) < SAME_BPB for _, others in stated.values() for score in others):
        return False
    of_seed = {seed.log: seed.val_bpb for seed in case.submission.seeds}
    return any(
        abs(score - seed) < SEED_BPB
        for log in case.logs
        if (seed := of_seed.get(logged.name_of(case, log))) is not None
        for score in stated[log.path][0]
    )


def _scores(case: Case, log: TrainingLog, topic: re.Pattern[str]) -> tuple[list[float], list[float]]:
    """Scores on the lines about a topic, and on all others."""
    about: list[float] = []
    others: list[float] = []
    for _, line in logged.lines(case, log):
        if "b" in line and (found := _BPB.findall(line)):
            (about if topic.search(line) else others).extend(map(float, found))
    return about, others


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
