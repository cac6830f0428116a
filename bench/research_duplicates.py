"""How often the duplicate guard is right about two ideas: precision and recall on two labelled sets of pairs.

python bench/research_duplicates.py [--pairs FOLDER] [--half first|second|both] [--mistakes]

`pairs.jsonl` was labelled by who wrote the guard. `pairs_fresh.jsonl` was labelled by another author, before they had
seen the guard or its vocabulary; its lines 1, 3, 5, ... are the first half, which the guard learned from, the rest is
held out. How the guard does on ideas it has not met is told by the second halves' rows, not by those of both. A
kind's row says how often the guard was right about pairs of that kind. Intervals are Wilson's, 95 %.
"""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from golf.research.likeness import Likeness, likeness

PAIRS = Path(__file__).resolve().parents[1] / "tests" / "research"
NORMAL_95 = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""


class Judged(NamedTuple):
    """A labelled pair, and what the guard says of it."""

    a: str
    b: str
    kind: str
    is_first: bool
    """Whether it lies in the half that the guard may learn from."""
    is_one: bool
    said: Likeness | None

    @property
    def is_right(self) -> bool:
        return self.is_one == (self.said is not None)


def pairs_of(file: Path) -> list[Judged]:
    """The pairs of a set, judged; none where it is not at hand."""
    if not file.is_file():
        return []
    judged = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        is_first = row["half"] == "tuning" if "half" in row else number % 2 == 0
        is_one = row.get("same", row["kind"] != "different")
        judged.append(Judged(row["a"], row["b"], row["kind"], is_first, is_one, likeness(row["a"], row["b"])))
    return judged


def wilson(right: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927)."""
    share, square = right / total, NORMAL_95**2
    centre = (share + square / (2 * total)) / (1 + square / total)
    reach = NORMAL_95 / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total**2))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def rows_of(pairs: Sequence[Judged]) -> list[tuple[str, int, int]]:
    """What is measured → how many were right, of how many."""
    found = [pair for pair in pairs if pair.is_one and pair.said is not None]
    rows = [
        ("precision", len(found), sum(pair.said is not None for pair in pairs)),
        ("recall", len(found), sum(pair.is_one for pair in pairs)),
    ]
    for kind in dict.fromkeys(sorted(pair.kind for pair in pairs)):
        of_kind = [pair for pair in pairs if pair.kind == kind]
        rows.append((kind, sum(pair.is_right for pair in of_kind), len(of_kind)))
    return rows


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, default=PAIRS, help="folder of pairs.jsonl and pairs_fresh.jsonl")
    parser.add_argument("--half", choices=("first", "second", "both"), default="both", help="of each set")
    parser.add_argument("--mistakes", action="store_true", help="also list the pairs that were judged wrongly")
    args = parser.parse_args()
    halves = {"first": (True,), "second": (False,), "both": (True, False)}[args.half]
    print(f"{'set':<18}{'half':<8}{'measure':<14}{'right':>6}{'of':>5}{'share':>8}   95 % interval")
    for name in ("pairs.jsonl", "pairs_fresh.jsonl"):
        judged = [pair for pair in pairs_of(args.pairs / name) if pair.is_first in halves]
        parts = [("first", [p for p in judged if p.is_first]), ("second", [p for p in judged if not p.is_first])]
        for half, pairs in [*parts, ("both", judged)] if args.half == "both" else parts:
            for measure, right, total in rows_of(pairs) if pairs else ():
                share = f"{right / total:>8.3f}   {'{:.3f} to {:.3f}'.format(*wilson(right, total))}" if total else ""
                print(f"{name:<18}{half:<8}{measure:<14}{right:>6}{total:>5}{share}")
        for pair in judged if args.mistakes else ():
            if not pair.is_right:
                print(f"  {pair.kind}, said {pair.said}: {pair.a!r} | {pair.b!r}")


if __name__ == "__main__":
    main()
