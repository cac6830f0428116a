"""How a model calls: the same acts in the two ways that today's models have of saying them."""

import json
from collections.abc import Sequence
from typing import Any, Protocol

from scripted import Item, Request, call, search, write


class Hand(Protocol):
    """How one kind of model says a call. A default model writes JavaScript; others call functions."""

    model: str

    def tool(self, name: str, **arguments: Any) -> Item:
        """A call of one of Caddie's tools."""
        ...

    def find(self, words: str) -> Item:
        """A look for tools."""
        ...

    def done(self) -> Item:
        """The goal is reached."""
        ...

    def shell(self, command: str) -> Item:
        """A shell command."""
        ...

    def patch(self, text: str) -> Item:
        """A patch, between `*** Begin Patch` and `*** End Patch`."""
        ...

    def spawn(self, role: str, task: str) -> Item:
        """A sub-agent with a role."""
        ...

    def await_agent(self, heard: Request) -> Item:
        """Wait for the sub-agent that was spawned last."""
        ...


class Plain:
    """Function calls, one by one."""

    model = "gpt-5.5"

    def tool(self, name: str, **arguments: Any) -> Item:
        return call(name, "mcp__golf", **arguments)

    def find(self, words: str) -> Item:
        return search(words)

    def done(self) -> Item:
        return call("update_goal", status="complete")

    def shell(self, command: str) -> Item:
        return call("exec_command", cmd=command)

    def patch(self, text: str) -> Item:
        return write("apply_patch", text)

    def spawn(self, role: str, task: str) -> Item:
        return call("spawn_agent", "multi_agent_v1", agent_type=role, message=task)

    def await_agent(self, heard: Request) -> Item:
        return call("wait_agent", "multi_agent_v1", targets=[heard.last(r'"agent_id":\s*"([^"]+)"')], timeout_ms=60_000)


class CodeMode:
    """One tool, `exec`, that runs JavaScript; everything else is called from there, sub-agents apart."""

    model = "gpt-6.1-sol"

    def tool(self, name: str, **arguments: Any) -> Item:
        return self._said(
            f"const r = await tools.mcp__golf__{name}({json.dumps(arguments)});", "r.structuredContent ?? r"
        )

    def find(self, words: str) -> Item:
        has_all = f"{json.dumps(words.split())}.every(word => (tool.name + tool.description).includes(word))"
        return write("exec", f"text(JSON.stringify(ALL_TOOLS.filter(tool => {has_all})))")

    def done(self) -> Item:
        return self._said('const r = await tools.update_goal({"status": "complete"});', "r")

    def shell(self, command: str) -> Item:
        return self._said(f"const r = await tools.exec_command({json.dumps({'cmd': command})});", "r")

    def patch(self, text: str) -> Item:
        return self._said(f"const r = await tools.apply_patch({json.dumps(text)});", "r")

    def spawn(self, role: str, task: str) -> Item:
        return call("spawn_agent", "collaboration", agent_type=role, task_name="task", fork_turns="none", message=task)

    def await_agent(self, heard: Request) -> Item:
        return call("wait_agent", "collaboration", timeout_ms=60_000)

    def _said(self, source: str, value: str) -> Item:
        caught = "catch (error) { text(String(error)); }"
        return write("exec", f"try {{ {source} text(JSON.stringify({value})); }} {caught}")


CODE_MODE, PLAIN = CodeMode(), Plain()
HANDS: Sequence[Hand] = (CODE_MODE, PLAIN)
