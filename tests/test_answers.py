"""Codex's answers: schemas within the strict subset, and the check that Codex leaves out."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golf import answers
from golf.answers import ANSWERS, POINTS
from golf.errors import BadConfig, GolfError, NotFound, UnreadableInput

SCHEMAS = Path(__file__).parents[1] / "schemas"

# --- the strict subset -------------------------------------------------------------------------

KEYWORDS = {
    "object": {"type", "description", "properties", "required", "additionalProperties", "$defs"},
    "array": {"type", "description", "items"},
    "string": {"type", "description", "enum"},
    "integer": {"type", "description", "enum"},
    "number": {"type", "description", "enum"},
    "boolean": {"type", "description"},
    "null": {"type", "description"},
}
"""Keywords that strict mode takes for every model; the API knows some more, but not for fine-tuned ones."""

DEPTH_MAX, PROPERTIES_MAX, ENUM_MAX, NAMES_MAX = 5, 100, 500, 15_000
"""Limits the API began with; today's are wider."""


def offences(schema: dict[str, Any]) -> list[str]:
    """What the API would refuse in a schema."""
    found: list[str] = []
    names: list[str] = list(schema.get("$defs", {}))
    counts = {"properties": 0, "enum": 0}

    def look(value: dict[str, Any], where: str) -> None:
        if "$ref" in value:
            if set(value) != {"$ref"} or value["$ref"].removeprefix("#/$defs/") not in schema.get("$defs", {}):
                found.append(f"{where}: a reference stands alone and leads to a definition")
            return
        if "anyOf" in value:
            if set(value) - {"anyOf", "description"}:
                found.append(f"{where}: {set(value)}")
            for option in value["anyOf"]:
                look(option, f"{where}|")
            return
        kind = value.get("type")
        if kind not in KEYWORDS:
            found.append(f"{where}: type {kind!r}")
            return
        found.extend(f"{where}: {key}" for key in set(value) - KEYWORDS[kind])
        counts["enum"] += len(value.get("enum", []))
        names.extend(str(one) for one in value.get("enum", []))
        if kind == "array":
            look(value["items"], f"{where}[]")
        if kind == "object":
            if value.get("additionalProperties") is not False:
                found.append(f"{where}: takes extra properties")
            if value.get("required") != list(value["properties"]):
                found.append(f"{where}: not everything is required")
            for key, inner in value["properties"].items():
                counts["properties"] += 1
                names.append(key)
                look(inner, f"{where}.{key}")

    def depth(value: dict[str, Any], seen: tuple[str, ...] = ()) -> int:
        if "$ref" in value:
            name = value["$ref"].removeprefix("#/$defs/")
            assert name not in seen, "recursion"
            return depth(schema["$defs"][name], (*seen, name))
        inner = [
            *value.get("anyOf", []),
            *value.get("properties", {}).values(),
            *([value["items"]] if "items" in value else []),
        ]
        return (value.get("type") == "object") + max((depth(one, seen) for one in inner), default=0)

    if schema.get("type") != "object" or "anyOf" in schema:
        found.append("the root is no plain object")
        return found
    look(schema, "$")
    for name, definition in schema.get("$defs", {}).items():
        look(definition, name)
    if not found and depth(schema) > DEPTH_MAX:
        found.append("nested too deeply")
    if counts["properties"] > PROPERTIES_MAX or counts["enum"] > ENUM_MAX or sum(map(len, names)) > NAMES_MAX:
        found.append(f"too large: {counts}")
    return found


@pytest.mark.parametrize("name", ANSWERS)
def test_a_schema_stays_within_the_strict_subset(name: str):
    """Source: OpenAI, "Structured Outputs", supported schemas; one surplus keyword and the API refuses the request."""
    assert offences(json.loads((SCHEMAS / f"{name}.json").read_text())) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "array", "items": {"type": "string"}},
        {"anyOf": [{"type": "object", "properties": {}, "required": [], "additionalProperties": False}]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": [], "additionalProperties": False},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        *(
            {"type": "object", "properties": {"a": value}, "required": ["a"], "additionalProperties": False}
            for value in (
                {"type": "string", "pattern": "x"},
                {"type": "string", "minLength": 1},
                {"type": "string", "format": "date"},
                {"type": "string", "default": "x"},
                {"type": "integer", "minimum": 0},
                {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
                {"allOf": [{"type": "string"}]},
                {"const": "x"},
                {"$ref": "#/$defs/Gone"},
            )
        ),
    ],
    ids=lambda broken: json.dumps(broken)[:60],
)
def test_the_checker_sees_what_strict_mode_refuses(broken: dict[str, Any]):
    assert offences(broken)


