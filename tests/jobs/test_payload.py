"""The script on the other side holds its limit and says how it ended, whatever runs inside it."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from golf.jobs import payload
from golf.jobs.backend import Launch, RemoteSettings


def played(folder: Path, command: list[str], limit_s: float = 30.0, **settings: str) -> tuple[int, str]:
    """Exit code as written, and what was printed."""
    (folder / payload.TREE).mkdir()
    launch = Launch("key", "owner", folder, command, {"NAME": "it's $HOME"}, [], limit_s, 0)
    (folder / payload.SCRIPT).write_text(payload.script(launch, RemoteSettings(**settings)))
    subprocess.run(["sh", str(folder / payload.SCRIPT)], timeout=60, check=False)
    code = payload.exit_code((folder / payload.EXIT).read_text())
    assert code is not None
    return code, (folder / payload.OUTPUT).read_text()


def test_variables_arrive_as_they_are_and_the_trainer_runs_in_its_tree(tmp_path: Path) -> None:
    code, said = played(tmp_path, ["sh", "-c", 'echo "$NAME"; pwd; echo weights > model.ptz'])
    assert code == 0 and said.splitlines() == ["it's $HOME", str(tmp_path / payload.TREE)]
    assert (tmp_path / payload.TREE / "model.ptz").exists()


def test_an_exit_code_is_the_trainers(tmp_path: Path) -> None:
    assert played(tmp_path, ["sh", "-c", "exit 7"])[0] == 7


@pytest.mark.parametrize("setup", ["exit 5", "false", "echo on\nfalse"])
def test_a_setup_that_fails_or_leaves_is_how_it_ended(tmp_path: Path, setup: str) -> None:
    code, said = played(tmp_path, ["echo", "trained"], setup=setup)
    assert code in (1, 5) and "trained" not in said


def test_the_limit_holds_for_the_setup_as_well(tmp_path: Path) -> None:
    began = time.monotonic()
    assert played(tmp_path, ["echo", "trained"], limit_s=1.0, setup="sleep 50")[0] == 124
    assert time.monotonic() - began < 20


def test_the_other_sides_paths_and_interpreter_take_the_place_of_ours(tmp_path: Path) -> None:
    launch = Launch("k", "o", tmp_path, ["{python}", "train.py"], {"DATA_PATH": "/here", "SEED": "1"}, [], 9, 0)
    there = RemoteSettings(python="/opt/py", data="/there/shards")
    assert payload.environment(launch, there)["DATA_PATH"] == "/there/shards"
    assert "DATA_PATH" not in payload.environment(launch, RemoteSettings())
    assert "exec /opt/py train.py" in payload.script(launch, there)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"exit_code": "0"}', json.dumps({"code": 0})])
def test_an_exit_that_is_not_whole_is_none(text: str) -> None:
    assert payload.exit_code(text) is None
