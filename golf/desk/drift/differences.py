"""`golf drift`: do today's settings still make the run that was tracked (S73).

Numbers are compared exactly, as numbers: 1e-3 is 0.001 and is not 0.0010000001. Where a side holds texts only (an
environment, MLflow), what they stand for is compared and no type can have changed. A name differs from one in other
letters' case only when both are there: `MATRIX_LR` of an environment is `matrix_lr` of a script.
"""

import fnmatch
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import computed_field

from golf.desk.drift.parameters import Parameter, Parameters, literal
from golf.rulings import Described, Said

Kind = Literal["added", "removed", "changed", "type_changed"]
KINDS: tuple[Kind, ...] = ("changed", "type_changed", "added", "removed")

_SECRET = re.compile(r"token|secret|passw|api_?key|credential|private_?key", re.IGNORECASE)
_NO_SECRET = re.compile(r"tokens|tokeni[sz]er|token_?(?:ids?|count)|num_token|vocab", re.IGNORECASE)
HIDDEN = "(hidden)"
TEXT_SHOWN = 200


class Change(Described):
    """One setting that differs."""

    kind: Kind
    """added: only now; removed: only in the run; type_changed: the same value as another type."""
    key: Said
    """Dotted name."""
    run: bool | int | float | str | None
    """Value in the run; null where it has none, or none was it. Secrets are hidden."""
    current: bool | int | float | str | None
    """Value now."""
    run_type: str
    """Empty where there is no such setting."""
    current_type: str
    file: str
    """Where it stands now (of a removed one: in the run)."""
    line: int | None


class Drift(Described):
    """Settings as they are now against those of a run."""

    configs: str
    """What was read now."""
    run: str
    """What it was held against."""
    same: int
    """Settings that agree."""
    ignored: int
    """Settings that were asked to be left out."""
    untold: list[str]
    """Settings that one side has, and a script on the other gives a value that only running it would tell."""
    changes: list[Change]

    @computed_field
    @property
    def has_drift(self) -> bool:
        """Whether anything differs."""
        return bool(self.changes)


def drift(current: Parameters, run: Parameters, *, ignore: Sequence[str] = ()) -> Drift:
    """Every setting that was added, removed or changed since the run.

    Args:
        current: Settings now.
        run: Settings of the tracked run.
        ignore: Dotted names, with `*` and `?`, that are left out on both sides, e.g. `*seed`, `paths.*`.
    """
    typed = current.is_typed and run.is_typed
    names = _paired(current.values, run.values)
    changes: list[Change] = []
    same = ignored = 0
    untold: list[str] = []
    for name, (now, then) in names.items():
        if any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for pattern in ignore):
            ignored += 1
            continue
        if (now is None and name.lower() in current.untold) or (then is None and name.lower() in run.untold):
            untold.append(name)
            continue
        kind = _kind(now, then, typed)
        if kind is None:
            same += 1
            continue
        hide = _SECRET.search(name) is not None and not _NO_SECRET.search(name)
        place = now or then
        assert place is not None  # one of both is there
        changes.append(
            Change(
                kind=kind,
                key=name,
                run=_shown(then, hide),
                current=_shown(now, hide),
                run_type=_type(then),
                current_type=_type(now),
                file=place.file,
                line=place.line,
            )
        )
    changes.sort(key=lambda one: (KINDS.index(one.kind), one.key))
    return Drift(configs=current.name, run=run.name, same=same, ignored=ignored, untold=untold, changes=changes)


def _paired(
    current: Mapping[str, Parameter], run: Mapping[str, Parameter]
) -> dict[str, tuple[Parameter | None, Parameter | None]]:
    """Settings of both sides by the current name; the same name in other case is the same where it is the only one."""
    folded: dict[str, list[str]] = {}
    for name in run:
        if name not in current:
            folded.setdefault(name.lower(), []).append(name)
    found: dict[str, tuple[Parameter | None, Parameter | None]] = {}
    taken: set[str] = set()
    for name, now in current.items():
        if name in run:
            found[name] = (now, run[name])
            continue
        alike = folded.get(name.lower(), [])
        rivals = [other for other in current if other.lower() == name.lower() and other not in run]
        if len(alike) == 1 and len(rivals) == 1:
            found[name] = (now, run[alike[0]])
            taken.add(alike[0])
        else:
            found[name] = (now, None)
    for name, then in run.items():
        if name not in current and name not in taken:
            found[name] = (None, then)
    return found


def _kind(now: Parameter | None, then: Parameter | None, typed: bool) -> Kind | None:
    if then is None:
        return "added"
    if now is None:
        return "removed"
    a, b = now.value, then.value
    if typed:
        if type(a) is type(b):
            return None if _equal(a, b) else "changed"
        return "type_changed" if _equal(*_loose(a, b)) else "changed"
    return None if _equal(*_loose(a, b)) else "changed"


def _loose(*values: Any) -> Iterator[Any]:
    """What values stand for, whatever their types: `"9"`, `9` and `9.0` alike, `True` like `1` beside a number."""
    read = [literal(value) if isinstance(value, str) else value for value in values]
    if any(isinstance(value, bool) for value in read) and not all(isinstance(value, bool) for value in read):
        read = [int(value) if isinstance(value, bool) else value for value in read]
    return iter(read)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b):
        return True
    return a == b


def _shown(parameter: Parameter | None, hide: bool) -> bool | int | float | str | None:
    if parameter is None or parameter.value is None:
        return None
    if hide:
        return HIDDEN
    value = parameter.value
    if isinstance(value, str):
        return value if len(value) <= TEXT_SHOWN else value[: TEXT_SHOWN - 1] + "…"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such number
    if isinstance(value, int) and abs(value) > 2**63:
        return str(value)[:TEXT_SHOWN]
    return value if isinstance(value, bool | int | float) else str(value)


def _type(parameter: Parameter | None) -> str:
    return "" if parameter is None else "null" if parameter.value is None else type(parameter.value).__name__
