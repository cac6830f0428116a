"""May this call go on? A reason when it may not.

Kept from what a model does by habit: a run that is on (`running`), the records, settings and files that score
(`frozen`), and the parts of human and critic (`roles`). Every reason says what is wrong and what to use instead.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from golf.hooks import frozen, inline, printed, roles, running, writes
from golf.hooks.commands import commands
from golf.hooks.shell import Command
from golf.hooks.state import State

MOST = 4_000
"""Commands of one line that are looked at, those within its Python included."""


def decide(event: Mapping[str, Any], state: State) -> str | None:
    """The reason why a PreToolUse event is refused in this workspace; None lets it pass."""
    tool, given, cwd = event.get("tool_name"), event.get("tool_input"), event.get("cwd")
    if not isinstance(tool, str) or not isinstance(given, dict):
        return None
    if not isinstance(cwd, str) or not cwd.startswith("/"):
        cwd = str(state.root)
    is_critic = event.get("agent_type") == roles.CRITIC
    text = given.get("command", given.get("input"))
    if tool == "Bash" and isinstance(text, str):
        return _line(text, cwd, is_critic, state)
    if tool == "apply_patch" and isinstance(text, str):
        if is_critic:
            return roles.critic_changes("a patch")
        return _first(frozen.written(write, state) for write in writes.of_patch(text, cwd))
    if tool.startswith("mcp__"):
        return _tool(tool, given, cwd, is_critic, state)
    return None


def _line(text: str, cwd: str, is_critic: bool, state: State) -> str | None:
    """A shell line is refused for the first of its commands that is."""
    found = commands(text, cwd)
    for command in found:  # it grows while it is read: Python on the line starts commands of its own
        code = writes.code_of(command)
        findings = inline.inspect(code) if code else inline.Findings()
        if len(found) < MOST:
            found += [Command(command.cwd, words) for words in findings.lists]
            found += [inner for line in findings.starts for inner in commands(line, command.cwd)]
        reason = (
            roles.of_the_human(command)
            or (roles.of_the_critic(command) if is_critic else None)
            or _first(frozen.written(write, state) for write in writes.of_command(command))
            or _first(frozen.written(write, state) for write in writes.of_findings(findings, command.cwd))
            or frozen.committed(command)
            or printed.printed(command, found)
            or running.disturbed(command, findings, state)
            or running.ends_golf(command, found, state)
        )
        if reason:
            return reason
    return None


def _tool(tool: str, given: dict[str, Any], cwd: str, is_critic: bool, state: State) -> str | None:
    """Calls of MCP tools, `mcp__<server>__<tool>`."""
    server, _, name = tool.removeprefix("mcp__").partition("__")
    if server != "golf":
        if is_critic:
            return roles.critic_changes(f"a call of {tool}")
        if re.search("write|edit|create|delete|remove|move|rename|append|patch|put", name):
            return _first(frozen.written(write, state) for text in _strings(given) for write in _as_path(text, cwd))
        return None
    kind = given.get("kind")
    if name == "record_note" and kind in ("directive", "override", "withdraw"):
        return roles.humans(f"{kind} in the shared channel")
    if name == "record_note" and str(given.get("by", "")).strip().lower().startswith("human"):
        return roles.humans("note in a human's name")
    if name == "record_note" and kind == "verdict" and not is_critic:
        return roles.SPAWN_THE_CRITIC
    if is_critic and name != "record_note" and name not in roles.READ_TOOLS:
        return roles.critic_changes(name)
    return running.second_training(state) if name == "run_experiment" else None


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _as_path(text: str, cwd: str) -> Iterator[writes.Write]:
    if text and len(text) < 1000 and "\n" not in text:
        yield writes.Write(os.path.normpath(text if text.startswith("/") else f"{cwd}/{text}"))


def _first(reasons: Iterable[str | None]) -> str | None:
    return next((reason for reason in reasons if reason), None)
