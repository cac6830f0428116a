"""Every honest toy is causal, every cheating one caught by the right probe, and what cannot be known is said."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st
from in_process import InProcess

from golf.errors import BadConfig, NotFound, UnreadableInput
from golf.referee import audit_text, causality, scorers
from golf.referee.audit_text import Text
from golf.referee.questions import Effort, Question, questions
from golf.rulings import Audit

TOYS = Path(toys.__file__)
EFFORT = Effort(num_positions=64, sum_rows=160, border=24)


def made_up(vocab_size: int, length: int = 96, seed: int = 5) -> Text:
    return audit_text.made_up(vocab_size, length, toys.BOS, np.random.default_rng(seed))


def audit(make, seed: int = 0, effort: Effort = EFFORT, text=made_up) -> Audit:
    """The audit of what `make()` gives."""

    @contextlib.contextmanager
    def fresh() -> Iterator[InProcess]:
        yield InProcess(make())

    return causality.audit(fresh, text, target="toy", seed=seed, effort=effort)


def toy(name: str) -> scorers.Scorer:
    made = getattr(toys, name)()
    return scorers.Scorer(toys.V, made.score, None, getattr(made, "predict", None))


def outcome(found: Audit, name: str) -> str:
    return next(probe.outcome for probe in found.probes if probe.name == name)


@pytest.mark.parametrize("name", toys.EXPECTED)
def test_a_toy_is_judged_rightly_and_by_the_right_probe(name: str) -> None:
    found = audit(lambda: toy(name))
    assert (found.verdict, found.breaches[0].probe if found.breaches else None) == toys.EXPECTED[name], found.reason


def test_a_clean_audit_says_how_much_could_have_hidden() -> None:
    found = audit(lambda: toy("AdaptiveBigram"))
    shares = {probe.name: probe.share_max for probe in found.probes}
    assert shares["future"] == pytest.approx(1 - 0.05 ** (1 / 64))
    assert shares["normalisation"] > shares["future"], "sums are dearer, so there are fewer"
    assert found.hidden_gain_nats == pytest.approx(shares["normalisation"] * math.log(toys.V), rel=0.01)
    assert f"{found.hidden_gain_nats:.2g} nats" in found.reason
    assert (
        "10 of 64 positions drawn were settled; to see every gain of 0.005 nats per token takes 1660" in found.notes[0]
    )
    assert "--tokens 1661 --positions 1660 --sum-time" in found.notes[0], (
        "what to type, within what the text's length allows"
    )
    assert found.hidden_gain_bpb is None, "nobody said how many bytes a token has"
    assert (found.num_tokens, found.vocab_size, found.noise_nats) == (96, toys.V, 0.0)


def test_more_positions_leave_less_unseen() -> None:
    few, many = (
        audit(lambda: toy("CausalBigram"), effort=Effort(num_positions=n, sum_rows=n * toys.V)) for n in (8, 80)
    )
    assert many.hidden_gain_nats < few.hidden_gain_nats / 5


def test_a_prediction_spares_the_sums_and_covers_every_position() -> None:
    found = audit(lambda: toy("Predictor"))
    normalisation = next(probe for probe in found.probes if probe.name == "normalisation")
    assert normalisation.num_positions >= 64
    assert normalisation.num_scored == 0


def test_a_breach_names_its_place_and_both_numbers() -> None:
    breach = audit(lambda: toy("PeekAtChunkBorder")).breaches[0]
    assert breach.position % toys.CHUNK == toys.CHUNK - 1
    assert breach.found is not None and breach.found != breach.expected
    assert f"position {breach.position}" in breach.text
    leak = audit(lambda: toy("GateLeakAtDocumentStart"))
    text = made_up(toys.V)
    assert all(breach.position - 1 in text.document_starts for breach in leak.breaches)
    assert all(breach.expected == 1 for breach in leak.breaches)


def test_a_single_leaking_position_is_found_where_documents_start() -> None:
    """With no position drawn but one, only those chosen for being suspicious can find it."""
    for name in ("GateLeakAtDocumentStart", "LookaheadAfterDocumentStart"):
        assert audit(lambda name=name: toy(name), effort=Effort(num_positions=1, border=1000)).verdict == "violation"


def test_a_vocabulary_too_large_to_sum_is_sampled_and_nothing_is_concluded_from_the_rest() -> None:
    effort = Effort(num_positions=20, sum_rows=64, sum_rows_max=8)
    found = audit(lambda: toy("AdaptiveBigram"), effort=effort)
    assert found.verdict == "inconclusive"
    assert found.hidden_gain_nats is None
    assert "of 16 tokens the probabilities of only 8 were added up" in found.reason
    assert "predict(prefix)" in found.reason
    assert audit(lambda: toy("OracleGate"), effort=effort).verdict == "violation"


def uniform(vocab_size: int, nats: float) -> scorers.Scorer:
    return scorers.Scorer(
        vocab_size, lambda tokens: np.full(tokens.size, nats), lambda rows: np.full(rows.shape, nats), None
    )


def test_the_largest_usual_vocabulary_is_summed_over_whole() -> None:
    """A uniform scorer over 1,025 tokens passed at 8,192, of which 1,024 were added up: "every sum is 1"."""
    found = audit(lambda: uniform(8192, math.log(1025)), effort=Effort(num_positions=4, border=1000))
    assert (found.verdict, found.breaches[0].probe) == ("violation", "normalisation")
    assert found.breaches[0].found == pytest.approx(8192 / 1025)
    assert audit(lambda: uniform(8192, math.log(8192)), effort=Effort(num_positions=4, border=1000)).verdict == "causal"


def test_what_a_sample_of_a_larger_vocabulary_would_make_over_all_is_said_and_decides_nothing() -> None:
    effort = Effort(num_positions=4, border=1000, sum_rows_max=1000)
    found = audit(lambda: uniform(20_000, math.log(2500)), effort=effort)
    assert found.verdict == "inconclusive"
    assert "of 20000 tokens the probabilities of only 1000 were added up: to 0.4 at most" in found.reason
    assert "about 8 over all" in found.reason


def test_a_sum_below_1_is_no_distribution_and_the_breach_says_that_it_only_costs() -> None:
    found = audit(lambda: toy("Improper"))
    assert found.verdict == "violation"
    assert "sum to 0.9" in found.breaches[0].text and "--vocab-size" in found.breaches[0].text


def test_sums_go_on_while_there_is_time_and_settle_every_position_that_was_drawn() -> None:
    slow, quick = (
        audit(
            lambda: toy("AdaptiveBigram"), effort=Effort(num_positions=64, sum_rows=32, border=24, sum_seconds=seconds)
        )
        for seconds in (0, 60)
    )
    assert "2 of 64 positions drawn were settled" in slow.notes[0]
    assert "64 of 64 positions drawn were settled" in quick.notes[0]
    assert quick.hidden_gain_nats < slow.hidden_gain_nats / 10


def test_a_surplus_that_only_the_sums_beyond_the_first_can_show_is_found() -> None:
    """One in five positions has too much; two sums, at random, mostly miss them."""

    def boosted() -> scorers.Scorer:
        inner = toy("CausalBigram")

        def score(tokens: np.ndarray) -> np.ndarray:
            at = np.arange(1, tokens.size)
            return inner.score(tokens)[-at.size :] - 0.3 * (at % 5 == 2) * (at > 2)

        return scorers.Scorer(toys.V, score)

    def found(seconds: float) -> Audit:
        effort = Effort(num_positions=80, sum_rows=32, border=1000, controls=0, sum_seconds=seconds)
        return audit(boosted, seed=3, effort=effort, text=lambda size: replace(made_up(size), bos=None))

    assert found(0).verdict == "causal"
    breach = found(60).breaches[0]
    assert (breach.probe, breach.position % 5) == ("normalisation", 2)
    assert breach.found == pytest.approx(math.exp(0.3))


def test_more_positions_than_a_text_has_are_said_to_be_too_many() -> None:
    found = audit(lambda: toy("CausalBigram"), effort=Effort(num_positions=200, sum_rows=160))
    assert any("96 tokens have 95 that can be asked about: --tokens 201" in note for note in found.notes)


def test_a_prediction_of_probabilities_instead_of_logarithms_is_named() -> None:
    def plain() -> scorers.Scorer:
        inner = toy("CausalBigram")
        return scorers.Scorer(toys.V, inner.score, predict=lambda prefix: toys.TRAINED[prefix[-1]])

    with pytest.raises(UnreadableInput, match="look like probabilities: give their natural logarithms"):
        scorers.predict_next(plain(), np.array([1, 2]))


def test_noise_makes_nothing_clean_and_hides_no_gross_violation() -> None:
    def noisy(base: str) -> scorers.Scorer:
        inner, rng = toy(base), np.random.default_rng()
        return scorers.Scorer(toys.V, lambda tokens: inner.score(tokens) + rng.normal(0, 3e-3, tokens.size - 1))

    honest, cheat = audit(lambda: noisy("AdaptiveBigram")), audit(lambda: noisy("TrainThenScore"))
    assert honest.verdict == "inconclusive"
    assert "not deterministic" in honest.reason
    assert outcome(honest, "future") == "undecided"
    assert cheat.verdict == "violation"


@pytest.mark.parametrize("seed", range(10))
def test_a_scorer_that_is_wrong_once_in_a_while_is_not_called_a_cheat(seed: int) -> None:
    """What is not seen again in a fresh process is no breach."""
    rng = np.random.default_rng(seed)

    def flaky() -> scorers.Scorer:
        inner = toy("AdaptiveBigram")

        def score(tokens: np.ndarray) -> np.ndarray:
            return inner.score(tokens) + (rng.random() < 0.03) * rng.random()

        return scorers.Scorer(toys.V, score)

    assert audit(flaky, seed).verdict != "violation"


def test_rounding_below_the_tolerance_is_no_movement() -> None:
    def rounded() -> scorers.Scorer:
        inner = toy("AdaptiveBigram")
        return scorers.Scorer(toys.V, lambda tokens: inner.score(tokens) + 2e-5 * (int(tokens.sum()) % 3))

    assert audit(rounded).verdict == "causal"


def test_a_movement_of_rounding_size_is_neither_clean_nor_a_violation() -> None:
    def half_precise(step: float) -> scorers.Scorer:
        inner = toy("AdaptiveBigram")
        return scorers.Scorer(toys.V, lambda tokens: inner.score(tokens) + step * (int(tokens.sum()) % 3))

    found = audit(lambda: half_precise(5e-3))
    assert found.verdict == "inconclusive"
    assert outcome(found, "future") == "undecided"
    assert "rounding" in found.reason
    assert audit(lambda: half_precise(5e-2)).verdict == "violation"


def test_rounding_does_not_drown_a_violation() -> None:
    """Eight deviations of rounding size come before the first that is none."""

    def both() -> scorers.Scorer:
        inner = toy("PeekAtChunkBorder")
        return scorers.Scorer(toys.V, lambda tokens: inner.score(tokens) + 5e-3 * (int(tokens.sum()) % 3))

    found = audit(both)
    assert found.verdict == "violation"
    assert all(breach.position % toys.CHUNK == toys.CHUNK - 1 for breach in found.breaches)


def test_a_score_that_is_not_what_was_predicted_is_undecided_where_sums_are_too_dear() -> None:
    """Both are distributions, and nobody can say which one a certificate would be of."""

    def two_minds() -> scorers.Scorer:
        inner = toy("AdaptiveBigram")
        return scorers.Scorer(toys.V, inner.score, predict=lambda prefix: np.log(toys.TRAINED[prefix[-1]]))

    cheap, dear = (audit(two_minds, effort=Effort(num_positions=40, sum_rows=n)) for n in (toys.V, 100 * toys.V))
    assert cheap.verdict == "inconclusive" and "predict" in cheap.reason
    assert dear.verdict == "causal" and "certificate would be of another score" in dear.notes[0]


def test_a_distribution_that_is_impossible_for_some_tokens_is_one_all_the_same() -> None:
    def sparse() -> scorers.Scorer:
        p = toys.TRAINED.copy()
        p[:, 9] = 0
        p /= p.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore"):
            nats = -np.log(p)
        return scorers.Scorer(toys.V, lambda tokens: nats[tokens[:-1], tokens[1:]])

    def without(vocab_size: int) -> Text:
        text = made_up(vocab_size)
        text.tokens[text.tokens == 9] = 8
        return text

    assert audit(sparse, text=without).verdict == "causal"


def test_scores_may_leave_the_first_token_out_or_come_as_rows() -> None:
    def batched() -> scorers.Scorer:
        one = toy("CausalBigram")
        return scorers.Scorer(toys.V, one.score, lambda rows: np.stack([one.score(row)[1:] for row in rows]))

    assert audit(batched).verdict == "causal"


def test_text_of_another_vocabulary_is_refused() -> None:
    with pytest.raises(UnreadableInput, match="vocabulary is 16"):
        audit(lambda: toy("CausalBigram"), text=lambda vocab_size: made_up(1024))


def test_a_scorer_that_cannot_be_loaded_is_an_error_and_no_verdict() -> None:
    with pytest.raises(NotFound):
        audit(lambda: scorers.PythonFile("/no/such.py", "x").load())


# --- what is asked


@given(seed=st.integers(0, 1000), length=st.integers(20, 80))
def test_no_question_gives_away_more_of_the_text_than_its_prefix(seed: int, length: int) -> None:
    """Ascending positions, and after each no row goes on as the true text does: that makes memory useless."""
    rng = np.random.default_rng(seed)
    text = made_up(toys.V, length, seed)
    asked = list(questions(text, toys.V, Effort(num_positions=10, sum_rows=64, border=16), rng, sums=True))
    assert [question.position for question in asked] == sorted(question.position for question in asked)
    for question in asked:
        k = question.position
        assert (question.rows[:, :k] == text.tokens[:k]).all()
        assert len(set(question.tokens.tolist())) == len(question.rows)
        if k + 1 < length:
            assert (question.rows[:, k + 1] != text.tokens[k + 1]).all()


def test_the_true_token_stands_anywhere_among_the_others() -> None:
    text, rng = made_up(toys.V), np.random.default_rng(0)
    places = {
        int(np.flatnonzero(question.tokens == text.tokens[question.position])[0])
        for question in questions(text, toys.V, Effort(), rng, sums=False)
    }
    assert places == {0, 1, 2, 3}


def test_a_whole_sum_asks_for_every_token_once() -> None:
    text, rng = made_up(toys.V), np.random.default_rng(0)
    sums = [question for question in questions(text, toys.V, EFFORT, rng, sums=True) if question.covers == "all"]
    assert len(sums) >= 8
    assert all(sorted(question.tokens.tolist()) == list(range(toys.V)) for question in sums)


def test_document_starts_and_borders_are_always_looked_at() -> None:
    text = made_up(toys.V)
    asked: list[Question] = list(questions(text, toys.V, EFFORT, np.random.default_rng(0), sums=False))
    looked = {question.position for question in asked}
    for start in text.document_starts:
        assert {start + 1, start + 2} <= looked
    assert {23, 24, 25, 47, 48, 49} <= looked
    drawn = [question for question in asked if question.is_random]
    assert len({question.position for question in drawn}) == EFFORT.num_positions


# --- what is asked about


def test_text_is_taken_from_the_beginnings_of_documents() -> None:
    stream = np.concatenate([[1, *range(100, 100 + n)] for n in range(40, 80)]).astype(np.uint16)
    text = audit_text.of_documents(stream, 100, 1, np.random.default_rng(0))
    assert text.document_starts == [0, 25, 50, 75]
    assert text.tokens.size == 100 and text.pool.size > 100


def test_text_without_documents_is_a_stretch_and_too_little_is_refused() -> None:
    stream = np.arange(2, 1000, dtype=np.uint16)
    text = audit_text.of_documents(stream, 100, 1, np.random.default_rng(0))
    assert (np.diff(text.tokens) == 1).all() and text.document_starts == []
    with pytest.raises(UnreadableInput, match="at least 4000"):
        audit_text.of_documents(stream, 1000, 1, np.random.default_rng(0))


@given(seed=st.integers(0, 100), vocab_size=st.integers(2, 2000), length=st.integers(16, 200))
def test_made_up_text_repeats_itself_and_keeps_to_its_vocabulary(seed: int, vocab_size: int, length: int) -> None:
    text = audit_text.made_up(vocab_size, length, 1, np.random.default_rng(seed))
    assert text.tokens.size == length < text.pool.size
    assert text.tokens.min() >= 0 and text.tokens.max() < vocab_size
    assert text.document_starts[0] == 0


# --- numbers


@pytest.mark.parametrize("n, share", [(1, 0.95), (59, 0.0495), (128, 0.02313), (2995, 0.001)])
def test_the_share_that_could_hide_follows_from_the_number_of_clean_positions(n: int, share: float) -> None:
    """The rule of three: about 3 / n."""
    assert causality.share_max(n) == pytest.approx(share, rel=1e-2)


def test_as_many_positions_as_are_needed_are_enough() -> None:
    needed = causality.positions_needed(0.005, 1024)
    assert causality.share_max(needed) * math.log(1024) <= 0.005 < causality.share_max(needed - 1) * math.log(1024)


def test_the_same_infinity_has_not_moved() -> None:
    off = causality.moved(np.array([np.inf, np.inf, 1.0, np.nan]), np.array([np.inf, 1.0, 1.5, 1.0]))
    assert off.tolist() == [0.0, np.inf, 0.5, np.inf]


# --- loading


def test_a_function_a_factory_and_a_class_are_scorers(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\nVOCAB_SIZE = 4\n"
        "def score(tokens): return np.full(len(tokens), 1.4)\n"
        "class Scorer:\n    vocab_size = 7\n    def score(self, tokens): return score(tokens)\n"
        "    def predict(self, prefix): return np.zeros(7)\n"
        "def factory(): return Scorer()\n"
    )
    assert scorers.PythonFile(str(path), "score").load().vocab_size == 4
    assert scorers.PythonFile(str(path), "score", vocab_size=9).load().vocab_size == 9
    for name in ("Scorer", "factory"):
        scorer = scorers.PythonFile(str(path), name).load()
        assert scorer.vocab_size == 7 and scorer.predict is not None
        assert scorers.predict_next(scorer, np.array([1])).shape == (7,)
        assert scorers.score_rows(scorer, np.zeros((2, 5), dtype=np.int64)).shape == (2, 5)


@pytest.mark.parametrize(
    "source, name, error, why",
    [
        ("x = 1", "score", UnreadableInput, "no function or class"),
        ("score = 3", "score", UnreadableInput, "no function or class"),
        ("def score(tokens): return tokens", "score", BadConfig, "--vocab-size"),
        ("VOCAB_SIZE = 3\ndef make(): return 3", "make", UnreadableInput, "without score"),
        ("raise SystemExit(1)", "score", UnreadableInput, "SystemExit"),
        ("def", "score", UnreadableInput, "SyntaxError"),
    ],
)
def test_what_is_no_scorer_is_refused_with_a_reason(
    tmp_path: Path, source: str, name: str, error: type[Exception], why: str
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(source)
    with pytest.raises(error, match=why):
        scorers.PythonFile(str(path), name).load()


@pytest.mark.parametrize(
    "given_value",
    [
        *(None, "text", [[1.0]], np.zeros(4), np.array(["a"] * 5), {}),
        *(
            ["1.5"] * 6,
            np.ones(6) * 1j,
            [b"1"] * 6,
            np.array([1.0, "2", 3, 4, 5, 6], dtype=object),
            np.zeros(6, "M8[s]"),
        ),
    ],
)
def test_an_answer_that_is_no_row_of_numbers_is_refused(given_value: object) -> None:
    with pytest.raises(UnreadableInput, match="score gave"):
        scorers.score_rows(scorers.Scorer(4, lambda tokens: given_value), np.zeros((1, 6), dtype=np.int64))


def test_a_source_survives_the_way_to_its_process() -> None:
    for source in (scorers.PythonFile("a.py", "b", 3), scorers.Checkpoint("s.py", "w.pt", {"A": "1"}, seq_len=8)):
        assert scorers.from_json(scorers.to_json(source)) == source
