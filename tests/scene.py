"""What tests are set in: repositories, tiny tiers on a real course, and waiting for a fact."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from golf import database
from golf.jobs import leases
from golf.jobs.local import LocalJobs
from golf.jobs.store import JobStore, Record
from golf.play import experiments, gate, promotion, record, review, worktree
from golf.schema import Note, Result, SeedResult
from golf.workspace import Workspace

TINY = {
    "ITERATIONS": "4",
    "VAL_LOSS_EVERY": "2",
    "TRAIN_LOG_EVERY": "1",
    "WARMUP_STEPS": "0",
    "NUM_LAYERS": "2",
    "MODEL_DIM": "32",
    "NUM_HEADS": "4",
    "NUM_KV_HEADS": "2",
    "TRAIN_SEQ_LEN": "64",
    "TRAIN_BATCH_TOKENS": "512",
    "VAL_BATCH_SIZE": "16384",
    "MAX_WALLCLOCK_SECONDS": "0",
}
"""The naive baseline, as small as it goes: a run takes seconds."""


def interrupted(workspace: Workspace, *argv: str) -> tuple[int, str, Record]:
    """A `golf` command that hears Ctrl-C while its job runs: exit code, words on stderr, the job (cancelled since)."""
    begun = subprocess.Popen(
        [sys.executable, "-m", "golf.cli", *argv], cwd=workspace.root, stderr=subprocess.PIPE, text=True
    )
    store = JobStore(workspace)
    eventually(lambda: store.path.exists() and any(row.state == "running" for row in store.recent()), 120)
    begun.send_signal(signal.SIGINT)
    _, told = begun.communicate(timeout=60)
    (row,) = store.recent()
    LocalJobs(workspace).cancel(row.id)
    return begun.returncode, told, row


def eventually(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait until `condition` is true; a condition that never comes true fails the test."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s"
        time.sleep(0.02)


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout


def planned(
    path: Path, run_id: str, seeds: Sequence[int] = (1,), *, backend: str = "toy", options: str = "{}",
    limit_s: float = 60.0, lease_s: float = 30.0,
) -> list[str]:  # fmt: skip
    """Leases in the database at `path`, planned for a run on tier `far` at a cent a second; returns their keys."""
    with contextlib.closing(database.connect(path, leases.TABLES)) as connection, database.transaction(connection):
        return leases.plan(
            connection, run_id, seeds, tier="far", backend=backend, options=options, usd_per_s=0.01, limit_s=limit_s,
            lease_s=lease_s,
        )  # fmt: skip


def course_settings(workspace: Workspace) -> str:
    """golf.toml's [data] of a workspace that has a course."""
    return f'[data]\npath = "{workspace.data}"\ntokenizer = "{workspace.tokenizer}"\n'


def on_course(root: Path, course: Path) -> Workspace:
    """Make `root` a workspace with a tiny tier on `course`."""
    root.mkdir(exist_ok=True)
    settings = "".join(f'{key} = "{value}"\n' for key, value in TINY.items())
    (root / "golf.toml").write_text(
        f'[data]\npath = "{course}/datasets/pydocs_sp1024"\ntokenizer = "{course}/tokenizers/pydocs_1024_bpe.model"\n'
        f"[tiers.tiny]\nparallel_seeds = 2\ntime_limit_s = 200\n[tiers.tiny.env]\n{settings}"
    )
    git(root, "init", "--quiet")
    return Workspace(root)


def scored(
    workspace: Workspace,
    name: str,
    score: float,
    *,
    script: str = "x = 1\n",
    beside: dict[str, str] | None = None,
    **claim: Any,
) -> Path:
    """An experiment with a result nobody trained for: two seeds, a decision by the real gates, a row in the ledger.

    For tests of what comes after a run; what a run itself does is tested on real ones.
    """
    source = workspace.state / "train_gpt.py"
    source.write_text(script)
    folder = experiments.claim(workspace, name, hypothesis=f"{name} helps", script=source, **claim)
    for file, content in (beside or {}).items():
        (folder / file).write_text(content)
    experiment = experiments.load(folder)
    baseline = promotion.running_baseline(workspace, experiment.tier)
    seeds = [
        SeedResult(
            seed=number, val_bpb=value, val_loss=value, logged_val_bpb=value, artifact_bytes=9_000_000,
            train_time_s=100.0, eval_time_s=1.0, memory_bytes=1, log=f"logs/train_seed{number}.log",
        )
        for number, value in ((1, score - 0.001), (2, score + 0.001))
    ]  # fmt: skip
    decided = gate.decide(
        experiment=folder.name,
        tier=experiment.tier,
        scores=[seed.val_bpb for seed in seeds],
        baseline=None if baseline is None else baseline.experiment,
        baseline_scores=[] if baseline is None else [seed.val_bpb for seed in baseline.seeds],
        artifact_bytes=9_000_000,
        limit_bytes=workspace.challenge.artifact_bytes_max,
        line_delta=experiments.line_delta(workspace, folder, experiment),
        has_hypothesis=True,
    )
    run_id = f"run-{name}"
    commit, _ = worktree.snapshot(workspace.root, run_id, always=[folder / experiments.CONFIG])
    result = Result(
        experiment=folder.name, run_id=run_id, commit=commit, tier=experiment.tier, status=decided.decision,
        promoted="pending" if decided.promoted else "no", hypothesis=experiment.hypothesis, val_bpb=score,
        artifact_bytes=9_000_000, headroom_bytes=7_000_000, train_time_s=100.0, seeds=seeds, promotion=decided,
        data="d", settings=experiment.env, finished_at=datetime.now(UTC),
    )  # fmt: skip
    record.record(workspace, result, experiments.described(folder.name, experiment))
    return folder


def verdict(
    workspace: Workspace, name: str, word: str = "accept", *, by: str = "critic", failing: tuple[str, ...] = ()
) -> Note:
    """A critic's verdict on the experiment as it stands now."""
    sheet = review.sheet(workspace, name)
    return review.record(
        workspace,
        name,
        by=by,
        verdict=word,
        reason=f"{word}: read it all",
        diff_sha256=sheet.diff_sha256,
        points={point.name: f"{'fail' if point.name in failing else 'pass'}: looked at it" for point in sheet.points},
    )
