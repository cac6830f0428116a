"""Nouns to what people read: a rich table on a terminal, plain `key: value` lines in a pipe, JSON on request.

A noun becomes a `View` once (facts and tables under one title); the two writers only differ in dress.
Surprising: the plain writer never imports rich, so `golf history | cat` starts fast, and everything
that came from a file is stripped of control characters (`words.clean`).
Colour only repeats a word that is there anyway. Values are formatted by the unit that ends their name.

Another module's noun gets a view of its own with `@view.register`, and a row in a list with `@row.register`; where
those stand is said in `VIEWS`, and they are imported when such a noun is shown.
"""

import contextlib
import functools
import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from pydantic import BaseModel

from golf.report.progress import progress
from golf.report.words import clean, is_terminal, word, write_lines
from golf.schema import Result, Row

__all__ = ["Fact", "Table", "View", "best", "listing", "progress", "row", "show", "view"]

if TYPE_CHECKING:
    from rich.text import Text

WORD_STYLES = {
    **dict.fromkeys(("OK", "ok", "pass", "keep", "done"), "green"),
    **dict.fromkeys(("best", "promoted"), "bold green"),
    **dict.fromkeys(("OVER LIMIT", "FAIL", "crash", "failed", "blocked", "missing"), "bold red"),
    **dict.fromkeys(("unknown", "discard", "warning", "rate_limited", "cancelled", "timed_out", "lost"), "yellow"),
    **dict.fromkeys(("running",), "cyan"),
}
"""The words that carry a verdict, and the colour that repeats them on a terminal."""

VIEWS = {
    "golf": "nouns",
    "golf.rulings": "rulings",
    "golf.answers": "answers",
    "golf.play.regressions": "answers",
    "golf.research": "research",
    "golf.research.calibration": "recall",
    "golf.research.memory": "recall",
    "golf.desk.analysis.associations": "associations",
    "golf.desk.analysis.live": "live",
    "golf.desk.analysis.query": "associations",
    "golf.desk.commits.staged": "commits",
    "golf.desk.diagnosis.trouble": "diagnosis",
    "golf.desk.drift.differences": "drift",
    "golf.desk.export.exported": "exports",
    "golf.desk.notebook.notebook": "notebook",
    "golf.desk.package.packing": "packages",
    "golf.desk.package.verify": "packages",
    "golf.desk.pipeline": "data",
    "golf.desk.repro.repetition": "reproducibility",
    "golf.desk.repro.reproducibility": "reproducibility",
    "golf.desk.tracking": "tracking",
    "golf.desk.sweep": "sweeps",
}
"""Package or module of a noun → the module of `golf.report` that has its view."""

PROSE = frozenset({"description", "hypothesis", "message", "reason", "_reason"})
PROSE_WIDTH = 24
"""Columns of sentences, and the room on a terminal below which less needed columns make way for them."""
PROSE_MAX = 400
"""Characters of a sentence in a list: ours are shorter, other loops have whole paragraphs (--json has all of them)."""

EXPENDABLE = ("memory_gb", "cost_usd", "val_bpb_std", "created_at", "kind", "promoted", "commit", "baseline")
"""Columns of a list that a narrow terminal goes without, first to go first."""

GENERIC_ITEMS_MAX = 20
"""Items of a nested list the generic view spells out before it points to --json."""


@dataclass(frozen=True)
class Fact:
    """One `key: value` line; the key's ending is the value's unit."""

    key: str
    value: Any


@dataclass(frozen=True)
class Table:
    """Rows of the same kind. In a pipe a table with a label is one line per row, `<label> <first cell>: …`, and one
    without is aligned columns under a header.

    A column whose name starts with `_` shows its cell without the name in front, in a pipe.
    """

    label: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


@dataclass(frozen=True)
class View:
    """What is shown of one noun, in order."""

    title: str
    blocks: Sequence[Fact | Table]


def show(
    noun: BaseModel | Sequence[BaseModel], *, json: bool = False, file: IO[str] | None = None, empty: str = "none"
) -> None:
    """Write a noun, or a list of nouns, to `file` (default: stdout).

    With `json` exactly `model_dump_json(indent=2)`, a JSON list for lists. Otherwise rich tables on a terminal,
    plain lines anywhere else. `empty` is the line for an empty list. A `BrokenPipeError` is the caller's.
    """
    out = file if file is not None else sys.stdout
    if json:
        write_lines(out, [_as_json(noun, getattr(out, "encoding", None) or "utf-8")])
    elif not isinstance(noun, BaseModel) and not noun:
        write_lines(out, [clean(empty)])
    else:
        _load_views(noun if isinstance(noun, BaseModel) else noun[0])
        if is_terminal(out):
            _write_rich(noun, out)
        else:
            write_lines(out, _plain_lines(noun))


