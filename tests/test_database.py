"""A workspace that an earlier version made goes on: its tables get the columns that came later."""

import contextlib
import multiprocessing
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from golf import database
from golf.jobs import reaper
from golf.jobs.leases import Leases
from golf.jobs.store import JobStore
from golf.play import budget, ledger, record
from golf.schema import Result
from golf.workspace import Workspace

FIRST = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    backend TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at TEXT NOT NULL,
    started_at TEXT,
    ended_at TEXT,
    supervisor_pid INTEGER,
    supervisor_started REAL,
    exit_code INTEGER,
    message TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS recordings (
    run_id TEXT PRIMARY KEY,
    experiment TEXT NOT NULL,
    result TEXT NOT NULL,
    description TEXT NOT NULL,
    done INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS leases (
    key         TEXT PRIMARY KEY,
    run_id      TEXT NOT NULL,
    seed        INTEGER NOT NULL,
    tier        TEXT NOT NULL,
    backend     TEXT NOT NULL,
    options     TEXT NOT NULL,                                  -- JSON, what opens the back-end again
    owner       TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('planned', 'asked', 'held', 'gone')),
    remote_id   TEXT,
    usd_per_s   REAL NOT NULL CHECK (usd_per_s >= 0),
    limit_s     REAL NOT NULL CHECK (limit_s > 0),
    asked_at    INTEGER,                                        -- microseconds since 1970, UTC
    renewed_at  INTEGER,
    renewals    INTEGER NOT NULL DEFAULT 0,
    gone_at     INTEGER,
    cost        INTEGER NOT NULL DEFAULT 0 CHECK (cost >= 0),   -- micro-dollars, once gone
    billed_by   TEXT NOT NULL DEFAULT '',                       -- 'provider' or 'seconds', once gone
    message     TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS owner (tag TEXT NOT NULL);
"""
"""The tables that have grown since, as the commits that brought them made them."""


@pytest.fixture
def old(workspace: Workspace) -> Workspace:
    with contextlib.closing(sqlite3.connect(workspace.database)) as connection:
        connection.executescript(FIRST)
        connection.execute(
            "INSERT INTO jobs (id, kind, subject, backend, state, created_at) "
            "VALUES ('20260101-000000-aaaaaa', 'run', 'before', 'local', 'running', '2026-01-01T00:00:00+00:00')"
        )
        connection.execute("INSERT INTO owner VALUES ('0ld')")
        connection.execute(
            "INSERT INTO leases (key, run_id, seed, tier, backend, options, owner, state, usd_per_s, limit_s) "
            "VALUES ('caddie-0ld-x-s1', 'x', 1, 'far', 'toy', '{}', '0ld', 'held', 0.01, 60)"
        )
        connection.commit()
    return workspace


def test_a_workspace_of_the_first_version_records_runs(old: Workspace) -> None:
    job = JobStore(old).add("run", "x", "local")
    result = Result(
        experiment="x", run_id=job.id, commit="c" * 40, tier="local", status="discard", promoted="no", hypothesis="h",
        finished_at=datetime.now(UTC),
    )  # fmt: skip
    record.record(old, result, "x: h")
    assert ledger.read(old.ledger) == [record.row(result, "x: h")]
    assert record.is_recorded(old, result)


def test_what_an_earlier_version_left_open_is_shown_and_adopted(old: Workspace) -> None:
    """Where it ran was not written down then, so nobody can tell; a person's word closes it."""
    assert [(one.subject, one.is_supervised) for one in reaper.unseen(old)] == [("before", None)]
    assert [lease.key for lease in Leases(old.database).foreign()] == ["caddie-0ld-x-s1"]
    Leases(old.database).adopt()
    assert [lease.lease_s for lease in Leases(old.database).open()] == [180.0]
    assert [one.state for one in reaper.adopt(old)] == ["lost"]


def test_every_column_that_came_later_can_be_added_to_the_first_tables(tmp_path: Path) -> None:
    """One that is NOT NULL without a default is refused by SQLite, and the workspace could not be opened any more."""
    tables = record.TABLES + budget.TABLES
    with contextlib.closing(sqlite3.connect(tmp_path / "old.db")) as first:
        first.executescript(FIRST)
    with (
        contextlib.closing(database.connect(tmp_path / "old.db", tables)) as old,
        contextlib.closing(database.connect(tmp_path / "new.db", tables)) as new,
    ):
        for table in ("jobs", "recordings", "leases", "owner"):
            names = [{row["name"] for row in of.execute(f"PRAGMA table_info({table})")} for of in (old, new)]
            assert names[0] >= names[1]


def test_a_new_column_has_its_default_its_index_and_what_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with contextlib.closing(database.connect(path, "CREATE TABLE IF NOT EXISTS t (a TEXT PRIMARY KEY);")) as first:
        first.execute("INSERT INTO t VALUES ('kept')")
    later = (
        "CREATE TABLE IF NOT EXISTS t (a TEXT PRIMARY KEY, b TEXT NOT NULL DEFAULT 'it''s', c REAL);"
        "CREATE INDEX IF NOT EXISTS by_b ON t (b);"
    )
    for _ in range(2):
        with contextlib.closing(database.connect(path, later)) as opened:
            assert [tuple(row) for row in opened.execute("SELECT a, b, c FROM t WHERE b > ''")] == [
                ("kept", "it's", None)
            ]


def test_an_earlier_version_may_go_on_beside_a_later_one(tmp_path: Path) -> None:
    path, earlier = tmp_path / "a.db", "CREATE TABLE IF NOT EXISTS t (a TEXT);"
    database.connect(path, "CREATE TABLE IF NOT EXISTS t (a TEXT, b INTEGER NOT NULL DEFAULT 0);").close()
    with contextlib.closing(database.connect(path, earlier)) as opened:
        opened.execute("INSERT INTO t (a) VALUES ('x')")
        assert [tuple(row) for row in opened.execute("SELECT * FROM t")] == [("x", 0)]


def grow(path: Path, start, failures) -> None:
    start.wait()
    columns = ", ".join(f"c{number} INTEGER NOT NULL DEFAULT {number}" for number in range(20))
    try:
        database.connect(path, f"CREATE TABLE IF NOT EXISTS t (a TEXT, {columns});").close()
    except sqlite3.Error as error:
        failures.put(str(error))


def test_many_processes_may_find_the_same_columns_missing_at_once(tmp_path: Path) -> None:
    database.connect(tmp_path / "a.db", "CREATE TABLE IF NOT EXISTS t (a TEXT);").close()
    context = multiprocessing.get_context("fork")
    start, failures = context.Barrier(8), context.Queue()
    children = [context.Process(target=grow, args=(tmp_path / "a.db", start, failures)) for _ in range(8)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 8
    assert failures.empty()


ONE = "CREATE TABLE IF NOT EXISTS one (id INTEGER PRIMARY KEY);"


def test_tables_are_there_although_another_file_took_the_place_of_the_one_that_was_known(tmp_path: Path) -> None:
    path = tmp_path / "golf.db"
    database.connect(path, ONE).close()
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as stranger:
        stranger.execute("CREATE TABLE other (id INTEGER)")
    with contextlib.closing(database.connect(path, ONE)) as connection:
        assert connection.execute("SELECT count(*) FROM one").fetchone()[0] == 0


def test_a_table_that_someone_dropped_is_made_again_by_a_process_that_had_seen_it(tmp_path: Path) -> None:
    path = tmp_path / "golf.db"
    database.connect(path, ONE).close()
    with contextlib.closing(sqlite3.connect(path)) as stranger:
        stranger.execute("DROP TABLE one")
    with contextlib.closing(database.connect(path, ONE)) as connection:
        assert connection.execute("SELECT count(*) FROM one").fetchone()[0] == 0


def test_a_database_that_is_kept_open_keeps_its_log_and_nobody_from_folding_it_in(tmp_path: Path) -> None:
    path, log = tmp_path / "golf.db", tmp_path / "golf.db-wal"
    with database.kept_open(path):
        assert not path.exists()
    database.connect(path, ONE).close()
    with database.kept_open(path):
        with contextlib.closing(database.connect(path, ONE)) as connection:
            connection.execute("INSERT INTO one VALUES (1)")
        assert log.exists()
        with contextlib.closing(database.connect(path, ONE)) as connection:
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            assert (busy, log.stat().st_size) == (0, 0)
            assert [row["id"] for row in connection.execute("SELECT id FROM one")] == [1]
    assert not log.exists()
