"""Speaks JSON-RPC with `codex app-server` over its stdin and stdout.

    with AppServer(cwd=root) as codex:
        codex.call("hooks/list", {"cwds": [str(root)]})

Made to survive any program behind the pipe: nothing here waits without a limit, neither for a line nor for room
to write one; stderr is drained; what is not JSON is kept for the error message; and on leaving, the child and
everything it started are gone. Codex leaves out the `"jsonrpc": "2.0"` member, and so do we.

Surprising: the server sends requests too (approvals, elicitations). One without a handler is answered with an
error, because a question nobody answers stops the turn for ever.
"""

import contextlib
import itertools
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from golf.errors import MissingPackage, UnreadableInput
from golf.jobs import process

TESTED_VERSION = "0.169.0"
"""The Codex CLI this was written and tested against."""

INSTALL = f"npm install -g @openai/codex@{TESTED_VERSION}"

CALL_TIMEOUT_S = 30.0
EVENTS_MAX = 200_000
"""Notifications kept of one conversation; a server that sends more is taken for broken."""
NOISE_MAX = 200
"""Lines that are no message, after which the program is taken for another one."""
LINE_MAX = 64 * 1024 * 1024
"""Bytes of one message; a longer line is taken for a broken server."""
GRACE_S = 3.0
"""For Codex to end by itself once its stdin is closed; then it is made to."""

Params = dict[str, Any]


class CodexFailed(UnreadableInput):
    """Codex could not be asked, or did not answer."""


class CodexRefused(CodexFailed):
    """Codex answered a call with an error."""

    def __init__(self, message: str, code: int | None = None, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


@dataclass(frozen=True)
class Event:
    """What the server said without being asked: a notification, or a request of its own."""

    method: str
    params: Params
    is_request: bool = False


def find_codex() -> str:
    """The Codex to use: what GOLF_CODEX names, else the one on PATH.

    Raises:
        MissingPackage: there is none.
    """
    named = os.environ.get("GOLF_CODEX")
    place = shutil.which(os.path.expanduser(named) if named else "codex")  # noqa: PTH111 # a bare name is no path
    if place is None:
        raise MissingPackage(
            f"GOLF_CODEX is {named!r}, and no such program can be run; unset it or name the codex to use"
            if named
            else f"codex is not on PATH: {INSTALL} (or name one in GOLF_CODEX)"
        )
    return place


def offline() -> dict[str, str]:
    """Our environment with a way out that leads nowhere: Codex looks for news of itself and of its plugins at start.

    It passes no proxy on to MCP servers, so those are as they would be.
    """
    closed = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "all")}  # the discard port
    closed["no_proxy"] = "127.0.0.1,localhost"
    return {**os.environ, **closed, **{key.upper(): value for key, value in closed.items()}}


