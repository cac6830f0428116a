"""`golf-hook EVENT`: what Codex runs at its hooks. JSON in, JSON or nothing out, and always exit 0.

Exit 2 would be a refusal without a decision, so nothing in here may end that way: whatever goes wrong lets
the call through and leaves a line in `.golf/hooks.log`, where `golf doctor --codex` finds it.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from golf.hooks import state as workspace
from golf.hooks.state import State

LOG_MAX = 64 * 1024
"""Bytes of the log; of a longer one its newer half is kept."""


def main(argv: Sequence[str] | None = None) -> int:
    """Answer one event; 0 whatever happens."""
    states: list[State] = []
    event = (list(sys.argv[1:] if argv is None else argv) or [""])[0]
    answer = ""
    try:
        given = json.loads(sys.stdin.buffer.read() or b"{}")
        if isinstance(given, dict):
            states = workspace.find([given.get("cwd"), "."], os.environ)
            if states:
                answer = EVENTS[event](given, states)
    except BaseException as error:
        _log(states, event, f"{type(error).__name__} at {_place(error)}: {error}")
    for state in states:
        for problem in state.problems:
            _log([state], event, problem)
    try:
        sys.stdout.write(f"{answer}\n" if answer else "")
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):  # so that the flush at exit has nothing to fail on
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _pre_tool_use(event: Mapping[str, Any], states: list[State]) -> str:
    from golf.hooks.guard import decide

    reason = next((reason for state in states if (reason := decide(event, state))), None)
    if reason is None:
        return ""
    # Codex puts a full stop of its own behind the reason, and the command.
    said = {"permissionDecision": "deny", "permissionDecisionReason": reason.removesuffix(".")}
    denied = {"hookEventName": "PreToolUse", **said}
    return json.dumps({"hookSpecificOutput": denied})


def _session_start(event: Mapping[str, Any], states: list[State]) -> str:
    from golf.hooks.digest import of_state

    said = {"hookEventName": "SessionStart", "additionalContext": of_state(states[0])}
    return json.dumps({"hookSpecificOutput": said})


def _stop(event: Mapping[str, Any], states: list[State]) -> str:
    from golf.hooks.stop import reminder

    reason = reminder(event, states[0])
    return json.dumps({"decision": "block", "reason": reason}) if reason else ""


EVENTS: dict[str, Callable[[Mapping[str, Any], list[State]], str]] = {
    "pre-tool-use": _pre_tool_use,
    "session-start": _session_start,
    "stop": _stop,
}


def _place(error: BaseException) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return "?" if frame is None else f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"


def _log(states: Sequence[State], event: str, problem: str) -> None:
    """A line in the log of each workspace that has a `.golf`; a log that cannot be written is not missed."""
    line = (
        f"{datetime.now(UTC).isoformat(timespec='seconds')} {workspace.clean(event, 20)} {workspace.clean(problem)}\n"
    )
    for state in states:
        path = state.root / ".golf" / "hooks.log"
        try:
            if path.exists() and path.stat().st_size > LOG_MAX:
                path.write_bytes(path.read_bytes()[-LOG_MAX // 2 :].partition(b"\n")[2])
            if path.parent.is_dir():
                with open(path, "a", encoding="utf-8", errors="replace") as file:
                    file.write(line)
        except OSError:
            continue


if __name__ == "__main__":
    sys.exit(main())
