from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.errors import BadConfig
from golf.referee.techniques import catalogue
from golf.research.attempts import Attempt, ideas, of_rows
from golf.research.bandit import scored
from golf.research.directions import RENDERED_BYTES_MAX, NextStep, next_directions, render
from golf.schema import Row

NOW = datetime(2026, 4, 1, tzinfo=UTC)


def tried(*ids: str, gain: float | None = -0.01, cost: float = 0.0, days: int = 0, text: str = "") -> Attempt:
    return Attempt(
        name="x", source="experiment", techniques=list(ids), gain_bpb=gain, cost_usd=cost, text=text,
        at=NOW - timedelta(days=days), outcome="discard",
    )  # fmt: skip


def claimed(*ids: str, gain: float | None = -0.01, days: int = 0) -> Attempt:
    return Attempt(
        name="PR", source="competitor", techniques=list(ids), gain_bpb=gain, at=NOW - timedelta(days=days)
    )  # fmt: skip


def row(tier: str, score: float, status: str, cost: float, description: str) -> Row:
    return Row.model_validate(
        {
            "commit": "a", "tier": tier, "val_bpb": score, "artifact_bytes": None, "memory_gb": None, "status": status,
            "promoted": "no", "cost_usd": cost, "description": description,
        }
    )  # fmt: skip


def by_family(history: list[Attempt], **settings: Any) -> dict[str, NextStep]:
    return {step.family: step for step in next_directions(history, count=18, **settings).steps}


RECORD = [
    row("local", 1.23, "keep", 0.0, "baseline"),
    row("local", 1.21, "keep", 0.0, "EMA decay 0.99"),
    row("h100x8", 1.10, "keep", 10.0, "EMA decay 0.99"),
    row("local", 1.30, "discard", 0.0, "dropout 0.1"),
]
"""A baseline, an idea that gained and was promoted, and one that failed."""

attempts = st.lists(
    st.builds(
        tried,
        st.sampled_from(sorted(catalogue())),
        gain=st.none() | st.floats(-0.1, 0.03),
        cost=st.floats(0, 30),
        days=st.integers(0, 60),
        text=st.text(max_size=80),
    ),
    max_size=60,
)


def test_s117_what_gained_more_per_dollar_comes_first() -> None:
    same = [tried("ema", gain=0.01, cost=1.0), tried("int6", gain=0.01, cost=10.0), tried("ttt", cost=1.0)] * 5
    assert [row.technique for row in scored(same)] == ["ema", "ttt", "int6"] or [
        row.technique for row in scored(same)
    ] == ["ema", "int6", "ttt"]
    assert scored(same)[0].technique == "ema"


def test_a_few_attempts_are_drawn_to_the_rate_of_all() -> None:
    rows = {row.technique: row for row in scored([tried("ema", gain=0.01), *[tried("int6")] * 19])}
    assert 0.05 < rows["ema"].chance < 0.5  # one win of one is no certainty
    assert rows["int6"].chance < 0.05


def test_of_two_with_the_same_rate_the_less_tried_one_is_explored_first() -> None:
    rows = scored([*[tried("ema", gain=0.01), tried("ema")] * 2, *[tried("int6", gain=0.01), tried("int6")] * 20])
    assert [row.technique for row in rows] == ["ema", "int6"]


def test_an_old_win_counts_less_than_a_new_one() -> None:
    rows = scored([tried("ema", gain=0.01, days=40), tried("int6", gain=0.01), tried("ttt"), tried("xsa")], now=NOW)
    assert rows[0].technique == "int6"


def test_what_was_not_measured_is_a_try_and_teaches_nothing() -> None:
    (row,) = scored([tried("ema", gain=None)])
    assert (row.tries, row.wins, row.gain_bpb) == (1, 0, 0.0)


@given(attempts, st.integers(4, 12))
def test_s99_one_direction_in_four_is_off_the_beaten_track(history: list[Attempt], count: int) -> None:
    found = next_directions(history, count=count)
    off = [step for step in found.steps if step.track == "off the beaten track"]
    assert len(off) == int(count * 0.25 + 0.5)
    others = [step.tries for step in found.steps if step.track == "promising"]
    assert not others or max(step.tries for step in off) <= min(others)
    assert len({step.family for step in found.steps}) == len(found.steps)


def test_s99_experiments_that_a_person_directs_are_left_free() -> None:
    found = next_directions([tried("ema")], count=8, human_share=0.25)
    assert found.human_slots == 2
    assert len(found.steps) <= 6
    assert "2 of the next experiments are a person's" in render(found)


