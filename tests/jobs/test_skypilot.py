"""Launches on SkyPilot: a `sky` on PATH that really runs a task's job, and the real package to read the task file."""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from scene import eventually, planned
from standins.skypilot import StandIn

from golf.jobs import remote, skypilot
from golf.jobs.backend import BackendFailed, Launch, Refused, Remote, Uncertain
from golf.jobs.leases import Leases
from golf.jobs.store import JobStore
from golf.workspace import Workspace

OWNER = secrets.token_hex(4)  # processes of a machine are found by it: tests run side by side
KEY = f"caddie-{OWNER}-run-s1"
TRAINS = ["sh", "-c", "echo started; echo w >model.ptz; echo $LR; cat train_gpt.py; exit ${CODE:-0}"]
WAITS = ["sh", "-c", 'echo started; while [ ! -e "$GOLF_STOP" ]; do sleep 0.1; done; echo early >model.ptz']
STAYS = ["sh", "-c", "trap '' TERM; echo started; while :; do sleep 0.2; done"]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with StandIn() as standin:
        for name, value in standin.env.items():
            monkeypatch.setenv(name, value)
        yield standin


@pytest.fixture
def jobs(cloud: StandIn) -> skypilot.SkyPilot:
    return skypilot.SkyPilot(cloud.tier()["options"])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "train_gpt.py").write_text("print('it''s $HOME')\n")
    return folder


def launch(tree: Path, command: list[str], limit_s: float = 60.0, **env: str) -> Launch:
    return Launch(KEY, OWNER, tree, command, env, ["*.ptz"], limit_s, gpus=8)


def done(jobs: skypilot.SkyPilot) -> Remote:
    def is_done() -> bool:
        seen = jobs.poll(KEY)
        return seen is not None and seen.is_done

    eventually(is_done, 30)
    seen = jobs.poll(KEY)
    assert seen is not None
    return seen


def running(jobs: skypilot.SkyPilot) -> None:
    def is_printing() -> bool:
        seen = jobs.poll(KEY)
        return seen is not None and seen.state == "running" and b"started\n" in jobs.log(KEY, 0)

    eventually(is_printing, 30)


def test_a_launch_becomes_a_cluster_whose_log_outputs_and_exit_code_are_read_by_ssh(
    cloud: StandIn, jobs: skypilot.SkyPilot, tree: Path, tmp_path: Path
) -> None:
    assert jobs.submit(launch(tree, TRAINS, LR="3e-4", CODE="7")) == KEY
    first = jobs.poll(KEY)
    assert first is not None and first.state == "starting"
    last = done(jobs)
    assert (last.state, last.exit_code, last.cost_usd) == ("running", 7, None)  # the machine is still there
    log = jobs.log(KEY, 0)
    assert log == b"started\n3e-4\nprint('it''s $HOME')\n" and jobs.log(KEY, 8) == log[8:]
    jobs.fetch(KEY, tmp_path, ["*.ptz"])
    assert (tmp_path / "model.ptz").read_text() == "w\n"
    jobs.end(KEY)
    assert jobs.poll(KEY) is None and not cloud.is_alive(KEY)


def test_a_cluster_is_taken_down_by_its_own_agent_when_nobody_looks(
    cloud: StandIn, jobs: skypilot.SkyPilot, tree: Path
) -> None:
    jobs.submit(launch(tree, STAYS, 1.0))  # ended by its own script at its limit, then idle
    eventually(lambda: cloud.is_alive(KEY), 10)
    eventually(lambda: not cloud.is_alive(KEY), 30)
    assert jobs.poll(KEY) is None


def test_a_stop_file_ends_a_trainer_with_its_result(cloud: StandIn, jobs: skypilot.SkyPilot, tree: Path) -> None:
    jobs.submit(launch(tree, WAITS))
    running(jobs)
    assert jobs.ask_to_stop(KEY)
    assert done(jobs).exit_code == 0


def test_ending_a_launch_that_has_no_cluster_yet_takes_its_request_back(
    cloud: StandIn, jobs: skypilot.SkyPilot, tree: Path
) -> None:
    jobs.submit(launch(tree, STAYS))
    jobs.end(KEY)

    def is_gone() -> bool:
        jobs.end(KEY)
        return jobs.poll(KEY) is None

    eventually(is_gone, 20)
    time.sleep(1.0)  # longer than a cluster takes to appear
    assert cloud.alive(OWNER) == []
    jobs.end(KEY)


