"""`python -m mcp_server` serves the tools over stdio, as `golf mcp` does."""

import gc

gc.disable()  # as `golf mcp` does: until the server stands

from mcp_server import server  # noqa: E402, it is what makes the objects

server.run()