def test_s59_families_never_tried_are_recommended() -> None:
    history = [tried(id) for id, one in catalogue().items() if one.family not in ("tokenizer", "search")]
    found = next_directions(history, count=4)
    assert [step.family for step in found.steps if step.track == "off the beaten track"] == ["tokenizer"]
    assert "never tried" in render(found)


def test_s117_each_direction_says_why_and_what_failed_there() -> None:
    found = next_directions([tried("ema", text="EMA decay 0.9"), tried("ema", gain=0.01, text="EMA decay 0.99")])
    (step,) = [step for step in found.steps if step.family == "averaging"]
    assert step.failed == ["'EMA decay 0.9' discard at +0.0100 BPB"]
    assert "1 of 2 attempts gained" in step.reason


def test_what_the_best_already_has_is_no_direction_and_what_is_like_it_is_one() -> None:
    (step,) = next_directions([tried("ema", gain=0.01)], have=["ema"], off_track=0).steps
    assert (step.family, step.track, step.techniques) == ("averaging", "promising", ["lawa", "polyak", "swa"])
    assert "the best has ema already" in step.reason
    assert next_directions([tried("ema")], have=["ema"], off_track=0).steps == []


def test_the_family_of_the_record_comes_first_and_what_just_failed_last() -> None:
    found = next_directions(of_rows(RECORD), count=18, have=["ema"]).steps
    assert (found[0].family, found[0].track, found[0].wins, found[0].tries) == ("averaging", "promising", 1, 1)
    assert found[0].expected_gain_bpb and found[0].expected_gain_bpb > 0
    last = [step for step in found if step.track != "off the beaten track"][-1]
    assert (last.family, last.track, last.expected_gain_bpb) == ("regularisation", "nothing gained yet", None)
    assert last.failed == ["'dropout 0.1' discard at +0.0900 BPB"]


def test_a_run_on_another_tier_is_no_second_attempt_and_what_was_kept_no_failure() -> None:
    averaging = by_family(of_rows(RECORD))["averaging"]
    assert (averaging.tries, averaging.wins, averaging.failed) == (1, 1, [])
    assert "1 of 1 attempts gained here" in averaging.reason
    kept = by_family(of_rows([row("local", 1.2, "keep", 0.0, "EMA decay 0.99")]))["averaging"]
    assert (kept.tries, kept.wins, kept.failed) == (1, 0, [])  # nothing was there to compare it with


def test_the_paid_run_settles_what_the_local_one_promised() -> None:
    rows = [
        row("paid", 1.1, "keep", 3.5, "base"),
        *RECORD[:2],
        row("paid", 1.2, "discard", 3.5, "ema:  EMA decay 0.99"),
    ]
    (last,) = [one for one in ideas(of_rows(rows)) if one.techniques]
    assert (last.gain_bpb, last.is_failure, last.cost_usd) == (pytest.approx(-0.1), True, 0.0)
    twice = [*RECORD[:2], RECORD[1]]
    assert len(ideas(of_rows(twice))) == 3  # again on the same tier is again


def test_a_crash_elsewhere_takes_no_gain_away_and_a_crash_alone_is_a_failure() -> None:
    rows = [*RECORD[:2], row("paid", 0.0, "crash", 3.5, "EMA decay 0.99")]
    assert by_family(of_rows(rows))["averaging"].wins == 1
    assert by_family(of_rows([row("paid", 0.0, "crash", 3.5, "EMA decay 0.99")]))["averaging"].failed == [
        "'EMA decay 0.99' crash"
    ]


def test_what_only_failed_stands_below_all_that_gained_or_was_never_tried() -> None:
    history = [tried("bigram_hash", gain=0.01), *[tried("label_smoothing", text=f"smoothing {n}") for n in range(3)]]
    found = next_directions(history, count=18).steps
    assert (found[0].family, found[0].track) == ("embedding", "promising")
    ranked = [step for step in found if step.track != "off the beaten track"]
    assert (ranked[-1].family, ranked[-1].track, ranked[-1].tries) == ("objective", "nothing gained yet", 3)
    assert "BPB expected" not in ranked[-1].reason


def test_what_failed_here_weighs_more_than_others_claims() -> None:
    claims = [claimed("ema", gain=0.01), claimed("int6", gain=0.01), claimed("ema"), claimed("int6")]
    chances = {one.technique: one.chance for one in scored([*claims, tried("ema")])}
    elsewhere = {one.technique: one.chance for one in scored([*claims, claimed("ema")])}
    assert chances["ema"] < chances["int6"]
    assert chances["int6"] - chances["ema"] > 1.5 * (elsewhere["int6"] - elsewhere["ema"])


