"""The index of the ledger says what a scan of the whole file says, whatever became of file and index."""

import contextlib
import itertools
import multiprocessing
import os
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golf import database, durable
from golf.errors import UnreadableInput
from golf.play import ledger, ledger_index
from golf.play.history import history
from golf.schema import Row
from golf.workspace import Workspace

SPAWN = multiprocessing.get_context("spawn")
KARPATHY = "commit\tval_bpb\tmemory_gb\tstatus\tdescription"
ROWS = st.builds(
    Row,
    commit=st.text(max_size=8),
    tier=st.sampled_from(["local", "h100x8", "é\ud800", "tiny tier"]),
    val_bpb=st.none() | st.sampled_from([1.1, 1.2, 1.25]) | st.floats(min_value=0.5, max_value=9),
    artifact_bytes=st.none() | st.integers(min_value=1, max_value=10**9),
    memory_gb=st.none(),
    status=st.sampled_from(["keep", "discard", "crash"]),
    promoted=st.just("no"),
    cost_usd=st.just(0.0),
    description=st.text(max_size=30),
)


def made(folder: Path) -> Workspace:
    """A workspace of which the index needs only the ledger and the database."""
    folder.mkdir(exist_ok=True)
    (folder / "golf.toml").write_text('[challenge]\npreset = "parameter-golf"\n')
    return Workspace.find(folder)


def row(number: int, **fields: object) -> Row:
    said = {"tier": "local", "val_bpb": 1 + (number * 7919 % 1000) / 1000, "artifact_bytes": None, "memory_gb": None}
    said |= {"status": ("keep", "discard", "crash")[number % 3], "promoted": "no", "cost_usd": 0.0}
    return Row.model_validate({"commit": f"{number:07x}", "description": f"row {number}", **said, **fields})


def record(workspace: Workspace, one: Row) -> None:
    """As `golf.play.record` appends."""
    appended = ledger.append(workspace.ledger, one)
    with contextlib.closing(database.connect(workspace.database, ledger_index.TABLES)) as connection:
        ledger_index.follow(connection, appended)


def check(workspace: Workspace) -> None:
    """Every answer of the index is that of a scan."""
    rows = ledger.read(workspace.ledger)
    with ledger_index.opened(workspace) as index:
        assert list(index.newest_first()) == rows[::-1]
        for tier, status in itertools.product((None, "local", "é\ud800", "nowhere"), (None, "keep", "crash")):
            found = [one for one in rows if tier in (None, one.tier) and status in (None, one.status)]
            assert index.count(tier, status) == len(found)
            assert index.newest(3, tier, status) == found[-3:]
            scored = [one for one in found if one.val_bpb is not None]
            assert list(index.lowest(tier, status)) == sorted(scored, key=lambda one: one.val_bpb or 0.0)
        assert index.best("local") == ledger.best(rows, "local")


def indexed_from(workspace: Workspace) -> int:
    """The byte behind which the index has to read when it is asked next."""
    with contextlib.closing(sqlite3.connect(workspace.database)) as connection:
        return connection.execute("SELECT end_byte FROM ledger_mark").fetchone()[0]


@contextlib.contextmanager
def small_steps() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger_index, "BLOCK_BYTES", 128)
        patch.setattr(ledger_index, "PIECE_BYTES", 200)
        patch.setattr(durable, "SETTLED_NS", -(10**18))  # every time below is another one
        yield


WHOLE = "x\tlocal\t1.5\t\t\tkeep\tno\t0.00\twhole but for its break"
TIME_NS = itertools.count(1_700_000_000_000_000_000, 1_000_003)

ACTIONS = st.one_of(
    st.tuples(st.just("record"), ROWS),
    st.tuples(st.just("append"), ROWS),
    st.tuples(st.just("edit"), st.floats(0, 1), st.sampled_from("13xk")),
    st.tuples(st.just("drop"), st.floats(0, 1)),
    st.tuples(st.just("cut"), st.floats(0, 1)),
    st.tuples(st.just("replace"), st.floats(0, 1)),
    st.tuples(
        st.just("leave"), st.sampled_from(["1234567\tlocal\t1.", "\n", "x\tlocal\t1.5\t\t\tkeep\tno\t0.00\twhole"])
    ),
    st.tuples(st.just("ask")),
)


