"""Two pictures: the loss curve of one experiment, and the ladder of a round.

Drawn with matplotlib's objects, never pyplot: no global state, no display, no backend to choose.
Surprising: text is never parsed as mathematics, because a hypothesis may hold a dollar sign, and the
labels at the right edge are pushed apart by hand, because zstd and lzma land within a hair of each other.
"""

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from golf import durable
from golf.errors import UnreadableInput
from golf.report.words import clean
from golf.schema import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette, told apart with any common colour blindness (yellow left out: too pale on white)."""
DASHES = ("solid", "dashed", "dashdot", "dotted")
INK, QUIET, GRID = "#1a1a1a", "#6b6b6b", "#e4e4e4"
WIDTH_PX, DPI = 1000, 125
LABEL_CHARS = 16
"""Longest label at the right edge of a curve."""


@dataclass
class Label:
    """Text wanted at height `y` of the right edge; `size` is its height in points."""

    y: float
    text: str
    colour: str
    size: float = 8.5


def loss_curve(
    path: Path,
    curves: Mapping[str, Sequence[tuple[float, float]]],
    references: Mapping[str, float],
    title: str,
    final: Mapping[str, float] | None = None,
    *,
    x_label: str = "training time (s)",
) -> Path:
    """Draw validation BPB over training as a PNG, 1000 pixels wide, and return its path.

    Args:
        path: the picture; replaced atomically.
        curves: for each seed or experiment its (seconds or step, val_bpb) points; points that are not finite are
            left out.
        references: val_bpb of compressors on the same text, each a labelled horizontal line.
        title: what was played; taken literally, and followed by what is plotted.
        final: for each curve val_bpb of the artifact after its compressed round trip, marked by a diamond.
        x_label: what the points' first number counts, with its unit.

    Raises:
        UnreadableInput: there is no finite point and no finite score to draw.
    """
    final = {name: value for name, value in (final or {}).items() if math.isfinite(value)}
    lines = {name: _finite(points) for name, points in curves.items()}
    names = [*lines, *(name for name in final if name not in lines)]
    if not final and not any(lines.values()):
        raise UnreadableInput(f"nothing to draw in {path.name}: the log holds no validation score. Set VAL_LOSS_EVERY")
    references = {name: value for name, value in references.items() if math.isfinite(value)}

    figure, axes = new_figure(height_px=600)
    end = max((x for points in lines.values() for x, _ in points), default=1.0) or 1.0
    axes.set_xlim(0, end * 1.02)
    axes.set_ylim(*limits(lines, references, final))
    labels: list[Label] = []
    for name, value in references.items():
        axes.axhline(value, color=QUIET, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
        labels.append(Label(value, f"{short(name)}  {value:.3f}", QUIET))
    for index, name in enumerate(names):
        colour, dash = COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)]
        points = lines.get(name, [])
        if points:
            marker = "o" if len(points) <= 30 else None
            axes.plot(*zip(*points, strict=True), color=colour, linestyle=dash, linewidth=1.8, marker=marker, ms=3.5)
        if name in final:
            x = points[-1][0] if points else end
            axes.plot([x], [final[name]], color=colour, marker="D", ms=7, mec="white", mew=1.2, zorder=5, clip_on=False)
        if points or name in final:
            labels.append(Label(final.get(name, points[-1][1] if points else 0.0), "", colour, 9.0))
            labels[-1].text = f"{short(name)}  {labels[-1].y:.3f}"
    label_right(axes, labels)
    set_words(axes, f"{title}: validation BPB over training", "validation bits per byte (lower is better)", x_label)
    if not any(lines.values()):
        axes.set_xticks([])
        axes.set_xlabel("no validation score was logged during training", fontsize=9, color=QUIET)
    if final:
        set_caption(
            figure, "◆ score of the artifact after its compressed round trip; dotted: compressors on the same text"
        )
    elif references:
        set_caption(figure, "dotted: compressors on the same text")
    return save(figure, path)


def ladder(
    path: Path, rows: Sequence[Row], references: Mapping[str, float], title: str = "Scores of the round"
) -> Path:
    """Draw experiments and references as one ladder of val_bpb, best at the bottom, as a PNG.

    Rows without a score are named in the caption rather than drawn.

    Raises:
        UnreadableInput: no row has a score.
    """
    scored = [(row.val_bpb, row) for row in rows if row.val_bpb is not None and math.isfinite(row.val_bpb)]
    if not scored:
        raise UnreadableInput(f"nothing to draw in {path.name}: no row has a score. Play one: golf run EXPERIMENT")
    best = min((value for value, row in scored if row.status == "keep"), default=None)
    rungs: list[tuple[float, str, str]] = [(value, row.description or row.commit, row.status) for value, row in scored]
    rungs += [(value, name, "reference") for name, value in references.items() if math.isfinite(value)]
    rungs.sort(key=lambda rung: -rung[0])

    figure, axes = new_figure(height_px=170 + 34 * len(rungs), left=0.35)
    values = [value for value, _, _ in rungs]
    span = (max(values) - min(values)) or 0.1
    axes.set_xlim(min(values) - 0.06 * span, max(values) + 0.14 * span)
    marks = {"keep": ("o", COLOURS[0]), "discard": ("X", COLOURS[1]), "reference": ("|", QUIET)}
    for height, (value, name, kind) in enumerate(rungs):
        marker, colour = marks.get(kind, ("o", QUIET))
        axes.axhline(height, color=GRID, linewidth=0.8, zorder=0)
        axes.plot([value], [height], marker=marker, color=colour, ms=10, mew=2 if marker == "|" else 0.5, zorder=3)
        said = " best" if kind == "keep" and value == best else " discarded" if kind == "discard" else ""
        axes.annotate(
            f"{value:.4f}{said}",
            (value, height),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=colour,
            fontweight="bold" if said == " best" else "normal",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )
        name_row(axes, height, short(name, 38), colour=QUIET if kind == "reference" else INK)
    set_rows(axes, len(rungs))
    set_words(axes, title, "", "validation bits per byte (lower is better)")
    missing = len(rows) - len(scored)
    if missing:
        set_caption(figure, f"{missing} without a score not drawn")
    return save(figure, path)


def _finite(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def limits(
    lines: Mapping[str, Sequence[tuple[float, float]]], references: Mapping[str, float], final: Mapping[str, float]
) -> tuple[float, float]:
    """Heights shown: everything, except that an untrained first score may not squeeze the rest into a corner."""
    settled = [*references.values(), *final.values(), *(y for points in lines.values() for _, y in points[1:])]
    every = [*settled, *(y for points in lines.values() for _, y in points)]
    low, high = min(every), max(every)
    if settled:
        high = min(high, max(settled) + 0.8 * (max(settled) - min(settled) or 1.0))
    margin = 0.06 * ((high - low) or 1.0)
    return low - margin, high + margin


def label_right(axes: "Axes", labels: Sequence[Label]) -> None:
    """Write labels beside the right edge, pushed apart, with a thin line from each to the height it names."""
    bottom, top = axes.get_ylim()
    height_pt = axes.bbox.height / axes.figure.get_dpi() * 72
    unit = (top - bottom) / height_pt  # data units in one point
    ordered = sorted(labels, key=lambda label: label.y)
    wanted = [label.y for label in ordered]
    heights = [1.35 * label.size * unit for label in ordered]
    for label, y in zip(ordered, apart(wanted, heights, bottom, top), strict=True):
        axes.annotate(
            label.text,
            xy=(1.0, label.y),
            xycoords=("axes fraction", "data"),
            xytext=(1.035, y),
            textcoords=("axes fraction", "data"),
            va="center",
            fontsize=label.size,
            fontweight="bold" if label.colour != QUIET else "normal",
            color=label.colour,
            parse_math=False,
            arrowprops={
                "arrowstyle": "-",
                "color": label.colour,
                "lw": 0.6,
                "shrinkA": 1,
                "shrinkB": 0,
                "relpos": (0, 0.5),
            },
            annotation_clip=False,
        )


def apart(wanted: Sequence[float], heights: Sequence[float], bottom: float, top: float) -> list[float]:
    """Centres for labels that want to be at `wanted` (ascending): in order, not overlapping, within [bottom, top].

    Labels that touch form a block centred on what its members want. When all together are higher than the room,
    they start at `bottom` and stick out at the top.
    """
    blocks: list[tuple[list[int], float]] = []  # members from the lowest up, and the block's lower edge
    for index in range(len(wanted)):
        members = [index]
        while True:
            height = sum(heights[i] for i in members)
            offset, pull = 0.0, 0.0
            for i in members:
                pull += wanted[i] - (offset + heights[i] / 2)
                offset += heights[i]
            edge = max(bottom, min(pull / len(members), top - height))
            if not blocks or blocks[-1][1] + sum(heights[i] for i in blocks[-1][0]) <= edge:
                break
            members = [*blocks.pop()[0], *members]
        blocks.append((members, edge))
    centres: list[float] = []
    for members, edge in blocks:
        for i in members:
            centres.append(edge + heights[i] / 2)
            edge += heights[i]
    return centres


def new_figure(height_px: int, left: float = 0.085) -> tuple["Figure", "Axes"]:
    """A figure in the house's dress, `height_px` high, its axes from `left` (a share of its width) on."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_PX / DPI, height_px / DPI), dpi=DPI, facecolor="white")
    above, below = 62 / height_px, 84 / height_px
    right = 0.745 if left < 0.3 else 0.96
    axes = figure.add_axes((left, below, right - left, 1 - above - below))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(QUIET)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=QUIET, labelsize=8.5)
    return figure, axes


