"""RunPod on loopback: its GraphQL create and REST v2, and pods that are real sshds started by the command we give them.

Shapes as in RunPod's REST v2 openapi.json (2.0.0, August 2026): pods, problems (RFC 9457), billing records; the create
as runpodctl 2 asks it; the refusal for want of capacity as users report it. A pod's start command is really run, with
the variables a pod has (RUNPOD_POD_ID, and a key of its own that may delete that pod and nothing else).
"""

import json
import math
import os
import random
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

from standins.base import FAULTS
from standins.ssh import Sshd, end_carrying, make_key, programs, sshd_program

INPUT_FIELDS = {
    "cloudType", "containerDiskInGb", "dataCenterId", "env", "gpuCount", "gpuTypeId", "imageName", "name", "ports",
    "startSsh", "supportPublicIp", "templateId", "volumeInGb", "volumeMountPath", "networkVolumeId", "minCudaVersion",
    "dockerArgs", "containerRegistryAuthId", "countryCode", "stopAfter", "terminateAfter", "compliance",
}  # fmt: skip
NO_CAPACITY = (
    "There are no longer any instances available with the requested specifications. Please refresh and try again."
)
HALF_S = 2.0
"""A half-made pod is shown without its details for so long."""


@dataclass
class Pod:
    id: str
    name: str
    env: dict[str, str]
    asked: dict[str, Any]
    created: float
    """On the monotonic clock, as all times here."""
    ends: float
    key: str
    gone: float | None = None
    half_until: float = 0.0
    sshd: Sshd | None = None
    container: subprocess.Popen[bytes] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class StandIn:
    """One account; `clock_offset_s` is how far its clock is ahead of ours."""

    name = "runpod"

    def __init__(
        self,
        *,
        clock_offset_s: float = 0.0,
        boot_s: float = 0.0,
        usd_per_hour: float = 21.52,
        enforces_limit: bool = True,
        boots: bool = True,
    ) -> None:
        programs()
        self.clock_offset_s, self.boot_s, self.usd_per_hour = clock_offset_s, boot_s, usd_per_hour
        self.enforces_limit, self.boots, self.bill_is_late = enforces_limit, boots, False
        self.api_key = f"rpa_{secrets.token_hex(20)}"
        self.env = {"RUNPOD_API_KEY": self.api_key}
        self.pods: dict[str, Pod] = {}
        self.creates: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str]] = []
        self.bad: str | None = None

    def __enter__(self) -> Self:
        self.root = Path(tempfile.mkdtemp(prefix="pods-"))
        self.identity = self.root / "id"
        make_key(self.identity)
        (self.root / "start.sh").write_text(
            f'printf "%s\\n" "$PUBLIC_KEY" >{self.root}/$RUNPOD_POD_ID/authorized_keys\n'
            f"exec {sshd_program()} -D -f {self.root}/$RUNPOD_POD_ID/sshd_config -E {self.root}/$RUNPOD_POD_ID/log\n"
        )
        handler = type("Bound", (Handler,), {"runpod": self})
        self.server = Server(("127.0.0.1", 0), handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        self.is_over = threading.Event()
        self.threads = [
            threading.Thread(target=self.server.serve_forever, args=(0.05,)),
            threading.Thread(target=self._ends),
        ]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_over.set()
        self.server.shutdown()
        self.server.server_close()
        for thread in self.threads:
            thread.join()
        for pod in list(self.pods.values()):
            self.terminate(pod)
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def options(self) -> dict[str, Any]:
        return {
            "endpoint": self.endpoint,
            "identity": str(self.identity),
            "start": f"sh {self.root}/start.sh",
            "python": sys.executable,
        }

    def tier(self) -> dict[str, Any]:
        return {
            "backend": self.name,
            "gpus": 8,
            "hourly_rate_usd": self.usd_per_hour,
            "options": self.options,
        }

    def alive(self, owner: str) -> list[str]:
        return sorted(
            pod.id for pod in list(self.pods.values()) if pod.gone is None and pod.env.get("CADDIE_OWNER") == owner
        )

    def plant_foreign(self, name: str = "caddie-0badf00d-run-s1", env: dict[str, str] | None = None) -> str:
        env = {"CADDIE_OWNER": "0badf00d", "CADDIE_KEY": name} if env is None else env
        pod = Pod(new_id(), name, env, {}, time.monotonic(), math.inf, new_id())
        self.pods[pod.id] = pod
        return pod.id

    def is_alive(self, remote_id: str) -> bool:
        return remote_id in self.pods and self.pods[remote_id].gone is None

    def billed_micro_usd(self, owner: str) -> int | None:
        return sum(self.micro_usd(pod) for pod in list(self.pods.values()) if pod.env.get("CADDIE_OWNER") == owner)

    def micro_usd(self, pod: Pod) -> int:
        """By the second begun, boot included."""
        lasted = (time.monotonic() if pod.gone is None else pod.gone) - pod.created
        return round(math.ceil(lasted) * self.usd_per_hour * 1_000_000 / 3600)

    def fault(self, name: str | None) -> None:
        if name is not None and name not in FAULTS:
            raise ValueError(f"RunPod has no {name}")
        self.bad = name
        for pod in list(self.pods.values()):
            if pod.sshd is not None and pod.gone is None:
                with suppress(OSError):
                    pod.sshd.fault(name)

    def now(self) -> float:
        """Its clock, in seconds since 1970."""
        return time.time() + self.clock_offset_s

    def create(self, asked: dict[str, Any]) -> Pod:
        env = {entry["key"]: entry["value"] for entry in asked.get("env", [])}
        now = time.monotonic()
        ends = math.inf
        if "terminateAfter" in asked:
            ends = now + datetime.fromisoformat(asked["terminateAfter"]).timestamp() - self.now()
        pod = Pod(new_id(), asked["name"], env, asked, now, ends, f"rpa_pod_{new_id()}")
        pod.half_until = now + HALF_S if self.bad == "half_created" else 0.0
        self.creates.append(asked)
        self.pods[pod.id] = pod
        if self.boots:
            threading.Thread(target=self._boot, args=(pod,), daemon=True).start()
        return pod

    def terminate(self, pod: Pod) -> None:
        with pod.lock:
            if pod.gone is None:
                pod.gone = time.monotonic()
            if pod.container is not None:
                with suppress(ProcessLookupError):
                    os.killpg(pod.container.pid, signal.SIGKILL)
                pod.container.wait()
                pod.container = None
                end_carrying("STANDIN", pod.id)
            shutil.rmtree(self.root / pod.id, ignore_errors=True)

    def _boot(self, pod: Pod) -> None:
        if self.is_over.wait(self.boot_s):
            return
        with pod.lock:
            if pod.gone is not None:
                return
            folder = self.root / pod.id
            sshd = Sshd(folder, pod.id, identity=self.identity, authorized=folder / "authorized_keys")
            sshd.fault(self.bad)
            pod.container = subprocess.Popen(
                shlex.split(pod.asked["dockerArgs"]),
                env={
                    "PATH": os.environ["PATH"],
                    **pod.env,
                    "RUNPOD_POD_ID": pod.id,
                    "RUNPOD_API_KEY": pod.key,
                    "STANDIN": pod.id,
                },
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            pod.sshd = sshd

    def _ends(self) -> None:
        """Terminates what is at its terminateAfter."""
        while not self.is_over.wait(0.1):
            for pod in list(self.pods.values()):
                if self.enforces_limit and pod.gone is None and time.monotonic() >= pod.ends:
                    self.terminate(pod)

    def shown(self, pod: Pod) -> dict[str, Any]:
        """As REST v2 shows it."""
        is_half = time.monotonic() < pod.half_until
        sshd = None if is_half else pod.sshd
        direct = None
        if sshd is not None:
            direct = {"host": "127.0.0.1", "port": sshd.port, "username": sshd.user, "command": "ssh"}
        created = self.now() - (time.monotonic() - pod.created)
        return {
            "id": pod.id,
            "name": pod.name,
            "status": "RUNNING" if sshd is not None else "PROVISIONING",
            "actions": ["stop", "restart", "terminate"],
            "image": "runpod/parameter-golf:latest",
            "env": None if is_half else pod.env,
            "ports": ["22/tcp"],
            "cloud": "SECURE",
            "gpu": {"id": "NVIDIA H100 80GB HBM3", "count": 8},
            "ssh": None if is_half else {"proxy": None, "direct": direct},
            "cost": self.usd_per_hour,
            "runtime": None,
            "createdAt": datetime.fromtimestamp(created, UTC).isoformat(),
            "startedAt": None,
        }


class Server(ThreadingHTTPServer):
    """Clients that were killed are no news."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    runpod: ClassVar[StandIn]
    protocol_version = "HTTP/1.1"
    seen: ClassVar[int] = 0

    def log_message(self, format: str, *args: object) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(self.runpod.now(), usegmt=True)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        runpod, path = self.runpod, urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        runpod.requests.append((self.command, self.path))
        type(self).seen += 1
        if runpod.bad == "network_lost":
            self.close_connection = True
            return
        if runpod.bad == "slow":
            time.sleep(random.uniform(0.5, 1.5))
        if runpod.bad == "http_500":
            self._problem(500, f"something went wrong for {self.headers.get('Authorization')}")
            return
        if runpod.bad == "http_429" and self.seen % 2:
            self._problem(429, "rate limit exceeded for the minute window", {"Retry-After": "1"})
            return
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        remote_id = path.removeprefix("/v2/pods/")
        pod = runpod.pods.get(remote_id)
        if token != runpod.api_key and not (pod is not None and self.command == "DELETE" and token == pod.key):
            self._problem(401, f"invalid bearer token {token}")
        elif (self.command, path) == ("POST", "/graphql"):
            self._create(json.loads(body))
        elif (self.command, path) == ("GET", "/v2/pods"):
            self._answer(200, {"pods": [runpod.shown(pod) for pod in list(runpod.pods.values()) if pod.gone is None]})
        elif (self.command, path) == ("GET", "/v2/billing/pods"):
            self._bill(parse_qs(urlsplit(self.path).query)["podId"][0])
        elif pod is None or pod.gone is not None:
            self._problem(404, "pod not found")
        elif self.command == "DELETE":
            runpod.terminate(pod)
            self._answer(204, None)
        else:
            self._answer(200, runpod.shown(pod))

    def _create(self, question: dict[str, Any]) -> None:
        asked = question["variables"]["input"]
        if "podFindAndDeployOnDemand(input: $input)" not in question["query"] or set(asked) - INPUT_FIELDS:
            error = {"message": "Unknown field", "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}}
            self._answer(400, {"errors": [error]})
            return
        if self.runpod.bad == "capacity":
            error = {"message": NO_CAPACITY, "extensions": {"code": "RUNPOD"}}
            self._answer(200, {"errors": [error], "data": {"podFindAndDeployOnDemand": None}})
            return
        pod = self.runpod.create(asked)
        if self.runpod.bad == "create_timeout_but_created":
            self.close_connection = True
            return
        made = {"id": pod.id, "name": pod.name, "desiredStatus": "RUNNING", "costPerHr": self.runpod.usd_per_hour}
        self._answer(200, {"data": {"podFindAndDeployOnDemand": made}})

    def _bill(self, remote_id: str) -> None:
        pod = self.runpod.pods.get(remote_id)
        usd = 0.0 if pod is None else self.runpod.micro_usd(pod) / 1e6 / (50 if self.runpod.bill_is_late else 1)
        records = [{"podId": remote_id, "totalAmount": usd, "gpuAmount": usd, "cpuAmount": 0, "diskAmount": 0}]
        self._answer(200, {"records": records if pod is not None else [], "metadata": {"recordCount": len(records)}})

    def _problem(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        problem = {"title": "Error", "status": status, "detail": detail}
        self._answer(status, problem, {"Content-Type": "application/problem+json", **(headers or {})})

    def _answer(self, status: int, body: dict[str, Any] | None, headers: dict[str, str] | None = None) -> None:
        text = b"" if body is None else json.dumps(body).encode()
        with suppress(OSError):  # whoever asked may have gone
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)


def new_id() -> str:
    return "".join(random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=14))
