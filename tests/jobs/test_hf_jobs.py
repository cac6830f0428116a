"""Launches on Hugging Face Jobs: the real client, against a Hub on loopback that really runs what it is given."""

import json
import secrets
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants
from scene import eventually, planned
from standins.hf_jobs import TOKEN, StandIn

from golf.errors import BadConfig
from golf.jobs import hf_jobs, remote
from golf.jobs.backend import BackendFailed, Launch, Refused, Remote, Uncertain, open_backend
from golf.jobs.leases import Leases
from golf.jobs.store import JobStore
from golf.workspace import Workspace

OWNER = secrets.token_hex(4)  # processes of a machine are found by it: tests run side by side
KEY = f"caddie-{OWNER}-run-s1"
TRAINS = ["sh", "-c", "echo started; mkdir logs; echo L >logs/a.txt; echo w >model.ptz; echo $LR $PWD; exit ${CODE:-0}"]
WAITS = ["sh", "-c", 'echo started; while [ ! -e "$GOLF_STOP" ]; do sleep 0.1; done; echo early >model.ptz']
STAYS = ["sh", "-c", "trap '' TERM; echo started; while :; do sleep 0.2; done"]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with StandIn() as standin:
        for name, value in standin.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(constants, "ENDPOINT", standin.url)  # read once, when the client is imported
        monkeypatch.setattr(hf_jobs, "COPY_S", 0.2)
        monkeypatch.setattr(hf_jobs, "LOOK_S", 3.0)
        yield standin


@pytest.fixture
def jobs(hub: StandIn) -> hf_jobs.HfJobs:
    return hf_jobs.HfJobs(hub.tier()["options"])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "train_gpt.py").write_text("print('trained')\n")
    return folder


def launch(tree: Path, command: list[str], limit_s: float = 60.0, **env: str) -> Launch:
    return Launch(KEY, OWNER, tree, command, env, ["*.ptz", "logs/**/*.txt"], limit_s, gpus=8, hourly_usd=40.0)


def ended(jobs: hf_jobs.HfJobs, remote_id: str) -> Remote:
    def is_over() -> bool:
        seen = jobs.poll(remote_id)
        return seen is not None and seen.state == "ended"

    eventually(is_over, 30)
    seen = jobs.poll(remote_id)
    assert seen is not None
    return seen


def printed(jobs: hf_jobs.HfJobs, remote_id: str) -> bool:
    return b"started\n" in jobs.log(remote_id, 0)


def test_a_job_runs_the_tree_and_gives_back_log_outputs_exit_code_and_cost(
    hub: StandIn, jobs: hf_jobs.HfJobs, tree: Path, tmp_path: Path
) -> None:
    remote_id = jobs.submit(
        launch(tree, ["sh", "-c", f"{TRAINS[2].replace('exit', 'cat train_gpt.py; exit')}"], LR="3e-4")
    )
    last = ended(jobs, remote_id)
    assert (last.key, last.exit_code, last.message) == (KEY, 0, "")
    assert last.cost_usd is not None and round(last.cost_usd * 1e6) == hub.billed_micro_usd(OWNER) == 666_667
    log = jobs.log(remote_id, 0)
    assert log.startswith(b"started\n3e-4 ") and log.endswith(b"print('trained')\n")
    assert jobs.log(remote_id, 8) == log[8:] and jobs.log(remote_id, len(log)) == b""
    jobs.fetch(remote_id, tmp_path / "back", ["*.ptz", "logs/**/*.txt"])
    fetched = sorted(path.relative_to(tmp_path / "back").as_posix() for path in (tmp_path / "back").rglob("*.*"))
    assert fetched == ["logs/a.txt", "model.ptz"]


def test_the_hub_is_told_limit_owner_key_and_one_attempt_and_no_secret(
    hub: StandIn, jobs: hf_jobs.HfJobs, tree: Path
) -> None:
    jobs.submit(launch(tree, TRAINS, 90.2))
    (asked,) = hub.requests
    assert asked["timeoutSeconds"] == 91 and asked["attempts"] == 1 and asked["flavor"] == "h200x8"
    assert asked["labels"] == {"caddie-owner": OWNER, "caddie-key": KEY, "name": KEY}
    assert asked["volumes"] == [{"type": "bucket", "source": "me/jobs-artifacts", "mountPath": "/caddie", "path": KEY}]
    assert TOKEN not in json.dumps(asked) and "secrets" not in asked
    assert TOKEN not in json.dumps(jobs.plan(launch(tree, TRAINS))) + repr(vars(jobs))


def test_a_command_that_fails_is_told_by_its_own_exit_code(jobs: hf_jobs.HfJobs, tree: Path) -> None:
    last = ended(jobs, jobs.submit(launch(tree, TRAINS, CODE="7")))
    assert last.exit_code == 7 and "exit code: 7" in last.message


