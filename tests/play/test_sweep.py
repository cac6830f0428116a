"""Sixty-four runs, killed on the way, end with a row each: here and on a real Slurm."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from scene import TINY, course_settings, eventually, git

from golf.jobs.store import JobStore
from golf.play import experiments, ledger, many
from golf.workspace import Workspace

RUNS = 64
BASELINE = Path(__file__).parents[2] / "baselines" / "naive" / "train_gpt.py"


def sweep(workspace: Workspace) -> None:
    """Claim them all, begin, kill whoever asked after a few, and ask again."""
    names = [f"lr{number:02d}" for number in range(RUNS)]
    for number, name in enumerate(names):
        settings = {"MATRIX_LR": f"{0.01 + number / 1000:.3f}"}
        experiments.claim(workspace, name, hypothesis="h", script=BASELINE, tier="tiny", env=settings)
    command = [sys.executable, "-m", "golf.cli", "run", *names, "--parallel", "2"]
    begun = subprocess.Popen(command, cwd=workspace.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    store = JobStore(workspace)
    eventually(lambda: sum(row.state == "done" for row in store.recent(100)) >= 3, 300)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    played = many.play_all(workspace, names, at_once=2)
    assert [one.experiment.rpartition("_")[2] for one in played] == names
    assert all(one.val_bpb is not None for one in played)
    rows = [experiments.named_in(row.description) for row in ledger.iterate(workspace.ledger)]
    assert len(rows) == RUNS and len(set(rows)) == RUNS


def set_up(workspace: Workspace, tier: str) -> Workspace:
    steps = {**TINY, "ITERATIONS": "1", "VAL_LOSS_EVERY": "0"}
    settings = "".join(f'{key} = "{value}"\n' for key, value in steps.items())
    (workspace.root / "golf.toml").write_text(f"{course_settings(workspace)}{tier}[tiers.tiny.env]\n{settings}")
    git(workspace.root, "add", "golf.toml")
    return Workspace(workspace.root)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_sweep_of_64_runs_is_finished_here_after_a_kill(course_workspace: Workspace) -> None:
    sweep(set_up(course_workspace, "[tiers.tiny]\n"))


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_sweep_of_64_runs_is_finished_on_a_real_slurm_after_a_kill(
    course_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "jobs"))
    from standins.slurm import StandIn

    with StandIn() as cluster:
        for name, value in cluster.env.items():
            monkeypatch.setenv(name, value)
        options = {
            **cluster.tier()["options"], "python": sys.executable, "data": str(course_workspace.data),
            "tokenizer": str(course_workspace.tokenizer), "gres": "",
        }  # fmt: skip
        lines = "".join(f'{key} = "{value}"\n' for key, value in options.items() if isinstance(value, str))
        workspace = set_up(
            course_workspace,
            f'[jobs]\npoll_s = 0.5\n[tiers.tiny]\nbackend = "slurm"\ntime_limit_s = 600\n[tiers.tiny.options]\n{lines}',
        )
        sweep(workspace)
