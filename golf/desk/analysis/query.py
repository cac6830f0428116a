"""Past runs by filter and order: the ledger as something to ask questions of, without a tracking server."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from golf.desk.analysis.runs import PastRun, past_runs
from golf.desk.expression import Expression
from golf.errors import BadConfig
from golf.schema import Noun
from golf.workspace import Workspace

FIELDS = tuple(name for name in PastRun.model_fields if name not in ("settings", "source"))
"""Names that every run has besides its settings."""


class Found(Noun):
    """Runs that a filter found, in the order that was asked for."""

    source: str
    where: str
    """The filter; empty takes every run."""
    sort: str
    """By what; empty is by time, the newest last."""
    total: int
    """Runs that there are."""
    matched: int
    """Runs that the filter is surely true of."""
    runs: list[PastRun]
    """At most as many as were asked for."""
    names: list[str]
    """Settings that the filter and the order name, and those that differ among the runs shown."""


def find(
    workspace: Workspace | None,
    *,
    place: Path | None = None,
    where: str = "",
    sort: str = "",
    top: int | None = None,
    limit: int = 20,
) -> Found:
    """The runs that `where` holds of.

    Args:
        workspace: Whose runs, where no `place` is named.
        place: A folder of folders of logs, or another workspace.
        where: An `Expression` over fields and settings; upper and lower case are the same.
        sort: An expression of what to sort by, lowest first; ` desc` behind it turns that round. What has no value
            comes last.
        top: Only the first so many; without `sort` those with the lowest score.
        limit: Without `top`: at most so many, the newest, or of sorted ones the first.

    Raises:
        BadConfig: an expression is none, names what no run has, or compares a text with a number.
        NotFound, UnreadableInput: as `past_runs`.
    """
    every = past_runs(workspace, place)
    tables = [names_of(run) for run in every]
    known = {*FIELDS, *(name for table in tables for name in table)}
    asked: list[str] = []
    matched = list(zip(every, tables, strict=True))
    if where.strip():
        expression = Expression(where)
        expression.check_known(known)
        asked += expression.names
        matched = [(run, table) for run, table in matched if expression.holds(table)]
    if top is not None and not sort.strip():
        sort = "val_bpb" if any(run.val_bpb is not None for run in every) else "val_loss"
    if sort.strip():
        key, _, way = sort.strip().rpartition(" ")
        is_down = way.lower() == "desc" and bool(key)
        order = Expression(key if is_down or (way.lower() == "asc" and key) else sort)
        order.check_known(known)
        asked += order.names
        matched = _sorted(matched, order, is_down)
        shown = matched[: limit if top is None else top]
    else:
        shown = matched[-limit:] if limit else []
    runs = [run for run, _ in shown]
    return Found(
        source=str(place) if place is not None else "results.tsv", where=where.strip(), sort=sort.strip(),
        total=len(every), matched=len(matched), runs=runs, names=_telling(asked, [table for _, table in shown]),
    )  # fmt: skip


def names_of(run: PastRun) -> dict[str, Any]:
    """What an expression may call a run's fields and settings, in lower case; a field's name wins."""
    fields = {name: getattr(run, name) for name in FIELDS}
    fields["at"] = None if run.at is None else run.at.isoformat()
    for name in ("commit", "data", "hypothesis", "parent", "promoted", "script", "status", "tier"):
        fields[name] = fields[name] or None
    return {**run.settings, **fields}


def _sorted(
    found: Sequence[tuple[PastRun, Mapping[str, Any]]], order: Expression, is_down: bool
) -> list[tuple[PastRun, Mapping[str, Any]]]:
    valued = [(order(table), run, table) for run, table in found]
    if any(isinstance(value, list) for value, _, _ in valued):
        raise BadConfig(f"lists have no order: {order.text}; sort by a number or a text")
    have = [one for one in valued if one[0] is not None]
    have.sort(key=lambda one: (isinstance(one[0], str), one[0]), reverse=is_down)
    return [(run, table) for _, run, table in have] + [(run, table) for value, run, table in valued if value is None]


def _telling(asked: Sequence[str], tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """Settings worth a column: the asked ones, then those that differ, best filled first."""
    chosen = [name for name in dict.fromkeys(name.lower() for name in asked) if name not in FIELDS]
    filled: dict[str, int] = {}
    for table in tables:
        for name, value in table.items():
            if name not in FIELDS and value is not None:
                filled[name] = filled.get(name, 0) + 1
    differ = [name for name in filled if len({repr(table.get(name)) for table in tables}) > 1]
    return chosen + [name for name in sorted(differ, key=lambda name: (-filled[name], name)) if name not in chosen]
