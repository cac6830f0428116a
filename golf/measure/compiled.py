"""A script's own forward with its repeated blocks compiled by torch, from the moment on that it pays within the job.

Compiling takes a good part of a minute before the first result, so it is tried only where the batches so far say that
scoring will take many times as long. It is done to a copy of the model: a batch goes through the copy as it is, which
has to give the very same losses again (else the model remembers what it saw, or draws numbers), and once more when it
is compiled, when losses have to agree. Over the next few batches the copy has to be clearly quicker, in turns with the
model. Whatever fails on the way, then or later, is a note, and the model, which nothing was done to, scores the rest.

What is compiled are the elements of the model's outermost lists of modules, each by itself: blocks alike share their
code, and what stands between them, which may do anything, stays Python.
"""

import copy
import time
from collections.abc import Callable, Iterator
from typing import Literal

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
    """Per-token losses of a model, by a compiled copy of it once that is found to pay. For one thread."""

    def __init__(
        self,
        model: nn.Module,
        losses_of: Callable[[nn.Module], TokenLosses],
        *,
        tokens: int,
        allowed: float,
        device: torch.device,
        notes: list[str],
    ) -> None:
        """`tokens` positions are to be computed in all.

        `allowed` is by how much a batch's loss may differ, relatively; what came of it is added to `notes`.
        """
        self._model, self._losses_of = model, losses_of
        self._own, self._compiled = losses_of(model), None
        self._left, self._allowed, self._device, self._notes = tokens, allowed, device, notes
        self._shape: tuple[int, ...] = ()
        """Of the batches that are watched, and then of those that the compiled copy is for."""
        self._watched: list[float] = []
        self._turns: dict[bool, list[float]] = {False: [], True: []}
        self.state: Literal["watching", "timing", "eager", "compiled"] = "watching"

    def __call__(self, inputs: Tensor, targets: Tensor, first: int = 0) -> Tensor:
        """(B, T) inputs and targets to the losses (B, T - first) of the positions from `first` on, in nats."""
        self._left -= inputs.numel()
        shape = (*inputs.shape, first)
        if self.state == "watching":
            return self._watch((*shape, torch.get_num_threads()), inputs, targets, first)
        if self._compiled is None or shape != self._shape[:3]:  # another shape would be compiled once more
            return self._own(inputs, targets, first)
        is_turn = self.state == "compiled" or len(self._turns[True]) <= len(self._turns[False])
        try:
            losses, taken_s = self._timed(self._compiled if is_turn else self._own, inputs, targets, first)
        except Exception as error:  # a branch that was not met before is compiled only now
            if not is_turn:
                raise
            self._settle("eager", _failure(error))
            return self._own(inputs, targets, first)
        if self.state == "timing":
            self._turns[is_turn].append(taken_s)
            self._compare()
        return losses

    def _watch(self, shape: tuple[int, ...], inputs: Tensor, targets: Tensor, first: int) -> Tensor:
        if shape != self._shape:
            self._shape, self._watched = shape, []
        losses, taken_s = self._timed(self._own, inputs, targets, first)
        self._watched.append(taken_s)
        if len(self._watched) < _SETTLED:
            return losses
        if min(self._watched) * self._left / inputs.numel() < PAYS_S:
            self.state = "eager"
            return losses
        begin = time.perf_counter()
        try:
            doubt = self._compile(inputs, targets, first, losses)
        except Exception as error:  # code of any kind is copied and compiled, by a compiler that may be missing
            doubt = _failure(error)
        self._took = f"compiling its blocks took {time.perf_counter() - begin:.0f} s"
        if doubt:
            self._settle("eager", doubt)
        else:
            self.state = "timing"
        return losses

    def _compile(self, inputs: Tensor, targets: Tensor, first: int, losses: Tensor) -> str:
        """Why a compiled copy cannot be used; empty where it gives the same losses."""
        twin = copy.deepcopy(self._model)
        blocks = list(places(twin))
        if not blocks:
            return "it has no list of blocks"
        self._compiled = self._losses_of(twin)
        if not torch.equal(self._compiled(inputs, targets, first), losses):
            return "its losses depend on more than the batch"
        for holder, at in blocks:
            # what torch.compile makes of a module is one
            holder[at] = torch.compile(holder[at], dynamic=False)  # type: ignore[assignment]
        other = self._compiled(inputs, targets, first)
        total, again = losses.double().sum().item(), other.double().sum().item()
        if abs(total - again) <= self._allowed * abs(total):
            return ""
        return f"a batch's losses add up to {again:.9g} where they are {total:.9g}; {self._allowed:g} is allowed"

    def _compare(self) -> None:
        if len(self._turns[False]) < _TURNS:
            return
        ratio = min(self._turns[True]) / min(self._turns[False])
        self._settle("compiled" if ratio <= QUICKER else "eager", f"a batch takes {ratio:.2f} times as long then")

    def _settle(self, state: Literal["eager", "compiled"], because: str) -> None:
        self.state = state
        if state == "eager":
            self._compiled = None
        self._notes.append(f"{self._took}; scored {'with' if state == 'compiled' else 'without'}, because {because}")

    def _timed(self, losses_of: TokenLosses, inputs: Tensor, targets: Tensor, first: int) -> tuple[Tensor, float]:
        begin = time.perf_counter()
        losses = losses_of(inputs, targets, first)
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return losses, time.perf_counter() - begin


def _failure(error: Exception) -> str:
    return f"it failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}"


def places(model: nn.Module) -> Iterator[tuple[nn.ModuleList | nn.Sequential, int]]:
    """Where the blocks are that a model repeats: the elements of its outermost lists of modules."""
    for child in model.children():
        if isinstance(child, nn.ModuleList | nn.Sequential):
            yield from ((child, at) for at in range(len(child)))
        else:
            yield from places(child)
