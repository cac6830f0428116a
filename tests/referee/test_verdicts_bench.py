"""The bench that scores the referee counts as it says."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from toy_folder import case_of, log_of


def _loaded() -> Any:
    """The bench is a folder of scripts and no package."""
    path = Path(__file__).parents[2] / "bench/referee_verdicts.py"
    spec = importlib.util.spec_from_file_location("referee_verdicts", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


bench = _loaded()


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Two valid submissions, one of them over; two invalid ones, one of them without a trace; and a contested one."""
    whole = {f"train_seed{seed}.log": log_of(seed=seed) for seed in (1, 2, 3)}
    over = {"train_seed1.log": log_of(total=17_000_000)}
    table = {"name": "Toy", "val_bpb": 1.2}
    rows = []
    for pr, (verdict, reasons, logs) in enumerate(
        [
            ("valid", ["CLEAN"], whole),
            ("valid", ["CLEAN"], over),
            ("invalid", ["SIZE_OVER"], over),
            ("invalid", ["TTT_TRAIN_THEN_SCORE"], whole),
            ("contested", ["SIZE_OVER"], over),
        ]
    ):
        case_of(tmp_path / "submissions" / str(pr), table=table, logs=logs)
        rows.append({"pr": pr, "verdict": verdict, "reasons": reasons, "data": f"submissions/{pr}"})
    rows.append({"pr": 99, "verdict": "valid", "reasons": ["CLEAN"], "data": None})
    path = tmp_path / "verdicts.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def test_figures_are_shares_of_what_was_measured(labels: Path) -> None:
    confusion = bench.score(bench.read_rows(labels), bench.excerpts(labels), expects_code=False)
    assert confusion.balanced_accuracy == 0.5
    assert confusion.precision == 0.5
    assert confusion.share("valid", "block") == 0.5
    assert confusion.unmeasured == ["99"]
    assert confusion.missed == ["#3: TTT_TRAIN_THEN_SCORE"]
    assert confusion.accused == ["#1 block: SIZE_OVER"]
    assert (confusion.caught["SIZE_OVER"], confusion.reasons["SIZE_OVER"]) == (1, 1)


def test_the_report_says_which_targets_are_missed(labels: Path) -> None:
    lines = list(bench.report(labels.parent, None))
    met = {line.what.partition(": ")[2]: line.met for line in lines if line.target}
    assert met == {
        "balanced accuracy, blocked or reviewed against invalid": False,
        "of what is blocked, invalid": False,
        "of the valid, blocked": False,
        "of the valid, sent to review": True,
    }


def test_without_labels_nothing_is_claimed(tmp_path: Path) -> None:
    [line] = bench.report(tmp_path, None)
    assert (line.figure, line.met) == ("not at hand", None)
