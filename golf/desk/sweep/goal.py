"""A sweep as the text of a Codex goal: what is measured, what is done, where the truth is, when to stop.

Codex refuses an objective of more than 4,000 characters, and reads it again at every turn: it says what to do in half
of that, and points to files for the rest.

Source of the limit: the Codex CLI's `create_goal` tool, objective.
"""

import unicodedata
from pathlib import Path

from golf.desk.sweep.plan import SweepPlan
from golf.desk.sweep.points import axes
from golf.desk.sweep.specification import Range, Specification
from golf.desk.sweep.values import written
from golf.errors import BadConfig
from golf.schema import Noun

CHARS_MAX = 4_000
VALUES_SHOWN = 8


class GoalText(Noun):
    """What a person pastes behind `/goal`."""

    text: str
    characters: int
    limit: int = CHARS_MAX


def goal(
    spec: Specification,
    planned: SweepPlan,
    config: Path,
    *,
    report: str = "",
    target: float | None = None,
    hours: float | None = None,
) -> GoalText:
    """A sweep's goal.

    Args:
        spec: The sweep.
        planned: Its combinations.
        config: Its file, as it is named in commands.
        report: Where the report is written; empty: beside the record.
        target: Of the metric, which is hoped for; never a reason to stop early.
        hours: After which work stops.

    Raises:
        BadConfig: no text of the sweep fits the limit.
    """
    report = report or f"{planned.out}/report.md"
    for shown in (VALUES_SHOWN, 3, 0):
        text = _text(spec, planned, _plain(config.as_posix()), _plain(report), target, hours, shown)
        if len(text) <= CHARS_MAX:
            return GoalText(text=text, characters=len(text))
    raise BadConfig(
        f"the goal would have {len(text):,} characters, over the limit of {CHARS_MAX:,}: shorten hypothesis and fixed "
        "settings, which stand in the sweep's file anyway"
    )


def _text(
    spec: Specification,
    planned: SweepPlan,
    config: str,
    report: str,
    target: float | None,
    hours: float | None,
    shown: int,
) -> str:
    metric = spec.metric.name
    lower = "lower" if spec.metric.goal == "minimise" else "higher"
    is_experiments = spec.style == "env" and bool(spec.hypothesis and (spec.parent or spec.script))
    count = f"{spec.optuna.trials} combinations" if spec.optuna else f"{len(planned.points)} combinations"
    runs = len(spec.seeds) * (spec.optuna.trials if spec.optuna else len(planned.points))
    fixed = ", ".join(f"{key}={_value(spec, key, value)}" for key, value in spec.fixed.items()) if shown else ""
    where = f" on tier {spec.tier}" if spec.tier else ""
    command = f"`golf sweep run {config}`" if is_experiments else f"`bash {planned.script}`"
    swept = "; ".join(_axis(spec, key, shown) for key in axes(spec, is_drawn=True))
    hoped = (
        f" Hoped for: {metric} {'at or below' if lower == 'lower' else 'at or above'} {target:g}; whether "
        "it is reached is a result, not a reason to stop early or to go on."
        if target is not None
        else ""
    )
    late = f" After {hours:g} hours stop as well, with what is there." if hours else ""
    lines = [
        f"Sweep {spec.name}: explore {swept}, and recommend the top three configurations in {report}.",
        *([f"Hypothesis: {_plain(' '.join(spec.hypothesis.split()))}"] if spec.hypothesis and shown else []),
        f"Metric: {metric} ({lower} is better), mean over seeds {', '.join(map(str, spec.seeds))}, as `golf sweep "
        f"report {config}` returns it{where}.{hoped}",
        f"Work: {count}, {runs} runs, design {spec.design}{f', kept fixed: {fixed}' if fixed else ''}. Play them by "
        f"{command}, which skips what is done; after an interruption call it again. Change nothing between runs: not "
        "the sweep's file, script, seeds, steps, data or tier. No combination outside the plan, none twice.",
        _state(spec, planned, config, is_experiments),
        _waiting(is_experiments),
        "Stop: every planned run has a row or a stated failure; or three runs in a row fail for the same reason, "
        f"which is blocked: say what is needed.{late}",
        f"Budget: {runs} runs{f', {hours:g} hours' if hours else ''}, no paid tier, no money.",
        f"Done means: `golf sweep report {config} --write {report}` has written {report} with a row per combination, "
        "and your last message quotes its verdict, its reason and the recommended three with mean, seeds and settings. "
        "If the verdict is `too few seeds`, recommend nobody: name the combinations in question and the seeds it asks "
        "for. A claim, a log line or a plan is no evidence.",
    ]
    return "\n".join(lines)


def _state(spec: Specification, planned: SweepPlan, config: str, is_experiments: bool) -> str:
    extra = (
        f" `golf sweep run {config} --dry-run` (what is left), `list_experiments`, `job_status`, `check_budget`"
        if is_experiments
        else f" `bash {planned.script} --list` (what is left)"
    )
    return (
        f"State to consult at every turn:{extra}, and {planned.out}/record.jsonl. What the conversation remembers does "
        "not count."
    )


def _waiting(is_experiments: bool) -> str:
    how = "`wait_for_job` on its id" if is_experiments else "waiting for its log to grow"
    return (
        f"Waiting: while a run is live, {how} is this turn's progress. Start nothing beside it: runs slow each other."
    )


def _axis(spec: Specification, key: str, shown: int) -> str:
    key_, one = _plain(key), spec.ranges.get(key)
    if one is not None:
        kind = "whole numbers, " if one.is_whole else ""
        scale = f"{kind}{one.scale} scale" if spec.design != "factorial" else "its two ends"
        many = f", {one.count} values" if one.count and spec.design == "grid" else ""
        return f"{key_} from {_end(one, one.low)} to {_end(one, one.high)} ({scale}{many})"
    values = spec.grid[key]
    if len(values) > shown:
        return f"{key_} over {len(values)} values"
    return f"{key_} in {', '.join(_value(spec, key, value) for value in values)}"


def _end(one: Range, value: float) -> str:
    return str(int(value)) if one.is_whole else f"{value:g}"


def _value(spec: Specification, key: str, value: object) -> str:
    text = written(spec.style, key, value)
    return _plain(text if len(text) <= 60 else text[:59] + "…")


def _plain(text: str) -> str:
    """On one line and without marks that change how it reads; backticks would end a command's quotation."""
    kept = "".join(one for one in text if unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Zl", "Zp"))
    return kept.replace("`", "'")
