"""The static review of one script of 150 kB, against what parsing it takes."""

import ast
import re
import statistics
import time
from pathlib import Path

from side_by_side import Row, Sample, Sides, absolute, at_most, timed

from golf.referee.ruling import review_submission

BASELINE = Path(__file__).parents[1] / "baselines" / "naive" / "train_gpt.py"
BYTES = 150_000
REVIEWS = 20


def rows(quick: bool) -> list[Row]:
    """One review, and how it varies."""
    return [
        Row(
            name="static review of a 150 kB script",
            baseline="ast.parse of it",
            prepare=_sides,
            goals=(at_most("cpu_s", 15), at_most("wall_s", 15)),
            pairs=5 if quick else 15,
        ),
        Row(
            name="static review, the slowest of twenty but one",
            baseline="ast.parse of it",
            prepare=_slowest,
            goals=(absolute("p95_s", 1.0),),
            pairs=1,
            note="p95 of CPU seconds, which neighbours on the machine do not change",
        ),
    ]


def script() -> str:
    """The naive baseline's, with its definitions once more under other names until it is large enough."""
    source = BASELINE.read_text()
    named = [one.name for one in ast.parse(source).body if isinstance(one, (ast.FunctionDef, ast.ClassDef))]
    names = re.compile(rf"\b({'|'.join(named)})\b")
    parts = [source]
    while sum(map(len, parts)) < BYTES:
        again = names.sub(rf"\1_{len(parts)}", source)
        parts.append(again.replace("from __future__ import annotations\n", ""))
    return "\n".join(parts)


def _folder(scratch: Path) -> tuple[str, Path]:
    text = script()
    (scratch / "train_gpt.py").write_text(text)
    return text, scratch


def _sides(scratch: Path) -> Sides:
    text, folder = _folder(scratch)

    def check(_: object, verdict: str) -> None:
        if verdict not in ("clear", "review"):
            raise AssertionError(f"our own baseline was judged {verdict}")

    return Sides(baseline=lambda: ast.parse(text), ours=lambda: review_submission(folder).verdict, check=check)


def _slowest(scratch: Path) -> Sides:
    text, folder = _folder(scratch)

    def p95(side: object) -> Sample:
        begin = time.perf_counter()
        times = [timed(side).figures["cpu_s"] for _ in range(REVIEWS)]
        return Sample({"p95_s": statistics.quantiles(times, n=20)[-1], "wall_s": time.perf_counter() - begin})

    return Sides(baseline=lambda: p95(lambda: ast.parse(text)), ours=lambda: p95(lambda: review_submission(folder)))
