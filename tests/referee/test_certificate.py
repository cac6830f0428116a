import contextlib
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golf.errors import RuleBroken, UnreadableInput
from golf.referee.certificate import certify, decode, encode
from golf.rulings import Certificate


class Counting:
    """A bigram model that learns each token after it was predicted."""

    def __init__(self, vocab_size: int) -> None:
        self.counts = np.full((vocab_size, vocab_size), 0.1)
        self.seen = 1

    def __call__(self, prefix: np.ndarray) -> np.ndarray:
        for now in range(self.seen, prefix.size):
            self.counts[prefix[now - 1], prefix[now]] += 1
        self.seen = prefix.size
        row = self.counts[prefix[-1]]
        return np.log(row / row.sum())


class Fixed:
    """The same row of log-probabilities everywhere."""

    def __init__(self, log_p: np.ndarray) -> None:
        self.log_p = log_p

    def __call__(self, prefix: np.ndarray) -> np.ndarray:
        return self.log_p


class Peeking:
    """Holds the text it is to predict."""

    def __init__(self, text: np.ndarray, vocab_size: int) -> None:
        self.text, self.vocab_size = text, vocab_size

    def __call__(self, prefix: np.ndarray) -> np.ndarray:
        p = np.full(self.vocab_size, 0.01 / (self.vocab_size - 1))
        p[self.text[prefix.size]] = 0.99
        return np.log(p)


def text(size: int, vocab_size: int = 32, seed: int = 0) -> np.ndarray:
    steps = np.random.default_rng(seed).integers(0, 3, size)
    return np.cumsum(steps) % vocab_size


@settings(max_examples=50, deadline=None)
@given(
    tokens=st.lists(st.integers(0, 6), min_size=2, max_size=60),
    row=st.lists(st.floats(-12, 0), min_size=7, max_size=7),
)
def test_any_text_comes_back_from_its_bits(tokens: list[int], row: list[float]) -> None:
    log_p = np.array(row) - np.log(np.exp(row).sum())
    wanted = np.array(tokens)
    encoded = encode(wanted, Fixed(log_p))
    assert (decode(encoded.words, encoded.first, encoded.num_tokens, Fixed(log_p)) == wanted).all()


def test_a_model_that_learns_what_it_has_coded_is_decoded_by_a_fresh_one() -> None:
    tokens = text(1500)
    encoded = encode(tokens, Counting(32))
    assert (decode(encoded.words, encoded.first, encoded.num_tokens, Counting(32)) == tokens).all()


def test_the_bits_are_within_half_a_percent_of_what_the_probabilities_promise() -> None:
    encoded = encode(text(6000), Counting(32))
    ideal = encoded.nats / math.log(2) + math.log2(32)
    assert ideal - 1 <= encoded.num_bits <= ideal * 1.005 + 64


def test_a_scorer_that_holds_the_text_cannot_be_decoded_without_it() -> None:
    tokens = text(400)
    encoded = encode(tokens, Peeking(tokens, 32))
    ignorant = Peeking(np.zeros_like(tokens), 32)
    assert not (decode(encoded.words, encoded.first, encoded.num_tokens, ignorant) == tokens).all()


def test_probabilities_that_sum_to_more_than_one_have_no_code() -> None:
    with pytest.raises(RuleBroken, match=r"sum to 1\.6, over the limit of 1"):
        encode(np.array([0, 1, 2]), Fixed(np.log(np.full(4, 0.4))))


def test_probabilities_that_sum_to_less_than_one_are_coded_no_longer_than_they_promise() -> None:
    tokens = text(2000, vocab_size=4)
    encoded = encode(tokens, Fixed(np.log(np.full(4, 0.2))))
    assert encoded.num_bits < encoded.nats / math.log(2)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (np.zeros((2, 2)), "must be"),
        (np.array([np.nan, 0.0]), "not a number"),
        (np.array([0.0, -np.inf]), "has probability 0"),
        (np.array([0.0]), "must be"),
    ],
)
def test_an_answer_that_is_no_distribution_is_named(answer: np.ndarray, words: str) -> None:
    with pytest.raises(UnreadableInput, match=words):
        encode(np.array([0, 1]), Fixed(answer))


def test_a_single_token_is_no_text_to_certify() -> None:
    with pytest.raises(UnreadableInput, match="at least 2 tokens"):
        encode(np.array([3]), Fixed(np.log([0.5, 0.5])))


# --- certify: writer and reader in processes of their own (here: fresh objects)


class Scoring:
    """A scorer that can only score, through `nats(stream)`, as a fresh process would give it."""

    can_predict = False

    def __init__(self, vocab_size: int, nats: Callable[[np.ndarray], np.ndarray]) -> None:
        self.vocab_size, self._nats = vocab_size, nats

    def score(self, tokens: np.ndarray) -> np.ndarray:
        return np.stack([self._nats(row) for row in tokens])

    def predict(self, prefix: np.ndarray) -> np.ndarray:
        raise AssertionError("it cannot predict")


def bigram_nats(stream: np.ndarray, vocab_size: int = 8) -> np.ndarray:
    model = Counting(vocab_size)
    return np.array([-model(stream[:k])[stream[k]] for k in range(1, stream.size)])


def peeking_nats(stream: np.ndarray) -> np.ndarray:
    """The token after next is known: half the probability goes to what it leads back to."""
    honest = bigram_nats(stream)
    later = np.append(stream[2:], 0)
    return np.where(later == (stream[1:] + 1) % 8, -np.log(0.9), honest + 2.5)


def oracle_nats(stream: np.ndarray) -> np.ndarray:
    """The better of two models, chosen when the token is known."""
    return np.minimum(bigram_nats(stream), np.log(8))


def certified(nats: Callable[[np.ndarray], np.ndarray], tokens: np.ndarray) -> Certificate:
    @contextlib.contextmanager
    def fresh() -> Iterator[Scoring]:
        yield Scoring(8, nats)

    return certify(fresh, tokens, tokens.size - 1, target="toy", claimed_bpb=1.0)


def test_a_legal_scorer_is_certified_at_what_it_scores() -> None:
    tokens = text(200, vocab_size=8)
    found = certified(bigram_nats, tokens)
    assert found.verdict == "certified"
    assert found.certified_bpb == pytest.approx(found.scored_bpb, rel=0.1)  # 200 tokens: the coder's last word weighs
    assert found.first_difference is None


def test_a_scorer_that_peeks_fails_to_decode() -> None:
    found = certified(peeking_nats, text(60, vocab_size=8))
    assert found.verdict != "certified"
    assert found.certified_bpb is None


def test_an_oracle_has_no_code() -> None:
    found = certified(oracle_nats, text(60, vocab_size=8))
    assert (found.verdict, found.certified_bpb) == ("no_code", None)
    assert "sum to" in found.reason


def test_a_scorer_that_does_not_repeat_is_refused_and_not_called_a_cheat() -> None:
    noise = np.random.default_rng(0)

    def nats(stream: np.ndarray) -> np.ndarray:
        return bigram_nats(stream) + noise.uniform(0, 0.5)  # never below a distribution's

    with pytest.raises(UnreadableInput, match="does not repeat"):
        certified(nats, text(40, vocab_size=8))
