"""A script's own forward, as per-token losses.

They come from the model's `logits(input_ids)` or `forward_logits(input_ids)` where it has one. An unmodified challenge
script has neither, only a mean loss; then `torch.nn.functional.cross_entropy` is replaced while `forward` runs, and the
arguments it is called with are scored. Either way only the scored positions go through a log-softmax, some at a time:
over all of a batch it would be the largest thing in memory.
"""

import contextlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from golf.errors import UnreadableInput

TokenLosses = Callable[[Tensor, Tensor, int], Tensor]
"""(B, T) inputs and targets, and the first position that is scored, to (B, T - first) losses in nats."""

_CHUNK = {"cpu": 1 << 20}
"""Logits per step of the log-softmax; they stay in the cache."""
_CHUNK_ELSEWHERE = 1 << 28


def token_losses(model: nn.Module, module: ModuleType) -> TokenLosses:
    """How this model's per-token losses are obtained: from its logits, or by listening to its cross entropy."""
    method = next((name for name in ("logits", "forward_logits") if callable(getattr(model, name, None))), None)
    if method:
        logits_of: Callable[[Tensor], Tensor] = getattr(model, method)

        def from_logits(inputs: Tensor, targets: Tensor, first: int = 0) -> Tensor:
            logits = logits_of(inputs).reshape(*inputs.shape, -1)[:, first:]
            return _cross_entropy(logits, targets[:, first:])

        return from_logits

    def from_forward(inputs: Tensor, targets: Tensor, first: int = 0) -> Tensor:
        heard: list[Tensor] = []
        original = F.cross_entropy

        def listen(logits: Tensor, target: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
            if target.numel() == targets.numel() and torch.equal(target.reshape(-1), targets.reshape(-1)):
                rows = logits.reshape(*targets.shape, -1)[:, first:]
                heard.append(_cross_entropy(rows, targets[:, first:], original))
                return heard[-1].mean()
            return original(logits, target, *_args, **_kwargs)

        with listening(listen):
            model(inputs, targets)
        if len(heard) != 1:
            raise UnreadableInput(
                f"forward of GPT in {module.__file__} took the cross entropy of its targets {len(heard)} times, not "
                "once, so its per-token losses are unknown. Give GPT a method logits(input_ids)"
            )
        return heard[0]

    return from_forward


@contextlib.contextmanager
def listening(listen: Callable[..., Tensor]) -> Iterator[None]:
    """Whoever takes a cross entropy meanwhile, `torch.nn.functional.cross_entropy`, calls `listen` instead."""
    original = F.cross_entropy
    F.cross_entropy = listen
    try:
        yield
    finally:
        F.cross_entropy = original


def _cross_entropy(logits: Tensor, targets: Tensor, loss: Callable[..., Tensor] = F.cross_entropy) -> Tensor:
    """(B, T, V) and (B, T) to (B, T), in float32 or better, a chunk of rows at a time."""
    flat, wanted = logits.reshape(-1, logits.size(-1)), targets.reshape(-1)
    rows = max(1, _CHUNK.get(flat.device.type, _CHUNK_ELSEWHERE) // flat.size(-1))
    parts = [
        loss(part if part.dtype == torch.float64 else part.float(), aims, reduction="none")
        for part, aims in zip(flat.split(rows), wanted.split(rows), strict=True)
    ]
    return torch.cat(parts).view_as(targets)
