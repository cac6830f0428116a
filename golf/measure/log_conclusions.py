"""One run's numbers → a TrainingLog: which of them stand, and why the others do not.

What is surprising:

- The last score is not always the submitted one: diagnostics and failed test-time training are printed too. The
  final score is the last scored line that is no diagnostic, unless another is clearly better: then the log
  alone settles nothing, and `candidates` says what there is to choose from.
- `Total submission size: N` without a codec is the raw model, not the artifact, unless the arithmetic says otherwise.
- The last step printed is often not the last one trained.

Every number not settled is None, with its reason in `missing`.
"""

import itertools
import re
from pathlib import Path
from typing import Any

from golf.measure.log_lines import Run, Score, whole
from golf.measure.log_source import Reading
from golf.schema import TrainingLog

BETTER_BPB = 0.002
"""Another score better than the last one by more than this makes the final score unsettled."""
EXACT_DECIMALS = 6
EXACT_BPB = 5e-9
"""A score this near to one claimed to that many decimals or more is the claimed one."""
CLAIM_BPB = 0.000_06
"""A score this near to a claimed one is the claimed one, rounded to 4 decimals."""

_UNCOMPRESSED = re.compile(r"\b(?:raw|fp32|bf16|fp16)\b(?!.*[+])")


def conclude(path: Path, reading: Reading, seed_in_name: int | None, expected_bpb: float | None) -> TrainingLog:
    """Draw the conclusions from what was read in `path`.

    `seed_in_name` is preferred over a seed printed; `expected_bpb` (bits per byte) chooses among the scores stated.
    """
    run = reading.run
    missing: dict[str, str] = {}
    if reading.is_empty:
        nothing = "the file is empty"
    elif reading.ends_in_source:
        nothing = "the log ends inside the source it embeds"
    elif reading.runs > 1:
        nothing = f"not stated by the last of the {reading.runs} runs in this log"
    else:
        nothing = "no line states it"

    final = _final(run, expected_bpb, missing)
    values: dict[str, Any] = {
        "seed": _fact(run, "seed") if seed_in_name is None else seed_in_name,
        "final_bpb": final.bpb if final else None,
        "final_loss": final.loss if final else None,
        "final_label": final.label if final else None,
        "artifact_bytes": _artifact_bytes(run, missing),
        "model_bytes": _model_bytes(run),
        "train_time_s": _train_time(run, missing),
        "eval_time_s": _eval_time(run, final, missing),
        "steps": _steps(run, missing),
        "iterations": _fact(run, "iterations") if run.iterations is None else run.iterations,
        "memory_bytes": run.memory_bytes,
        "model_params": _fact(run, "model_params", "params"),
        "world_size": _fact(run, "world_size", "ws"),
        "val_tokens": _fact(run, "val_tokens"),
        "train_shards": _fact(run, "train_shards"),
        "wallclock_cap_s": _cap(run),
        "last_step_bpb": run.last_step_bpb,
    }
    for name, value in values.items():
        if value is None:
            missing.setdefault(name, nothing)
    points = sorted(run.training.points + run.validation.points)
    return TrainingLog(
        path=str(path),
        code_bytes=run.code,
        hyperparameters=run.facts,
        candidates={name: score.bpb for name, score in run.scores.items() if score.bpb is not None},
        points=[point.noun for point in points],
        missing={name: reason for name, reason in missing.items() if values.get(name) is None},
        **values,
    )


def _final(run: Run, expected_bpb: float | None, missing: dict[str, str]) -> Score | None:
    """Choose the last scored line that is no diagnostic, unless the log leaves the choice open."""
    scores = [score for score in run.scores.values() if score.kind not in ("diagnostic", "aside")]
    aside = [score for score in run.scores.values() if score.kind == "aside"]
    claimed = (
        (_claimed(scores, expected_bpb, EXACT_BPB) if is_exact(expected_bpb) else None)
        or _claimed(scores, expected_bpb, CLAIM_BPB)
        or _claimed(aside, expected_bpb, CLAIM_BPB)
    )
    if claimed:
        return claimed
    finals = [score for score in scores if score.kind == "final"]
    if finals:
        last = finals[-1]
        rivals = [
            s
            for s in scores
            if s.bpb is not None and (s.kind == "final" or not any(_same_pass(s, other) for other in finals))
        ]
        best = min(rivals, key=lambda s: s.bpb or 0.0, default=last)
        if last.bpb is None:
            reason = f"the last score, {last.name}, is not a finite number"
        elif (best.bpb or 0.0) < last.bpb - BETTER_BPB:
            reason = f"{best.name} {best.bpb} is better than the last score, {last.name} {last.bpb}"
        elif rivals[-1] is not last:
            reason = f"{rivals[-1].name} {rivals[-1].bpb} follows the last labelled score, {last.name} {last.bpb}"
        else:
            return last
        chosen = _claimed(scores, expected_bpb, BETTER_BPB)
        if chosen:
            return chosen
        reason += "; the log does not say which was submitted: see candidates"
    elif run.scores:
        reason = "no line is labelled as a final score; see candidates"
    elif run.last_step_bpb is not None:
        reason = "no score follows training; the last step's is in last_step_bpb"
    else:
        return None
    missing |= {"final_bpb": reason, "final_loss": reason, "final_label": reason}
    return None


