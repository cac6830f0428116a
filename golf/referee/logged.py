"""What a submission's logs say, with the line to quote: the log's own lines, never the source it embeds."""

import re
from collections.abc import Iterator, Sequence

from golf.referee.case import Case
from golf.rulings import Evidence
from golf.schema import TrainingLog

_STOPPED = re.compile(r"stopping_early\b|peak memory allocated", re.IGNORECASE)
"""Printed when training is over."""


def submitted(case: Case) -> Sequence[TrainingLog]:
    """The logs the score stands on; all of them where the submission does not tell which those are."""
    names = {name for seed in case.submission.seeds for name in (seed.log, *seed.also)}
    return [log for log in case.logs if name_of(case, log) in names] or case.logs


def name_of(case: Case, log: TrainingLog) -> str:
    """A log's name, relative to the submission's folder."""
    text = case.log_texts.get(log.path)
    return text.name if text else log.path


def lines(case: Case, log: TrainingLog) -> Sequence[tuple[int, str]]:
    """A log's own lines with their numbers."""
    text = case.log_texts.get(log.path)
    return text.own_lines if text else ()


def telling(case: Case, log: TrainingLog) -> list[tuple[int, str]]:
    """A log's own lines without training's steps, which are most of them and tell nothing else."""
    return [one for one in lines(case, log) if not ("train_loss" in one[1] and one[1].startswith("step"))]


def after_training(case: Case, log: TrainingLog) -> Iterator[tuple[int, str]]:
    """The own lines that follow training; none when the log does not show its end."""
    trained = False
    for number, line in lines(case, log):
        if trained:
            yield number, line
        trained = trained or _STOPPED.match(line) is not None


def quote(case: Case, log: TrainingLog, pattern: str, otherwise: object = "") -> Evidence:
    """The last own line that matches; without one the log with `otherwise` for a quote."""
    found = re.compile(pattern, re.IGNORECASE)
    for number, line in reversed(lines(case, log)):
        if found.search(line):
            return at(case, log, number, line)
    return at(case, log, None, str(otherwise))


def at(case: Case, log: TrainingLog, number: int | None, line: str) -> Evidence:
    """Evidence at a line of a log."""
    text = case.log_texts.get(log.path)
    shown = " ".join(line.split())[:200] or "(not printed on a line of its own)"
    return text.at(number, shown) if text else Evidence(file=log.path, line=number, quote=shown)
