"""Shards: the challenge's `.bin` files, a 1,024-byte header and then tokens as uint16.

`fineweb_train_*.bin` and `fineweb_val_*.bin` hold tokens. A third kind, `fineweb_val_bytes_*.bin`, looks like
a val shard to the glob that most scripts use, but holds the bytes each val token stands for (lossless
case-folding tokenizers need it); here it is a side-car and never val tokens.

Tokens are memory-mapped: opening a shard costs nothing, however large it is. Source of the format: rules.SHARD_*.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from golf import durable
from golf.errors import NotFound, UnreadableInput
from golf.rules import SHARD_HEADER_INTS, SHARD_MAGIC, SHARD_VERSION

HEADER_BYTES = SHARD_HEADER_INTS * 4
TOKEN_MAX = 65_535
"""Largest token id (or byte count, in a side-car) that a shard can hold."""

_CHUNK = 1 << 20  # tokens written at a time: 2 MiB

Split = Literal["train", "val"]


@dataclass(frozen=True)
class ShardHeader:
    """What the first 1,024 bytes of a shard say."""

    num_tokens: int
    version: int = SHARD_VERSION


def read_header(path: Path) -> ShardHeader:
    """The header of one shard, checked against the size of the file.

    Raises:
        NotFound: there is no such file.
        UnreadableInput: short header, another magic number or version, or a size that the token count does not give.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read(HEADER_BYTES)
            size = file.seek(0, 2)
    except FileNotFoundError:
        raise NotFound(f"there is no shard {path}. Make some: golf data fineweb (or golf data pydocs)") from None
    except OSError as error:
        raise UnreadableInput(f"shard {path} could not be read: {error}") from error
    remedy = "Fetch or make the shards again: golf data fineweb (or golf data pydocs)"
    if len(raw) < HEADER_BYTES:
        raise UnreadableInput(f"shard {path} is {size} bytes, shorter than its header of {HEADER_BYTES}. {remedy}")
    magic, version, num_tokens = (int(number) for number in np.frombuffer(raw, dtype="<i4", count=3))
    if magic != SHARD_MAGIC:
        raise UnreadableInput(f"shard {path} starts with magic {magic}, a shard with {SHARD_MAGIC}. {remedy}")
    if version != SHARD_VERSION:
        raise UnreadableInput(f"shard {path} is of version {version}; only {SHARD_VERSION} can be read. {remedy}")
    if num_tokens < 1:
        raise UnreadableInput(f"shard {path} says it holds {num_tokens} tokens. {remedy}")
    expected = HEADER_BYTES + 2 * num_tokens
    if size != expected:
        raise UnreadableInput(
            f"shard {path} says {num_tokens} tokens, which makes {expected} bytes, but the file has {size}. {remedy}"
        )
    return ShardHeader(num_tokens=num_tokens, version=version)


def tokens(path: Path) -> np.memmap:
    """The tokens of one shard, uint16 (num_tokens,), memory-mapped read-only.

    Raises:
        NotFound, UnreadableInput: as `read_header`.
    """
    header = read_header(path)
    return np.memmap(path, dtype="<u2", mode="r", offset=HEADER_BYTES, shape=(header.num_tokens,))


class Stream:
    """Several shards as one sequence, in the order given; the challenge scores a split this way."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._parts = [tokens(path) for path in paths]
        self._ends = np.cumsum([part.size for part in self._parts])

    def __len__(self) -> int:
        return int(self._ends[-1]) if self._parts else 0

    def read(self, start: int, stop: int) -> np.ndarray:
        """Tokens `start` to `stop`, uint16; a view into the file where they lie in one shard."""
        pieces = []
        for part, end in zip(self._parts, self._ends.tolist(), strict=True):
            begin = end - part.size
            if start < end and stop > begin:
                pieces.append(part[max(start - begin, 0) : stop - begin])
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces) if pieces else np.zeros(0, dtype="<u2")

    def largest(self) -> int:
        """The largest token id of all; reads every shard once."""
        return max(int(part.max()) for part in self._parts)


def write_shard(path: Path, values: np.ndarray | Iterable[np.ndarray]) -> ShardHeader:
    """Write one shard atomically from an array, or from arrays that come one after the other.

    The whole shard never needs to be in memory; readers see the old file or the complete new one.

    Raises:
        UnreadableInput: no values, more than the header can count, or a value that does not fit in uint16.
    """
    count = 0
    with durable.replacement(path) as file:
        file.write(bytes(HEADER_BYTES))
        for chunk in _chunks(values):
            low, high = int(chunk.min()), int(chunk.max())
            if low < 0 or high > TOKEN_MAX:
                wrong = low if low < 0 else high
                raise UnreadableInput(f"value {wrong} for shard {path} does not fit; a shard holds 0 to {TOKEN_MAX}")
            file.write(chunk.astype("<u2", copy=False).tobytes())
            count += chunk.size
        if not 0 < count < 2**31:
            raise UnreadableInput(f"{count} tokens cannot be written to shard {path}; a shard holds 1 to {2**31 - 1}")
        header = np.zeros(SHARD_HEADER_INTS, dtype="<i4")
        header[:3] = SHARD_MAGIC, SHARD_VERSION, count
        file.seek(0)
        file.write(header.tobytes())
    return ShardHeader(num_tokens=count)


def _chunks(values: np.ndarray | Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    for array in [values] if isinstance(values, np.ndarray) else values:
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
            raise UnreadableInput(
                f"a shard is written from one-dimensional integers (got shape {array.shape} of {array.dtype})"
            )
        for start in range(0, array.size, _CHUNK):
            yield array[start : start + _CHUNK]


def find_shards(folder: Path, split: Split) -> list[Path]:
    """The token shards of one split in order; byte side-cars are not among them.

    Raises:
        NotFound: the folder has none.
    """
    found = [path for path in sorted(folder.glob(f"fineweb_{split}_*.bin")) if not is_sidecar(path)]
    if not found:
        raise NotFound(
            f"no fineweb_{split}_*.bin in {folder}. Fetch the challenge's: golf data fineweb; "
            "or make some from text on this machine: golf data pydocs"
        )
    return found


def find_sidecars(folder: Path) -> list[Path]:
    """Byte side-cars of the val split in order, one per val shard; empty where there are none (the usual case)."""
    return sorted(folder.glob("fineweb_val_bytes_*.bin"))


def is_sidecar(path: Path) -> bool:
    """Is this a byte side-car by its name?"""
    return path.name.startswith(("fineweb_val_bytes_", "fineweb_train_bytes_"))
