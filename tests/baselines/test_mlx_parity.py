"""train_gpt_mlx.py is train_gpt.py: the same numbers forwards, backwards, through the optimisers and in the artifact.

Each comparison is also made with a mistranslation put in on purpose, which it must notice.
"""

import importlib.util
import inspect
import io
import json
import os
import pickle
import pydoc
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

mx = pytest.importorskip("mlx.core", reason="MLX is not installed: pip install 'caddie[mlx]'")
torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'caddie[train]'")
sentencepiece = pytest.importorskip("sentencepiece", reason="not installed: pip install sentencepiece")
from golf.measure.bpb import evaluate_bpb  # noqa: E402 # after the skips
from golf.measure.logs import read_log  # noqa: E402 # after the skips

NAIVE = Path(__file__).parents[2] / "baselines" / "naive"
LOGITS_ATOL = 1e-5  # of logits up to 8; seen: 3.3e-6
GRADIENT_RTOL = 1e-5  # of a parameter's largest gradient; seen: 2.3e-6
STEP_ATOL = 5e-6  # after three steps of up to 0.025 each; seen: 3e-7

SMALL = {
    "NUM_LAYERS": "4",
    "MODEL_DIM": "64",
    "NUM_HEADS": "4",
    "NUM_KV_HEADS": "2",
    "TRAIN_SEQ_LEN": "64",
    "TRAIN_BATCH_TOKENS": "256",
    "VAL_BATCH_SIZE": "8192",
    "MLX_MAX_MICROBATCH_TOKENS": "128",
    "MUON_MOMENTUM_WARMUP_STEPS": "5",
    "WARMUP_STEPS": "1",
    "DEVICE": "cpu",
}


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"naive_{name}", NAIVE / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


