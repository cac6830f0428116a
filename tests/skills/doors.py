"""How a session reaches Caddie: a tool through a real server in memory, the command through its entry point."""

import asyncio
from typing import Any

from mcp import Client
from mcp_types import CallToolResult

from golf import cli
from mcp_server import server

OWN_SESSION = {"x-codex-turn-metadata": {"thread_source": "user"}}
"""As Codex says that a call comes from the session itself, and not from a subagent of it."""


def tool(name: str, meta: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    """A tool's answer; a refusal fails the test."""
    result = _call(name, arguments, meta)
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return result.structured_content


def refusal(name: str, meta: dict[str, Any] | None = None, **arguments: Any) -> str:
    """What a tool says when it refuses; an answer fails the test."""
    result = _call(name, arguments, meta)
    assert result.is_error, result.structured_content
    return result.content[0].text


def golf(*words: str) -> int:
    """The exit code of a command."""
    return cli.main(words)


def _call(name: str, arguments: dict[str, Any], meta: dict[str, Any] | None) -> CallToolResult:
    async def main() -> CallToolResult:
        async with Client(server.build()) as client:
            return await client.call_tool(name, arguments, meta=meta)

    return asyncio.run(main())
