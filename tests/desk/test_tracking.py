"""One call surface for four stores (S69, S70, S108): the real Trackio, MLflow on SQLite, W&B offline, and JSON lines.

Trackio binds to one folder per process, so its runs here share whatever store came first, and differ in project.
"""

import importlib.util
import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from desk.trackio_place import trackio_folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scene import eventually

from golf.cli import main
from golf.desk.tracking import alerts, alone, attend, mirror, mlflow_store, sources, trackio_store, wandb_store
from golf.desk.tracking.jsonl_store import JsonlTracker
from golf.desk.tracking.jsonl_store import read_runs as read_jsonl
from golf.desk.tracking.mlflow_store import MlflowTracker
from golf.desk.tracking.tracker import Alert, StoredRun, Tracker
from golf.desk.tracking.trackio_store import TrackioTracker
from golf.desk.tracking.wandb_store import WandbTracker
from golf.errors import MissingPackage, NotFound, TrackingFailed
from golf.jobs.local import LocalJobs
from golf.play import experiments, notes, start
from golf.workspace import TierSettings, Workspace

ROOT = Path(__file__).parents[2]


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not importlib.util.find_spec(package), reason=f"{package} is not installed")


STORES = [
    "trackio",
    pytest.param("mlflow", marks=needs("mlflow")),
    pytest.param("wandb", marks=needs("wandb")),
    "jsonl",
]

Store = tuple[Callable[[], Tracker], Callable[[], list[StoredRun]]]
"""Makes a tracker; reads every run."""


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Making its tables takes MLflow some seconds."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    tracker = MlflowTracker(f"sqlite:///{path}", "another")
    tracker.start("r")
    tracker.finish()
    return path


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    project = re.sub(r"\W", "", request.node.name)
    if request.param == "trackio":
        place = trackio_folder(tmp_path.parent)
        return lambda: TrackioTracker(place, project), lambda: trackio_store.read_runs(place, project)
    if request.param == "mlflow":
        shutil.copyfile(request.getfixturevalue("empty_mlflow"), tmp_path / "mlflow.db")
        uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
        return lambda: MlflowTracker(uri, project), lambda: mlflow_store.read_runs(uri, project)
    if request.param == "wandb":
        return lambda: WandbTracker(tmp_path, project), lambda: wandb_store.read_runs(tmp_path)
    return lambda: JsonlTracker(tmp_path), lambda: read_jsonl(tmp_path)


STEPS = {0: {"val_bpb": 4.1, "train_loss": 9.0}, 50: {"train_loss": 2.5}, 100: {"val_bpb": 2.25, "train_loss": 2.0}}
CONFIG = {"ITERATIONS": "100", "MODEL_DIM": "64", "seed": 1}
TAGS = {"experiment": "wide", "tier": "local"}
NAN = Alert("NOT_A_NUMBER", "train_loss is nan at step 50. Halve the rate", "error", 50)


def track(
    tracker: Tracker, *, steps: Mapping[int, Mapping[str, float]] = STEPS, final: bool = True, key: str = "run-1/seed1"
) -> Tracker:
    tracker.start("wide-seed1", CONFIG, TAGS, key=key)
    for step, values in steps.items():
        tracker.log(values, step)
    tracker.alert(NAN)
    tracker.finish({"val_bpb": 2.2, "artifact_bytes": 4_512_001, "status": "keep"} if final else {})
    return tracker


