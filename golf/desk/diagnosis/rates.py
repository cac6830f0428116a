"""Does the learning rate get where it should: up in time, down before the end, and neither too early.

From the rates a log states, and where it states none, from the script's schedule and the steps that were made.
"""

import math
from collections.abc import Iterator

from golf.desk.diagnosis.recipe import Recipe, Schedule
from golf.desk.diagnosis.symptoms import quote
from golf.desk.diagnosis.trouble import Trouble
from golf.desk.series import Run
from golf.rulings import Evidence

WARM_UP_SHARE = 0.1
"""Of the steps made: the longest customary warm-up (recipes say 1 to 10 %); more is time below the full rate."""
WARM_UP_BROKEN = 0.5
"""Half of the run: most of it never sees the full rate."""
RATE_LEFT = 0.5
"""Rate at the end, as a share of the highest: a linear cooldown that is half done has most of its gain before it."""
FULL = 0.9
"""Highest rate of the run, as a share of the one that was set, below which that one says nothing."""
ZERO_RATE = 1e-3
"""Share of the highest rate at which weights no longer move."""
ZERO_SHARE = 0.05
"""Of the steps: what a rate at zero may waste."""
JUMP_NATS = 0.5
"""Loss above the first one, after the first ten steps: a batch differs by 0.15, so the start was unstable."""
SHORT_WARM_UP = 0.01
"""Share of the steps; the start is blamed on a warm-up shorter than that."""
POINTS_MIN = 5


def of_rates(run: Run, recipe: Recipe | None, is_over: bool) -> Iterator[Trouble]:
    """Every trouble with the learning rate of one run; of a run that goes on nothing is said about its end."""
    schedule = None if recipe is None else recipe.schedule
    made = (run.log.steps if run.log else None) or run.series.last_step
    rates = run.series.finite("rate")
    if len(rates) >= POINTS_MIN and max(point.value for point in rates) > 0:
        yield from _of_series(run, made, is_over, schedule)
    elif schedule is not None and made:
        yield from _of_schedule(run, schedule, made, is_over)
    yield from _unstable_start(run, schedule, made)


def _of_series(run: Run, made: int, is_over: bool, schedule: Schedule | None) -> Iterator[Trouble]:
    series = run.series
    rates = series.finite("rate")
    highest = max(point.value for point in rates)
    peak = next(point for point in rates if point.value >= 0.99 * highest)
    rises = rates[0].value < 0.5 * highest
    share = peak.step / made if made else 0.0
    if rises and share > WARM_UP_SHARE:
        yield _too_long(
            f"the learning rate reaches its highest, {highest:.3g}, at step {peak.step} of {made} ({share:.0%})",
            peak.step, share, [quote(series, rates[0].line), quote(series, peak.line)],
        )  # fmt: skip
    last = rates[-1]
    if not is_over:
        return
    zero = [point for point in rates if point.step > peak.step and point.value <= ZERO_RATE * highest]
    if zero and (made - zero[0].step) > ZERO_SHARE * made and last.value <= ZERO_RATE * highest:
        yield Trouble(
            code="RATE_ZERO_TOO_EARLY",
            severity="warning",
            text=f"the learning rate is {zero[0].value:.3g} from step {zero[0].step} on: {made - zero[0].step} of "
            f"{made} steps ({(made - zero[0].step) / made:.0%}) change nothing",
            first_step=zero[0].step,
            last_step=made,
            evidence=[quote(series, zero[0].line), quote(series, last.line)],
            advice="let the schedule end where the run ends, or keep a lowest rate of a tenth of the highest",
        )
    cut = series.iterations is not None and made < 0.98 * series.iterations
    comes_down = last.value < 0.99 * highest or (schedule is not None and bool(schedule.cool_down or schedule.horizon))
    if cut and comes_down and last.value > RATE_LEFT * highest:
        yield Trouble(
            code="COOLDOWN_NOT_REACHED",
            severity="warning",
            text=f"the run ended at step {made} of {series.iterations} with the learning rate at {last.value:.3g}, "
            f"{last.value / highest:.0%} of its highest: the cooldown was still to come",
            first_step=last.step,
            last_step=made,
            evidence=[quote(series, peak.line), quote(series, last.line)],
            advice=_cooldown_advice(made),
        )


