"""Whether what the paid tier trains will fit: predicted before money is spent, held to what was weighed locally."""

from collections.abc import Mapping

from golf.errors import GolfError
from golf.measure import size_prediction
from golf.schema import Gate, Result
from golf.workspace import Workspace


def feasibility_gate(workspace: Workspace, result: Result, settings: Mapping[str, str]) -> Gate:
    """Fails when the artifact that `settings` lead to may lie over the limit, by its 95 % interval.

    Where the settings plan the model that was played, its measured size stands. Otherwise the prediction for the new
    settings is scaled by what measuring made of the prediction for the old ones: the script's own packing is in both.
    """
    limit = workspace.challenge.artifact_bytes_max
    measured = result.artifact_bytes or 0
    try:
        played, planned = (size_prediction.plan_of(one) for one in (result.settings, settings))
        if played == planned:
            return _gate(measured <= limit, measured, limit, f"the model played weighs {measured:,} bytes")
        before = size_prediction.predict_size(played, limit_bytes=limit)
        after = size_prediction.predict_size(planned, limit_bytes=limit)
    except GolfError as error:
        return Gate(name="feasibility", verdict="unknown", limit=limit, reason=f"its size cannot be predicted: {error}")
    scale = measured / before.bytes if measured and before.bytes else 1.0
    low, middle, high = (round(size * scale) for size in (after.low_bytes, after.bytes, after.high_bytes))
    told = f"{low:,} to {high:,} bytes are predicted for the tier's settings (about {middle:,}), and the most counts"
    return _gate(high <= limit, high, limit, told)


def _gate(fits: bool, value: int, limit: int, reason: str) -> Gate:
    return Gate(
        name="feasibility",
        verdict="pass" if fits else "fail",
        value=value,
        limit=limit,
        reason=f"{reason}; the limit is {limit:,}",
    )
