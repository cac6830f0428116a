"""Workspaces to test in: real git repositories with a golf.toml, and one in which a round was really played."""

import signal
from pathlib import Path

import pytest
from hypothesis import settings
from scene import git, on_course

from golf.workspace import Workspace

settings.register_profile("untimed", deadline=None)  # how long a thing takes is for bench/, not for tests
settings.load_profile("untimed")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background: children would never hear Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_workspace_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """`golf -w DIR` names one for its whole process, which here has other tests to run."""
    monkeypatch.setenv("GOLF_WORKSPACE", "")
    monkeypatch.delenv("GOLF_WORKSPACE")


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
