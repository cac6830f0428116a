"""A setting's value as a script of each style takes it, and what no script takes.

Hydra and OmegaConf have types, so that a text that looks like a number is quoted. An environment has texts: True is 1
there, as the challenge's scripts read it. `--key=value` is written as Python would, as nanoGPT's configurator reads it.
"""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from golf.desk.sweep.specification import Style
from golf.errors import BadConfig

TEXT_MAX = 2_000
"""Characters of one value."""
ITEMS_MAX = 200
"""Items of a list or table, its inner ones included; YAML's aliases make them out of a few lines."""

KEYS: dict[Style, str] = {
    "hydra": r"(?:\+{1,2})?[A-Za-z_][\w-]*(?:[./][A-Za-z0-9_][\w-]*)*(?:@[\w.]+)?",
    "env": r"[A-Za-z_][A-Za-z0-9_]*",
    "args": r"[A-Za-z_][\w.-]*",
}
"""Names of settings, in ASCII."""
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:[./][A-Za-z0-9_-]+)*")
_KEYWORDS = frozenset({"null", "true", "false", "inf", "nan"})


def check_key(style: Style, key: str) -> None:
    """Raises BadConfig when a script of the style has no such setting."""
    if not re.fullmatch(KEYS[style], key, re.ASCII) or len(key) > 200:
        example = {"hydra": "model.mlp_ratio", "env": "MLP_MULT", "args": "n_layer"}[style]
        raise BadConfig(f"{key[:80]!r} is no name of a setting in style {style}; one looks like {example}")


def check_value(key: str, value: Any) -> None:
    """Raises BadConfig when no script could be given the value."""
    items = 0
    waiting = [value]
    while waiting:
        one = waiting.pop()
        items += 1
        if items > ITEMS_MAX:
            raise BadConfig(f"a value of {key} has over {ITEMS_MAX} items; that is a file of its own")
        if isinstance(one, Mapping):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str):
            _check_text(key, one)
        elif isinstance(one, float) and not math.isfinite(one):
            raise BadConfig(f"{key} is {one}, which is no value to try")
        elif not isinstance(one, bool | int | float) and one is not None:
            raise BadConfig(f"a value of {key} is a {type(one).__name__}; quote it, so that it is a text")


def _check_text(key: str, text: str) -> None:
    if len(text) > TEXT_MAX:
        raise BadConfig(f"a value of {key} has {len(text):,} characters, over the limit of {TEXT_MAX:,}")
    if any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in text):
        raise BadConfig(f"a value of {key} holds a line break or control character: {text[:60]!r}")


def written(style: Style, key: str, value: Any) -> str:
    """A value as it is written for a script.

    Raises:
        BadConfig: the style has no way to say it.
    """
    if style == "hydra":
        return _hydra(value)
    if isinstance(value, bool):
        return str(int(value)) if style == "env" else str(value)
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return repr(value)
    if style == "env" or isinstance(value, Mapping):
        kind = "null" if value is None else "a list" if isinstance(value, list) else "a table"
        raise BadConfig(f"{key} is {kind}, which style {style} cannot say; write it as the text that the script reads")
    return repr(value)


def word(style: Style, key: str, value: Any) -> str:
    """A setting as one word of a command line or environment."""
    return f"{'--' if style == 'args' else ''}{key}={written(style, key, value)}"


def _hydra(value: Any) -> str:
    """In Hydra's override grammar.

    Source: hydra, grammar/OverrideLexer.g4: in quotes only a quote is escaped, and backslashes right before one.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_hydra_key(key)}:{_hydra(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(map(_hydra, value)) + "]"
    if _PLAIN.fullmatch(value) and value.lower() not in _KEYWORDS:
        return value
    return "'" + re.sub(r"(\\*)('|$)", _escaped, value) + "'"


def _escaped(match: re.Match[str]) -> str:
    return match[1] * 2 + ("\\'" if match[2] else "")


def _hydra_key(key: Any) -> str:
    if not isinstance(key, str) or not _PLAIN.fullmatch(key):
        raise BadConfig(f"a table's key {key!r} cannot be written for Hydra; give its parts as settings, a.b: value")
    return key
