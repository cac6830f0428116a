"""The client against the real app-server, and against programs that do everything wrong."""

import json
import os
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest
from codex_home import move_in, needs_codex
from hypothesis import given
from hypothesis import strategies as st

from golf.codex import app_server
from golf.codex.app_server import AppServer, CodexFailed, CodexRefused
from golf.errors import MissingPackage

GREETING = """
import json, os, signal, subprocess, sys, threading, time

def say(**message):
    sys.stdout.write(json.dumps(message) + "\\n")
    sys.stdout.flush()

def hear():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)

def greet():
    number = hear()["id"]
    say(id=number, result={"codexHome": "/home/x", "userAgent": "caddie/0.1.2 (Linux)"})
    assert hear() == {"method": "initialized"}
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A `codex` whose app-server is the given Python, after `say`, `hear` and `greet` above."""
    monkeypatch.setattr(app_server, "GRACE_S", 0.5)

    def write(source: str, **settings: float) -> AppServer:
        script = tmp_path / "codex"
        script.write_text(f"#!{sys.executable}\n{GREETING}\n{textwrap.dedent(source)}")
        script.chmod(0o755)
        return AppServer(codex=script, cwd=tmp_path, **({"timeout_s": 20.0} | settings))

    return write


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# --- the real one ------------------------------------------------------------------------------


@needs_codex
def test_the_real_codex_says_its_version_and_its_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = move_in(monkeypatch, tmp_path)
    with AppServer(cwd=tmp_path, env=app_server.offline()) as codex:
        assert codex.home == config.parent
        assert codex.version
        assert codex.call("config/read", {"cwd": str(tmp_path)})["config"]["model"] == "gpt-5.5"
    assert is_gone(codex._child.pid)


@needs_codex
def test_the_real_codex_names_what_it_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    move_in(monkeypatch, tmp_path)
    with AppServer(cwd=tmp_path, env=app_server.offline()) as codex:
        with pytest.raises(CodexRefused, match="golf/swing") as refused:
            codex.call("golf/swing")
        assert refused.value.code == -32600
        assert codex.call("hooks/list", {"cwds": [str(tmp_path)]})["data"][0]["hooks"] == []


@needs_codex
def test_a_broken_user_configuration_is_said_and_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    move_in(monkeypatch, tmp_path).write_text("sandbox_mode = 7\n")
    with pytest.raises(CodexFailed, match="sandbox_mode"), AppServer(cwd=tmp_path, env=app_server.offline()) as codex:
        codex.call("config/read", {"cwd": str(tmp_path)})


def test_without_codex_the_error_ends_in_the_install_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOLF_CODEX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPackage, match=r"npm install -g @openai/codex@"):
        AppServer()
    monkeypatch.setenv("GOLF_CODEX", str(tmp_path / "codex"))
    with pytest.raises(MissingPackage, match=r"GOLF_CODEX is .*codex'"):
        AppServer()


def test_golf_codex_goes_before_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "codex").write_text("#!/bin/sh\n")
        (tmp_path / place / "codex").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "one"))
    monkeypatch.delenv("GOLF_CODEX", raising=False)
    assert app_server.find_codex() == str(tmp_path / "one" / "codex")
    monkeypatch.setenv("GOLF_CODEX", str(tmp_path / "two" / "codex"))
    assert app_server.find_codex() == str(tmp_path / "two" / "codex")


# --- faults ------------------------------------------------------------------------------------


def test_a_server_that_never_answers_costs_the_time_limit_and_no_more(fake) -> None:
    with pytest.raises(CodexFailed, match=r"did not answer initialize within 0\.3 s") as failed:
        fake("time.sleep(600)", timeout_s=0.3).__enter__()
    assert "0.169.0" in str(failed.value)  # perhaps another program: what to install is said


def test_a_server_that_dies_at_once_leaves_its_exit_code_and_last_words(fake) -> None:
    server = fake("sys.stderr.write('\\x1b[31mERROR\\x1b[0m unrecognized subcommand app-server\\n'); sys.exit(2)")
    with pytest.raises(CodexFailed, match="ended with exit code 2 and did not answer initialize") as failed:
        server.__enter__()
    assert "stderr ends: ERROR unrecognized subcommand" in str(failed.value)


def test_a_program_that_cannot_start_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "codex").write_bytes(b"\x7fELF nonsense")
    (tmp_path / "codex").chmod(0o755)
    with pytest.raises(CodexFailed, match=r"could not be started: .*npm install"):
        AppServer(codex=tmp_path / "codex").__enter__()


