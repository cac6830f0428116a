"""A script's own forward with its repeated blocks compiled by torch, from the moment on that it pays within the job.

Compiling takes a good part of a minute before the first result, so it is tried only where the batches so far say that
scoring will take many times as long. A batch then goes through both forwards: their losses have to agree, and over the
next few batches the compiled one has to be clearly quicker, in turns with the other. Whatever fails on the way leaves
the script's forward as it was, and a note.

What is compiled are the elements of the model's outermost lists of modules, each by itself: blocks alike share their
code, and what stands between them, which may do anything, stays Python.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from golf.measure.own_forward import TokenLosses

PAYS_S = 1_200.0
"""Seconds of scoring still to come from which on compiling is tried: it costs up to a minute, and on a CPU gains a
twentieth where it gains at all."""
QUICKER = 0.95
"""Share of the other's time that the compiled forward may take at most, to be kept."""
_SETTLED = 4
"""Batches of one shape, on as many threads, after which their time is known."""
_TURNS = 3
"""Batches each forward is timed on."""


class Compiling:
    """Per-token losses by `own`, with `model`'s blocks compiled once that is found to pay. For one thread."""

    def __init__(
        self, own: TokenLosses, model: nn.Module, *, tokens: int, allowed: float, device: torch.device, notes: list[str]
    ) -> None:
        """`tokens` positions are to be computed in all.

        `allowed` is by how much a batch's loss may differ, relatively; what came of it is added to `notes`.
        """
        self._own, self._left, self._allowed, self._device, self._notes = own, tokens, allowed, device, notes
        self._places = list(places(model))
        self._eager = [holder[at] for holder, at in self._places]
        self._compiled: Sequence[Callable[..., Any]] = []
        self._shape: tuple[int, ...] = ()
        """Of the batches that are watched, and then of those that the compiled blocks are for."""
        self._watched: list[float] = []
        self._turns: dict[bool, list[float]] = {False: [], True: []}
        self.state: Literal["watching", "timing", "eager", "compiled"] = "watching" if self._places else "eager"

    def __call__(self, inputs: Tensor, targets: Tensor, first: int = 0) -> Tensor:
        """(B, T) inputs and targets to the losses (B, T - first) of the positions from `first` on, in nats."""
        self._left -= inputs.numel()
        shape = (*inputs.shape, first)
        if self.state == "watching":
            return self._watch((*shape, torch.get_num_threads()), inputs, targets, first)
        is_known = shape == self._shape[:3]  # in another shape the blocks would be compiled once more
        if self.state == "timing" and is_known:
            return self._time(inputs, targets, first)
        self._use(self._compiled if self.state == "compiled" and is_known else self._eager)
        return self._own(inputs, targets, first)

    def _watch(self, shape: tuple[int, ...], inputs: Tensor, targets: Tensor, first: int) -> Tensor:
        if shape != self._shape:
            self._shape, self._watched = shape, []
        losses, taken_s = self._timed(inputs, targets, first)
        self._watched.append(taken_s)
        if len(self._watched) < _SETTLED:
            return losses
        if min(self._watched) * self._left / inputs.numel() < PAYS_S:
            self.state = "eager"
            return losses
        begin = time.perf_counter()
        doubt = self._compile(inputs, targets, first, losses)
        self._took = f"compiling its blocks took {time.perf_counter() - begin:.0f} s"
        if doubt:
            self._settle("eager", doubt)
        else:
            self.state = "timing"
        return losses

    def _compile(self, inputs: Tensor, targets: Tensor, first: int, losses: Tensor) -> str:
        """Why the compiled blocks cannot be used; empty where they give the same losses."""
        try:
            self._compiled = [torch.compile(block, dynamic=False) for block in self._eager]
            self._use(self._compiled)
            other = self._own(inputs, targets, first)
        except Exception as error:  # code of any kind is compiled, by a compiler that may be missing
            return f"it failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        total, again = losses.double().sum().item(), other.double().sum().item()
        if abs(total - again) <= self._allowed * abs(total):
            return ""
        return f"a batch's losses add up to {again:.9g} where they are {total:.9g}; {self._allowed:g} is allowed"

    def _time(self, inputs: Tensor, targets: Tensor, first: int) -> Tensor:
        is_compiled = len(self._turns[True]) <= len(self._turns[False])
        self._use(self._compiled if is_compiled else self._eager)
        losses, taken_s = self._timed(inputs, targets, first)
        self._turns[is_compiled].append(taken_s)
        if len(self._turns[False]) == _TURNS:
            ratio = min(self._turns[True]) / min(self._turns[False])
            self._settle("compiled" if ratio <= QUICKER else "eager", f"a batch takes {ratio:.2f} times as long then")
        return losses

    def _settle(self, state: Literal["eager", "compiled"], because: str) -> None:
        self.state = state
        self._use(self._compiled if state == "compiled" else self._eager)
        self._notes.append(f"{self._took}; scored {'with' if state == 'compiled' else 'without'}, because {because}")

    def _use(self, blocks: Sequence[Callable[..., Any]]) -> None:
        for (holder, at), block in zip(self._places, blocks, strict=True):
            holder[at] = cast(nn.Module, block)  # what torch.compile makes of a module is one

    def _timed(self, inputs: Tensor, targets: Tensor, first: int) -> tuple[Tensor, float]:
        begin = time.perf_counter()
        losses = self._own(inputs, targets, first)
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return losses, time.perf_counter() - begin


def places(model: nn.Module) -> Iterator[tuple[nn.ModuleList | nn.Sequential, int]]:
    """Where the blocks are that a model repeats: the elements of its outermost lists of modules."""
    for child in model.children():
        if isinstance(child, nn.ModuleList | nn.Sequential):
            yield from ((child, at) for at in range(len(child)))
        else:
            yield from places(child)
