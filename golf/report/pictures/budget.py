"""What was spent, what is set aside and what is left, over time."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from golf.desk.analysis.burn import Moment
from golf.report import plots
from golf.report.pictures.picture import Picture, nothing, saved
from golf.report.pictures.scores import _dates

NAME = "budget"


def draw(path: Path, moments: Sequence[Moment], total_usd: float, reserve_usd: float = 0.0) -> Picture:
    """Draw credits over time as three stacked areas, with the floor that is never spent as a line.

    Args:
        path: the picture; replaced atomically.
        moments: each change of what is spent or set aside, oldest first.
        total_usd: all there ever was.
        reserve_usd: the floor.

    Raises:
        UnreadableInput: no paid run was ever reserved.
    """
    if not moments:
        raise nothing(NAME, "no money was reserved or spent", "The state of the budget: golf check-budget")
    figure, axes = plots.new_figure(height_px=600)
    span = moments[-1].at - moments[0].at
    now = moments[-1]._replace(at=moments[-1].at + max(span * 0.04, timedelta(hours=1)))  # the last state needs a width
    moments = [*moments, now]
    xs: list[Any] = [moment.at for moment in moments]  # matplotlib takes them, its annotations do not say so
    spent = [moment.spent_usd for moment in moments]
    gone = [moment.spent_usd + moment.reserved_usd for moment in moments]
    top = max(total_usd, *gone)
    axes.fill_between(xs, 0, spent, step="post", color=plots.COLOURS[0], alpha=0.85, linewidth=0)
    axes.fill_between(
        xs, spent, gone, step="post", facecolor="white", edgecolor=plots.COLOURS[1], hatch="////", linewidth=0.0
    )
    axes.fill_between(xs, gone, top, step="post", color=plots.GRID, linewidth=0)
    axes.step(xs, gone, where="post", color=plots.INK, linewidth=1.0)
    axes.set_ylim(0, top * 1.02)
    axes.set_xlim(xs[0], xs[-1])
    left = total_usd - gone[-1]
    labels = [
        plots.Label(spent[-1] / 2, f"spent  ${spent[-1]:,.2f}", plots.COLOURS[0], 9.0),
        plots.Label((gone[-1] + top) / 2, f"left  ${left:,.2f}", plots.QUIET, 9.0),
    ]
    if gone[-1] > spent[-1]:
        labels.append(
            plots.Label((spent[-1] + gone[-1]) / 2, f"set aside  ${gone[-1] - spent[-1]:,.2f}", plots.COLOURS[1], 9.0)
        )
    if reserve_usd > 0:
        axes.axhline(total_usd - reserve_usd, color=plots.INK, linewidth=1.0, linestyle="dashed")
        labels.append(plots.Label(total_usd - reserve_usd, f"floor  ${reserve_usd:,.0f} left", plots.INK))
    plots.label_right(axes, labels)
    _dates(axes)
    axes.margins(x=0)
    plots.set_words(axes, "Compute credits over time", "US dollars", "time (UTC)")
    plots.set_caption(
        figure, "solid: spent; hatched: set aside at the worst case for runs that are not settled; grey: left"
    )
    return saved(
        figure, path, NAME,
        f"Of ${total_usd:,.2f}, ${spent[-1]:,.2f} are spent, ${gone[-1] - spent[-1]:,.2f} set aside, ${left:,.2f} left"
        + (f"; the last ${reserve_usd:,.2f} are never spent." if reserve_usd else "."),
    )  # fmt: skip
