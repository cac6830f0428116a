"""How a sweep is shown: its plan, where it is, what it recommends; as Markdown and as a picture too."""

from collections.abc import Sequence
from pathlib import Path

from golf import durable
from golf.desk.sweep.plan import SweepPlan
from golf.desk.sweep.play import SweepRun
from golf.desk.sweep.recommendation import RankedPoint, SweepReport
from golf.errors import UnreadableInput
from golf.report import plots, render
from golf.report.render import Fact, Table, View
from golf.report.words import clean

POINTS_SHOWN = 20
DRAWN_MAX = 40
"""Points in one picture, the best of them."""


@render.view.register
def _(noun: SweepPlan) -> View:
    shown = noun.points[:POINTS_SHOWN]
    return View(
        f"sweep {noun.name}",
        [
            Fact("design", _design(noun)),
            *([Fact("generators", noun.generators)] if noun.generators else []),
            *([Fact("aliases", noun.aliases)] if noun.aliases else []),
            Fact("combinations", f"{len(noun.points)} of {noun.combinations}, {noun.excluded} excluded"),
            Fact("seeds", noun.seeds),
            Fact("runs", noun.runs),
            *([Fact("estimated", _time(noun.estimated_s))] if noun.estimated_s is not None else []),
            Fact("script", noun.script),
            Fact("out", noun.out),
            Table("point", ("point", "_settings"), [(one.name, _settings(one.settings)) for one in shown]),
            *_more(len(noun.points) - len(shown)),
            *[Fact("note", one) for one in noun.notes],
        ],
    )


@render.view.register
def _(noun: SweepRun) -> View:
    return View(
        f"sweep {noun.name}",
        [
            Fact("tier", noun.tier),
            Fact("points", f"{noun.points}: {noun.done} done, {noun.crashed} crashed, {noun.left} left"),
            Fact("runs", f"{noun.runs}, {noun.runs_left} left"),
            Fact("estimated", f"{_time(noun.estimated_s)} for what is left, by {noun.estimated_by}"),
            Fact("cost_usd", noun.cost_usd),
            Fact("record", noun.record),
            *([Fact("next", noun.next)] if noun.next else []),
        ],
    )


@render.view.register
def _(noun: SweepReport) -> View:
    return View(
        f"sweep {noun.name}",
        [
            Fact("verdict", noun.verdict),
            Fact("reason", noun.reason),
            Fact("recommended", noun.recommended or "none"),
            *([Fact("more seeds", f"{noun.more_seeds} for each in question")] if noun.more_seeds else []),
            Fact("metric", f"{noun.metric}, {noun.goal}"),
            Fact("runs", f"{noun.runs_done} of {noun.runs} have a score"),
            *([Fact("seed std", f"{noun.seed_std:.4g}")] if noun.seed_std is not None else []),
            Table(
                "point",
                ("point", "place", "_mean", "seeds", "_standing", "_note"),
                [
                    (one.point, one.place, None if one.mean is None else f"{one.mean:.6g}", one.seeds, one.standing,
                     one.note)
                    for one in noun.ranking[:POINTS_SHOWN]
                ],
            ),
            *_more(len(noun.ranking) - POINTS_SHOWN),
            Table(
                "effect",
                ("setting", "_levels", "effect", "margin", "_verdict", "_aliases"),
                [
                    (one.setting, f"{one.low} → {one.high}", f"{one.effect:+.4g}",
                     None if one.margin is None else f"±{one.margin:.3g}", one.verdict, _aliased(one.aliases))
                    for one in noun.effects
                ],
            ),
            Table(
                "mean",
                ("setting", "_value", "_mean"),
                [(one.setting, one.value, f"{one.mean:.6g}") for one in noun.level_means],
            ),
            *[Fact("note", one) for one in noun.notes],
        ],
    )  # fmt: skip


def _design(noun: SweepPlan) -> str:
    if noun.design != "factorial":
        return noun.design
    return f"factorial, {'full' if noun.resolution is None else f'fraction of resolution {_roman(noun.resolution)}'}"


def _roman(number: int) -> str:
    numerals = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")
    return numerals[number] if number < len(numerals) else str(number)


