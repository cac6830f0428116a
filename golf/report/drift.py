"""How drift is shown: one line per setting, what it was and what it is."""

from typing import Any

from golf.desk.drift.differences import Change, Drift
from golf.report import render
from golf.report.render import Fact, Table, View


@render.view.register
def _(noun: Drift) -> View:
    return View(
        "drift",
        [
            Fact("now", noun.configs),
            Fact("run", noun.run),
            Fact("same", noun.same),
            *([Fact("ignored", noun.ignored)] if noun.ignored else []),
            *([Fact("untold", noun.untold)] if noun.untold else []),
            Fact("changes", len(noun.changes)),
            Table(
                "drift",
                ("key", "_kind", "_change", "_at"),
                [(one.key, one.kind.replace("_", " "), _change(one), _at(one)) for one in noun.changes],
            ),
        ],
    )


def _change(one: Change) -> str:
    then = _value(one.run, one.run_type)
    now = _value(one.current, one.current_type)
    if one.kind == "added":
        return now
    if one.kind == "removed":
        return then
    if one.kind == "type_changed":
        return f"{then} ({one.run_type}) → {now} ({one.current_type})"
    return f"{then} → {now}"


def _value(value: Any, kind: str) -> str:
    """As Python writes it: a text in quotes only where it looks like something else."""
    if kind == "str":
        return repr(value) if not value or not str(value)[0].isalpha() else str(value)
    return str(value) if kind not in ("", "null") else "none"


def _at(one: Change) -> str:
    return one.file if one.line is None else f"{one.file}:{one.line}"
