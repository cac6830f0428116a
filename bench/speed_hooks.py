"""Every hook that Codex runs at each tool call, start and end of a session, against the cheapest program there is."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from side_by_side import Row, Sides, absolute, command
from speed_server import ledger_rows

HOOK = os.fspath(Path(sys.executable).with_name("golf-hook"))
CPU_S_MAX = 0.1

PATCH = "*** Begin Patch\n*** Update File: train_gpt.py\n@@\n-a = 1\n+a = 2\n*** End Patch\n"
SHELL = "cd experiments && ITERATIONS=20 python train_gpt.py 2>&1 | tee log.txt; git status && grep -n bpb log.txt"
EVENTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "a harmless shell command": ("pre-tool-use", {"tool_name": "Bash", "tool_input": {"command": SHELL}}, ""),
    "one that is refused": (
        "pre-tool-use",
        {"tool_name": "Bash", "tool_input": {"command": "echo x > results.tsv"}},
        "deny",
    ),
    "a patch": ("pre-tool-use", {"tool_name": "apply_patch", "tool_input": {"command": PATCH}}, ""),
    "a tool of a server": ("pre-tool-use", {"tool_name": "mcp__golf__check_budget", "tool_input": {}}, ""),
    "a session's start": ("session-start", {"source": "startup"}, "additionalContext"),
    "a session's end": ("stop", {"stop_hook_active": False}, ""),
}
"""Name: the hook's event, what Codex hands it, and what must be in its answer."""


def rows(quick: bool) -> list[Row]:
    """A row for each thing a hook is asked."""
    return [
        Row(
            name=f"hook {event}: {name}",
            baseline="true",
            prepare=lambda scratch, name=name: _sides(scratch, *EVENTS[name]),
            goals=[absolute("cpu_s", CPU_S_MAX)],
            pairs=7 if quick else 15,
            note="judged by CPU: on an idle machine the wall time is the same",
        )
        for name, (event, _, _) in EVENTS.items()
    ]


def _sides(scratch: Path, event: str, given: dict[str, Any], expected: str) -> Sides:
    (scratch / "golf.toml").write_text("")
    (scratch / "train_gpt.py").write_text("a = 1\n")
    ledger_rows(scratch)
    asked = json.dumps({"cwd": os.fspath(scratch), "hook_event_name": event, "session_id": "1", **given})

    def check(_: str, said: str) -> None:
        assert expected in said and bool(said) == bool(expected), said
        trouble = scratch / ".golf" / "hooks.log"
        assert not trouble.exists(), trouble.read_text()

    return Sides(
        baseline=command(["true"], stdin=asked), ours=command([HOOK, event], cwd=scratch, stdin=asked), check=check
    )
