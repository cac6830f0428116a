"""Which forward scores: the script's own, or golf's of the baseline where that is proved to give the same losses.

Golf's is taken only when the script's model is the challenge's baseline by its code, and then only after a trial:
windows from the beginning, the middle and the end of what is to be scored go through both, and their losses have to
agree. What the trial did not cover, windows of another shape, goes through the script's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType

import torch
from torch import Tensor, nn

from golf.measure import baseline_identity, pace
from golf.measure.baseline_forward import BaselineForward
from golf.measure.compiled import Compiling
from golf.measure.own_forward import TokenLosses, token_losses
from golf.measure.shards import Stream
from golf.measure.windows import Window, Windows, read

DTYPES = ("float32", "float64")
"""In any other the script's own scores."""
AGREEMENT = {torch.float32: 1e-6, torch.float64: 1e-12}
"""By how much the losses of a window may differ, relative to their sum: by what the script's come in, which may be
float32 where the rest is not."""
_ROUGH_AGREEMENT = 1e-4
"""The same where the script computes in 16 bits, of its forward compiled and not."""
_OF_TOKEN = 300.0
"""One token's loss may differ this many times as much, relative to the mean: rounding evens out in sums."""
_WINDOWS_MIN = 16
"""With fewer windows the trial would take longer than what comes of it."""
_BASELINE_TOKENS = 1_024
"""Tokens in one pass of golf's forward on a CPU; more would not stay in the cache, and other cores have their own."""


@dataclass(frozen=True)
class Forward:
    """How windows are scored."""

    losses: TokenLosses
    pace: pace.Pace
    name: str = "script"
    """`script`: the script's own; `baseline`: golf's own of the challenge's baseline."""
    notes: list[str] = field(default_factory=list)


def choose(
    model: nn.Module,
    module: ModuleType,
    stream: Stream,
    all_windows: Windows,
    *,
    dtype: str,
    device: torch.device,
    ways: Sequence[pace.Way],
    workers: int,
) -> Forward:
    """The forward that scores windows of `stream`, tried if it is not the script's own.

    The script's own goes about it in one of `ways`; golf's may use `workers` threads.

    Call it in inference mode, and in the autocast that is to be scored in.
    """
    own = token_losses(model, module)
    script = _script(model, module, all_windows, dtype, device, ways)
    alike = [all_windows.alike[part] for part in (0, len(all_windows.alike) // 2, -1)] if len(all_windows) else []
    if dtype not in DTYPES or len(all_windows.alike) < _WINDOWS_MIN:
        return script
    rotary = baseline_identity.rotary_of(model, module)
    if rotary is None:
        return script
    trial = [all_windows[index] for index in alike]
    shape = trial[0].shape
    fast, doubt = _tried(model, rotary, own, stream, trial, device)
    if fast is None:
        note = (
            f"scored by the script's own forward: golf's own of the challenge's baseline, which this model is by its "
            f"code, was tried on {len(trial)} windows and set aside, because {doubt}"
        )
        script.notes.append(note)
        return script

    @torch.inference_mode()  # a worker thread has a mode of its own
    def losses(inputs: Tensor, aims: Tensor, first: int) -> Tensor:
        return (fast if (inputs.size(1), first) == shape else own)(inputs, aims, first)

    rows = max(1, _BASELINE_TOKENS // shape[0]) if device.type == "cpu" else ways[0].rows
    workers = workers if device.type == "cpu" else 1
    way = pace.Way(rows, 1 if workers > 1 else None)
    return Forward(losses, pace.Pace([way], workers=workers), "baseline")


def _script(
    model: nn.Module,
    module: ModuleType,
    windows: Windows,
    dtype: str,
    device: torch.device,
    ways: Sequence[pace.Way],
) -> Forward:
    """The script's own forward, compiled on the way where the job is long enough for that to pay."""
    notes: list[str] = []
    tokens = len(windows) * windows.seq_len
    allowed = AGREEMENT.get(getattr(torch, dtype), _ROUGH_AGREEMENT)
    losses = Compiling(
        model,
        lambda some: token_losses(some, module),
        tokens=tokens,
        allowed=allowed,
        device=device,
        notes=notes,
    )
    return Forward(losses, pace.Pace(ways, windows=len(windows)), notes=notes)


def _tried(
    model: nn.Module,
    rotary: baseline_identity.Rotary,
    own: TokenLosses,
    stream: Stream,
    trial: list[Window],
    device: torch.device,
) -> tuple[TokenLosses | None, str]:
    """Golf's forward, or None and why not."""
    try:
        fast = BaselineForward(model, rotary).losses
        doubt = disagreement(own, fast, stream, trial, device)
    except (RuntimeError, AttributeError, TypeError) as error:  # another torch, or too little memory
        return None, f"it failed: {type(error).__name__}: {error}"
    return (None, doubt) if doubt else (fast, "")


def disagreement(
    own: TokenLosses, other: TokenLosses, stream: Stream, trial: list[Window], device: torch.device
) -> str:
    """How the losses of two forwards differ by more than rounding; empty where they do not."""
    for window in trial:
        inputs, targets = read(stream, [window], device)
        first = window.first - window.start
        theirs, ours = own(inputs, targets, first).cpu(), other(inputs, targets, first).cpu()
        allowed = AGREEMENT.get(theirs.dtype, 0.0)
        a, b = theirs.double(), ours.double()
        of_sum = ((a.sum() - b.sum()).abs() / a.sum()).item()
        of_token = ((a - b).abs().max() / a.mean()).item()
        if not (of_sum <= allowed and of_token <= allowed * _OF_TOKEN):  # neither is nan
            return (
                f"its losses differ by {of_sum:.1e} of their sum in the window at token {window.start}, one token's "
                f"by {of_token:.1e} of their mean; {allowed:g} and {allowed * _OF_TOKEN:g} are allowed"
            )
    return ""
