"""A launch on a real cluster: one node of Debian's Slurm, started here."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scene import eventually, on_course
from standins.slurm import StandIn

from golf.errors import BadConfig, MissingPackage
from golf.jobs.backend import BackendFailed, Launch, Refused, Remote, Uncertain, open_backend
from golf.jobs.leases import Leases
from golf.jobs.local import LocalJobs
from golf.jobs.slurm import Slurm
from golf.play import experiments, start
from golf.workspace import Workspace

OWNER = "ab12cd34"
ENDURES = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
STOPS = (
    "import os, time; print('up', flush=True)\n"
    "while not os.path.exists(os.environ['GOLF_STOP']): time.sleep(0.05)\n"
    "open('result.txt', 'w').write('early')"
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[StandIn]:
    """Two launches at once; tests end what they start, and share it."""
    with StandIn(cpus=2) as standin:
        yield standin


class Scene:
    """A login node, and launches of one line of Python each."""

    def __init__(self, cluster: StandIn, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster, self.folder = cluster, folder
        for name, value in cluster.env.items():
            monkeypatch.setenv(name, value)
        self.backend = self.opened()
        self._count = 0

    def opened(self, **options: Any) -> Slurm:
        return Slurm({**self.cluster.tier()["options"], "folder": str(self.folder / "shared"), **options})

    def launch(self, code: str, *, limit_s: float = 120.0, gpus: int = 0, **settings: str) -> Launch:
        self._count += 1
        tree = self.folder / f"tree{self._count}"
        tree.mkdir()
        (tree / "train.py").write_text(code)
        return Launch(
            key=f"caddie-{OWNER}-{os.urandom(4).hex()}-s{self._count}", owner=OWNER, tree=tree,
            command=["{python}", "-u", "train.py"], env=settings, outputs=["result*.txt", "logs/*"],
            time_limit_s=limit_s, gpus=gpus,
        )  # fmt: skip

    def seen(self, remote_id: str) -> Remote:
        remote = self.backend.poll(remote_id)
        assert remote is not None
        return remote

    def ended(self, remote_id: str) -> Remote:
        eventually(lambda: self.seen(remote_id).state == "ended", 30)
        return self.seen(remote_id)

    def is_up(self, remote_id: str) -> bool:
        return b"up" in self.backend.log(remote_id, 0)


@pytest.fixture
def scene(cluster: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    made = Scene(cluster, tmp_path, monkeypatch)
    yield made
    cluster.fault(None)
    for remote in made.backend.mine(OWNER):
        if remote.state != "ended":
            made.backend.end(remote.id)
    eventually(lambda: not cluster.alive(OWNER), 30)


def test_a_launch_runs_in_its_tree_and_its_outputs_come_back(scene: Scene) -> None:
    code = (
        "import os, pathlib; print('one'); print('two'); pathlib.Path('logs').mkdir(); "
        "pathlib.Path('logs/a.log').write_text('log'); pathlib.Path('weights.bin').write_text('not asked for'); "
        "pathlib.Path('result.txt').write_text(os.environ['ITERATIONS'])"
    )
    started = scene.backend.submit(scene.launch(code, ITERATIONS="12; rm -rf $HOME"))
    ended = scene.ended(started)
    assert ended.exit_code == 0 and ended.message == "" and ended.started_at is not None
    assert abs(ended.started_at.timestamp() - time.time()) < 60
    assert scene.backend.log(started, 0) == b"one\ntwo\n"
    assert scene.backend.log(started, 4) == b"two\n" and scene.backend.log(started, 8) == b""
    to = scene.folder / "back"
    scene.backend.fetch(started, to, ["result*.txt", "logs/*"])
    assert {str(path.relative_to(to)): path.read_text() for path in to.rglob("*.*")} == {
        "logs/a.log": "log",
        "result.txt": "12; rm -rf $HOME",
    }


def test_what_links_lead_to_is_not_fetched(scene: Scene) -> None:
    started = scene.backend.submit(
        scene.launch("import os; os.symlink('/etc/passwd', 'result.txt'); os.symlink('/etc', 'logs')")
    )
    assert scene.ended(started).exit_code == 0
    scene.backend.fetch(started, scene.folder / "back", ["result*.txt", "logs/hostname"])
    assert not (scene.folder / "back").exists()


def test_a_trainer_sees_its_gpus_and_none_of_our_secrets(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "s3cret")
    monkeypatch.setenv("SBATCH_PARTITION", "nowhere")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    started = scene.backend.submit(scene.launch("import json, os; print(json.dumps(dict(os.environ)))", gpus=8))
    assert scene.ended(started).exit_code == 0
    theirs = json.loads(scene.backend.log(started, 0))
    assert theirs["SLURM_GPUS_ON_NODE"] == "8" and theirs.get("CUDA_VISIBLE_DEVICES") != "5"
    assert "s3cret" not in theirs.values() and not [name for name in theirs if name.startswith("GOLF_JOB")]


def test_a_trainer_that_fails_gives_its_exit_code(scene: Scene) -> None:
    assert scene.ended(scene.backend.submit(scene.launch("import sys; sys.exit(3)"))).exit_code == 3


def test_the_exit_code_of_a_launch_that_could_not_write_it_is_slurms(scene: Scene) -> None:
    started = scene.backend.submit(scene.launch("import os, sys; os.mkdir('../exit.json.new'); sys.exit(4)"))
    ended = scene.ended(started)
    assert ended.exit_code == 4 and "FAILED" in ended.message


def test_the_stop_file_ends_training_early_with_its_result(scene: Scene) -> None:
    started = scene.backend.submit(scene.launch(STOPS))
    eventually(lambda: scene.is_up(started))
    assert scene.seen(started).state == "running"
    assert scene.backend.ask_to_stop(started)
    assert scene.ended(started).exit_code == 0
    scene.backend.fetch(started, scene.folder, ["result.txt"])
    assert (scene.folder / "result.txt").read_text() == "early"


def test_a_launch_that_ignores_being_asked_is_ended(scene: Scene) -> None:
    started = scene.backend.submit(scene.launch(ENDURES))
    eventually(lambda: scene.is_up(started))
    scene.backend.end(started)
    ended = scene.ended(started)
    assert ended.exit_code != 0 and "CANCELLED" in ended.message
    scene.backend.end(started)  # once more is no error


def test_a_launch_ends_itself_at_its_limit(scene: Scene) -> None:
    started = scene.backend.submit(scene.launch("import time; time.sleep(600)", limit_s=1.0))
    assert scene.ended(started).exit_code == 124


def test_slurm_is_told_the_limit_and_a_deadline_in_minutes_rounded_up(scene: Scene) -> None:
    scene.cluster.fault("capacity")
    started = scene.backend.submit(scene.launch("", limit_s=601.0))
    shown = scene.cluster.ask("scontrol", "show", "job", started.partition(":")[0])
    told = dict(word.split("=", 1) for word in shown.split() if "=" in word)
    assert told["TimeLimit"] == "00:11:00" and told["Requeue"] == "0"
    asked, deadline = (time.mktime(time.strptime(told[key], "%Y-%m-%dT%H:%M:%S")) for key in ("SubmitTime", "Deadline"))
    assert 12 * 60 - 2 <= deadline - asked <= 12 * 60 + 2


@pytest.mark.slow
def test_slurm_ends_what_does_not_end_itself(scene: Scene) -> None:
    """Setting up is not under the launch's own limit; Slurm looks at its limits twice a minute."""
    scene.backend = scene.opened(setup="trap '' TERM; sleep 600")
    started = scene.backend.submit(scene.launch("", limit_s=60.0))
    eventually(lambda: scene.seen(started).state == "ended", 180)
    ended = scene.seen(started)
    assert ended.exit_code != 0 and "TIMEOUT" in ended.message and "TIME LIMIT" in ended.message


