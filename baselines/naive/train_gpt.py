"""The challenge's naive baseline, written anew: one script that trains, compresses and scores a small GPT.

    python train_gpt.py                                      one process on cuda, else mps, else cpu (or set DEVICE)
    torchrun --standalone --nproc_per_node=8 train_gpt.py    1, 2, 4 or 8 GPUs; with DEVICE=cpu as many processes

Settings are environment variables, see `Hyperparameters`; names and defaults are the challenge's, so its commands
carry over. Into the current directory go `logs/<RUN_ID>.txt` (this source first, so that a number never loses its
code), `final_model.pt`, and the artifact `final_model.int8.ptz`, which the last score is measured on as read back.

Surprising: a batch is the same tokens whatever the number of processes and passes, and so is its loss. Warm-down ends
with whichever comes first, ITERATIONS or MAX_WALLCLOCK_SECONDS. Validation does not count as training time.

GOLF_METRICS=FILE receives a JSON line per logged step and every 2 s of training; its modification time is the
heartbeat. Once GOLF_STOP=FILE exists, the step in progress is the last. Unusable input: one line and exit code 2.
"""

from __future__ import annotations

import copy
import inspect
import io
import json
import math
import os
import random
import resource
import sys
import time
import uuid
import zlib
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import sentencepiece as spm
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

Value = TypeVar("Value", str, int, float, bool)

ARTIFACT = Path("final_model.int8.ptz")
CONTROLS = ("attn_scale", "mlp_scale", "resid_mix", "q_gain", "skip_weight")
"""Parts of the names of scales and gates: trained by Adam, stored in float32."""
KEPT_NUMEL_MAX = 65_536
"""Float tensors up to this size are stored as float16 rather than quantised."""
EAGER_TOKENS_MAX = 32_768
"""Tokens in one pass outside cuda; more would need gigabytes."""
HEARTBEAT_S = 2.0


class Unusable(ValueError):
    """Settings or data that cannot be used; the message says what to change."""


class Setting(Generic[Value]):
    """An environment variable, typed by its default and read on access: `Hyperparameters.seed` is SEED or 1337."""

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
    """Every setting. Lengths of training are in steps, sizes in tokens, rates before the schedule's scale."""

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


class Linear(nn.Linear):
    """A matrix without bias, kept in float32 and applied in the dtype of its input."""

    def __init__(self, fan_in: int, fan_out: int, starts_at_zero: bool = False):
        super().__init__(fan_in, fan_out, bias=False)
        if starts_at_zero:
            nn.init.zeros_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight.to(input.dtype))


def norm(x: Tensor) -> Tensor:
    """RMS norm over the last dimension, without weights; epsilon is the dtype's own."""
    return F.rms_norm(x, (x.size(-1),))


