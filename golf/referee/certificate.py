"""Text through a scorer into bits and back: the proof of a score that cannot be argued with.

A score in bits per byte is the length of a code. Here the code is written: an entropy coder turns the tokens into bits
with the scorer's distribution at each position, and a fresh process turns the bits back with nothing but the scorer.
A scorer that saw what it should not have seen says something else when only the past is there, and the text comes
back wrong. One whose probabilities sum to more than one has no code at all (Kraft's inequality), and is refused.

The coder is `constriction`'s range coder, within 0.1 % of the ideal length; the model's arithmetic is the difficulty.
Encoder and decoder must compute the very same floats, so both take the same steps: one position at a time, from the
prefix alone, with one thread. What still differs makes the text come back wrong, never a certificate.
"""

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from golf.errors import MissingPackage, RuleBroken, UnreadableInput
from golf.referee.causality import Asked, Fresh
from golf.rulings import Certificate

SUM_TOLERANCE = 1e-3
"""How far a distribution's sum may be above 1; float32 over 8,192 pieces stays below 1e-4."""

WORD_BITS = 32


Predict = Callable[[np.ndarray], np.ndarray]
"""A prefix of (T,) token ids, T >= 1, to (V,) log-probabilities in nats of the token that comes next.

Called with growing prefixes of one stream, so it may keep state.
"""


@dataclass(frozen=True)
class Encoded:
    """Tokens as bits, and what their distributions promised."""

    words: np.ndarray
    """(N,) uint32: the range coder's output."""
    first: int
    """The first token, which nothing predicts; it is counted as log2 V bits."""
    num_tokens: int
    """With the first."""
    vocab_size: int
    nats: float
    """Sum of -log p over the tokens after the first: the score's own claim."""

    @property
    def num_bits(self) -> float:
        """What a decoder must be given: the coder's words and the first token."""
        return WORD_BITS * self.words.size + math.log2(self.vocab_size)


Progress = Callable[[str, int, int], None]
"""Called with `encoding` or `decoding`, the tokens done and the tokens to do."""


def certify(
    fresh: Fresh,
    tokens: np.ndarray,
    num_bytes: int,
    *,
    target: str,
    claimed_bpb: float | None = None,
    settings: Sequence[str] = (),
    progress: Progress = lambda what, done, total: None,
) -> Certificate:
    """Send text through a scorer and back.

    Args:
        fresh: Starts a process with the scorer that can read neither the text nor anything the other one wrote.
        tokens: (T,) ids, T >= 2, of the text.
        num_bytes: Bytes that the tokens after the first stand for.
        target: What the scorer is called.
        claimed_bpb: What is claimed for the whole split, bits per byte.
        settings: What makes the arithmetic repeatable.
        progress: For whoever waits.

    Raises:
        UnreadableInput: the scorer gives no distributions, or none that repeat.
        GolfError: as the scorer's process.
    """
    begin = time.monotonic()
    facts: dict[str, Any] = {
        "target": target,
        "claimed_bpb": claimed_bpb,
        "text_bytes": num_bytes,
        "num_tokens": tokens.size,
        "settings": list(settings),
        "certified_bpb": None,
        "scored_bpb": None,
        "coded_bytes": None,
        "first_difference": None,
    }
    try:
        with fresh() as writer:
            scored = writer.score(tokens[None])[0, 1 - tokens.size :]
            facts["scored_bpb"] = float(scored.sum()) / math.log(2) / num_bytes
            told = predict_from(writer, tokens.size, tokens)
            encoded = encode(tokens, told, lambda done, total: progress("encoding", done, total))
    except RuleBroken as error:
        return Certificate(verdict="no_code", reason=str(error), elapsed_s=time.monotonic() - begin, **facts)
    with fresh() as reader:
        told = predict_from(reader, tokens.size)
        try:
            decoded = decode(
                encoded.words, encoded.first, tokens.size, told, lambda done, total: progress("decoding", done, total)
            )
        except (RuleBroken, UnreadableInput) as error:  # what it says about a text that is not the true one
            decoded, why = tokens[:0], f": {error}"
        else:
            why = ""
    facts["coded_bytes"] = math.ceil(encoded.num_bits / 8)
    facts["first_difference"] = _first_difference(tokens, decoded)
    if facts["first_difference"] is None:
        facts["certified_bpb"] = encoded.num_bits / num_bytes
        verdict, reason = "certified", f"{num_bytes} bytes of text came back whole from {facts['coded_bytes']} bytes"
    else:
        with fresh() as again:
            repeated = encode(tokens, predict_from(again, tokens.size, tokens))
        if not np.array_equal(repeated.words, encoded.words):
            raise UnreadableInput(
                "two fresh processes encode the same text differently: the scorer's arithmetic does not repeat, so "
                "nothing can be certified. Let it run on one CPU thread in float32, with fixed seeds and no timing"
            )
        at = facts["first_difference"]
        verdict = "not_decoded"
        reason = f"with nothing but the past, the scorer says something else from token {at} on{why}"
    return Certificate(verdict=verdict, reason=reason, elapsed_s=time.monotonic() - begin, **facts)


