"""A client of one MCP server over stdio, so plain that it costs next to nothing itself: lines of JSON through pipes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from side_by_side import Sample


class Session:
    """A server process, from its start to `close`."""

    def __init__(self, argv: Sequence[str], folder: Path) -> None:
        self.begin = time.perf_counter()
        self.server = subprocess.Popen(
            argv,
            cwd=folder,
            env={name: value for name, value in os.environ.items() if name != "GOLF_WORKSPACE"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.asked = 0
        about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
        self.ask("initialize", about)
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def ask(self, method: str, parameters: dict[str, Any]) -> Any:
        """One request and its result.

        Raises:
            RuntimeError: the server answered with an error, or not at all.
        """
        return self.ask_all([(method, parameters)])[0]

    def ask_all(self, requests: Sequence[tuple[str, dict[str, Any]]]) -> list[Any]:
        """All requests at once, then all results, in the order of the requests."""
        first = self.asked
        for method, parameters in requests:
            self.asked += 1
            self._write({"jsonrpc": "2.0", "id": self.asked, "method": method, "params": parameters})
        results: dict[int, Any] = {}
        while len(results) < len(requests):
            line = self.server.stdout.readline()
            if not line:
                raise RuntimeError(f"{self.server.args} ended with {self.server.wait()} before it answered")
            answer = json.loads(line)
            if "id" not in answer:
                continue
            if "result" not in answer or answer["result"].get("isError"):
                raise RuntimeError(f"{requests} was answered with {line.decode()[:500]}")
            results[answer["id"]] = answer["result"]
        return [results[first + 1 + index] for index in range(len(requests))]

    def call(self, tool: str, **arguments: Any) -> Any:
        """What a tool answers."""
        return self.ask("tools/call", {"name": tool, "arguments": arguments})

    def cost(self) -> dict[str, float]:
        """What the server has cost up to now: `wall_s`, `cpu_s`, `peak_bytes`."""
        process = psutil.Process(self.server.pid)
        used = process.cpu_times()
        cpu_s, peak_bytes = used.user + used.system, process.memory_info().rss
        if sys.platform == "linux":
            cpu_s = time.clock_gettime((~self.server.pid << 3) | 2)  # clock_getcpuclockid(3): the above counts in 10 ms
            status = Path(f"/proc/{self.server.pid}/status").read_text()
            peak_bytes = int(status.partition("VmHWM:")[2].split()[0]) * 1024
        return {"wall_s": time.perf_counter() - self.begin, "cpu_s": cpu_s, "peak_bytes": peak_bytes}

    def close(self) -> None:
        """End the server as a client does, by closing the pipe."""
        self.server.stdin.close()
        self.server.wait()
        self.server.stdout.close()

    def _write(self, message: dict[str, Any]) -> None:
        self.server.stdin.write(json.dumps(message).encode() + b"\n")
        self.server.stdin.flush()


def started(argv: Sequence[str], folder: Path) -> Sample:
    """A server's start, up to its list of tools: what it cost until then, and the list."""
    session = Session(argv, folder)
    try:
        tools = session.ask("tools/list", {})["tools"]
        return Sample(session.cost(), tools)
    finally:
        session.close()
