"""From documents to batches: splits that hold, windows over tokens, a loader that repeats itself.

Yours from here on: written once by `golf data template`, depends on torch and numpy alone. What it promises is in
test_pipeline.py, what to look at besides in CHECKLIST.md. Sources of tokens:

    dataset = Windows.from_shards(sorted(Path("data").glob("fineweb_train_*.bin")), seq_len=1024, vocab_size=1024)
    dataset = Windows.from_documents(documents(Path("data.jsonl"), "train"), encode, seq_len=256, vocab_size=65, bos=0)
    loader = make_loader(dataset, batch_size=8, seed=1337, is_training=True)
"""

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

Split = Literal["train", "validation", "test"]
Batch = tuple[Tensor, Tensor]
"""Inputs and targets, int64 (B, T); a target is the token after its input."""

SPLITS: dict[Split, float] = {"train": 0.98, "validation": 0.01, "test": 0.01}
"""Shares of the documents. Other ones, or another seed, make another data set: scores do not compare."""
SPLIT_SEED = "2024"

SHARD_HEADER_INTS, SHARD_MAGIC, SHARD_VERSION = 256, 20240520, 1


class BadData(ValueError):
    """Data that must not be trained on; the message says where."""


def split_of(text: str) -> Split:
    """The split of a document, by a hash of its words: wherever it stands, whatever is added later.

    Case, punctuation and white space do not count, so that copies which differ in them land on one side.
    """
    words = " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())
    digest = hashlib.sha256(f"{SPLIT_SEED}\n{words}".encode()).digest()
    place, upper = int.from_bytes(digest[:8], "big") / 2**64, 0.0
    for split, share in SPLITS.items():
        upper += share
        if place < upper:
            return split
    return "train"


def documents(path: Path, split: Split, field: str = "text") -> Iterator[str]:
    """Documents of one split of a JSON Lines file, in the file's order.

    Raises:
        BadData: a line is no JSON object with a text that is not empty.
    """
    with open(path, encoding="utf-8", errors="strict", newline="\n") as file:
        try:
            for number, line in enumerate(file, 1):
                try:
                    text = json.loads(line)[field]
                except (ValueError, KeyError, TypeError) as error:
                    raise BadData(f"{path}:{number}: no JSON object with {field!r}: {error}") from None
                if not isinstance(text, str) or not text.strip():
                    raise BadData(f"{path}:{number}: the document is empty")
                if split_of(text) == split:
                    yield text
        except UnicodeDecodeError as error:
            raise BadData(f"{path}: not UTF-8: {error}") from None


def read_shard(path: Path) -> np.ndarray:
    """Tokens of one shard of the challenge's format, uint16 (num_tokens,), memory-mapped.

    Raises:
        BadData: the header is not a shard's, or does not fit the file's size.
    """
    header = np.fromfile(path, dtype="<i4", count=SHARD_HEADER_INTS)
    if header.size < SHARD_HEADER_INTS or (int(header[0]), int(header[1])) != (SHARD_MAGIC, SHARD_VERSION):
        raise BadData(f"{path} has no shard's header")
    count, size = int(header[2]), path.stat().st_size
    if size != SHARD_HEADER_INTS * 4 + 2 * count:
        raise BadData(f"{path} says {count} tokens, which does not make its {size} bytes")
    return np.memmap(path, dtype="<u2", mode="r", offset=SHARD_HEADER_INTS * 4, shape=(count,))


class Windows(Dataset[Batch]):
    """Windows of `seq_len` inputs and as many targets, one after the other, none across two parts.

    What is left at the end of a part and does not fill a window is not seen; `left_out` says how many tokens that is.
    """

    def __init__(self, parts: Sequence[np.ndarray], *, seq_len: int, vocab_size: int) -> None:
        for number, part in enumerate(parts):
            if part.size and int(part.max()) >= vocab_size:
                raise BadData(f"part {number} holds token {int(part.max())}, the vocabulary has {vocab_size}")
        self.parts, self.seq_len = list(parts), seq_len
        counts = [max(part.size - 1, 0) // seq_len for part in parts]
        self.ends = np.cumsum(counts)
        self.left_out = sum(part.size - 1 - count * seq_len for part, count in zip(parts, counts, strict=True))
        if not len(self):
            raise BadData(f"no part has the {seq_len + 1} tokens of one window")

    @classmethod
    def from_shards(cls, paths: Sequence[Path], *, seq_len: int, vocab_size: int) -> "Windows":
        """Over shards, in the order given: sort the paths."""
        return cls([read_shard(path) for path in paths], seq_len=seq_len, vocab_size=vocab_size)

    @classmethod
    def from_documents(
        cls, texts: Iterable[str], encode: Callable[[str], list[int]], *, seq_len: int, vocab_size: int, bos: int
    ) -> "Windows":
        """Over documents, each behind a `bos` token."""
        ids = [token for text in texts for token in (bos, *encode(text))]
        return cls([np.asarray(ids, dtype=np.int64)], seq_len=seq_len, vocab_size=vocab_size)

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def __getitem__(self, index: int) -> Batch:
        if not 0 <= index < len(self):
            raise IndexError(index)
        part = int(np.searchsorted(self.ends, index, side="right"))
        start = (index - (int(self.ends[part - 1]) if part else 0)) * self.seq_len
        run = torch.from_numpy(self.parts[part][start : start + self.seq_len + 1].astype(np.int64))
        return run[:-1], run[1:]


class Shuffled(Sampler[int]):
    """An order that follows from seed and epoch alone: a run that is resumed goes on as it would have.

    Each of `world_size` processes gets every `world_size`-th index; what does not go round evenly is left out.
    """

    def __init__(self, size: int, seed: int, *, rank: int = 0, world_size: int = 1) -> None:
        self.size, self.seed, self.rank, self.world_size = size, seed, rank, world_size
        self.epoch = 0

    def __len__(self) -> int:
        return self.size // self.world_size

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(self.size, generator=generator).tolist()
        yield from order[: len(self) * self.world_size][self.rank :: self.world_size]


def seed_worker(worker: int) -> None:
    """Seed a worker's other generators from the one torch gave it."""
    seed = torch.initial_seed() % 2**32
    random.seed(seed)
    np.random.seed(seed)


def make_loader(
    dataset: Windows,
    *,
    batch_size: int,
    seed: int,
    is_training: bool,
    num_workers: int = 0,
    device: str = "cpu",
    rank: int = 0,
    world_size: int = 1,
) -> DataLoader[Batch]:
    """Batches: shuffled and full ones for training; in order and with the rest for evaluation.

    Before every epoch of training: `set_epoch(loader, epoch)`.
    """
    sampler = Shuffled(len(dataset), seed, rank=rank, world_size=world_size) if is_training else None
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        shuffle=False,
        drop_last=is_training,
        num_workers=num_workers,
        worker_init_fn=seed_worker,
        generator=torch.Generator().manual_seed(seed),
        pin_memory=device.startswith("cuda"),
        persistent_workers=num_workers > 0,
    )


def set_epoch(loader: DataLoader[Batch], epoch: int) -> None:
    """Have the next pass over `loader` be that of `epoch`."""
    if isinstance(loader.sampler, Shuffled):
        loader.sampler.epoch = epoch
