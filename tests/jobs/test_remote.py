"""A launch is followed from asking to the last cent, whatever its provider does on the way."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest
from scene import eventually, planned
from standins import toy

from golf import database
from golf.errors import JobFailed
from golf.jobs import ending, leases, remote, salvage, watchdog
from golf.jobs.backend import BACKENDS, BackendFailed, Remote
from golf.jobs.leases import Leases
from golf.jobs.store import JobStore
from golf.workspace import Workspace

TRAINS = ["sh", "-c", "echo started; echo weights > model.ptz; echo step:1"]
STOPS = ["sh", "-c", 'while [ ! -e "$GOLF_STOP" ]; do sleep 0.1; done; echo early > model.ptz']
STAYS = ["sh", "-c", "trap '' TERM; while :; do sleep 0.2; done"]


class Scene:
    """A workspace with one planned lease, and the toy provider."""

    def __init__(self, workspace: Workspace, provider: Path) -> None:
        self.workspace, self.book = workspace, Leases(workspace.database)
        self.provider = toy.Toy({"folder": provider})
        self.tree = workspace.root / "tree"
        self.tree.mkdir()
        self.store = JobStore(workspace)
        self.record = self.store.add("run", "exp", "toy")
        options = toy.described(provider)
        (self.key,) = planned(workspace.database, self.record.id, options=options, lease_s=2.0)
        self.output = workspace.root / "train.log"
        self.stop = workspace.root / "train.stop"

    def run(self, command: list[str], limit_s: float = 60.0, reason: str | None = None):
        launch = toy.launch(self.key, self.book.get(self.key).owner, self.tree, command, limit_s)
        return remote.run(
            self.workspace, self.provider, launch, output=self.output, stop_file=self.stop,
            should_stop=lambda: reason if reason and self.output.exists() else None,
        )  # fmt: skip

    def started(self, command: list[str]) -> None:
        """A launch that is held, and that nobody follows."""
        self.store.started(self.record.id)
        self.book.asked(self.key, 60.0)
        self.provider.submit(toy.launch(self.key, self.lease.owner, self.tree, command))
        self.book.held(self.key, self.key)

    def forgotten(self) -> None:
        """Its run ends, and has nothing to say of it."""
        self.store.ended(self.record.id, "lost", None, "")

    @property
    def lease(self) -> leases.Lease:
        return self.book.get(self.key)

    @property
    def processes(self) -> int:
        return sum(remote.state != "ended" for remote in self.provider.mine(self.lease.owner))


@pytest.fixture
def scene(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    (workspace.root / "golf.toml").write_text("[jobs]\nlease_s = 2\npoll_s = 0.1\n")
    monkeypatch.setitem(BACKENDS, "toy", "standins.toy:Toy")
    return Scene(Workspace(workspace.root), tmp_path / "provider")


def test_a_launch_that_ends_well_leaves_its_outputs_its_log_and_a_closed_lease(scene: Scene) -> None:
    ended = scene.run(TRAINS)
    assert ended.exit_code == 0 and ended.reason is None
    assert (scene.tree / "model.ptz").read_text() == "weights\n"
    assert scene.output.read_text() == "started\nstep:1\n"
    assert scene.lease.state == "gone" and 0 < scene.lease.cost_usd < 0.6


def test_a_trainer_that_fails_gives_its_exit_code(scene: Scene) -> None:
    assert scene.run(["sh", "-c", "exit 3"]).exit_code == 3
    assert scene.lease.state == "gone"


def test_the_stop_file_ends_training_early_and_its_result_counts(scene: Scene) -> None:
    scene.stop.touch()
    assert scene.run(STOPS).exit_code == 0
    assert (scene.tree / "model.ptz").read_text() == "early\n"


def test_a_reason_to_stop_ends_a_launch_that_ignores_being_asked(scene: Scene) -> None:
    ended = scene.run(["sh", "-c", f"echo on; {STAYS[2]}"], reason="cancelled")
    assert ended.reason == "cancelled"
    assert scene.processes == 0 and scene.lease.state == "gone"


def test_a_launch_is_ended_at_its_limit(scene: Scene) -> None:
    began = time.monotonic()
    ended = scene.run(STAYS, limit_s=1.0)
    assert "over its time limit" in (ended.reason or "") or ended.exit_code in (124, 137)
    assert time.monotonic() - began < 20
    assert scene.processes == 0


def test_what_is_refused_costs_nothing_and_says_why(scene: Scene) -> None:
    scene.provider.fault("capacity")
    with pytest.raises(JobFailed, match="no capacity"):
        scene.run(TRAINS)
    assert (scene.lease.state, scene.lease.cost, scene.lease.may_have_started) == ("gone", 0, False)
    assert "no capacity" in scene.lease.message


def test_what_was_refused_and_comes_all_the_same_is_ended_and_paid_for(scene: Scene) -> None:
    scene.book.asked(scene.key, 60.0)
    scene.book.gone(scene.key, 0.0, "nobody", "refused: no capacity")
    scene.provider.submit(toy.launch(scene.key, scene.lease.owner, scene.tree, STAYS))
    (scene.provider.folder / scene.key / "billed").write_text("0.5")
    assert ending.strays(scene.workspace)
    assert scene.processes == 0
    assert scene.lease.may_have_started and scene.lease.cost_usd == 0.5


def test_a_launch_whose_answer_was_lost_is_found_and_followed(scene: Scene) -> None:
    scene.provider.fault("create_timeout_but_created")
    assert scene.run(TRAINS).exit_code == 0
    assert scene.lease.state == "gone"


def test_an_unanswered_launch_that_is_in_no_listing_keeps_its_lease(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "LOOKING_S", 1.5)
    scene.provider.fault("create_lost")
    with pytest.raises(JobFailed, match="in no listing"):
        scene.run(TRAINS)
    assert scene.lease.state == "asked"  # its money stays set aside
    (scene.workspace.root / "golf.toml").write_text("[jobs]\nsettling_s = 0\n")
    assert ending.end(Workspace(scene.workspace.root), scene.provider, scene.lease, "looked again")
    assert scene.lease.state == "gone" and scene.lease.cost == 0


def test_a_provider_that_cannot_be_reached_keeps_the_lease_open_and_the_next_look_closes_it(scene: Scene) -> None:
    scene.started(STAYS)
    scene.provider.fault("network_lost")
    with pytest.raises(BackendFailed):
        ending.end(scene.workspace, scene.provider, scene.lease, "x")
    scene.forgotten()
    assert not ending.due(scene.workspace)
    assert scene.lease.state == "held"
    scene.provider.fault(None)
    assert ending.due(scene.workspace)
    assert scene.processes == 0 and scene.lease.state == "gone"


def test_a_provider_that_forgets_for_a_moment_keeps_the_launch(scene: Scene) -> None:
    """A look that shows nothing is no end: the listing and further looks decide."""
    scene.started(STAYS)
    scene.provider.fault("forgetful")
    assert not ending.end(scene.workspace, scene.provider, scene.lease, "x")
    assert scene.lease.state == "held"
    scene.provider.fault(None)
    assert ending.end(scene.workspace, scene.provider, scene.lease, "x")
    assert scene.processes == 0


def test_a_lease_that_was_closed_under_a_run_does_not_keep_it_from_ending_its_launch(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a laptop slept while it asked, and the watchdog woke first."""
    submit = scene.provider.submit

    def slept(launch):
        scene.book.gone(launch.key, 0.0, "seconds", "never came")
        return submit(launch)

    monkeypatch.setattr(scene.provider, "submit", slept)
    assert scene.run(TRAINS).exit_code == 0
    assert scene.processes == 0
    assert scene.lease.state == "gone" and scene.lease.cost > 0