def set_words(axes: "Axes", title: str, y_label: str, x_label: str) -> None:
    """Title and names of the axes."""
    figure = axes.get_figure()
    assert figure is not None
    figure.text(0.02, 1 - 16 / (figure.bbox.height), short(title, 90), fontsize=12, fontweight="bold", color=INK,
                va="top", parse_math=False)  # fmt: skip
    axes.set_xlabel(clean(x_label), fontsize=9, color=INK, parse_math=False)
    axes.set_ylabel(clean(y_label), fontsize=9, color=INK, parse_math=False)


def set_caption(figure: "Figure", text: str) -> None:
    """A line below the axes: what is not drawn, and what lines and marks mean."""
    figure.text(0.02, 10 / figure.bbox.height, text, fontsize=7.5, color=QUIET, va="bottom", parse_math=False)


def set_rows(axes: "Axes", count: int) -> None:
    """Make the axes a list of `count` rows, the first at the top, each at the height of its number."""
    axes.set_ylim(count - 0.4, -0.6)
    axes.set_yticks([])
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


def name_row(
    axes: "Axes", height: float, text: str, *, size: float = 9.0, colour: str = INK, weight: str = "normal"
) -> None:
    """Write a row's name left of the axes."""
    axes.annotate(
        text, (0, height), xycoords=("axes fraction", "data"), xytext=(-8, 0), textcoords="offset points", ha="right",
        va="center", fontsize=size, color=colour, fontweight=weight, parse_math=False,
    )  # fmt: skip