pt, ml = script("train_gpt"), script("train_gpt_mlx")


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small model on the CPU, and nothing else from the caller's environment."""
    for setting in variables(ml.Hyperparameters).values():
        monkeypatch.delenv(setting.name, raising=False)
    for name in ("GOLF_METRICS", "GOLF_STOP", "RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in SMALL.items():
        monkeypatch.setenv(name, value)
    mx.set_default_device(mx.cpu)
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """DATA_PATH and TOKENIZER_PATH of English text that comes with Python, in the challenge's formats."""
    folder = tmp_path_factory.mktemp("fineweb")
    topics = [pydoc.plain(pydoc.render_doc(module)) for module in (json, re, os, zipfile, subprocess)]
    lines = [line.strip() for topic in topics for line in topic.splitlines() if line.strip()]
    (folder / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text.txt"),
        model_prefix=str(folder / "bpe"),
        vocab_size=1024,
        model_type="bpe",
        byte_fallback=True,
        minloglevel=2,
    )
    sp = sentencepiece.SentencePieceProcessor(model_file=str(folder / "bpe.model"))
    documents = [[sp.bos_id(), *sp.encode(topic + " — naïve ⛳")] for topic in topics]
    for name, parts in {
        "train_000000": documents[:2],
        "train_000001": documents[2:4],
        "val_000000": documents[4:],
    }.items():
        tokens = np.concatenate(parts).astype("<u2")[:5_000]
        header = np.zeros(256, "<i4")
        header[:3] = 20240520, 1, len(tokens)
        (folder / f"fineweb_{name}.bin").write_bytes(header.tobytes() + tokens.tobytes())
    return {"DATA_PATH": str(folder), "TOKENIZER_PATH": str(folder / "bpe.model")}


def variables(settings: type) -> dict[str, Any]:
    return {name: value for name, value in vars(settings).items() if not name.startswith("_")}


@dataclass
class Pair:
    """The two models with the same random weights (every parameter random: fresh projections are zero and hide)."""

    torch: Any
    mlx: Any
    x: np.ndarray
    y: np.ndarray

    @property
    def torch_weights(self) -> dict[str, np.ndarray]:
        return {name: value.detach().numpy().copy() for name, value in self.torch.state_dict().items()}


def model_of(script: ModuleType) -> Any:
    """The small model as one of the scripts builds it."""
    args = script.Hyperparameters()
    return script.GPT(**{name: getattr(args, name) for name in inspect.signature(script.GPT).parameters})


def random_weights(shapes: dict[str, tuple[int, ...]], seed: int = 7) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes.items():
        is_matrix = len(shape) == 2 and not any(part in name for part in ml.CONTROLS)
        value = rng.standard_normal(shape) * (shape[-1] ** -0.5 if is_matrix else 0.3) + (0 if is_matrix else 1)
        weights[name] = value.astype(np.float32)
    return weights


def pair() -> Pair:
    left, right = model_of(pt), model_of(ml)
    weights = random_weights({name: tuple(value.shape) for name, value in left.state_dict().items()})
    left.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    ml.load_weights(right, weights)
    ids = np.random.default_rng(8).integers(0, 1024, (3, 65))
    return Pair(left, right, ids[:, :-1], ids[:, 1:])


def logits_apart(both: Pair) -> float:
    """Largest difference of two logits; they are up to about 15."""
    with torch.inference_mode():
        left = both.torch.logits(torch.from_numpy(both.x)).numpy()
    return float(np.abs(left - np.array(both.mlx.logits(mx.array(both.x)))).max())


def torch_gradients(both: Pair) -> tuple[float, dict[str, np.ndarray]]:
    both.torch.zero_grad()
    loss = both.torch(torch.from_numpy(both.x), torch.from_numpy(both.y))
    loss.backward()
    return loss.item(), {name: p.grad.numpy().copy() for name, p in both.torch.named_parameters() if p.numel()}


def mlx_gradients(both: Pair) -> tuple[float, dict[str, np.ndarray]]:
    function = ml.nn.value_and_grad(both.mlx, lambda x, y: both.mlx(x, y))
    loss, tree = function(mx.array(both.x), mx.array(both.y))
    return loss.item(), {name: np.array(g) for name, g in ml.named(tree).items() if g.size}


def steps_apart(both: Pair, steps: int = 3) -> float:
    """Largest difference of two weights after some steps of both optimisers on the same gradients.

    Each step has another batch's: Muon forgets their size, so momentum shows only where their directions differ.
    """
    batches = [Pair(both.torch, both.mlx, both.y[i : i + 1], both.x[i : i + 1]) for i in range(steps)]
    gradients = [torch_gradients(batch)[1] for batch in batches]
    args = pt.Hyperparameters()
    optimizers = pt.make_optimizers(both.torch, args, pt.Team())
    mine = ml.Optimizers(both.mlx, ml.Hyperparameters())
    for step, fresh in enumerate(gradients):
        for name, parameter in both.torch.named_parameters():
            parameter.grad = torch.from_numpy(fresh[name].copy()) if name in fresh else None
        if args.grad_clip_norm > 0:
            torch.nn.utils.clip_grad_norm_(both.torch.parameters(), args.grad_clip_norm)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"], group["momentum"] = group["base_lr"] * 0.5, pt.momentum_at(args, step)
            optimizer.step()
        here = ml.named(both.mlx.parameters())
        mine.step(
            both.mlx, {n: mx.array(fresh[n]) if n in fresh else mx.zeros_like(p) for n, p in here.items()}, step, 0.5
        )
    after = ml.export_weights(both.mlx)
    return max(float(np.abs(value - after[name]).max()) for name, value in both.torch_weights.items() if value.size)


# --- settings and schedules


def test_both_scripts_have_the_same_settings_with_the_same_defaults(monkeypatch):
    for setting in variables(ml.Hyperparameters).values():
        monkeypatch.delenv(setting.name, raising=False)
    monkeypatch.setenv("RUN_ID", "same")  # a fresh uuid otherwise
    extra = {"mlx_max_microbatch_tokens"}
    mine, theirs = variables(ml.Hyperparameters), variables(pt.Hyperparameters)
    assert mine.keys() - theirs.keys() == extra
    assert theirs.keys() - mine.keys() == set()
    for name in theirs:
        ours, other = getattr(ml.Hyperparameters(), name), getattr(pt.Hyperparameters(), name)
        assert (name, ours, type(ours)) == (name, other, type(other))


def test_every_environment_variable_sets_the_same_attribute_in_both(monkeypatch):
    for i, setting in enumerate(variables(pt.Hyperparameters).values()):
        value = str(i % 2) if isinstance(setting.default, bool) else str(100 + i)
        monkeypatch.setenv(setting.name, value)
    for name in variables(pt.Hyperparameters):
        assert (name, getattr(ml.Hyperparameters(), name)) == (name, getattr(pt.Hyperparameters(), name))
    assert ml.Hyperparameters().seed >= 100


@pytest.mark.parametrize("cap", ["0", "600"])
def test_learning_rate_and_momentum_follow_the_same_schedule(monkeypatch, cap):
    for name, value in {"MAX_WALLCLOCK_SECONDS": cap, "ITERATIONS": "100", "WARMDOWN_ITERS": "30"}.items():
        monkeypatch.setenv(name, value)
    ours, theirs = ml.Hyperparameters(), pt.Hyperparameters()
    points = [(step, seconds) for step in range(0, 101, 5) for seconds in (0.0, 1.0, 300.0, 599.0, 601.0)]
    scales = [ml.lr_scale(ours, *point) for point in points]
    assert scales == [pt.lr_scale(theirs, *point) for point in points]
    assert len(set(scales)) > 3
    assert [ml.momentum_at(ours, s) for s in range(9)] == [pt.momentum_at(theirs, s) for s in range(9)]


# --- model

SHAPES = [{}, {"TIE_EMBEDDINGS": "0"}, {"NUM_LAYERS": "5", "NUM_KV_HEADS": "4"}, {"NUM_LAYERS": "1"}]
SHAPE_NAMES = ["tied", "untied", "odd depth without grouping", "one layer"]


@pytest.mark.parametrize("shape", SHAPES, ids=SHAPE_NAMES)
def test_the_same_weights_give_the_same_logits_loss_and_gradients(monkeypatch, shape):
    for name, value in shape.items():
        monkeypatch.setenv(name, value)
    both = pair()
    assert logits_apart(both) < LOGITS_ATOL
    (left_loss, left), (right_loss, right) = torch_gradients(both), mlx_gradients(both)
    assert right_loss == pytest.approx(left_loss, rel=1e-6)
    assert left.keys() == right.keys()
    for name, gradient in left.items():
        assert np.abs(gradient).max() > 0, f"{name} has no gradient, so this compares nothing"
        apart = np.abs(gradient - right[name]).max() / np.abs(gradient).max()
        assert apart < GRADIENT_RTOL, name


def other_way_round(x, cos, sin):
    """mlx.nn.RoPE's direction."""
    first, second = mx.split(x, 2, axis=-1)
    return mx.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def interleaved(x, cos, sin):
    """Pairs (2i, 2i + 1) instead of halves."""
    first, second = x[..., 0::2], x[..., 1::2]
    turned = mx.stack([first * cos + second * sin, second * cos - first * sin], axis=-1)
    return turned.reshape(x.shape)


def kv_heads_dealt_out(q, k, v, **kwargs):
    """Query head h reads kv head h % num_kv_heads, as after a tile instead of a repeat."""
    groups = q.shape[1] // k.shape[1]
    tiled = (mx.tile(part, (1, groups, 1, 1)) for part in (k, v))
    return attention(q, *tiled, **kwargs)


attention = mx.fast.scaled_dot_product_attention

MISTRANSLATIONS = {
    "RoPE turns the other way round": (ml, "rotate", other_way_round),
    "RoPE pairs neighbours": (ml, "rotate", interleaved),
    "key and value heads in another order": (mx.fast, "scaled_dot_product_attention", kv_heads_dealt_out),
    "GELU for ReLU²": (ml.MLP, "__call__", lambda self, x: self.proj(ml.nn.gelu(self.fc(x)))),
    "attention looks ahead": (
        mx.fast,
        "scaled_dot_product_attention",
        lambda q, k, v, **kw: attention(q, k, v, scale=kw["scale"]),
    ),
}


@pytest.mark.parametrize("mistake", MISTRANSLATIONS)
def test_a_mistranslated_model_does_not_pass_the_comparison(monkeypatch, mistake):
    both = pair()
    monkeypatch.setattr(*MISTRANSLATIONS[mistake])
    assert logits_apart(both) > 100 * LOGITS_ATOL


def test_a_customary_epsilon_is_noticed_at_the_size_embeddings_start_with(monkeypatch):
    both = pair()
    fresh = both.torch_weights | {"tok_emb.weight": both.torch_weights["tok_emb.weight"] * 0.04}  # std 0.005
    both.torch.load_state_dict({name: torch.from_numpy(value) for name, value in fresh.items()})
    ml.load_weights(both.mlx, fresh)
    assert logits_apart(both) < LOGITS_ATOL
    monkeypatch.setattr(ml, "NORM_EPS", 1e-6)
    assert logits_apart(both) > 10 * LOGITS_ATOL


def test_a_fresh_model_has_the_same_spread_of_weights_in_both(monkeypatch):
    for tied in ("1", "0"):
        monkeypatch.setenv("TIE_EMBEDDINGS", tied)
        mx.random.seed(1)
        torch.manual_seed(1)
        mine = ml.export_weights(model_of(ml))
        for name, value in model_of(pt).state_dict().items():
            assert float(np.std(mine[name])) == pytest.approx(float(value.std(correction=0)), rel=0.05), name
            assert float(np.mean(mine[name])) == pytest.approx(float(value.mean()), abs=0.02), name


# --- optimisers


@pytest.mark.parametrize("shape", [*SHAPES, {"GRAD_CLIP_NORM": "0.5"}], ids=[*SHAPE_NAMES, "clipped"])
def test_optimiser_steps_from_the_same_state_give_the_same_weights(monkeypatch, shape):
    for name, value in shape.items():
        monkeypatch.setenv(name, value)
    both = pair()
    before = both.torch_weights
    assert steps_apart(both) < STEP_ATOL
    moved = {
        name: float(np.abs(value - before[name]).max()) for name, value in both.torch_weights.items() if value.size
    }
    assert min(moved.values()) > 100 * STEP_ATOL


def cubic(matrix, steps):
    """Newton–Schulz with the textbook's polynomial."""
    x = matrix / (mx.linalg.norm(matrix) + 1e-7)
    for _ in range(steps):
        x = 1.5 * x - 0.5 * (x @ x.T) @ x
    return x


class HeavyBall(ml.Muon):
    """Orthogonalises the velocity itself."""

    def apply_gradients(self, gradients, parameters):
        for name, g in gradients.items():
            self.state[name] = self.momentum * self.state.get(name, mx.zeros_like(g)) + g
        return {
            name: parameters[name]
            - self.learning_rate
            * max(1.0, p.shape[0] / p.shape[1]) ** 0.5
            * ml.orthogonalise(self.state[name], self.steps)
            for name, p in parameters.items()
        }


class Unscaled(ml.Muon):
    """Steps equally far in matrices of every shape."""

    def apply_gradients(self, gradients, parameters):
        moved = super().apply_gradients(gradients, parameters)
        return {
            name: p + (moved[name] - p) / max(1.0, p.shape[0] / p.shape[1]) ** 0.5 for name, p in parameters.items()
        }


OPTIMISER_MISTAKES = {
    "Adam without bias correction": (
        ml.optim,
        "Adam",
        lambda lr, bias_correction, adam=ml.optim.Adam, **kwargs: adam(lr, **kwargs),
    ),
    "another polynomial": (ml, "orthogonalise", cubic),
    "momentum without its warm-up": (ml, "momentum_at", lambda args, step: args.muon_momentum),
    "momentum that is not Nesterov's": (ml, "Muon", HeavyBall),
    "no scale for tall matrices": (ml, "Muon", Unscaled),
    "the gates go to Muon": (ml, "CONTROLS", ()),
}


@pytest.mark.parametrize("mistake", OPTIMISER_MISTAKES)
def test_a_mistranslated_optimiser_does_not_pass_the_comparison(monkeypatch, mistake):
    both = pair()
    monkeypatch.setattr(*OPTIMISER_MISTAKES[mistake])
    assert steps_apart(both) > 100 * STEP_ATOL


# --- data, score and whole runs


def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: dict[str, str]) -> tuple[Any, Any]:
    monkeypatch.chdir(tmp_path)
    for name, value in (data | {"ITERATIONS": "10", "WARMDOWN_ITERS": "5", "MAX_WALLCLOCK_SECONDS": "0"}).items():
        monkeypatch.setenv(name, value)
    team, theirs, ours = pt.Team(), pt.Hyperparameters(), ml.Hyperparameters()
    left = pt.Run(theirs, team, pt.Journal(theirs, team))
    right = ml.Run(ours, "cpu", ml.Journal(ours))
    weights = random_weights({name: tuple(value.shape) for name, value in left.weights.state_dict().items()})
    left.weights.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    ml.load_weights(right.model, weights)
    return left, right


