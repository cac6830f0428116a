"""What a run's curves show: NaN, divergence, plateau, spikes, a clip that always bites, time that runs away.

Each threshold stands here with its reason. They were set on some 260 logs of real submissions, most with 15 to 25
training losses of single batches: a batch differs from its neighbours by 0.05 to 0.15 nats, and no rule may see
anything in that. `docs/diagnosis.md` has the share of false alarms.
"""

import itertools
import math
import statistics
from collections.abc import Iterator, Sequence

from golf.desk.diagnosis.trouble import Trouble
from golf.desk.series import Point, Run, Series
from golf.rulings import Evidence

EARLY = 0.05
"""Share of the steps at the beginning in which anything goes: rates and optimiser states are still settling."""

RISE_NATS = 0.3
"""End above the best stretch by so much is divergence: three times the noise of single batches."""
RISE_SHARE = 0.1
"""And by this share of all that was learned."""

PLATEAU_SHARE = 0.005
"""Gain, as a share of all that was learned, below which a stretch is flat: healthy runs gain 2 to 5 % in their second
half."""
PLATEAU_STEPS = 0.3
"""Shortest flat stretch, as a share of the steps; and it lasts to the end."""
PLATEAU_POINTS = 10
"""Fewest losses in it: below that, noise hides any slope."""

SPIKE_SIGMAS = 8.0
"""Above the running median, in robust standard deviations of the run's own noise."""
SPIKE_NATS = 0.3
"""And in nats: twice what batches of real logs differ by."""
SPIKE_WINDOW = 9
"""Losses that the running median is taken over."""

OVERFIT = 1.02
"""Last validation over the best one: a validation repeats to about 0.1 % in the logs this was set on."""

CLIPPED_SHARE = 0.95
"""Of the steps; clipping is meant for the few that are out of line, published runs clip 0 to 20 %."""
CLIPPED_POINTS = 10

DRIFT = 1.3
"""Step time of the last third over that of the first, growing bit by bit: no real run above 1.2 that has no step in
it."""
SHIFT = 1.2
"""Step time after one clean jump over that before."""
SHIFT_BAD = 2.0
"""Twice the time is no feature being switched on: depth recurrence, the dearest of them, takes 1.3 to 1.65."""
STALL_RATIO = 3.0
"""One interval against the median interval."""
STALL_SHARE = 0.03
"""And of the run's whole time: seconds that would have been worth 3 % of its steps."""


def of_curves(run: Run, clip: float | None) -> Iterator[Trouble]:
    """Every trouble of one run's curves; `clip` is the norm that gradients are clipped to, where known."""
    series = run.series
    yield from _not_a_number(run)
    diverged = list(_diverged(series))
    yield from diverged
    if not diverged:
        yield from _plateau(series)
    yield from _spikes(series)
    yield from _clipping(series, clip)
    yield from _throughput(series)


def quote(series: Series, line: int) -> Evidence:
    """A line of the run's file."""
    text = " ".join(series.texts.get(line, "").split())[:200]
    return Evidence(file=series.file, line=line, quote=text or "(empty)")


def settled(series: Series, points: Sequence[Point]) -> list[Point]:
    """The points after the first steps."""
    return [point for point in points if point.step > EARLY * series.last_step and point.step > 10]


def _not_a_number(run: Run) -> Iterator[Trouble]:
    series = run.series
    for name in ("train_loss", "val_loss", "val_bpb", "grad_norm"):
        bad = [point for point in series[name] if not math.isfinite(point.value)]
        if not bad:
            continue
        before = [point for point in series.finite(name) if point.step < bad[0].step]
        at_once = bad[0].step <= 10
        yield Trouble(
            code="NOT_A_NUMBER",
            severity="error",
            text=f"{name} is {bad[0].value:g} at step {bad[0].step} and in {len(bad)} of {len(series[name])} lines"
            + (f"; the last number before is {before[-1].value:g} at step {before[-1].step}" if before else ""),
            first_step=bad[0].step,
            last_step=bad[-1].step,
            evidence=[*(quote(series, point.line) for point in before[-1:]), quote(series, bad[0].line)],
            advice="at once: initialisation or precision (a log-sum-exp or a norm in half precision, a division by 0)"
            if at_once
            else "later: halve the learning rate or clip gradients (norm 1.0), and keep softmax, norms and the loss in "
            "float32; then a smoke run past this step",
        )
        return


