"""Files that are not what their names say: a README of random bytes, a score that is no number."""

import json
import random
from pathlib import Path

import pytest
from toy_folder import case_of, log_of

from golf.referee.ruling import review_submission


def test_random_bytes_are_no_readme_and_have_no_parents(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(random.Random(1).randbytes(200_000))
    ruled = review_submission(tmp_path)
    assert ruled.verdict == "review"
    assert "readme" not in ruled.examined
    assert "readme: README.md could not be read" in ruled.not_examined
    assert any(one.code == "UNREADABLE" and "no text" in one.text for one in ruled.findings)
    assert ruled.submission.parents == []


def test_a_readme_with_a_few_bad_bytes_is_read_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"# A run\n\n" + b"It trains on the training split. " * 20 + b"\xff\xfe\xff")
    assert "readme" in review_submission(tmp_path).examined


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", '"nan"', "1e999"])
def test_a_score_that_is_no_number_is_never_clear(tmp_path: Path, value: str) -> None:
    case_of(
        tmp_path, script="print(1)\n", logs={"train.log": log_of()}, table={"val_bpb": 1.5, "author": "Nan Infante"}
    )
    table = json.dumps({"val_bpb": 1.5, "author": "Nan Infante"})
    (tmp_path / "submission.json").write_text(table)
    assert not any("states no number" in one.text for one in review_submission(tmp_path).findings)
    (tmp_path / "submission.json").write_text(table.replace("1.5", value))
    ruled = review_submission(tmp_path)
    assert any(one.code == "UNREADABLE" and "val_bpb" in one.text for one in ruled.findings)
    assert ruled.verdict != "clear"
