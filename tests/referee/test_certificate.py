"""Writer and reader are fresh objects here; `tests/play/test_certify.py` has them in confined processes."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from golf.errors import UnreadableInput
from golf.referee.certificate import certify
from golf.rulings import Certificate


def text(size: int) -> np.ndarray:
    return np.cumsum(np.random.default_rng(0).integers(0, 3, size)) % 8


class Scoring:
    """A scorer that can only score, through `nats(stream)`, as a fresh process would give it."""

    can_predict, period = False, None

    def __init__(self, vocab_size: int, nats: Callable[[np.ndarray], np.ndarray]) -> None:
        self.vocab_size, self._nats = vocab_size, nats

    def score(self, tokens: np.ndarray) -> np.ndarray:
        return np.stack([self._nats(row) for row in tokens])

    def predict(self, prefix: np.ndarray) -> np.ndarray:
        raise AssertionError("it cannot predict")


def bigram_nats(stream: np.ndarray, vocab_size: int = 8) -> np.ndarray:
    counts = np.full((vocab_size, vocab_size), 0.1)
    nats = []
    for before, now in itertools.pairwise(stream):
        nats.append(-np.log(counts[before, now] / counts[before].sum()))
        counts[before, now] += 1
    return np.array(nats)


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

    return certify(fresh, tokens, tokens.size, lambda tokens: tokens.size - 1, target="toy", claimed_bpb=1.0)


def test_a_legal_scorer_is_certified_at_what_it_scores() -> None:
    tokens = text(200)
    found = certified(bigram_nats, tokens)
    assert found.verdict == "certified"
    assert found.certified_bpb == pytest.approx(found.scored_bpb, rel=0.1)  # 200 tokens: the coder's last word weighs
    assert found.first_difference is None


def test_a_scorer_that_peeks_fails_to_decode() -> None:
    found = certified(peeking_nats, text(60))
    assert found.verdict != "certified"
    assert found.certified_bpb is None


def test_a_scorer_that_scores_otherwise_than_it_predicts_is_refuted() -> None:
    class TwoFaced(Scoring):
        can_predict = True

        def predict(self, prefix: np.ndarray) -> np.ndarray:
            return np.log(np.full(8, 1 / 8))

    @contextlib.contextmanager
    def fresh() -> Iterator[Scoring]:
        yield TwoFaced(8, bigram_nats)

    found = certify(fresh, text(200), 200, lambda tokens: tokens.size - 1, target="toy")
    assert found.verdict == "refuted"
    assert found.certified_bpb is not None and found.scored_bpb is not None
    assert found.certified_bpb > found.scored_bpb
    assert "otherwise than it predicts" in found.reason


def test_an_oracle_has_no_code() -> None:
    found = certified(oracle_nats, text(60))
    assert (found.verdict, found.certified_bpb) == ("no_code", None)
    assert "sum to" in found.reason


def test_a_scorer_that_does_not_repeat_is_refused_and_not_called_a_cheat() -> None:
    noise = np.random.default_rng(0)

    def nats(stream: np.ndarray) -> np.ndarray:
        return bigram_nats(stream) + noise.uniform(0, 0.5)  # never below a distribution's

    with pytest.raises(UnreadableInput, match="does not repeat"):
        certified(nats, text(40))


class Remembering:
    """The first stream that a process is shown is its text, and it is sure of that from then on."""

    def __init__(self) -> None:
        self.text: np.ndarray | None = None

    def __call__(self, stream: np.ndarray) -> np.ndarray:
        if self.text is None:
            self.text = stream.copy()
        known = np.cumprod(np.append(1, stream[:-1] == self.text[:-1]))[1:]
        return np.where(known == 0, np.log(8), np.where(stream == self.text, -np.log(0.9), -np.log(0.1 / 7))[1:])


def test_a_memory_within_a_process_is_named_and_not_taken_for_arithmetic_that_does_not_repeat() -> None:
    @contextlib.contextmanager
    def fresh() -> Iterator[Scoring]:
        yield Scoring(8, Remembering())

    found = certify(fresh, text(40), 40, lambda tokens: tokens.size - 1, target="toy")
    assert found.verdict == "not_decoded"
    assert "remembers what it was asked" in found.reason


def test_a_text_that_would_take_far_too_long_is_refused_after_a_few_steps_with_one_that_would_not() -> None:
    def slowly(stream: np.ndarray) -> np.ndarray:
        time.sleep(1e-3)
        return bigram_nats(stream)

    @contextlib.contextmanager
    def fresh() -> Iterator[Scoring]:
        yield Scoring(8, slowly)

    began = time.monotonic()
    with pytest.raises(UnreadableInput, match=r"would take about \d+ s .* over the limit of 0.5 s: .*--text-bytes 64"):
        certify(fresh, text(400), 400, lambda tokens: tokens.size - 1, target="toy", time_limit_s=0.5)
    assert time.monotonic() - began < 4


def test_how_long_it_takes_is_told_on_the_way() -> None:
    @contextlib.contextmanager
    def fresh() -> Iterator[Scoring]:
        yield Scoring(8, bigram_nats)

    told: list[str] = []
    certify(
        fresh,
        text(60),
        60,
        lambda tokens: tokens.size - 1,
        target="toy",
        progress=lambda what, done, total, note: told.append(note),
    )
    assert "s in all" in told[-1]


def test_text_of_no_bytes_is_refused() -> None:
    @contextlib.contextmanager
    def fresh() -> Iterator[Scoring]:
        yield Scoring(8, bigram_nats)

    with pytest.raises(UnreadableInput, match="0 bytes"):
        certify(fresh, text(40), 40, lambda tokens: 0, target="toy")