def test_a_database_that_cannot_be_written_does_not_keep_a_launch_alive(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bool:
        raise sqlite3.OperationalError("disk I/O error")

    def out_of_room() -> str | None:
        if scene.output.exists():
            for name in ("held", "renew", "gone", "get", "was_seen"):
                monkeypatch.setattr(Leases, name, full)
            return "stopped"
        return None

    launch = toy.launch(scene.key, scene.lease.owner, scene.tree, ["sh", "-c", f"echo on; {STAYS[2]}"])
    owner = scene.lease.owner
    ended = remote.run(
        scene.workspace, scene.provider, launch, output=scene.output, stop_file=scene.stop, should_stop=out_of_room
    )
    assert ended.reason == "stopped"
    assert all(one.state == "ended" for one in scene.provider.mine(owner))


def test_one_broken_connection_does_not_cost_the_result(scene: Scene) -> None:
    scene.provider.fault("fetch_breaks_once")
    assert scene.run(TRAINS).exit_code == 0
    assert (scene.tree / "model.ptz").read_text() == "weights\n"


def test_a_trainer_that_prints_faster_than_we_read_is_followed_to_its_end(scene: Scene) -> None:
    scene.provider.fault("log_trickles")
    ended = scene.run(["sh", "-c", "seq 2000; sleep 4; echo weights > model.ptz"])
    assert ended.exit_code == 0  # its lease is 2 s


def test_a_launch_listed_under_our_tag_that_no_lease_is_for_is_ended(scene: Scene) -> None:
    scene.book.asked(scene.key, 60.0)
    scene.book.gone(scene.key, 0.0, "seconds", "never came")
    scene.provider.submit(toy.launch(scene.key, scene.lease.owner, scene.tree, STAYS))
    assert ending.strays(scene.workspace)
    assert scene.processes == 0


def test_one_odd_answer_does_not_leave_the_other_launches_unwatched(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.book.asked(scene.key, 60.0)
    scene.forgotten()
    monkeypatch.setattr(toy.Toy, "mine", lambda *_: {}["odd"])
    assert not ending.due(scene.workspace)
    monkeypatch.undo()


def test_the_providers_bill_stands_over_our_own_seconds(scene: Scene) -> None:
    scene.run(["sh", "-c", 'echo 0.07 > "$GOLF_METRICS/../billed" 2>/dev/null || echo 0.07 > ../billed'])
    assert scene.lease.cost_usd == 0.07 and scene.lease.billed_by == "provider"


@pytest.mark.parametrize(("beyond_s", "seconds"), [(0.0, 60.0), (300.0, 360.0)])
def test_what_was_found_ended_costs_its_limit_at_most_and_what_is_billed_beyond(
    scene: Scene, beyond_s: float, seconds: float
) -> None:
    scene.provider.beyond_s = beyond_s
    scene.started(["true"])
    eventually(lambda: scene.processes == 0)
    with contextlib.closing(database.connect(scene.workspace.database, leases.TABLES)) as connection:
        connection.execute("UPDATE leases SET asked_at = asked_at - 3600000000")
    assert ending.end(scene.workspace, scene.provider, scene.lease, "x")
    assert scene.lease.cost_usd == pytest.approx(seconds * 0.01)


def test_the_watchdog_ends_what_nobody_looks_after_and_then_itself(scene: Scene) -> None:
    scene.started(STAYS)
    program = (
        "import sys; from pathlib import Path; from golf.jobs import backend, watchdog; "
        "from golf.workspace import Workspace; "
        "backend.BACKENDS['toy'] = 'standins.toy:Toy'; watchdog.watch(Workspace(Path(sys.argv[1])))"
    )
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    dog = subprocess.Popen(
        [sys.executable, "-c", program, str(scene.workspace.root)], env={**os.environ, "PYTHONPATH": path}
    )
    try:
        eventually(lambda: scene.lease.state == "gone", 30)
        assert scene.processes == 0
        scene.forgotten()
        assert dog.wait(20) == 0
    finally:
        dog.kill()
        dog.wait()


def test_only_one_watchdog_looks_at_a_workspace(scene: Scene) -> None:
    with watchdog._lock(scene.workspace) as held:
        assert held is not None
        assert watchdog._lock(scene.workspace) is None
        watchdog.watch(scene.workspace)  # returns at once


def test_a_twin_that_a_repeated_question_made_is_ended_and_a_stranger_is_not(scene: Scene) -> None:
    scene.book.asked(scene.key, 60.0)
    ours = toy.launch(scene.key, scene.lease.owner, scene.tree, STAYS)
    scene.provider.submit(ours)
    scene.provider.submit(toy.launch("caddie-00000000-20261130-120000-abcdef-s1", "00000000", scene.tree, STAYS))
    assert ending.end(scene.workspace, scene.provider, scene.lease, "x")
    assert ending.strays(scene.workspace)
    (stranger,) = scene.provider.mine("00000000")
    assert stranger.state == "running"
    scene.provider.end(stranger.id)


def test_what_ended_well_and_was_forgotten_is_fetched_before_it_is_ended(scene: Scene) -> None:
    scene.started(TRAINS)
    eventually(lambda: (seen := scene.provider.poll(scene.key)) is not None and seen.exit_code == 0)
    assert ending.due(scene.workspace, is_forgotten=lambda lease: True)
    kept = salvage.folder(scene.workspace, scene.record.id, 1)
    assert (kept / "model.ptz").read_text() == "weights\n" and scene.lease.state == "gone"


def test_of_two_who_end_the_same_launch_one_leaves_it_to_the_other(scene: Scene) -> None:
    scene.started(STAYS)
    scene.forgotten()
    with ending._alone(scene.workspace, scene.lease) as is_mine:
        assert is_mine
        assert not ending.due(scene.workspace)
        assert scene.processes == 1 and scene.lease.state == "held"
    assert ending.due(scene.workspace)
    assert scene.processes == 0 and scene.lease.state == "gone"


def test_a_watchdog_that_cannot_end_anything_makes_room_for_another(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "FAILING_S", 0.5)
    scene.started(STAYS)
    scene.forgotten()
    scene.provider.fault("network_lost")
    dog = threading.Thread(target=watchdog.watch, args=(scene.workspace,))
    dog.start()
    eventually(lambda: is_watched(scene.workspace))
    eventually(lambda: not is_watched(scene.workspace))  # between two of its looks
    with contextlib.closing(locked(scene.workspace)):
        dog.join(20)
        assert not dog.is_alive() and scene.lease.state == "held"
    scene.provider.fault(None)
    watchdog.watch(scene.workspace)
    assert scene.processes == 0 and scene.lease.state == "gone"


def is_watched(workspace: Workspace) -> bool:
    lock = watchdog._lock(workspace)
    if lock is not None:
        lock.close()
    return lock is None


def locked(workspace: Workspace) -> IO[bytes]:
    """The watchdog's lock, as soon as it is free."""
    found: list[IO[bytes]] = []
    eventually(lambda: found or found.extend([lock] if (lock := watchdog._lock(workspace)) else []) or found)
    return found[0]


def test_a_lease_that_is_asked_for_while_the_watchdog_looks_keeps_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def and_then_asked(look):
        def looked(book: Leases):
            found = look(book)
            if scene.lease.state == "planned":
                scene.book.asked(scene.key, 60.0)
            return found

        return looked

    for name in ("planned", "open"):
        monkeypatch.setattr(Leases, name, and_then_asked(getattr(Leases, name)))
    assert watchdog._is_needed(scene.workspace)


def test_a_lease_holds_for_the_time_it_was_given_whatever_golf_toml_has_become(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(watchdog, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    (scene.workspace.root / "golf.toml").write_text("[jobs]\nlease_s = 1000\n")
    memory = watchdog._Memory()
    assert not memory.is_forgotten(scene.book.asked(scene.key, 60.0))
    clock[0] += 1.9
    assert not memory.is_forgotten(scene.lease)
    clock[0] += 0.2
    assert memory.is_forgotten(scene.lease)
    scene.book.renew(scene.key)
    assert not memory.is_forgotten(scene.lease)


def test_a_fetch_that_takes_longer_than_a_lease_holds_is_not_taken_for_a_death(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, fetch, forgotten = watchdog._Memory(), scene.provider.fetch, []

    def slow(*arguments) -> None:
        deadline = time.monotonic() + 2 * scene.lease.lease_s
        while time.monotonic() < deadline:
            forgotten.append(memory.is_forgotten(scene.lease))
            time.sleep(0.1)
        fetch(*arguments)

    monkeypatch.setattr(scene.provider, "fetch", slow)
    assert scene.run(TRAINS).exit_code == 0
    assert forgotten and not any(forgotten)


def test_a_launch_that_ended_well_during_an_outage_that_outlasts_its_limit_counts(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll, back_at = scene.provider.poll, time.monotonic() + 4.0

    def later(remote_id: str):
        if time.monotonic() < back_at:
            raise BackendFailed("the network is down")
        return poll(remote_id)

    monkeypatch.setattr(scene.provider, "poll", later)
    ended = scene.run(TRAINS, limit_s=3.0)
    assert (ended.exit_code, ended.reason) == (0, None)
    assert (scene.tree / "model.ptz").read_text() == "weights\n"


@pytest.mark.parametrize(("unseen", "is_listed"), [(remote.UNSEEN - 1, False), (3 * remote.UNSEEN, True)])
def test_a_launch_that_a_few_looks_do_not_show_is_followed_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, unseen: int, is_listed: bool
) -> None:
    poll, mine, looks = scene.provider.poll, scene.provider.mine, []

    def forgetful(remote_id: str):
        looks.append(remote_id)
        return poll(remote_id) if len(looks) == 1 or len(looks) > 1 + unseen else None

    monkeypatch.setattr(scene.provider, "poll", forgetful)

    def listed(owner: str) -> list[Remote]:
        return [Remote(scene.key, scene.key, "running")] if is_listed and len(looks) <= 1 + unseen else mine(owner)

    monkeypatch.setattr(scene.provider, "mine", listed)
    assert scene.run(["sh", "-c", "sleep 2; echo weights > model.ptz"]).exit_code == 0
    assert len(looks) > unseen


def test_a_launch_that_neither_looks_nor_listing_show_is_gone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene.provider, "poll", lambda remote_id: None)
    monkeypatch.setattr(scene.provider, "mine", lambda owner: [])
    with pytest.raises(JobFailed, match="without an exit code"):
        scene.run(["sleep", "20"])
    monkeypatch.undo()
    scene.provider.end(scene.key)
