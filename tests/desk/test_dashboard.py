"""Trackio's own dashboard, really served and fetched over loopback; and a dataset on a Hub on loopback (S69)."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from desk.datasets_hub import TOKEN, DatasetsHub
from desk.trackio_place import trackio_folder
from scene import scored

from golf.workspace import Workspace

ROOT = Path(__file__).parents[2]
GOLF = [sys.executable, "-m", "golf.cli"]
LOG = "".join(
    f"step:{step}/90 train_loss:{5 - step / 90:.4f} val_bpb:{3 - step / 90:.4f}\n" for step in range(0, 91, 30)
)


@pytest.fixture
def tracked(workspace: Workspace) -> Workspace:
    """A workspace with one tracked run."""
    (workspace.root / "train_seed1.log").write_text(LOG)
    subprocess.run([*GOLF, "track", "train_seed1.log"], cwd=workspace.root, check=True, capture_output=True)
    return workspace


@pytest.fixture
def hub() -> Iterator[DatasetsHub]:
    with DatasetsHub() as hub:
        yield hub


def answer(url: str, body: object = None) -> tuple[int, bytes]:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=20) as said:
            return said.status, said.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_dashboard_is_trackios_own_on_loopback_and_leaves_nothing_behind(
    tracked: Workspace, tmp_path: Path, number: signal.Signals
) -> None:
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    process = subprocess.Popen(
        [*GOLF, "dashboard", "--no-browser", "--json"], cwd=tracked.root, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "HF_HOME": str(tmp_path / "hf")},
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    told = ""
    while not told.endswith("}\n"):
        line = process.stdout.readline()
        assert line, process.stderr.read()
        told += line
    board = json.loads(told)
    assert (board["project"], board["runs"]) == ("ws", 1)
    url, _, query = board["url"].partition("?")
    assert query == "project=ws"  # and no write token
    status, page = answer(board["url"])
    assert (status, b"<title>Trackio Dashboard</title>" in page) == (200, True)
    status, runs = answer(f"{url}api/get_runs_for_project", {"kwargs": {"project": "ws"}})
    assert status == 200 and b"ws-train_seed1" in runs
    status, refused = answer(f"{url}api/delete_run", {"kwargs": {"project": "ws", "run": "ws-train_seed1"}})
    assert b"write_token is required" in refused
    listening = [one.laddr.ip for one in psutil.Process(process.pid).net_connections() if one.status == "LISTEN"]
    assert listening == ["127.0.0.1"]
    process.send_signal(number)
    rest, errors = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0 if number == signal.SIGINT else 128 + number, ""), errors
    assert "token" not in told + errors
    with socket.socket() as free, pytest.raises(ConnectionRefusedError):
        free.connect(("127.0.0.1", int(url.rstrip("/").rpartition(":")[2])))
    made = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert {path for path in made if not path.is_relative_to(tracked.state / "trackio")} == set()


def test_a_port_that_is_taken_is_said(tracked: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = subprocess.run(
            [*GOLF, "dashboard", "--no-browser", "--port", port], cwd=tracked.root, capture_output=True, text=True
        )
    assert (done.returncode, f"port {port} is taken" in done.stderr) == (2, True)


def publish(workspace: Workspace, hub: DatasetsHub, *argv: str, token: str = TOKEN) -> tuple[int, dict, str]:
    environment = {**os.environ, **hub.env(workspace.root.parent / "hf", token)}
    if not token:
        environment.pop("HF_TOKEN", None)
    done = subprocess.run(
        [*GOLF, "dashboard", "--publish", "me/runs", *argv, "--json"],
        cwd=workspace.root, capture_output=True, text=True, env=environment, timeout=120,
    )  # fmt: skip
    assert TOKEN not in done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def test_publishing_shows_first_and_sends_on_request_into_a_private_dataset(
    tracked: Workspace, hub: DatasetsHub
) -> None:
    folder = scored(tracked, "wide", 1.2, beside={"report.md": f"# wide\nplayed in {tracked.root}\n"})
    (folder / "loss.png").write_bytes(b"\x89PNG\r\n" + bytes(range(256)) * 40)
    code, planned, errors = publish(tracked, hub, "--with", "wide")
    assert (code, planned["commit"], planned["is_private"], hub.requests) == (0, "", True, [])
    assert "nothing was sent; --yes sends it" in errors
    code, sent, _ = publish(tracked, hub, "--with", "wide", "--yes")
    assert (code, hub.commits, hub.public) == (0, [f"1 tracked runs, {len(sent['files'])} files"], set())
    files = hub.repos["me/runs"]
    assert sorted(files) == [file["path"] for file in planned["files"]]
    assert f"experiments/{folder.name}/result.json" in files
    assert files[f"experiments/{folder.name}/loss.png"] == (folder / "loss.png").read_bytes()
    assert files[f"experiments/{folder.name}/report.md"] == b"# wide\nplayed in <workspace>\n"
    points = [json.loads(line) for line in files["metrics/ws-train_seed1.jsonl"].splitlines()]
    assert [point["step"] for point in points] == [0, 30, 60, 90, 90]
    store = tracked.root.parent / "fetched"
    store.mkdir()
    (store / "ws.db").write_bytes(files["trackio/ws.db"])
    from golf.desk.tracking.trackio_store import read_runs

    assert [run.name for run in read_runs(store, "ws")] == ["ws-train_seed1"]
    assert sent["commit"].startswith(f"{hub.url}/datasets/me/runs/commit/")


def test_a_run_that_was_deleted_is_not_published(tmp_path: Path) -> None:
    """SQLite keeps what was deleted in free pages, where it was not built to overwrite it."""
    from golf.desk.tracking.publish import gather
    from golf.desk.tracking.trackio_store import TrackioTracker, database

    place = trackio_folder(tmp_path)
    for name in ("kept", "withdrawn"):
        tracker = TrackioTracker(place, "withdrawing")
        tracker.start(name, {"NOTE": f"{name}-idea " * 500}, {}, key=name)
        tracker.log({"loss": 1.0}, 1)
        tracker.finish({"val_bpb": 1.0})
    path = database(place, "withdrawing")
    with contextlib.closing(sqlite3.connect(path)) as store, store:
        store.execute("pragma secure_delete = off")
        store.execute("delete from configs where run_name = 'withdrawn'")
        store.execute("delete from metrics where run_name = 'withdrawn'")
    files, _, runs = gather(None, place, "withdrawing", [], "me/runs")
    assert runs == 1 and b"kept-idea" in files["trackio/withdrawing.db"]
    assert not [name for name, data in files.items() if b"withdrawn-idea" in data]


def test_publishing_refuses_keys_a_public_repository_and_no_login(tracked: Workspace, hub: DatasetsHub) -> None:
    code, _, errors = publish(tracked, hub, "--yes", token="")
    assert (code, "hf auth login" in errors) == (2, True)
    code, _, errors = publish(tracked, hub, "--yes", token="hf_" + "w" * 34)
    assert (code, "has not taken me/runs" in errors, "www" in errors) == (2, True, False)
    hub.repos["me/runs"] = {}
    hub.public.add("me/runs")
    code, _, errors = publish(tracked, hub, "--yes")
    assert (code, "is there and public" in errors, hub.repos["me/runs"]) == (1, True, {})
    code, _, errors = publish(tracked, hub, "--yes", "--public")
    assert code == 0, (errors, hub.requests)
    hub.repos["me/runs"].clear()
    scored(tracked, "leaky", 1.2, beside={"report.md": f"HF_TOKEN={TOKEN}\n"})
    code, planned, _ = publish(tracked, hub, "--with", "leaky")
    assert (code, [told.rpartition("/")[2] for told in planned["refused"]]) == (
        1,
        ["report.md:1 has a Hugging Face token"],
    )
    code, _, errors = publish(tracked, hub, "--with", "leaky", "--yes", "--public")
    assert (code, "nothing was sent" in errors, hub.repos["me/runs"]) == (1, True, {})


def test_what_is_asked_for_has_to_make_sense(workspace: Workspace) -> None:
    from golf.cli import main

    for argv in (
        ["--publish", "runs"],
        ["--publish", "me/runs"],
        ["--yes"],
        ["--publish", "me/runs", "--with", "none"],
    ):
        assert main(["dashboard", *argv]) == 2
