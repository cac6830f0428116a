"""Workspaces to test in: real git repositories with a golf.toml."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from golf.workspace import Workspace


def eventually(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait until `condition` is true; a condition that never comes true fails the test."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s"
        time.sleep(0.02)


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """An empty workspace in a git repository of its own, and the current directory."""
    root = tmp_path / "ws"
    root.mkdir()
    (root / "golf.toml").write_text("")
    git(root, "init", "--quiet")
    monkeypatch.chdir(root)
    monkeypatch.delenv("GOLF_WORKSPACE", raising=False)
    return Workspace(root)


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


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real shards and a real tokenizer, with a validation split of 8,192 tokens."""
    from golf.data.course import build_course
    from golf.measure import shards

    folder = tmp_path_factory.mktemp("course")
    built = build_course(folder)
    tokens = shards.tokens(built.validation_shard)[:8193].copy()
    shards.write_shard(built.validation_shard, tokens)
    return folder


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


@pytest.fixture
def course_workspace(workspace: Workspace, course: Path) -> Workspace:
    """A workspace of its own on the session's course; trainers may be any script."""
    return on_course(workspace.root, course)


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory, course: Path) -> Workspace:
    """A workspace in which the naive baseline was really played, over two seeds. Tests read it and add to it."""
    from golf.jobs.local import LocalJobs
    from golf.play import experiments, start

    workspace = on_course(tmp_path_factory.mktemp("played"), course)
    script = Path(__file__).parents[1] / "baselines" / "naive" / "train_gpt.py"
    experiments.claim(workspace, "base", hypothesis="h", script=script, tier="tiny", seeds=[1, 2])
    ended = LocalJobs(workspace).wait(start.start_run(workspace, "base").id, 240)
    assert ended.state == "done", ended.message
    return workspace
