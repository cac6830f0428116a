"""Serves an exported model over HTTP, by the Open Inference Protocol (KServe V2): `python serve.py`.

    POST /v2/models/model/infer   {"inputs": [{"name": "input_ids", "shape": [1, 3], "datatype": "INT64",
                                               "data": [5, 17, 2]}], "parameters": {"last_only": true}}
    GET  /v2/models/model         what it takes and gives
    GET  /v2/health/live          it runs              GET /v2/health/ready   it answers

Triton, KServe and OpenVINO Model Server speak the same, so that a client need not change when one of them takes over.
Standard library, numpy and onnxruntime. It starts only with the very model that was checked (export.json has its hash),
and there is no authentication: put it behind what has one.

HOST, PORT, MAX_TOKENS (ids per request), MAX_LOGITS (numbers per answer), MAX_BODY_BYTES, MAX_AT_ONCE (requests that
compute) and MAX_CONNECTIONS are environment variables.
"""

import contextlib
import hashlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_WR, socket
from typing import Any

import numpy as np
import onnxruntime

NAME = "model"
CLIENT_TIMEOUT_S = 15.0
DATATYPES = {"float32": "FP32", "float64": "FP64"}


class Refused(Exception):
    """A request that is not answered, and the status that says why."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


def limit(name: str, default: int) -> int:
    """A limit from the environment, above 0."""
    value = int(os.environ.get(name, default))
    if value < 1:
        raise SystemExit(f"{name} must be at least 1 (got {value})")
    return value


class Model:
    """The exported model, and what may be asked of it."""

    def __init__(self, folder: Path) -> None:
        self.facts = json.loads((folder / "export.json").read_text(encoding="utf-8"))
        data = (folder / "model.onnx").read_bytes()
        if hashlib.sha256(data).hexdigest() != self.facts["model_sha256"]:
            raise SystemExit("model.onnx is not the model that export.json says was checked: it is not served")
        self.session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        self.max_tokens = limit("MAX_TOKENS", 16_384)
        self.max_logits = limit("MAX_LOGITS", 2_000_000)

    def metadata(self) -> dict[str, Any]:
        """What it takes and gives; -1 is an axis that varies."""

        def port(facts: dict[str, Any]) -> dict[str, Any]:
            datatype = DATATYPES.get(facts["dtype"], facts["dtype"].upper())
            shape = [axis if isinstance(axis, int) else -1 for axis in facts["shape"]]
            return {"name": facts["name"], "datatype": datatype, "shape": shape}

        return {
            "name": NAME,
            "versions": ["1"],
            "platform": "onnxruntime_onnx",
            "inputs": [port(one) for one in self.facts["inputs"]],
            "outputs": [port(one) for one in self.facts["outputs"]],
            "parameters": {key: self.facts[key] for key in ("vocab_size", "max_len", "model_sha256", "difference")},
        }

    def infer(self, request: object) -> dict[str, Any]:
        """Logits for a request of the protocol.

        Raises:
            Refused: it is malformed, out of range or too large.
        """
        ids, last_only = self.parse(request)
        positions = 1 if last_only else ids.shape[1]
        if (numbers := len(ids) * positions * self.facts["vocab_size"]) > self.max_logits:
            raise Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the answer would be {numbers} numbers, the limit is {self.max_logits}; "
                'ask for the last position alone: "parameters": {"last_only": true}',
            )
        logits = np.asarray(self.session.run(["logits"], {"input_ids": ids})[0])
        if last_only:
            logits = logits[:, -1:]
        output = {
            "name": "logits",
            "shape": list(logits.shape),
            "datatype": DATATYPES[logits.dtype.name],
            "data": logits.ravel().tolist(),
        }
        return {"model_name": NAME, "model_version": "1", "outputs": [output]}

    def parse(self, request: object) -> tuple[np.ndarray, bool]:
        """Token ids (B, T), and whether the last position alone is asked for."""
        if not isinstance(request, dict):
            raise bad("the body must be a JSON object")
        inputs = request.get("inputs")
        if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
            raise bad("inputs must be a list of one tensor, input_ids")
        tensor = inputs[0]
        if tensor.get("name") != "input_ids" or tensor.get("datatype") != "INT64":
            raise bad("the input must be named input_ids and be of datatype INT64")
        shape = tensor.get("shape")
        if not isinstance(shape, list) or len(shape) != 2 or not all(type(axis) is int and axis > 0 for axis in shape):
            raise bad("shape must be [batch, sequence], both above 0")
        rows, length = shape
        if length > self.facts["max_len"]:
            raise bad(f"a sequence has {length} tokens, the model takes {self.facts['max_len']}")
        if rows * length > self.max_tokens:
            raise Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{rows * length} token ids, the limit is {self.max_tokens}"
            )
        data = list(flat(tensor.get("data"), rows * length))
        if len(data) != rows * length:
            raise bad(f"data has another number of ids than shape says, {rows * length}")
        if not all(type(one) is int and 0 <= one < self.facts["vocab_size"] for one in data):
            raise bad(f"token ids must be whole numbers from 0 to {self.facts['vocab_size'] - 1}")
        parameters = request.get("parameters") or {}
        if not isinstance(parameters, dict) or not isinstance(parameters.get("last_only", False), bool):
            raise bad("parameters must be an object, and last_only true or false")
        return np.asarray(data, dtype=np.int64).reshape(rows, length), parameters.get("last_only", False)


def flat(data: object, limit: int) -> Iterator[object]:
    """Ids one after the other, rows in lists or not; not many more than `limit`."""
    if not isinstance(data, list):
        raise bad("data must be a list")
    given = 0
    for row in data:
        for one in row if isinstance(row, list) else (row,):
            given += 1
            if given > limit:
                raise bad(f"data has another number of ids than shape says, {limit}")
            yield one


def bad(text: str) -> Refused:
    """A request that is not of the protocol."""
    return Refused(HTTPStatus.BAD_REQUEST, text)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = CLIENT_TIMEOUT_S  # a client that says nothing more is let go

    @property
    def owner(self) -> "Server":
        """The server this connection belongs to."""
        assert isinstance(self.server, Server)
        return self.server

    def do_GET(self) -> None:
        """Health and metadata."""
        if self.path in ("/v2/health/live", "/v2/health/ready", f"/v2/models/{NAME}/ready"):
            self.reply(HTTPStatus.OK, {"live" if self.path.endswith("live") else "ready": True})
        elif self.path == f"/v2/models/{NAME}":
            self.reply(HTTPStatus.OK, self.owner.model.metadata())
        else:
            self.reply(HTTPStatus.NOT_FOUND, {"error": "there is no such path"})

    def do_POST(self) -> None:
        """Inference."""
        is_read = False
        try:
            if self.path != f"/v2/models/{NAME}/infer":
                raise Refused(HTTPStatus.NOT_FOUND, "there is no such path")
            body = self.read_body()
            is_read = True
            if not self.owner.computing.acquire(blocking=False):
                raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "busy: ask again")
            try:
                answer = self.owner.model.infer(parsed(body))
            finally:
                self.owner.computing.release()
        except Refused as refusal:
            self.close_connection = not is_read  # what is left of a body is no next request
            self.reply(refusal.status, {"error": str(refusal)})
            if not is_read:
                self.linger()
        else:
            self.reply(HTTPStatus.OK, answer)

    def read_body(self) -> bytes:
        """The request's body, no larger than allowed."""
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or "Transfer-Encoding" in self.headers:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "Content-Length is needed")
        if len(length) > 18 or int(length) > self.owner.max_body_bytes:
            raise Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is over the limit of {self.owner.max_body_bytes} bytes"
            )
        body = self.rfile.read(int(length))
        if len(body) != int(length):
            raise bad("the body ends early")
        return body

    def linger(self) -> None:
        """Let the client send what it was sending, for a second: else it sees a reset in place of the answer."""
        with contextlib.suppress(OSError):
            self.connection.settimeout(1.0)
            self.connection.shutdown(SHUT_WR)
            left = 4 * self.owner.max_body_bytes
            while left > 0 and (chunk := self.rfile.read1(1 << 16)):
                left -= len(chunk)

    def reply(self, status: HTTPStatus, answer: dict[str, Any]) -> None:
        """A JSON answer."""
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", "1")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Method, path and status, as Python writes texts: a request must not write lines of its own into the log."""
        status = code.value if isinstance(code, HTTPStatus) else code
        self.log_message("%r %r %s", self.command, self.path[:80], str(status))


def parsed(body: bytes) -> object:
    """A body as JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise bad("the body is not JSON") from None


class Server(ThreadingHTTPServer):
    """A thread per connection, and not many of them."""

    daemon_threads = True

    def __init__(self, folder: Path, address: tuple[str, int]) -> None:
        self.model = Model(folder)
        self.max_body_bytes = limit("MAX_BODY_BYTES", 1_000_000)
        self.computing = threading.BoundedSemaphore(limit("MAX_AT_ONCE", 4))
        self.connections = threading.BoundedSemaphore(limit("MAX_CONNECTIONS", 64))
        super().__init__(address, Handler)

    def process_request(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """In a thread, unless there are too many."""
        if self.connections.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """To the end of the connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.release()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """A client that went away is no failure of ours."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def main() -> None:
    """Serve the folder this file lies in until asked to end."""
    server = Server(Path(__file__).resolve().parent, (os.environ.get("HOST", "127.0.0.1"), limit("PORT", 8000)))
    for number in (signal.SIGTERM, signal.SIGINT):  # the first process of a container gets no default for them
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"serving on {server.server_address[0]}:{server.server_address[1]}", file=sys.stderr, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
