"""A result is recorded exactly once, whatever is killed between which steps."""

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from scene import git

from golf import database
from golf.jobs.progress import Price
from golf.jobs.store import TABLES, JobStore
from golf.play import experiments, ledger, record
from golf.play.budget import BudgetBook
from golf.schema import JobState, Result
from golf.workspace import Workspace


@pytest.fixture
def played(workspace: Workspace) -> Result:
    (workspace.root / "t.py").write_text("x = 1\n")
    folder = experiments.claim(workspace, "x", hypothesis="h", script=workspace.root / "t.py")
    job = JobStore(workspace).add("run", folder.name, "local")
    return Result(
        experiment=folder.name,
        run_id=job.id,
        commit="c" * 40,
        tier="local",
        status="keep",
        promoted="no",
        hypothesis="h",
        val_bpb=1.2345678901234567,
        artifact_bytes=12,
        memory_gb=0.5,
        finished_at=datetime.now(UTC),
    )


def test_recording_twice_writes_one_row(workspace: Workspace, played: Result) -> None:
    record.record(workspace, played, "x: h")
    record.record(workspace, played, "x: h")
    assert ledger.read(workspace.ledger) == [record.row(played, "x: h")]
    assert experiments.read_result(workspace.experiments / played.experiment) == played


class Killed(BaseException):
    """Stands in for SIGKILL at one place; nothing catches it."""


KILLS = {
    "before the result": "golf.durable.replace",
    "before the mark": "golf.play.ledger.mark",
    "before the row": "golf.play.ledger.append",
    "within the row": "golf.play.ledger.append",
    "before the row's line break": "golf.play.ledger.append",
    "after the row": "golf.play.ledger.append",
}


