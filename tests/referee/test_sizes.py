"""artifact_bytes against the limit, by the conventions that were counted by."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_folder import case_of, log_of

from golf.referee.checks import sizes
from golf.rulings import Finding


def over(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.code == "SIZE_OVER"]


def test_sixteen_million_bytes_pass_and_one_more_blocks(tmp_path: Path) -> None:
    """The README's FAQ: decimal, and 16,000,000 itself is within."""
    assert not over(sizes.findings(case_of(tmp_path / "within", logs={"a.log": log_of(total=16_000_000)})))
    [finding] = over(sizes.findings(case_of(tmp_path / "over", logs={"a.log": log_of(total=16_000_001)})))
    assert (finding.severity, finding.evidence[0].line) == ("block", 10)


def test_the_largest_seed_counts(tmp_path: Path) -> None:
    logs = {"train_seed1.log": log_of(total=15_000_000), "train_seed2.log": log_of(total=17_000_000)}
    [finding] = over(sizes.findings(case_of(tmp_path, logs=logs)))
    assert finding.evidence[0].file == "train_seed2.log"


def test_a_total_that_packing_the_code_may_explain_asks_for_a_reader(tmp_path: Path) -> None:
    """As in #1412, where submission.json states less than the log and the script is 80 kB."""
    table = {"bytes_total": 15_979_000}
    case = case_of(tmp_path, table=table, logs={"a.log": log_of(total=16_050_000, code=80_000)})
    assert [finding.severity for finding in over(sizes.findings(case))] == ["flag"]


def test_packing_explains_no_model_that_is_over_by_itself(tmp_path: Path) -> None:
    table = {"bytes_total": 15_979_000}
    case = case_of(tmp_path, table=table, logs={"a.log": log_of(total=16_300_000, code=80_000)})
    assert [finding.severity for finding in over(sizes.findings(case))] == ["block"]


def test_a_json_over_the_limit_blocks_without_a_log(tmp_path: Path) -> None:
    [finding] = over(sizes.findings(case_of(tmp_path, table={"bytes_total": "16,638,468"})))
    assert (finding.severity, finding.evidence[0].quote) == ("block", '"bytes_total": "16,638,468')


def test_outside_the_record_track_a_size_over_asks_for_a_reader(tmp_path: Path) -> None:
    """#542 was merged there with 16,638,468 bytes."""
    case = case_of(tmp_path, logs={"a.log": log_of(total=16_638_468)}, track="non_record_16mb")
    assert [finding.severity for finding in over(sizes.findings(case))] == ["flag"]


@pytest.mark.parametrize(
    "sentence",
    [
        "Artifact: 17,347,791 bytes, which exceeds the 16 MB limit.",
        "The serialized artifact is 16,415,938 bytes and over the 16,000,000 byte cap.",
    ],
)
def test_an_admission_with_its_number_blocks(tmp_path: Path, sentence: str) -> None:
    [finding] = over(sizes.findings(case_of(tmp_path, readme=f"# Toy\n\n{sentence}\n")))
    assert (finding.severity, finding.evidence[0].line) == ("block", 3)


@pytest.mark.parametrize(
    "sentence",
    [
        "The ten-layer model compresses to 17.6 MB with int8, over the 16 MB cap, so we quantise to six bits.",
        "PR #1698 is invalid: its artifact exceeds the 16 MB cap.",
        "The artifact is not over the 16 MB limit.",
        "| 2048 buckets | 1.1 | pushed the artifact over the limit |",
    ],
)
def test_words_about_others_or_the_way_here_are_no_admission(tmp_path: Path, sentence: str) -> None:
    case = case_of(tmp_path, readme=f"# Toy\n\n{sentence}\n", logs={"a.log": log_of()})
    assert not over(sizes.findings(case))


def test_a_current_artifact_said_to_be_over_is_looked_at_even_when_a_log_is_within(tmp_path: Path) -> None:
    readme = "# Toy\n\nThe current artifact is 16.03 MB and exceeds the 16,000,000-byte cap.\n"
    case = case_of(tmp_path, readme=readme, logs={"a.log": log_of()})
    assert [finding.severity for finding in over(sizes.findings(case))] == ["flag"]


def test_a_seed_left_out_for_its_size_asks_for_a_reader(tmp_path: Path) -> None:
    """As in #1016, whose headline is the mean of the two seeds of five that fit."""
    readme = "# Toy\n\n| Seed | Bytes |\n|---|---|\n| 1 | 15,900,000 |\n| 42 | 16,645,615 |\n"
    logs = {"train_seed1.log": log_of(seed=1)}
    [finding] = over(sizes.findings(case_of(tmp_path / "a", readme=readme, logs=logs)))
    assert (finding.severity, finding.evidence[0].line) == ("flag", 6)
    within = readme.replace("16,645,615", "15,645,615")
    assert not over(sizes.findings(case_of(tmp_path / "b", readme=within, logs=logs)))


def test_a_readable_script_over_by_its_own_bytes_is_a_note(tmp_path: Path) -> None:
    """Eleven accepted records count `Code size (compressed)` and ship a readable script."""
    case = case_of(tmp_path, logs={"a.log": log_of(total=15_990_000, code=20_000)}, script="x = 1\n" * 20_000)
    assert [finding.severity for finding in over(sizes.findings(case))] == ["note"]


def test_a_tokenizer_is_a_note(tmp_path: Path) -> None:
    case = case_of(tmp_path, words_model="x" * 1234)
    [finding] = sizes.findings(case)
    assert (finding.code, finding.severity, "1,234" in finding.text) == ("TOKENIZER_BYTES", "note", True)


def test_a_json_that_states_another_size_than_the_logs_is_a_note(tmp_path: Path) -> None:
    case = case_of(tmp_path, table={"bytes_total": 15_000_000}, logs={"a.log": log_of(total=15_900_000)})
    [finding] = sizes.findings(case)
    assert (finding.code, finding.severity, len(finding.evidence)) == ("SIZE_DISAGREES", "note", 2)


@given(total=st.integers(1_000_000, 40_000_000))
def test_a_logged_total_blocks_exactly_when_it_is_over(tmp_path_factory: pytest.TempPathFactory, total: int) -> None:
    case = case_of(tmp_path_factory.mktemp("toy"), logs={"a.log": log_of(total=total)})
    assert bool(over(sizes.findings(case))) == (total > 16_000_000)
