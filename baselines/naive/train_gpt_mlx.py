"""train_gpt.py's twin on MLX: the same model, data, optimisers, score and artifact, without PyTorch.

    python train_gpt_mlx.py      on the Apple GPU if there is one, else on the cpu (or set DEVICE to gpu or cpu)

Settings, log lines and files are train_gpt.py's, and so are the parameters' names: `load_weights` and `export_weights`
carry a model across by name alone. `final_model.int8.ptz` is the very same format, a compressed torch.save archive;
that is a zip around a small pickle, which the standard library can write and read, and one evaluator scores both.

Surprising, because a translation that gets them wrong raises no error and trains:
- mlx.nn.RoPE turns the other way round than train_gpt.py: the same weights would be another function.
- PyTorch's norm adds float32's epsilon, 1.2e-7; embeddings start at a mean square of 2.5e-5, which 1e-6 would dampen.
- mlx.optimizers.Adam corrects its bias only when told to, and mlx.nn.Embedding starts at another scale.
- A token outside the vocabulary reads some other memory, so shards are checked when they are opened.
Equal seeds do not give equal weights in both, as the generators differ; in one of them they do.

On a GPU activations are bfloat16. MLX_MAX_MICROBATCH_TOKENS bounds what goes through the model at once: it changes
memory, not batches. GOLF_METRICS, GOLF_STOP and exit code 2 are as in train_gpt.py.
"""

import importlib.metadata
import inspect
import io
import json
import math
import os
import pickle
import resource
import sys
import time
import uuid
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
import sentencepiece as spm
from mlx.utils import tree_flatten, tree_unflatten

Value = TypeVar("Value", str, int, float, bool)
Arrays = dict[str, mx.array]
Weights = dict[str, np.ndarray]
"""Parameters by their PyTorch state-dict names."""

ARTIFACT = Path("final_model.int8.ptz")
CONTROLS = ("attn_scale", "mlp_scale", "resid_mix", "q_gain", "skip_weight")
"""Parts of the names of scales and gates: trained by Adam, stored in float32."""
KEPT_NUMEL_MAX = 65_536
"""Parameters up to this size are stored as float16 rather than quantised."""
HEARTBEAT_S = 2.0
NORM_EPS = float(np.finfo(np.float32).eps)
MLX_VERSION = importlib.metadata.version("mlx")


class Unusable(ValueError):
    """Settings or data that cannot be used; the message says what to change."""


class Setting(Generic[Value]):
    """An environment variable, typed by its default and read on access."""

    def __init__(self, name: str, default: Value):
        self.name, self.default = name, default

    def __get__(self, instance: object, owner: type) -> Value:
        text, kind = os.environ.get(self.name), type(self.default)
        if text is None:
            return self.default
        try:
            return kind(int(text)) if kind is bool else kind(text)  # booleans are written 0 and 1
        except ValueError:
            raise Unusable(f"{self.name} must be of type {kind.__name__} (got {text!r})") from None


class Hyperparameters:
    """Every setting; names and defaults are train_gpt.py's, and a test compares them."""

    data_path = Setting("DATA_PATH", "./data/datasets/fineweb10B_sp1024")
    tokenizer_path = Setting("TOKENIZER_PATH", "./data/tokenizers/fineweb_1024_bpe.model")
    run_id = Setting("RUN_ID", str(uuid.uuid4()))
    seed = Setting("SEED", 1337)

    iterations = Setting("ITERATIONS", 20_000)
    max_wallclock_seconds = Setting("MAX_WALLCLOCK_SECONDS", 600.0)
    warmup_steps = Setting("WARMUP_STEPS", 20)
    warmdown_iters = Setting("WARMDOWN_ITERS", 1200)
    train_batch_tokens = Setting("TRAIN_BATCH_TOKENS", 524_288)
    train_seq_len = Setting("TRAIN_SEQ_LEN", 1024)
    train_log_every = Setting("TRAIN_LOG_EVERY", 200)
    val_batch_size = Setting("VAL_BATCH_SIZE", 524_288)
    val_loss_every = Setting("VAL_LOSS_EVERY", 1000)
    mlx_max_microbatch_tokens = Setting("MLX_MAX_MICROBATCH_TOKENS", 8192)

    vocab_size = Setting("VOCAB_SIZE", 1024)
    num_layers = Setting("NUM_LAYERS", 9)
    model_dim = Setting("MODEL_DIM", 512)
    num_heads = Setting("NUM_HEADS", 8)
    num_kv_heads = Setting("NUM_KV_HEADS", 4)
    mlp_mult = Setting("MLP_MULT", 2)
    tie_embeddings = Setting("TIE_EMBEDDINGS", True)
    tied_embed_init_std = Setting("TIED_EMBED_INIT_STD", 0.005)
    logit_softcap = Setting("LOGIT_SOFTCAP", 30.0)
    rope_base = Setting("ROPE_BASE", 10_000.0)
    qk_gain_init = Setting("QK_GAIN_INIT", 1.5)

    embed_lr = Setting("EMBED_LR", 0.6)
    tied_embed_lr = Setting("TIED_EMBED_LR", 0.05)
    head_lr = Setting("HEAD_LR", 0.008)
    matrix_lr = Setting("MATRIX_LR", 0.04)
    scalar_lr = Setting("SCALAR_LR", 0.04)
    muon_momentum = Setting("MUON_MOMENTUM", 0.95)
    muon_momentum_warmup_start = Setting("MUON_MOMENTUM_WARMUP_START", 0.85)
    muon_momentum_warmup_steps = Setting("MUON_MOMENTUM_WARMUP_STEPS", 500)
    muon_backend_steps = Setting("MUON_BACKEND_STEPS", 5)
    beta1 = Setting("BETA1", 0.9)
    beta2 = Setting("BETA2", 0.95)
    adam_eps = Setting("ADAM_EPS", 1e-8)
    grad_clip_norm = Setting("GRAD_CLIP_NORM", 0.0)


