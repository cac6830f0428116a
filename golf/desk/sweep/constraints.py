"""Which combinations are left out: by their values, or by an expression that does not hold."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from golf.desk.expression import Expression
from golf.errors import BadConfig


def allowed(settings: Mapping[str, Any], exclude: Sequence[Mapping[str, Any]], constraints: Sequence[str]) -> bool:
    """Whether a combination stays.

    Raises:
        BadConfig: an exclusion or an expression names no setting, or cannot be worked out.
    """
    if any(_matches(settings, one) for one in exclude):
        return False
    return all(bool(holds(text, settings)) for text in constraints)


def _matches(settings: Mapping[str, Any], excluded: Mapping[str, Any]) -> bool:
    if not excluded:
        raise BadConfig("an exclusion is empty and would leave everything out; name its settings and values")
    for key, wanted in excluded.items():
        if key not in settings:
            raise BadConfig(f"exclude names {key}, which is no setting of the sweep; it has: {', '.join(settings)}")
        options = wanted if isinstance(wanted, list) and not isinstance(settings[key], list) else [wanted]
        if not any(_same(settings[key], option) for option in options):
            return False
    return True


def _same(a: Any, b: Any) -> bool:
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def holds(text: str, settings: Mapping[str, Any]) -> Any:
    """An expression's value for a combination.

    Raises:
        BadConfig: it is no expression, names no setting, or cannot be worked out.
    """
    expression = _parsed(text)
    names = {key.lstrip("+").lower(): value for key, value in settings.items()}
    for name in expression.names:
        if name.lower() not in names:
            raise BadConfig(
                f"a constraint names {name}, which is no setting of the sweep; it has: {', '.join(settings)}"
            )
    found = expression(names)
    if found is None:
        shown = ", ".join(f"{key}={value!r}" for key, value in settings.items())[:200]
        raise BadConfig(f"constraint {text!r} cannot be worked out for {shown}: a division by zero, or a value of null")
    return found


@functools.lru_cache(maxsize=64)  # asked once for every combination
def _parsed(text: str) -> Expression:
    return Expression(text, "constraint")
