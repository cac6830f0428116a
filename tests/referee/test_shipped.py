"""Data beside the script: what a run loads counts, and what nobody opens is never clear."""

from pathlib import Path

import pytest
from toy_folder import case_of, log_of

from golf.referee.checks.shipped import findings
from golf.referee.ruling import review_submission
from golf.rulings import Finding

LOADS = 'import numpy as np\n\ndef evaluate():\n    return np.load("prior.npz")["table"]\n\nevaluate()\n'


def found(folder: Path, script: str = LOADS, size: int = 3_000_000, total: int = 15_300_000, **more) -> list[Finding]:
    folder.mkdir(exist_ok=True)
    (folder / more.pop("name", "prior.npz")).write_bytes(bytes(size))
    parts = (f"Serialized model int8+zlib: {total - 50_000} bytes",) if more.pop("parts", True) else ()
    return findings(case_of(folder, script=script, logs={"train.log": log_of(total=total, before=parts)}, **more))


def said(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.code, one.severity) for one in found]


def test_a_table_loaded_on_top_of_the_logged_total_blocks_where_both_are_over(tmp_path: Path) -> None:
    over, unread = found(tmp_path)
    assert said([over, unread]) == [("SIZE_OVER", "block"), ("UNREADABLE", "flag")]
    assert "18,300,000 bytes" in over.text
    assert over.evidence[0].quote == 'return np.load("prior.npz")["table"]'


def test_a_total_whose_parts_are_not_told_may_count_the_table(tmp_path: Path) -> None:
    assert said(found(tmp_path, parts=False)) == [("SIZE_OVER", "flag"), ("UNREADABLE", "flag")]


def test_a_table_that_fits_is_nothing_anybody_has_read(tmp_path: Path) -> None:
    assert said(found(tmp_path, size=300_000)) == [("UNREADABLE", "flag")]


@pytest.mark.parametrize(
    "script",
    [
        LOADS.replace('np.load("prior.npz")', 'open("prior.npz", "rb").read()'),
        LOADS.replace('np.load("prior.npz")', "np.load(PRIOR)").replace("\n\n", '\nPRIOR = "./prior.npz"\n', 1),
        LOADS.replace("evaluate():", 'evaluate(path="prior.npz"):').replace('np.load("prior.npz")', "np.load(path)"),
        LOADS.replace('np.load("prior.npz")', 'np.load(glob.glob("*.npz")[0])'),
    ],
)
def test_however_the_file_is_named_where_it_is_loaded(tmp_path: Path, script: str) -> None:
    assert said(found(tmp_path, script)) == [("SIZE_OVER", "block"), ("UNREADABLE", "flag")]


def test_a_file_that_is_only_named_asks_for_a_person(tmp_path: Path) -> None:
    script = 'def evaluate(path):\n    return decode(path)\n\nevaluate("prior.npz")\n'
    assert said(found(tmp_path, script)) == [("SIZE_OVER", "flag"), ("UNREADABLE", "flag")]


def test_validation_text_is_told_by_the_file_s_name(tmp_path: Path) -> None:
    named = found(tmp_path, LOADS.replace("prior.npz", "val_tokens.npz"), 300_000, name="val_tokens.npz")
    assert said(named) == [("VAL_IN_ARTIFACT", "flag"), ("UNREADABLE", "flag")]


@pytest.mark.parametrize(
    "script",
    [
        LOADS.rpartition("evaluate()")[0],
        'import torch\ntorch.save(model, "prior.npz")\nmodel = torch.load("prior.npz")\n',
        'PATH = "prior.npz"\nwith open(PATH, "wb") as file:\n    file.write(blob)\nopen(PATH, "rb").read()\n',
        '"""Once there was a prior.npz."""\nprint(1)\n',
    ],
    ids=["never called", "saved by the run", "written by the run", "prose"],
)
def test_what_no_run_loads_and_what_a_run_writes_itself_is_left_alone(tmp_path: Path, script: str) -> None:
    assert found(tmp_path, script) == []


def test_a_file_whose_size_the_log_states_is_counted(tmp_path: Path) -> None:
    case = case_of(
        tmp_path, script=LOADS, logs={"train.log": log_of(total=15_300_000, before=("prior: 3,000,000 bytes",))}
    )
    (tmp_path / "prior.npz").write_bytes(bytes(3_000_000))
    assert findings(case_of(tmp_path, track=case.submission.track)) == []


def test_a_tokenizer_is_not_counted_by_anybody(tmp_path: Path) -> None:
    script = 'import sentencepiece as spm\nspm.load("sp1024.model")\nopen("sp1024.model", "rb")\n'
    assert found(tmp_path, script, name="sp1024.model") == []


def test_a_readable_table_is_only_worth_a_note_until_it_is_over(tmp_path: Path) -> None:
    script = LOADS.replace('np.load("prior.npz")', 'open("prior.json").read()')
    assert said(found(tmp_path, script, 300_000, name="prior.json")) == [("SIZE_DISAGREES", "note")]


def test_what_is_never_opened_stands_under_not_examined_whatever_its_kind(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(9_000))
    (tmp_path / "prior.npz").write_bytes(bytes(9_000))
    case_of(tmp_path, script="print(1)\n", logs={"train.log": log_of()})
    ruled = review_submission(tmp_path)
    assert any("2 of 5 files were never opened: prior.npz, weights.bin" in part for part in ruled.not_examined)
    (unread,) = (one for one in ruled.findings if one.code == "UNREADABLE")
    assert [where.file for where in unread.evidence] == ["prior.npz", "weights.bin"]
