"""SkyPilot, an engine for many clouds, through the user's own `sky` executable: a cluster per launch, named by its key.

`sky launch` takes the cheapest of the allowed clouds that has the accelerators, brings a cluster up, and syncs the
tree; the launch's script runs as the cluster's job, in the layout `golf.jobs.ssh` knows, so that its log, outputs and
exit code are read over the ssh that SkyPilot sets up for each cluster. Managed jobs (`sky jobs launch`) are not used:
they take their cluster down with the job, and outputs would need a bucket of some cloud's.

The limit is the provider's in two parts, neither of which needs us: the script ends at the launch's limit, and the
cluster's own agent takes it down (`autostop`, `down: true`) once its job has ended for `idle_minutes`. SkyPilot shows
no bill that it vouches for (`sky cost-report` is experimental), so seconds count.

SkyPilot itself (459 MB, 98 packages) is not imported: it lives in an environment of its own and is asked by its command
line, as of 0.14 (`-o json`). Its keys are its own and the clouds'. The first call may start its local API server.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import yaml
from pydantic import Field

from golf.jobs import payload, process, ssh
from golf.jobs.backend import (
    CALL_S,
    KEY_LABEL,
    OWNER_LABEL,
    BackendFailed,
    Launch,
    Refused,
    Remote,
    RemoteSettings,
    Uncertain,
    checked_key,
)
from golf.jobs.heard import told

FOLDER = "caddie"
"""In the cluster's home."""
SSH_S = 20.0
"""For a word with a cluster, of which a look has CALL_S altogether."""
ACTIVE = ("PENDING", "RUNNING")
"""Of a request at SkyPilot's API server."""


class SkyPilotSettings(RemoteSettings):
    """`[tiers.NAME.options]` of a tier on SkyPilot."""

    sky: str = "sky"
    """The executable."""
    accelerators: str = Field(default="H100", pattern=r"^[A-Za-z0-9_.-]+$")
    """Their kind; the tier's `gpus` says how many, and 0 asks for none."""
    infra: list[str] = []
    """Clouds to choose from, e.g. `["runpod", "lambda", "aws/us-east-1"]`; empty: whatever `sky check` enables."""
    idle_minutes: int = Field(default=5, ge=1)
    """After which a cluster without a running job is taken down."""
    resources: dict[str, Any] = {}
    """More of a task's `resources`, e.g. `image_id`, `disk_size`, `use_spot`."""


