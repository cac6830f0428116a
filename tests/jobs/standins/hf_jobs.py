"""The Hub's jobs, buckets and Xet storage on loopback, as `huggingface_hub` 2.4 asks for them.

Paths, bodies and fields are those the client's source sends and reads (`HfApi.run_job`, `_jobs_api.JobInfo`,
`HfApi.batch_bucket_files`, …) and those of huggingface.co/docs/hub (jobs-configuration, jobs-manage, jobs-pricing).
A job's command is a process of this machine; a mounted bucket is a folder, to which what the command is told of the
mount path is made to point. A job is ended at its `timeoutSeconds` and billed by the begun minute.
"""

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import psutil
from loopback import body_of
from standins.xet import PACK_NOTHING, Xet

TOKEN = "hf_standinstandinstandinstandinstandin"
NAMESPACE = "me"
PRICES = {"cpu-basic": 167, "h200x8": 666_667}
"""Micro-dollars per minute."""
KNOWN = ("http_500", "http_429", "create_timeout_but_created", "network_lost", "slow", "capacity", "half_created",
         "log_breaks")  # fmt: skip


@dataclass
class Job:
    """One job, as the Hub keeps it."""

    id: str
    spec: dict[str, Any]
    created: float
    stage: str = "SCHEDULING"
    message: str | None = None
    started: float | None = None
    finished: float | None = None
    is_canceled: threading.Event = field(default_factory=threading.Event)

    @property
    def is_alive(self) -> bool:
        return self.stage in ("SCHEDULING", "RUNNING")

    @property
    def total_s(self) -> int:
        return math.ceil((self.finished or time.time()) - self.created)

    @property
    def billed(self) -> int:
        """Micro-dollars."""
        return math.ceil(self.total_s / 60) * PRICES[self.spec["flavor"]]


