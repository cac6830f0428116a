"""What a log shows of the evaluation."""

from functools import partial
from pathlib import Path

import pytest
from toy_folder import case_of, log_of

from golf.referee.checks import traces

plain = partial(log_of, bpb=1.2, model_bpb=1.22)


def shown(folder: Path, log: str, **table: object) -> dict[str, str]:
    case = case_of(folder, table=table or None, logs={"train_seed42.log": log})
    return {finding.code: finding.severity for finding in traces.findings(case)}


@pytest.mark.parametrize(
    ("line", "code", "severity"),
    [
        ("prequant_ttt:epoch 1/6 loss:2.8747 time:17.3s", "TTT_PREQUANT_VAL", "block"),
        ("ngram_pass2: rescoring all chunks with full cache (237 chunks)", "TWO_PASS_RESCORE", "block"),
        ("ttt_second_pass: chunks=189 lr=0.0001 order=first", "TWO_PASS_RESCORE", "block"),
        ("ppm_mix bytes=10982035 mix_bpb=1.2 ppm_only=2.38", "PPM_UNNORMALISED", "block"),
        ("gptq:collected hessians for 68 layers (val-data)", "GPTQ_CALIB_ON_VAL", "block"),
        ("prefilling frozen n-gram oracle from training shards...", "TRAIN_DATA_AT_EVAL", "block"),
        ("slot_exact val_loss:2.02 val_bpb:1.2", "SLOT_NONCAUSAL", "flag"),
    ],
)
def test_a_line_of_a_disqualified_method_is_found(tmp_path: Path, line: str, code: str, severity: str) -> None:
    assert shown(tmp_path, plain(before=[line]))[code] == severity


@pytest.mark.parametrize(
    "line",
    [
        "ttt_sliding:start chunks=1893 chunk_tokens=32768 ttt_lr=0.002 ttt_epochs=3 freeze_blocks=0",
        "  ttt_chunk [1/474] bpb=1.158422 time=2.3s",
        "    ttt_train [1] epoch=1/1 batches=2 loss=2.0",
        "ttt_burst:epoch:1/2 avg_loss:1.9151",
        "ngram_tilt:precompute n_tok=40540161 hints=9560451 (23.58%) elapsed=33.0s",
        "  prequant_ttt_enabled: False",
        "gptq:collected hessians for 68 layers (AR self-gen)",
    ],
)
def test_lines_of_accepted_methods_are_not(tmp_path: Path, line: str) -> None:
    assert not shown(tmp_path, plain(before=[line]))


def test_a_source_that_the_log_embeds_shows_nothing(tmp_path: Path) -> None:
    source = 'import torch\n# prequant_ttt:epoch\nlog0(f"prequant_ttt:epoch {epoch}")\n' + "=" * 100 + "\n"
    assert not shown(tmp_path, source + plain())


def test_epochs_before_the_first_score_are_train_then_score(tmp_path: Path) -> None:
    """As in #254: three epochs over the split, then the scoring pass."""
    lines = ["ttt:start lr=0.002 epochs=3", "ttt_epoch:1/3 loss:1.9512", "ttt_epoch:3/3 loss:1.9507"]
    case = case_of(tmp_path, logs={"a.log": plain(before=lines)})
    [finding] = traces.findings(case)
    assert (finding.code, finding.severity) == ("TTT_TRAIN_THEN_SCORE", "block")
    assert [where.line for where in finding.evidence] == [13, 14]


def test_epochs_before_quantisation_are_pre_quant(tmp_path: Path) -> None:
    lines = ["ttt_adamw:epoch 6/6 loss:1.9072 time:178.7s", "gptq:quantizing 68 layers"]
    assert shown(tmp_path, plain(before=lines)) == {"TTT_PREQUANT_VAL": "block"}


def test_epochs_after_the_score_change_it_no_more(tmp_path: Path) -> None:
    assert not shown(tmp_path, plain(after=["ttt_epoch:1/3 loss:1.9512"]))


def test_a_cache_that_makes_the_score_blocks(tmp_path: Path) -> None:
    before = ["ngram_cache:enabled alpha=0.4 min_count=2 order=7 backoff=True buckets=4194304"]
    assert shown(tmp_path, log_of(bpb=0.99, model_bpb=1.14, before=before))["NGRAM_UNNORMALISED"] == "block"


def test_a_cache_that_gains_next_to_nothing_asks_for_a_reader(tmp_path: Path) -> None:
    before = ["ngram_cache:enabled alpha=0.4 min_count=2 order=7 backoff=True buckets=4194304"]
    assert shown(tmp_path, plain(before=before)) == {"NGRAM_UNNORMALISED": "flag"}


def test_a_mixture_that_is_not_the_submitted_score_asks_for_a_reader(tmp_path: Path) -> None:
    log = plain(before=["ppm_mixer val_bpb:0.99646089 eval_time:353917ms order=4"])
    assert shown(tmp_path, log, val_bpb=1.2) == {"PPM_UNNORMALISED": "flag"}
    assert shown(tmp_path / "b", log, val_bpb=0.9965) == {"PPM_UNNORMALISED": "block"}


def test_calibration_on_training_data_after_the_clock_blocks(tmp_path: Path) -> None:
    """#593 and #609 were rejected for it; #535 prints this line."""
    log = plain(train_s=600.05, before=["gptq:calibrating with training data..."])
    assert shown(tmp_path, log) == {"GPTQ_CALIB_AT_EVAL_ON_TRAIN": "block"}


def test_calibration_on_data_it_does_not_name_asks_for_a_reader(tmp_path: Path) -> None:
    log = plain(train_s=600.05, before=["gptq:calibrating with 256 batches..."])
    assert shown(tmp_path, log) == {"GPTQ_CALIB_AT_EVAL_ON_TRAIN": "flag"}


@pytest.mark.parametrize(
    ("train_s", "lines"),
    [
        (586.1, ["gptq:calibrating with 64 batches (training data)..."]),
        (599.6, ["gptq:reserving 1s, effective=599000ms", "GPTQ:collecting Hessians from calibration data..."]),
        (
            600.1,
            ["gptq:generating autoregressive calibration data", "gptq:collecting hessians from autoregressive data"],
        ),
    ],
)
def test_calibration_within_the_clock_or_on_generated_text_is_legal(
    tmp_path: Path, train_s: float, lines: list[str]
) -> None:
    assert not shown(tmp_path, plain(train_s=train_s, before=lines))


@pytest.mark.parametrize("word", ["gptq", "ttt_", "ttt:", "ppm_mix ", "ngram_"])
def test_a_word_repeated_endlessly_is_read_to_its_end(tmp_path: Path, word: str) -> None:
    """Expressions without a bound take minutes on such lines, and the suite's time limit ends them."""
    assert not shown(tmp_path, plain(after=[word * (590 // len(word))] * 500))


def test_a_temperature_chosen_on_rescored_tokens_is_a_second_pass(tmp_path: Path) -> None:
    """As in #991, submitted at T=0.98."""
    log = plain(label="final_ttt_T1.0", after=["final_ttt_T0.98_exact val_loss:2.02 val_bpb:1.195"])
    assert shown(tmp_path, log)["TWO_PASS_RESCORE"] == "block"
