"""Every dialect of submission.json comes out in one spelling."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.referee import stated
from golf.referee.stated import StatedSeed


@pytest.mark.parametrize(
    "table, bpb, key",
    [
        ({"val_bpb": 1.25}, 1.25, "val_bpb"),
        ({"val_bpb": "1.2500"}, 1.25, "val_bpb"),
        ({"val_bpb": None, "mean_val_bpb": 1.25}, 1.25, "mean_val_bpb"),
        ({"val_bpb": "TBD", "val_bpb_mean": 1.25}, 1.25, "val_bpb_mean"),
        ({"val_bpb": {"seed_1": 1.2, "mean": 1.25}}, 1.25, "val_bpb.mean"),
        ({"results": {"val_bpb": 1.25}}, 1.25, "results.val_bpb"),
        ({"val_bpb": 0}, None, None),
        ({"val_bpb": -1}, None, None),
        ({"val_bpb": True}, None, None),
        ({"val_bpb": "1.25 (one GPU) / 5.1 (best)"}, None, None),
        ({"val_bpb": 10**400}, None, None),
        ({}, None, None),
    ],
)
def test_the_headline_hides_under_many_names(table: dict[str, Any], bpb: float | None, key: str | None) -> None:
    said = stated.read(table)
    assert (said.bpb, said.bpb_key) == (bpb, key)


@pytest.mark.parametrize(
    "table",
    [
        {"seed_results": {"42": {"val_bpb": 1.2}, "7": {"val_bpb": 1.3}}},
        {"seeds": {"42": {"val_bpb": 1.2}, "7": {"val_bpb": 1.3}}},
        {"seeds": {"42": 1.2, "7": "1.3"}},
        {"per_seed": [{"seed": 42, "post_ttt_bpb": 1.2}, {"seed": "7", "post_ttt_bpb": 1.3}]},
        {"results": {"seed_42": {"val_bpb": 1.2}, "seed_7": {"val_bpb": 1.3}, "baseline": {"val_bpb": 9.0}}},
        {"seed_42": {"val_bpb": 1.2}, "seed_7": {"val_bpb": 1.3}},
        {"val_bpb_seed42": 1.2, "val_bpb_seed7": 1.3},
        {"seeds": [42, 7], "val_bpb_seeds": [1.2, 1.3]},
        {"val_bpb": {"42": 1.2, "7": 1.3}},
        {"seed_results": {"42": {"mixer_val_bpb": 1.2, "pre_quant_bpb": 1.1}, "7": {"mixer_val_bpb": 1.3}}},
    ],
    ids=range(10),
)
def test_seeds_are_tables_lists_or_keys(table: dict[str, Any]) -> None:
    rows = {row.seed: row.bpb for row in stated.read(table).rows}
    assert rows == {42: 1.2, 7: 1.3}
    assert stated.read(table).expected == {42: 1.2, 7: 1.3}


def test_a_seed_stated_twice_with_different_scores_expects_nothing() -> None:
    table = {"val_bpb": 1.1, "seed_results": {"7_slow": {"val_bpb": 1.2}, "7_fast": {"val_bpb": 1.3}}}
    assert [row.seed for row in stated.read(table).rows] == [7, 7]
    assert stated.read(table).expected == {None: 1.1}


@pytest.mark.parametrize(
    "table, size",
    [
        ({"bytes_total": 15_900_000}, 15_900_000),
        ({"artifact_bytes": "15,900,000"}, 15_900_000),
        ({"artifact_size_bytes": 15_900_000.0}, 15_900_000),
        ({"artifact_bytes": {"42": 15_800_000, "7": 15_900_000}}, 15_900_000),
        ({"artifact_bytes": {"code": 50_000, "total": 15_900_000}}, 15_900_000),
        ({"seed_results": {"42": {"bytes_total": 15_800_000}, "7": {"artifact_bytes": 15_900_000}}}, 15_900_000),
        ({"bytes_total": None}, None),
        ({"bytes_total": 15.9}, None),
        ({"artifact_bytes": "< 16 MB"}, None),
    ],
)
def test_sizes_are_whole_bytes_and_the_largest_counts(table: dict[str, Any], size: int | None) -> None:
    assert stated.read(table).bytes == size


def test_a_row_has_its_loss_and_bytes() -> None:
    table = {"seed_results": {"42": {"val_bpb": 1.2, "val_loss": 2.0, "artifact_bytes": 15_900_000}}}
    assert stated.read(table).rows == [StatedSeed("42", 42, 1.2, 2.0, 15_900_000)]


def test_names_of_logs_are_found_wherever_they_stand() -> None:
    table = {"logs": {"seed42": "logs/a.log"}, "primary_log": "b.txt", "note": "see c.log for more, or d.md"}
    assert stated.read(table).logs == ["logs/a.log", "b.txt"]


@pytest.mark.parametrize(
    "name, seed",
    [
        ("42", 42), ("seed_42", 42), ("Seed 42", 42), ("slot_seed42", 42), ("42_slow", 42), (42, 42), ("s42", 42),
        ("seed42_rerun", 42), ("approach_b", None), ("int8", None), ("v2", None), ("", None), (True, None), (-1, None),
        ("42abc", None), ("9" * 30, None),
    ],
)  # fmt: skip
def test_a_seed_is_told_by_its_key(name: Any, seed: int | None) -> None:
    assert stated.seed_of(name) == seed


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [*stated.BPB, *stated.BYTES, *stated.ROWS, *stated.SCORES, *stated.LOSS, "seed_7", "val_bpb_seed7"]
)


@given(st.dictionaries(KEYS | st.text(max_size=6), VALUES, max_size=6))
def test_any_object_is_read_and_only_numbers_come_out(table: dict[str, Any]) -> None:
    said = stated.read(table)
    assert said.bpb is None or 0 < said.bpb < stated.BPB_MAX
    assert said.bytes is None or said.bytes > 0
    assert json.dumps([said.bpb, said.loss, said.bytes, *said.seeds], allow_nan=False)
