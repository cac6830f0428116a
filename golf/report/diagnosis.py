"""How a diagnosis is shown: the loss as a line of blocks, the findings with their places, and a picture as PNG.

Lines of blocks are cut off at the top: the first losses would squeeze all that follows into the lowest block.
"""

import itertools
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from golf.desk.diagnosis.trouble import Curve, Diagnosis, Trouble
from golf.errors import UnreadableInput
from golf.report import plots, render
from golf.report.render import Fact, Table, View

BLOCKS = "▁▂▃▄▅▆▇█"
BLOCKS_WIDE = 48
"""Characters of a loss line; it stands beside a file's name in 100 columns."""
CURVES_MAX = 8
"""Runs drawn in one picture, and shown as lines."""
UNITS = {
    "train_loss": "training loss (nats per token)",
    "val_loss": "validation loss (nats per token)",
    "val_bpb": "validation bits per byte",
}


@render.view.register
def _(noun: Diagnosis) -> View:
    blocks: list[Fact | Table] = [Fact("subject", noun.subject), Fact("verdict", noun.verdict)]
    for curve in noun.curves[:CURVES_MAX]:
        first, last = curve.points[0][1], curve.points[-1][1]
        of = "" if curve.iterations is None else f" of {curve.iterations}"
        blocks.append(
            Fact(
                curve.file,
                f"{sparkline([y for _, y in curve.points])} {first:.3f} → {last:.3f}, step {curve.steps}{of}",
            )
        )
    if len(noun.curves) > CURVES_MAX:
        blocks.append(Fact("runs", f"{len(noun.curves) - CURVES_MAX} more (all of them: --json)"))
    for one in noun.findings:
        blocks += [Fact(f"{one.severity} {one.code}", one.text), *[Fact("  at", place) for place in _places(one)]]
        blocks.append(Fact("  do", one.advice))
    blocks.append(Fact("examined", ", ".join(noun.examined) or "nothing"))
    blocks += [Fact(f"not examined: {what}", why) for what, why in noun.not_examined.items()]
    return View("diagnosis", blocks)


def _places(one: Trouble) -> list[str]:
    return [f"{at.file}{'' if at.line is None else f':{at.line}'}  {at.quote[:90]}" for at in one.evidence[:3]]


def sparkline(values: Sequence[float], width: int = BLOCKS_WIDE) -> str:
    """Values as blocks, the highest of the later nine tenths full; means where there are more than `width`."""
    if not values:
        return ""
    count = min(width, len(values))
    edges = [round(index * len(values) / count) for index in range(count + 1)]
    means = [statistics.fmean(values[low:high]) for low, high in itertools.pairwise(edges)]
    low = min(means)
    high = max(means[len(means) // 10 :])
    span = (high - low) or 1.0
    top = len(BLOCKS) - 1
    return "".join(BLOCKS[min(top, round(top * (min(value, high) - low) / span))] for value in means)


def picture(path: Path, noun: Diagnosis) -> Path:
    """Draw the loss of each run by step as a PNG, with the steps of findings shaded; returns its path.

    Raises:
        UnreadableInput: no run has a loss.
    """
    if not noun.curves:
        raise UnreadableInput(f"nothing to draw in {path.name}: no log states a loss")
    kind = noun.curves[0].quantity
    curves = [curve for curve in noun.curves if curve.quantity == kind][:CURVES_MAX]
    figure, axes = plots.new_figure(height_px=600)
    labels: list[Any] = []
    settled: list[float] = []
    for index, curve in enumerate(curves):
        colour = plots.COLOURS[index % len(plots.COLOURS)]
        axes.plot(*zip(*curve.points, strict=True), color=colour, linewidth=1.4)
        settled += [y for _, y in curve.points[len(curve.points) // 10 :]]
        labels.append(
            plots.Label(curve.points[-1][1], f"{plots.short(_name(curve))}  {curve.points[-1][1]:.3f}", colour)
        )
    low, high = min(settled), max(settled)
    margin = 0.06 * ((high - low) or 1.0)
    axes.set_ylim(low - margin, high + 3 * margin)
    axes.set_xlim(0, max(curve.steps for curve in curves) * 1.02 or 1)
    for index, one in enumerate(_spans(noun.findings)):
        colour = {"error": plots.COLOURS[1], "warning": plots.COLOURS[4]}.get(one.severity, plots.QUIET)
        axes.axvspan(one.first_step or 0, one.last_step or 0, color=colour, alpha=0.13, linewidth=0)
        axes.annotate(
            one.code.replace("_", " ").lower(), (one.first_step or 0, 1 - 0.05 * (index % 6)),
            xycoords=("data", "axes fraction"), xytext=(3, -9), textcoords="offset points", fontsize=7.5, color=colour,
        )  # fmt: skip
    plots.label_right(axes, labels)
    plots.set_words(axes, f"{noun.subject}: {noun.verdict}", UNITS[kind], "step")
    plots.set_caption(figure, "shaded: where a finding lies")
    return plots.save(figure, path)


def _spans(findings: Sequence[Trouble]) -> list[Trouble]:
    """Findings with steps, one of each code."""
    kept: dict[str, Trouble] = {}
    for one in findings:
        if one.first_step is not None and one.last_step is not None and one.last_step > one.first_step:
            kept.setdefault(one.code, one)
    return list(kept.values())


def _name(curve: Curve) -> str:
    return Path(curve.file).stem
