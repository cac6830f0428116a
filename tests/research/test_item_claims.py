"""Claims are read off any text, with the words they rest on."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.research import claims, foreign, mentions


@pytest.mark.parametrize(
    ("text", "field", "values"),
    [
        ("a model with 124M parameters", "parameters", [124e6]),
        ("We train LLaMA-7B.", "parameters", [7e9]),
        ("16,000,000 params in all", "parameters", [16e6]),
        ("trained on 10B tokens, FineWeb10B", "parameters", []),
        ("the method has three parameters, 2 parameters each", "parameters", []),
        ("weights in int6 or 1.58-bit", "bits", [6, 1.58]),
        ("1.15 bits per byte", "bits", []),
        ("val_bpb: **1.1483**", "val_bpb", [1.1483]),
        ("val_loss: 2.0727", "val_bpb", []),
        ("**val_bpb: 1.1483** over 3 seeds", "val_bpb", [1.1483]),
        ("val_bpb = 1.09 now", "val_bpb", [1.09]),
        ("The artifact is 17.2 MB.", "artifact_bytes", [17.2e6]),
        ("a 15,900,123 bytes artifact", "artifact_bytes", [15_900_123]),
        ("fits the 17 MB artifact limit", "artifact_bytes", []),
        ("it is 2x slower to train", "slowdown", [2]),
        ("20% overhead", "slowdown", [1.2]),
        ("training is 4x faster", "slowdown", [0.25]),
        ("at no extra cost", "slowdown", [1]),
        ("It requires 20 minutes of training.", "training_s", [1200]),
        ("It needs 20 minutes to train.", "training_s", [1200]),
        ("20 min training", "training_s", [1200]),
        ("takes 20 minutes to download", "training_s", []),
        ("trained on 8xA100 for 3 days", "gpu_hours", [576]),
        ("costs 500 GPU hours", "gpu_hours", [500]),
        ("context length of 8k", "context_length", [8192]),
    ],
)
def test_a_number_is_claimed_as_the_text_states_it(text: str, field: str, values: list[float]) -> None:
    assert [one.value for one in getattr(claims.read(text), field)] == pytest.approx(values)


@pytest.mark.parametrize(
    ("text", "gains"),
    [
        ("It improves val loss by 0.05 bpb.", [0.05]),
        ("a gain of -0.004 bpb", [0.004]),
        ("The result is worse by 0.01 bpb.", [-0.01]),
        ("reduces bpb from 1.20 to 1.17", [0.03]),
        ("lowers the loss by 2%", [0.024488]),
        ("reduces memory by 50% with no loss in perplexity", []),
        ("improves accuracy by 3%", []),
        ("reaches 1.15 bpb, an improvement", []),
        ("0.01 bpb better on one set and worse on another", []),
    ],
)
def test_gains_are_put_in_bits_per_byte_and_other_numbers_are_none(text: str, gains: list[float]) -> None:
    assert [one.value for one in claims.read(text).gains] == pytest.approx(gains)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("pip install brotli", ["brotli"]),
        ("pip install torch numpy sentencepiece", []),
        ("pip install -r requirements.txt", []),
        ("pip install 'faiss-cpu>=1.7' brotli. Then run it.", ["faiss-cpu", "brotli"]),
        ("It requires flash-attn.", ["flash-attn"]),
        ("It requires Triton and flash-attn.", ["flash-attn"]),
        ("It requires a custom CUDA kernel.", ["cuda kernel"]),
        ("It requires Triton.", []),
        ("It does not require deepspeed.", []),
        ("There is no pip install foo.", []),
        ("It needs an external library.", ["external librar"]),
    ],
)
def test_a_dependency_is_what_the_challenge_s_scripts_do_not_have(text: str, names: list[str]) -> None:
    assert [one.name for one in claims.read(text).dependencies] == names


def test_code_and_one_script_are_claimed_with_their_words() -> None:
    said = claims.read("A drop-in change. Code is available at https://github.com/a/b for language models.")
    assert "github.com/a/b" in said.code
    assert "drop-in" in said.one_script
    assert "language model" in said.subject


@pytest.mark.parametrize("unit", ["\u017feconds", "m\u0131nutes", "M\u0131B", "byte\u017f", "\u212aparams"])
def test_letters_that_are_others_in_another_case_are_no_units(unit: str) -> None:
    said = claims.read(f"It requires 20 {unit} of training, an artifact of 17 {unit}, on 8 GPUs for 3 {unit}.")
    assert (said.training_s, said.artifact_bytes, said.gpu_hours, said.parameters) == ([], [], [], [])


def test_claims_beyond_the_first_20_000_characters_are_not_read() -> None:
    assert claims.read("x " * 10_000 + "124M parameters").parameters == []
    assert claims.read("x " * 9_000 + "124M parameters").parameters != []


WORDS = [
    "1", "1,", "1 % ", "pip install ", "from 1 to ", "requires ", "artifact ", "needs training 1 day ", "1% loss ",
    "no ", "8 GPUs ", "‮", "\x00", "n't ", "val_bpb", "code and a ", "context ", "1 x ", "a.", "; ", "github.com/", "\n",
]  # fmt: skip
hostile = st.builds(
    lambda words, times: "".join(words) * times,
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4),
    st.just(20_000),
)


@given(hostile | st.text(max_size=3000))
def test_any_text_is_survived_quickly(text: str) -> None:
    started = time.process_time()
    said = claims.read(text)
    mentions.mentioned(text)
    assert time.process_time() - started < 5.0  # a tenth of it on a quiet machine; a quadratic one takes minutes
    for quote in (said.code, said.subject, *(one.quote for one in (*said.gains, *said.parameters))):
        assert len(quote) <= 120
        assert quote.isprintable()


@given(st.text())
def test_a_cleaned_text_is_printable_line_by_line_and_cleaning_again_changes_nothing(text: str) -> None:
    once = foreign.clean(text)
    assert all(line.isprintable() for line in once.split("\n"))
    assert foreign.clean(once) == once


@given(st.text(), st.integers(2, 50))
def test_one_line_is_one_line_of_at_most_so_many_characters(text: str, chars_max: int) -> None:
    line = foreign.line(text, chars_max)
    assert len(line) <= chars_max
    assert line.isprintable()


def test_a_technique_is_mentioned_with_its_sentence_and_a_denied_one_is_not() -> None:
    found = mentions.mentioned("We add a SmearGate. Training runs without EMA. It uses int6 GPTQ as well.")
    assert found["smear_gate"] == "We add a SmearGate."
    assert "ema" not in found
    assert "gptq_int6" in found
    assert "gptq" not in found  # the wider one
