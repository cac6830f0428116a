"""One run as curves: loss, score, rate, gradient norm and time by step, each point with the line it stands on.

Read from the log's own lines or from the file that GOLF_METRICS named. `golf.measure.logs` keeps what scores need and
drops what is no number; a diagnosis needs exactly that, the NaN and its line, and what it never kept: rate and norm.
"""

import json
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from golf.errors import UnreadableInput
from golf.measure import logs
from golf.measure.log_source import own_lines
from golf.schema import TrainingLog

Quantity = Literal["train_loss", "val_loss", "val_bpb", "rate", "grad_norm", "train_time_s", "step_time_s"]

NAMES: Mapping[Quantity, tuple[str, ...]] = {
    "train_loss": ("train_loss", "train loss", "training loss", "train/loss", "loss"),
    "val_loss": ("val_loss", "val loss", "validation loss", "valid_loss", "eval_loss", "val/loss"),
    "val_bpb": ("val_bpb",),
    "rate": ("lr_scale", "lr_mul", "learning_rate", "learning rate", "lr"),
    "grad_norm": ("grad_norm", "gradient norm", "grad norm", "gnorm", "norm"),
    "train_time_s": ("train_time_s", "train_time", "t"),
    "step_time_s": ("step_time", "this_step", "time", "dt"),
}
"""How trainers spell what is read here; units are seconds, nats and bits per byte."""

QUIET_S = 600.0
"""Seconds without a line after which a run counts as ended: validation and quantisation take less."""
METRICS_BYTES_MAX = 64_000_000
"""A larger metrics file is not read; a line has some 100 bytes."""
POINTS_MAX = 200_000
"""Points kept of one quantity."""

_QUANTITY: Mapping[str, Quantity] = {name: quantity for quantity, names in NAMES.items() for name in names}
_SPELT = "|".join(sorted(map(re.escape, _QUANTITY), key=len, reverse=True))
_NUMBER = r"[-+]?(?:\d{1,15}(?:\.\d{0,20})?(?:[eE][-+]?\d{1,4})?|\.\d{1,20}|nan|inf)"
_PAIR = re.compile(rf"(?<![\w./-])({_SPELT})(?:\s?[:=]\s{{0,4}}|\s{{1,4}})({_NUMBER})(ms|s|m)?(?![\w.])", re.IGNORECASE)
_STEP = re.compile(
    r"\s{0,8}(?:(?:step|iter(?:ation)?|it)\s{0,4}[:=#]?\s{0,8}(\d{1,12})(?:\s?/\s?(\d{1,12}))?|(\d{1,12})/(\d{1,12}))"
    r"(?=[\s:|,)\]])",
    re.IGNORECASE,
)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}


@dataclass(frozen=True)
class Point:
    """A number at a step."""

    step: int
    value: float
    """May be NaN or infinite."""
    line: int
    """Of the file, from 1."""


@dataclass
class Series:
    """What one file says of one run, step by step."""

    file: str
    """As it is shown: relative to what was given."""
    curves: dict[Quantity, list[Point]] = field(default_factory=dict)
    iterations: int | None = None
    """Steps that were planned, where a line says so."""
    texts: dict[int, str] = field(default_factory=dict)
    """Lines that state a step, by number."""

    def __getitem__(self, quantity: Quantity) -> Sequence[Point]:
        return self.curves.get(quantity, [])

    def finite(self, quantity: Quantity) -> list[Point]:
        """The points that are numbers."""
        return [point for point in self[quantity] if math.isfinite(point.value)]

    @property
    def last_step(self) -> int:
        """The newest step of any curve; 0 without one."""
        return max((points[-1].step for points in self.curves.values() if points), default=0)

    def _add(self, step: int, values: Mapping[Quantity, float], line: int) -> None:
        for quantity, value in values.items():
            points = self.curves.setdefault(quantity, [])
            if points and points[-1].step == step:
                points[-1] = Point(step, value, line)
            elif len(points) < POINTS_MAX:
                points.append(Point(step, value, line))

    def _back_to(self, step: int) -> None:
        """Forget what came at or after a step: the run was taken up again from before it."""
        for points in self.curves.values():
            while points and points[-1].step >= step:
                points.pop()


