"""What a sweep showed: the best three where seeds tell them apart, else what would; what each setting does."""

import statistics
from collections.abc import Container, Iterable, Sequence
from typing import Literal

from golf.desk.sweep.effects import Effect, LevelMean, level_means, main_effects
from golf.desk.sweep.plan import PlannedPoint, SweepPlan
from golf.desk.sweep.points import design
from golf.desk.sweep.ranking import Cut, cut, flattery, seeds_due
from golf.desk.sweep.record import Outcome, Record
from golf.desk.sweep.specification import Specification
from golf.desk.sweep.values import written
from golf.errors import UnreadableInput
from golf.measure.significance import Pooled
from golf.schema import Noun

TOP = 3


class RankedPoint(Noun):
    """One combination and its scores."""

    place: int | None
    """By mean, from 1; None while seeds cannot tell the best from the rest."""
    point: str
    settings: dict[str, str]
    mean: float | None
    """Of the metric over seeds; None without a score."""
    std: float | None
    seeds: int
    scores: list[float]
    standing: Literal["best", "in question", "behind", "no score"]
    """best: one of the few that are recommended. in question: seeds cannot say whether it is."""
    note: str = ""


class SweepReport(Noun):
    """A sweep's result."""

    name: str
    metric: str
    goal: Literal["minimise", "maximise"]
    design: str
    resolution: int | None
    """Of a fractional factorial design; None for any other."""
    points: int
    scored: int
    """Points with at least one score."""
    runs: int
    runs_done: int
    verdict: Literal["settled", "too few seeds", "nothing to cut", "unfinished"]
    reason: str
    recommended: list[str]
    """At most three, the best first; none while seeds cannot tell."""
    seed_std: float | None
    """Of the metric, pooled over points; None while nothing measures it."""
    gap: float | None
    """Between the last that is in and the first that is out."""
    gap_needed: float | None
    """What would be more than seed noise, over all pairs that the cut compares."""
    more_seeds: int | None
    """For each point in question; None where it is settled, not known, or no affordable number would do."""
    ranking: list[RankedPoint]
    effects: list[Effect] = []
    level_means: list[LevelMean] = []
    notes: list[str] = []


def recommend(
    spec: Specification, planned: SweepPlan, rows: Record, *, top: int = TOP, floor: Pooled | None = None
) -> SweepReport:
    """The report of a sweep by its record.

    Args:
        spec: The sweep.
        planned: Its combinations.
        rows: What came of them.
        top: How many are to be recommended.
        floor: Seed noise measured elsewhere, such as a workspace's tier's.

    Raises:
        UnreadableInput: no run has a score yet.
    """
    found_rows = rows.by_point()
    by_point = {one.name: found_rows.get(one.name, {}) for one in planned.points}
    scores = {name: [one.score for one in own.values() if one.score is not None] for name, own in by_point.items()}
    if not any(scores.values()):
        how = f"{'golf sweep run, or ' if spec.hypothesis else ''}bash {planned.script}"
        raise UnreadableInput(
            f"no run of {spec.name} has a {spec.metric.name} yet, so there is nothing to rank. Play it: {how}"
            f"{_without_score(by_point.values())}"
        )
    found = cut(scores, top=top, is_lower_better=spec.metric.goal == "minimise", floor=floor)
    runs_done = sum(len(values) for values in scores.values())
    lacking = _lacking(found, by_point, planned.seeds)
    verdict = _verdict(found, runs_done, planned.runs, lacking)
    due = seeds_due(found) if verdict == "too few seeds" else None
    is_ranked = verdict in ("settled", "nothing to cut")
    recommended = [one.name for one in found.placed[:top]] if is_ranked else []
    return SweepReport(
        name=spec.name,
        metric=spec.metric.name,
        goal=spec.metric.goal,
        design=spec.design,
        resolution=planned.resolution,
        points=len(planned.points),
        scored=len(found.placed),
        runs=planned.runs,
        runs_done=runs_done,
        verdict=verdict,
        reason=_reason(found, verdict, spec.metric.name, runs_done, planned.runs, due, lacking),
        recommended=recommended,
        seed_std=found.floor.std if found.floor else None,
        gap=found.gap,
        gap_needed=found.needed,
        more_seeds=due,
        ranking=_ranking(planned.points, found, by_point, is_ranked, lacking),
        effects=_effects(spec, planned, scores),
        level_means=_level_means(spec, planned, scores),
        notes=_notes(spec, planned, rows, found, recommended, scores),
    )