def test_the_provider_ends_a_job_at_its_limit_whatever_it_does(jobs: hf_jobs.HfJobs, tree: Path) -> None:
    began = time.monotonic()
    last = ended(jobs, jobs.submit(launch(tree, STAYS, 1.0)))
    assert last.message == "Job timeout" and last.exit_code is None
    assert time.monotonic() - began < 8


def test_the_log_grows_while_the_job_runs_and_a_stop_file_ends_it_with_its_result(
    hub: StandIn, jobs: hf_jobs.HfJobs, tree: Path, tmp_path: Path
) -> None:
    remote_id = jobs.submit(launch(tree, WAITS))
    eventually(lambda: printed(jobs, remote_id), 20)
    seen = jobs.poll(remote_id)
    assert seen is not None and (seen.state, seen.exit_code, seen.cost_usd) == ("running", None, None)
    assert jobs.ask_to_stop(remote_id)
    assert ended(jobs, remote_id).exit_code == 0
    jobs.fetch(remote_id, tmp_path, ["*.ptz"])
    assert (tmp_path / "model.ptz").read_text() == "early\n"


def test_ending_a_job_kills_all_it_started_and_ending_it_again_is_no_error(
    hub: StandIn, jobs: hf_jobs.HfJobs, tree: Path
) -> None:
    remote_id = jobs.submit(launch(tree, STAYS))
    eventually(lambda: printed(jobs, remote_id), 20)
    jobs.end(remote_id)
    last = ended(jobs, remote_id)
    assert last.exit_code is None and hub.alive(OWNER) == []
    jobs.end(remote_id)
    jobs.end("0" * 23 + "f")
    assert jobs.poll("0" * 23 + "f") is None


def test_a_job_whose_creation_was_not_answered_is_found_by_its_label_and_a_foreign_one_is_not(
    hub: StandIn, jobs: hf_jobs.HfJobs, tree: Path
) -> None:
    foreign = hub.plant_foreign()
    hub.fault("create_timeout_but_created")
    with pytest.raises(Uncertain):
        jobs.submit(launch(tree, STAYS))
    hub.fault(None)
    (mine,) = hf_jobs.HfJobs(hub.tier()["options"]).mine(OWNER)
    assert mine.key == KEY and [mine.id] == hub.alive(OWNER) and len(hub.requests) == 1
    jobs.end(mine.id)
    eventually(lambda: not hub.alive(OWNER), 10)
    assert hub.is_alive(foreign)


def test_a_job_that_is_listed_without_details_is_left_alone_until_it_has_them(
    hub: StandIn, jobs: hf_jobs.HfJobs, tree: Path
) -> None:
    hub.fault("half_created")
    remote_id = jobs.submit(launch(tree, STAYS))
    fresh = hf_jobs.HfJobs(hub.tier()["options"])
    assert fresh.mine(OWNER) == []
    seen = fresh.poll(remote_id)
    assert seen is not None and seen.state in ("starting", "running")
    eventually(lambda: [found.key for found in fresh.mine(OWNER)] == [KEY], 10)


def test_a_hub_that_fails_before_the_job_was_asked_for_has_started_nothing(
    hub: StandIn, jobs: hf_jobs.HfJobs, tree: Path
) -> None:
    hub.fault("http_500")
    with pytest.raises(Refused, match="nothing was started"):
        jobs.submit(launch(tree, TRAINS))
    hub.fault(None)
    assert hub.requests == []


def test_a_busy_hub_is_asked_again_when_it_says_and_one_job_comes_of_it(
    hub: StandIn, jobs: hf_jobs.HfJobs, tree: Path
) -> None:
    hub.fault("http_429")
    began = time.monotonic()
    remote_id = jobs.submit(launch(tree, TRAINS))
    assert time.monotonic() - began >= 1
    hub.fault(None)
    assert ended(jobs, remote_id).exit_code == 0 and len(hub.requests) == 1


@pytest.mark.parametrize("fault", ["network_lost", "http_500"])
def test_a_hub_that_does_not_answer_is_a_failure_and_not_an_ended_job(
    hub: StandIn, jobs: hf_jobs.HfJobs, tree: Path, fault: str
) -> None:
    remote_id = jobs.submit(launch(tree, STAYS))
    hub.fault(fault)
    for ask in (jobs.poll, jobs.end, lambda remote_id: jobs.log(remote_id, 0), lambda _: jobs.mine(OWNER)):
        with pytest.raises(BackendFailed):
            ask(remote_id)
    hub.fault(None)
    seen = jobs.poll(remote_id)
    assert seen is not None and seen.state == "running"


def test_a_log_that_cannot_be_read_loses_nothing(hub: StandIn, jobs: hf_jobs.HfJobs, tree: Path) -> None:
    hub.fault("log_breaks")
    remote_id = jobs.submit(launch(tree, TRAINS))
    assert ended(jobs, remote_id).exit_code == 0
    with pytest.raises(BackendFailed):
        jobs.log(remote_id, 0)
    hub.fault(None)
    assert jobs.log(remote_id, 0).startswith(b"started\n")


