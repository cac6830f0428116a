"""The MCP server against the least server the same SDK allows: its start, its calls, and many calls at once."""

import statistics
import sys
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from mcp_session import Session, started
from side_by_side import Row, Sample, Sides, at_most, at_most_more, shown

BARE = [sys.executable, str(Path(__file__).with_name("bare_server.py"))]
OURS = [sys.executable, "-m", "golf.cli", "mcp"]
ROWS = 5_000
AT_ONCE = 16
WAIT_S = 0.5
CALLS = 200

READ_ONLY: dict[str, dict[str, Any]] = {
    "list_experiments": {},
    "list_experiments, best first": {"best_first": True},
    "check_budget": {},
    "job_status": {"id": "last"},
}
"""What sessions ask again and again; `last` is the newest job."""


def rows(quick: bool) -> list[Row]:
    """Start, calls and concurrency; the full set takes more pairs."""
    pairs = 7 if quick else 15
    echo = "the bare server's echo"
    return [
        Row(
            name="server start → initialize → tools/list",
            baseline="a one-tool server on the same SDK",
            prepare=_start,
            goals=[at_most("cpu_s", 1.15), at_most_more("peak_bytes", 10e6), shown("wall_s")],
            pairs=pairs,
        ),
        *(
            Row(
                name=f"call of {name}, {ROWS:,} rows",
                baseline=echo,
                prepare=lambda scratch, name=name: _calls(scratch, name),
                goals=[at_most("p50_s", 3), at_most("p99_s", 5)],
                pairs=pairs,
                note=f"a pair is {CALLS} calls on each side, in turns",
            )
            for name in READ_ONLY
        ),
        Row(
            name=f"{AT_ONCE} waiting calls at once",
            baseline=f"the same {AT_ONCE} in sequence",
            prepare=lambda scratch: _at_once(scratch, "wait_for_job", timeout_s=WAIT_S),
            goals=[at_most("wall_s", 0.5)],
            pairs=3,
            warmups=0,
            note=f"wait_for_job on {AT_ONCE} jobs that run, {WAIT_S:g} s each: independent calls",
        ),
        Row(
            name=f"{AT_ONCE} computing calls at once",
            baseline=f"the same {AT_ONCE} in sequence",
            prepare=lambda scratch: _at_once(scratch, "list_experiments"),
            goals=[shown("wall_s")],
            pairs=pairs,
            note="list_experiments waits for nothing: one interpreter has no time to win there, only none to lose",
        ),
    ]


def _start(scratch: Path) -> Sides:
    _workspace(scratch)

    def check(bare: list[Any], ours: list[Any]) -> None:
        assert len(bare) == 1 and len(ours) > 10, f"{len(bare)} and {len(ours)} tools"

    return Sides(baseline=lambda: started(BARE, scratch), ours=lambda: started(OURS, scratch), check=check)


def _calls(scratch: Path, name: str) -> Sides:
    """Both servers live through the row, and their calls alternate one by one: who else is busy makes the tail."""
    job = _workspace(scratch)[-1]
    bare, ours = Session(BARE, scratch), Session(OURS, scratch)
    tool = name.partition(",")[0]
    arguments = {key: job if value == "last" else value for key, value in READ_ONLY[name].items()}

    def check(echoed: Any, answer: Any) -> None:
        assert echoed["content"][0]["text"] == "fore"
        said = answer["structuredContent"]
        if tool == "list_experiments":
            assert said["total"] == ROWS and len(said["rows"]) == 5, said
        elif tool == "job_status":
            assert said["id"] == job and said["state"] == "running", said
        else:
            assert said["verdict"] == "ok", said

    turns: list[Sample] = []

    def both() -> Sample:
        samples = _alternating(lambda: bare.call("echo", text="fore"), lambda: ours.call(tool, **arguments))
        turns.append(samples[1])
        return samples[0]

    return Sides(
        baseline=both,
        ours=turns.pop,
        check=check,
        close=lambda: (bare.close(), ours.close()),
    )


def _alternating(*calls: Callable[[], Any], turns: int = CALLS) -> list[Sample]:
    took, results = [[] for _ in calls], [None for _ in calls]
    for _ in range(turns):
        for index, call in enumerate(calls):
            begin = time.perf_counter()
            results[index] = call()
            took[index].append(time.perf_counter() - begin)
    return [
        Sample({"p50_s": statistics.median(times), "p99_s": statistics.quantiles(times, n=100)[98]}, result)
        for times, result in zip(took, results, strict=True)
    ]


def _at_once(scratch: Path, tool: str, **arguments: Any) -> Sides:
    jobs = _workspace(scratch)
    server = Session(OURS, scratch)
    asked = [{"id": job, **arguments} if tool == "wait_for_job" else arguments for job in jobs]
    requests = [("tools/call", {"name": tool, "arguments": one}) for one in asked]

    def check(one_by_one: list[Any], together: list[Any]) -> None:
        assert len(together) == AT_ONCE
        assert [a["structuredContent"].get("id") for a in one_by_one] == [
            a["structuredContent"].get("id") for a in together
        ]

    return Sides(
        baseline=lambda: [server.ask(*request) for request in requests],
        ours=lambda: server.ask_all(requests),
        check=check,
        close=server.close,
    )


def _workspace(root: Path) -> list[str]:
    """A workspace with a ledger of 5,000 rows, as many jobs that have ended, and 16 that run; returns those ids."""
    from golf import database
    from golf.jobs.store import JobStore
    from golf.workspace import Workspace

    settings = resources.files("golf.templates") / "golf.toml"
    (root / "golf.toml").write_text(settings.read_text())
    ledger_rows(root)
    store = JobStore(Workspace(root))
    with store._connection() as connection, database.transaction(connection):
        connection.executemany(
            "INSERT INTO jobs (id, kind, subject, backend, state, created_at, started_at, ended_at) "
            "VALUES (?, 'evaluate', ?, 'local', 'done', '2026-01-01', '2026-01-01', '2026-01-01')",
            ((f"20260101-000000-{number:06x}", f"idea-{number}") for number in range(ROWS)),
        )
    running = [store.add("evaluate", f"subject-{number}", "local").id for number in range(AT_ONCE)]
    for job in running:
        store.folder(job).mkdir(parents=True)
        store.started(job)  # by this process, which lives
    return running


def ledger_rows(root: Path, count: int = ROWS) -> None:
    """Write a workspace's ledger with so many rows, a fifth of them kept."""
    from golf.play import ledger
    from golf.schema import Row as LedgerRow
    from golf.workspace import Workspace

    layout = ledger.Layout(ledger.COLUMNS)
    lines = [
        layout.format(
            LedgerRow(
                commit=f"{number:012x}",
                tier="local",
                val_bpb=1.3 - 0.1 * (number * 7919 % count) / count,
                artifact_bytes=15_000_000 + number,
                memory_gb=10.0,
                status="keep" if number % 5 == 0 else "discard",
                promoted="no",
                cost_usd=0.0,
                description=f"2026-01-01_idea-{number}: what was expected of idea {number}",
            )
        )
        for number in range(count)
    ]
    Workspace(root).ledger.write_text("\n".join([ledger.HEADER, *lines]) + "\n")
