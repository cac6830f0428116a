"""The fault matrix: one paid run on one provider, one thing going wrong, and what is left of it afterwards.

Everything of ours is a real process started by the real command; the provider is a stand-in. `play` returns what was
found when at most one lease period, and one `golf reap`, had passed.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from scene import git, scored, verdict
from standins.base import Provider

from golf import database
from golf.jobs import leases
from golf.jobs.leases import Leases
from golf.jobs.store import JobStore
from golf.play.budget import BudgetBook
from golf.workspace import Workspace

LEASE_S = 4.0
MARK = "CADDIE_MATRIX"
"""In the environment of every process of ours, and of nothing that the provider runs."""

FAULTS = (
    "normal exit", "exception", "SIGINT", "SIGTERM", "SIGKILL of the job", "SIGKILL of everything", "network lost",
    "provider 5xx",
    "create timeout but created", "full disk", "clock back an hour",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What was left."""

    alive: list[str]
    """Launches of ours that still cost."""
    foreign_lives: bool
    open_leases: int
    reserved_usd: float
    spent_usd: float
    billed_usd: float | None
    """By the provider; None where it bills nothing."""
    asked: int
    """Launches that were asked for at all."""

    @property
    def problem(self) -> str:
        """What is wrong with it; empty when nothing is."""
        wrong = []
        if self.alive:
            wrong.append(f"{len(self.alive)} of ours alive")
        if not self.foreign_lives:
            wrong.append("a stranger's was ended")
        if self.open_leases or self.reserved_usd:
            wrong.append(f"{self.open_leases} leases open, ${self.reserved_usd:.2f} still set aside")
        if self.billed_usd is not None and abs(self.billed_usd - self.spent_usd) >= 0.005:
            wrong.append(f"billed ${self.billed_usd:.4f}, in our books ${self.spent_usd:.4f}")
        return "; ".join(wrong)


def prepared(root: Path, course: Path, provider: Provider, trainer: str) -> Workspace:
    """A workspace with a reviewed experiment that has earned a run on the provider."""
    root.mkdir(parents=True)
    git(root, "init", "--quiet")
    tier = {"command": ["sh", "-c", trainer], "time_limit_s": 60.0, **provider.tier()}
    options = tier.pop("options", {})
    lines = [
        f'[data]\npath = "{course}/datasets/pydocs_sp1024"\ntokenizer = "{course}/tokenizers/pydocs_1024_bpe.model"',
        f"[jobs]\nlease_s = {LEASE_S}\npoll_s = 0.3\nsettling_s = 2",
        "[budget]\nmin_interval_s = 0",
        "[tiers.local]",
        "[tiers.far]",
        *(f"{key} = {_toml(value)}" for key, value in tier.items()),
        "[tiers.far.options]",
        *(f"{key} = {_toml(value)}" for key, value in options.items()),
    ]
    (root / "golf.toml").write_text("\n".join(lines) + "\n")
    workspace = Workspace(root)
    scored(workspace, "base", 1.3)
    scored(workspace, "next", 1.248, script="x = 2\n", parent="base")
    verdict(workspace, "next")
    return workspace


def play(root: Path, course: Path, provider: Provider, fault: str, moment: float = 1.0) -> Outcome:
    """One run with one fault; `moment` (0 to 1) says how far into it the fault comes, where it comes in between."""
    trainer = "echo training; exit 3" if fault == "exception" else "echo training; sleep 3; echo weights > model.ptz"
    if fault in ("SIGINT", "SIGTERM", "SIGKILL of the job", "SIGKILL of everything", "clock back an hour"):
        trainer = "echo training; sleep 50"
    with _scene(root, fault) as place:
        workspace = prepared(place, course, provider, trainer)
        foreign = provider.plant_foreign()
        env = {**os.environ, **provider.env, MARK: str(root)}
        env["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), provider.env.get("PYTHONPATH", "")])
        try:
            _go_wrong(workspace, provider, fault, env, moment)
            _settle(workspace, env)
            return _outcome(workspace, provider, foreign)
        finally:
            provider.fault(None)
            kill_ours(root)


def _go_wrong(workspace: Workspace, provider: Provider, fault: str, env: dict[str, str], moment: float) -> None:
    def submit() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "golf.cli", "submit", "next", "--tier", "far"],
            cwd=workspace.root, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    before = {"create timeout but created": "create_timeout_but_created"}.get(fault)
    if before:
        provider.fault(before)
    started = submit()
    if fault == "SIGKILL of everything":
        if moment < 0.5:  # anywhere on the way to asking, and shortly after it
            time.sleep(moment * 16)
        else:
            _until_held(workspace)
            time.sleep((moment - 0.5) * 8)
        kill_ours(Path(env[MARK]))
        started.communicate()
        return
    _, said = started.communicate(timeout=120)
    assert started.returncode == 0, said.decode()
    if fault in ("normal exit", "exception", "create timeout but created"):
        _wait_for_end(workspace)
    elif fault in ("SIGINT", "SIGTERM"):
        _until_held(workspace)
        number = signal.SIGINT if fault == "SIGINT" else signal.SIGTERM
        record = JobStore(workspace).recent(1)[0]
        assert record.supervisor_pid is not None
        os.kill(record.supervisor_pid, number)
        _wait_for_end(workspace)
    elif fault == "SIGKILL of the job":  # and no command follows: the watchdog is alone
        _until_held(workspace)
        kill_ours(Path(env[MARK]), but="golf.jobs.watchdog")
        _eventually(lambda: not Leases(workspace.database).open(), 60)
    elif fault in ("network lost", "provider 5xx"):
        _until_held(workspace)
        provider.fault("network_lost" if fault == "network lost" else "http_500")
        time.sleep(5)
        provider.fault(None)
        _wait_for_end(workspace)
    elif fault == "full disk":
        _until_held(workspace)
        with contextlib.suppress(OSError), open(workspace.root / "filler", "wb") as filler:
            while True:
                filler.write(bytes(1 << 20))
                filler.flush()
        time.sleep(6)
        (workspace.root / "filler").unlink()
        _wait_for_end(workspace)
    elif fault == "clock back an hour":
        _until_held(workspace)
        kill_ours(Path(env[MARK]))
        with contextlib.closing(database.connect(workspace.database, leases.TABLES)) as connection:
            hour = 3600 * 1_000_000  # the same to everything that looks as a clock set back since
            connection.execute("UPDATE leases SET asked_at = asked_at + ?", (hour,))
    else:
        raise ValueError(fault)