def _settings(settings: dict[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in settings.items())


def _aliased(aliases: Sequence[str]) -> str:
    return f"or {', '.join(aliases[:3])}{' …' if len(aliases) > 3 else ''}" if aliases else ""


def _more(many: int) -> list[Fact]:
    return [Fact("points", f"{many} more (all of them: --json)")] if many > 0 else []


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


# --- Markdown


def write_page(path: Path, noun: SweepReport, picture: Path) -> None:
    """Write the report as Markdown, with a link to its picture."""
    durable.replace(path, page(noun, picture.name))


def page(noun: SweepReport, picture: str) -> str:
    """The report's Markdown."""
    names = list(dict.fromkeys(key for one in noun.ranking for key in one.settings))
    lines = [
        f"# Sweep {noun.name}",
        "",
        f"**{noun.verdict}**: {_md(noun.reason)}.",
        "",
        *_recommended(noun),
        f"![{_md(noun.metric)} of each point, seed by seed]({picture})",
        "",
        f"{noun.runs_done} of {noun.runs} runs have a score; {noun.points} points, design {noun.design}. "
        + (
            f"Seeds move {_md(noun.metric)} by {noun.seed_std:.4g} (standard deviation, pooled)."
            if noun.seed_std
            else ""
        ),
        "",
        *_row("place", *names, noun.metric, "std", "seeds", "standing"),
        "|" + " --- |" * (len(names) + 5),
    ]
    for one in noun.ranking:
        values = [one.settings.get(key, "") for key in names]
        mean = "" if one.mean is None else f"{one.mean:.6g}"
        std = "" if one.std is None else f"{one.std:.3g}"
        standing = f"{one.standing}: {one.note}" if one.note else one.standing
        lines += _row("" if one.place is None else str(one.place), *values, mean, std, str(one.seeds), standing)
    if noun.effects:
        lines += ["", "## What each setting does on average", ""]
        lines += [*_row("setting", "from → to", "effect", "noise", "", "not told from"), "|" + " --- |" * 6]
        for one in noun.effects:
            margin = "" if one.margin is None else f"±{one.margin:.3g}"
            levels = f"{one.low} → {one.high}"
            lines += _row(one.setting, levels, f"{one.effect:+.4g}", margin, one.verdict, ", ".join(one.aliases))
    if noun.level_means:
        lines += ["", "## Means by value", "", *_row("setting", "value", noun.metric), "|" + " --- |" * 3]
        for one in noun.level_means:
            lines += _row(one.setting, one.value, f"{one.mean:.6g}")
    if noun.notes:
        lines += ["", "## To know", "", *[f"- {_md(one)}" for one in noun.notes]]
    return "\n".join(lines) + "\n"


def _recommended(noun: SweepReport) -> list[str]:
    if not noun.recommended:
        more = f" About {noun.more_seeds} more seeds for each point in question would tell." if noun.more_seeds else ""
        return [f"Recommended: none.{more}", ""]
    by_name = {one.point: one for one in noun.ranking}
    lines = ["Recommended:", ""]
    for number, name in enumerate(noun.recommended, 1):
        lines.append(f"{number}. `{name}`: {_md(noun.metric)} {_scored(by_name[name])}")
    return [*lines, ""]


def _scored(one: RankedPoint) -> str:
    spread = "" if one.std is None else f" ± {one.std:.3g}"
    return f"{one.mean:.6g}{spread} over {one.seeds} seed{'s' * (one.seeds != 1)}"


def _row(*cells: str) -> list[str]:
    return ["| " + " | ".join(_md(cell) for cell in cells) + " |"]


def _md(text: str) -> str:
    """Text that stays text in Markdown."""
    kept = clean(text)
    for mark in "\\`*_[]<>|":
        kept = kept.replace(mark, f"\\{mark}")
    return kept


# --- picture


def picture(path: Path, noun: SweepReport) -> Path:
    """Draw every point's seeds and mean as a PNG, best at the top; returns its path.

    Raises:
        UnreadableInput: no point has a score.
    """
    scored = [one for one in noun.ranking if one.mean is not None]
    scored.sort(key=lambda one: (one.mean or 0.0) * (1 if noun.goal == "minimise" else -1))
    if not scored:
        raise UnreadableInput(f"nothing to draw in {path.name}: no point has a score")
    drawn = scored[:DRAWN_MAX]
    figure, axes = plots.new_figure(height_px=190 + 24 * len(drawn), left=0.35)
    values = [score for one in drawn for score in one.scores]
    span = (max(values) - min(values)) or abs(values[0]) * 0.01 or 1.0
    axes.set_xlim(min(values) - 0.06 * span, max(values) + 0.14 * span)
    colours = {"best": plots.COLOURS[0], "in question": plots.COLOURS[4], "behind": plots.QUIET}
    for height, one in enumerate(drawn):
        colour = colours.get(one.standing, plots.QUIET)
        axes.axhline(height, color=plots.GRID, linewidth=0.8, zorder=0)
        axes.plot(one.scores, [height] * len(one.scores), "o", color=colour, ms=5, alpha=0.55, mew=0, zorder=2)
        axes.plot([one.mean or 0.0], [height], marker="|", color=colour, ms=15, mew=2.4, zorder=3)
        colour = plots.INK if one.standing == "best" else plots.QUIET
        plots.name_row(axes, height, plots.short(one.point, 38), size=8.5, colour=colour)
    plots.set_rows(axes, len(drawn))
    better = "lower" if noun.goal == "minimise" else "higher"
    plots.set_words(axes, f"Sweep {noun.name}: {noun.verdict}", "", f"{noun.metric} ({better} is better)")
    left_out = f"; {len(scored) - len(drawn)} more not drawn" if len(scored) > len(drawn) else ""
    plots.set_caption(figure, f"dots: seeds; bars: means; blue: shown to be best, orange: in question{left_out}")
    return plots.save(figure, path)
