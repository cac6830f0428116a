"""How a live run looks: a curve in braille dots on a terminal, a line for each change in a pipe.

Nothing here touches the run; whoever stops looking only stops looking.
"""

import statistics
from collections.abc import Callable, Sequence
from typing import IO, Any

from golf.desk.analysis.live import Live, LiveSeed
from golf.report import render
from golf.report.diagnosis import sparkline
from golf.report.render import Fact, Table, View
from golf.report.words import clean, is_terminal, write_lines

EVERY_S = 2.0
"""Between two looks."""
ROWS = 9
"""Characters that a curve is high."""
SEEDS_MAX = 4
"""Curves shown; the rest are counted."""
NAMES = {"val_bpb": "validation bits per byte", "val_loss": "validation loss", "train_loss": "training loss", "": ""}


@render.view.register
def _(noun: Live) -> View:
    blocks: list[Fact | Table] = [Fact("subject", noun.subject), Fact("state", _state(noun))]
    if noun.message:
        blocks.append(Fact("message", noun.message))
    for seed in noun.seeds[:SEEDS_MAX]:
        blocks.append(Fact(seed.file, _line(seed)))
        if seed.points:
            blocks.append(Fact(f"  {seed.quantity}", sparkline([value for _, value in seed.points])))
    if len(noun.seeds) > SEEDS_MAX:
        blocks.append(Fact("more", f"{len(noun.seeds) - SEEDS_MAX} seeds (all of them: --json)"))
    blocks += [Fact("budget_left_usd", noun.budget_left_usd)] if noun.budget_left_usd is not None else []
    blocks += [Fact("cost_usd", noun.cost_usd)] if noun.cost_usd else []
    blocks += [Fact("log", line) for line in _last_lines(noun)]
    return View("watch", blocks)


def follow(look: Callable[[], Live], out: IO[str], wait: Callable[[float], None], every_s: float = EVERY_S) -> Live:
    """Show a run until it has ended: redrawn in place on a terminal, else a line whenever something has changed.

    Args:
        look: how it is doing now.
        out: where it is shown.
        wait: until the next look, seconds.
        every_s: between two looks.
    """
    if not is_terminal(out):
        return _lines(look, out, wait, every_s)
    from rich.console import Console
    from rich.live import Live as Screen

    console = Console(file=out, highlight=False, markup=False, emoji=False)
    seen = look()
    with Screen(screen_of(seen, console.width), console=console, auto_refresh=False) as screen:
        while not seen.has_ended:
            wait(every_s)
            seen = look()
            screen.update(screen_of(seen, console.width), refresh=True)
    return seen


def _lines(look: Callable[[], Live], out: IO[str], wait: Callable[[float], None], every_s: float) -> Live:
    said: set[str] = set()
    while True:
        seen = look()
        news = [f"{clean(seen.subject)} {clean(seed.file)}: {_line(seed, brief=True)}" for seed in seen.seeds]
        if (head := f"{clean(seen.subject)}: {_state(seen)}") not in said:
            news.insert(0, head)
        write_lines(out, [line for line in news if line not in said])
        said.update(news)
        if seen.has_ended:
            if seen.message:
                write_lines(out, [f"{clean(seen.subject)}: {clean(seen.message)}"])
            return seen
        wait(every_s)


