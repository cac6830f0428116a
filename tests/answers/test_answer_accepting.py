"""An answer is accepted whole, or refused with a line for each problem: the check that Codex leaves out."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_answers import REVIEW, failing, item, review, run, summary

from golf import answers
from golf.answers import ANSWERS
from golf.errors import BadConfig, GolfError, NotFound, UnreadableInput


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("", "empty answer"),
        ("  \n", "empty answer"),
        (f"```json\n{REVIEW}\n```", "fenced in Markdown"),
        (f"Here is my review:\n{REVIEW}", "text stands before"),
        (f"{REVIEW}\nI hope this helps.", "goes on after"),
        (REVIEW + REVIEW, "goes on after"),
        (REVIEW[:-20], "cut short"),
        ("I could not do it.", "not JSON"),
        (f"[{REVIEW}]", "not an object but a list"),
        ('"accept"', "not an object but a str"),
        (REVIEW.replace('"sound"', "NaN"), "NaN"),
        (REVIEW.replace('"sound"', "-Infinity"), "Infinity"),
        (REVIEW.replace('"reason"', '"verdict": "reject", "reason"'), "stands twice"),
        (REVIEW.replace('"sound"', "9" * 5000), "not JSON as we take it"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("x" * (answers.ANSWER_BYTES_MAX + 1), "was not read"),
    ],
    ids=lambda value: value[:30],
)
def test_what_is_not_one_json_object_is_refused_with_the_reason(data: str, said: str):
    with pytest.raises(UnreadableInput, match=said):
        answers.read("review", data.encode())


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(UnreadableInput, match="UTF-8"):
        answers.read("review", b'{"a": "\xff"}')


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"verdict": "perhaps"}, "verdict: .*'perhaps'"),
        ({"diff_sha256": "AB" * 32}, "diff_sha256"),
        ({"diff_sha256": "ab" * 31}, "diff_sha256"),
        ({"reason": "  "}, "reason"),
        ({"reason": None}, "reason"),
        ({"experiment": ""}, "experiment"),
        ({"points": []}, "missing: gain, significance, size"),
        ({"points": review()["points"][1:]}, "missing: gain"),
        ({"points": [*review()["points"], review()["points"][0]]}, "twice: gain"),
        ({"points": failing("size", "bytes")}, "accept although size, bytes fails"),
        ({"points": [{**point, "evidence": " "} for point in failing()]}, "points.0.evidence"),
        ({"points": [{**point, "verdict": True} for point in failing()]}, "points.0.verdict"),
        ({"total": 3}, "total"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_review_that_breaks_a_rule_is_refused_and_the_message_names_it(changes: dict[str, Any], said: str):
    with pytest.raises(BadConfig, match=said):
        answers.read("review", json.dumps(review(**changes)).encode())


def test_a_failing_point_is_no_obstacle_to_revise():
    accepted = answers.read("review", json.dumps(review(verdict="revise", points=failing("size"))).encode())
    assert isinstance(accepted, answers.Review)


def test_every_problem_has_a_line_of_its_own():
    with pytest.raises(BadConfig) as refused:
        answers.read("review", json.dumps(review(verdict="perhaps", reason=3)).encode())
    assert len(str(refused.value).splitlines()) == 4
    assert "2 problems" in str(refused.value)


def test_a_number_in_quotes_and_a_yes_for_a_grade_are_no_grades():
    whole = item(1, 1, 1, 1, 1).model_dump()
    for wrong in ("2", True, 2.0, 4, -1):
        with pytest.raises(BadConfig, match="bpb_impact"):
            answers.read("research-grade", json.dumps({"items": [{**whole, "bpb_impact": wrong}]}).encode())


@pytest.mark.parametrize("wrong", ["1e999", "true", '"1.2"'])
def test_a_score_that_is_no_finite_number_is_refused(wrong: str):
    data = json.dumps(summary(run(1, 1.25))).replace("1.25", wrong, 1)
    with pytest.raises(BadConfig, match="val_bpb"):
        answers.read("experiment-summary", data.encode())


@settings(max_examples=200)
@given(
    data=st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).map(lambda value: json.dumps(value).encode())
)
def test_anything_else_is_refused_as_an_expected_failure(data: bytes):
    for name in ANSWERS:
        with pytest.raises(GolfError):
            answers.read(name, data)


def test_an_unknown_schema_is_answered_with_those_there_are():
    with pytest.raises(NotFound, match="review, experiment-summary, triage"):
        answers.schema("revue")
