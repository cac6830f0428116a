"""Code that is not trusted runs, answers, and can do nothing else."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil
import pytest

from golf.errors import JobFailed
from golf.jobs import jail, view
from golf.jobs.confine import Confined, Limits

ECHO = "import os\nwhile data := os.read(0, 1 << 16): os.write(3, data)"

GOLF = Path(jail.__file__).parents[1]

needs_namespaces = pytest.mark.skipif(
    subprocess.run(["unshare", "-Urnm", "true"], capture_output=True).returncode != 0
    if shutil.which("unshare")
    else True,
    reason="this system gives no namespaces to unprivileged users",
)


def child(code: str, **options) -> Confined:
    return Confined([sys.executable, "-S", "-c", code], **options)


def ask(code: str, **options) -> object:
    """The JSON that `code` answers: the value of its last expression, or the error it met."""
    body, _, last = code.strip().rpartition("\n")
    program = f"import json, os\ndef ask():\n import socket, ctypes, signal\n {body or 'pass'}\n return {last}\n"
    program += "try: said = ask()\nexcept BaseException as error: said = type(error).__name__\n"
    with child(program + "os.write(3, json.dumps(said).encode() + b'\\n')", **options) as confined:
        return json.loads(confined.readline())


def test_what_is_sent_comes_back_whole_however_long_it_is() -> None:
    data = os.urandom(3_000_001)
    with child(ECHO) as confined:
        writer = threading.Thread(target=confined.write, args=(data,))
        writer.start()
        assert confined.read(len(data)) == data
        writer.join()


def test_every_measure_that_is_in_force_or_lacking_is_named() -> None:
    with child(ECHO) as confined:
        named = " ".join(confined.in_force + confined.lacking)
    for measure in ("no network", "read-only", "limits", "no capabilities", "Landlock", "no sockets", "wall-clock"):
        assert measure in named


@needs_namespaces
def test_nothing_is_lacking_where_namespaces_are_allowed() -> None:
    with child(ECHO, hidden=[Path(__file__)]) as confined:
        assert confined.lacking == []


@pytest.mark.skipif(sys.platform != "linux", reason="the system call filter is Linux's")
def test_there_are_no_sockets_of_any_kind() -> None:
    assert ask("[socket.socket(family) for family in (socket.AF_INET,)]") == "PermissionError"
    assert ask("[socket.socket(family) for family in (socket.AF_UNIX,)]") == "PermissionError"


@needs_namespaces
def test_there_is_no_network_interface_but_a_loopback_that_is_down() -> None:
    assert ask("open('/proc/net/dev').read().count(':')") in (0, 1)


def test_only_its_scratch_folder_can_be_written(tmp_path: Path) -> None:
    target = tmp_path / "theirs"
    target.write_text("before")
    for attempt in (f"open({str(target)!r}, 'w')", f"os.unlink({str(target)!r})", f"os.mkdir({str(tmp_path / 'x')!r})"):
        assert ask(attempt) in ("OSError", "PermissionError")
    assert target.read_text() == "before"
    assert ask("open('mine', 'w').write('x')") == 1
    assert ask("os.listdir('.')") == [], "scratch does not outlive its process"


@needs_namespaces
def test_hidden_files_and_folders_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "shard.bin").write_text("the text")
    (tmp_path / "answer").write_text("42")
    hidden = [tmp_path / "folder", tmp_path / "answer", tmp_path / "nowhere"]
    assert ask(f"os.listdir({str(tmp_path / 'folder')!r})", hidden=hidden) == []
    assert ask(f"open({str(tmp_path / 'answer')!r}).read()", hidden=hidden) == ""


@needs_namespaces
def test_one_that_is_shown_something_sees_that_and_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "weights").write_text("42")
    (tmp_path / "copy.bin").write_text("the text")
    shown = [tmp_path / "mine"]
    assert ask(f"open({str(tmp_path / 'mine' / 'weights')!r}).read()", shown=shown) == "42"
    for theirs in (tmp_path / "copy.bin", Path(__file__), Path("~/.bashrc").expanduser(), Path("/etc/shadow")):
        assert ask(f"open({str(theirs)!r}).read()", shown=shown) == "FileNotFoundError"
        assert ask(f"open('/proc/1/root' + {str(theirs)!r}).read()", shown=shown) == "FileNotFoundError"
    assert ask(f"os.listdir({str(tmp_path)!r})", shown=shown) == ["mine"]
    for attempt in ("open('/mine', 'w')", f"open({str(tmp_path / 'mine' / 'weights')!r}, 'w')", "os.mkdir('/x')"):
        assert ask(attempt, shown=shown) == "OSError"
    assert ask("open('mine', 'w').write('x')", shown=shown) == 1, "the scratch folder is its own"


@needs_namespaces
def test_one_that_is_shown_nothing_still_finds_its_interpreter_and_golf() -> None:
    code = "import golf.errors, numpy, json, os; os.write(3, json.dumps(os.listdir('/etc')).encode() + bytes([10]))"
    with Confined([sys.executable, "-c", code], shown=[]) as confined:
        assert "shadow" not in json.loads(confined.readline())
    assert confined.lacking == []
    assert any(line.startswith(jail.VIEW) for line in confined.in_force)


@needs_namespaces
def test_an_interpreter_by_a_roundabout_path_or_a_wrapper_script_is_found(tmp_path: Path) -> None:
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    executable = Path(sys.executable)
    for python in (f"{executable.parent}/../{executable.parent.name}/{executable.name}", str(wrapper)):
        with Confined([python, "-c", "import numpy, os; os.write(3, b'up' + bytes([10]))"], shown=[]) as confined:
            assert confined.readline() == b"up"


def test_a_view_follows_symbolic_links_to_where_they_lead(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("x")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to(tmp_path / "c" / ".." / "real")
    (tmp_path / "c").mkdir()
    places, links = view.of("/no/such/python", [tmp_path / "a" / "file", tmp_path / "nowhere"])
    assert str(tmp_path / "real" / "file") in places
    assert links[str(tmp_path / "a")] == "b"
    assert not [place for place in places if "nowhere" in place]


@needs_namespaces
def test_hiding_a_folder_keeps_the_interpreter_and_golf_in_it(tmp_path: Path) -> None:
    import golf

    root = Path(golf.__file__).parents[1]
    code = f"import golf.errors, json, os; os.write(3, json.dumps(os.listdir({str(root)!r})).encode() + bytes([10]))"
    with Confined([sys.executable, "-c", code], hidden=[root, root / "tests"]) as confined:
        left = json.loads(confined.readline())
    assert "golf" in left and "tests" not in left
    assert confined.lacking == []


@needs_namespaces
def test_secrets_are_neither_in_its_environment_nor_in_the_home_folder_nor_in_other_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HF_TOKEN", "hunter2")
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519").write_text("hunter2")
    (tmp_path / ".netrc").write_text("hunter2")
    assert ask("'hunter2' in repr(os.environ)") is False
    assert ask("os.listdir(os.path.expanduser('~/.ssh'))") == []
    assert ask("open(os.path.expanduser('~/.netrc')).read()") == ""
    assert ask("[name for name in os.listdir('/proc') if name.isdigit()]") == ["1"]


@needs_namespaces
@pytest.mark.parametrize("path", ["/proc/sys/kernel/core_pattern", "/sys/kernel/uevent_helper", "/dev/vda", "/dev/mem"])
def test_not_even_root_writes_to_the_system(path: str) -> None:
    assert ask(f"open({path!r}, 'r+b')") in ("OSError", "FileNotFoundError", "PermissionError")


def test_it_inherits_no_open_file(tmp_path: Path) -> None:
    with open(tmp_path / "ours", "w") as ours:
        os.set_inheritable(ours.fileno(), True)
        assert ask(f"os.fstat({ours.fileno()})") == ("OSError" if ours.fileno() > 3 else None)


def test_one_that_takes_too_long_is_ended_with_its_children_and_says_so() -> None:
    code = "import os, time\nos.fork() or os.setsid()\nprint('still here', flush=True)\ntime.sleep(600)"
    with child(code, limits=Limits(time_s=0.5)) as confined, pytest.raises(JobFailed, match=r"0.5 s.*still here"):
        confined.readline()


def test_what_it_leaves_behind_dies_with_it() -> None:
    code = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(3, b"up\\n")
        time.sleep(600)
    os._exit(0)
time.sleep(600)
"""
    with child(code) as confined:
        confined.readline()
        left = psutil.Process(confined._child.pid).children(recursive=True)
    assert len(left) >= 2
    _, alive = psutil.wait_procs(left, timeout=10)
    assert alive == []


