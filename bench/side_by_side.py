"""Two ways of doing the same, timed in turns on one machine: A B A B …, and judged by the median of the pairs' ratios.

An absolute time says how busy a machine was; two neighbours in time were equally unlucky, so their ratio says which is
cheaper. A row is one pair of sides and what is asked of it:

    def rows(quick: bool) -> list[Row]:
        return [
            Row(
                name="byte count",
                baseline="the challenge's three table look-ups per token",
                prepare=sides,                # (scratch folder) -> Sides, called when the row's turn comes
                goals=(times_less("cpu_s", 6), at_most("peak_bytes", 0.5)),
                pairs=5,
            )
        ]

    def sides(scratch: Path) -> Sides:
        tokens = …
        return Sides(baseline=lambda: slow(tokens), ours=lambda: fast(tokens), check=equal)

A side is a function of this process, or `command([...])` for one of its own. `check` gets what both returned and raises
when they differ: a fast wrong answer is a row that could not be run, and that is never a pass.
"""

import dataclasses
import json
import math
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

NEAR = 0.10
"""A goal missed by less than this fraction is measured again, with more pairs, before it is called missed."""

Verdict = Literal["met", "floor", "missed", "error", "left out", "shown"]
"""`floor`: short of a goal that the row's floor, timed in the same run, misses too, and as near it as was asked."""


@dataclass(frozen=True)
class Sample:
    """What one execution of one side cost, and what came of it; a side that measures itself returns one."""

    figures: Mapping[str, float]
    """Costs by name: less is better. The unit ends the name: `wall_s`, `cpu_s`, `peak_bytes`, or a row's own."""
    result: Any = None


@dataclass(frozen=True)
class Goal:
    """What is asked of one figure; made by `at_most`, `times_less`, `at_most_more`, `absolute` or `shown`."""

    figure: str
    how: Literal["ours / baseline", "baseline / ours", "ours - baseline", "ours"]
    limit: float | None
    """None: the figure is shown and not judged."""
    floor_within: float | None = None
    """Where the row's floor is short of the limit too, it is enough to cost so many times what the floor costs."""

    def value(self, baseline: float, ours: float) -> float:
        """The judged number of one pair."""
        if self.how == "ours / baseline":
            return ours / baseline
        if self.how == "baseline / ours":
            return baseline / ours
        return ours - baseline if self.how == "ours - baseline" else ours

    def is_met(self, value: float) -> bool:
        """Whether the number keeps to the limit, itself included; NaN never does."""
        if self.limit is None:
            return True
        return value >= self.limit if self.how == "baseline / ours" else value <= self.limit

    def is_near(self, value: float) -> bool:
        """Whether the number is so close to the limit that noise could have decided."""
        return self.limit is not None and abs(value - self.limit) <= NEAR * abs(self.limit)

    def text(self) -> str:
        """The goal as a table shows it."""
        if self.limit is None:
            return ""
        if self.how == "ours":
            return f"≤ {quantity(self.figure, self.limit)}"
        if self.how == "ours - baseline":
            return f"≤ + {quantity(self.figure, self.limit)}"
        return f"{'≥' if self.how == 'baseline / ours' else '≤'} {self.limit:g}×"


def at_most(figure: str, ratio: float) -> Goal:
    """Ours may cost at most `ratio` times what the baseline costs."""
    return Goal(figure, "ours / baseline", ratio)


def times_less(figure: str, ratio: float, *, or_floor_within: float | None = None) -> Goal:
    """The baseline costs at least `ratio` times what ours costs: a speed-up, or a saving of memory.

    Where no program could do it, ours may cost `or_floor_within` times the floor: a side of the row that does only what
    nobody can leave out. Whoever reads the table sees the floor, the distance, and another verdict than `met`.
    """
    return Goal(figure, "baseline / ours", ratio, or_floor_within)


def at_most_more(figure: str, difference: float) -> Goal:
    """Ours may cost `difference` more than the baseline, in the figure's unit."""
    return Goal(figure, "ours - baseline", difference)


def absolute(figure: str, limit: float) -> Goal:
    """Ours may cost `limit`, in the figure's unit; the baseline stands beside it to show the machine."""
    return Goal(figure, "ours", limit)


def shown(figure: str) -> Goal:
    """Nothing is asked: the ratio of ours to the baseline is shown."""
    return Goal(figure, "ours / baseline", None)


Side = Callable[[], Any]
"""Does the work once. What it returns goes to `check`; a `Sample` replaces what the frame would have measured."""


