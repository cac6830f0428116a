"""Paths that are put together, rewritten or globbed: which split's text they are all the same."""

import ast

import pytest
from toy_case import toy_case

from golf.referee.checks.adaptation import findings
from golf.referee.settings import UNKNOWN, effective

TRAINER = """\
import glob, math, os
import torch
import torch.nn as nn
import torch.nn.functional as F
from pathlib import Path

class Config:
    data_path = os.environ.get("DATA_PATH", "./data/fineweb10B_sp1024")
    train_files = os.path.join(data_path, "fineweb_train_*.bin")
    val_files = os.path.join(data_path, "fineweb_val_*.bin")
    more_files = {more}

class Net(nn.Module):
    def forward(self, x, y):
        return F.cross_entropy(self.head(x), y)

class Loader:
    def __init__(self, pattern):
        self.files = sorted(glob.glob(pattern))

    def next_batch(self):
        span = torch.from_file(self.files[0])
        return span[:-1], span[1:]

def main(root):
    args, model = Config(), Net()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = Loader({pattern})
    for step in range(1000):
        x, y = loader.next_batch()
        opt.zero_grad()
        model(x, y).backward()
        opt.step()
    x, y = Loader(args.val_files).next_batch()
    val_bpb = model(x, y).item() / math.log(2.0)
    print(f"final val_bpb:{{val_bpb}}")

main("./data")
"""


def codes(pattern: str, more: str = "None") -> list[tuple[str, str]]:
    return [(one.code, one.severity) for one in findings(toy_case(TRAINER.format(pattern=pattern, more=more)))]


@pytest.mark.parametrize(
    "pattern",
    [
        'args.train_files.replace("train", "val")',
        'args.train_files.replace("_tr" + "ain_", "_" + "val" + "_")',
        'str(root).replace("a", "b") + "/fineweb_" + "val" + "_*.bin"',
        'os.path.join(root, "fineweb_" + "".join(reversed("lav")) + "_*.bin")',
        'os.path.join(root, "fineweb_" + "lav"[::-1] + "_*.bin")',
        'f"{root}/fineweb_{chr(118)}al_*.bin"',
        'Path(root) / "fineweb_v*.bin"',
        'os.path.join(args.data_path, "fineweb_[v]al_*.bin")',
    ],
)
def test_validation_text_is_known_by_its_whole_path(pattern: str) -> None:
    assert codes(pattern) == [("VAL_IN_TRAINING", "block")]


def test_a_path_put_together_in_the_settings_is_spelled_out_as_well() -> None:
    assert codes("args.more_files", 'os.path.join(data_path, "fineweb_" + "".join(reversed("lav")) + "_*.bin")') == [
        ("VAL_IN_TRAINING", "block")
    ]


@pytest.mark.parametrize(
    "pattern",
    [
        'os.path.join(args.data_path, "*.bin")',
        '"./data/fineweb_*.bin"',
        'f"{root}/*.bin"',
        'args.data_path + "/fineweb_*_*.bin"',
        'Path(root) / "fineweb_*"',
    ],
)
def test_a_glob_that_finds_both_splits_asks_for_a_person(pattern: str) -> None:
    assert codes(pattern) == [("VAL_IN_TRAINING", "flag")]


@pytest.mark.parametrize(
    "pattern",
    [
        "args.train_files",
        'args.val_files.replace("val", "train")',
        'os.path.join(args.data_path, "train", "*.bin")',
        'os.path.join(args.train_dir, "*.bin")',
        'f"{root}/fineweb_{split}_*.bin"',
        '[name for name in glob.glob(root + "/*.bin") if "train" in name]',
        '[name for name in glob.glob(root + "/*.bin") if not name.startswith("fineweb_val")]',
    ],
)
def test_training_text_stays_training_text(pattern: str) -> None:
    assert codes(pattern.replace("args.train_dir", 'os.path.dirname(args.train_files) + "/train_shards"')) == []


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('"".join(reversed("lav"))', "val"),
        ('"lav"[::-1]', "val"),
        ('f"fineweb_{WORD}_{3}"', "fineweb_val_3"),
        ('os.path.join("a", WORD)', "a/val"),
        ('"train".replace("train", WORD)', "val"),
        ('"a".replace("", "b" * 9)', UNKNOWN),
        ('("a,a" ).replace("a", LONG).replace("a", LONG)', UNKNOWN),
        ('os.path.join("a", unknown)', UNKNOWN),
    ],
)
def test_texts_are_put_together_as_python_would_within_bounds(expression: str, value: object) -> None:
    script = f'WORD = "val"\nLONG = "{"a" * 900}"\nFOUND = {expression}\n'
    case = toy_case(script)
    (found,) = (one for one in case.scripts[0].statements[-1:] if isinstance(one, ast.Assign))
    assert repr(effective(case).value(found.value)) == repr(value)
