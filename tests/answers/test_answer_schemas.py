"""Codex's answers: every schema stays within the strict subset, and its file is current."""

import json
from typing import Any

import pytest
from sample_answers import SCHEMAS

from golf import answers
from golf.answers import ANSWERS

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
