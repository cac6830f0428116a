"""Files of token ids: the challenge's shards, and bare uint16 as nanoGPT writes them. Nothing is unpickled."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from golf.desk.pipeline.checked import Trouble
from golf.errors import GolfError
from golf.measure import shards
from golf.rules import SHARD_MAGIC

CHUNK = 1 << 24
BOS = 1
"""What the challenge's documents begin with."""


@dataclass(frozen=True)
class Tokens:
    """An opened file."""

    kind: str
    """`shard` or `tokens`."""
    values: np.ndarray
    """(num_tokens,), memory-mapped."""
    bos: int | None
    """What documents begin with; None: it cannot be told."""


def opened(path: Path, name: str, bos: int | None) -> Tokens | Trouble:
    """A file's tokens, or what is wrong with it as a whole."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        magic = int.from_bytes(file.read(4), "little", signed=True)
    if magic == SHARD_MAGIC or path.name.startswith("fineweb_"):
        try:
            values = shards.tokens(path)
        except GolfError as error:
            text, fix = str(error).replace(str(path), name).rsplit(". ", 1)
            return Trouble(code="HEADER", severity="error", file=name, text=text, fix=fix)
        starts = bos if bos is not None else BOS if values.size and int(values[0]) == BOS else None
        return Tokens("shard", values, starts)
    if size % 2 or not size:
        return Trouble(
            code="DTYPE", severity="error", file=name,
            text=f"{size} bytes are no whole number of uint16 tokens, and there is no shard's header",
            fix="write it again, as uint16, and compare sizes",
        )  # fmt: skip
    return Tokens("tokens", np.memmap(path, dtype="<u2", mode="r"), bos)


def troubles(found: Tokens, name: str, vocab_size: int | None) -> Iterator[Trouble]:
    """What is wrong with the ids of one file."""
    values = found.values
    largest = int(values.max())
    if vocab_size is not None and largest >= vocab_size:
        place = _first(values, vocab_size)
        swapped = int(values[: 1 << 20].byteswap().max())
        is_swapped = swapped < vocab_size
        yield Trouble(
            code="TOKEN_RANGE", severity="error", file=name, place=place, count=_count(values, vocab_size),
            text=f"token id {largest} in a vocabulary of {vocab_size}",
            fix="the bytes are the other way round: read as big-endian they fit"
            if is_swapped
            else "these were made with another tokenizer, or as another type: name the right one, or make them again",
        )  # fmt: skip
    sample = np.asarray(values[: 1 << 20])
    if sample.size >= 1000 and np.mean(sample[1::2] == 0) > 0.99 and np.mean(sample[::2] == 0) < 0.9:
        yield Trouble(
            code="DTYPE", severity="error", file=name,
            text="every second token is 0: these are int32 or int64 that are read as uint16",
            fix="write uint16, as the reader expects",
        )  # fmt: skip
    if values.size >= 1000 and largest == int(values.min()):
        yield Trouble(
            code="CONSTANT", severity="error", file=name, text=f"every token is {largest}", fix="make it again"
        )
    if found.bos is not None and (empty := list(empty_documents(values, found.bos))):
        yield Trouble(
            code="EMPTY", severity="warning", file=name, place=empty[0], count=len(empty),
            text=f"{len(empty)} documents have no token but the one that begins them",
            fix="leave empty documents out when the shard is written",
        )  # fmt: skip


def documents(values: np.ndarray, bos: int) -> Iterator[tuple[int, np.ndarray]]:
    """Documents and where they begin, each without its `bos`."""
    starts = np.concatenate(
        [np.flatnonzero(values[at : at + CHUNK] == bos) + at for at in range(0, values.size, CHUNK)]
    )
    ends = [*starts[1:].tolist(), values.size]
    for start, end in zip(starts.tolist(), ends, strict=True):
        yield start, values[start + 1 : end]


def empty_documents(values: np.ndarray, bos: int) -> Iterator[int]:
    """Where one begins and none of it follows."""
    for at in range(0, values.size, CHUNK):
        run = np.asarray(values[at : at + CHUNK + 1])
        yield from (np.flatnonzero((run[:-1] == bos) & (run[1:] == bos)) + at).tolist()


def _first(values: np.ndarray, limit: int) -> int:
    for at in range(0, values.size, CHUNK):
        over = np.flatnonzero(values[at : at + CHUNK] >= limit)
        if over.size:
            return at + int(over[0])
    return 0


def _count(values: np.ndarray, limit: int) -> int:
    return sum(int(np.count_nonzero(values[at : at + CHUNK] >= limit)) for at in range(0, values.size, CHUNK))
