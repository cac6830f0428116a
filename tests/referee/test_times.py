"""Training and evaluation against the clock of the record track."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_folder import case_of, log_of

from golf.referee.checks import times
from golf.rulings import Finding

HARDWARE = {"hardware": "8xH100 80GB SXM"}


def severities(found: list[Finding], code: str) -> list[str]:
    return [finding.severity for finding in found if finding.code == code]


@pytest.mark.parametrize(("seconds", "expected"), [(600.1, []), (600.4, ["note"]), (602.3, ["block"])])
def test_training_may_overshoot_by_one_step(tmp_path: Path, seconds: float, expected: list[str]) -> None:
    """Accepted logs end by 600.4 s; one of 602.0 s was replaced by a rerun."""
    case = case_of(tmp_path, table=HARDWARE, logs={"a.log": log_of(train_s=seconds)})
    assert severities(times.findings(case), "TIME_OVER_TRAIN") == expected


def test_the_slowest_seed_is_the_one_quoted(tmp_path: Path) -> None:
    logs = {"seed1.log": log_of(train_s=600.5), "seed2.log": log_of(train_s=900.0)}
    [finding] = times.findings(case_of(tmp_path, table=HARDWARE, logs=logs))
    assert (finding.severity, finding.evidence[0].file) == ("block", "seed2.log")
    assert "900000ms" in finding.evidence[0].quote


def test_the_clock_does_not_hold_outside_the_record_track(tmp_path: Path) -> None:
    logs = {"a.log": log_of(train_s=14_400, eval_s=1_762)}
    case = case_of(tmp_path, table=HARDWARE, logs=logs, track="non_record_16mb")
    assert {finding.severity for finding in times.findings(case)} == {"note"}


def test_fewer_gpus_make_an_overlong_run_a_note(tmp_path: Path) -> None:
    """Two GPUs for 2,400 s are the same compute; whether that makes a record is a question of evidence."""
    case = case_of(tmp_path, logs={"a.log": log_of(train_s=2_400, world_size=2)})
    assert severities(times.findings(case), "TIME_OVER_TRAIN") == ["note"]


def test_other_hardware_in_the_json_makes_an_overlong_run_a_note(tmp_path: Path) -> None:
    case = case_of(tmp_path, table={"hardware": "8xA100 40GB"}, logs={"a.log": log_of(train_s=900)})
    assert severities(times.findings(case), "TIME_OVER_TRAIN") == ["note"]


def test_an_unknown_track_asks_for_a_reader_instead_of_blocking(tmp_path: Path) -> None:
    case = case_of(tmp_path, table=HARDWARE, logs={"a.log": log_of(train_s=700)}, track=None)
    assert severities(times.findings(case), "TIME_OVER_TRAIN") == ["flag"]


@pytest.mark.parametrize(("readme", "train_s"), [("# Toy\n", 14_400), ("# Toy, a non-record submission\n", 700)])
def test_who_takes_hours_or_says_so_is_not_on_the_record_track(tmp_path: Path, readme: str, train_s: float) -> None:
    logs = {"a.log": log_of(train_s=train_s, eval_s=1_762)}
    case = case_of(tmp_path, readme=readme, table=HARDWARE, logs=logs, track=None)
    assert {finding.severity for finding in times.findings(case)} == {"note"}


def test_two_merged_records_make_h200_standard(tmp_path: Path) -> None:
    case = case_of(tmp_path, table={"hardware": "8xH200"}, logs={"a.log": log_of(train_s=900)})
    assert severities(times.findings(case), "TIME_OVER_TRAIN") == ["block"]


def test_an_evaluation_over_the_clock_blocks(tmp_path: Path) -> None:
    """cocohearts on #1972: 688 s are over the 600 s evaluation cap."""
    case = case_of(tmp_path, table=HARDWARE, logs={"a.log": log_of(eval_s=688)})
    assert severities(times.findings(case), "TIME_OVER_EVAL") == ["block"]


def test_a_total_stated_by_the_script_is_what_counts(tmp_path: Path) -> None:
    case = case_of(tmp_path, table=HARDWARE, logs={"a.log": log_of(eval_s=500, after=["total_eval_time:672.3s"])})
    [finding] = times.findings(case)
    assert (finding.code, finding.severity) == ("TIME_OVER_EVAL", "block")
    assert "672.3" in finding.text


def test_work_moved_out_of_the_timer_asks_for_a_reader(tmp_path: Path) -> None:
    before = ["ngram_tilt:precompute_outside_timer_done elapsed=164.50s total_targets=100"]
    case = case_of(tmp_path, table=HARDWARE, logs={"a.log": log_of(eval_s=550, before=before)})
    [finding] = times.findings(case)
    assert finding.severity == "flag"
    assert "714.5 s" in finding.text


def test_an_overlong_pass_beside_an_untimed_score_asks_for_a_reader(tmp_path: Path) -> None:
    log = "".join(
        line
        for line in log_of(eval_s=2_202).splitlines(keepends=True)
        if not line.startswith("final_int8_zlib_roundtrip_exact")
    )
    case = case_of(tmp_path, table=HARDWARE, logs={"a.log": log + "final_mixture_exact val_bpb:1.15000000\n"})
    assert severities(times.findings(case), "TIME_OVER_EVAL") == ["flag"]


def test_calibration_past_the_clock_is_a_note(tmp_path: Path) -> None:
    """Accepted records reserve half a second and calibrate for four."""
    log = log_of(train_s=599.6, before=["GPTQ:collected 67 Hessians in 3.5s"])
    [finding] = times.findings(case_of(tmp_path, table=HARDWARE, logs={"a.log": log}))
    assert (finding.code, finding.severity) == ("TIME_OVER_TRAIN", "note")
    assert "603.1 s" in finding.text


@given(train_s=st.floats(1, 5_000), eval_s=st.floats(1, 5_000), world_size=st.sampled_from([1, 2, 8]))
def test_nothing_within_the_clock_is_ever_found(
    tmp_path_factory: pytest.TempPathFactory, train_s: float, eval_s: float, world_size: int
) -> None:
    logs = {"a.log": log_of(train_s=round(train_s, 3), eval_s=round(eval_s, 3), world_size=world_size)}
    found = times.findings(case_of(tmp_path_factory.mktemp("toy"), table=HARDWARE, logs=logs))
    if train_s <= 600.2 and eval_s <= 601:
        assert not found
    if world_size != 8:
        assert all(finding.severity == "note" for finding in found)
