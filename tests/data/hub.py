"""A stand-in for the Hub on loopback: one dataset repository, and faults on demand.

It speaks the requests that huggingface_hub's real client makes to download: paths-info, HEAD and GET of a file, with
ranges. A fault is queued for a request and used up by it; what happens after it is a normal answer.
"""

import hashlib
import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import parse_qs, unquote

Fault = Literal["500", "401", "cut", "stall"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """`with Hub("me/export") as hub:` serves `hub.files` (path to bytes) at `hub.url`."""

    def __init__(self, repo_id: str):
        self.repo_id = repo_id
        self.files: dict[str, bytes] = {}
        self.checksums: dict[str, str] = {}
        """Stated instead of the true SHA-256."""
        self.faults: dict[tuple[str, str], list[Fault]] = defaultdict(list)
        """By method and file name; `paths-info` for that request."""
        self.seen: list[tuple[str, str]] = []
        """Method and file name (or `paths-info`) of every request."""
        self.stalled = threading.Event()
        self.hold: threading.Event | None = None
        """When set, a stalled answer waits for it."""
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "Hub":
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.hold is not None:
            self.hold.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def gets(self) -> list[str]:
        """Names of the files whose content was asked for."""
        return [name for method, name in self.seen if method == "GET"]


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        paths = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["paths"]
        if self.path != f"/api/datasets/{self.hub.repo_id}/paths-info/main":
            self._refuse(401, "Repository Not Found")
        elif not self._fault("POST", "paths-info"):
            found = [
                {
                    "type": "file",
                    "path": path,
                    "size": len(data := self.hub.files[path]),
                    "oid": "0" * 40,
                    **(
                        {"lfs": {"size": len(data), "oid": self._sha256(path), "pointerSize": 130}}
                        if _lfs(path)
                        else {}
                    ),
                }
                for path in paths
                if path in self.hub.files
            ]
            self._answer(200, json.dumps(found).encode(), {"Content-Type": "application/json"})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        start = f"/datasets/{self.hub.repo_id}/resolve/main/"
        path = unquote(self.path).removeprefix(start)
        if not self.path.startswith(start):
            self._refuse(404, "not found")
        elif path not in self.hub.files:
            self.hub.seen.append((self.command, path.rpartition("/")[2]))
            self._refuse(404, "Entry not found", {"X-Error-Code": "EntryNotFound"})
        elif not self._fault(self.command, path.rpartition("/")[2], path):
            self._serve(path)

    def _serve(self, path: str, cut: bool = False, stall: bool = False) -> None:
        data, status, headers = self.hub.files[path], 200, {}
        asked = self.headers.get("Range")
        if asked and not cut:
            first = int(asked.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
            data, status = data[first:], 206
        headers |= {"X-Repo-Commit": COMMIT, "ETag": f'"{self._sha256(path)}"', "Accept-Ranges": "bytes"}
        self._answer(status, data, headers, sent=len(data) // 2 if cut or stall else None)
        if stall:
            self.hub.stalled.set()
            (self.hub.hold or threading.Event()).wait(3.0)
            self.close_connection = True

    def _fault(self, method: str, name: str, path: str = "") -> bool:
        """Answer with the next queued fault, if there is one."""
        self.hub.seen.append((method, name))
        queue = self.hub.faults[method, name]
        fault = queue.pop(0) if queue else None
        if fault is None:
            return False
        if fault in ("500", "401"):
            self._refuse(int(fault), f"refused, see https://cdn.example/x?signature={'s3cret' * 2}")
        else:
            self._serve(path, cut=fault == "cut", stall=fault == "stall")
        return True

    def _refuse(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        self._answer(status, b"", {"X-Error-Message": message, **(headers or {})})

    def _answer(self, status: int, data: bytes, headers: dict[str, str], sent: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[:sent])
            self.wfile.flush()
        if sent is not None:
            self.close_connection = True

    def _sha256(self, path: str) -> str:
        return self.hub.checksums.get(path) or hashlib.sha256(self.hub.files[path]).hexdigest()

    def log_message(self, format: str, *args: object) -> None:
        pass


def _lfs(path: str) -> bool:
    return path.endswith((".bin", ".model"))
