"""A launch on a machine reached by ssh outlives the connection, starts once, ends by itself, known by its mark."""

import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from scene import eventually
from standins import ssh as standin

from golf.errors import BadConfig
from golf.jobs import ssh
from golf.jobs.backend import BackendFailed, Launch, Refused, Uncertain, open_backend
from golf.jobs.ssh import Denied, Ssh, Unreachable

OWNER = secrets.token_hex(4)  # processes of a machine are found by it: tests run side by side
KEY = f"caddie-{OWNER}-20260101t000000-s1"
WRITES = (
    "import os, pathlib; pathlib.Path('model.bin').write_bytes(b'weights'); pathlib.Path('logs').mkdir();"
    "pathlib.Path('logs/a.txt').write_text('deep'); pathlib.Path('junk.tmp').write_text('x');"
    "os.symlink('/etc', 'away');"
    "print('seed', os.environ['SEED'], open('given.txt').read(), flush=True)"
)
WAITS = "import time; print('up', flush=True); time.sleep(600)"


@pytest.fixture(scope="module")
def machine() -> Iterator[standin.StandIn]:
    with standin.StandIn() as one:
        yield one


@pytest.fixture
def backend(machine: standin.StandIn) -> Iterator[Ssh]:
    machine.fault(None)
    yield Ssh(machine.options)
    machine.fault(None)
    for key in machine.alive(OWNER):
        Ssh(machine.options).end(key)
    shutil.rmtree(machine.folder, ignore_errors=True)


def launch(tmp_path: Path, code: str = WAITS, **changes: object) -> Launch:
    tree = tmp_path / "tree"
    tree.mkdir(exist_ok=True)
    (tree / "given.txt").write_text("words")
    one = Launch(
        key=KEY,
        owner=OWNER,
        tree=tree,
        command=["{python}", "-c", code],
        env={"SEED": "it's $(touch /tmp/nothing) `7`"},
        outputs=["*.bin", "logs/*.txt"],
        time_limit_s=60.0,
        gpus=0,
    )
    return replace(one, **changes)


def has_ended(backend: Ssh, key: str = KEY) -> bool:
    seen = backend.poll(key)
    return seen is not None and seen.state == "ended"


def is_up(backend: Ssh, key: str = KEY) -> bool:
    return b"up" in backend.log(key, 0)


def test_a_launch_runs_in_its_tree_and_its_outputs_alone_come_back(backend: Ssh, tmp_path: Path) -> None:
    one = launch(tmp_path, WRITES)
    assert backend.submit(one) == KEY
    eventually(lambda: has_ended(backend))
    seen = backend.poll(KEY)
    assert seen is not None
    assert (seen.exit_code, seen.key, seen.is_done, seen.cost_usd) == (0, KEY, True, None)
    assert seen.started_at is not None
    assert backend.log(KEY, 0) == f"seed {one.env['SEED']} words\n".encode()
    assert backend.log(KEY, 5) == f"{one.env['SEED']} words\n".encode()
    assert backend.log(KEY, 10_000) == b""
    to = tmp_path / "back"
    to.mkdir()
    backend.fetch(KEY, to, one.outputs)
    assert {str(path.relative_to(to)) for path in to.rglob("*")} == {"model.bin", "logs", "logs/a.txt"}
    assert (to / "model.bin").read_bytes() == b"weights"


def test_a_command_that_fails_is_known_by_its_code(backend: Ssh, tmp_path: Path) -> None:
    backend.submit(launch(tmp_path, "import sys; print('no more memory'); sys.exit(7)"))
    eventually(lambda: has_ended(backend))
    seen = backend.poll(KEY)
    assert seen is not None and seen.exit_code == 7


