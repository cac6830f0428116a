"""Tier transfer: what pairs of local and paid runs decide.

From pairs (`golf.play.pairs`, or a recorded history) follow a gate (has the idea a chance of beating the best paid run,
and what is that worth per dollar?), a promotion threshold that adapts, and a question when a paid run falls short of
what its local score foretold. While pairs are too few everything says so, and nothing is blocked by what is not known.
"""

import functools
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from golf.errors import UnreadableInput
from golf.measure.significance import Pooled, t_quantile
from golf.measure.transfer import Pair, Tau, check, kendall, pool, predict
from golf.play import notes
from golf.play.pairs import best_paid, family_of, paired, pairs_between, read_history
from golf.schema import Gate, Note, Result, Transfer
from golf.workspace import Workspace

CONFIDENCE = 0.95
"""With which a paid run would gain nothing before the gate fails, and a gain must be no noise."""

THRESHOLD_CONFIDENCE = 0.8
"""With which a paid run's expected gain must be positive at the adaptive threshold."""

THRESHOLD_MAX = 0.2
"""Relative local gains up to this are tried for the adaptive threshold."""


class Replayed(NamedTuple):
    """One paid run of a recorded history, as the gate would have judged it by those before it."""

    pair: Pair
    gate: Gate
    is_gain: bool
    """It beat every paid run before it."""


class Threshold(NamedTuple):
    """The local gain that earns a paid run."""

    promotion: float
    reason: str


def transfer_gate(
    pairs: Sequence[Pair], local_bpb: float, family: str, best_bpb: float | None, cost_usd: float
) -> Gate:
    """Whether a paid run may gain anything; it fails when with `CONFIDENCE` it would not beat the best one."""
    try:
        check(pairs)
    except UnreadableInput as error:
        return Gate(name="transfer", verdict="unknown", reason=str(error))
    if best_bpb is None:
        return Gate(name="transfer", verdict="unknown", reason="no paid run yet that a further one could improve on")
    foretold = predict(pairs, local_bpb, family)
    chance, gain = foretold.chance_below(best_bpb), foretold.expected_gain(best_bpb)
    per_dollar = f", {gain / cost_usd:.6f} per dollar" if cost_usd > 0 else ""
    fails = chance < 1 - CONFIDENCE and foretold.val_bpb > best_bpb
    return Gate(
        name="transfer",
        verdict="fail" if fails else "pass",
        value=chance,
        limit=round(1 - CONFIDENCE, 6),
        reason=(
            f"by {len(pairs)} pairs a local {local_bpb:.4f} of family {family} becomes {foretold.val_bpb:.4f} "
            f"({foretold.low:.4f} to {foretold.high:.4f}); it beats the best paid {best_bpb:.4f} with a chance of "
            f"{chance:.0%}, an expected gain of {gain:.4f} BPB{per_dollar}"
        ),
    )


def gate_of(workspace: Workspace, folder: Path, local: Result, tier: str, cost_usd: float) -> Gate:
    """The transfer gate of a played experiment on a paid tier, at a run's worst-case cost."""
    assert local.val_bpb is not None  # scored
    pairs = pairs_between(paired(workspace), local, tier)
    return transfer_gate(pairs, local.val_bpb, family_of(workspace, folder), best_paid(workspace, tier), cost_usd)


def replay(pairs: Sequence[Pair], cost_usd: float = 0.0) -> list[Replayed]:
    """A recorded history through the gate, each paid run judged by those before it."""
    found: list[Replayed] = []
    for index, pair in enumerate(pairs):
        before = pairs[:index]
        best = min((one.paid_bpb for one in before), default=None)
        gate = transfer_gate(before, pair.local_bpb, pair.family, best, pair.cost_usd or cost_usd)
        found.append(Replayed(pair, gate, best is None or pair.paid_bpb < best))
    return found