# --- the calls


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_s69_s70_the_same_calls_bring_a_run_into_every_store(store: Store) -> None:
    make, read = store
    assert track(make()).added == 7
    (run,) = read()
    assert (run.name, run.key, run.is_finished, run.alerts) == ("wide-seed1", "run-1/seed1", True, {NAN.title: "error"})
    numbers = {at: value for at, value in run.values().items() if at[1] != "final/status"}
    assert numbers == {
        **{(step, name): value for step, values in STEPS.items() for name, value in values.items()},
        (-1, "final/val_bpb"): 2.2,
        (-1, "final/artifact_bytes"): 4_512_001,
    }
    assert {name: str(run.config[name]) for name in CONFIG} == {name: str(value) for name, value in CONFIG.items()}


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_s69_tracking_a_run_again_changes_nothing_and_a_grown_one_is_gone_on_with(store: Store, tmp_path: Path) -> None:
    make, read = store
    track(make(), steps={step: STEPS[step] for step in (0, 50)}, final=False)
    grown = track(make())
    assert (grown.is_resumed, grown.added) == (True, 4)  # two values of step 100, two final numbers
    files = sorted(path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts)
    again = track(make())
    assert (again.is_resumed, again.added, again.differing) == (True, 0, 0)
    assert sorted(path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts) == files
    (run,) = read()
    assert len([at for at in run.values() if at[1] != "final/status"]) == 7
    assert list(run.alerts) == [NAN.title]


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_a_name_that_is_taken_gets_a_number_and_no_number_is_a_number_too(store: Store) -> None:
    make, read = store
    first, second = make(), make()
    first.start("r", key="one")
    first.log({"loss": math.nan, "norm": math.inf}, 3)
    first.finish()
    assert second.start("r", key="other") == "r-2"
    second.log({"loss": 1.0}, 3)
    second.finish()
    again = make()
    assert again.start("r", key="one") == "r"
    again.log({"loss": math.nan, "norm": math.inf}, 3)
    again.finish()
    assert (again.added, again.differing) == (0, 0)
    found = {run.name: run.values() for run in read()}
    assert math.isnan(float(found["r"][3, "loss"])) and float(found["r"][3, "norm"]) == math.inf
    assert found["r-2"] == {(3, "loss"): 1.0}


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_what_a_store_holds_stands(store: Store) -> None:
    make, read = store
    track(make())
    other = make()
    other.start("wide-seed1", key="run-1/seed1")
    other.log({"val_bpb": 1.0}, 100)
    other.finish()
    assert (other.added, other.differing) == (0, 1)
    assert read()[0].values()[100, "val_bpb"] == 2.25


@given(
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from("ab"), st.floats(width=32, allow_infinity=False))),
    st.lists(st.integers(0, 40), max_size=4),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_s69_however_often_tracking_was_broken_off_the_store_holds_the_run_once(
    tmp_path_factory: pytest.TempPathFactory, points: list[tuple[int, str, float]], breaks: list[int]
) -> None:
    whole = {(step, name): value for step, name, value in reversed(points)}
    folder = tmp_path_factory.mktemp("law")
    for end in [*breaks, len(points)]:
        tracker = JsonlTracker(folder)
        tracker.start("r", {"a": 1}, key="k")
        for step, name, value in points[:end]:
            tracker.log({name: value}, step)  # killed here: no finish
    (run,) = read_jsonl(folder)
    assert json.dumps(sorted(run.values().items())) == json.dumps(sorted(whole.items()))
    assert len(run.points) == len(whole)


# --- MLflow


@needs("mlflow")
def test_s70_mlflow_has_the_experiment_the_params_and_every_step_as_its_own_client_reads_them(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'deep' / 'mlflow.db'}"
    tracker = MlflowTracker(uri, "course")
    tracker.start("wide-seed1", {**CONFIG, **{f"p{i}": i for i in range(150)}}, TAGS, key="run-1/seed1")
    with mlflow_store.reading(uri) as client:
        experiment = client.get_experiment_by_name("course")
        (run,) = client.search_runs([experiment.experiment_id])
        assert len(run.data.params) == 153  # at the start, before any metric
        assert (run.data.params["ITERATIONS"], run.data.metrics, run.info.status) == ("100", {}, "RUNNING")
        tracker.log({"val@bpb": 4.0, "lr": 0.1}, 0)
        for step in range(1, 600):
            tracker.log({"lr": 0.1 / step}, step)
        tracker.alert(NAN)
        with pytest.raises(TrackingFailed):  # MLflow knows no name with an @: it is there as val_bpb
            tracker.finish({"val_bpb": 2.2, "status": "crash"})
        history = client.get_metric_history(run.info.run_id, "lr")
        assert [(one.step, one.value) for one in history] == [(0, 0.1), *((step, 0.1 / step) for step in range(1, 600))]
        ended = client.get_run(run.info.run_id)
        assert (ended.info.status, ended.data.metrics["final/val_bpb"]) == ("FAILED", 2.2)
        assert ended.data.tags["caddie.alert.NOT_A_NUMBER"].startswith("error at step 50: train_loss is nan")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "mlflow.db"]  # nothing beside the store