@pytest.mark.slow
def test_slurm_drops_what_has_waited_beyond_its_deadline(scene: Scene) -> None:
    scene.cluster.fault("capacity")
    started = scene.backend.submit(scene.launch("", limit_s=60.0))
    eventually(lambda: scene.seen(started).state == "ended", 180)
    assert "DEADLINE" in scene.seen(started).message


def test_a_launch_that_waits_for_room_is_starting_and_says_why(scene: Scene) -> None:
    scene.cluster.fault("capacity")
    started = scene.backend.submit(scene.launch("print('up')"))
    eventually(lambda: "ReqNodeNotAvail" in scene.seen(started).message)
    assert scene.seen(started).state == "starting" and scene.seen(started).started_at is None
    scene.cluster.fault(None)
    assert scene.ended(started).exit_code == 0


def test_four_launches_share_two_cores(scene: Scene) -> None:
    running = scene.folder / "running"
    running.mkdir()
    code = (
        f"import os, pathlib, time; mine = pathlib.Path({str(running)!r}, str(os.getpid())); mine.touch()\n"
        "print(len(list(mine.parent.iterdir()))); time.sleep(0.7); mine.unlink()"
    )
    started = [scene.backend.submit(scene.launch(code)) for _ in range(4)]
    assert len({*started}) == 4
    assert [scene.ended(one).exit_code for one in started] == [0] * 4
    assert max(int(scene.backend.log(one, 0)) for one in started) == 2
    assert {remote.id for remote in scene.backend.mine(OWNER)} >= {*started}


