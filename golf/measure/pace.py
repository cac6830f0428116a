"""How many windows go through the model at once, and on how many threads, found out while scoring.

What is quickest depends on model, cache and neighbours: on two cores, two threads take half the time of one when the
machine is quiet and may take longer when it is busy, because they wait for each other after every operation. So the
first batches of a longer job are scored in several ways in turns, and the rest in the way that was quickest. Those
batches count like any other: a probe costs only what the slower ways are slower by. A job too short to tell is scored
in the first way, the same each time.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

_ROUNDS = 2
"""How often each way is tried where there is room: any may meet a busy moment."""
_SHARE_MAX = 1 / 5
"""Share of a job's windows that may go through ways under trial."""
_HOPELESS = 3.0
"""A way that took so many times as long as the quickest gets no second try; a busy moment costs less than that."""


@dataclass(frozen=True)
class Way:
    """Windows in one pass, and threads within an operation."""

    rows: int
    threads: int | None = None
    """None: left as it is."""


class Pace:
    """The way of the next batch. `timed` around each batch tells it how long the last one took."""

    def __init__(self, ways: Sequence[Way], *, windows: int = 0, workers: int = 1) -> None:
        """Try `ways` on a job of `windows`; with `workers` threads at once there is only one way."""
        self.workers = workers
        self._ways = list(dict.fromkeys(ways))[: 1 if workers > 1 else None]
        while len(self._ways) > 1 and self._rounds(windows) < 1:
            self._ways.pop()
        self._best: dict[Way, float] = {}
        self._turns = iter([] if len(self._ways) == 1 else self._ways * self._rounds(windows))
        self._next()

    @property
    def rows(self) -> int:
        """Windows that the next batch should have."""
        return self.way.rows

    @contextlib.contextmanager
    def timed(self, tokens: int) -> Iterator[None]:
        """Around the scoring of one batch of `tokens`."""
        begin = time.perf_counter()
        yield
        if self.is_settled:
            return
        cost = (time.perf_counter() - begin) / tokens
        self._best[self.way] = min(cost, self._best.get(self.way, cost))
        self._next()

    def _rounds(self, windows: int) -> int:
        """How often each way can be tried in the share of the job that trials may take."""
        return min(_ROUNDS, int(windows * _SHARE_MAX) // sum(way.rows for way in self._ways))

    def _next(self) -> None:
        quickest = min(self._best.values(), default=0.0)
        turns = (way for way in self._turns if self._best.get(way, 0.0) <= quickest * _HOPELESS)
        way = next(turns, None)
        self.is_settled = way is None
        self.way = way or min(self._ways, key=lambda one: self._best.get(one, 0.0))
        if self.way.threads:
            torch.set_num_threads(self.way.threads)


def ways(seq_len: int, batch_tokens: int, threads: int, *, device: torch.device) -> list[Way]:
    """What may be quickest for a model that nothing is known about; the first is the one for short jobs."""
    usual = Way(max(1, batch_tokens // seq_len), threads)
    if device.type != "cpu":
        return [usual]
    rows = [max(1, tokens // seq_len) for tokens in (4_096, 2_048, 1_024) if tokens < batch_tokens]
    counts = [1, threads] if threads > 1 else [1]
    return [usual, *(Way(some, count) for some in rows for count in counts), Way(usual.rows, 1)]