class SkyPilot:
    """The clusters of one SkyPilot; the id of a launch is its key, and its cluster's name."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.settings = SkyPilotSettings.model_validate(dict(options))
        self._reached: set[str] = set()

    @property
    def beyond_s(self) -> float:
        """A cluster that nobody empties is there for its idle minutes."""
        return 60.0 * self.settings.idle_minutes

    def lacks(self) -> str:
        """SkyPilot itself."""
        if shutil.which(self.settings.sky) is None:
            return (
                f"{self.settings.sky} is not on the PATH. Install it: uv tool install 'skypilot>=0.14'; then: sky check"
            )
        return ""

    def submit(self, launch: Launch) -> str:
        """Ask for the cluster; returns when SkyPilot has taken the request, long before there is one.

        Raises:
            Refused: `sky` is not there, or said no and knows of no such request.
            Uncertain: it did not say in time.
        """
        deadline = time.monotonic() + CALL_S
        checked_key(launch.key)
        try:
            self._requests(deadline, launch.key)
        except BackendFailed as error:
            raise Refused(f"nothing was started: {error}. See that SkyPilot's server answers: sky api start") from None
        with tempfile.TemporaryDirectory() as place:
            file = Path(place, "task.yaml")
            file.write_text(yaml.safe_dump(self.task(launch), sort_keys=False), encoding="utf-8")
            words = ["launch", "--yes", "--detach-run", "--async", "--cluster", launch.key, str(file)]
            try:
                self._sky(words, deadline)
            except TimeoutError as error:
                raise Uncertain(f"{launch.key} was asked for, and {error}") from None
            except BackendFailed as error:
                if self._knows_nothing_of(launch.key, deadline):
                    raise Refused(str(error)) from None
                raise Uncertain(str(error)) from None
        return launch.key

    def poll(self, remote_id: str) -> Remote | None:
        """How its cluster is; `ended` once there is none, or its request came to nothing."""
        deadline = time.monotonic() + CALL_S
        checked_key(remote_id)
        if remote_id in self._reached and (seen := self._inside(remote_id)) is not None:
            return seen
        self._reached.discard(remote_id)
        record = next((one for one in self._clusters(deadline, remote_id) if one["name"] == remote_id), None)
        if record is None:
            return self._requested(remote_id, deadline)
        if record.get("status") == "UP" and (seen := self._inside(remote_id)) is not None:
            self._reached.add(remote_id)
            return seen
        return _shown(record)

    def log(self, remote_id: str, offset: int) -> bytes:
        """What it has printed, read on its cluster."""
        return self._ssh(remote_id).log(remote_id, offset) if remote_id in self._reached else b""

    def fetch(self, remote_id: str, to: Path, outputs: Sequence[str]) -> None:
        """Copy its outputs from its cluster, by rsync."""
        self._ssh(remote_id, CALL_S).fetch(remote_id, to, outputs)

    def ask_to_stop(self, remote_id: str) -> bool:
        """Let the trainer's stop file appear on its cluster."""
        return self._ssh(remote_id).ask_to_stop(remote_id)

    def end(self, remote_id: str) -> None:
        """Take its cluster down, or its request back where there is none yet."""
        deadline = time.monotonic() + CALL_S
        checked_key(remote_id)
        self._reached.discard(remote_id)
        if any(one["name"] == remote_id for one in self._clusters(deadline, remote_id)):
            self._answered(["down", "--yes", "--async", remote_id], deadline)
        elif active := [one["request_id"] for one in self._requests(deadline, remote_id) if one["status"] in ACTIVE]:
            self._answered(["api", "cancel", "--yes", *active], deadline)

    def mine(self, owner: str) -> list[Remote]:
        """Clusters and open requests whose names say this owner, unless their labels say another."""
        deadline = time.monotonic() + CALL_S
        prefix = f"caddie-{owner}-"
        found = {
            one["name"]: _shown(one)
            for one in self._clusters(deadline)
            if one["name"].startswith(prefix) and (one.get("labels") or {}).get(OWNER_LABEL, owner) == owner
        }
        for one in self._requests(deadline):
            name = one.get("cluster_name") or ""
            if name.startswith(prefix) and one["status"] in ACTIVE and name not in found:
                found[name] = Remote(name, name, "starting")
        return list(found.values())

    def plan(self, launch: Launch) -> dict[str, Any]:
        """The task file, and how it would be launched."""
        return {
            "command": f"{self.settings.sky} launch --yes --detach-run --async --cluster {launch.key} task.yaml",
            "task": self.task(launch),
        }

    def task(self, launch: Launch) -> dict[str, Any]:
        """The launch as a SkyPilot task (docs.skypilot.co, "Task YAML")."""
        one = self.settings
        resources: dict[str, Any] = dict(one.resources)
        if launch.gpus:
            resources["accelerators"] = f"{one.accelerators}:{launch.gpus}"
        if one.infra:
            resources["any_of"] = [{"infra": infra} for infra in one.infra]
        # ssh sessions would count as work by default: ours, that only look, must not keep a cluster
        resources["autostop"] = {"idle_minutes": one.idle_minutes, "down": True, "wait_for": "jobs"}
        resources["labels"] = {**resources.get("labels", {}), OWNER_LABEL: launch.owner, KEY_LABEL: launch.key}
        return {
            "name": launch.key,
            "workdir": str(launch.tree),
            "resources": resources,
            "run": _around(launch, payload.script(launch, one)),
        }

    def _inside(self, key: str) -> Remote | None:
        """A cluster as its launch's folder shows it; None where it cannot be reached, or nothing has run there yet."""
        try:
            seen = self._ssh(key).poll(key)
        except BackendFailed:
            return None
        return None if seen is None else Remote(key, key, "running", seen.exit_code, started_at=seen.started_at)

    def _ssh(self, key: str, call_s: float = SSH_S) -> ssh.Ssh:
        return ssh.Ssh({"host": key, "folder": FOLDER}, call_s)

    def _requested(self, key: str, deadline: float) -> Remote | None:
        """A launch without a cluster, by its requests."""
        requests = self._requests(deadline, key)
        if any(one["status"] in ACTIVE for one in requests):
            return Remote(key, key, "starting")
        failed = [one["request_id"] for one in requests if one["status"] == "FAILED" and "launch" in one["name"]]
        if not failed:
            return None
        return Remote(key, key, "ended", message=f"SkyPilot could not launch it. Why: sky api logs {failed[0][:8]}")

    def _knows_nothing_of(self, key: str, deadline: float) -> bool:
        try:
            return not self._clusters(deadline, key) and not self._requests(deadline, key)
        except BackendFailed:
            return False

    def _clusters(self, deadline: float, *names: str) -> list[dict[str, Any]]:
        return _listed(self._answered(["status", "--output", "json", *names], deadline), "name")

    def _requests(self, deadline: float, key: str = "") -> list[dict[str, Any]]:
        """Requests to the API server, newest first: those of one cluster, or (without a key) all that are open."""
        which = ["--all-status", "--cluster", key] if key else ["--limit", "all"]
        found = _listed(self._answered(["api", "status", "--verbose", "--output", "json", *which], deadline), "status")
        found = [one for one in found if not key or one.get("cluster_name") == key]  # older servers ignore --cluster
        return sorted(found, key=lambda one: one.get("created_at") or 0, reverse=True)

    def _answered(self, words: Sequence[str], deadline: float) -> str:
        try:
            return self._sky(words, deadline)
        except TimeoutError as error:
            raise BackendFailed(str(error)) from None

    def _sky(self, words: Sequence[str], deadline: float) -> str:
        """What `sky` printed.

        Raises:
            Refused: it is not there.
            BackendFailed: it said no.
            TimeoutError: it has not ended by the deadline.
        """
        shown = f"{self.settings.sky} {' '.join(words[:2])}"
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:  # a pipe could be its server's too
            try:
                child = subprocess.Popen(
                    [self.settings.sky, *words],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=errors,
                    env={name: value for name, value in os.environ.items() if name != process.JOB_MARK},
                    start_new_session=True,
                )
            except OSError as error:
                raise Refused(
                    f"{self.settings.sky} could not be started ({error.strerror}). Install SkyPilot in an environment "
                    "of its own: uv tool install 'skypilot>=0.14', or name the executable in options.sky"
                ) from None
            try:
                child.wait(timeout=max(0.1, deadline - time.monotonic()))
            except BaseException as error:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                if isinstance(error, subprocess.TimeoutExpired):
                    raise TimeoutError(f"{shown} did not answer in time") from None
                raise
            printed, said = _text(out), _text(errors)
        if child.returncode != 0:
            raise BackendFailed(f"{shown} failed with exit code {child.returncode}: {told(said or printed)}")
        return printed


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _around(launch: Launch, script: str) -> str:
    """A task's `run`: the folder `golf.jobs.ssh` knows, with the synced tree in it, and the script at its limit."""
    limit = max(1, int(launch.time_limit_s))
    end = "CADDIE_END_OF_SCRIPT"
    return f"""mkdir -p ~/{FOLDER}/{launch.key} && ln -sfn "$PWD" ~/{FOLDER}/{launch.key}/{payload.TREE} || exit 70
cd ~/{FOLDER}/{launch.key} || exit 70
printf '%s\\n' {shlex.quote(launch.owner)} >owner
cat >{payload.SCRIPT} <<'{end}'
{script}{end}
export CADDIE_LAUNCH={launch.key}
echo "$$ $(date +%s)" >runner
timeout --kill-after={payload.GRACE_S} {limit} sh ./{payload.SCRIPT}
code=$?
[ -e {payload.EXIT} ] || printf '{{"exit_code": %d}}\\n' "$code" >{payload.EXIT}
exit "$code"
"""


def _shown(record: Mapping[str, Any]) -> Remote:
    name, at = str(record["name"]), record.get("launched_at")
    started = datetime.fromtimestamp(at, UTC) if isinstance(at, int | float) else None
    state = "starting" if record.get("status") == "INIT" else "running"
    return Remote(name, name, state, started_at=started, message=str(record.get("init_status_reason") or ""))


def _listed(out: str, field: str) -> list[dict[str, Any]]:
    """The JSON list that `sky` printed, whatever it said before; every entry has `field`.

    Raises:
        BackendFailed: there is none.
    """
    for start in re.finditer(r"^\[", out, re.MULTILINE):
        try:
            found, _ = json.JSONDecoder().raw_decode(out[start.start() :])
        except ValueError:
            continue
        if all(isinstance(one, dict) and isinstance(one.get(field), str) for one in found):
            return found
    raise BackendFailed(f"sky has not listed what it was asked for: {told(out) or 'it printed nothing'}")
