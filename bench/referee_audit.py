"""The audit against toy scorers whose truth is known: honest, cheating, broken, each in confined processes.

python bench/referee_audit.py
"""

import contextlib
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from golf.play.audit import audit
from golf.referee.questions import Effort

TOYS = Path(__file__).parents[1] / "tests" / "referee" / "toys.py"
EFFORT = Effort(num_positions=64, sum_rows=160, border=24, controls=1)
NUM_TOKENS = 96
SECONDS_MAX = 20
CORES = 2


class Row(NamedTuple):
    """One toy: verdict and probe that are due, and those that came."""

    toy: str
    expected: str
    got: str
    seconds: float
    reason: str


def score() -> Iterator[Row]:
    """Audit every toy, two at a time."""
    sys.path.insert(0, str(TOYS.parent))
    import toys

    with ThreadPoolExecutor(CORES) as pool:
        yield from pool.map(_judge, toys.EXPECTED, toys.EXPECTED.values())


def report(data: Path | None, checkout: Path | None) -> Iterator[tuple[str, str, str, bool | None]]:
    """Lines for `referee_report`: the toys that are judged rightly, and how long all of them take."""
    from referee_report import Line

    began = time.monotonic()
    rows = list(score())
    seconds = time.monotonic() - began
    for row in rows:
        if row.got != row.expected:
            yield Line(f"  {row.toy}: {row.reason[:70]}", row.got, row.expected, False)
    right = sum(row.got == row.expected for row in rows)
    yield Line("toy scorers judged rightly", f"{right} of {len(rows)}", "all, at least 12", right == len(rows) >= 12)
    yield Line("all of them, on two cores", f"{seconds:.1f} s", f"at most {SECONDS_MAX} s", seconds <= SECONDS_MAX)


def _judge(toy: str, due: tuple[str, str | None]) -> Row:
    began = time.monotonic()
    found = audit(f"{TOYS}:{toy}", num_tokens=NUM_TOKENS, effort=EFFORT)
    probe = found.breaches[0].probe if found.breaches else None
    return Row(toy, _said(*due), _said(found.verdict, probe), time.monotonic() - began, found.reason)


def _said(verdict: str, probe: str | None) -> str:
    return f"{verdict}: {probe}" if probe else verdict


if __name__ == "__main__":
    began = time.monotonic()
    with contextlib.suppress(BrokenPipeError):
        for row in score():
            mark = " " if row.got == row.expected else "!"
            print(f"{mark} {row.toy:<28} {row.got:<24} {row.seconds:5.2f} s  {row.reason[:90]}", flush=True)
        print(f"{time.monotonic() - began:.1f} s")
