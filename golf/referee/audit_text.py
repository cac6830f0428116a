"""The tokens an audit asks about, and other futures for them.

Real text where there is some: a scorer that is honest only on text it finds unnatural would else be thought honest
everywhere. Several short documents, because rules are broken at document starts; and made of repetitions where it is
made up, because a cache that never hits shows nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from golf.errors import UnreadableInput

_COPY_SHARE = 0.4
"""Of made-up text: how much of it is a phrase said before."""


@dataclass(frozen=True)
class Text:
    """What is asked about."""

    tokens: np.ndarray
    """(T,) int64."""
    pool: np.ndarray
    """(N,) int64, N > T: other text of the same kind, to continue with."""
    bos: int | None
    """The token every document starts with; None where there is none."""
    origin: str
    is_made_up: bool

    @property
    def document_starts(self) -> list[int]:
        """Positions of the first tokens of documents."""
        return [] if self.bos is None else np.flatnonzero(self.tokens == self.bos).tolist()


def made_up(vocab_size: int, length: int, bos: int | None, rng: np.random.Generator) -> Text:
    """Text of no language, with preferred successors and repeated phrases."""
    successors = rng.integers(vocab_size, size=(vocab_size, 3))
    document = max(8, length // 4)
    parts = [_document(document, vocab_size, successors, bos, rng) for _ in range(10)]
    whole = np.concatenate(parts)
    return Text(
        whole[:length], whole[length:], bos, f"{length} made-up tokens in repetitive documents", is_made_up=True
    )


def of_documents(stream: np.ndarray, length: int, bos: int, rng: np.random.Generator) -> Text:
    """The beginnings of documents drawn from a stream of tokens, one after the other; any stretch where none begin.

    Raises:
        UnreadableInput: the stream is too short to take a text and other futures from.
    """
    if stream.size < 4 * length:
        raise UnreadableInput(f"{stream.size} tokens are too few to audit {length}: give at least {4 * length}")
    starts = np.flatnonzero(stream == bos)
    piece = max(8, length // 4)
    starts = starts[starts + piece <= stream.size]
    if starts.size < 10:
        begin = int(rng.integers(stream.size - 3 * length))
        whole = stream[begin : begin + 3 * length].astype(np.int64)
        return Text(whole[:length], whole[length:], None, f"{length} consecutive tokens of the split", is_made_up=False)
    chosen = rng.choice(starts, size=10, replace=False)
    whole = np.concatenate([stream[at : at + piece] for at in chosen]).astype(np.int64)
    return Text(
        whole[:length], whole[length:], bos, f"{length} tokens: beginnings of the split's documents", is_made_up=False
    )


def futures(text: Text, position: int, vocab_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Without end, other tokens for everything after `position`: other text, noise, and echoes of what came before.

    An echo with some tokens changed contradicts whatever a second pass, a cache or an adaptation learns from the
    true future, in the contexts that the past has.
    """
    length = text.tokens.size - position - 1
    while True:
        begin = int(rng.integers(max(1, text.pool.size - length)))
        others = [
            np.resize(text.pool[begin:], length),
            rng.integers(vocab_size, size=length),
            _echo(text.tokens[: position + 1], length, vocab_size, rng),
        ]
        for other in (others[index] for index in rng.permutation(len(others))):
            if length and other[0] == text.tokens[position + 1]:
                other[0] = (other[0] + 1 + rng.integers(vocab_size - 1)) % vocab_size
            yield other


def _echo(past: np.ndarray, length: int, vocab_size: int, rng: np.random.Generator) -> np.ndarray:
    echo = np.resize(past[int(rng.integers(past.size)) :], length)
    changed = rng.random(length) < 0.3
    echo[changed] = rng.integers(vocab_size, size=int(changed.sum()))
    return echo


def _document(
    length: int, vocab_size: int, successors: np.ndarray, bos: int | None, rng: np.random.Generator
) -> np.ndarray:
    tokens = [int(rng.integers(vocab_size)) if bos is None else bos]
    while len(tokens) < length:
        if len(tokens) > 8 and rng.random() < _COPY_SHARE:
            begin = int(rng.integers(1, len(tokens) - 4))
            tokens += tokens[begin : begin + int(rng.integers(3, 7))]
        elif rng.random() < 0.7:
            tokens.append(int(successors[tokens[-1], min(2, int(rng.exponential(0.7)))]))
        else:
            tokens.append(int(rng.integers(vocab_size)))
        if tokens[-1] == bos:
            tokens[-1] = (tokens[-1] + 1) % vocab_size
    return np.array(tokens[:length], dtype=np.int64)