def _load_views(noun: BaseModel) -> None:
    module = type(noun).__module__
    for package, views in VIEWS.items():
        if f"{module}.".startswith(f"{package}."):
            importlib.import_module(f"golf.report.{views}")


# --- one noun ----------------------------------------------------------------------------------


@functools.singledispatch
def view(noun: BaseModel) -> View:
    """The facts and tables of one noun. One without a view of its own shows every field; lists of nouns as tables."""
    blocks: list[Fact | Table] = []
    for name, value in _fields(noun).items():
        if isinstance(value, (list, tuple)) and value and all(isinstance(item, BaseModel) for item in value):
            table = listing(value[:GENERIC_ITEMS_MAX], name.removesuffix("s"))
            if table is not None:
                blocks.append(table)
                if len(value) > GENERIC_ITEMS_MAX:
                    blocks.append(Fact(name, f"{len(value) - GENERIC_ITEMS_MAX} more (all of them: --json)"))
                continue
        blocks += [Fact(key, leaf) for key, leaf in _flat(value, name)]
    return View(type(noun).__name__, blocks)


def _fields(noun: BaseModel) -> dict[str, Any]:
    names = [*type(noun).model_fields, *type(noun).model_computed_fields]
    return {name: getattr(noun, name) for name in names}


def _flat(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Every leaf below a field, with its dotted name."""
    if isinstance(value, BaseModel):
        value = _fields(value)
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{prefix}.{key}")
    elif isinstance(value, (list, tuple)) and any(isinstance(item, (BaseModel, Mapping)) for item in value):
        for index, item in enumerate(value):
            yield from _flat(item, f"{prefix}.{index}")
    else:
        yield prefix, value if value != {} else None


# --- a list of nouns ---------------------------------------------------------------------------


@functools.singledispatch
def row(noun: BaseModel) -> dict[str, Any]:
    """The columns of one noun in a list of its kind, in order; by default its plain fields."""
    nested = (list, tuple, Mapping, BaseModel)
    return {name: value for name, value in _fields(noun).items() if not isinstance(value, nested)}


def best(nouns: Sequence[Row | Result]) -> set[int]:
    """Indices of the best kept score of each tier (scores of different tiers do not compare)."""
    winners: dict[str, tuple[float, int]] = {}
    for index, one in enumerate(nouns):
        if one.status == "keep" and one.val_bpb is not None:
            winners[one.tier] = min(winners.get(one.tier, (one.val_bpb, index)), (one.val_bpb, index))
    return {index for _, index in winners.values()}


def listing(nouns: Sequence[BaseModel], label: str = "", winners: set[int] | None = None) -> Table | None:
    """A list of one kind as a table, scores with the word for the best; None when the kinds differ."""
    kind = type(nouns[0])
    if any(type(noun) is not kind for noun in nouns):
        return None
    rows = [row(noun) for noun in nouns]
    if issubclass(kind, (Row, Result)):
        if winners is None:
            winners = best([noun for noun in nouns if isinstance(noun, (Row, Result))])
        for index, cells in enumerate(rows):
            name, prose = cells.popitem()
            cells["mark"] = "best" if index in winners else None
            cells[name] = prose if len(prose or "") <= PROSE_MAX else f"{prose[: PROSE_MAX - 1]}…"
    columns = tuple(rows[0])
    return Table(label, columns, [tuple(cells[name] for name in columns) for cells in rows])


# --- writers -----------------------------------------------------------------------------------


def _as_json(noun: BaseModel | Sequence[BaseModel], encoding: str) -> str:
    import json

    from pydantic_core import to_json

    text = noun.model_dump_json(indent=2) if isinstance(noun, BaseModel) else to_json(list(noun), indent=2).decode()
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return json.dumps(json.loads(text), indent=2)  # the same document in ASCII
    return text


def _plain_lines(noun: BaseModel | Sequence[BaseModel]) -> list[str]:
    if isinstance(noun, BaseModel):
        return _plain_view(view(noun))
    table = listing(noun)
    if table is not None:
        return _plain_table(table)
    lines: list[str] = []
    for one in noun:
        lines += [*([""] if lines else []), *_plain_view(view(one))]
    return lines


def _plain_view(shown: View) -> list[str]:
    lines: list[str] = []
    for block in shown.blocks:
        if isinstance(block, Fact):
            lines.append(f"{clean(block.key)}: {word(block.key, block.value)}")
            continue
        if not block.label:
            lines += _plain_table(block)
            continue
        for first, *cells in block.rows:
            parts = [
                word(name, cell) if name.startswith("_") else f"{name} {word(name, cell)}"
                for name, cell in zip(block.columns[1:], cells, strict=True)
                if cell is not None and cell != ""
            ]
            lines.append(f"{block.label} {word('', first)}: {', '.join(parts)}")
    return lines


def _plain_table(table: Table) -> list[str]:
    """Aligned columns under a header line, two spaces apart; an empty cell is `-`, so columns can be counted."""
    cells = [
        list(table.columns),
        *([word(n, c) or "-" for n, c in zip(table.columns, one, strict=True)] for one in table.rows),
    ]
    widths = [max(len(line[index]) for line in cells) for index in range(len(table.columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def _write_rich(noun: BaseModel | Sequence[BaseModel], out: IO[str]) -> None:
    from rich.console import Console

    console = Console(file=out, width=_width(out), highlight=False, markup=False, emoji=False)
    if isinstance(noun, BaseModel):
        console.print(_panel(view(noun), console.width))
    elif (table := listing(noun)) is not None:
        for part in _rich_table(table, console.width):
            console.print(part)
    else:
        for one in noun:
            console.print(_panel(view(one), console.width))


def _width(out: IO[str]) -> int | None:
    """Columns of the terminal behind `out` (rich would ask stdin's); None lets rich decide."""
    with contextlib.suppress(OSError, ValueError):
        return int(os.environ.get("COLUMNS", 0)) or os.get_terminal_size(out.fileno()).columns or None
    return None


def _fitted(table: Table, width: int) -> tuple[Table, list[str]]:
    """The table without its empty columns and, on a narrow terminal, without the least needed ones; and their names."""

    def natural(index: int) -> int:
        name = table.columns[index]
        cells = [word(name, one[index], grouped=True) for one in table.rows]
        return PROSE_WIDTH if name in PROSE else max(map(len, [*_heading(name, cells).split("\n"), *cells])) + 2

    kept = [i for i in range(len(table.columns)) if any(one[i] is not None for one in table.rows)]
    hidden: list[str] = []
    for name in EXPENDABLE:
        if sum(natural(i) for i in kept) <= width:
            break
        if any(table.columns[i] == name for i in kept):
            kept = [i for i in kept if table.columns[i] != name]
            hidden.append(name)
    columns = tuple(table.columns[i] for i in kept)
    return Table(table.label, columns, [tuple(one[i] for i in kept) for one in table.rows]), hidden


def _heading(name: str, cells: Sequence[str]) -> str:
    """A column's name in words, broken over lines where it would widen the column."""
    heading = clean(name.lstrip("_"))
    return heading.replace("_", " " if len(heading) <= max(map(len, cells), default=0) else "\n")


def _styled(name: str, value: Any) -> "Text":
    from rich.text import Text

    text = word(name, value, grouped=name != "seed")
    return Text(text, style=WORD_STYLES.get(text, "dim" if value is None else ""), overflow="fold")


def _panel(shown: View, width: int) -> Any:
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table as RichTable
    from rich.text import Text

    content: list[Any] = []
    grid: RichTable | None = None
    for block in shown.blocks:
        if isinstance(block, Table):
            grid = None
            if block.rows:
                content += [*([Text()] if content else []), *_rich_table(block, width - 4)]
            continue
        if grid is None:
            grid = RichTable.grid(padding=(0, 2))
            grid.add_column(no_wrap=True)
            grid.add_column()
            content += [*([Text()] if content else []), grid]
        grid.add_row(Text(clean(block.key), style="dim"), _styled(block.key, block.value))
    return Panel(Group(*content), title=Text(clean(shown.title), style="bold"), title_align="left", expand=False)


def _rich_table(table: Table, width: int) -> list[Any]:
    """The table as `width` columns allow, and a line naming what they do not."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    table, hidden = _fitted(table, width)
    drawn = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    drawn.expand = "description" in table.columns  # it takes the room the others leave
    for index, name in enumerate(table.columns):
        column = [one[index] for one in table.rows]
        is_number = any(isinstance(cell, (int, float)) for cell in column) and not any(
            isinstance(cell, (str, bool)) for cell in column
        )
        drawn.add_column(
            Text(_heading(name, [word(name, cell, grouped=True) for cell in column])),
            justify="right" if is_number else "left",
            no_wrap=is_number or name == "description",  # a ledger is read line by line; the file has them whole
            overflow="ellipsis" if name == "description" else "fold",
            min_width=16 if name in PROSE else None,
            ratio=1 if name == "description" else None,
        )
    for one in table.rows:
        drawn.add_row(*(_styled(name, cell) for name, cell in zip(table.columns, one, strict=True)))
    if not hidden:
        return [drawn]
    return [drawn, Text(f"not shown at this width: {', '.join(hidden)} (all of them: --json)", style="dim")]
