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