@dataclass(frozen=True, kw_only=True)
class Sides:
    """A row ready to be timed."""

    baseline: Side
    ours: Side
    check: Callable[[Any, Any], object] | None = None
    """Called with both results of each pair; raises when they are not the same answer."""
    floor: Side | None = None
    """Only what no program can leave out, run after each pair: what goals with a floor are held against."""
    close: Callable[[], object] | None = None
    """Called when the row is over, also when it failed: ends servers and the like."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison."""

    name: str
    baseline: str
    """What ours is held against, in a few words."""
    prepare: Callable[[Path], Sides]
    """Makes the sides in a scratch folder; all that is heavy belongs here or into the sides."""
    goals: Sequence[Goal]
    pairs: int = 5
    warmups: int = 1
    """Pairs run first and thrown away."""
    note: str = ""
    """What the reader must know: the floor, its distance, why a goal is out of reach."""
    left_out: str | None = None
    """The hardware or data this machine lacks for it; such a row is left out, and is no pass. For nothing else."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One line of the table: one goal of one row, or the error that kept the row from being run."""

    row: str
    baseline_is: str
    verdict: Verdict
    figure: str = ""
    baseline: float | None = None
    """Median over the pairs, in the figure's unit."""
    ours: float | None = None
    value: float | None = None
    """Median over the pairs of what the goal judges."""
    low: float | None = None
    """First quartile over the pairs; the smallest of fewer than four."""
    high: float | None = None
    goal: str = ""
    limit: float | None = None
    judged: str = ""
    """`ours / baseline`, `baseline / ours`, `ours - baseline` or `ours`."""
    pairs: int = 0
    how: str = ""
    beside: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Median of every figure both sides have: of the baseline, of ours."""


def command(
    argv: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout_s: float = 600,
    exits: Sequence[int] = (0,),
) -> Callable[[], Sample]:
    """A side that is a process: wall and CPU seconds and peak memory, those of its children too; its result is stdout.

    Started by a small process of its own, because Linux counts what the parent held at the start into a child's peak.

    Raises:
        RuntimeError: when called, and the command ends with an exit code that is not one of `exits`, or not in time.
    """
    words = [os.fspath(word) for word in argv]

    def run() -> Sample:
        with tempfile.TemporaryFile() as report:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(report.fileno()), *words],
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[report.fileno()],
                start_new_session=True,
                text=True,
            )
            try:
                out, err = child.communicate(stdin, timeout=timeout_s)
            except BaseException as error:  # Ctrl-C too: the session is its own, and would go on
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()
                if isinstance(error, subprocess.TimeoutExpired):
                    raise RuntimeError(f"{' '.join(words)} had not ended after {timeout_s:g} s") from None
                raise
            report.seek(0)
            cost = report.read()
        if not cost:
            raise RuntimeError(f"{' '.join(words)} could not be started: {err[-2000:].strip()}")
        code, wall_s, cpu_s, peak_bytes = json.loads(cost)
        if code not in exits:
            raise RuntimeError(f"{' '.join(words)} ended with {code}: {(err or out)[-2000:].strip()}")
        return Sample({"wall_s": wall_s, "cpu_s": cpu_s, "peak_bytes": peak_bytes}, out)

    return run


_LAUNCHER = """
import json, os, sys, time
report, *words = sys.argv[1:]
os.set_inheritable(int(report), False)
begin = time.perf_counter()
child = os.fork()
if not child:
    try:
        os.execvp(words[0], words)
    except OSError as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(127)
_, status, used = os.wait4(child, 0)
wall = time.perf_counter() - begin
peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
cost = [os.waitstatus_to_exitcode(status), wall, used.ru_utime + used.ru_stime, peak]
os.write(int(report), json.dumps(cost).encode())
"""


def timed(side: Side) -> Sample:
    """One execution: wall seconds, and CPU seconds of this process and of the children it waited for."""
    children = _children_s()
    cpu, wall = time.process_time(), time.perf_counter()
    result = side()
    wall_s = time.perf_counter() - wall
    cpu_s = time.process_time() - cpu + _children_s() - children
    return result if isinstance(result, Sample) else Sample({"wall_s": wall_s, "cpu_s": cpu_s}, result)


def run_row(row: Row) -> list[Outcome]:
    """Time a row in turns and judge every goal of it; what keeps it from being run is its one outcome, an error."""
    if row.left_out is not None:
        return [Outcome(row=row.name, baseline_is=row.baseline, verdict="left out", how=row.left_out)]
    try:
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(_scratch()))
            sides = row.prepare(scratch)
            if sides.close is not None:
                stack.callback(sides.close)
            return _judged(row, sides)
    except Exception as error:  # whatever it is, the others are still to be run, and this one is no pass
        traceback.print_exc(file=sys.stderr)
        reason = f"{type(error).__name__}: {error}".strip()
        return [Outcome(row=row.name, baseline_is=row.baseline, verdict="error", how=reason[:600])]


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0: every goal is met, or its floor is; 1: one is missed; 2: a row could not be run, or none was run at all."""
    verdicts = {outcome.verdict for outcome in outcomes}
    if "error" in verdicts or verdicts <= {"left out"}:
        return 2
    return 1 if "missed" in verdicts else 0


def quantity(figure: str, value: float) -> str:
    """A figure with its unit, which ends the figure's name."""
    if figure.endswith("_bytes"):
        return f"{value / 1e6:,.1f} MB"
    if not figure.endswith("_s"):
        return f"{value:,.4g}"
    if abs(value) >= 1:
        return f"{value:,.2f} s"
    return f"{value * 1e3:,.3g} ms" if abs(value) >= 1e-3 else f"{value * 1e6:,.3g} µs"


