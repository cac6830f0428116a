"""Calibration of quantisation: on which text, and inside which clock."""

from pathlib import Path

import pytest
from toy_case import fenced, toy_case

from golf.referee.checks.adaptation import findings
from golf.schema import TrainingLog

SCRIPT = """
import glob, os, time
import torch, torch.nn as nn

class Config:
    train_files = "shards/fineweb_train_*.bin"
    val_files = "shards/fineweb_val_*.bin"
    max_wallclock_seconds = float(os.environ.get("MAX_WALLCLOCK_SECONDS", 600.0))
    calib_reserve_seconds = float(os.environ.get("CALIB_RESERVE_SECONDS", 0.0))

class Net(nn.Module):
    pass

class Loader:
    def __init__(self, pattern):
        self.text = torch.cat([torch.from_file(p) for p in glob.glob(pattern)])

    def next_batch(self, n):
        return self.text[:n], self.text[1 : n + 1]

def collect_hessians(model, batches):
    for x, y in batches:
        model(x, y)

def main():
    args = Config()
    model = Net()
    opt = torch.optim.AdamW(model.parameters())
    loader = Loader(args.train_files)
    while True:
        x, y = loader.next_batch(64)
        opt.zero_grad()
        model(x, y).backward()
        opt.step()
    source = Loader(args.SOURCE)
    hessians = collect_hessians(model, [source.next_batch(64) for _ in range(8)])
    quantize_weights(model, hessians)

main()
"""

RECORD = Path("records/track_10min_16mb/toy")


def codes(script: str, folder: Path = RECORD, train_time_s: float = 600.1, readme: str = "") -> list[tuple[str, str]]:
    case = toy_case(script, readme=readme, folder=folder)
    case.logs = [TrainingLog(path=str(folder / "train.log"), train_time_s=train_time_s)]
    return [(one.code, one.severity) for one in findings(case)]


ON_TRAIN = SCRIPT.replace("SOURCE", "train_files")
ON_VAL = SCRIPT.replace("SOURCE", "val_files")
LATE = [("GPTQ_CALIB_AT_EVAL_ON_TRAIN", "flag")]


def test_calibrating_on_validation_text_blocks() -> None:
    assert codes(ON_VAL) == [("GPTQ_CALIB_ON_VAL", "block")]


def test_calibrating_on_training_text_after_the_clock_asks_for_a_person() -> None:
    assert codes(ON_TRAIN) == LATE


def test_a_reserve_leaves_time_for_it() -> None:
    assert codes(ON_TRAIN, readme=fenced("CALIB_RESERVE_SECONDS=12 torchrun train_gpt.py")) == []


def test_a_shorter_clock_leaves_time_for_it() -> None:
    assert codes(ON_TRAIN, readme=fenced("MAX_WALLCLOCK_SECONDS=585 torchrun train_gpt.py")) == []


def test_training_that_stopped_early_leaves_time_for_it() -> None:
    assert codes(ON_TRAIN, train_time_s=586.0) == []


def test_the_other_track_has_no_clock() -> None:
    assert codes(ON_TRAIN, folder=Path("records/track_non_record_16mb/toy")) == []


@pytest.mark.parametrize("made", ["[model.generate(64) for _ in range(8)]", "[torch.randint(0, 9, (64,))]"])
def test_calibrating_on_text_the_model_made_is_clean(made: str) -> None:
    script = ON_TRAIN.replace("[source.next_batch(64) for _ in range(8)]", made)
    assert codes(script) == []


def test_gathering_statistics_without_quantising_is_clean() -> None:
    assert codes(ON_VAL.replace("    quantize_weights(model, hessians)\n", "")) == []
