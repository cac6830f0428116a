"""Training logs: every dialect is read whole, and no source is mistaken for a result."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_texts import BANNER, CHALLENGE, PREAMBLE, RULE, SCORES, SIZES, SOURCE, SPACED, TERNARY, TRAINING

from golf.measure.logs import read_log

# --- dialects ----------------------------------------------------------------------------------


def test_challenge_dialect_is_read_whole(log):
    it = log(CHALLENGE)
    assert (it.final_label, it.final_bpb, it.final_loss) == ("final_int8_zlib_roundtrip_exact", 1.22436570, 2.07269931)
    assert (it.artifact_bytes, it.model_bytes, it.code_bytes) == (15863489, 15815847, {"plain": 47642})
    assert (it.train_time_s, it.eval_time_s, it.steps, it.iterations) == (600.038, 1.401, 13780, 20000)
    assert (it.seed, it.world_size, it.train_shards, it.val_tokens) == (1337, 8, 80, 62021632)
    assert (it.model_params, it.memory_bytes, it.wallclock_cap_s) == (17059912, 10184 * 2**20, 600.0)
    assert it.last_step_bpb == 1.2172
    assert it.hyperparameters["train_seq_len"] == "1024"
    assert [(p.step, p.train_loss, p.val_bpb, p.train_time_s) for p in it.points] == [
        (0, None, 4.1077, 0.0),
        (1, 6.9370, None, 0.042),
        (13780, None, 1.2172, 600.038),
    ]
    assert it.missing == {}


def test_stop_file_ends_training_like_the_wall_clock_does(log):
    it = log(
        PREAMBLE + "step:9/20 train_loss:6.1 train_time:90ms\nstopping_early: stop_file train_time:95ms step:10/20\n"
    )
    assert (it.steps, it.train_time_s) == (10, 0.095)


@pytest.mark.parametrize(
    "prefix", ["", "1776143349.278 ", "12.5s ", "[default0]:", "[05:27:26] ", "2026-04-29 18:25:46+08:00 "]
)
def test_spaced_dialect_is_read_whatever_stands_before_each_line(log, prefix):
    it = log("".join(prefix + line for line in SPACED.splitlines(keepends=True)))
    assert (it.final_label, it.final_bpb, it.final_loss) == ("quantized_ttt_lora", 1.07057187, 2.76539833)
    assert (it.artifact_bytes, it.model_bytes) == (15939048, 15911493)
    assert it.code_bytes == {"uncompressed": 122501, "compressed": 27555}
    assert (it.train_time_s, it.eval_time_s, it.steps, it.last_step_bpb) == (587.083, 238.1, 4843, 1.0711)
    assert (it.seed, it.world_size, it.train_shards, it.val_tokens) == (314, 8, 80, 40540160)
    assert (it.model_params, it.memory_bytes, it.wallclock_cap_s) == (35945671, 40181 * 2**20, 600.0)


def test_ternary_dialect_counts_the_bytes_of_its_budget_line(log):
    it = log(TERNARY)
    assert (it.final_label, it.final_bpb, it.eval_time_s) == ("final_sliding", 1.1565, 429.311)
    assert (it.artifact_bytes, it.code_bytes, it.steps, it.train_time_s) == (15993853, {"plain": 70853}, 6530, 599.652)
    assert (it.seed, it.world_size, it.model_params, it.wallclock_cap_s) == (42, 8, 73685840, 599.0)
    assert it.points[0].train_loss == 3.3120


def test_sliding_score_printed_under_the_round_trip_label_keeps_both_candidates(log):
    it = log(
        "final_int8_zlib_roundtrip val_loss:2.0569 val_bpb:1.2182 eval_time:2306ms\n"
        "final_int8_zlib_roundtrip_exact val_loss:2.05689911 val_bpb:1.21821151\n"
        "final_int8_zlib_roundtrip sliding val_loss:2.0210 sliding val_bpb:1.1969 eval_time:149529ms\n"
        "final_int8_zlib_roundtrip_exact sliding val_loss:2.02095340 sliding val_bpb:1.19692464\n"
    )
    assert (it.final_label, it.final_bpb, it.eval_time_s) == ("final_int8_zlib_roundtrip_exact", 1.19692464, 149.529)
    assert it.candidates["final_int8_zlib_roundtrip_exact"] == 1.21821151
    assert it.candidates["final_int8_zlib_roundtrip_exact sliding"] == 1.19692464


def test_stride_between_label_and_score_is_no_part_of_the_label(log):
    it = log(
        "final_sliding_window_eval stride:64 val_loss:1.9637 val_bpb:1.1630 eval_time:72650ms\n"
        "final_sliding_window_eval_exact stride:64 val_loss:1.96369923 val_bpb:1.16301431\n"
    )
    assert (it.final_label, it.final_bpb, it.eval_time_s) == ("final_sliding_window_eval_exact", 1.16301431, 72.65)


def test_evaluation_time_is_that_of_the_pass_the_score_stands_on(log):
    it = log(
        "final_int6_roundtrip val_loss:1.9225 val_bpb:1.1386 eval_time:23007ms\n"
        "final_int6_roundtrip_exact val_loss:1.92248956 val_bpb:1.13860661\n"
        "final_int6_sliding_window val_loss:1.8828 val_bpb:1.1151 stride:64 eval_time:105090ms\n"
        "final_int6_sliding_window_exact val_loss:1.88276292 val_bpb:1.11508120\n"
        "final_int8_zlib_roundtrip_exact val_loss:1.88276292 val_bpb:1.11508120\n"
    )
    assert (it.final_label, it.eval_time_s) == ("final_int8_zlib_roundtrip_exact", 105.09)


# --- the embedded source -----------------------------------------------------------------------


def test_nothing_inside_the_source_is_a_result(log):
    it = log(SOURCE + BANNER)
    assert it.final_bpb is it.artifact_bytes is it.steps is it.seed is it.last_step_bpb is None
    assert it.points == []
    assert it.candidates == {}


def test_bare_result_line_in_the_source_is_taken_back_when_source_follows(log):
    bare = "final_int8_zlib_roundtrip_exact val_loss:2.0 val_bpb:1.0\n"
    for after in ("import sys\n" + PREAMBLE, "    main()\n" + RULE):
        it = log("import os\n" + bare + after + TRAINING)
        assert it.final_bpb is None
        assert it.candidates == {}
        assert it.steps == 13780


def test_source_in_mid_log_does_not_cut_the_hyperparameters_before_it(log):
    head, tail = SPACED.split("train_shards: 80\n")
    it = log(RULE + head + RULE + SOURCE + RULE + "train_shards: 80\n" + tail)
    assert (it.seed, it.world_size, it.final_bpb, it.train_shards) == (314, 8, 1.07057187, 80)


def test_source_without_a_rule_ends_where_the_log_begins(log):
    it = log(SOURCE + PREAMBLE + TRAINING + SIZES + SCORES)
    assert (it.final_bpb, it.artifact_bytes, it.steps, it.train_shards) == (1.22436570, 15863489, 13780, 80)


def test_log_that_ends_inside_its_source_says_so(log):
    it = log(SOURCE)
    assert it.final_bpb is None
    assert "source" in it.missing["final_bpb"]


def test_source_whose_quotes_were_torn_does_not_swallow_the_log(log):
    it = log('"""\nThe `train_gpt.py' + CHALLENGE.removeprefix(SOURCE))
    assert (it.final_bpb, it.steps) == (1.22436570, 13780)


# --- round trip -----------------------------------------------------------------------------------------

decimals4 = st.integers(1, 99_999).map(lambda n: n / 10_000)
decimals8 = st.integers(10_000_000, 999_999_999).map(lambda n: n / 100_000_000)
sizes = st.integers(1, 10**9)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spaced=st.booleans(),
    prefixed=st.booleans(),
    with_source=st.booleans(),
    seed=st.integers(0, 2**31 - 1),
    codec=st.sampled_from(["int8+zlib", "int6+zstd-22", "quantized+brotli", "mixed_int5_int6+brotli", "int6+lzma-9"]),
    label=st.sampled_from(["final_int8_zlib_roundtrip", "final_int6_sliding_window", "quantized_ttt", "legal_ttt"]),
    steps=st.lists(st.tuples(decimals4, decimals4), min_size=1, max_size=6),
    score=st.tuples(decimals8, decimals8),
    model=sizes,
    code=sizes,
    train_ms=st.integers(1, 10**8),
    eval_ms=st.integers(1, 10**7),
)
def test_what_a_log_was_written_with_is_what_is_read(
    tmp_path, spaced, prefixed, with_source, seed, codec, label, steps, score, model, code, train_ms, eval_ms
):
    gap = " " if spaced else ""
    last = 10 * len(steps)
    lines = [*SOURCE.splitlines(), RULE.strip()] if with_source else []
    lines += ["Hyperparameters:", f"  seed: {seed}", "  iterations: 5000"] if spaced else [f"seed:{seed}"]
    for i, (loss, bpb) in enumerate(steps, 1):
        name = f"{10 * i}/5000" if spaced else f"step:{10 * i}/5000"
        tail = "" if spaced else f" train_time:{train_ms * i // len(steps)}ms step_avg:1.00ms"
        lines.append(f"{name} val_loss:{gap}{loss:.4f} val_bpb:{gap}{bpb:.4f}{tail}")
    lines += [
        f"stopping_early: wallclock_cap train_time:{gap}{train_ms}ms step:{gap}{last}/5000",
        f"Code size: {code} bytes",
        f"Total submission size: {model * 4 + code} bytes",
        f"Serialized model {codec}: {model} bytes",
        f"Total submission size {codec}: {model + code} bytes",
        f"{label} val_loss:{score[0]:.4f} val_bpb:{score[1]:.4f} eval_time:{eval_ms}ms",
        f"{label}_exact val_loss:{score[0]:.8f} val_bpb:{score[1]:.8f}",
    ]
    path = tmp_path / "train.log"
    path.write_text(
        "".join(f"{1776142360.5 + i if prefixed else ''}{' ' * prefixed}{x}\n" for i, x in enumerate(lines))
    )
    it = read_log(path)
    assert (it.seed, it.final_label, it.final_loss, it.final_bpb) == (seed, f"{label}_exact", *score)
    assert (it.artifact_bytes, it.model_bytes, it.code_bytes) == (model + code, model, {"plain": code})
    assert (it.steps, it.iterations, it.last_step_bpb) == (last, 5000, steps[-1][1])
    assert (it.train_time_s, it.eval_time_s) == (train_ms / 1000, eval_ms / 1000)
    assert [(p.step, p.val_loss, p.val_bpb) for p in it.points] == [(10 * i, *s) for i, s in enumerate(steps, 1)]