def _settle(workspace: Workspace, env: dict[str, str]) -> None:
    """What the next start of anything does, within a lease period."""
    deadline = time.monotonic() + LEASE_S + 25
    while True:
        subprocess.run(
            [sys.executable, "-m", "golf.cli", "reap"], cwd=workspace.root, env=env, capture_output=True, timeout=120
        )
        if not Leases(workspace.database).open() and not _money(workspace).reserved_usd:
            return
        if time.monotonic() > deadline:
            return
        time.sleep(0.5)


def _outcome(workspace: Workspace, provider: Provider, foreign: str) -> Outcome:
    book = Leases(workspace.database)
    with contextlib.closing(database.connect(workspace.database, leases.TABLES)) as connection:
        row = connection.execute("SELECT tag FROM owner").fetchone()
        asked = connection.execute("SELECT count(*) FROM leases WHERE asked_at IS NOT NULL").fetchone()[0]
    owner = row["tag"] if row else "none"
    billed = provider.billed_micro_usd(owner)
    money = _money(workspace)
    return Outcome(
        alive=provider.alive(owner),
        foreign_lives=provider.is_alive(foreign),
        open_leases=len(book.open()),
        reserved_usd=money.reserved_usd,
        spent_usd=money.spent_usd,
        billed_usd=None if billed is None else billed / 1e6,
        asked=asked,
    )


def _money(workspace: Workspace) -> Any:
    return BudgetBook(workspace.database, workspace.config.budget).state()


def _until_held(workspace: Workspace) -> None:
    _eventually(lambda: any(lease.state == "held" for lease in Leases(workspace.database).open()), 90)


def _wait_for_end(workspace: Workspace) -> None:
    _eventually(lambda: JobStore(workspace).recent(1)[0].has_ended, 120)


def _eventually(condition: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s"
        time.sleep(0.1)


def kill_ours(root: Path, but: str = "nothing of ours") -> int:
    """SIGKILL to every process that carries the scene's mark, until none is left; returns how many there were."""
    killed = 0
    while True:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                is_zombie = process.status() == psutil.STATUS_ZOMBIE
                is_spared = process.pid == os.getpid() or but in process.cmdline()
                if not is_zombie and not is_spared and process.environ().get(MARK) == str(root):
                    found.append(process)
        if not found:
            return killed
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
                killed += 1
        psutil.wait_procs(found, timeout=5)


@contextlib.contextmanager
def _scene(root: Path, fault: str) -> Iterator[Path]:
    """The workspace's place; on a small file system of its own where the disk is to be full."""
    if fault != "full disk":
        yield root / "ws"
        return
    disk = root / "disk"
    disk.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "caddie-matrix", str(disk)], check=True)
    try:
        yield disk / "ws"
    finally:
        kill_ours(root)
        subprocess.run(["umount", "--lazy", str(disk)], check=False)


def moments(count: int, seed: int = 0) -> list[float]:
    """Random moments, the same every time."""
    rng = random.Random(seed)
    return [rng.random() for _ in range(count)]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + "}"
    return (
        str(value)
        if isinstance(value, int | float)
        else '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
    )


def can_mount() -> bool:
    """Whether a small file system can be mounted here."""
    return sys.platform == "linux" and os.geteuid() == 0