class AppServer:
    """One conversation; a context manager. May be used from several threads.

    Args:
        arguments: after `codex app-server`, e.g. `"-c", 'model="gpt-5.5"'`.
        codex: the program (default: `find_codex()`).
        cwd: where it starts (default: here).
        env: its whole environment (default: ours).
        timeout_s: limit of a call that names none.
        experimental: ask for methods and fields Codex marks as experimental.
    """

    def __init__(
        self,
        *arguments: str,
        codex: str | Path | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
        experimental: bool = True,
    ) -> None:
        self.codex = str(codex or find_codex())
        self.timeout_s = timeout_s
        self.version = ""
        """Of the Codex that answered, e.g. `0.169.0`; empty when it does not say."""
        self.home = Path()
        """The CODEX_HOME it uses."""
        self._command = [self.codex, "app-server", *arguments]
        self._cwd, self._env, self._experimental = cwd, env, experimental
        self._handlers: dict[str, Callable[[Params], Any]] = {}
        self._numbers = itertools.count(1)
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._waited_for: set[int] = set()
        self._answers: dict[int, Params] = {}
        self._events: list[Event] = []
        self._taken: set[int] = set()
        self._noise: deque[str] = deque(maxlen=3)
        self._num_noise = 0
        self._last_words = b""
        self._over = ""
        """Why nothing more will come; empty while something may."""

    # --- asking ----------------------------------------------------------------------------------

    def call(self, method: str, params: Mapping[str, Any] | None = None, timeout_s: float | None = None) -> Any:
        """The `result` of one request.

        Raises:
            CodexRefused: the server answered with an error (`code` and `data` are its own).
            CodexFailed: no answer in time, or the server has ended.
        """
        number = next(self._numbers)
        with self._changed:
            self._waited_for.add(number)
        self._send({"id": number, "method": method, "params": dict(params or {})})
        with self._changed:
            try:
                self._until(lambda: number in self._answers, f"answer {method}", timeout_s)
            finally:
                self._waited_for.discard(number)
                answer = self._answers.pop(number, None)
        assert answer is not None
        if "error" in answer:
            error = answer["error"] if isinstance(answer["error"], dict) else {"message": answer["error"]}
            message = f"codex refused {method}: {_short(str(error.get('message')))}{self._advice()}"
            raise CodexRefused(message, error.get("code"), error.get("data"))
        return answer.get("result")

    def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Say something that has no answer."""
        self._send({"method": method} | ({"params": dict(params)} if params else {}))

    def on_request(self, method: str, handler: Callable[[Params], Any]) -> None:
        """Answer the server's requests of this method with `handler(params)`.

        It runs in a thread of its own, so it may wait for a person, and call back. What it raises becomes an error
        for the server; a request without a handler gets one too.
        """
        self._handlers[method] = handler

    # --- listening -------------------------------------------------------------------------------

    def events(self, method: str | None = None) -> list[Event]:
        """Everything the server said unasked so far, in order; with `method` only that."""
        with self._changed:
            return [event for event in self._events if method in (None, event.method)]

    def wait_for(
        self, method: str, where: Callable[[Params], bool] = lambda params: True, timeout_s: float | None = None
    ) -> Params:
        """The parameters of the next event of this method for which `where` holds; one that came before counts.

        Each event is returned once.

        Raises:
            CodexFailed: it did not come in time (the message says what came instead), or the server has ended.
        """
        position = 0
        found: list[int] = []

        def is_here() -> bool:
            nonlocal position
            while position < len(self._events) and not found:
                event = self._events[position]
                if event.method == method and position not in self._taken and where(event.params):
                    found.append(position)
                position += 1
            return bool(found)

        with self._changed:
            self._until(is_here, f"say {method}", timeout_s)
            self._taken.add(found[0])
            return self._events[found[0]].params

    # --- living and ending -----------------------------------------------------------------------

    def __enter__(self) -> "AppServer":
        try:
            self._child = subprocess.Popen(
                self._command,
                cwd=self._cwd,
                env=dict(self._env) if self._env is not None else None,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise CodexFailed(f"{self.codex} could not be started: {error.strerror or error}. {INSTALL}") from None
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._read, self._drain)]
        try:
            for thread in self._threads:
                thread.start()
            who = {"name": "caddie", "title": "Caddie", "version": version("caddie")}
            greeting = self.call(
                "initialize", {"clientInfo": who, "capabilities": {"experimentalApi": self._experimental}}
            )
            self.version, self.home = _greeted(greeting)
            self.notify("initialized")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        """Ask by closing stdin, then make sure; afterwards nothing that Codex started is left."""
        descendants: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            descendants = psutil.Process(self._child.pid).children(recursive=True)
        self._outbox.put(None)
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                self._signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(GRACE_S)
                break
        else:  # pragma: no cover # a process SIGKILL does not end is the kernel's
            self._child.wait()
        self._signal(signal.SIGKILL)  # what outlived its leader
        process.end([one for one in descendants if _is_running(one)], grace_s=GRACE_S)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout=GRACE_S)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, number)

    # --- the three threads -----------------------------------------------------------------------

    def _write(self) -> None:
        """Outbox to stdin: the only one who may be blocked by a server that does not read."""
        assert self._child.stdin is not None
        with contextlib.suppress(OSError), self._child.stdin as stdin:
            while (line := self._outbox.get()) is not None:
                view = memoryview(line)
                while view:
                    view = view[stdin.write(view) :]

    def _read(self) -> None:
        """Stdout to answers and events, until every holder of the pipe has closed it."""
        assert self._child.stdout is not None
        why = "ended"
        with self._child.stdout as raw, open(raw.fileno(), "rb", closefd=False) as stdout:
            while line := stdout.readline(LINE_MAX):
                broken = f"sent a line of more than {LINE_MAX:,} bytes" if len(line) >= LINE_MAX else self._take(line)
                if broken:
                    why = broken
                    break
            with self._changed:
                self._over = self._over or why
                self._changed.notify_all()
            if why != "ended":
                self._signal(signal.SIGKILL)

    def _drain(self) -> None:
        """Stderr to its last words, so that a chatty server neither blocks nor fills anything."""
        assert self._child.stderr is not None
        with self._child.stderr as stderr:
            while chunk := stderr.read(1 << 16):
                self._last_words = (self._last_words + chunk)[-2000:]

    def _take(self, line: bytes) -> str:
        """File one line away; why the conversation is over, when it is."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        with self._changed:
            match message:
                case {"method": str(method)}:
                    params = message.get("params")
                    params = params if isinstance(params, dict) else {}
                    self._events.append(Event(method, params, is_request="id" in message))
                    if "id" in message:
                        threading.Thread(target=self._answer, args=(message["id"], method, params), daemon=True).start()
                case {"id": int(number), **rest} if "result" in rest or "error" in rest:
                    if number in self._waited_for:
                        self._answers[number] = rest
                case _:
                    self._noise.append(line[:200].decode(errors="replace"))
                    self._num_noise += 1
            self._changed.notify_all()
            if self._num_noise > NOISE_MAX:
                return "does not speak the protocol"
            return f"sent more than {EVENTS_MAX:,} events" if len(self._events) > EVENTS_MAX else ""

    def _answer(self, number: Any, method: str, params: Params) -> None:
        handler = self._handlers.get(method)
        if handler is None:
            self._send({"id": number, "error": {"code": -32601, "message": f"caddie does not answer {method}"}})
            return
        try:
            self._send({"id": number, "result": handler(params)})
        except Exception as error:  # the server must hear something, whatever the handler did
            self._send({"id": number, "error": {"code": -32603, "message": _short(str(error))}})

    # --- waiting ---------------------------------------------------------------------------------

    def _send(self, message: Params) -> None:
        self._outbox.put(json.dumps(message).encode() + b"\n")

    def _until(self, is_here: Callable[[], bool], hoped: str, timeout_s: float | None) -> None:
        """Wait, holding the lock, until `is_here`.

        Raises:
            CodexFailed: the time is over, or the server is.
        """
        limit_s = self.timeout_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + limit_s
        while not is_here():
            if self._over:
                raise CodexFailed(f"{self._name()} {self._ending()} and did not {hoped}{self._said()}{self._advice()}")
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise CodexFailed(f"{self._name()} did not {hoped} within {limit_s:g} s{self._said()}{self._advice()}")
            if not self._changed.wait(min(left_s, 1.0)) and self._child.poll() is not None:
                self._over = self._over or "ended"  # somebody else still holds its stdout

    def _name(self) -> str:
        return f"{self.codex} app-server"

    def _ending(self) -> str:
        if self._over != "ended":
            return self._over
        with contextlib.suppress(subprocess.TimeoutExpired):
            return f"ended with exit code {self._child.wait(1.0)}"
        return "closed its stdout"

    def _said(self) -> str:
        """What it said instead, for the error message."""
        words = _short(self._last_words.decode(errors="replace").strip()[-400:])
        methods = list(dict.fromkeys(event.method for event in self._events))
        parts = [
            f"; it wrote {_short(self._noise[-1])!r}, which is no message" if self._noise else "",
            f"; it said {', '.join(methods[-8:])}" if methods else "",
            f"; its stderr ends: {words}" if words else "",
        ]
        return "".join(parts)

    def _advice(self) -> str:
        if self.version and self.version == TESTED_VERSION:
            return ""
        has = f"it is version {self.version}" if self.version else "its version is unknown"
        return f" ({has}; Caddie was tested with {TESTED_VERSION}: {INSTALL})"


def _is_running(one: psutil.Process) -> bool:
    """Whether it still does anything; one that has ended and was not collected does not."""
    with contextlib.suppress(psutil.Error):
        return one.is_running() and one.status() != psutil.STATUS_ZOMBIE
    return False


def _greeted(greeting: Any) -> tuple[str, Path]:
    """Version and CODEX_HOME out of the answer to `initialize`."""
    if not isinstance(greeting, dict) or not isinstance(greeting.get("codexHome"), str):
        raise CodexFailed(f"codex app-server of another kind: initialize answered {_short(str(greeting))}. {INSTALL}")
    said = re.search(r"/(\d+\.\d+\.\d+\S*)", str(greeting.get("userAgent")))
    return said.group(1) if said else "", Path(greeting["codexHome"])


def _short(text: str) -> str:
    """One line of at most 400 characters, without colours."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())[:400]
