"""The least an MCP server can be on this SDK, one tool that gives back what it gets: speed_server.py's baseline."""

from mcp.server import MCPServer

server = MCPServer("bare")


@server.tool()
def echo(text: str) -> str:
    """Give back the text."""
    return text


if __name__ == "__main__":
    server.run()