@pytest.mark.parametrize("name", ANSWERS)
def test_the_schema_files_are_current(name: str):
    """Write them again: python -m golf.answers schemas/"""
    assert (SCHEMAS / f"{name}.json").read_text(encoding="utf-8") == answers.text(name)


def test_every_schema_file_has_a_model():
    assert sorted(path.stem for path in SCHEMAS.glob("*")) == sorted(ANSWERS)


# --- laws --------------------------------------------------------------------------------------

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


# --- accepting ---------------------------------------------------------------------------------


def review(**changes: Any) -> dict[str, Any]:
    points = [{"name": name, "verdict": "pass", "evidence": "read it"} for name in POINTS]
    whole = {
        "experiment": "2026-05-04_wider",
        "diff_sha256": "ab" * 32,
        "verdict": "accept",
        "points": points,
        "reason": "sound",
    }
    return {**whole, **changes}


def failing(*names: str) -> list[dict[str, str]]:
    return [{"name": name, "verdict": "fail" if name in names else "pass", "evidence": "e"} for name in POINTS]


REVIEW = json.dumps(review())


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


# --- other shapes ------------------------------------------------------------------------------


def run(
    rank: int | None, val_bpb: float | None, name: str = "a", tier: str = "local", **changes: Any
) -> dict[str, Any]:
    flags = ["crash"] if val_bpb is None else []
    measured = {"val_bpb": val_bpb, "artifact_bytes": 9, "train_time_s": 1.25, "gain_bpb": None, "noise_bpb": None}
    named = {"rank": rank, "experiment": name, "tier": tier, "tried": "it"}
    return {**named, **measured, "status": "keep" if val_bpb else "crash", "flags": flags, **changes}


