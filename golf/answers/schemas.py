"""The schemas for `codex exec --output-schema`, generated from the models.

They stay within what the API's strict mode takes (every property required, no extra ones, few keywords), which is far
less than a model can say: a hash's digits, ten points each once, a block with its evidence.

Source: OpenAI, "Structured Outputs", supported schemas.
"""

import json
from collections.abc import Mapping
from typing import Any

from golf.answers.base import Answer
from golf.answers.directions import NextDirections, SweepRecommendation
from golf.answers.research import ResearchGrade, ResearchVerification
from golf.answers.review import Review
from golf.answers.runs import ExperimentSummary
from golf.answers.submissions import Triage
from golf.errors import NotFound

ANSWERS: Mapping[str, type[Answer]] = {
    "review": Review,
    "experiment-summary": ExperimentSummary,
    "triage": Triage,
    "research-grade": ResearchGrade,
    "research-verification": ResearchVerification,
    "sweep-recommendation": SweepRecommendation,
    "next-directions": NextDirections,
}
"""Schema name to model."""

KEPT = ("description", "type", "enum")
"""Keywords of a value that strict mode takes everywhere, fine-tuned models included."""


def answer(name: str) -> type[Answer]:
    """The model behind a schema's name.

    Raises:
        NotFound: there is no such schema; the message lists those there are.
    """
    try:
        return ANSWERS[name]
    except KeyError:
        raise NotFound(f"no schema {name[:60]!r}; there are: {', '.join(ANSWERS)}") from None


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema for `--output-schema`, within the strict subset.

    Raises:
        NotFound: as `answer`.
    """
    whole = answer(name).model_json_schema()
    strict = _strict(whole)
    if "$defs" in whole:
        strict["$defs"] = {key: _strict(value) for key, value in whole["$defs"].items()}
    return strict


def _strict(value: Mapping[str, Any]) -> dict[str, Any]:
    """`value` with what strict mode knows; the rest is checked by `read`."""
    if "$ref" in value:  # the API refuses a reference with anything beside it
        return {"$ref": value["$ref"]}
    kept = {key: value[key] for key in KEPT if key in value}
    if "anyOf" in value:
        kept["anyOf"] = [_strict(option) for option in value["anyOf"]]
    if value.get("type") == "integer" and "minimum" in value and "maximum" in value:
        kept["enum"] = list(range(value["minimum"], value["maximum"] + 1))
    if "items" in value:
        kept["items"] = _strict(value["items"])
    if "properties" in value:
        kept["properties"] = {key: _strict(item) for key, item in value["properties"].items()}
        kept["required"] = list(value["properties"])
        kept["additionalProperties"] = False
    return kept


def text(name: str) -> str:
    """The schema as it stands in `schemas/`."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"
