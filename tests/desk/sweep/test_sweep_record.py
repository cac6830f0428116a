"""The record has each run's score once, and none where there is none (S74)."""

import json
import os
import sys
from pathlib import Path

import pytest
from swept import SAYS_ITS_SETTINGS, planned, play, written

from golf.desk.sweep import record, script
from golf.desk.sweep.specification import Metric, parse


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("step 0: train loss 4.2, val loss 4.1\nstep 9: train loss 1.2, val loss 1.4697\n", 1.4697),
        ("{'val_loss': 1.5}\n", 1.5),
        ("val-loss=1e-3", 0.001),
        ("eval loss 3", None),
        ("val loss nan", None),
        ("val loss 1.2.3", None),
        ("step 1: val loss 2.1\nstep 9: val loss nan\n", None),  # it diverged: 2.1 is no score of it
        ("step 1: val loss 2.1\nstep 9: val loss: -Inf\n", None),
        ("step 1: val loss nan\nstep 9: val loss 2.1\n", 2.1),
    ],
)
def test_s74_a_metric_is_read_as_the_log_spells_it(text: str, score: float | None, tmp_path: Path) -> None:
    (tmp_path / "run.log").write_text(text)
    assert record.score_in(tmp_path / "run.log", "val loss") == score


def test_s74_a_run_that_ends_in_nan_has_no_val_bpb(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_text("step:10/20 val_loss:2.5 val_bpb:1.1000 train_time:1ms\n")
    assert record.score_in(log, "val_bpb") == 1.1
    log.write_text(log.read_text() + "step:20/20 val_loss:nan val_bpb:nan train_time:2ms\n")
    assert record.score_in(log, "val_bpb") is None


@pytest.mark.parametrize("said", [{"script": "b.py"}, {"tier": "local"}, {"parent": "wide"}])
def test_s74_a_row_of_another_script_tier_or_parent_is_stale(said: dict[str, str], tmp_path: Path) -> None:
    sweep = {"name": "r", "style": "env", "command": "python a.py", "grid": {"A": [1]}, "script": "a.py"}
    first, other = (planned(parse(json.dumps(one), "r"), tmp_path, tmp_path) for one in (sweep, {**sweep, **said}))
    row = record.Outcome(point="a1", seed=1337, digest=first.points[0].digest, status="done", score=1.0)
    record.extend(tmp_path / record.RECORD, first, [row])
    assert record.read(tmp_path / record.RECORD, first).outcomes == [row]
    found = record.read(tmp_path / record.RECORD, other)
    assert (found.outcomes, found.stale) == ([], 1)


def test_s74_the_record_takes_each_run_once_and_leaves_out_what_is_no_longer_planned(here: Path) -> None:
    (here / "train.py").write_text(SAYS_ITS_SETTINGS)
    sweep = {"name": "r", "command": [sys.executable, "train.py"], "grid": {"a": [1, 2]}, "seeds": [1, 2, 3],
             "metric": {"name": "val loss"}}  # fmt: skip
    assert play(written(here, json.dumps(sweep)) / "r").returncode == 0
    out = here / "outputs/sweeps/r"
    first = planned(parse(json.dumps(sweep), "r"), here / "configs/sweeps/r", here)
    for _ in range(2):
        rows = record.extend(out / record.RECORD, first, record.of_logs(out, first, Metric(name="val loss")))
    assert len((out / record.RECORD).read_text().splitlines()) == 6 == len(rows.outcomes)
    assert {seed: one.score for seed, one in rows.of("a1").items()} == {1: 1.01, 2: 1.02, 3: 1.03}
    with open(out / record.RECORD, "a") as file:
        file.write("{torn\n")
    other = planned(parse(json.dumps({**sweep, "fixed": {"b": 2}}), "r"), here / "configs/sweeps/r", here)
    found = record.read(out / record.RECORD, other)
    assert (found.outcomes, found.stale, found.damaged) == ([], 6, 1)


def test_s74_runs_of_the_script_have_the_name_that_the_record_looks_for() -> None:
    assert script.run_name("a1", 2) == "a1-seed2"
    assert os.sep not in script.run_name("a1", 2)