def test_a_launch_survives_the_connection_and_the_process_that_submitted_it(
    backend: Ssh, machine: standin.StandIn, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    code = (
        "import os; from pathlib import Path; from golf.jobs.ssh import Ssh; from golf.jobs.backend import Launch\n"
        f"Ssh({machine.options!r}).submit(Launch({KEY!r}, {OWNER!r}, Path({str(tree)!r}),\n"
        f"    ['{{python}}', '-c', {WAITS!r}], {{}}, [], 60.0, 0)); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    eventually(lambda: is_up(backend))
    machine.sshd.stop()
    assert machine.alive(OWNER) == [KEY]
    machine.sshd.start()
    seen = backend.poll(KEY)
    assert seen is not None and (seen.state, seen.exit_code) == ("running", None)


def test_submitting_a_key_again_starts_nothing(backend: Ssh, tmp_path: Path) -> None:
    one = launch(tmp_path, "import os; print('began', os.getpid(), flush=True); import time; time.sleep(600)")
    threads = [threading.Thread(target=lambda: Ssh(backend.settings.model_dump()).submit(one)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually(lambda: b"began" in backend.log(KEY, 0))
    assert backend.submit(one) == KEY
    backend.ask_to_stop(KEY)
    assert backend.log(KEY, 0).count(b"began") == 1
    assert [remote.id for remote in backend.mine(OWNER)] == [KEY]


def test_the_machine_ends_it_at_its_limit_setup_and_what_left_the_group_included(
    backend: Ssh, machine: standin.StandIn, tmp_path: Path
) -> None:
    settings = {**machine.options, "setup": "setsid sh -c 'trap \"\" TERM; sleep 600' & sleep 600"}
    Ssh(settings).submit(launch(tmp_path, time_limit_s=3.0))
    assert machine.alive(OWNER) == [KEY]
    eventually(lambda: not machine.alive(OWNER))
    seen = backend.poll(KEY)
    assert seen is not None and (seen.state, seen.exit_code) == ("ended", 124)


def test_ending_ends_the_whole_launch_and_nothing_else(backend: Ssh, machine: standin.StandIn, tmp_path: Path) -> None:
    foreign = machine.plant_foreign()
    leaves = (
        "import os, signal, subprocess, sys, time; signal.signal(15, signal.SIG_IGN)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "print('up', flush=True); time.sleep(600)"
    )
    backend.submit(launch(tmp_path, leaves))
    eventually(lambda: is_up(backend))
    backend.end(KEY)
    assert machine.alive(OWNER) == []
    assert machine.is_alive(foreign)
    seen = backend.poll(KEY)
    assert seen is not None and (seen.state, seen.exit_code) == ("ended", None)
    assert "no exit code" in seen.message
    backend.end(KEY)
    backend.end("caddie-never-was")


def test_a_reused_pid_is_not_taken_for_the_runner(backend: Ssh, machine: standin.StandIn, tmp_path: Path) -> None:
    backend.submit(launch(tmp_path, "pass"))
    eventually(lambda: has_ended(backend))
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        (machine.folder / KEY / "runner").write_text(f"{bystander.pid} 1700000000\n")
        assert has_ended(backend)
        backend.end(KEY)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_launch_whose_runner_was_killed_runs_as_long_as_anything_of_it_does(
    backend: Ssh, machine: standin.StandIn, tmp_path: Path
) -> None:
    backend.submit(launch(tmp_path))
    eventually(lambda: is_up(backend))
    runner = int((machine.folder / KEY / "runner").read_text().split()[0])
    os.kill(runner, signal.SIGKILL)
    eventually(lambda: not psutil.pid_exists(runner) or psutil.Process(runner).status() == psutil.STATUS_ZOMBIE)
    seen = backend.poll(KEY)
    assert seen is not None and seen.state == "running"
    backend.end(KEY)
    assert has_ended(backend) and machine.alive(OWNER) == []


def test_one_that_was_ended_before_it_started_never_starts(
    backend: Ssh, machine: standin.StandIn, tmp_path: Path
) -> None:
    one = launch(tmp_path)
    backend._say("prepare", key=KEY, owner=OWNER, script="echo began >>output.log")
    assert backend.poll(KEY) is None and backend.mine(OWNER) == []
    backend.end(KEY)
    with pytest.raises(Refused):
        backend.submit(replace(one, owner="0badf00d"))
    assert backend.submit(one) == KEY
    backend._say("start", key=KEY, runner=ssh._RUNNER, limit="60")
    eventually(lambda: not machine.alive(OWNER))  # a runner that finds its place taken leaves
    assert has_ended(backend) and backend.log(KEY, 0) == b""


def test_the_trainers_stop_file_appears(backend: Ssh, tmp_path: Path) -> None:
    polls = "import os, time\nwhile not os.path.exists(os.environ['GOLF_STOP']): time.sleep(0.05)\nprint('early')"
    backend.submit(launch(tmp_path, polls))
    assert backend.ask_to_stop(KEY)
    eventually(lambda: has_ended(backend))
    assert backend.log(KEY, 0) == b"early\n"
    assert not backend.ask_to_stop("caddie-never-was")


def test_only_this_owners_are_listed(backend: Ssh, machine: standin.StandIn, tmp_path: Path) -> None:
    foreign = machine.plant_foreign()
    backend.submit(launch(tmp_path))
    assert [remote.key for remote in backend.mine(OWNER)] == [KEY]
    assert [remote.key for remote in backend.mine("0badf00d")] == sorted(
        path.name for path in machine.folder.glob("caddie-0badf00d-*")
    )
    with pytest.raises(Refused, match="another owner"):
        backend.submit(launch(tmp_path, key=foreign))


@pytest.mark.parametrize("key", ["a b", "../up", "$(touch x)", "a;b", "-rf", "a\nb", "A", "", "a" * 64])
def test_a_hostile_key_is_refused_before_anything_is_said(tmp_path: Path, key: str) -> None:
    backend = Ssh({"host": "192.0.2.1"})
    for act in (lambda: backend.submit(launch(tmp_path, key=key)), lambda: backend.end(key), lambda: backend.poll(key)):
        with pytest.raises(Refused, match="no key of a launch"):
            act()


def test_a_hostile_folder_is_only_a_folder(machine: standin.StandIn, tmp_path: Path) -> None:
    name = 'it\'s $(touch pwned) `touch pwned`; touch pwned & "x" #'
    backend = Ssh({**machine.options, "folder": name})
    one = launch(tmp_path, WRITES)
    backend.submit(one)
    eventually(lambda: has_ended(backend))
    to = tmp_path / "back"
    to.mkdir()
    backend.fetch(KEY, to, one.outputs)
    assert (to / "model.bin").exists() and (machine.sshd.home / name / KEY).is_dir()
    assert not list(machine.sshd.home.rglob("pwned")) and not Path("pwned").exists()


@pytest.mark.parametrize("host", ["-oProxyCommand=touch x", "a b", "", "a;b", "x/../y"])
def test_a_hostile_host_is_no_option(host: str) -> None:
    with pytest.raises(BadConfig, match="host"):
        open_backend("ssh", {"host": host})


def test_a_machine_that_is_not_there_is_refused_in_words(machine: standin.StandIn, tmp_path: Path) -> None:
    backend = Ssh({**machine.options, "port": standin.free_port()})
    with pytest.raises(Refused, match=r"cannot be reached .*refused.*ssh 127"):
        backend.submit(launch(tmp_path))
    with pytest.raises(Unreachable):
        backend.poll(KEY)


def test_a_key_that_is_not_let_in_is_said(machine: standin.StandIn, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    standin.make_key(stranger)
    backend = Ssh({**machine.options, "identity": str(stranger)})
    with pytest.raises(Refused, match=r"refused the login.*options\.identity"):
        backend.submit(launch(tmp_path))
    with pytest.raises(Denied):
        backend.poll(KEY)


def test_an_unknown_host_key_is_said_and_one_may_be_accepted_once(machine: standin.StandIn, tmp_path: Path) -> None:
    known = tmp_path / "known"
    with pytest.raises(Denied, match=r"host key .* not known"):
        Ssh({**machine.options, "known_hosts": str(known)}).poll(KEY)
    trusting = {**machine.options, "known_hosts": str(known), "accept_new_host_key": True, "host_key_alias": "pod1"}
    assert Ssh(trusting).poll(KEY) is None
    other = (machine.sshd.identity.with_suffix(".pub")).read_text().split()[:2]
    known.write_text(f"pod1 {' '.join(other)}\n")
    with pytest.raises(Denied, match="host key"):
        Ssh(trusting).poll(KEY)


def test_a_program_missing_there_or_here_is_named(
    machine: standin.StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "cat", "mkdir", "setsid", "timeout"):
        (programs / name).symlink_to(str(shutil.which(name)))
    bare = standin.Sshd(tmp_path / "bare", "bare", extra=f"PATH={shlex.quote(str(programs))}; export PATH")
    bare.start()
    options = {**machine.options, "port": bare.port, "identity": str(bare.identity)}
    try:
        with pytest.raises(Refused, match=r"lacks rsync\. Install it there"):
            Ssh({**options, "known_hosts": str(bare.known_hosts)}).submit(launch(tmp_path))
    finally:
        bare.stop()
    monkeypatch.setattr(ssh.os, "environ", {**os.environ, "PATH": str(programs)})
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(Refused, match="not installed here"):
        Ssh(machine.options).submit(launch(tmp_path))


def test_a_connection_lost_while_starting_leaves_it_uncertain_and_listed(
    backend: Ssh, machine: standin.StandIn, tmp_path: Path
) -> None:
    machine.fault("create_timeout_but_created")
    with pytest.raises(Uncertain):
        backend.submit(launch(tmp_path))
    machine.fault(None)
    assert [remote.key for remote in backend.mine(OWNER)] == [KEY]


def test_a_lost_network_is_no_answer_and_ends_nothing(backend: Ssh, machine: standin.StandIn, tmp_path: Path) -> None:
    backend.submit(launch(tmp_path))
    machine.fault("network_lost")
    for act in (lambda: backend.poll(KEY), lambda: backend.mine(OWNER), lambda: backend.end(KEY)):
        with pytest.raises(Unreachable):
            act()
    with pytest.raises(Refused):
        backend.submit(launch(tmp_path, key=f"{KEY}2"))
    assert machine.alive(OWNER) == [KEY]


def test_a_log_that_breaks_is_read_at_the_next_look(backend: Ssh, machine: standin.StandIn, tmp_path: Path) -> None:
    backend.submit(launch(tmp_path, "print('x' * 100)"))
    eventually(lambda: has_ended(backend))
    machine.fault("log_breaks")
    with pytest.raises(BackendFailed):
        backend.log(KEY, 0)
    machine.fault(None)
    assert backend.log(KEY, 0) == b"x" * 100 + b"\n"


def test_no_call_takes_longer_than_it_may(machine: standin.StandIn) -> None:
    machine.fault("slow")
    with pytest.raises(Unreachable, match=r"did not answer .* within"):
        Ssh(machine.options, call_s=0.6).poll(KEY)
    machine.fault(None)


def test_no_secret_of_ours_reaches_the_other_side(
    backend: Ssh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_secret")
    monkeypatch.setenv("LC_RUNPOD", "rpa_secret")
    backend.submit(launch(tmp_path, "import os; print(sorted(os.environ))"))
    eventually(lambda: has_ended(backend))
    assert b"RUNPOD_API_KEY" not in backend.log(KEY, 0)


def test_a_plan_says_where_and_what(machine: standin.StandIn, tmp_path: Path) -> None:
    plan = Ssh(machine.options).plan(launch(tmp_path))
    assert plan["folder"] == f"caddie/{KEY}" and plan["limit_s"] == 60.0 and sys.executable in plan["script"]