def _without_score(points: Iterable[dict[int, Outcome]]) -> str:
    notes = [one.note for own in points for one in own.values() if one.note]
    return f" ({notes[0]})" if notes else ""


def _lacking(found: Cut, by_point: dict[str, dict[int, Outcome]], seeds: Sequence[int]) -> dict[str, str]:
    """Scored combinations without a score for each seed, and how many they have: what is left is the luckier part of
    one that diverges now and then."""
    lacking = {}
    for one in found.placed:
        if len(one.scores) < len(seeds):
            own = by_point[one.name].values()
            why = next((row.note or row.status for row in own if row.score is None), "the rest is not played yet")
            lacking[one.name] = f"{len(one.scores)} of {len(seeds)} seeds have a score: {why}"
    return lacking


def _verdict(
    found: Cut, done: int, runs: int, lacking: Container[str]
) -> Literal["settled", "too few seeds", "nothing to cut", "unfinished"]:
    if done < runs and len(found.placed) <= found.top:
        return "unfinished"
    if found.verdict == "settled" and any(one.name in lacking for one in found.placed[: found.top]):
        return "unfinished"
    if found.verdict == "all":
        return "nothing to cut"
    return "settled" if found.verdict == "settled" else "too few seeds"


def _reason(
    found: Cut, verdict: str, metric: str, done: int, runs: int, due: int | None, lacking: dict[str, str]
) -> str:
    top = found.top
    unfinished = f"; {runs - done} of {runs} runs have no score yet" if done < runs else ""
    if verdict == "unfinished":
        first = next((f" ({one.name}: {lacking[one.name]})" for one in found.placed[:top] if one.name in lacking), "")
        return (
            f"{done} of {runs} runs have a score{first}: play the rest first, or leave out with exclude what gives none"
        )
    if verdict == "nothing to cut":
        many = f"{len(found.placed)} combinations and {top} to recommend, so none is left out"
        if len(found.placed) > 1 and not found.best_is_alone:
            many += "; that the first is better than the second is not shown"
        return many + unfinished
    if found.floor is None:
        return (
            "no combination has two seeds that differ, so nothing says how far scores move by luck, and a ranking "
            f"would be one of luck: repeat with at least 3 seeds{unfinished}"
        )
    assert found.gap is not None and found.needed is not None
    said = (
        f"the {_nth(top)} and the {_nth(top + 1)} lie {_short(found.gap)} {metric} apart; more than "
        f"{_short(found.needed)} is more than seeds explain"
    )
    if verdict == "settled":
        first = "and the first beats the second" if found.best_is_alone else "and their order is open"
        return f"{said}: the best {top} are shown, {first}{unfinished}"
    if found.gap > found.needed:
        said = "some combinations move so far from seed to seed that their means say little"
    many = len(found.in_question)
    open_ = "1 combination is in question" if many == 1 else f"{many} combinations are in question"
    if shown := [one.name for one in found.placed[:top] if one.name not in found.in_question]:
        open_ = f"{', '.join(shown)} {'is' if len(shown) == 1 else 'are'} shown to be among them, {open_}"
    if due is None:
        return f"{said}: {open_}, and no affordable number of seeds would tell: take the smaller or simpler{unfinished}"
    return f"{said}: {open_}, and about {due} more seeds for each would tell{unfinished}"


def _nth(number: int) -> str:
    return {1: "first", 2: "second", 3: "third", 4: "fourth"}.get(number, f"{number}th")


def _short(value: float) -> str:
    return f"{value:.3g}"


