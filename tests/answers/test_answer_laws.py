"""Laws of every kind of answer: what is accepted fits its schema, and a key too few or too many is refused."""

import json
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golf import answers
from golf.answers import ANSWERS, POINTS
from golf.errors import BadConfig

words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
text = words.map(lambda word: f"{word} {word}")
number = st.floats(-9, 9, allow_nan=False)
count = st.integers(0, 10**9)
maybe = st.one_of


def nullable(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def record(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(fields)


@st.composite
def reviews(draw: st.DrawFn) -> dict[str, Any]:
    verdict = draw(st.sampled_from(["accept", "revise", "reject"]))
    marks = ["pass", "unknown"] if verdict == "accept" else ["pass", "unknown", "fail"]
    points = [{"name": name, "verdict": draw(st.sampled_from(marks)), "evidence": draw(text)} for name in POINTS]
    return {
        "experiment": draw(words),
        "diff_sha256": draw(st.text("0123456789abcdef", min_size=64, max_size=64)),
        "verdict": verdict,
        "points": draw(st.permutations(points)),
        "reason": draw(text),
    }


@st.composite
def summaries(draw: st.DrawFn) -> dict[str, Any]:
    listed: list[dict[str, Any]] = []
    for tier in draw(st.lists(words, unique=True, max_size=3)):
        scores = sorted(draw(st.lists(number, max_size=4)))
        for rank, score in [*enumerate(scores, start=1), (None, None)]:
            flag = draw(st.sampled_from(["crash", "artifact_over_limit", "evidence_missing"]))
            status = "crash" if rank is None and flag == "crash" else draw(st.sampled_from(["keep", "discard"]))
            listed.append(
                {
                    "rank": rank,
                    "experiment": draw(words),
                    "tier": tier,
                    "status": status,
                    "val_bpb": score,
                    "artifact_bytes": draw(nullable(count)),
                    "train_time_s": draw(nullable(st.floats(0, 1e4))),
                    "gain_bpb": draw(nullable(number)),
                    "noise_bpb": draw(nullable(st.floats(0, 1))),
                    "flags": [flag]
                    if rank is None
                    else draw(st.lists(st.sampled_from(["within_noise", "single_seed"]), max_size=1)),
                    "tried": draw(st.text(max_size=9).map(lambda word: word.encode("utf-8", "ignore").decode())),
                }
            )
    first = next((entry["experiment"] for entry in listed if entry["rank"] == 1), None)
    return {
        "scope": draw(text),
        "num_runs": len(listed) + draw(count),
        "best": first,
        "experiments": listed,
        "anomalies": draw(st.lists(record(experiment=nullable(words), evidence=text), max_size=2)),
        "look_at": draw(st.lists(text, max_size=2)),
        "summary": draw(text),
    }


@st.composite
def triages(draw: st.DrawFn) -> dict[str, Any]:
    evidence = record(file=text, line=nullable(st.integers(1, 10**6)), quote=text)
    shown = st.lists(evidence, min_size=1, max_size=2)
    code = st.sampled_from(["SIZE_OVER", "TWO_PASS_RESCORE"])

    def finding(*severities: str) -> st.SearchStrategy[dict[str, Any]]:
        return record(code=code, severity=st.sampled_from(severities), text=text, evidence=shown)

    findings = {
        "block": st.lists(finding("block"), min_size=1, max_size=2),
        "review": st.lists(finding("flag", "note"), max_size=2),
        "clear": st.lists(finding("note"), max_size=2),
    }
    entries = []
    for name in draw(st.lists(words, unique=True, max_size=4)):
        verdict = draw(st.sampled_from(["block", "review", "clear"]))
        entry = record(
            submission=st.just(name),
            verdict=st.just(verdict),
            track=nullable(text),
            claimed_val_bpb=nullable(number),
            logged_val_bpb=nullable(number),
            num_seeds=count,
            artifact_bytes=nullable(count),
            train_time_s=nullable(st.floats(0, 1e6)),
            techniques=st.lists(words, max_size=2),
            findings=findings[verdict],
            reason=text,
        )
        entries.append(draw(entry))
    entries.sort(key=lambda entry: ("block", "review", "clear").index(entry["verdict"]))
    return {"num_submissions": len(entries), "submissions": entries, "summary": draw(text)}


GRADES = {
    "title": text,
    "url": nullable(text),
    "bpb_impact": st.integers(0, 3),
    "size_compatibility": st.integers(0, 3),
    "time_compatibility": st.integers(0, 2),
    "implementability": st.integers(0, 4),
    "novelty": st.integers(0, 3),
    "competitor_validated": nullable(st.integers(0, 2)),
    "needs_new_dependency": st.booleans(),
    "needs_more_bytes": st.booleans(),
    "needs_more_time": st.booleans(),
    "techniques": st.lists(words, max_size=2),
    "reason": text,
}
graded = record(**GRADES)
checked = record(**GRADES, sources=st.lists(text, max_size=2), brief=text)


@st.composite
def sweeps(draw: st.DrawFn) -> dict[str, Any]:
    variables = draw(
        st.lists(st.from_regex(r"[A-Z_]{2,8}", fullmatch=True).map(lambda name: f"X{name}"), unique=True, max_size=3)
    )
    sweep = [
        {"name": name, "values": draw(st.lists(words, unique=True, min_size=2, max_size=4)), "reason": draw(text)}
        for name in variables
    ]
    played = record(
        experiment=words,
        settings=st.lists(record(name=st.just("MLP_MULT"), value=words), max_size=2),
        val_bpb=nullable(number),
        reason=text,
    )
    return {
        "parent": draw(words),
        "hypothesis": draw(text),
        "recommended": draw(st.lists(played, max_size=3)),
        "sweep": sweep,
        "max_runs": draw(st.integers(1, 2 ** len(sweep))) if sweep else 0,
        "stop_rule": draw(text),
        "reason": draw(text),
    }


direction = record(
    slug=st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,20}", fullmatch=True),
    parent=nullable(words),
    family=words,
    hypothesis=text,
    expected_gain_bpb=nullable(number),
    rollback_criteria=text,
    expected_artifact_bytes=nullable(count),
    already_tried=st.lists(words, max_size=2),
    reason=text,
)
ONES: Mapping[str, st.SearchStrategy[dict[str, Any]]] = {
    "review": reviews(),
    "experiment-summary": summaries(),
    "triage": triages(),
    "research-grade": record(items=st.lists(graded, max_size=3)),
    "research-verification": record(items=st.lists(checked, max_size=3)),
    "sweep-recommendation": sweeps(),
    "next-directions": record(
        directions=st.lists(direction, max_size=3, unique_by=lambda one: one["slug"]),
        avoid=st.lists(record(what=text, reason=text), max_size=2),
        summary=text,
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
@settings(max_examples=30)
@given(data=st.data())
def test_whatever_is_accepted_fits_the_schema_and_comes_out_unchanged(name: str, data: st.DataObject):
    value = data.draw(ONES[name])
    accepted = answers.read(name, json.dumps(value).encode())
    dumped = accepted.model_dump(mode="json")
    assert dumped == value
    jsonschema.validate(dumped, answers.schema(name))


@pytest.mark.parametrize("name", ANSWERS)
@settings(max_examples=15)
@given(data=st.data())
def test_a_missing_or_an_extra_key_anywhere_is_refused_as_the_schema_would(name: str, data: st.DataObject):
    value = data.draw(ONES[name])
    objects: list[dict[str, Any]] = []

    def collect(part: Any) -> None:
        if isinstance(part, dict):
            objects.append(part)
            for inner in part.values():
                collect(inner)
        elif isinstance(part, list):
            for inner in part:
                collect(inner)

    collect(value)
    chosen = data.draw(st.sampled_from(objects))
    if data.draw(st.booleans()):
        chosen["surprise"] = 1
    else:
        del chosen[data.draw(st.sampled_from(sorted(chosen)))]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, answers.schema(name))
    with pytest.raises(BadConfig):
        answers.read(name, json.dumps(value).encode())
