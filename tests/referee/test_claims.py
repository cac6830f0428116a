"""What README and submission.json say of their own method."""

from pathlib import Path

import pytest
from toy_folder import case_of, log_of

from golf.referee.checks import claims

SCRIPT = "print('a script of our own')\n"


def said(folder: Path, sentence: str, **more: object) -> list[tuple[str, str]]:
    case = case_of(folder, readme=f"# Toy\n\n{sentence}\n", **more)
    return [(finding.code, finding.severity) for finding in claims.findings(case)]


@pytest.mark.parametrize(
    ("sentence", "code"),
    [
        ("Pre-quant TTT: six epochs of AdamW.", "TTT_PREQUANT_VAL"),
        ("We fine-tune on validation data before GPTQ.", "TTT_PREQUANT_VAL"),
        ("| TTT | Full-weight SGD on val data, 3 epochs |", "TTT_TRAIN_THEN_SCORE"),
        ("Our model adapts for 20 epochs over the validation set.", "TTT_TRAIN_THEN_SCORE"),
        ("Pass 2 rescores all chunks with the complete cache.", "TWO_PASS_RESCORE"),
        ("Multi-order n-gram backoff with entropy-adaptive weight.", "NGRAM_UNNORMALISED"),
        ("The tables are an n-gram oracle pre-filled from all training shards.", "TRAIN_DATA_AT_EVAL"),
        ("A byte-level PPM-D mixture of order five.", "PPM_UNNORMALISED"),
        ("Part of the artifact is a paid prefix.", "VAL_IN_ARTIFACT"),
        ("Per-sample SLOT with 24 steps.", "SLOT_NONCAUSAL"),
        ("Quantised with GPTQ calibrated on validation data.", "GPTQ_CALIB_ON_VAL"),
        ("Bits per byte are a variational upper bound.", "BPB_APPROX"),
        ("This submission violates the score-first rule.", "WITHDRAWN"),
    ],
)
def test_a_method_named_in_the_readme_asks_for_a_reader(tmp_path: Path, sentence: str, code: str) -> None:
    assert (code, "flag") in said(tmp_path, sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "No pre-quant TTT, no SLOT, no n-gram cache.",
        "- **No SLOT** (standard or causal).",
        "- [x] no_ngram_cache, no_slot, no_pre_quant_ttt",
        "PPM mixture: off.",
        "The n-gram cache was removed after the ruling.",
        "PR #741 mixed in an n-gram cache.",
        "An n-gram cache could be added next.",
        "We tried an n-gram oracle and it did not help.",
        "Legal score-first TTT: 3 epochs on validation chunks already scored.",
        "Causal n-gram tilt, normalised over the vocabulary.",
        "| Seed | Pre-quant BPB | TTT BPB |",
        "A BigramHash of 3,072 buckets.",
    ],
)
def test_denials_lineage_and_legal_methods_are_no_claim(tmp_path: Path, sentence: str) -> None:
    assert not said(tmp_path, sentence)


@pytest.mark.parametrize("heading", ["What did not work", "Ablations", "Lineage and credits", "N-gram cache (illegal)"])
def test_what_stands_under_such_a_heading_is_of_others(tmp_path: Path, heading: str) -> None:
    assert not said(tmp_path, f"## {heading}\n\nPre-quant TTT: six epochs of AdamW.")


def test_readme_and_json_together_block_a_disqualified_method(tmp_path: Path) -> None:
    table = {"name": "Toy with pre-quant TTT"}
    assert said(tmp_path, "Pre-quant TTT: six epochs.", table=table) == [("TTT_PREQUANT_VAL", "block")]


def test_with_code_at_hand_words_never_block(tmp_path: Path) -> None:
    table = {"name": "Toy with pre-quant TTT"}
    assert said(tmp_path, "Pre-quant TTT: six epochs.", table=table, script=SCRIPT) == [("TTT_PREQUANT_VAL", "flag")]


def test_slot_has_no_ruling_and_never_blocks(tmp_path: Path) -> None:
    assert said(tmp_path, "Per-sample SLOT.", table={"name": "Toy + SLOT"}) == [("SLOT_NONCAUSAL", "flag")]


def test_an_n_gram_cache_blocks_only_with_a_score_that_it_made(tmp_path: Path) -> None:
    sentence = "An n-gram cache is mixed in."
    name = "Toy + n-gram cache"
    assert said(tmp_path / "a", sentence, table={"name": name, "val_bpb": 0.4}) == [("NGRAM_UNNORMALISED", "block")]
    assert said(tmp_path / "b", sentence, table={"name": name, "val_bpb": 1.1}) == [("NGRAM_UNNORMALISED", "flag")]
    normalised = f"{sentence} The mixture is normalised over the vocabulary."
    assert said(tmp_path / "c", normalised, table={"name": name, "val_bpb": 1.1}) == [("NGRAM_UNNORMALISED", "note")]


def test_a_bound_is_a_note_outside_the_record_track(tmp_path: Path) -> None:
    """#1106 was accepted there."""
    sentence = "Bits per byte are a variational upper bound."
    assert said(tmp_path, sentence, track="non_record_16mb") == [("BPB_APPROX", "note")]


def test_a_compliance_table_that_admits_something_is_believed(tmp_path: Path) -> None:
    table = {"compliance": {"eval_under_600s": False, "no_slot": True, "three_seeds": False}}
    case = case_of(tmp_path, table=table)
    [finding] = claims.findings(case)
    assert (finding.code, finding.severity) == ("TIME_OVER_EVAL", "flag")
    assert finding.evidence[0].line == 3


def test_the_sentence_is_quoted_with_its_line(tmp_path: Path) -> None:
    case = case_of(tmp_path, readme="# Toy\n\nOne.\n\nPer-sample SLOT, 24 steps.\n", logs={"a.log": log_of()})
    [finding] = claims.findings(case)
    assert [(where.file, where.line, where.quote) for where in finding.evidence] == [
        ("README.md", 5, "Per-sample SLOT, 24 steps.")
    ]
