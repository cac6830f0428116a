import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.errors import UnreadableInput
from golf.measure.significance import Pooled
from golf.play.gate import decide, in_order, money_gates, with_gate
from golf.schema import Budget, Gate, Promotion

SCORE = st.floats(min_value=0.5, max_value=5)


def judge(**fields) -> Promotion:
    """A 5 % gain with everything in order, unless told otherwise."""
    defaults = {
        "experiment": "candidate",
        "tier": "local",
        "scores": [1.14],
        "baseline": "naive",
        "baseline_scores": [1.2],
        "artifact_bytes": 15_900_000,
        "limit_bytes": 16_000_000,
        "line_delta": 12,
        "has_hypothesis": True,
    }
    return decide(**{**defaults, **fields})


def all_gates(promotion: Promotion, budget: Budget) -> Promotion:
    for further in money_gates(budget):
        promotion = with_gate(promotion, further)
    return in_order(promotion)


def gate(promotion: Promotion, name: str) -> Gate:
    (found,) = [gate for gate in promotion.gates if gate.name == name]
    return found


def make_budget(allowed: bool, message: str) -> Budget:
    return Budget(
        total_usd=500,
        reserve_usd=50,
        spent_usd=0,
        reserved_usd=0,
        remaining_usd=500,
        run_cost_usd=3.5,
        runs_left=128,
        next_allowed_at=None,
        verdict="ok" if allowed else "blocked",
        allowed=allowed,
        message=message,
    )


def test_five_percent_with_everything_in_order_is_kept_and_promoted():
    promotion = judge()
    assert (promotion.decision, promotion.promoted) == ("keep", True)
    assert promotion.improvement == pytest.approx(0.05)
    assert [gate.name for gate in promotion.gates] == ["hypothesis", "size", "promotion", "noise"]
    assert promotion.reason == (
        "Promoted: val_bpb 1.1400 is 5.00 % lower than the 1.2000 of the baseline naive; promotion needs 3.00 % lower; "
        "seed noise is unknown: the baseline has 1 seed, at least 2 are needed; "
        "list more under seeds in its config.yaml and run it again."
    )


@pytest.mark.parametrize(
    "baseline, score, promoted",
    [
        (1.0, 0.971, False),  # 2.9 %
        (1.0, 0.97, True),  # 3.0 %
        (1.0, 0.97001, False),  # 2.999 %
        (1.0, 0.9700001, False),  # 2.99999 %
        (1.0, 0.969, True),
        (1.2, 1.164, True),
        (1.2244, 1.2244 * 0.97, True),
        (1.1, 1.1 * 0.97, True),
    ],
)
def test_three_percent_is_promoted_and_less_is_not(baseline, score, promoted):
    promotion = judge(baseline_scores=[baseline], scores=[score])
    assert promotion.promoted is promoted
    assert promotion.decision == ("keep" if promoted else "discard")


@given(baseline=st.floats(min_value=0.01, max_value=100))
def test_exactly_three_percent_passes_whatever_the_rounding(baseline):
    assert judge(baseline_scores=[baseline], scores=[baseline * 0.97]).promoted
    assert not judge(baseline_scores=[baseline], scores=[baseline * 0.971]).promoted


def test_a_gain_just_short_of_the_threshold_does_not_read_as_the_threshold():
    assert "2.99 % lower" in judge(baseline_scores=[1.0], scores=[0.97001]).reason


def test_the_threshold_is_the_workspaces():
    assert judge(baseline_scores=[1.0], scores=[0.99], threshold=0.01).promoted


@pytest.mark.parametrize(
    "score, line_delta, decision",
    [
        (1.19, 5, "discard"),  # a gain of 0.8 %, but more code
        (1.19, 0, "discard"),
        (1.19, None, "discard"),
        (1.19, -1, "keep"),
        (1.20, -1, "keep"),  # no worse, and simpler
        (1.2001, -1, "discard"),  # worse, and nothing known about noise
        (1.30, -100, "discard"),
    ],
)
def test_below_the_threshold_only_a_simpler_change_that_is_no_worse_is_kept(score, line_delta, decision):
    promotion = judge(scores=[score], line_delta=line_delta)
    assert (promotion.decision, promotion.promoted) == (decision, False)


SEEDS = [1.19, 1.20, 1.21]
"""Standard deviation 0.01; a single candidate must gain 0.0337 to be more than noise."""


@pytest.mark.parametrize(
    "score, line_delta, verdict, decision, promoted",
    [
        (1.15, 9, "pass", "keep", True),  # 4.2 %, beyond noise
        (1.1665, 9, "fail", "discard", False),  # 2.8 %, within noise
        (1.1665, -9, "fail", "keep", False),
        (1.22, -9, "fail", "keep", False),  # worse, but within noise, and simpler
        (1.25, -9, "fail", "discard", False),  # worse beyond noise
    ],
)
def test_a_gain_within_the_baselines_seed_noise_is_none(score, line_delta, verdict, decision, promoted):
    promotion = judge(scores=[score], baseline_scores=SEEDS, line_delta=line_delta)
    assert gate(promotion, "noise").verdict == verdict
    assert (promotion.decision, promotion.promoted) == (decision, promoted)


def test_a_gain_over_the_threshold_that_is_noise_is_called_noise_and_not_promoted():
    promotion = judge(scores=[1.15], baseline_scores=[1.1, 1.2, 1.3])
    assert gate(promotion, "promotion").verdict == "pass"
    assert (promotion.decision, promotion.promoted) == ("discard", False)
    assert "this is noise: a change of -0.0500 BPB lies within the seed noise of 0.3372 BPB" in promotion.reason


