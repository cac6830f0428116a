"""Sizes, times and steps of a log: read where they are stated, and otherwise missing with a reason."""

from log_texts import FAILED_TTT, PREAMBLE, SOURCE, SPACED


def test_raw_total_is_not_the_artifact(log):
    it = log("Serialized model: 900 bytes\nCode size: 100 bytes\nTotal submission size: 1000 bytes\n")
    assert it.artifact_bytes is None
    assert "uncompressed" in it.missing["artifact_bytes"]


def test_total_without_codec_is_the_artifact_when_it_adds_up_to_the_compressed_model(log):
    it = log(
        "Serialized model: 111568154 bytes\nCode size: 80288 bytes\nTotal submission size: 111648442 bytes\n"
        "Serialized model rdquant+zstd: 16558180 bytes\nTotal submission size: 16638468 bytes\n"
    )
    assert (it.artifact_bytes, it.model_bytes) == (16638468, 16558180)


def test_two_different_totals_settle_nothing(log):
    it = log("Total submission size int8+zlib: 20493200 bytes\nTotal submission size int6+zstd: 15084480 bytes\n")
    assert it.artifact_bytes is None
    assert "20493200" in it.missing["artifact_bytes"]
    assert "15084480" in it.missing["artifact_bytes"]


def test_evaluation_that_states_no_time_was_not_timed(log):
    it = log("final_int8_zlib_roundtrip val_loss:2.9636 val_bpb:1.1473 eval_mode:online_ttt eval_time:0ms\n")
    assert it.eval_time_s is None
    assert "not timed" in it.missing["eval_time_s"]


def test_rounded_minutes_are_no_training_time(log):
    it = log("1/10 train_loss: 9.0 train_time: 0.1m tok/s: 5\n10/10 train_loss: 8.0 train_time: 8.7m tok/s: 5\n")
    assert it.steps == 10
    assert it.train_time_s is None
    assert "rounded" in it.missing["train_time_s"]
    assert it.points[-1].train_time_s == 522.0


def test_stop_before_the_last_step_contradicts_itself(log):
    it = log(
        "step:400/500 train_loss:2.4 train_time:480986ms\nstopping_early: wallclock_cap train_time:0ms step:500/500\n"
    )
    assert it.train_time_s is None
    assert "contradicts" in it.missing["train_time_s"]


def test_running_training_has_no_time_and_no_steps_yet(log):
    it = log(PREAMBLE + "step:200/20000 train_loss:2.8 train_time:15629ms step_avg:78.15ms\n")
    assert it.steps is it.train_time_s is None
    assert "had not ended" in it.missing["steps"]
    assert it.points[-1].step == 200


def test_every_number_that_is_none_has_its_reason(log):
    for text in ("", "hello\n", FAILED_TTT, SPACED, SOURCE):
        it = log(text)
        nothing = {name for name, value in it.model_dump().items() if value is None}
        assert nothing == set(it.missing)
        assert all(it.missing.values())
