import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golf.errors import RuleBroken, UnreadableInput
from golf.referee.coding import Lanes, cut, decode, encode


class Counting:
    """A bigram model per lane that learns each token after it was predicted."""

    def __init__(self, vocab_size: int, count: int = 1) -> None:
        self.counts = np.full((count, vocab_size, vocab_size), 0.1)
        self.seen = 1

    def __call__(self, prefix: np.ndarray) -> np.ndarray:
        every = np.arange(len(prefix))
        for now in range(self.seen, prefix.shape[1]):
            self.counts[every, prefix[:, now - 1], prefix[:, now]] += 1
        self.seen = prefix.shape[1]
        rows = self.counts[every, prefix[:, -1]]
        return np.log(rows / rows.sum(axis=1, keepdims=True))


class Fixed:
    """The same row of log-probabilities everywhere."""

    def __init__(self, log_p: np.ndarray) -> None:
        self.log_p = log_p

    def __call__(self, prefix: np.ndarray) -> np.ndarray:
        return np.tile(self.log_p, (len(prefix), 1))


class Peeking:
    """Holds the text it is to predict."""

    def __init__(self, text: np.ndarray, vocab_size: int) -> None:
        self.text, self.vocab_size = text, vocab_size

    def __call__(self, prefix: np.ndarray) -> np.ndarray:
        p = np.full((1, self.vocab_size), 0.01 / (self.vocab_size - 1))
        p[0, self.text[prefix.shape[1]]] = 0.99
        return np.log(p)


def text(size: int, vocab_size: int = 32, seed: int = 0) -> np.ndarray:
    steps = np.random.default_rng(seed).integers(0, 3, size)
    return np.cumsum(steps) % vocab_size


def one(tokens: np.ndarray) -> Lanes:
    return Lanes(1, tokens.size - 1)


@settings(max_examples=50)
@given(
    tokens=st.lists(st.integers(0, 6), min_size=2, max_size=60),
    row=st.lists(st.floats(-12, 0), min_size=7, max_size=7),
    period=st.none() | st.integers(1, 9),
)
def test_any_text_comes_back_from_its_bits_however_it_is_cut(
    tokens: list[int], row: list[float], period: int | None
) -> None:
    log_p = np.array(row) - np.log(np.exp(row).sum())
    lanes = cut(len(tokens), len(tokens), period)
    wanted = np.array(tokens)[: lanes.num_tokens]
    encoded = encode(wanted, lanes, Fixed(log_p))
    assert (decode(encoded.words, encoded.starts, lanes, Fixed(log_p)) == wanted).all()


@given(wanted=st.integers(2, 5000), more=st.integers(0, 5000), period=st.integers(1, 300))
def test_lanes_are_whole_periods_and_cover_what_is_wanted_where_there_is_enough(
    wanted: int, more: int, period: int
) -> None:
    lanes = cut(wanted, wanted + more, period)
    assert 2 <= lanes.num_tokens <= wanted + more
    if lanes.count > 1:
        assert lanes.length % period == 0
    if more >= lanes.count * period:
        assert lanes.num_tokens >= wanted


def test_lanes_share_their_borders_and_come_together_again() -> None:
    tokens, lanes = np.arange(13), Lanes(3, 4)
    assert lanes.split(tokens).tolist() == [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8], [8, 9, 10, 11, 12]]
    assert (lanes.join(lanes.split(tokens)) == tokens).all()


def test_a_model_that_learns_what_it_has_coded_is_decoded_by_a_fresh_one() -> None:
    tokens, lanes = text(1601), Lanes(4, 400)
    encoded = encode(tokens, lanes, Counting(32, 4))
    assert (decode(encoded.words, encoded.starts, lanes, Counting(32, 4)) == tokens).all()


def test_the_bits_are_within_half_a_percent_of_what_the_probabilities_promise() -> None:
    tokens = text(6000)
    encoded = encode(tokens, one(tokens), Counting(32))
    ideal = encoded.nats / math.log(2) + math.log2(32)
    assert ideal - 1 <= encoded.num_bits <= ideal * 1.005 + 64


def test_a_lane_costs_its_first_token_and_saves_the_last_of_the_lane_before() -> None:
    uniform = Fixed(np.log(np.full(16, 1 / 16)))
    encoded = encode(text(81, 16), Lanes(4, 20), uniform)
    assert encoded.starts.size == 4
    assert encoded.nats == pytest.approx(77 * math.log(16))  # 80 tokens follow, 3 of them are known as starts


def test_a_scorer_that_holds_the_text_cannot_be_decoded_without_it() -> None:
    tokens = text(400)
    encoded = encode(tokens, one(tokens), Peeking(tokens, 32))
    ignorant = Peeking(np.zeros_like(tokens), 32)
    assert not (decode(encoded.words, encoded.starts, one(tokens), ignorant) == tokens).all()


def test_probabilities_that_sum_to_more_than_one_have_no_code() -> None:
    with pytest.raises(RuleBroken, match=r"sum to 1\.6, over the limit of 1"):
        encode(np.array([0, 1, 2]), Lanes(1, 2), Fixed(np.log(np.full(4, 0.4))))


def test_probabilities_that_sum_to_less_than_one_are_coded_no_longer_than_they_promise() -> None:
    tokens = text(2000, vocab_size=4)
    encoded = encode(tokens, one(tokens), Fixed(np.log(np.full(4, 0.2))))
    assert encoded.num_bits < encoded.nats / math.log(2)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (np.zeros((2, 2)), "must be"),
        (np.array([[np.nan, 0.0]]), "not a number"),
        (np.array([[0.0, -np.inf]]), "has probability 0"),
        (np.array([[0.0]]), "must be"),
        (np.array([0.0, 0.0]), "must be"),
    ],
)
def test_an_answer_that_is_no_distribution_is_named(answer: np.ndarray, words: str) -> None:
    with pytest.raises(UnreadableInput, match=words):
        encode(np.array([0, 1]), Lanes(1, 1), lambda prefix: answer)


def test_a_single_token_is_no_text_to_certify() -> None:
    with pytest.raises(UnreadableInput, match="at least 2 tokens"):
        cut(1, 1, None)