@dataclass(frozen=True)
class _Pair:
    """What one turn cost."""

    baseline: Mapping[str, float]
    ours: Mapping[str, float]
    floor: Mapping[str, float]

    def value(self, goal: Goal) -> float:
        return goal.value(self.baseline[goal.figure], self.ours[goal.figure])


def _judged(row: Row, sides: Sides) -> list[Outcome]:
    for _ in range(row.warmups):
        _pair(sides)
    pairs = [_pair(sides) for _ in range(row.pairs)]
    again = ""
    if any(not goal.is_met(value := _middle(goal, pairs)) and goal.is_near(value) for goal in row.goals):
        again = f"missed by under {NEAR:.0%} in the first {len(pairs)} pairs, so measured on"
        pairs += [_pair(sides) for _ in range(2 * row.pairs)]
    return [_outcome(row, goal, pairs, again, "" if place else row.note) for place, goal in enumerate(row.goals)]


def _pair(sides: Sides) -> _Pair:
    baseline, ours = timed(sides.baseline), timed(sides.ours)
    if sides.check is not None:
        sides.check(baseline.result, ours.result)
    floor = timed(sides.floor).figures if sides.floor is not None else {}
    return _Pair(baseline.figures, ours.figures, floor)  # and no results, which may be large


def _outcome(row: Row, goal: Goal, pairs: list[_Pair], again: str, note: str) -> Outcome:
    values = [pair.value(goal) for pair in pairs]
    if goal.limit is not None and not all(map(math.isfinite, values)):  # a median would sort around it
        raise AssertionError(f"{goal.figure} of the pairs: {', '.join(f'{value:g}' for value in values)}")
    value = statistics.median(values)
    low, _, high = (
        statistics.quantiles(values, method="inclusive") if len(values) > 3 else (min(values), 0, max(values))
    )
    beside = dict(_medians(pairs))
    verdict: Verdict = "shown" if goal.limit is None else "met" if goal.is_met(value) else "missed"
    floor = ""
    if goal.floor_within is not None:
        reach, distance, floor = _from_floor(goal, pairs)
        if verdict == "missed" and not goal.is_met(reach) and distance <= goal.floor_within:
            verdict = "floor"
    others = [
        f"{name.removesuffix('_s')} {quantity(name, beside[name][0])} → {quantity(name, beside[name][1])}"
        for name in ("cpu_s", "wall_s")
        if name in beside and name != goal.figure
    ]
    return Outcome(
        row=row.name,
        baseline_is=row.baseline,
        verdict=verdict,
        figure=goal.figure,
        baseline=beside[goal.figure][0],
        ours=beside[goal.figure][1],
        value=value,
        low=low,
        high=high,
        goal=goal.text(),
        limit=goal.limit,
        judged=goal.how,
        pairs=len(pairs),
        how="; ".join(part for part in (f"{len(pairs)} pairs", *others, floor, again, note) if part),
        beside=beside,
    )


def _from_floor(goal: Goal, pairs: list[_Pair]) -> tuple[float, float, str]:
    """What the goal would judge of the floor itself, how many times the floor ours costs, and that in words.

    Raises:
        AssertionError: ours costs clearly less than the floor, which then is none.
    """
    assert goal.floor_within is not None
    cost = statistics.median(pair.floor[goal.figure] for pair in pairs)
    reach = statistics.median(goal.value(pair.baseline[goal.figure], pair.floor[goal.figure]) for pair in pairs)
    distance = statistics.median(pair.ours[goal.figure] / pair.floor[goal.figure] for pair in pairs)
    if distance < 1 - NEAR:
        raise AssertionError(f"ours costs {distance:.3g}× the floor, which is therefore none")
    return (
        reach,
        distance,
        (
            f"floor {quantity(goal.figure, cost)}, which would be {reach:.3g}×; ours costs {distance:.3g}× the floor "
            f"(≤ {goal.floor_within:g}× is enough)"
        ),
    )


def _middle(goal: Goal, pairs: list[_Pair]) -> float:
    return statistics.median(pair.value(goal) for pair in pairs)


def _medians(pairs: list[_Pair]) -> Iterator[tuple[str, tuple[float, float]]]:
    for name in pairs[0].baseline:
        if all(name in side for pair in pairs for side in (pair.baseline, pair.ours)):
            yield (
                name,
                (
                    statistics.median(pair.baseline[name] for pair in pairs),
                    statistics.median(pair.ours[name] for pair in pairs),
                ),
            )


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _scratch() -> AbstractContextManager[str]:
    return tempfile.TemporaryDirectory(prefix="golf-bench-", ignore_cleanup_errors=True)


def to_json(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Plain values, as `from_json` reads them."""
    return [dataclasses.asdict(outcome) for outcome in outcomes]


def from_json(outcomes: Sequence[dict[str, Any]]) -> list[Outcome]:
    """The outcomes another process printed."""
    return [Outcome(**outcome) for outcome in outcomes]