def test_a_launch_outlives_the_controller(scene: Scene) -> None:
    started = scene.backend.submit(scene.launch(STOPS))
    eventually(lambda: scene.is_up(started))
    scene.cluster.kill_controller()
    try:
        with pytest.raises(BackendFailed, match="squeue did not answer"):
            scene.backend.poll(started)
        with pytest.raises(BackendFailed):
            scene.backend.end(started)
        with pytest.raises(BackendFailed):
            scene.backend.mine(OWNER)
        assert scene.is_up(started) and scene.backend.ask_to_stop(started)  # the folder needs no controller
        eventually(lambda: (scene.folder / "shared" / started.partition(":")[2] / "exit.json").exists())
        seen = scene.seen(started)
        assert seen.exit_code == 0 and seen.is_done and seen.state == "running"  # nobody says that it costs no more
    finally:
        scene.cluster.start_controller()
    assert scene.ended(started).exit_code == 0


def test_what_is_not_ours_is_not_listed_and_not_ended(scene: Scene) -> None:
    foreign = scene.cluster.plant_foreign()
    job = foreign.partition(":")[0]
    assert scene.backend.poll(f"{job}:caddie-{OWNER}-run-s1") is None
    scene.backend.end(f"{job}:caddie-{OWNER}-run-s1")  # the number, under another name
    assert foreign not in [remote.id for remote in scene.backend.mine(OWNER)]
    assert [remote.id for remote in scene.backend.mine("0000") if remote.state != "ended"] == [foreign]
    assert scene.cluster.is_alive(foreign)
    scene.backend.end(foreign)
    eventually(lambda: not scene.cluster.is_alive(foreign))


@pytest.mark.parametrize("remote_id", ["", "12", "x:caddie-a-s1", "12:caddie a", "12:../../etc", "-1:caddie-a-s1"])
def test_what_is_no_id_of_ours_is_refused(scene: Scene, remote_id: str) -> None:
    acts: list[Callable[[], object]] = [
        lambda: scene.backend.poll(remote_id),
        lambda: scene.backend.end(remote_id),
        lambda: scene.backend.log(remote_id, 0),
    ]
    for act in acts:
        with pytest.raises(BackendFailed, match="not an id"):
            act()


def test_a_key_that_is_submitted_twice_runs_once(scene: Scene) -> None:
    count = scene.folder / "count"
    launch = scene.launch(f"open({str(count)!r}, 'a').write('.'); import time; time.sleep(0.5)")
    first = scene.backend.submit(launch)
    assert scene.backend.submit(launch) == first
    assert scene.ended(first).exit_code == 0
    assert scene.backend.submit(launch) == first and count.read_text() == "."


