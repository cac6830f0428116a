"""A checkpoint as ONNX, kept only if it computes what PyTorch does, and what serves it (S75)."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_export
from hypothesis import given
from hypothesis import strategies as st
from toy_export import NAIVE, SMALL, baseline, onnxruntime, torch

from golf.cli import main
from golf.desk.export import exporting
from golf.desk.export.exported import Export

FACTORY = '''
import os
import torch
from torch import nn

assert not [name for name in os.environ if "TOKEN" in name], "a credential reached the script"

class Small(nn.Module):
    """Learned positions; gives its last position alone, and all of them to the loss, as nanoGPT does."""

    def __init__(self, vocab_size, block_size):
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocab_size, 8), nn.Embedding(block_size, 8)
        self.head = nn.Linear(8, vocab_size, bias=False)
        self.angles = (0, None)

    def forward(self, ids, targets=None):
        x = self.tokens(ids) + self.places(torch.arange(ids.shape[1]))
        if self.angles[0] != ids.shape[1]:  # a cache that an earlier call would leave its length in
            self.angles = (ids.shape[1], torch.arange(ids.shape[1]).float().cos()[:, None])
        x = nn.functional.scaled_dot_product_attention(x[:, None], x[:, None], x[:, None], is_causal=True)[:, 0]
        x = x * self.angles[1]
        EXTRA
        if targets is None:
            return self.head(x[:, [-1]]), None
        logits = self.head(x)
        return logits, nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)

def build(checkpoint):
    return Small(**checkpoint["model_args"])
'''


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Export]:
    """The toy checkpoint's export."""
    return toy_export.exported(tmp_path_factory.mktemp("exported"))


def factory(folder: Path, extra: str = "pass") -> list[str]:
    """Arguments for a model of another shape than the challenge's, with a checkpoint as training loops leave them."""
    (folder / "small.py").write_text(FACTORY.replace("EXTRA", extra))
    drawn = torch.Generator().manual_seed(5)
    shapes = {"tokens.weight": (12, 8), "places.weight": (10, 8), "head.weight": (12, 8)}
    state = {f"_orig_mod.{name}": torch.randn(shape, generator=drawn) for name, shape in shapes.items()}
    args = {"vocab_size": 12, "block_size": 10}
    torch.save({"model": state, "model_args": args, "iter_num": 7}, folder / "ckpt.pt")
    return [str(folder / "ckpt.pt"), "--factory", f"{folder / 'small.py'}:build", "--max-len", "10"]


# --- the export


def test_s75_an_export_agrees_with_pytorch_in_every_shape(exported: tuple[Path, Export]) -> None:
    _, made = exported
    assert made.verdict == "exported"
    assert made.tolerance == 1e-5
    assert made.difference is not None and made.difference <= 1e-5
    tried = {(one.batch, one.sequence) for one in made.shapes}
    assert {(1, 1), (1, 24), (2, 24), (3, 13), (5, 1)} <= tried
    assert all(one.difference is not None and one.rounding is not None for one in made.shapes)


def test_s75_batch_and_sequence_are_dynamic_and_the_file_is_what_the_answer_says(
    exported: tuple[Path, Export],
) -> None:
    folder, made = exported
    assert made.inputs[0].shape == ["batch", "sequence"]
    assert made.outputs[0].shape == ["batch", "sequence", SMALL["VOCAB_SIZE"]]
    assert made.opset == 18
    for one in made.files:
        data = (folder / one.path).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (one.bytes, one.sha256)
    assert made.model_sha256 == next(one.sha256 for one in made.files if one.path == "model.onnx")


def test_s75_the_exported_file_gives_pytorchs_logits_for_a_shape_nobody_traced(exported: tuple[Path, Export]) -> None:
    folder, _ = exported
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    ids = np.random.default_rng(9).integers(0, SMALL["VOCAB_SIZE"], size=(7, 19))
    with torch.no_grad():
        expected = baseline().logits(torch.from_numpy(ids)).numpy()
    assert np.abs(session.run(None, {"input_ids": ids})[0] - expected).max() <= 1e-5


def test_s75_the_exported_file_tells_nothing_of_this_machine(exported: tuple[Path, Export]) -> None:
    folder, _ = exported
    for name in ("model.onnx", "export.json"):
        data = (folder / name).read_bytes()
        for secret in (str(NAIVE.parents[2]), "site-packages", "Traceback", "def forward", "rotary_tables(input_ids"):
            assert secret.encode() not in data, f"{name} holds {secret}"


