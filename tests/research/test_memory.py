import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.research import memory
from golf.research.likeness import likeness
from golf.research.memory import Hypothesis
from golf.workspace import Workspace

PAIRS = [json.loads(line) for line in Path(__file__).with_name("pairs.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def connection(workspace: Workspace) -> Iterator[Connection]:
    with memory.opened(workspace) as opened:
        yield opened


@pytest.mark.parametrize("half", ["tuning", "held back"])
def test_the_duplicate_guard_has_precision_and_recall_of_85_percent_on_100_labelled_pairs(half: str) -> None:
    pairs = [(pair["kind"] != "different", likeness(pair["a"], pair["b"])) for pair in PAIRS if pair["half"] == half]
    assert len(pairs) == 100
    right = sum(is_one and said is not None for is_one, said in pairs)
    assert right / sum(said is not None for _, said in pairs) >= 0.85
    assert right / sum(is_one for is_one, _ in pairs) >= 0.85


@given(st.sampled_from(PAIRS))
def test_likeness_has_no_direction_and_every_idea_is_itself(pair: dict[str, str]) -> None:
    assert likeness(pair["a"], pair["b"]) == likeness(pair["b"], pair["a"])
    assert likeness(pair["a"], pair["a"]) == "same idea"


def test_an_idea_that_failed_is_recalled_with_what_came_of_it(connection: Connection) -> None:
    tried = Hypothesis(name="e1", text="EMA decay 0.997", predicted_gain_bpb=0.01, gain_bpb=-0.002, status="discard")
    memory.remember(connection, [tried, Hypothesis(name="e2", text="int5 for the MLP", status="keep", gain_bpb=0.1)])
    said = memory.you_tried_this(connection, "EMA decay of 0.999")
    assert said == (
        "You tried this (another knob value): e1 'EMA decay 0.997': discard, -0.0020 BPB gained, +0.0100 foretold."
    )
    assert memory.you_tried_this(connection, "mixture of depths") is None


def test_a_record_with_a_known_name_takes_the_earlier_ones_place(connection: Connection) -> None:
    memory.remember(connection, [Hypothesis(name="e", text="EMA decay 0.9")])
    memory.remember(connection, [Hypothesis(name="e", text="EMA decay 0.9", status="keep", gain_bpb=0.01)])
    (found,) = memory.recall(connection, "EMA decay 0.9")
    assert (found.record.status, found.kind) == ("keep", "same idea")


def test_among_records_of_one_moment_a_new_text_keeps_the_earlier_place(connection: Connection) -> None:
    at = datetime(2026, 4, 1, tzinfo=UTC)
    memory.remember(connection, [Hypothesis(name=name, text="EMA decay 0.9", at=at) for name in "ab"])
    memory.remember(connection, [Hypothesis(name="a", text="EMA decay 0.99", at=at)])
    assert [one.record.name for one in memory.recall(connection, "EMA decay 0.9")] == ["b", "a"]


def test_what_failed_twice_and_never_gained_is_a_rule(connection: Connection) -> None:
    failed = [
        Hypothesis(name=f"e{n}", text=f"int5 for the MLP, group {n}", status="discard", gain_bpb=-0.01) for n in (1, 2)
    ]
    memory.remember(connection, [*failed, Hypothesis(name="k", text="EMA decay 0.9", status="discard")])
    (rule,) = memory.rules(connection)
    assert rule.startswith("int5 for the MLP, group 1 failed twice: e1 discard")
    gained = Hypothesis(name="e3", text="int5 for the MLP, group 3", status="discard", gain_bpb=0.01)
    for third in (gained, gained.model_copy(update={"status": "keep"})):
        memory.remember(connection, [third])
        assert memory.rules(connection) == []


def test_an_answer_has_at_most_400_bytes_and_says_how_often_it_failed(connection: Connection) -> None:
    text = "EMA decay 0.9 " + "ünï" * 60
    memory.remember(connection, [Hypothesis(name=f"{n}" * 90, text=text, status="crash") for n in range(9)])
    said = memory.you_tried_this(connection, text)
    assert said is not None and len(said.encode()) <= memory.ANSWER_BYTES_MAX
    assert "(9 records)" in said


@pytest.mark.parametrize("text", ['"', "'; DROP TABLE hypothesis; --", "NEAR(a b)", "a AND OR *", "\x00", "", "x:y^2"])
def test_hostile_text_is_looked_for_and_is_no_query(connection: Connection, text: str) -> None:
    memory.remember(connection, [Hypothesis(name="e", text="EMA decay 0.9"), Hypothesis(name="f", text=f"x {text}")])
    memory.you_tried_this(connection, text)
    assert memory.recall(connection, "EMA decay 0.9")
