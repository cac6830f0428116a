"""Repositories in which notes and code have an order."""

from pathlib import Path

import pytest
from repositories import CLAIM, Repository

from golf.play import experiments
from golf.workspace import Workspace


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    root = tmp_path / "repository"
    root.mkdir()
    found = Repository(root)
    found.commit(("train.py", "x = 1\n"))
    return found


@pytest.fixture
def claimed(workspace: Workspace) -> tuple[Workspace, Repository]:
    """A workspace with a committed baseline."""
    repository = Repository(workspace.root)
    repository.write("train_gpt.py", "x = 1\n")
    experiments.claim(workspace, "base", script=workspace.root / "train_gpt.py", **CLAIM)
    repository.commit((".gitignore", ".golf/\n"))
    return workspace, repository
