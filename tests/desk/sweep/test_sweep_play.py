"""A sweep played as experiments: each combination once, killed or not, with a row of the record each (S74, S78)."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scene import eventually, interrupted, scored

from golf.cli import main
from golf.desk.sweep import plan, play
from golf.desk.sweep.record import RECORD
from golf.desk.sweep.specification import Specification, parse
from golf.errors import BadConfig
from golf.jobs.store import JobStore
from golf.play import experiments, ledger
from golf.workspace import Workspace

BASELINE = Path(__file__).parents[3] / "baselines" / "naive" / "train_gpt.py"
SWEEP: dict[str, Any] = {
    "name": "lr", "style": "env", "command": "python train_gpt.py", "grid": {"MATRIX_LR": [0.01, 0.02, 0.03]},
    "seeds": [1], "hypothesis": "a lower rate is calmer", "script": "train_gpt.py", "tier": "tiny",
}  # fmt: skip


def written(workspace: Workspace, **said: Any) -> Specification:
    text = json.dumps({**SWEEP, **said})
    (workspace.root / "configs").mkdir(exist_ok=True)
    (workspace.root / "configs" / "sweep.yaml").write_text(text)
    (workspace.root / "train_gpt.py").write_text(BASELINE.read_text())
    return parse(text, "lr")


def planned(said: Specification, workspace: Workspace) -> plan.SweepPlan:
    return plan.plan(said, workspace.root / "configs/sweeps" / said.name, workspace.root)


def out(workspace: Workspace) -> Path:
    return workspace.root / "outputs/sweeps/lr"


def rows(workspace: Workspace) -> list[dict[str, Any]]:
    path = out(workspace) / RECORD
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def played(workspace: Workspace) -> list[str]:
    return [experiments.named_in(row.description) for row in ledger.iterate(workspace.ledger)]


def test_s74_a_sweep_that_was_killed_goes_on_and_plays_nothing_twice(
    course_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = course_workspace
    written(workspace)
    command = [sys.executable, "-m", "golf.cli", "sweep", "run"]
    begun = subprocess.Popen(command, cwd=workspace.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    store = JobStore(workspace)
    eventually(lambda: store.path.exists() and any(row.state == "done" for row in store.recent()), 120)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    assert main(["sweep", "run", "--json"]) == 0
    said = capsys.readouterr()
    now = json.loads(said.out)
    assert (now["done"], now["left"], now["runs_left"], now["cost_usd"]) == (3, 0, 0, 0.0)
    assert "3/3" in said.err
    assert len(played(workspace)) == len(set(played(workspace))) == 3
    assert sorted(row["point"] for row in rows(workspace)) == [f"matrix_lr0.0{n}" for n in (1, 2, 3)]
    assert main(["sweep", "run"]) == 0
    assert len(played(workspace)) == 3 == len(rows(workspace))
    capsys.readouterr()
    assert main(["sweep", "report", "--json"]) == 0  # three of three: nothing to cut
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "nothing to cut" and len(found["recommended"]) == 3

    said_more = written(workspace, seeds=[1, 2])  # seeds that are added later are played beside
    due = play.standing(said_more, workspace, planned(said_more, workspace), out(workspace))
    assert (due.left, due.runs_left) == (3, 3) and due.next[0] == "lr-matrix_lr0.01-more1"
    assert due.estimated_by == "3 runs of this sweep" and due.estimated_s > 0
    assert main(["sweep", "run", "--parallel", "2"]) == 0
    assert len(played(workspace)) == len(set(played(workspace))) == 6
    assert sorted((row["point"][-1], row["seed"]) for row in rows(workspace)) == [(n, s) for n in "123" for s in (1, 2)]


def test_s74_a_dry_run_says_runs_and_time_and_plays_nothing(
    course_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    written(course_workspace, seeds=[1, 2], run_time_s=60)
    assert main(["sweep", "run", "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["points"], found["runs"], found["runs_left"]) == (3, 6, 6)
    assert found["estimated_s"] == 3 * 60 and found["estimated_by"].startswith("run_time_s")  # two seeds at a time
    assert not course_workspace.experiments.exists() and not rows(course_workspace)
    written(course_workspace)
    main(["sweep", "run", "--dry-run", "--json"])
    assert "at most so long" in json.loads(capsys.readouterr().out)["estimated_by"]


def test_s74_a_paid_tier_is_priced_and_refused(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace.root / "golf.toml").write_text("[tiers.far]\nhourly_rate_usd = 24\ngpus = 8\ntime_limit_s = 600\n")
    written(workspace, tier="far")
    assert main(["sweep", "run", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost_usd"] == pytest.approx(3 * 4.0)
    assert main(["sweep", "run"]) == 2
    assert "is not free" in capsys.readouterr().err
    assert not workspace.experiments.exists()


def test_s74_a_combination_that_crashes_is_repeated_once(course_workspace: Workspace) -> None:
    said = written(course_workspace, grid={"MATRIX_LR": [0.01]})
    (course_workspace.root / "train_gpt.py").write_text("raise SystemExit(3)\n")
    plan_ = planned(said, course_workspace)
    for expected in (1, 2, 2):
        play.play(said, course_workspace, plan_, out(course_workspace))
        assert len(rows(course_workspace)) == expected
    now = play.standing(said, course_workspace, plan_, out(course_workspace))
    assert (now.done, now.crashed, now.left) == (0, 1, 0)
    assert play.standing(said, course_workspace, plan_, out(course_workspace), again=True).left == 1
    assert main(["sweep", "run"]) == 1


def test_s74_other_settings_under_the_same_name_are_refused(workspace: Workspace) -> None:
    (workspace.root / "golf.toml").write_text("[tiers.tiny]\n")
    said = written(workspace)
    scored(
        workspace,
        "lr-matrix_lr0.01",
        1.3,
        script=BASELINE.read_text(),
        tier="tiny",
        env={"MATRIX_LR": "0.01"},
        seeds=[1],
    )
    assert play.standing(said, workspace, planned(said, workspace), out(workspace)).done == 1
    other = written(workspace, fixed={"ITERATIONS": 9})
    with pytest.raises(BadConfig, match="give the sweep a new name"):
        play.standing(other, workspace, planned(other, workspace), out(workspace))


@pytest.mark.parametrize(
    ("said", "differs"),
    [({"fixed": {}}, "settings ITERATIONS=9"), ({"tier": "other"}, "tier tiny"), ({"script": "b.py"}, "a script")],
)
def test_s74_results_of_another_tier_script_or_setting_are_not_this_sweeps(
    said: dict[str, Any], differs: str, workspace: Workspace
) -> None:
    (workspace.root / "golf.toml").write_text("[tiers.tiny]\n[tiers.other]\n")
    (workspace.root / "b.py").write_text("x = 2\n")
    first = written(workspace, fixed={"ITERATIONS": 9}, grid={"MATRIX_LR": [0.01]})
    env = {"ITERATIONS": "9", "MATRIX_LR": "0.01"}
    scored(workspace, "lr-matrix_lr0.01", 1.3, script=BASELINE.read_text(), tier="tiny", env=env, seeds=[1])
    assert play.standing(first, workspace, planned(first, workspace), out(workspace)).done == 1
    other = written(workspace, **{"fixed": {"ITERATIONS": 9}, "grid": {"MATRIX_LR": [0.01]}, **said})
    assert not play.gather(other, workspace, planned(other, workspace), out(workspace)).outcomes
    with pytest.raises(BadConfig, match=f"exists with {differs}.* give the sweep a new name"):
        play.standing(other, workspace, planned(other, workspace), out(workspace))


def test_s74_what_cannot_be_started_is_said(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace.root / "golf.toml").write_text("[tiers.tiny]\n")  # and no data
    written(workspace)
    assert main(["sweep", "run"]) == 1
    told = capsys.readouterr().err
    assert "golf sweep: no score of " in told and "_lr-matrix_lr0.01: no " in told


def test_s74_ctrl_c_says_which_runs_go_on_and_how_to_end_them(course_workspace: Workspace) -> None:
    written(course_workspace, fixed={"ITERATIONS": 100_000})
    code, told, row = interrupted(course_workspace, "sweep", "run")
    assert code == 130
    assert f"{row.subject} goes on and will be kept; to end it: golf cancel {row.id}" in told


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"style": "args"}, "play this one by its script"),
        ({"hypothesis": ""}, "needs its hypothesis"),
        ({"script": None}, "needs a parent to change, or a script"),
        ({"seed_key": "MY_SEED"}, "gives seeds as SEED"),
        ({"script": "../train.py"}, "leads out of the workspace"),
    ],
)
def test_s74_what_cannot_be_played_is_said_before_anything_is(
    said: dict[str, Any], message: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace.root / "golf.toml").write_text("[tiers.tiny]\n")
    written(workspace, **said)
    assert main(["sweep", "run"]) == 2
    assert message in capsys.readouterr().err
    assert not workspace.experiments.exists()


def test_s74_an_optuna_sweep_is_played_to_its_last_trial_and_asked_again_plays_nothing(
    course_workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed: pip install 'caddie[optuna]'")
    written(
        course_workspace, design="optuna", grid={}, ranges={"MATRIX_LR": {"from": 0.001, "to": 0.1, "scale": "log"}},
        optuna={"trials": 3, "startup": 2},
    )  # fmt: skip
    assert main(["sweep", "run", "--json"]) == 0
    now = json.loads(capsys.readouterr().out)
    assert (now["points"], now["done"], now["left"]) == (3, 3, 0)
    assert main(["sweep", "run"]) == 0
    assert len(played(course_workspace)) == len(set(played(course_workspace))) == 3 == len(rows(course_workspace))


def test_s78_the_record_is_one_file_that_a_second_call_continues(workspace: Workspace) -> None:
    (workspace.root / "golf.toml").write_text("[tiers.tiny]\n")
    said = written(workspace)
    plan_ = planned(said, workspace)
    for number, name in enumerate(("lr-matrix_lr0.01", "lr-matrix_lr0.02"), 1):
        scored(workspace, name, 1.3, script=BASELINE.read_text(), tier="tiny", env={"MATRIX_LR": name[-4:]}, seeds=[1])
        play.gather(said, workspace, plan_, out(workspace))
        before = (out(workspace) / RECORD).read_bytes()
        play.gather(said, workspace, plan_, out(workspace))
        assert (out(workspace) / RECORD).read_bytes() == before
        assert [row["point"] for row in rows(workspace)] == [f"matrix_lr0.0{n}" for n in range(1, number + 1)]
