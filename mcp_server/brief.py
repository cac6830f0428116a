"""Answers that fit: under 2 kB reach the model, and what is left out of one can be had by a path or another call."""

import json
from typing import Any, TypeVar

from pydantic import BaseModel

ANSWER_BYTES_MAX = 1900
KEPT_CHARACTERS = 64
"""No text is cut below this; hashes are as long."""
KEPT_WHOLE = ("path", "folder", "log", "uri", "url", "id", "experiment")
"""How the names of texts end that lead somewhere: cut, they would lead elsewhere."""

AnyNoun = TypeVar("AnyNoun", bound=BaseModel)


def brief(noun: AnyNoun, limit_bytes: int = ANSWER_BYTES_MAX) -> AnyNoun:
    """The same noun, its longest texts cut until it fits; numbers, names, paths and addresses stay whole."""
    excess = len(noun.model_dump_json().encode()) - limit_bytes
    if excess <= 0:
        return noun
    value = noun.model_dump(mode="json", round_trip=True)
    texts = _texts(value)
    lengths = sorted((len(holder[key].encode()) for holder, key in texts), reverse=True)
    room = KEPT_CHARACTERS
    for most in range(lengths[0] if lengths else 0, KEPT_CHARACTERS, -8):
        if sum(max(0, length - most) for length in lengths) >= excess:
            room = most
            break
    for holder, key in texts:
        text = holder[key].encode()
        if len(text) > room:
            holder[key] = text[: room - 3].decode(errors="ignore") + "…"
    return type(noun).model_validate(value)


def fewer(noun: AnyNoun, *lists: str, limit_bytes: int = ANSWER_BYTES_MAX) -> AnyNoun:
    """The same noun without the last entries of these lists, until it fits or each has one; nothing is cut within.

    Args:
        noun: What to shorten.
        lists: Names of its lists, the most dispensable first; `steps.failed` are those in the entries of `steps`.
        limit_bytes: Of the noun as JSON.
    """
    excess = len(noun.model_dump_json().encode()) - limit_bytes
    if excess <= 0:
        return noun
    value = noun.model_dump(mode="json", round_trip=True)
    for name in lists:
        outer, _, inner = name.partition(".")
        for held in [entry[inner] for entry in reversed(value[outer])] if inner else [value[outer]]:
            while excess > 0 and len(held) > 1:
                excess -= 1 + _size(held.pop())
    return type(noun).model_validate(value)


def _size(entry: Any) -> int:
    return len(json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace"))


def _texts(value: Any) -> list[tuple[Any, Any]]:
    """Where each text is held that may be cut."""
    found: list[tuple[Any, Any]] = []
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if isinstance(item, dict | list):
            found += _texts(item)
        elif isinstance(item, str) and not str(key).endswith(KEPT_WHOLE):
            found.append((value, key))
    return found
