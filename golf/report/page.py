"""`report.md` of one experiment: the claim, the numbers, the gates, and how to get them again.

The same result gives the same bytes. Text from files is escaped, so a hypothesis with a pipe, a backtick
or a link stays the words it is; what the numbers do not say stands under Limits.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from golf import durable, rules
from golf.report.words import clean, word
from golf.schema import Experiment, Promotion, Result

NAME = "report.md"

Curve = Sequence[tuple[float, float]]


def write_report(
    folder: Path,
    experiment: Experiment,
    result: Result,
    picture: str = "",
    curves: Mapping[str, Curve] | None = None,
    *,
    data: str | None = None,
) -> Path:
    """Write `report.md` into the experiment's folder, atomically, and return its path.

    Args:
        folder: the experiment's.
        experiment: its config.yaml.
        result: its result.json.
        picture: the loss curve's path relative to `folder`; empty when there is none.
        curves: `seed N` to (seconds, val_bpb) points during training; the last is shown beside the final score, so
            that what compression cost is seen.
        data: name of the data that was trained and scored on; None when it is not known.
    """
    sections = [
        f"# {escape(result.experiment)}",
        _claim(experiment),
        _summary(result),
        f"![Validation bits per byte over training]({quote(picture)})" if picture else "",
        _seeds(result, curves or {}),
        _gates(result.promotion) if result.promotion else "",
        _references(result),
        _settings(result),
        _reproduce(result),
        _limits(result, data),
    ]
    path = folder / NAME
    durable.replace(path, "\n\n".join(section for section in sections if section) + "\n")
    return path


def escape(text: str) -> str:
    """`text` on one line, its Markdown and HTML taken literally, safe inside a table's cell."""
    text = clean(text).replace("&", "&amp;").replace("<", "&lt;")
    text = re.sub(r"([\\`*\[\]|~$#!])", r"\\\1", text)
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)  # inside a word it is no emphasis
    return re.sub(r"(?i)\b(https?|ftp|www)([:.])", r"\1\\\2", text)  # GitHub would make a link of it


def _opening(text: str) -> str:
    """Escaped text that may open a block: no list, quotation, rule or heading starts by accident."""
    return re.sub(r"^(\d*)([-+>=.)])", r"\1\\\2", text)