def _ranking(
    points: Sequence[PlannedPoint],
    found: Cut,
    by_point: dict[str, dict[int, Outcome]],
    is_ranked: bool,
    lacking: dict[str, str],
) -> list[RankedPoint]:
    planned = {one.name: one for one in points}
    ranked = []
    open_ = set(found.in_question)
    for place, one in enumerate(found.placed, 1):
        is_top = place <= found.top
        is_open = one.name in open_ or (is_top and not is_ranked and one.name in lacking)
        standing = "in question" if is_open else "best" if is_top else "behind"
        ranked.append(
            RankedPoint(
                place=place if is_ranked else None, point=one.name, settings=planned[one.name].settings, mean=one.mean,
                std=statistics.stdev(one.scores) if len(one.scores) > 1 else None, seeds=len(one.scores),
                scores=list(one.scores), standing=standing, note=lacking.get(one.name, ""),
            )
        )  # fmt: skip
    if not is_ranked and found.floor is None:  # not even an order
        ranked.sort(key=lambda one: list(planned).index(one.point))
    placed = {one.name for one in found.placed}
    for one in points:
        if one.name not in placed:
            own = list(by_point[one.name].values())
            note = own[-1].note if own else "not played yet"
            ranked.append(
                RankedPoint(
                    place=None, point=one.name, settings=one.settings, mean=None, std=None, seeds=0, scores=[],
                    standing="no score", note=note or own[-1].status,
                )
            )  # fmt: skip
    return ranked


def _effects(spec: Specification, planned: SweepPlan, scores: dict[str, list[float]]) -> list[Effect]:
    if spec.design != "factorial" or not all(scores[one.name] for one in planned.points):
        return []
    found = design(spec, len(planned.points))
    assert found.fraction is not None
    names = list(found.axes)
    levels = {
        key: (written(spec.style, key, values[0]), written(spec.style, key, values[1]))
        for key, values in found.axes.items()
    }
    return main_effects(found.fraction, names, levels, [scores[one.name] for one in found.points])


def _level_means(spec: Specification, planned: SweepPlan, scores: dict[str, list[float]]) -> list[LevelMean]:
    if spec.design != "grid" or not all(scores[one.name] for one in planned.points):
        return []
    values = {
        key: [written(spec.style, key, value) for value in options]
        for key, options in design(spec, len(planned.points)).axes.items()
    }
    points = [one.settings for one in planned.points]
    return level_means(values, points, [statistics.fmean(scores[one.name]) for one in planned.points])


def _notes(
    spec: Specification,
    planned: SweepPlan,
    rows: Record,
    found: Cut,
    recommended: Sequence[str],
    scores: dict[str, list[float]],
) -> list[str]:
    notes = []
    if recommended:
        luck = flattery(found)
        told = "" if luck is None else f", by about {_short(luck)} if all were equal"
        notes.append(
            f"the best of {len(found.placed)} is flattered by luck{told}: confirm it with seeds that the sweep did not "
            f"use ({', '.join(map(str, spec.seeds[:4]))} were used)"
        )
        notes += _edges(spec, planned, recommended[0])
    uneven = {len(values) for values in scores.values() if values}
    if len(uneven) > 1:
        notes.append(f"points have {min(uneven)} to {max(uneven)} seeds; play the rest before you compare")
    missing = len(planned.points) - len(found.placed)
    if missing:
        notes.append(f"{missing} of {len(planned.points)} points have no score and are not ranked")
    if spec.design == "factorial" and missing:
        notes.append("effects of a factorial design need every point's score")
    if rows.stale:
        notes.append(f"{rows.stale} rows of the record are of points or settings that are no longer planned")
    if rows.damaged:
        notes.append(f"{rows.damaged} lines of the record are no rows")
    return notes


def _edges(spec: Specification, planned: SweepPlan, best: str) -> list[str]:
    """Settings whose best value is the last that was tried, of three numbers or more."""
    if spec.design != "grid":
        return []
    settings = next(one.settings for one in planned.points if one.name == best)
    notes = []
    for key, values in design(spec, len(planned.points)).axes.items():
        numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        if len(numbers) < 3 or len(numbers) < len(values):
            continue
        if settings[key] in (written(spec.style, key, min(numbers)), written(spec.style, key, max(numbers))):
            notes.append(f"the best {key}, {settings[key]}, lies at the edge of what was tried: extend it once")
    return notes
