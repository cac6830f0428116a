"""Bits per byte against the text they are of, by numbers alone."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_folder import case_of, log_of

from golf.referee import validation
from golf.referee.checks import metric
from golf.rulings import Finding


def severities(found: list[Finding], code: str = "BPB_MISCOUNT") -> list[str]:
    return [finding.severity for finding in found if finding.code == code]


def test_tokens_per_byte_are_what_a_loss_and_a_score_divide_by() -> None:
    """The naive baseline's own numbers: 2.07269931 nats, 1.22436570 bits per byte."""
    assert validation.tokens_per_byte(2.07269931, 1.2243657) == pytest.approx(0.40945, abs=1e-5)


@pytest.mark.parametrize(
    ("val_tokens", "tokens_per_byte"),
    [
        (62_021_632, 0.41052),
        (40_540_160, 0.26834),
        (47_851_520, 0.31674),
        (53_950_464, 0.35710),
        (151_130_112, 1.00033),
    ],
)
def test_any_tokenizer_is_right_when_its_tokens_come_to_the_bytes_of_the_split(
    tmp_path: Path, val_tokens: int, tokens_per_byte: float
) -> None:
    """SP1024, SP8192, CaseOps, an own vocabulary of 1,792 and bytes, as accepted logs or pull requests have them."""
    log = log_of(val_tokens=val_tokens, tokens_per_byte=tokens_per_byte)
    assert not metric.findings(case_of(tmp_path, logs={"a.log": log}))


def test_bytes_counted_twice_block_with_the_corrected_factor(tmp_path: Path) -> None:
    """The defect of #1545: every leading space counted twice, 17.7 % too many bytes under SP8192."""
    log = log_of(val_tokens=40_540_160, tokens_per_byte=0.22798, model_bpb=1.03, bpb=1.01)
    [finding] = metric.findings(case_of(tmp_path, logs={"a.log": log}))
    assert finding.severity == "block"
    assert "1.177 times" in finding.text
    assert finding.evidence[0].quote.startswith("final_int8_zlib_roundtrip_exact val_loss:")


def test_bytes_counted_too_few_are_no_accusation(tmp_path: Path) -> None:
    log = log_of(val_tokens=62_021_632, tokens_per_byte=0.4158)
    assert severities(metric.findings(case_of(tmp_path, logs={"a.log": log}))) == ["note"]


def test_without_the_tokens_a_tokenizer_named_in_the_log_asks_for_a_reader(tmp_path: Path) -> None:
    """Then a part of the split may explain the ratio, as in a merged record outside the record track."""
    log = log_of(val_tokens=None, tokens_per_byte=0.38628, model_bpb=1.21, bpb=1.2)
    assert severities(metric.findings(case_of(tmp_path, logs={"a.log": log}))) == ["flag"]


def test_the_ratio_of_a_known_bug_blocks_where_the_readme_names_the_tokenizer(tmp_path: Path) -> None:
    log = log_of(val_tokens=None, tokens_per_byte=0.22798, model_bpb=1.03, bpb=1.01).replace("1024_bpe", "unknown")
    case = case_of(tmp_path, readme="# Toy\n\nSP8192 tokenizer.\n", logs={"a.log": log.replace("tokenizer_path", "t")})
    [finding] = metric.findings(case)
    assert finding.severity == "block"
    assert "#1545" in finding.text


def test_an_unknown_tokenizer_is_unknown_and_not_guilty(tmp_path: Path) -> None:
    log = log_of(val_tokens=None, tokens_per_byte=0.25).replace("fineweb_1024_bpe", "mine")
    assert not metric.findings(case_of(tmp_path, logs={"a.log": log}))


def test_the_first_export_of_the_split_is_known(tmp_path: Path) -> None:
    log = log_of(val_tokens=63_779_840, tokens_per_byte=0.40945)
    assert not metric.findings(case_of(tmp_path, logs={"a.log": log}))


def test_a_pair_in_the_json_counts_when_no_log_has_one(tmp_path: Path) -> None:
    """As in #1289, whose logs are not there."""
    table = {"tokenizer": "scylla, 998 tokens", "seeds": {"42": {"val_bpb": 1.08075297, "val_loss": 1.9346024}}}
    [finding] = metric.findings(case_of(tmp_path, table=table))
    assert (finding.severity, finding.evidence[0].file) == ("block", "submission.json")


def test_a_folded_case_cannot_be_restored(tmp_path: Path) -> None:
    settings = {"tokenizer_path": "./tokenizers/words_casefold.model", "vocab_size": 8192}
    log = log_of(val_tokens=36_286_464, tokens_per_byte=36_286_464 / validation.VALIDATION_BYTES, settings=settings)
    assert severities(metric.findings(case_of(tmp_path, logs={"a.log": log})), "TOKENIZER_LOSSY") == ["flag"]


def test_a_score_no_record_had_asks_for_a_reader(tmp_path: Path) -> None:
    [finding] = metric.findings(case_of(tmp_path, table={"val_bpb": 0.4}))
    assert (finding.severity, finding.evidence[0].line) == ("flag", 2)


def test_an_evaluation_that_outdoes_its_model_asks_for_a_reader(tmp_path: Path) -> None:
    table = {"val_bpb": 1.05}
    case = case_of(tmp_path, table=table, logs={"a.log": log_of(model_bpb=1.22, bpb=1.05)})
    [finding] = metric.findings(case)
    assert finding.severity == "flag"
    assert "0.86 of the 1.2200 that the last validation" in finding.text


def test_what_sliding_windows_and_averaging_gain_is_no_suspicion(tmp_path: Path) -> None:
    case = case_of(tmp_path, table={"val_bpb": 1.16}, logs={"a.log": log_of(model_bpb=1.2, bpb=1.16)})
    assert not metric.findings(case)


@given(
    tokens=st.integers(20_000_000, 151_000_000),
    factor=st.floats(0.8, 1.3),
    bpb=st.floats(1.05, 1.6),
)
def test_more_bytes_than_the_split_has_block_and_no_others(
    tmp_path_factory: pytest.TempPathFactory, tokens: int, factor: float, bpb: float
) -> None:
    per_byte = tokens / validation.VALIDATION_BYTES
    log = log_of(val_tokens=tokens, tokens_per_byte=per_byte / factor, bpb=bpb, model_bpb=bpb)
    found = metric.findings(case_of(tmp_path_factory.mktemp("toy"), logs={"a.log": log}))
    if factor > 1.006:
        assert severities(found) == ["block"]
    if factor < 1.004:
        assert "block" not in severities(found)