def test_a_key_that_many_submit_at_once_runs_once(scene: Scene) -> None:
    count = scene.folder / "count"
    launch = scene.launch(f"open({str(count)!r}, 'a').write('.')")
    answers: list[str] = []

    def submit() -> None:
        try:
            answers.append(scene.backend.submit(launch))
        except Uncertain:  # another has just asked
            answers.append("uncertain")

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (started,) = {*answers} - {"uncertain"}
    assert len(answers) == 4 and scene.ended(started).exit_code == 0
    assert count.read_text() == "."


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gres": "gpu:{gpus}00"}, "Requested node configuration is not available"),
        ({"gres": "tpu:1"}, r"Invalid generic resource \(gres\) specification"),
        ({"partition": "nowhere"}, "Invalid partition name specified"),
        ({"mem": "900T"}, "Memory specification can not be satisfied"),
    ],
)
def test_what_sbatch_refuses_is_refused_in_its_words_and_may_be_asked_again(
    scene: Scene, options: dict[str, str], words: str
) -> None:
    launch = scene.launch("print('up')", gpus=1)
    with pytest.raises(Refused, match=words):
        scene.opened(**options).submit(launch)
    assert not list((scene.folder / "shared").iterdir())
    started = scene.backend.submit(launch)
    assert next(remote.id for remote in scene.backend.mine(OWNER) if remote.key == launch.key) == started
    assert scene.ended(started).exit_code == 0


def test_a_folder_that_cannot_be_written_refuses_the_launch(scene: Scene) -> None:
    (scene.folder / "file").touch()
    with pytest.raises(Refused, match="Not a directory"):
        scene.opened(folder=str(scene.folder / "file" / "inside")).submit(scene.launch(""))


def test_an_answer_that_was_lost_is_uncertain_and_the_listing_has_the_launch(scene: Scene) -> None:
    launch = scene.launch("print('up')")
    scene.cluster.fault("create_timeout_but_created")
    with pytest.raises(Uncertain, match="Socket timed out"):
        scene.backend.submit(launch)
    scene.cluster.fault(None)
    (found,) = [remote for remote in scene.backend.mine(OWNER) if remote.key == launch.key]
    assert scene.backend.submit(launch) == found.id
    assert scene.ended(found.id).exit_code == 0


def test_a_launch_that_a_frozen_controller_takes_later_is_uncertain_and_found(scene: Scene) -> None:
    launch = scene.launch("print('up')")
    scene.cluster.freeze_controller(frozen=True)
    try:
        with pytest.raises(Uncertain, match="timed out"):
            scene.backend.submit(launch)
    finally:
        scene.cluster.freeze_controller(frozen=False)
    eventually(lambda: launch.key in [remote.key for remote in scene.backend.mine(OWNER)])


@pytest.mark.parametrize("day", ["network_lost", "http_500"])
def test_a_lost_question_is_uncertain_and_others_fail(scene: Scene, day: str) -> None:
    launch = scene.launch("print('up')")
    scene.cluster.fault(day)
    with pytest.raises(Uncertain):
        scene.backend.submit(launch)
    with pytest.raises(BackendFailed):
        scene.backend.mine(OWNER)
    scene.cluster.fault(None)
    assert launch.key not in [remote.key for remote in scene.backend.mine(OWNER)]
    with pytest.raises(Uncertain, match="asked for before"):  # and is never asked for again
        scene.backend.submit(launch)


def test_a_slow_controller_is_waited_for(scene: Scene) -> None:
    scene.cluster.fault("slow")
    assert scene.seen(scene.backend.submit(scene.launch("print('up')"))).exit_code == 0


def test_a_controller_that_is_not_there_was_never_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with StandIn() as cluster:
        scene = Scene(cluster, tmp_path, monkeypatch)
        monkeypatch.setenv("SLURM_CONF", str(cluster.conf))  # past the relay: nobody listens
        cluster.kill_controller()
        with pytest.raises(Refused, match="connect failure"):
            scene.backend.submit(scene.launch(""))
        assert not list((tmp_path / "shared").iterdir())


