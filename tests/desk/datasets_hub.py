"""Dataset repositories of the Hub on loopback, as `huggingface_hub` 2.4 makes them and commits to them.

Paths, bodies and fields are those the client's source sends and reads (`HfApi.create_repo`, `dataset_info`,
`_commit_api`). Binary files go through Xet storage, as on the real Hub; texts stand in the commit.
"""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from jobs.standins.xet import PACK_NOTHING, Xet
from loopback import body_of

TOKEN = "hf_standinstandinstandinstandinstandin"


class DatasetsHub:
    """`with DatasetsHub() as hub:` keeps `hub.repos`, id to files, at `hub.url`."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.public: set[str] = set()
        self.commits: list[str] = []
        """Their messages."""
        self.requests: list[str] = []
        self.xet = Xet()
        hub = self

        class Handler(_Handler):
            standin = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def env(self, home: Path, token: str = TOKEN) -> dict[str, str]:
        """What the client's process needs."""
        told = {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", **PACK_NOTHING}
        return {**told, "HF_TOKEN": token} if token else told

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def stored(self, sha256: str) -> bytes:
        """A file that the client brought to Xet storage."""
        every = (self.xet.get(name) for name in self.xet._files)
        return next(data for data in every if hashlib.sha256(data).hexdigest() == sha256)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    standin: DatasetsHub

    def log_message(self, format: str, *args: object) -> None: ...

    def _handle(self) -> None:
        body = body_of(self)
        hub, path = self.standin, urlsplit(self.path).path
        words = [unquote(word) for word in path.strip("/").split("/")]
        hub.requests.append(f"{self.command} {path}")
        if words[0] in ("v1", "v2"):
            return self._send(*hub.xet.answer(self.command, path, body, self.headers.get("range", ""), hub.url))
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            return self._send(401, {"error": f"Invalid token {self.headers.get('authorization')}"})
        if words == ["api", "validate-yaml"]:
            return self._send(200, {"errors": [], "warnings": []})
        if words == ["api", "repos", "create"]:
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            assert asked["type"] == "dataset"
            if name in hub.repos:
                return self._send(409, {"error": "You already created this dataset repo", "url": f"{hub.url}/{name}"})
            hub.repos[name] = {}
            assert "private" not in asked, "the client says visibility"
            if asked["visibility"] != "private":
                hub.public.add(name)
            return self._send(200, {"url": f"{hub.url}/datasets/{name}", "id": name, "name": name})
        if words[:2] != ["api", "datasets"] or (name := "/".join(words[2:4])) not in hub.repos:
            return self._send(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        return self._repo(name, words[4:], body)

    do_GET = do_POST = do_HEAD = _handle

    def _repo(self, name: str, words: list[str], body: bytes) -> None:
        hub = self.standin
        if not words or words[0] == "revision":
            told = {"_id": "1", "id": name, "private": name in hub.repos and name not in hub.public, "sha": "0" * 40}
            return self._send(200, {**told, "siblings": [], "tags": [], "downloads": 0, "likes": 0, "disabled": False})
        if words[0] == "xet-write-token":
            return self._send(200, {"accessToken": "xet", "exp": 9_999_999_999, "casUrl": hub.url})
        if words[0] == "preupload":
            files = [
                {
                    "path": file["path"], "shouldIgnore": False, "oid": None,
                    "uploadMode": "lfs" if file["path"].endswith((".db", ".png")) else "regular",
                }
                for file in json.loads(body)["files"]
            ]  # fmt: skip
            return self._send(200, {"files": files})
        if words[0] == "commit":
            for line in body.splitlines():
                part = json.loads(line)
                value = part["value"]
                if part["key"] == "header":
                    hub.commits.append(value["summary"])
                elif part["key"] == "file":
                    hub.repos[name][value["path"]] = base64.b64decode(value["content"])
                else:
                    hub.repos[name][value["path"]] = hub.stored(value["oid"])
            url = f"{hub.url}/datasets/{name}/commit/{'1' * 40}"
            return self._send(200, {"success": True, "commitOid": "1" * 40, "commitUrl": url, "hookOutput": ""})
        return self._send(404, {"error": "Not Found"})

    def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        kind = "application/octet-stream" if isinstance(answer, bytes) else "application/json"
        self.send_response(status)
        for header, value in {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(header, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
