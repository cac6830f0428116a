"""A trainer is let alone while it trains: no signal reaches it, and nothing asks the driver of its GPU."""

import signal
from pathlib import Path

import pytest

from golf.jobs.local import LocalJobs
from golf.play import experiments, start
from golf.workspace import Workspace

TRAINER = """
import json, os, signal, time
got = []
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGPIPE}:
    signal.signal(number, lambda got_number, _: got.append(got_number))
if os.environ.get("ITSELF"):
    os.kill(os.getpid(), signal.SIGUSR1)
    os.system("nvidia-smi --query-gpu=name")
for step in range(8):
    print(f"step:{step}/8 train_loss:{3 - step / 10:.4f} train_time:{step * 400}ms step_avg:400.00ms", flush=True)
    time.sleep(0.4)
with open(os.environ["SEEN"], "w") as file:
    json.dump(got, file)
raise SystemExit(7)  # what follows a training is not of interest here
"""


@pytest.mark.parametrize("itself", [False, True], ids=["left alone", "and what is done to it would be seen"])
def test_a_trainer_gets_no_signal_and_its_gpu_no_question(
    course_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, itself: bool
) -> None:
    """While jobs, progress and metrics are looked at; the second case shows that both counters count."""
    asked, seen, programs = tmp_path / "asked", tmp_path / "seen", tmp_path / "programs"
    programs.mkdir()
    smi = programs / "nvidia-smi"
    smi.write_text(f'#!/bin/sh\necho "$@" >> "{asked}"\nexit 9\n')
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    script = tmp_path / "train.py"
    script.write_text(TRAINER)
    env = {"SEEN": str(seen), **({"ITSELF": "1"} if itself else {})}
    folder = experiments.claim(
        course_workspace, "alone", hypothesis="h", script=script, tier="tiny", env=env, seeds=[1]
    )
    job = start.start_run(course_workspace, folder.name)
    LocalJobs(course_workspace).wait(job.id, 120)
    assert seen.read_text() == (f"[{signal.SIGUSR1:d}]" if itself else "[]")
    assert asked.exists() == itself