def test_an_old_field_keeps_its_say_beside_what_is_tried_and_read_today() -> None:
    claims = [
        *[claimed(id, gain=0.01, days=200) for id in ("ema", "ema", "ema", "int6")],
        *[claimed("int6", days=200)] * 2,
    ]
    read = Attempt(name="paper", source="item", techniques=["ttt"], at=NOW)
    found = by_family([*claims, read, tried("ttt", gain=0.0)])
    gains = [found[family].expected_gain_bpb for family in ("averaging", "quantisation")]
    assert gains[0] and gains[1] and gains[0] > 1.2 * gains[1]


def test_differences_that_nobody_could_measure_decide_no_rank() -> None:
    """Both old ones are as good as forgotten: the one with a billionth more is the more tried one."""
    old = [claimed("swa", gain=0.01, days=200), *[claimed("ttt", gain=0.01, days=200)] * 2]
    found = scored([*old, claimed("xsa", gain=0.01), claimed("xsa")])
    assert [one.technique for one in found] == ["swa", "ttt", "xsa"]
    assert 0 < found[1].gain_bpb - found[0].gain_bpb < 1e-9


@given(attempts)
def test_s117_what_is_promised_rests_on_a_win_and_stands_in_the_order_of_what_is_shown(history: list[Attempt]) -> None:
    found = next_directions(history, count=18).steps
    promised = [step for step in found if step.track == "promising"]
    gains = [round(step.expected_gain_bpb or 0.0, 5) for step in promised]
    assert all(step.wins and step.expected_gain_bpb for step in promised)
    for n, step in enumerate(promised):
        assert ("ahead" in step.reason) == any(later > gains[n] for later in gains[n + 1 :])
    for step in found:
        if step.track != "promising":
            assert step.expected_gain_bpb is None and "expected" not in step.reason
        if step.track == "unexplored":
            assert not step.tries
    tracks = [step.track for step in found if step.track != "off the beaten track"]
    assert tracks == sorted(tracks, key=["promising", "unexplored", "nothing gained yet"].index)


def test_what_stands_before_a_larger_gain_says_why() -> None:
    dear = [tried("ema", gain=0.01, cost=10.0), tried("int6", gain=0.01), tried("int6"), tried("ttt")]
    found = by_family(dear)
    assert "ahead for its price" in found["quantisation"].reason
    assert "ahead" not in found["averaging"].reason
    assert (found["averaging"].expected_gain_bpb or 0) > (found["quantisation"].expected_gain_bpb or 1)


def test_a_direction_says_whose_attempts_it_counts() -> None:
    found = by_family([claimed("ema", gain=0.01), tried("swa"), claimed("int6", gain=0.01), tried("ttt", gain=0.01)])
    assert "1 of 2 attempts gained, others' included (here 0 of 1)" in found["averaging"].reason
    assert "1 of 1 attempts gained, others' included (here none)" in found["quantisation"].reason
    assert "1 of 1 attempts gained here" in found["test-time training"].reason
    assert "never tried, here or by anybody known" in found["tokenizer"].reason


def test_the_wider_technique_of_one_that_was_tried_or_is_there_is_no_news() -> None:
    """`gptq_int6` is GPTQ: whoever has tried or has the one has the other."""
    for found in (next_directions([tried("gptq_int6")], count=18), next_directions([], have=["gptq_int6"], count=18)):
        assert "gptq" not in {id for step in found.steps for id in step.techniques}
    (step,) = next_directions([tried("gptq", gain=0.01)], have=["gptq_int6", "unheard of"], off_track=0).steps
    assert not {"gptq", "gptq_int6"}.intersection(step.techniques)


def test_the_smallest_share_off_the_beaten_track_is_none() -> None:
    (step,) = next_directions([tried("ema", gain=0.01)], off_track=5e-324).steps
    assert step.track == "promising"


@given(attempts)
def test_s117_the_directions_fit_in_2000_bytes(history: list[Attempt]) -> None:
    text = render(next_directions(history, count=18))
    assert len(text.encode()) <= RENDERED_BYTES_MAX
    assert text.isprintable() or set(text) - {"\n"} <= {c for c in text if c.isprintable()} | {"\n"}


def test_a_win_with_what_a_rule_forbids_speaks_for_nothing_else() -> None:
    forbidden = next(id for id, one in sorted(catalogue().items()) if one.forbidden)
    assert not [step for step in by_family([tried(forbidden, gain=0.01)]).values() if step.track == "promising"]


@pytest.mark.parametrize("settings", [{"off_track": 1.5}, {"human_share": -0.1}, {"count": 0}])
def test_a_share_that_is_none_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(BadConfig, match=next(iter(settings))):
        next_directions([], **settings)