def test_means_over_seeds_are_compared():
    promotion = judge(scores=[1.10, 1.14], baseline_scores=SEEDS)
    assert (promotion.val_bpb, promotion.baseline_bpb) == (pytest.approx(1.12), pytest.approx(1.20))
    assert promotion.noise.num_seeds == 3


@pytest.mark.parametrize(
    "std, scores, verdict, decision",
    [
        (0.002, [1.14], "pass", "keep"),  # 5 % against a floor of 0.17 %
        (0.020, [1.14], "fail", "discard"),  # 5 % against a floor of 1.7 %: undecided by one seed
        (0.020, [1.14] * 8, "pass", "keep"),  # and decided by eight
    ],
)
def test_a_gain_must_stand_out_from_a_measured_noise_floor(std, scores, verdict, decision):
    promotion = judge(scores=scores, baseline_scores=[1.2] * len(scores), floor=Pooled(std, 40))
    confirmation = gate(promotion, "confirmation")
    assert (confirmation.verdict, promotion.decision, promotion.promoted) == (verdict, decision, decision == "keep")
    assert confirmation.value == pytest.approx(0.06)
    assert (confirmation.limit <= 0.06) == (verdict == "pass")


def test_an_undecided_gain_says_how_many_seeds_would_decide():
    promotion = judge(floor=Pooled(0.02, 40))
    assert "undecided" in promotion.reason
    assert "seeds here and of the baseline decide" in promotion.reason
    assert "golf run candidate --again" in promotion.reason


def test_without_a_measured_floor_or_a_baseline_there_is_nothing_to_confirm():
    assert "confirmation" not in [gate.name for gate in judge().gates]
    first = judge(baseline=None, baseline_scores=[], floor=Pooled(0.002, 40))
    assert "confirmation" not in [gate.name for gate in first.gates]


@given(baseline=st.floats(min_value=0.5, max_value=5), share=st.floats(min_value=0, max_value=0.05))
def test_a_small_noise_floor_leaves_three_percent_the_line(baseline, share):
    floor = Pooled(baseline * 0.001, 20)
    fields = {"baseline_scores": [baseline], "scores": [baseline * (1 - share)]}
    assert judge(**fields, floor=floor).promoted == judge(**fields).promoted


def test_the_first_run_of_a_tier_is_kept_as_its_baseline_and_not_promoted():
    promotion = judge(baseline=None, baseline_scores=[])
    assert (promotion.decision, promotion.promoted, promotion.improvement) == ("keep", False, None)
    assert gate(promotion, "promotion").verdict == "unknown"
    assert "tier local has no baseline yet, and the first run that is kept becomes it" in promotion.reason


@pytest.mark.parametrize("artifact_bytes, fits", [(16_000_000, True), (16_000_001, False)])
@pytest.mark.parametrize("first", [True, False])
def test_a_byte_over_the_limit_is_discarded_however_good(artifact_bytes, fits, first):
    fields = {"baseline": None, "baseline_scores": []} if first else {}
    promotion = judge(artifact_bytes=artifact_bytes, **fields)
    assert gate(promotion, "size").verdict == ("pass" if fits else "fail")
    assert promotion.decision == ("keep" if fits else "discard")
    assert fits or "1 over the limit of 16_000_000" in promotion.reason


def test_a_run_without_a_hypothesis_is_not_promoted():
    promotion = judge(has_hypothesis=False)
    assert (promotion.decision, promotion.promoted) == ("keep", False)
    assert "no hypothesis was recorded before the run" in promotion.reason


def test_money_decides_on_promotion_and_not_on_keeping():
    assert all_gates(judge(), make_budget(True, "OK")).promoted
    refused = all_gates(judge(), make_budget(False, "Blocked: remaining $48.00 is below reserve $50.00"))
    assert (refused.decision, refused.promoted) == ("keep", False)
    assert "budget: Blocked: remaining $48.00" in refused.reason


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, 0.0, -1.2])
@pytest.mark.parametrize("side", ["scores", "baseline_scores"])
def test_no_decision_follows_from_what_is_no_measurement(side, score):
    with pytest.raises(UnreadableInput, match="no measurement"):
        judge(**{side: [1.1, score]})


@pytest.mark.parametrize("fields", [{"scores": []}, {"baseline": None}, {"baseline_scores": []}])
def test_no_decision_follows_from_missing_scores(fields):
    with pytest.raises(UnreadableInput):
        judge(**fields)


@given(
    scores=st.lists(SCORE, min_size=1, max_size=4),
    baseline_scores=st.lists(SCORE, max_size=4),
    artifact_bytes=st.integers(min_value=15_999_990, max_value=16_000_010),
    line_delta=st.none() | st.integers(min_value=-5, max_value=5),
    has_hypothesis=st.booleans(),
    budget=st.none() | st.builds(make_budget, st.booleans(), st.just("as it is")),
)
def test_promoted_means_kept_with_no_gate_failed_and_three_percent_won(budget, **fields):
    promotion = judge(baseline="naive" if fields["baseline_scores"] else None, **fields)
    if budget is not None:
        promotion = all_gates(promotion, budget)
    failed = {gate.name for gate in promotion.gates if gate.verdict == "fail"}
    enough = promotion.improvement is not None and promotion.improvement >= 0.03 - 1e-9
    assert promotion.promoted == (enough and not failed)
    assert not promotion.promoted or promotion.decision == "keep"
    assert promotion.decision == "discard" or "size" not in failed
    assert all(gate.reason for gate in promotion.gates)
    assert promotion.reason.endswith(".") and "\n" not in promotion.reason
