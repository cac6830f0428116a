"""The real Codex CLI, in a home that is thrown away, asking a scripted model; nothing leaves the machine."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hands import Hand
from scripted import Request, ScriptedModel

from golf.codex.app_server import AppServer

VERSION = "0.169.0"
ROOT = Path(__file__).parents[2]
CLOSED = "http://127.0.0.1:9"
"""A proxy on the discard port: what would leave the machine fails at once."""


def find() -> Path | None:
    """The pinned CLI: what `make tools` installed, GOLF_CODEX, or one on PATH if it is the same version."""
    named = os.environ.get("GOLF_CODEX")
    for candidate in (ROOT / "node_modules/.bin/codex", named and Path(named), shutil.which("codex")):
        if candidate and Path(candidate).exists():
            said = subprocess.run([candidate, "--version"], capture_output=True, text=True, timeout=60).stdout
            if said.split()[-1:] == [VERSION]:
                return Path(candidate)
    return None


@dataclass(frozen=True)
class Session:
    """One `codex exec`, when it is over."""

    exit_code: int
    events: list[dict[str, Any]] = field(repr=False)
    stdout: str = field(repr=False)
    stderr: str
    model: ScriptedModel = field(repr=False)

    @property
    def first(self) -> Request:
        """What the model is told before it says anything."""
        return self.model.of("user")[0]

    @property
    def outputs(self) -> list[str]:
        """What the user's thread was answered, call by call."""
        return self.model.heard.outputs

    @property
    def calls(self) -> list[dict[str, Any]]:
        """MCP calls as `--json` reports them."""
        done = [event["item"] for event in self.events if event["type"] == "item.completed"]
        return [item for item in done if item["type"] == "mcp_tool_call"]


@dataclass(frozen=True)
class Home:
    """A throw-away HOME with its CODEX_HOME."""

    codex: Path
    folder: Path
    has_golf: bool = True
    """Whether `golf` and `golf-hook` are on PATH."""

    @classmethod
    def make(cls, codex: Path, folder: Path) -> "Home":
        """An empty one."""
        home = cls(codex, folder)
        home.config.parent.mkdir(parents=True)
        home.programs.mkdir()
        home.config.write_text("check_for_update_on_startup = false\n[analytics]\nenabled = false\n")
        return home

    def install(self) -> None:
        """The bundle, from this checkout, as the README says."""
        for step in (("marketplace", "add", str(ROOT)), ("add", "caddie@caddie")):
            done = self.cli("plugin", *step, cwd=self.folder)
            assert done.returncode == 0, done.stderr

    @property
    def config(self) -> Path:
        """The user's config.toml."""
        return self.folder / ".codex" / "config.toml"

    @property
    def programs(self) -> Path:
        """First on PATH: stand-ins for programs this machine may lack."""
        return self.folder / "bin"

    @property
    def path(self) -> str:
        """PATH: our stand-ins, golf and golf-hook, what there is, and last the Node that came with the CLI."""
        ours = [str(self.programs), str(Path(sys.executable).parent)]
        places = [*ours, *os.environ["PATH"].split(os.pathsep), str(ROOT / "node_modules" / ".bin")]
        return os.pathsep.join(place for place in places if self.has_golf or not (Path(place) / "golf").exists())

    @property
    def env(self) -> dict[str, str]:
        """A whole environment: no way out of the machine, and nothing of the settings the tests run under."""
        ours = ("CODEX_", "OPENAI_", "GOLF_", "GIT_")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        proxies = {f"{kind}_proxy": CLOSED for kind in ("http", "https", "all")}
        proxies["no_proxy"] = "127.0.0.1,localhost"
        return {
            **kept,
            **proxies,
            **{key.upper(): value for key, value in proxies.items()},
            "HOME": str(self.folder),
            "CODEX_HOME": str(self.config.parent),
            "GOLF_CODEX": str(self.codex),
            "PATH": self.path,
        }

    def cli(self, *arguments: str, cwd: Path, timeout_s: float = 60) -> "subprocess.CompletedProcess[str]":
        """`codex …`, to its end."""
        return self.run([str(self.codex), *arguments], cwd=cwd, timeout_s=timeout_s)

    def golf(self, *arguments: str, cwd: Path, timeout_s: float = 60) -> "subprocess.CompletedProcess[str]":
        """`golf …` as this home's user would say it."""
        return self.run(["golf", *arguments], cwd=cwd, timeout_s=timeout_s)

    def run(self, command: Sequence[str], *, cwd: Path, timeout_s: float) -> "subprocess.CompletedProcess[str]":
        """A command and its children in a process group that does not outlive the time-out."""
        process = subprocess.Popen(
            command, cwd=cwd, env=self.env, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)

    def exec(
        self,
        hand: Hand,
        script: Mapping[str, Sequence[Any]] | Sequence[Any],
        *arguments: str,
        cwd: Path,
        prompt: str = "go",
        timeout_s: float = 150,
    ) -> Session:
        """`codex exec --json` against a scripted model, to its end."""
        threads = script if isinstance(script, Mapping) else {"user": script}
        with ScriptedModel(threads) as model:
            settings = provider(hand, model)
            done = self.cli("exec", "--json", *settings, *arguments, prompt, cwd=cwd, timeout_s=timeout_s)
        events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return Session(done.returncode, events, done.stdout, done.stderr, model)

    @contextmanager
    def conversation(self, hand: Hand, script: Sequence[Any], *, cwd: Path, approval: str) -> Iterator["Conversation"]:
        """A thread in `codex app-server`, as an editor or the terminal interface has one."""
        with (
            ScriptedModel({"user": script}) as model,
            AppServer(*provider(hand, model), codex=self.codex, cwd=cwd, env=self.env) as server,
        ):
            started = server.call("thread/start", {"cwd": str(cwd), "approvalPolicy": approval})
            yield Conversation(server, model, started["thread"]["id"])


@dataclass(frozen=True)
class Conversation:
    """A thread with a person at the other end."""

    server: AppServer
    model: ScriptedModel = field(repr=False)
    thread: str

    def ask(self, prompt: str) -> None:
        """One turn, to its end."""
        self.server.call("turn/start", {"threadId": self.thread, "input": [{"type": "text", "text": prompt}]})
        self.server.wait_for("turn/completed", timeout_s=120)


def provider(hand: Hand, model: ScriptedModel) -> list[str]:
    """The settings that make Codex ask `model` and lay out its tools as for the catalogue's `hand.model`."""
    table = f'{{name="scripted",base_url="{model.url}",wire_api="responses",requires_openai_auth=false}}'
    values = {"model": f'"{hand.model}"', "model_provider": '"scripted"', "model_providers.scripted": table}
    return [word for key, value in values.items() for word in ("-c", f"{key}={value}")]
