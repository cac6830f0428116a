"""An experiment is held to the text it was scored on: its workspace's own course, or the published split."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from toy_folder import log_of

from golf.play.contamination import contamination_gate, findings
from golf.schema import Result, SeedResult

TOKENS = 37_036


def played(folder: Path, data: str, val_tokens: int, scored_on: str | None = None) -> tuple[Path, Result]:
    folder.mkdir(exist_ok=True)
    (folder / "train_gpt.py").write_text("loss.backward()\n")
    (folder / "train_seed42.log").write_text(log_of(bpb=4.04, model_bpb=4.1, val_tokens=val_tokens))
    seed = SeedResult(
        seed=42, val_bpb=4.04, val_loss=6.6, artifact_bytes=600_000, eval_time_s=1.0, memory_bytes=1, log="train.log",
        scored_on=f"cpu in float32, 36,992 of {TOKENS:,} target tokens" if scored_on is None else scored_on,
    )  # fmt: skip
    result = Result(
        experiment="a", run_id="r", commit="-", tier="smoke", status="keep", promoted="no", hypothesis="h",
        data=data, seeds=[seed], finished_at=datetime.now(UTC),
    )  # fmt: skip
    return folder, result


def partial(folder: Path, result: Result) -> list[str]:
    return [one.text for one in findings(folder, result) if one.code in ("PARTIAL_VAL", "BPB_MISCOUNT")]


def test_a_course_of_one_s_own_is_no_part_of_the_published_split(tmp_path: Path) -> None:
    folder, result = played(tmp_path / "a", "pydocs_sp1024 aa029ddc02133d78", 36_992)
    assert partial(folder, result) == []
    assert contamination_gate(folder, result).verdict == "pass"


def test_a_part_of_one_s_own_course_is_a_part(tmp_path: Path) -> None:
    folder, result = played(tmp_path / "a", "pydocs_sp1024 aa029ddc02133d78", 8_192)
    assert partial(folder, result) == ["8,192 tokens scored of 37,036 of pydocs_sp1024"]
    assert contamination_gate(folder, result).verdict == "fail"


@pytest.mark.parametrize("data", ["fineweb10B_sp1024 aa029ddc02133d78", ""])
def test_the_published_split_and_one_that_is_not_known_keep_their_numbers(tmp_path: Path, data: str) -> None:
    folder, result = played(tmp_path / "a", data, 36_992)
    assert contamination_gate(folder, result).verdict == "fail"
    assert any("of 151,080,000 bytes" in text for text in partial(folder, result))


def test_a_course_whose_tokens_nobody_counted_is_not_held_to_a_number(tmp_path: Path) -> None:
    folder, result = played(tmp_path / "a", "mine 00", 8_192, scored_on="")
    assert partial(folder, result) == []