def fenced(lines: Sequence[str], language: str = "") -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    body = [clean(line) for line in lines]
    longest = max((len(run) for line in body for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([fence + language, *body, fence])


def _table(heading: Sequence[str], rows: Sequence[Sequence[Any]], names: Sequence[str] = ()) -> str:
    """A Markdown table; cells are formatted by their column's name (`names` where the heading is worded freely)."""
    names = names or heading
    lines = [list(heading), ["---"] * len(heading)]
    lines += [
        [escape(word(name, cell, grouped=name != "seed")) for name, cell in zip(names, row, strict=True)]
        for row in rows
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _summary(result: Result) -> str:
    score = word("val_bpb", result.val_bpb)
    if result.val_bpb_std is not None:
        score += f" ± {word('bpb', result.val_bpb_std)} (mean and standard deviation of {len(result.seeds)} seeds)"
    rows: list[tuple[str, Any]] = [("verdict", f"{result.status}; promoted: {result.promoted}")]
    if result.promotion is not None:
        rows.append(("reason", result.promotion.reason))
    if result.error:
        rows.append(("error", result.error))
    rows.append(("val_bpb", score))
    if result.promotion is not None and result.promotion.baseline is not None:
        rows += [
            ("baseline", f"{result.promotion.baseline}, val_bpb {word('bpb', result.promotion.baseline_bpb)}"),
            ("improvement", word("improvement", result.promotion.improvement)),
        ]
    if result.artifact_bytes is not None:
        rows.append(("artifact_bytes", result.artifact_bytes))
    if result.headroom_bytes is not None:
        over = "OVER LIMIT" if result.headroom_bytes < 0 else "OK"
        rows.append(("headroom", f"{word('', result.headroom_bytes, grouped=True)} ({over})"))
    rows += [
        ("train_time_s", word("train_time_s", result.train_time_s)),
        ("eval_time_s", word("eval_time_s", result.eval_time_s)),
        ("memory_gb", word("memory_gb", result.memory_gb)),
        ("cost_usd", word("cost_usd", result.cost_usd)),
        ("tier", result.tier),
        ("finished_at", result.finished_at),
    ]
    return _table(("", ""), rows)


def _claim(experiment: Experiment) -> str:
    stated = {
        "Hypothesis": experiment.hypothesis,
        "Expected outcome": experiment.expected_outcome,
        "Rollback criteria": experiment.rollback_criteria,
        "Parent": experiment.parent or "",
        "Techniques": ", ".join(experiment.techniques),
    }
    return "\n".join(f"- {name}: {escape(value)}" for name, value in stated.items() if value.strip())


def _seeds(result: Result, curves: Mapping[str, Curve]) -> str:
    if not result.seeds:
        return ""
    heading = ("seed", "val_bpb", "last in training", "artifact_bytes", "train_time_s", "eval_time_s", "steps", "log")
    names = ("seed", "val_bpb", "val_bpb", "artifact_bytes", "train_time_s", "eval_time_s", "steps", "log")
    rows = []
    for one in result.seeds:
        curve = curves.get(f"seed {one.seed}") or curves.get(str(one.seed))
        last = curve[-1][1] if curve else None
        rows.append(
            (one.seed, one.val_bpb, last, one.artifact_bytes, one.train_time_s, one.eval_time_s, one.steps, one.log)
        )
    return "\n".join(
        [
            "## Seeds",
            "",
            _table(heading, rows, names),
            "",
            "`val_bpb`: measured by Caddie on the artifact after its compressed round trip.",
            "`last in training`: the trainer's last validation before compression.",
        ]
    )


def _gates(promotion: Promotion) -> str:
    verdicts = {"pass": "pass", "fail": "FAIL", "unknown": "unknown"}
    rows = [(gate.name, verdicts[gate.verdict], gate.value, gate.limit, gate.reason) for gate in promotion.gates]
    noise = promotion.noise
    if noise.std_bpb is None or noise.threshold_bpb is None:
        said = f"Seed noise: unknown ({noise.num_seeds} baseline seed{'' if noise.num_seeds == 1 else 's'})."
    else:
        said = (
            f"Seed noise: standard deviation {word('bpb', noise.std_bpb)} over {noise.num_seeds} baseline seeds; "
            f"a gain below {word('bpb', noise.threshold_bpb)} is noise."
        )
    if promotion.line_delta is not None:
        said += f"\nCode lines against the parent: {promotion.line_delta:+d}."
    return "\n".join(["## Gates", "", _table(("gate", "verdict", "value", "limit", "reason"), rows), "", said])


def _references(result: Result) -> str:
    if not result.reference_bpb:
        return ""
    rows: list[tuple[str, float, str]] = []
    for name, value in sorted(result.reference_bpb.items(), key=lambda item: -item[1]):
        against = "-"
        if result.val_bpb is not None:
            against = "below" if result.val_bpb < value else "not below"
        rows.append((name, value, against))
    return "\n".join(
        ["## Compressors on the same text", "", _table(("compressor", "val_bpb", "this experiment is"), rows)]
    )


def _settings(result: Result) -> str:
    if not result.settings:
        return ""
    return "\n".join(["## Settings", "", fenced([f"{key}={value}" for key, value in sorted(result.settings.items())])])


def _reproduce(result: Result) -> str:
    name, commit = shlex.quote(clean(result.experiment)), shlex.quote(clean(result.commit))
    commands = [f"git show {commit}", f"golf run {name} --again", f"golf check-promotion {name}"]
    return "\n".join(["## Reproduce", "", fenced(commands, "sh"), "", f"Run id: {escape(result.run_id)}."])


def _limits(result: Result, data: str | None) -> str:
    limits: list[str] = []
    if data is None:
        limits.append(
            "The data is not recorded here; val_bpb compares with the FineWeb leaderboard only if it is FineWeb's."
        )
    elif "fineweb" not in data.lower():
        limits.append(f"Scored on {data}, not FineWeb: val_bpb does not compare with the FineWeb leaderboard.")
    trained = "" if result.train_time_s is None else f", at most {result.train_time_s:.1f} s of training per seed"
    limits.append(f"Tier {result.tier}{trained}; the challenge allows {rules.TRAIN_TIME_S_MAX:.0f} s on 8×H100.")
    if len(result.seeds) == 1:
        limits.append("One seed: the spread between seeds is not measured.")
    limits += result.notes
    return "\n".join(["## Limits", "", *(f"- {_opening(escape(limit))}" for limit in limits)])
