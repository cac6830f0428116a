"""A model that says what a test wrote down: OpenAI's Responses API, spoken on a loopback port to the real Codex CLI.

A script is a list of replies for each thread of a session: `user` for the one that was asked, `subagent`
for those it spawns; parent and child speak at the same time and each hears its own lines. A reply is an item,
several items (parallel calls), or a function of the request, which has read what the tools answered:

    with ScriptedModel({"user": [
        call("run_experiment", "mcp__golf", experiment="wider"),
        lambda heard: call("wait_for_job", "mcp__golf", id=heard.last(r'"id":"([^"]+)"')),
        say("done"),
    ]}) as model:
        ...                       # point a provider's base_url at model.url
    model.requests[0].tools       # everything Codex sent is kept
"""

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Item = dict[str, Any]
"""One output item of a response, without its ids."""


@dataclass(frozen=True)
class Request:
    """What Codex sent: everything a model would have seen."""

    body: dict[str, Any] = field(repr=False)
    turn: dict[str, Any] = field(repr=False)
    """Codex's own metadata: whose thread it is, under which sandbox."""

    @property
    def thread(self) -> str:
        return self.turn.get("thread_source", "user")

    @property
    def text(self) -> str:
        """All that was said to the model, outputs of tools included."""
        return "\n".join(_strings(self.body.get("input", [])))

    @property
    def outputs(self) -> list[str]:
        """What each tool call was answered, in order."""
        answers = [
            item for item in self.body.get("input", []) if item["type"].endswith(("_call_output", "_search_output"))
        ]
        return [_spoken(answer.get("output", answer)) for answer in answers]

    @property
    def tools(self) -> dict[str, dict[str, Any]]:
        """The offered tools by name; those of a namespace as `namespace.name`."""
        offered = list(self.body.get("tools") or [])
        for item in self.body.get("input", []):
            offered += item.get("tools") or []
        named = {}
        for tool in offered:
            name = tool.get("name", tool["type"])
            named[name] = tool
            named |= {f"{name}.{inner['name']}": inner for inner in tool.get("tools", [])}
        return named

    def last(self, pattern: str) -> str:
        """Group 1 of the last match in what the tools answered; no match fails the test."""
        found = re.findall(pattern, "\n".join(self.outputs))
        if not found:
            raise LookupError(f"no {pattern!r} in the answers of the tools: {self.outputs}")
        return found[-1]


Reply = Item | Sequence[Item] | Callable[[Request], "Item | Sequence[Item]"]


@dataclass(frozen=True)
class Until:
    """A reply that is given again and again until the last answer matches `pattern`."""

    pattern: str
    reply: Reply


def say(text: str) -> Item:
    """The model's words to the user; without a call beside them they end the turn."""
    return {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


def call(name: str, namespace: str | None = None, **arguments: Any) -> Item:
    """A call of a function tool."""
    item = {"type": "function_call", "name": name, "arguments": json.dumps(arguments)}
    return item if namespace is None else {**item, "namespace": namespace}


def write(name: str, text: str) -> Item:
    """A call of a freeform tool: `exec` takes JavaScript, `apply_patch` a patch."""
    return {"type": "custom_tool_call", "name": name, "input": text}


def search(query: str) -> Item:
    """A search among the deferred tools."""
    return {"type": "tool_search_call", "execution": "client", "arguments": {"query": query}}


@dataclass
class ScriptedModel:
    """The server; a context manager. A thread that has no line left is told so, and its turn ends."""

    script: Mapping[str, Sequence["Reply | Until"]]
    requests: list[Request] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    """What went wrong in the script's own functions; raised at the end."""

    def __post_init__(self) -> None:
        self._left = {thread: list(replies) for thread, replies in self.script.items()}
        self._lock = threading.Lock()
        self._ids = itertools.count(1)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        if error is None and self.failures:
            raise self.failures[0]

    @property
    def url(self) -> str:
        """The provider's base_url."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def heard(self) -> Request:
        """The user's thread as it was last sent: all of its outputs are in it."""
        return self.of("user")[-1]

    def of(self, thread: str) -> list[Request]:
        """The requests of one kind of thread."""
        return [request for request in self.requests if request.thread == thread]

    def answer(self, request: Request) -> list[Item]:
        """The next line of the request's thread, with ids."""
        with self._lock:
            self.requests.append(request)
            try:
                reply = self._next(request)
                items = reply(request) if callable(reply) else reply
            except Exception as error:
                self.failures.append(error)
                items = say(f"the script failed: {error}")
            return [self._identified(item) for item in ([items] if isinstance(items, dict) else items)]

    def _next(self, request: Request) -> Reply:
        last = request.outputs[-1] if request.outputs else ""
        if yielded := re.search(r"Script running with cell ID (\S+)", last):  # as every model does with a long script
            return call("wait", cell_id=yielded[1])
        left = self._left.get(request.thread, [])
        while left and isinstance(left[0], Until) and re.search(left[0].pattern, last):
            left.pop(0)
        if not left:
            return say("(the script has no line left)")
        return left[0].reply if isinstance(left[0], Until) else left.pop(0)

    def _identified(self, item: Item) -> Item:
        number = next(self._ids)
        kind = {"message": "msg", "function_call": "fc", "custom_tool_call": "ctc"}.get(item["type"], "ts")
        known = {"id": f"{kind}_{number}", "status": "completed", **item}
        return known if kind == "msg" else {"call_id": f"call_{number}", **known}


def _handler(model: ScriptedModel) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send("application/json", json.dumps({"object": "list", "data": [], "models": []}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            request = Request(body, json.loads(self.headers.get("x-codex-turn-metadata", "{}")))
            self._send("text/event-stream", "".join(_events(body["model"], model.answer(request))))

        def _send(self, kind: str, text: str) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet: the requests are kept."""

    return Handler


def _events(name: str, items: list[Item]) -> Iterator[str]:
    response = {"id": f"resp_{items[0]['id']}", "object": "response", "created_at": 0, "model": name}
    tokens = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": {**response, "status": "in_progress"}}]
    for index, item in enumerate(items):
        events.append({"type": "response.output_item.added", "output_index": index, "item": item})
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    complete = {**response, "status": "completed", "output": items, "usage": tokens}
    events.append({"type": "response.completed", "response": complete})
    for number, event in enumerate(events):
        yield f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n"


def _spoken(output: Any) -> str:
    """A tool's answer as text: a string, or parts that have one."""
    if isinstance(output, list):
        return "\n".join(part.get("text", "") for part in output)
    return output if isinstance(output, str) else json.dumps(output)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
