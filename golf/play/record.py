"""Recording a run exactly once, whatever is killed when.

The intent is committed to the database first, then result.json is replaced, the ledger's end noted and
its row appended, then the intent is marked done; all under one lock. What a `kill -9` leaves between the
first and the last step is completed at the next start, from the intent, and before anything else is
recorded: so the row that is looked for behind the noted end is that run's, also where a repetition has
an earlier one like it.
"""

import contextlib
import fcntl
import sqlite3
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from golf import database, durable
from golf.errors import UNUSABLE, GolfError, UnreadableInput
from golf.jobs import reaper, watchdog
from golf.jobs.leases import Leases
from golf.jobs.store import TABLES as JOB_TABLES
from golf.play import experiments, ledger, ledger_index, settlement, worktree
from golf.play.budget import TABLES as MONEY
from golf.play.conclude import conclude
from golf.schema import Result, Row
from golf.workspace import Workspace

TABLES = (
    JOB_TABLES
    + ledger_index.TABLES
    + """
CREATE TABLE IF NOT EXISTS recordings (
    run_id TEXT PRIMARY KEY,
    experiment TEXT NOT NULL,
    result TEXT NOT NULL,
    description TEXT NOT NULL,
    aside INTEGER NOT NULL DEFAULT 0, -- it takes no other run's place in the experiment's folder
    ledger_mark TEXT, -- the ledger before its row; '' before that, so there is none yet; NULL by an earlier version
    done INTEGER NOT NULL DEFAULT 0
);
"""
)


def record(workspace: Workspace, result: Result, description: str, *, aside: bool = False) -> None:
    """Write result.json and the ledger's row; a second call for the same run changes nothing.

    With `aside` the result goes to `earlier/`, and the experiment's stays what it is.
    """
    with lock(workspace), contextlib.closing(database.connect(workspace.database, TABLES)) as connection:
        connection.execute(
            "INSERT OR IGNORE INTO recordings (run_id, experiment, result, description, aside, ledger_mark) "
            "VALUES (?, ?, ?, ?, ?, '')",
            (result.run_id, result.experiment, result.model_dump_json(indent=2), description, aside),
        )
        _complete_all(workspace, connection)


def recover(workspace: Workspace) -> None:
    """Finish what a killed process left: its jobs, its worktrees, its records, its money.

    A run that was lost, timed out or failed without a record of its own enters the ledger as a
    crash, or is concluded from what its launches elsewhere left; one that was cancelled does where it has cost money.
    That one takes no other run's place, as someone decided against it, nor does one that never got started.
    """
    if not (workspace.root / ".golf" / "golf.db").exists():
        return
    reaper.reap(workspace)
    settlement.settle(workspace)  # first: money must not wait for what cannot be concluded
    if Leases(workspace.database).open():
        watchdog.ensure(workspace)  # asks providers, so that no command has to wait for them
    with contextlib.closing(database.connect(workspace.database, TABLES + MONEY)) as connection:
        is_pending = connection.execute("SELECT 1 FROM recordings WHERE NOT done LIMIT 1").fetchone() is not None
        unrecorded = connection.execute(
            "SELECT id, subject, message, started_at FROM jobs "
            "WHERE kind = 'run' AND state IN ('lost', 'timed_out', 'failed') "
            "AND id NOT IN (SELECT run_id FROM recordings)"
        ).fetchall()
        with lock(workspace):  # a run that starts now waits with setting aside, and is seen in the table
            came_to_nothing = connection.execute(
                "SELECT subject, id FROM jobs WHERE kind = 'run' AND ended_at IS NOT NULL "
                "AND (state = 'cancelled' OR started_at IS NULL) AND NOT EXISTS (SELECT 1 FROM "
                "jobs AS later WHERE later.kind = 'run' AND later.subject = jobs.subject AND later.rowid > jobs.rowid)"
            ).fetchall()
            for row in came_to_nothing:
                experiments.put_back(workspace.experiments / row["subject"], row["id"])
        paid_for = connection.execute(
            "SELECT id, subject, message FROM jobs JOIN paid_runs ON paid_runs.run_id = jobs.id "
            "WHERE jobs.state = 'cancelled' AND paid_runs.spent > 0 AND id NOT IN (SELECT run_id FROM recordings)"
        ).fetchall()
        ended = {row["id"] for row in connection.execute("SELECT id FROM jobs WHERE ended_at IS NOT NULL")}
        if is_pending:
            with lock(workspace):
                _complete_all(workspace, connection)
    for place in workspace.worktrees.glob("*"):
        if place.name.rsplit(".", 1)[0] in ended:
            worktree.remove(workspace.root, place)
    for row in paid_for:
        crash(workspace, row["id"], row["subject"], row["message"] or "cancelled", aside=True)
    for row in unrecorded:
        try:
            if not conclude(workspace, row["id"]):
                crash(workspace, row["id"], row["subject"], row["message"], aside=row["started_at"] is None)
        except UNUSABLE as error:  # it is tried again by the next command
            print(f"run {row['id']} could not be concluded: {error}", file=sys.stderr, flush=True)


