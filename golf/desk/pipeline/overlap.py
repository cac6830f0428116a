"""Stretches that occur in two places: fingerprints of every window, kept by their own value.

A rolling polynomial hash of each window of a sequence; one in sixteen is kept, chosen by the hash itself, so that the
same stretch is chosen wherever it stands (winnowing). A copy of a few hundred tokens is all but sure to be seen.

Source: Schleimer, Wilkerson, Aiken, "Winnowing: local algorithms for document fingerprinting", SIGMOD 2003.
"""

from collections.abc import Iterator

import numpy as np

TOKENS_WINDOW = 64
"""Tokens alike in a row that are no accident."""

BYTES_WINDOW = 200
"""The same for text, in bytes of UTF-8."""

SAMPLED = 16
KEPT_OF = 400_000_000
"""Values of which one window in `SAMPLED` is kept; beyond, fewer."""

CHUNK = 1 << 22

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_MIX = np.uint64(0xFF51AFD7ED558CCD)


def sampling(total: int) -> int:
    """One window in how many is kept of so many values: memory stays below a gigabyte, however large the data."""
    return SAMPLED << max(0, (total // KEPT_OF).bit_length())


def fingerprints(values: np.ndarray, window: int, sampled: int = SAMPLED) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Hashes (uint64) of chosen windows and where they begin, chunk by chunk; `values` are whole numbers, (N,)."""
    for start in range(0, max(values.size - window + 1, 0), CHUNK):
        run = np.asarray(values[start : start + CHUNK + window - 1], dtype=np.uint64) + np.uint64(1)
        hashes = _rolling(run, window)
        chosen = np.flatnonzero(hashes % np.uint64(sampled) == 0)
        yield hashes[chosen], chosen + start


def _rolling(run: np.ndarray, window: int) -> np.ndarray:
    """Hash of each window: sum of value × base^offset, modulo 2^64, mixed."""
    size = run.size
    powers = np.empty(size, dtype=np.uint64)
    powers[:1], powers[1:] = 1, np.uint64(_BASE)
    back = np.empty(size, dtype=np.uint64)
    back[:1], back[1:] = 1, np.uint64(_INVERSE)
    with np.errstate(over="ignore"):
        sums = np.zeros(size + 1, dtype=np.uint64)
        np.cumsum(run * np.cumprod(powers, out=powers), out=sums[1:])
        hashes = (sums[window:] - sums[:-window]) * np.cumprod(back, out=back)[: size - window + 1]
        hashes ^= hashes >> np.uint64(33)
        hashes *= _MIX
        hashes ^= hashes >> np.uint64(29)
    return hashes
