"""The combinations of a sweep, each once, each with a name that is made of its values.

The same values always get the same name, so that a sweep which was killed, or planned again, goes on where it was.
Drawn and computed numbers are rounded to few digits: they are read, typed and compared.
"""

import hashlib
import itertools
import json
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from golf.desk.sweep.constraints import allowed
from golf.desk.sweep.fractional import Fraction, fraction
from golf.desk.sweep.specification import Range, Specification, Style
from golf.desk.sweep.values import check_key, check_value, written
from golf.errors import BadConfig

COMBINATIONS_MAX = 512
"""Of one sweep, where nothing else is said: more is hardly meant."""
LOOKED_AT_MAX = 1_000_000
"""Combinations looked at before exclusions."""
DRAWS_PER_POINT = 1_000
"""Draws until a random design counts as unable to find one more point."""
POINT_CHARS = 44
"""An experiment is called `<sweep>-<point>`, with `-more1` for further seeds, and has 80 characters."""
VALUE_CHARS = 6
"""That a value and its dash usually take in a name."""
DIGITS, DRAWN_DIGITS = 6, 4
"""Significant digits of a value in a grid, and of one that is drawn."""


@dataclass(frozen=True)
class Point:
    """One combination."""

    name: str
    swept: Mapping[str, Any]
    """The settings that the sweep is about."""
    settings: Mapping[str, Any]
    """All that a run is given but its seed: what is fixed, then what is swept."""


@dataclass(frozen=True)
class Design:
    """What a sweep plays."""

    points: tuple[Point, ...]
    combinations: int
    """Before exclusions; of a random design, the points that were asked for."""
    excluded: int
    axes: Mapping[str, tuple[Any, ...]]
    """Values of each setting; the two ends where it is drawn from a range."""
    fraction: Fraction | None = None
    """Of a factorial design."""


def design(spec: Specification, limit: int = COMBINATIONS_MAX) -> Design:
    """The combinations of a sweep; of Optuna's, which are asked for one by one, none.

    Args:
        spec: The sweep.
        limit: The most combinations that are meant.

    Raises:
        BadConfig: a setting is malformed, has no value or one of them twice, is named twice, or there are no or too
            many combinations.
    """
    _check_names(spec)
    match spec.design:
        case "grid":
            return _grid(spec, limit)
        case "factorial":
            return _factorial(spec, limit)
        case "random":
            return _random(spec, limit)
        case _:
            return Design((), 0, 0, axes(spec, is_drawn=True))


