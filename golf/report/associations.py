"""How an analysis of settings and a list of found runs are shown, and the Markdown page with its picture."""

from pathlib import Path
from typing import Any

from golf import durable
from golf.desk.analysis.associations import Analysis, Association
from golf.desk.analysis.query import Found
from golf.errors import UnreadableInput
from golf.report import render
from golf.report.page import escape as cell
from golf.report.pictures.picture import Picture, short_name
from golf.report.render import Fact, Table, View
from golf.report.words import clean

COLUMNS_MAX = 6
"""Settings that a list of found runs has a column for, beside those that were asked about."""
ROWS_MAX = 30
"""Settings in a view; the page and --json have all."""
METHOD = (
    "rho is Spearman's rank correlation of a setting with improvement (a lower score), of a text epsilon² is the share "
    "of the spread between its values; p is by dealing the scores out anew, corrected by Holm over all settings "
    "tested. What goes `with time` goes with the scores as the order of the runs does, and beside that nothing is "
    "shown. None of it is an experiment on a setting: to know, change it alone."
)


@render.view.register
def _(noun: Analysis) -> View:
    told = [one for one in noun.associations if one.verdict != "too few"]
    few = [one for one in noun.associations if one.verdict == "too few"]
    rows = [
        (_names(one), one.verdict, one.n, _strength(one), _p(one.p_holm), _beside(one), "; ".join(one.warnings) or None)
        for one in told[:ROWS_MAX]
    ]
    return View(
        "settings and improvement",
        [
            *[Fact(key, value) for key, value in _facts(noun)],
            Table("", ("setting", "goes with", "n", "strength", "p_holm", "beside time", "_reason"), rows),
            *(
                [Fact("not listed", f"{len(told) - ROWS_MAX} more (all of them: --json)")]
                if len(told) > ROWS_MAX
                else []
            ),
            *([Fact("too few", f"{len(few)} settings, e.g. {_names(few[0])}: {few[0].reason}")] if few else []),
            *[Fact("caveat", caveat) for caveat in noun.caveats],
        ],
    )


@render.view.register
def _(noun: Found) -> View:
    blocks: list[Fact | Table] = [Fact("found", f"{noun.matched} of {noun.total} runs in {Path(noun.source).name}")]
    if noun.where:
        blocks.append(Fact("where", noun.where))
    if noun.sort:
        blocks.append(Fact("sorted by", noun.sort))
    names = noun.names[:COLUMNS_MAX]
    metric = "val_bpb" if any(run.val_bpb is not None for run in noun.runs) else "val_loss"
    columns = ("run", "tier", "status", metric, "val_bpb_std", "artifact_bytes", *names)
    rows: list[tuple[Any, ...]] = [
        (
            short_name(run), run.tier or None, run.status or None, getattr(run, metric), run.val_bpb_std,
            run.artifact_bytes, *[run.settings.get(name) for name in names],
        )
        for run in noun.runs
    ]  # fmt: skip
    kept = [i for i, _ in enumerate(columns) if i == 0 or any(row[i] is not None for row in rows)]
    if rows:
        blocks.append(Table("", tuple(columns[i] for i in kept), [tuple(row[i] for i in kept) for row in rows]))
    if len(noun.names) > len(names):
        blocks.append(Fact("also differ", f"{len(noun.names) - len(names)} more settings (all of them: --json)"))
    return View("runs", blocks)


def write_page(path: Path, noun: Analysis, picture: Picture | None) -> Path:
    """The analysis as Markdown, its picture beside it."""
    durable.replace(path, page(noun, picture))
    return path


def page(noun: Analysis, picture: Picture | None) -> str:
    """The Markdown. Names and values are strangers' and cannot leave their cell."""
    told = [one for one in noun.associations if one.verdict != "too few"]
    few = [one for one in noun.associations if one.verdict == "too few"]
    lines = ["# Settings and improvement", "", f"{_headline(noun)}", ""]
    lines += [f"- {key.replace('_', ' ')}: {cell(str(value))}" for key, value in _facts(noun)]
    if noun.caveats:
        lines += ["", "## Before believing it", "", *[f"- {cell(caveat)}" for caveat in noun.caveats]]
    if picture is not None:
        lines += ["", f"![{cell(picture.alt)}]({Path(picture.path).name})"]
    if told:
        lines += ["", "| setting | goes with | n | strength | p (Holm) | beside time | values | warnings |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        lines += [
            "| " + " | ".join(
                cell(str(part)) for part in (
                    _names(one), _verdict(one), one.n, _strength(one), _p(one.p_holm), _beside(one) or "-",
                    ", ".join(one.values), "; ".join(one.warnings) or "-",
                )
            ) + " |"
            for one in told
        ]  # fmt: skip
    if few:
        lines += ["", "## Too few runs to say anything", ""]
        lines += [f"- {cell(_names(one))}: {cell(one.reason)}" for one in few]
    return "\n".join([*lines, "", METHOD, ""])


def _headline(noun: Analysis) -> str:
    shown = noun.shown
    if not shown:
        return (
            f"Over {noun.runs} runs no setting was shown to go with better scores beside what time and chance explain."
        )
    return f"Over {noun.runs} runs these settings go with better scores: " + "; ".join(
        f"{cell(one.settings[0])} ({_verdict(one)})" for one in shown
    )


def _facts(noun: Analysis) -> list[tuple[str, Any]]:
    trend = noun.improvement_over_time
    return [
        ("runs", f"{noun.runs} of {clean(noun.source)}" + (f", tier {clean(noun.tier)}" if noun.tier else "")),
        ("from", f"{noun.first} to {noun.last}"),
        *([("repeats", f"{noun.repeats}, taken together with the run they repeat")] if noun.repeats else []),
        *([("without a score", noun.unscored)] if noun.unscored else []),
        *([("left out", f"{noun.elsewhere} of other tiers or other data")] if noun.elsewhere else []),
        *([("improvement over time", f"rho {trend:+.2f}")] if trend is not None else []),
        ("settings", f"{len(noun.associations)} changed, {noun.constant} had one value"),
    ]


def _names(one: Association) -> str:
    more = f" (+{len(one.settings) - 1})" if len(one.settings) > 1 else ""
    return f"{one.settings[0]}{more}"


def _verdict(one: Association) -> str:
    match one.verdict:
        case "better":
            return "more of it, better scores"
        case "worse":
            return "less of it, better scores"
        case "differs":
            return f"values differ, best: {one.best}"
    return one.verdict


def _strength(one: Association) -> str:
    if one.rho is not None:
        return f"rho {one.rho:+.2f}"
    return "-" if one.epsilon_squared is None else f"epsilon² {one.epsilon_squared:.2f}"


def _beside(one: Association) -> str | None:
    if one.rho_given_order is None:
        return None
    if one.rho is None:  # of a text it is that of one of its values, and which way says nothing
        return f"{abs(one.rho_given_order):.2f}"
    return f"{one.rho_given_order:+.2f}"


def _p(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def no_picture(error: UnreadableInput) -> str:
    """Why a page has no picture."""
    return f"no picture: {error}"