@needs("mlflow")
def test_a_password_in_an_address_is_never_shown(tmp_path: Path) -> None:
    tracker = MlflowTracker("postgresql://me:hunter2@127.0.0.1:1/x", "course")
    assert tracker.place == "postgresql://me:…@127.0.0.1:1/x"
    with pytest.raises(TrackingFailed) as failed:
        tracker.start("r")
    assert "hunter2" not in str(failed.value)


# --- W&B


@needs("wandb")
def test_s69_wandb_leaves_an_offline_folder_and_no_process_and_asks_nobody(tmp_path: Path) -> None:
    """A proxy on loopback would see what it sends; nothing of the user's W&B settings is heeded.

    Unless told not to, its service looks up an error collector's name (seen with strace).
    """
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        environment = {
            **os.environ, "HTTPS_PROXY": address, "HTTP_PROXY": address, "https_proxy": address, "NO_PROXY": "",
            "HOME": str(tmp_path / "home"), "WANDB_MODE": "online", "WANDB_API_KEY": "x" * 40,
        }  # fmt: skip
        code = (
            "import sys, psutil; from pathlib import Path\n"
            "from golf.desk.tracking.wandb_store import WandbTracker\n"
            "tracker = WandbTracker(Path(sys.argv[1]), 'p'); tracker.start('r', {'a': 1}, key='k')\n"
            "tracker.log({'loss': 1.0}, 1)\n"
            "print({child.environ().get('WANDB_ERROR_REPORTING') for child in psutil.Process().children()})\n"
            "tracker.finish({'val_bpb': 2.0})\n"
            "print([child.name() for child in psutil.Process().children(recursive=True)])"
        )
        store = tmp_path / "store"
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, str(store)],
            env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, "{'false'}\n[]\n"), done.stderr
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert len(list(store.glob("wandb/offline-run-*/run-*.wandb"))) == 1
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


