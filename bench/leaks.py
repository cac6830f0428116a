"""The fault matrix on every back-end: `make leak-report` prints what is left after each thing that goes wrong.

    python bench/leaks.py [--only BACKEND …] [--kills N]

A cell is one paid run of the real command against a stand-in for the provider (Slurm and sshd are real). It is good
when at most a lease period later nothing of ours is alive there, a stranger's launch is, no money is set aside, and
what was spent is what the provider billed, to the cent. `--kills` are random moments at which all of ours is killed.
A back-end whose programs are not installed is said to be left out. Exit 1 when a cell is not good.
"""

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "jobs")]

import matrix  # noqa: E402, it lies with the tests

from golf.data.course import build_course  # noqa: E402, after the path to the tests

BACKENDS = ("toy", "ssh", "slurm", "hf_jobs", "runpod", "skypilot")


def main() -> int:
    """Exit 0 when every cell that could be played is good."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--faults", nargs="*", choices=matrix.FAULTS, default=matrix.FAULTS)
    parser.add_argument("--kills", type=int, default=5, help="moments of SIGKILL per back-end (default: 5)")
    arguments = parser.parse_args()
    is_good = True
    with tempfile.TemporaryDirectory(prefix="golf-leaks-") as scratch:
        course = Path(scratch) / "course"
        course.mkdir()
        build_course(course)
        for name in arguments.only:
            try:
                kind = importlib.import_module(f"standins.{name}").StandIn
            except ModuleNotFoundError as error:
                print(f"{name}: left out, {error}")
                continue
            is_good &= _provider(name, kind, Path(scratch), course, arguments.faults, arguments.kills)
    print("nothing leaks" if is_good else "something leaks")
    return 0 if is_good else 1


def _provider(name: str, kind: type, scratch: Path, course: Path, faults: list[str], kills: int) -> bool:
    is_good = True
    try:
        with kind() as provider:
            print(f"\n{name}")
            for fault in faults:
                moments = matrix.moments(kills) if fault == "SIGKILL of everything" else [1.0]
                is_good &= _cell(scratch / name, course, provider, fault, moments)
    except BaseException as error:
        if type(error).__name__ != "Skipped":  # pytest's, raised by a stand-in whose programs are not there
            raise
        print(f"{name}: left out, {error}")
    return is_good


def _cell(scratch: Path, course: Path, provider: matrix.Provider, fault: str, moments: list[float]) -> bool:
    if fault == "full disk" and not matrix.can_mount():
        print(f"  {fault:<28} left out: a small file system cannot be mounted here")
        return True
    began, problems, asked, spent = time.monotonic(), [], 0, 0.0
    for number, moment in enumerate(moments):
        try:
            found = matrix.play(scratch / f"{fault.replace(' ', '-')}-{number}", course, provider, fault, moment)
        except ValueError:
            print(f"  {fault:<28} cannot happen here")
            return True
        asked, spent = asked + found.asked, spent + found.spent_usd
        if found.problem:
            problems.append(f"at {moment:.2f}: {found.problem}")
    told = "; ".join(problems[:3]) or "nothing left"
    per = f"{len(moments)} runs, {asked} launches, ${spent:.4f}, {time.monotonic() - began:.0f} s"
    print(f"  {fault:<28} {'LEAK' if problems else 'good':<5} {told}  ({per})", flush=True)
    return not problems


if __name__ == "__main__":
    sys.exit(main())
