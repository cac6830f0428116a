"""Techniques that are known to fail together, by the catalogue's names for them."""

import pytest

from golf.referee import techniques
from golf.referee.conflicts import CONFLICTS, conflicts


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("ema_decay = 0.999\nnum_loops = 3", ["weight_averaging"]),
        ("TTT_LR=0.1\nfor _ in range(recurrence): ...", ["ttt"]),
        ("use_ema = True\nttt_steps = 1\ndepth_recurrence = 2", ["weight_averaging", "ttt"]),
        ("schema = 1; cinema = 2; recurse(x)", []),
        ("button = slots = recursion_limit = tttt = 1", []),
        ("ema = 0.9", []),
        ("# EMA over loops\nnum_loops = 3", []),
        ("", []),
    ],
)
def test_a_conflict_needs_both_techniques(source: str, found: list[str]) -> None:
    assert [row.first for row in conflicts(source)] == found


def test_the_table_speaks_of_techniques_in_the_catalogue() -> None:
    assert {id for row in CONFLICTS for id in (row.first, row.second)} <= set(techniques.catalogue())
    assert CONFLICTS[0].names == ("weight averaging", "depth recurrence (layers used more than once)")
