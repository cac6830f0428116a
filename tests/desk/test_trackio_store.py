"""Trackio itself is used; it binds to one folder per process, so all tests here share a store and differ in project."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from desk.trackio_place import trackio_folder
from scene import eventually

from golf.desk.tracking import trackio_store
from golf.desk.tracking.trackio_store import KEY, TrackioTracker, read_runs
from golf.errors import GolfError, TrackingFailed

ROOT = Path(__file__).parents[2]
POINTS = [{"step": step, "train_time_s": step * 0.5, "val_bpb": 4.0 - step / 100} for step in (0, 50, 100)]
SUMMARY = {"val_bpb": 2.21, "artifact_bytes": 4_512_001}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trackio_folder(tmp_path_factory.mktemp("workspace"))


def track(
    store: Path, project: str, run: str, config: Mapping[str, Any], summary: Mapping[str, Any] = SUMMARY
) -> TrackioTracker:
    tracker = TrackioTracker(store, project)
    tracker.start(run, config)
    for point in POINTS:
        tracker.log({name: value for name, value in point.items() if name != "step"}, int(point["step"]))
    tracker.finish(summary)
    return tracker


def test_what_was_logged_is_read_back_whole(store: Path) -> None:
    tracker = track(store, "course.1", "wide-seed1337", {"ITERATIONS": "300", "seed": 1337})
    assert tracker.place == str(store / "course1.db")
    (run,) = read_runs(store, "course.1")
    assert run.name == "wide-seed1337"
    assert {"ITERATIONS": "300", "seed": 1337}.items() <= run.config.items()
    assert run.points == [*POINTS, {"step": 100, "final/val_bpb": 2.21, "final/artifact_bytes": 4_512_001}]


def test_a_growing_run_is_readable_while_it_grows(store: Path) -> None:
    tracker = TrackioTracker(store, "growing")
    tracker.start("r", key="k")
    for step in (0, 50):
        tracker.log({"val_bpb": 4.0}, step)
    eventually(lambda: [len(run.points) for run in read_runs(store, "growing")] == [2], 30)  # by Trackio's thread
    tracker.log({"val_bpb": 3.0}, 100)
    tracker.finish()
    assert [len(run.points) for run in read_runs(store, "growing", key="k")] == [3]


def test_two_runs_may_be_open_at_once(store: Path) -> None:
    """Seeds that train side by side: Trackio's own `init` would end the first."""
    one, other = TrackioTracker(store, "seeds"), TrackioTracker(store, "seeds")
    assert (one.start("r", key="1"), other.start("r", key="2")) == ("r", "r-2")
    for step in range(5):
        one.log({"a": step}, step)
        other.log({"b": step}, step)
    one.finish()
    other.finish()
    assert [sorted(run.points[-1]) for run in read_runs(store, "seeds")] == [["a", "step"], ["b", "step"]]


