"""The gates between an experiment and paid compute, and what becomes of the experiment itself.

Promotion asks for money, keeping asks for nothing: an experiment may be kept and not promoted. As
in the published loop ("Parameter Golf Auto Research", section "Two Tiers of Compute"), at least 3 %
over the running local baseline is promoted; below that a change is kept if it made the code
simpler, else discarded, even when the gain is real. A gain inside the baseline's seed noise counts
as none. Once a noise floor is measured, over the seeds of everything that was kept, a gain must also be
confirmed against it (`golf.play.noise`): beyond the seed noise of one baseline lie the luckiest of
many ideas.

Fail closed: what is not known never promotes, with one exception. A baseline with a single seed has
no measured noise; its gate says "unknown" and lets pass, or the first rounds would cost double.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Literal

from golf import rules
from golf.errors import UnreadableInput
from golf.measure.significance import Pooled, seed_noise
from golf.play.noise import weigh
from golf.schema import Budget, Gate, Noise, Promotion

TOLERANCE = 1e-9
"""Slack on relative improvements: 1.2 to 1.164 is 3 %, also in floating point."""


def decide(
    *,
    experiment: str,
    tier: str,
    scores: Sequence[float],
    baseline: str | None,
    baseline_scores: Sequence[float],
    artifact_bytes: int,
    limit_bytes: int,
    line_delta: int | None,
    has_hypothesis: bool,
    threshold: float = rules.PROMOTION_THRESHOLD,
    floor: Pooled | None = None,
) -> Promotion:
    """Judge one experiment against the running local baseline of its tier.

    Gates, in order: hypothesis, size, promotion, noise, confirmation where the noise floor is measured (and review and
    budget, by `with_gate`). Means over seeds are compared; `artifact_bytes` is the largest over seeds. With no baseline
    the experiment becomes it: kept when its artifact fits, never promoted.

    Raises:
        UnreadableInput: no scores, a score that is not a positive finite number, or a baseline
            without its scores.
    """
    val_bpb = _mean(scores, experiment)
    if (baseline is None) != (not baseline_scores):
        raise UnreadableInput(
            f"the baseline is {baseline or 'none'} with {len(baseline_scores)} scores; give both its name and "
            "its scores, or neither"
        )
    baseline_bpb = None if baseline is None else _mean(baseline_scores, baseline)
    gain = None if baseline_bpb is None else baseline_bpb - val_bpb
    improvement = None if gain is None or baseline_bpb is None else gain / baseline_bpb
    noise = seed_noise(baseline_scores, len(scores))

    hypothesis = _hypothesis_gate(has_hypothesis)
    size = _size_gate(artifact_bytes, limit_bytes)
    promotion = _promotion_gate(val_bpb, baseline_bpb, improvement, threshold, baseline, tier)
    luck = _noise_gate(gain, noise)
    doubts = [luck]
    if floor is not None and baseline_bpb is not None:
        doubts.append(_confirmation_gate(experiment, scores, baseline_scores, floor, threshold * baseline_bpb))
    gates = [hypothesis, size, promotion, *doubts]

    # without measured noise nothing excuses being worse
    worst_gain = -(noise.threshold_bpb or 0.0) - TOLERANCE
    is_simpler = line_delta is not None and line_delta < 0
    is_gain = promotion.verdict == "pass" and all(gate.verdict != "fail" for gate in doubts)
    keeps = baseline is None or is_gain or (is_simpler and gain is not None and gain >= worst_gain)
    decision: Literal["keep", "discard"] = "keep" if keeps and size.verdict == "pass" else "discard"
    promoted = promotion.verdict == "pass" and all(gate.verdict != "fail" for gate in gates)

    return Promotion(
        experiment=experiment,
        tier=tier,
        val_bpb=val_bpb,
        baseline=baseline,
        baseline_bpb=baseline_bpb,
        improvement=improvement,
        noise=noise,
        line_delta=line_delta,
        decision=decision,
        promoted=promoted,
        gates=gates,
        reason=_reason(decision, promoted, gates, promotion, luck, line_delta),
    )


def with_gate(promotion: Promotion, gate: Gate) -> Promotion:
    """The same judgement with one gate more: what stands between keeping and money."""
    blocked = promotion.promoted and gate.verdict == "fail"
    return promotion.model_copy(
        update={
            "gates": [*promotion.gates, gate],
            "promoted": promotion.promoted and gate.verdict != "fail",
            "reason": f"Kept, not promoted: {gate.name}: {gate.reason}." if blocked else promotion.reason,
        }
    )


ORDER = (
    "feasibility", "contamination", "review", "hypothesis", "size", "promotion", "noise", "confirmation", "evidence",
    "transfer", "budget", "rate_limit",
)  # fmt: skip
"""Of the gates, as they are shown: whether it could count at all, whether it earned it, whether it can be paid."""


def in_order(promotion: Promotion) -> Promotion:
    """The same judgement with its gates in `ORDER`."""
    return promotion.model_copy(update={"gates": sorted(promotion.gates, key=lambda gate: ORDER.index(gate.name))})


def money_gates(budget: Budget) -> list[Gate]:
    """Money decides on promotion, not on keeping: is it there, and is it time?"""
    is_there = budget.verdict != "blocked"
    is_time = budget.next_allowed_at is None
    return [
        Gate(
            name="budget",
            verdict="pass" if is_there else "fail",
            value=budget.run_cost_usd,
            limit=budget.remaining_usd - budget.reserve_usd,
            reason=budget.message if budget.verdict != "rate_limited" else f"${budget.run_cost_usd:.2f} are there",
        ),
        Gate(
            name="rate_limit",
            verdict="pass" if is_time or budget.run_cost_usd == 0 else "fail",
            reason="a paid run may start now"
            if is_time
            else f"the next paid run may start at {budget.next_allowed_at}"
            if budget.verdict != "rate_limited"
            else budget.message,
        ),
    ]


def _hypothesis_gate(has_hypothesis: bool) -> Gate:
    if has_hypothesis:
        return Gate(name="hypothesis", verdict="pass", reason="recorded before the run")
    return Gate(
        name="hypothesis",
        verdict="fail",
        reason="no hypothesis was recorded before the run; write it to config.yaml and run again",
    )


def _size_gate(artifact_bytes: int, limit_bytes: int) -> Gate:
    headroom = limit_bytes - artifact_bytes
    fits = headroom >= 0
    return Gate(
        name="size",
        verdict="pass" if fits else "fail",
        value=artifact_bytes,
        limit=limit_bytes,
        reason=f"artifact is {artifact_bytes:_} bytes, {abs(headroom):_} {'under' if fits else 'over'} "
        f"the limit of {limit_bytes:_}",
    )


def _promotion_gate(
    val_bpb: float,
    baseline_bpb: float | None,
    improvement: float | None,
    threshold: float,
    baseline: str | None,
    tier: str,
) -> Gate:
    if baseline_bpb is None or improvement is None:
        return Gate(
            name="promotion",
            verdict="unknown",
            limit=threshold,
            reason=f"val_bpb {val_bpb:.4f} has nothing to improve on: tier {tier} has no baseline yet, "
            "and the first run that is kept becomes it",
        )
    change = f"{_percent(abs(improvement))} {'lower' if improvement >= 0 else 'higher'}"
    return Gate(
        name="promotion",
        verdict="pass" if improvement >= threshold - TOLERANCE else "fail",
        value=improvement,
        limit=threshold,
        reason=f"val_bpb {val_bpb:.4f} is {change} than the {baseline_bpb:.4f} of the baseline {baseline}; "
        f"promotion needs {_percent(threshold)} lower",
    )


def _noise_gate(gain: float | None, noise: Noise) -> Gate:
    threshold = noise.threshold_bpb
    if gain is None:
        return Gate(name="noise", verdict="unknown", reason="no baseline, so no seed noise to compare with")
    if threshold is None:
        return Gate(
            name="noise",
            verdict="unknown",
            value=gain,
            reason=f"seed noise is unknown: the baseline has {noise.num_seeds} seed, at least 2 are needed; "
            "list more under seeds in its config.yaml and run it again",
        )
    spread = f"{threshold:.4f} BPB (95 %, {noise.num_seeds} baseline seeds)"
    if gain > threshold:
        verdict, reason = "pass", f"the gain of {gain:.4f} BPB is more than the seed noise of {spread}"
    elif gain < -threshold:
        verdict, reason = "fail", f"the loss of {-gain:.4f} BPB is more than the seed noise of {spread}"
    else:
        verdict, reason = "fail", f"this is noise: a change of {-gain:+.4f} BPB lies within the seed noise of {spread}"
    return Gate(name="noise", verdict=verdict, value=gain, limit=threshold, reason=reason)


def _confirmation_gate(
    experiment: str, scores: Sequence[float], baseline_scores: Sequence[float], floor: Pooled, sought_bpb: float
) -> Gate:
    weighed = weigh(scores, baseline_scores, floor, sought_bpb)
    gain = f"{'gain' if weighed.gain_bpb >= 0 else 'loss'} of {abs(weighed.gain_bpb):.4f} BPB"
    noise = f"a noise floor of {floor.std:.4f} BPB ({floor.df} degrees of freedom)"
    if weighed.verdict == "keep":
        reason = f"the {gain} stands out from {noise}"
    elif weighed.verdict == "discard":
        reason = f"the {gain} does not stand out from {noise}, and more seeds are not worth their time"
    else:
        seeds = max(weighed.seeds_due, len(scores) + 1)
        reason = (
            f"the {gain} is undecided at {noise}; about {seeds} seeds here and of the baseline decide. "
            f"List them under seeds in config.yaml, then: golf run {experiment} --again"
        )
    return Gate(
        name="confirmation",
        verdict="pass" if weighed.verdict == "keep" else "fail",
        value=weighed.gain_bpb,
        limit=weighed.keep_from_bpb,
        reason=reason,
    )


def _reason(
    decision: Literal["keep", "discard"],
    promoted: bool,
    gates: list[Gate],
    promotion: Gate,
    luck: Gate,
    line_delta: int | None,
) -> str:
    """The decision in one sentence, with the number that made it."""
    if promoted:
        return f"Promoted: {promotion.reason}; {luck.reason}."
    blocking = [
        f"{gate.name}: {gate.reason}" for gate in gates if gate.verdict == "fail" and gate not in (promotion, luck)
    ]
    score = promotion.reason if luck.verdict != "fail" else f"{promotion.reason}; {luck.reason}"
    if line_delta is None:
        lines = "whether the code got simpler is unknown"
    elif line_delta < 0:
        lines = f"the code is {-line_delta} lines shorter"
    else:
        lines = f"the code is not simpler ({line_delta:+d} lines)"
    is_short = any(gate.verdict == "fail" for gate in gates if gate.name in ("promotion", "noise", "confirmation"))
    facts = [score, lines] if is_short else [score]
    verb = "Kept, not promoted" if decision == "keep" else "Discarded"
    return f"{verb}: {'; '.join(blocking + facts)}."


def _mean(scores: Sequence[float], name: str) -> float:
    for score in scores:
        if not (math.isfinite(score) and score > 0):
            raise UnreadableInput(
                f"{name} has a val_bpb of {score}, which is no measurement; no decision follows from it. "
                f"Look at its log, then: golf run {name}"
            )
    if not scores:
        raise UnreadableInput(f"{name} has no scores, so there is nothing to decide; play it first: golf run {name}")
    return statistics.fmean(scores)


def _percent(fraction: float) -> str:
    """Rounded down, so that 2.999 % never reads as the 3.00 % it fell short of."""
    return f"{math.floor((fraction + TOLERANCE) * 10_000) / 100:.2f} %"
