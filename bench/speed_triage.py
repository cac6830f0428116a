"""Triage of 2,000 submissions made of the labelled ones: cold, warm, memory, and how the search for copies grows.

The labelled submissions are a third party's and not part of the project: GOLF_DATA names the folder that holds them
(default: ../shared/data beside this checkout). Without it the rows on them are left out, and say so.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from referee_triage import COLD_S, PEAK_BYTES, SUBMISSIONS, WARM_S, Watch, mutated
from side_by_side import Row, Sample, Sides, absolute, at_most, shown, timed

from golf.referee import judging, triage
from golf.referee.duplicates import PERMUTATIONS, Sketch, similarities
from golf.referee.kinship import LINKED, Kinship

DATA = Path(os.environ.get("GOLF_DATA", Path(__file__).parents[2] / "shared" / "data")) / "submissions"


def rows(quick: bool) -> list[Row]:
    """The triage belongs to the full set, the search for copies to both."""
    missing = None if DATA.is_dir() else f"not run: no labelled submissions in {DATA} (GOLF_DATA)"
    judged = "judging them one after the other, from a sample of 104"
    note = "on two idle cores"
    found = [
        Row(
            name="triage of 2,000 submissions, cold",
            baseline=judged,
            prepare=_cold,
            goals=(absolute("wall_s", COLD_S), shown("cpu_s"), absolute("peak_bytes", PEAK_BYTES)),
            pairs=1,
            warmups=0,
            left_out=missing,
            note=note,
        ),
        Row(
            name="triage of 2,000 submissions, warm",
            baseline=judged,
            prepare=_warm,
            goals=(absolute("wall_s", WARM_S), shown("cpu_s"), absolute("peak_bytes", PEAK_BYTES)),
            pairs=2,
            warmups=0,
            left_out=missing,
            note=note,
        ),
    ]
    copies = Row(
        name="near-duplicates among 8,000 programs",
        baseline="among 2,000",
        prepare=_copies,
        goals=(at_most("cpu_s", 8),),
        pairs=3,
        note="comparing every two, with which the answer at 2,000 is checked, would be 16×",
    )
    return [copies, *([] if quick else found)]


def _cold(scratch: Path) -> Sides:
    submissions = _made(scratch)
    number = iter(range(1_000_000))

    def cold() -> Sample:
        return _watched(lambda: triage.survey(submissions, index=scratch / f"{next(number)}.db"))

    return Sides(baseline=lambda: _one_by_one(submissions), ours=cold, check=_all)


def _warm(scratch: Path) -> Sides:
    submissions = _made(scratch)
    triage.survey(submissions, index=scratch / "triage.db")

    def warm() -> Sample:
        return _watched(lambda: triage.survey(submissions, index=scratch / "triage.db"))

    return Sides(baseline=lambda: _one_by_one(submissions), ours=warm, check=_all)


def _made(scratch: Path) -> Path:
    submissions = scratch / "submissions"
    mutated(DATA, submissions)
    return submissions


def _one_by_one(submissions: Path) -> Sample:
    sample = sorted(submissions.iterdir())[:104]
    cost = timed(lambda: [judging.judge(folder) for folder in sample]).figures
    scaled = {name: value * SUBMISSIONS / len(sample) for name, value in cost.items()}
    return Sample({**scaled, "peak_bytes": float("nan")})


def _watched(survey: Callable[[], object]) -> Sample:
    watch = Watch()
    watch.start()
    try:
        cost = timed(survey)
    finally:
        peak = watch.stop()
    return Sample({**cost.figures, "peak_bytes": peak}, cost.result)


def _all(_: object, field: object) -> None:
    entries = len(field.entries)
    if entries != SUBMISSIONS:
        raise AssertionError(f"{entries} submissions were placed, there are {SUBMISSIONS}")


def _copies(scratch: Path) -> Sides:
    del scratch
    few, many = _sketches(2_000), _sketches(8_000)
    _as_every_two(few)
    return Sides(baseline=lambda: _kin(few), ours=lambda: _kin(many))


def _as_every_two(sketches: list[Sketch]) -> None:
    """What is found is what comparing every two finds, down to the floor."""
    table = np.stack(sketches)
    found = Kinship([str(at) for at in range(len(sketches))], sketches, [False] * len(sketches)).nearest()
    for row in range(1, len(sketches)):
        shared = similarities(table[:row], table[row])
        near = found.get(str(row))
        expected = str(int(np.argmax(shared))) if shared.max() >= LINKED else None
        if expected != (near and near.name):
            raise AssertionError(f"the nearest of {row} is {expected}, and {near and near.name} was found")


def _sketches(count: int) -> list[Sketch]:
    """Half of them copies of the other half with one entry in ten changed."""
    chance = np.random.default_rng(0)
    own = list(chance.integers(0, 2**32, (count // 2, PERMUTATIONS), dtype=np.uint32))
    fresh = chance.integers(0, 2**32, (count // 2, PERMUTATIONS), dtype=np.uint32)
    return own + [np.where(chance.random(PERMUTATIONS) < 0.1, new, old) for old, new in zip(own, fresh, strict=True)]


def _kin(sketches: list[Sketch]) -> int:
    kin = Kinship([str(at) for at in range(len(sketches))], sketches, [False] * len(sketches))
    return len(kin.nearest())