def rotary_tables(length: int, head_dim: int, base: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary angles, (length, head_dim / 2), computed in float32 or better."""
    kind = {"device": like.device, "dtype": torch.promote_types(like.dtype, torch.float32)}
    frequencies = base ** (-torch.arange(0, head_dim, 2, **kind) / head_dim)
    angles = torch.arange(length, **kind)[:, None] * frequencies
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of (B, heads, T, head_dim); position i is paired with i + head_dim / 2."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos + second * sin, second * cos - first * sin), dim=-1)


class Attention(nn.Module):
    """Causal attention: grouped key/value heads, normalised queries and keys, a learned gain per query head."""

    def __init__(self, dim: int, num_heads: int, num_kv_heads: int, qk_gain_init: float):
        super().__init__()
        self.num_heads, self.num_kv_heads, self.head_dim = num_heads, num_kv_heads, dim // num_heads
        self.c_q = Linear(dim, dim)
        self.c_k = Linear(dim, num_kv_heads * self.head_dim)
        self.c_v = Linear(dim, num_kv_heads * self.head_dim)
        self.proj = Linear(dim, dim, starts_at_zero=True)
        self.q_gain = nn.Parameter(torch.full((num_heads,), qk_gain_init))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        B, T, C = x.shape
        q = self.c_q(x).view(B, T, self.num_heads, self.head_dim).transpose(1, 2)
        k = self.c_k(x).view(B, T, self.num_kv_heads, self.head_dim).transpose(1, 2)
        v = self.c_v(x).view(B, T, self.num_kv_heads, self.head_dim).transpose(1, 2)
        q = rotate(norm(q), cos, sin) * self.q_gain.to(q.dtype).view(-1, 1, 1)
        k = rotate(norm(k), cos, sin)
        is_grouped = self.num_kv_heads != self.num_heads
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=is_grouped)
        return self.proj(y.transpose(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    """Two matrices around a squared ReLU."""

    def __init__(self, dim: int, mlp_mult: int):
        super().__init__()
        self.fc = Linear(dim, mlp_mult * dim)
        self.proj = Linear(mlp_mult * dim, dim, starts_at_zero=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(self.fc(x).relu().square())


class Block(nn.Module):
    """The stream is mixed with the embedding x0, then attention and MLP are added, each scaled per channel."""

    def __init__(self, dim: int, num_heads: int, num_kv_heads: int, mlp_mult: int, qk_gain_init: float):
        super().__init__()
        self.attn = Attention(dim, num_heads, num_kv_heads, qk_gain_init)
        self.mlp = MLP(dim, mlp_mult)
        self.attn_scale = nn.Parameter(torch.ones(dim))
        self.mlp_scale = nn.Parameter(torch.ones(dim))
        self.resid_mix = nn.Parameter(torch.stack((torch.ones(dim), torch.zeros(dim))))

    def forward(self, x: Tensor, x0: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        stay, renew = self.resid_mix.to(x.dtype)
        x = stay * x + renew * x0
        x = x + self.attn_scale.to(x.dtype) * self.attn(norm(x), cos, sin)
        return x + self.mlp_scale.to(x.dtype) * self.mlp(norm(x))


class GPT(nn.Module):
    """A decoder whose second half of blocks also receives the outputs of the first half, the last one first."""

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
        self.first_half = num_layers // 2
        self.tok_emb = nn.Embedding(num_embeddings=vocab_size, embedding_dim=model_dim)
        self.skip_weights = nn.Parameter(torch.ones(self.first_half, model_dim))
        self.blocks = nn.ModuleList(
            Block(model_dim, num_heads, num_kv_heads, mlp_mult, qk_gain_init) for _ in range(num_layers)
        )
        self.lm_head = None if tie_embeddings else Linear(model_dim, vocab_size, starts_at_zero=True)
        if tie_embeddings:
            nn.init.normal_(self.tok_emb.weight, std=tied_embed_init_std)

    def logits(self, input_ids: Tensor) -> Tensor:
        """Soft-capped logits (B, T, V) for the token after each of input_ids (B, T)."""
        x = x0 = norm(self.tok_emb(input_ids))
        cos, sin = rotary_tables(input_ids.size(1), self.head_dim, self.rope_base, x)
        skips: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            if i >= self.first_half and skips:  # with an odd number of blocks the last has no partner
                x = x + self.skip_weights[i - self.first_half].to(x.dtype) * skips.pop()
            x = block(x, x0, cos, sin)
            if i < self.first_half:
                skips.append(x)
        x = norm(x)
        raw = F.linear(x, self.tok_emb.weight.to(x.dtype)) if self.lm_head is None else self.lm_head(x)
        return self.logit_softcap * torch.tanh(raw / self.logit_softcap)

    def forward(self, input_ids: Tensor, target_ids: Tensor) -> Tensor:
        """Mean cross-entropy over all targets (B, T), in nats."""
        logits = self.logits(input_ids).flatten(0, 1)
        precise = torch.promote_types(logits.dtype, torch.float32)  # bfloat16 is too coarse for a log-sum-exp
        return F.cross_entropy(logits.to(precise), target_ids.flatten())


# --- processes and their log -------------------------------------------------------------------


class Team:
    """The processes that train together, often just one, and the device of this one."""

    def __init__(self) -> None:
        self.rank, self.world_size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        if self.world_size not in (1, 2, 4, 8):
            raise Unusable(f"WORLD_SIZE={self.world_size} must divide the 8 passes of a step; use 1, 2, 4 or 8")
        best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        self.kind = os.environ.get("DEVICE") or best
        if self.kind != "cpu" and (self.kind not in ("cuda", "mps") or not getattr(torch, self.kind).is_available()):
            raise Unusable(f"DEVICE={self.kind} is not cuda, mps or cpu, or not available here; try DEVICE={best}")
        self.device = torch.device(self.kind)
        if self.kind == "cuda":
            self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            torch.cuda.set_device(self.device)
            torch.set_float32_matmul_precision("high")
        if self.world_size > 1:
            dist.init_process_group("nccl" if self.kind == "cuda" else "gloo")

    def total(self, number: float) -> float:
        """`number` added up over the processes."""
        if self.world_size == 1:
            return number
        tensor = torch.tensor(number, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        return tensor.item()

    def average(self, tensors: list[Tensor]) -> None:
        """Replace every tensor by its mean over the processes, in one exchange."""
        if self.world_size > 1:
            flat = torch.cat([tensor.flatten().float() for tensor in tensors]) / self.world_size
            dist.all_reduce(flat)
            for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def clock(self) -> float:
        """Seconds, read once the device has done what it was given."""
        if self.kind != "cpu":
            getattr(torch, self.kind).synchronize()
        return time.perf_counter()

    def autocast(self) -> torch.autocast:
        """bfloat16 matrix products on cuda; nothing elsewhere (on a cpu bfloat16 is slower than float32)."""
        return torch.autocast(self.kind, dtype=torch.bfloat16, enabled=self.kind == "cuda")

    def peak_memory(self) -> tuple[int, int]:
        """Bytes allocated and reserved at most; off cuda the peak resident size of the process stands for both."""
        if self.kind == "cuda":
            return torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return peak, peak  # ru_maxrss is in bytes on macOS, in KiB elsewhere


class Journal:
    """Log file, console and metrics file; silent in every process but the first."""

    def __init__(self, args: Hyperparameters, team: Team):
        self.is_first, self.iterations = team.rank == 0, args.iterations
        self.metrics = os.environ.get("GOLF_METRICS") if self.is_first else None
        self.written_at = time.monotonic()
        self.path = Path("logs") / f"{args.run_id}.txt"
        if self.is_first:
            self.path.parent.mkdir(exist_ok=True)
            print(self.path, flush=True)

    def log(self, *lines: str, console: bool = True) -> None:
        """Lines into the log file, and onto the console unless told otherwise."""
        if self.is_first:
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


# --- data --------------------------------------------------------------------------------------


def find_shards(folder: str, split: str) -> list[Path]:
    """The `fineweb_<split>_*.bin` files of a folder, in name order."""
    paths = sorted(Path(folder).glob(f"fineweb_{split}_*.bin"))
    if not paths:
        raise Unusable(f"no fineweb_{split}_*.bin in {folder}; set DATA_PATH to a folder of token shards")
    return paths


def read_shard(path: Path, vocab_size: int) -> np.ndarray:
    """A shard's tokens, mapped: 256 int32 (magic 20240520, version 1, number of tokens, zeros), then uint16 tokens."""
    header = np.fromfile(path, dtype="<i4", count=256)
    if len(header) < 256 or header[0] != 20240520 or header[1] != 1:
        raise Unusable(f"{path} does not begin like a token shard (magic 20240520, version 1); fetch it again")
    count, room = int(header[2]), path.stat().st_size - header.nbytes
    if count < 1 or room != 2 * count:
        raise Unusable(f"{path} announces {count} tokens and has {room} bytes for them; fetch it again")
    tokens = np.memmap(path, dtype="<u2", mode="r", offset=header.nbytes)
    if tokens.max() >= vocab_size:
        raise Unusable(f"{path} holds token {tokens.max()}, outside VOCAB_SIZE={vocab_size}: another tokenizer's?")
    return tokens


class TokenStream:
    """Training tokens without end, shard after shard; in one round every token but the very first is a target once."""

    def __init__(self, paths: list[Path], vocab_size: int):
        self.paths, self.vocab_size = paths, vocab_size
        self.shard, self.position = 0, 1
        self.tokens = read_shard(paths[0], vocab_size)
        self.last = self.tokens[:1]

    def take(self, count: int) -> Tensor:
        """`count` + 1 tokens, int64; the first one was the last one of the call before."""
        pieces = [self.last]
        while count > 0:
            if self.position >= len(self.tokens):
                self.shard, self.position = (self.shard + 1) % len(self.paths), 0
                self.tokens = read_shard(self.paths[self.shard], self.vocab_size)
            pieces.append(self.tokens[self.position : self.position + count])
            self.position += len(pieces[-1])
            count -= len(pieces[-1])
        self.last = pieces[-1][-1:]
        return torch.from_numpy(np.concatenate(pieces).astype(np.int64))


class Validation:
    """The validation split in whole sequences, and the number of text bytes that its targets stand for."""

    def __init__(self, args: Hyperparameters):
        shards = [read_shard(path, args.vocab_size) for path in find_shards(args.data_path, "val")]
        tokens = np.concatenate(shards).astype(np.int64)
        self.seq_len, self.num_seqs = args.train_seq_len, (len(tokens) - 1) // args.train_seq_len
        if self.num_seqs < 1:
            raise Unusable(f"validation has {len(tokens)} tokens, too few for TRAIN_SEQ_LEN={self.seq_len}")
        self.num_tokens = self.num_seqs * self.seq_len
        self.tokens = torch.from_numpy(tokens[: self.num_tokens + 1])
        self.num_bytes = count_bytes(tokens[: self.num_tokens + 1], load_tokenizer(args))

    def score(self, model: nn.Module, team: Team, seqs_per_pass: int, journal: Journal) -> tuple[float, float]:
        """(val_loss in nats per token, val_bpb) over the whole split, which the processes share."""
        first, end = (self.num_seqs * part // team.world_size for part in (team.rank, team.rank + 1))
        loss_sum = 0.0
        model.eval()
        with torch.inference_mode(), team.autocast():
            for start in range(first, end, seqs_per_pass):
                stop = min(start + seqs_per_pass, end)
                chunk = self.tokens[start * self.seq_len : stop * self.seq_len + 1].to(team.device)
                x, y = chunk[:-1].view(-1, self.seq_len), chunk[1:].view(-1, self.seq_len)
                loss_sum += model(x, y).item() * y.numel()
                journal.beat()
        model.train()
        loss_sum = team.total(loss_sum)
        if not math.isfinite(loss_sum):
            raise Unusable(f"val_loss is {loss_sum}: training diverged; try a lower MATRIX_LR or TIED_EMBED_LR")
        return loss_sum / self.num_tokens, loss_sum / math.log(2) / self.num_bytes


def load_tokenizer(args: Hyperparameters) -> spm.SentencePieceProcessor:
    """The SentencePiece model of VOCAB_SIZE pieces."""
    path = args.tokenizer_path
    if not Path(path).is_file():
        raise Unusable(f"no tokenizer at {path}; set TOKENIZER_PATH to a SentencePiece .model file")
    try:
        sp = spm.SentencePieceProcessor(model_file=path)
    except (RuntimeError, OSError):
        raise Unusable(f"{path} is not a SentencePiece model; set TOKENIZER_PATH to one") from None
    if sp.vocab_size() != args.vocab_size:
        raise Unusable(f"{path} has {sp.vocab_size()} pieces and VOCAB_SIZE is {args.vocab_size}")
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


def orthogonalise(stack: Tensor, steps: int) -> Tensor:
    """Roughly the nearest orthogonal matrix to each of (N, rows ≤ columns), by a quintic Newton–Schulz iteration.

    Source: Keller Jordan, "Muon: An optimizer for hidden layers in neural networks" (2024), coefficients included.
    """
    x = stack.bfloat16() if stack.is_cuda else stack
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.to(stack.dtype)


class Muon(torch.optim.Optimizer):
    """Orthogonalised Nesterov momentum. Matrices of one shape, up to transposition, are one group and one batch."""

    def __init__(self, matrices: list[nn.Parameter], lr: float, steps: int, team: Team):
        by_shape: dict[tuple[int, ...], list[nn.Parameter]] = {}
        for matrix in matrices:
            by_shape.setdefault(tuple(sorted(matrix.shape)), []).append(matrix)
        super().__init__([{"params": group} for group in by_shape.values()], {"lr": lr, "base_lr": lr, "momentum": 0.0})
        self.steps, self.rank, self.world_size = steps, team.rank, team.world_size
        self.orthogonalise = torch.compile(orthogonalise, dynamic=False) if team.kind == "cuda" else orthogonalise

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Every process orthogonalises its share of a group; the shares are then added up."""
        for group in self.param_groups:
            params = group["params"]
            grads = torch.stack([p.grad if p.size(0) <= p.size(1) else p.grad.mT for p in params])
            velocity = self.state[params[0]].setdefault("velocity", torch.zeros_like(grads))
            velocity.mul_(group["momentum"]).add_(grads)
            updates = torch.zeros_like(grads)
            mine = slice(self.rank, None, self.world_size)
            if self.rank < len(params):
                updates[mine] = self.orthogonalise(grads[mine] + group["momentum"] * velocity[mine], self.steps)
            if self.world_size > 1:
                dist.all_reduce(updates)
            for p, update in zip(params, updates, strict=True):
                is_wide = p.size(0) <= p.size(1)
                scale = max(1.0, p.size(0) / p.size(1)) ** 0.5
                p.add_(update if is_wide else update.mT, alpha=-group["lr"] * scale)


def make_optimizers(model: GPT, args: Hyperparameters, team: Team) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices; Adam, each at its own rate, for embedding, untied head, and scales and gates."""
    matrices: list[nn.Parameter] = []
    rated: list[dict[str, Any]] = []
    for name, param in model.named_parameters():
        if name == "tok_emb.weight":
            lr = args.tied_embed_lr if args.tie_embeddings else args.embed_lr
        elif name == "lm_head.weight":
            lr = args.head_lr
        elif param.ndim == 2 and not any(part in name for part in CONTROLS):
            matrices.append(param)
            continue
        else:
            lr = args.scalar_lr
        rated.append({"params": [param], "lr": lr, "base_lr": lr})
    adam = torch.optim.Adam(rated, betas=(args.beta1, args.beta2), eps=args.adam_eps, fused=True)
    return [Muon(matrices, args.matrix_lr, args.muon_backend_steps, team), adam]


def lr_scale(args: Hyperparameters, step: int, elapsed_s: float) -> float:
    """Share of the base rates at a step: 1, falling linearly to 0 over the last WARMDOWN_ITERS steps that fit."""
    remaining = float(args.iterations - step)
    if args.max_wallclock_seconds > 0 and step > 0:
        remaining = min(remaining, (args.max_wallclock_seconds - elapsed_s) * step / max(elapsed_s, 1e-9))
    return min(1.0, max(remaining, 0.0) / args.warmdown_iters) if args.warmdown_iters > 0 else 1.0


def momentum_at(args: Hyperparameters, step: int) -> float:
    """Muon's momentum, rising linearly during its warm-up."""
    done = min(step / args.muon_momentum_warmup_steps, 1.0) if args.muon_momentum_warmup_steps > 0 else 1.0
    return args.muon_momentum_warmup_start + done * (args.muon_momentum - args.muon_momentum_warmup_start)


# --- artifact ----------------------------------------------------------------------------------


def quantize_rows(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """int8 rows and their float16 scales; no element moves by more than half of its row's scale.

    Unlike the challenge's, the scale has no floor of 1/127, which costs rows of small weights their precision, and it
    is rounded (up, to a float16) before the elements are.
    """
    limit = matrix.abs().amax(dim=1).clamp_min(127 * 2.0**-24)  # 2^-24 is the smallest float16
    scale = (limit / 127).half()
    scale = torch.where(scale.float() * 127 < limit, (scale.view(torch.int16) + 1).view(torch.float16), scale)
    return (matrix / scale.float()[:, None]).round().to(torch.int8), scale


def quantize_state_dict_int8(state_dict: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, int]]:
    """The artifact's content, in the challenge's format, and the bytes of its tensors before and after.

    Matrices get a scale per row, other large float tensors one scale; small ones stay floats, integers as they are.
    """
    keys = ("quantized", "scales", "dtypes", "passthrough", "qmeta", "passthrough_orig_dtypes")
    content: dict[str, dict[str, Any]] = {key: {} for key in keys}
    for name, weight in state_dict.items():
        tensor = weight.detach().cpu().contiguous()
        dtype = str(tensor.dtype).removeprefix("torch.")
        if tensor.is_floating_point() and tensor.numel() > KEPT_NUMEL_MAX:
            rows = tensor.float() if tensor.ndim == 2 else tensor.float().view(1, -1)
            q, scale = quantize_rows(rows)
            content["quantized"][name], content["dtypes"][name] = q.view_as(tensor), dtype
            content["scales"][name] = scale if tensor.ndim == 2 else scale[0].float()
            if tensor.ndim == 2:
                content["qmeta"][name] = {"scheme": "per_row", "axis": 0}
        elif tensor.is_floating_point() and any(part in name for part in CONTROLS):
            content["passthrough"][name] = tensor.float()
        elif tensor.dtype in (torch.float32, torch.bfloat16):
            content["passthrough"][name], content["passthrough_orig_dtypes"][name] = tensor.half(), dtype
        else:
            content["passthrough"][name] = tensor
    stored = (tensor for key in ("quantized", "scales", "passthrough") for tensor in content[key].values())
    sizes = {
        "baseline_tensor_bytes": sum(tensor.nbytes for tensor in state_dict.values()),
        "int8_payload_bytes": sum(tensor.nbytes for tensor in stored),
    }
    return {"__quant_format__": "int8_clean_per_row_v1", **content}, sizes


def dequantize_state_dict_int8(obj: dict[str, Any]) -> dict[str, Tensor]:
    """The state dict that an artifact's content stands for, in the dtypes it had before."""
    state: dict[str, Tensor] = {}
    for name, steps in obj["quantized"].items():
        scale = obj["scales"][name].float()
        scale = scale.view(-1, *[1] * (steps.ndim - 1)) if scale.ndim else scale
        state[name] = (steps.float() * scale).to(getattr(torch, obj["dtypes"][name]))
    dtypes = obj.get("passthrough_orig_dtypes", {})
    for name, tensor in obj["passthrough"].items():
        state[name] = tensor.to(getattr(torch, dtypes[name])) if name in dtypes else tensor
    return state


# --- one run -----------------------------------------------------------------------------------


class Run:
    """Model, optimisers and data of one training run."""

    def __init__(self, args: Hyperparameters, team: Team, journal: Journal):
        self.args, self.team, self.journal = args, team, journal
        self.passes = 8 // team.world_size
        if team.kind != "cuda" and args.train_batch_tokens <= EAGER_TOKENS_MAX * team.world_size:
            self.passes = 1
        unit = self.passes * team.world_size * max(args.train_seq_len, 1)
        if args.train_batch_tokens < unit or args.train_batch_tokens % unit or args.val_batch_size < unit:
            raise Unusable(
                f"VAL_BATCH_SIZE={args.val_batch_size} must be at least {unit} and TRAIN_BATCH_TOKENS="
                f"{args.train_batch_tokens} a multiple of it: a sequence of {args.train_seq_len} tokens "
                f"for each of {team.world_size} processes and {self.passes} passes"
            )
        self.val_seqs = args.val_batch_size // unit
        if team.kind != "cuda":
            self.val_seqs = min(self.val_seqs, max(1, EAGER_TOKENS_MAX // 4 // args.train_seq_len))
        self.val = Validation(args)
        self.shards = find_shards(args.data_path, "train")
        self.weights = GPT(**{name: getattr(args, name) for name in inspect.signature(GPT).parameters}).to(team.device)
        self.model: Any = self.weights
        if team.kind == "cuda":
            self.weights.tok_emb.bfloat16()  # decides the dtype of the residual stream
            self.model = torch.compile(self.weights, dynamic=False, fullgraph=True)
        self.start_over()

    def start_over(self) -> None:
        """Fresh optimisers, and the data from its beginning."""
        self.optimizers = make_optimizers(self.weights, self.args, self.team)
        self.stream = TokenStream(self.shards, self.args.vocab_size)

    def warm_up(self) -> None:
        """Steps that only pay for compilation: weights, optimisers and data start over afterwards."""
        initial, count = copy.deepcopy(self.weights.state_dict()), self.args.warmup_steps
        for step in range(1, count + 1):
            self.step(0, 1.0)
            self.journal.beat()
            if count <= 20 or step % 10 == 0 or step == count:
                self.journal.log(f"warmup_step:{step}/{count}")
        self.weights.load_state_dict(initial)
        self.start_over()

    def step(self, step: int, scale: float) -> Tensor:
        """One update at `scale` times the base rates; returns the mean loss of the whole batch."""
        args, rank = self.args, self.team.rank
        share = args.train_batch_tokens // (self.passes * self.team.world_size)
        batch_loss = torch.zeros((), device=self.team.device)
        for _ in range(self.passes):
            tokens = self.stream.take(share * self.team.world_size)[rank * share : (rank + 1) * share + 1]
            tokens = tokens.to(self.team.device)
            x, y = tokens[:-1].view(-1, args.train_seq_len), tokens[1:].view(-1, args.train_seq_len)
            with self.team.autocast():
                loss = self.model(x, y) / self.passes
            loss.backward()
            batch_loss += loss.detach()
        self.team.average([batch_loss, *(p.grad for p in self.weights.parameters() if p.grad is not None)])
        if args.grad_clip_norm > 0:
            nn.utils.clip_grad_norm_(self.weights.parameters(), args.grad_clip_norm)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = scale * group["base_lr"]
                group["momentum"] = momentum_at(args, step)  # a key that Adam ignores
            optimizer.step()
            optimizer.zero_grad()
        return batch_loss

    def validate(self) -> tuple[float, float]:
        """(val_loss, val_bpb) of the weights as they are."""
        return self.val.score(self.model, self.team, self.val_seqs, self.journal)

    def train(self) -> None:
        """Steps until ITERATIONS, the wall-clock cap or the stop file; then a validation."""
        args, team, journal = self.args, self.team, self.journal
        stop_file, stop, step, trained_s = os.environ.get("GOLF_STOP"), "", 0, 0.0
        started = team.clock()
        while True:
            is_last = bool(stop) or step >= args.iterations
            if is_last or (args.val_loss_every > 0 and step % args.val_loss_every == 0):
                trained_s += team.clock() - started
                val_loss, val_bpb = self.validate()
                journal.point(step, trained_s, val_loss=val_loss, val_bpb=val_bpb)
                started = team.clock()
            if is_last:
                break
            loss = self.step(step, lr_scale(args, step, trained_s + time.perf_counter() - started))
            step += 1
            elapsed_s = trained_s + time.perf_counter() - started
            is_logged = args.train_log_every > 0 and (step <= 10 or step % args.train_log_every == 0)
            if is_logged or journal.is_due:
                journal.point(step, elapsed_s, quiet=not is_logged, train_loss=loss.item())
            # Only the first process's clock and files count: alone, each would stop at a step of its own.
            if team.total(team.rank == 0 and 0 < args.max_wallclock_seconds <= elapsed_s):
                stop = "wallclock_cap"
            if team.total(team.rank == 0 and stop_file is not None and Path(stop_file).exists()):
                stop = "stop_file"
        if stop and step < args.iterations:
            journal.log(f"stopping_early: {stop} train_time:{1000 * trained_s:.0f}ms step:{step}/{args.iterations}")

    def describe(self) -> None:
        """What is about to run, into the log."""
        args, token_lr = self.args, self.args.tied_embed_lr if self.args.tie_embeddings else self.args.embed_lr
        self.journal.log(
            f"val_bpb:enabled tokenizer_kind=sentencepiece tokenizer_path={args.tokenizer_path}",
            f"train_loader:dataset:{Path(args.data_path).resolve().name} train_shards:{len(self.shards)}",
            f"val_loader:shards pattern={args.data_path}/fineweb_val_*.bin tokens:{self.val.num_tokens}",
            f"model_params:{sum(p.numel() for p in self.weights.parameters())}",
            f"world_size:{self.team.world_size} grad_accum_steps:{self.passes}",
            f"device:{torch.cuda.get_device_name() if self.team.kind == 'cuda' else self.team.kind} "
            f"threads:{torch.get_num_threads()}",
            f"attention_mode:gqa num_heads:{args.num_heads} num_kv_heads:{args.num_kv_heads}",
            f"tie_embeddings:{args.tie_embeddings} "
            f"embed_lr:{token_lr} head_lr:{0.0 if args.tie_embeddings else args.head_lr} "
            f"matrix_lr:{args.matrix_lr} scalar_lr:{args.scalar_lr}",
            f"train_batch_tokens:{args.train_batch_tokens} "
            f"train_seq_len:{args.train_seq_len} iterations:{args.iterations} "
            f"warmup_steps:{args.warmup_steps} max_wallclock_seconds:{args.max_wallclock_seconds:.3f}",
            f"seed:{args.seed}",
        )

    def export(self, code_bytes: int) -> None:
        """Write the plain checkpoint and the artifact; log what each weighs together with the code."""
        torch.save(self.weights.state_dict(), "final_model.pt")
        plain = Path("final_model.pt").stat().st_size
        content, sizes = quantize_state_dict_int8(self.weights.state_dict())
        buffer = io.BytesIO()
        torch.save(content, buffer)
        ARTIFACT.write_bytes(zlib.compress(buffer.getvalue(), 9))
        packed, payload = ARTIFACT.stat().st_size, sizes["int8_payload_bytes"]
        self.journal.log(
            f"Serialized model: {plain} bytes",
            f"Code size: {code_bytes} bytes",
            f"Total submission size: {plain + code_bytes} bytes",
            f"Serialized model int8+zlib: {packed} bytes (payload:{payload} raw_torch:{buffer.tell()} "
            f"payload_ratio:{sizes['baseline_tensor_bytes'] / payload:.2f}x)",
            f"Total submission size int8+zlib: {packed + code_bytes} bytes",
        )

    def score_artifact(self) -> None:
        """Read the artifact back and log its score, which is the run's result."""
        content = torch.load(io.BytesIO(zlib.decompress(ARTIFACT.read_bytes())), weights_only=True)
        self.weights.load_state_dict(dequantize_state_dict_int8(content))
        started = self.team.clock()
        val_loss, val_bpb = self.validate()
        eval_ms = 1000 * (self.team.clock() - started)
        label = "final_int8_zlib_roundtrip"
        self.journal.log(
            f"{label} val_loss:{val_loss:.4f} val_bpb:{val_bpb:.4f} eval_time:{eval_ms:.0f}ms",
            f"{label}_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}",
        )


def play() -> None:
    """One run, from the settings to the score of the artifact."""
    args, code = Hyperparameters(), Path(__file__).read_text(encoding="utf-8")
    team = Team()
    torch.set_flush_denormal(team.kind == "cpu")  # squared ReLUs and decayed moments reach denormals, which are slow
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    journal = Journal(args, team)
    run = Run(args, team, journal)
    rule, versions = "=" * 100, f"Running Python {sys.version}\nRunning PyTorch {torch.__version__}"
    journal.log(code, rule, versions, rule, console=False)
    run.describe()
    run.warm_up()
    run.train()
    allocated, reserved = team.peak_memory()
    journal.log(f"peak memory allocated: {allocated >> 20} MiB reserved: {reserved >> 20} MiB")
    if team.rank == 0:
        run.export(len(code.encode()))
    team.total(0)  # the others wait until the artifact is there
    run.score_artifact()


def main() -> None:
    """Play; unusable settings or data end in one line on stderr and exit code 2."""
    try:
        play()
        if dist.is_initialized() and dist.get_backend() == "gloo":
            sys.stdout.flush()
            os._exit(0)  # all is on disk, and gloo's threads now and then abort the interpreter's own end
    except Unusable as error:
        sys.exit(print(error, file=sys.stderr) or 2)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


if __name__ == "__main__":
    main()
