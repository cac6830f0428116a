"""An answer that contradicts itself, or what was measured, is refused."""

import json
from typing import Any

import pytest
from sample_answers import BLOCK, FACTS, FLAG, NOTE, run, submission, summary, triage

from golf import answers
from golf.errors import BadConfig

# --- against itself ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("experiment-summary", summary(run(1, 1.3), run(2, 1.2)), "scores worse"),
        ("experiment-summary", summary(run(2, 1.2)), "not 1, 2, 3"),
        ("experiment-summary", summary(run(1, 1.2), run(1, 1.3)), "not 1, 2, 3"),
        ("experiment-summary", summary(run(1, None)), "no val_bpb"),
        ("experiment-summary", summary(run(1, 1.2, flags=["artifact_over_limit"])), "although it is flagged"),
        ("experiment-summary", summary(run(None, None, flags=[])), "a crash has both"),
        ("experiment-summary", summary(run(1, 1.2), best="b"), "listed nowhere"),
        ("experiment-summary", summary(run(1, 1.2), num_runs=0), "num_runs is 0"),
        ("triage", triage(submission(verdict="block")), "without a line of evidence"),
        ("triage", triage(submission(verdict="block", findings=[FLAG])), "without a line of evidence"),
        ("triage", triage(submission(verdict="block", findings=[{**BLOCK, "evidence": []}])), "without a line"),
        ("triage", triage(submission(verdict="review", findings=[BLOCK])), "called review in spite of"),
        ("triage", triage(submission(verdict="clear", findings=[NOTE, FLAG])), "called clear in spite of: may train"),
        ("triage", triage(submission(), submission()), "listed twice: a"),
        ("triage", triage(submission("a", "clear"), submission("b")), "in the order"),
        ("triage", {**triage(submission()), "num_submissions": 2}, "num_submissions is 2"),
    ],
)  # fmt: skip
def test_an_answer_that_contradicts_itself_is_refused(name: str, value: dict[str, Any], said: str):
    with pytest.raises(BadConfig, match=said):
        answers.read(name, json.dumps(value).encode())


def test_tiers_are_ranked_by_themselves():
    value = summary(run(1, 1.2, "a", "h100x8"), run(1, 2.5, "a", "local"), run(2, 2.6, "b", "local"), best="a")
    assert answers.read("experiment-summary", json.dumps(value).encode())


def recommendation(**changes: Any) -> dict[str, Any]:
    sweep = [{"name": "MLP_MULT", "values": ["2", "3", "4"], "reason": "r"}]
    whole = {
        "parent": "base",
        "hypothesis": "h",
        "recommended": [],
        "sweep": sweep,
        "max_runs": 3,
        "stop_rule": "s",
        "reason": "r",
    }
    return {**whole, **changes}


MEASURED = {"experiment": "a", "settings": [{"name": "MLP_MULT", "value": "3"}], "val_bpb": 1.2, "reason": "r"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recommended": [MEASURED] * 4}, "at most three"),
        ({"recommended": [{**MEASURED, "experiment": None}]}, "no experiment that measured it"),
        (
            {"recommended": [{**MEASURED, "settings": [{"name": "DATA_PATH", "value": "/mine"}]}]},
            "not an experiment's to set",
        ),
        ({"sweep": [{"name": "SEED", "values": ["1", "2"], "reason": "r"}]}, "not an experiment's to set"),
        ({"sweep": [{"name": "MLP MULT", "values": ["1", "2"], "reason": "r"}]}, "sweep.0.name"),
        ({"sweep": [{"name": "MLP_MULT", "values": ["2", "2"], "reason": "r"}]}, "each once"),
        ({"sweep": recommendation()["sweep"] * 2}, "swept once"),
        ({"max_runs": 4}, "the grid has 3 points"),
        ({"max_runs": 0}, "the grid has 3 points"),
        ({"sweep": []}, "nothing is left to sweep"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_sweep_is_bounded_by_its_own_grid(changes: dict[str, Any], said: str):
    with pytest.raises(BadConfig, match=said):
        answers.read("sweep-recommendation", json.dumps(recommendation(**changes)).encode())


# --- against what was measured -----------------------------------------------------------------


def said(name: str, value: dict[str, Any]) -> answers.Answer:
    return answers.read(name, json.dumps(value).encode())


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (FACTS, None),
        (summary(run(1, 1.2346, "a")), None),
        (summary(run(1, 1.3, "b"), run(None, None, "c"), num_runs=3), None),
        (summary(run(1, 1.23, "a")), "val_bpb is said to be 1.23, and is 1.234567"),
        (summary(run(1, 1.234567, "a", artifact_bytes=10)), "artifact_bytes is said to be 10, and is 9"),
        (summary(run(1, 1.234567, "a", artifact_bytes=None)), "artifact_bytes is said to be None"),
        (summary(run(1, 1.234567, "a", gain_bpb=0.1)), "gain_bpb is said to be 0.1"),
        (summary(run(1, 1.1, "d")), "d on tier local is no run"),
        (summary(run(1, 1.234567, "a", tier="h100x8")), "no run among the facts"),
        (summary(run(1, 1.5, "c")), "c: "),
    ],
)
def test_a_summary_may_round_and_leave_out_and_not_invent(answer: dict[str, Any], complaint: str | None):
    found = answers.contradictions(said("experiment-summary", answer), said("experiment-summary", FACTS))
    assert (found == []) if complaint is None else (complaint in found[0])


WORSE = [
    submission("a", "block", findings=[BLOCK], reason="trains on validation"),
    submission("b", findings=[{**FLAG, "evidence": []}], reason="may train on validation"),
    submission("c", "clear", findings=[NOTE]),
]


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        (WORSE, None),
        ([*WORSE[:2], submission("c", "clear")], None),
        ([WORSE[0], submission("b", "block", findings=[BLOCK]), submission("c")], None),
        (WORSE[:2], "c is missing"),
        ([*WORSE[:2], submission("d"), WORSE[2]], "d is no submission"),
        ([WORSE[0], submission("c"), submission("b", "clear")], "b is called clear in spite of: may train on"),
        ([submission("a"), *WORSE[1:]], "a is called review in spite of"),
        ([*WORSE[:2], submission("c", num_seeds=4)], "num_seeds is said to be 4, and is 3"),
        ([*WORSE[:2], submission("c", claimed_val_bpb=1.0)], "claimed_val_bpb is said to be 1.0"),
    ],
)
def test_a_triage_keeps_every_submission_and_every_number(entries: list[dict[str, Any]], complaint: str | None):
    found = answers.contradictions(said("triage", triage(*entries)), said("triage", triage(*WORSE)))
    assert (found == []) if complaint is None else (complaint in found[0])


def test_facts_of_another_kind_are_refused():
    with pytest.raises(BadConfig, match="same kind"):
        answers.contradictions(said("triage", triage()), said("experiment-summary", FACTS))
