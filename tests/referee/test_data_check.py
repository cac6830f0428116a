"""Which documents were trained on, and which were scored."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_folder import case_of, log_of

from golf.referee.checks import data
from golf.rulings import Finding

CASEOPS = {"tokenizer_path": "./tokenizers/words_caseops.model", "vocab_size": 8192, "caseops_enabled": True}
CASEOPS_LOG = {"val_tokens": 47_851_520, "tokens_per_byte": 0.31674, "settings": CASEOPS}


def of(found: list[Finding], code: str) -> list[str]:
    return [finding.severity for finding in found if finding.code == code]


def caseops_log(**changes: object) -> str:
    return log_of(**{**CASEOPS_LOG, **changes})


def test_more_shards_than_were_published_are_local_ones_with_validation_text(tmp_path: Path) -> None:
    """1,497 to 1,502 shards come of prepare_caseops_data.py with its default of 10,000 documents (issue #2127)."""
    [finding] = data.findings(case_of(tmp_path, logs={"a.log": caseops_log(shards=1_499)}))
    assert (finding.code, finding.severity) == ("VAL_IN_TRAINING", "block")
    assert ["1499" in finding.evidence[0].quote, "47851520" in finding.evidence[1].quote] == [True, True]


@pytest.mark.parametrize("shards", [39, 80])
def test_published_shards_are_clean(tmp_path: Path, shards: int) -> None:
    assert not data.findings(case_of(tmp_path, logs={"a.log": caseops_log(shards=shards)}))


def test_many_shards_of_another_tokenizer_say_nothing(tmp_path: Path) -> None:
    log = log_of(shards=1_499)
    assert not data.findings(case_of(tmp_path, logs={"a.log": log}))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python3 prepare_caseops_data.py --docs docs.jsonl", ["flag"]),
        ("python3 prepare_caseops_data.py \\\n  --docs docs.jsonl \\\n  --val-docs 50000", []),
        ("python3 prepare_caseops_data.py  # downloads romeerp/parameter-golf-caseops-v1", []),
    ],
)
def test_preparing_with_the_default_leaves_scored_documents_in_training(
    tmp_path: Path, command: str, expected: list[str]
) -> None:
    """Accepted records have such a README, so it asks for a reader."""
    readme = f"# Toy\n\n```bash\n{command}\n```\n"
    case = case_of(tmp_path, readme=readme, logs={"a.log": caseops_log()})
    assert of(data.findings(case), "VAL_IN_TRAINING") == expected


def test_shards_known_to_be_published_settle_the_command(tmp_path: Path) -> None:
    readme = "# Toy\n\n```bash\npython3 prepare_caseops_data.py\n```\n"
    assert not data.findings(case_of(tmp_path, readme=readme, logs={"a.log": caseops_log(shards=39)}))


def test_an_author_who_states_both_counts_is_taken_at_his_word(tmp_path: Path) -> None:
    table = {"technique_summary": "shards with --val-docs=10000, evaluation on the full 50k documents"}
    [finding] = data.findings(case_of(tmp_path, table=table))
    assert (finding.code, finding.severity) == ("VAL_IN_TRAINING", "block")


def test_training_on_the_validation_shard_shows_in_the_path(tmp_path: Path) -> None:
    log = log_of().replace("dataset:words", "dataset:words_valonly")
    [finding] = data.findings(case_of(tmp_path, logs={"a.log": log}))
    assert (finding.code, finding.severity) == ("VAL_IN_TRAINING", "block")


def test_one_file_that_says_so_asks_for_a_reader_and_two_block(tmp_path: Path) -> None:
    readme = "# Toy\n\nThe model is trained on the validation shard for ten minutes.\n"
    assert of(data.findings(case_of(tmp_path / "one", readme=readme)), "VAL_IN_TRAINING") == ["flag"]
    both = case_of(tmp_path / "two", readme=readme, table={"name": "Val-only, ten minutes"})
    assert of(data.findings(both), "VAL_IN_TRAINING") == ["block"]


@pytest.mark.parametrize(
    "sentence",
    [
        "You are only allowed to test-time train on validation set tokens you've already evaluated.",
        "No val-only training: the standard shards.",
        "The score-first TTT trains on validation tokens after they were scored.",
    ],
)
def test_rules_denials_and_test_time_training_are_no_training_on_validation(tmp_path: Path, sentence: str) -> None:
    assert not data.findings(case_of(tmp_path, readme=f"# Toy\n\n{sentence}\n"))


def test_a_part_of_the_split_blocks_a_record(tmp_path: Path) -> None:
    """9,662,464 tokens are 10,000 of the 50,000 documents."""
    log = caseops_log(val_tokens=9_662_464, tokens_per_byte=0.3226)
    assert of(data.findings(case_of(tmp_path / "a", logs={"a.log": log})), "PARTIAL_VAL") == ["block"]
    other = case_of(tmp_path / "b", logs={"a.log": log}, track="non_record_16mb")
    assert of(data.findings(other), "PARTIAL_VAL") == ["flag"]


def test_a_subset_in_the_settings_is_a_part(tmp_path: Path) -> None:
    log = log_of(settings={"ppm_subset_tokens": 3_000_000})
    [finding] = data.findings(case_of(tmp_path, logs={"a.log": log}))
    assert (finding.code, "3,000,000 of 62,021,632" in finding.text) == ("PARTIAL_VAL", True)


def test_a_subset_stated_by_a_line_is_a_part(tmp_path: Path) -> None:
    log = log_of(after=["mix_time:47.1s subset=3000000 tokens"])
    assert of(data.findings(case_of(tmp_path, logs={"a.log": log})), "PARTIAL_VAL") == ["block"]


def test_a_slice_in_the_readme_asks_for_a_reader(tmp_path: Path) -> None:
    case = case_of(tmp_path, readme="# Toy\n\nScored on the first 5M tokens, three seeds.\n")
    assert of(data.findings(case), "PARTIAL_VAL") == ["flag"]


def test_tokens_of_one_tokenizer_under_the_name_of_another_ask_for_a_reader(tmp_path: Path) -> None:
    """As in #2071, with CaseOps shards behind a link."""
    settings = {"tokenizer_path": "./tokenizers/words_8192_bpe.model", "caseops_enabled": False}
    [finding] = data.findings(case_of(tmp_path, logs={"a.log": caseops_log(settings=settings)}))
    assert (finding.code, finding.severity) == ("DATA_MISMATCH", "flag")


def test_a_vocabulary_smaller_than_the_tokenizers_asks_for_a_reader(tmp_path: Path) -> None:
    log = log_of(before=["WARNING: VOCAB_SIZE=1024 != tokenizer vocab_size=8192"])
    assert of(data.findings(case_of(tmp_path, logs={"a.log": log})), "DATA_MISMATCH") == ["flag"]


@given(share=st.floats(0.05, 1.0))
def test_a_whole_split_is_never_called_a_part(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    log = log_of(val_tokens=round(62_021_632 * share))
    found = data.findings(case_of(tmp_path_factory.mktemp("toy"), logs={"a.log": log}))
    assert bool(of(found, "PARTIAL_VAL")) == (round(62_021_632 * share) / 0.41052 < 0.97 * 151_080_000)