def investigation(pairs: Sequence[Pair], pair: Pair, *, is_translated: bool = False) -> str | None:
    """The question a paid run raises that is worse than its local score foretold, by more than the noise.

    Args:
        pairs: Those known without it.
        pair: The new one.
        is_translated: Local and paid runs come of two scripts (MLX and torch).

    Returns:
        The note's text; None when the result is no surprise, or pairs are too few to be surprised.
    """
    others = [one for one in pairs if one.name != pair.name]
    try:
        foretold = predict(others, pair.local_bpb, pair.family)
    except UnreadableInput:
        return None
    if pair.paid_bpb <= foretold.high:
        return None
    script = (
        "the paid script is a translation of the local one: compare them layer by layer (fused or separate "
        "projections, attention masks, initialisation, optimiser groups)"
        if is_translated
        else "the same script ran on both tiers, so look at what depends on the device: kernels, precision, world size"
    )
    return (
        f"{pair.name} scored {pair.paid_bpb:.4f} on the paid tier, {pair.paid_bpb - foretold.val_bpb:.4f} worse than "
        f"the {foretold.val_bpb:.4f} that {len(others)} pairs foretell from its local {pair.local_bpb:.4f} (at most "
        f"{foretold.high:.4f} with 95 %). Likely causes, in the order to check: (1) translation between tiers: "
        f"{script}; (2) scale: a gain of family {pair.family} in few local steps that a long run, a larger batch or "
        "the cooldown makes up for without it; (3) quantisation: the last step's score against the artifact's; (4) the "
        "run itself: steps reached, stop file, a crashed rank. Until it is explained, trust this family's local gains "
        "less."
    )


def between(workspace: Workspace, local: str, paid: str, history: Path | None = None) -> Transfer:
    """The relation of two of the workspace's tiers, or of the pairs in a recorded history.

    Raises:
        BadConfig: golf.toml has no such tier.
        UnreadableInput: not enough pairs, or the history is none.
    """
    if history is not None:
        found = read_history(history)
        told = report(found)
    else:
        for tier in (local, paid):
            workspace.tier(tier)
        known = paired(workspace)
        found = [one.pair for one in known if (one.local.tier, one.paid.tier) == (local, paid)]
        try:
            told = report(found)
        except UnreadableInput as error:
            others = Counter(f"{one.local.tier} and {one.paid.tier}" for one in known)
            there = ", ".join(f"{tiers}: {count}" for tiers, count in others.most_common(5)) or "none of any tiers"
            raise UnreadableInput(f"{local} and {paid}: {error}. Pairs there are: {there} (--local, --tier)") from None
    return Transfer(
        local=local,
        paid=paid,
        pairs=told.pairs,
        mean_delta_bpb=told.mean_delta_bpb,
        tau=round(told.tau.tau, 4),
        tau_low=round(told.tau.low, 4),
        tau_high=round(told.tau.high, 4),
        tau_p=round(told.tau.p_none, 6),
        family_delta_bpb={family: round(delta, 6) for family, delta in told.family_delta_bpb.items()},
        best_paid_bpb=min(pair.paid_bpb for pair in found) if history else best_paid(workspace, paid),
        total_usd=round(sum(pair.cost_usd for pair in found), 4),
    )


def note_surprise(workspace: Workspace, paid: Result) -> Note | None:
    """Leave the question in the shared channel when a paid run came out worse than foretold; None when it did not."""
    if paid.val_bpb is None:
        return None
    one = next((pair for pair in paired(workspace) if pair.paid.run_id == paid.run_id), None)
    if one is None:
        return None
    text = investigation(pairs_between(paired(workspace), one.local, paid.tier), one.pair)
    if text is None:
        return None
    return notes.add(workspace, by="caddie", kind="question", text=text[:4000], experiment=paid.experiment)


