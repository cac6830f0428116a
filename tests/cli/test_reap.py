"""`golf reap` says what it cannot judge from here, why, and what closes it."""

import contextlib
import shutil
from pathlib import Path

import pytest

from golf import database
from golf.cli import main
from golf.jobs.store import TABLES, JobStore
from golf.workspace import Workspace


def reap(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    code = main(["reap", *options])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_copied_workspace_says_how_many_jobs_cannot_be_judged_there_and_what_closes_them(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [JobStore(workspace).add("run", name, "local").id for name in ("x", "y")]
    assert reap(capsys)[::2] == (0, "")
    shutil.copytree(workspace.root, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    code, out, err = reap(capsys)
    assert code == 1 and all(one in out for one in ids)
    assert err.startswith("golf reap: 2 open jobs cannot be judged from here")
    assert all(one in err for one in ids)
    assert "copied or restored folder" in err and "golf reap --adopt" in err and "--gone" not in err
    assert reap(capsys, "--adopt")[::2] == (0, "")
    assert reap(capsys)[::2] == (0, "")


def test_a_job_of_another_machine_is_closed_on_somebody_s_word(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    job = JobStore(workspace).add("run", "x", "local")
    elsewhere = f"elsewhere 1-2-3 pid:[4026531836] {workspace.database.stat().st_ino}"
    with contextlib.closing(database.connect(workspace.database, TABLES)) as connection:
        connection.execute("UPDATE jobs SET place = ?", (elsewhere,))
    code, _, err = reap(capsys)
    assert code == 1
    assert "1 open job cannot be judged from here" in err and "golf cancel ID --gone" in err
    assert "--adopt" not in err
    assert reap(capsys, "--adopt")[0] == 1, "it is no copy"
    JobStore(workspace).ended(job.id, "cancelled", None, "")
    assert reap(capsys)[::2] == (0, "")
