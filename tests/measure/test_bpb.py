import importlib.util
import io
import json
import math
import os
import pickle
import pydoc_data.topics
import re
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import sentencepiece
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from golf.errors import AmbiguousInput, BadConfig, GolfError, JobFailed, NotFound, UnreadableInput
from golf.measure import scorer, shards
from golf.measure.bpb import evaluate_bpb, find_checkpoint
from golf.measure.own_forward import token_losses
from golf.measure.pace import Pace, Way
from golf.measure.script_model import build_model
from golf.measure.windows import Windows
from golf.measure.windows import score as score_windows

SCRIPT = '''
import json, os, sys, threading
from pathlib import Path
import torch
import torch.nn.functional as F
from torch import nn

if "WITNESS" in os.environ:
    facts = {"pid": os.getpid(), "modules": sorted(sys.modules), "environ": dict(os.environ)}
    Path(os.environ["WITNESS"]).write_text(json.dumps(facts))


class Hyperparameters:
    vocab_size = int(os.environ.get("VOCAB_SIZE", 1024))
    num_layers = int(os.environ.get("NUM_LAYERS", 2))
    model_dim = int(os.environ.get("MODEL_DIM", 32))
    train_seq_len = int(os.environ.get("TRAIN_SEQ_LEN", 64))


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.fc = nn.Linear(dim, 2 * dim, bias=False)
        self.proj = nn.Linear(2 * dim, dim, bias=False)

    def forward(self, x):
        x = x + F.scaled_dot_product_attention(*self.qkv(F.rms_norm(x, x.shape[-1:])).chunk(3, -1), is_causal=True)
        return x + self.proj(torch.relu(self.fc(F.rms_norm(x, x.shape[-1:]))).square())


class GPT(nn.Module):
    """As in the challenge, forward gives the mean loss and there is no way to the logits."""

    def __init__(self, vocab_size, num_layers, model_dim, softcap=10.0):
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, model_dim)
        self.blocks = nn.ModuleList(Block(model_dim) for _ in range(num_layers))
        self.softcap = softcap
        self.calls = 0

    def forward(self, input_ids, target_ids):
        self.calls += 1
        if self.calls > int(os.environ.get("DIE_AFTER", 10**9)):
            os.kill(os.getpid(), 9)
        if self.calls > int(os.environ.get("HANG_AFTER", 10**9)):
            threading.Event().wait()
        x = self.tok_emb(input_ids)
        for block in self.blocks:
            x = block(x)
        x = F.rms_norm(x, x.shape[-1:]).flatten(0, 1)
        logits = self.softcap * torch.tanh(F.linear(x, self.tok_emb.weight) / self.softcap)
        return F.cross_entropy(logits, target_ids.flatten())


def dequantize_state_dict_int8(obj):
    return {name: q.float() * obj["scales"][name] for name, q in obj["quantized"].items()}
'''

BASELINE = Path(__file__).parents[2] / "baselines" / "naive" / "train_gpt.py"


