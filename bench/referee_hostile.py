"""Hostile submissions against the referee: nothing in them may run, leak, crash it, or cost it much time or memory.

    python bench/referee_hostile.py [NAME …]      NAME: cases to run alone, by a part of their names

Each case is an honest toy submission, which the referee clears, with one hostile thing in it; none may come out clear
where something in it could not be read. A case is judged in a process of its own, as a user without rights where
there is one, and its ruling is shown as `golf review` shows it. Everything is made by code in a temporary folder. The
cases are in `hostile/`, a module for each way of being hostile.
"""

import contextlib
import io
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from hostile import CASES
from hostile.case import CANARY, CLOSED, Build, Case, marker
from hostile.honest import honest
from referee_report import Line

SECONDS_MAX = 10.0
"""For one submission, of one core."""

USUAL_SECONDS = 1.0
USUAL_SHARE = 0.8
"""Of the cases that take at most so long."""

PEAK_MB_MAX = 400.0
RULING_BYTES_MAX = 200_000
KILL_S = 60.0
MEMORY_BYTES = 3 << 30
NOBODY = 65_534


# --- judging


class Outcome(NamedTuple):
    """What became of one case."""

    case: Case
    problem: str
    seconds: float
    peak_mb: float
    verdict: str


def score(names: Sequence[str] = ()) -> Iterator[Outcome]:
    """Build and judge every case, or those with one of these in their names."""
    chosen = [case for case in (HONEST, *CASES) if not names or any(name in case.name for name in names)]
    _warm_up()
    with corpus() as top:
        for number, case in enumerate(chosen):
            folder = top / f"case{number:03}"
            _forked(lambda _, case=case, folder=folder: _build(case, folder), KILL_S)
            yield _outcome(case, folder)
            _forked(lambda _, folder=folder: _remove(folder), KILL_S)


HONEST = Case("the honest submission", lambda folder: None, "clear")


@contextlib.contextmanager
def corpus() -> Iterator[Path]:
    """A folder for cases, open to a reader without rights."""
    top = Path(tempfile.mkdtemp(prefix="golf-hostile-"))
    try:
        top.chmod(0o755)
        (top / "marks").mkdir()
        (top / "marks").chmod(0o777)
        yield top
    finally:
        _remove(top)


def _build(case: Case, folder: Path) -> None:
    honest(folder)
    case.build(folder)


def _remove(folder: Path) -> None:
    subprocess.run(["chmod", "-R", "u+rwx", str(folder)], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["rm", "-rf", str(folder)], check=True)  # a thousand folders deep is too deep for shutil


def _warm_up() -> None:
    """Load what judging needs, so that a child's seconds are those of its case."""
    with corpus() as top:
        honest(top / "honest")
        _shown(top / "honest")


def _shown(folder: Path) -> tuple[Any, str, str]:
    """The ruling, and what `golf review` writes of it, plain and as JSON."""
    from golf.referee import ruling
    from golf.report import render, rulings  # noqa: F401, its views are registered

    ruled = ruling.review_submission(folder)
    plain, data = io.StringIO(), io.StringIO()
    render.show(ruled, file=plain)
    render.show(ruled, json=True, file=data)
    return ruled, plain.getvalue(), data.getvalue()


def _judge(case: Case, folder: Path) -> dict[str, Any]:
    """Inside a child: judge a case and say what is wrong with the outcome."""
    is_over = threading.Event()
    if case.while_read:
        threading.Thread(target=_repeat, args=(case.while_read, folder, is_over), daemon=True).start()
    elif os.geteuid() == 0 and CLOSED in case.name:
        os.setuid(NOBODY)
    began = time.process_time()
    ruled, plain, data = _shown(folder)
    seconds = time.process_time() - began  # of this process: the machine may be busy
    is_over.set()
    return {
        "seconds": seconds,
        "verdict": ruled.verdict,
        "problem": "; ".join(_problems(case, folder, ruled, plain, data)),
    }


def _repeat(action: Build, folder: Path, is_over: threading.Event) -> None:
    while not is_over.is_set():
        action(folder)


def _problems(case: Case, folder: Path, ruled: Any, plain: str, data: str) -> Iterator[str]:
    severities = {finding.code: finding.severity for finding in ruled.findings}
    due = case.finds
    if due == "clear" and ruled.verdict != "clear":
        yield f"{ruled.verdict}: {ruled.reason[:150]}"
    if due == "review" and ruled.verdict == "clear":
        yield "clear"
    if due == "note" and "UNREADABLE" not in severities:
        yield "nothing is said of it"
    if due.isupper() and severities.get(due) not in ("flag", "block"):
        yield f"no {due} ({ruled.verdict})"
    if CANARY in plain or CANARY in data:
        yield "it read what a link leads to"
    if marker(folder).exists():
        yield "something was run"
    if len(data) > RULING_BYTES_MAX:
        yield f"the ruling has {len(data):,} bytes"
    acted_on = {c for c in plain + data if c != "\n" and unicodedata.category(c) in ("Cc", "Cs", "Cf", "Zl", "Zp")}
    if acted_on:
        yield f"a terminal would act on {sorted(map(ascii, acted_on))[:5]}"
    try:
        if type(ruled).model_validate_json(ruled.model_dump_json(exclude_computed_fields=True)) != ruled:
            yield "its JSON is another ruling"
    except ValueError as error:
        yield f"its JSON does not read back: {error}"


