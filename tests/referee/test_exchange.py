"""A scorer's process may answer anything: numbers of the right shape are taken, errors told, the rest refused."""

import io
import json

import numpy as np
import pytest

from golf.errors import BadConfig, JobFailed, NotFound, UnreadableInput
from golf.referee import exchange
from golf.referee.exchange import Remote
from golf.referee.scorers import Scorer


class Answering:
    """The child's side of a pipe, with its answers written down beforehand."""

    def __init__(self, *answers: object) -> None:
        self.asked = b""
        self._answers = io.BytesIO(
            b"".join(each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n" for each in answers)
        )

    def write(self, data: bytes) -> None:
        self.asked += data

    def read(self, num_bytes: int) -> bytes:
        data = self._answers.read(num_bytes)
        if len(data) < num_bytes:
            raise JobFailed("the confined process ended")
        return data

    def readline(self) -> bytes:
        line = self._answers.readline()
        if not line:
            raise JobFailed("the confined process ended")
        return line.removesuffix(b"\n")


HELLO = {"vocab_size": 5, "can_predict": True}
ROWS = np.arange(6).reshape(2, 3)


def conversation(scorer: Scorer, *asked: tuple[str, np.ndarray]) -> Answering:
    """What a served scorer answers."""
    requests = b"".join(
        json.dumps({"ask": what, "shape": tokens.shape}).encode() + b"\n" + tokens.astype("<i8").tobytes()
        for what, tokens in asked
    )
    answers = io.BytesIO()
    exchange.serve(scorer, io.BytesIO(requests), answers)
    return Answering(answers.getvalue())


def test_scores_and_predictions_arrive_as_they_were_given() -> None:
    scorer = Scorer(5, lambda tokens: tokens[1:] / 7, predict=lambda prefix: np.full(5, -float(prefix.sum())))
    remote = Remote(conversation(scorer, ("score", ROWS), ("predict", ROWS[1])))
    assert (remote.vocab_size, remote.can_predict) == (5, True)
    np.testing.assert_array_equal(remote.score(ROWS), ROWS[:, 1:] / 7)
    np.testing.assert_array_equal(remote.predict(ROWS[1]), np.full(5, -12.0))


def test_what_is_asked_is_what_the_served_scorer_reads() -> None:
    seen: list[np.ndarray] = []
    asking = Answering(HELLO, {"shape": [2, 3]}, np.zeros(6).tobytes())
    Remote(asking).score(ROWS)
    scorer = Scorer(5, lambda tokens: seen.append(tokens) or np.zeros(3))
    exchange.serve(scorer, io.BytesIO(asking.asked), io.BytesIO())
    np.testing.assert_array_equal(seen, ROWS)


def test_a_scorer_cannot_change_the_tokens_of_its_next_call() -> None:
    def spoil(tokens: np.ndarray) -> np.ndarray:
        tokens[:] = 0
        return np.zeros(len(tokens))

    remote = Remote(conversation(Scorer(5, spoil), ("score", ROWS)))
    assert remote.score(ROWS).shape == (2, 3)


@pytest.mark.parametrize(
    "error", [ValueError("why"), SystemExit(0), KeyboardInterrupt(), MemoryError(), RecursionError()]
)
def test_whatever_a_scorer_raises_is_told_and_the_next_question_is_answered(error: BaseException) -> None:
    calls = iter([error, None])

    def score(tokens: np.ndarray) -> np.ndarray:
        if (raised := next(calls)) is not None:
            raise raised
        return np.zeros(len(tokens))

    remote = Remote(conversation(Scorer(5, score), ("score", ROWS[:1]), ("score", ROWS[:1])))
    with pytest.raises(JobFailed, match=type(error).__name__):
        remote.score(ROWS[:1])
    assert remote.score(ROWS[:1]).shape == (1, 3)


@pytest.mark.parametrize(
    "answer",
    [
        {"shape": [3, 2]},
        {"shape": [2, 10**12]},
        {"shape": None},
        {"shape": "2, 3"},
        {},
        [],
        b"\x80\x04pickle\n",
        b"not json\n",
        b"[" * 50_000 + b"\n",
    ],
)
def test_an_answer_of_another_shape_or_kind_is_refused_before_its_numbers_are_read(answer: object) -> None:
    with pytest.raises(JobFailed):
        Remote(Answering(HELLO, answer, bytes(48))).score(ROWS)


def test_a_failure_to_load_is_the_error_that_it_was() -> None:
    for kind, expected in (
        ("NotFound", NotFound),
        ("BadConfig", BadConfig),
        ("Exception", UnreadableInput),
        (3, UnreadableInput),
    ):
        with pytest.raises(expected, match="why") as raised:
            Remote(Answering({"error": "why", "kind": kind}))
        assert type(raised.value) is expected


@pytest.mark.parametrize("vocab_size", [None, 1, -3, 10**9, "5", 5.0, True])
def test_a_vocabulary_that_cannot_be_is_refused(vocab_size: object) -> None:
    with pytest.raises(UnreadableInput, match="vocabulary"):
        Remote(Answering({"vocab_size": vocab_size}))


def test_an_errors_text_is_cut() -> None:
    with pytest.raises(JobFailed) as raised:
        Remote(Answering(HELLO, {"error": "x" * 60_000})).score(ROWS)
    assert len(str(raised.value)) < 1_100