def promotion_threshold(
    workspace: Workspace, tier: str, data: str, baseline_scores: Sequence[float], num_seeds: int, floor: Pooled | None
) -> Threshold:
    """The local gain that earns a paid run, as golf.toml's `[gate]` has it.

    `fixed` is its number. `adaptive` is the smallest gain over the running local baseline that is no noise and whose
    paid run is expected to improve on the best one with `THRESHOLD_CONFIDENCE`; where that is unknown, the fixed one.

    Args:
        workspace: Whose settings and pairs count.
        tier: The local tier.
        data: What it is scored on.
        baseline_scores: The running local baseline's, one per seed; empty before there is one.
        num_seeds: Seeds of the experiment that is judged.
        floor: Measured seed noise of the tier; None where it is not.
    """
    settings = workspace.config.gate
    if settings.mode == "fixed":
        return Threshold(settings.promotion, "fixed in golf.toml")
    fixed = functools.partial(Threshold, settings.promotion)
    if not baseline_scores:
        return fixed("adaptive mode has no local baseline yet: the fixed threshold holds")
    if floor is None:
        return fixed(
            "adaptive mode needs a measured noise floor, more seeds of what was kept: the fixed threshold holds"
        )
    found = [one for one in paired(workspace) if (one.local.tier, one.local.data) == (tier, data)]
    tiers = Counter(one.paid.tier for one in found)
    paid_tier = min(tiers, key=lambda name: (-tiers[name], name), default="")
    pairs = [one.pair for one in found if one.paid.tier == paid_tier]
    best = best_paid(workspace, paid_tier)
    return adaptive_threshold(pairs, best, baseline_scores, num_seeds, floor, settings.promotion)


def adaptive_threshold(
    pairs: Sequence[Pair],
    best_bpb: float | None,
    baseline_scores: Sequence[float],
    num_seeds: int,
    floor: Pooled,
    fixed: float,
) -> Threshold:
    """The adaptive threshold from its parts; see `promotion_threshold`."""
    try:
        check(pairs)
    except UnreadableInput as error:
        return Threshold(fixed, f"adaptive mode: {error}; the fixed threshold holds")
    if best_bpb is None:
        return Threshold(fixed, "adaptive mode: no paid run whose artifact fits; the fixed threshold holds")
    baseline = math.fsum(baseline_scores) / len(baseline_scores)
    luck = floor.std * math.sqrt(1 / num_seeds + 1 / len(baseline_scores))
    noise = t_quantile(CONFIDENCE, floor.df) * luck / baseline
    for step in range(1, round(THRESHOLD_MAX * 10_000) + 1):
        gain = step / 10_000
        if gain < noise:
            continue
        foretold = predict(pairs, baseline * (1 - gain), "")
        at_most = foretold.val_bpb + t_quantile(THRESHOLD_CONFIDENCE, foretold.df) * foretold.expected_error
        if at_most < best_bpb:
            return Threshold(
                gain,
                f"adaptive: by {len(pairs)} pairs a local gain of {gain:.2%} is expected to improve on the best paid "
                f"{best_bpb:.4f} with {THRESHOLD_CONFIDENCE:.0%}, and seed noise reaches {noise:.2%}",
            )
    return Threshold(
        fixed,
        f"adaptive mode: by {len(pairs)} pairs no local gain up to {THRESHOLD_MAX:.0%} is expected to improve on the "
        f"best paid {best_bpb:.4f} with {THRESHOLD_CONFIDENCE:.0%}; the fixed threshold holds",
    )


class Report(NamedTuple):
    """What pairs say: the published loop's mean difference, and what stands beside it."""

    pairs: int
    mean_delta_bpb: float
    """Local minus paid."""
    tau: Tau
    family_delta_bpb: dict[str, float]
    """Each family's, drawn towards the whole."""


def report(pairs: Sequence[Pair]) -> Report:
    """The relation of two tiers.

    Raises:
        UnreadableInput: not enough pairs; the message says how many are needed.
    """
    check(pairs)
    deltas = pool((pair.family, pair.local_bpb - pair.paid_bpb) for pair in pairs)
    return Report(len(pairs), deltas.whole, kendall(pairs), dict(deltas.families))