def test_a_death_in_the_middle_ends_the_call_and_what_came_before_is_kept(fake) -> None:
    with fake("greet(); hear(); say(method='warning', params={'message': 'soon'}); os._exit(7)") as server:
        with pytest.raises(CodexFailed, match="exit code 7 and did not answer hooks/list; it said warning"):
            server.call("hooks/list")
        assert server.wait_for("warning") == {"message": "soon"}
        with pytest.raises(CodexFailed, match="exit code 7 and did not say turn/completed"):
            server.wait_for("turn/completed")
        with pytest.raises(CodexFailed, match="exit code 7"):
            server.call("hooks/list")


def test_lines_that_are_no_message_are_read_past(fake) -> None:
    source = """
        sys.stdout.write("WARNING: hello\\n\\n[1, 2]\\nnull\\n{\\n" + "[" * 100_000 + "\\n\\xff\\n")
        greet()
        say(id=hear()["id"], result="fine")
    """
    with fake(source) as server:
        assert server.call("x") == "fine"


def test_a_program_that_only_babbles_is_not_listened_to_for_long(fake) -> None:
    with pytest.raises(CodexFailed, match=r"does not speak the protocol .*'y', which is no message"):
        fake("while True: print('y')", timeout_s=600.0).__enter__()


def test_a_line_without_an_end_is_not_collected_for_ever(fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_server, "LINE_MAX", 100_000)
    with pytest.raises(CodexFailed, match="a line of more than 100,000 bytes"):
        fake("while True: sys.stdout.write('y' * 10_000)", timeout_s=600.0).__enter__()


def test_a_flood_of_notifications_ends_the_conversation(fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_server, "EVENTS_MAX", 1000)
    with (
        fake("greet()\nwhile True: say(method='item/agentMessage/delta', params={})", timeout_s=600.0) as server,
        pytest.raises(CodexFailed, match="more than 1,000 events"),
    ):
        server.call("x")
    assert is_gone(server._child.pid)


def test_a_flooded_stderr_blocks_nobody(fake) -> None:
    source = "greet(); sys.stderr.write('x' * 5_000_000); sys.stderr.flush(); say(id=hear()['id'], result=1)"
    with fake(source) as server:
        assert server.call("x") == 1


def test_a_server_that_reads_nothing_cannot_block_a_call(fake) -> None:
    with (
        fake("greet(); time.sleep(600)", timeout_s=0.5) as server,
        pytest.raises(CodexFailed, match=r"did not answer x within 0\.5 s"),
    ):
        server.call("x", {"much": "y" * 5_000_000})
    assert is_gone(server._child.pid)