def test_memory_is_limited_for_each_process() -> None:
    assert ask("len(bytearray(400 << 20))", limits=Limits(memory_bytes=200 << 20)) == "MemoryError"


def test_memory_is_limited_for_all_processes_together() -> None:
    code = "import os, time\nos.fork(); os.fork()\nheld = bytearray(os.urandom(1 << 20)) * 60\ntime.sleep(600)"
    with child(code, limits=Limits(memory_bytes=150 << 20)) as confined, pytest.raises(JobFailed, match="more memory"):
        confined.readline()


def test_a_fork_bomb_is_ended() -> None:
    # one that only grows by the piece: root's is watched and not held, and would fill the table of the other tests
    bomb = child("import os, time\nwhile True: os.fork() or time.sleep(600)", limits=Limits(processes=40))
    with bomb as confined, pytest.raises(JobFailed, match="more processes"):
        confined.readline()


def test_its_files_are_limited() -> None:
    assert ask("open('x', 'wb').write(bytes(1 << 22))", limits=Limits(scratch_bytes=1 << 20)) == "OSError"


@pytest.mark.parametrize(
    "code, how",
    [
        ("raise SystemExit(3)", "exit status 3"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL|exit status"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("import os, time; os.close(3); time.sleep(600)", "closed its answers"),
        ("print('\\x1b[2J' + 'last words')", r"last words: \\x1b\[2Jlast words"),
        ("raise ValueError('why')", "ValueError: why"),
    ],
)
def test_an_end_without_an_answer_says_how_it_ended(code: str, how: str) -> None:
    with child(code) as confined, pytest.raises(JobFailed, match=how):
        confined.read(1)


def test_a_command_that_cannot_be_started_is_named() -> None:
    with Confined(["/no/such/python"]) as confined, pytest.raises(JobFailed, match="/no/such/python"):
        confined.readline()


def test_a_line_without_end_is_refused_in_bounded_memory() -> None:
    with child("import os\nwhile True: os.write(3, b'x' * 65536)") as confined, pytest.raises(JobFailed, match="line"):
        confined.readline()


def test_output_without_end_does_not_block_it() -> None:
    with child("import os\nprint('x' * 10_000_000)\nos.write(3, b'done\\n')") as confined:
        assert confined.readline() == b"done"


def test_writing_to_one_that_has_gone_is_an_error_and_no_signal() -> None:
    with child("raise SystemExit(1)") as confined, pytest.raises(JobFailed, match="exit status 1"):
        confined.write(bytes(10_000_000))


def test_it_ends_when_its_caller_is_killed(tmp_path: Path) -> None:
    code = "import os, time\nos.write(3, b'up\\n')\ntime.sleep(600)"
    caller = f"""
import sys, time
from golf.jobs.confine import Confined
with Confined([sys.executable, "-S", "-c", {code!r}]) as confined:
    confined.readline()
    print(confined._child.pid, flush=True)
    time.sleep(600)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", caller], stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert process.stdout is not None
    with process.stdout:
        leader = psutil.Process(int(process.stdout.readline()))
    family = [leader, *leader.children(recursive=True)]
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


@needs_namespaces
def test_what_the_system_refuses_is_lacking_and_the_rest_still_holds() -> None:
    """Inside a confined process /proc is read-only: another one in it has to do without namespaces."""
    innermost = """
import os, socket, sys
for attempt in (lambda: open(sys.argv[1], "w"), socket.socket):
    try: attempt()
    except OSError as error: os.write(3, type(error).__name__.encode() + b" ")
os.write(3, b"%d" % open("x", "w").write("ok") + bytes([10]))
"""
    inner = f"""
import json, os, sys
from golf.jobs.confine import Confined
ours = os.path.abspath("ours")
open(ours, "w").close()
with Confined([sys.executable, "-S", "-c", {innermost!r}, ours], hidden=["/etc/passwd"]) as confined:
    said = confined.readline().decode()
    os.write(3, json.dumps([said, confined.in_force, confined.lacking]).encode() + bytes([10]))
"""
    with Confined([sys.executable, "-c", inner]) as confined:
        said, in_force, lacking = json.loads(confined.readline())
    assert said == "PermissionError PermissionError 2"
    assert [measure.split(":")[0] for measure in lacking] == ["no network", "hidden"]
    assert any("Landlock" in measure for measure in in_force)


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv") or not Path("/usr/bin/python3").exists(),
    reason="needs root, setpriv and a Python that others can read",
)
def test_an_unprivileged_user_gets_every_measure_too() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        (folder / "jail.py").write_bytes(Path(jail.__file__).read_bytes())
        scratch = folder / "scratch"
        scratch.mkdir()
        shutil.chown(scratch, 65534, 65534)
        (folder / "view").mkdir()
        places, links = view.of("/usr/bin/python3", [])
        places = [place for place in places if not place.startswith(str(GOLF))]
        code = f"""
import os
open("x", "w")
try:
    open("{place}/y", "w")
except OSError as error:
    os.write(3, b"%d" % error.errno)
"""
        spec = {
            "command": ["/usr/bin/python3", "-S", "-c", code],
            "env": {},
            "answers": 1,
            "scratch": str(scratch),
            "hidden": [],
            "kept": [],
            "view": {"root": str(folder / "view"), "places": places, "links": links, "told": "nothing"},
            "devices": [],
            "limits": {"memory_bytes": 1 << 30, "scratch_bytes": 1 << 20},
        }
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-I", "-S"]
        done = subprocess.run(
            [*command, str(folder / "jail.py"), json.dumps(spec)], capture_output=True, text=True, check=True
        )
    report, _, refused = done.stdout.partition("\n")
    assert json.loads(report)["lacking"] == []
    assert refused == "30", "a read-only file system"
