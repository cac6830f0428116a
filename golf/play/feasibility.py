"""Whether what the paid tier trains will fit: predicted before money is spent, held to what was weighed locally."""

from collections.abc import Mapping
from typing import Literal

from golf.errors import GolfError
from golf.measure import size_prediction
from golf.schema import Gate, Result
from golf.workspace import Workspace

ALIKE = 2.0
"""Factor of predicted bytes within which two models are packed alike."""


def feasibility_gate(workspace: Workspace, result: Result, settings: Mapping[str, str]) -> Gate:
    """Fails when the artifact that `settings` lead to is more likely over the limit than not; unknown where its 95 %
    interval still reaches over it.

    Where the settings plan the model that was played, its measured size stands. Otherwise the prediction for the new
    settings is scaled by what measuring made of the prediction for the old ones, as the script's own packing is in
    both: between models of about one size (`ALIKE`). In a tiny one most tensors are kept as floats, and its ratio says
    nothing of a large one: of the naive baseline's smoke run 1.5, by which the baseline itself would weigh 36 MB.
    """
    limit = workspace.challenge.artifact_bytes_max
    measured = result.artifact_bytes or 0
    try:
        played, planned = (size_prediction.plan_of(one) for one in (result.settings, settings))
        if played == planned:
            verdict = "pass" if measured <= limit else "fail"
            return _gate(verdict, measured, limit, f"the model played weighs {measured:,} bytes")
        before = size_prediction.predict_size(played, limit_bytes=limit)
        after = size_prediction.predict_size(planned, limit_bytes=limit)
    except GolfError as error:
        return Gate(name="feasibility", verdict="unknown", limit=limit, reason=f"its size cannot be predicted: {error}")
    is_alike = before.bytes > 0 and 1 / ALIKE <= after.bytes / before.bytes <= ALIKE
    scale = measured / before.bytes if measured and is_alike else 1.0
    low, middle, high = (round(size * scale) for size in (after.low_bytes, after.bytes, after.high_bytes))
    told = f"about {middle:,} bytes are predicted for the tier's settings ({low:,} to {high:,})"
    if middle <= limit < high:
        return _gate("unknown", middle, limit, f"{told}, which may be too many")
    return _gate("pass" if high <= limit else "fail", middle, limit, told)


def _gate(verdict: Literal["pass", "fail", "unknown"], value: int, limit: int, reason: str) -> Gate:
    return Gate(
        name="feasibility",
        verdict=verdict,
        value=value,
        limit=limit,
        reason=f"{reason}; the limit is {limit:,}",
    )