def test_an_unanswered_launch_is_found_by_its_name_and_a_foreign_cluster_is_not(
    cloud: StandIn, jobs: skypilot.SkyPilot, tree: Path
) -> None:
    foreign = cloud.plant_foreign()
    cloud.fault("create_timeout_but_created")
    with pytest.raises(Uncertain):
        jobs.submit(launch(tree, STAYS))
    cloud.fault(None)
    fresh = skypilot.SkyPilot(cloud.tier()["options"])
    assert [(one.id, one.key) for one in fresh.mine(OWNER)] == [(KEY, KEY)]
    eventually(lambda: cloud.is_alive(KEY), 10)
    assert [one.id for one in fresh.mine(OWNER)] == [KEY] and fresh.mine("ab1") == []
    fresh.end(KEY)
    assert cloud.alive(OWNER) == [] and cloud.is_alive(foreign)


def test_a_sky_that_hangs_is_left_and_whether_it_launched_is_not_known(
    cloud: StandIn, jobs: skypilot.SkyPilot, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cloud.root / "faults" / "create_hangs").touch()
    monkeypatch.setattr(skypilot, "CALL_S", 2.0)
    began = time.monotonic()
    with pytest.raises(Uncertain, match="did not answer in time"):
        jobs.submit(launch(tree, STAYS))
    assert time.monotonic() - began < 5


def test_a_cluster_of_our_name_with_another_owners_label_is_not_ours(
    cloud: StandIn, jobs: skypilot.SkyPilot, tree: Path
) -> None:
    jobs.submit(launch(tree, STAYS))
    running(jobs)
    record = cloud.clusters()[KEY]
    (cloud.root / "clusters" / f"{KEY}.json").write_text(json.dumps({**record, "labels": {"caddie-owner": "zz"}}))
    assert jobs.mine(OWNER) == []


@pytest.mark.parametrize("pattern", ["caddie-*", "*", "--all", "a b"])
def test_a_name_that_sky_would_take_for_many_clusters_never_reaches_it(
    cloud: StandIn, jobs: skypilot.SkyPilot, pattern: str
) -> None:
    for ask in (jobs.end, jobs.poll):
        with pytest.raises(Refused, match="no key of a launch"):
            ask(pattern)


def test_a_launch_without_capacity_has_ended_and_says_where_to_look(
    cloud: StandIn, jobs: skypilot.SkyPilot, tree: Path
) -> None:
    cloud.fault("capacity")
    jobs.submit(launch(tree, TRAINS))
    last = done(jobs)
    assert last.state == "ended" and last.exit_code is None and "sky api logs" in last.message


def test_nothing_is_asked_of_an_engine_that_does_not_answer(
    cloud: StandIn, jobs: skypilot.SkyPilot, tree: Path
) -> None:
    cloud.fault("network_lost")
    with pytest.raises(Refused, match="sky api start"):
        jobs.submit(launch(tree, TRAINS))
    cloud.fault(None)
    assert cloud.requests() == []


@pytest.mark.parametrize("fault", ["network_lost", "http_500"])
def test_an_engine_that_does_not_answer_is_a_failure_and_not_an_ended_launch(
    cloud: StandIn, jobs: skypilot.SkyPilot, tree: Path, fault: str
) -> None:
    jobs.submit(launch(tree, STAYS))
    eventually(lambda: cloud.clusters().get(KEY, {}).get("status") == "UP", 10)
    cloud.fault(fault)
    with pytest.raises(BackendFailed):
        jobs.poll(KEY)
    with pytest.raises(BackendFailed):
        jobs.end(KEY)
    with pytest.raises(BackendFailed):
        jobs.mine(OWNER)
    cloud.fault(None)
    seen = jobs.poll(KEY)
    assert seen is not None and seen.state == "running"


