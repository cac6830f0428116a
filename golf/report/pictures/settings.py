"""Which settings go with better scores, and which of that chance or time explains as well."""

from pathlib import Path
from typing import Literal

from golf.desk.analysis.associations import Analysis, Association
from golf.report import plots
from golf.report.pictures.picture import Picture, nothing, saved

NAME = "settings"
ROWS_MAX = 24
MARKS: dict[str, tuple[str, str, Literal["full", "none"]]] = {
    "better": ("o", plots.COLOURS[0], "full"), "worse": ("o", plots.COLOURS[0], "full"),
    "differs": ("D", plots.COLOURS[0], "full"), "with time": ("o", plots.COLOURS[1], "none"),
    "not shown": ("|", plots.QUIET, "full"),
}  # fmt: skip


def draw(path: Path, noun: Analysis) -> Picture:
    """Draw each setting's strength: rho from -1 to 1, of a text the root of epsilon squared.

    Raises:
        UnreadableInput: of no setting anything can be said.
    """
    told = [one for one in noun.associations if one.verdict in MARKS]
    if not told:
        raise nothing(
            NAME, f"no setting changed over {noun.runs} runs often enough", "Play more, or look at more: --last"
        )
    shown = told[:ROWS_MAX]
    figure, axes = plots.new_figure(height_px=180 + 25 * len(shown), left=0.3)
    axes.axvline(0, color=plots.QUIET, linewidth=0.9)
    for height, one in enumerate(shown):
        marker, colour, fill = MARKS[one.verdict]
        strength = _strength(one)
        axes.plot([0, strength], [height, height], color=colour, linewidth=1.3, zorder=2,
                  linestyle="solid" if one in noun.shown else (0, (1, 1.5)))  # fmt: skip
        axes.plot([strength], [height], marker=marker, color=colour, ms=8, mew=1.6, fillstyle=fill, zorder=3)
        more = f" +{len(one.settings) - 1}" if len(one.settings) > 1 else ""
        dress = {"colour": plots.INK, "weight": "bold"} if one in noun.shown else {"colour": plots.QUIET}
        plots.name_row(axes, height, plots.short(one.settings[0], 34) + more, size=8.5, **dress)
        axes.annotate(
            f"n {one.n}   p {_p(one.p_holm)}", (1, height), xycoords=("axes fraction", "data"), ha="right", va="center",
            fontsize=8, color=plots.QUIET,
        )  # fmt: skip
    plots.set_rows(axes, len(shown))
    axes.set_xlim(-1.08, 1.62)
    axes.set_xticks([-1, -0.5, 0, 0.5, 1])
    plots.set_words(
        axes, f"Settings and improvement over {noun.runs} runs", "",
        "← less of it, better scores     rank correlation     more of it, better scores →",
    )  # fmt: skip
    caption = "● shown (p corrected over all settings, and beside time); ○ went with time; | not shown"
    if any(one.verdict == "differs" for one in shown):
        caption += "; ◆ a text whose values differ"
    if len(told) > len(shown):
        caption += f"; {len(told) - len(shown)} more not drawn"
    plots.set_caption(figure, caption)
    first = [f"{one.settings[0]} ({_strength(one):+.2f})" for one in noun.shown[:5]]
    return saved(
        figure, path, NAME,
        f"Of {len(told)} settings over {noun.runs} runs, {len(noun.shown)} go with improvement"
        + (f": {', '.join(first)}" if first else "")
        + f"; {sum(one.verdict == 'with time' for one in told)} went with time and cannot be told from it.",
    )  # fmt: skip


def _strength(one: Association) -> float:
    return one.rho if one.rho is not None else (one.epsilon_squared or 0.0) ** 0.5


def _p(value: float | None) -> str:
    return "-" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"
