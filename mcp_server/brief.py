"""Answers that fit: under 2 kB reach the model, and a path in each of them leads to the rest."""

from typing import Any, TypeVar

from pydantic import BaseModel

ANSWER_BYTES_MAX = 1900
KEPT_CHARACTERS = 64
"""No text is cut below this; hashes are as long."""

AnyNoun = TypeVar("AnyNoun", bound=BaseModel)


def brief(noun: AnyNoun, limit_bytes: int = ANSWER_BYTES_MAX) -> AnyNoun:
    """The same noun, its longest texts cut until it fits; numbers, names and paths stay whole."""
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


def _texts(value: Any) -> list[tuple[Any, Any]]:
    """Where each text is held that may be cut: paths are what leads to the rest."""
    found: list[tuple[Any, Any]] = []
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if isinstance(item, dict | list):
            found += _texts(item)
        elif isinstance(item, str) and not str(key).endswith(("path", "folder", "log", "uri", "experiment")):
            found.append((value, key))
    return found