@dataclass
class Course:
    """A tokenizer, a val split in two shards, a script and its random weights, quantised."""

    root: Path
    ids: list[int]
    tokenizer: sentencepiece.SentencePieceProcessor

    @property
    def script(self) -> Path:
        return self.root / "train_gpt.py"

    @property
    def checkpoint(self) -> Path:
        return self.root / "final_model.int8.ptz"

    def request(self, result: Path, **changes) -> scorer.Request:
        fields = {
            "checkpoint": str(self.checkpoint),
            "script": str(self.script),
            "shards": [str(path) for path in shards.find_shards(self.root / "data", "val")],
            "tokenizer": str(self.root / "tokenizer.model"),
            "result": str(result),
            "device": "cpu",
            "threads": 1,
        }
        return scorer.Request(**(fields | changes))

    def evaluate(self, **changes):
        fields = {
            "checkpoint": self.checkpoint,
            "script": self.script,
            "data": self.root / "data",
            "tokenizer": self.root / "tokenizer.model",
            "device": "cpu",
            "threads": 1,
        }
        return evaluate_bpb(**(fields | changes))


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    root = tmp_path_factory.mktemp("course")
    text = "\n".join(pydoc_data.topics.topics.values())
    proto = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text[:80_000].splitlines()),
        model_writer=proto,
        vocab_size=1024,
        model_type="bpe",
        byte_fallback=True,
        minloglevel=2,
        num_threads=1,
    )
    (root / "tokenizer.model").write_bytes(proto.getvalue())
    tokenizer = sentencepiece.SentencePieceProcessor(model_proto=proto.getvalue())
    ids: list[int] = []
    for document in (text[80_000:83_000], "naïve 😀 你好", text[83_000:86_000]):
        ids += [tokenizer.bos_id(), *tokenizer.encode(document)]
    shards.write_shard(root / "data" / "fineweb_val_000000.bin", np.array(ids[:701]))
    shards.write_shard(root / "data" / "fineweb_val_000001.bin", np.array(ids[701:]))
    (root / "train_gpt.py").write_text(SCRIPT)
    weights = load(root / "train_gpt.py").GPT(1024, 2, 32).state_dict()
    generator = torch.Generator().manual_seed(1)
    weights = {name: torch.randn(tensor.shape, generator=generator) * 0.3 for name, tensor in weights.items()}
    scales = {name: tensor.abs().max() / 127 for name, tensor in weights.items()}
    quantised = {name: (tensor / scales[name]).round().to(torch.int8) for name, tensor in weights.items()}
    save(root / "final_model.int8.ptz", {"quantized": quantised, "scales": scales})
    return Course(root, ids, tokenizer)


