"""What a remote back-end is: one protocol, and the few nouns it speaks in.

A back-end runs one `Launch` (one command in one tree of files, for at most so long) somewhere else. It states the
limit to its provider, so that what was started ends without us; it tags what it starts with our owner and key, so that
it is found again; and it never touches what carries another owner's tag. It keeps nothing itself: leases do
(`golf.jobs.leases`), and `golf.jobs.remote` follows a launch from asking to the last cent.
"""

import importlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from golf.errors import BadConfig, GolfError, UnreadableInput
from golf.workspace import Settings, describe

Answered = TypeVar("Answered")

BACKENDS = {
    "ssh": "golf.jobs.ssh:Ssh",
    "slurm": "golf.jobs.slurm:Slurm",
    "hf_jobs": "golf.jobs.hf_jobs:HfJobs",
    "runpod": "golf.jobs.runpod:RunPod",
    "skypilot": "golf.jobs.skypilot:SkyPilot",
}
"""Name in golf.toml → class; imported when it is asked for, as some bring heavy clients.

One of your own is named the same way: `backend = "package.module:Class"`.
"""

MAY_BE_FREE = ("local", "ssh", "slurm")
"""Machines of one's own; whatever runs elsewhere has a price, and a tier that states none is refused."""


class BackendFailed(UnreadableInput):
    """The provider did not do what it was asked; whether it will later is not known."""


class Refused(BackendFailed):
    """The provider said no: nothing was started, and asking the same again will not help at once."""


class Uncertain(BackendFailed):
    """A launch was asked for and not answered: it may have started. `mine` tells."""


@dataclass(frozen=True)
class Launch:
    """One command to run elsewhere."""

    key: str
    """Idempotency key and name at the provider: lower-case letters, digits and hyphens, at most 63 of them."""
    owner: str
    """Tag of this workspace's launches."""
    tree: Path
    """The folder it runs in; sent there, weights and what git ignores left out by who made it."""
    command: Sequence[str]
    """Its words; `{python}` is replaced by the back-end."""
    env: Mapping[str, str]
    """Hyper-parameters and the like; no secrets."""
    outputs: Sequence[str]
    """Patterns, relative to the tree, of files that are fetched when it has ended."""
    time_limit_s: float
    """From asking on, boot included: the provider ends it then."""
    gpus: int
    hourly_usd: float = 0.0
    """Price of its machine for an hour as golf.toml states it: what is set aside goes by it. 0: free."""


RemoteState = Literal["starting", "running", "ended"]


@dataclass(frozen=True)
class Remote:
    """A launch as its provider shows it."""

    id: str
    """The provider's own."""
    key: str
    """Ours, from its name or tags."""
    state: RemoteState
    """`ended`: it costs nothing any more. A machine that is still there has not ended, whatever its command did."""
    exit_code: int | None = None
    """Of the command, once it has ended; None while it runs, or where the provider does not tell."""
    cost_usd: float | None = None
    """As billed by the provider; None where that cannot be read, so that seconds count."""
    started_at: datetime | None = None
    message: str = ""

    @property
    def is_done(self) -> bool:
        """Whether the command has ended, on a machine that may still be there."""
        return self.state == "ended" or self.exit_code is not None


class Backend(Protocol):
    """One provider. Every method may raise BackendFailed, and none waits for longer than `CALL_S` altogether."""

    @property
    def beyond_s(self) -> float:
        """Seconds that may be billed beyond a launch's limit: begun minutes, a machine that waits to be emptied."""
        ...

    def lacks(self) -> str:
        """What is missing here to ask it at all, and what supplies it; empty when nothing seems to be. Asks nobody."""
        ...

    def submit(self, launch: Launch) -> str:
        """Start it, with its limit stated to the provider; returns the provider's id.

        Raises:
            Refused: nothing was started.
            Uncertain: it may have been.
        """
        ...

    def poll(self, remote_id: str) -> Remote | None:
        """How it is; None when the provider knows no such thing (any more)."""
        ...

    def log(self, remote_id: str, offset: int) -> bytes:
        """What the command has printed from byte `offset` on; empty when there is no more yet."""
        ...

    def fetch(self, remote_id: str, to: Path, outputs: Sequence[str]) -> None:
        """Copy its outputs into the folder `to`, whole files only."""
        ...

    def ask_to_stop(self, remote_id: str) -> bool:
        """Let the trainer end early with its result (its stop file appears); False where that cannot be asked."""
        ...

    def end(self, remote_id: str) -> None:
        """Ask the provider to end it, machine and all; one that has ended is no error. `poll` tells whether it has."""
        ...

    def mine(self, owner: str) -> list[Remote]:
        """Everything of this owner that the provider lists, ended things included where it still lists them."""
        ...

    def plan(self, launch: Launch) -> dict[str, Any]:
        """What would be asked of the provider, without secrets: for a dry run."""
        ...


