"""The referee measured against labelled reality: `make referee-report` prints every figure beside its target.

    python bench/referee_report.py [--data DIR] [--checkout DIR] [--only SECTION …]

`--data` is a folder with `verdicts.jsonl`, `extraction.jsonl` and `submissions/`; `--checkout` a clone of
openai/parameter-golf with its pull-request refs, for the code at the labelled commits. What is not at hand is said to
be missing and counts neither way. Exit 1 when a target is missed.
"""

import argparse
import importlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SECTIONS = ("extraction", "verdicts", "audit", "certificate", "hostile", "significance", "size", "triage", "loop")


class Line(NamedTuple):
    """One figure of the report."""

    what: str
    figure: str
    target: str
    met: bool | None
    """None: for information, or it could not be measured."""


def main() -> int:
    """Exit 0 when every target that could be measured is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--checkout", type=Path, default=None)
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=SECTIONS)
    arguments = parser.parse_args()
    met = True
    for section in arguments.only:
        module = importlib.import_module(f"referee_{section}")
        started = time.monotonic()
        lines = list(_lines(module, arguments.data, arguments.checkout))
        print(f"\n{section}  ({time.monotonic() - started:.0f} s)")
        for line in lines:
            mark = {True: "met", False: "MISSED", None: ""}[line.met]
            print(f"  {line.what:<58} {line.figure:>26}  {line.target:<24} {mark}".rstrip())
            met = met and line.met is not False
    print("\nevery target that could be measured is met" if met else "\na target is missed")
    return 0 if met else 1


def _lines(module: object, data: Path, checkout: Path | None) -> Iterator[Line]:
    yield from module.report(data if data.is_dir() else None, checkout)


if __name__ == "__main__":
    sys.exit(main())