@pytest.fixture
def score(course, tmp_path, monkeypatch):
    """Score in this process, which the worker's changes to sys and os.environ must not outlive."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", list(sys.argv))

    def evaluate(**changes):
        with mock.patch.dict(os.environ):
            return scorer.evaluate(course.request(tmp_path / "result.json", **changes))

    return evaluate


def load(script: Path):
    spec = importlib.util.spec_from_file_location("script_under_test", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def save(path: Path, value) -> Path:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    path.write_bytes(zlib.compress(buffer.getvalue()) if path.suffix == ".ptz" else buffer.getvalue())
    return path


def trained_model(course: Course, dtype: torch.dtype) -> torch.nn.Module:
    module = load(course.script)
    stored = torch.load(io.BytesIO(zlib.decompress(course.checkpoint.read_bytes())), weights_only=True)
    model = module.GPT(1024, 2, 32)
    model.load_state_dict(module.dequantize_state_dict_int8(stored))
    return model.to(dtype).eval()


def bytes_of(tokenizer: sentencepiece.SentencePieceProcessor, prev: int, token: int) -> int:
    """What one target stands for, said as plainly as possible."""
    if tokenizer.is_control(token) or tokenizer.is_unknown(token) or tokenizer.is_unused(token):
        return 0
    if tokenizer.is_byte(token):
        return 1
    piece = tokenizer.id_to_piece(token)
    length = len(piece.removeprefix("\u2581").encode())
    follows_text = not (tokenizer.is_control(prev) or tokenizer.is_unknown(prev) or tokenizer.is_unused(prev))
    return length + (piece.startswith("\u2581") and follows_text)


def challenge_definition(course: Course, model: torch.nn.Module, seq_len: int) -> tuple[float, float]:
    """(val_loss, val_bpb) as the challenge defines them: whole windows one after the other, each one's mean loss
    weighed by its tokens, in bits, over the bytes of all targets."""
    nats, count, size = 0.0, 0, 0
    with torch.no_grad():
        for start in range(0, (len(course.ids) - 1) // seq_len * seq_len, seq_len):
            inputs = course.ids[start : start + seq_len]
            targets = course.ids[start + 1 : start + seq_len + 1]
            nats += model(torch.tensor([inputs]), torch.tensor([targets])).double().item() * seq_len
            count += seq_len
            size += sum(bytes_of(course.tokenizer, *pair) for pair in zip(inputs, targets, strict=True))
    return nats / count, nats / math.log(2) / size


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-6)])
@pytest.mark.parametrize("seq_len", [64, 37])
def test_bpb_is_the_challenges_definition(course, score, dtype, tolerance, seq_len):
    result = score(dtype=dtype, seq_len=seq_len)
    loss, bpb = challenge_definition(course, trained_model(course, getattr(torch, dtype)), seq_len)
    assert result["val_loss"] == pytest.approx(loss, abs=tolerance)
    assert result["val_bpb"] == pytest.approx(bpb, abs=tolerance)


def test_plain_windows_leave_out_the_tail_and_say_so_without_being_a_subset(course, score):
    result = score(seq_len=64)
    offered = len(course.ids) - 1
    tail = offered % 64
    assert tail > 0
    assert (result["total_tokens"], result["scored_tokens"]) == (offered, offered - tail)
    assert result["is_subset"] is False
    assert result["notes"] == [
        f"the last {tail} targets are left out: they do not fill a window of 64 (the challenge's convention)"
    ]


def test_a_sliding_window_scores_each_target_once_in_its_own_window(course, score):
    """Brute force: the window that scores a target is the first, in steps of stride, to reach it."""
    seq_len, stride, limit = 16, 5, 120
    result = score(dtype="float64", seq_len=seq_len, stride=stride, max_tokens=limit)
    model = trained_model(course, torch.float64)
    nats = 0.0
    for target in range(limit):
        start = max(0, math.ceil((target - seq_len + 1) / stride)) * stride
        context = course.ids[start : target + 1]
        whole = model(torch.tensor([context]), torch.tensor([course.ids[start + 1 : target + 2]])).item() * len(context)
        before = 0.0
        if len(context) > 1:
            before = model(torch.tensor([context[:-1]]), torch.tensor([context[1:]])).item() * (len(context) - 1)
        nats += whole - before
    size = sum(bytes_of(course.tokenizer, *pair) for pair in zip(course.ids[:limit], course.ids[1:], strict=False))
    assert (result["scored_tokens"], result["scored_bytes"]) == (limit, size)
    assert result["val_bpb"] == pytest.approx(nats / math.log(2) / size, abs=1e-11)


@given(targets=st.integers(0, 300), seq_len=st.integers(1, 40), data=st.data())
def test_windows_cover_every_target_once_with_no_less_context_than_the_stride_leaves(targets, seq_len, data):
    stride = data.draw(st.integers(1, seq_len))
    windows = list(Windows(targets, seq_len, stride))
    scored = [target for window in windows for target in range(window.first, window.end)]
    assert scored == list(range(targets // seq_len * seq_len if stride == seq_len else targets))
    assert all(window.end - window.start <= seq_len for window in windows)
    assert all(window.first - window.start == seq_len - stride for window in windows[1:])
    assert all(window.start == number * stride for number, window in enumerate(windows))


@settings(max_examples=12)
@given(rows=st.integers(1, 40), stride=st.sampled_from([32, 20]))
def test_bpb_does_not_depend_on_the_batch_size(course, rows, stride):
    model, module = trained_model(course, torch.float64), load(course.script)
    stream = shards.Stream(shards.find_shards(course.root / "data", "val"))

    def bpb(batch_tokens: int) -> float:
        with torch.inference_mode():
            return score_windows(
                token_losses(model, module),
                stream,
                lambda start, stop: stop - start,
                Windows(400, 32, stride),
                pace=Pace([Way(batch_tokens // 32)]),
                device=torch.device("cpu"),
            ).val_bpb

    assert bpb(rows * 32) == pytest.approx(bpb(32), rel=1e-13)


def test_s120_a_limited_score_says_it_is_a_subset(course, score):
    offered = len(course.ids) - 1
    limited = score(max_tokens=200)
    assert (limited["scored_tokens"], limited["is_subset"]) == (192, True)
    assert limited["total_tokens"] == offered
    assert score(max_tokens=offered * 2)["is_subset"] is False
    assert score(max_tokens=offered - 1, stride=32)["is_subset"] is True


def test_a_byte_sidecar_replaces_the_tokenizers_counts(course, score, tmp_path):
    """rules.md, CaseOps: the side-car runs parallel to the tokens, so target i's bytes are at i + 1."""
    sizes = np.arange(len(course.ids)) % 7
    path = tmp_path / "fineweb_val_bytes_000000.bin"
    shards.write_shard(path, sizes)
    result = score(sidecars=[str(path)], tokenizer=None)
    assert result["byte_source"] == "sidecar"
    assert result["scored_bytes"] == sizes[1 : result["scored_tokens"] + 1].sum()
    nats = result["val_loss"] * result["scored_tokens"]
    assert result["val_bpb"] == pytest.approx(nats / math.log(2) / result["scored_bytes"])


