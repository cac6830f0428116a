"""The `runpod` back-end: a pod per launch, which three things end even if all of ours is gone.

RunPod itself ends it at `terminateAfter` (an absolute time, counted from the server's own Date header, so that a clock
of ours that is wrong does no harm); the pod's start command deletes it by the key that RunPod gives each pod; and our
lease does (`golf.jobs.leases`). Only GraphQL's create takes `terminateAfter` (REST v2 has no such field, and v1 is
retired): that one call is GraphQL, with variables and no text pasted into it, everything else REST v2. The official
SDK has neither a limit nor escaping.

`submit` returns once the pod exists; the runner starts on it by `golf.jobs.ssh` at the first `poll` that finds it
reachable, once for a key, by whichever process was given the launch. A pod is ours if its environment says so
(CADDIE_OWNER, CADDIE_KEY); the name alone is believed only while a half-made pod is listed without an environment, and
only as exactly `caddie-OWNER-RUN-sSEED`, as the owner is eight random digits. Nothing else is ever touched.

Source: RunPod's REST v2 openapi.json (2.0.0, August 2026); runpodctl 2 for the fields of the GraphQL create.
"""

import shutil
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from re import fullmatch
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from golf.errors import BadConfig, MissingPackage
from golf.jobs.backend import (
    CALL_S,
    BackendFailed,
    Launch,
    Refused,
    Remote,
    RemoteSettings,
    RemoteState,
    checked_endpoint,
)
from golf.jobs.runpod_client import RunPodClient, account_key, as_dict, checked_id
from golf.jobs.ssh import FOLDER, Denied, Ssh, Unreachable, need_programs

TEMPLATE = "y5cejece4j"
"""The challenge's own, with the trainer's dependencies. Source: openai/parameter-golf README, "Remote training"."""
LOST = 255
"""Exit code of a command that can no longer be asked for its own, as ssh's."""
BILLED_SHARE = 0.98
"""Of a pod's price for the time it was seen, below which its bill is not believed to be complete yet."""

START = (
    "bash -c '"
    '(until [ "$SECONDS" -ge "$CADDIE_TTL_S" ] || [ "$(date +%s)" -ge "$CADDIE_UNTIL" ]; do sleep 5; done; '
    'while :; do echo "Authorization: Bearer $RUNPOD_API_KEY" | curl -fsS -m 20 -X DELETE -H @- '
    '"$CADDIE_API/$RUNPOD_POD_ID" || runpodctl remove pod "$RUNPOD_POD_ID"; sleep 10; done) & '
    "command -v rsync >/dev/null || (apt-get -qq update && apt-get -qq install -y rsync) >/dev/null 2>&1; "
    "exec $CADDIE_START'"
)
"""What a pod runs: the dead-man switch, then the image's own start, which brings up sshd. All that varies is in its
environment; the pod's own key goes to curl by a pipe, and so is in no `ps`."""


class RunPodSettings(RemoteSettings):
    """`[tiers.NAME.options]` of the back-end `runpod`."""

    template: str = TEMPLATE
    image: str = ""
    """Container image, instead of a template's."""
    gpu_type: str = "NVIDIA H100 80GB HBM3"
    """RunPod's id of it; this one is the SXM model."""
    cloud: Literal["SECURE", "COMMUNITY", "ALL"] = "SECURE"
    data_center: str = ""
    disk_gb: int = Field(default=50, ge=5)
    start: str = "/start.sh"
    """The image's own start command, which must bring up sshd."""
    identity: str = ""
    """File of the private ssh key; `FILE.pub` beside it is given to the pod. Empty: those registered with RunPod."""
    folder: str = Field(default="caddie", pattern=FOLDER)
    """Folder on the pod, relative to the home."""
    endpoint: str = "https://api.runpod.io"

    @field_validator("endpoint")
    @classmethod
    def _is_safe(cls, endpoint: str) -> str:
        try:
            return checked_endpoint(endpoint)
        except BadConfig as error:
            raise ValueError(str(error)) from None


