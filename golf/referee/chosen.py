"""Which of a folder's logs the submission stands on: folders also hold ablations, reruns, baselines and copies.

A log belongs when what is submitted says so: a seed's score in submission.json, a log named there, a headline that is
the mean of a set of runs or one of them. Where nothing tells, all logs belong, and the reason says that.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from golf.referee.stated import Stated
from golf.schema import TrainingLog

DECIMALS_MIN = 2
"""Of a stated score that says anything."""

LOGGED_DECIMALS = 4

APART_BPB = 0.05
"""Runs of one configuration do not differ by so much; other experiments in a folder do."""

_RERUN = re.compile(r"(?:^|[^a-z])re-?_?run", re.IGNORECASE)
_SEED_OR_NUMBER = re.compile(r"(?:seed|s)[-_]?\d+|\d+$", re.IGNORECASE)
_NUMBERS = re.compile(r"(?<![\d.])\d\.\d{3,10}(?!\d)")


@dataclass(frozen=True)
class Choice:
    """The logs that belong, and why these."""

    logs: Sequence[TrainingLog]
    reason: str
    left_out: int = 0
    """Logs with a score that do not belong."""
    also: Mapping[str, TrainingLog] = field(default_factory=dict)
    """By path of a chosen log, another log of the same run: it trained, and the chosen one scored."""


def choose(logs: Sequence[TrainingLog], stated: Stated, readme: str, name_of: Callable[[TrainingLog], str]) -> Choice:
    """The logs that a submission's score stands on; `name_of` gives a log's name in the folder."""
    scored = _without_copies([log for log in logs if log.final_bpb is not None])
    if not scored:
        return Choice(logs, "no log has a final score" if logs else "there are no logs")
    numbers = set(_NUMBERS.findall(readme))
    chosen, reason = _by_rules(scored, stated, numbers, name_of)
    if (reruns := _reruns(chosen, scored, numbers, name_of)) is not None:
        chosen, reason = reruns, "reruns of the same seeds, which the README states as well, replace the originals"
    chosen = [log for log in logs if any(log is one for one in chosen)]
    return Choice(chosen, reason, len(scored) - len(chosen), _companions(chosen, logs))


def _by_rules(
    scored: list[TrainingLog], stated: Stated, numbers: set[str], name_of: Callable[[TrainingLog], str]
) -> tuple[list[TrainingLog], str]:
    if len(scored) == 1:
        return scored, "the only log with a final score"
    if by_row := _by_rows(scored, stated):
        return by_row, "their scores are those submission.json states by seed"
    named = [log for log in scored if any(name_of(log).endswith(name.removeprefix("./")) for name in stated.logs)]
    if named and len(named) < len(scored):
        return named, "submission.json names them"
    if is_near(_mean(scored), stated.bpb):
        return scored, "their mean is the headline"
    groups = _groups(scored, name_of)
    fitting = [group for group in groups if is_near(_mean(group), stated.bpb)]
    if not fitting:
        fitting = [group for group in groups if any(is_near(log.final_bpb, stated.bpb) for log in group)]
    if len(fitting) == 1:
        return _close(fitting[0], stated), "they are of one kind, and the headline is theirs"
    listed = [log for log in scored if log.seed in stated.seeds]
    if len({log.seed for log in listed}) == len(listed) == len(stated.seeds) > 0:
        return listed, "they are the seeds submission.json lists"
    in_readme = [log for log in scored if _is_written(log.final_bpb, numbers)]
    if in_readme and len({log.seed for log in in_readme}) == len(in_readme):
        return in_readme, "their scores are those the README states"
    return _close(scored, stated), "nothing tells them apart"


def is_near(value: float | None, claim: float | None) -> bool:
    """Whether a claim is the value, rounded or cut off to as many digits as the coarser of the two has.

    Last zeros do not count in JSON, so a claim of two decimals may have had more; logs print four or more.
    """
    if value is None or claim is None:
        return False
    decimals = len(repr(claim).partition(".")[2])
    of_value = max(LOGGED_DECIMALS, len(repr(value).partition(".")[2]))
    if value == claim:
        return True
    return decimals >= DECIMALS_MIN and abs(value - claim) <= 1.01 * 10.0 ** -min(decimals, of_value, 8)


def _is_written(value: float | None, numbers: set[str]) -> bool:
    """Whether a score is among numbers as they are written, rounded or cut off."""
    if value is None:
        return False
    whole = f"{value:.8f}"
    return any(
        f"{value:.{decimals}f}" in numbers or whole[: decimals - 8 or None] in numbers for decimals in range(3, 9)
    )


def _mean(logs: Sequence[TrainingLog]) -> float:
    return math.fsum(log.final_bpb or 0.0 for log in logs) / len(logs)


def _without_copies(logs: Iterable[TrainingLog]) -> list[TrainingLog]:
    """One log of each run: the same seed with the same score is the same run; the fuller log is kept."""
    kept: dict[tuple[object, ...], TrainingLog] = {}
    for log in logs:
        score = repr(log.final_bpb)
        run = (log.seed, score) if len(score.partition(".")[2]) >= 6 else (log.path,)
        if run not in kept or len(log.missing) < len(kept[run].missing):
            kept[run] = log
    return list(kept.values())


def _by_rows(scored: list[TrainingLog], stated: Stated) -> list[TrainingLog]:
    """For every seed submission.json states, the log with its score; none unless most of them are found.

    The seed decides where it can; a log whose seed was printed wrongly is still known by its score.
    """
    rows = [row for row in stated.rows if row.bpb is not None]
    found: list[TrainingLog] = []
    for row in rows:
        free = [log for log in scored if not any(log is one for one in found)]
        same = [log for log in free if is_near(log.final_bpb, row.bpb)]
        same = [log for log in same if log.seed == row.seed] or same
        alone = [log for log in free if log.seed == row.seed]
        if same:
            found.append(min(same, key=lambda log: abs((log.final_bpb or 0.0) - (row.bpb or 0.0))))
        elif len(alone) == 1 and len([other for other in rows if other.seed == row.seed]) == 1:
            found += alone
    exact = [log for log in found if any(is_near(log.final_bpb, row.bpb) for row in rows)]
    return found if rows and 2 * len(exact) >= len(rows) else []


def _groups(scored: list[TrainingLog], name_of: Callable[[TrainingLog], str]) -> list[list[TrainingLog]]:
    """Logs by folder and name without the seed or a number at its end: runs of one kind are named alike."""
    groups: dict[tuple[str, str], list[TrainingLog]] = defaultdict(list)
    for log in scored:
        path = PurePosixPath(name_of(log))
        folder = _SEED_OR_NUMBER.sub("", path.parent.as_posix())
        groups[folder, _SEED_OR_NUMBER.sub("", path.stem).strip("_-")].append(log)
    return list(groups.values())


def _close(group: list[TrainingLog], stated: Stated) -> list[TrainingLog]:
    """The logs whose score is not far from the headline; all when none is near."""
    if stated.bpb is None:
        return group
    return [log for log in group if abs((log.final_bpb or 0.0) - stated.bpb) <= APART_BPB] or group


def _reruns(
    chosen: list[TrainingLog], scored: list[TrainingLog], numbers: set[str], name_of: Callable[[TrainingLog], str]
) -> list[TrainingLog] | None:
    """Reruns of every chosen seed, when their names say so and their scores are stated."""
    reruns = {log.seed: log for log in scored if _RERUN.search(name_of(log))}
    wanted = {log.seed for log in chosen}
    if not chosen or any(_RERUN.search(name_of(log)) for log in chosen) or not wanted <= reruns.keys():
        return None
    found = [reruns[seed] for seed in wanted]
    return found if all(_is_written(log.final_bpb, numbers) for log in found) else None


def _companions(chosen: Sequence[TrainingLog], logs: Sequence[TrainingLog]) -> dict[str, TrainingLog]:
    """For a log that only scored, the one log of its seed that trained."""
    found = {}
    for log in chosen:
        if log.seed is None or log.steps is not None or log.train_time_s is not None:
            continue
        trained = [
            other
            for other in logs
            if other.seed == log.seed
            and (other.steps or other.train_time_s)
            and not any(other is one for one in chosen)
        ]
        if len(trained) == 1:
            found[log.path] = trained[0]
    return found
