"""How a submission's folder is presented to the checks."""

from pathlib import Path

import pytest

from golf.errors import NotFound
from golf.referee.case import open_case


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_every_text_of_a_folder_is_presented_by_kind(tmp_path: Path) -> None:
    write(
        tmp_path,
        README__md="# Toy\n",
        submission__json='{"val_bpb": 1.5}',
        train_gpt__py="print(1)\n",
        run__sh="python train_gpt.py\n",
        requirements__txt="numpy\n",
        train_seed7__log="step:10/10 train_loss:1.0 train_time:5ms\nfinal_exact val_loss:3.0 val_bpb:1.5\n",
    )
    case = open_case(tmp_path)
    assert [text.name for text in case.readmes] == ["README.md"]
    assert case.json == {"val_bpb": 1.5}
    assert [script.name for script in case.scripts] == ["train_gpt.py"]
    assert [text.name for text in case.shells] == ["run.sh"]
    assert [text.name for text in case.others] == ["requirements.txt"]
    assert [log.final_bpb for log in case.logs] == [1.5]
    assert case.log_texts[case.logs[0].path].lines[1].startswith("final_exact")
    assert case.findings == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no folder"):
        open_case(tmp_path / "gone")
