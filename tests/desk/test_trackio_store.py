"""Trackio itself is used; it binds to one folder per process, so all tests here share a store and differ in project."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from golf.errors import GolfError, TrackingFailed
from golf.report import tracking

ROOT = Path(__file__).parents[2]
POINTS = [{"step": step, "train_time_s": step * 0.5, "val_bpb": 4.0 - step / 100} for step in (0, 50, 100)]
SUMMARY = {"val_bpb": 2.21, "artifact_bytes": 4_512_001}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace") / ".golf" / "trackio"


def test_what_was_logged_is_read_back_whole(store: Path):
    path = tracking.track_run(store, "course.1", "wide-seed1337", {"ITERATIONS": "300", "seed": 1337}, POINTS, SUMMARY)
    assert path == store / "course1.db"
    (run,) = tracking.read_runs(store, "course.1")
    assert run.name == "wide-seed1337"
    assert {"ITERATIONS": "300", "seed": 1337}.items() <= run.config.items()
    assert run.points == [*POINTS, {"step": 100, "final/val_bpb": 2.21, "final/artifact_bytes": 4_512_001}]


def test_a_run_of_the_same_name_gets_a_name_of_its_own(store: Path):
    for _ in range(3):
        tracking.track_run(store, "twins", "run", {}, [], {"val_bpb": 2.0})
    assert [run.name for run in tracking.read_runs(store, "twins")] == ["run", "run-2", "run-3"]


def test_a_growing_run_is_readable_while_it_grows(store: Path):
    seen: list[int] = []

    def growing() -> Iterator[dict[str, float]]:
        yield POINTS[0]
        yield POINTS[1]
        for _ in range(100):  # Trackio's thread writes every half second
            runs = tracking.read_runs(store, "growing")
            if runs and len(runs[0].points) == 2:
                break
            time.sleep(0.1)
        seen.append(len(tracking.read_runs(store, "growing")[0].points))
        yield POINTS[2]

    tracking.track_run(store, "growing", "r", {}, growing(), {})
    assert seen == [2]
    assert len(tracking.read_runs(store, "growing")[0].points) == 3


def test_nothing_is_printed_and_the_environment_is_as_before(
    store: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TRACKIO_SERVER_URL", "http://127.0.0.1:9/?write_token=x")
    before = dict(os.environ)
    tracking.track_run(store, "quiet", "r", {}, POINTS, SUMMARY)
    assert dict(os.environ) == before
    assert capfd.readouterr() == ("", "")
    assert len(tracking.read_runs(store, "quiet")[0].points) == 4  # here, not on that server


def test_points_that_trackio_swallows_are_noticed(store: Path, monkeypatch: pytest.MonkeyPatch):
    tracking.track_run(store, "before", "r", {}, POINTS, SUMMARY)  # imports Trackio
    from trackio.sqlite_storage import SQLiteStorage

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(SQLiteStorage, "bulk_log", full)
    with pytest.raises(TrackingFailed, match="kept 0 of 4 points of r"):
        tracking.track_run(store, "swallowed", "r", {}, POINTS, SUMMARY)


def test_a_name_trackio_refuses_is_a_typed_error(store: Path):
    with pytest.raises(TrackingFailed, match="could not start a run: Project name 'registry-x'"):
        tracking.track_run(store, "registry-x", "r", {}, POINTS, SUMMARY)


def test_an_error_of_the_points_is_the_callers_and_the_next_run_is_not_harmed(store: Path):
    def broken() -> Iterator[dict[str, float]]:
        yield POINTS[0]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tracking.track_run(store, "broken", "first", {}, broken(), SUMMARY)
    tracking.track_run(store, "broken", "second", {}, POINTS, {})
    assert [(run.name, len(run.points)) for run in tracking.read_runs(store, "broken")] == [("first", 1), ("second", 3)]


def test_a_second_workspace_in_one_process_is_refused_rather_than_mixed_up(store: Path, tmp_path: Path):
    tracking.track_run(store, "one", "r", {}, POINTS, SUMMARY)
    with pytest.raises(TrackingFailed, match="already imported here for"):
        tracking.track_run(tmp_path, "two", "r", {}, POINTS, SUMMARY)


def test_a_folder_that_cannot_be_made_is_a_typed_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrackingFailed, match=r"could not use .*file/trackio"):
        tracking.track_run(tmp_path / "file" / "trackio", "p", "r", {}, POINTS, SUMMARY)


def test_a_store_that_is_no_database_is_a_typed_error_and_a_missing_one_is_empty(tmp_path: Path):
    assert tracking.read_runs(tmp_path, "none") == []
    (tmp_path / "bad.db").write_bytes(b"not a database, though long enough to look at" * 100)
    with pytest.raises(TrackingFailed, match=r"bad\.db cannot be read"):
        tracking.read_runs(tmp_path, "bad")


def test_a_process_without_any_network_tracks_on_a_clean_stdout(tmp_path: Path):
    """Every socket but a local pair is refused; a name looked up or a connection tried would end the process."""
    code = """
import json, os, socket, sys
def refuse(*args, **kwargs):
    print(f"network: {args}", file=sys.stderr)
    os._exit(7)
socket.getaddrinfo = socket.create_connection = socket.socket.connect = socket.socket.connect_ex = refuse
socket.socket.sendto = refuse
from pathlib import Path
from golf.report import tracking
points = [{"step": 1, "val_bpb": 3.0}]
path = tracking.track_run(Path(sys.argv[1]), "p", "r", {}, points, {"val_bpb": 2.0})
print(json.dumps([path.name, len(tracking.read_runs(Path(sys.argv[1]), "p")[0].points)]))
"""
    environment = {**os.environ, "TRACKIO_SPACE_ID": "someone/space", "TRACKIO_WEBHOOK_URL": "http://127.0.0.1:9/hook"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["p.db", 2]


def test_without_trackio_the_error_says_what_to_install(tmp_path: Path):
    code = """
import sys
sys.modules["trackio"] = None
from pathlib import Path
from golf.errors import MissingPackage
from golf.report import tracking
try:
    tracking.track_run(Path(sys.argv[1]), "p", "r", {}, [], {})
except MissingPackage as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.endswith("pip install trackio\n"), done.stderr


def test_importing_the_module_imports_no_trackio():
    code = "import sys; from golf.report import tracking; sys.exit('trackio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
    assert issubclass(TrackingFailed, GolfError)