def summary(*runs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    whole = {
        "scope": "all",
        "num_runs": len(runs),
        "best": None,
        "experiments": runs,
        "anomalies": [],
        "look_at": [],
        "summary": "s",
    }
    return {**whole, **changes}


def submission(name: str = "a", verdict: str = "review", **changes: Any) -> dict[str, Any]:
    numbers = {"claimed_val_bpb": 1.1, "logged_val_bpb": 1.1, "num_seeds": 3, "artifact_bytes": 9, "train_time_s": None}
    words = {"submission": name, "verdict": verdict, "track": None, "techniques": [], "findings": [], "reason": "r"}
    return {**words, **numbers, **changes}


def triage(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"num_submissions": len(entries), "submissions": entries, "summary": "s"}


BLOCK = {
    "code": "VAL_IN_TRAINING",
    "severity": "block",
    "text": "trains on validation",
    "evidence": [{"file": "a.py", "line": 3, "quote": "val"}],
}
FLAG = {**BLOCK, "severity": "flag", "text": "may train on validation"}
NOTE = {**BLOCK, "code": "NOT_SIGNIFICANT", "severity": "note", "evidence": []}


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


# --- totals ------------------------------------------------------------------------------------


def item(*grades: int, competitor: int | None = None, **flags: bool) -> answers.GradedItem:
    names = ("bpb_impact", "size_compatibility", "time_compatibility", "implementability", "novelty")
    none = {"needs_new_dependency": False, "needs_more_bytes": False, "needs_more_time": False}
    fields = {"title": "t", "url": None, "techniques": [], "reason": "r", "competitor_validated": competitor}
    return answers.GradedItem.model_validate({**fields, **none, **flags, **dict(zip(names, grades, strict=True))})


@pytest.mark.parametrize(
    ("grades", "competitor", "total", "tier"),
    [
        ((3, 3, 2, 4, 3), None, 15, "A"),
        ((3, 3, 2, 4, 3), 2, 17, "A"),
        ((3, 3, 2, 2, 0), None, 10, "A"),
        ((3, 3, 2, 1, 0), None, 9, "B"),
        ((3, 3, 1, 0, 0), None, 7, "B"),
        ((3, 3, 0, 0, 0), None, 6, "C"),
        ((3, 3, 0, 0, 0), 1, 7, "B"),
        ((0, 0, 0, 0, 0), 0, 0, "C"),
    ],
)
def test_totals_are_added_up_here_and_tiers_begin_at_ten_and_seven(
    grades: tuple[int, ...], competitor: int | None, total: int, tier: str
):
    graded = item(*grades, competitor=competitor)
    assert (graded.total, graded.tier) == (total, tier)


@pytest.mark.parametrize("flag", ["needs_new_dependency", "needs_more_bytes", "needs_more_time"])
def test_what_the_challenge_rules_out_is_worth_nothing(flag: str):
    ruled_out = item(3, 3, 2, 4, 3, competitor=2, **{flag: True})
    assert (ruled_out.total, ruled_out.tier) == (0, "C")


def test_grades_come_back_best_first():
    grades = answers.ResearchGrade(
        items=[item(0, 0, 0, 0, 1), item(3, 3, 2, 4, 3), item(3, 3, 2, 4, 3, needs_more_time=True)]
    )
    assert [(one.total, one.tier, one.ruled_out) for one in answers.tally(grades)] == [
        (15, "A", False),
        (1, "C", False),
        (0, "C", True),
    ]


# --- against what was measured -----------------------------------------------------------------


def said(name: str, value: dict[str, Any]) -> answers.Answer:
    return answers.read(name, json.dumps(value).encode())


FACTS = summary(run(1, 1.234567, "a"), run(2, 1.3, "b"), run(None, None, "c"))


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


# --- the command line --------------------------------------------------------------------------

Golf = Callable[..., tuple[int, str, str]]


@pytest.fixture
def golf(capsys: pytest.CaptureFixture[str]) -> Golf:
    from golf.cli import main

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_golf_schema_prints_the_file_and_lists_the_names(golf: Golf):
    assert golf("schema", "review") == (0, (SCHEMAS / "review.json").read_text(), "")
    code, out, _ = golf("schema", "--json")
    assert (code, [one["name"] for one in json.loads(out)]) == (0, list(ANSWERS))
    code, _, err = golf("schema", "revue")
    assert code == 2 and "next-directions" in err


def test_golf_accept_prints_the_answer_or_a_line_for_each_problem(golf: Golf, tmp_path: Path):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(REVIEW)
    bad.write_text(json.dumps(review(verdict="perhaps", reason="")))
    code, out, err = golf("accept", "review", str(good), "--json")
    assert (code, json.loads(out), err) == (0, review(), "")
    code, out, err = golf("accept", "review", str(bad))
    assert (code, out) == (2, "")
    assert any(line.startswith("verdict:") for line in err.splitlines())
    assert any(line.startswith("reason:") for line in err.splitlines())


def test_golf_accept_reads_stdin(golf: Golf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "answer").write_text(REVIEW)
    with open(tmp_path / "answer") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert golf("accept", "review", "-")[0] == 0


def test_golf_accept_adds_the_grades_up(golf: Golf, tmp_path: Path):
    file = tmp_path / "grades.json"
    file.write_text(answers.ResearchGrade(items=[item(3, 3, 2, 4, 3)]).model_dump_json())
    code, out, _ = golf("accept", "research-grade", str(file), "--json")
    assert code == 0
    assert [(one["total"], one["tier"]) for one in json.loads(out)] == [(15, "A")]


def test_golf_accept_refuses_numbers_nobody_measured(golf: Golf, tmp_path: Path):
    (tmp_path / "facts.json").write_text(json.dumps(FACTS))
    (tmp_path / "answer.json").write_text(json.dumps(summary(run(1, 1.1, "a"))))
    code, _, err = golf(
        "accept", "experiment-summary", str(tmp_path / "answer.json"), "--facts", str(tmp_path / "facts.json")
    )
    assert code == 2
    assert "val_bpb is said to be 1.1, and is 1.234567" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("review", "nowhere.json"), "there is no nowhere.json"),
        (("review", "."), "not a file"),
        (("revue", "nowhere.json"), "no schema 'revue'"),
        (("triage", "nowhere.json", "--record"), "--record takes a verdict"),
    ],
)
def test_golf_accept_says_what_it_cannot_use(golf: Golf, arguments: tuple[str, ...], said: str):
    code, _, err = golf("accept", *arguments)
    assert code == 2
    assert said in err