def _first_difference(tokens: np.ndarray, decoded: np.ndarray) -> int | None:
    if decoded.size < tokens.size:
        return decoded.size
    differing = np.flatnonzero(tokens != decoded)
    return int(differing[0]) if differing.size else None


def encode(tokens: np.ndarray, predict: Predict, progress: Callable[[int, int], None] | None = None) -> Encoded:
    """Write (T,) token ids, T >= 2, as bits.

    Raises:
        RuleBroken: a distribution sums to more than 1, so that no code has these lengths.
        UnreadableInput: a distribution is no array of V log-probabilities, or the token's probability is zero.
    """
    if tokens.ndim != 1 or tokens.size < 2:
        raise UnreadableInput(f"a certificate needs at least 2 tokens in a row (got shape {tokens.shape})")
    coder = _stream().queue.RangeEncoder()
    nats, vocab_size = 0.0, 0
    for position in range(1, tokens.size):
        log_p = _distribution(predict, tokens[:position], vocab_size)
        vocab_size = log_p.size
        token = int(tokens[position])
        if token >= vocab_size or not math.isfinite(log_p[token]):
            raise UnreadableInput(f"token {token} at position {position} has probability 0: no code can hold this text")
        nats -= float(log_p[token])
        coder.encode(token, _model(log_p))
        if progress is not None:
            progress(position, tokens.size - 1)
    return Encoded(coder.get_compressed(), int(tokens[0]), tokens.size, vocab_size, nats)


def decode(
    words: np.ndarray,
    first: int,
    num_tokens: int,
    predict: Predict,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Read (num_tokens,) token ids back from bits, with nothing but the predictions.

    Garbage comes back as garbage, of the right length: comparing is the caller's.

    Raises:
        RuleBroken, UnreadableInput: as `encode`.
    """
    coder = _stream().queue.RangeDecoder(words)
    tokens = np.empty(num_tokens, dtype=np.int64)
    tokens[0] = first
    vocab_size = 0
    for position in range(1, num_tokens):
        log_p = _distribution(predict, tokens[:position], vocab_size)
        vocab_size = log_p.size
        tokens[position] = coder.decode(_model(log_p))
        if progress is not None:
            progress(position, num_tokens - 1)
    return tokens


def predict_from(asked: Asked, num_tokens: int, known: np.ndarray | None = None) -> Predict:
    """How a scorer predicts; of one that can only score, each token's probability is asked for in turn.

    The scorer then gets whole streams of `num_tokens`: the prefix, the token in question, and what follows. The encoder
    gives `known`, the true stream; a decoder has none, and zeros follow. A legal score cannot tell the two apart.
    """
    if asked.can_predict:
        return asked.predict
    stream = np.zeros(num_tokens, dtype=np.int64) if known is None else known.astype(np.int64)
    candidates = np.arange(asked.vocab_size)

    def ask(prefix: np.ndarray) -> np.ndarray:
        streams = np.tile(stream, (candidates.size, 1))
        streams[:, : prefix.size] = prefix
        streams[:, prefix.size] = candidates
        return -asked.score(streams)[:, prefix.size - num_tokens]  # from the end: the first token may have no score

    return ask


def _distribution(predict: Predict, prefix: np.ndarray, vocab_size: int) -> np.ndarray:
    """The answer as float64, checked: a code needs probabilities that sum to at most 1."""
    log_p = np.asarray(predict(prefix), dtype=np.float64)
    if log_p.ndim != 1 or log_p.size < 2 or (vocab_size and log_p.size != vocab_size):
        raise UnreadableInput(f"a prediction after {prefix.size} tokens has shape {log_p.shape}; it must be (V,)")
    if np.isnan(log_p).any():
        raise UnreadableInput(f"a prediction after {prefix.size} tokens is not a number")
    with np.errstate(over="ignore"):
        total = float(np.exp(log_p).sum())
    if total > 1 + SUM_TOLERANCE:
        raise RuleBroken(
            f"the probabilities after {prefix.size} tokens sum to {total:.6g}, over the limit of 1: no code has these "
            "lengths, and the score is none. Renormalise over the whole vocabulary"
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
