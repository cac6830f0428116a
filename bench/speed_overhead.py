"""`golf run` against the bare training command: what Caddie costs while one trains, and whether it keeps off it.

Two trainings differ by more than what is asked for, so Caddie's share is counted within one: CPU seconds of its
processes by those that the trainer had or, as others were using the cores, was kept waiting for. What it costs to start
is a sum, and its share that of a training of 600 s.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from side_by_side import Row, Sample, Sides, at_most, at_most_more, command, shown

HERE = Path(__file__).parent
GOLF = os.fspath(Path(sys.executable).with_name("golf"))
TRAINER = HERE.parent / "baselines" / "naive" / "train_gpt.py"
TINY = {
    "ITERATIONS": "1000000",
    "VAL_LOSS_EVERY": "0",
    "TRAIN_LOG_EVERY": "20",
    "WARMUP_STEPS": "0",
    "NUM_LAYERS": "2",
    "MODEL_DIM": "64",
    "NUM_HEADS": "4",
    "NUM_KV_HEADS": "2",
    "TRAIN_SEQ_LEN": "128",
    "TRAIN_BATCH_TOKENS": "4096",
    "VAL_BATCH_SIZE": "65536",
}
"""The naive baseline, small; it trains until its own clock ends it."""


def rows(quick: bool) -> list[Row]:
    """One run each way; the longer training is in the full set."""
    train_s = 12 if quick else 60
    return [
        Row(
            name=f"golf run around {train_s} s of training",
            baseline="the bare training command",
            prepare=lambda scratch: _sides(scratch, train_s),
            goals=[
                at_most("all_by_trainer", 1.02),
                at_most("all_by_trainer_in_600_s", 1.02),
                at_most_more("signals", 0),
                at_most_more("gpu_queries", 0),
                shown("cpu_s"),
            ],
            pairs=1 if quick else 3,
            warmups=0,
            note="all by trainer: CPU of all processes by the trainer's, in its last part; cpu is that of the whole "
            "command: start, Caddie's own scoring of the artifact, record and report",
        )
    ]


def _sides(scratch: Path, train_s: float) -> Sides:
    from golf.data.course import build_course
    from golf.play import experiments, training
    from golf.workspace import Workspace

    course, root, fakes = scratch / "course", scratch / "workspace", scratch / "programs"
    for folder in (course, root, fakes):
        folder.mkdir()
    build_course(course)
    asked, report = scratch / "asked.txt", scratch / "report.json"
    smi = fakes / "nvidia-smi"
    smi.write_text(f'#!/bin/sh\necho "$@" >> {shlex.quote(os.fspath(asked))}\nexit 9\n')
    smi.chmod(0o755)
    watched = [os.fspath(HERE / "watched_trainer.py"), os.fspath(report), str(train_s * 0.7)]
    settings = {**TINY, "MAX_WALLCLOCK_SECONDS": str(train_s), "BENCH_PID": str(os.getpid())}
    (root / "golf.toml").write_text(
        f'[data]\npath = "{course}/datasets/pydocs_sp1024"\ntokenizer = "{course}/tokenizers/pydocs_1024_bpe.model"\n'
        f"[tiers.bench]\ncommand = {json.dumps(['{python}', '-u', *watched, '{script}'])}\n"
        "[tiers.bench.env]\n" + "".join(f'{key} = "{value}"\n' for key, value in settings.items())
    )
    (root / ".gitignore").write_text((resources.files("golf.templates") / "gitignore").read_text())
    subprocess.run(["git", "init", "--quiet", root], check=True)
    workspace = Workspace(root)
    folder = experiments.claim(
        workspace, "bench", hypothesis="it costs nothing", script=TRAINER, tier="bench", seeds=[1337]
    )
    experiment, tier = experiments.load(folder), workspace.tier("bench")
    environment = {
        **training.threads(tier.parallel_seeds),
        **experiments.settings(workspace, experiment, tier),
        "SEED": "1337",
        "PATH": f"{fakes}:{os.environ['PATH']}",
    }
    bare_folder = scratch / "bare"
    bare_folder.mkdir()
    bare = command([sys.executable, "-u", *watched, TRAINER], cwd=bare_folder, env=environment)
    ours = command([GOLF, "run", "bench", "--again"], cwd=root, env={"PATH": environment["PATH"]}, timeout_s=1200)

    def told(run: Callable[[], Sample]) -> Callable[[], Sample]:
        def side() -> Sample:
            for file in (asked, report):
                file.unlink(missing_ok=True)
            sample = run()
            said = json.loads(report.read_text())
            midway, end = said["looks"]
            spent, used, waited, seconds = (
                end[name] - midway[name] for name in ("beside_s", "trainer_s", "waited_s", "at_s")
            )
            trained = used + waited
            rate = spent / trained
            figures = {
                **sample.figures,
                "all_by_trainer": 1 + rate,
                "all_by_trainer_in_600_s": 1 + rate + midway["beside_s"] / (600 * trained / seconds),
                "signals": len(said["signals"]),
                "gpu_queries": len(asked.read_text().splitlines()) if asked.exists() else 0,
            }
            return Sample(figures, said)

        return side

    def check(bare_said: Any, our_said: Any) -> None:
        seen = [said["looks"][0]["processes"] for said in (bare_said, our_said)]
        assert seen[1] > seen[0], f"nothing of Caddie's was seen beside the trainer: {seen}"

    return Sides(baseline=told(bare), ours=told(ours), check=check)
