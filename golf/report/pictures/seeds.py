"""How far scores move when nothing but the seed changes: every seed as its distance from its run's mean."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from golf.desk.analysis.runs import PastRun
from golf.measure.significance import pool
from golf.report import plots
from golf.report.pictures.picture import Picture, nothing, saved, short_name

NAME = "seeds"
RUNS_MAX = 40
"""The newest are drawn."""


def draw(path: Path, runs: Sequence[PastRun]) -> Picture:
    """Draw each seed's val_bpb minus the mean of its run, in thousandths of a bit per byte.

    Raises:
        UnreadableInput: no run has two seeds.
    """
    several = [run for run in runs if len(run.scores) > 1 and all(map(math.isfinite, run.scores))]
    if not several:
        raise nothing(NAME, "no run has two seeds or more", "Play one: golf run NAME --seeds 1,2,3")
    shown = several[-RUNS_MAX:]
    pooled = pool([run.scores for run in several])
    assert pooled is not None  # two seeds of one run are one degree of freedom
    figure, axes = plots.new_figure(height_px=170 + 24 * len(shown), left=0.31)
    width = 1000 * max(abs(score - statistics.fmean(run.scores)) for run in shown for score in run.scores) or 1.0
    axes.axvspan(-1000 * pooled.std, 1000 * pooled.std, color=plots.COLOURS[5], alpha=0.18, linewidth=0)
    axes.axvline(0, color=plots.QUIET, linewidth=0.8)
    for height, run in enumerate(shown):
        mean = statistics.fmean(run.scores)
        away = [1000 * (score - mean) for score in run.scores]
        axes.plot([min(away), max(away)], [height, height], color=plots.COLOURS[0], linewidth=1.4, zorder=2)
        axes.plot(
            away, [height] * len(away), linestyle="none", marker="o", ms=6, color=plots.COLOURS[0], mec="white",
            mew=0.8, zorder=3,
        )  # fmt: skip
        plots.name_row(axes, height, plots.short(short_name(run), 38), size=8.0)
        axes.annotate(
            f"{mean:.4f} ± {statistics.stdev(run.scores):.4f}", (1, height), xycoords=("axes fraction", "data"),
            xytext=(0, 0), textcoords="offset points", ha="right", va="center", fontsize=8, color=plots.QUIET,
        )  # fmt: skip
    plots.set_rows(axes, len(shown))
    axes.set_xlim(-1.12 * width, 1.75 * width)
    axes.set_xticks([tick for tick in axes.get_xticks() if abs(tick) <= 1.12 * width])  # the room beyond is for words
    plots.set_words(axes, "Seed spread", "", "score minus the run's mean (0.001 bits per byte)")
    more = f"; {len(several) - len(shown)} older ones not drawn" if len(several) > len(shown) else ""
    plots.set_caption(
        figure,
        f"band: one standard deviation over all, {pooled.std:.5f} bits per byte ({pooled.df} degrees of freedom){more}",
    )
    widest = max(several, key=lambda run: statistics.stdev(run.scores))
    return saved(
        figure, path, NAME,
        f"Seed spread of {len(shown)} runs: one standard deviation is {pooled.std:.5f} bits per byte over all; widest "
        f"is {short_name(widest)} with {statistics.stdev(widest.scores):.5f}.",
    )  # fmt: skip
