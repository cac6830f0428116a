"""What servers on loopback have in common."""

import io
from http.server import BaseHTTPRequestHandler


def body_of(handler: BaseHTTPRequestHandler) -> bytes:
    """A request's body, also one that comes in chunks, which http.server does not read."""
    if handler.headers.get("transfer-encoding", "") != "chunked":
        return handler.rfile.read(int(handler.headers.get("content-length") or 0))
    parts = io.BytesIO()
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        parts.write(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return parts.getvalue()
