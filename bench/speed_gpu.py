"""What only a GPU can tell: the evaluator in bfloat16, its share of the card's matrix peak, and what logging costs.

Without CUDA every row is left out, which is no pass. Absolute times hold where nobody else uses the card; --keep
writes them into RESULTS.md.
"""

import importlib.util
import io
import os
import pydoc_data.topics
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from side_by_side import Row, Sample, Sides, at_most, shown, times_less
from speed_evaluation import BASELINE, DEFAULT_ROWS, sides

FLOP_PER_TOKEN = 2 * (9 * (512 * (512 + 512 + 512 + 2 * 1_024)) + 512 * 1_024) + 9 * 4 * 512 * 512
"""Of the naive baseline at 1,024 tokens: matrices, and causal attention at half of all pairs."""
STEP = re.compile(r"^step:(\d+)/\d+ .*train_time:(\d+)ms", re.MULTILINE)


def rows(quick: bool) -> list[Row]:
    """Three rows, each left out where there is no CUDA."""
    lacking = None if _has_cuda() else "no CUDA device on this machine: not run"
    count, steps = (4_096, 200) if quick else (16_384, 1_000)
    return [
        Row(
            name="BPB of the baseline model in bfloat16 on a GPU",
            baseline="the challenge's loop under torch.compile",
            prepare=lambda scratch: _evaluation(scratch, count),
            goals=(times_less("wall_s", 1.3), shown("peak_bytes")),
            pairs=3,
            warmups=0,
            note="numbers within 1e-4; compilation is not counted; in bfloat16 the script's own forward scores",
            left_out=lacking,
        ),
        Row(
            name="evaluator's share of a GPU's matrix peak",
            baseline="the same FLOPs as one large bfloat16 matrix product after the other",
            prepare=lambda scratch: _peak(scratch, count),
            goals=(shown("wall_s"),),
            pairs=3,
            warmups=1,
            note="the inverse of the ratio is the fraction of the peak",
            left_out=lacking,
        ),
        Row(
            name="training on a GPU with Caddie's logging",
            baseline="the same script without GOLF_METRICS",
            prepare=lambda scratch: _training(scratch, steps),
            goals=(at_most("step_s", 1.01),),
            pairs=3,
            warmups=0,
            note=f"{steps} steps of 524,288 tokens at most, from the script's own clock",
            left_out=lacking,
        ),
    ]


def _has_cuda() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def _evaluation(scratch: Path, count: int) -> Sides:
    return sides(
        scratch,
        BASELINE,
        count,
        1_024,
        [DEFAULT_ROWS],
        device="cuda",
        dtype="bfloat16",
        is_compiled=True,
        tolerance=1e-4,
    )


def _peak(scratch: Path, count: int) -> Sides:
    import torch

    size = 8_192
    a, b = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    repeats = max(1, round(count * 1_024 * FLOP_PER_TOKEN / (2 * size**3)))

    def multiply() -> Sample:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(repeats):
            torch.mm(a, b)
        end.record()
        torch.cuda.synchronize()
        return Sample({"wall_s": begin.elapsed_time(end) / 1_000})

    return Sides(baseline=multiply, ours=_evaluation(scratch, count).ours)


def _training(scratch: Path, steps: int) -> Sides:
    """Both train the naive baseline on random tokens; only one writes a metrics file."""
    import sentencepiece

    from golf.measure import shards

    proto = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter("\n".join(pydoc_data.topics.topics.values()).splitlines()),
        model_writer=proto,
        vocab_size=1_024,
        model_type="bpe",
        byte_fallback=True,
        minloglevel=2,
    )
    (scratch / "tokenizer.model").write_bytes(proto.getvalue())
    random = np.random.default_rng(0)
    shards.write_shard(scratch / "fineweb_train_000000.bin", random.integers(0, 1_024, 20_000_000))
    shards.write_shard(scratch / "fineweb_val_000000.bin", random.integers(0, 1_024, 600_000))
    settings = {
        "DATA_PATH": str(scratch),
        "TOKENIZER_PATH": str(scratch / "tokenizer.model"),
        "ITERATIONS": str(steps),
        "VAL_LOSS_EVERY": "0",
        "MAX_WALLCLOCK_SECONDS": "0",
    }
    bare = {name: value for name, value in os.environ.items() if not name.startswith("GOLF_")}

    def train(**more: str) -> Sample:
        done = subprocess.run(
            [sys.executable, str(BASELINE)],
            cwd=scratch,
            env={**bare, **settings, **more},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"training failed: {done.stderr[-2000:]}")
        taken = {int(step): int(ms) / 1_000 for step, ms in STEP.findall(done.stdout)}
        first, last = min(step for step in taken if step >= 10), max(taken)
        return Sample({"step_s": (taken[last] - taken[first]) / (last - first)})

    return Sides(baseline=train, ours=lambda: train(GOLF_METRICS=str(scratch / "metrics.jsonl")))
