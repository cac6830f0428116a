"""How what was tried before, and grades against outcomes, are shown."""

from typing import Any

from golf.report import render
from golf.report.render import Fact, Table, View
from golf.research.calibration import Calibration
from golf.research.memory import Tried

PROPOSAL = "the weights are factors of each dimension's grade; nothing was changed"


@render.row.register
def _(noun: Tried) -> dict[str, Any]:
    record = noun.record
    return {
        "experiment": record.name,
        "kind": noun.kind,
        "status": record.status,
        "gain_bpb": record.gain_bpb,
        "predicted_gain_bpb": record.predicted_gain_bpb,
        "hypothesis": record.text,
    }


@render.view.register
def _(noun: Calibration) -> View:
    columns = ("dimension", "_verdict", "outcomes", "correlation", "low", "high", "p", "weight")
    rows = [
        (
            one.name, one.verdict, one.outcomes, *map(_rounded, (one.correlation, one.low, one.high)),
            None if one.p is None else f"{one.p:.4f}", _rounded(one.weight),
        )
        for one in noun.dimensions
    ]  # fmt: skip
    is_proposed = any(one.weight is not None for one in noun.dimensions)
    return View(
        "grades against outcomes",
        [
            Fact("summary", noun.summary),
            Fact("outcomes", noun.outcomes),
            *([Fact("proposal", PROPOSAL)] if is_proposed else []),
            Table("dimension", columns, rows),
        ],
    )


def _rounded(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
