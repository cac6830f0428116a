"""A child process ends whole, its output is capped, its memory is measured."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from scene import eventually

from golf.jobs import process


def play(code: str, tmp_path: Path, **options: object) -> process.Ended:
    options.setdefault("should_stop", lambda: None)
    return process.run(
        [sys.executable, "-u", "-c", code], cwd=tmp_path, env=dict(os.environ), output=tmp_path / "out", **options
    )


def test_output_of_both_streams_and_the_exit_code_are_kept(tmp_path: Path) -> None:
    ended = play("import sys; print('hello'); print('oops', file=sys.stderr); sys.exit(3)", tmp_path)
    assert (ended.exit_code, ended.reason) == (3, None)
    assert (tmp_path / "out").read_text() == "hello\noops\n"


def test_a_child_ended_by_a_signal_has_minus_that_signal_as_its_code(tmp_path: Path) -> None:
    assert play("import os; os.kill(os.getpid(), 9)", tmp_path).exit_code == -9


def test_output_beyond_the_cap_is_dropped_and_does_not_block_the_child(tmp_path: Path) -> None:
    ended = play("print('x' * 5_000_000)", tmp_path, output_cap_bytes=1000)
    assert ended.exit_code == 0
    assert (tmp_path / "out").stat().st_size == 1000


def test_peak_memory_is_the_child_s(tmp_path: Path) -> None:
    """Asked in a small process: on Linux a child's peak is never below its parent's size at the fork."""
    code = (
        "import os, sys; from pathlib import Path; from golf.jobs import process\n"
        "command = [sys.executable, '-c', 'x = bytearray(200_000_000)']\n"
        "here = Path.cwd()\n"
        "ended = process.run(command, cwd=here, env=dict(os.environ), output=here / 'out', should_stop=lambda: None)\n"
        "print(ended.peak_memory_bytes)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert 200_000_000 < int(done.stdout) < 260_000_000


def test_what_a_job_starts_while_it_is_ended_is_ended_too(tmp_path: Path) -> None:
    """As a worker that goes from one phase to the next, and starts its trainer, after its job was looked through."""
    code = (
        "import os, signal, subprocess, sys, time\n"
        "def late(*_):\n"
        "    subprocess.Popen(['sleep', '600'], start_new_session=True); os._exit(0)\n"
        "signal.signal(signal.SIGTERM, late); open('ready', 'w'); time.sleep(600)\n"
    )
    mark = f"job-{tmp_path.name}"
    env = {**os.environ, process.JOB_MARK: mark}
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=env) as worker:
        eventually((tmp_path / "ready").exists)
        try:
            process.end_marked(mark)
            assert worker.wait(10) == 0, "it was asked, and has started its trainer"
            assert process.marked(mark) == []
        finally:
            for left in process.marked(mark):
                left.kill()


def test_stopping_ends_children_that_ignore_the_request_and_their_children(tmp_path: Path) -> None:
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open('pid', 'w').write(str(child.pid)); print('ready'); time.sleep(600)\n"
    )

    def ready() -> str | None:
        return "enough" if "ready" in (tmp_path / "out").read_text() else None

    ended = play(code, tmp_path, should_stop=ready, grace_s=0.2)
    assert (ended.reason, ended.exit_code) == ("enough", -signal.SIGKILL)
    grandchild = int((tmp_path / "pid").read_text())
    eventually(lambda: not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == "zombie")


def test_what_a_descendant_says_late_goes_to_its_own_file_and_to_no_other(tmp_path: Path) -> None:
    """The pipe outlives the child; its descriptor must not be given to another file meanwhile."""
    code = (
        "import subprocess, sys\n"
        'late = \'import pathlib, time\\nwhile not pathlib.Path("go").exists(): time.sleep(0.01)\\nprint("late")\'\n'
        "subprocess.Popen([sys.executable, '-u', '-c', late], start_new_session=True); print('early')\n"
    )
    play(code, tmp_path)
    others = [open(tmp_path / f"other{number}", "w") for number in range(20)]  # noqa: SIM115 # takes any free descriptor
    (tmp_path / "go").touch()
    eventually(lambda: "late" in (tmp_path / "out").read_text())
    for other in others:
        other.close()
    assert all((tmp_path / f"other{number}").stat().st_size == 0 for number in range(20))


def test_an_exception_while_it_runs_leaves_no_child(tmp_path: Path) -> None:
    def explode() -> str | None:
        raise RuntimeError("the watcher failed")

    started: list[int] = []
    with pytest.raises(RuntimeError, match="the watcher failed"):
        play("import time; time.sleep(600)", tmp_path, should_stop=explode, on_start=started.append)
    assert not process.is_alive(started[0], process.start_time(started[0]))


def test_a_command_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        process.run(["no-such-program"], cwd=tmp_path, env={}, output=tmp_path / "out", should_stop=lambda: None)


def test_a_process_is_its_pid_and_its_start_time() -> None:
    started = process.start_time(os.getpid())
    assert started is not None
    assert process.is_alive(os.getpid(), started)
    assert not process.is_alive(os.getpid(), started - 3600)  # a reused pid
    assert not process.is_alive(None, None)
