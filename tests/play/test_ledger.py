import logging
import multiprocessing
import random
import resource
import tracemalloc
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golf.errors import UnreadableInput
from golf.play import ledger
from golf.schema import Row

SPAWN = multiprocessing.get_context("spawn")

KARPATHY = "commit\tval_bpb\tmemory_gb\tstatus\tdescription"
ROBIN = ledger.HEADER + "\tsource_item"
HEADERS = pytest.mark.parametrize("header", [ledger.HEADER, KARPATHY, ROBIN], ids=["nine", "karpathy", "robin"])

MEASURED = st.none() | st.floats(min_value=1e-300, allow_infinity=False)
ROWS = st.builds(
    Row,
    commit=st.text(),
    tier=st.text(min_size=1),
    val_bpb=MEASURED,
    artifact_bytes=st.none() | st.integers(min_value=1),
    memory_gb=MEASURED,
    status=st.sampled_from(["keep", "discard", "crash"]),
    promoted=st.sampled_from(["yes", "no", "pending"]),
    cost_usd=st.floats(min_value=0, allow_infinity=False),
    description=st.text() | st.text(alphabet="\\tnrxuU0[]= \t\n\r#\u2028\ud800"),
)


def make_row(commit: str = "a1b2c3d", **fields) -> Row:
    defaults = {
        "tier": "local",
        "val_bpb": 1.2244,
        "artifact_bytes": 15_863_489,
        "memory_gb": 11.3,
        "status": "keep",
        "promoted": "no",
        "cost_usd": 0.0,
        "description": "baseline",
    }
    return Row(commit=commit, **{**defaults, **fields})


def test_a_row_is_nine_tab_separated_cells_under_the_nine_names(tmp_path):
    path = tmp_path / "results.tsv"
    ledger.append(path, make_row("runpod_a3f2b1c", tier="h100x8", val_bpb=1.1743, promoted="yes", cost_usd=3.47))
    assert path.read_text() == (
        "commit\ttier\tval_bpb\tartifact_bytes\tmemory_gb\tstatus\tpromoted\tcost_usd\tdescription\n"
        "runpod_a3f2b1c\th100x8\t1.1743\t15863489\t11.3\tkeep\tyes\t3.47\tbaseline\n"
    )


def test_the_columns_are_the_fields_of_a_row():
    assert tuple(Row.model_fields) == ledger.COLUMNS


def test_what_was_not_measured_is_an_empty_cell(tmp_path):
    path = tmp_path / "results.tsv"
    crash = make_row(val_bpb=None, artifact_bytes=None, memory_gb=None, status="crash")
    ledger.append(path, crash)
    assert path.read_text().splitlines()[1] == "a1b2c3d\tlocal\t\t\t\tcrash\tno\t0.00\tbaseline"
    assert ledger.read(path) == [crash]


def test_a_ledger_that_does_not_exist_yet_has_no_rows(tmp_path):
    assert ledger.read(tmp_path / "results.tsv") == []


@HEADERS
@given(row=ROWS)
def test_every_row_reads_back_as_it_was_in_every_layout(header, row):
    layout = ledger.Layout.of(header, Path("results.tsv"))
    line = layout.format(row)
    assert line.isprintable() or ("\t" in line and line.replace("\t", "").isprintable())
    assert line.count("\t") == header.count("\t")
    assert layout.parse(line, untrimmed=True) == row


@HEADERS
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, max_size=4))
def test_rows_appended_to_a_file_read_back_in_order_and_its_header_stays(tmp_path, header, rows):
    path = tmp_path / "results.tsv"
    path.write_text(header + "\n")
    for row in rows:
        ledger.append(path, row)
    assert ledger.read(path) == rows
    assert path.read_text().splitlines()[0] == header


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_no_measurement_is_not_recorded(tmp_path, value):
    path = tmp_path / "results.tsv"
    with pytest.raises(UnreadableInput, match="val_bpb is"):
        ledger.append(path, make_row(val_bpb=value))
    assert not path.exists()


