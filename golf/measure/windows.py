"""Windows over a token stream, and the sum of the losses of what they score.

Plain windows (stride equal to seq_len) are the challenge's own evaluation: consecutive windows, and the last
`(targets % seq_len)` targets are left out, because scoring them would need a shorter context. A sliding window
(stride below seq_len) scores every target once: the first window all of its positions, each later one its last
`stride`, the last one what is left. Limiting either to fewer targets acts as if the split ended there.
"""

import contextlib
import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from golf.errors import UnreadableInput
from golf.measure.own_forward import TokenLosses
from golf.measure.pace import Pace
from golf.measure.shards import Stream

ByteCounter = Callable[[int, int], int]
"""Bytes of the targets from one index to another; target i is token i + 1 of the stream."""


@dataclass(frozen=True)
class Window:
    """One forward pass over targets `start` to `end`; those from `first` on are scored."""

    start: int
    first: int
    end: int

    @property
    def shape(self) -> tuple[int, int]:
        """(targets, how many of them are context only)."""
        return self.end - self.start, self.first - self.start


@dataclass(frozen=True)
class Windows:
    """Windows that score each of `targets` exactly once (plain windows: each but the tail)."""

    targets: int
    seq_len: int
    stride: int

    def __len__(self) -> int:
        if self.stride == self.seq_len:
            return self.targets // self.seq_len
        context = self.seq_len - self.stride
        return max(-(-(self.targets - context) // self.stride), 1 if self.targets else 0)

    def __getitem__(self, index: int) -> Window:
        if not 0 <= index < len(self):
            raise IndexError(index)
        start, context = index * self.stride, self.seq_len - self.stride
        return Window(start, start + context if start else 0, min(start + self.seq_len, self.targets))

    def __iter__(self) -> Iterator[Window]:
        return (self[index] for index in range(len(self)))

    @property
    def alike(self) -> range:
        """Indices of those with the shape that most have: the first may have no context, the last may be short."""
        begin, end = max(0, min(1, len(self) - 1)) if self.stride < self.seq_len else 0, len(self)
        if end - begin > 1 and self[end - 1].shape != self[begin].shape:
            end -= 1
        return range(begin, end)


@dataclass
class Totals:
    """Running sums over the scored targets."""

    nats: float = 0.0
    tokens: int = 0
    bytes: int = 0

    @property
    def val_loss(self) -> float:
        """Nats per token."""
        return self.nats / self.tokens

    @property
    def val_bpb(self) -> float:
        """Bits per byte.

        Raises:
            UnreadableInput: the targets stand for no bytes at all.
        """
        if not self.bytes:
            raise UnreadableInput(
                f"{self.tokens} scored tokens stand for 0 bytes: the tokenizer (or byte side-car) is of other shards"
            )
        return self.nats / math.log(2.0) / self.bytes


Batch = list[Window]
"""Windows of one shape, each `stride` after the one before."""


def read(stream: Stream, batch: Batch, device: torch.device) -> tuple[Tensor, Tensor]:
    """Inputs and targets of a batch, both (B, T) int64."""
    first, last = batch[0], batch[-1]
    # one read serves the whole batch: its windows overlap or touch
    run = torch.from_numpy(stream.read(first.start, last.end + 1).astype(np.int64)).to(device)
    length = first.end - first.start
    starts = [window.start - first.start for window in batch]
    inputs = torch.stack([run[at : at + length] for at in starts])
    return inputs, torch.stack([run[at + 1 : at + length + 1] for at in starts])


def score(
    losses: TokenLosses,
    stream: Stream,
    count_bytes: ByteCounter,
    windows: Windows,
    *,
    pace: Pace,
    device: torch.device,
    report: Callable[[Totals], None] = lambda totals: None,
) -> Totals:
    """Score `windows` of `stream`; sums are float64 whatever the model computes in.

    With `pace.workers` above one, `losses` is called in as many threads at once; sums are taken in the stream's order
    all the same, so that the number does not depend on who is first.

    Raises:
        UnreadableInput: a loss that is not finite; there is no number then.
    """
    totals = Totals()

    def nats_of(batch: Batch) -> float:
        length, first = batch[0].shape
        with pace.timed(len(batch) * length):
            return losses(*read(stream, batch, device), first).cpu().double().sum().item()

    batches = _batches(windows, pace)
    with contextlib.closing(_in_order(nats_of, batches, pace.workers)) as scored:
        for batch, nats in scored:
            first, last = batch[0], batch[-1]
            if not math.isfinite(nats):
                raise UnreadableInput(
                    f"the model's loss is {nats} in the window at token {first.start}: there is no score. Its weights "
                    "hold values that are not finite, or overflow in this dtype; try --dtype float32"
                )
            totals.nats += nats
            totals.tokens += sum(window.end - window.first for window in batch)
            totals.bytes += count_bytes(first.first, last.end)
            report(totals)
    return totals


def _batches(stream: Iterable[Window], pace: Pace) -> Iterator[Batch]:
    """As many windows at a time as `pace` asks for, all with the same length and the same scored part."""
    batch: Batch = []
    for window in stream:
        if batch and (len(batch) >= pace.rows or window.shape != batch[0].shape):
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def _in_order(work: Callable[[Batch], float], batches: Iterable[Batch], workers: int) -> Generator[tuple[Batch, float]]:
    """Each batch with its result, in their order, computed by `workers` threads; few are read ahead."""
    if workers == 1:
        for batch in batches:
            yield batch, work(batch)
        return
    waiting: deque[tuple[Batch, Future[float]]] = deque()
    with ThreadPoolExecutor(workers, "golf-score") as pool:
        try:
            for batch in batches:
                waiting.append((batch, pool.submit(work, batch)))
                if len(waiting) > 2 * workers:
                    done, result = waiting.popleft()
                    yield done, result.result()
            while waiting:
                done, result = waiting.popleft()
                yield done, result.result()
        finally:
            for _, result in waiting:
                result.cancel()
