"""Byte counts: how many bytes of text each target token stands for. The denominator of bits per byte.

The challenge's rule, from the SentencePiece model alone: a byte-fallback token is 1 byte; any other piece is its
UTF-8 length without the leading ▁ (U+2581, SentencePiece's space); that space is 1 byte more, unless the token
before is a boundary (control, unknown or unused), because a document does not begin with a space. Boundary tokens
themselves are 0 bytes. Getting this wrong by one space per word is the commonest invalid record.

After a boundary token (BOS) the counts add up to exactly the UTF-8 bytes of what the tokenizer decodes to: emoji
and CJK through byte fallback, U+FFFD as its 3 bytes where the normaliser keeps it, a ▁ in the text as the space that
SentencePiece takes it for.
Three things differ, and are kept because the challenge counts them so:

- the first token of a stream is never a target, so its bytes are not counted;
- an unknown token is 0 bytes (only in tokenizers without byte fallback);
- a ▁ inside a piece (a run of spaces learnt as one piece) is 3 bytes; `ByteTable.inner_spaces` tells how many pieces.

Source: openai/parameter-golf, train_gpt.py, "tokenizer-agnostic evaluation setup" (the README holds records to it).
"""

import functools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from golf.errors import NotFound, UnreadableInput

SPACE = "\u2581"

_CHUNK = 1 << 19  # tokens per step: long enough that threads seldom wait for one another, 8 MB of memory each
_IDS = 1 << 16  # every uint16 has an entry, so that a lookup needs no bounds check
_BYTES_MAX = (1 << 16) - 1  # of one token, its space included
_ROWS = 64  # counts of so many tokens are added in the 16 bits they are in, which processors do 16 at a time or more
_CHUNKS_PER_WORKER = 4  # fewer are counted before a second thread has begun
_FEW_RUNS = 4  # runs of boundary ids up to which comparing beats looking up


