"""What the Stop hook reminds of, and when it is quiet."""

import pytest

from golf.hooks.state import State
from golf.hooks.stop import reminder
from golf.jobs.store import JobStore
from golf.play import record
from golf.play.budget import BudgetBook
from golf.workspace import BudgetSettings, Workspace


def ask(workspace: Workspace, session: str = "s", **event: object) -> str | None:
    return reminder({"hook_event_name": "Stop", "session_id": session, **event}, State(workspace.root))


def ended(workspace: Workspace, how: str, subject: str = "wider") -> str:
    store = JobStore(workspace)
    job = store.add("run", subject, "local").id
    store.ended(job, how, 1, "")
    return job


def test_an_empty_workspace_is_let_go(workspace: Workspace) -> None:
    assert ask(workspace) is None


@pytest.mark.parametrize("how", ["done", "failed", "lost", "timed_out"])
def test_a_run_that_ended_unrecorded_is_named_with_the_tool_that_records_it(how: str, workspace: Workspace) -> None:
    job = ended(workspace, how)
    reason = ask(workspace)
    assert reason is not None and job in reason and "wider" in reason and "job_status" in reason


def test_a_recorded_or_cancelled_run_and_one_that_is_on_are_let_go(workspace: Workspace) -> None:
    record.crash(workspace, ended(workspace, "failed"), "wider", "out of memory")
    ended(workspace, "cancelled", "deeper")
    JobStore(workspace).add("run", "longer", "local")
    assert ask(workspace) is None


def test_a_run_whose_supervisor_is_gone_is_named(workspace: Workspace) -> None:
    job = JobStore(workspace).add("run", "wider", "local").id
    JobStore(workspace).hand_over(job, 2**22 + 1)
    assert "left by its supervisor" in (ask(workspace) or "")


def test_an_evaluation_leaves_nothing_to_record(workspace: Workspace) -> None:
    store = JobStore(workspace)
    store.ended(store.add("evaluate", "wider", "local").id, "done", 0, "")
    assert ask(workspace) is None


def test_money_that_is_set_aside_is_named_until_it_is_settled(workspace: Workspace) -> None:
    book = BudgetBook(workspace.database, BudgetSettings())
    book.reserve("run-7", 3.5, "h100x8")
    reason = ask(workspace)
    assert reason is not None and "$3.50" in reason and "run-7" in reason and "nothing is running" in reason
    book.settle("run-7", 3.1)
    assert ask(workspace, "another") is None


def test_a_lease_of_a_run_that_is_on_asks_to_wait(workspace: Workspace) -> None:
    job = JobStore(workspace).add("paid", "wider", "pod").id
    BudgetBook(workspace.database, BudgetSettings()).reserve(job, 3.5, "h100x8")
    assert "wait_for_job" in (ask(workspace) or "")


def test_a_turn_that_a_reminder_started_is_let_go(workspace: Workspace) -> None:
    ended(workspace, "failed")
    assert ask(workspace, stop_hook_active=True) is None


def test_each_thing_is_said_once(workspace: Workspace) -> None:
    ended(workspace, "failed")
    assert ask(workspace, "one") is not None
    assert ask(workspace, "one") is None and ask(workspace, "two") is None
    later = ended(workspace, "lost", "deeper")
    reason = ask(workspace, "one")
    assert reason is not None and later in reason and "wider" not in reason


def test_many_are_shortened(workspace: Workspace) -> None:
    for number in range(12):
        ended(workspace, "failed", f"e{number}")
    reason = ask(workspace)
    assert reason is not None and "8 more" in reason and len(reason) < 1500


def test_a_damaged_memory_of_reminders_reminds(workspace: Workspace) -> None:
    ended(workspace, "failed")
    (workspace.state / "reminded").write_bytes(b"\xff\n\0\n")
    assert ask(workspace) is not None and ask(workspace) is None
    (workspace.state / "reminded").unlink()
    (workspace.state / "reminded").mkdir()
    assert ask(workspace) is not None
