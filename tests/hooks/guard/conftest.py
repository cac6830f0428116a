"""Furnished workspaces: one to change, one at rest, one while a run is on."""

import pytest
from guarded import EXPERIMENT, furnished

from golf.jobs.store import JobStore
from golf.play import notes
from golf.workspace import Workspace


@pytest.fixture
def course(workspace: Workspace) -> Workspace:
    """A furnished workspace that a test may change."""
    return furnished(workspace.root)


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A furnished workspace that no test changes; its last run has ended, its humans have opened every record."""
    workspace = furnished(tmp_path_factory.mktemp("idle") / "ws")
    store = JobStore(workspace)
    store.ended(store.add("run", EXPERIMENT, "local").id, "done", 0, "")
    for target in (".golf", "results.tsv", "notes.jsonl", "experiments"):
        notes.allow_edits(workspace, target, "nobody may", "human:ada")
    return workspace


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One that no test changes, while a run is on: this process answers for it."""
    workspace = furnished(tmp_path_factory.mktemp("busy") / "ws")
    JobStore(workspace).add("run", EXPERIMENT, "local")
    return workspace


@pytest.fixture
def during_a_run(course: Workspace) -> Workspace:
    """A workspace that a test may change, while a run is on."""
    JobStore(course).add("run", EXPERIMENT, "local")
    return course
