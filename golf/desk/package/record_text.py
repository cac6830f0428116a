"""README.md, submission.json and requirements.txt of a record, as they follow from its capsule and its logs.

Nothing here is typed by anybody but the author's own notes, which stand apart. The same capsule and logs give the same
bytes, so that a verifier makes them again.
"""

import json
import re
import shlex
from collections.abc import Iterator
from statistics import fmean, stdev
from typing import Any

from golf.desk.package.capsule import NAME, Ancestor, Capsule, SeedEvidence, date_of
from golf.desk.package.record_facts import Logs, code_bytes, is_subset, total_bytes

README, SUBMISSION, REQUIREMENTS = "README.md", "submission.json", "requirements.txt"
_OUTCOMES = {"keep": "kept", "discard": "discarded"}

WRITTEN = (README, SUBMISSION, REQUIREMENTS, NAME)
"""What a packed folder has that nobody wrote."""


def submission(capsule: Capsule, logs: Logs) -> dict[str, Any]:
    """submission.json: the challenge's keys, every number as the logs state it, means over all seeds."""
    seeds = capsule.seeds
    bits = [logs[seed.seed].final_bpb or 0.0 for seed in seeds]
    nats = [logs[seed.seed].final_loss or 0.0 for seed in seeds]
    totals = [total_bytes(logs[seed.seed], seed) for seed in seeds]
    largest = seeds[totals.index(max(totals))]
    several = len(seeds) > 1
    told: dict[str, Any] = {
        "author": capsule.author,
        "github_id": capsule.github_id,
        "name": capsule.name.replace("_", " "),
        "blurb": capsule.blurb,
        "date": date_of(capsule),
        "track": capsule.track,
        "val_loss": round(fmean(nats), 8),
        "val_bpb": round(fmean(bits), 8),
        **({"val_loss_std": round(stdev(nats), 8), "val_bpb_std": round(stdev(bits), 8)} if several else {}),
        "seeds": [seed.seed for seed in seeds],
        "seed_results": {str(seed.seed): _seed(seed, logs) for seed in seeds},
        "bytes_total": max(totals),
        "bytes_code": code_bytes(logs[largest.seed], largest),
        "hardware": capsule.hardware,
        "python_version": capsule.environment.python,
        "pytorch_version": capsule.environment.packages.get("torch"),
    }
    return {key: value for key, value in told.items() if value is not None}


def _seed(seed: SeedEvidence, logs: Logs) -> dict[str, Any]:
    log = logs[seed.seed]
    told = {
        "val_loss": log.final_loss,
        "val_bpb": log.final_bpb,
        "artifact_bytes": total_bytes(log, seed),
        "steps": log.steps,
        "train_time_s": log.train_time_s,
        "eval_time_s": log.eval_time_s,
    }
    return {key: value for key, value in told.items() if value is not None}


