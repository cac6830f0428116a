"""Training curves of past runs, and what they say about the end of one that is still going.

Runs on the same tokens see the same batches: what a hard batch does to one run's loss at a step it does to another's at
that step. Two curves are therefore held against each other step by step, never smoothed: where one has run parallel to
the other so far, their ratio now is about their ratio at the end, and each such curve foretells an end of its own. How
far those foretellings lie apart says how sure one can be, cooldowns and crossings included.

A curve that the run has not been parallel to says nothing and is left out: another tokenizer, batch or data order shows
in the curve itself. Training losses count in bits per byte, by the log's own ratio of the two at its validations; where
they begin elsewhere than the validation loss does (an auxiliary loss, say) they measure something else and are dropped.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Literal, NamedTuple

from golf.errors import UnreadableInput
from golf.measure.logs import folder_logs
from golf.measure.significance import t_cdf, t_quantile
from golf.schema import LogPoint, TrainingLog

GROUPS_MIN = 5
"""Experiments with a comparable curve below which nothing is foretold; seeds of one experiment count once."""

WINDOW = 1 / 3
"""Curves are compared from this share of the run's steps on: what lies before is warm-up."""

PARALLEL = 0.02
"""Standard deviation of two curves' log ratio, over the shared steps of the window, up to which they are parallel."""

LENGTH = 0.3
"""Relative difference of two runs' numbers of steps up to which their schedules are alike.

`bench/early_stop.py` measures what follows from these on public logs; half or twice as much changes little.
"""

SPREAD_MIN = 0.004
"""Foretellings closer together than this (relative) are so by luck: cooldowns differ by more in what they lower."""

SAME_START = 0.02
"""Relative difference of the first training loss from the first validation loss up to which both measure the same."""

Channel = Literal["train", "val"]
Points = Mapping[tuple[Channel, int], float]
"""Bits per byte by channel and step."""


class Curve(NamedTuple):
    """A finished run."""

    name: str
    group: str
    """The experiment or submission; its runs are no evidence independent of each other."""
    points: Points
    final_bpb: float
    """What it came to: the score that counts where it is known, else the last step's."""
    steps: int
    train_time_s: float | None


class Running(NamedTuple):
    """A run that is still going, as far as its log shows it."""

    points: Points
    step: int
    steps: int
    """Expected at its end: its iterations, or as many as its pace fits into the time limit."""
    train_time_s: float | None
    seconds_left: float | None
    """Of training, at its pace; None where the log states no times."""


class Foretold(NamedTuple):
    """The end of a running curve, in bits per byte."""

    val_bpb: float
    best_bpb: float
    """It ends no lower than this, with the confidence asked for: by Student's t, and by counting the foretellings."""
    spread: float
    """Relative standard deviation of the foretellings, one per experiment."""
    groups: int
    curves: int

    def chance_below(self, target_bpb: float) -> float:
        """Chance that it ends below `target_bpb`."""
        scale = self.spread * math.sqrt(1 + 1 / self.groups)
        return t_cdf(math.log(target_bpb / self.val_bpb) / scale, self.groups - 1)


def finished(log: TrainingLog, group: str, final_bpb: float | None = None) -> Curve | None:
    """A finished run's curve; None where its log has no end or no points.

    `final_bpb` is the score that counts, as measured; without it the last step's stands in, which is before
    quantisation and whatever an evaluation adds.
    """
    final = log.last_step_bpb if final_bpb is None else final_bpb
    points = _points(log.points)
    if final is None or not final > 0 or not log.steps or not points:
        return None
    return Curve(Path(log.path).name, group, points, final, log.steps, log.train_time_s)


def running(
    points: Sequence[LogPoint], iterations: int | None, time_limit_s: float | None, upto: int | None = None
) -> Running | None:
    """A run from its step lines so far, those after step `upto` left out; None before it has trained a step.

    Args:
        points: Step lines, in the order of steps.
        iterations: Steps it was asked for; None where that is unknown.
        time_limit_s: Its own limit on training time; None or 0 is none.
        upto: Last step looked at.
    """
    seen = [point for point in points if upto is None or point.step <= upto]
    if not seen or seen[-1].step <= 0:
        return None
    last = seen[-1].step
    timed = [point for point in seen if point.train_time_s and point.step > 0]
    time_s = timed[-1].train_time_s if timed else None
    pace = time_s / timed[-1].step if time_s else None
    ends = [iterations] if iterations else []
    if time_limit_s and pace:
        ends.append(round(time_limit_s / pace))
    if not ends:
        return None
    steps = max(last, min(ends))
    return Running(_points(seen), last, steps, time_s, None if pace is None else (steps - last) * pace)