def test_both_read_the_same_batches_in_the_same_order(tmp_path, monkeypatch, data):
    left, right = runs(tmp_path, monkeypatch, data)
    total = sum(len(ml.read_shard(path, 1024)) for path in right.shards)
    taken = [right.stream.take(256) for _ in range(total // 256 + 3)]  # into the second pass
    for tokens in taken:
        np.testing.assert_array_equal(left.stream.take(256).numpy(), tokens)
    np.testing.assert_array_equal(np.concatenate([t[1:] for t in taken])[total - 1 :][:200], taken[0][:200])


def test_both_score_the_same_val_bpb_on_the_same_shard(tmp_path, monkeypatch, data):
    left, right = runs(tmp_path, monkeypatch, data)
    assert (left.val.num_tokens, left.val.num_bytes) == (right.val.num_tokens, right.val.num_bytes)
    assert right.val.num_bytes > right.val.num_tokens > 1000
    (left_loss, left_bpb), (right_loss, right_bpb) = left.validate(), right.validate()
    assert right_loss == pytest.approx(left_loss, abs=1e-5)
    assert right_bpb == pytest.approx(left_bpb, abs=1e-5)


def test_ten_steps_of_training_take_both_to_the_same_place(tmp_path, monkeypatch, data):
    """Whatever a single step does not show adds up here; the MLX run also cuts its batches otherwise."""
    left, right = runs(tmp_path, monkeypatch, data)
    assert (left.passes, right.passes) == (1, 2)
    losses = []
    for step in range(10):
        scale = pt.lr_scale(left.args, step, 0.0)
        losses.append((left.step(step, scale).item(), right.step(step, scale)))
    for theirs, ours in losses:
        assert ours == pytest.approx(theirs, abs=1e-3)
    assert losses[-1][0] < losses[0][0] - 0.5
    assert right.validate()[1] == pytest.approx(left.validate()[1], abs=1e-3)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="on a CPU, MLX compiles with a C++ compiler")
def test_the_compiled_bfloat16_path_of_a_gpu_trains_like_the_plain_one(tmp_path, monkeypatch, data):
    monkeypatch.setenv("MLX_MAX_MICROBATCH_TOKENS", "192")  # the last pass of a batch is smaller: it compiles twice
    _, plain = runs(tmp_path, monkeypatch, data)
    fast = ml.Run(ml.Hyperparameters(), "gpu", plain.journal)  # compiled, on the CPU
    ml.load_weights(fast.model, ml.export_weights(plain.model))
    losses = [(plain.step(step, 1.0), fast.step(step, 1.0)) for step in range(3)]
    for exact, rounded in losses:
        assert rounded == pytest.approx(exact, rel=0.01)
        assert rounded != exact
    assert losses[-1][1] < losses[0][1] - 0.1
    assert fast.validate()[1] == pytest.approx(plain.validate()[1], rel=0.01)


def test_what_is_written_by_one_is_read_by_the_other(tmp_path, monkeypatch, data):
    monkeypatch.setenv("MODEL_DIM", "128")  # an embedding above 65,536 parameters is quantised
    left, right = runs(tmp_path, monkeypatch, data)
    theirs, _ = pt.quantize_state_dict_int8(left.weights.state_dict())
    ours, stats = ml.quantize_state_dict_int8(ml.export_weights(right.model))
    assert ours["quantized"] and ours["passthrough_orig_dtypes"]

    mine_in_torch = torch.load(io.BytesIO(ml.torch_bytes(ours)), weights_only=True)
    buffer = io.BytesIO()
    torch.save(theirs, buffer)
    theirs_in_mlx = ml.read_torch_bytes(buffer.getvalue())
    for key in ("quantized", "scales", "passthrough"):
        for name, value in theirs[key].items():
            assert mine_in_torch[key][name].dtype == value.dtype, name
            assert torch.equal(mine_in_torch[key][name], value), name
            np.testing.assert_array_equal(theirs_in_mlx[key][name], ours[key][name])
    for key in ("__quant_format__", "dtypes", "qmeta", "passthrough_orig_dtypes"):
        assert mine_in_torch[key] == theirs[key] == theirs_in_mlx[key]

    restored = pt.dequantize_state_dict_int8(mine_in_torch)
    for name, value in ml.dequantize_state_dict_int8(theirs_in_mlx).items():
        np.testing.assert_array_equal(restored[name].numpy(), value)
    assert stats["int8_payload_bytes"] < stats["baseline_tensor_bytes"] / 2


def test_weights_trained_in_bfloat16_are_restored_to_what_pytorch_restores():
    """On cuda the embedding is bfloat16, and the artifact says so."""
    state = {"tok_emb.weight": torch.from_numpy(random_weights({"e": (600, 128)})["e"]).bfloat16()}
    content, _ = pt.quantize_state_dict_int8(state)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    mine = ml.dequantize_state_dict_int8(ml.read_torch_bytes(buffer.getvalue()))
    theirs = pt.dequantize_state_dict_int8(content)["tok_emb.weight"]
    assert theirs.dtype == torch.bfloat16
    np.testing.assert_array_equal(mine["tok_emb.weight"], theirs.float().numpy())


def test_equal_weights_give_equal_bytes():
    weights = random_weights({"a": (3, 5), "b": (4,)})
    assert ml.torch_bytes(weights) == ml.torch_bytes(weights)


def test_an_archive_that_would_run_code_is_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"quantized": Trap()}))
    with pytest.raises(pickle.UnpicklingError, match="which no artifact needs"):
        ml.read_torch_bytes(buffer.getvalue())
    assert not (tmp_path / "sprung").exists()