# --- files of other loops ----------------------------------------------------------------------


def test_a_five_column_file_is_read_with_zero_meaning_not_measured(tmp_path):
    """karpathy/autoresearch, program.md: a crash is logged as 0.000000 and 0.0."""
    path = tmp_path / "results.tsv"
    path.write_text(f"{KARPATHY}\n0a1\t0.997900\t44.0\tkeep\tbaseline\n0a2\t0.000000\t0.0\tcrash\tdouble width (OOM)\n")
    kept, crashed = ledger.read(path)
    assert (kept.tier, kept.val_bpb, kept.memory_gb, kept.cost_usd, kept.promoted) == ("local", 0.9979, 44.0, 0.0, "no")
    assert (crashed.status, crashed.val_bpb, crashed.memory_gb) == ("crash", None, None)


def test_a_paid_run_recorded_in_a_five_column_file_does_not_look_free_or_local(tmp_path):
    path = tmp_path / "results.tsv"
    path.write_text(KARPATHY + "\n")
    ledger.append(path, make_row(tier="h100x8", cost_usd=3.47, promoted="yes"))
    assert path.read_text().splitlines()[1] == (
        "a1b2c3d\t1.2244\t11.3\tkeep\tbaseline [tier=h100x8 artifact_bytes=15863489 promoted=yes cost_usd=3.47]"
    )
    assert ledger.read(path)[0].cost_usd == 3.47
    assert ledger.best(ledger.read(path), "local") is None


ROBIN_LINES = [
    ("b1\tlocal\t9.35\t33108\t0.5\tkeep\tno\t0.00\tslope 0.75\tprogram.md", ("keep", 9.35, "slope 0.75")),
    ("b2\tlocal\t9.47\t33108\t0.5\tkeep\tno\t0.00\tno source", ("keep", 9.47, "no source")),
    ("b3\trunpod\t\t\t\tcrash\tyes\t4.81", ("crash", None, "")),
    (
        "b4\trunpod\t1.1677\t15090272\t22.5\tkeep\tyes\t7.36\ttwo cells too many\t\t",
        ("keep", 1.1677, "two cells too many"),
    ),
    ("b5\tlocal\tn/a\t0\t0\tinfra\tno\t0.00\tport the quantiser", ("discard", None, "infra: port the quantiser")),
    ("b6\tlocal\tn/a\t0\t0\trate_limited\tno\t0.00\tlater", ("discard", None, "rate_limited: later")),
    (r"b7\trunpod\t1.1695\t15084317\t22.9\tkeep\tyes\t5.99\tint6", ("keep", 1.1695, "int6")),
]


@pytest.mark.parametrize("line, expected", ROBIN_LINES, ids=[line[:2] for line, _ in ROBIN_LINES])
def test_every_shape_of_line_in_a_real_ten_column_file_is_read(tmp_path, line, expected):
    """Shapes found in results.tsv of robinojw/parameter-golf-autoresearch at 316b7ee."""
    path = tmp_path / "results.tsv"
    path.write_text(f"{ROBIN}\n{line}\n")
    (row,) = ledger.read(path)
    assert (row.status, row.val_bpb, row.description) == expected


def test_windows_line_ends_a_byte_order_mark_blank_lines_and_repeated_headers_are_harmless(tmp_path):
    path = tmp_path / "results.tsv"
    line = ledger.Layout(ledger.COLUMNS).format(make_row())
    path.write_bytes(f"\ufeff{ledger.HEADER}\r\n{line}\r\n\r\n{ledger.HEADER}\r\n{line}\r\n".encode())
    assert ledger.read(path) == [make_row(), make_row()]


def test_a_spreadsheets_float_is_still_a_number_of_bytes(tmp_path):
    path = tmp_path / "results.tsv"
    path.write_text(f"{ledger.HEADER}\nc\tlocal\t1.2\t14200000.0\t...\tkeep\tpending\t0\tx\n")
    (row,) = ledger.read(path)
    assert (row.artifact_bytes, row.memory_gb) == (14_200_000, None)


