"""Triage of thousands of submissions: seconds cold and warm, memory, and what came of it.

    python bench/referee_triage.py SUBMISSIONS [PAGE]

SUBMISSIONS is a folder of them, or a clone of openai/parameter-golf with its pull-request refs (`git fetch origin
'refs/pull/*/head:…'`). PAGE, when given, is where the bulletin is written. `make referee-report` times 2,000 that are
made of the labelled ones (README, JSON and logs, some digits changed), which is what the target speaks of, and every
pull request with its code beside it.
"""

import hashlib
import random
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from referee_report import Line

from golf.referee import triage
from golf.referee.field import Field

COLD_S, WARM_S, PEAK_BYTES, SUBMISSIONS = 60.0, 5.0, 1_000_000_000, 2_000
"""The targets, for so many submissions on two cores."""


class Watch(threading.Thread):
    """The largest memory that this process and its children have had together, in bytes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._over = threading.Event()

    def run(self) -> None:
        """Look twenty times a second."""
        me = psutil.Process()
        while not self._over.wait(0.05):
            total = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    total += process.memory_info().rss
                except psutil.Error:
                    continue
            self.peak_bytes = max(self.peak_bytes, total)

    def stop(self) -> int:
        """The peak so far."""
        self._over.set()
        self.join()
        return self.peak_bytes


def mutated(submissions: Path, to: Path, count: int = SUBMISSIONS) -> None:
    """Write so many folders of submissions: the given ones over and over, with one in twenty scores changed."""
    rng = random.Random(0)
    folders = sorted({path.parent for path in submissions.rglob("submission.json")})
    for number in range(count):
        folder = folders[number % len(folders)]
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            text = path.read_text(errors="replace")
            if number >= len(folders):
                text = re.sub(
                    r"(\d\.\d{3})\d",
                    lambda found: f"{found[1]}{rng.randrange(10)}" if rng.random() < 0.05 else found[0],
                    text,
                )
            new = to / f"{number:04d}_{folder.name}" / path.relative_to(folder)
            new.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(text)


def score(checkout: Path, page: Path | None = None) -> dict[str, Any]:
    """Seconds and bytes of a first and a second run over the submissions of a folder or checkout, and counts."""
    with tempfile.TemporaryDirectory() as scratch:
        index = Path(scratch) / "triage.db"
        watch = Watch()
        watch.start()
        cold, first = _timed(checkout, index)
        rulings = _digest(first)
        del first
        warm, field = _timed(checkout, index)
        peak = watch.stop()
        index_bytes = index.stat().st_size
    if page:
        page.write_text(triage.bulletin(field, title="Parameter Golf"))
    assert _digest(field) == rulings, "the second run differs from the first"
    return {
        "submissions": len(field.entries),
        "cold_s": round(cold, 1),
        "warm_s": round(warm, 1),
        "peak_bytes": peak,
        "index_bytes": index_bytes,
        "verdicts": dict(Counter(entry.ruling.verdict for entry in field.entries)),
        "standings": dict(Counter(entry.standing for entry in field.entries)),
        "families": len(field.families),
        "not_judged": sum("was not judged" in entry.ruling.reason for entry in field.entries),
        "summary_bytes": len(triage.summary(field).model_dump_json().encode()),
        "answer_bytes": len(triage.triaged(field).model_dump_json().encode()),
    }


def _digest(field: Field) -> str:
    return hashlib.sha256("".join(entry.model_dump_json() for entry in field.entries).encode()).hexdigest()


def _timed(checkout: Path, index: Path) -> tuple[float, Field]:
    started = time.monotonic()
    field = triage.survey(checkout, index=index)
    triage.bulletin(field)
    return time.monotonic() - started, field


def report(data: Path | None, checkout: Path | None) -> Iterator[Line]:
    """The lines of `make referee-report`."""
    if data is None or not (data / "submissions").is_dir():
        yield Line("triage of 2,000", "no data", "", None)
    else:
        with tempfile.TemporaryDirectory() as folder:
            mutated(data / "submissions", Path(folder))
            yield from _lines(score(Path(folder)), "made of the labelled ones, without code", is_target=True)
    if checkout is None:
        yield Line("triage of every pull request", "no checkout", "", None)
    else:
        yield from _lines(score(checkout), "pull requests with their code", is_target=False)


def _lines(found: dict[str, Any], what: str, *, is_target: bool) -> Iterator[Line]:
    cold, warm, peak = found["cold_s"], found["warm_s"], found["peak_bytes"]
    yield Line("submissions", f"{found['submissions']:,} {what}", "", None)
    yield Line(
        "cold", f"{cold} s", f"<= {COLD_S:.0f} s on 2 cores" if is_target else "", cold <= COLD_S if is_target else None
    )
    yield Line("warm", f"{warm} s", f"<= {WARM_S:.0f} s", warm <= WARM_S)
    yield Line("peak memory", f"{peak / 1e6:,.0f} MB", "< 1,000 MB", peak < PEAK_BYTES)
    yield Line("verdicts", ", ".join(f"{num} {name}" for name, num in found["verdicts"].items()), "", None)
    yield Line("could not be judged", str(found["not_judged"]), "", None)


if __name__ == "__main__":
    for name, value in score(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None).items():
        print(f"{name}: {value}")