def test_a_hub_that_never_answers_is_waited_for_so_long_and_no_longer(
    hub: StandIn, jobs: hf_jobs.HfJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fault("slow")
    monkeypatch.setattr(hf_jobs, "LOOK_S", 0.3)
    began = time.monotonic()
    with pytest.raises(BackendFailed, match=r"no answer within 0\.\d s"):
        jobs.mine(OWNER)
    assert time.monotonic() - began < 1


def test_a_job_without_capacity_waits_at_the_hub_and_can_be_ended(
    hub: StandIn, jobs: hf_jobs.HfJobs, tree: Path
) -> None:
    hub.fault("capacity")
    remote_id = jobs.submit(launch(tree, TRAINS))
    seen = jobs.poll(remote_id)
    assert seen is not None and seen.state == "starting" and jobs.log(remote_id, 0) == b""
    jobs.end(remote_id)
    assert ended(jobs, remote_id).exit_code is None


def test_no_error_tells_the_token(
    hub: StandIn, jobs: hf_jobs.HfJobs, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_anotherkeythatisnotgood")
    for ask in (jobs.mine, jobs.poll, jobs.end):  # the Hub here says in its answer what it was given
        with pytest.raises(BackendFailed) as caught:
            ask(OWNER)
        told = "".join(traceback.format_exception(caught.value))
        assert "the Hub said no" in told and "anotherkey" not in told


def test_without_a_login_the_refusal_says_how_to_log_in(
    hub: StandIn, jobs: hf_jobs.HfJobs, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    if huggingface_hub.get_token() is not None:
        pytest.skip("somebody is logged in to Hugging Face here")
    with pytest.raises(Refused, match="hf auth login"):
        jobs.submit(launch(tree, TRAINS))


def test_code_is_not_sent_to_a_public_bucket(hub: StandIn, jobs: hf_jobs.HfJobs, tree: Path) -> None:
    hub.public.add("me/jobs-artifacts")
    with pytest.raises(Refused, match="me/jobs-artifacts is public"):
        jobs.submit(launch(tree, TRAINS))
    assert hub.requests == []


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ({"gpus": 1, "hourly_usd": 40.0}, "h200x8 has 8 GPUs, and the tier states gpus = 1"),
        ({"gpus": 8, "hourly_usd": 20.0}, r"costs \$40\.00 an hour, and the tier's price comes to \$20\.00"),
    ],
)
def test_a_flavor_with_other_gpus_or_a_higher_price_than_the_tier_is_not_asked_for(
    hub: StandIn, jobs: hf_jobs.HfJobs, tree: Path, said: dict[str, Any], refusal: str
) -> None:
    with pytest.raises(Refused, match=refusal):
        jobs.submit(replace(launch(tree, TRAINS), **said))
    assert hub.requests == []


def test_a_flavor_that_the_hub_does_not_list_is_not_asked_for(hub: StandIn, tree: Path) -> None:
    jobs = hf_jobs.HfJobs({**hub.tier()["options"], "flavor": "h999x8"})
    with pytest.raises(Refused, match="h999x8 is not on the Hub's list"):
        jobs.submit(launch(tree, TRAINS))
    assert hub.requests == []


def test_a_token_is_not_sent_in_the_clear_to_another_machine() -> None:
    with pytest.raises(BadConfig, match="https"):
        open_backend("hf_jobs", {"endpoint": "http://hub.example"})


def test_a_launch_on_the_hub_costs_in_the_books_what_the_hub_billed(
    hub: StandIn, jobs: hf_jobs.HfJobs, workspace: Workspace
) -> None:
    (workspace.root / "golf.toml").write_text("[jobs]\nlease_s = 30\npoll_s = 0.3\n")
    workspace = Workspace(workspace.root)
    tree = workspace.root / "tree"
    tree.mkdir()
    run_id = JobStore(workspace).add("run", "exp", "hf_jobs").id
    options = json.dumps(hub.tier()["options"])
    (key,) = planned(workspace.database, run_id, backend="hf_jobs", options=options)
    book = Leases(workspace.database)
    wanted = Launch(key, book.get(key).owner, tree, TRAINS, {}, ["*.ptz"], 60.0, gpus=8, hourly_usd=40.0)
    output = workspace.root / "train.log"
    done = remote.run(
        workspace, jobs, wanted, output=output, stop_file=workspace.root / "stop", should_stop=lambda: None
    )
    assert done.exit_code == 0 and (tree / "model.ptz").read_text() == "w\n"
    assert output.read_text().startswith("started\n")
    lease = book.get(key)
    assert (lease.state, lease.billed_by, lease.cost) == ("gone", "provider", hub.billed_micro_usd(lease.owner))