# --- what cannot be read -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "line, problem",
    [
        ("c\tlocal\tabc\t1\t1\tkeep\tno\t0\tx", "val_bpb is 'abc'"),
        ("c\tlocal\t1.2\t1.5\t1\tkeep\tno\t0\tx", "artifact_bytes is '1.5'"),
        ("c\tlocal\t1.2\t1\t1\tkept?\tno\t0\tx", "status is 'kept\\?'"),
        ("c\tlocal\t1.2\t1\t1\tkeep\tmaybe\t0\tx", "promoted is 'maybe'"),
        ("c\tlocal\t1.2\t1\t1\tkeep\tno\t0\tx\ty", "10 cells, the header 9"),
        ("c local 1.2 1 1 keep no 0 x", "status is ''"),
    ],
)
def test_a_malformed_line_is_an_error_that_names_file_line_and_cell(tmp_path, line, problem):
    path = tmp_path / "results.tsv"
    ledger.append(path, make_row())
    with open(path, "a") as file:
        file.write(line + "\n")
    with pytest.raises(UnreadableInput, match=rf"{path}:3 .*{problem}"):
        ledger.read(path)


def test_a_file_that_is_no_ledger_is_refused_by_reader_and_writer_and_left_alone(tmp_path):
    path = tmp_path / "results.tsv"
    path.write_text("name\tscore\nx\t1\n")
    for act in (lambda: ledger.read(path), lambda: ledger.append(path, make_row())):
        with pytest.raises(UnreadableInput, match="not a ledger's header"):
            act()
    assert path.read_text() == "name\tscore\nx\t1\n"


@HEADERS
def test_a_line_torn_at_any_byte_costs_no_other_row(tmp_path, header):
    path = tmp_path / "results.tsv"
    layout = ledger.Layout.of(header, path)
    first, torn, last = (make_row(name, description="tied héad → int6") for name in ("first", "torn", "last"))
    line = layout.format(torn).encode()
    for cut in range(1, len(line) + 1):
        path.write_bytes(f"{header}\n{layout.format(first)}\n".encode() + line[:cut])
        before = ledger.read(path)
        ledger.append(path, last)
        assert ledger.read(path) == [*before, last]
        assert before[0] == first and len(before) <= 2
    assert before == [first, torn], "a whole row without its line break is a row"


@pytest.mark.parametrize("header", [ledger.HEADER, ROBIN], ids=["nine", "robin"])
def test_a_torn_line_never_reads_as_a_row_with_other_numbers(header):
    """Also when the line that closes it off is torn in turn."""
    layout = ledger.Layout.of(header, Path("results.tsv"))
    row = make_row(cost_usd=13.47)
    line = layout.format(row)
    for cut in range(1, len(line)):
        for half in range(len(layout.close(line[:cut])) + 1):
            try:
                read = layout.parse(line[:cut] + ledger.TORN[:half], untrimmed=True)
            except ValueError:
                continue
            assert read.model_copy(update={"description": row.description}) == row


def test_a_header_torn_at_any_byte_is_completed_by_the_next_append(tmp_path):
    path = tmp_path / "results.tsv"
    for cut in range(len(ledger.HEADER) + 1):
        path.write_text(ledger.HEADER[:cut])
        assert ledger.read(path) == []
        ledger.append(path, make_row())
        assert ledger.read(path) == [make_row()]
        assert path.read_text().startswith(ledger.HEADER + "\n")


def test_a_torn_line_is_reported_when_it_is_skipped(tmp_path, caplog):
    path = tmp_path / "results.tsv"
    path.write_text(f"{ledger.HEADER}\na1b2c3d\tlocal\t1.2")
    with caplog.at_level(logging.WARNING):
        assert ledger.read(path) == []
    assert f"{path}:2 is torn" in caplog.text


# --- many writers, killed writers, many rows ---------------------------------------------------


def append_many(path: Path, writer: int, count: int) -> None:
    for i in range(count):
        ledger.append(path, make_row(f"w{writer}", description=f"{i} " + "x" * (i % 700)))


