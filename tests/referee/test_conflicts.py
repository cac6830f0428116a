"""Words that give techniques away, and pairs that are known to fail together."""

import pytest

from golf.referee.conflicts import conflicts, techniques


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("ema_decay = 0.999\nnum_loops = 3", ["weight averaging (EMA, SWA)"]),
        ("TTT_LR=0.1\nfor _ in range(recurrence):", ["test-time training"]),
        ("use_ema = True\nttt_steps = 1\ndepth_recurrence = 2", ["weight averaging (EMA, SWA)", "test-time training"]),
        ("schema = 1; cinema = 2; recurse(x)", []),
        ("ema = 0.9", []),
        ("", []),
    ],
)
def test_a_conflict_needs_both_techniques(source: str, found: list[str]) -> None:
    assert [row.first for row in conflicts(source)] == found


def test_a_word_inside_another_is_no_technique() -> None:
    assert techniques("schema attention button slots recursion_limit tttt") == {}