def read_folder(folder: Path, group: str | None = None) -> list[Curve]:
    """Curves of the finished logs in a folder, one group by the folder's name.

    Raises:
        UnreadableInput: there is no such folder.
    """
    curves = [finished(log, group or Path(folder).name) for log in folder_logs(folder)]
    return [curve for curve in curves if curve is not None]


def foretell(bank: Iterable[Curve], run: Running, confidence: float) -> Foretold:
    """Where a running curve ends, by the finished curves it has been parallel to.

    Raises:
        UnreadableInput: fewer than `GROUPS_MIN` experiments have a comparable curve.
    """
    ends: dict[str, list[float]] = {}
    for curve in bank:
        if abs(curve.steps / run.steps - 1) <= LENGTH:
            ratio = _ratio(curve.points, run)
            if ratio is not None:
                ends.setdefault(curve.group, []).append(math.log(curve.final_bpb) + ratio)
    if len(ends) < GROUPS_MIN:
        raise UnreadableInput(
            f"{len(ends)} experiments have a curve comparable with this run's first {run.step} steps, and "
            f"{GROUPS_MIN} are needed before its end can be foretold"
        )
    logs = sorted(fmean(group) for group in ends.values())
    spread = max(stdev(logs), SPREAD_MIN)
    margin = t_quantile(confidence, len(logs) - 1) * spread * math.sqrt(1 + 1 / len(logs))
    rank = int((len(logs) + 1) * (1 - confidence))  # of the foretelling that so many lie below; the lowest of a few
    return Foretold(
        val_bpb=math.exp(fmean(logs)),
        best_bpb=math.exp(min(fmean(logs) - margin, logs[max(0, rank - 1)])),
        spread=spread,
        groups=len(logs),
        curves=sum(map(len, ends.values())),
    )


def level(points: Points, step: int) -> float | None:
    """The newest value at or before a step, validation before training; None when it is older than a tenth."""
    for channel in ("val", "train"):
        near = [at for kind, at in points if kind == channel and 0.9 * step <= at <= step]
        if near:
            return points[channel, max(near)]
    return None


def _ratio(theirs: Points, run: Running) -> float | None:
    """Log of the running curve over another at the steps both have; None unless they are parallel."""
    start = run.step * WINDOW
    shared = sorted(
        (step, math.log(value / theirs[channel, step]))
        for (channel, step), value in run.points.items()
        if step >= start and (channel, step) in theirs
    )
    if len(shared) < 2 or shared[-1][0] < 0.8 * run.step:
        return None
    logs = [ratio for _, ratio in shared]
    if stdev(logs) > PARALLEL:
        return None
    return fmean(logs[len(logs) // 2 :])  # the newer half: slow drifts count, single steps do not


def _points(listed: Sequence[LogPoint]) -> dict[tuple[Channel, int], float]:
    """Both channels of a log in bits per byte; `golf.measure.logs` keeps a log at a thousand points of each."""
    val = {point.step: point.val_bpb for point in listed if point.val_bpb}
    train = {point.step: point.train_loss for point in listed if point.train_loss}
    found: dict[tuple[Channel, int], float] = {("val", step): bpb for step, bpb in val.items()}
    ratios = [point.val_bpb / point.val_loss for point in listed if point.val_bpb and point.val_loss]
    if ratios and not _differs_at_start(listed, train):
        found |= {("train", step): loss * median(ratios) for step, loss in train.items()}
    return found


def _differs_at_start(listed: Sequence[LogPoint], train: Mapping[int, float]) -> bool:
    """Whether the training loss begins elsewhere than the validation loss, both before anything was learned."""
    before = next((point.val_loss for point in listed if point.step == 0 and point.val_loss), None)
    first = train.get(0, train.get(1))
    return before is not None and first is not None and abs(first / before - 1) > SAME_START