def test_a_sidecar_of_another_length_is_refused(course, score, tmp_path):
    shards.write_shard(tmp_path / "fineweb_val_bytes_000000.bin", np.ones(10, dtype=int))
    with pytest.raises(UnreadableInput, match="counts 10 tokens"):
        score(sidecars=[str(tmp_path / "fineweb_val_bytes_000000.bin")])


def test_a_raw_state_dict_scores_like_its_artifact(course, score, tmp_path):
    raw = save(tmp_path / "final_model.pt", trained_model(course, torch.float32).state_dict())
    assert score(checkpoint=str(raw))["val_bpb"] == score()["val_bpb"]


def test_a_model_that_gives_logits_scores_as_one_that_only_gives_a_loss(score, tmp_path):
    start = SCRIPT.index("        x = F.rms_norm(x, x.shape[-1:]).flatten(0, 1)")
    end = SCRIPT.index("def dequantize")
    script = tmp_path / "train_gpt.py"
    script.write_text(
        SCRIPT[:start].replace("def forward(self, input_ids, target_ids)", "def logits(self, input_ids)")
        + "        x = F.rms_norm(x, x.shape[-1:])\n"
        + "        return self.softcap * torch.tanh(F.linear(x, self.tok_emb.weight) / self.softcap)\n\n"
        + SCRIPT[end:]
    )
    assert score(script=str(script), dtype="float64")["val_bpb"] == pytest.approx(
        score(dtype="float64")["val_bpb"], abs=1e-12
    )


def test_the_baseline_scores_by_both_ways_alike(score, tmp_path):
    env = {"NUM_LAYERS": "2", "MODEL_DIM": "32", "NUM_HEADS": "4", "NUM_KV_HEADS": "2", "TRAIN_SEQ_LEN": "64"}
    with mock.patch.dict(os.environ, env):
        module = load(BASELINE)
        torch.manual_seed(0)
        model = build_model(module, module.Hyperparameters())
    checkpoint = tmp_path / "final_model.int8.ptz"
    save(checkpoint, module.quantize_state_dict_int8(model.state_dict())[0])
    fields = {"checkpoint": str(checkpoint), "env": env, "dtype": "float64"}
    by_logits = score(script=str(BASELINE), **fields)
    deaf = tmp_path / "train_gpt.py"
    deaf.write_text(re.sub(r"(def |\.)logits\(", r"\1hidden_logits(", BASELINE.read_text()))
    assert score(script=str(deaf), **fields)["val_bpb"] == pytest.approx(by_logits["val_bpb"], abs=1e-12)
    assert by_logits["val_loss"] == pytest.approx(math.log(1024), rel=0.2)