def screen_of(noun: Live, width: int) -> Any:
    """The whole picture for a terminal of so many columns."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    parts: list[Any] = []
    for seed in noun.seeds[:SEEDS_MAX]:
        parts.append(Text(f"{clean(seed.file)}  {_line(seed)}", style="bold"))
        if seed.points:
            parts += [Text(line, style="cyan") for line in curve(seed.points, min(width - 4, 110), ROWS)]
            parts.append(Text(f"{NAMES[seed.quantity]} by step", style="dim"))
    if len(noun.seeds) > SEEDS_MAX:
        parts.append(Text(f"and {len(noun.seeds) - SEEDS_MAX} more seeds", style="dim"))
    money = [] if noun.budget_left_usd is None else [f"budget left ${noun.budget_left_usd:,.2f}"]
    money += [f"this run ${noun.cost_usd:,.2f} so far"] if noun.cost_usd else []
    parts += [Text("  ".join(money))] if money else []
    parts += [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in _last_lines(noun)]
    if noun.message:
        parts.append(Text(clean(noun.message)))
    title = Text(f"{clean(noun.subject)}  {_state(noun)}", style="bold")
    return Panel(Group(*parts) if parts else Text("no log yet"), title=title, title_align="left",
                 subtitle=Text("Ctrl-C stops looking, not the run", style="dim"))  # fmt: skip


def curve(points: Sequence[tuple[float, float]], width: int, height: int) -> list[str]:
    """Points as `height` lines of braille, two by four dots a character, with the highest and the lowest value beside.

    Cut off at the top at the highest of the later nine tenths: the first losses would flatten the rest.
    """
    values = [value for _, value in points]
    low, high = min(values), max(values[len(values) // 10 :])
    labels = [f"{high:.3f}", f"{low:.3f}"]
    margin = max(map(len, labels)) + 1
    columns = max(4, width - margin)
    span, first, length = (high - low) or 1.0, points[0][0], (points[-1][0] - points[0][0]) or 1
    buckets: dict[int, list[float]] = {}
    for x, value in points:
        buckets.setdefault(round((x - first) / length * (2 * columns - 1)), []).append(min(value, high))
    rows = 4 * height - 1
    dots = {x: round((high - statistics.fmean(found)) / span * rows) for x, found in buckets.items()}
    cells = [[0] * columns for _ in range(height)]
    before: tuple[int, int] | None = None
    for x, y in sorted(dots.items()):
        for at, depth in _between(before, (x, y)):
            cells[depth // 4][at // 2] |= _DOTS[at % 2][depth % 4]
        before = x, y
    lines = ["".join(chr(0x2800 + cell) for cell in row) for row in cells]
    beside = [labels[0], *[""] * (height - 2), labels[1]] if height > 1 else [labels[1]]
    return [f"{text:>{margin - 1}} {line}" for text, line in zip(beside, lines, strict=True)]


_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Of the left and the right column from the top. Source: Unicode, Braille Patterns."""


def _between(before: tuple[int, int] | None, after: tuple[int, int]) -> list[tuple[int, int]]:
    """Dots of a line between two; the second alone where there is no first."""
    if before is None:
        return [after]
    (x0, y0), (x1, y1) = before, after
    count = max(abs(x1 - x0), abs(y1 - y0), 1)
    return [(round(x0 + (x1 - x0) * i / count), round(y0 + (y1 - y0) * i / count)) for i in range(1, count + 1)]


def _state(noun: Live) -> str:
    return f"{noun.state}, {clean(noun.phase)}" if noun.phase else noun.state


def _line(seed: LiveSeed, *, brief: bool = False) -> str:
    """Step, score, speed, time left. `brief` leaves out what changes without anything having happened."""
    if not seed.step and not seed.points:
        return "no step yet"
    of = "" if seed.iterations is None else f"/{seed.iterations}"
    parts = [f"step {seed.step}{of}"]
    if seed.points:
        parts.append(f"{seed.quantity} {seed.points[-1][1]:.4f}")
    if seed.train_loss is not None and seed.quantity != "train_loss":
        parts.append(f"train_loss {seed.train_loss:.4f}")
    if seed.tok_per_s is not None:
        parts.append(f"{seed.tok_per_s:,.0f} tok/s")
    elif seed.steps_per_s is not None:
        parts.append(f"{seed.steps_per_s:.3g} steps/s")
    if seed.time_left_s is not None:
        parts.append(f"{_time(seed.time_left_s)} left")
    if seed.silent_s is not None and seed.silent_s > 60 and not brief:
        parts.append(f"silent for {_time(seed.silent_s)}")
    return ", ".join(parts)


def _time(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60} min {whole % 60:02d} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    )


def _last_lines(noun: Live) -> list[str]:
    """Of the seed that spoke last."""
    spoken = [seed for seed in noun.seeds if seed.last_lines]
    if not spoken:
        return []
    return [clean(line) for line in min(spoken, key=lambda seed: seed.silent_s or 0.0).last_lines]
