from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.errors import BadConfig
from golf.referee.techniques import catalogue
from golf.research.attempts import Attempt
from golf.research.bandit import scored
from golf.research.directions import RENDERED_BYTES_MAX, next_directions, render

NOW = datetime(2026, 4, 1, tzinfo=UTC)


def tried(*ids: str, gain: float | None = -0.01, cost: float = 0.0, days: int = 0, text: str = "") -> Attempt:
    return Attempt(
        name="x", source="experiment", techniques=list(ids), gain_bpb=gain, cost_usd=cost, text=text,
        at=NOW - timedelta(days=days), outcome="discard",
    )  # fmt: skip


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


def test_what_the_best_already_has_is_no_direction() -> None:
    found = next_directions([tried("ema", gain=0.01)], have=["ema"], off_track=0)
    assert found.steps == []


def test_the_wider_technique_of_one_that_was_tried_or_is_there_is_no_news() -> None:
    """`gptq_int6` is GPTQ: whoever has tried or has the one has the other."""
    for found in (next_directions([tried("gptq_int6")], count=18), next_directions([], have=["gptq_int6"], count=18)):
        assert "gptq" not in {id for step in found.steps for id in step.techniques}
    assert next_directions([tried("gptq", gain=0.01)], have=["gptq_int6", "unheard of"], off_track=0).steps == []


def test_the_smallest_share_off_the_beaten_track_is_none() -> None:
    (step,) = next_directions([tried("ema", gain=0.01)], off_track=5e-324).steps
    assert step.track == "promising"


@given(attempts)
def test_s117_the_directions_fit_in_2000_bytes(history: list[Attempt]) -> None:
    text = render(next_directions(history, count=18))
    assert len(text.encode()) <= RENDERED_BYTES_MAX
    assert text.isprintable() or set(text) - {"\n"} <= {c for c in text if c.isprintable()} | {"\n"}


@pytest.mark.parametrize("settings", [{"off_track": 1.5}, {"human_share": -0.1}, {"count": 0}])
def test_a_share_that_is_none_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(BadConfig, match=next(iter(settings))):
        next_directions([], **settings)