def short(text: str, limit: int = LABEL_CHARS) -> str:
    """At most `limit` characters, cut in the middle: names of one family differ at their ends."""
    text = clean(text)
    if len(text) <= limit:
        return text
    tail = limit // 3
    return f"{text[: limit - tail - 1].rstrip()}…{text[-tail:].lstrip()}"


def save(figure: "Figure", path: Path, alt: str = "") -> Path:
    """Write the PNG; `alt` says in it what it shows."""
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # drawn as a box; not worth a line
        _shrink_to_fit(figure)
        figure.savefig(picture, format="png", metadata={"Software": None, **({"Description": alt} if alt else {})})
    durable.replace(path, picture.getvalue())
    return path


def _shrink_to_fit(figure: "Figure", margin_px: float = 6.0) -> None:
    """Make text that would run out of the picture smaller, around the point it is fixed at."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()  # places the annotations
    right = figure.bbox.width - margin_px
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if not text.get_text() or text.get_rotation():
            continue
        for _ in range(4):  # widths do not shrink in proportion: small letters are hinted wider
            box = Text.get_window_extent(text, renderer)  # of an annotation its own method adds the leader
            middle = (box.x0 + box.x1) / 2
            sides = {"left": right - box.x0, "right": box.x1 - margin_px}
            room = sides.get(text.get_horizontalalignment(), 2 * min(middle - margin_px, right - middle))
            if not box.width > room > 0:
                break
            text.set_fontsize(float(text.get_fontsize()) * 0.97 * room / box.width)
