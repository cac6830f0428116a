"""The smoke tier: the toy configuration that shows that everything works, in under a minute on two cores (S119)."""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

from golf.measure import logs
from golf.play import init, start
from golf.workspace import SMOKE, Workspace, read_config

NAIVE = Path(__file__).parents[2] / "baselines" / "naive" / "train_gpt.py"
CORES, SECONDS = 2, 60


def test_s119_the_smoke_configuration_trains_in_a_minute_of_two_cores(course: Path, tmp_path: Path) -> None:
    """By CPU time: what a loaded machine takes by the clock says nothing about the configuration."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, str(NAIVE)],
        cwd=tmp_path,
        env={
            **os.environ,
            **SMOKE,
            "OMP_NUM_THREADS": str(CORES),
            "DEVICE": "cpu",
            "RUN_ID": "smoke",
            "DATA_PATH": str(course / "datasets" / "pydocs_sp1024"),
            "TOKENIZER_PATH": str(course / "tokenizers" / "pydocs_1024_bpe.model"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr[-2000:]
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert cpu_s < CORES * SECONDS
    found = logs.read_log(tmp_path / "logs" / "smoke.txt")
    assert (found.steps, found.final_bpb is not None) == (int(SMOKE["ITERATIONS"]), True)


def test_s119_golf_init_writes_a_smoke_tier_that_is_the_toy_and_a_run_is_planned_with_it(
    tmp_path: Path, course: Path
) -> None:
    from golf.play import experiments

    init.init(tmp_path / "ws")
    workspace = Workspace(tmp_path / "ws")
    smoke = read_config(workspace.root / "golf.toml").tiers["smoke"]
    assert smoke.env.items() >= SMOKE.items()
    assert smoke.hourly_rate_usd == 0
    settings = (workspace.root / "golf.toml").read_text()
    places = {"path": "datasets/pydocs_sp1024", "tokenizer": "tokenizers/pydocs_1024_bpe.model"}
    for key, place in places.items():
        settings = re.sub(rf'^{key} = ".*"', f'{key} = "{course / place}"', settings, flags=re.MULTILINE)
    (workspace.root / "golf.toml").write_text(settings)
    workspace = Workspace(workspace.root)
    folder = experiments.claim(workspace, "toy", hypothesis="it runs at all", script=NAIVE, tier="smoke")
    plan = start.plan_run(workspace, folder.name)
    assert (plan.tier, plan.cost_usd) == ("smoke", 0)
    assert plan.settings["ITERATIONS"] == SMOKE["ITERATIONS"]


def test_s119_the_engineering_text_asks_for_a_smoke_test_under_a_minute(tmp_path: Path) -> None:
    init.init(tmp_path / "ws", agents="ml")
    text = (tmp_path / "ws" / "AGENTS.md").read_text()
    assert "python scripts/train.py --config-name=smoke_test" in text
    assert "under a minute" in text
