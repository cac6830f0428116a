"""Paid compute is reached through every gate, with the money set aside first; what ended is paid for once."""

import os
import re
import signal
import threading
from pathlib import Path

import pytest
from scene import TINY, course_settings, eventually, scored, verdict

from golf.errors import AmbiguousInput, BadConfig, BudgetRefused, RuleBroken, UnreadableInput
from golf.jobs import process
from golf.jobs.local import LocalJobs
from golf.jobs.progress import Price
from golf.jobs.store import JobStore
from golf.play import experiments, ledger, override, record, review, submission
from golf.play.budget import BudgetBook
from golf.schema import Budget
from golf.workspace import Workspace

BASELINE = (Path(__file__).parents[2] / "baselines" / "naive" / "train_gpt.py").read_text()

TIERS = """
[tiers.local]
[tiers.rented]
gpus = 8
hourly_rate_usd = 20
time_limit_s = 360
command = {command}
[tiers.cloud]
backend = "moon"
gpus = 8
hourly_rate_usd = 20
[tiers.priced]
hourly_rate_usd = 20
"""


def tiered(workspace: Workspace, command: str, extra: str = "") -> Workspace:
    settings = course_settings(workspace) + TIERS.replace("{command}", command) + extra
    (workspace.root / "golf.toml").write_text(settings)
    return Workspace(workspace.root)


def earned(
    workspace: Workspace, command: str = '["sh", "-c", "exit 3"]', script: str = "x = 2\n", extra: str = ""
) -> Workspace:
    """A reviewed experiment 4 % better than its parent, and a rented machine that is this one."""
    workspace = tiered(workspace, command, extra)
    scored(workspace, "base", 1.3)
    scored(workspace, "next", 1.248, script=script, parent="base")
    verdict(workspace, "next")
    return workspace


def money(workspace: Workspace) -> Budget:
    return BudgetBook(workspace.database, workspace.config.budget).state()


def ended(workspace: Workspace, job_id: str) -> str:
    state = LocalJobs(workspace).wait(job_id, 240).state
    record.recover(workspace)
    return state


def test_a_free_tier_needs_no_submission(course_workspace: Workspace) -> None:
    with pytest.raises(BadConfig, match="is free"):
        submission.submit(earned(course_workspace), "next", "local")


def test_a_price_without_a_number_of_gpus_is_no_cost(course_workspace: Workspace) -> None:
    with pytest.raises(BadConfig, match="gpus = 8"):
        submission.submit(earned(course_workspace), "next", "priced")


def test_a_back_end_that_is_not_there_starts_and_spends_nothing(course_workspace: Workspace) -> None:
    workspace = earned(course_workspace)
    with pytest.raises(BadConfig, match="no back-end 'moon'"):
        submission.submit(workspace, "next", "cloud")
    assert money(workspace).reserved_usd == 0


def test_what_is_missing_is_named_gate_by_gate(course_workspace: Workspace) -> None:
    workspace = earned(course_workspace)
    scored(workspace, "worse", 1.299, script="x = 3\n", parent="base")
    with pytest.raises(RuleBroken) as refused:
        submission.submit(workspace, "worse", "rented")
    named = [line.split(":")[0] for line in str(refused.value).splitlines()[1:]]
    assert named == ["- review", "- promotion", "- noise"]
    assert money(workspace).reserved_usd == 0


def test_the_first_run_of_a_tier_has_nothing_to_show_for_itself(course_workspace: Workspace) -> None:
    workspace = tiered(course_workspace, '["true"]')
    scored(workspace, "base", 1.3)
    verdict(workspace, "base")
    with pytest.raises(RuleBroken, match="nothing to improve on"):
        submission.submit(workspace, "base", "rented")


def test_an_edit_after_the_verdict_takes_the_way_to_money_back(course_workspace: Workspace) -> None:
    workspace = earned(course_workspace)
    script = experiments.find(workspace, "next") / "train_gpt.py"
    script.write_text(script.read_text() + "\n")
    with pytest.raises(RuleBroken, match="about an earlier state"):
        submission.submit(workspace, "next", "rented")


def test_a_run_that_was_killed_costs_in_the_ledger_what_it_costs_in_the_budget(
    course_workspace: Workspace,
) -> None:
    workspace = earned(course_workspace, '["sleep", "600"]')
    job = submission.submit(workspace, "next", "rented")
    eventually(lambda: LocalJobs(workspace).get(job.id).phase is not None)
    pid = JobStore(workspace).get(job.id).supervisor_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not process.is_alive(pid, JobStore(workspace).get(job.id).supervisor_started))
    record.recover(workspace)
    (row,) = [row for row in ledger.read(workspace.ledger) if row.tier == "rented"]
    assert 0 < row.cost_usd == pytest.approx(money(workspace).spent_usd, abs=1e-3)
    assert process.marked(job.id) == []


