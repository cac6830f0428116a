"""The command `golf-hook`: JSON in, JSON or nothing out, exit 0 whatever comes."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scene import git

from golf.hooks import entry
from golf.jobs.store import JobStore
from golf.workspace import Workspace

ROOT = Path(__file__).parents[2]


def hook(event: str, given: bytes | dict[str, Any], cwd: Path) -> subprocess.CompletedProcess[str]:
    """The hook as Codex starts it: a process of its own."""
    text = given if isinstance(given, bytes) else json.dumps(given).encode()
    done = subprocess.run(
        [sys.executable, "-m", "golf.hooks.entry", event],
        input=text,
        capture_output=True,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def within(event: str, given: bytes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The same in this process, for laws."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given)))
    assert entry.main([event]) == 0
    return capsys.readouterr().out


def command(line: str, workspace: Workspace) -> dict[str, Any]:
    return {
        "hook_event_name": "PreToolUse",
        "tool_name": "Bash",
        "tool_input": {"command": line},
        "cwd": str(workspace.root),
    }


def test_a_refusal_has_the_one_form_that_codex_obeys(workspace: Workspace) -> None:
    done = hook("pre-tool-use", command("rm eval.py", workspace), workspace.root)
    said = json.loads(done.stdout)["hookSpecificOutput"]
    assert (done.returncode, said["hookEventName"], said["permissionDecision"]) == (0, "PreToolUse", "deny")
    assert "frozen" in said["permissionDecisionReason"] and done.stderr == ""


def test_a_call_that_may_go_on_gets_no_answer(workspace: Workspace) -> None:
    done = hook("pre-tool-use", command("ls", workspace), workspace.root)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_session_starts_with_the_digest(workspace: Workspace) -> None:
    done = hook("session-start", {"hook_event_name": "SessionStart", "cwd": str(workspace.root)}, workspace.root)
    said = json.loads(done.stdout)["hookSpecificOutput"]
    assert said["hookEventName"] == "SessionStart" and said["additionalContext"].startswith("Caddie workspace")


def test_a_turn_that_leaves_something_open_goes_on(workspace: Workspace) -> None:
    store = JobStore(workspace)
    store.ended(store.add("run", "wider", "local").id, "failed", 1, "")
    said = json.loads(hook("stop", {"cwd": str(workspace.root), "session_id": "s"}, workspace.root).stdout)
    assert said["decision"] == "block" and "wider" in said["reason"]


@pytest.mark.parametrize("event", ["pre-tool-use", "session-start", "stop"])
def test_outside_a_workspace_nothing_is_said(event: str, tmp_path: Path) -> None:
    done = hook(event, {"tool_name": "Bash", "tool_input": {"command": "rm eval.py"}, "cwd": str(tmp_path)}, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_command_given_another_folder_is_still_this_workspaces(workspace: Workspace, tmp_path: Path) -> None:
    """Codex names the command's folder in `cwd`, and starts the hook in the session's."""
    given = {**command(f"rm {workspace.root}/eval.py", workspace), "cwd": str(tmp_path)}
    assert "deny" in hook("pre-tool-use", given, workspace.root).stdout


@pytest.mark.parametrize("event", ["pre-tool-use", "session-start", "stop", "", "no-such-event", "--help"])
@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"cwd": 3}', b'{"cwd": "\\u0000"}'])
def test_garbage_lets_everything_through(event: str, text: bytes, workspace: Workspace) -> None:
    done = hook(event, text, workspace.root)
    assert done.returncode == 0 and "Traceback" not in done.stdout + done.stderr
    assert done.stdout == "" or "additionalContext" in json.loads(done.stdout)["hookSpecificOutput"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(event=st.sampled_from(["pre-tool-use", "session-start", "stop", "x"]), text=st.binary(max_size=200))
def test_any_input_ends_with_0_and_with_json_or_nothing(
    event: str, text: bytes, workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = within(event, text, capsys, monkeypatch)
    assert said == "" or json.loads(said)


def test_an_inner_error_lets_the_call_through_and_is_logged(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(event: object, state: object) -> None:
        raise RuntimeError("a fault\nof ours \x1b[31m")

    monkeypatch.setattr("golf.hooks.guard.decide", broken)
    assert workspace.state.is_dir()
    given = json.dumps(command("rm eval.py", workspace)).encode()
    assert within("pre-tool-use", given, capsys, monkeypatch) == ""
    (line,) = (workspace.root / ".golf" / "hooks.log").read_text().splitlines()
    assert (
        "pre-tool-use RuntimeError at test_hook_entry.py" in line and "a fault of ours" in line and line.isprintable()
    )


def test_a_file_that_cannot_be_read_is_logged(workspace: Workspace) -> None:
    assert workspace.state.is_dir()
    (workspace.root / "golf.toml").write_text("[guard")
    (workspace.root / ".golf" / "golf.db").write_text("no database at all")
    assert hook("session-start", {"cwd": str(workspace.root)}, workspace.root).stdout
    log = (workspace.root / ".golf" / "hooks.log").read_text()
    assert "golf.toml" in log and "golf.db" in log


def test_the_log_stays_small(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = workspace.state / "hooks.log"
    log.write_text("old\n" * 40_000)
    within("no-such-event", json.dumps({"cwd": str(workspace.root)}).encode(), capsys, monkeypatch)
    lines = log.read_text().splitlines()
    assert log.stat().st_size < entry.LOG_MAX and lines[0] == "old" and "KeyError" in lines[-1]


def test_a_log_that_cannot_be_written_is_not_missed(workspace: Workspace) -> None:
    (workspace.state / "hooks.log").mkdir()
    assert hook("no-such-event", {"cwd": str(workspace.root)}, workspace.root).returncode == 0


def test_an_answer_nobody_reads_is_no_failure(workspace: Workspace) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "golf.hooks.entry", "session-start"],
        input=json.dumps({"cwd": str(workspace.root)}).encode(),
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd=workspace.root,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


EVERYTHING = """
import io, json, sys
sys.stdin = io.TextIOWrapper(io.BytesIO(json.dumps(
    {"cwd": ".", "tool_name": "Bash", "tool_input": {"command": sys.argv[1]}}).encode()))
from golf.hooks import entry
for event in ("pre-tool-use", "session-start", "stop"):
    sys.stdin.seek(0)
    entry.main([event])
loaded = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
ours = {name for name in sys.modules if name.startswith("golf.") and not name.startswith("golf.hooks")}
print(sorted(name for name in loaded if not name.startswith("_")), sorted(ours))
"""


def test_the_hooks_load_the_standard_library_and_themselves(workspace: Workspace) -> None:
    JobStore(workspace).add("run", "x", "local")
    git(workspace.root, "add", "--all")
    line = "git add -A; python -c 'import os; os.system(\"ls\")'; nvidia-smi"
    done = subprocess.run(
        [sys.executable, "-S", "-c", EVERYTHING, line],
        capture_output=True,
        text=True,
        cwd=workspace.root,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "['golf'] []"
    assert "A run is on" in done.stdout
