"""Whether what the paid tier trains will fit: predicted before money is spent, held to what was weighed locally."""

import shlex
from collections.abc import Mapping
from typing import Literal

from golf.errors import GolfError
from golf.measure import size_prediction
from golf.schema import Gate, Result
from golf.workspace import Workspace

ALIKE = 2.0
"""Factor of predicted bytes within which two models are packed alike, and of steps within which they are trained so."""


def feasibility_gate(workspace: Workspace, result: Result, settings: Mapping[str, str]) -> Gate:
    """Fails when the artifact that `settings` lead to is more likely over the limit than not; unknown where its 95 %
    interval still reaches over it.

    Where the settings plan the model that was played, trained about as long, its measured size stands. Otherwise:

    - from a model of another size (`ALIKE`) nothing carries over, and the prediction stands. In a tiny one most tensors
      are kept as floats: the naive baseline's smoke run weighs 1.5 × what is predicted for it;
    - from one of about this size, trained about as long, the script's own packing carries over: the prediction is
      scaled by what measuring made of the prediction for the old settings;
    - from one of about this size trained for longer or shorter, either may be true. A script that floors its scales
      packs a short training to a third; one that does not, as ours, leaves it up to 4 % heavier than a trained model.
      So both count: it fails where both are over, and passes where both fit.
    """
    limit = workspace.challenge.artifact_bytes_max
    weighed = result.artifact_bytes or 0
    trained = min((seed.steps for seed in result.seeds if seed.steps is not None), default=None)
    ran = result.settings if trained is None else {**result.settings, "ITERATIONS": str(max(trained, 1))}
    try:
        played, planned = (size_prediction.plan_of(one) for one in (ran, settings))
        as_long = size_prediction.plan_of({**result.settings, "ITERATIONS": str(planned.steps)})
        before = size_prediction.predict_size(played, limit_bytes=limit).bytes
        after = size_prediction.predict_size(planned, limit_bytes=limit)
    except GolfError as error:
        reason = f"its size cannot be predicted: {error}. {_ways(result, settings)}"
        return Gate(name="feasibility", verdict="unknown", limit=limit, reason=reason)
    is_as_long = _is_alike(played.steps or 0, planned.steps or 0)
    if weighed and is_as_long and (as_long.parts, as_long.codec) == (planned.parts, planned.codec):
        told = f"the model played weighs {weighed:,} bytes; the limit is {limit:,}"
        return _gate("pass" if weighed <= limit else "fail", weighed, limit, told)

    measured = weighed / before if weighed and _is_alike(before, after.bytes) else None
    scales = [1.0] if measured is None else [measured] if is_as_long else [1.0, measured]
    value, least = (round(after.bytes * scale) for scale in (scales[0], min(scales)))
    low, high = round(after.low_bytes * min(scales)), round(after.high_bytes * max(scales))
    verdict = "fail" if least > limit else "pass" if high <= limit else "unknown"
    taken = []
    if 1.0 in scales:
        taken.append(f"{_packing(planned)} as by the settings")
    if measured is not None:
        taken.append(f"packed as the model played, {measured:.2f} of its prediction after {played.steps:,} steps")
    told = f"about {value:,} bytes are predicted for the tier's settings ({low:,} to {high:,}): {', or '.join(taken)}"
    ways = "" if verdict == "pass" else f". {_ways(result, settings)}"
    return _gate(verdict, value, limit, f"{told}; the limit is {limit:,}{ways}")


def _is_alike(one: float, other: float) -> bool:
    return 0 < one <= ALIKE * other and other <= ALIKE * one


def _packing(plan: size_prediction.Plan) -> str:
    bits = sorted({part.precision.bits for part in plan.parts if part.precision.bits <= 8})
    return f"{' and '.join(f'{one:g}' for one in bits)} bits a weight and {plan.codec},"


def _ways(result: Result, settings: Mapping[str, str]) -> str:
    """What a person can do who knows better: the script's own bits and codec are in no settings."""
    read = [f"--env {shlex.quote(f'{name}={settings[name]}')}" for name in size_prediction.SETTINGS if name in settings]
    if "MATRIX_BITS" not in settings:
        read.append("--env MATRIX_BITS=6")
    return (
        f"Where the script itself packs otherwise, see: golf predict-size {' '.join(read)}; and let it past: "
        f"golf record override 'why' -e {result.experiment} --gate feasibility"
    )


def _gate(verdict: Literal["pass", "fail", "unknown"], value: int, limit: int, reason: str) -> Gate:
    return Gate(name="feasibility", verdict=verdict, value=value, limit=limit, reason=reason)
