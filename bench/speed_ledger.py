"""The ledger at a million rows: what is asked most, against a thousand rows; appends, against a bare fsync'd line."""

import contextlib
import itertools
import multiprocessing
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from side_by_side import Row, Sample, Sides, at_most

from golf import database
from golf.play import experiments, ledger, ledger_index, transfer
from golf.play.history import history
from golf.schema import Experiment, Result
from golf.schema import Row as LedgerRow
from golf.workspace import Workspace

FEW, MANY = 1_000, 1_000_000
ASKED = 20
"""Questions in one sample: one takes a millisecond."""
APPENDS = 100
WRITERS = 8


def rows(quick: bool) -> list[Row]:
    """At 100,000 rows in the quick set, because a million are first read in for half a minute."""
    many = 100_000 if quick else MANY
    questions: dict[str, Callable[[Workspace], object]] = {
        "best so far": lambda workspace: history(workspace, tier="local", limit=1).best,
        "last 20": lambda workspace: history(workspace, limit=20).rows,
        "tier transfer": lambda workspace: transfer.between(workspace, "local", "h100x8"),
    }
    found = [
        Row(
            name=f"{name} at {many:,} ledger rows",
            baseline=f"at {FEW:,}",
            prepare=lambda scratch, ask=ask: _sides(scratch, many, ask),
            goals=(at_most("cpu_s", 3), at_most("wall_s", 3)),
            pairs=7,
            note="of six experiments played on both tiers in either" if name == "tier transfer" else "",
        )
        for name, ask in questions.items()
    ]
    after = Row(
        name=f"last 20 after each recorded row, at {many:,}",
        baseline=f"at {FEW:,}",
        prepare=lambda scratch: _sides(scratch, many, _record_and_ask),
        goals=(at_most("cpu_s", 3), at_most("wall_s", 3)),
        pairs=7,
    )
    append = Row(
        name="durable append to the ledger",
        baseline="open, write a line, fsync, close",
        prepare=_append,
        goals=(at_most("wall_s", 2),),
        pairs=9,
        note=f"{APPENDS} rows of a ledger that has {FEW:,}",
    )
    writers = Row(
        name="eight writers at once",
        baseline="one writer, as many rows",
        prepare=_writers,
        goals=(at_most("wall_s", 1.5),),
        pairs=5,
        note="every row is there once, read back; they share one file and its lock, so more than one writer's rate "
        "is not to be had",
    )
    return [*found, after, append, writers]


def made(folder: Path, count: int) -> Workspace:
    """A workspace with so many rows, six experiments played on two tiers among them, read in once."""
    folder.mkdir()
    (folder / "golf.toml").write_text(
        '[challenge]\npreset = "parameter-golf"\n[tiers.local]\n[tiers.h100x8]\ngpus = 8\nhourly_rate_usd = 20.0\n'
    )
    workspace = Workspace.find(folder)
    chance = random.Random(1)
    with open(workspace.ledger, "w") as file:
        file.write(ledger.HEADER + "\n")
        layout = ledger.Layout(ledger.COLUMNS)
        file.writelines(layout.format(_row(number, chance)) + "\n" for number in range(count))
    for number in range(6):
        for tier, gain in (("local", 0.0), ("h100x8", 0.2 + chance.random() / 100)):
            _played(workspace, number, tier, 1.3 - number / 100 - gain)
    settled = time.time() - 3600
    os.utime(workspace.ledger, (settled, settled))
    while history(workspace).total < count or not _is_settled(workspace):
        time.sleep(1)
    return workspace


def _is_settled(workspace: Workspace) -> bool:
    """The file system's own time of change has passed, so that the next reading believes it."""
    return time.time() - workspace.ledger.stat().st_ctime > 3 and history(workspace) is not None


def _row(number: int, chance: random.Random) -> LedgerRow:
    status = chance.choices(["keep", "discard", "crash"], [1, 8, 1])[0]
    tier = "h100x8" if chance.random() < 0.05 else "local"
    return LedgerRow(
        commit=f"{chance.getrandbits(48):012x}",
        tier=tier,
        val_bpb=None if status == "crash" else round(1.1 + chance.random(), 6),
        artifact_bytes=15_000_000 + chance.randrange(900_000),
        memory_gb=10.5,
        status=status,
        promoted="no",
        cost_usd=0.5 if tier == "h100x8" else 0.0,
        description=f"2026-01-{1 + number % 28:02}_idea{number}: a wider thing, number {number}",
    )