def test_nothing_is_printed_and_the_environment_is_as_before(
    store: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_SERVER_URL", "http://127.0.0.1:9/?write_token=x")
    before = dict(os.environ)
    track(store, "quiet", "r", {})
    assert dict(os.environ) == before
    assert capfd.readouterr() == ("", "")
    assert len(read_runs(store, "quiet")[0].points) == 4  # here, not on that server


def test_neither_gpu_nor_machine_is_looked_at_unless_that_is_asked_for(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    track(store, "before", "r", {})  # imports Trackio
    import trackio

    asked: list[str] = []
    monkeypatch.setattr(trackio, "gpu_available", lambda: asked.append("gpu"))
    monkeypatch.setattr(trackio, "apple_gpu_available", lambda: asked.append("gpu"))
    monkeypatch.setattr(trackio, "cpu_available", lambda: asked.append("cpu"))
    track(store, "blind", "r", {})
    assert asked == []
    assert system_rows(store, "blind") == 0
    seeing = TrackioTracker(store, "seeing", system=True)
    seeing.start("r", {"a": 1})
    seeing.log({"val_bpb": 4.0}, 0)
    eventually(lambda: system_rows(store, "seeing") > 0, 30)
    seeing.finish()


def system_rows(store: Path, project: str) -> int:
    import contextlib
    import sqlite3

    with contextlib.closing(sqlite3.connect(trackio_store.database(store, project))) as connection:
        try:
            return connection.execute("select count(*) from system_metrics").fetchone()[0]
        except sqlite3.OperationalError:  # not made yet
            return 0


def test_points_that_trackio_swallows_are_noticed(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    track(store, "before", "r", {})
    from trackio.sqlite_storage import SQLiteStorage

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(SQLiteStorage, "bulk_log", full)
    with pytest.raises(TrackingFailed, match="kept 0 of 8 values of r"):
        track(store, "swallowed", "r", {})


def test_a_name_trackio_refuses_is_a_typed_error(store: Path) -> None:
    with pytest.raises(TrackingFailed, match="could not start a run: Project name 'registry-x'"):
        track(store, "registry-x", "r", {})


def test_a_run_that_is_let_go_of_keeps_its_points_and_harms_no_other(store: Path) -> None:
    first = TrackioTracker(store, "broken")
    first.start("first")
    first.log({"val_bpb": 4.0}, 0)
    first.abandon()
    track(store, "broken", "second", {}, {})
    assert [(run.name, len(run.points)) for run in read_runs(store, "broken")] == [("first", 1), ("second", 3)]


def test_a_second_workspace_in_one_process_is_refused_rather_than_mixed_up(store: Path, tmp_path: Path) -> None:
    track(store, "one", "r", {})
    with pytest.raises(TrackingFailed, match="already imported here for"):
        track(tmp_path, "two", "r", {})


def test_a_folder_that_cannot_be_made_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrackingFailed, match=r"could not use .*file/trackio"):
        track(tmp_path / "file" / "trackio", "p", "r", {})


def test_a_store_that_is_no_database_is_a_typed_error_and_a_missing_one_is_empty(tmp_path: Path) -> None:
    assert read_runs(tmp_path, "none") == []
    (tmp_path / "bad.db").write_bytes(b"not a database, though long enough to look at" * 100)
    with pytest.raises(TrackingFailed, match=r"bad\.db cannot be read"):
        read_runs(tmp_path, "bad")


TRACKS = """
from pathlib import Path
from golf.desk.tracking.trackio_store import TrackioTracker, read_runs
def track(folder):
    tracker = TrackioTracker(Path(folder), "p")
    tracker.start("r", {}, key="k")
    tracker.log({"val_bpb": 3.0}, 1)
    tracker.finish({"val_bpb": 2.0})
"""


def test_a_process_without_any_network_tracks_on_a_clean_stdout(tmp_path: Path) -> None:
    """Every socket but a local pair is refused; a name looked up or a connection tried would end the process."""
    code = f"""
import json, os, socket, sys
def refuse(*args, **kwargs):
    print(f"network: {{args}}", file=sys.stderr)
    os._exit(7)
socket.getaddrinfo = socket.create_connection = socket.socket.connect = socket.socket.connect_ex = refuse
socket.socket.sendto = refuse
{TRACKS}
track(sys.argv[1])
print(json.dumps(len(read_runs(Path(sys.argv[1]), "p")[0].points)))
"""
    environment = {**os.environ, "TRACKIO_SPACE_ID": "someone/space", "TRACKIO_WEBHOOK_URL": "http://127.0.0.1:9/hook"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == 2


def test_without_trackio_the_error_says_what_to_install(tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules["trackio"] = None
from golf.errors import MissingPackage
{TRACKS}
try:
    track(sys.argv[1])
except MissingPackage as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.endswith("pip install trackio\n"), done.stderr


def test_importing_the_package_imports_no_tracker() -> None:
    code = (
        "import sys; from golf.desk.tracking import attend, dashboard, mirror\n"
        "sys.exit(any(name in sys.modules for name in ('trackio', 'mlflow', 'wandb', 'huggingface_hub')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
    assert issubclass(TrackingFailed, GolfError)


def test_a_run_says_what_run_it_is(store: Path) -> None:
    tracker = TrackioTracker(store, "keys")
    tracker.start("r", {"_private": 1}, key="run-1/seed1")
    tracker.log({"a": 1.0}, 0)
    tracker.finish()
    (run,) = read_runs(store, "keys")
    assert (run.key, run.config[KEY], run.config["private"]) == ("run-1/seed1", "run-1/seed1", 1)
