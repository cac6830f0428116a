"""Bytes of 62,000,000 tokens, in a file: the challenge's look-ups in torch against `golf.measure.byte_counts`."""

import tracemalloc
from pathlib import Path

import numpy as np
from side_by_side import Row, Sample, Sides, at_most, times_less

from golf.measure import shards
from golf.measure.byte_counts import ByteTable

TOKENS = 62_000_000
VOCABULARY = 1024
BATCH_TOKENS = 65_536
"""Of the challenge's evaluation at once: `VAL_BATCH_SIZE` 524,288 over 8 devices or passes."""


def rows(quick: bool) -> list[Row]:
    """The count is the same integer in every pair."""
    return [
        Row(
            name="byte count of 62,000,000 tokens",
            baseline="the challenge's torch indexing, batch by batch, its threads",
            prepare=_sides,
            goals=(times_less("cpu_s", 6), times_less("wall_s", 6)),
            pairs=3 if quick else 7,
            note="numpy over a memory map, every core",
        ),
        Row(
            name="memory of the byte count",
            baseline="ours on 16,000,000 tokens",
            prepare=_memory,
            goals=(at_most("peak_bytes", 1.1),),
            pairs=3,
            warmups=0,
            note="allocated at once, as numpy tells tracemalloc; the map's pages are the system's to take back",
        ),
    ]


def table() -> ByteTable:
    """As many boundaries, byte tokens and leading spaces as the challenge's tokenizer has."""
    chance = np.random.default_rng(0)
    base = chance.integers(1, 12, VOCABULARY).astype(np.int16)
    space = chance.random(VOCABULARY) < 0.45
    boundary = np.zeros(VOCABULARY, dtype=bool)
    boundary[:3] = True
    base[:3], space[:3] = 0, False
    base[3:259], space[3:259] = 1, False
    return ByteTable(base, space, boundary)


def _shard(folder: Path, count: int) -> Path:
    path = folder / f"fineweb_val_{count}.bin"
    chance = np.random.default_rng(1)

    def drawn() -> np.ndarray:
        tokens = chance.integers(3, VOCABULARY, 1_000_000).astype(np.uint16)
        tokens[chance.random(tokens.size) < 0.001] = 1  # a document begins
        return tokens

    shards.write_shard(path, (drawn() for _ in range(count // 1_000_000)))
    return path


def _sides(scratch: Path) -> Sides:
    import torch

    path, counted = _shard(scratch, TOKENS), table()
    base = torch.tensor(counted.base_bytes)
    space, boundary = torch.tensor(counted.has_leading_space), torch.tensor(counted.is_boundary)

    def challenge() -> int:
        stream = torch.from_numpy(np.fromfile(path, dtype="<u2", offset=shards.HEADER_BYTES))
        total = torch.zeros((), dtype=torch.float64)
        for start in range(0, stream.numel() - 1, BATCH_TOKENS):
            local = stream[start : start + BATCH_TOKENS + 1].to(torch.int64)
            before, now = local[:-1], local[1:]
            bytes_of = base[now].to(torch.int16)
            bytes_of += (space[now] & ~boundary[before]).to(torch.int16)
            total += bytes_of.to(torch.float64).sum()
        return int(total.item())

    def ours() -> int:
        stream = shards.tokens(path)
        return counted.count(stream[:-1], stream[1:])

    return Sides(baseline=challenge, ours=ours, check=_equal)


def _memory(scratch: Path) -> Sides:
    counted = table()
    few, many = _shard(scratch, 16_000_000), _shard(scratch, TOKENS)

    def peak(path: Path) -> Sample:
        stream = shards.tokens(path)
        tracemalloc.start()
        counted.count(stream[:-1], stream[1:])
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return Sample({"peak_bytes": held})

    peak(few)  # the padded tables are kept
    return Sides(baseline=lambda: peak(few), ours=lambda: peak(many))


def _equal(baseline: int, ours: int) -> None:
    if baseline != ours:
        raise AssertionError(f"{ours} bytes, the challenge counts {baseline}")