def submission_bytes(capsule: Capsule, logs: Logs) -> bytes:
    """submission.json as it is written."""
    return (json.dumps(submission(capsule, logs), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def requirements(capsule: Capsule) -> str:
    """requirements.txt: a pin per imported distribution, and why one has none."""
    environment = capsule.environment
    source = {
        "interpreter": "Versions of the interpreter that the run was played with.",
        "log": "The run was elsewhere: versions as far as its logs state them.",
        "unknown": "The run was elsewhere, and its logs state no version.",
    }[environment.source]
    lines = [f"# {source}"]
    if environment.python:
        lines.append(f"# Python {environment.python}")
    for name, where in environment.imported.items():
        version = environment.packages.get(name)
        lines.append(f"{name}=={version}" if version else f"{name}  # {where}: its version there is not known")
    lines += [f"# {name}: imported in {where}, not installed there" for name, where in environment.not_found.items()]
    return "\n".join(lines) + "\n"


def readme(capsule: Capsule, logs: Logs) -> str:
    """README.md."""
    blocks = [
        _head(capsule, logs),
        _claim(capsule),
        _results(capsule, logs),
        _size_and_time(capsule, logs),
        _reproduce(capsule),
        _data(capsule),
        _lineage(capsule),
        _notes(capsule),
        _files(capsule),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


# --- sections


def _head(capsule: Capsule, logs: Logs) -> str:
    told = submission(capsule, logs)
    num = len(capsule.seeds)
    spread = f", std {told['val_bpb_std']:.6f}" if "val_bpb_std" in told else ""
    over = f"mean of {num} seeds" if num > 1 else "1 seed"
    record = "Record" if capsule.track == "10min_16mb" else "Non-record"
    facts = [
        f"**val_bpb: {told['val_bpb']:.6f}** ({over}{spread})",
        f"val_loss {told['val_loss']:.6f} nats per token",
        f"{told['bytes_total']:,} bytes",
        capsule.hardware or "hardware not stated",
        f"track `{capsule.track}`",
    ]
    return f"# {record}: {_line(told['name'])}\n\n{' | '.join(facts)}\n\n{_line(capsule.blurb)}"


def _claim(capsule: Capsule) -> str:
    lines = ["## Claim", "", "Written down before the run:", "", _quoted(capsule.hypothesis)]
    if capsule.expected_outcome.strip():
        lines += ["", "Expected outcome:", "", _quoted(capsule.expected_outcome)]
    outcome = f"Outcome: {_OUTCOMES.get(capsule.status, capsule.status)}."
    lines += ["", f"{outcome} {_line(capsule.outcome)}".strip()]
    if capsule.techniques:
        lines += ["", f"Techniques named in the claim: {', '.join(map(_line, capsule.techniques))}."]
    return "\n".join(lines)


def _results(capsule: Capsule, logs: Logs) -> str:
    rows = [
        "| seed | val_bpb | val_loss | measured again | artifact bytes | steps | train s | eval s |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for seed in capsule.seeds:
        log = logs[seed.seed]
        rows.append(
            f"| {seed.seed} | {log.final_bpb:.8f} | {log.final_loss:.8f} | {seed.val_bpb:.8f} | "
            f"{total_bytes(log, seed):,} | {_or_dash(log.steps)} | {_or_dash(log.train_time_s)} | "
            f"{_or_dash(log.eval_time_s)} |"
        )
    told = submission(capsule, logs)
    if "val_bpb_std" in told:
        rows.append(f"| **mean** | {told['val_bpb']:.8f} | {told['val_loss']:.8f} | | | | | |")
        rows.append(f"| std | {told['val_bpb_std']:.8f} | {told['val_loss_std']:.8f} | | | | | |")
    scopes = sorted({seed.scored_on for seed in capsule.seeds})
    text = (
        "Scores, sizes, steps and times are the logs'; `measured again` is val_bpb of the artifact, read back and "
        f"scored by {capsule.made_by} after the run, on {'; '.join(map(_line, scopes))}."
    )
    if any(is_subset(seed) for seed in capsule.seeds):
        text += " That is a subset of the split: these scores do not compare with scores over all of it."
    return "\n".join(["## Results", "", *rows, "", text])


def _size_and_time(capsule: Capsule, logs: Logs) -> str:
    limit = capsule.limits.artifact_bytes_max
    totals = {seed.seed: total_bytes(logs[seed.seed], seed) for seed in capsule.seeds}
    largest = next(seed for seed in capsule.seeds if totals[seed.seed] == max(totals.values()))
    log = logs[largest.seed]
    code = code_bytes(log, largest)
    how = "the script's compressed size, as its log states it" if code == log.code_bytes.get("compressed") else (
        "the script's bytes as they lie"
    )  # fmt: skip
    lines = [
        "## Size and time",
        "",
        f"- Artifact, largest seed: {totals[largest.seed]:,} bytes of {limit:,}: weights {largest.weights.bytes:,}, "
        f"code {code:,} ({how}); headroom {limit - totals[largest.seed]:,}.",
    ]
    for name, values, at_most in (
        ("Training", [logs[seed.seed].train_time_s for seed in capsule.seeds], capsule.limits.train_time_s_max),
        ("Evaluation", [logs[seed.seed].eval_time_s for seed in capsule.seeds], capsule.limits.eval_time_s_max),
    ):
        known = [value for value in values if value is not None]
        longest = f"{max(known):g} s" if len(known) == len(values) else "not logged for every seed"
        clock = f"of {at_most:g} s" if at_most is not None else "the track has no clock"
        lines.append(f"- {name}, longest seed: {longest} ({clock}).")
    lines.append(f"- Paid for it: ${capsule.cost_usd:.2f}.")
    return "\n".join(lines)


def _reproduce(capsule: Capsule) -> str:
    script = capsule.script
    words = [word.replace("{python}", "python").replace("{script}", script) for word in capsule.command]
    settings = {
        "DATA_PATH": f"./data/datasets/{capsule.data.name}",
        "TOKENIZER_PATH": f"./data/tokenizers/{capsule.data.tokenizer.path}",
        **capsule.settings,
    }
    lines = [f"  {key}={shlex.quote(value)} \\" for key, value in settings.items()]
    command = " ".join(shlex.quote(word) for word in words)
    seeds = " ".join(str(seed.seed) for seed in capsule.seeds)
    told = [
        "## Reproduce",
        "",
        "```bash",
        "pip install -r requirements.txt",
        f"for SEED in {seeds}; do",
        *lines,
        "  SEED=$SEED RUN_ID=seed$SEED \\",
        f"  {command} > train_seed$SEED.log 2>&1",
        "done",
        "```",
    ]
    return "\n".join(told)


def _data(capsule: Capsule) -> str:
    data = capsule.data
    return "\n".join(
        [
            "## Data",
            "",
            f"- `{_line(data.fingerprint)}`: {len(data.shards)} files, {data.train_tokens:,} tokens to train on, "
            f"{data.validation_tokens:,} in the validation split.",
            f"- Tokenizer `{_line(data.tokenizer.path)}`, sha256 `{data.tokenizer.sha256}`.",
            f"- Each file's hash is in `{NAME}`.",
        ]
    )


def _lineage(capsule: Capsule) -> str:
    lines = ["## Lineage", ""]
    if capsule.builds_on:
        lines += [f"Builds on {', '.join(map(_line, capsule.builds_on))}.", ""]
    lines += [_ancestor(number, one) for number, one in enumerate(capsule.lineage, start=1)]
    if not capsule.lineage:
        lines.append("The claim names no parent experiment.")
    return "\n".join(lines)


def _ancestor(number: int, one: Ancestor) -> str:
    score = "not scored" if one.val_bpb is None else f"val_bpb {one.val_bpb:.6f}"
    return f"{number}. `{_line(one.name)}`, {score}: {_line(one.hypothesis)}"


def _notes(capsule: Capsule) -> str:
    lines = []
    if capsule.run_notes:
        lines += ["## Notes of the run", "", *[f"- {_line(note)}" for note in capsule.run_notes]]
    if capsule.author_notes.strip():
        lines += [""] * bool(lines)
        lines += ["## Notes of the author", "", "The author's words; nothing here was measured by the packer.", ""]
        lines.append(capsule.author_notes.strip())
    return "\n".join(lines)


def _files(capsule: Capsule) -> str:
    what = {
        README: "this text",
        SUBMISSION: "the numbers, for machines",
        REQUIREMENTS: "what the script imports, pinned",
        **dict.fromkeys(capsule.scripts, f"as it ran: commit `{capsule.commit[:12]}`"),
        **{seed.log: _log(seed) for seed in capsule.seeds},
    }
    lines = [f"- `{name}`: {told}" for name, told in what.items()]
    lines.append(f"- `{NAME}`: commit, settings, packages, data and the hash of each of these files")
    lines.append("")
    lines.append(f"Checked as a whole: `golf package --verify {date_of(capsule)}_{capsule.name}`.")
    return "\n".join(["## Files", "", *lines])


def _log(seed: SeedEvidence) -> str:
    if not seed.num_redacted:
        return f"log of seed {seed.seed}, whole"
    return f"log of seed {seed.seed}, whole but for {seed.num_redacted} paths of the machine"


# --- words


def _line(text: str) -> str:
    """On one line, and without what a terminal or a table would act on."""
    return re.sub(r"\s+", " ", "".join(c if c.isprintable() or c.isspace() else " " for c in text)).strip()


def _quoted(text: str) -> str:
    return "\n".join(f"> {_line(line)}".rstrip() for line in text.strip().split("\n")) or "> -"


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else f"{value:,}"


def differing(packed: dict[str, Any], due: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Keys of two tables whose values differ, each with both."""
    for key in [*due, *(key for key in packed if key not in due)]:
        have, want = packed.get(key), due.get(key)
        if isinstance(have, dict) and isinstance(want, dict):
            yield from differing(have, want, f"{prefix}{key}.")
        elif have != want or type(have) is not type(want):
            yield f"{prefix}{key} is {_short(have)}, and logs and capsule give {_short(want)}"


def _short(value: Any) -> str:
    return "missing" if value is None else repr(value)[:80]