def crash(workspace: Workspace, run_id: str, name: str, error: str, *, aside: bool = False) -> Result:
    """Record a run that ended without a score; `aside` as for `record`."""
    commit = "-"
    tier, hypothesis, description = "local", "", f"{name}: {error}"
    with contextlib.suppress(GolfError):
        experiment = experiments.load(workspace.experiments / name)
        tier, hypothesis = experiment.tier, experiment.hypothesis
        description = experiments.described(name, experiment)
    with contextlib.suppress(GolfError):
        commit = worktree.git(workspace.root, "rev-parse", "--verify", "--quiet", f"refs/golf/{run_id}")
    result = Result(
        experiment=name,
        run_id=run_id,
        commit=commit,
        tier=tier,
        status="crash",
        promoted="no",
        hypothesis=hypothesis,
        cost_usd=round(settlement.spent_usd(workspace, run_id), 4),
        error=error,
        finished_at=datetime.now(UTC),
    )
    record(workspace, result, description, aside=aside)
    return result


def make_place(workspace: Workspace, folder: Path, run_id: str) -> Path:
    """Where a run's evidence goes that is concluded late: `earlier/` where a newer run's is the experiment's.

    An older run's evidence is set aside.
    """
    with lock(workspace):
        return _make_place(folder, run_id)


def _make_place(folder: Path, run_id: str) -> Path:
    there = None
    with contextlib.suppress(UnreadableInput):
        there = experiments.read_result(folder)
    if there is None or there.run_id == run_id:
        return folder
    if there.run_id < run_id:  # ids begin with their time
        experiments.set_aside(folder, there)
        return folder
    place = folder / "earlier" / run_id
    place.mkdir(parents=True, exist_ok=True)
    return place


def is_recorded(workspace: Workspace, result: Result) -> bool:
    """Whether this is, to the last digit, what the run itself recorded in this workspace's database."""
    if not (workspace.root / ".golf" / "golf.db").exists():
        return False
    with contextlib.closing(database.connect(workspace.database, TABLES)) as connection:
        found = connection.execute("SELECT result FROM recordings WHERE run_id = ?", (result.run_id,)).fetchone()
    return found is not None and Result.model_validate_json(found["result"]) == result


def row(result: Result, description: str) -> Row:
    """The ledger's line for a result."""
    return Row(
        commit=result.commit[:12],
        tier=result.tier,
        val_bpb=result.val_bpb,
        artifact_bytes=result.artifact_bytes,
        memory_gb=result.memory_gb,
        status=result.status,
        promoted=result.promoted,
        cost_usd=result.cost_usd,
        description=description,
    )


def _complete_all(workspace: Workspace, connection: sqlite3.Connection) -> None:
    """What was begun first is completed first; the caller has the lock."""
    for found in connection.execute("SELECT * FROM recordings WHERE NOT done ORDER BY rowid").fetchall():
        _complete(workspace, connection, found)


def _complete(workspace: Workspace, connection: sqlite3.Connection, found: sqlite3.Row) -> None:
    run_id, marked = found["run_id"], found["ledger_mark"]
    result = Result.model_validate_json(found["result"])
    line = row(result, found["description"])
    folder = workspace.experiments / result.experiment
    if folder.is_dir():
        place = folder / "earlier" / run_id if found["aside"] else _make_place(folder, run_id)
        place.mkdir(parents=True, exist_ok=True)
        if found["aside"]:
            (place / experiments.CANCELLED).touch()
        durable.replace(place / experiments.RESULT, found["result"] + "\n")
    is_there = False
    if marked != "":
        is_there = None if marked is None else ledger.holds(workspace.ledger, line, marked)
        if is_there is None:
            is_there = _is_one_more(workspace, connection, result.experiment, line)
    if not is_there:
        mark = ledger.mark(workspace.ledger)
        connection.execute("UPDATE recordings SET ledger_mark = ? WHERE run_id = ?", (mark, run_id))
        ledger_index.follow(connection, ledger.append(workspace.ledger, line))
    connection.execute("UPDATE recordings SET done = 1 WHERE run_id = ?", (run_id,))


def _is_one_more(workspace: Workspace, connection: sqlite3.Connection, experiment: str, line: Row) -> bool:
    """Whether the whole ledger has one row more like `line` than recorded runs have left there."""
    done = connection.execute(
        "SELECT result, description FROM recordings WHERE experiment = ? AND done", (experiment,)
    ).fetchall()
    known = (line.commit, line.description)
    rows = [row(Result.model_validate_json(one["result"]), one["description"]) for one in done]
    recorded = sum((one.commit, one.description) == known for one in rows)
    return sum((one.commit, one.description) == known for one in ledger.iterate(workspace.ledger)) > recorded


@contextlib.contextmanager
def lock(workspace: Workspace) -> Iterator[None]:
    """One process at a time writes or moves an experiment's evidence."""
    with open(workspace.state / "record.lock", "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