def axes(spec: Specification, *, is_drawn: bool = False) -> dict[str, tuple[Any, ...]]:
    """Values of each setting that is swept: first the grid's, then the ranges'; `is_drawn` takes a range's two ends.

    Raises:
        BadConfig: a setting has no value, one twice, or its range is none.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for key, values in spec.grid.items():
        if not values:
            raise BadConfig(f"grid: {key} has no values; give at least one, or drop it")
        found[key] = tuple(values)
    for key, one in spec.ranges.items():
        found[key] = _ends(key, one) if is_drawn else _spread(key, one)
    if not found:
        raise BadConfig("nothing is swept: give settings and their values under grid or ranges")
    for key, values in found.items():
        seen = set()
        for value in values:
            check_value(key, value)
            text = written(spec.style, key, value)
            if text in seen:
                raise BadConfig(f"{key} has {text} twice{_too_close(spec, key)}; each combination is played once")
            seen.add(text)
    return found


def _too_close(spec: Specification, key: str) -> str:
    one = spec.ranges.get(key)
    if one is None or not one.is_whole:
        return ""
    return f" ({one.count} whole numbers do not lie apart between {one.low:g} and {one.high:g})"


def _check_names(spec: Specification) -> None:
    seen: dict[str, str] = {}
    for where, key in (
        ("seed_key", spec.seed_setting),
        ("tracking.run_name_key", spec.tracking.run_name_key),
        ("tracking.project_key", spec.tracking.project_key),
    ):
        if key:
            check_key(spec.style, key)
            seen[key.lstrip("+")] = where
    for where in ("grid", "ranges", "fixed"):
        for key in getattr(spec, where):
            check_key(spec.style, key)
            if key.lstrip("+") in seen:
                told = "seeds are listed under seeds" if seen[key.lstrip("+")] == "seed_key" else "name it in one place"
                raise BadConfig(f"{key} is under {where} and is set by {seen[key.lstrip('+')]} as well; {told}")
            seen[key.lstrip("+")] = where
    for key, value in spec.fixed.items():
        check_value(key, value)
        written(spec.style, key, value)


# --- values of a range


def _ends(key: str, one: Range) -> tuple[Any, Any]:
    if not one.low < one.high:
        raise BadConfig(f"ranges: {key} goes from {one.low:g} to {one.high:g}; from is the smaller one")
    if one.scale == "log" and one.low <= 0:
        raise BadConfig(f"ranges: {key} starts at {one.low:g}, and a log scale at more than 0")
    if one.is_whole:
        if one.low != round(one.low) or one.high != round(one.high):
            raise BadConfig(f"ranges: {key} is of whole numbers, and its ends are {one.low:g} and {one.high:g}")
        return int(one.low), int(one.high)
    return one.low, one.high


def _spread(key: str, one: Range) -> tuple[Any, ...]:
    low, high = _ends(key, one)
    if one.count is None:
        raise BadConfig(f"ranges: {key} needs its count, such as count: 5 (random designs and Optuna draw without)")
    shares = [index / (one.count - 1) for index in range(one.count)]
    inner = [_rounded(_between(one, share), one, DIGITS) for share in shares[1:-1]]
    return (low, *inner, high)


def _between(one: Range, share: float) -> float:
    if one.scale == "log":
        return math.exp(math.log(one.low) + share * (math.log(one.high) - math.log(one.low)))
    return one.low * (1 - share) + one.high * share


def _rounded(value: float, one: Range, digits: int) -> float:
    if one.is_whole:
        return min(max(round(value), int(one.low)), int(one.high))
    return min(max(float(f"{value:.{digits}g}"), one.low), one.high)


def drawn(one: Range, value: float) -> float:
    """A number that was drawn from a range, as it is played."""
    return _rounded(value, one, DRAWN_DIGITS)


# --- designs


def _grid(spec: Specification, limit: int) -> Design:
    values = axes(spec)
    return _of_rows(spec, values, itertools.product(*values.values()), _count(values), limit)


def _count(values: Mapping[str, Sequence[Any]]) -> int:
    return math.prod(len(options) for options in values.values())


def _factorial(spec: Specification, limit: int) -> Design:
    values = axes(spec, is_drawn=True)
    for key, options in values.items():
        if len(options) != 2:
            raise BadConfig(f"{key} has {len(options)} values, and a factorial design takes two of each setting")
    wanted = "full" if spec.factorial is None else spec.factorial.resolution
    chosen = fraction(len(values), None if wanted == "full" else wanted)
    rows = ([options[level] for options, level in zip(values.values(), row, strict=True)] for row in chosen.rows())
    found = _of_rows(spec, values, rows, chosen.runs, limit, chosen)
    if found.excluded:
        raise BadConfig(
            f"exclusions take {found.excluded} of {found.combinations} combinations out of a factorial design, whose "
            "effects then mix; use design: grid, or other levels"
        )
    return found


def _of_rows(
    spec: Specification,
    values: Mapping[str, tuple[Any, ...]],
    rows: Iterator[Any],
    total: int,
    limit: int,
    fraction: Fraction | None = None,
) -> Design:
    if total > LOOKED_AT_MAX or (total > limit and not spec.exclude and not spec.constraints):
        sizes = " × ".join(str(len(options)) for options in values.values())
        raise _too_many(f"{total:,} combinations ({sizes})", min(limit, LOOKED_AT_MAX))
    points: list[Point] = []
    excluded = 0
    for row in rows:
        swept = dict(zip(values, row, strict=True))
        settings = {**spec.fixed, **swept}
        if not allowed(settings, spec.exclude, spec.constraints):
            excluded += 1
            continue
        if len(points) >= limit:
            raise _too_many(f"more than {limit:,} combinations", limit)
        points.append(point(spec, swept))
    if not points:
        raise BadConfig(f"all {total:,} combinations are excluded, so nothing is left to play; loosen exclude")
    return Design(tuple(points), total, excluded, values, fraction)


def _too_many(what: str, limit: int) -> BadConfig:
    return BadConfig(f"{what}, over the limit of {limit:,}. Fewer values, a factorial or random design, or --max N")


def _random(spec: Specification, limit: int) -> Design:
    assert spec.random is not None  # read has checked it
    values = axes(spec, is_drawn=True)
    if spec.random.count > limit:
        raise _too_many(f"{spec.random.count:,} random points", limit)
    source = random.Random(spec.random.seed)
    points: dict[str, Point] = {}
    excluded = 0
    for _ in range(spec.random.count * DRAWS_PER_POINT):
        if len(points) == spec.random.count:
            break
        swept = {key: _draw(spec, key, values[key], source.random()) for key in values}
        if not allowed({**spec.fixed, **swept}, spec.exclude, spec.constraints):
            excluded += 1
            continue
        found = point(spec, swept)
        points.setdefault(found.name, found)
    if len(points) < spec.random.count:
        raise BadConfig(
            f"random draws found {len(points)} different combinations that are not excluded, and {spec.random.count} "
            "are asked for: ask for fewer, or play them all with design: grid"
        )
    return Design(tuple(points.values()), spec.random.count, excluded, values)


def _draw(spec: Specification, key: str, options: Sequence[Any], share: float) -> Any:
    if key in spec.grid:
        return options[min(int(share * len(options)), len(options) - 1)]
    one = spec.ranges[key]
    if one.is_whole and one.scale == "linear":  # each whole number with the same chance, the ends too
        return min(int(one.low + share * (one.high - one.low + 1)), int(one.high))
    return drawn(one, _between(one, share))


# --- names


def point(spec: Specification, swept: Mapping[str, Any]) -> Point:
    """One combination, named."""
    short = _short_names(tuple(swept))
    name = "-".join(f"{short[key]}{_of_value(spec.style, key, value)}" for key, value in swept.items())
    if len(name) > POINT_CHARS:
        name = f"{name[: POINT_CHARS - 9].rstrip('-._')}-{digest(name)[:8]}"
    return Point(name, dict(swept), {**spec.fixed, **swept})


def _short_names(keys: tuple[str, ...]) -> dict[str, str]:
    """The last part of each dotted name, or all of it where two end alike; initials where many are swept."""
    last = {key: _plain(re.split(r"[./@]", key)[-1]) for key in keys}
    if sum(len(name) + VALUE_CHARS for name in last.values()) > POINT_CHARS:
        initials = {key: "".join(part[0] for part in name.split("_") if part) for key, name in last.items()}
        if len(set(initials.values())) == len(keys):
            return initials
    if len(set(last.values())) < len(keys):
        last = {key: _plain(re.sub(r"[./@]", "_", key)) for key in keys}
    if len(set(last.values())) < len(keys):  # such as Lr and lr
        last = {key: f"{name}_{digest(key)[:4]}" for key, name in last.items()}
    return last


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9_]", "", text.lower()).strip("_") or "x"


def _of_value(style: Style, key: str, value: Any) -> str:
    text = written(style, key, value)
    if isinstance(value, int | float) and not isinstance(value, bool) and "+" not in text:
        return text
    if re.fullmatch(r"[a-z0-9_.]{1,20}", text):
        return text
    return f"{re.sub(r'[^a-z0-9_.]', '', text.lower())[:12]}_{digest(text)[:6]}"


def digest(value: Any) -> str:
    """SHA-256 of a value, in hexadecimal."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
