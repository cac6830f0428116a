"""A pod runs its launch once, costs what RunPod says, and is gone whatever happens to us."""

import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from scene import eventually
from standins.runpod import StandIn
from standins.ssh import free_port, make_key

from golf.errors import BadConfig, GolfError
from golf.jobs import runpod
from golf.jobs.backend import BackendFailed, Launch, Refused, Remote, Uncertain, open_backend
from golf.jobs.runpod import RunPod

OWNER = secrets.token_hex(4)  # processes of a machine are found by it: tests run side by side
KEY = f"caddie-{OWNER}-20260101t000000-s1"
WAITS = "import time; print('up', flush=True); time.sleep(600)"
WRITES = "import pathlib, os; pathlib.Path('model.bin').write_bytes(b'weights'); print('seed', os.environ['SEED'])"


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with StandIn() as one:
        monkeypatch.setenv("RUNPOD_API_KEY", one.api_key)
        yield one


def playing(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> StandIn:
    one = StandIn(**changes)
    monkeypatch.setenv("RUNPOD_API_KEY", one.api_key)
    return one


def launch(tmp_path: Path, code: str = WAITS, **changes: Any) -> Launch:
    tree = tmp_path / "tree"
    tree.mkdir(exist_ok=True)
    command = ["{python}", "-c", code]
    one = Launch(KEY, OWNER, tree, command, {"SEED": "7"}, ["*.bin"], time_limit_s=120.0, gpus=8)
    return replace(one, **changes)


def polled(backend: RunPod, remote_id: str) -> Remote:
    remote = backend.poll(remote_id)
    assert remote is not None
    return remote


def is_up(backend: RunPod, remote_id: str) -> bool:
    backend.poll(remote_id)
    try:
        return b"up" in backend.log(remote_id, 0)
    except BackendFailed:  # its sshd does not listen yet
        return False


def tried(act: Any) -> GolfError:
    with pytest.raises(BackendFailed) as caught:
        act()
    return caught.value


def test_a_launch_runs_on_its_pod_comes_back_and_is_billed_boot_included(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with playing(monkeypatch, boot_s=1.0) as provider:
        backend = RunPod(provider.options)
        remote_id = backend.submit(launch(tmp_path, WRITES))
        assert polled(backend, remote_id).state == "starting" and backend.log(remote_id, 0) == b""
        eventually(lambda: polled(backend, remote_id).is_done)
        done = polled(backend, remote_id)
        assert (done.state, done.exit_code, done.key) == ("running", 0, KEY)
        assert backend.log(remote_id, 0) == b"seed 7\n"
        to = tmp_path / "back"
        to.mkdir()
        backend.fetch(remote_id, to, ["*.bin"])
        assert [path.name for path in to.iterdir()] == ["model.bin"]
        backend.end(remote_id)
        gone = polled(backend, remote_id)
        assert (gone.state, gone.key) == ("ended", KEY)
        assert (
            gone.cost_usd == pytest.approx((provider.billed_micro_usd(OWNER) or 0) / 1e6)
            and provider.alive(OWNER) == []
        )
        backend.end(remote_id)


def test_the_create_asks_for_the_challenges_template_on_eight_h100_and_states_the_limit(
    provider: StandIn, tmp_path: Path
) -> None:
    RunPod(provider.options).submit(launch(tmp_path))
    asked = provider.creates[0]
    assert (asked["templateId"], asked["gpuTypeId"], asked["gpuCount"]) == ("y5cejece4j", "NVIDIA H100 80GB HBM3", 8)
    assert (asked["name"], asked["cloudType"], asked["ports"]) == (KEY, "SECURE", "22/tcp")
    assert "'" not in asked["dockerArgs"][len("bash -c '") : -1]
    assert not any(name in str(asked) for name in (provider.api_key, str(tmp_path)))


@pytest.mark.parametrize("offset_s", [3600.0, -3600.0])
def test_the_limit_counts_from_the_servers_clock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, offset_s: float
) -> None:
    with playing(monkeypatch, clock_offset_s=offset_s, boots=False) as provider:
        RunPod(provider.options).submit(launch(tmp_path, time_limit_s=600.0))
        ends = datetime.fromisoformat(provider.creates[0]["terminateAfter"])
        assert (ends - datetime.fromtimestamp(provider.now(), UTC)).total_seconds() == pytest.approx(600, abs=5)


def test_runpod_ends_the_pod_at_its_limit_with_our_clock_an_hour_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with playing(monkeypatch, clock_offset_s=3600.0) as provider:
        backend = RunPod(provider.options)
        remote_id = backend.submit(launch(tmp_path, time_limit_s=6.0))
        eventually(lambda: is_up(backend, remote_id) or not provider.is_alive(remote_id))
        began = time.monotonic()
        eventually(lambda: not provider.is_alive(remote_id))
        assert time.monotonic() - began < 8
        assert polled(backend, remote_id).state == "ended"


def test_the_pod_ends_itself_where_runpod_forgets_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with playing(monkeypatch, enforces_limit=False) as provider:
        remote_id = RunPod(provider.options).submit(launch(tmp_path, time_limit_s=1.0))
        eventually(lambda: not provider.is_alive(remote_id))
        assert ("DELETE", f"/v2/pods/{remote_id}") in provider.requests


def test_a_pod_that_never_boots_is_still_starting_and_can_be_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with playing(monkeypatch, boots=False) as provider:
        backend = RunPod(provider.options)
        remote_id = backend.submit(launch(tmp_path))
        assert polled(backend, remote_id).state == "starting"
        assert "cannot be reached" in str(tried(lambda: backend.fetch(remote_id, tmp_path, ["*"])))
        assert not backend.ask_to_stop(remote_id)
        backend.end(remote_id)
        assert provider.alive(OWNER) == [] and polled(backend, remote_id).cost_usd is not None


def test_submitting_a_key_again_finds_its_pod_and_starts_its_command_once(provider: StandIn, tmp_path: Path) -> None:
    one = launch(tmp_path, "print('began', flush=True); import time; time.sleep(600)")
    first = RunPod(provider.options)
    remote_id = first.submit(one)
    second = RunPod(provider.options)  # after a crash: another process
    assert polled(second, remote_id).state == "starting"
    assert second.submit(one) == remote_id and len(provider.creates) == 1
    eventually(lambda: provider.pods[remote_id].sshd)

    def follow(backend: RunPod) -> None:
        eventually(lambda: backend.poll(remote_id) and b"began" in backend.log(remote_id, 0))

    threads = [threading.Thread(target=follow, args=(backend,)) for backend in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert first.log(remote_id, 0).count(b"began") == 1
    assert polled(RunPod(provider.options), remote_id).state == "running"


def test_a_process_that_does_not_know_the_launch_looks_and_starts_nothing(provider: StandIn, tmp_path: Path) -> None:
    remote_id = RunPod(provider.options).submit(launch(tmp_path))
    eventually(lambda: provider.pods[remote_id].sshd)
    other = RunPod(provider.options)
    eventually(lambda: "not started" in polled(other, remote_id).message)
    assert [remote.id for remote in other.mine(OWNER)] == [remote_id]


def test_a_create_that_was_not_answered_is_uncertain_and_found_by_its_key(provider: StandIn, tmp_path: Path) -> None:
    provider.fault("create_timeout_but_created")
    backend = RunPod(provider.options)
    with pytest.raises(Uncertain):
        backend.submit(launch(tmp_path, WRITES))
    assert len(provider.creates) == 1, "a create is not repeated"
    provider.fault(None)
    found = [remote for remote in backend.mine(OWNER) if remote.key == KEY]
    assert [remote.id for remote in found] == provider.alive(OWNER)
    eventually(lambda: polled(backend, found[0].id).exit_code == 0)


def test_want_of_capacity_is_refused_and_nothing_is_there(provider: StandIn, tmp_path: Path) -> None:
    provider.fault("capacity")
    with pytest.raises(Refused, match="no longer any instances"):
        RunPod(provider.options).submit(launch(tmp_path))
    assert provider.alive(OWNER) == []


def test_a_half_made_pod_is_ours_by_its_name_and_starting(provider: StandIn, tmp_path: Path) -> None:
    provider.fault("half_created")
    backend = RunPod(provider.options)
    remote_id = backend.submit(launch(tmp_path, WRITES))
    assert [(remote.id, remote.key, remote.state) for remote in backend.mine(OWNER)] == [(remote_id, KEY, "starting")]
    assert polled(backend, remote_id).state == "starting"
    eventually(lambda: polled(backend, remote_id).exit_code == 0)


def test_pods_of_others_are_never_ours(provider: StandIn, tmp_path: Path) -> None:
    backend = RunPod(provider.options)
    foreign = [
        provider.plant_foreign(),
        provider.plant_foreign(KEY, {"CADDIE_OWNER": "0badf00d", "CADDIE_KEY": KEY}),
        provider.plant_foreign(KEY, {"WANDB_MODE": "offline"}),
        provider.plant_foreign(f"{KEY}-copy", {}),
        provider.plant_foreign(f"my-{KEY}", {}),
        provider.plant_foreign(f"caddie-{OWNER}", {}),
    ]
    assert backend.mine(OWNER) == []
    mine = backend.submit(launch(tmp_path))
    assert mine not in foreign and [remote.id for remote in backend.mine(OWNER)] == [mine]
    backend.end(mine)
    assert all(provider.is_alive(remote_id) for remote_id in foreign)


def test_servers_errors_are_waited_out_and_then_said(provider: StandIn, tmp_path: Path) -> None:
    backend = RunPod(provider.options)
    remote_id = backend.submit(launch(tmp_path))
    provider.fault("http_500")
    for act in (lambda: backend.poll(remote_id), lambda: backend.mine(OWNER), lambda: backend.end(remote_id)):
        assert "answered 500" in str(tried(act))
    with pytest.raises(Refused, match="nothing was asked"):
        backend.submit(launch(tmp_path, key=f"{KEY}2"))
    provider.fault("http_429")
    eventually(lambda: is_up(backend, remote_id))
    backend.end(remote_id)
    assert provider.alive(OWNER) == []


def test_a_create_that_meets_a_5xx_is_uncertain(
    provider: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = RunPod(provider.options)
    create = backend._client.create

    def on_a_bad_day(asked: dict[str, Any], until: float) -> str:
        provider.fault("http_500")
        return create(asked, until)

    monkeypatch.setattr(backend._client, "create", on_a_bad_day)
    with pytest.raises(Uncertain, match="answered 500"):
        backend.submit(launch(tmp_path))
    assert provider.requests.count(("POST", "/graphql")) == 1


def test_a_lost_network_is_no_answer(provider: StandIn, tmp_path: Path) -> None:
    backend = RunPod(provider.options)
    remote_id = backend.submit(launch(tmp_path))
    eventually(lambda: is_up(backend, remote_id))
    provider.fault("network_lost")
    for act in (lambda: backend.poll(remote_id), lambda: backend.log(remote_id, 0), lambda: backend.end(remote_id)):
        tried(act)
    assert provider.alive(OWNER) == [remote_id]
    provider.fault(None)
    assert polled(backend, remote_id).state == "running"


def test_nothing_is_asked_for_where_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_x")
    backend = RunPod({"endpoint": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(Refused, match="cannot be reached"):
        backend.submit(launch(tmp_path))


def test_a_slow_provider_is_waited_for(provider: StandIn, tmp_path: Path) -> None:
    provider.fault("slow")
    backend = RunPod(provider.options)
    remote_id = backend.submit(launch(tmp_path, WRITES))
    eventually(lambda: polled(backend, remote_id).exit_code == 0)


def test_a_bill_that_is_not_whole_yet_is_not_believed(provider: StandIn, tmp_path: Path) -> None:
    backend = RunPod(provider.options)
    remote_id = backend.submit(launch(tmp_path))
    eventually(lambda: is_up(backend, remote_id))
    provider.bill_is_late = True
    backend.poll(remote_id)
    backend.end(remote_id)
    assert backend.poll(remote_id) is None
    provider.bill_is_late = False
    assert polled(backend, remote_id).cost_usd == pytest.approx((provider.billed_micro_usd(OWNER) or 0) / 1e6)


def test_a_pod_that_will_not_let_us_in_is_given_up(provider: StandIn, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    make_key(stranger)
    stranger.with_suffix(".pub").unlink()  # so the pod is not told of it
    backend = RunPod({**provider.options, "identity": str(stranger)})
    remote_id = backend.submit(launch(tmp_path))
    eventually(lambda: polled(backend, remote_id).is_done)
    remote = polled(backend, remote_id)
    assert (remote.state, remote.exit_code) == ("running", runpod.LOST) and "refused the login" in remote.message


def test_a_pod_can_be_looked_at_and_ended_from_where_no_ssh_is_installed(
    provider: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = RunPod(provider.options)
    remote_id = backend.submit(launch(tmp_path))
    eventually(lambda: is_up(backend, remote_id))
    monkeypatch.setenv("PATH", str(tmp_path))
    remote = polled(RunPod(provider.options), remote_id)
    assert remote.state == "starting" and "ssh could not be started" in remote.message
    with pytest.raises(Refused, match="ssh is not installed here"):
        backend.submit(launch(tmp_path, key=f"{KEY}2"))
    backend.end(remote_id)
    assert provider.alive(OWNER) == []


def test_a_tree_that_cannot_be_sent_is_given_up(provider: StandIn, tmp_path: Path) -> None:
    backend = RunPod(provider.options)
    remote_id = backend.submit(launch(tmp_path, tree=tmp_path / "gone"))
    eventually(lambda: polled(backend, remote_id).is_done)
    assert polled(backend, remote_id).exit_code == runpod.LOST


def test_a_wrong_or_missing_key_is_refused_by_name_and_never_shown(
    provider: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = RunPod(provider.options)
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_wrong_secret")
    with pytest.raises(Refused, match="RUNPOD_API_KEY") as caught:
        backend.submit(launch(tmp_path))
    assert "rpa_wrong_secret" not in str(caught.value)
    monkeypatch.delenv("RUNPOD_API_KEY")
    with pytest.raises(Refused, match="RUNPOD_API_KEY is not set"):
        backend.submit(launch(tmp_path))


def test_the_key_is_in_no_error_log_repr_record_or_process_list(
    provider: StandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = provider.api_key
    listed: list[str] = []
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.02):
            for process in psutil.process_iter():
                try:
                    listed.append("\0".join(process.cmdline()))
                except psutil.Error:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with caplog.at_level(logging.DEBUG):
            backend = RunPod(provider.options)
            remote_id = backend.submit(
                launch(tmp_path, "import os; print(sorted(os.environ.items()))", time_limit_s=20.0)
            )
            eventually(lambda: polled(backend, remote_id).is_done)
            printed = backend.log(remote_id, 0).decode()
            pod_key = provider.pods[remote_id].key
            provider.enforces_limit = False
            eventually(lambda: not provider.is_alive(remote_id))  # by its own dead-man switch
            provider.fault("http_500")
            error = tried(lambda: backend.poll(remote_id))
    finally:
        is_over.set()
        watcher.join()
    chain = []
    while error is not None:
        chain.append(repr(error))
        error = error.__cause__
    shown = [*chain, caplog.text, repr(backend), repr(backend.settings), str(backend.plan(launch(tmp_path))), printed]
    assert not any(secret in text for text in shown + listed)
    assert not any(pod_key in text for text in listed)
    assert secret not in str(provider.creates)


@pytest.mark.parametrize("endpoint", ["http://api.runpod.io", "ftp://127.0.0.1", "http://127.0.0.1.evil.org", "x", ""])
def test_a_key_goes_nowhere_unsafe(endpoint: str) -> None:
    with pytest.raises(BadConfig, match="https"):
        open_backend("runpod", {"endpoint": endpoint})


@pytest.mark.parametrize("remote_id", ["../billing", "a/b", "a?b", "", "a b", "x" * 65])
def test_an_id_that_is_none_is_put_into_no_url(provider: StandIn, remote_id: str) -> None:
    backend = RunPod(provider.options)
    for act in (lambda: backend.end(remote_id), lambda: backend.poll(remote_id)):
        assert "no id of a pod" in str(tried(act))
    assert provider.requests == []


def test_a_plan_says_what_would_be_asked_without_secrets(provider: StandIn, tmp_path: Path) -> None:
    plan = RunPod(provider.options).plan(launch(tmp_path))
    assert plan["podFindAndDeployOnDemand"]["gpuCount"] == 8
    assert plan["podFindAndDeployOnDemand"]["terminateAfter"].startswith("120 s")
    assert provider.requests == [] and provider.api_key not in str(plan) and os.environ["RUNPOD_API_KEY"]
