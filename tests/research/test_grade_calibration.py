import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.research.calibration import DIMENSIONS, NOTHING, Calibration, Outcome, calibrate, spearman
from golf.research.nouns import Graded


def outcome(gain: float, **grades: int) -> Outcome:
    values = dict.fromkeys(DIMENSIONS, 1) | grades
    graded = Graded.model_validate(
        {
            "item_id": "i", "title": "t", "source": "s", "total": 5, "tier": "C", "reason": "r", "graded_by": "rules",
            "graded_at": datetime.now(UTC), **values,
        }
    )  # fmt: skip
    return Outcome(graded=graded, gain_bpb=gain)


def simulated(seed: int, count: int) -> Calibration:
    """Gains that follow bpb_impact (correlation about 0.6) and have nothing to do with novelty."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        impact = rng.randint(0, 3)
        found.append(outcome(0.01 * (impact - 1.5) + rng.gauss(0, 0.015), bpb_impact=impact, novelty=rng.randint(0, 3)))
    return calibrate(found)


def verdict(found: Calibration, name: str) -> str:
    return next(one.verdict for one in found.dimensions if one.name == name)


def test_s60_a_planted_useless_dimension_is_found_within_40_outcomes_and_a_useful_one_is_not_accused() -> None:
    runs = [simulated(seed, 40) for seed in range(100)]
    assert sum(verdict(run, "novelty") == NOTHING for run in runs) >= 90
    assert sum(verdict(run, "bpb_impact") == NOTHING for run in runs) <= 5


def test_s60_fewer_than_20_outcomes_give_words_and_no_number() -> None:
    found = simulated(1, 19)
    assert {one.verdict for one in found.dimensions} == {"not enough outcomes"}
    assert all(one.correlation is None and one.weight is None for one in found.dimensions)
    assert "19 of 20" in found.summary


def test_s60_a_dimension_that_is_always_graded_the_same_cannot_be_judged() -> None:
    found = simulated(1, 40)
    assert verdict(found, "implementability") == "no spread"


def test_s60_the_proposal_takes_weight_from_what_predicts_nothing_and_keeps_the_scale() -> None:
    found = simulated(1, 40)
    weights = {one.name: one.weight for one in found.dimensions if one.weight is not None}
    assert weights["novelty"] == 0
    assert weights["bpb_impact"] > 1
    assert sum(DIMENSIONS[name] * value for name, value in weights.items()) == pytest.approx(
        sum(DIMENSIONS[name] for name in weights)
    )


def test_each_dimension_has_its_sample_size_interval_and_chance() -> None:
    (impact, *_) = simulated(1, 40).dimensions
    assert impact.outcomes == 40
    assert (
        impact.low is not None and impact.high is not None and impact.correlation is not None and impact.p is not None
    )
    assert -1 <= impact.low <= impact.correlation <= impact.high <= 1
    assert 0 < impact.p <= 1


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-1, 1)), min_size=5, max_size=40))
def test_the_correlation_is_scipys(pairs: list[tuple[int, float]]) -> None:
    from scipy import stats

    grades, gains = zip(*pairs, strict=True)
    if len(set(grades)) > 1 and len(set(gains)) > 1:
        assert spearman(grades, gains)[0] == pytest.approx(stats.spearmanr(grades, gains).statistic, abs=1e-9)