def test_exporting_and_loading_weights_changes_nothing():
    model = model_of(ml)
    weights = random_weights({name: value.shape for name, value in ml.named(model.parameters()).items()})
    ml.load_weights(model, weights)
    exported = ml.export_weights(model)
    assert exported.keys() == weights.keys() == model_of(pt).state_dict().keys()
    for name, value in weights.items():
        np.testing.assert_array_equal(exported[name], value)


@pytest.mark.parametrize("change", ["missing", "unknown", "shape"])
def test_weights_that_do_not_fit_are_refused_and_nothing_is_loaded(change):
    model = model_of(ml)
    before = ml.export_weights(model)
    weights = {name: value + 1 for name, value in before.items()}
    if change == "missing":
        del weights["skip_weights"]
    elif change == "unknown":
        weights["blocks.0.attn.qkv.weight"] = weights["blocks.0.attn.c_q.weight"]
    else:
        weights["tok_emb.weight"] = weights["tok_emb.weight"].T
    with pytest.raises(ml.Unusable, match=r"skip_weights|qkv|tok_emb"):
        ml.load_weights(model, weights)
    for name, value in ml.export_weights(model).items():
        np.testing.assert_array_equal(value, before[name])


# --- the command


TINY = SMALL | {"NUM_LAYERS": "2", "MODEL_DIM": "32", "TRAIN_BATCH_TOKENS": "128"}


