"""A machine reached by ssh: a real `sshd` on loopback with keys and configuration of its own, in a temporary folder."""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import pytest

FAULTS = ("network_lost", "slow", "create_timeout_but_created", "log_breaks")

SESSION = """#!/bin/sh
# Every session goes through here: its home is the stand-in's, and its bad days are these.
home={home} fault=$(cat {fault} 2>/dev/null)
cut_off() {{
  up=$$
  while case $(cat /proc/$up/comm) in sshd*) false;; esac; do
    up=$(sed 's/.*) . //' /proc/$up/stat | cut -d' ' -f1)
  done
  kill -9 $up; exit 1
}}
export HOME="$home"
cd "$home" || exit 1
case "$fault:$SSH_ORIGINAL_COMMAND" in
network_lost:*) cut_off;;
slow:*) sleep 1;;
create_timeout_but_created:*"-- start") sh -c "$SSH_ORIGINAL_COMMAND"; cut_off;;
log_breaks:*"-- log") sh -c "$SSH_ORIGINAL_COMMAND" | head -c 10; cut_off;;
esac
{extra}
exec sh -c "$SSH_ORIGINAL_COMMAND"
"""


def programs() -> None:
    """Skip where a machine cannot be played here."""
    for program, package in (("sshd", "openssh-server"), ("ssh", "openssh-client"), ("rsync", "rsync")):
        if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin") is None:
            pytest.skip(f"needs {program}: apt-get install {package}")


def sshd_program() -> str:
    return shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin") or "/usr/sbin/sshd"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def make_key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


def carrying(name: str, value: str | None = None) -> list[psutil.Process]:
    """Living processes with a variable in their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            held = process.environ().get(name)
            if held is not None and value in (None, held) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def end_carrying(name: str, value: str) -> None:
    """End them, and what they start meanwhile."""
    while left := carrying(name, value):
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.05)


class Sshd:
    """One sshd in `folder`; `mark` is in the environment of everything that its sessions start."""

    def __init__(
        self, folder: Path, mark: str, *, identity: Path | None = None, authorized: Path | None = None, extra: str = ""
    ) -> None:
        programs()
        self.folder, self.mark, self.port, self.user = folder, mark, free_port(), getpass.getuser()
        self.home = folder / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.fault_file = folder / "fault"
        self.identity = identity or folder / "id"
        if not self.identity.exists():
            make_key(self.identity)
        make_key(folder / "host_key")
        host_key = (folder / "host_key.pub").read_text().split()[:2]
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {' '.join(host_key)}\n")
        session = folder / "session.sh"
        session.write_text(SESSION.format(home=self.home, fault=self.fault_file, extra=extra))
        session.chmod(0o700)
        self.config = folder / "sshd_config"
        self.config.write_text(
            f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {folder}/host_key\nPidFile none\n"
            f"AuthorizedKeysFile {authorized or f'{self.identity}.pub'}\nStrictModes no\nUsePAM no\n"
            f"PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            f"PermitRootLogin prohibit-password\nMaxStartups 200\nPrintMotd no\nPrintLastLog no\n"
            f"ForceCommand {session}\nSetEnv STANDIN={mark}\n"
        )
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd's own, for privilege separation
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        return [sshd_program(), "-D", "-f", str(self.config), "-E", str(self.folder / "sshd.log")]

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, start_new_session=True, env={**os.environ, "STANDIN": self.mark})
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            assert time.monotonic() < deadline, (self.folder / "sshd.log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """The listener; what sessions have started goes on."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def fault(self, name: str | None) -> None:
        self.fault_file.write_text(name or "")


class StandIn:
    """A machine that its owner rents by the hour: nobody bills launches on it, and seconds count."""

    name = "ssh"

    def __init__(self) -> None:
        self.env: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.root = Path(tempfile.mkdtemp(prefix="ssh-standin-"))
        self.sshd = Sshd(self.root, self.root.name)
        self.sshd.start()
        self.folder = self.sshd.home / "caddie"
        self.foreign: list[subprocess.Popen[bytes]] = []
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sshd.stop()
        end_carrying("STANDIN", self.sshd.mark)
        for process in self.foreign:
            process.kill()
            process.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def options(self) -> dict[str, Any]:
        return {
            "host": "127.0.0.1",
            "port": self.sshd.port,
            "user": self.sshd.user,
            "identity": str(self.sshd.identity),
            "known_hosts": str(self.sshd.known_hosts),
            "folder": "caddie",
            "python": sys.executable,
        }

    def tier(self) -> dict[str, Any]:
        return {
            "backend": self.name,
            "gpus": 8,
            "hourly_rate_usd": 20.0,
            "options": self.options,
        }

    def alive(self, owner: str) -> list[str]:
        """Keys of an owner's launches with a process left, whoever says otherwise."""
        keys = {file.parent.name for file in self.folder.glob("*/owner") if file.read_text().strip() == owner}
        found: set[str] = set()
        for process in self._launched():
            with contextlib.suppress(psutil.Error, OSError):  # it may end between two looks
                found.add(process.environ().get("CADDIE_LAUNCH", ""))
        return sorted(keys & found)

    def plant_foreign(self) -> str:
        key = f"caddie-0badf00d-run{len(self.foreign)}-s1"
        folder = self.folder / key
        (folder / "tree").mkdir(parents=True)
        (folder / "owner").write_text("0badf00d\n")
        environment = {**os.environ, "CADDIE_LAUNCH": key, "STANDIN": self.sshd.mark}
        process = subprocess.Popen(["sleep", "1000"], env=environment, start_new_session=True)
        (folder / "runner").write_text(f"{process.pid} {int(time.time())}\n")
        self.foreign.append(process)
        return key

    def is_alive(self, remote_id: str) -> bool:
        return any(process.environ().get("CADDIE_LAUNCH") == remote_id for process in self._launched())

    def billed_micro_usd(self, owner: str) -> int | None:
        return None

    def fault(self, name: str | None) -> None:
        if name is not None and name not in FAULTS:
            raise ValueError(f"a machine of one's own has no {name}")
        self.sshd.fault(name)

    def _launched(self) -> list[psutil.Process]:
        return [process for process in carrying("STANDIN", self.sshd.mark) if _is_launched(process)]


def _is_launched(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        return "CADDIE_LAUNCH" in process.environ()
    return False
