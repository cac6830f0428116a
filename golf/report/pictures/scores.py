"""Every run's score over time, and under them the line of the record: the best that was there at each moment."""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from golf.desk.analysis.runs import PastRun
from golf.report import plots
from golf.report.pictures.picture import Picture, nothing, saved

NAME = "scores"
ROOM = 4.0
"""Times the distance of the median from the best that is shown above it; a diverged run may not flatten the rest."""
MARKS = {"keep": ("o", plots.COLOURS[0]), "discard": ("X", plots.COLOURS[1]), "": ("o", plots.COLOURS[5])}


def draw(
    path: Path, runs: Sequence[PastRun], references: Mapping[str, float] | None = None, title: str = ""
) -> Picture:
    """Draw val_bpb of runs of one tier, oldest first, with the record as a step line.

    Args:
        path: the picture; replaced atomically.
        runs: of one tier; those without a score are counted in the caption.
        references: val_bpb of others, each a labelled horizontal line.
        title: what was played.

    Raises:
        UnreadableInput: no run has a score.
    """
    scored = [(run, run.val_bpb) for run in runs if run.val_bpb is not None and math.isfinite(run.val_bpb)]
    if not scored:
        raise nothing(NAME, "no run has a score", "Play one: golf run EXPERIMENT")
    references = {name: value for name, value in (references or {}).items() if math.isfinite(value)}
    is_dated = len({run.at for run, _ in scored}) > 1 and all(run.at is not None for run, _ in scored)
    if is_dated:
        scored.sort(key=lambda one: (one[0].at.timestamp() if one[0].at else 0.0, one[1]))  # a day's best is its record
    xs: list[Any] = [run.at if is_dated else place for place, (run, _) in enumerate(scored, 1)]
    ys = [score for _, score in scored]
    # what was discarded (over the limit, say) is no record, however low; where nothing was kept, all of it counts
    counted = [place for place, (run, _) in enumerate(scored) if run.status != "discard"] or list(range(len(ys)))
    records: list[int] = []
    for place in counted:
        if not records or ys[place] < ys[records[-1]]:
            records.append(place)

    figure, axes = plots.new_figure(height_px=600)
    best = ys[records[-1]]
    shown = [*ys, *references.values()]
    low = min(shown)
    high = max(max(references.values(), default=best), min(max(ys), best + ROOM * (statistics.median(ys) - best)))
    high = high if high > low else low + 0.1
    margin = 0.06 * (high - low)
    axes.set_ylim(low - margin, high + margin)
    above = sum(score > high + margin for score in ys)
    for status, (marker, colour) in MARKS.items():
        place = [i for i, (run, _) in enumerate(scored) if (run.status if run.status in MARKS else "") == status]
        if place:
            axes.plot(
                [xs[i] for i in place], [min(ys[i], high + margin) for i in place], linestyle="none", marker=marker,
                ms=5.5, color=colour, mec="white", mew=0.7, zorder=3, clip_on=False,
            )  # fmt: skip
    axes.plot(
        [*[xs[i] for i in records], xs[-1]], [*[ys[i] for i in records], ys[records[-1]]], drawstyle="steps-post",
        color=plots.INK, linewidth=1.6, zorder=2,
    )  # fmt: skip
    labels = [plots.Label(best, f"record  {best:.4f}", plots.INK, 9.0)]
    for name, value in references.items():
        axes.axhline(value, color=plots.QUIET, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
        labels.append(plots.Label(value, f"{plots.short(name)}  {value:.4f}", plots.QUIET))
    plots.label_right(axes, labels)
    if is_dated:
        _dates(axes)
    else:
        axes.set_xlim(0.5, len(ys) + 0.5)
        axes.locator_params(axis="x", integer=True)
    plots.set_words(
        axes, f"{title}: scores over time" if title else "Scores over time", "bits per byte (lower is better)",
        "day (UTC)" if is_dated else "run",
    )  # fmt: skip
    words = {"keep": "● kept", "discard": "✖ discarded"}
    caption = [word for status, word in words.items() if any(run.status == status for run, _ in scored)]
    caption.append("line: the record so far")
    if above:
        caption.append(f"{above} above the picture, drawn at its edge")
    if missing := len(runs) - len(scored):
        caption.append(f"{missing} without a score")
    plots.set_caption(figure, "; ".join(caption))
    holder = scored[records[-1]][0].name
    return saved(
        figure, path, NAME,
        f"{len(ys)} scores over time, from {ys[0]:.4f} to a record of {best:.4f} bits per byte by {holder}; the record "
        f"fell {len(records) - 1} times.",
    )  # fmt: skip


def _dates(axes: Any) -> None:
    import datetime

    from matplotlib import dates

    locator = dates.AutoDateLocator(tz=datetime.UTC, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=datetime.UTC, show_offset=True))
    axes.xaxis.get_offset_text().set(fontsize=8.5, color=plots.QUIET)
    axes.margins(x=0.03)