def test_eight_writers_at_once_lose_no_row(tmp_path):
    path = tmp_path / "results.tsv"
    writers = [SPAWN.Process(target=append_many, args=(path, writer, 25)) for writer in range(8)]
    for process in writers:
        process.start()
    for process in writers:
        process.join()
    rows = ledger.read(path)
    assert len(rows) == 200
    for writer in range(8):
        mine = [int(row.description.split()[0]) for row in rows if row.commit == f"w{writer}"]
        assert mine == list(range(25))


def append_for_ever(path: Path, start: int, acknowledged: Connection) -> None:
    i = start
    while True:
        ledger.append(path, make_row(f"r{i}", description="x" * (i * 977 % 9000)))  # rows that cross pages
        acknowledged.send(i)
        i += 1


def check_killed_writers(path: Path, rounds: int) -> None:
    dice = random.Random(20240520)
    promised: set[str] = set()
    for round in range(rounds):
        reader, writer = SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(target=append_for_ever, args=(path, round * 10_000, writer))
        process.start()
        writer.close()
        for _ in range(dice.randrange(1, 40)):
            promised.add(f"r{reader.recv()}")
        process.kill()
        process.join()
        while True:
            try:
                promised.add(f"r{reader.recv()}")
            except EOFError:
                break
        reader.close()
        assert promised <= {row.commit for row in ledger.read(path)}
    assert len(promised) > rounds


def test_a_writer_killed_at_any_moment_leaves_every_acknowledged_row_readable(tmp_path):
    check_killed_writers(tmp_path / "results.tsv", rounds=4)


@pytest.mark.slow
def test_fifty_killed_writers_leave_every_acknowledged_row_readable(tmp_path):
    check_killed_writers(tmp_path / "results.tsv", rounds=50)


def write_rows(path: Path, count: int) -> None:
    layout = ledger.Layout(ledger.COLUMNS)
    with open(path, "w") as file:
        file.write(ledger.HEADER + "\n")
        file.writelines(layout.format(make_row(f"{i:07d}", val_bpb=1 + i / count)) + "\n" for i in range(count))


def test_rows_are_read_one_at_a_time_in_constant_memory(tmp_path):
    path = tmp_path / "results.tsv"
    write_rows(path, 10_000)
    tracemalloc.start()
    try:
        best = ledger.best(ledger.iterate(path), "local")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert best is not None and best.commit == "0000000"
    assert peak < 500_000


@pytest.mark.slow
def test_a_million_rows_are_read_without_growing(tmp_path):
    path = tmp_path / "results.tsv"
    write_rows(path, 1_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(1 for _ in ledger.iterate(path)) == 1_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB; the file has 60 MB


def test_rows_appended_while_a_reader_is_at_work_do_not_disturb_it(tmp_path):
    path = tmp_path / "results.tsv"
    for i in range(3):
        ledger.append(path, make_row(f"r{i}"))
    rows = ledger.iterate(path)
    next(rows)
    ledger.append(path, make_row("late"))
    assert [row.commit for row in rows] == ["r1", "r2"]


# --- the best row ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rows, best",
    [
        ([], None),
        ([make_row("a", val_bpb=1.3), make_row("b", val_bpb=1.1), make_row("c", val_bpb=1.2)], "b"),
        ([make_row("a", val_bpb=1.3), make_row("b", val_bpb=1.1, status="discard")], "a"),
        ([make_row("a", val_bpb=1.3), make_row("b", val_bpb=1.1, tier="h100x8")], "a"),
        ([make_row("a", val_bpb=None)], None),
        ([make_row("a", val_bpb=1.1), make_row("b", val_bpb=1.1)], "a"),
    ],
    ids=["none", "lowest", "kept only", "same tier only", "measured only", "the earlier of equals"],
)
def test_the_best_row_is_the_lowest_kept_score_of_its_tier(rows, best):
    found = ledger.best(iter(rows), "local")
    assert (found.commit if found else None) == best
