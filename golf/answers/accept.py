"""The check that Codex leaves out: it sends a schema along, writes whatever comes back, and ends well."""

import json
from collections.abc import Sequence
from typing import Any, NoReturn

from pydantic import ValidationError

from golf.answers.base import Answer
from golf.answers.schemas import answer
from golf.errors import BadConfig, UnreadableInput

ANSWER_BYTES_MAX = 4_000_000
"""A longer answer is refused unread: two thousand triaged submissions fit."""

_AGAIN = "ask Codex again with --output-schema, do not repair it by hand"


def read(name: str, data: bytes) -> Answer:
    """The answer in `data`, when it is one JSON object that says what schema `name` asks for.

    Raises:
        NotFound: there is no such schema.
        UnreadableInput: it is empty, too long, not UTF-8, not JSON, or JSON with something around it.
        BadConfig: it is JSON and not such an answer; a line for each thing that is wrong.
    """
    model = answer(name)
    if len(data) > ANSWER_BYTES_MAX:
        raise UnreadableInput(
            f"the answer is over {ANSWER_BYTES_MAX:_} bytes long and was not read: ask about less at once"
        )
    try:
        words = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableInput(f"the answer is not UTF-8 text (byte {error.start}): {_AGAIN}") from None
    value = _object(words)
    try:
        return model.model_validate(value, strict=True)
    except ValidationError as error:
        problems = _problems(error)
        count = f"{len(problems)} problem{'s' * (len(problems) > 1)}"
        raise BadConfig(
            "\n".join([f"this is no {name} answer, {count}:", *problems, f"What it must be: golf schema {name}"])
        ) from None


def _object(text: str) -> dict[str, Any]:
    if not text.strip():
        raise UnreadableInput(f"Codex wrote an empty answer (it ends well even so): {_AGAIN}")
    stripped = text.strip()
    if stripped.startswith(("```", "~~~")):
        raise UnreadableInput(
            f"the answer is fenced in Markdown, and only the JSON object itself is accepted: {_AGAIN}"
        )
    try:
        value = json.loads(stripped, parse_constant=_refuse, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        if error.msg == "Extra data" and stripped[0] == "{":
            raise UnreadableInput(f"the answer goes on after its JSON object ({where}): {_AGAIN}") from None
        if stripped[0] != "{" and "{" in stripped:
            raise UnreadableInput(f"text stands before the JSON object ({stripped[:40]!r} …): {_AGAIN}") from None
        raise UnreadableInput(
            f"the answer is not JSON: {error.msg} at {where}; it may have been cut short: {_AGAIN}"
        ) from None
    except RecursionError:
        raise UnreadableInput(f"the answer is nested too deeply to be one: {_AGAIN}") from None
    except ValueError as error:  # our own two refusals, and whole numbers of thousands of digits
        raise UnreadableInput(f"the answer is not JSON as we take it: {str(error)[:200]}: {_AGAIN}") from None
    if not isinstance(value, dict):
        raise UnreadableInput(f"the answer is JSON and not an object but a {type(value).__name__}: {_AGAIN}")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number that JSON has")


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)[:60]!r} stands twice in one object")
    return found


def _problems(error: ValidationError, most: int = 20) -> list[str]:
    found = []
    for item in error.errors(include_url=False):
        where = ".".join(str(key) for key in item["loc"])
        said = item["msg"].removeprefix("Value error, ")
        given = "" if item["type"] in ("missing", "value_error") else f" (got {_short(item['input'])})"
        found.append(f"  {where + ': ' if where else ''}{said}{given}")
    return found[:most] + [f"  and {len(found) - most} more"] * (len(found) > most)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
