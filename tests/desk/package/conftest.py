"""A record folder of the round that was really played, and copies of it to be touched."""

import shutil
from pathlib import Path

import pytest
from packed import WHO

from golf.desk.package.packing import package
from golf.workspace import Workspace


@pytest.fixture(scope="session")
def record(played: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record folder of the round that was really played; tests copy it."""
    out = tmp_path_factory.mktemp("records")
    done = package(played, "base", WHO, out=out)
    assert done.written, done.reasons
    return Path(done.folder)


@pytest.fixture
def folder(record: Path, tmp_path: Path) -> Path:
    """A copy to be touched."""
    place = tmp_path / record.parent.name / record.name
    shutil.copytree(record, place)
    return place


@pytest.fixture
def copied(played: Workspace, tmp_path: Path) -> Workspace:
    """The played workspace, to be touched."""
    shutil.copytree(played.root, tmp_path / "ws")
    return Workspace(tmp_path / "ws")
