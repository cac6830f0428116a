"""How far long work is: bars on a terminal, a few plain lines in a pipe; the caller cannot tell which.

Both go to stderr, so that a result on stdout stays a result.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

from golf.report.words import clean, is_terminal, word, write_lines


def _amount(done: float, total: float | None, unit: str, *, grouped: bool = False) -> str:
    """`step 40/300`; empty while nothing has been counted and no end is known."""
    if not done and total is None:
        return ""
    numbers = [word("", round(float(number), 1), grouped=grouped) for number in (done, total) if number is not None]
    return f"{clean(unit)} {'/'.join(numbers)}"


class PlainProgress:
    """Progress as lines for a pipe: one at each start and end, and between them one per `every_s` seconds."""

    def __init__(self, title: str, file: IO[str], every_s: float, clock: Callable[[], float]):
        self._file, self._every_s, self._clock = file, every_s, clock
        self._last_line_at = -every_s
        self._said: dict[str, str] = {}
        self._pending: dict[str, str] = {}
        self._complete: set[str] = set()
        self._title = clean(title)

    def update(self, key: str, done: float, total: float | None = None, note: str = "", *, unit: str = "step") -> None:
        """Say how far `key` is: `done` of `total` `unit`s (None: end unknown), with a short note."""
        line = " ".join(part for part in (_amount(done, total, unit), clean(note)) if part)
        line = f"{self._title} {clean(key)}: {line or 'started'}"
        is_end = total is not None and done >= total and key not in self._complete
        if is_end:
            self._complete.add(key)
        self._pending[key] = line
        if is_end or key not in self._said or self._clock() - self._last_line_at >= self._every_s:
            self._say(key)

    def close(self) -> None:
        """Say what has not been said yet."""
        for key in list(self._pending):
            self._say(key)

    def _say(self, key: str) -> None:
        line = self._pending.pop(key)
        if self._said.get(key) != line:
            self._said[key] = line
            self._last_line_at = self._clock()
            write_lines(self._file, [line])


class BarProgress:
    """Progress as bars on a terminal, one per key."""

    def __init__(self, title: str, file: IO[str]):
        from rich import progress as bars
        from rich.console import Console

        self._bars = bars.Progress(
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(),
            bars.TextColumn("{task.fields[amount]}", markup=False, style="cyan"),
            bars.TimeElapsedColumn(),
            bars.TextColumn("{task.fields[note]}", markup=False, style="dim"),
            console=Console(file=file, highlight=False, markup=False, emoji=False),
        )
        self._title = clean(title)
        self._tasks: dict[str, Any] = {}
        self._bars.start()

    def update(self, key: str, done: float, total: float | None = None, note: str = "", *, unit: str = "step") -> None:
        """As `PlainProgress.update`."""
        amount = _amount(done, total, unit, grouped=True)
        if key not in self._tasks:
            for bar in self._bars.tasks:
                if bar.total is None:  # a phase without an end is over when the next one starts
                    self._bars.update(bar.id, completed=1, total=1)
            self._tasks[key] = self._bars.add_task(f"{self._title} {clean(key)}", total=None, amount="", note="")
        task = self._tasks[key]
        self._bars.update(task, completed=done, total=total, amount=amount, note=clean(note))

    def close(self) -> None:
        """Draw the last state and leave the bars standing."""
        self._bars.stop()


@contextlib.contextmanager
def progress(
    title: str,
    *,
    file: IO[str] | None = None,
    every_s: float = 3.0,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[PlainProgress | BarProgress]:
    """Bars on a terminal, plain lines in a pipe, on stderr by default:

    with progress("training") as bar:
        bar.update("seed 1337", 40, 300, "val_bpb 2.31")    # training seed 1337: step 40/300 val_bpb 2.31
    """
    out = file if file is not None else sys.stderr
    bar = BarProgress(title, out) if is_terminal(out) else PlainProgress(title, out, every_s, clock)
    try:
        yield bar
    finally:
        bar.close()