KEY = r"[a-z0-9][a-z0-9-]{0,62}"
"""A launch's key, and so what may stand in names, paths and commands of providers."""

OWNER_LABEL, KEY_LABEL = "caddie-owner", "caddie-key"
"""Labels of ours, where a provider has labels."""

CALL_S = 60.0
"""Seconds after which an unanswered call counts as failed, retries included."""


def checked_key(key: str) -> str:
    """The key of a launch.

    Raises:
        Refused: it is none, and goes nowhere.
    """
    if not re.fullmatch(KEY, key):
        raise Refused(f"{key[:80]!r} is no key of a launch: lower-case letters, digits and hyphens, at most 63 of them")
    return key


def is_loopback(host: str) -> bool:
    """Whether what is said to this host stays on this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def checked_endpoint(endpoint: str) -> str:
    """An address that a key may be sent to: https, or http on this machine.

    Raises:
        BadConfig: it is another.
    """
    parts = urlsplit(endpoint)
    if parts.hostname is None or not (
        parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
    ):
        raise BadConfig(f"endpoint must be https, or http on loopback, as a key goes there (got {endpoint!r})")
    return endpoint.rstrip("/")


class RemoteSettings(Settings):
    """What every back-end's own table in golf.toml (`[tiers.NAME.options]`) may say."""

    python: str = "python3"
    """Interpreter there, for `{python}`."""
    data: str = ""
    """Folder of shards there (DATA_PATH); empty: the trainer's own default."""
    tokenizer: str = ""
    """Tokenizer there (TOKENIZER_PATH)."""
    setup: str = ""
    """Shell commands run before the trainer, in its tree, e.g. to install or to download data."""


def open_backend(name: str, options: Mapping[str, Any]) -> Backend:
    """The back-end of that name, with a tier's options.

    Raises:
        BadConfig: there is none, it is no back-end, or an option is unknown or unusable.
        MissingPackage: its client is not installed.
    """
    module, _, kind = BACKENDS.get(name, name).partition(":")
    if not (module and kind) or module.startswith("."):
        raise BadConfig(f"no back-end {name!r}; there are: local, {', '.join(sorted(BACKENDS))}, package.module:Class")
    try:
        backend = getattr(importlib.import_module(module), kind)(options)
        lacking = _lacking(backend)
    except GolfError:
        raise
    except ValidationError as error:
        raise BadConfig(f"options of back-end {name}: {describe(error)}") from error
    except (Exception, SystemExit) as error:  # one of somebody's own may fail in any way; every command asks for it
        raise BadConfig(f"back-end {name!r} cannot be loaded: {_told(error)}") from error
    if lacking:
        raise BadConfig(f"back-end {name!r} is none: it lacks {lacking}. What one is: golf.jobs.backend.Backend")
    return backend


def ready_backend(name: str, options: Mapping[str, Any]) -> Backend:
    """As `open_backend`, of one that could be asked from here.

    Raises:
        BadConfig: also when a key, a login or a program is not there.
    """
    backend = open_backend(name, options)
    lacking = said(name, "what it lacks here", str, backend.lacks)
    if lacking:
        raise BadConfig(f"back-end {name} cannot be asked from here: {lacking}")
    return backend


def said(name: str, what: str, kind: type[Answered], ask: Callable[[], object]) -> Answered:
    """What a back-end says of itself, without asking anybody: one of somebody's own may fail in any way.

    Args:
        name: The back-end's.
        what: What it is asked for, in words.
        kind: What its answer is.
        ask: Its method.

    Raises:
        BadConfig: it raises, or its answer is of another kind.
    """
    try:
        answer = ask()
    except GolfError:
        raise
    except (Exception, SystemExit) as error:
        raise BadConfig(f"back-end {name!r} cannot say {what}: {_told(error)}") from error
    if not isinstance(answer, kind):
        raise BadConfig(f"back-end {name!r} says {what} as {type(answer).__name__}, not as {kind.__name__}")
    return answer


METHODS = ("lacks", "submit", "poll", "log", "fetch", "ask_to_stop", "end", "mine", "plan")
"""Of `Backend`."""


def _lacking(backend: object) -> str:
    """What of the protocol it has not; empty when it is a back-end."""
    lacking = [name for name in METHODS if not callable(getattr(backend, name, None))]
    beyond_s = getattr(backend, "beyond_s", None)
    if not (isinstance(beyond_s, int | float) and 0 <= beyond_s < math.inf):
        lacking.append(f"beyond_s in seconds (it is {beyond_s!r})")
    return ", ".join(lacking)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
