"""A round as a model plays one: what a script says, and how it went."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codex import Home, Session
from hands import Hand
from scene import TINY, on_course
from scripted import Request, Until, say

from golf.workspace import Workspace

BASELINE = "baselines/naive/train_gpt.py"
LONGER = {"ITERATIONS": "80", "VAL_LOSS_EVERY": "80"}
"""A real gain over the tiny tier's four steps: some 10 %."""

PRICED = """
[tiers.shelf]
[tiers.paid]
hourly_rate_usd = 20.0
gpus = 8
time_limit_s = 600
parallel_seeds = 2
[tiers.paid.env]
"""


def prepared(home: Home, root: Path, course: Path) -> Workspace:
    """A workspace on a tiny course, made ready for Codex by `golf init --trust`; its paid tier is this machine too."""
    workspace = on_course(root, course)
    with (root / "golf.toml").open("a") as settings:
        settings.write(PRICED + "".join(f'{key} = "{value}"\n' for key, value in TINY.items()))
    done = home.golf("init", "--trust", cwd=root)
    assert done.returncode == 0, done.stderr
    return workspace


@dataclass(frozen=True)
class Round:
    """An experiment that was played through the tools, from the claim to the gates."""

    experiment: str
    session: Session


def until_it_ends(hand: Hand) -> Until:
    """Wait for the job that was started last, as often as it takes."""

    def wait(heard: Request) -> dict[str, Any]:
        if '"state":' not in heard.outputs[-1]:  # a tool that refuses would be asked for ever
            raise LookupError(f"no job to wait for: {heard.outputs[-1]}")
        return hand.tool("wait_for_job", id=heard.last(r'"id":"([^"]+)"'))

    return Until(r'"state":"(?!queued|running)', wait)


def play(home: Home, workspace: Workspace, hand: Hand, name: str, **claim: object) -> Round:
    """One `codex exec`: claim and run, wait, weigh, judge, and try to spend money on it."""
    script = [
        hand.tool("run_experiment", experiment=name, hypothesis=f"{name} it is", **claim),
        until_it_ends(hand),
        hand.tool("measure_artifact", path=name),
        hand.tool("check_promotion", experiment=name),
        hand.tool("submit_job", experiment=name, tier="paid"),
        say("played"),
    ]
    return Round(name, home.exec(hand, script, cwd=workspace.root))