def _outcome(case: Case, folder: Path) -> Outcome:
    answer, peak_mb, why = _forked(lambda _: _judge(case, folder), KILL_S)
    if answer is None:
        return Outcome(case, why, KILL_S, peak_mb, "none")
    problems = [answer["problem"]] if answer["problem"] else []
    if answer["seconds"] > SECONDS_MAX:
        problems.append(f"{answer['seconds']:.1f} s")
    if peak_mb > PEAK_MB_MAX:
        problems.append(f"{peak_mb:.0f} MB")
    return Outcome(case, "; ".join(problems), answer["seconds"], peak_mb, answer["verdict"])


def _forked(work: Callable[[None], Any], limit_s: float) -> tuple[Any, float, str]:
    """What `work` returns in a process of its own, that process's peak memory in MB, and why there is no answer."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(work, there))
    child.start()
    there.close()
    answer = why = None
    if not here.poll(limit_s):
        why = f"no answer in {limit_s:.0f} s"
        child.kill()
    else:
        with contextlib.suppress(EOFError):
            answer, why = here.recv()
    child.join()
    if why is None and answer is None and child.exitcode:
        why = f"it ended with {signal.Signals(-child.exitcode).name if child.exitcode < 0 else child.exitcode}"
    peak = answer.pop("peak") if isinstance(answer, dict) else 0
    return answer, peak / 1e6, why or ""


def _answer(work: Callable[[None], Any], to: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    answer, why = None, None
    try:
        answer = work(None)
    except BaseException as error:  # whatever it is, it is the outcome
        why = f"{type(error).__name__}: {error}"[:300]
    if isinstance(answer, dict):
        unit = 1 if sys.platform == "darwin" else 1024
        answer["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    to.send((answer, why))


# --- all of them at once


def together(top: Path) -> tuple[list[str], float, int]:
    """What is wrong with the triage of the whole corpus, its seconds, and how many submissions it names."""
    from golf.referee import triage

    cases = [case for case in CASES if case.while_read is None]
    for number, case in enumerate(cases):
        folder = top / "records" / "track_10min_16mb" / f"case{number:03}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        _build(case, folder)
    (top / "records" / "track_10min_16mb" / "marks").mkdir(exist_ok=True)
    began = time.perf_counter()
    try:
        answer = triage.triage(top / "records")
    except Exception as error:  # the point of it
        return [f"{type(error).__name__}: {error}"[:300]], time.perf_counter() - began, 0
    seconds = time.perf_counter() - began
    named = {entry.submission for entry in answer.submissions}
    problems = []
    missing = [case.name for n, case in enumerate(cases) if not any(f"case{n:03}" in name for name in named)]
    if missing:
        problems.append(f"not named: {', '.join(missing[:5])}")
    text = answer.model_dump_json()
    if CANARY in text:
        problems.append("it read what a link leads to")
    if any((top / "records" / "track_10min_16mb" / "marks").iterdir()):
        problems.append("something was run")
    return problems, seconds, len(named)


# --- the report


def report(data: Path | None, checkout: Path | None) -> Iterator[Line]:
    """Lines for `referee_report`: every case that fails, and what the worst of all cost."""
    rows = list(score())
    for row in rows:
        if row.problem:
            yield Line(f"  {row.case.name}", row.problem[:120], "", False)
    fine = sum(not row.problem for row in rows)
    yield Line("hostile folders withstood", f"{fine} of {len(rows)}", "all", fine == len(rows))
    slowest, largest = max(rows, key=lambda row: row.seconds), max(rows, key=lambda row: row.peak_mb)
    usual = sum(row.seconds <= USUAL_SECONDS for row in rows) / len(rows)
    yield Line(
        f"slowest: {slowest.case.name}",
        f"{slowest.seconds:.1f} s",
        f"at most {SECONDS_MAX:.0f} s",
        slowest.seconds <= SECONDS_MAX,
    )
    yield Line(f"within {USUAL_SECONDS:.0f} s", f"{usual:.0%}", f"at least {USUAL_SHARE:.0%}", usual >= USUAL_SHARE)
    yield Line(
        f"largest: {largest.case.name}",
        f"{largest.peak_mb:.0f} MB",
        f"at most {PEAK_MB_MAX:.0f} MB",
        largest.peak_mb <= PEAK_MB_MAX,
    )
    with corpus() as top:
        problems, seconds, count = together(top)
    yield Line(
        f"all at once, {seconds:.0f} s",
        problems[0] if problems else f"{count} judged",
        "every one is named",
        not problems,
    )


if __name__ == "__main__":
    for row in score(sys.argv[1:]):
        mark = "!" if row.problem else " "
        print(
            f"{mark} {row.seconds:6.2f} s {row.peak_mb:5.0f} MB  {row.verdict:<7} {row.case.name:<60} {row.problem}",
            flush=True,
        )