def play(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(NAIVE / "train_gpt_mlx.py")]
    quick = TINY | {"ITERATIONS": "10", "TRAIN_LOG_EVERY": "5", "VAL_LOSS_EVERY": "5", "RUN_ID": "tiny"}
    variables = {**os.environ, **quick, **environment}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=120, check=False)


def test_a_run_leaves_log_metrics_checkpoint_and_an_artifact_that_scores_what_its_log_says(tmp_path, data):
    metrics = tmp_path / "metrics.jsonl"
    done = play(tmp_path, data | {"GOLF_METRICS": str(metrics)})
    assert (done.returncode, done.stderr) == (0, "")
    path, source = tmp_path / "logs" / "tiny.txt", (NAIVE / "train_gpt_mlx.py").read_text(encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    assert text.startswith(source) and text.endswith(done.stdout.split("\n", 1)[1])

    log = read_log(path)
    artifact = tmp_path / "final_model.int8.ptz"
    assert log.final_label == "final_int8_zlib_roundtrip_exact"
    assert (log.steps, log.iterations, log.world_size, log.seed, log.train_shards) == (10, 10, 1, 1337, 2)
    assert log.model_bytes == artifact.stat().st_size
    assert log.artifact_bytes == artifact.stat().st_size + len(source.encode())
    assert None not in (log.final_bpb, log.train_time_s, log.eval_time_s, log.memory_bytes, log.val_tokens)
    scores = {point.step: point.val_bpb for point in log.points if point.val_bpb is not None}
    assert list(scores) == [0, 5, 10]  # on random tokens there is nothing to learn; parity shows the training
    assert [point.step for point in log.points if point.train_loss is not None] == list(range(1, 11))

    records = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    assert [record["step"] for record in records if "val_bpb" in record] == [0, 5, 10]
    assert {record["step"] for record in records if "train_loss" in record} == set(range(1, 11))
    assert all(record["iterations"] == 10 and record["train_time_s"] >= 0 for record in records)

    score = evaluate_bpb(
        artifact,
        script=NAIVE / "train_gpt.py",
        data=Path(data["DATA_PATH"]),
        tokenizer=Path(data["TOKENIZER_PATH"]),
        env=TINY,
        device="cpu",
        threads=1,
    )
    assert (score.val_loss, score.val_bpb) == pytest.approx((log.final_loss, log.final_bpb), abs=1e-5)
    assert (score.scored_tokens, score.is_subset) == (log.val_tokens, False)
    plain = torch.load(tmp_path / "final_model.pt", weights_only=True)
    assert plain.keys() == ml.read_torch_bytes((tmp_path / "final_model.pt").read_bytes()).keys()
    assert all(value.dtype == torch.float32 for value in plain.values())


def test_a_stop_file_ends_a_run_after_the_step_in_progress_and_the_run_still_ends_well(tmp_path, data):
    (tmp_path / "stop").touch()
    done = play(tmp_path, data | {"GOLF_STOP": str(tmp_path / "stop"), "ITERATIONS": "100000"})
    assert done.returncode == 0
    assert re.search(r"^stopping_early: stop_file train_time:\d+ms step:1/100000$", done.stdout, re.M)
    assert (tmp_path / "final_model.int8.ptz").is_file()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"DATA_PATH": "nowhere"}, "no fineweb_val"),
        ({"VOCAB_SIZE": "512"}, "outside VOCAB_SIZE=512"),
        ({"ITERATIONS": "many"}, "ITERATIONS must be of type int"),
        ({"DEVICE": "abacus"}, "DEVICE=abacus is not"),
    ],
)
def test_settings_that_cannot_be_used_end_in_one_line_and_exit_code_two(tmp_path, data, wrong, says):
    done = play(tmp_path, data | wrong)
    assert done.returncode == 2
    assert says in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_token_outside_the_vocabulary_is_refused_instead_of_read_from_other_memory(data):
    shard = Path(data["DATA_PATH"]) / "fineweb_val_000000.bin"
    with pytest.raises(ml.Unusable, match="outside VOCAB_SIZE"):
        ml.read_shard(shard, 100)