class StandIn:
    """The Hub."""

    name = "hf_jobs"

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="hub-"))
        self.jobs: dict[str, Job] = {}
        self.public: set[str] = set()
        """Buckets that are not private."""
        self.calls: Counter[str] = Counter()
        """Requests, by method and first words of the path."""
        self.requests: list[dict[str, Any]] = []
        """Bodies of what asked for a job."""
        self.xet = Xet()
        self.faults: set[str] = set()
        self.lock = threading.RLock()
        self._hashes: dict[tuple[str, int, int], str] = {}
        hub = self

        class Handler(_Handler):
            standin = hub

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.env = {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": TOKEN,
            "HF_HOME": str(self.root / "home"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **PACK_NOTHING,
        }

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        for job in self.jobs.values():
            job.is_canceled.set()
        while any(job.is_alive for job in self.jobs.values()):
            time.sleep(0.02)
        shutil.rmtree(self.root, ignore_errors=True)

    def tier(self) -> dict[str, Any]:
        return {
            "backend": self.name,
            "gpus": 8,
            "hourly_rate_usd": 40.0,
            "options": {"endpoint": self.url, "flavor": "h200x8", "image": "standin"},
        }

    def alive(self, owner: str) -> list[str]:
        return [job.id for job in self._of(owner) if job.is_alive]

    def is_alive(self, remote_id: str) -> bool:
        return self.jobs[remote_id].is_alive

    def plant_foreign(self) -> str:
        labels = {"caddie-owner": "another", "caddie-key": "caddie-another-run-s1", "name": "caddie-another-run-s1"}
        spec = {"command": ["sleep", "600"], "flavor": "cpu-basic", "timeoutSeconds": 600, "labels": labels}
        return self.create(spec).id

    def billed_micro_usd(self, owner: str) -> int | None:
        return sum(job.billed for job in self._of(owner))

    def fault(self, name: str | None) -> None:
        if name is not None and name not in KNOWN:
            raise ValueError(f"the Hub has no such bad day: {name}")
        self.faults = set() if name is None else self.faults | {name}

    def _of(self, owner: str) -> list[Job]:
        return [job for job in self.jobs.values() if job.spec.get("labels", {}).get("caddie-owner") == owner]

    def create(self, spec: dict[str, Any]) -> Job:
        """Start a job."""
        with self.lock:
            job = Job(f"{len(self.jobs):024x}", spec, time.time())
            self.jobs[job.id] = job
        threading.Thread(target=self._run, args=(job,), daemon=True).start()
        return job

    def folder(self, bucket: str) -> Path:
        return self.root / "buckets" / bucket

    def _run(self, job: Job) -> None:
        while "capacity" in self.faults or time.time() < job.created + 0.1:
            if job.is_canceled.wait(0.02):
                return self._end(job, "CANCELED", None)
        mounts: dict[str, str] = {
            volume["mountPath"]: str(self.folder(volume["source"]) / volume.get("path", ""))
            for volume in job.spec.get("volumes", [])
        }
        if not all(Path(folder).is_dir() for folder in mounts.values()):
            return self._end(job, "ERROR", "volume could not be mounted")
        place = self.root / "disks" / job.id
        place.mkdir(parents=True)
        told: dict[str, str] = {
            name: mounts.get(str(value), str(value)) for name, value in job.spec.get("environment", {}).items()
        }
        child = subprocess.Popen(
            job.spec["command"],
            env={"PATH": os.environ["PATH"], "TMPDIR": str(place), "JOB_ID": job.id, **told},
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        job.stage, job.started = "RUNNING", time.time()
        limit = job.started + job.spec.get("timeoutSeconds", 1800)
        while child.poll() is None and not job.is_canceled.wait(0.02) and time.time() < limit:
            pass
        code = child.poll()
        _end_session(child.pid)
        child.wait()
        if code is not None:
            failed = f"Job failed with exit code: {code}. Reason: Error"
            return self._end(job, "COMPLETED" if code == 0 else "ERROR", None if code == 0 else failed)
        if job.is_canceled.is_set():
            return self._end(job, "CANCELED", None)
        return self._end(job, "ERROR", "Job timeout")

    def _end(self, job: Job, stage: str, message: str | None) -> None:
        job.finished, job.message = time.time(), message
        job.stage = stage

    def shown(self, job: Job) -> dict[str, Any]:
        """A job as the Hub shows it; half of it while it is new, on a day when that happens."""
        is_half = "half_created" in self.faults and time.time() < job.created + 2
        durations = {"schedulingSecs": 0, "runningSecs": job.total_s, "totalSecs": job.total_s}
        return {
            "id": job.id,
            "createdAt": _when(job.created),
            "startedAt": None if is_half else _when(job.started),
            "finishedAt": _when(job.finished),
            "dockerImage": job.spec.get("dockerImage"),
            "command": job.spec["command"],
            "environment": job.spec.get("environment", {}),
            "flavor": job.spec["flavor"],
            "labels": None if is_half else job.spec.get("labels"),
            "status": {"stage": job.stage, "message": job.message},
            "durations": None if is_half else durations,
            "owner": {"id": "1", "name": NAMESPACE, "type": "user"},
        }

    def entries(self, bucket: str) -> dict[str, dict[str, Any]]:
        """A bucket's files, whatever wrote them, by path."""
        found = {}
        for path in sorted(self.folder(bucket).rglob("*")):
            with contextlib.suppress(FileNotFoundError):
                if not path.is_file():
                    continue
                stat = path.stat()
                known = (str(path), stat.st_mtime_ns, stat.st_size)
                if known not in self._hashes:
                    self._hashes[known] = self.xet.put(path.read_bytes())
                name = path.relative_to(self.folder(bucket)).as_posix()
                size = len(self.xet.get(self._hashes[known]))
                found[name] = {"type": "file", "path": name, "size": size, "xetHash": self._hashes[known]}
        return found


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    standin: StandIn

    def log_message(self, format: str, *args: object) -> None: ...

    def _handle(self) -> None:
        try:
            body = body_of(self)
            self._answer(body)
        except (ConnectionError, OSError, ValueError):
            self.close_connection = True

    do_GET = do_POST = do_HEAD = _handle

    def _answer(self, body: bytes) -> None:
        hub, url = self.standin, urlsplit(self.path)
        words = [unquote(word) for word in url.path.strip("/").split("/")]
        with hub.lock:
            hub.calls[f"{self.command} {'/'.join(words[:2])}"] += 1
            nth = sum(hub.calls.values())
        if "network_lost" in hub.faults:
            self.close_connection = True
            return None
        if "http_500" in hub.faults:
            return self._send(500, {"error": "Internal Error"})
        if "http_429" in hub.faults and words[0] == "api" and nth % 3 == 0:
            return self._send(429, {"error": "Too many requests"}, {"Retry-After": "1"})
        if "slow" in hub.faults:
            time.sleep(1)
        if words[0] == "v1" or words[0] == "v2":
            return self._send(*hub.xet.answer(self.command, url.path, body, self.headers.get("range", ""), hub.url))
        if self.headers.get("authorization") != f"Bearer {TOKEN}" and words[1:] != ["agent-harnesses"]:
            return self._send(401, {"error": f"Invalid token {self.headers.get('authorization')}"})
        if words[:2] == ["api", "jobs"]:
            return self._jobs(words[2:], parse_qsl(url.query), body)
        if words[:2] == ["api", "buckets"] or words[:1] == ["buckets"]:
            return self._buckets(words[words.index("buckets") + 1 :], body)
        if words[1:] == ["whoami-v2"]:
            return self._send(200, {"name": NAMESPACE, "type": "user", "auth": {}})
        return self._send(404, {"error": "Not Found"})

    def _jobs(self, words: list[str], query: list[tuple[str, str]], body: bytes) -> None:
        hub = self.standin
        if words == ["hardware"]:
            return self._send(200, [_hardware(name, price) for name, price in PRICES.items()])
        if words[0] != NAMESPACE:
            return self._send(403, {"error": "Forbidden"})
        if len(words) == 1 and self.command == "POST":
            spec = json.loads(body)
            hub.requests.append(spec)
            job = hub.create(spec)
            if "create_timeout_but_created" in hub.faults:
                self.close_connection = True
                return None
            return self._send(200, hub.shown(job))
        if len(words) == 1:
            wanted = [tuple(value.split("=", 1)) for name, value in query if name == "label"]
            found = [
                hub.shown(job)
                for job in list(hub.jobs.values())
                if all(job.spec.get("labels", {}).get(name) == value for name, value in wanted)
            ]
            return self._send(200, found)
        job = hub.jobs.get(words[1])
        if job is None:
            return self._send(404, {"error": "Job not found"})
        if words[2:] == ["cancel"]:
            if not job.is_alive:
                return self._send(409, {"error": "Job is not running"})
            job.is_canceled.set()
        return self._send(200, hub.shown(job))

    def _buckets(self, words: list[str], body: bytes) -> None:
        hub, bucket, rest = self.standin, "/".join(words[:2]), words[2:]
        folder = hub.folder(bucket)
        if not rest and self.command == "POST":
            is_new = not folder.exists()
            folder.mkdir(parents=True, exist_ok=True)
            return self._send(200 if is_new else 409, {"url": f"{hub.url}/buckets/{bucket}"})
        if not folder.exists():
            return self._send(404, {"error": "Bucket not found"}, {"X-Error-Code": "RepoNotFound"})
        if not rest:
            return self._send(
                200,
                {"id": bucket, "private": bucket not in hub.public, "createdAt": _when(0), "size": 0, "totalFiles": 0},
            )
        if rest[0] in ("xet-read-token", "xet-write-token"):
            return self._send(200, {"accessToken": "xet", "exp": int(time.time()) + 3600, "casUrl": hub.url})
        if rest == ["batch"]:
            for line in body.splitlines():
                change = json.loads(line)
                target = folder / change["path"]
                target.parent.mkdir(parents=True, exist_ok=True)
                part = target.with_name(f".{target.name}.part")
                part.write_bytes(hub.xet.get(change["xetHash"]))
                os.replace(part, target)
            return self._send(200, {"success": True, "failed": []})
        entries = hub.entries(bucket)
        if rest == ["paths-info"]:
            paths = json.loads(body)["paths"]
            if "log_breaks" in hub.faults and any(path.endswith(".log") for path in paths):
                return self._send(500, {"error": "Internal Error"})
            return self._send(200, [entries[path] for path in paths if path in entries])
        if rest[0] == "tree":
            prefix = "/".join(rest[1:])
            found = [entry for path, entry in entries.items() if path.startswith(f"{prefix}/")]
            return self._send(200 if found else 404, found or {"error": "Not Found"})
        path = "/".join(rest[1:])
        if rest[0] != "resolve" or path not in entries:
            return self._send(404, {"error": "Not Found"}, {"X-Error-Code": "EntryNotFound"})
        refresh = f"{hub.url}/api/buckets/{bucket}/xet-read-token"
        told = {"X-Xet-Hash": entries[path]["xetHash"], "X-Xet-Refresh-Route": refresh}
        return self._send(200, b"", {**told, "X-Linked-Size": str(entries[path]["size"])})

    def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        kind = "application/octet-stream" if isinstance(answer, bytes) else "application/json"
        told = {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}
        self.send_response(status)
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _end_session(session: int) -> None:
    """Kill what a job has started: its container goes, whatever groups are in it."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == session:
                os.kill(process.pid, signal.SIGKILL)


def _hardware(name: str, price: int) -> dict[str, Any]:
    gpus = {"type": "gpu", "model": "H200", "quantity": "8", "vram": "1128 GB", "manufacturer": "Nvidia"}
    return {
        "name": name, "prettyName": name, "cpu": "2 vCPU", "ram": "16 GB",
        "accelerator": gpus if name == "h200x8" else None,
        "unitCostMicroUSD": price, "unitCostUSD": price / 1e6, "unitLabel": "minute",
    }  # fmt: skip


def _when(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
