"""Fast, and shown side by side: `make bench` runs the quick set, `make bench-full` everything.

    python bench/speed.py [--full] [--only NAME …] [--json] [--keep [FILE]]

A row compares ours with a baseline in turns (side_by_side.py) and stands in speed_<subject>.py; `--only` takes subjects
and parts of rows' names. Each subject runs in a process of its own: what one loads does not weigh on the next, and one
that dies is an error among results. `--keep` writes the table into bench/RESULTS.md, in place of the one that the same
set left there on the same kind of machine. Exit 0 when every goal is met, 1 when one is missed, 2 when a row could not
be run.
"""

import argparse
import importlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from side_by_side import Outcome, exit_code, from_json, quantity, run_row, to_json

from golf import durable

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
HEAD = """# Results of the benchmarks

Written by `python bench/speed.py --keep`; what a row means and how to read a miss: docs/speed.md. A value is the median
over pairs run in turns, the brackets hold its quartiles. Times on a shared machine are noise; ratios are the result.
"""


def main() -> int:
    """Run the rows that were asked for, print them, and say with the exit code whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the long rows too")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="subjects, or parts of rows' names")
    parser.add_argument("--json", action="store_true", help="outcomes as JSON on stdout")
    parser.add_argument("--keep", nargs="?", type=Path, const=RESULTS, metavar="FILE", help="write into RESULTS.md")
    parser.add_argument(
        "--subject", type=Path, help=argparse.SUPPRESS
    )  # the child's part: one module, JSON into --into
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    if arguments.subject is not None:
        outcomes = list(_rows_of(arguments.subject, arguments.full, arguments.only))
        arguments.into.write_text(json.dumps(to_json(outcomes)))
        return 0
    if unusable := _unusable(arguments):
        print(f"speed.py: {unusable}", file=sys.stderr)
        return 2
    begin = time.monotonic()
    outcomes = [
        outcome
        for subject in subjects(HERE, arguments.only)
        for outcome in in_own_process(subject, arguments.full, arguments.only)
    ]
    if arguments.json:
        print(json.dumps({"machine": machine(), "outcomes": to_json(outcomes)}, indent=1))
    else:
        console = Console(width=max(WIDTH_MIN, shutil.get_terminal_size((160, 24)).columns))
        console.print(table(outcomes))
        for outcome in outcomes:
            if outcome.verdict not in ("met", "shown"):
                console.print(f"{outcome.row}: {outcome.verdict}. {outcome.how}", markup=False, highlight=False)
        print(f"{summary(outcomes)} ({time.monotonic() - begin:.0f} s)")
    if arguments.keep is not None:
        keep(arguments.keep, outcomes, " ".join(arguments.only) or ("full" if arguments.full else "quick"))
    known = [path.stem.removeprefix("speed_") for path in subjects(HERE)]
    nameless = [w for w in arguments.only if w not in known and not any(w in outcome.row for outcome in outcomes)]
    for word in nameless:
        print(f"speed.py: no row is named by {word!r}. Subjects: {' '.join(known)}; or parts of names", file=sys.stderr)
    return 2 if nameless else exit_code(outcomes)


def _unusable(arguments: argparse.Namespace) -> str:
    """What is wrong with the request, told before minutes of measuring rather than after; empty when nothing is."""
    if not all(word.strip() for word in arguments.only):
        return "--only has an empty word, which is a part of every row's name. Name subjects, or leave --only out"
    file = arguments.keep
    if file is None:
        return ""
    if file.exists() and not file.is_file():
        return f"{file} is no file to keep the table in. Name another: --keep FILE"
    try:
        if file.exists():
            file.read_text()
        with open(file, "a"):
            pass
    except (OSError, UnicodeDecodeError) as error:
        return f"the table could not be kept in {file}: {error}. Name another file: --keep FILE"
    return ""


def _end(*_: object) -> None:
    """On SIGTERM, so that everything on the way out is done: sides are processes with others of their own."""
    sys.exit(128 + signal.SIGTERM)


def subjects(folder: Path, only: Sequence[str] = ()) -> list[Path]:
    """The modules that hold rows, by name; those alone that are asked for where every word of `only` names one."""
    found = {path.stem.removeprefix("speed_"): path for path in sorted(folder.glob("speed_*.py"))}
    return [found[name] for name in found if name in only] if only and found.keys() >= {*only} else [*found.values()]


def in_own_process(subject: Path, full: bool, only: Sequence[str]) -> list[Outcome]:
    """A subject's outcomes; one error when its process died."""
    with tempfile.TemporaryDirectory(prefix="golf-bench-") as folder:
        into = Path(folder) / "outcomes.json"
        words = [sys.executable, str(Path(__file__)), "--subject", str(subject), "--into", str(into)]
        words += ["--full"] * full + (["--only", *only] if only else [])
        child = subprocess.Popen(words, stdout=sys.stderr)
        try:
            code = child.wait()
        finally:
            child.terminate()  # where this one is ended, else it would go on measuring, beside whatever comes next
            child.wait()
        if code == 0 and into.exists():
            return from_json(json.loads(into.read_text()))
    died = f"its process ended with {code}, before its rows did"
    return [Outcome(row=subject.stem.removeprefix("speed_"), baseline_is="", verdict="error", how=died)]