def test_s75_a_cache_of_torch_that_lies_out_of_reach_is_no_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """torch itself names it to its children, once anything was compiled in a process."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "elsewhere"))
    assert main(["export", *factory(tmp_path), "--out", str(tmp_path / "out"), "--json"]) == 0, capsys.readouterr().err


def test_s75_a_model_that_differs_is_refused_and_nothing_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even an export of other weights that lay there: it would pass for one of these."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "export.json").write_text("{}")
    (folder / "model.onnx").write_text("of yesterday")
    wrong = "x = x * 1.0001 if torch.compiler.is_exporting() else x"
    argv = ["export", *factory(tmp_path, wrong), "--out", str(folder), "--json", "--force"]
    assert main(argv) == 1
    refused = Export.model_validate_json(capsys.readouterr().out)
    assert refused.verdict == "refused"
    assert refused.difference is not None and refused.difference > 1e-5
    assert "over the tolerance of 1e-05" in refused.reasons[0]
    assert "computes something else" in refused.reasons[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ckpt.pt", "small.py"]


def test_s75_a_tolerance_states_itself_and_a_dry_run_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = "x = x * 1.0001 if torch.compiler.is_exporting() else x"
    folder = tmp_path / "out"
    assert main(["export", *factory(tmp_path, wrong), "--out", str(folder), "--tolerance", "0.1", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "export: would be exported" in shown
    assert "tolerance: 0.1" in shown
    assert not folder.exists()


def test_s75_a_factorys_model_is_exported_with_all_its_positions_and_sees_no_credential(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_not_for_scripts")
    assert main(["export", *factory(tmp_path), "--out", str(tmp_path / "out"), "--json"]) == 0
    made = Export.model_validate_json(capsys.readouterr().out)
    assert made.outputs[0].shape == ["batch", "sequence", 12]
    assert made.logits == "what forward(input_ids, targets) takes the cross entropy of"
    assert made.factory == "build"


def test_s75_an_axis_that_does_not_vary_is_named_and_no_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Torch 2.13 traces this without a word, and writes a model of seven tokens."""
    fixed = "x = x + torch.zeros(int(ids.shape[1]), 8)"
    assert main(["export", *factory(tmp_path, fixed), "--out", str(tmp_path / "out"), "--json"]) == 1
    refused = Export.model_validate_json(capsys.readouterr().out)
    assert "batch and sequence are not both dynamic" in refused.reasons[0]
    assert refused.difference is None
    assert not (tmp_path / "out").exists()


def test_s75_a_checkpoint_that_could_run_code_is_refused_unopened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = factory(tmp_path)
    trap = tmp_path / "sprung"
    torch.save({"model": Trap(str(trap))}, tmp_path / "ckpt.pt")
    assert main(["export", *argv, "--out", str(tmp_path / "out")]) == 2
    assert "nothing in it was executed" in capsys.readouterr().err
    assert not trap.exists()


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize(
    "argv, said",
    [
        (["--factory", "small.py"], "FILE.py:FUNCTION"),
        (["--factory", "nowhere.py:build"], "there is no file nowhere.py"),
        (["--opset", "9"], "opset is 9; it may be 18 to 23"),
        (["--max-len", "1"], "at least 2"),
        (["--out", "there"], "there already"),
        (["--out", "there", "--force"], "is no export"),
        (["--with", "gone"], "nothing at gone"),
    ],
)
def test_s75_what_cannot_be_used_is_said_before_anything_runs(
    argv: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "toy.pt").write_bytes(b"")
    (tmp_path / "train_gpt.py").write_text("raise SystemExit")
    assert main(["export", "toy.pt", *argv]) == 2
    assert said in capsys.readouterr().err
    assert (tmp_path / "there").is_dir()


@given(max_len=st.integers(2, 100_000), vocab_size=st.integers(2, 300_000))
def test_s75_shapes_hold_the_smallest_and_the_longest_that_fit(max_len: int, vocab_size: int) -> None:
    planned, notes = exporting.shapes(max_len, vocab_size)
    assert (1, 1) in planned
    longest = max(length for _, length in planned)
    assert longest == max_len or notes
    assert longest <= max_len
    assert all(rows * length * vocab_size <= exporting.LOGITS_MAX or length <= 2 for rows, length in planned)
    for ids, shape in zip(exporting.token_ids([(1, 1), (2, 3)], vocab_size), [(1, 1), (2, 3)], strict=True):
        assert ids.shape == shape
        assert ids.min() >= 0
        assert ids.max() == vocab_size - 1
