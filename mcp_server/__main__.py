"""`python -m mcp_server` serves the tools over stdio, as `golf mcp` does."""

from mcp_server import server

server.run()
