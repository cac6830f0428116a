"""A provider in a folder: each launch is a folder and a process of this machine. For tests of what all back-ends share.

It keeps everything on disk, so that several processes may use it at once, and misbehaves by files in its folder.
"""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psutil

from golf.jobs import payload
from golf.jobs.backend import BackendFailed, Launch, Refused, Remote, RemoteSettings, Uncertain


class Toy:
    """The back-end; `options` names its folder, and what may be billed beyond the limit."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.folder = Path(options["folder"])
        self.beyond_s = float(options.get("beyond_s", 0.0))
        self.settings = RemoteSettings(
            **{key: value for key, value in options.items() if key not in ("folder", "beyond_s")}
        )
        self.folder.mkdir(parents=True, exist_ok=True)

    def lacks(self) -> str:
        return "a key" if self._is_bad("no_key") else ""

    def fault(self, name: str | None) -> None:
        """Begin a bad day (None: end them)."""
        for file in self.folder.glob("fault-*"):
            file.unlink()
        if name is not None:
            (self.folder / f"fault-{name}").touch()

    def _is_bad(self, name: str) -> bool:
        return (self.folder / f"fault-{name}").exists()

    def submit(self, launch: Launch) -> str:
        if self._is_bad("capacity"):
            raise Refused("no capacity")
        if self._is_bad("create_lost"):
            raise Uncertain("no answer")
        place = self.folder / launch.key
        place.mkdir()
        shutil.copytree(launch.tree, place / payload.TREE, symlinks=True)
        (place / "owner").write_text(launch.owner)
        (place / payload.SCRIPT).write_text(payload.script(launch, self.settings))
        child = subprocess.Popen(["sh", str(place / payload.SCRIPT)], env=_theirs(), start_new_session=True)
        (place / "pid").write_text(f"{child.pid} {psutil.Process(child.pid).create_time()}")
        child.returncode = 0
        if self._is_bad("create_timeout_but_created"):
            raise Uncertain("no answer in time")
        return launch.key

    def poll(self, remote_id: str) -> Remote | None:
        self._network()
        place = self.folder / remote_id
        if not place.is_dir() or self._is_bad("forgetful"):
            return None
        code = payload.exit_code(_text(place / payload.EXIT))
        billed = _text(place / "billed")
        state = "ended" if code is not None or not self._alive(place) else "running"
        return Remote(remote_id, remote_id, state, code, float(billed) if billed else None)

    def log(self, remote_id: str, offset: int) -> bytes:
        self._network()
        try:
            found = (self.folder / remote_id / payload.OUTPUT).read_bytes()[offset:]
            return found[:1] if self._is_bad("log_trickles") else found
        except OSError:
            return b""

    def fetch(self, remote_id: str, to: Path, outputs: Sequence[str]) -> None:
        self._network()
        if self._is_bad("fetch_breaks_once"):
            self.fault(None)
            raise BackendFailed("the connection was reset")
        for pattern in outputs:
            for found in (self.folder / remote_id / payload.TREE).glob(pattern):
                shutil.copyfile(found, to / found.name)

    def ask_to_stop(self, remote_id: str) -> bool:
        (self.folder / remote_id / payload.STOP).touch()
        return True

    def end(self, remote_id: str) -> None:
        self._network()
        if (process := self._alive(self.folder / remote_id)) is not None:
            whole = [process, *process.children(recursive=True)]  # `timeout` has a group of its own
            for one in whole:
                with contextlib.suppress(psutil.Error):
                    one.kill()
            psutil.wait_procs(whole, timeout=5)

    def mine(self, owner: str) -> list[Remote]:
        self._network()
        keys = [place.name for place in self.folder.glob("caddie-*") if _text(place / "owner") == owner]
        return [remote for key in keys if (remote := self.poll(key)) is not None]

    def plan(self, launch: Launch) -> dict[str, Any]:
        return {"folder": launch.key, "command": " ".join(launch.command)}

    def _network(self) -> None:
        if self._is_bad("network_lost"):
            raise BackendFailed("the network is down")

    def _alive(self, place: Path) -> psutil.Process | None:
        try:
            pid, started = (place / "pid").read_text().split()
            process = psutil.Process(int(pid))
        except (OSError, ValueError, psutil.Error):
            return None
        is_same = abs(process.create_time() - float(started)) < 0.1 and process.status() != psutil.STATUS_ZOMBIE
        return process if is_same else None


def _theirs() -> dict[str, str]:
    """The provider's environment: what marks processes as ours is not in it."""
    return {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "TMPDIR")}


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def launch(key: str, owner: str, tree: Path, command: Sequence[str], limit_s: float = 60.0) -> Launch:
    """A launch that fetches `*.ptz`."""
    return Launch(key, owner, tree, command, {"ITERATIONS": "3"}, ["*.ptz"], limit_s, gpus=0)


def described(folder: Path) -> str:
    """The toy's options as a lease keeps them."""
    return json.dumps({"folder": str(folder)})


class StandIn:
    """The toy as the fault matrix meets every provider."""

    name = "standins.toy:Toy"

    def __init__(self) -> None:
        self.env = {"PYTHONPATH": str(Path(__file__).parents[1])}

    def __enter__(self) -> Self:
        self._scratch = tempfile.TemporaryDirectory(prefix="toy-")
        self._toy = Toy({"folder": self._scratch.name})
        return self

    def __exit__(self, *_: object) -> None:
        for place in Path(self._scratch.name).glob("caddie-*"):
            self._toy.fault(None)
            self._toy.end(place.name)
        self._scratch.cleanup()

    def tier(self) -> dict[str, Any]:
        return {
            "backend": self.name, "gpus": 8, "hourly_rate_usd": 20.0, "options": {"folder": self._scratch.name},
        }  # fmt: skip

    def alive(self, owner: str) -> list[str]:
        return [remote.id for remote in Toy({"folder": self._scratch.name}).mine(owner) if remote.state != "ended"]

    def plant_foreign(self) -> str:
        with tempfile.TemporaryDirectory() as tree:
            key = f"caddie-00000000-20260101-000000-{secrets.token_hex(3)}-s1"
            return self._toy.submit(launch(key, "00000000", Path(tree), ["sleep", "600"], 600))

    def is_alive(self, remote_id: str) -> bool:
        remote = self._toy.poll(remote_id)
        return remote is not None and remote.state != "ended"

    def billed_micro_usd(self, owner: str) -> int | None:
        del owner
        return None

    def fault(self, name: str | None) -> None:
        if name not in (None, "network_lost", "create_timeout_but_created", "capacity"):
            raise ValueError(name)
        self._toy.fault(name)