def test_a_number_that_a_new_cluster_gives_again_is_another_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StandIn() as cluster:
        scene = Scene(cluster, tmp_path, monkeypatch)
        started = scene.backend.submit(scene.launch("print('up')"))
        assert scene.ended(started).exit_code == 0 and started.startswith("1:")
        cluster.kill_controller()
        cluster.start_controller(forgets=True)
        foreign = cluster.plant_foreign()
        assert foreign.startswith("1:")
        assert scene.backend.poll(started) == Remote(started, started[2:], "ended", 0)
        assert [(remote.id, remote.state) for remote in scene.backend.mine(OWNER)] == [(started, "ended")]
        assert scene.backend.poll(f"7:caddie-{OWNER}-never-s1") is None
        scene.backend.end(started)
        assert cluster.is_alive(foreign)


@pytest.mark.parametrize(
    "argument",
    [
        "--array=0-9",
        "--wrap=reboot",
        "--job-n=x",
        "--begin=now+1hour",
        "-a1",
        "reboot",
        "--nodelist=a b",
        "--tmp=1\n2",
        "",
    ],
)
def test_arguments_that_are_not_passed_on_are_refused(scene: Scene, argument: str) -> None:
    with pytest.raises(BadConfig, match="not passed on to sbatch"):
        open_backend("slurm", {"arguments": [argument]})


@pytest.mark.parametrize(
    "options", [{"partition": "a b"}, {"gres": "gpu:1 --wrap=x"}, {"mem": "much"}, {"cpus": -1}, {"folders": "/x"}]
)
def test_options_that_make_no_sense_are_refused(scene: Scene, options: dict[str, Any]) -> None:
    with pytest.raises(BadConfig, match=f"back-end slurm: .*{next(iter(options))}"):
        open_backend("slurm", options)


def test_a_plan_shows_what_would_be_asked_and_asks_nothing(scene: Scene) -> None:
    options = {"partition": "gpu", "cpus": 2, "arguments": ["--constraint=a|b", "--exclusive"]}
    launch = scene.launch("print('up')", gpus=8)
    planned = scene.opened(**options).plan(launch)
    assert {"--gres=gpu:8", "--partition=gpu", "--cpus-per-task=2", "--time=2", "--exclusive"} <= {*planned["command"]}
    assert f"--comment=caddie:{OWNER}" in planned["command"] and "train.py" in planned["script"]
    assert not (scene.folder / "shared").exists()


def test_without_slurm_the_back_end_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPackage, match="sbatch is not on the PATH"):
        open_backend("slurm", {})


def test_the_interpreter_is_the_one_that_the_tier_names(scene: Scene) -> None:
    scene.backend = scene.opened(python=sys.executable)
    started = scene.backend.submit(scene.launch("import sys; print(sys.executable)"))
    assert scene.ended(started).exit_code == 0
    assert scene.backend.log(started, 0).decode().strip() == sys.executable


def test_an_experiment_is_played_on_the_cluster(
    cluster: StandIn, course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cluster.env.items():
        monkeypatch.setenv(name, value)
    workspace = on_course(tmp_path / "ws", course)
    options = {
        "folder": tmp_path / "shared", "python": sys.executable,
        "data": workspace.data, "tokenizer": workspace.tokenizer,
    }  # fmt: skip
    table = "".join(f'{key} = "{value}"\n' for key, value in options.items())
    config = workspace.root / "golf.toml"
    config.write_text(
        config.read_text().replace("[tiers.tiny]\n", f'[tiers.tiny.options]\n{table}[tiers.tiny]\nbackend = "slurm"\n')
    )
    workspace = Workspace(workspace.root)
    script = Path(__file__).parents[2] / "baselines" / "naive" / "train_gpt.py"
    experiments.claim(workspace, "base", hypothesis="h", script=script, tier="tiny", seeds=[1])
    ended = LocalJobs(workspace).wait(start.start_run(workspace, "base").id, 240)
    assert ended.state == "done", ended.message
    leases = Leases(workspace.database).of_run(ended.id)
    assert [(lease.state, lease.message) for lease in leases] == [("gone", "its run has ended")]
    assert not cluster.alive(leases[0].owner)
