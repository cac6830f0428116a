"""Bits per byte: golf's evaluator beside the challenge's loop, on the naive baseline and on a model of no known shape.

Every side is a process (evaluation_side.py) that times scoring alone, so neither start of torch nor the build of the
model counts. Numbers have to agree to 1e-6. Weights are random and tokens too: neither changes what scoring takes.
"""

import importlib.util
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from side_by_side import Row, Sample, Sides, at_most, shown, times_less

ROOT = Path(__file__).parents[1]
BASELINE = ROOT / "baselines" / "naive" / "train_gpt.py"
DEFAULT_ROWS = 64
"""Windows in one pass of the challenge's evaluation on one GPU: VAL_BATCH_SIZE 524,288 over 8 passes of 1,024."""
TOLERANCE = 1e-6

PLAIN = '''
"""A model that is nobody's baseline: pre-norm, GELU, learned positions, a mean loss and nothing else."""
import os
import torch
import torch.nn.functional as F
from torch import nn


class Hyperparameters:
    vocab_size = 1024
    train_seq_len = int(os.environ.get("TRAIN_SEQ_LEN", 1024))
    dim, layers, heads = 256, 4, 4


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (part.view(B, T, self.heads, -1).transpose(1, 2) for part in self.qkv(self.norm_1(x)).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, C)
        x = x + self.out(y)
        return x + self.down(F.gelu(self.up(self.norm_2(x))))


class GPT(nn.Module):
    def __init__(self, vocab_size, dim, layers, heads, train_seq_len):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab_size, dim), nn.Embedding(train_seq_len, dim)
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, vocab_size, bias=False)

    def forward(self, input_ids, target_ids):
        x = self.tokens(input_ids) + self.positions.weight[: input_ids.size(1)]
        for block in self.blocks:
            x = block(x)
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1).float(), target_ids.flatten())
'''


NEAR_FLOOR = 1.2
"""Times the floor that are enough where the goal is out of reach: norms, rotations, sums stand between the products."""
FLOOR = (
    "the trial against the script's forward, three windows once per evaluation, is left out. The floor is the model's "
    "matrix products and attention by torch's fastest kernels and nothing else (evaluation_side.py)"
)


def rows(quick: bool) -> list[Row]:
    """The challenge's shape plain and sliding, and any module; a GPU's rows are in speed_gpu.py."""
    count, pairs, batches = (18, 2, [2, 8]) if quick else (48, 4, [1, 2, 4, 8, 16])
    large = 48 if quick else DEFAULT_ROWS
    return [
        Row(
            name="BPB of the baseline model",
            baseline="the challenge's loop at its best batch",
            prepare=lambda scratch: sides(scratch, BASELINE, count, 1_024, batches),
            goals=(times_less("wall_s", 2.2, or_floor_within=NEAR_FLOOR), shown("cpu_s"), shown("peak_bytes")),
            pairs=pairs,
            warmups=0,
            note=FLOOR,
        ),
        Row(
            name="memory of BPB of the baseline model",
            baseline=f"the challenge's loop at a batch of {large}" + f" (its own: {DEFAULT_ROWS})" * quick,
            prepare=lambda scratch: sides(scratch, BASELINE, large, 1_024, [large], has_floor=False),
            goals=(at_most("peak_bytes", 0.5), shown("wall_s")),
            pairs=1 if quick else 3,
            warmups=0,
            note="whole processes; half of what the loop takes at its best batch is less than torch and "
            "the weights once",
        ),
        Row(
            name="sliding window, stride 64",
            baseline="every window in full, by the script's forward at its best batch",
            prepare=lambda scratch: sides(scratch, BASELINE, count, 64, batches),
            goals=(times_less("wall_s", 1.5, or_floor_within=NEAR_FLOOR), shown("cpu_s")),
            pairs=pairs,
            warmups=0,
            note=FLOOR + "; the first window, which has another shape, goes through the script's forward",
        ),
        Row(
            name="BPB of any module",
            baseline=f"its own loop at the challenge's batch of {DEFAULT_ROWS}",
            prepare=lambda scratch: sides(scratch, None, 64 if quick else 320, 1_024, [DEFAULT_ROWS]),
            goals=(times_less("wall_s", 1.2), shown("cpu_s"), shown("peak_bytes")),
            pairs=pairs + 1,
            warmups=0,
            note="4 layers × 256; memory kept between passes, threads that sleep, batch and threads by trial",
        ),
    ]


def sides(
    scratch: Path,
    script: Path | None,
    count: int,
    stride: int,
    batches: list[int],
    *,
    device: str = "cpu",
    dtype: str = "float32",
    is_compiled: bool = False,
    tolerance: float = TOLERANCE,
    has_floor: bool = True,
) -> Sides:
    """Sides over `count` windows of 1,024; the challenge's loop takes the quickest of `batches`."""
    from golf.measure import shards

    if script is None:
        script = scratch / "train_gpt.py"
        script.write_text(PLAIN)
    targets, shard = 1_024 + (count - 1) * stride, scratch / "fineweb_val_000000.bin"
    shards.write_shard(shard, np.random.default_rng(0).integers(0, 1_024, targets + 1))
    _weights(script, scratch / "weights.pt")
    spec: dict[str, Any] = {
        "script": str(script),
        "weights": str(scratch / "weights.pt"),
        "shard": str(shard),
        "targets": targets,
        "seq_len": 1_024,
        "stride": stride,
        "rows": batches,
        "try": max(batches),
        "device": device,
        "dtype": dtype,
        "compiled": is_compiled,
    }
    path = scratch / "spec.json"
    path.write_text(json.dumps(spec))

    def same(baseline: dict[str, Any], ours: dict[str, Any]) -> None:
        apart = abs(ours["val_loss"] - baseline["val_loss"]) / baseline["val_loss"]
        if not apart <= tolerance:
            raise AssertionError(f"{ours['forward']}: {ours['val_loss']} where the loop says {baseline['val_loss']}")

    return Sides(
        baseline=lambda: _run("challenge", path),
        ours=lambda: _run("golf", path),
        check=same,
        floor=(lambda: _run("floor", path)) if has_floor and device == "cpu" and script == BASELINE else None,
    )


def _run(which: str, spec: Path) -> Sample:
    command = [sys.executable, str(ROOT / "bench" / "evaluation_side.py"), which, str(spec)]
    from golf.measure.bpb import WORKER_ENVIRONMENT

    environment = {**({} if which == "challenge" else WORKER_ENVIRONMENT), **os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"the side {which} failed: {done.stderr[-2000:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    return Sample(said["figures"], said)


def _weights(script: Path, path: Path) -> None:
    """A state dict with every matrix at the scale training would leave it."""
    import torch

    spec = importlib.util.spec_from_file_location("benched_script", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    settings = module.Hyperparameters()
    model = module.GPT(**{name: getattr(settings, name) for name in inspect.signature(module.GPT).parameters})
    for parameter in model.parameters():
        if parameter.ndim == 2 and parameter.size(0) > 16:
            torch.nn.init.normal_(parameter, std=parameter.size(1) ** -0.5)
    torch.save(model.state_dict(), path)