def test_an_engine_that_fails_has_started_nothing_if_it_then_knows_of_nothing(
    cloud: StandIn, jobs: skypilot.SkyPilot, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = cloud.root / "bin" / "odd"
    odd.write_text('#!/bin/sh\n[ "$1" != launch ] || { echo "no cloud is enabled" >&2; exit 1; }\nexec sky "$@"\n')
    odd.chmod(0o755)
    with pytest.raises(Refused, match="no cloud is enabled"):
        skypilot.SkyPilot({"sky": str(odd)}).submit(launch(tree, TRAINS))
    assert cloud.alive(OWNER) == []


def test_a_log_that_breaks_is_read_again_from_where_it_broke(
    cloud: StandIn, jobs: skypilot.SkyPilot, tree: Path
) -> None:
    jobs.submit(launch(tree, TRAINS))
    done(jobs)
    cloud.fault("log_breaks")
    with pytest.raises(BackendFailed):
        jobs.log(KEY, 8)
    cloud.fault(None)
    assert jobs.log(KEY, 0).startswith(b"started\n")


def test_without_sky_the_refusal_says_how_to_install_it(tree: Path) -> None:
    with pytest.raises(Refused, match="uv tool install"):
        skypilot.SkyPilot({"sky": "/nowhere/sky"}).submit(launch(tree, TRAINS))


def test_no_error_tells_a_key_of_the_environment(cloud: StandIn, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rp-verysecretvalue")
    loud = cloud.root / "bin" / "loud"
    loud.write_text('#!/bin/sh\necho "401 for $RUNPOD_API_KEY" >&2\nexit 1\n')
    loud.chmod(0o755)
    with pytest.raises(BackendFailed, match=r"401 for \[RUNPOD_API_KEY\]") as caught:
        skypilot.SkyPilot({"sky": str(loud)}).mine(OWNER)
    assert "verysecret" not in str(caught.value)


def test_a_launch_is_followed_to_its_end_and_its_cluster_is_gone(
    cloud: StandIn, jobs: skypilot.SkyPilot, workspace: Workspace
) -> None:
    (workspace.root / "golf.toml").write_text("[jobs]\nlease_s = 30\npoll_s = 0.3\n")
    workspace = Workspace(workspace.root)
    tree = workspace.root / "tree"
    tree.mkdir()
    (tree / "train_gpt.py").write_text("trained\n")
    run_id = JobStore(workspace).add("run", "exp", "skypilot").id
    options = json.dumps(cloud.tier()["options"])
    (key,) = planned(workspace.database, run_id, backend="skypilot", options=options)
    book = Leases(workspace.database)
    wanted = Launch(key, book.get(key).owner, tree, TRAINS, {}, ["*.ptz"], 60.0, gpus=8)
    output = workspace.root / "train.log"
    ended = remote.run(
        workspace, jobs, wanted, output=output, stop_file=workspace.root / "stop", should_stop=lambda: None
    )
    assert ended.exit_code == 0 and (tree / "model.ptz").read_text() == "w\n"
    assert output.read_text() == "started\n\ntrained\n"
    lease = book.get(key)
    assert (lease.state, lease.billed_by) == ("gone", "seconds") and cloud.alive(lease.owner) == []


def test_the_task_file_is_what_the_real_skypilot_reads(jobs: skypilot.SkyPilot, tree: Path, tmp_path: Path) -> None:
    """Set CADDIE_SKY_PYTHON to an interpreter with skypilot>=0.14 (459 MB, so not by default)."""
    python = os.environ.get("CADDIE_SKY_PYTHON", "")
    if not python:
        pytest.skip("the package skypilot is not installed here; name an interpreter that has it in CADDIE_SKY_PYTHON")
    file = tmp_path / "task.yaml"
    file.write_text(yaml.safe_dump(jobs.task(launch(tree, TRAINS)), sort_keys=False))
    read = (
        "import json, sys, sky; task = sky.Task.from_yaml(sys.argv[1]); "
        "print('READ ' + json.dumps([task.name, task.workdir, task.run, sorted([str(r.cloud), r.accelerators, "
        "r.labels, r.autostop_config.to_yaml_config()] for r in task.resources)]))"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}
    shown = subprocess.run([python, "-c", read, file], capture_output=True, text=True, env=environment, timeout=120)
    assert shown.returncode == 0, shown.stderr
    name, workdir, run, resources = json.loads(shown.stdout.rpartition("READ ")[2])
    labels = {"caddie-owner": OWNER, "caddie-key": KEY}
    autostop = {"idle_minutes": 1, "down": True, "wait_for": "jobs"}
    assert (name, workdir) == (KEY, str(tree)) and "timeout --kill-after=10 60 sh ./run.sh" in run
    assert resources == [[cloud, {"H100": 8}, labels, autostop] for cloud in ("Lambda", "RunPod")]
