"""A `sky` and an `ssh` on PATH: clusters are folders, and their jobs processes of this machine.

Words and answers are those of SkyPilot 0.14.1's command line: `sky launch --async`, `sky status -o json` (fields of its
StatusResponse), `sky api status -o json` (of its RequestPayload), `sky api cancel`, `sky down`. A task file's workdir
is copied, its `run` gets a home and a shell, and its autostop takes the cluster down, a minute being MINUTE_S long.
Everything is kept in files, as each call is a process; this module is also the program that those calls are.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, Self

import yaml

MINUTE_S = 5.0
KNOWN = ("http_500", "create_timeout_but_created", "network_lost", "slow", "capacity", "half_created", "log_breaks")
BOOT_S = 0.3


class StandIn:
    """SkyPilot and its clouds."""

    name = "skypilot"

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="sky-"))
        programs = self.root / "bin"
        for folder in ("bin", "clusters", "requests", "faults", "tasks"):
            (self.root / folder).mkdir()
        for program in ("sky", "ssh"):
            (programs / program).write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {program} {self.root} "$@"\n')
            (programs / program).chmod(0o755)
        self.env = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for request in self.requests():
            _save(self.root / "requests", request["request_id"], {**request, "status": "CANCELLED"})
        for name in list(self.clusters()):
            _down(self.root, name)
        shutil.rmtree(self.root, ignore_errors=True)

    def tier(self) -> dict[str, Any]:
        return {
            "backend": self.name,
            "gpus": 8,
            "hourly_rate_usd": 20.0,
            "options": {"sky": str(self.root / "bin" / "sky"), "infra": ["runpod", "lambda"], "idle_minutes": 1},
        }

    def alive(self, owner: str) -> list[str]:
        """Clusters, and launches that would become some."""
        clusters = [name for name, one in self.clusters().items() if one["labels"].get("caddie-owner") == owner]
        asked = [one["cluster_name"] for one in self.requests() if one["status"] in ("PENDING", "RUNNING")]
        return sorted({*clusters, *(name for name in asked if name.startswith(f"caddie-{owner}-"))})

    def is_alive(self, remote_id: str) -> bool:
        return remote_id in self.clusters()

    def plant_foreign(self) -> str:
        name = f"caddie-another-run-{uuid.uuid4().hex[:6]}"
        task = {
            "name": name,
            "workdir": str(self.root / "tasks"),
            "resources": {"labels": {"caddie-owner": "another"}, "autostop": {"idle_minutes": 5, "down": True}},
            "run": "sleep 600",
        }
        file = self.root / "foreign.yaml"
        file.write_text(yaml.safe_dump(task))
        words = ["launch", "-y", "--async", "-c", name, file]
        subprocess.run([self.root / "bin/sky", *words], check=True, stdout=subprocess.DEVNULL)
        while self.clusters().get(name, {}).get("status") != "UP":
            time.sleep(0.02)
        return name

    def billed_micro_usd(self, owner: str) -> int | None:
        """SkyPilot tells no bill that it vouches for."""
        return None

    def fault(self, name: str | None) -> None:
        if name is not None and name not in KNOWN:  # a busy server's 429 is waited out by sky itself
            raise ValueError(f"SkyPilot has no such bad day: {name}")
        for file in (self.root / "faults").iterdir() if name is None else ():
            file.unlink()
        if name is not None:
            (self.root / "faults" / name).touch()

    def clusters(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in _all(self.root / "clusters")}

    def requests(self) -> list[dict[str, Any]]:
        return _all(self.root / "requests")


def sky(root: Path, words: list[str]) -> int:
    """One call of `sky`."""
    if _is_bad(root, "network_lost"):
        return _failed("Could not connect to SkyPilot API server at http://127.0.0.1:46580.")
    if _is_bad(root, "http_500"):
        return _failed("sky.exceptions.ApiServerError: 500 Internal Server Error")
    if _is_bad(root, "slow"):
        time.sleep(1)
    verb, names = words[0], [word for word in words[1:] if not word.startswith("-")]
    if verb == "launch":
        cluster = words[words.index("--cluster" if "--cluster" in words else "-c") + 1]
        return _launch(root, cluster, Path(words[-1]))
    if verb == "status":
        wanted = [name for name in names if name != "json"]
        found = [one for one in _all(root / "clusters") if not wanted or one["name"] in wanted]
        print("\x1b[36mFetching statuses\x1b[0m")
        print(json.dumps([_half(root, one) for one in found], indent=2))
        return 0
    if verb == "down":
        for name in names:
            if not (root / "clusters" / f"{name}.json").exists():
                print("Cluster(s) not found (tip: see `sky status`).")
            _down(root, name)
        return 0
    if words[:2] == ["api", "status"]:
        found = _all(root / "requests")
        if "--cluster" in words:
            found = [one for one in found if one["cluster_name"] == words[words.index("--cluster") + 1]]
        if "--all-status" not in words:
            found = [one for one in found if one["status"] in ("PENDING", "RUNNING")]
        print(json.dumps(found, indent=2))
        return 0
    if words[:2] == ["api", "cancel"]:
        for name in names[1:]:
            request = _load(root / "requests", name)
            if request and request["status"] in ("PENDING", "RUNNING"):
                _save(root / "requests", name, {**request, "status": "CANCELLED"})
        return 0
    return _failed(f"No such command {' '.join(words)!r}.")


def ssh(root: Path, words: list[str]) -> int:
    """One call of `ssh`, to a cluster's home."""
    words = list(words)
    while words[0].startswith("-"):
        word = words.pop(0)
        if word in ("-o", "-p", "-l", "-i"):
            words.pop(0)
    cluster, command = words[0], " ".join(words[2:] if words[1] == "--" else words[1:])
    record = _load(root / "clusters", cluster)
    if record is None or record["status"] != "UP" or _is_bad(root, "network_lost"):
        return _failed(f"ssh: connect to host {cluster} port 22: Connection timed out", 255)
    if _is_bad(root, "log_breaks") and command.endswith(" log"):
        return _failed("client_loop: send disconnect: Broken pipe", 255)
    home = root / "homes" / cluster
    return subprocess.run(["sh", "-c", command], cwd=home, env=_environment(home)).returncode