def test_a_paid_run_can_be_repeated_and_the_way_that_is_told_works(course_workspace: Workspace) -> None:
    env = "".join(f'{key} = "{value}"\n' for key, value in TINY.items())
    workspace = earned(
        course_workspace, '["{python}", "-u", "{script}"]', script=BASELINE,
        extra=f"[tiers.rented.env]\n{env}[budget]\nmin_interval_s = 0\n",
    )  # fmt: skip
    job = submission.submit(workspace, "next", "rented")
    assert ended(workspace, job.id) == "done"
    with pytest.raises(AmbiguousInput) as refused:
        submission.submit(workspace, "next", "rented")
    parent = experiments.find(workspace, "next").name
    assert str(refused.value).endswith(f"golf submit {parent} --tier rented --again")
    with pytest.raises(BadConfig, match=f"is itself a run on tier.*golf submit {parent} --tier rented --again"):
        submission.submit(workspace, job.subject, "rented")
    again = submission.submit(workspace, "next", "rented", again=True)
    assert again.subject == job.subject and ended(workspace, again.id) == "done"
    assert (workspace.experiments / job.subject / "earlier" / job.id).is_dir()


def test_a_new_experiment_on_a_paid_tier_is_refused_before_it_is_written(course_workspace: Workspace) -> None:
    workspace = earned(course_workspace)
    with pytest.raises(BadConfig, match="never spends money"):
        experiments.claimed(workspace, "fresh", hypothesis="h", parent="base", tier="rented")
    assert not experiments.exists(workspace, "fresh")


def test_a_budget_too_small_for_the_worst_case_is_a_gate(course_workspace: Workspace) -> None:
    workspace = earned(course_workspace, extra="[budget]\ntotal_usd = 51.9\nreserve_usd = 50\n")
    with pytest.raises(RuleBroken, match="budget: Blocked"):
        submission.submit(workspace, "next", "rented")  # 360 s of 8 GPUs at $20 an hour: $2.00


def test_a_run_that_crashes_is_paid_for_once_and_never_above_what_was_set_aside(course_workspace: Workspace) -> None:
    workspace = earned(course_workspace)
    job = submission.submit(workspace, "next", "rented")
    assert money(workspace).reserved_usd == 2.0
    assert ended(workspace, job.id) == "failed"
    record.recover(workspace)
    after = money(workspace)
    assert LocalJobs(workspace).get(job.id).cost_usd == pytest.approx(after.spent_usd, abs=1e-6)
    assert after.reserved_usd == 0
    assert 0 < after.spent_usd <= 2.0
    (row,) = [row for row in ledger.read(workspace.ledger) if row.tier == "rented"]
    assert row.status == "crash" and 0 < row.cost_usd <= after.spent_usd  # it was written a moment before the end


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("price.json", '{"usd_per_s": "free"}'),
        ("price.json", '{"usd_per_s": NaN, "at_most_usd": 2.0}'),
        ("price.json", '{"usd_per_s": -1, "at_most_usd": 2.0}'),
        ("price.json", '{"usd_per_s": 0, "at_most_usd": 0}'),
        ("price.json", "[" * 100_000),
    ],
)
def test_without_the_price_it_was_made_for_a_run_costs_all_that_was_set_aside(
    course_workspace: Workspace, file: str, content: str
) -> None:
    workspace = earned(course_workspace)
    job = submission.submit(workspace, "next", "rented")
    LocalJobs(workspace).wait(job.id, 60)
    (workspace.jobs / job.id / file).write_text(content)
    record.recover(workspace)
    assert money(workspace).spent_usd == 2.0


@pytest.mark.parametrize(
    "content", ['{"metrics": null, "logs": 3, "phase": []}', "[]", "[" * 100_000, '{"metrics": [1]}']
)
def test_an_odd_file_in_a_job_s_folder_stops_nobody(course_workspace: Workspace, content: str) -> None:
    workspace = earned(course_workspace)
    job = submission.submit(workspace, "next", "rented")
    LocalJobs(workspace).wait(job.id, 60)
    (workspace.jobs / job.id / "status.json").write_text(content)
    record.recover(workspace)
    assert LocalJobs(workspace).recent(1)[0].id == job.id
    assert money(workspace).reserved_usd == 0


def test_a_clock_that_was_set_back_makes_nothing_cheaper() -> None:
    price = Price(usd_per_s=0.01, at_most_usd=2.0)
    assert [price.of(seconds) for seconds in (0, 10, 1000, -5)] == [0.0, 0.1, 2.0, 2.0]


def test_a_result_cannot_give_git_an_option(course_workspace: Workspace) -> None:
    workspace = earned(course_workspace)
    path = experiments.find(workspace, "base") / experiments.RESULT
    path.write_text(re.sub(r'"commit": "[0-9a-f]+"', '"commit": "--output=pwned"', path.read_text()))
    with pytest.raises(UnreadableInput, match="not a readable result"):
        review.sheet(workspace, "next")
    assert not list(workspace.root.rglob("pwned"))


