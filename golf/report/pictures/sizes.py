"""Size against score: which runs no other one beats in both, and where the limit is."""

import math
from collections.abc import Sequence
from pathlib import Path

from golf.desk.analysis.runs import PastRun
from golf.report import plots
from golf.report.pictures.picture import Picture, nothing, saved, short_name

NAME = "sizes"
NAMED = 7
"""Runs of the front that are named."""


def front(runs: Sequence[PastRun]) -> list[PastRun]:
    """Runs that no other one is both as small and as good as, smallest first; equal ones once."""
    best = math.inf
    found: list[PastRun] = []
    for run in sorted(_measured(runs), key=lambda run: (run.artifact_bytes or 0, run.val_bpb or 0.0)):
        if run.val_bpb is not None and run.val_bpb < best:
            best = run.val_bpb
            found.append(run)
    return found


def draw(path: Path, runs: Sequence[PastRun], limit_bytes: int | None = None, title: str = "") -> Picture:
    """Draw val_bpb over artifact_bytes, in decimal MB, with the Pareto front as a line.

    Raises:
        UnreadableInput: no run has both.
    """
    measured = _measured(runs)
    if not measured:
        raise nothing(NAME, "no run has both a score and a size", "Play one: golf run EXPERIMENT")
    limit = None if limit_bytes is None else limit_bytes / 1e6
    line = front([run for run in measured if limit is None or _mb(run) <= limit])
    figure, axes = plots.new_figure(height_px=600)
    xs = [_mb(run) for run in measured]
    ys = [run.val_bpb or 0.0 for run in measured]
    low, high = min(xs), max(xs)
    if limit is not None and low < limit < high + 2 * (high - low + 0.02 * limit):
        high = max(high, limit)
    pad = 0.06 * ((high - low) or 0.1 * high)
    axes.set_xlim(low - pad, high + pad)
    height = (max(ys) - min(ys)) or 0.05
    axes.set_ylim(min(ys) - 0.08 * height, max(ys) + 0.08 * height)
    on_front = {id(run) for run in line}
    for run, x, y in zip(measured, xs, ys, strict=True):
        over = limit is not None and x > limit
        is_best = id(run) in on_front
        axes.plot(
            [x], [y], marker="X" if over else "o", ms=7 if is_best or over else 5, mew=0.7, zorder=4 if is_best else 3,
            color=plots.COLOURS[1] if over else plots.COLOURS[0] if is_best else plots.COLOURS[5], mec="white",
        )  # fmt: skip
    if line:
        steps = [(_mb(run), run.val_bpb or 0.0) for run in line]
        axes.plot(
            *zip(*steps, (axes.get_xlim()[1], steps[-1][1]), strict=True),
            drawstyle="steps-post", color=plots.COLOURS[0], linewidth=1.5, zorder=2,
        )  # fmt: skip
    if limit is not None and axes.get_xlim()[0] < limit < axes.get_xlim()[1]:
        axes.axvline(limit, color=plots.COLOURS[1], linewidth=1.1, linestyle="dashed", zorder=1)
        axes.annotate(
            f"limit {limit:g} MB", (limit, 1.0), xycoords=("data", "axes fraction"), xytext=(-4, -4),
            textcoords="offset points", rotation=90, ha="right", va="top", fontsize=8, color=plots.COLOURS[1],
        )  # fmt: skip
    named = line[-NAMED:]
    plots.label_right(
        axes,
        [
            plots.Label(run.val_bpb or 0.0, f"{run.val_bpb:.4f}  {plots.short(short_name(run), 18)}", plots.COLOURS[0])
            for run in named
        ],
    )
    plots.set_words(
        axes, f"{title}: size and score" if title else "Size and score", "bits per byte (lower is better)",
        "artifact (MB, 1,000,000 bytes)",
    )  # fmt: skip
    caption = "line: the front, no run is both smaller and better; × over the limit"
    if missing := len(runs) - len(measured):
        caption += f"; {missing} without a score or a size"
    plots.set_caption(figure, caption)
    said = f"{len(measured)} runs by size and score."
    if line:
        said += (
            f" The front has {len(line)}, from {line[0].val_bpb:.4f} bits per byte at {_mb(line[0]):.2f} MB to "
            f"{line[-1].val_bpb:.4f} at {_mb(line[-1]):.2f} MB."
        )
    if limit is not None:
        said += f" {sum(x > limit for x in xs)} are over the limit of {limit:g} MB."
    return saved(figure, path, NAME, said)


def _measured(runs: Sequence[PastRun]) -> list[PastRun]:
    return [
        run for run in runs
        if run.val_bpb is not None and math.isfinite(run.val_bpb) and run.artifact_bytes is not None
    ]  # fmt: skip


def _mb(run: PastRun) -> float:
    return (run.artifact_bytes or 0) / 1e6