@pytest.fixture
def killing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, Result], contextlib.AbstractContextManager[None]]:
    """A block in which what records this result is killed at one step."""
    append = ledger.append

    @contextlib.contextmanager
    def begin(step: str, result: Result) -> Iterator[None]:
        line = ledger.Layout(ledger.COLUMNS).format(record.row(result, "x: h"))
        torn_off = {"after the row": 0, "before the row's line break": 1, "within the row": len(line) // 2}

        def die(*arguments: Any) -> None:
            if step in torn_off:
                append(*arguments)
                os.truncate(workspace.ledger, workspace.ledger.stat().st_size - torn_off[step])
            raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(KILLS[step], die)
            yield

    return begin


@pytest.mark.parametrize("is_repetition", [False, True])
@pytest.mark.parametrize("again", [None, *KILLS])
@pytest.mark.parametrize("step", KILLS)
def test_what_a_kill_interrupts_is_completed_once_at_the_next_start(
    workspace: Workspace, played: Result, killing, step: str, again: str | None, is_repetition: bool
) -> None:
    """Also where the next start is killed too, and where an earlier run has left the very same row."""
    result = played
    if is_repetition:
        record.record(workspace, played, "x: h")
        result = played.model_copy(update={"run_id": f"{played.run_id}-again"})
    rows = [record.row(result, "x: h")] * (2 if is_repetition else 1)
    with killing(step, result):
        record.record(workspace, result, "x: h")
    if again is not None:
        with contextlib.suppress(pytest.fail.Exception), killing(again, result):  # some steps are behind it by then
            record.recover(workspace)
    for _ in range(2):
        record.recover(workspace)
        assert ledger.read(workspace.ledger) == rows
        assert experiments.read_result(workspace.experiments / played.experiment) == result


@pytest.mark.parametrize("step", ["before the row", "after the row"])
@pytest.mark.parametrize("kept", [[], [0], [0, 1]])
def test_a_ledger_that_was_rewritten_meanwhile_gets_the_row_that_it_lacks(
    workspace: Workspace, played: Result, killing, step: str, kept: list[int]
) -> None:
    """As by a merge that leaves lines out; each of them is another run's, so the recorded ones are counted."""
    record.record(workspace, played, "x: h")
    repeated = played.model_copy(update={"run_id": f"{played.run_id}-again"})
    with killing(step, repeated):
        record.record(workspace, repeated, "x: h")
    header, *lines = workspace.ledger.read_text().splitlines()
    foreign = "m" * 12 + "\tlocal\t1.2\t\t\tdiscard\tno\t0.00\tmerged: h"
    merged = [foreign, *(lines[index] for index in kept if index < len(lines))]
    workspace.ledger.write_text("\n".join([header, *merged]) + "\n")
    for _ in range(2):
        record.recover(workspace)
    ours = [row for row in ledger.read(workspace.ledger) if row == record.row(played, "x: h")]
    assert len(ours) == (2 if kept else 1)


def test_rows_of_others_that_came_in_between_do_not_hide_that_one_lacks(
    workspace: Workspace, played: Result, killing
) -> None:
    with killing("before the row", played):
        record.record(workspace, played, "x: h")
    ledger.append(workspace.ledger, record.row(played, "by hand"))
    other = played.model_copy(update={"run_id": f"{played.run_id}-other"})
    record.record(workspace, other, "x: h")
    record.recover(workspace)
    assert [row.description for row in ledger.read(workspace.ledger)] == ["by hand", "x: h", "x: h"]


@pytest.mark.parametrize(
    ("state", "rows"), [("lost", 1), ("failed", 1), ("timed_out", 1), ("cancelled", 0), ("done", 0)]
)
def test_a_run_that_died_unrecorded_is_a_crash_unless_someone_cancelled_it(
    workspace: Workspace, played: Result, state: JobState, rows: int
) -> None:
    JobStore(workspace).started(played.run_id)
    JobStore(workspace).ended(played.run_id, state, None, "the reason")
    for _ in range(2):
        record.recover(workspace)
    found = ledger.read(workspace.ledger) if workspace.ledger.exists() else []
    assert [row.status for row in found] == ["crash"] * rows
    if rows:
        crashed = experiments.read_result(workspace.experiments / played.experiment)
        assert crashed is not None
        assert (crashed.val_bpb, crashed.error) == (None, "the reason")


def test_a_repetition_that_was_cancelled_gives_the_earlier_run_back(workspace: Workspace, played: Result) -> None:
    record.record(workspace, played, "x: h")
    folder = workspace.experiments / played.experiment
    for name in ("artifact", "logs"):
        (folder / name).mkdir()
        (folder / name / "kept").write_text("trained")
    experiments.set_aside(folder, played)
    (folder / "logs").mkdir()
    (folder / "logs" / "begun").write_text("by the repetition")
    again = JobStore(workspace).add("run", "other", "local")
    JobStore(workspace).ended(played.run_id, "done", 0, "")
    repeated = JobStore(workspace).add("run", played.experiment, "local")
    record.recover(workspace)
    assert experiments.read_result(folder) is None  # it is still running
    JobStore(workspace).ended(repeated.id, "cancelled", None, "")
    JobStore(workspace).ended(again.id, "cancelled", None, "")
    record.recover(workspace)
    assert experiments.read_result(folder) == played
    assert [(folder / name / "kept").read_text() for name in ("artifact", "logs")] == ["trained"] * 2
    assert not (folder / "logs" / "begun").exists()
    assert (folder / "earlier" / repeated.id / "logs" / "begun").read_text() == "by the repetition"


def test_what_was_cancelled_once_touches_no_later_run_s_logs(workspace: Workspace, played: Result) -> None:
    folder, store = workspace.experiments / played.experiment, JobStore(workspace)
    store.ended(played.run_id, "cancelled", None, "")
    record.recover(workspace)
    died = store.add("run", played.experiment, "local")
    store.started(died.id)
    (folder / "logs").mkdir()
    (folder / "logs" / "train_seed1.log").write_text("of the later run")
    store.ended(died.id, "timed_out", None, "over its time limit")
    for _ in range(2):
        record.recover(workspace)
    found = experiments.read_result(folder)
    assert found is not None and found.run_id == died.id
    assert (folder / "logs" / "train_seed1.log").read_text() == "of the later run"


def test_a_cancelled_run_that_cost_money_has_its_row_and_takes_nobody_s_place(
    workspace: Workspace, played: Result
) -> None:
    record.record(workspace, played, "x: h")
    folder, store = workspace.experiments / played.experiment, JobStore(workspace)
    store.ended(played.run_id, "done", 0, "")
    paid = store.add("run", played.experiment, "local")
    Price(0.01, 3.0).write(made(store.folder(paid.id)))
    BudgetBook(workspace.database, workspace.config.budget).reserve(paid.id, 3.0, "rented")
    store.started(paid.id)
    with contextlib.closing(database.connect(workspace.database, TABLES)) as connection:
        connection.execute("UPDATE jobs SET started_at = '2026-11-30T08:00:00+00:00' WHERE id = ?", (paid.id,))
    store.ended(paid.id, "cancelled", None, "cancelled")
    for _ in range(2):
        record.recover(workspace)
    rows = ledger.read(workspace.ledger)
    assert [(row.status, row.cost_usd) for row in rows] == [(played.status, played.cost_usd), ("crash", 3.0)]
    assert experiments.read_result(folder) == played
    aside = experiments.read_result(folder / "earlier" / paid.id)
    assert aside is not None and (aside.error, aside.cost_usd) == ("cancelled", 3.0)


@pytest.mark.parametrize("state", ["lost", "failed"])
@pytest.mark.parametrize("is_set_aside", [True, False])
def test_a_repetition_that_never_got_started_has_its_row_and_takes_nobody_s_place(
    workspace: Workspace, played: Result, state: JobState, is_set_aside: bool
) -> None:
    """Its submitter was killed, before or after the earlier run's evidence was set aside; a later one is cancelled."""
    record.record(workspace, played, "x: h")
    folder, store = workspace.experiments / played.experiment, JobStore(workspace)
    store.ended(played.run_id, "done", 0, "")
    (folder / "logs").mkdir()
    repeated = store.add("run", played.experiment, "local")
    if is_set_aside:
        experiments.set_aside(folder, played)
    store.ended(repeated.id, state, None, "its supervisor was killed")
    for _ in range(2):
        record.recover(workspace)
        rows = ledger.read(workspace.ledger)
        assert [(row.status, row.cost_usd) for row in rows] == [("keep", 0.0), ("crash", 0.0)]
        assert experiments.read_result(folder) == played
        assert (folder / "logs").is_dir()
    aside = experiments.read_result(folder / "earlier" / repeated.id)
    assert aside is not None and aside.error == "its supervisor was killed"

    experiments.set_aside(folder, played)
    store.ended(store.add("run", played.experiment, "local").id, "cancelled", None, "")
    record.recover(workspace)
    assert experiments.read_result(folder) == played


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("step", range(5))
def test_putting_back_may_be_killed_at_any_step(
    workspace: Workspace, played: Result, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    record.record(workspace, played, "x: h")
    folder = workspace.experiments / played.experiment
    for name in ("artifact", "logs"):
        (folder / name).mkdir()
        (folder / name / "kept").write_text("trained")
    experiments.set_aside(folder, played)
    (folder / "logs").mkdir()
    (folder / "logs" / "begun").write_text("by the cancelled one")
    moves = iter([True] * step + [False])  # the last one is the kill

    def die(source: Path, target: Path | None = None) -> None:
        if not next(moves):
            raise Killed
        assert target is not None
        source.rename(target)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("golf.play.experiments.os.replace", die)
        patch.setattr(
            "golf.play.experiments.shutil.rmtree", lambda path, **_: None if path.parent == folder else die(path)
        )
        experiments.put_back(folder, "z")
    experiments.put_back(folder, "z")
    experiments.put_back(folder, "z")
    assert experiments.read_result(folder) == played
    assert (folder / "earlier" / "z" / "logs" / "begun").read_text() == "by the cancelled one"
    assert [place.name for place in (folder / "earlier").iterdir()] == ["z"]
    assert [(folder / name / "kept").read_text() for name in ("artifact", "logs")] == ["trained"] * 2


def test_worktrees_of_ended_jobs_are_removed_and_those_of_running_ones_stay(
    workspace: Workspace, played: Result
) -> None:
    git(workspace.root, "-c", "user.name=u", "-c", "user.email=u@h", "commit", "-q", "--allow-empty", "-m", "x")
    store = JobStore(workspace)
    running = store.add("run", "y", "local")
    places = [workspace.worktrees / f"{job}.seed1" for job in (played.run_id, running.id)]
    for place in places:
        git(workspace.root, "worktree", "add", "--detach", str(place))
    store.ended(played.run_id, "cancelled", None, "")
    record.recover(workspace)
    assert [place.exists() for place in places] == [False, True]


def test_an_experiment_whose_folder_is_gone_still_has_its_row(workspace: Workspace, played: Result) -> None:
    (workspace.experiments / played.experiment).rename(workspace.root / "moved")
    record.record(workspace, played, "x: h")
    assert len(ledger.read(workspace.ledger)) == 1


def test_the_intent_outlives_the_process(workspace: Workspace, played: Result, tmp_path: Path) -> None:
    with contextlib.closing(database.connect(workspace.database, record.TABLES)) as connection:
        connection.execute(
            "INSERT INTO recordings (run_id, experiment, result, description) VALUES (?, ?, ?, ?)",
            (played.run_id, played.experiment, played.model_dump_json(), "x: h"),
        )
    record.recover(workspace)
    assert ledger.read(workspace.ledger) == [record.row(played, "x: h")]


@pytest.mark.parametrize("step", range(3))
def test_a_kill_while_evidence_is_set_aside_takes_nothing_from_the_kept_run(
    workspace: Workspace, played: Result, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    record.record(workspace, played, "x: h")
    folder = workspace.experiments / played.experiment
    for name in ("logs", "artifact"):
        (folder / name).mkdir()
        (folder / name / "kept").write_text("trained")
    moves = iter([True] * step + [False])

    def die(source: Path, target: Path) -> None:
        if not next(moves):
            raise Killed
        Path(source).rename(target)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("golf.play.experiments.os.replace", die)
        experiments.set_aside(folder, played)
    experiments.put_back(folder, "z")
    assert experiments.read_result(folder) == played
    assert [(folder / name / "kept").read_text() for name in ("artifact", "logs")] == ["trained"] * 2
    assert not list((folder / "earlier").glob("*"))
