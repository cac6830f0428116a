"""Which technique families were tried, what they won, and which never were."""

from pathlib import Path

from golf.report import plots
from golf.report.pictures.picture import Picture, nothing, saved
from golf.research.frontier import Coverage

NAME = "techniques"


def draw(path: Path, coverage: Coverage) -> Picture:
    """Draw own tries, wins and others' tries of each family as bars.

    Raises:
        UnreadableInput: nothing was tried, by anybody.
    """
    families = [one for one in coverage.families if one.tries or one.tries_by_others or one.family != "other"]
    if not any(one.tries or one.tries_by_others for one in families):
        raise nothing(NAME, "nothing was tried yet", "Play something: golf next says what")
    families.sort(key=lambda one: (-one.tries, -one.tries_by_others, one.family))
    figure, axes = plots.new_figure(height_px=170 + 30 * len(families), left=0.3)
    longest = max(max(one.tries, one.tries_by_others) for one in families)
    for height, one in enumerate(families):
        axes.barh(height - 0.16, one.tries, height=0.32, color=plots.COLOURS[5], linewidth=0)
        axes.barh(height - 0.16, one.wins, height=0.32, color=plots.COLOURS[0], linewidth=0)
        axes.barh(
            height + 0.19, one.tries_by_others, height=0.22, facecolor="white", edgecolor=plots.QUIET, hatch="////",
            linewidth=0.5,
        )  # fmt: skip
        said = f"{one.tries}" + (f", {one.wins} won" if one.wins else "") if one.tries else "never tried here"
        axes.annotate(
            said, (max(one.tries, 0), height - 0.16), xytext=(5, 0), textcoords="offset points", va="center",
            fontsize=8, color=plots.INK if one.tries else plots.COLOURS[1],
            fontweight="normal" if one.tries else "bold",
            zorder=4,
        )  # fmt: skip
        plots.name_row(axes, height, one.family.replace("_", " "))
    plots.set_rows(axes, len(families))
    axes.set_xlim(0, longest * 1.18 + 0.5)
    axes.locator_params(axis="x", integer=True)
    plots.set_words(axes, "Technique families: tried and won", "", "experiments")
    plots.set_caption(figure, "light: own tries; dark: of them won; hatched: tries of others that are known")
    tried = [one for one in families if one.tries]
    never = [one.family for one in families if not one.tries]
    return saved(
        figure, path, NAME,
        f"{len(tried)} of {len(families)} technique families were tried here"
        + (f", {tried[0].family} most ({tried[0].tries})" if tried else "")
        + (f"; never: {', '.join(never)}." if never else "."),
    )  # fmt: skip