def _smooth(points: Sequence[Point], width: int) -> list[Point]:
    """Running medians over `width` points, each at its middle one."""
    if len(points) < width:
        return []
    return [
        Point(
            points[i + width // 2].step,
            statistics.median(point.value for point in points[i : i + width]),
            points[i + width // 2].line,
        )
        for i in range(len(points) - width + 1)
    ]


def _diverged(series: Series) -> Iterator[Trouble]:
    points = series.finite("train_loss")
    smooth = _smooth(points, 3 if len(points) < 60 else 5 if len(points) < 200 else 15)
    if len(smooth) < 3:
        return
    best, last = min(smooth, key=lambda point: point.value), smooth[-1]
    rise, learned = last.value - best.value, max(points[0].value - best.value, 0.0)
    scores = [
        point.value for point in (series.finite("val_bpb") or series.finite("val_loss")) if point.step >= best.step
    ]
    if len(scores) > 1 and scores[-1] == min(scores):
        return  # what is validated still falls: the training loss is a sum whose weights change
    if best.step < last.step and rise > max(RISE_NATS, RISE_SHARE * learned):
        yield Trouble(
            code="DIVERGED",
            severity="error",
            text=f"training loss rises from {best.value:.3f} around step {best.step} to {last.value:.3f} at the end, "
            f"step {points[-1].step}: {rise:.2f} nats above its best (limit "
            f"{max(RISE_NATS, RISE_SHARE * learned):.2f})",
            first_step=best.step,
            last_step=points[-1].step,
            evidence=[quote(series, best.line), quote(series, points[-1].line)],
            advice="the rate is too high for these weights: halve it, lengthen the warm-up, or clip gradients; look at "
            "the steps just before the rise for a bad batch",
        )


def _plateau(series: Series) -> Iterator[Trouble]:
    """The longest stretch up to the end over which the loss surely gained next to nothing."""
    points = settled(series, series.finite("train_loss"))
    name = "training loss"
    if len(points) < 2 * PLATEAU_POINTS:
        points, name = settled(series, series.finite("val_loss")), "validation loss"
        if points and points[-1].value > OVERFIT * min(point.value for point in points):
            return  # it does not stay, it rises
    first = next(iter(series.finite("train_loss") or series.finite("val_loss")), None)
    if first is None or len(points) < PLATEAU_POINTS:
        return
    end = points[-1].step
    stride = max(1, len(points) // 100)
    for start in range(0, len(points) - PLATEAU_POINTS + 1, stride):
        stretch = points[start:]
        length = end - stretch[0].step
        if length < PLATEAU_STEPS * series.last_step:
            return
        slope, error = _slope(stretch)
        best = min(point.value for point in points)
        learned = max(first.value - best, 1e-9)
        scores = [point.value for point in series.finite("val_loss") if point.step >= stretch[0].step]
        if len(scores) > 1 and scores[0] - scores[-1] > PLATEAU_SHARE * learned:
            continue  # validation still falls
        at_most = -(slope - 2 * error) * length
        if at_most < PLATEAU_SHARE * max(learned, 0.1):
            level = statistics.fmean(point.value for point in stretch)
            yield Trouble(
                code="PLATEAU",
                severity="warning",
                text=f"{name} stays at {level:.3f} from step {stretch[0].step} to {end}: it fell by "
                f"{max(-slope * length, 0.0):.4f} nats over {length / series.last_step:.0%} of the run, surely less "
                f"than {max(at_most, 0.0):.4f}",
                first_step=stretch[0].step,
                last_step=end,
                evidence=[quote(series, stretch[0].line), quote(series, stretch[-1].line)],
                advice="check in this order: is the learning rate at 0 or far too low or high there, does clipping "
                "bite at every step, are the data repeated or shuffled wrongly, are weights frozen. If it has "
                "converged, stop earlier or grow the model",
            )
            return


def _slope(points: Sequence[Point]) -> tuple[float, float]:
    """Least-squares slope per step, and its standard error."""
    xs = [float(point.step) for point in points]
    ys = [point.value for point in points]
    mean_x, mean_y = statistics.fmean(xs), statistics.fmean(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    if not spread:
        return 0.0, math.inf
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread
    left = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in zip(xs, ys, strict=True))
    return slope, math.sqrt(left / (len(points) - 2) / spread)


def _spikes(series: Series) -> Iterator[Trouble]:
    points = settled(series, series.finite("train_loss"))
    smooth = _smooth(points, SPIKE_WINDOW)
    if len(smooth) < 3:
        return
    half = SPIKE_WINDOW // 2
    medians = [smooth[0]] * half + smooth + [smooth[-1]] * half
    rests = [point.value - median.value for point, median in zip(points, medians, strict=True)]
    sigma = 1.4826 * statistics.median(abs(rest) for rest in rests)
    limit = max(SPIKE_SIGMAS * sigma, SPIKE_NATS)
    out = [i for i in range(half, len(points) - half) if rests[i] > limit]
    spikes: list[list[int]] = []
    for i in out:
        if spikes and i - spikes[-1][-1] <= 2:
            spikes[-1].append(i)
        else:
            spikes.append([i])
    if not spikes:
        return
    worst = max(out, key=lambda i: rests[i])
    single = all(
        len(one) == 1 and points[one[0] + 1].step == points[one[0]].step + 1 and rests[one[0] + 1] < limit / 2
        for one in spikes
    )
    steps = ", ".join(str(points[one[0]].step) for one in spikes[:5]) + (", …" if len(spikes) > 5 else "")
    yield Trouble(
        code="LOSS_SPIKE",
        severity="note" if single else "warning",
        text=f"training loss jumps {len(spikes)} time{'s' * (len(spikes) > 1)} (step {steps}) and comes back; the "
        f"worst is {points[worst].value:.3f} at step {points[worst].step}, {rests[worst]:.2f} nats above its "
        f"neighbours (limit {limit:.2f})",
        first_step=points[out[0]].step,
        last_step=points[out[-1]].step,
        evidence=[quote(series, points[one[0]].line) for one in spikes[:3]],
        advice="the very next step is back, so it is these batches and not the weights: look at their data (tables, "
        "code, a damaged shard); harmless if they are few"
        if single
        else "clip gradients or lower the rate; if spikes repeat at equal distances, look at the data there (document "
        "boundaries, a damaged shard)",
    )


def _clipping(series: Series, clip: float | None) -> Iterator[Trouble]:
    norms = settled(series, series.finite("grad_norm"))
    if clip is None or clip <= 0 or len(norms) < CLIPPED_POINTS:
        return
    clipped = [point for point in norms if point.value >= 0.999 * clip]  # some trainers log the norm after clipping
    if len(clipped) >= CLIPPED_SHARE * len(norms):
        median = statistics.median(point.value for point in norms)
        yield Trouble(
            code="CLIPPING_ALWAYS",
            severity="warning",
            text=f"gradients are clipped to {clip:g} in {len(clipped)} of {len(norms)} logged steps (median norm "
            f"{median:.3g}): the update's length is set by the clip, a smaller rate in disguise",
            first_step=norms[0].step,
            last_step=norms[-1].step,
            evidence=[quote(series, clipped[0].line), quote(series, clipped[-1].line)],
            advice=f"raise the clip to about {_round(2 * median)}, so that it bites on outliers alone, and lower the "
            "rate if that makes the loss unstable",
        )


def _round(value: float) -> str:
    return f"{value:.1g}"


def _intervals(series: Series) -> list[tuple[Point, Point, float]]:
    """Stretches between two lines with their seconds per step; what is timed too coarsely is left out."""
    points = [point for point in series.finite("train_time_s") if point.step > 10]
    found = [
        (a, b, (b.value - a.value) / (b.step - a.step))
        for a, b in itertools.pairwise(points)
        if b.step > a.step and b.value >= a.value
    ]
    if len(found) < 6:
        points = [point for point in series.finite("step_time_s") if point.step > 10]
        found = [(a, b, b.value) for a, b in itertools.pairwise(points) if b.step > a.step]
    return found


def _throughput(series: Series) -> Iterator[Trouble]:
    found = _intervals(series)
    times = [seconds for _, _, seconds in found]
    if len(times) < 6 or not (median := statistics.median(times)):
        return
    total = sum(seconds * (b.step - a.step) for a, b, seconds in found)
    stalls = [
        (a, b, seconds)
        for a, b, seconds in found
        if seconds > STALL_RATIO * median and (seconds - median) * (b.step - a.step) > STALL_SHARE * total
    ]
    if stalls and len(stalls) <= len(found) // 4:
        a, b, seconds = max(stalls, key=lambda one: (one[2] - median) * (one[1].step - one[0].step))
        lost = sum((seconds - median) * (b.step - a.step) for a, b, seconds in stalls)
        yield Trouble(
            code="STALL",
            severity="warning",
            text=f"training stands still {len(stalls)} time{'s' * (len(stalls) > 1)}: from step {a.step} to {b.step} a "
            f"step took {1000 * seconds:.0f} ms instead of {1000 * median:.0f} ms; {lost:.1f} s lost, "
            f"{lost / total:.0%} of the run",
            first_step=stalls[0][0].step,
            last_step=stalls[-1][1].step,
            evidence=[quote(series, a.line), quote(series, b.line)],
            advice="what happens there: a recompilation (a shape or a flag that changes), a checkpoint, a shard read "
            "from a cold disk, garbage collection, another process on the GPU",
        )
    calm = [one for one in found if one not in stalls]
    yield from _drift(series, calm)


def _drift(series: Series, found: Sequence[tuple[Point, Point, float]]) -> Iterator[Trouble]:
    times = [seconds for _, _, seconds in found]
    third = len(times) // 3
    if third < 2:
        return
    before, after = statistics.median(times[:third]), statistics.median(times[-third:])
    if not before or after / before < SHIFT:
        return
    cut = max(range(1, len(times)), key=lambda i: _explained(times, i))
    low, high = statistics.median(times[:cut]), statistics.median(times[cut:])
    clean = _explained(times, cut) > 0.8 and high > low  # one jump explains the differences
    ratio = high / low if clean else after / before
    if clean and ratio < SHIFT_BAD:
        a, b, _ = found[cut]
        yield Trouble(
            code="STEP_TIME_SHIFT",
            severity="note",
            text=f"a step takes {1000 * high:.0f} ms instead of {1000 * low:.0f} ms from about step {a.step} on "
            f"({ratio:.2f} times), and as long before as after it",
            first_step=a.step,
            last_step=b.step,
            evidence=[quote(series, a.line), quote(series, b.line)],
            advice="fine if something is switched on there (recurrence, longer sequences, quantisation-aware "
            "training); count with the slower steps when planning the schedule",
        )
    elif ratio >= DRIFT:
        yield Trouble(
            code="STEP_TIME_DRIFT",
            severity="warning",
            text=f"a step takes {1000 * after:.0f} ms in the last third of the run and {1000 * before:.0f} ms in the "
            f"first ({after / before:.2f} times)",
            first_step=found[0][0].step,
            last_step=found[-1][1].step,
            evidence=[quote(series, found[0][0].line), quote(series, found[-1][1].line)],
            advice="something grows with the steps: a list of tensors kept for logging, a cache, a data loader that "
            "falls behind, a GPU that throttles (look at its clock and temperature)",
        )


def _explained(times: Sequence[float], cut: int) -> float:
    """Share of the variance of step times that one jump at `cut` explains."""
    mean = statistics.fmean(times)
    whole = sum((time - mean) ** 2 for time in times)
    if not whole:
        return 0.0
    left = 0.0
    for part in (times[:cut], times[cut:]):
        middle = statistics.fmean(part)
        left += sum((time - middle) ** 2 for time in part)
    return 1 - left / whole