def _of_schedule(run: Run, schedule: Schedule, made: int, is_over: bool) -> Iterator[Trouble]:
    share = schedule.warm_up_share(made)
    if share > WARM_UP_SHARE and is_over:
        steps = round(share * made)
        yield _too_long(
            f"{schedule.name} warms up over {steps} steps, and the run made {made} ({share:.0%})",
            min(steps, made), share, [schedule.at],
        )  # fmt: skip
    if not is_over:
        return
    cool = schedule.cool_down
    if schedule.by_clock:
        share = schedule.cool_down_share(made)
        if share and 1 / share < FULL:
            yield Trouble(
                code="RATE_NEVER_FULL",
                severity="warning",
                text=f"{schedule.name} cools down over {cool:g} steps, more than the {made} that the time allowed: the "
                f"run begins at {1 / share:.0%} of the rate that was set",
                first_step=0,
                last_step=made,
                evidence=[schedule.at],
                advice=f"deliberate, or a setting for a faster machine? A cooldown over a third of the run is "
                f"{made // 3} steps; otherwise set the lower rate plainly",
            )
        return
    horizon = schedule.horizon
    if not horizon or made >= 0.98 * horizon:
        return
    cool = cool * horizon if cool and cool <= 1 else cool
    begins = horizon - cool if cool else None
    left = (horizon - made) / cool if cool else 0.5 * (1 + math.cos(math.pi * made / horizon))
    if begins is not None and made <= begins:
        said = f"its cooldown begins at step {begins:g}, which was never reached"
    elif left > RATE_LEFT:
        said = f"about {left:.0%} of the rate was left"
    else:
        return
    yield Trouble(
        code="COOLDOWN_NOT_REACHED",
        severity="warning",
        text=f"{schedule.name} counts steps up to {horizon:g} and the run ended at {made}: {said}",
        first_step=made,
        last_step=made,
        evidence=[schedule.at],
        advice=_cooldown_advice(made),
    )


def _too_long(text: str, until: int, share: float, evidence: list[Evidence]) -> Trouble:
    return Trouble(
        code="WARMUP_TOO_LONG",
        severity="error" if share >= 1 else "warning",
        text=f"{text}; more than {WARM_UP_SHARE:.0%}"
        + (
            ": the full rate is never reached"
            if share >= 1
            else ": most of the run is below it"
            if share > WARM_UP_BROKEN
            else ""
        ),
        first_step=0,
        last_step=until,
        evidence=evidence,
        advice="count the warm-up in steps this machine makes: 1 to 2 % of them, at least a few dozen",
    )


def _cooldown_advice(made: int) -> str:
    return (
        f"plan for the steps that the time allows (about {made}), or let the schedule follow the clock: rate as a "
        "function of elapsed over allowed seconds"
    )


def _unstable_start(run: Run, schedule: Schedule | None, made: int) -> Iterator[Trouble]:
    losses = run.series.finite("train_loss")
    if not losses or losses[0].step > 10 or not made:
        return
    first = losses[0]
    bad = [point for point in losses if 10 < point.step <= 0.2 * made and point.value > first.value + JUMP_NATS]
    warm = None if schedule is None else schedule.warm_up
    if schedule is not None and schedule.warm_up_share(made) > SHORT_WARM_UP:
        return
    rates = run.series.finite("rate")
    if rates and rates[0].value < 0.5 * max(point.value for point in rates):
        return  # it warms up; something else is wrong
    if len(bad) >= 3:
        worst = max(bad, key=lambda point: point.value)
        yield Trouble(
            code="WARMUP_TOO_SHORT",
            severity="warning",
            text=f"the loss climbs from {first.value:.3f} at step {first.step} to {worst.value:.3f} at step "
            f"{worst.step} before it falls, and the rate is not warmed up" + (f" (over {warm:g} only)" if warm else ""),
            first_step=bad[0].step,
            last_step=bad[-1].step,
            evidence=[quote(run.series, first.line), quote(run.series, worst.line)],
            advice="warm the rate up over the first 1 to 2 % of the steps, or lower it",
        )
