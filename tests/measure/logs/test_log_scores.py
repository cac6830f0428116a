"""Which of several runs and several scores is the final one, or why none is."""

import json

import pytest
from log_texts import BANNER, CHALLENGE, FAILED_TTT, PREAMBLE, SCORES, SOURCE, TRAINING

from golf.measure.logs import folder_logs


def test_last_of_several_runs_counts(log):
    second = CHALLENGE.replace("seed:1337", "seed:43").replace("1.22436570", "1.21000000").replace("1.2244", "1.2100")
    it = log(CHALLENGE + second)
    assert (it.seed, it.final_bpb) == (43, 1.21)
    assert [p.step for p in it.points] == [0, 1, 13780]


def test_second_run_without_a_score_does_not_borrow_the_first_ones(log):
    it = log(CHALLENGE + BANNER + PREAMBLE + "step:200/20000 train_loss:2.9 train_time:8000ms step_avg:40.00ms\n")
    assert it.final_bpb is it.artifact_bytes is it.train_time_s is it.steps is None
    assert "2 runs" in it.missing["artifact_bytes"]


def test_steps_that_start_over_are_a_new_run(log):
    it = log(PREAMBLE + TRAINING + SCORES + TRAINING)
    assert it.final_bpb is None
    assert it.steps == 13780
    assert it.seed == 1337


def test_source_printed_after_the_results_does_not_void_them(log):
    it = log(PREAMBLE + TRAINING + SCORES + SOURCE)
    assert (it.final_bpb, it.steps, it.seed) == (1.22436570, 13780, 1337)


def test_failed_test_time_training_leaves_the_score_open(log):
    it = log(FAILED_TTT)
    assert it.final_bpb is it.final_label is it.final_loss is it.eval_time_s is None
    assert "final_int6_ttt" in it.missing["final_bpb"]
    assert "final_int6_sliding_window" in it.missing["final_bpb"]
    assert it.candidates["final_int6_sliding_window"] == 1.08938974
    assert it.steps == 13780


@pytest.mark.parametrize("claim", [1.0894, 1.08971631])
def test_claimed_score_chooses_among_the_stated_ones(log, claim):
    it = log(FAILED_TTT, expected_bpb=claim)
    assert (it.final_label, it.final_bpb, it.eval_time_s) == ("final_int6_sliding_window", 1.08938974, 76.195)


def test_claimed_score_that_no_line_states_becomes_no_number(log):
    assert log(FAILED_TTT, expected_bpb=1.05).final_bpb is None
    assert log(CHALLENGE, expected_bpb=1.05).final_bpb == 1.22436570


BESIDE = """\
pre-quantization post-ema val_loss:2.00000000 val_bpb:1.17158907 eval_time:33143ms
mixer_of_ours val_bpb:0.99548272 eval_time:363674ms
online_best_sliding_exact val_loss:2.79407102 val_bpb:1.08167651
final_sliding_window_exact val_loss:2.80000000 val_bpb:1.09000000 eval_time:90000ms
"""


@pytest.mark.parametrize("claim", [0.99548272, 1.08167651, 0.9955])
def test_score_beside_the_final_one_is_final_only_when_it_is_what_is_claimed(log, claim):
    assert log(BESIDE).final_bpb == 1.09
    assert log(BESIDE, expected_bpb=claim).final_bpb == pytest.approx(claim, abs=6e-5)


def test_score_from_before_quantisation_is_never_final_whatever_is_claimed(log):
    assert log(BESIDE, expected_bpb=1.17158907).final_bpb == 1.09


TWO_SCORES = """\
final_roundtrip_exact val_loss:2.10000000 val_bpb:1.21234567
final_sliding_window_exact val_loss:2.00000000 val_bpb:1.19876543
"""


def test_headline_to_six_decimals_is_the_score_of_the_log_that_states_it(tmp_path):
    (tmp_path / "train.log").write_text(TWO_SCORES)
    (tmp_path / "submission.json").write_text(json.dumps({"val_bpb": 1.21234567}))
    assert [it.final_bpb for it in folder_logs(tmp_path)] == [1.21234567]
    (tmp_path / "submission.json").write_text(json.dumps({"val_bpb": 1.2123}))
    assert [it.final_bpb for it in folder_logs(tmp_path)] == [1.19876543]


def test_diagnostics_alone_are_no_final_score(log):
    it = log(
        "DIAGNOSTIC post_ema val_loss:1.9222 val_bpb:1.1385 eval_time:1960ms\n"
        "pre-quantization post-ema val_loss:2.81078864 val_bpb:1.08815657 eval_time:6623ms\n"
    )
    assert it.final_bpb is None
    assert set(it.candidates) == {"DIAGNOSTIC post_ema", "pre-quantization post-ema"}


def test_summary_of_a_loop_after_the_last_labelled_score_leaves_it_open(log):
    it = log(
        "quantized_sliding_window val_loss:2.77 val_bpb:1.0777 eval_time:90000ms\n"
        "ttt_sliding:done val_loss=2.769 val_bpb=1.0769 elapsed=410.7s\n"
    )
    assert it.final_bpb is None
    assert it.candidates == {"quantized_sliding_window": 1.0777, "ttt_sliding:done": 1.0769}


def test_last_score_that_is_not_a_number_does_not_fall_back_to_an_earlier_one(log):
    it = log(SCORES + "final_sliding_window val_loss:nan val_bpb:nan eval_time:3ms\n")
    assert it.final_bpb is None
    assert "not a finite number" in it.missing["final_bpb"]


def test_score_only_on_the_last_step_is_not_called_final(log):
    it = log(PREAMBLE + TRAINING)
    assert it.final_bpb is None
    assert it.last_step_bpb == 1.2172
    assert "last_step_bpb" in it.missing["final_bpb"]
