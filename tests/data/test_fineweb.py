"""The real huggingface_hub client against a stand-in on loopback that misbehaves.

The client reads HF_ENDPOINT when it is imported, so each fetch runs in a process of its own.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hub import Hub

from golf.data.fineweb import REPO_ID
from golf.measure import shards

CLIENT = """
import json, sys
from pathlib import Path
from golf.data import fineweb
from golf.errors import GolfError

def answer(verb, options):
    steps = []
    try:
        if verb == "plan":
            return {"plan": fineweb.plan_fineweb(folder, **options).model_dump()}
        paths = fineweb.fetch_fineweb(folder, progress=lambda *step: steps.append(step), **options)
        return {"paths": [str(path.relative_to(folder)) for path in paths], "progress": steps}
    except GolfError as error:
        return {"error": type(error).__name__, "message": str(error)}

folder, verb = Path(sys.argv[1]), sys.argv[2]
fineweb.FIRST_WAIT_S = 0.05
print(json.dumps([answer(verb, options) for options in json.loads(sys.argv[3])]))
"""
TOKEN = "hf_thisisasecrettoken"
DATASET = "datasets/fineweb10B_sp1024"
TRAIN_0, TRAIN_1 = f"{DATASET}/fineweb_train_000000.bin", f"{DATASET}/fineweb_train_000001.bin"
VAL = f"{DATASET}/fineweb_val_000000.bin"
MODEL = "tokenizers/fineweb_1024_bpe.model"


def shard(tmp_path: Path, seed: int) -> bytes:
    path = tmp_path / "made.bin"
    shards.write_shard(path, np.random.default_rng(seed).integers(0, 1024, 100_000))
    return path.read_bytes()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    manifest = {
        "datasets": [
            {"name": f"fineweb10B_{name}", "tokenizer_name": name, "stats": {"files_train": 3, "files_val": 1}}
            for name in ("sp1024", "byte260")
        ],
        "tokenizers": [{"name": "sp1024", "model_path": MODEL}, {"name": "byte260", "path": "tokenizers/byte.json"}],
    }
    with Hub(REPO_ID) as hub:
        hub.files = {
            "datasets/manifest.json": json.dumps(manifest).encode(),
            f"datasets/{MODEL}": b"a tokenizer",
            **{f"datasets/{name}": shard(tmp_path, seed) for seed, name in enumerate((VAL, TRAIN_0, TRAIN_1))},
        }
        yield hub


def environment(tmp_path: Path, url: str, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "MATCHED_"))}
    return clean | {
        "HF_ENDPOINT": url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": TOKEN,
        "HF_HUB_DOWNLOAD_TIMEOUT": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        **more,
    }


def command(tmp_path: Path, verb: str, *options: dict[str, Any], before: str = "") -> list[str]:
    asked = [{"train_shards": 1, **option} for option in options]
    return [sys.executable, "-c", before + CLIENT, str(tmp_path / "data"), verb, json.dumps(asked)]


def golf_data(
    tmp_path: Path, url: str, *options: dict[str, Any], verb: str = "fetch", before: str = "", **env: str
) -> Any:
    """What the client says to each of `options`, after checking that no token and no signed link came along."""
    done = subprocess.run(
        command(tmp_path, verb, *(options or ({},)), before=before),
        env=environment(tmp_path, url, **env),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    for secret in (TOKEN, "s3cret"):
        assert secret not in done.stdout + done.stderr
    assert done.stderr == ""
    answers = json.loads(done.stdout)
    return answers if len(options) > 1 else answers[0]


def check_progress(steps: list[tuple[str, int, int]], total: int) -> None:
    """Bytes over all files: never falling, and at the total in the end."""
    assert {step[2] for step in steps} == {total}
    done = [step[1] for step in steps]
    assert done == sorted(done)
    assert done[-1] == total


def test_shards_and_tokenizer_land_where_the_challenge_puts_them(tmp_path: Path, hub: Hub):
    answer = golf_data(tmp_path, hub.url)
    assert answer["paths"] == [VAL, TRAIN_0, MODEL]
    for name in (VAL, TRAIN_0, MODEL, "manifest.json"):
        assert (tmp_path / "data" / name).read_bytes() == hub.files[f"datasets/{name}"]
    left = {path.name for path in (tmp_path / "data").iterdir()}
    assert left == {"datasets", "tokenizers", "manifest.json"}
    check_progress(answer["progress"], sum(len(hub.files[f"datasets/{name}"]) for name in (VAL, TRAIN_0, MODEL)))


def test_a_plan_names_files_and_bytes_and_fetches_none(tmp_path: Path, hub: Hub):
    plan = golf_data(tmp_path, hub.url, {"train_shards": 2}, verb="plan")["plan"]
    assert [file["path"] for file in plan["files"]] == [VAL, TRAIN_0, TRAIN_1, MODEL]
    assert plan["missing_bytes"] == plan["total_bytes"] == 3 * len(hub.files[f"datasets/{VAL}"]) + len(b"a tokenizer")
    assert plan["train_shards_offered"] == 3
    assert not (tmp_path / "data").exists()
    assert hub.gets() == ["manifest.json"]


def test_a_second_fetch_brings_only_what_is_missing_or_torn(tmp_path: Path, hub: Hub):
    golf_data(tmp_path, hub.url)
    torn = tmp_path / "data" / VAL
    torn.write_bytes(torn.read_bytes()[:-2])
    hub.seen.clear()
    golf_data(tmp_path, hub.url, {"train_shards": 2})
    assert hub.gets() == ["manifest.json", Path(VAL).name, Path(TRAIN_1).name]
    assert torn.read_bytes() == hub.files[f"datasets/{VAL}"]


def test_a_server_error_is_tried_again_whatever_the_request(tmp_path: Path, hub: Hub):
    requests = ("POST", "paths-info"), ("HEAD", Path(VAL).name), ("GET", Path(TRAIN_0).name)
    for request in requests:
        hub.faults[request] = ["500"]
    assert golf_data(tmp_path, hub.url)["paths"] == [VAL, TRAIN_0, MODEL]
    assert not any(hub.faults.values())


def test_a_server_that_keeps_failing_is_named_with_its_status(tmp_path: Path, hub: Hub):
    hub.faults["POST", "paths-info"] = ["500"] * 9
    answer = golf_data(tmp_path, hub.url)
    assert answer["error"] == "UnreadableInput"
    assert "answered 500" in answer["message"]
    assert answer["message"].endswith("golf data fineweb")
    assert hub.seen.count(("POST", "paths-info")) == 3


def test_a_body_cut_short_or_stalled_is_asked_for_again(tmp_path: Path, hub: Hub):
    hub.faults["GET", Path(TRAIN_0).name] = ["cut", "stall"]
    steps = golf_data(tmp_path, hub.url)["progress"]
    assert (tmp_path / "data" / TRAIN_0).read_bytes() == hub.files[f"datasets/{TRAIN_0}"]
    assert hub.gets().count(Path(TRAIN_0).name) == 3
    assert steps[-1][1] == steps[-1][2]


def test_a_shard_with_another_magic_is_refused_and_the_ones_before_it_kept(tmp_path: Path, hub: Hub):
    hub.files[f"datasets/{TRAIN_0}"] = b"\0" * 4 + hub.files[f"datasets/{TRAIN_0}"][4:]
    answer = golf_data(tmp_path, hub.url)
    assert answer["error"] == "UnreadableInput"
    assert f"datasets/{TRAIN_0} arrived damaged" in answer["message"]
    assert "magic 0" in answer["message"]
    assert (tmp_path / "data" / VAL).exists()
    assert not (tmp_path / "data" / TRAIN_0).exists()


def test_content_that_differs_from_the_hubs_checksum_is_refused(tmp_path: Path, hub: Hub):
    hub.checksums[f"datasets/{TRAIN_0}"] = "ab" * 32
    answer = golf_data(tmp_path, hub.url)
    assert answer["error"] == "UnreadableInput"
    assert "SHA-256" in answer["message"]
    assert not (tmp_path / "data" / TRAIN_0).exists()


def test_what_the_export_does_not_have_is_answered_with_what_it_has(tmp_path: Path, hub: Hub):
    wishes = {"variant": "sp9999"}, {"train_shards": 4}, {"train_shards": -1}, {"train_shards": 3}
    variant, too_many, negative, unpublished = golf_data(tmp_path, hub.url, *wishes)
    assert [answer["error"] for answer in (variant, too_many, negative)] == ["BadConfig"] * 3
    assert "byte260, sp1024" in variant["message"]
    assert too_many["message"].endswith("--train-shards 3")
    assert "-1" in negative["message"]
    assert unpublished["error"] == "NotFound"
    assert "fineweb_train_000002.bin" in unpublished["message"]
    assert set(hub.gets()) == {"manifest.json"}


def test_a_manifest_cannot_lead_out_of_the_folder(tmp_path: Path, hub: Hub):
    manifest = hub.files["datasets/manifest.json"].replace(MODEL.encode(), b"tokenizers/../../outside.model")
    hub.files["datasets/manifest.json"] = manifest
    hub.files["datasets/tokenizers/../../outside.model"] = b"x"
    answer = golf_data(tmp_path, hub.url)
    assert answer["error"] == "UnreadableInput"
    assert "leads out" in answer["message"]


def test_a_refused_login_says_what_to_check(tmp_path: Path, hub: Hub):
    hub.faults["POST", "paths-info"] = ["401"]
    answer = golf_data(tmp_path, hub.url)
    assert answer["error"] == "UnreadableInput"
    assert "(401)" in answer["message"]
    assert answer["message"].endswith("hf auth login")


def test_another_export_is_named_through_the_challenges_own_variables(tmp_path: Path, hub: Hub):
    hub.repo_id = "me/other"
    hub.files = {name.replace("datasets/", "mine/", 1): data for name, data in hub.files.items()}
    env = {"MATCHED_FINEWEB_REPO_ID": "me/other", "MATCHED_FINEWEB_REMOTE_ROOT_PREFIX": "mine"}
    assert golf_data(tmp_path, hub.url, **env)["paths"] == [VAL, TRAIN_0, MODEL]


def test_without_a_network_the_way_to_play_offline_is_shown(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses connections
        answer = golf_data(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert answer["error"] == "UnreadableInput"
    assert "could not be reached" in answer["message"]
    assert answer["message"].endswith("golf data pydocs")


def test_offline_mode_is_respected_and_named(tmp_path: Path, hub: Hub):
    answer = golf_data(tmp_path, hub.url, HF_HUB_OFFLINE="1")
    assert answer["error"] == "UnreadableInput"
    assert "HF_HUB_OFFLINE" in answer["message"]
    assert hub.seen == []


def test_a_disk_too_small_is_noticed_before_anything_is_fetched(tmp_path: Path, hub: Hub):
    answer = golf_data(tmp_path, hub.url, before="from golf.data import fineweb; fineweb.FREE_BYTES_MIN = 1 << 60\n")
    assert answer["error"] == "UnreadableInput"
    assert "free" in answer["message"]
    assert answer["message"].endswith("--train-shards 1")
    assert hub.gets() == ["manifest.json"]


def test_a_file_that_cannot_be_written_is_not_blamed_on_the_network(tmp_path: Path, hub: Hub):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    answer = golf_data(tmp_path, hub.url, before=limit)
    assert answer["error"] == "UnreadableInput"
    assert "could not be written: File too large" in answer["message"]


def test_a_killed_fetch_is_taken_up_and_its_leftovers_go(tmp_path: Path, hub: Hub):
    hub.hold = threading.Event()
    hub.faults["GET", Path(TRAIN_0).name] = ["stall"]
    killed = subprocess.Popen(
        command(tmp_path, "fetch", {}),
        env=environment(tmp_path, hub.url, HF_HUB_DOWNLOAD_TIMEOUT="600"),
        stdout=subprocess.DEVNULL,
    )
    assert hub.stalled.wait(30)
    busy = golf_data(tmp_path, hub.url)
    assert busy["error"] == "UnreadableInput"
    assert "another golf data fineweb" in busy["message"]
    killed.send_signal(signal.SIGKILL)
    killed.wait(10)
    assert (tmp_path / "data" / ".fineweb").exists()
    hub.hold.set()
    hub.seen.clear()
    assert golf_data(tmp_path, hub.url)["paths"] == [VAL, TRAIN_0, MODEL]
    assert Path(VAL).name not in hub.gets()
    assert not (tmp_path / "data" / ".fineweb").exists()