# --- model -------------------------------------------------------------------------------------


def norm(x: mx.array) -> mx.array:
    """RMS norm over the last dimension, no weights."""
    return mx.fast.rms_norm(x, None, NORM_EPS)


def rotary_tables(length: int, head_dim: int, base: float, dtype: mx.Dtype) -> tuple[mx.array, mx.array]:
    """Cosines and sines of the rotary angles, (length, head_dim / 2)."""
    frequencies = base ** -(mx.arange(0, head_dim, 2).astype(mx.float32) / head_dim)
    angles = mx.arange(length).astype(mx.float32)[:, None] * frequencies
    return mx.cos(angles).astype(dtype), mx.sin(angles).astype(dtype)


def rotate(x: mx.array, cos: mx.array, sin: mx.array) -> mx.array:
    """Rotary embedding of (B, heads, T, head_dim), clockwise; the pairs are (i, i + head_dim / 2)."""
    first, second = mx.split(x, 2, axis=-1)
    return mx.concatenate([first * cos + second * sin, second * cos - first * sin], axis=-1)


class Linear(nn.Module):
    """A matrix (out, in) without bias, kept in float32 and used in the dtype of its input."""

    def __init__(self, fan_in: int, fan_out: int, starts_at_zero: bool = False):
        super().__init__()
        bound = 0.0 if starts_at_zero else fan_in**-0.5
        self.weight = mx.random.uniform(-bound, bound, (fan_out, fan_in))

    def __call__(self, x: mx.array) -> mx.array:
        return x @ self.weight.T.astype(x.dtype)