def test_the_next_paid_run_waits_for_the_rate_limit(course_workspace: Workspace) -> None:
    workspace = earned(course_workspace)
    ended(workspace, submission.submit(workspace, "next", "rented").id)
    with pytest.raises(RuleBroken, match="rate_limit"):
        submission.submit(workspace, "next", "rented")


def test_two_at_once_start_one_run_and_reserve_once(course_workspace: Workspace) -> None:
    workspace = earned(course_workspace, command='["sleep", "60"]')
    started, refused = [], []

    def go() -> None:
        try:
            started.append(submission.submit(workspace, "next", "rented"))
        except (RuleBroken, BadConfig, BudgetRefused, Exception) as error:
            refused.append(error)

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(started), len(refused)) == (1, 1), refused
    assert money(workspace).reserved_usd == 2.0
    LocalJobs(workspace).cancel(started[0].id)
    record.recover(workspace)
    assert money(workspace).reserved_usd == 0
    rows = [row for row in ledger.read(workspace.ledger) if row.tier == "rented"]
    costs = [row.cost_usd for row in rows]  # the refused one has no row, the cancelled one its seconds, if it had any
    assert len(costs) <= 1 and sum(costs) == pytest.approx(money(workspace).spent_usd, abs=1e-4)


@pytest.mark.parametrize(
    "forged",
    [{"env": {"EVIL": "1"}}, {"tier": "priced"}, {"parent": None}, {"command": ["sh", "-c", "evil"]}, {"seeds": [7]}],
    ids=lambda forged: next(iter(forged)),
)
def test_another_claim_under_the_paid_run_s_name_is_not_played(course_workspace: Workspace, forged: dict) -> None:
    workspace = earned(course_workspace)
    local = experiments.find(workspace, "next")
    claim = experiments.load(local).model_copy(update={"parent": local.name, "tier": "rented", **forged})
    experiments.create(workspace, f"{local.name}-rented", claim, local / "train_gpt.py")
    with pytest.raises(RuleBroken, match="claims something else"):
        submission.submit(workspace, "next", "rented")
    assert money(workspace).reserved_usd == 0


def test_what_is_paid_for_is_what_was_reviewed_whatever_is_edited_afterwards(course_workspace: Workspace) -> None:
    """Edits of everything the run could read, between the decision and the start of the trainer."""
    workspace = earned(course_workspace, command='["{python}", "{script}"]', script="print('as reviewed')\n")
    local = experiments.find(workspace, "next")
    paid = experiments.create(
        workspace,
        f"{local.name}-rented",
        experiments.load(local).model_copy(update={"parent": local.name, "tier": "rented"}),
        local / "train_gpt.py",
    )
    (workspace.root / "sitecustomize.py").write_text("print('EVIL module')\n")
    (paid / "train_gpt.py").write_text("print('EVIL script')\n")
    job = submission.submit(workspace, "next", "rented")
    (workspace.root / "golf.toml").write_text((workspace.root / "golf.toml").read_text().replace("{script}", "-V"))
    LocalJobs(workspace).wait(job.id, 60)
    assert (paid / "logs" / "train_seed1337.log").read_text() == "as reviewed\n"


@pytest.mark.parametrize("tier", ["8xH100", "a" * 70])
def test_any_tier_s_name_can_be_paid_for(course_workspace: Workspace, tier: str) -> None:
    workspace = earned(course_workspace)
    settings = workspace.root / "golf.toml"
    settings.write_text(settings.read_text().replace("[tiers.rented]", f"[tiers.{tier}]"))
    job = submission.submit(Workspace(workspace.root), "next", tier)
    LocalJobs(workspace).cancel(job.id)


def test_a_human_s_override_lets_it_through_and_is_on_record(course_workspace: Workspace) -> None:
    workspace = earned(course_workspace)
    verdict(workspace, "next", "reject")
    override.record(workspace, "next", "review", by="human:ada", reason="the critic misread line 3")
    found = submission.check(workspace, "next", "rented")
    assert next(gate for gate in found.gates if gate.name == "review").reason.startswith("overridden by ada")


def test_a_paid_run_is_an_experiment_of_its_own_and_leaves_the_local_evidence_alone(
    course_workspace: Workspace,
) -> None:
    env = "".join(f'{key} = "{value}"\n' for key, value in TINY.items())
    workspace = earned(
        course_workspace, '["{python}", "-u", "{script}"]', script=BASELINE, extra=f"[tiers.rented.env]\n{env}"
    )
    local = experiments.read_result(experiments.find(workspace, "next"))
    job = submission.submit(workspace, "next", "rented")
    assert ended(workspace, job.id) == "done", LocalJobs(workspace).get(job.id).message
    paid = experiments.read_result(workspace.experiments / job.subject)
    assert paid is not None
    assert paid.tier == "rented"
    assert 0 < paid.cost_usd <= money(workspace).spent_usd <= 2.0
    assert experiments.load(workspace.experiments / job.subject).parent == local.experiment
    assert experiments.read_result(workspace.experiments / local.experiment) == local
