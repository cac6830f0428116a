"""What a dead run's launches left becomes its result once, and touches nothing of a newer run's."""

import contextlib
import json
import time
from pathlib import Path

import pytest
from scene import eventually, git, planned, scored

from golf import database
from golf.errors import JobFailed
from golf.jobs import leases, progress, salvage
from golf.jobs.leases import Leases
from golf.jobs.store import JobStore
from golf.play import experiments, ledger, record, settlement, training
from golf.play.budget import BudgetBook
from golf.play.conclude import conclude
from golf.schema import JobState
from golf.workspace import TierSettings, Workspace


def died(workspace: Workspace, subject: str, *, state: JobState = "lost", code: int | None = None) -> str:
    """A run that trained elsewhere, left its seed, cost 10 cents, and died unrecorded; returns its id."""
    store = JobStore(workspace)
    run = store.add("run", subject, "toy")
    store.folder(run.id).mkdir(parents=True)
    (store.folder(run.id) / "request.json").write_text(json.dumps({"experiment": subject}))
    (key,), book = planned(workspace.database, run.id), Leases(workspace.database)
    book.asked(key, 60.0)
    book.gone(key, 0.1, "seconds", "its run has ended")
    place = salvage.folder(workspace, run.id, 1)
    place.mkdir(parents=True)
    (place / "model.ptz").write_text("no weights")
    (place / salvage.LOG).write_text("the dead run's log")
    store.started(run.id)
    store.ended(run.id, state, code, "it died")
    return run.id


def earlier_tries(workspace: Workspace, run_id: str, subject: str, *tries: tuple[JobState, int | None]) -> None:
    store = JobStore(workspace)
    for state, code in tries:
        row = store.add("conclude", subject, "local")
        store.folder(row.id).mkdir()
        (store.folder(row.id) / "request.json").write_text(json.dumps({"experiment": subject, "run_id": run_id}))
        store.ended(row.id, state, code, "")


@pytest.mark.parametrize(
    ("tries", "goes_on"),
    [
        ([], True),
        ([("lost", None), ("failed", -9)], True),
        ([("lost", None)] * 3, False),
        ([("failed", 1)], False),
        ([("cancelled", None)], False),
    ],
)
def test_a_conclusion_that_was_killed_is_tried_again_a_few_times_and_one_that_failed_is_not(
    workspace: Workspace, tries: list[tuple[JobState, int | None]], goes_on: bool
) -> None:
    run_id = died(workspace, "exp", state="failed", code=-9)
    earlier_tries(workspace, run_id, "exp", *tries)
    assert conclude(workspace, run_id) is goes_on
    eventually(lambda: all(row.has_ended for row in JobStore(workspace).recent()), 30)


def test_money_is_free_again_whatever_cannot_be_concluded(workspace: Workspace) -> None:
    run_id = died(workspace, "exp")
    (JobStore(workspace).folder(run_id) / "request.json").unlink()
    book = BudgetBook(workspace.database, workspace.config.budget)
    book.reserve(run_id, 3.0, "far")
    killed = JobStore(workspace).add("conclude", "exp", "local")  # between its row and its orders
    JobStore(workspace).ended(killed.id, "lost", None, "")
    workspace.ledger.mkdir()  # nothing can be recorded
    record.recover(workspace)
    assert (book.state().reserved_usd, book.state().spent_usd) == (0.0, 0.1)
    workspace.ledger.rmdir()
    record.recover(workspace)
    assert [row.status for row in ledger.iterate(workspace.ledger)] == ["crash"]


def test_what_is_billed_when_a_run_has_long_been_settled_is_paid_all_the_same(workspace: Workspace) -> None:
    run_id = died(workspace, "exp")
    book = BudgetBook(workspace.database, workspace.config.budget)
    book.reserve(run_id, 3.0, "far")
    settlement.settle(workspace)
    assert book.state().spent_usd == 0.1
    (lease,) = Leases(workspace.database).of_run(run_id)
    Leases(workspace.database).gone(lease.key, 0.25, "provider", "with what came late")
    settlement.settle(workspace)
    assert (book.state().reserved_usd, book.state().spent_usd) == (0.0, 0.25)


def test_a_crash_costs_in_ledger_and_result_what_its_launches_did_open_ones_until_now(workspace: Workspace) -> None:
    folder = scored(workspace, "exp1", 1.2)
    run = JobStore(workspace).add("run", folder.name, "toy")
    (key,) = planned(workspace.database, run.id)
    Leases(workspace.database).asked(key, 60.0)
    with contextlib.closing(database.connect(workspace.database, leases.TABLES)) as connection:
        connection.execute("UPDATE leases SET asked_at = asked_at - 100000000")
    assert 1.0 <= record.crash(workspace, run.id, folder.name, "it died").cost_usd < 1.5
    assert [row.cost_usd >= 1.0 for row in ledger.iterate(workspace.ledger)] == [False, True]


def test_an_older_run_that_is_concluded_late_leaves_the_newer_ones_evidence_alone(course_workspace: Workspace) -> None:
    workspace = course_workspace
    folder = scored(workspace, "exp1", 1.2, tier="tiny", seeds=[1])  # its id sorts after those of runs
    newer = experiments.read_result(folder)
    assert newer is not None
    for name in ("artifact/seed1/final_model.int8.ptz", "logs/train_seed1.log"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("the newer run's")
    run_id = died(workspace, folder.name)
    git(workspace.root, "update-ref", f"refs/golf/{run_id}", newer.commit)
    record.recover(workspace)
    eventually(lambda: all(row.has_ended for row in JobStore(workspace).recent()), 40)
    record.recover(workspace)
    assert experiments.read_result(folder) == newer
    for name in ("artifact/seed1/final_model.int8.ptz", "logs/train_seed1.log"):
        assert (folder / name).read_text() == "the newer run's"
    older = experiments.read_result(folder / "earlier" / run_id)
    assert older is not None and (older.run_id, older.status, older.cost_usd) == (run_id, "crash", 0.1)
    assert (folder / "earlier" / run_id / "logs" / "train_seed1.log").read_text() == "the dead run's log"
    assert [row.status for row in ledger.iterate(workspace.ledger)] == ["keep", "crash"]


@pytest.mark.parametrize("is_planned", [True, False])
def test_a_launch_is_not_asked_for_on_other_terms_than_it_was_planned_on(
    workspace: Workspace, tmp_path: Path, is_planned: bool
) -> None:
    folder = scored(workspace, "exp1", 1.2)
    result, experiment = experiments.read_result(folder), experiments.load(folder)
    assert result is not None
    if is_planned:
        planned(workspace.database, "run", options=json.dumps({"folder": str(tmp_path / "provider")}))
    tier = TierSettings(backend="toy", options={"folder": str(tmp_path / "other")}, gpus=8, hourly_rate_usd=36.0)
    setting = training.Setting(
        workspace, folder, experiments.relative(workspace, folder.name), experiment, tier, "run", result.commit, "d",
        progress.Status(tmp_path), time.monotonic(), folder,
    )  # fmt: skip
    (folder / "logs").mkdir()
    with pytest.raises(JobFailed, match="than when this run was planned" if is_planned else "has no lease in run run"):
        training.train(setting, 1, lambda: None)
    assert not Leases(workspace.database).open()