@dataclass(frozen=True)
class Run:
    """A run's curves, and what its log concludes."""

    series: Series
    log: TrainingLog | None
    """None where there is a metrics file alone."""
    facts: Mapping[str, tuple[int, str]]
    """Lower-case name of a setting that the log states, to the line it stands on and that line."""
    is_quiet: bool
    """Nothing was written for so long that the run has ended, whether its log says so or not."""


def read_run(path: Path, shown: str) -> Run:
    """Read a training log, or a metrics file (`.jsonl`).

    Raises:
        UnreadableInput: the file is missing, binary, or states no step.
    """
    if path.suffix == ".jsonl":
        series, log, facts = _metrics(path, shown), None, {}
    else:
        log = logs.read_log(path)
        with path.open("rb") as file:
            encoding = "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        with path.open(encoding=encoding, errors="replace") as file:
            lines = own_lines(file)
        series = _of_lines(lines, shown)
        facts = _facts(lines, log.hyperparameters)
    if not any(series.curves.values()):
        raise UnreadableInput(
            f"{shown} states no step with a loss, a rate or a time; give a training log such as "
            "`step:100/2000 train_loss:3.1 train_time:900ms`, or a metrics file of JSON lines (.jsonl)"
        )
    return Run(series, log, facts, is_quiet=time.time() - path.stat().st_mtime > QUIET_S)


def is_step(line: str) -> bool:
    """Whether a line states a step with something measured at it."""
    found = _STEP.match(line)
    return found is not None and any(True for _ in _pairs(line[found.end() :]))


def _of_lines(lines: Sequence[tuple[int, str]], shown: str) -> Series:
    series = Series(shown)
    newest = -1
    for number, text in lines:
        found = _STEP.match(text)
        if not found:
            continue
        values = dict(_pairs(text[found.end() :]))
        if not values:
            continue
        step = int(found[1] or found[3])
        iterations = int(found[2] or found[4]) if found[2] or found[4] else None
        if step < newest:
            if iterations != series.iterations and (iterations is None or series.iterations is not None):
                continue  # another count, e.g. of an evaluation's chunks; not a schedule's table before the first step
            series._back_to(step)
        newest = step
        series.iterations = iterations or series.iterations
        series._add(step, values, number)
        series.texts[number] = text
    return series


def _pairs(text: str) -> Iterator[tuple[Quantity, float]]:
    seen: set[Quantity] = set()
    for name, number, unit in _PAIR.findall(text):
        quantity = _QUANTITY[name.lower()]
        if quantity in seen:
            continue  # an auxiliary loss comes after the loss
        is_time = quantity in ("train_time_s", "step_time_s")
        if (is_time and not unit and not name.endswith("_s")) or (unit and not is_time):
            continue
        seen.add(quantity)
        yield quantity, float(number) * (_SECONDS[unit] if is_time else 1.0)


def _metrics(path: Path, shown: str) -> Series:
    series = Series(shown)
    try:
        if path.stat().st_size > METRICS_BYTES_MAX:
            raise UnreadableInput(f"{shown} is over {METRICS_BYTES_MAX:,} bytes of metrics; give the run's log")
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise UnreadableInput(f"cannot read {shown}: {error.strerror or error}; check the path") from error
    for number, line in enumerate(lines, 1):
        try:
            said = json.loads(line)
            step = int(said["step"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            continue  # a torn last line
        values: dict[Quantity, float] = {
            _QUANTITY[name]: float(value)
            for name, value in said.items()
            if name in _QUANTITY and type(value) in (int, float) and not abs(value) > 1e300  # NaN stays
        }
        if isinstance(said.get("iterations"), int):
            series.iterations = said["iterations"]
        if step < series.last_step:
            series._back_to(step)
        series._add(step, values, number)
        series.texts[number] = line
    return series


def _facts(lines: Sequence[tuple[int, str]], settings: Mapping[str, str]) -> dict[str, tuple[int, str]]:
    """Where the log states each of its settings."""
    found: dict[str, tuple[int, str]] = {}
    for number, text in lines:
        for name in re.findall(r"([A-Za-z_]\w{0,63})\s?[:=]", text):
            if name in settings:
                found.setdefault(name.lower(), (number, text))
    return found
