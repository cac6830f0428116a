"""A run whose trainers are elsewhere is recorded like any other, and costs what its launches cost."""

import contextlib
import json
import os
import sys
from pathlib import Path

import psutil
import pytest
from scene import TINY, course_settings, eventually, scored, verdict

from golf.cli import main
from golf.errors import BadConfig
from golf.jobs import ending, payload, salvage
from golf.jobs.leases import Leases
from golf.jobs.local import LocalJobs
from golf.jobs.supervisor import Spec
from golf.play import doctor, experiments, ledger, record, start, submission
from golf.play.budget import BudgetBook
from golf.schema import Result
from golf.workspace import Workspace

BASELINE = (Path(__file__).parents[2] / "baselines" / "naive" / "train_gpt.py").read_text()
STANDINS = str(Path(__file__).parents[1] / "jobs")


@pytest.fixture
def far(course_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A reviewed experiment 4 % better than its parent, and a tier on a provider that is a folder."""
    monkeypatch.syspath_prepend(STANDINS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([STANDINS, os.environ.get("PYTHONPATH", "")]))
    root = course_workspace.root
    settings = "".join(f'{key} = "{value}"\n' for key, value in TINY.items())
    here = course_settings(course_workspace)
    (root / "golf.toml").write_text(
        f"{here}[jobs]\nlease_s = 5\npoll_s = 0.2\n[tiers.local]\n"
        '[tiers.far]\nbackend = "standins.toy:Toy"\ngpus = 8\nhourly_rate_usd = 20\ntime_limit_s = 300\n'
        f'parallel_seeds = 2\ncommand = ["{sys.executable}", "-u", "{{script}}"]\n'
        f'[tiers.far.options]\nfolder = "{tmp_path / "provider"}"\n'
        f'data = "{course_workspace.data}"\ntokenizer = "{course_workspace.tokenizer}"\n[tiers.far.env]\n{settings}'
    )
    workspace = Workspace(root)
    scored(workspace, "base", 1.3, script=BASELINE)
    scored(workspace, "next", 1.248, script=BASELINE + "\n# changed\n", parent="base", seeds=[1, 2])
    verdict(workspace, "next")
    return workspace


def test_a_paid_run_elsewhere_is_scored_here_recorded_once_and_settled_by_its_launches(far: Workspace) -> None:
    job = submission.submit(far, "next", "far")
    set_aside = BudgetBook(far.database, far.config.budget).state().reserved_usd
    ended = LocalJobs(far).wait(job.id, 240)
    assert ended.state == "done", ended.message
    record.recover(far)
    leases = Leases(far.database).of_run(job.id)
    assert [lease.state for lease in leases] == ["gone", "gone"]
    money = BudgetBook(far.database, far.config.budget).state()
    assert money.reserved_usd == 0
    assert 0 < money.spent_usd == pytest.approx(sum(lease.cost_usd for lease in leases), abs=1e-6)
    assert set_aside == pytest.approx(2 * 300 / 3600 * 20, abs=1e-6)
    result = experiments.read_result(far.experiments / ended.subject)
    assert result is not None and result.val_bpb is not None
    assert result.cost_usd == pytest.approx(money.spent_usd, abs=1e-3)
    assert [seed.seed for seed in result.seeds] == [1, 2]
    assert all((far.experiments / ended.subject / seed.log).read_text() for seed in result.seeds)


def test_a_dry_run_shows_the_plan_and_asks_nobody(far: Workspace, tmp_path: Path) -> None:
    plan = submission.plan(far, "next", "far")
    assert plan.promotion.promoted and plan.machines == 2
    assert plan.at_most_usd == pytest.approx(2 * 300 / 3600 * 20, abs=1e-6)
    assert plan.files >= 2 and plan.files_bytes > 10_000
    assert [asked["folder"] for asked in plan.asked] == ["caddie-OWNER-RUN-s1", "caddie-OWNER-RUN-s2"]
    assert not Leases(far.database).planned()


def test_what_a_provider_bills_beyond_the_limit_is_set_aside_with_it(far: Workspace) -> None:
    toml = far.root / "golf.toml"
    toml.write_text(toml.read_text().replace("[tiers.far.options]", "[tiers.far.options]\nbeyond_s = 60"))
    plan = submission.plan(Workspace(far.root), "next", "far")
    assert plan.at_most_usd == pytest.approx(2 * 360 / 3600 * 20, abs=1e-6)


def test_a_dry_run_shows_the_trainer_s_settings_as_they_are_on_the_other_side(far: Workspace) -> None:
    toml = far.root / "golf.toml"
    toml.write_text(toml.read_text().replace(f'data = "{far.data}"\n[', '[').replace(
        f'data = "{far.data}"\ntokenizer = "{far.tokenizer}"\n[tiers.far.env]', 'data = "/there"\n[tiers.far.env]'
    ))  # fmt: skip
    settings = submission.plan(Workspace(far.root), "next", "far").settings
    assert settings["DATA_PATH"] == "/there" and "TOKENIZER_PATH" not in settings


def test_what_cannot_be_asked_from_here_is_refused_before_anything_is_set_aside(far: Workspace, tmp_path: Path) -> None:
    (tmp_path / "provider").mkdir()
    (tmp_path / "provider" / "fault-no_key").touch()
    with pytest.raises(BadConfig, match="cannot be asked from here: a key"):
        submission.submit(far, "next", "far")
    assert submission.plan(far, "next", "far").missing == "a key"
    told = {check.name: check for check in doctor.examine().checks}["tier far"]
    assert (told.verdict, told.found.endswith("from here: a key")) == ("optional", True)
    assert not Leases(far.database).planned() and not experiments.exists(far, "next-far")


def test_a_run_that_its_provider_refused_costs_nothing_and_uses_up_no_hour(far: Workspace, tmp_path: Path) -> None:
    (tmp_path / "provider").mkdir()
    (tmp_path / "provider" / "fault-capacity").touch()
    job = submission.submit(far, "next", "far")
    ended = LocalJobs(far).wait(job.id, 60)
    assert ended.state == "failed" and "no capacity" in ended.message
    record.recover(far)
    money = BudgetBook(far.database, far.config.budget).state(3.0)
    assert (money.reserved_usd, money.spent_usd, money.verdict) == (0.0, 0.0, "ok")


def test_a_paid_back_end_without_a_price_is_refused(far: Workspace) -> None:
    toml = far.root / "golf.toml"
    toml.write_text(toml.read_text().replace("hourly_rate_usd = 20\n", ""))
    with pytest.raises(BadConfig, match="is not free"):
        submission.submit(Workspace(far.root), "next", "far")


def test_the_doctor_says_of_a_tier_elsewhere_whether_it_could_be_used(far: Workspace) -> None:
    told = {check.name: check for check in doctor.examine().checks}["tier far"]
    assert told.verdict == "ok" and "standins.toy" in told.found
    toml = far.root / "golf.toml"
    toml.write_text(toml.read_text().replace("standins.toy:Toy", "moon"))
    told = {check.name: check for check in doctor.examine().checks}["tier far"]
    assert told.verdict == "optional" and "no back-end 'moon'" in told.found


def test_a_back_end_that_is_none_is_exit_2_with_its_name(far: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    toml = far.root / "golf.toml"
    toml.write_text(toml.read_text().replace("standins.toy:Toy", "json:dumps"))
    for argv in (["submit", "next", "--tier", "far", "--dry-run"], ["submit", "next", "--tier", "far"]):
        assert main(argv) == 2
        assert "back-end 'json:dumps' is none: it lacks" in capsys.readouterr().err


def test_playing_never_spends_money_elsewhere(far: Workspace) -> None:
    scored(far, "eager", 1.2, script=BASELINE, tier="far")
    with pytest.raises(BadConfig, match="never spends money"):
        start.start_run(far, "eager", again=True)


def test_cancelling_ends_the_launch_and_pays_for_its_seconds(far: Workspace) -> None:
    toml = far.root / "golf.toml"
    toml.write_text(toml.read_text().replace(f'"{sys.executable}", "-u", "{{script}}"', '"sleep", "200"'))
    workspace = Workspace(far.root)
    job = submission.submit(workspace, "next", "far")
    jobs = LocalJobs(workspace)
    book = Leases(workspace.database)
    eventually(lambda: [lease.state for lease in book.of_run(job.id)] == ["held", "held"], 60)
    assert jobs.cancel(job.id).state == "cancelled"
    eventually(lambda: [lease.state for lease in book.of_run(job.id)] == ["gone", "gone"])  # by us or the watchdog
    record.recover(workspace)
    assert BudgetBook(workspace.database, workspace.config.budget).state().reserved_usd == 0


def test_a_run_that_ended_well_while_nobody_looked_is_fetched_scored_and_recorded_once(far: Workspace) -> None:
    """Everything of ours is killed while it trains; the machine trains on, and the next command looks."""
    job = submission.submit(far, "next", "far")
    book = Leases(far.database)
    eventually(lambda: [lease.state for lease in book.of_run(job.id)] == ["held", "held"], 60)
    for process in ours_in(far.root):
        process.kill()
    eventually(lambda: not ours_in(far.root))
    keys = [lease.key for lease in book.of_run(job.id)]
    provider = Path(json.loads(book.of_run(job.id)[0].options)["folder"])
    eventually(lambda: all((provider / key / payload.EXIT).exists() for key in keys), 120)
    result = concluded(far)
    assert result.run_id == job.id and result.status != "crash"
    assert [lease.state for lease in book.of_run(job.id)] == ["gone", "gone"]
    assert result.cost_usd == pytest.approx(sum(lease.cost_usd for lease in book.of_run(job.id)), abs=1e-3)
    record.recover(far)
    rows = [row for row in ledger.iterate(far.ledger) if row.tier == "far"]
    assert len(rows) == 1 and rows[0].val_bpb is not None
    assert BudgetBook(far.database, far.config.budget).state().reserved_usd == 0


def test_a_run_whose_worker_was_killed_while_it_scored_is_concluded_from_what_was_kept(far: Workspace) -> None:
    job = submission.submit(far, "next", "far")
    book = Leases(far.database)
    eventually(lambda: [lease.state for lease in book.of_run(job.id)] == ["gone", "gone"], 120)
    for process in ours_in(far.root, "golf.cli.worker"):
        process.kill()
    assert LocalJobs(far).wait(job.id, 30).state == "failed"
    result = concluded(far)
    assert (result.run_id, [seed.seed for seed in result.seeds], result.val_bpb is not None) == (job.id, [1, 2], True)
    assert result.cost_usd == pytest.approx(sum(lease.cost_usd for lease in book.of_run(job.id)), abs=1e-3)
    assert len([row for row in ledger.iterate(far.ledger) if row.tier == "far"]) == 1
    assert not salvage.place(far, job.id).exists()


def test_a_lost_run_is_concluded_from_the_seeds_that_are_there_and_says_which_is_missing(far: Workspace) -> None:
    """Seeds one after the other, each with the whole limit; everything of ours is killed while the second trains."""
    toml = far.root / "golf.toml"
    first = f'"sh", "-c", "[ $SEED = 1 ] || exec sleep 200; exec {sys.executable} -u {{script}}"'
    text = toml.read_text().replace(f'"{sys.executable}", "-u", "{{script}}"', first)
    toml.write_text(text.replace("parallel_seeds = 2", "parallel_seeds = 1"))
    far = Workspace(far.root)
    assert submission.plan(far, "next", "far").at_most_usd == pytest.approx(2 * 300 / 3600 * 20, abs=1e-6)
    job = submission.submit(far, "next", "far")
    book = Leases(far.database)
    eventually(lambda: [lease.state for lease in book.of_run(job.id)] == ["gone", "held"], 120)
    assert [lease.limit_s for lease in book.of_run(job.id)] == [300.0, 300.0]
    assert Spec.read(Path(job.folder)).time_limit_s > 2 * 300 + start.AFTERWARDS_S
    for process in ours_in(far.root):
        process.kill()
    eventually(lambda: not ours_in(far.root))
    result = concluded(far)
    assert result.run_id == job.id and [seed.seed for seed in result.seeds] == [1] and result.promoted == "no"
    assert [note for note in result.notes if note.startswith("seed 2 of the claim is missing, because")]
    assert result.cost_usd == pytest.approx(sum(lease.cost_usd for lease in book.of_run(job.id)), abs=1e-3)


def test_a_trainer_elsewhere_that_writes_nothing_is_not_scored_on_what_was_committed(far: Workspace) -> None:
    (far.root / "old.ptz").write_bytes(b"x" * 100)
    toml = far.root / "golf.toml"
    toml.write_text(toml.read_text().replace(f'"{sys.executable}", "-u", "{{script}}"', '"echo", "trained"'))
    far = Workspace(far.root)
    scored(far, "third", 1.19, script=BASELINE + "\n# again\n", parent="next", seeds=[1])
    verdict(far, "third")
    ended = LocalJobs(far).wait(submission.submit(far, "third", "far").id, 60)
    assert ended.state == "failed" and "only those that came with the snapshot" in ended.message


def ours_in(root: Path, which: str = "golf.") -> list[psutil.Process]:
    """Processes of a workspace's jobs, supervisors and watchdog; not the trainers, which are the provider's."""
    ours = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = " ".join(process.cmdline())
            is_of_it = str(root) in f"{words} {process.cwd()}" and process.status() != psutil.STATUS_ZOMBIE
            if is_of_it and which in words and ("golf.jobs" in words or "golf.cli" in words):
                ours.append(process)
    return ours


def concluded(workspace: Workspace) -> Result:
    """The paid run's result, once the next commands have come to it."""
    eventually(lambda: _looked(workspace) and (one := _result(workspace)) is not None and one.val_bpb is not None, 180)
    result = _result(workspace)
    assert result is not None
    return result


def _looked(workspace: Workspace) -> bool:
    record.recover(workspace)
    return ending.due(workspace)


def _result(workspace: Workspace) -> Result | None:
    return next(
        (one for folder in workspace.experiments.glob("*-far") if (one := experiments.read_result(folder))), None
    )