class Attention(nn.Module):
    """Causal attention; query head h reads key and value head h // (num_heads / num_kv_heads)."""

    def __init__(self, dim: int, num_heads: int, num_kv_heads: int, qk_gain_init: float):
        super().__init__()
        self.num_heads, self.num_kv_heads, self.head_dim = num_heads, num_kv_heads, dim // num_heads
        self.c_q = Linear(dim, dim)
        self.c_k = Linear(dim, num_kv_heads * self.head_dim)
        self.c_v = Linear(dim, num_kv_heads * self.head_dim)
        self.proj = Linear(dim, dim, starts_at_zero=True)
        self.q_gain = mx.full((num_heads,), qk_gain_init)

    def __call__(self, x: mx.array, cos: mx.array, sin: mx.array) -> mx.array:
        B, T, C = x.shape
        q = self.c_q(x).reshape(B, T, self.num_heads, self.head_dim).swapaxes(1, 2)
        k = self.c_k(x).reshape(B, T, self.num_kv_heads, self.head_dim).swapaxes(1, 2)
        v = self.c_v(x).reshape(B, T, self.num_kv_heads, self.head_dim).swapaxes(1, 2)
        q = rotate(norm(q), cos, sin) * self.q_gain.astype(q.dtype)[:, None, None]
        k = rotate(norm(k), cos, sin)
        y = mx.fast.scaled_dot_product_attention(q, k, v, scale=self.head_dim**-0.5, mask="causal")
        return self.proj(y.swapaxes(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    """Two matrices around a squared ReLU."""

    def __init__(self, dim: int, mlp_mult: int):
        super().__init__()
        self.fc = Linear(dim, mlp_mult * dim)
        self.proj = Linear(mlp_mult * dim, dim, starts_at_zero=True)

    def __call__(self, x: mx.array) -> mx.array:
        return self.proj(nn.relu(self.fc(x)).square())


class Block(nn.Module):
    """Blend the stream with the embedding x0, then add attention and MLP, each scaled per channel."""

    def __init__(self, dim: int, num_heads: int, num_kv_heads: int, mlp_mult: int, qk_gain_init: float):
        super().__init__()
        self.attn = Attention(dim, num_heads, num_kv_heads, qk_gain_init)
        self.mlp = MLP(dim, mlp_mult)
        self.attn_scale = mx.ones((dim,))
        self.mlp_scale = mx.ones((dim,))
        self.resid_mix = mx.stack([mx.ones((dim,)), mx.zeros((dim,))])

    def __call__(self, x: mx.array, x0: mx.array, cos: mx.array, sin: mx.array) -> mx.array:
        stay, renew = self.resid_mix.astype(x.dtype)
        x = stay * x + renew * x0
        x = x + self.attn_scale.astype(x.dtype) * self.attn(norm(x), cos, sin)
        return x + self.mlp_scale.astype(x.dtype) * self.mlp(norm(x))


class GPT(nn.Module):
    """Decoder-only transformer; the second half of the blocks receives the first half's outputs, last one first."""

    def __init__(
        self,
        vocab_size: int,
        num_layers: int,
        model_dim: int,
        num_heads: int,
        num_kv_heads: int,
        mlp_mult: int,
        tie_embeddings: bool,
        tied_embed_init_std: float,
        logit_softcap: float,
        rope_base: float,
        qk_gain_init: float,
    ):
        super().__init__()
        if min(num_layers, num_heads, num_kv_heads, mlp_mult, logit_softcap) <= 0:
            raise Unusable("NUM_LAYERS, NUM_HEADS, NUM_KV_HEADS, MLP_MULT and LOGIT_SOFTCAP must be positive")
        if model_dim % (2 * num_heads) or num_heads % num_kv_heads:
            raise Unusable(
                f"MODEL_DIM={model_dim} must be a multiple of twice NUM_HEADS={num_heads}, "
                f"and that one of NUM_KV_HEADS={num_kv_heads}"
            )
        self.logit_softcap, self.rope_base, self.head_dim = logit_softcap, rope_base, model_dim // num_heads
        self.num_encoder_layers = num_layers // 2
        self.dtype = mx.float32  # of the activations
        self.tok_emb = nn.Embedding(vocab_size, model_dim)
        self.tok_emb.weight = mx.random.normal((vocab_size, model_dim)) * (tied_embed_init_std if tie_embeddings else 1)
        self.skip_weights = mx.ones((self.num_encoder_layers, model_dim))
        self.blocks = [Block(model_dim, num_heads, num_kv_heads, mlp_mult, qk_gain_init) for _ in range(num_layers)]
        self.lm_head = None if tie_embeddings else Linear(model_dim, vocab_size, starts_at_zero=True)

    def logits(self, input_ids: mx.array) -> mx.array:
        """Soft-capped logits, (B, T, V), for the token after each of input_ids (B, T)."""
        x = x0 = norm(self.tok_emb(input_ids).astype(self.dtype))
        cos, sin = rotary_tables(input_ids.shape[1], self.head_dim, self.rope_base, self.dtype)
        skips = []
        for i, block in enumerate(self.blocks):
            if i >= self.num_encoder_layers and skips:  # with an odd number of blocks the last has no partner
                x = x + self.skip_weights[i - self.num_encoder_layers].astype(x.dtype) * skips.pop()
            x = block(x, x0, cos, sin)
            if i < self.num_encoder_layers:
                skips.append(x)
        x = norm(x)
        raw = x @ self.tok_emb.weight.astype(x.dtype).T if self.lm_head is None else self.lm_head(x)
        return self.logit_softcap * mx.tanh(raw / self.logit_softcap)

    def __call__(self, input_ids: mx.array, target_ids: mx.array) -> mx.array:
        """Mean cross-entropy in nats over all targets (B, T), float32."""
        return nn.losses.cross_entropy(self.logits(input_ids).astype(mx.float32), target_ids, reduction="mean")


def named(tree: Any) -> Arrays:
    """The arrays of a module or of its gradients, by the names PyTorch gives them."""
    return dict(tree_flatten(tree))


def export_weights(model: GPT) -> Weights:
    """Every parameter in float32 by its PyTorch name; `load_weights` of it changes nothing."""
    return {name: np.array(value.astype(mx.float32)) for name, value in named(model.parameters()).items()}


def load_weights(model: GPT, weights: Weights) -> None:
    """Put PyTorch-named weights into the model; names and shapes must match one to one, or nothing is loaded.

    Raises:
        Unusable: a parameter is missing, unknown or of another shape.
    """
    shapes = {name: value.shape for name, value in named(model.parameters()).items()}
    if shapes.keys() != weights.keys():
        missing, unknown = sorted(shapes.keys() - weights.keys()), sorted(weights.keys() - shapes.keys())
        raise Unusable(f"these weights are another model's: missing {missing[:3]}, unknown {unknown[:3]}")
    for name, shape in shapes.items():
        if weights[name].shape != shape:
            raise Unusable(f"{name} has shape {weights[name].shape} in the weights and {shape} in the model")
    model.update(tree_unflatten([(name, mx.array(weights[name].astype(np.float32))) for name in shapes]))


# --- data --------------------------------------------------------------------------------------


def find_shards(folder: str, split: str) -> list[Path]:
    """The `fineweb_<split>_*.bin` files of a folder, in name order."""
    paths = sorted(Path(folder).glob(f"fineweb_{split}_*.bin"))
    if not paths:
        raise Unusable(f"no fineweb_{split}_*.bin in {folder}; set DATA_PATH to a folder that has them")
    return paths


def read_shard(path: Path, vocab_size: int) -> np.ndarray:
    """Tokens of one shard as uint16, mapped: 256 int32 (magic 20240520, version 1, token count, zeros), then tokens."""
    header = np.fromfile(path, "<i4", 256)
    if header.size < 256 or header[0] != 20240520 or header[1] != 1:
        raise Unusable(f"{path} is not a token shard (magic 20240520, version 1)")
    count, size = int(header[2]), path.stat().st_size
    if count < 1 or size != header.nbytes + 2 * count:
        raise Unusable(f"{path} promises {count} tokens in {header.nbytes + 2 * count} bytes and has {size} bytes")
    tokens = np.memmap(path, dtype="<u2", mode="r", offset=header.nbytes)
    if tokens.max() >= vocab_size:
        raise Unusable(f"{path} holds token {tokens.max()}, outside VOCAB_SIZE={vocab_size}; it is another tokenizer's")
    return tokens


class TokenStream:
    """Training tokens without end: shard after shard, then the first again. Every token is a target once per pass."""

    def __init__(self, paths: list[Path], vocab_size: int):
        self.paths, self.vocab_size = paths, vocab_size
        self.shard, self.position = 0, 1
        self.tokens = read_shard(paths[0], vocab_size)
        self.last = self.tokens[:1]

    def take(self, count: int) -> np.ndarray:
        """`count` + 1 tokens, int32; the first was the last of the call before."""
        pieces = [self.last]
        while count > 0:
            if self.position >= len(self.tokens):
                self.shard, self.position = (self.shard + 1) % len(self.paths), 0
                self.tokens = read_shard(self.paths[self.shard], self.vocab_size)
            pieces.append(self.tokens[self.position : self.position + count])
            self.position += len(pieces[-1])
            count -= len(pieces[-1])
        self.last = pieces[-1][-1:]
        return np.concatenate(pieces).astype(np.int32)


def rows(tokens: np.ndarray, seq_len: int, per_pass: int) -> Iterator[tuple[mx.array, mx.array]]:
    """Yield (x, y), each (up to per_pass, seq_len), for a run of tokens and the one after it."""
    x, y = tokens[:-1].reshape(-1, seq_len), tokens[1:].reshape(-1, seq_len)
    for start in range(0, len(x), per_pass):
        yield mx.array(x[start : start + per_pass]), mx.array(y[start : start + per_pass])


class Validation:
    """The validation split cut into whole sequences, and the number of text bytes its targets stand for."""

    def __init__(self, args: Hyperparameters):
        tokens = np.concatenate([read_shard(path, args.vocab_size) for path in find_shards(args.data_path, "val")])
        self.seq_len = args.train_seq_len
        self.num_tokens = (len(tokens) - 1) // self.seq_len * self.seq_len
        if self.num_tokens < 1:
            raise Unusable(f"validation has {len(tokens)} tokens, too few for TRAIN_SEQ_LEN={self.seq_len}")
        self.tokens = tokens[: self.num_tokens + 1].astype(np.int32)
        self.num_bytes = count_bytes(self.tokens, load_tokenizer(args))

    def score(self, loss: Callable[..., mx.array], per_pass: int, beat: Callable[[], None]) -> tuple[float, float]:
        """(val_loss in nats per token, val_bpb) over the whole split, `per_pass` sequences at a time."""
        loss_sum = 0.0
        for x, y in rows(self.tokens, self.seq_len, per_pass):
            loss_sum += float(loss(x, y)) * y.size
            beat()
        if not math.isfinite(loss_sum):
            raise Unusable(f"val_loss is {loss_sum}: training diverged; try a lower MATRIX_LR or TIED_EMBED_LR")
        return loss_sum / self.num_tokens, loss_sum / math.log(2) / self.num_bytes


def load_tokenizer(args: Hyperparameters) -> spm.SentencePieceProcessor:
    """The SentencePiece model of VOCAB_SIZE pieces."""
    if not Path(args.tokenizer_path).is_file():
        raise Unusable(f"no tokenizer at {args.tokenizer_path}; set TOKENIZER_PATH to a SentencePiece .model file")
    try:
        sp = spm.SentencePieceProcessor(model_file=args.tokenizer_path)
    except (RuntimeError, OSError):
        raise Unusable(f"{args.tokenizer_path} is not a SentencePiece model; set TOKENIZER_PATH to one") from None
    if sp.vocab_size() != args.vocab_size:
        raise Unusable(f"{args.tokenizer_path} has {sp.vocab_size()} pieces and VOCAB_SIZE is {args.vocab_size}")
    return sp


def count_bytes(tokens: np.ndarray, sp: spm.SentencePieceProcessor) -> int:
    """UTF-8 bytes that tokens[1:] stand for; a piece's leading space counts unless a control token comes before it."""
    num_bytes = np.zeros(sp.vocab_size(), np.int64)
    has_space, is_control = np.zeros((2, sp.vocab_size()), bool)
    for token in range(sp.vocab_size()):
        text = sp.id_to_piece(token)
        is_control[token] = sp.is_control(token) or sp.is_unknown(token) or sp.is_unused(token)
        if sp.is_byte(token):
            num_bytes[token] = 1
        elif not is_control[token]:
            has_space[token] = text.startswith("▁")
            num_bytes[token] = len(text.removeprefix("▁").encode())
    spaces = has_space[tokens[1:]] & ~is_control[tokens[:-1]]
    return int(num_bytes[tokens[1:]].sum() + spaces.sum())


# --- optimisers --------------------------------------------------------------------------------


def orthogonalise(matrix: mx.array, steps: int) -> mx.array:
    """The nearest (roughly) orthogonal matrix, by a quintic Newton–Schulz iteration, in float32.

    Source of the coefficients: Keller Jordan, "Muon: An optimizer for hidden layers" (2024).
    """
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if is_tall else matrix
    x = x / (mx.linalg.norm(x) + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.T if is_tall else x


class Muon:
    """Nesterov momentum, orthogonalised; one velocity per matrix."""

    def __init__(self, lr: float, steps: int):
        self.learning_rate, self.steps, self.momentum = lr, steps, 0.0
        self.state: Arrays = {}

    def apply_gradients(self, gradients: Arrays, parameters: Arrays) -> Arrays:
        """The parameters after one step."""
        updated = {}
        for name, g in gradients.items():
            velocity = self.state[name] = self.momentum * self.state.get(name, mx.zeros_like(g)) + g
            update = orthogonalise(g + self.momentum * velocity, self.steps)
            scale = max(1.0, g.shape[0] / g.shape[1]) ** 0.5
            updated[name] = parameters[name] - self.learning_rate * scale * update
        return updated


class Optimizers:
    """Muon for the blocks' matrices; Adam, each at its own rate, for embedding, untied head, and scales and gates."""

    def __init__(self, model: GPT, args: Hyperparameters):
        self.args = args
        token_lr = args.tied_embed_lr if args.tie_embeddings else args.embed_lr
        base_lr = {"token": token_lr, "head": args.head_lr, "matrix": args.matrix_lr, "control": args.scalar_lr}
        names: dict[str, list[str]] = {kind: [] for kind in base_lr}
        for name, value in named(model.parameters()).items():
            is_matrix = value.ndim == 2 and not any(part in name for part in CONTROLS)
            inside = "matrix" if is_matrix else "control"
            names[{"tok_emb.weight": "token", "lm_head.weight": "head"}.get(name, inside)].append(name)
        adam = partial(optim.Adam, betas=[args.beta1, args.beta2], eps=args.adam_eps, bias_correction=True)
        self.muon = Muon(args.matrix_lr, args.muon_backend_steps)
        optimizers = {kind: self.muon if kind == "matrix" else adam(lr) for kind, lr in base_lr.items()}
        self.groups = [(optimizers[kind], base_lr[kind], names[kind]) for kind in names if names[kind]]

    def step(self, model: GPT, gradients: Arrays, step: int, scale: float) -> None:
        """Update the model in place, at `scale` times the base rates."""
        if self.args.grad_clip_norm > 0:
            gradients, _ = optim.clip_grad_norm(gradients, self.args.grad_clip_norm)
        parameters = named(model.parameters())
        self.muon.momentum = momentum_at(self.args, step)
        for optimizer, lr, names in self.groups:
            optimizer.learning_rate = lr * scale
            parameters |= optimizer.apply_gradients(
                {name: gradients[name] for name in names}, {name: parameters[name] for name in names}
            )
        model.update(tree_unflatten(list(parameters.items())))
        mx.eval(model.parameters(), [optimizer.state for optimizer, _, _ in self.groups])


def lr_scale(args: Hyperparameters, step: int, elapsed_s: float) -> float:
    """Share of the base rates at a step: 1, then falling linearly to 0 over the last WARMDOWN_ITERS steps that fit."""
    remaining = float(args.iterations - step)
    if args.max_wallclock_seconds > 0 and step > 0:
        remaining = min(remaining, (args.max_wallclock_seconds - elapsed_s) * step / max(elapsed_s, 1e-9))
    return min(1.0, max(remaining, 0.0) / args.warmdown_iters) if args.warmdown_iters > 0 else 1.0


def momentum_at(args: Hyperparameters, step: int) -> float:
    """Muon's momentum, rising linearly over its warm-up."""
    done = min(step / args.muon_momentum_warmup_steps, 1.0) if args.muon_momentum_warmup_steps > 0 else 1.0
    return args.muon_momentum_warmup_start + done * (args.muon_momentum - args.muon_momentum_warmup_start)


# --- artifact ----------------------------------------------------------------------------------


def quantize_rows(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int8 rows and their float16 scales; no element moves by more than half of its row's scale."""
    limit = np.maximum(np.abs(matrix).max(axis=1), np.float32(127 * 2.0**-24))  # 2^-24 is the smallest float16
    scale = (limit / np.float32(127)).astype(np.float16)
    scale = np.where(scale.astype(np.float32) * 127 < limit, np.nextafter(scale, np.float16(np.inf)), scale)
    return np.rint(matrix / scale.astype(np.float32)[:, None]).astype(np.int8), scale


def quantize_state_dict_int8(weights: Weights) -> tuple[dict[str, Any], dict[str, int]]:
    """The artifact's content, in the challenge's format, and the bytes of its tensors before and after."""
    keys = ("quantized", "scales", "dtypes", "passthrough", "qmeta", "passthrough_orig_dtypes")
    content: dict[str, dict[str, Any]] = {key: {} for key in keys}
    for name, value in weights.items():
        if value.size > KEPT_NUMEL_MAX and value.ndim == 2:
            content["quantized"][name], content["scales"][name] = quantize_rows(value)
            content["dtypes"][name] = "float32"
            content["qmeta"][name] = {"scheme": "per_row", "axis": 0}
        elif any(part in name for part in CONTROLS):
            content["passthrough"][name] = value
        else:
            content["passthrough"][name] = value.astype(np.float16)
            content["passthrough_orig_dtypes"][name] = "float32"
    stored = (value for key in ("quantized", "scales", "passthrough") for value in content[key].values())
    sizes = {
        "baseline_tensor_bytes": sum(value.nbytes for value in weights.values()),
        "int8_payload_bytes": sum(value.nbytes for value in stored),
    }
    return {"__quant_format__": "int8_clean_per_row_v1", **content}, sizes


def dequantize_state_dict_int8(content: dict[str, Any]) -> Weights:
    """The weights an artifact stands for, as float32; those that were bfloat16 are rounded to it."""
    weights = dict(content["passthrough"])
    for name, q in content["quantized"].items():
        scale = content["scales"][name].astype(np.float32)
        weights[name] = q.astype(np.float32) * scale.reshape(-1, *[1] * (q.ndim - 1))
    dtypes = content["dtypes"] | content.get("passthrough_orig_dtypes", {})
    for name, value in weights.items():
        rounded = mx.array(value).astype(getattr(mx, dtypes.get(name, "float32")))
        weights[name] = np.array(rounded.astype(mx.float32))
    return weights


STORAGES = {"f4": "FloatStorage", "f2": "HalfStorage", "i1": "CharStorage"}
"""PyTorch's name for a tensor's memory, by NumPy's for its dtype."""


def torch_bytes(content: dict[str, Any]) -> bytes:
    """Nested dicts of text, integers and arrays as torch.save writes them; torch.load(weights_only=True) reads it.

    The pickle is assembled by hand (protocol 2), because pickling a reference to torch needs torch.
    """
    blobs: list[bytes] = []

    def numbers(*values: int) -> bytes:
        return b"".join(b"J" + value.to_bytes(4, "little", signed=True) for value in values)

    def push(value: Any) -> bytes:
        if isinstance(value, dict):
            return b"}(" + b"".join(push(key) + push(item) for key, item in value.items()) + b"u"
        if isinstance(value, str):
            return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()
        if isinstance(value, int):
            return numbers(value)
        array = value.copy(order="C")
        kind = f"ctorch\n{STORAGES[array.dtype.str[1:]]}\n".encode()
        storage = b"(" + push("storage") + kind + push(str(len(blobs))) + push("cpu") + numbers(array.size) + b"tQ"
        blobs.append(array.tobytes())
        strides = numbers(*(stride // array.itemsize for stride in array.strides))
        shape_and_strides = b"(" + numbers(*array.shape) + b"t(" + strides + b"t"
        no_grad_no_hooks = b"\x89ccollections\nOrderedDict\n)R"
        arguments = b"(" + storage + numbers(0) + shape_and_strides + no_grad_no_hooks + b"t"
        return b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"

    entries = {"data.pkl": b"\x80\x02" + push(content) + b".", "byteorder": b"little"}
    entries |= {f"data/{i}": blob for i, blob in enumerate(blobs)} | {"version": b"3\n"}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), data)  # a fixed date: equal weights give equal bytes
    return file.getvalue()


def read_torch_bytes(data: bytes) -> dict[str, Any]:
    """What torch.save wrote, tensors as arrays. Nothing in the file can run: only what artifacts need is looked up.

    Raises:
        pickle.UnpicklingError: it holds anything else.
    """
    archive = zipfile.ZipFile(io.BytesIO(data))
    root = archive.namelist()[0].split("/")[0]
    dtypes = {name: "<" + dtype for dtype, name in STORAGES.items()}

    def tensor(memory: tuple[str, bytes], offset: int, shape: tuple, strides: tuple, *_: Any) -> np.ndarray:
        dtype = np.dtype(memory[0])
        return np.ndarray(shape, dtype, memory[1], offset * dtype.itemsize, [n * dtype.itemsize for n in strides])

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            known = {"torch._utils._rebuild_tensor_v2": tensor, "collections.OrderedDict": OrderedDict}
            known |= {f"torch.{name}": dtype for name, dtype in dtypes.items()}
            if f"{module}.{name}" not in known:
                raise pickle.UnpicklingError(f"the archive refers to {module}.{name}, which no artifact needs")
            return known[f"{module}.{name}"]

        def persistent_load(self, pid: Any) -> tuple[str, bytes]:
            _, dtype, key, *_ = pid
            return dtype, archive.read(f"{root}/data/{key}")

    return Reader(io.BytesIO(archive.read(f"{root}/data.pkl"))).load()


# --- one run -----------------------------------------------------------------------------------


def choose_device() -> str:
    """Make DEVICE, or the best there is, the one MLX uses; "gpu" or "cpu"."""
    best = "gpu" if mx.default_device().type == mx.gpu else "cpu"
    asked = os.environ.get("DEVICE") or best
    kind = {"mps": "gpu", "cuda": "gpu"}.get(asked, asked)
    if kind not in ("gpu", "cpu") or (kind == "gpu" and best == "cpu"):
        raise Unusable(f"DEVICE={asked} is not gpu or cpu, or not available here; try DEVICE={best}")
    mx.set_default_device(mx.Device(getattr(mx, kind)))
    return kind


class Journal:
    """Log file, console and metrics file."""

    def __init__(self, args: Hyperparameters):
        self.iterations, self.metrics = args.iterations, os.environ.get("GOLF_METRICS")
        self.written_at = time.monotonic()
        self.path = Path("logs") / f"{args.run_id}.txt"
        self.path.parent.mkdir(exist_ok=True)
        print(self.path, flush=True)

    def log(self, *lines: str, console: bool = True) -> None:
        """Lines into the log file, and onto the console unless told otherwise."""
        with self.path.open("a", encoding="utf-8") as file:
            print(*lines, sep="\n", file=file)
        if console:
            print(*lines, sep="\n", flush=True)

    def point(self, step: int, train_time_s: float, quiet: bool = False, **scores: float) -> None:
        """A step's scores, into the metrics file and, unless quiet, as a log line."""
        if not quiet:
            said = " ".join(f"{name}:{score:.4f}" for name, score in scores.items())
            average_ms = 1000 * train_time_s / max(step, 1)
            times = f"train_time:{1000 * train_time_s:.0f}ms step_avg:{average_ms:.2f}ms"
            self.log(f"step:{step}/{self.iterations} {said} {times}")
        if self.metrics:
            record = {"step": step, "iterations": self.iterations, "train_time_s": train_time_s, **scores}
            with open(self.metrics, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            self.written_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Has the metrics file been silent for too long?"""
        return self.metrics is not None and time.monotonic() - self.written_at >= HEARTBEAT_S

    def beat(self) -> None:
        """Show life where there is no number to give: in warm-up and validation."""
        if self.metrics and self.is_due:
            Path(self.metrics).touch()
            self.written_at = time.monotonic()


class Run:
    """Model, optimisers and data of one training run."""

    def __init__(self, args: Hyperparameters, kind: str, journal: Journal):
        self.args, self.kind, self.journal = args, kind, journal
        unit = max(args.train_seq_len, 1)
        if args.train_batch_tokens < unit or args.train_batch_tokens % unit or args.val_batch_size < unit:
            raise Unusable(
                f"VAL_BATCH_SIZE={args.val_batch_size} must be at least TRAIN_SEQ_LEN={args.train_seq_len} and "
                f"TRAIN_BATCH_TOKENS={args.train_batch_tokens} a multiple of it"
            )
        self.per_pass = max(1, args.mlx_max_microbatch_tokens // unit)
        self.passes = math.ceil(args.train_batch_tokens / unit / self.per_pass)
        self.val = Validation(args)
        self.shards = find_shards(args.data_path, "train")
        self.model = GPT(**{name: getattr(args, name) for name in inspect.signature(GPT).parameters})

        def loss(x: mx.array, y: mx.array) -> mx.array:
            return self.model(x, y)

        loss_and_grad = nn.value_and_grad(self.model, loss)
        if kind == "gpu":  # on a cpu, compiling would need a C++ compiler at run time
            self.model.dtype = mx.bfloat16
            state = self.model.state  # an output as well: tracing leaves its marks in the parameters
            compiled = partial(mx.compile, inputs=state, outputs=state)
            loss, loss_and_grad = compiled(loss), compiled(loss_and_grad)
        self.loss, self.loss_and_grad = loss, loss_and_grad
        self.start_over()

    def start_over(self) -> None:
        """Fresh optimisers, and the data from its beginning."""
        self.optimizers = Optimizers(self.model, self.args)
        self.stream = TokenStream(self.shards, self.args.vocab_size)

    def warm_up(self) -> None:
        """Steps that only pay for compilation: weights, optimisers and data start over afterwards."""
        initial, count = export_weights(self.model), self.args.warmup_steps
        for step in range(1, count + 1):
            self.step(0, 1.0)
            self.journal.beat()
            if count <= 20 or step % 10 == 0 or step == count:
                self.journal.log(f"warmup_step:{step}/{count}")
        load_weights(self.model, initial)
        self.start_over()

    def step(self, step: int, scale: float) -> float:
        """One update at `scale` times the base rates; returns the mean loss of the whole batch."""
        batch, batch_loss = self.args.train_batch_tokens, 0.0
        gradients: Arrays = {}
        for x, y in rows(self.stream.take(batch), self.args.train_seq_len, self.per_pass):
            loss, tree = self.loss_and_grad(x, y)
            gradients = {name: gradients.get(name, 0) + y.size / batch * g for name, g in named(tree).items()}
            mx.eval(gradients)  # now, or all passes would be in memory at once
            batch_loss += y.size / batch * float(loss)
        self.optimizers.step(self.model, gradients, step, scale)
        return batch_loss

    def validate(self) -> tuple[float, float]:
        """(val_loss, val_bpb) of the weights as they are."""
        return self.val.score(self.loss, self.per_pass, self.journal.beat)

    def train(self) -> None:
        """Steps until ITERATIONS, the wall-clock cap or the stop file; then a validation."""
        args, journal = self.args, self.journal
        stop_file, stop, step, trained_s = os.environ.get("GOLF_STOP"), "", 0, 0.0
        started = time.perf_counter()
        while True:
            is_last = bool(stop) or step >= args.iterations
            if is_last or (args.val_loss_every > 0 and step % args.val_loss_every == 0):
                trained_s += time.perf_counter() - started
                val_loss, val_bpb = self.validate()
                journal.point(step, trained_s, val_loss=val_loss, val_bpb=val_bpb)
                started = time.perf_counter()
            if is_last:
                break
            loss = self.step(step, lr_scale(args, step, trained_s + time.perf_counter() - started))
            step += 1
            elapsed_s = trained_s + time.perf_counter() - started
            is_logged = args.train_log_every > 0 and (step <= 10 or step % args.train_log_every == 0)
            if is_logged or journal.is_due:
                journal.point(step, elapsed_s, quiet=not is_logged, train_loss=loss)
            if 0 < args.max_wallclock_seconds <= elapsed_s:
                stop = "wallclock_cap"
            if stop_file is not None and Path(stop_file).exists():
                stop = "stop_file"
        if stop and step < args.iterations:
            journal.log(f"stopping_early: {stop} train_time:{1000 * trained_s:.0f}ms step:{step}/{args.iterations}")

    def describe(self) -> None:
        """What is about to run, into the log."""
        args = self.args
        token_lr, head_lr = (args.tied_embed_lr, 0.0) if args.tie_embeddings else (args.embed_lr, args.head_lr)
        self.journal.log(
            f"val_bpb:enabled tokenizer_kind=sentencepiece tokenizer_path={args.tokenizer_path}",
            f"train_loader:dataset:{Path(args.data_path).resolve().name} train_shards:{len(self.shards)}",
            f"val_loader:shards pattern={args.data_path}/fineweb_val_*.bin tokens:{self.val.num_tokens}",
            f"model_params:{sum(value.size for value in named(self.model.parameters()).values())}",
            f"world_size:1 grad_accum_steps:{self.passes}",
            f"device:{self.kind} mlx_version:{MLX_VERSION}",
            f"attention_mode:gqa num_heads:{args.num_heads} num_kv_heads:{args.num_kv_heads}",
            f"tie_embeddings:{args.tie_embeddings} embed_lr:{token_lr} head_lr:{head_lr} "
            f"matrix_lr:{args.matrix_lr} scalar_lr:{args.scalar_lr}",
            f"train_batch_tokens:{args.train_batch_tokens} train_seq_len:{args.train_seq_len} "
            f"iterations:{args.iterations} warmup_steps:{args.warmup_steps} "
            f"max_wallclock_seconds:{args.max_wallclock_seconds:.3f}",
            f"seed:{args.seed}",
        )

    def export(self, code_bytes: int) -> None:
        """Write the plain checkpoint and the artifact; log what each weighs together with the code."""
        weights = export_weights(self.model)
        content, sizes = quantize_state_dict_int8(weights)
        raw, payload = torch_bytes(content), sizes["int8_payload_bytes"]
        plain = Path("final_model.pt").write_bytes(torch_bytes(weights))
        packed = ARTIFACT.write_bytes(zlib.compress(raw, 9))
        self.journal.log(
            f"Serialized model: {plain} bytes",
            f"Code size: {code_bytes} bytes",
            f"Total submission size: {plain + code_bytes} bytes",
            f"Serialized model int8+zlib: {packed} bytes (payload:{payload} raw_torch:{len(raw)} "
            f"payload_ratio:{sizes['baseline_tensor_bytes'] / payload:.2f}x)",
            f"Total submission size int8+zlib: {packed + code_bytes} bytes",
        )

    def score_artifact(self) -> None:
        """Read the artifact back and log its score, which is the run's result."""
        content = read_torch_bytes(zlib.decompress(ARTIFACT.read_bytes()))
        load_weights(self.model, dequantize_state_dict_int8(content))
        started = time.perf_counter()
        val_loss, val_bpb = self.validate()
        eval_ms = 1000 * (time.perf_counter() - started)
        label = "final_int8_zlib_roundtrip"
        self.journal.log(
            f"{label} val_loss:{val_loss:.4f} val_bpb:{val_bpb:.4f} eval_time:{eval_ms:.0f}ms",
            f"{label}_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}",
        )


def play() -> None:
    """One run, from the settings to the score of the artifact."""
    args, code = Hyperparameters(), Path(__file__).read_text(encoding="utf-8")
    kind = choose_device()
    mx.random.seed(args.seed)
    journal = Journal(args)
    run = Run(args, kind, journal)
    rule = "=" * 100
    journal.log(code, rule, f"Running Python {sys.version}", f"Running MLX {MLX_VERSION}", rule, console=False)
    run.describe()
    run.warm_up()
    run.train()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    reserved = max(resident, mx.get_peak_memory())  # the resident size may leave out what a GPU holds
    journal.log(f"peak memory allocated: {mx.get_peak_memory() >> 20} MiB reserved: {reserved >> 20} MiB")
    run.export(len(code.encode()))
    run.score_artifact()


def main() -> None:
    """Play; unusable settings or data end in one line on stderr and exit code 2."""
    try:
        play()
    except Unusable as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