@needs("wandb")
def test_a_torn_wandb_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    track(WandbTracker(tmp_path, "p"), steps={step: {"loss": 1.0 / (step + 1)} for step in range(1000)})
    (path,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    whole = path.read_bytes()
    assert len(whole) > 2 * wandb_store.BLOCK  # records that cross blocks
    assert len(wandb_store.read_runs(tmp_path)[0].points) == 1001
    seen = []
    for size in (0, 5, 40_000, len(whole) - 3):
        path.write_bytes(whole[:size])
        seen.append([len(run.points) for run in wandb_store.read_runs(tmp_path)])
    assert seen[:2] == [[], []]
    assert 0 < seen[2][0] < seen[3][0] <= 1001


# --- what is installed, and golf.toml


def test_s69_what_is_not_installed_is_left_out_and_json_lines_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("trackio", "wandb"):
        monkeypatch.setitem(sys.modules, package, None)
    assert mirror.installed(["jsonl", "wandb"])[0] == ["jsonl"]
    there, missing = mirror.installed(["trackio", "wandb"])
    assert there == ["jsonl"]
    assert [note.rpartition(": ")[2] for note in missing] == ["pip install trackio", "pip install 'caddie[wandb]'"]
    assert mirror.installed([]) == ([], [])
    with pytest.raises(MissingPackage, match=r"caddie\[wandb\]"):
        WandbTracker(Path("x"), "p").start("r", key="k")


def test_golf_toml_says_where_metrics_go(workspace: Workspace, tmp_path: Path) -> None:
    (workspace.root / "golf.toml").write_text(
        '[tracking]\nto = ["mlflow", "jsonl"]\ntracking_uri = "sqlite:///runs/mlflow.db"\nproject = "golf course"\n'
    )
    told = Workspace(workspace.root)
    stores = mirror.Stores.of(told)
    assert stores.uri == f"sqlite:///{workspace.root / 'runs' / 'mlflow.db'}"
    assert (stores.project, stores.folder, told.config.tracking.gpu) == ("golf course", told.state, False)
    assert mirror.Stores.of(told, folder=tmp_path).uri == f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert mirror.Stores.of(told, uri="http://127.0.0.1:1", project="x").project == "x"
    assert Workspace(workspace.root).config.tracking.to == ["mlflow", "jsonl"]


# --- sources, and the verb


def at_root() -> dict[str, str]:
    """The environment of a process that imports this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


LOG = "".join(
    f"step:{step}/200 train_loss:{6 - step / 50:.4f} train_time:{step * 10}ms step_avg:10.00ms\n"
    + (
        f"step:{step}/200 val_loss:3.5 val_bpb:{2.2 - step / 1000:.4f} train_time:{step * 10}ms\n"
        if step % 100 == 0
        else ""
    )
    for step in range(0, 201, 20)
)


ROUND_TRIP = "final_int8_zlib_roundtrip val_loss:3.6000 val_bpb:2.1500 eval_time:900ms\n"


def tracked(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["track", *argv, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_log_is_tracked_once_and_its_rest_when_it_has_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "runs" / "train_seed42.log"
    log.parent.mkdir()
    lines = LOG.splitlines(keepends=True)
    log.write_text("".join(lines[:8]))
    first = tracked(capsys, "runs/train_seed42.log", "--to", "jsonl")["runs"][0]
    assert (first["run"], first["is_resumed"], first["is_over"]) == ("runs-train_seed42", False, False)
    log.write_text(LOG)
    second = tracked(capsys, "runs/train_seed42.log", "--to", "jsonl")["runs"][0]
    assert (second["is_resumed"], first["added"] + second["added"]) == (True, second["values"])
    assert tracked(capsys, "runs", "--to", "jsonl")["runs"][0]["added"] == 0  # of the folder: the same run
    (run,) = read_jsonl(tmp_path / ".golf" / "tracked" / tmp_path.name)
    assert run.values()[100, "val_bpb"] == 2.1
    assert run.values()[100, "train_loss"] == 4.0
    assert main(["track", "runs", "--to", "jsonl"]) == 0
    assert "tracked runs-train_seed42: jsonl, 30 values, all there before" in capsys.readouterr().out


def test_following_a_log_brings_in_each_point_as_it_comes_and_ends_with_the_run(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    lines = LOG.splitlines(keepends=True)
    log.write_text(lines[0])
    stores = mirror.Stores.of(None, folder=tmp_path / "s", project="p")
    seen: list[int] = []

    def wait(seconds: float) -> bool:
        assert seconds >= mirror.POLL_S
        seen.append(len(read_jsonl(tmp_path / "s" / "tracked" / "p")[0].points))
        with open(log, "a") as file:
            file.write("".join(lines[len(seen) : len(seen) + 1]) if len(seen) < 3 else "".join(lines[3:]) + ROUND_TRIP)
        return True

    done = mirror.track("train.log", sources.find(None, str(log)), stores, ["jsonl"], wait=wait)
    assert seen == [1, 2, 3]  # the second line has what the first lacks of step 0
    assert (done.runs[0].is_over, done.runs[0].values) == (True, 32)
    final = {
        name: value
        for (step, name), value in read_jsonl(tmp_path / "s" / "tracked" / "p")[0].values().items()
        if step < 0
    }
    assert final == {"final/val_bpb": 2.15, "final/val_loss": 3.6, "final/train_time_s": 2.0, "final/steps": 200}
    interrupted = mirror.track("x", sources.find(None, str(log)), stores, ["jsonl"], wait=lambda seconds: False)
    assert interrupted.runs[0].added == 0


@needs("mlflow")
def test_s69_a_tracker_that_fails_is_told_of_and_the_others_keep_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.log").write_text(LOG)
    (tmp_path / "file").write_text("")
    argv = [str(tmp_path / "train.log"), "--to", "mlflow", "jsonl", "--store", str(tmp_path / "s")]
    found = tracked(capsys, *argv, "--uri", f"sqlite:///{tmp_path / 'file' / 'm.db'}", code=2)
    assert [(one["to"], one["values"]) for one in found["runs"]] == [("jsonl", 30)]
    assert len(found["failures"]) == 1 and found["failures"][0].startswith("mlflow did not keep")


def test_what_the_curves_show_is_told_as_alerts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "bad.log"
    log.write_text(LOG.replace("train_loss:4.0000", "train_loss:nan"))
    found = tracked(capsys, str(log), "--to", "jsonl", "--store", str(tmp_path / "s"))["runs"][0]
    assert found["alerts"] == ["NOT_A_NUMBER"]
    (run,) = read_jsonl(next((tmp_path / "s" / "tracked").iterdir()))
    assert run.alerts == {"NOT_A_NUMBER": "error"}
    assert math.isnan(run.values()[100, "train_loss"])


def test_a_budget_near_its_limit_is_an_alert_of_runs_that_cost(workspace: Workspace) -> None:
    (workspace.root / "golf.toml").write_text("[budget]\ntotal_usd = 60\nreserve_usd = 50\n")
    near = Workspace(workspace.root)
    assert alerts.of_budget(near, TierSettings()) == []
    (alert,) = alerts.of_budget(near, TierSettings(gpus=8, hourly_rate_usd=20.0))
    assert (alert.title, alert.level) == ("BUDGET", "warn")
    assert alert.text.startswith("Warning: remaining $60.00 is below 2x reserve")


def test_there_has_to_be_something_to_track(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    experiments.claim(workspace, "idle", hypothesis="h", script=ROOT / "eval.py")
    for subject, told in (("idle", "golf run"), ("nobody", "golf history, golf jobs"), (".", "no log with a step")):
        assert main(["track", subject, "--to", "jsonl"]) == 2
        assert told in capsys.readouterr().err
    with pytest.raises(NotFound):
        sources.find(None, "nobody")


def test_a_run_taken_up_again_counts_from_there(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(
        "".join(f'{{"step": {step}, "loss": {loss}}}\n' for step, loss in ((0, 9), (10, 8), (20, 7), (10, 5)))
    )
    (reading,) = sources.find(None, str(path))()
    assert reading.steps == {0: {"loss": 9.0}, 10: {"loss": 5.0}}


def test_a_loss_that_is_no_number_is_tracked_from_a_metrics_file_as_from_a_log(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"step": 1, "loss": NaN}\n{"step": 2, "loss": 1e999}\n{"step": NaN, "loss": 1}\n')
    (reading,) = sources.find(None, str(path))()
    assert list(reading.steps) == [1, 2]
    assert math.isnan(reading.steps[1]["loss"])
    assert reading.steps[2]["loss"] == math.inf


@pytest.mark.parametrize("to", ["jsonl", "trackio"])
def test_s69_two_at_once_bring_a_run_in_once(tmp_path: Path, to: str) -> None:
    """Each would find it missing and write it: the second waits, and finds it there."""
    (tmp_path / "train.log").write_text(LOG)
    told = [sys.executable, "-m", "golf.cli", "track", "train.log", "--to", to, "--project", "p", "--json"]
    both = [subprocess.Popen(told, cwd=tmp_path, env=at_root(), stdout=subprocess.PIPE) for _ in range(2)]
    runs = [json.loads(one.communicate(timeout=120)[0])["runs"][0] for one in both]
    assert sorted(run["added"] for run in runs) == [0, runs[0]["values"]]
    store = tmp_path / ".golf"
    held = read_jsonl(store / "tracked" / "p") if to == "jsonl" else trackio_store.read_runs(store / "trackio", "p")
    assert len(held) == 1
    assert list((store / "tracking").iterdir()) == []


def test_s69_a_run_that_another_process_brings_in_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(alone, "WAITS_S", 0.2)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.log").write_text(LOG)
    (reading,) = sources.find(None, "train.log")()
    other = alone.Alone(Path(".golf"), "jsonl", reading.key)
    other.take()
    assert main(["track", "train.log", "--to", "jsonl"]) == 2
    assert "another process is bringing this run into jsonl" in capsys.readouterr().err
    other.leave()
    assert main(["track", "train.log", "--to", "jsonl"]) == 0


def test_a_port_that_no_machine_has_is_not_called_taken(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboard", "--port", "99999", "--no-browser"]) == 2
    assert "--port is 99999; ports are 1 to 65535" in capsys.readouterr().err


# --- played runs


def test_s69_a_played_run_is_in_the_workspaces_trackio_store_with_what_was_measured(played: Workspace) -> None:
    result = experiments.read_result(experiments.find(played, "base"))
    assert result is not None
    runs = {run.key: run for run in trackio_store.read_runs(played.state / "trackio", played.root.name)}
    for seed in result.seeds:
        run = runs[f"{result.run_id}/seed{seed.seed}"]
        assert run.values()[-1, "final/val_bpb"] == seed.val_bpb
        assert {"commit": result.commit, "seed": seed.seed, "MODEL_DIM": "32"}.items() <= run.config.items()
        assert {step for step, name in run.values() if name == "val_bpb"} == {0, 2, 4}


TRAINER = """
import json, os, pathlib, time
metrics = pathlib.Path(os.environ["GOLF_METRICS"])
def say(**point):
    with open(metrics, "a") as file:
        file.write(json.dumps(point) + "\\n")
say(step=1, train_loss=5.0)
until = time.monotonic() + 120
while not pathlib.Path(os.environ["GO"]).exists() and time.monotonic() < until:
    time.sleep(0.02)
say(step=2, train_loss=4.0)
"""


def test_s69_points_come_while_the_run_is_on_and_a_tracker_that_fails_is_a_note(
    course_workspace: Workspace, tmp_path: Path
) -> None:
    """One of the two stores cannot be. The trainer leaves no weights: its run is a crash, and its points are kept."""
    root = course_workspace.root
    (root / "file").write_text("")
    with open(root / "golf.toml", "a") as file:
        file.write('[tracking]\nto = ["trackio", "mlflow"]\ntracking_uri = "sqlite:///file/mlflow.db"\n')
    (root / "train.py").write_text(TRAINER)
    workspace = Workspace(root)
    go = tmp_path / "go"
    folder = experiments.claim(
        workspace, "live", hypothesis="h", script=root / "train.py", tier="tiny", seeds=[3], env={"GO": str(go)}
    )
    job = start.start_run(workspace, "live")

    def points() -> list[dict[str, Any]]:
        runs = trackio_store.read_runs(workspace.state / "trackio", root.name)
        return runs[0].points if runs else []

    eventually(lambda: points() == [{"step": 1, "train_loss": 5.0}], 60)
    assert LocalJobs(workspace).get(job.id).state == "running"
    go.touch()
    assert LocalJobs(workspace).wait(job.id, 120).state == "failed"
    assert points() == [{"step": 1, "train_loss": 5.0}, {"step": 2, "train_loss": 4.0}]
    (run,) = trackio_store.read_runs(workspace.state / "trackio", root.name)
    assert (run.name, run.config["hypothesis"]) == (f"{folder.name}-seed3-{job.id[-6:]}", "h")
    assert re.fullmatch(r"[0-9a-f]{40}", run.config["commit"])
    if importlib.util.find_spec("mlflow"):
        (note,) = [note for note in notes.read(workspace) if note.by == "tracking"]
        assert "mlflow did not keep" in note.text and f"golf track {job.id}" in note.text


def test_a_store_that_does_not_answer_costs_a_run_a_bounded_time(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = [sys.executable, "-c", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"]
    monkeypatch.setattr(attend, "LAST_WORDS_S", 0.2)
    monkeypatch.setattr(attend, "COMMAND", hangs)
    with attend.attended(workspace, "job-1") as attendant:
        process = attendant.process
        assert process is not None
    assert process.poll() == -9
    assert [note.text.split(":")[0] for note in notes.read(workspace)] == ["tracking was given up after 0.2 s"]


def test_nothing_is_tracked_where_golf_toml_says_so(workspace: Workspace) -> None:
    (workspace.root / "golf.toml").write_text("[tracking]\nto = []\n")
    with attend.attended(Workspace(workspace.root), "job-1") as attendant:
        assert attendant.process is None
    assert attendant.process is None


@needs("mlflow")
def test_s108_ten_thousand_values_go_by_one_command_and_not_by_tool_calls(
    tmp_path: Path, empty_mlflow: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No tool of the server logs a metric; the command line takes a whole run at once, the library point by point."""
    from mcp_server import server

    names = {tool.name for tool in server.build()._tool_manager.list_tools()}
    assert not [name for name in names if "log" in name or "track" in name]
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"step": step, "a": step / 7, "b": -step}) + "\n" for step in range(5000)))
    (tmp_path / "s").mkdir()
    shutil.copyfile(empty_mlflow, tmp_path / "s" / "mlflow.db")
    found = tracked(capsys, str(path), "--to", "mlflow", "jsonl", "--store", str(tmp_path / "s"))
    assert [(one["to"], one["added"]) for one in found["runs"]] == [("mlflow", 10_000), ("jsonl", 10_000)]
