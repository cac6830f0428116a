"""What an audit asks a scorer: where it looks, and with which altered texts, in an order that gives nothing away."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from golf.referee.audit_text import Text, futures


@dataclass(frozen=True)
class Effort:
    """How much is asked."""

    num_positions: int = 128
    """Chosen at random, which is what conclusions rest on; document starts and borders come on top."""
    rows: int = 4
    """Altered texts per position."""
    sum_rows: int = 8192
    """Texts to spend on whole sums at positions drawn: each takes one per token, at most `sum_rows_max`."""
    sum_rows_max: int = 8192
    """A larger vocabulary is sampled, and nothing is concluded from that."""
    sum_seconds: float = 0.0
    """Time to go on with whole sums at the other positions drawn, once `sum_rows` are spent."""
    border: int = 32
    """Multiples of this are looked at as borders of chunks or windows."""
    controls: int = 2
    """Answers asked for again of fresh processes."""


@dataclass(frozen=True)
class Question:
    """Altered texts that agree with the true one up to a position and with each other on nothing after it."""

    position: int
    rows: np.ndarray
    """(B, T) int64, different tokens at the position."""
    covers: Literal["few", "sample", "all"]
    """Which tokens of the vocabulary stand at the position."""
    is_random: bool
    """Whether the position was drawn, rather than chosen for being suspicious."""
    stands_for: np.ndarray | float = 1.0
    """(B,) tokens of the vocabulary that each row stands for, where they are a sample."""

    @property
    def tokens(self) -> np.ndarray:
        """(B,) the tokens at the position."""
        return self.rows[:, self.position]


def questions(text: Text, vocab_size: int, effort: Effort, rng: np.random.Generator, sums: bool) -> Iterator[Question]:
    """Every question, by ascending position: no row continues as the true text does.

    `sums`: ask for whole sums as well; not needed of a scorer that predicts.
    """
    drawn, chosen = positions(text, effort, rng)
    drawn_sums, chosen_sums = _sum_positions(text, drawn, chosen, vocab_size, effort, rng) if sums else (set(), set())
    for position in sorted(drawn | chosen):
        yield few(text, position, vocab_size, effort, rng, is_random=position in drawn)
        if position in drawn_sums | chosen_sums:
            yield whole_sum(text, position, vocab_size, effort, rng, is_random=position in drawn_sums)


def positions(text: Text, effort: Effort, rng: np.random.Generator) -> tuple[set[int], set[int]]:
    """Positions drawn at random from all after the first, and those where scorers are known to go wrong."""
    length = text.tokens.size
    drawn = rng.choice(np.arange(1, length), size=min(effort.num_positions, length - 1), replace=False)
    starts = [start + offset for start in text.document_starts for offset in (0, 1, 2)]
    borders = [border + offset for border in range(effort.border, length, effort.border) for offset in (-1, 0, 1)]
    return set(drawn.tolist()), {position for position in starts + borders if 0 < position < length}


def few(
    text: Text, position: int, vocab_size: int, effort: Effort, rng: np.random.Generator, is_random: bool
) -> Question:
    """The true token and some others at the position, each with a future of its own."""
    true = int(text.tokens[position])
    tokens = [true, *_likely(text, position)[: effort.rows // 2]]
    while len(tokens) < min(effort.rows, vocab_size):
        token = int(rng.integers(vocab_size))
        if token not in tokens:
            tokens.append(token)
    continuations = futures(text, position, vocab_size, rng)
    rows = [_row(text, position, token, next(continuations)) for token in rng.permutation(tokens).tolist()]
    return Question(position, np.stack(rows), "few", is_random)


def whole_sum(
    text: Text, position: int, vocab_size: int, effort: Effort, rng: np.random.Generator, is_random: bool = False
) -> Question:
    """Every token of the vocabulary at the position, or the likely ones and a sample, with one future for all."""
    tokens = rng.permutation(vocab_size)
    stands_for: np.ndarray | float = 1.0
    if vocab_size > effort.sum_rows_max:
        likely = np.array([int(text.tokens[position]), *_likely(text, position)])[: effort.sum_rows_max // 2]
        others = tokens[~np.isin(tokens, likely)]
        some = others[: effort.sum_rows_max - likely.size]
        tokens = rng.permutation(np.concatenate([likely, some]))
        stands_for = np.where(np.isin(tokens, likely), 1.0, others.size / some.size)
    future = next(futures(text, position, vocab_size, rng))
    rows = np.stack([_row(text, position, token, future) for token in tokens.tolist()])
    return Question(position, rows, "all" if len(rows) == vocab_size else "sample", is_random, stands_for)


def _sum_positions(
    text: Text, drawn: set[int], chosen: set[int], vocab_size: int, effort: Effort, rng: np.random.Generator
) -> tuple[set[int], set[int]]:
    """Where to spend `sum_rows`: at random, and on top of that behind some document starts and at some borders."""
    affordable = max(1, effort.sum_rows // min(vocab_size, effort.sum_rows_max))
    behind_starts = [start + 1 for start in text.document_starts if start + 1 in chosen][:2]
    borders = [position for position in sorted(chosen) if position % effort.border == 0][:2]
    return set(rng.permutation(sorted(drawn))[:affordable].tolist()), {*behind_starts, *borders}


def _likely(text: Text, position: int) -> list[int]:
    """Other tokens that a model could expect: what followed the same token before, then recent ones, newest first."""
    past = text.tokens[:position]
    followers = [int(past[at + 1]) for at in range(position - 2, -1, -1) if past[at] == past[-1]]
    recent = past[::-1][:64].tolist()
    return [token for token in dict.fromkeys(followers + recent) if token != text.tokens[position]]


def _row(text: Text, position: int, token: int, future: np.ndarray) -> np.ndarray:
    return np.concatenate([text.tokens[:position], [token], future])
