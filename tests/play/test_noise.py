"""The rule that keeps or discards against a measured noise floor."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.errors import UnreadableInput
from golf.measure.significance import Pooled
from golf.play.noise import BASELINE_SEEDS, DROP_ODDS, KEEP_ODDS, SEEDS_MAX, baseline_seeds_due, weigh

SOUGHT = 0.003
MEASURED = Pooled(0.001, 1000)
"""A floor that is known exactly, for all that matters."""


def by_gain(gain: float, seeds: int = 1, floor: Pooled = MEASURED):
    return weigh([1.2 - gain] * seeds, [1.2] * max(seeds, BASELINE_SEEDS), floor, SOUGHT)


def test_a_gain_far_beyond_the_noise_is_kept_by_its_first_seed():
    assert by_gain(0.006).verdict == "keep"


def test_a_loss_is_discarded_by_its_first_seed():
    assert by_gain(-0.003).verdict == "discard"


def test_a_gain_that_may_be_luck_gets_another_seed_until_it_is_decided():
    assert by_gain(0.003).verdict == "more"
    assert by_gain(0.003, seeds=4).verdict == "keep"


def test_an_idea_that_stays_undecided_is_dropped_in_the_end():
    loud = Pooled(0.004, 1000)
    assert by_gain(0.003, SEEDS_MAX - 1, loud).verdict == "more"
    assert by_gain(0.003, SEEDS_MAX, loud).verdict == "discard"


def test_the_lines_are_walds_when_the_noise_is_known():
    """Log odds of means under a normal: sought · (gain - sought / 2) / variance."""
    weighed = by_gain(0.0, floor=Pooled(0.001, 10**9))
    variance = 0.001**2 * (1 + 1 / BASELINE_SEEDS)
    assert weighed.keep_from_bpb == pytest.approx(SOUGHT / 2 + variance * math.log(KEEP_ODDS) / SOUGHT, rel=1e-3)
    assert weighed.drop_below_bpb == pytest.approx(SOUGHT / 2 - variance * math.log(DROP_ODDS) / SOUGHT, rel=1e-3)


FLOORS = st.builds(Pooled, st.floats(min_value=1e-5, max_value=1e-2), st.integers(min_value=1, max_value=200))


@given(floor=FLOORS, seeds=st.integers(min_value=1, max_value=SEEDS_MAX))
def test_a_larger_gain_is_never_judged_worse(floor, seeds):
    order = {"discard": 0, "more": 1, "keep": 2}
    verdicts = [order[by_gain(gain, seeds, floor).verdict] for gain in np.linspace(-0.05, 0.05, 101)]
    assert all(lower <= higher for lower, higher in pairwise(verdicts))


@given(floor=FLOORS, seeds=st.integers(min_value=1, max_value=SEEDS_MAX - 1), more=st.integers(1, 5))
def test_keeping_asks_for_less_gain_when_seeds_or_degrees_of_freedom_grow(floor, seeds, more):
    line = by_gain(0.0, seeds, floor).keep_from_bpb
    for easier in (by_gain(0.0, seeds + more, floor), by_gain(0.0, seeds, Pooled(floor.std, floor.df + more))):
        if line is not None:
            assert easier.keep_from_bpb <= line * (1 + 1e-9)


def test_fewer_degrees_of_freedom_ask_for_a_larger_gain():
    known, measured, guessed = (by_gain(0.0, floor=Pooled(0.001, df)).keep_from_bpb for df in (1000, 10, 2))
    assert known < measured < guessed


def test_a_gain_many_times_what_is_sought_is_kept_at_any_noise_it_stands_out_from():
    loud = Pooled(0.02, 40)
    assert by_gain(0.005, floor=loud).verdict == "more"
    assert by_gain(0.5, floor=loud).verdict == "keep"


def test_looking_after_every_seed_hardly_ever_keeps_an_idea_without_gain():
    """2,000 ideas that gain nothing, against a baseline of 200 seeds; the bound's standard error is 0.0022."""
    rng = np.random.default_rng(7)
    kept = 0
    for _ in range(2000):
        draws = rng.normal(1.2, MEASURED.std, SEEDS_MAX).tolist()
        for seeds in range(1, SEEDS_MAX + 1):
            verdict = weigh(draws[:seeds], [1.2] * 200, MEASURED, SOUGHT).verdict
            if verdict != "more":
                break
        kept += verdict == "keep"
    assert 0 < kept / 2000 <= 1 / KEEP_ODDS + 0.005


def test_seeds_due_let_a_gain_of_the_size_that_is_sought_decide():
    for std in (0.0005, 0.001, 0.002):
        due = by_gain(0.0, floor=Pooled(std, 1000)).seeds_due
        same = [1.2] * due
        assert weigh([1.2 - SOUGHT] * due, same, Pooled(std, 1000), SOUGHT).verdict == "keep"
        assert (
            due == 1
            or weigh([1.2 - SOUGHT] * (due // 2), same[: due // 2], Pooled(std, 1000), SOUGHT).verdict == "more"
        )


def test_a_baseline_has_as_many_seeds_as_what_is_compared_with_it():
    assert [baseline_seeds_due(seeds) for seeds in (1, 4, 9)] == [BASELINE_SEEDS, 4, 9]


@pytest.mark.parametrize(
    "scores, baseline, floor, sought",
    [
        ([], [1.2], MEASURED, SOUGHT),
        ([1.2], [], MEASURED, SOUGHT),
        ([1.2], [1.2], Pooled(0.0, 8), SOUGHT),
        ([1.2], [1.2], MEASURED, 0.0),
    ],
)
def test_nothing_is_weighed_without_scores_noise_or_a_gain_to_seek(scores, baseline, floor, sought):
    with pytest.raises(UnreadableInput):
        weigh(scores, baseline, floor, sought)
