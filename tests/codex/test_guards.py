"""The hooks `golf init` writes, once trusted: what a session may not do, and what it is told."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from codex import Home, Session
from hands import HANDS, Hand
from playing import BASELINE
from scene import eventually
from scripted import Item, say

from golf.jobs.local import LocalJobs
from golf.play import experiments, start
from golf.play.budget import BudgetBook
from golf.workspace import Workspace

BLOCKED = "blocked by PreToolUse hook"


@contextmanager
def running(workspace: Workspace, name: str) -> Iterator[None]:
    """While a real trainer is at work that would not end by itself."""
    if not experiments.exists(workspace, name):
        script = workspace.root / BASELINE
        experiments.claim(workspace, name, hypothesis="h", script=script, tier="tiny", env={"ITERATIONS": "1000000"})
    local = LocalJobs(workspace)
    job = start.start_run(workspace, name, again=True)
    try:
        eventually(lambda: (local.get(job.id).step or 0) > 0)
        yield
    finally:
        local.cancel(job.id)


@pytest.fixture(scope="module")
def gpu(home: Home) -> None:
    """A machine with an nvidia-smi."""
    program = home.programs / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: a stand-in'\n")
    program.chmod(0o755)


@pytest.fixture(scope="module")
def during(home: Home, practice: Workspace, gpu: None) -> dict[str, Session]:
    """By model: a session that asks the GPU, plainly and behind another program, while a run is on."""
    with running(practice, "endless"):
        return {hand.model: home.exec(hand, asking(hand), cwd=practice.root) for hand in HANDS}


def asking(hand: Hand) -> list[Item]:
    return [hand.shell("nvidia-smi"), hand.shell("timeout 5 nvidia-smi -L"), say("asked")]


def test_nothing_asks_the_gpu_while_a_run_is_on(during: dict[str, Session], hand: Hand) -> None:
    """In code mode the command is nested in JavaScript, and the guard sees it all the same."""
    for output in during[hand.model].outputs:
        assert BLOCKED in output
        assert "job_status" in output


@pytest.mark.usefixtures("during", "sandbox")
def test_afterwards_everything_may(home: Home, practice: Workspace, hand: Hand) -> None:
    session = home.exec(hand, asking(hand), cwd=practice.root)
    assert all("GPU 0: a stand-in" in output for output in session.outputs), session.outputs


def patch(hand: Hand, path: str) -> Item:
    return hand.patch(f"*** Begin Patch\n*** Add File: {path}\n+lower is better\n*** End Patch")


def test_baselines_and_frozen_files_stay_as_they_are(home: Home, practice: Workspace, hand: Hand) -> None:
    before = {path: path.read_bytes() for path in (practice.root / "baselines").rglob("*") if path.is_file()}
    attempts = [
        patch(hand, "baselines/better.json"),
        hand.shell("echo '{}' > baselines/naive.json"),
        hand.shell("cd baselines && rm -f naive.json"),
    ]
    session = home.exec(hand, [*attempts, say("tried")], cwd=practice.root)
    assert all(BLOCKED in output for output in session.outputs), session.outputs
    assert {path: path.read_bytes() for path in (practice.root / "baselines").rglob("*") if path.is_file()} == before


@pytest.mark.usefixtures("sandbox")
def test_a_human_may_open_a_frozen_folder_and_everything_else_is_open_anyway(
    home: Home, practice: Workspace, hand: Hand
) -> None:
    shelf = f"baselines/{hand.model}"
    said = home.golf("record", "override", "a second baseline", "--edit", shelf, "--by", "ada", cwd=practice.root)
    assert said.returncode == 0, said.stderr
    home.exec(
        hand, [patch(hand, f"{shelf}/ours.json"), patch(hand, f"{hand.model}.txt"), say("done")], cwd=practice.root
    )
    assert (practice.root / shelf / "ours.json").exists()
    assert (practice.root / f"{hand.model}.txt").exists()


def test_a_session_begins_with_the_state_of_the_workspace(home: Home, practice: Workspace, hand: Hand) -> None:
    """A compaction or a new session loses nothing that was measured."""
    order = f"no sliding windows for {hand.model}"
    assert home.golf("record", "directive", order, "--by", "ada", cwd=practice.root).returncode == 0
    digest = home.golf("digest", cwd=practice.root).stdout.strip()
    session = home.exec(hand, [say("read")], cwd=practice.root)
    assert order in digest
    assert len(digest) <= 2_000
    assert digest.splitlines()[-1] in session.first.text
    assert order in session.first.text


def test_a_turn_does_not_end_over_money_that_is_still_set_aside(home: Home, practice: Workspace, hand: Hand) -> None:
    book, run = BudgetBook(practice.database, practice.config.budget), f"paid-{hand.model}"
    book.reserve(run, 3.5, "paid")
    try:
        session = home.exec(hand, [say("That is all."), say("Seen.")], cwd=practice.root)
    finally:
        book.release(run)
    assert len(session.model.requests) == 2
    assert f"$3.50 are set aside for {run}" in session.model.heard.text