def test_bfloat16_is_close_to_float32_and_not_the_same(score):
    """The challenge computes under bfloat16 autocast; the result says which of the two a number is."""
    half, single = score(dtype="bfloat16"), score()
    assert half["dtype"] == "bfloat16"
    assert half["val_bpb"] != single["val_bpb"]
    assert half["val_bpb"] == pytest.approx(single["val_bpb"], rel=5e-3)


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_pickle_payload_is_refused_and_not_executed(score, tmp_path):
    touched = tmp_path / "executed"
    for checkpoint in (tmp_path / "final_model.int8.ptz", tmp_path / "final_model.pt"):
        save(checkpoint, {"quantized": Payload(touched)})
        with pytest.raises(UnreadableInput, match="nothing in it was executed"):
            score(checkpoint=str(checkpoint))
    assert not touched.exists()
    torch.load(checkpoint, weights_only=False)
    assert touched.exists(), "the payload was harmless, so the test proved nothing"


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "no torch file", "no state dict", "bare pickle"])
def test_a_damaged_checkpoint_is_unreadable(course, score, tmp_path, damage):
    good = course.checkpoint.read_bytes()
    content = {
        "cut": good[: len(good) // 2],
        "flipped": good[:500] + bytes([good[500] ^ 0xFF]) + good[501:],
        "empty": b"",
        "no torch file": zlib.compress(b"hello"),
        "no state dict": save(tmp_path / "list.ptz", [1, 2]).read_bytes(),
        "bare pickle": zlib.compress(pickle.dumps({"a": 1}, protocol=2)),
    }[damage]
    checkpoint = tmp_path / "final_model.int8.ptz"
    checkpoint.write_bytes(content)
    with pytest.raises(UnreadableInput, match=r"final_model\.int8\.ptz"):
        score(checkpoint=str(checkpoint))


@pytest.mark.parametrize(
    ("env", "remedy"),
    [
        ({"NUM_LAYERS": "5"}, "NUM_LAYERS=2"),
        ({"MODEL_DIM": "48"}, "MODEL_DIM=32"),
        ({"VOCAB_SIZE": "2048"}, "VOCAB_SIZE=1024"),
        ({"NUM_LAYERS": "1", "MODEL_DIM": "16"}, "NUM_LAYERS=2 --env MODEL_DIM=32"),
    ],
)
def test_a_checkpoint_of_another_shape_names_the_variable_to_set(score, env, remedy):
    with pytest.raises(UnreadableInput, match=f"does not fit the model.*probably --env {remedy}$"):
        score(env=env)


def test_weights_that_are_not_finite_give_no_number(course, score, tmp_path):
    weights = trained_model(course, torch.float32).state_dict()
    weights["tok_emb.weight"][5, 0] = float("nan")
    with pytest.raises(UnreadableInput, match="loss is nan"):
        score(checkpoint=str(save(tmp_path / "final_model.pt", weights)))


def test_a_token_beyond_the_models_vocabulary_is_an_error(score, tmp_path):
    shards.write_shard(tmp_path / "fineweb_val_000000.bin", np.array([5] * 300 + [1024]))
    with pytest.raises(UnreadableInput, match="token id 1024, out of range for the model's vocabulary of 1024"):
        score(shards=[str(tmp_path / "fineweb_val_000000.bin")])


def test_a_tokenizer_of_another_vocabulary_is_an_error(course, score, tmp_path):
    model = trained_model(course, torch.float32)
    wide = torch.nn.functional.pad(model.tok_emb.weight.detach(), (0, 0, 0, 8))
    checkpoint = save(tmp_path / "final_model.pt", model.state_dict() | {"tok_emb.weight": wide})
    with pytest.raises(UnreadableInput, match="has 1024 pieces, the model's vocabulary is 1032"):
        score(checkpoint=str(checkpoint), env={"VOCAB_SIZE": "1032"})


@pytest.mark.parametrize(
    ("changes", "error", "fact"),
    [
        ({"stride": 0}, BadConfig, "stride is 0"),
        ({"stride": 65}, BadConfig, r"stride is 65; it must be 1 to seq_len \(64\)"),
        ({"seq_len": 0}, BadConfig, "seq_len is 0"),
        ({"max_tokens": 0}, BadConfig, "max_tokens is 0"),
        ({"max_tokens": 63}, BadConfig, "63 targets do not fill one window of 64"),
        ({"dtype": "int8"}, BadConfig, "float32, float64, bfloat16"),
        ({"device": "tpu"}, BadConfig, "--device cpu"),
        ({"tokenizer": None}, BadConfig, "--tokenizer PATH"),
        ({"tokenizer": "/nowhere.model"}, NotFound, "no tokenizer /nowhere.model"),
        ({"script": "/nowhere.py"}, NotFound, "--script PATH"),
        ({"checkpoint": "/nowhere.ptz"}, NotFound, "/nowhere.ptz could not be read"),
    ],
)
def test_misuse_is_named_with_its_remedy(score, changes, error, fact):
    with pytest.raises(error, match=fact):
        score(**changes)


@pytest.mark.parametrize(
    ("source", "fact"),
    [
        ("raise ValueError('odd')", "failed while it was loaded: ValueError: odd"),
        ("raise SystemExit(0)", "failed while it was loaded: SystemExit"),
        ("x = 1", "defines no class GPT"),
        (SCRIPT.replace("softcap=10.0", "softcap"), "GPT in .* needs 'softcap'"),
        (SCRIPT.replace("vocab_size = int", "vocabulary = int"), "Hyperparameters in .* has no vocab_size"),
        (SCRIPT.replace("def dequantize", "def restore"), "no dequantize_state_dict_int8"),
        (SCRIPT.replace("self.softcap = softcap", "self.softcap = softcap / 0"), "could not be built: float division"),
        (SCRIPT.replace("F.cross_entropy(logits", "F.nll_loss(logits.log_softmax(-1)"), "0 times, not once"),
    ],
)
def test_a_script_that_cannot_be_scored_says_why(score, tmp_path, source, fact):
    script = tmp_path / "train_gpt.py"
    script.write_text(source)
    with pytest.raises(UnreadableInput, match=fact):
        score(script=str(script))


def test_listening_leaves_cross_entropy_as_it_was(score):
    before = torch.nn.functional.cross_entropy
    score()
    assert torch.nn.functional.cross_entropy is before


@pytest.fixture(scope="module")
def witnessed(course, tmp_path_factory):
    """One whole evaluation in a process of its own: result, progress calls, and what the script saw there."""
    folder = tmp_path_factory.mktemp("witnessed")
    calls: list[tuple[int, int]] = []
    with mock.patch.dict(os.environ, {"HF_TOKEN": "secret", "OPENAI_API_KEY": "secret", "NUM_LAYERS": "7"}):
        result = course.evaluate(
            env={"WITNESS": str(folder / "witness.json")},
            progress=lambda done, total: calls.append((done, total)),
            scratch=folder / "scratch",
        )
    return result, calls, json.loads((folder / "witness.json").read_text())


def test_the_worker_gives_what_scoring_here_gives(witnessed, score):
    result, _, _ = witnessed
    here = score()
    assert result.val_bpb == pytest.approx(here["val_bpb"], abs=1e-9)
    assert result.scored_bytes == here["scored_bytes"]
    assert result.checkpoint_sha256 == here["checkpoint_sha256"]
    assert result.eval_time_s > 0
    assert result.peak_memory_bytes > 20_000_000


def test_progress_ends_at_the_number_of_scored_targets(witnessed):
    result, calls, _ = witnessed
    assert calls[-1] == (result.scored_tokens, result.scored_tokens)


def test_the_worker_sees_no_credentials_and_no_settings_but_those_given(witnessed):
    _, _, seen = witnessed
    assert "PATH" in seen["environ"]
    assert not {"HF_TOKEN", "OPENAI_API_KEY", "NUM_LAYERS"} & seen["environ"].keys()


def test_the_worker_needs_neither_pydantic_nor_the_rest_of_golf(witnessed):
    _, _, seen = witnessed
    assert "golf.measure.byte_counts" in seen["modules"]
    assert not {"pydantic", "golf.schema", "golf.measure.bpb", "rich", "mcp"} & set(seen["modules"])


def test_a_worker_killed_midway_is_a_failed_job_and_no_number(course):
    with pytest.raises(JobFailed, match=r"killed by SIGKILL.*there is no score"):
        course.evaluate(seq_len=8, stride=1, env={"DIE_AFTER": "1"})


def test_an_error_in_the_worker_arrives_as_it_was_raised_there(course):
    with pytest.raises(UnreadableInput, match="probably --env NUM_LAYERS=2"):
        course.evaluate(env={"NUM_LAYERS": "3"})


def test_an_interrupted_caller_leaves_no_worker_behind(course, tmp_path):
    witness = tmp_path / "witness.json"

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        course.evaluate(seq_len=8, stride=1, env={"HANG_AFTER": "1", "WITNESS": str(witness)}, progress=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(json.loads(witness.read_text())["pid"], 0)


def test_a_worker_whose_caller_vanished_leaves_by_itself(course, tmp_path):
    """The caller holds the other end of stdin; after its SIGKILL nobody else could end the worker."""
    request = course.request(tmp_path / "result.json", seq_len=8, stride=1, env={"HANG_AFTER": "1"}, lifeline=True)
    (tmp_path / "request.json").write_text(json.dumps(vars(request)))
    worker = subprocess.Popen(
        [sys.executable, "-m", "golf.measure.scorer", str(tmp_path / "request.json")],
        stdin=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert worker.stdin is not None
    worker.stdin.close()
    assert worker.wait(60) == 1
    assert not (tmp_path / "result.json").exists()


def test_a_score_that_takes_too_long_is_ended(course):
    with pytest.raises(JobFailed, match=r"longer than its limit of 0\.01 s"):
        course.evaluate(timeout_s=0.01)


def test_an_interpreter_that_cannot_start_or_has_no_torch_is_named(course, tmp_path):
    with pytest.raises(BadConfig, match=r"train\.python in golf\.toml"):
        course.evaluate(python=str(tmp_path / "python"))
    bare = tmp_path / "bare"
    bare.write_text("#!/bin/sh\necho \"ModuleNotFoundError: No module named 'torch'\" >&2\nexit 1\n")
    bare.chmod(0o755)
    with pytest.raises(JobFailed, match=r"exit status 1.*No module named 'torch'"):
        course.evaluate(python=str(bare))


def test_a_folder_gives_its_artifact_and_script(course):
    assert find_checkpoint(course.root) == (course.checkpoint, course.script)
    assert find_checkpoint(course.checkpoint) == (course.checkpoint, course.script)
    assert find_checkpoint(course.checkpoint, BASELINE).script == BASELINE


def test_the_artifact_goes_before_the_raw_weights_and_two_artifacts_are_ambiguous(tmp_path):
    for name in ("train_gpt.py", "final_model.pt", "final_model.int8.ptz"):
        (tmp_path / name).write_bytes(name.encode())
    assert find_checkpoint(tmp_path).weights.name == "final_model.int8.ptz"
    (tmp_path / "other.ptz").write_bytes(b"other")
    with pytest.raises(AmbiguousInput, match=r"final_model\.int8\.ptz.*other\.ptz"):
        find_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("names", "error"),
    [([], UnreadableInput), (["train_gpt.py"], UnreadableInput), (["final_model.int8.ptz"], NotFound)],
)
def test_a_folder_without_weights_or_script_is_refused(tmp_path, names, error):
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(error):
        find_checkpoint(tmp_path)


def test_eval_py_is_another_spelling_of_evaluate_bpb(monkeypatch):
    called: list[list[str]] = []
    cli = mock.Mock(main=lambda arguments: called.append(arguments) or 0)
    monkeypatch.setitem(sys.modules, "golf.cli", cli)
    module = load(Path(__file__).parents[2] / "eval.py")
    assert module.run(["--checkpoint", "runs/a", "--tokens", "9", "--env", "A=1", "--env", "B=2"]) == 0
    assert called == [["evaluate-bpb", "runs/a", "--env", "A=1", "--env", "B=2", "--tokens", "9"]]


def test_every_failure_is_a_golf_error_with_exit_code_2():
    assert {error.exit_code for error in (JobFailed, UnreadableInput, BadConfig, NotFound)} == {2}
    assert all(issubclass(error, GolfError) for error in (JobFailed, UnreadableInput, BadConfig, NotFound))
