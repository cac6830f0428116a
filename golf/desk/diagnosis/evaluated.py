"""Is what was scored what was trained: gaps between training, validation and the score after the round trip."""

import re
import statistics
from collections.abc import Iterator, Mapping
from typing import Any

from golf.desk.diagnosis.symptoms import OVERFIT, quote, settled
from golf.desk.diagnosis.trouble import Trouble
from golf.desk.series import Run
from golf.rulings import Evidence

GAP_NATS = 0.25
"""Validation above training loss by so much; in real logs of one pass over the data the gap is -0.15 to 0.05."""
GAP_BELOW_NATS = 0.4
"""Training above validation: dropout, auxiliary losses and label smoothing raise it, rarely by so much."""
NEAR_END = 0.8
"""Training losses after this share of the steps stand for the end."""
QUANTISED_BPB = 0.02
"""Lost in the round trip; the challenge's baseline loses 0.007 to int8, careful 6-bit schemes under 0.015."""
QUANTISED_BROKEN_BPB = 0.2
"""Lost so: the artifact is not the model that was trained."""
ELSEWHERE_BPB = 0.1
"""Better than the last validation in training; a sliding window gains 0.03, test-time training 0.01 to 0.03 more."""

_ROUND_TRIP = re.compile(r"round_?trip|^quantized(?!_(?:ttt|sliding|ppm|ngram))|^final_int\d", re.IGNORECASE)
_OTHER_WINDOW = re.compile(r"slid|stride|_s\d+|ttt|ngram|ppm|slot|cache|mix|hedge", re.IGNORECASE)
_BEFORE = re.compile(r"pre[-_ ]?quant", re.IGNORECASE)


def of_scores(run: Run, facts: Mapping[str, tuple[Any, Evidence]]) -> Iterator[Trouble]:
    """Troubles between the curves and the final scores; `facts` are the run's settings with their places."""
    yield from _gap(run)
    yield from _quantised(run)
    yield from _windows(run, facts)


def _gap(run: Run) -> Iterator[Trouble]:
    series = run.series
    scores = series.finite("val_bpb") or series.finite("val_loss")
    best = min(scores, key=lambda point: point.value, default=None)
    losses = series.finite("val_loss")
    near = [
        point for point in settled(series, series.finite("train_loss")) if point.step >= NEAR_END * series.last_step
    ]
    gap = losses[-1].value - statistics.median(point.value for point in near) if losses and near else None
    if gap is not None and losses[-1].step < NEAR_END * series.last_step:
        gap = None
    if (
        best is not None
        and best is scores[0]
        and (best.step == 0 or len(scores) > 2)
        and scores[-1].value > OVERFIT * best.value
    ):
        yield Trouble(
            code="DIVERGED",
            severity="error",
            text=f"validation was best at the first look, step {best.step} ({best.value:.4f}), and is "
            f"{scores[-1].value:.4f} at the end: training only made it worse",
            first_step=best.step,
            last_step=scores[-1].step,
            evidence=[quote(series, best.line), quote(series, scores[-1].line)],
            advice="is the gradient's sign right, are the targets shifted as they should be, is the rate orders of "
            "magnitude too high for weights that were trained before",
        )
    elif best is not None and scores[-1].value > OVERFIT * best.value and (gap is None or gap > 0):
        yield Trouble(
            code="OVERFITTING",
            severity="warning",
            text=f"validation was best at step {best.step} ({best.value:.4f}) and is {scores[-1].value:.4f} at the "
            f"end, step {scores[-1].step}"
            + ("" if gap is None else f"; training loss is {gap:.2f} nats below validation"),
            first_step=best.step,
            last_step=scores[-1].step,
            evidence=[quote(series, best.line), quote(series, scores[-1].line)],
            advice=f"stop at step {best.step}, or give it more data: is the same shard read again and again?",
        )
    elif gap is not None and gap > GAP_NATS:
        yield Trouble(
            code="TRAIN_VAL_GAP",
            severity="warning",
            text=f"validation loss {losses[-1].value:.3f} is {gap:.2f} nats above the training loss at the end",
            first_step=near[0].step,
            last_step=losses[-1].step,
            evidence=[quote(series, near[-1].line), quote(series, losses[-1].line)],
            advice="are the training data repeated, or is validation another text, tokenizer or length? Score a few "
            "training batches with the evaluation's own code: that settles which",
        )
    elif gap is not None and gap < -GAP_BELOW_NATS:
        yield Trouble(
            code="TRAIN_VAL_GAP",
            severity="warning",
            text=f"validation loss {losses[-1].value:.3f} is {-gap:.2f} nats below the training loss at the end",
            first_step=near[0].step,
            last_step=losses[-1].step,
            evidence=[quote(series, near[-1].line), quote(series, losses[-1].line)],
            advice="the training loss has something in it that validation has not (dropout, auxiliary heads, label "
            "smoothing, augmentation that is too strong), or validation sees its own targets: golf audit asks that",
        )


def _quantised(run: Run) -> Iterator[Trouble]:
    log, series = run.log, run.series
    if log is None:
        return
    scores = series.finite("val_bpb")
    before = next((bpb for name, bpb in reversed(log.candidates.items()) if _BEFORE.search(name)), None)
    named = "before quantisation"
    if before is None and scores and scores[-1].step >= NEAR_END * series.last_step:
        before, named = scores[-1].value, f"in training at step {scores[-1].step}"
    after = [
        (name, bpb) for name, bpb in log.candidates.items()
        if _ROUND_TRIP.search(name) and not _OTHER_WINDOW.search(name)
    ]  # fmt: skip
    if before is None:
        return
    if after and after[-1][1] - before > QUANTISED_BPB:
        name, bpb = after[-1]
        lost = bpb - before
        yield Trouble(
            code="QUANTISATION_GAP",
            severity="error" if lost > QUANTISED_BROKEN_BPB else "warning",
            text=f"{name} scores {bpb:.4f} BPB and the model {named} {before:.4f}: the round trip costs {lost:.4f}",
            evidence=[quote(series, scores[-1].line)] if scores else [],
            advice="which tensors lose most? Keep the embedding in more bits, clip rows at a quantile, train the last "
            "steps with the rounding in place, or smooth the weights (EMA, a longer cooldown)",
        )
    if log.final_bpb is not None and before - log.final_bpb > ELSEWHERE_BPB:
        yield Trouble(
            code="SCORED_OTHERWISE",
            severity="warning",
            text=f"{log.final_label} scores {log.final_bpb:.4f} BPB, {before - log.final_bpb:.4f} better than the "
            f"model {named} ({before:.4f}): more than longer context or legal test-time training gives",
            evidence=[quote(series, scores[-1].line)] if scores else [],
            advice="the two are not the same measurement. Test the scorer: golf audit, and golf audit --bytes",
        )


def _windows(run: Run, facts: Mapping[str, tuple[Any, Evidence]]) -> Iterator[Trouble]:
    """Training and evaluation on windows of another length."""
    trained, scored = facts.get("train_seq_len"), facts.get("eval_seq_len")
    if trained is None or scored is None or not isinstance(scored[0], int) or scored[0] <= 0:
        return
    if isinstance(trained[0], int) and trained[0] != scored[0]:
        longer = scored[0] > trained[0]
        yield Trouble(
            code="EVALUATION_DIFFERS",
            severity="note",
            text=f"trained on {trained[0]} tokens per sequence and evaluated on {scored[0]}",
            evidence=[trained[1], scored[1]],
            advice="positions beyond the trained length are extrapolated: score both lengths, and keep the better"
            if longer
            else "a shorter window has less context: score at the trained length too",
        )
