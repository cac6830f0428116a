"""A real Slurm with one node on loopback, from Debian's packages: munged, slurmctld, slurmd in a folder of their own.

Needs no systemd; several run beside one another on ports of their own. The node says it has eight H100s: scheduled and
numbered like real ones (`CUDA_VISIBLE_DEVICES`), with terminals in their place. Clients read a configuration in which
the controller's port is that of a relay, where bad days happen; daemons and tests' own questions go past it. A guard
ends everything, jobs too, when the test does, also by SIGKILL: this file, run as a script.

Where the relay finds a message's kind: Slurm's src/common/slurm_protocol_pack.c, pack_header; seen in what 22.05 sends.
"""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"  # Debian's place for daemons
REQUEST_SUBMIT_BATCH_JOB = 4003
START_S = 30.0

CONF = """\
ClusterName=standin
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort={port}
SlurmdPort={node_port}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
GresTypes=gpu
MessageTimeout=5
KillWait=2
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=4000 Gres=gpu:h100:8 State=UNKNOWN
PartitionName=gpu Nodes={host} Default=YES MaxTime=60 State=UP
"""


class StandIn:
    """One cluster; see `base.Provider`. `cpus` is how many launches run at once."""

    name = "slurm"

    def __init__(self, cpus: int = 4) -> None:
        self._cpus = cpus
        self._host = socket.gethostname().partition(".")[0]
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._relay: _Relay | None = None

    def __enter__(self) -> Self:
        if missing := [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]:
            pytest.skip(f"{', '.join(missing)} not installed: apt-get install slurm-wlm munge")
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.conf = self.folder / "slurm.conf"
        self._guard = subprocess.Popen(
            [sys.executable, __file__, str(self.folder)], stdin=subprocess.PIPE, start_new_session=True
        )
        try:
            self._relay = _Relay()
            self._configure(self._relay)
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._relay is not None:
            self._relay.close()
        self._guard.communicate()  # the end of its input is its sign
        for daemon in self._daemons.values():
            daemon.wait()
        self._daemons.clear()

    @property
    def env(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "client" / "slurm.conf")}

    @property
    def launches(self) -> Path:
        """The folder that login node and compute nodes share."""
        return self.folder / "launches"

    def tier(self) -> dict[str, Any]:
        return {
            "backend": "slurm",
            "gpus": 1,
            "hourly_rate_usd": 20.0,
            "options": {"folder": str(self.launches)},
        }

    def alive(self, owner: str) -> list[str]:
        return [f"{job}:{name}" for job, name, comment in self._jobs() if comment == f"caddie:{owner}"]

    def plant_foreign(self) -> str:
        job = self.ask(
            "sbatch", "--parsable", "--job-name=caddie-0000-run-s1", "--comment=caddie:0000", "--chdir=/",
            "--output=/dev/null", "--wrap=sleep 3600",
        )  # fmt: skip
        return f"{job.strip()}:caddie-0000-run-s1"

    def is_alive(self, remote_id: str) -> bool:
        return remote_id in [f"{job}:{name}" for job, name, _ in self._jobs()]

    def billed_micro_usd(self, owner: str) -> int | None:
        return None

    def fault(self, name: str | None) -> None:
        if name not in (None, "http_500", "network_lost", "slow", "capacity", "create_timeout_but_created"):
            raise ValueError(f"Slurm has no bad day of the kind {name!r}")
        state = "DRAIN" if name == "capacity" else "RESUME"
        if (name == "capacity") != self._is_drained():
            self.ask("scontrol", "update", f"NodeName={self._host}", f"State={state}", "Reason=capacity")
        assert self._relay is not None
        self._relay.day = name

    def ask(self, *command: str) -> str:
        """One of Slurm's programs, past the relay."""
        asked = subprocess.run(command, env=self._own_env(), capture_output=True, text=True, timeout=30)
        assert asked.returncode == 0, f"{command}: {asked.stderr}"
        return asked.stdout

    def kill_controller(self) -> None:
        """As a power cut would, once it has saved what it knows: it does so every few seconds."""
        saved, names = self.folder / "state" / "job_state", [name.encode() for _, name, _ in self._jobs()]
        self._wait(lambda: all(name in saved.read_bytes() for name in names), "the controller has not saved its state")
        controller = self._daemons.pop("slurmctld")
        controller.kill()
        controller.wait()

    def start_controller(self, *, forgets: bool = False) -> None:
        """Start it again; one that `forgets` counts its jobs from 1 and knows of none."""
        if forgets:
            shutil.rmtree(self.folder / "state")
            (self.folder / "state").mkdir()
        self._run("slurmctld", "-D", "-f", str(self.conf))
        self._wait(self._is_up, "the node is not idle")

    def freeze_controller(self, *, frozen: bool) -> None:
        """It takes connections and does not answer, or goes on."""
        self._daemons["slurmctld"].send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def _configure(self, relay: "_Relay") -> None:
        for name in ("state", "spool", "client", "launches"):
            (self.folder / name).mkdir()
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
            port, node_port = one.getsockname()[1], other.getsockname()[1]
        relay.to = port
        for path, asked in ((self.conf, port), (self.folder / "client" / "slurm.conf", relay.port)):
            path.write_text(
                CONF.format(
                    host=self._host, user=getpass.getuser(), folder=self.folder, port=asked, node_port=node_port,
                    cpus=self._cpus,
                )
            )  # fmt: skip
        devices = "/dev/tty" if Path("/dev/tty7").exists() else f"{self.folder}/gpu"  # scheduled, if not numbered
        (self.folder / "gres.conf").write_text(
            f"NodeName={self._host} Name=gpu Type=h100 Count=8 File={devices}[0-7]\n"
        )
        for number in range(8):
            (self.folder / f"gpu{number}").touch()
        (self.folder / "munge.key").write_bytes(os.urandom(1024))
        (self.folder / "munge.key").chmod(0o400)

    def _start(self) -> None:
        places = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed", "log-file": "log"}
        self._run(
            "munged",
            "--foreground",
            "--force",
            *(f"--{name}={self.folder}/munge.{end}" for name, end in places.items()),
        )
        self._wait((self.folder / "munge.socket").exists, "munged is not up")
        self._run("slurmd", "-D", "-f", str(self.conf))
        self.start_controller()

    def _run(self, daemon: str, *arguments: str) -> None:
        program = str(shutil.which(daemon, path=PATH))
        with open(self.folder / f"{daemon}.out", "ab") as output:
            self._daemons[daemon] = subprocess.Popen(
                [program, *arguments],
                cwd=self.folder,  # by which the guard knows it
                env=self._own_env(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _own_env(self) -> dict[str, str]:
        ours = {name: os.environ[name] for name in ("HOME", "LANG", "TZ") if name in os.environ}
        return {**ours, "PATH": PATH, "SLURM_CONF": str(self.conf)}

    def _jobs(self) -> list[tuple[str, str, str]]:
        """Number, name and comment of what is waiting, running or ending."""
        lines = self.ask("squeue", "--noheader", "--format=%A\x1f%j\x1f%k").splitlines()
        return [(job, name, comment) for job, name, comment in (line.split("\x1f") for line in lines)]

    def _is_up(self) -> bool:
        asked = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"], env=self._own_env(), capture_output=True, text=True, timeout=30
        )
        return asked.stdout.strip() in ("idle", "mixed", "allocated")

    def _is_drained(self) -> bool:
        return "drain" in self.ask("sinfo", "--noheader", "--format=%T")

    def _wait(self, condition: Any, what: str) -> None:
        deadline = time.monotonic() + START_S
        while not condition():
            if time.monotonic() > deadline:
                said = "\n".join(path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.out"))
                raise AssertionError(f"not within {START_S:g} s: {what}\n{said}")
            time.sleep(0.05)


class _Relay:
    """Between clients and controller: one thread per connection."""

    def __init__(self) -> None:
        self.day: str | None = None
        self.to = 0
        relay = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    relay._pass_on(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _pass_on(self, client: socket.socket) -> None:
        day = self.day
        if day == "network_lost":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # a reset, no farewell
            return
        client.settimeout(60)
        question = _message(client)
        if day == "http_500":
            return
        if day == "slow":
            time.sleep(1.5)
        with socket.create_connection(("127.0.0.1", self.to), timeout=60) as controller:
            controller.sendall(question)
            answer = _message(controller)
        if day == "create_timeout_but_created" and _kind(question) == REQUEST_SUBMIT_BATCH_JOB:
            client.recv(1)  # until it has lost patience
            return
        client.sendall(answer)
        while more := client.recv(65536):  # nothing, in truth: one question and one answer each
            raise AssertionError(f"the client said more: {more[:40]!r}")


def _message(end: socket.socket) -> bytes:
    """A whole message: its length in four bytes, then so many."""
    head = _exactly(end, 4)
    return head + _exactly(end, int.from_bytes(head, "big"))


def _exactly(end: socket.socket, num_bytes: int) -> bytes:
    got = b""
    while len(got) < num_bytes:
        if not (more := end.recv(num_bytes - len(got))):
            raise OSError("ended early")
        got += more
    return got


def _kind(message: bytes) -> int:
    """The header's msg_type: behind length, version and flags."""
    return int.from_bytes(message[8:10], "big")


def _sweep(folder: Path) -> None:
    """End what has a cluster's folder for its own (daemons, and what they keep a job's steps with) or its configuration
    in its environment (jobs), until there is none; then remove the folder.
    """
    while left := [process for process in psutil.process_iter() if _is_of(process, folder)]:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def _is_of(process: psutil.Process, folder: Path) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        if process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
            return process.cwd() == str(folder) or process.environ().get("SLURM_CONF") == str(folder / "slurm.conf")
    return False


if __name__ == "__main__":
    sys.stdin.read()
    _sweep(Path(sys.argv[1]))
