"""How answers and CI evaluations are shown, and the page that a CI run leaves."""

from collections.abc import Sequence

from golf.answers import ExperimentSummary, Triage
from golf.play.regressions import Evaluated, Smoke
from golf.report import render
from golf.report.render import Fact, Table, View
from golf.report.words import clean, word

SHOWN_MAX = 40
"""Submissions a table lists before it points to --json."""


@render.view.register
def _(noun: ExperimentSummary) -> View:
    rows = [
        (
            word("", run.rank), run.experiment, run.tier, run.status, run.val_bpb, run.gain_bpb, run.noise_bpb,
            run.artifact_bytes, run.train_time_s, ", ".join(run.flags) or None, run.tried,
        )
        for run in noun.experiments
    ]  # fmt: skip
    columns = (
        "rank", "_experiment", "_tier", "_status", "val_bpb", "gain_bpb", "noise_bpb", "artifact_bytes", "train_time_s",
        "flags", "tried",
    )  # fmt: skip
    return View(
        noun.scope,
        [
            Fact("scope", noun.scope),
            Fact("summary", noun.summary),
            Fact("best", noun.best),
            Table("run", columns, rows),
            *[Fact("anomaly", f"{one.experiment or 'all'}: {one.evidence}") for one in noun.anomalies],
            *[Fact("look_at", line) for line in noun.look_at],
        ],
    )


@render.view.register
def _(noun: Triage) -> View:
    rows = [
        (
            one.submission, one.verdict, one.track, one.claimed_val_bpb, one.logged_val_bpb, one.num_seeds,
            one.artifact_bytes, "; ".join(finding.text for finding in one.findings) or None,
        )
        for one in noun.submissions[:SHOWN_MAX]
    ]  # fmt: skip
    columns = (
        "submission", "_verdict", "track", "claimed_val_bpb", "logged_val_bpb", "num_seeds", "artifact_bytes", "found",
    )  # fmt: skip
    left = len(noun.submissions) - SHOWN_MAX
    more = [Fact("more", f"{left} submissions (all of them, with their evidence: --json)")] if left > 0 else []
    return View("triage", [Fact("summary", noun.summary), Table("submission", columns, rows), *more])


@render.view.register
def _(noun: Evaluated) -> View:
    rows = [
        (one.experiment, one.verdict, one.val_bpb, one.artifact_bytes, one.train_time_s, one.reason)
        for one in noun.experiments
    ]
    columns = ("experiment", "_verdict", "val_bpb", "artifact_bytes", "train_time_s", "_reason")
    return View(
        "changed experiments",
        [
            Fact("verdict", noun.verdict),
            Fact("summary", noun.summary),
            Fact("tier", noun.tier),
            Fact("baseline", noun.baseline),
            Table("experiment", columns, rows),
            *[
                Fact("not exercised", f"{one.experiment}: {_settings(one)}")
                for one in noun.experiments
                if one.overruled
            ],
            *[Fact("note", note) for note in noun.notes],
        ],
    )


def page(noun: Evaluated) -> str:
    """The evaluation as Markdown; whatever a file or a trainer said is escaped or stands in code."""
    lines = [
        "# Evaluation of changed experiments",
        "",
        f"**{noun.verdict}**: {_cell(noun.summary)}.",
        "",
        f"Played on tier `{_code(noun.tier)}`"
        + (f", data `{_code(noun.data)}`" if noun.data else "")
        + (f", held to `{_code(noun.baseline)}`." if noun.baseline else ", with no baseline file."),
        "A smoke test shows that something works, not what it is worth.",
        "",
    ]
    if noun.experiments:
        rows = [
            (
                f"`{_code(one.experiment)}`",
                one.verdict,
                word("val_bpb", one.val_bpb),
                word("", one.artifact_bytes),
                word("train_time_s", one.train_time_s),
                _cell(one.reason.splitlines()[0]),
            )
            for one in noun.experiments
        ]
        lines += _table(("experiment", "verdict", "val_bpb", "artifact_bytes", "train_time_s", "why"), rows)
    checks = [(one, check) for one in noun.experiments for check in one.checks if check.expected is not None]
    if checks:
        rows = [
            (
                f"`{_code(one.experiment)}`",
                check.metric,
                *(word(check.metric, number) for number in (check.value, check.expected, check.limit)),
                check.verdict,
            )
            for one, check in checks
        ]
        lines += [
            "## Against the baseline",
            "",
            *_table(("experiment", "metric", "now", "baseline", "at most", ""), rows),
        ]
    overruled = [one for one in noun.experiments if one.overruled]
    if overruled:
        lines += ["## Not exercised", "", "The tier replaced these settings, to be quick:", ""]
        lines += [f"- `{_code(one.experiment)}`: `{_code(_settings(one))}`" for one in overruled] + [""]
    for one in noun.experiments:
        if one.verdict == "not measured":
            said = [_code(line)[:300] for line in one.reason.splitlines()[:30]]
            lines += [f"## Why `{_code(one.experiment)}` could not be measured", "", "```text", *said, "```", ""]
    if noun.notes:
        lines += ["## Notes", "", *(f"- {_cell(note)}" for note in noun.notes)]
    return "\n".join(lines).rstrip() + "\n"


def _settings(one: Smoke) -> str:
    return ", ".join(f"{key} {change}" for key, change in one.overruled.items())


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines] + [""]


def _code(text: str) -> str:
    return clean(text).replace("`", "'").replace("|", "/")


def _cell(text: str) -> str:
    plain = clean(text)
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>#|!" else letter for letter in plain)
