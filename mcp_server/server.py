"""The server object: registers the tools, lets expected errors reach the model, keeps stdout clean.

Long work runs in jobs of its own, so nothing heavy is ever imported here and a crash there leaves
the server answering.
"""

import contextlib
import functools
import gc
import inspect
import logging
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, get_type_hints

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from mcp.server.mcpserver.resources import ResourceSecurity
from mcp.server.mcpserver.tools import Tool
from mcp_types import Tool as ListedTool
from pydantic import BaseModel

from golf import database
from golf.errors import UNUSABLE, NotFound, explained
from golf.play import record
from golf.schema import Noun
from golf.workspace import Workspace
from mcp_server import tools
from mcp_server.brief import brief

INSTRUCTIONS = (
    "Caddie for Parameter Golf and other ML training under limits: run experiments, score checkpoints (val_bpb), "
    "measure artifact bytes, review submissions, check promotion gates and budget, list results, record notes, read "
    "research, pick what is next. Runs and evaluations are jobs: follow them with wait_for_job."
)


ANY_OBJECT = {"type": "object"}

CHAINED = ("id", "state", "result", "message", "folder")
"""Fields of a job that the next call is made of, or decided by."""

ERROR_CHARACTERS = 1800
"""A refusal repeats what it was given, which may be long."""


class Caddie(MCPServer):
    """Lists no schema of an answer that would only say `object`: every answer is structured, announced or not."""

    async def list_tools(self) -> list[ListedTool]:
        """Name, description, arguments and hints; of a job's fields also the names."""
        return [
            tool.model_copy(update={"output_schema": None}) if tool.output_schema == ANY_OBJECT else tool
            for tool in await super().list_tools()
        ]


def build() -> MCPServer:
    """A server with every tool; a misspelt argument is refused instead of becoming a silent default."""
    server = Caddie("golf", title="Caddie", version=version("caddie"), instructions=INSTRUCTIONS, log_level="WARNING")
    for function, hints in tools.TOOLS:
        described = " ".join((function.__doc__ or "").split())
        server.tool(annotations=hints, description=described)(_of_any_noun(_explained(function)))
    server.resource(tools.DIFF, mime_type="text/x-diff")(_explained(tools.diff, ResourceError, str))
    no_path = ResourceSecurity(exempt_params={"id"})  # a name looked up in a file, with slashes in it
    server.resource(tools.ITEM, mime_type="text/plain", security=no_path)(_explained(tools.item, ResourceError, str))
    listed = server._tool_manager.list_tools()  # no public way in mcp 2.3; a test holds all three
    nouns = [get_type_hints(tool.fn)["return"] for tool in listed]
    for position, (tool, noun) in enumerate(zip(listed, nouns, strict=True)):
        _refuse_unknown_arguments(tool)
        tool.parameters = shorten(tool.parameters)
        tool.fn_metadata.output_schema = _announced(noun, nouns, position)
    return server


def run() -> None:
    """Serve over stdio until the client closes the pipe."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # a late flush would land in the protocol
    with contextlib.ExitStack() as stack:
        try:
            workspace = Workspace.find()
            record.recover(workspace)
            stack.enter_context(database.kept_open(workspace.root / ".golf" / "golf.db"))
        except NotFound:
            pass  # each tool says so, and how to make a workspace
        except UNUSABLE as error:
            logging.error("%s", explained(error))  # a damaged ledger must not keep the session from its tools
        server = build()
        gc.freeze()  # what is there now stays: no collection need look at it again
        gc.enable()
        server.run()


def _explained(
    function: Callable[..., Any], failure: type[Exception] = ToolError, finish: Callable[[Any], Any] = brief
) -> Callable[..., Any]:
    """The SDK hides exceptions from the model; an expected error's text is what it needs to see."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return finish(function(*args, **kwargs))
        except UNUSABLE as error:
            raise failure(_short(error)) from error

    @functools.wraps(function)
    async def call_async(*args: Any, **kwargs: Any) -> Any:
        try:
            return finish(await function(*args, **kwargs))
        except UNUSABLE as error:
            raise failure(_short(error)) from error

    return call_async if inspect.iscoroutinefunction(function) else call


def _of_any_noun(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same tool, said to return a `Noun`: the SDK would write out the schema of each answer, which is not listed.

    An answer that is a subclass keeps all of its fields.
    """
    function.__signature__ = inspect.signature(function).replace(return_annotation=Noun)  # type: ignore[attr-defined] # what inspect asks first
    return function


def _short(error: Exception) -> str:
    text = str(explained(error))
    return text if len(text) <= ERROR_CHARACTERS else f"{text[:ERROR_CHARACTERS]}…"


def _refuse_unknown_arguments(tool: Tool) -> None:
    model = tool.fn_metadata.arg_model
    model.model_config["extra"] = "forbid"
    model.model_rebuild(force=True)
    tool.parameters["additionalProperties"] = False


def _announced(noun: type[BaseModel], nouns: list[type[BaseModel]], position: int) -> dict[str, Any]:
    """An answer's schema: where tools hand a noun to one another, the first names the fields that the next one needs.

    Any other answer is read whole, and its fields say themselves what they are.
    """
    named = {name: {} for name in CHAINED if name in noun.model_fields}
    if nouns.count(noun) == 1 or nouns.index(noun) < position or not named:
        return ANY_OBJECT
    return {**ANY_OBJECT, "properties": named}


def shorten(schema: Any) -> Any:
    """A JSON Schema that says the same in fewer bytes.

    Drops generated titles and defaults (Codex strips those anyway) and the word that any property more
    is welcome, writes `X or null` as X (null is what leaving it out means, and stays accepted), and puts
    each definition where it is used.
    """
    definitions = schema.get("$defs", {})
    noise = {"title", "default", "$defs"}

    def short(node: Any, names: bool = False) -> Any:
        if isinstance(node, list):
            return [short(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return short(definitions[node["$ref"].rsplit("/", 1)[1]])
        kept = {
            key: short(value, names=key == "properties") for key, value in node.items() if names or key not in noise
        }
        if not names and kept.get("additionalProperties") is True:
            del kept["additionalProperties"]
        options = kept.get("anyOf")
        if not names and options and len(options) == 2 and options[1] == {"type": "null"} and "type" in options[0]:
            del kept["anyOf"]
            kept = {**options[0], **kept}
        return kept

    return short(schema)
