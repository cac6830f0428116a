"""A person may let one state of one experiment past one gate, on record; money, pace and evidence are not for it."""

from pathlib import Path

import pytest
from scene import scored, verdict

from golf.errors import BadConfig
from golf.play import gate, notes, override
from golf.play.promotion import check_promotion
from golf.schema import Gate
from golf.workspace import Workspace


@pytest.fixture
def short(workspace: Workspace) -> Path:
    """1 % better than its parent, beyond the noise and reviewed: short of the 3 %."""
    scored(workspace, "base", 1.3)
    folder = scored(workspace, "next", 1.287, script="x = 2\n", parent="base")
    verdict(workspace, "next")
    return folder


def shown(workspace: Workspace, name: str) -> Gate:
    return next(one for one in check_promotion(workspace, "next").gates if one.name == name)


def test_one_gate_is_let_past_with_name_and_reason_and_what_it_said(workspace: Workspace, short: Path) -> None:
    before = check_promotion(workspace, "next")
    assert [one.name for one in before.gates if one.verdict == "fail"] == ["promotion"] and not before.promoted
    override.record(workspace, "next", "promotion", by="human:ada", reason="it scales with length")
    after = check_promotion(workspace, "next")
    assert after.promoted
    told = shown(workspace, "promotion").reason
    assert told.startswith("overridden by ada: it scales with length (it said: val_bpb 1.2870 is 1.00 % lower")
    assert after.reason == f"Promoted: promotion: {told}."
    assert [one.name for one in after.gates] == [one.name for one in before.gates]


def test_it_holds_for_this_state_of_the_experiment_alone(workspace: Workspace, short: Path) -> None:
    override.record(workspace, "next", "promotion", by="human:ada", reason="r")
    (short / "train_gpt.py").write_text("x = 3\n")
    found = check_promotion(workspace, "next")
    assert not found.promoted and shown(workspace, "promotion").verdict == "fail"


def test_it_opens_no_other_gate(workspace: Workspace, short: Path) -> None:
    verdict(workspace, "next", "reject")
    override.record(workspace, "next", "promotion", by="human:ada", reason="r")
    found = check_promotion(workspace, "next")
    assert not found.promoted and found.reason.startswith("Not promoted: review: the critic says reject")
    override.record(workspace, "next", "review", by="human:ada", reason="I read it myself")
    assert check_promotion(workspace, "next").promoted


def test_what_is_unknown_may_be_let_past_as_well(workspace: Workspace) -> None:
    scored(workspace, "next", 1.3)  # the first of its tier: nothing to improve on
    verdict(workspace, "next")
    assert not check_promotion(workspace, "next").promoted
    override.record(workspace, "next", "promotion", by="human:ada", reason="a paid anchor")
    assert check_promotion(workspace, "next").promoted


@pytest.mark.parametrize("name", [*sorted(set(gate.ORDER) - set(override.GATES)), "moon", ""])
def test_facts_and_money_are_not_for_anybody_s_word(workspace: Workspace, short: Path, name: str) -> None:
    with pytest.raises(BadConfig, match="cannot be overridden"):
        override.record(workspace, "next", name, by="human:ada", reason="r")


def test_a_model_overrides_nothing_even_by_its_own_hand(workspace: Workspace, short: Path) -> None:
    with pytest.raises(BadConfig, match="a human's"):
        override.record(workspace, "next", "promotion", by="implementer", reason="r")
    word = override.record(workspace, "next", "promotion", by="human:ada", reason="r")
    workspace.notes.write_text(word.model_copy(update={"by": "implementer"}).model_dump_json() + "\n")
    assert list(notes.read(workspace)) and not check_promotion(workspace, "next").promoted


def test_the_gates_that_can_be_overridden_are_gates() -> None:
    assert set(gate.ORDER) - set(override.GATES) == {"evidence", "budget", "rate_limit"}
