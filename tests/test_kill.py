"""`kill -9` of trainer, worker, supervisor, server or command at random moments loses nothing settled.

After the next start of anything the ledger and the budget are readable, every row and dollar that
was there still is, each run is recorded at most once, and no process of a dead run is left.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from scene import eventually

from golf.jobs import process
from golf.jobs.local import LocalJobs
from golf.jobs.store import JobStore
from golf.play import experiments, ledger, record
from golf.play.budget import BudgetBook
from golf.schema import ENDED
from golf.workspace import Workspace

BASELINE = Path(__file__).parents[1] / "baselines" / "naive" / "train_gpt.py"
GOLF = [sys.executable, "-m", "golf.cli"]
VICTIMS = ("trainer", "worker", "supervisor", "starter")
SERVED = """
import asyncio, sys
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
async def main():
    server = stdio_client(StdioServerParameters(command=sys.executable, args=["-m", "mcp_server"]))
    async with Client(server, mode="legacy") as client:
        job = (await client.call_tool("run_experiment", {"experiment": sys.argv[1]})).structured_content
        while job["state"] in ("queued", "running"):
            job = (await client.call_tool("wait_for_job", {"id": job["id"]})).structured_content
asyncio.run(main())
"""


def alive_of(workspace: Workspace, victim: str, starter: subprocess.Popen[bytes]) -> list[int]:
    """Pids that play the part now."""
    if victim == "starter":  # the command, or the server below its client
        server = [child.pid for child in psutil.Process(starter.pid).children() if "mcp_server" in child.cmdline()]
        return server or [starter.pid]
    found = []
    for job in JobStore(workspace).recent(1, ("running",)):
        if victim == "supervisor" and job.supervisor_pid is not None:
            found.append(job.supervisor_pid)
        for one in process.marked(job.id):
            is_worker = "golf.cli.worker" in " ".join(one.cmdline())
            if victim == ("worker" if is_worker else "trainer"):
                found.append(one.pid)
    return found


def start_again(workspace: Workspace, *verb: str) -> dict[str, object]:
    """The next start of anything: a command of its own process."""
    done = subprocess.run([*GOLF, *verb, "--json"], cwd=workspace.root, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def one_try(workspace: Workspace, name: str, chance: random.Random) -> str:
    """Play, kill someone at a random moment, start again, and check; returns who was killed in which phase."""
    rows = ledger.read(workspace.ledger) if workspace.ledger.exists() else []
    book = BudgetBook(workspace.database, workspace.config.budget)
    spent = book.state().spent_usd
    experiments.claim(workspace, name, hypothesis="h", script=BASELINE, tier="tiny")
    starter_command = [*GOLF, "run", name] if chance.random() < 0.5 else [sys.executable, "-c", SERVED, name]
    starter = subprocess.Popen(
        starter_command,
        cwd=workspace.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    victim = chance.choice(VICTIMS)
    deadline = time.monotonic() + chance.uniform(0.1, 9.0)
    while time.monotonic() < deadline and starter.poll() is None:
        time.sleep(0.01)
    killed = "nobody"
    try:
        for pid in alive_of(workspace, victim, starter):
            os.kill(pid, signal.SIGKILL)
            killed = victim
    except (ProcessLookupError, psutil.Error):
        killed = "nobody"  # it had just ended by itself
    if killed == "starter":
        starter.kill()  # the client goes with its server, as a closed session does
    start_again(workspace, "history")

    store = JobStore(workspace)
    eventually(
        lambda: all(job.state in ENDED for job in [LocalJobs(workspace).get(one.id) for one in store.recent(5)]), 120
    )
    starter.wait(120)
    record.recover(workspace)
    for job in store.recent(5):
        assert [one for one in process.marked(job.id) if one.status() != psutil.STATUS_ZOMBIE] == []
    assert not list(workspace.worktrees.glob("*"))
    found = ledger.read(workspace.ledger) if workspace.ledger.exists() else []
    assert found[: len(rows)] == rows
    assert max(Counter(row.commit for row in found if row.commit != "-").values(), default=0) <= 1
    assert start_again(workspace, "check-budget")["spent_usd"] == spent
    last = store.recent(1)
    if last and last[0].subject.endswith(name) and last[0].state == "done":
        assert len(found) == len(rows) + 1
        assert found[-1].val_bpb is not None
    return f"{killed} of {'command' if starter_command[0:3] == GOLF else 'server'}"


def many_tries(workspace: Workspace, number: int, seed: int) -> Counter[str]:
    book = BudgetBook(workspace.database, workspace.config.budget)
    book.reserve("settled-run", 3.5, "h100x8")
    book.settle("settled-run", 3.33)
    chance = random.Random(seed)
    tally: Counter[str] = Counter()
    for index in range(number):
        tally[one_try(workspace, f"try-{index}", chance)] += 1
    print(dict(tally))
    assert book.state().spent_usd == 3.33
    return tally


def test_five_random_kills_lose_nothing(course_workspace: Workspace) -> None:
    tally = many_tries(course_workspace, 5, seed=20261121)
    assert sum(count for who, count in tally.items() if not who.startswith("nobody")) >= 2


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_fifty_random_kills_lose_nothing(course_workspace: Workspace) -> None:
    tally = many_tries(course_workspace, 50, seed=7)
    assert sum(count for who, count in tally.items() if not who.startswith("nobody")) >= 25
