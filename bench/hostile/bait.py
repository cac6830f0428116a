"""Texts that are hard to search: what the expressions look for, over and over."""

import json
from collections.abc import Callable
from pathlib import Path

from hostile.case import hostile
from hostile.honest import README, TRAINER

BAIT = {
    "spaces": lambda: " " * 1_000_000,
    "dashes": lambda: "- " * 200_000 + "-" * 400_000,
    "val_bpb, 100,000 times": lambda: "val_bpb " * 100_000,
    "numbers": lambda: "1.0810 " * 140_000,
    "digits": lambda: "1" * 1_000_000,
    "bold": lambda: "**" * 400_000,
    "tables": lambda: "| 1.0 " * 180_000,
    "pull requests": lambda: "PR #1, " * 140_000,
    "negations": lambda: "not no without " * 60_000 + "n-gram TTT",
    "words": lambda: "built on the base of " * 45_000,
    "equals": lambda: "A=" * 400_000,
    "quotes": lambda: "'\"" * 400_000,
    "brackets": lambda: "([{" * 300_000,
    "commands": lambda: "torchrun --nproc_per_node=8 A=1 python " * 25_000,
    "letters": lambda: "a" * 1_000_000,
    "underscores": lambda: "_a" * 400_000,
    "sentences": lambda: "We use TTT. " * 80_000,
    "line ends": lambda: "\n" * 1_000_000,
    "commands by line": lambda: "TTT_ENABLED=1 torchrun train_gpt.py\n" * 28_000,
    "scores by line": lambda: "final_x val_loss:1.0 val_bpb:1.0\n" * 30_000,
    "settings by line": lambda: "  ttt_enabled: True\n" * 50_000,
    "headings": lambda: "# a\n" * 250_000,
    "fences": lambda: "```\n" * 250_000,
}


def _bait(name: str, text: Callable[[], str]) -> None:
    def build(folder: Path) -> None:
        bait = text()
        (folder / "README.md").write_text(README + bait)
        (folder / "run.sh").write_text(bait)
        (folder / "notes.txt").write_text(bait)
        with (folder / "train_seed2.log").open("a") as log:
            log.write(bait)

    hostile(f"bait in every text: {name}", finds="")(build)
    hostile(f"bait in a script: {name}", finds="any")(
        lambda folder: (folder / "train_gpt.py").write_text(
            f"{TRAINER}\nNOTE = '''\n{text()}\n'''\n# {text()[:99_999]}\n"
        )
    )
    hostile(f"bait in JSON: {name}", finds="any")(
        lambda folder: (folder / "submission.json").write_text(
            json.dumps({"val_bpb": 1.2, "name": text()[:400_000], "blurb": text()[:400_000]})
        )
    )


for _name, _text in BAIT.items():
    _bait(_name, _text)
