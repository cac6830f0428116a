"""Tokens into bits and back, with a scorer's own distributions: the entropy coder of `golf certify`.

The coder is `constriction`'s range coder, within 0.1 % of the ideal length. It needs the very same floats on both ways,
so encoder and decoder ask alike: one position at a time, from the prefix alone. Where a scorer lets a stream be cut
(plain windows), lanes of it go side by side, because a pass of many costs little more than a pass of one.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from golf.errors import MissingPackage, RuleBroken, UnreadableInput

SUM_TOLERANCE = 1e-3
"""How far a distribution's sum may be above 1; float32 over 8,192 pieces stays below 1e-4."""

WORD_BITS = 32
LANES = 32

Predict = Callable[[np.ndarray], np.ndarray]
"""(K, T) token ids, T >= 1, to (K, V) log-probabilities in nats of what comes next in each of K lanes.

Called with growing prefixes, so it may keep state.
"""
Progress = Callable[[int, int], None]
"""Called with the steps done and the steps to do, of all lanes at once."""


@dataclass(frozen=True)
class Lanes:
    """How a stream is cut: `count` lanes of `length` tokens after their first, which is the last of the lane before."""

    count: int
    length: int

    @property
    def num_tokens(self) -> int:
        """Of the whole stream."""
        return self.count * self.length + 1

    def split(self, tokens: np.ndarray) -> np.ndarray:
        """(num_tokens,) to (count, length + 1)."""
        return np.stack([tokens[lane * self.length : (lane + 1) * self.length + 1] for lane in range(self.count)])

    def join(self, lanes: np.ndarray) -> np.ndarray:
        """What `split` took apart."""
        return np.concatenate([lanes[:1, 0], lanes[:, 1:].ravel()])

    def coded(self, step: int) -> range:
        """The lanes whose token at this step is coded: a lane's last is known as the next one's first."""
        return range(self.count - 1, self.count) if step == self.length else range(self.count)


def cut(wanted: int, available: int, period: int | None) -> Lanes:
    """Lanes for about `wanted` tokens (at least so many where they are available), each whole periods long.

    Raises:
        UnreadableInput: fewer than 2 tokens.
    """
    wanted = min(wanted, available)
    if wanted < 2:
        raise UnreadableInput(f"a certificate needs at least 2 tokens in a row (got {wanted})")
    if period is None or wanted - 1 <= period:
        return Lanes(1, wanted - 1)
    count = min(LANES, (wanted - 1) // period)
    periods = math.ceil((wanted - 1) / (count * period))
    if count * periods * period + 1 > available:
        periods -= 1
    return Lanes(count, periods * period)


@dataclass(frozen=True)
class Encoded:
    """Tokens as bits, and what their distributions promised."""

    words: np.ndarray
    """(N,) uint32: the range coder's output."""
    starts: np.ndarray
    """(K,) ids: the lanes' first tokens, which nothing predicts; counted as log2 V bits each."""
    vocab_size: int
    nats: float
    """Sum of -log p over what was coded."""

    @property
    def num_bits(self) -> float:
        """What a decoder must be given: the coder's words and the lanes' first tokens."""
        return WORD_BITS * self.words.size + math.log2(self.vocab_size) * self.starts.size


def encode(tokens: np.ndarray, lanes: Lanes, predict: Predict, progress: Progress | None = None) -> Encoded:
    """Write (T,) token ids, T = lanes.num_tokens, as bits.

    Raises:
        RuleBroken: a distribution sums to more than 1, so that no code has these lengths.
        UnreadableInput: a distribution is no array of V log-probabilities, or a token's probability is zero.
    """
    coder = _stream().queue.RangeEncoder()
    split = lanes.split(tokens)
    nats, vocab_size = 0.0, 0
    for step in range(1, lanes.length + 1):
        log_p = _distributions(predict, split[:, :step], vocab_size)
        vocab_size = log_p.shape[1]
        for lane in lanes.coded(step):
            token = int(split[lane, step])
            if token >= vocab_size or not math.isfinite(log_p[lane, token]):
                raise UnreadableInput(
                    f"token {token} at position {lane * lanes.length + step} has probability 0: no code holds this text"
                )
            nats -= float(log_p[lane, token])
            coder.encode(token, _model(log_p[lane]))
        if progress is not None:
            progress(step, lanes.length)
    return Encoded(coder.get_compressed(), split[:, 0].copy(), vocab_size, nats)


def decode(
    words: np.ndarray, starts: np.ndarray, lanes: Lanes, predict: Predict, progress: Progress | None = None
) -> np.ndarray:
    """Read (lanes.num_tokens,) token ids back from bits, with nothing but the predictions.

    Garbage comes back as garbage, of the right length: comparing is the caller's.

    Raises:
        RuleBroken, UnreadableInput: as `encode`.
    """
    coder = _stream().queue.RangeDecoder(words)
    split = np.zeros((lanes.count, lanes.length + 1), dtype=np.int64)
    split[:, 0] = starts
    split[:-1, -1] = starts[1:]
    vocab_size = 0
    for step in range(1, lanes.length + 1):
        log_p = _distributions(predict, split[:, :step], vocab_size)
        vocab_size = log_p.shape[1]
        for lane in lanes.coded(step):
            split[lane, step] = coder.decode(_model(log_p[lane]))
        if progress is not None:
            progress(step, lanes.length)
    return lanes.join(split)


def _distributions(predict: Predict, prefix: np.ndarray, vocab_size: int) -> np.ndarray:
    """The answers as float64, checked: a code needs probabilities that sum to at most 1."""
    log_p = np.asarray(predict(prefix), dtype=np.float64)
    is_shaped = log_p.ndim == 2 and len(log_p) == len(prefix) and log_p.shape[1] >= 2
    if not is_shaped or (vocab_size and log_p.shape[1] != vocab_size):
        raise UnreadableInput(
            f"a prediction after {prefix.shape[1]} tokens has shape {log_p.shape}; it must be ({len(prefix)}, V)"
        )
    if np.isnan(log_p).any():
        raise UnreadableInput(f"a prediction after {prefix.shape[1]} tokens is not a number")
    with np.errstate(over="ignore"):
        total = float(np.exp(log_p).sum(axis=1).max())
    if total > 1 + SUM_TOLERANCE:
        raise RuleBroken(
            f"the probabilities after {prefix.shape[1]} tokens sum to {total:.6g}, over the limit of 1: no code has "
            "these lengths, and the score is none. Renormalise over the whole vocabulary"
        )
    return log_p


def _model(log_p: np.ndarray) -> Any:
    """The coder's integer model of a distribution; every token keeps at least 2^-24."""
    return _stream().model.Categorical(np.exp(log_p - log_p.max()), perfect=False)


def _stream() -> Any:
    """The compiled library's stream coders, which it ships without types.

    Raises:
        MissingPackage: the interpreter lacks the library.
    """
    try:
        import constriction
    except ImportError as error:
        raise MissingPackage(
            f"{sys.executable} has no constriction, the entropy coder. Install it: {sys.executable} -m pip install "
            "'constriction>=0.5'"
        ) from error
    library: Any = constriction
    return library.stream