def _played(workspace: Workspace, number: int, tier: str, bpb: float) -> None:
    name = f"2026-01-01_pair{number}{'' if tier == 'local' else '.' + tier}"
    folder = workspace.experiments / name
    folder.mkdir(parents=True)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    claim = Experiment(
        hypothesis="h", tier=tier, parent=None if tier == "local" else f"2026-01-01_pair{number}", created_at=at
    )
    (folder / experiments.CONFIG).write_text(experiments.dump(claim))
    result = Result(
        experiment=name, run_id=f"r{number}", commit=f"{number:040x}", tier=tier, status="keep", promoted="no",
        hypothesis="h", val_bpb=bpb, data="d", cost_usd=0.0, finished_at=at,
    )  # fmt: skip
    (folder / experiments.RESULT).write_text(result.model_dump_json())


def _sides(scratch: Path, many: int, ask: Callable[[Workspace], object]) -> Sides:
    small, large = made(scratch / "few", FEW), made(scratch / "many", many)
    _check(small)
    _check(large)
    return Sides(
        baseline=lambda: [ask(small) for _ in range(ASKED)] and None,
        ours=lambda: [ask(large) for _ in range(ASKED)] and None,
    )


def _check(workspace: Workspace) -> None:
    """The answers are those of a scan of the whole file."""
    best, last, count = None, [], 0
    for row in ledger.iterate(workspace.ledger):
        count += 1
        last = [*last[-19:], row]
        if row.tier == "local" and row.status == "keep" and (best is None or (row.val_bpb or 9) < (best.val_bpb or 9)):
            best = row
    found = history(workspace, tier="local", limit=1).best, history(workspace, limit=20)
    if found[0] != best or found[1].rows != last or found[1].total != count:
        raise AssertionError("the index differs from a scan of the ledger")


def _record(workspace: Workspace, row: LedgerRow) -> None:
    """As golf.play.record appends."""
    appended = ledger.append(workspace.ledger, row)
    with contextlib.closing(database.connect(workspace.database, ledger_index.TABLES)) as connection:
        ledger_index.follow(connection, appended)


def _record_and_ask(workspace: Workspace) -> object:
    row = _row(7, random.Random(7))
    _record(workspace, row)
    last = history(workspace, limit=20).rows
    if last[-1] != row:
        raise AssertionError("the recorded row is not the last one")
    return last


def _append(scratch: Path) -> Sides:
    workspace = made(scratch / "workspace", FEW)
    row = _row(7, random.Random(7))
    line = ledger.Layout(ledger.COLUMNS).format(row).encode() + b"\n"

    def bare() -> None:
        for _ in range(APPENDS):
            with open(scratch / "bare", "ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())

    def ours() -> None:
        for _ in range(APPENDS):
            ledger.append(workspace.ledger, row)

    return Sides(baseline=bare, ours=ours)


def _write(path: Path, writer: int, count: int) -> None:
    chance = random.Random(writer)
    for number in range(count):
        ledger.append(path, _row(number, chance).model_copy(update={"commit": f"{writer}.{number}"}))


def _writers(scratch: Path) -> Sides:
    spawn = multiprocessing.get_context("fork")
    paths = (scratch / f"{number}.tsv" for number in itertools.count())

    def written(writers: int, count: int) -> Sample:
        path = next(paths)
        begin = time.perf_counter()
        started = [spawn.Process(target=_write, args=(path, writer, count)) for writer in range(writers)]
        for one in started:
            one.start()
        for one in started:
            one.join()
        wall_s = time.perf_counter() - begin
        found = Counter(row.commit for row in ledger.iterate(path))
        if found != Counter(f"{writer}.{number}" for writer in range(writers) for number in range(count)):
            raise AssertionError(f"{sum(found.values())} rows of {writers * count} are there")
        return Sample({"wall_s": wall_s})

    return Sides(baseline=lambda: written(1, WRITERS * APPENDS), ours=lambda: written(WRITERS, APPENDS))