def act(workspace: Workspace, name: str, *given: object) -> None:
    path = workspace.ledger
    if name == "record" or not path.exists():
        record(workspace, given[0] if name in ("record", "append") else row(1))
        return
    if name == "ask":
        check(workspace)
        return
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    at = int(given[0] * max(0, len(lines) - 1)) if isinstance(given[0], float) else 0
    if name == "append":
        ledger.append(path, given[0])
    elif name == "edit" and lines:  # within a description, without a change of the size
        cells = lines[at].split(b"\t")
        if at and len(cells) == 9 and len(cells[8]) > 2:
            lines[at] = b"\t".join([*cells[:8], str(given[1]).encode() + cells[8][1:]])
            with open(path, "r+b") as file:
                file.write(b"".join(lines))
    elif name == "drop" and at:
        path.write_bytes(b"".join(lines[:at] + lines[at + 1 :]))
    elif name == "cut":
        os.truncate(path, int(float(given[0]) * len(content)))
    elif name == "replace":
        ledger.replace(path, ledger.read(path)[at:])
    elif name == "leave":
        with open(path, "ab") as file:
            file.write(str(given[0]).encode())
    now = next(TIME_NS)
    os.utime(path, ns=(now, now))


@settings(max_examples=40, deadline=None)
@given(st.lists(ACTIONS, max_size=10), st.sampled_from([None, KARPATHY]))
def test_whatever_becomes_of_the_ledger_the_index_answers_as_a_scan_does(tmp_path_factory, actions, header):
    workspace = made(tmp_path_factory.mktemp("law"))
    if header:
        workspace.ledger.write_text(header + "\n")
    with small_steps():
        for action in actions:
            act(workspace, *action)
            try:
                ledger.read(workspace.ledger)
            except UnreadableInput as error:
                with pytest.raises(UnreadableInput) as same, ledger_index.opened(workspace):
                    pass
                assert str(same.value) == str(error)
                return
        check(workspace)


def test_a_recorded_row_leaves_what_was_read_as_it_is(tmp_path, monkeypatch):
    workspace = made(tmp_path)
    for number in range(50):
        record(workspace, row(number))
    check(workspace)
    record(workspace, row(50))
    check(workspace)
    monkeypatch.setattr(ledger_index._Ledger, "same", lambda *_: pytest.fail("the whole ledger was read"))
    for number in range(51, 55):
        record(workspace, row(number))
        check(workspace)


def test_a_change_in_the_middle_is_seen_though_a_row_was_recorded_since(tmp_path):
    workspace = made(tmp_path)
    for number in range(50):
        record(workspace, row(number))
    check(workspace)
    content = workspace.ledger.read_bytes()
    with open(workspace.ledger, "r+b") as file:
        file.write(content.replace(b"row 7\n", b"ROW 7\n"))
    record(workspace, row(50))
    check(workspace)


def test_two_writes_within_a_tick_of_the_clock_are_two(tmp_path):
    """The recorded state bears a nanosecond that the system's clock does not reach, so a tick cannot hide the other."""
    workspace = made(tmp_path)
    for number in range(200):
        record(workspace, row(number))
        check_after = number % 10 == 0
        if check_after:
            with ledger_index.opened(workspace) as index:
                assert index.count() == number + 1
        content = workspace.ledger.read_bytes()
        with open(workspace.ledger, "r+b") as file:
            file.write(content.replace(f"row {number}\n".encode(), f"ROW {number}\n".encode()))
        if check_after:
            with ledger_index.opened(workspace) as index:
                assert index.newest(1)[0].description == f"ROW {number}"


def test_an_edit_near_the_end_is_read_from_the_block_it_touches(tmp_path, monkeypatch):
    workspace = made(tmp_path)
    ledger.replace(workspace.ledger, [row(number) for number in range(1000)])
    monkeypatch.setattr(ledger_index, "BLOCK_BYTES", 1000)
    check(workspace)
    read = []
    monkeypatch.setattr(ledger, "lines", lambda *given, lines=ledger.lines: read.append(given[1]) or lines(*given))
    content = workspace.ledger.read_bytes()
    workspace.ledger.write_bytes(content.replace(b"row 990\n", b"another\n"))
    with ledger_index.opened(workspace) as index:
        assert index.newest(10)[0].description == "another"
    assert sum(read) < 3000


