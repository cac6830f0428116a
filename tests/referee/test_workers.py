"""A submission that hangs, kills its process or eats memory costs its own slot, and the others get their judgement."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from golf.referee import workers
from golf.referee.judging import Judged
from golf.referee.workers import Task, answers

STANDIN = """
import json, os, sys, time
for line in sys.stdin:
    name = json.loads(line)["name"]
    if name == "hangs":
        time.sleep(600)
    if name == "dies":
        os._exit(7)
    print(json.dumps({"name": name, "pid": os.getpid()}), flush=True)
"""


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that do what a task's name says."""

    def start(scratch: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", STANDIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    monkeypatch.setattr(workers, "_start", start)


def tasks(*names: str) -> list[Task]:
    return [Task(name, Path(name)) for name in names]


@pytest.mark.timeout(60)
def test_who_hangs_or_dies_is_said_to_and_the_others_are_judged(standin: None) -> None:
    asked = tasks("a", "hangs", "b", "dies", "c", "d")
    found = {answer.task.name: answer for answer in answers(asked, num_workers=1, limit_s=1.0)}
    assert set(found) == {task.name for task in asked}
    assert [name for name in found if found[name].judged is None] == ["hangs", "dies"]
    assert found["hangs"].problem == "it took over 1 s"
    assert found["dies"].problem == "the process reading it ended with 7"
    processes = [json.loads(found[name].judged or b"")["pid"] for name in "abcd"]
    assert processes[2] == processes[3] and len(set(processes)) == 3  # a new one only where it was needed


@pytest.mark.timeout(60)
def test_whoever_stops_listening_leaves_no_process_behind(standin: None) -> None:
    asking = answers(tasks("a", "hangs", "hangs"), num_workers=2)
    process = json.loads(next(asking).judged or b"")["pid"]
    asking.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_no_process_is_started_for_nothing(standin: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_start", None)
    assert list(answers([], num_workers=2)) == []


def test_a_real_worker_judges_and_says_what_it_could_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started in a folder of strangers, whose modules it does not import."""
    (tmp_path / "json.py").write_text("raise SystemExit('ran')")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "train_gpt.py").write_text("print('hello')\n" * 100)
    monkeypatch.chdir(tmp_path)
    asked = [Task("a", tmp_path / "a"), Task("track_x/gone", tmp_path / "gone")]
    found = {}
    for answer in answers(asked, num_workers=1):
        assert answer.judged is not None, answer.problem
        found[answer.task.name] = Judged.model_validate_json(answer.judged)
    assert found["a"].ruling.examined == ["code", "files"]
    assert found["track_x/gone"].ruling.verdict == "review"
    assert "was not judged: NotFound" in found["track_x/gone"].ruling.reason
    assert found["track_x/gone"].ruling.submission.track == "x"


def test_there_are_no_more_workers_than_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(200)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 200)
    assert workers.available() == workers.WORKERS_MAX
