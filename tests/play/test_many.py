"""Many experiments are each played once, a few at a time, also when whoever asked for them is killed in between."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from scene import eventually, interrupted

from golf.cli import main
from golf.jobs.store import JobStore
from golf.play import experiments, ledger, many
from golf.workspace import Workspace

BASELINE = Path(__file__).parents[2] / "baselines" / "naive" / "train_gpt.py"


def claimed(workspace: Workspace, names: list[str], script: Path = BASELINE) -> list[str]:
    for number, name in enumerate(names):
        settings = {"MATRIX_LR": str(0.01 + number / 100)}
        experiments.claim(workspace, name, hypothesis="h", script=script, tier="tiny", env=settings)
    return names


def test_each_is_played_once_and_what_was_played_is_left_alone(course_workspace: Workspace) -> None:
    names = claimed(course_workspace, ["a", "b", "c"])
    first = many.play_all(course_workspace, names[:2], at_once=2)
    second = many.play_all(course_workspace, names, at_once=2)
    assert [one.was_there for one in first] == [False, False]
    assert [one.was_there for one in second] == [True, True, False]
    assert all(one.val_bpb for one in second)
    assert len(list(ledger.iterate(course_workspace.ledger))) == 3


def test_one_that_fails_costs_the_others_nothing(course_workspace: Workspace, tmp_path: Path) -> None:
    broken = tmp_path / "train_gpt.py"
    broken.write_text("raise SystemExit(3)\n")
    claimed(course_workspace, ["bad"], broken)
    claimed(course_workspace, ["good"])
    bad, good = many.play_all(course_workspace, ["bad", "good"])
    assert bad.val_bpb is None and good.val_bpb is not None


def test_a_sweep_that_was_killed_goes_on_without_playing_anything_twice(course_workspace: Workspace) -> None:
    names = claimed(course_workspace, ["a", "b", "c", "d"])
    command = [sys.executable, "-m", "golf.cli", "run", *names, "--parallel", "2"]
    sweep = subprocess.Popen(command, cwd=course_workspace.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    store = JobStore(course_workspace)
    eventually(lambda: store.path.exists() and any(row.state == "running" for row in store.recent()))
    sweep.send_signal(signal.SIGKILL)
    sweep.wait()
    assert all(one.val_bpb for one in many.play_all(course_workspace, names, at_once=2))
    rows = [experiments.named_in(row.description) for row in ledger.iterate(course_workspace.ledger)]
    assert sorted(rows) == sorted(set(rows)) and len(rows) == 4


def test_ctrl_c_leaves_several_runs_and_says_how_to_end_them(course_workspace: Workspace) -> None:
    for name in ("a", "b"):
        experiments.claim(
            course_workspace, name, hypothesis="h", script=BASELINE, tier="tiny", env={"ITERATIONS": "100000"}
        )
    code, told, row = interrupted(course_workspace, "run", "a", "b")
    assert code == 130
    assert f"{row.subject} goes on and will be kept; to end it: golf cancel {row.id}" in told


def test_a_tournament_is_played_to_its_winner_and_asked_again_changes_nothing(
    course_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    names = claimed(course_workspace, ["a", "b", "c", "d"])
    command = ["tournament", *names, "--tier", "tiny", "--parallel", "2", "--json"]
    assert main([*command, "--dry-run"]) == 0
    assert main(command) in (0, 1)
    first = capsys.readouterr().out
    played = len(list(ledger.iterate(course_workspace.ledger)))
    assert main(command) in (0, 1)
    assert capsys.readouterr().out in first
    assert len(list(ledger.iterate(course_workspace.ledger))) == played