@dataclass(frozen=True)
class ByteTable:
    """Per token id: bytes without its leading space, whether it has one, and whether it is a boundary."""

    base_bytes: np.ndarray
    """(vocab_size,) integers."""
    has_leading_space: np.ndarray
    """(vocab_size,) bool."""
    is_boundary: np.ndarray
    """(vocab_size,) bool: control, unknown, unused, or beyond the tokenizer's own vocabulary."""
    inner_spaces: int = 0
    """Pieces with a ▁ after their first character, which the challenge counts as 3 bytes each."""

    @property
    def vocab_size(self) -> int:
        """Number of token ids with an entry."""
        return self.base_bytes.size

    @functools.cached_property
    def _after_text(self) -> np.ndarray:
        counts = self.base_bytes.astype(np.int64) + self.has_leading_space.astype(bool)
        if counts.size and not 0 <= counts.min() <= counts.max() <= _BYTES_MAX:
            raise UnreadableInput(
                f"the byte table gives a token {counts.min()} and one {counts.max()} bytes; it may be 0 to {_BYTES_MAX}"
            )
        return np.pad(counts, (0, max(0, _IDS - self.vocab_size))).astype(np.uint16)

    @functools.cached_property
    def _longest(self) -> int:
        return int(self._after_text.max())

    @functools.cached_property
    def _boundary(self) -> np.ndarray:
        return np.pad(self.is_boundary.astype(bool), (0, max(0, _IDS - self.vocab_size)))

    @functools.cached_property
    def _boundary_runs(self) -> list[tuple[int, int]]:
        """(first, end) of each run of boundary ids: tokenizers keep theirs together."""
        edges = np.flatnonzero(np.diff(self.is_boundary.astype(bool), prepend=False, append=False))
        return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]

    def count(self, prev_tokens: np.ndarray, tokens: np.ndarray) -> int:
        """Bytes that `tokens` stand for when each follows the one at its place in `prev_tokens`.

        For a stream of tokens: `count(stream[:-1], stream[1:])`. Memory is constant, also over memory maps; long
        streams are counted on every core this process may use.

        Raises:
            UnreadableInput: a token id is beyond the table, the two differ in length or are no rows of integers, or the
                table gives a token more bytes than a shard can count.
        """
        if any(array.ndim != 1 or array.dtype.kind not in "iu" for array in (prev_tokens, tokens)):
            raise UnreadableInput(
                f"bytes are counted of one row of integers, not of {tokens.dtype} of shape {tokens.shape} after "
                f"{prev_tokens.dtype} of shape {prev_tokens.shape}"
            )
        if prev_tokens.shape != tokens.shape:
            raise UnreadableInput(f"{prev_tokens.size} preceding tokens for {tokens.size} tokens; each needs one")
        prev_tokens, tokens = np.asarray(prev_tokens), np.asarray(tokens)  # slices of a memory map cost more
        starts = range(0, tokens.size, _CHUNK)

        def counted(some: range) -> int:
            return sum(self._count(prev_tokens[at : at + _CHUNK], tokens[at : at + _CHUNK]) for at in some)

        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        workers = min(cores, len(starts) // _CHUNKS_PER_WORKER)
        if workers < 2:
            return counted(starts)
        with ThreadPoolExecutor(workers) as pool:  # numpy lets go of the interpreter while it looks up
            return sum(pool.map(counted, [starts[worker::workers] for worker in range(workers)]))

    def _count(self, before: np.ndarray, now: np.ndarray) -> int:
        self._check(now)
        self._check(before)
        # boundaries are rare: find them, and take back the space of the tokens that follow them
        follows = now[self._is_boundary(before)]
        return self._sum(now) - int(np.count_nonzero(self.has_leading_space[follows]))

    def _sum(self, ids: np.ndarray) -> int:
        counts = self._after_text.take(ids, mode="clip")
        rows = min(_ROWS, _BYTES_MAX // max(1, self._longest))  # a column's sum has to fit
        whole = counts.size - counts.size % rows
        columns = counts[:whole].reshape(rows, -1).sum(axis=0, dtype=np.uint16)
        return int(columns.sum(dtype=np.int64)) + int(counts[whole:].sum(dtype=np.int64))

    def _is_boundary(self, ids: np.ndarray) -> np.ndarray:
        if len(self._boundary_runs) > _FEW_RUNS:
            return self._boundary.take(ids, mode="clip")
        runs = [ids < end if first == 0 else (ids >= first) & (ids < end) for first, end in self._boundary_runs]
        return functools.reduce(np.bitwise_or, runs) if runs else np.zeros(ids.shape, dtype=bool)

    def _check(self, ids: np.ndarray) -> None:
        low, high = int(ids.min()) if ids.dtype.kind != "u" else 0, int(ids.max())
        if low < 0 or high >= self.vocab_size:
            raise UnreadableInput(
                f"token id {low if low < 0 else high} is out of range for this tokenizer's {self.vocab_size} pieces. "
                "The shards were made with another tokenizer; give the one they were made with (--tokenizer)"
            )


def table(sentencepiece_path: Path, vocab_size: int | None = None) -> ByteTable:
    """The byte table of a SentencePiece model; `vocab_size` extends it with boundaries, as the challenge does.

    Raises:
        NotFound: there is no such file.
        UnreadableInput: it is not a SentencePiece model.
    """
    import sentencepiece

    if not sentencepiece_path.is_file():
        raise NotFound(
            f"there is no tokenizer {sentencepiece_path}. Fetch it: golf data fineweb; or make one: golf data pydocs"
        )
    model = sentencepiece.SentencePieceProcessor()
    try:
        model.LoadFromSerializedProto(sentencepiece_path.read_bytes())
    except (OSError, RuntimeError) as error:
        raise UnreadableInput(f"{sentencepiece_path} is not a SentencePiece model: {error}") from error
    pieces = model.GetPieceSize()
    size = max(pieces, vocab_size or 0)
    base_bytes = np.zeros(size, dtype=np.uint16)
    has_leading_space = np.zeros(size, dtype=bool)
    is_boundary = np.ones(size, dtype=bool)
    inner_spaces = 0
    for token in range(pieces):
        if model.IsControl(token) or model.IsUnknown(token) or model.IsUnused(token):
            continue
        is_boundary[token] = False
        if model.IsByte(token):
            base_bytes[token] = 1
            continue
        piece = model.IdToPiece(token)
        text = piece.removeprefix(SPACE)
        has_leading_space[token] = text != piece
        base_bytes[token] = len(text.encode())
        inner_spaces += SPACE in text
    return ByteTable(base_bytes, has_leading_space, is_boundary, inner_spaces)
