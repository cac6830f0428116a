"""`golf watch`: a run is read as it grows, step by step, and nothing of it is touched."""

import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from scene import scored

from golf.cli import main
from golf.desk.analysis import live
from golf.errors import NotFound
from golf.jobs.progress import Status
from golf.jobs.store import JobStore
from golf.report import live as shown
from golf.workspace import Workspace

HEAD = "train_batch_tokens:1000 iterations:10 max_wallclock_seconds:600 seed:1\n"


def lines(first: int, last: int) -> str:
    """Two seconds a step."""
    return "".join(
        f"step:{step}/10 train_loss:{4 - step / 5:.4f} train_time:{2000 * step}ms step_avg:2000.00ms\n"
        for step in range(first, last + 1)
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "train_seed1.log"
    path.write_text(HEAD + lines(1, 4))
    return path


def test_a_growing_log_shows_its_step_speed_and_the_time_that_is_left(log: Path) -> None:
    seed = live.look(None, str(log)).seeds[0]
    assert (seed.step, seed.iterations, seed.train_loss) == (4, 10, pytest.approx(3.2))
    assert seed.steps_per_s == pytest.approx(0.5)
    assert seed.tok_per_s == pytest.approx(500)
    assert seed.time_left_s == pytest.approx(12)
    assert seed.last_lines[-1].startswith("step:4/10")
    with log.open("a") as file:
        file.write(lines(5, 9) + "step:10/10 train_l")  # torn: it is being written
    assert live.look(None, str(log)).seeds[0].step == 9


def test_the_wall_clock_cap_comes_before_the_last_step_where_it_does(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(HEAD.replace("seconds:600", "seconds:10") + lines(1, 4))
    assert live.look(None, str(path)).seeds[0].time_left_s == pytest.approx(2)


def test_a_log_that_is_silent_for_long_has_ended_by_the_clock_that_is_given(log: Path) -> None:
    written = log.stat().st_mtime
    assert live.look(None, str(log), now=lambda: written + 30).state == "running"
    ended = live.look(None, str(log), now=lambda: written + live.QUIET_S + 1)
    assert ended.has_ended
    assert ended.seeds[0].time_left_s is None


def test_a_pipe_gets_a_line_for_every_change_until_the_run_has_ended(log: Path) -> None:
    """A thread writes as a trainer would; each look waits for its next lines, so that nothing depends on time."""
    wanted, written = threading.Semaphore(0), threading.Semaphore(0)
    now = {"s": log.stat().st_mtime}

    def train() -> None:
        for step in (5, 6, 6, 7):
            wanted.acquire()
            if lines(step, step) not in log.read_text():
                with log.open("a") as file:
                    file.write(lines(step, step))
            written.release()
        wanted.acquire()
        now["s"] = log.stat().st_mtime + live.QUIET_S + 1
        written.release()

    def wait(seconds: float) -> None:
        assert seconds == 0.25
        wanted.release()
        assert written.acquire(timeout=30)

    trainer = threading.Thread(target=train)
    trainer.start()
    out = io.StringIO()
    shown.follow(lambda: live.look(None, str(log), now=lambda: now["s"]), out, wait, 0.25)
    trainer.join(30)
    said = out.getvalue().splitlines()
    steps = [line.split("step ")[1].split("/")[0] for line in said if "step " in line and "left" in line]
    assert steps == ["4", "5", "6", "7"]  # the second 6 was nothing new
    assert said[0] == "train_seed1.log: running"


def test_a_terminal_gets_a_curve_that_is_redrawn(log: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    looks: Iterator[live.Live] = iter(
        [live.look(None, str(log)), live.look(None, str(log)).model_copy(update={"state": "done"})]
    )
    out = Terminal()
    shown.follow(lambda: next(looks), out, lambda seconds: None)
    said = out.getvalue()
    assert any(0x2800 < ord(character) <= 0x28FF for character in said)
    assert "Ctrl-C stops looking, not the run" in said


def test_a_curve_falls_where_the_values_fall() -> None:
    drawn = shown.curve([(step, 10.0 - step) for step in range(11)], 30, 5)
    assert len(drawn) == 5
    first = [next(i for i, c in enumerate(line[6:]) if c != "⠀") for line in drawn]
    assert first == sorted(first)
    assert drawn[-1].lstrip().startswith("0.000")


def test_a_job_is_watched_by_name_by_id_and_by_being_the_newest(workspace: Workspace, log: Path) -> None:
    folder = scored(workspace, "wider", 1.3, env={"TRAIN_BATCH_TOKENS": "2000"})
    store = JobStore(workspace)
    job = store.add("run", folder.name, "local")
    store.started(job.id)
    store.folder(job.id).mkdir(parents=True)
    Status(store.folder(job.id)).phase("training seed 1", logs=[log])
    before = log.read_bytes(), log.stat().st_mtime_ns
    for subject in (None, "wider", job.id):
        seen = live.look(workspace, subject)
        assert (seen.subject, seen.state, seen.phase) == (folder.name, "running", "training seed 1")
        assert seen.seeds[0].tok_per_s == pytest.approx(1000)  # the run's own settings say the batch
        assert seen.budget_left_usd == 500.0
    assert (log.read_bytes(), log.stat().st_mtime_ns) == before
    store.ended(job.id, "failed", 1, "out of memory")
    assert live.look(workspace, job.id).message == "out of memory"
    with pytest.raises(NotFound, match="nothing runs here now"):
        live.look(workspace)


def test_ctrl_c_stops_looking_and_sends_the_run_nothing(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent: list[object] = []
    monkeypatch.setattr(os, "kill", lambda *what: sent.append(what))
    monkeypatch.setattr(os, "killpg", lambda *what: sent.append(what))

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    monkeypatch.chdir(log.parent)
    assert main(["watch", str(log)]) == 0
    assert "stopped looking; train_seed1.log goes on" in capsys.readouterr().err
    assert not sent


def test_once_and_json_are_for_scripts(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(log.parent)
    assert main(["watch", str(log), "--once"]) == 0
    assert "step 4/10" in capsys.readouterr().out
    assert main(["watch", str(log), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["seeds"][0]["points"][-1] == [4, pytest.approx(3.2)]


def test_what_a_log_says_cannot_act_on_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.log"
    path.write_text(lines(1, 2) + "\x1b[2Jgone\n")
    assert main(["watch", str(path), "--once"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_nothing_to_watch_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"golf watch train\.log"):
        live.look(None)
    with pytest.raises(NotFound, match="no log in"):
        (tmp_path / "empty").mkdir()
        live.look(None, str(tmp_path / "empty"))


def test_a_log_that_ends_in_a_traceback_has_ended_badly(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with log.open("a") as file:
        file.write('Traceback (most recent call last):\n  File "train.py", line 9\nRuntimeError: out of memory\n')
    written = log.stat().st_mtime
    assert live.look(None, str(log), now=lambda: written + 1).state == "running"  # some print one and go on
    seen = live.look(None, str(log), now=lambda: written + live.DEAD_S + 1)
    assert (seen.state, seen.message) == ("failed", "the log ends in an error: RuntimeError: out of memory")
    os.utime(log, (written - 100, written - 100))
    assert main(["watch", str(log), "--once"]) == 1
    capsys.readouterr()
    with log.open("a") as file:
        file.write(lines(5, 6))
    assert live.look(None, str(log), now=lambda: written + live.DEAD_S + 100).state == "running"


def test_a_name_that_is_nothing_is_named_outside_a_workspace_too() -> None:
    with pytest.raises(NotFound, match="no log or folder 'wider'"):
        live.look(None, "wider")