def _rows_of(subject: Path, full: bool, only: Sequence[str]) -> Iterator[Outcome]:
    sys.path.insert(0, str(subject.parent))
    name = subject.stem.removeprefix("speed_")
    try:
        rows = importlib.import_module(subject.stem).rows(quick=not full)
    except Exception as error:  # it may hold the very row that was asked for
        reason = f"{subject.name}: {type(error).__name__}: {error}"
        yield Outcome(row=name, baseline_is="", verdict="error", how=reason)
        return
    for row in rows:
        if only and not any(word == name or word in row.name for word in only):
            continue
        print(f"{name}: {row.name} …", file=sys.stderr, flush=True)
        begin = time.monotonic()
        outcomes = run_row(row)
        print(
            f"  {', '.join(o.verdict for o in outcomes)} ({time.monotonic() - begin:.0f} s)",
            file=sys.stderr,
            flush=True,
        )
        yield from outcomes


WIDTH_MIN = 120
"""Columns below which no name of a row could be read; a narrower terminal wraps."""
COLUMNS = ("row", "baseline", "of", "baseline costs", "ours costs", "value [quartiles]", "goal", "verdict", "how")


def cells(outcome: Outcome) -> tuple[str, ...]:
    """One line of the table, as plain text."""
    if outcome.baseline is None or outcome.ours is None or outcome.value is None:
        return (outcome.row, outcome.baseline_is, "", "", "", "", "", outcome.verdict.upper(), outcome.how)
    figure = outcome.figure
    is_ratio = outcome.judged in ("ours / baseline", "baseline / ours")
    numbers = [outcome.value, outcome.low or 0.0, outcome.high or 0.0]
    value, low, high = (f"{number:.3g}×" if is_ratio else quantity(figure, number) for number in numbers)
    verdict = outcome.verdict.upper() if outcome.verdict == "missed" else outcome.verdict
    return (
        outcome.row,
        outcome.baseline_is,
        figure.removesuffix("_s").removesuffix("_bytes"),
        quantity(figure, outcome.baseline),
        quantity(figure, outcome.ours),
        f"{value} [{low} – {high}]",
        outcome.goal,
        verdict,
        outcome.how,
    )


def table(outcomes: Sequence[Outcome]) -> Table:
    """The outcomes for a terminal, a row's name once; colour repeats what the verdict says."""
    shown = Table()
    for column in COLUMNS[:-1]:
        is_name = column in ("row", "baseline")
        shown.add_column(escape(column), justify="right" if "costs" in column else "left", no_wrap=not is_name)
    colours = {
        "met": "green",
        "floor": "cyan",
        "missed": "bold red",
        "error": "bold red",
        "left out": "yellow",
        "shown": "",
    }
    above = ""
    for outcome in outcomes:
        row, baseline, *first, verdict, _ = (escape(cell) for cell in cells(outcome))
        colour = colours[outcome.verdict]
        names = ("", "") if outcome.row == above else (row, baseline)
        shown.add_row(*names, *first, f"[{colour}]{verdict}[/]" if colour else verdict)
        above = outcome.row
    return shown


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many goals are met, missed, not run."""
    counts = {verdict: sum(outcome.verdict == verdict for outcome in outcomes) for verdict in ("met", "missed")}
    text = f"{counts['met']} goals met, {counts['missed']} missed"
    others = {
        "floor": "short of it and as near their floor as asked",
        "error": "rows could not be run",
        "left out": "left out on this machine",
    }
    for verdict, words in others.items():
        if number := sum(outcome.verdict == verdict for outcome in outcomes):
            text += f", {number} {words}"
    return text


def keep(file: Path, outcomes: Sequence[Outcome], which: str) -> None:
    """Write a section of RESULTS.md; other sets and other machines keep theirs."""
    about = machine()
    title = f"## {which}: {about['processor']}"
    lines = [
        title,
        "",
        f"{about['date']}, commit {about['commit']}. {about['cores']} cores, {about['memory']} of memory, "
        f"{about['system']}, Python {about['python']}, torch {about['torch']}. {summary(outcomes)}.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "| " + " | ".join("---" for _ in COLUMNS) + " |",
    ]
    lines += [
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells(o)) + " |" for o in outcomes
    ]
    text = (file.read_text() if file.exists() else "") or HEAD
    head, *sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    kept = [section.rstrip() for section in sections if section.splitlines()[0] != title]
    durable.replace(file, "\n\n".join([head.rstrip(), *kept, "\n".join(lines)]) + "\n")  # whole, also on a full disk


def machine() -> dict[str, str]:
    """What a reader must know to compare: processor, cores, memory, versions, date, commit."""
    graphics = _output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    is_dirty = bool(_output("git", "-C", str(HERE), "status", "--porcelain", "--untracked-files=no"))
    commit = _output("git", "-C", str(HERE), "rev-parse", "--short", "HEAD") or "unknown"
    return {
        "processor": ", ".join([_processor(), *graphics[:1]]),
        "cores": str(cores),
        "memory": f"{memory / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": _version("torch"),
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit + (" and changes" if is_dirty else ""),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or "unknown processor"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _output(*words: str) -> str:
    if shutil.which(words[0]) is None:
        return ""
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