def test_a_malformed_line_is_named_as_often_as_it_is_met(tmp_path):
    workspace = made(tmp_path)
    record(workspace, row(0))
    check(workspace)
    with open(workspace.ledger, "a") as file:
        file.write("what is this?\n")
    for _ in range(2):
        with pytest.raises(UnreadableInput, match=r"results\.tsv:3 is not a ledger row"):
            history(workspace)


def test_a_torn_line_is_reported_by_every_reading(tmp_path, caplog):
    workspace = made(tmp_path)
    record(workspace, row(0))
    with open(workspace.ledger, "a") as file:
        file.write("1234567\tlocal\t1.")
    record(workspace, row(1))
    for _ in range(2):
        caplog.clear()
        assert history(workspace).total == 2
        assert ":3 is torn and was skipped" in caplog.text


def test_without_a_database_to_write_the_answer_is_the_same(tmp_path, monkeypatch):
    workspace = made(tmp_path)
    for number in range(20):
        ledger.append(workspace.ledger, row(number))

    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(database, "connect", refuse)
    check(workspace)


def test_a_ledger_that_never_rests_is_read_into_memory(tmp_path, monkeypatch):
    workspace = made(tmp_path)
    record(workspace, row(0))
    catch_up = ledger_index._catch_up

    def and_another_writes(connection: sqlite3.Connection, file: ledger_index._Ledger) -> str:
        left = catch_up(connection, file)
        if connection.execute("PRAGMA database_list").fetchone()[2]:
            connection.execute("UPDATE ledger_mark SET stamp = 'another reader'")
        return left

    monkeypatch.setattr(ledger_index, "_catch_up", and_another_writes)
    check(workspace)


def test_where_the_time_cannot_be_set_an_append_is_not_followed(tmp_path, monkeypatch):
    workspace = made(tmp_path)
    record(workspace, row(0))
    check(workspace)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "utime", refuse)
    assert ledger.append(workspace.ledger, row(1)).after == ""
    monkeypatch.undo()
    record(workspace, row(2))
    check(workspace)


def test_an_append_tells_the_states_it_lies_between(tmp_path):
    path = tmp_path / "file"
    first, second = durable.append_line(path, "one"), durable.append_line(path, "two")
    assert first.after == second.before != second.after


def write_many(folder: Path, writer: int) -> None:
    workspace = Workspace.find(folder)
    for number in range(25):
        record(workspace, row(number, commit=f"{writer} {number}", tier=f"tier {writer % 2}"))
        if number % 5 == writer % 5:
            with ledger_index.opened(workspace) as index:
                assert index.count() == len(list(index.newest_first())) > number


def test_eight_writers_who_read_lose_no_row(tmp_path):
    workspace = made(tmp_path)
    writers = [SPAWN.Process(target=write_many, args=(tmp_path, writer)) for writer in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    check(workspace)
    with ledger_index.opened(workspace) as index:
        assert index.count() == 200
        assert index.count("tier 1") == 100


def index_slowly(folder: Path) -> None:
    ledger_index.PIECE_BYTES = 2_000
    with ledger_index.opened(Workspace.find(folder)):
        pass


def test_killed_at_any_moment_the_index_goes_on(tmp_path):
    workspace = made(tmp_path)
    ledger.replace(workspace.ledger, [row(number) for number in range(20_000)])
    chance, ends = random.Random(8), set()
    for _ in range(4):
        reader = SPAWN.Process(target=index_slowly, args=(tmp_path,))
        reader.start()
        until = time.monotonic() + 60
        before = max(ends, default=0)
        while reader.is_alive() and time.monotonic() < until:
            with contextlib.suppress(sqlite3.Error, TypeError):
                if indexed_from(workspace) > before + chance.randrange(100_000):
                    break
        assert reader.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(reader.pid, signal.SIGKILL)
        reader.join()
        ends.add(indexed_from(workspace))
    assert len(ends) > 1, "none was killed within its work"
    check(workspace)