def test_answers_out_of_order_reach_their_calls(fake) -> None:
    source = """
        greet()
        first, second = hear(), hear()
        say(id=second["id"], result=second["method"])
        say(id=first["id"], result=first["method"])
    """
    answers: dict[str, str] = {}
    with fake(source) as server:
        threads = [threading.Thread(target=lambda m=m: answers.update({m: server.call(m)})) for m in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {"one": "one", "two": "two"}


def test_an_answer_that_came_too_late_is_not_taken_for_the_next(fake) -> None:
    source = """
        greet()
        late = hear()["id"]
        number = hear()["id"]
        say(id=late, result="late")
        say(id=number, result="mine")
        say(id=hear()["id"], result="again")
    """
    with fake(source) as server:
        with pytest.raises(CodexFailed, match="within"):
            server.call("slow", timeout_s=0.2)
        assert server.call("quick") == "mine"
        assert server.call("quick") == "again"
        assert server._answers == {}


def test_an_error_answer_carries_code_message_and_data(fake) -> None:
    source = """
        greet()
        say(id=hear()["id"], error={"code": -32600, "message": "no\\n such", "data": {"why": 1}})
        say(id=hear()["id"], error="odd")
    """
    with fake(source) as server:
        with pytest.raises(CodexRefused, match=r"refused x: no such .*version 0\.1\.2; Caddie was tested with") as one:
            server.call("x")
        assert (one.value.code, one.value.data) == (-32600, {"why": 1})
        with pytest.raises(CodexRefused, match="refused x: odd"):
            server.call("x")


@pytest.mark.parametrize("answer", ["{}", "[]", "None", "{'codexHome': 3}"])
def test_a_greeting_of_another_protocol_is_recognised(fake, answer: str) -> None:
    with pytest.raises(CodexFailed, match="of another kind"):
        fake(f"say(id=hear()['id'], result={answer}); time.sleep(600)").__enter__()


# --- events and requests -----------------------------------------------------------------------


def test_each_event_is_waited_for_once_and_earlier_ones_count(fake) -> None:
    source = """
        greet()
        for n in (1, 2, 3): say(method="turn", params={"n": n})
        say(method="other")
        say(id=hear()["id"], result=None)
        say(method="turn", params={"n": 4})
        hear()
    """
    with fake(source) as server:
        server.call("x")
        assert server.wait_for("turn", lambda params: params["n"] == 2) == {"n": 2}
        assert [server.wait_for("turn")["n"] for _ in range(3)] == [1, 3, 4]
        with pytest.raises(CodexFailed, match=r"did not say turn within 0\.1 s; it said turn, other"):
            server.wait_for("turn", timeout_s=0.1)
        assert [event.params for event in server.events("turn")] == [{"n": n} for n in (1, 2, 3, 4)]
        assert server.events("other")[0].params == {}


def test_requests_of_the_server_are_answered_by_the_handler_or_refused(fake) -> None:
    source = """
        greet()
        number = hear()["id"]
        say(id="a", method="approve", params={"what": "x"})
        approved = hear()
        say(id=7, method="unknown", params={})
        refused = hear()
        say(id=8, method="breaks", params={})
        broke = hear()
        say(id=number, result=[approved, refused, broke])
    """

    def broken(params: dict) -> dict:
        raise KeyError("what")

    with fake(source) as server:
        server.on_request("approve", lambda params: {"decision": params["what"]})
        server.on_request("breaks", broken)
        approved, refused, broke = server.call("go")
        asked = server.wait_for("approve")
        assert server.events("approve")[0].is_request
    assert asked == {"what": "x"}
    assert approved == {"id": "a", "result": {"decision": "x"}}
    assert (refused["id"], refused["error"]["code"]) == (7, -32601)
    assert broke["error"] == {"code": -32603, "message": "'what'"}


def test_a_handler_may_take_its_time_and_call_back(fake) -> None:
    source = """
        greet()
        number = hear()["id"]
        say(id=99, method="ask", params={})
        call = hear()
        say(id=call["id"], result="inner")
        say(id=number, result=hear()["result"])
    """
    with fake(source) as server:
        server.on_request("ask", lambda params: server.call("look"))
        assert server.call("go") == "inner"


# --- the end -----------------------------------------------------------------------------------


STUBBORN = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    kept = subprocess.Popen(["sleep", "600"], start_new_session=True)  # in a group of its own, holding our stdout
    greet()
    say(id=hear()["id"], result=kept.pid)
    while True: time.sleep(600)
"""


def test_a_server_that_will_not_go_is_made_to_with_what_it_started(fake) -> None:
    with fake(STUBBORN) as server:
        child = server.call("pid")
    assert is_gone(server._child.pid)
    assert is_gone(child)


def test_an_interrupt_ends_the_server_too(fake) -> None:
    with pytest.raises(KeyboardInterrupt), fake(STUBBORN) as server:
        child = server.call("pid")
        raise KeyboardInterrupt
    assert is_gone(server._child.pid)
    assert is_gone(child)


def test_a_descendant_that_holds_the_pipe_does_not_hide_a_death(fake) -> None:
    source = """
        greet()
        say(id=hear()["id"], result=subprocess.Popen(["sleep", "600"], start_new_session=True).pid)
        hear()
        os._exit(3)
    """
    with fake(source, timeout_s=600.0) as server:
        holder = psutil.Process(server.call("pid"))
        with pytest.raises(CodexFailed, match="ended with exit code 3"):
            server.call("x")
    holder.kill()


def test_no_thread_or_descriptor_is_left_behind(fake) -> None:
    fake("greet(); hear()").__enter__().__exit__(None, None, None)
    before = len(os.listdir("/dev/fd")), threading.active_count()
    for _ in range(5):
        with fake("greet(); hear()"):
            pass
    deadline = time.monotonic() + 10
    while (len(os.listdir("/dev/fd")), threading.active_count()) > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (len(os.listdir("/dev/fd")), threading.active_count()) <= before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
MESSAGES = st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "method", "params", "result", "error"), JSON))


@given(st.lists(st.binary(max_size=40) | (JSON | MESSAGES).map(lambda message: json.dumps(message).encode())))
def test_no_line_can_break_the_reader(lines: list[bytes]) -> None:
    server = AppServer(codex="codex")
    assert [server._take(line) for line in lines] == [""] * len(lines)
    assert len(server.events()) + server._num_noise <= len(lines)
    assert server._answers == {}  # nobody asked