class RunPod:
    """Pods of one RunPod account, one per launch."""

    beyond_s = 0.0

    def __init__(self, options: Mapping[str, Any]) -> None:
        if missing := [name for name in ("httpx", "tenacity") if find_spec(name) is None]:
            raise MissingPackage(
                f"the back-end runpod needs {' and '.join(missing)}. Install it: {sys.executable} -m pip install "
                "'caddie[runpod]'"
            )
        self.settings = RunPodSettings.model_validate(dict(options))
        self._client = RunPodClient(self.settings.endpoint)
        self._launches: dict[str, Launch] = {}
        self._usd_seen: dict[str, float] = {}
        self._machines: dict[str, tuple[str, dict[str, Any]]] = {}
        self._host_keys = tempfile.mkdtemp(prefix="caddie-")  # of this process's pods only: their addresses are reused
        weakref.finalize(self, shutil.rmtree, self._host_keys, ignore_errors=True)

    def lacks(self) -> str:
        """The account's key, ssh, rsync, or the private key that options name."""
        try:
            account_key()
            self._need()
        except BackendFailed as error:
            return str(error)
        return ""

    def submit(self, launch: Launch) -> str:
        """Create its pod, or find the one that its key has; the runner starts when `poll` finds it reachable.

        Raises:
            Refused: nothing was created: no key or a wrong one, no capacity, no connection, no ssh or rsync here.
            Uncertain: the create was not answered, or not clearly.
        """
        until = time.monotonic() + CALL_S
        try:
            self._need()
            pods, now = self._list(until)
        except BackendFailed as error:
            raise Refused(f"nothing was asked of RunPod: {error}") from None
        if now is None:
            raise Refused("RunPod's answer bears no Date: the pod's limit cannot be stated. Nothing was asked for")
        self._launches[launch.key] = launch
        for pod in pods:
            if _tags(pod) == (launch.owner, launch.key) and pod.get("status") != "TERMINATED":
                return str(pod["id"])
        return self._client.create(self._input(launch, now), until)

    def poll(self, remote_id: str) -> Remote | None:
        """How its pod and its command are; starts the command on a pod that has become reachable."""
        until = time.monotonic() + CALL_S
        pod, now = self._get(remote_id, until)
        if pod is None or pod.get("status") == "TERMINATED":
            return self._billed(remote_id, until)
        _, key = _tags(pod)
        shown = self._shown(pod)
        self._note(remote_id, pod, now)
        if pod.get("status") in ("EXITED", "ERROR"):
            return replace(shown, exit_code=LOST, message=f"the pod is {pod['status']}: its container has stopped")
        try:
            there = self._ssh(remote_id, until)
            if there is None:
                return replace(shown, state="starting", message="the pod has no ssh yet")
            inner = there.poll(key) or self._start(there, key, pod, now)
        except BackendFailed as error:  # whatever ssh says, the pod is there, and whoever looks must be able to end it
            if _is_for_good(error):
                return replace(shown, exit_code=LOST, message=str(error))
            return replace(shown, state="starting", message=str(error))
        if inner is None:
            return replace(shown, state="starting", message="its command has not started")
        code = LOST if inner.state == "ended" and inner.exit_code is None else inner.exit_code
        return replace(shown, exit_code=code, started_at=inner.started_at, message=inner.message)

    def log(self, remote_id: str, offset: int) -> bytes:
        """What its command has printed from byte `offset` on; nothing before the pod can be reached."""
        there = self._reached(remote_id)
        return b"" if there is None else there[1].log(there[0], offset)

    def fetch(self, remote_id: str, to: Path, outputs: Sequence[str]) -> None:
        """Copy its outputs, over ssh."""
        there = self._reached(remote_id)
        if there is None:
            raise BackendFailed(f"pod {remote_id} cannot be reached by ssh: it is gone, or has not come up")
        there[1].fetch(there[0], to, outputs)

    def ask_to_stop(self, remote_id: str) -> bool:
        """Let the trainer's stop file appear on the pod."""
        there = self._reached(remote_id)
        return there is not None and there[1].ask_to_stop(there[0])

    def end(self, remote_id: str) -> None:
        """Delete the pod; one that is not there is no error."""
        self._client.ask("DELETE", f"/v2/pods/{checked_id(remote_id)}", time.monotonic() + CALL_S)

    def mine(self, owner: str) -> list[Remote]:
        """The account's pods that carry this owner's tag."""
        pods, _ = self._list(time.monotonic() + CALL_S)
        return [self._shown(pod) for pod in pods if _tags(pod)[0] == owner]

    def plan(self, launch: Launch) -> dict[str, Any]:
        """The create as it would be asked; its limit counts from the server's clock then."""
        asked = self._input(launch, datetime.fromtimestamp(0, UTC))
        asked["env"] = [entry for entry in asked["env"] if entry["key"] != "CADDIE_UNTIL"]
        asked["terminateAfter"] = f"{launch.time_limit_s:.0f} s from then, by RunPod's clock"
        return {"endpoint": self.settings.endpoint, "podFindAndDeployOnDemand": asked, "command": list(launch.command)}

    def _input(self, launch: Launch, now: datetime) -> dict[str, Any]:
        one, limit = self.settings, max(1, int(launch.time_limit_s))
        until = int(now.timestamp()) + limit
        env = {
            "CADDIE_OWNER": launch.owner,
            "CADDIE_KEY": launch.key,
            "CADDIE_TTL_S": str(limit),
            "CADDIE_UNTIL": str(until),
            "CADDIE_API": f"{one.endpoint}/v2/pods",
            "CADDIE_START": one.start,
        }
        public = Path(f"{self._identity()}.pub")
        if one.identity and public.is_file():
            env["PUBLIC_KEY"] = public.read_text(encoding="utf-8").strip()
        return {
            "name": launch.key,
            "cloudType": one.cloud,
            "gpuTypeId": one.gpu_type,
            "gpuCount": max(1, launch.gpus),
            **({"imageName": one.image} if one.image else {"templateId": one.template}),
            **({"dataCenterId": one.data_center} if one.data_center else {}),
            "containerDiskInGb": one.disk_gb,
            "volumeInGb": 0,
            "ports": "22/tcp",
            "startSsh": True,
            "supportPublicIp": True,
            "dockerArgs": START,
            "env": [{"key": name, "value": value} for name, value in env.items()],
            "terminateAfter": datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def _need(self) -> None:
        need_programs()
        if self.settings.identity and not self._identity().is_file():
            raise BackendFailed(f"options.identity names {self.settings.identity}, and there is no such file")

    def _identity(self) -> Path:
        return Path(self.settings.identity).expanduser()

    def _start(self, there: Ssh, key: str, pod: dict[str, Any], now: datetime | None) -> Remote | None:
        """Run the launch on its pod, for the time that is left; None where this process does not know it."""
        launch = self._launches.get(key)
        if launch is None:
            return None
        ends = _env(pod).get("CADDIE_UNTIL", "")
        if now is not None and ends.isdecimal():
            launch = replace(launch, time_limit_s=min(launch.time_limit_s, int(ends) - now.timestamp()))
        if launch.time_limit_s <= 0:
            return None
        there.submit(launch)
        return there.poll(key)

    def _list(self, until: float) -> tuple[list[dict[str, Any]], datetime | None]:
        answer = self._client.ask("GET", "/v2/pods", until)
        pods = answer.body.get("pods")
        if answer.status == 404 or not isinstance(pods, list):
            raise BackendFailed(f"RunPod's list of pods is none (status {answer.status}); see options.endpoint")
        return [pod for pod in pods if isinstance(pod, dict) and isinstance(pod.get("id"), str)], answer.at

    def _get(self, remote_id: str, until: float) -> tuple[dict[str, Any] | None, datetime | None]:
        answer = self._client.ask("GET", f"/v2/pods/{checked_id(remote_id)}", until)
        return (None if answer.status == 404 else answer.body), answer.at

    def _billed(self, remote_id: str, until: float) -> Remote | None:
        """A pod that is gone, with its bill; None without a bill, or with one that is still too small to be whole.

        Raises:
            BackendFailed: not answered now; a bill that may not be read at all (a key without the right) is none.
        """
        try:
            body = self._client.ask("GET", f"/v2/billing/pods?podId={checked_id(remote_id)}", until).body
            records = [as_dict(record) for record in body.get("records") or []]
            usd = sum(float(record["totalAmount"]) for record in records if record.get("podId") == remote_id)
        except (Refused, KeyError, TypeError, ValueError):
            return None
        if usd <= 0 or usd < BILLED_SHARE * self._usd_seen.get(remote_id, 0.0):
            return None
        return Remote(remote_id, self._machines.get(remote_id, ("", {}))[0], "ended", cost_usd=usd)

    def _shown(self, pod: dict[str, Any]) -> Remote:
        states: dict[str, RemoteState] = {
            "TERMINATED": "ended",
            "RUNNING": "running",
            "EXITED": "running",
            "ERROR": "running",
        }
        return Remote(str(pod["id"]), _tags(pod)[1], states.get(str(pod.get("status")), "starting"))

    def _note(self, remote_id: str, pod: dict[str, Any], now: datetime | None) -> None:
        """Remember what a pod has cost at least, and how it is reached."""
        with suppress(KeyError, TypeError, ValueError):
            lasted = ((now or datetime.now(UTC)) - datetime.fromisoformat(pod["createdAt"])).total_seconds()
            self._usd_seen[remote_id] = max(self._usd_seen.get(remote_id, 0.0), float(pod["cost"]) / 3600 * lasted)
        direct = as_dict(as_dict(pod.get("ssh")).get("direct"))
        self._machines[remote_id] = (_tags(pod)[1], direct)

    def _reached(self, remote_id: str) -> tuple[str, Ssh] | None:
        """Its key and its machine; asks RunPod only for a pod that was not looked at before."""
        until = time.monotonic() + CALL_S
        if not self._machines.get(remote_id, ("", {}))[1]:
            pod, now = self._get(remote_id, until)
            if pod is not None:
                self._note(remote_id, pod, now)
        there = self._ssh(remote_id, until)
        return None if there is None else (self._machines[remote_id][0], there)

    def _ssh(self, remote_id: str, until: float) -> Ssh | None:
        """The pod as a machine; its host key is taken as it is first seen, as nobody could know it before."""
        key, direct = self._machines.get(remote_id, ("", {}))
        if not (key and direct.get("host") and direct.get("port")):
            return None
        one = self.settings
        options = {
            **{name: getattr(one, name) for name in RemoteSettings.model_fields},
            "host": direct["host"],
            "port": direct["port"],
            "user": direct.get("username") or "root",
            "identity": str(self._identity()) if one.identity else "",
            "folder": one.folder,
            "known_hosts": f"{self._host_keys}/known_hosts",
            "accept_new_host_key": True,
            "host_key_alias": remote_id,
        }
        try:
            return Ssh(options, call_s=max(1.0, until - time.monotonic()))
        except ValidationError:
            raise BackendFailed(f"pod {remote_id} gives an ssh address that is none: {str(direct)[:200]!r}") from None


def _is_for_good(error: BackendFailed) -> bool:
    """Whether a pod that answers so will never run its command, and only costs; else the next poll tries again."""
    is_no = isinstance(error, Denied | Refused)
    return is_no and not isinstance(error.__cause__, Unreachable)


def _env(pod: dict[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in as_dict(pod.get("env")).items()}


def _tags(pod: dict[str, Any]) -> tuple[str, str]:
    """Owner and key; both empty for a pod that is not ours."""
    if env := _env(pod):
        return env.get("CADDIE_OWNER", ""), env.get("CADDIE_KEY", "")
    name = str(pod.get("name") or "")
    ours = fullmatch(r"caddie-([0-9a-f]{8})-[a-z0-9-]+-s[0-9]+", name)
    return (ours[1], name) if ours else ("", "")
