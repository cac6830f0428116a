"""The honest submission that each case spoils."""

import json
import sys
from pathlib import Path

README = "# Toy\n\nA small model of our own, trained on the training split alone.\n"
TRAINER = '''"""A toy trainer."""
import glob
import math
import os
import time

import torch
import torch.nn.functional as F

SEED = int(os.environ.get("SEED", 42))
TRAIN_FILES = "data/fineweb_train_*.bin"
VAL_FILES = "data/fineweb_val_*.bin"
MAX_WALLCLOCK_SECONDS = 600.0


class Model(torch.nn.Module):
    def __init__(self, width=512):
        super().__init__()
        self.embedding = torch.nn.Embedding(1024, width)
        self.head = torch.nn.Linear(width, 1024, bias=False)

    def forward(self, inputs, targets):
        logits = self.head(self.embedding(inputs))
        return F.cross_entropy(logits.view(-1, logits.size(-1)).float(), targets.view(-1))


def batches(pattern, size):
    for name in sorted(glob.glob(pattern)):
        tokens = torch.from_file(name, dtype=torch.int16, size=size).long()
        yield tokens[:-1][None], tokens[1:][None]


def evaluate(model, byte_counts):
    nats, count, size = 0.0, 0, 0
    with torch.inference_mode():
        for inputs, targets in batches(VAL_FILES, 1025):
            nats += model(inputs, targets).item() * targets.numel()
            count += targets.numel()
            size += byte_counts[targets].sum().item()
    val_loss = nats / count
    return val_loss, val_loss / math.log(2) * count / size


def main():
    torch.manual_seed(SEED)
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    began = time.perf_counter()
    for step, (inputs, targets) in enumerate(batches(TRAIN_FILES, 524289)):
        loss = model(inputs, targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if time.perf_counter() - began > MAX_WALLCLOCK_SECONDS:
            break
    val_loss, val_bpb = evaluate(model, torch.load("byte_counts.pt"))
    print(f"final_int8_zlib_roundtrip_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}")


if __name__ == "__main__":
    main()
'''


def honest(folder: Path) -> None:
    """A submission that the referee clears."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    from toy_folder import log_of

    folder.mkdir(parents=True)
    (folder / "README.md").write_text(README)
    stated = {"name": "Toy", "author": "toy", "github_id": "toy", "val_bpb": 1.2, "track": "10min_16mb"}
    (folder / "submission.json").write_text(json.dumps(stated))
    (folder / "train_gpt.py").write_text(TRAINER)
    for seed in (1, 2, 3):
        (folder / f"train_seed{seed}.log").write_text(log_of(seed=seed, code=len(TRAINER)))
