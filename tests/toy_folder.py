"""Small submissions of our own, written to a folder and read back as the referee reads them."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from golf.referee.case import Case, open_case

README = "# Toy\n\nA small model of our own, trained on the training split alone.\n"


def case_of(
    folder: Path,
    *,
    readme: str | None = README,
    table: Mapping[str, Any] | None = None,
    logs: Mapping[str, str] | None = None,
    script: str | None = None,
    track: str | None = "10min_16mb",
    **files: str,
) -> Case:
    """A submission's folder as a case; `table` becomes submission.json, and `run_sh` among `files` is run.sh."""
    folder.mkdir(parents=True, exist_ok=True)
    if readme is not None:
        (folder / "README.md").write_text(readme)
    if table is not None:
        (folder / "submission.json").write_text(json.dumps(table, indent=1))
    for name, text in (logs or {}).items():
        (folder / name).write_text(text)
    if script is not None:
        (folder / "train_gpt.py").write_text(script)
    for name, text in files.items():
        stem, _, ending = name.rpartition("_")
        (folder / f"{stem}.{ending}").write_text(text)
    case = open_case(folder)
    case.submission = case.submission.model_copy(update={"track": track})
    return case


def log_of(
    *,
    bpb: float = 1.2,
    tokens_per_byte: float = 0.41052,
    val_tokens: int | None = 62_021_632,
    model_bpb: float = 1.22,
    total: int = 15_900_000,
    code: int = 50_000,
    train_s: float = 600.05,
    eval_s: float = 80.0,
    world_size: int = 8,
    shards: int = 80,
    label: str = "final_int8_zlib_roundtrip",
    settings: Mapping[str, object] | None = None,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    seed: int = 42,
) -> str:
    """A training log in the challenge's dialect; `before` and `after` are lines around the final score."""

    def loss(bits: float) -> str:
        return f"{bits * math.log(2) / tokens_per_byte:.8f}"

    lines = [
        *(["Hyperparameters:", *(f"  {name}: {value}" for name, value in settings.items())] if settings else []),
        "tokenizer_path=./data/tokenizers/fineweb_1024_bpe.model"
        if val_tokens is None
        else f"val_tokens: {val_tokens}",
        f"train_loader:dataset:words train_shards:{shards}",
        f"world_size:{world_size} seed:{seed}",
        *(
            f"step:{step}/1000 train_loss:{loss(model_bpb)} train_time:{step}00ms step_avg:60ms"
            for step in (1, 500, 999)
        ),
        f"step:1000/1000 val_loss:{loss(model_bpb)} val_bpb:{model_bpb} train_time:{train_s * 1000:.0f}ms",
        f"stopping_early: wallclock_cap train_time:{train_s * 1000:.0f}ms step:1000/1000",
        f"Code size: {code} bytes",
        f"Total submission size int8+zlib: {total} bytes",
        *before,
        f"{label} val_loss:{float(loss(bpb)):.4f} val_bpb:{bpb:.4f} eval_time:{eval_s * 1000:.0f}ms",
        f"{label}_exact val_loss:{loss(bpb)} val_bpb:{bpb:.8f}",
        *after,
    ]
    return "".join(f"{line}\n" for line in lines)