def _launch(root: Path, cluster: str, file: Path) -> int:
    request = str(uuid.uuid4())
    shutil.copyfile(file, root / "tasks" / f"{request}.yaml")
    told = {"request_id": request, "name": "sky.launch", "status": "PENDING", "created_at": time.time()}
    _save(root / "requests", request, {**told, "cluster_name": cluster, "user_id": "me"})
    subprocess.Popen(
        [sys.executable, __file__, "provision", str(root), request],
        env={"PATH": os.environ["PATH"]},  # the server's, and none of who asked
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    if _is_bad(root, "create_timeout_but_created"):
        return _failed("requests.exceptions.ConnectionError: Connection reset by peer")
    if _is_bad(root, "create_hangs"):
        time.sleep(600)
    print(f"Submitted sky.launch request: {request}")
    return 0


def provision(root: Path, words: list[str]) -> int:
    """What the server does of a request to launch, and then the cluster's own agent."""
    request = _load(root / "requests", words[0])
    assert request is not None
    task = yaml.safe_load((root / "tasks" / f"{words[0]}.yaml").read_text())
    cluster = request["cluster_name"]
    _save(root / "requests", words[0], {**request, "status": "RUNNING"})
    time.sleep(BOOT_S)
    if _is_over(root, words[0]):
        return 0
    if _is_bad(root, "capacity"):
        _save(root / "requests", words[0], {**request, "status": "FAILED"})
        return 0
    record = {
        "name": cluster, "launched_at": int(time.time()), "status": "INIT", "autostop": 1, "to_down": True,
        "labels": task["resources"]["labels"], "session": None, "agent": os.getpid(), "init_status_reason": None,
    }  # fmt: skip
    _save(root / "clusters", cluster, record)
    time.sleep(BOOT_S)
    home = root / "homes" / cluster
    shutil.copytree(task["workdir"], home / "sky_workdir", symlinks=True, dirs_exist_ok=True)
    if _is_over(root, words[0]):
        _down(root, cluster)
        return 0
    job = subprocess.Popen(
        ["bash", "-c", task["run"]],
        cwd=home / "sky_workdir",
        env=_environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _save(root / "clusters", cluster, {**record, "status": "UP", "session": job.pid})
    _save(root / "requests", words[0], {**request, "status": "SUCCEEDED"})
    job.wait()
    time.sleep(task["resources"]["autostop"]["idle_minutes"] * MINUTE_S)
    _down(root, cluster)
    return 0


def _is_over(root: Path, request: str) -> bool:
    now = _load(root / "requests", request)
    return now is None or now["status"] == "CANCELLED"


def _down(root: Path, cluster: str) -> None:
    """Take a cluster down, with all that runs on it and what still launches it."""
    for request in _all(root / "requests"):
        if request["cluster_name"] == cluster and request["status"] in ("PENDING", "RUNNING"):
            _save(root / "requests", request["request_id"], {**request, "status": "CANCELLED"})
    record = _load(root / "clusters", cluster)
    if record is None:
        return
    if record["agent"] != os.getpid():
        with contextlib.suppress(ProcessLookupError):
            os.kill(record["agent"], signal.SIGKILL)
    for process in Path("/proc").iterdir() if record["session"] else ():
        with contextlib.suppress(OSError, ValueError):
            if os.getsid(int(process.name)) == record["session"]:
                os.kill(int(process.name), signal.SIGKILL)
    (root / "clusters" / f"{cluster}.json").unlink(missing_ok=True)


def _half(root: Path, record: dict[str, Any]) -> dict[str, Any]:
    """A record as it is shown, without its details while it is new on a day when that happens."""
    if _is_bad(root, "half_created") and time.time() < record["launched_at"] + 2:
        return {"name": record["name"], "status": "INIT", "launched_at": None, "labels": None}
    return {name: value for name, value in record.items() if name not in ("session", "agent")}


def _environment(home: Path) -> dict[str, str]:
    path = os.environ["PATH"].split(os.pathsep)
    return {"PATH": os.pathsep.join(one for one in path if not one.startswith(f"{home.parents[1]}")), "HOME": str(home)}


def _all(folder: Path) -> list[dict[str, Any]]:
    found = [_load(folder, file.stem) for file in sorted(folder.glob("*.json"))]
    return [one for one in found if one is not None]


def _load(folder: Path, name: str) -> dict[str, Any] | None:
    try:
        return json.loads((folder / f"{name}.json").read_text())
    except OSError:
        return None


def _save(folder: Path, name: str, value: dict[str, Any]) -> None:
    part = folder / f".{name}.{os.getpid()}"
    part.write_text(json.dumps(value))
    part.replace(folder / f"{name}.json")


def _is_bad(root: Path, fault: str) -> bool:
    return (root / "faults" / fault).exists()


def _failed(told: str, code: int = 1) -> int:
    print(told, file=sys.stderr)
    return code


if __name__ == "__main__":
    raise SystemExit({"sky": sky, "ssh": ssh, "provision": provision}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3:]))