def is_exact(claimed_bpb: float | None) -> bool:
    """Does a claim have so many digits that two scores do not share them by chance?"""
    return claimed_bpb is not None and len(repr(claimed_bpb).partition(".")[2]) >= EXACT_DECIMALS


def _claimed(scores: list[Score], expected_bpb: float | None, within: float) -> Score | None:
    """Pick the last score within so many bits per byte of what a submission claims, when all of those agree."""
    if expected_bpb is None:
        return None
    near = [s for s in scores if s.bpb is not None and abs(s.bpb - expected_bpb) <= within]
    return near[-1] if near and all(_same_pass(s, near[-1], losses=False) for s in near) else None


def _artifact_bytes(run: Run, missing: dict[str, str]) -> int | None:
    totals = {codec: total for codec, total in run.totals.items() if codec and not _UNCOMPRESSED.search(codec)}
    if run.stated is not None:
        totals["artifact"] = run.stated
    if len(set(totals.values())) == 1:
        return next(iter(totals.values()))
    if totals:
        sizes = ", ".join(f"{codec} {total}" for codec, total in itertools.islice(totals.items(), 4))
        missing["artifact_bytes"] = f"the log states several totals and not which was submitted: {sizes}"
        return None
    raw = run.totals.get("")
    models = [size for codec, size in run.models.items() if codec]
    if raw is not None and any(raw == model + code for model in models for code in run.code.values()):
        return raw
    if raw is not None:
        missing["artifact_bytes"] = "only the uncompressed model's total is stated"
    return None


def _model_bytes(run: Run) -> int | None:
    sizes = {size for codec, size in run.models.items() if codec}
    return sizes.pop() if len(sizes) == 1 else None


def _train_time(run: Run, missing: dict[str, str]) -> float | None:
    stop_s = run.stop[0] if run.stop else None
    if stop_s is not None:
        if not run.train_time_rounded and stop_s < (run.train_time_s or 0.0):
            missing["train_time_s"] = (
                f"the log contradicts itself: stopped at {stop_s} s, a step at {run.train_time_s} s"
            )
            return None
        return stop_s
    if reason := _unsettled_end(run):
        missing["train_time_s"] = reason
        return None
    if run.train_time_rounded:
        missing["train_time_s"] = f"only a rounded time is stated, about {run.train_time_s} s"
        return None
    return run.train_time_s


def _steps(run: Run, missing: dict[str, str]) -> int | None:
    if run.stop and run.stop[1] is not None:
        return run.stop[1]
    if reason := _unsettled_end(run):
        missing["steps"] = reason
        return None
    return run.newest.step if run.newest else None


def _unsettled_end(run: Run) -> str:
    """Reason why the last step line may not be where training ended; empty when it is."""
    if run.newest is None:
        return "this run trains no step"
    if run.iterations is not None and run.newest.step >= run.iterations:
        return ""
    if not run.trained:
        return f"training had not ended at step {run.newest.step}"
    if run.newest.val_bpb is None and run.newest.val_loss is None:
        return f"training went on for an unknown number of steps after the last line, step {run.newest.step}"
    return ""


def _eval_time(run: Run, final: Score | None, missing: dict[str, str]) -> float | None:
    """Time of the whole evaluation where it is stated, else of the pass that the final score stands on, seconds."""
    if run.total_eval_s is not None:
        return run.total_eval_s
    if final is None:
        missing["eval_time_s"] = "no final score whose pass was timed"
        return None
    twins = [s for s in reversed(run.scores.values()) if s.eval_time_s is not None and _same_pass(s, final)]
    twins.sort(key=lambda s: (s.name != final.name, s.kind == "echo"))
    if not twins:
        missing["eval_time_s"] = f"no line times the pass of {final.name}"
        return None
    if not twins[0].eval_time_s:
        missing["eval_time_s"] = f"{twins[0].name} states 0 ms: the pass was not timed"
        return None
    return twins[0].eval_time_s


def _same_pass(one: Score, other: Score, losses: bool = True) -> bool:
    """Do two lines print the same score, each to its own number of decimals?"""
    if one.bpb is None or other.bpb is None:
        return False
    half_a_digit = 0.51 * 10.0 ** -min(one.decimals, other.decimals, 12)
    same_loss = not losses or one.loss is None or other.loss is None or abs(one.loss - other.loss) <= half_a_digit
    return same_loss and abs(one.bpb - other.bpb) <= half_a_digit


def _fact(run: Run, *names: str) -> int | None:
    """Whole number printed under the first of these names that has one."""
    return next((number for name in names if (number := whole(run.facts.get(name))) is not None), None)


def _cap(run: Run) -> float | None:
    value = run.facts.get("max_wallclock_seconds", "")
    return float(value) if re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", value) else None
