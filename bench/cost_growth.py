"""What each verb costs as a workspace grows: CPU seconds at 10, 1,000 and 100,000 experiments.

    python bench/cost_growth.py [--sizes 10 1000] [--json]

A workspace of so many experiments is made (claim, script, result and ledger row each, one in fifty paid for), every
verb is asked once to warm what is kept between calls, and then timed. Prints the table of docs/scale.md.
"""

import argparse
import contextlib
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from golf import durable
from golf.errors import UnreadableInput
from golf.play import budget, experiments, ledger, merge, promotion, record, summary, transfer
from golf.play.history import history
from golf.research import knowledge, outlook, recollection
from golf.schema import Experiment, Result
from golf.workspace import Workspace

SIZES = (10, 1_000, 100_000)
PAID = 50
"""One experiment in so many is played on the paid tier as well."""
LONG_S = 60.0
"""A verb is asked once where it takes longer; one that takes a thirtieth at one size is not asked at the next."""


def verbs(workspace: Workspace, scratch: Path) -> dict[str, Callable[[], object]]:
    """What is asked, by name."""
    book = budget.BudgetBook(workspace.database, workspace.config.budget)
    other = scratch / "other.tsv"
    fresh = iter(range(10**9))

    def record_one() -> None:
        name = f"2026-02-01_fresh{next(fresh)}"
        result = _result(name, "local", "discard", 1.5, next(fresh))
        record.record(workspace, result, f"{name}: one more")

    def merge_one() -> None:
        merge.merge(workspace, [other], dry_run=True)

    def transfer_of() -> None:
        with contextlib.suppress(UnreadableInput):  # of ten experiments one is paid for: too few pairs, which is said
            transfer.between(workspace, "local", "h100x8")

    ledger.append(other, record.row(_result("2026-02-02_theirs", "local", "keep", 1.4, 1), "2026-02-02_theirs: theirs"))
    return {
        "history": lambda: history(workspace, limit=20),
        "history --best": lambda: history(workspace, limit=20, best_first=True),
        "summary of the last 20": lambda: summary.summarise(workspace, last=20),
        "summary of all": lambda: summary.summarise(workspace),
        "running baseline": lambda: promotion.running_baseline(workspace, "local"),
        "noise floor": lambda: promotion.tier_noise(workspace, "local"),
        "record a run": record_one,
        "check-budget": book.state,
        "transfer": transfer_of,
        "next": lambda: outlook.outlook(workspace),
        "research digest": lambda: knowledge.brief(workspace),
        "research tried": lambda: recollection.catch_up(workspace),
        "merge (dry run)": merge_one,
        "recover": lambda: record.recover(workspace),
    }


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found: dict[str, dict[int, float | None]] = {}
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory(prefix="golf-growth-") as folder:
            workspace = made(Path(folder) / "workspace", size)
            for name, verb in verbs(workspace, Path(folder)).items():
                before = list(found.setdefault(name, {}).values())
                found[name][size] = None if before and (before[-1] is None or before[-1] > LONG_S / 30) else timed(verb)
                print(f"{size:,} {name}: {found[name][size]}", file=sys.stderr, flush=True)
    if arguments.json:
        print(json.dumps(found))
        return 0
    print("| verb | " + " | ".join(f"{size:,}" for size in arguments.sizes) + " |")
    print("| --- |" + " ---: |" * len(arguments.sizes))
    for name, costs in found.items():
        print(f"| {name} | " + " | ".join(map(shown, costs.values())) + " |")
    return 0


def shown(seconds: float | None) -> str:
    """In a table's cell."""
    if seconds is None:
        return "not asked"
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1e3:.1f} ms"


def timed(verb: Callable[[], object]) -> float:
    """CPU seconds of the second call, or of the first where that took very long."""
    begin = time.process_time()
    verb()
    first = time.process_time() - begin
    if first > LONG_S:
        return first
    begin = time.process_time()
    verb()
    return time.process_time() - begin


def made(root: Path, size: int) -> Workspace:
    """A workspace of so many experiments; files are written plainly, as nothing here is to survive."""
    root.mkdir(parents=True)
    (root / "golf.toml").write_text(
        '[challenge]\npreset = "parameter-golf"\n[tiers.local]\n[tiers.h100x8]\ngpus = 8\nhourly_rate_usd = 20.0\n'
    )
    workspace = Workspace.find(root)
    chance = random.Random(0)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with open(workspace.ledger, "w") as file:
        file.write(ledger.HEADER + "\n")
        for number in range(size):
            name = f"2026-01-{1 + number % 28:02}_idea{number}"
            score = round(1.1 + chance.random(), 6)
            status = "keep" if number % 20 == 0 else "discard"
            played = [("local", name, score, status)]
            if number % PAID == 0:
                played.append(("h100x8", f"{name}.h100x8", round(score - 0.05 - chance.random() / 100, 6), status))
            for tier, called, bpb, is_kept in played:
                folder = workspace.experiments / called
                folder.mkdir(parents=True)
                parent = None if tier == "local" else name
                hypothesis = f"a wider thing of kind {number % 97}, by {number}, gains 0.{number % 9 + 1} %"
                claim = Experiment(hypothesis=hypothesis, tier=tier, parent=parent, created_at=at)
                result = _result(called, tier, is_kept, bpb, number)
                (folder / experiments.CONFIG).write_text(claim.model_dump_json(exclude_none=True))  # JSON is YAML
                (folder / experiments.RESULT).write_text(result.model_dump_json())
                (folder / claim.script).write_text(f"x = {number}\n")
                row = record.row(result, experiments.described(called, claim))
                file.write(ledger.Layout(ledger.COLUMNS).format(row) + "\n")
    settled = time.time() - 3600
    os.utime(workspace.ledger, (settled, settled))
    time.sleep(durable.SETTLED_NS / 1e9)  # what is younger is not believed to stay as it is, and kept only later
    return workspace


def _result(name: str, tier: str, status: str, bpb: float, number: int) -> Result:
    return Result(
        experiment=name,
        run_id=f"2026010100-{number:08}{tier}",
        commit=f"{number:040x}",
        tier=tier,
        status=status,
        promoted="no",
        hypothesis="h",
        val_bpb=bpb,
        artifact_bytes=15_000_000,
        headroom_bytes=1_000_000,
        data="d",
        cost_usd=1.0 if tier != "local" else 0.0,
        finished_at=datetime(2026, 1, 2, tzinfo=UTC),
    )


if __name__ == "__main__":
    sys.exit(main())
