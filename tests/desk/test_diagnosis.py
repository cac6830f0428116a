"""What is wrong with a run: each trouble on a log or script that has it, and none on those that have not (S94)."""

import contextlib
import json
import math
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import scored

from golf.cli import main
from golf.desk.diagnosis.diagnose import diagnose
from golf.desk.diagnosis.trouble import Diagnosis, TroubleCode
from golf.desk.series import read_run
from golf.errors import NotFound, UnreadableInput
from golf.jobs.store import JobStore
from golf.report.diagnosis import BLOCKS, sparkline
from golf.workspace import Workspace

DATA = Path(__file__).parents[3] / "shared" / "data"

STEPS = 2000
Shape = Callable[[int], float]


def healthy(step: int) -> float:
    """Falls as a language model's loss does, by half of what is left every fifth of the run."""
    return 2.0 + 5.0 * math.exp(-step / 60) + 0.6 * math.exp(-step / 800)


def log(
    path: Path, *, loss: Shape = healthy, every: int = 20, steps: int = STEPS, planned: int = STEPS,
    seconds: Shape = lambda step: 0.1 * step, more: Callable[[int], str] = lambda step: "", noise: float = 0.03,
    val: Shape | None = None, after: str = "", before: str = "",
) -> Path:  # fmt: skip
    """A training log of the challenge's dialect."""
    rng = random.Random(7)
    lines = [before] if before else []
    for step in range(1, steps + 1):
        if step % every and step > 10:
            continue
        spent = f"train_time:{1000 * seconds(step):.0f}ms"
        lines.append(f"step:{step}/{planned} train_loss:{loss(step) + rng.gauss(0, noise):.4f} {spent}{more(step)}")
        if step % (10 * every) == 0:
            scored = val(step) if val else loss(step)
            lines.append(f"step:{step}/{planned} val_loss:{scored:.4f} val_bpb:{scored / 1.69:.4f} {spent}")
    lines += [f"stopping_early: wallclock_cap train_time:{1000 * seconds(steps):.0f}ms step:{steps}/{planned}"]
    path.write_text("\n".join([*lines, "peak memory allocated: 100 MiB", *([after] if after else [])]) + "\n")
    return path


def found(path: Path, **said: Path) -> dict[str, str]:
    return {one.code: one.severity for one in diagnose(None, str(path), **said).findings}


def only(path: Path, code: TroubleCode) -> Diagnosis:
    """The diagnosis of a log that has this trouble and no other."""
    seen = diagnose(None, str(path))
    assert [one.code for one in seen.findings] == [code]
    return seen


# --- curves


def test_s94_a_healthy_run_has_no_finding(tmp_path: Path) -> None:
    after = "final_int8_zlib_roundtrip val_loss:2.0550 val_bpb:1.2160 eval_time:900ms"
    seen = diagnose(None, str(log(tmp_path / "a.log", after=after)))
    assert seen.findings == []
    assert seen.verdict == "fine"
    assert {"loss", "validation", "step time", "round trip"} == set(seen.examined)
    assert "grad_norm" in seen.not_examined["clipping"]


@given(st.integers(0, 10_000), st.sampled_from([10, 50, 100]), st.floats(0.0, 0.08))
def test_s94_noise_between_batches_is_no_finding(
    tmp_path_factory: pytest.TempPathFactory, seed: int, every: int, noise: float
) -> None:
    rng = random.Random(seed)
    path = tmp_path_factory.mktemp("noise") / "a.log"
    log(path, every=every, noise=0.0, loss=lambda step: healthy(step) + rng.gauss(0, noise), val=healthy)
    assert diagnose(None, str(path)).findings == []


def test_s94_nan_is_an_error_with_its_first_line_and_the_last_number_before(tmp_path: Path) -> None:
    path = log(tmp_path / "a.log", loss=lambda step: math.nan if step >= 1000 else healthy(step))
    nan = next(one for one in diagnose(None, str(path)).findings if one.code == "NOT_A_NUMBER")
    assert nan.severity == "error"
    assert nan.first_step == 1000
    lines = path.read_text().splitlines()
    assert [lines[at.line - 1].split()[0] for at in nan.evidence if at.line] == ["step:980/2000", "step:1000/2000"]
    assert "nan" in nan.evidence[1].quote


def test_s94_divergence_is_an_error_with_where_it_began(tmp_path: Path) -> None:
    def loss(step: int) -> float:
        return healthy(step) + max(0.0, (step - 1200) / 400)

    path = log(tmp_path / "a.log", loss=loss, val=loss)
    seen = diagnose(None, str(path))
    diverged = seen.findings[0]
    assert (diverged.code, diverged.severity, seen.verdict) == ("DIVERGED", "error", "error")
    assert diverged.first_step is not None and 1100 < diverged.first_step < 1400


def test_a_loss_of_changing_parts_is_no_divergence_while_validation_falls(tmp_path: Path) -> None:
    path = log(tmp_path / "a.log", loss=lambda step: 1.0 + step / 2000, val=healthy)
    assert "DIVERGED" not in found(path)


def test_s94_a_plateau_is_a_warning_from_where_the_loss_stands_still(tmp_path: Path) -> None:
    path = log(tmp_path / "a.log", loss=lambda step: 2.3 + 4 * max(0.0, 1 - step / 800), noise=0.01)
    plateau = only(path, "PLATEAU").findings[0]
    assert plateau.severity == "warning"
    assert plateau.first_step is not None and abs(plateau.first_step - 800) <= 60
    assert "stays at 2.30" in plateau.text


def test_s94_a_spike_that_comes_back_is_a_warning_with_its_steps(tmp_path: Path) -> None:
    path = log(tmp_path / "a.log", loss=lambda step: healthy(step) + (1.5 if step in (1200, 1220) else 0))
    spike = only(path, "LOSS_SPIKE").findings[0]
    assert spike.severity == "warning"
    assert (spike.first_step, spike.last_step) == (1200, 1220)
    assert "1 time " in spike.text


def test_a_single_odd_batch_of_a_log_of_every_step_is_only_a_note(tmp_path: Path) -> None:
    path = log(tmp_path / "a.log", every=1, loss=lambda step: healthy(step) + (1.5 if step == 1200 else 0))
    assert only(path, "LOSS_SPIKE").findings[0].severity == "note"


def test_s94_clipping_at_every_step_is_a_warning_and_clipping_at_some_is_none(tmp_path: Path) -> None:
    before = "grad_clip_norm:0.3 train_seq_len:1024"
    always = log(tmp_path / "a.log", before=before, more=lambda step: f" grad_norm:{0.8 + 0.01 * (step % 7):.3f}")
    assert "0.3" in only(always, "CLIPPING_ALWAYS").findings[0].text
    some = log(tmp_path / "b.log", before=before, more=lambda step: f" grad_norm:{0.2 + 0.05 * (step // 20 % 4):.3f}")
    assert found(some) == {}


# --- time


def test_s94_step_time_that_grows_bit_by_bit_is_a_warning(tmp_path: Path) -> None:
    path = log(tmp_path / "a.log", seconds=lambda step: 0.1 * step + 0.00004 * step**2)
    assert only(path, "STEP_TIME_DRIFT").findings[0].severity == "warning"


def test_step_time_that_jumps_once_is_a_note_and_twice_the_time_a_warning(tmp_path: Path) -> None:
    dearer = log(tmp_path / "a.log", seconds=lambda step: 0.1 * step + 0.04 * max(0, step - 1000))
    shift = only(dearer, "STEP_TIME_SHIFT").findings[0]
    assert shift.severity == "note"
    assert shift.first_step is not None and abs(shift.first_step - 1000) <= 20
    collapsed = log(tmp_path / "b.log", seconds=lambda step: 0.1 * step + 0.2 * max(0, step - 1000))
    assert found(collapsed) == {"STEP_TIME_DRIFT": "warning"}


def test_s94_a_stall_is_a_warning_with_the_seconds_it_cost(tmp_path: Path) -> None:
    path = log(tmp_path / "a.log", seconds=lambda step: 0.1 * step + (60 if step >= 1500 else 0))
    stall = only(path, "STALL").findings[0]
    assert (stall.first_step, stall.last_step) == (1480, 1500)
    assert "60.0 s lost" in stall.text


# --- rate


def rate(shape: Shape) -> Callable[[int], str]:
    return lambda step: f" lr_scale:{shape(step):.4f}"


def test_s94_rates_that_come_up_and_down_in_time_are_no_finding(tmp_path: Path) -> None:
    path = log(tmp_path / "a.log", more=rate(lambda step: min(step / 40, 1.0, (2000 - step) / 600)))
    assert found(path) == {}


@pytest.mark.parametrize(
    ("shape", "planned", "code"),
    [
        (lambda step: min(step / 1000, 1.0), 2000, "WARMUP_TOO_LONG"),
        (lambda step: min(1.0, max(0.0, (1400 - step) / 600)), 2000, "RATE_ZERO_TOO_EARLY"),
        (lambda step: min(1.0, (3000 - step) / 1200), 3000, "COOLDOWN_NOT_REACHED"),
    ],
)
def test_s94_a_logged_rate_that_is_off_is_a_warning(tmp_path: Path, shape: Shape, planned: int, code: str) -> None:
    path = log(tmp_path / "a.log", planned=planned, more=rate(shape))
    assert found(path)[code] == "warning"


def test_s94_a_start_that_is_unstable_without_a_warm_up_is_a_warning(tmp_path: Path) -> None:
    path = log(tmp_path / "a.log", loss=lambda step: healthy(step) + 6.0 * math.exp(-((step - 100) ** 2) / 4000))
    assert "WARMUP_TOO_SHORT" in found(path)
    warm = log(tmp_path / "b.log", loss=lambda step: healthy(step), more=rate(lambda step: min(1, step / 40)))
    assert "WARMUP_TOO_SHORT" not in found(warm)


SCRIPT = """
import os, time
import torch
from torch import nn

class Hyperparameters:
    iterations = int(os.environ.get("ITERATIONS", {iterations}))
    lr_warmup_steps = int(os.environ.get("LR_WARMUP_STEPS", {warmup}))
    warmdown_iters = int(os.environ.get("WARMDOWN_ITERS", {warmdown}))

class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc = nn.Linear(dim, dim)

def main():
    args = Hyperparameters()
    model = Block(8)
    {groups}
    optimizer = torch.optim.AdamW({params}, lr=1e-3, weight_decay=0.1)

    def get_lr({arguments}):
        if step < args.lr_warmup_steps:
            return step / args.lr_warmup_steps
        {body}

    for step in range(args.iterations):
        loss = get_lr({given})
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)

if __name__ == "__main__":
    main()
"""
BY_STEP = "return min(1.0, (args.iterations - step) / args.warmdown_iters)"
BY_CLOCK = "return min(1.0, (600 - elapsed_s) / (args.warmdown_iters * elapsed_s / max(step, 1)))"
SPLIT = """
    decay = [p for p in model.parameters() if p.ndim >= 2]
    no_decay = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": no_decay, "weight_decay": 0.0}]
"""


def script(
    path: Path, *, iterations: int = STEPS, warmup: int = 20, warmdown: int = 600, by_clock: bool = False,
    groups: str = SPLIT, params: str = "groups",
) -> Path:  # fmt: skip
    path.write_text(
        SCRIPT.format(
            iterations=iterations,
            warmup=warmup,
            warmdown=warmdown,
            groups=groups,
            params=params,
            arguments="step, elapsed_s" if by_clock else "step",
            body=BY_CLOCK if by_clock else BY_STEP,
            given="step, time.time()" if by_clock else "step",
        )
    )
    return path


def test_s94_a_script_whose_schedule_fits_the_run_has_no_finding(tmp_path: Path) -> None:
    path = log(tmp_path / "a.log")
    seen = diagnose(None, str(path), script=script(tmp_path / "train.py"))
    assert seen.findings == []
    assert {"learning rate", "weight decay"} <= set(seen.examined)


@pytest.mark.parametrize(
    ("said", "code", "severity"),
    [
        ({"warmup": 500}, "WARMUP_TOO_LONG", "warning"),
        ({"warmup": 5000}, "WARMUP_TOO_LONG", "error"),
        ({"iterations": 20_000}, "COOLDOWN_NOT_REACHED", "warning"),
        ({"iterations": 20_000, "by_clock": True}, None, None),
        ({"by_clock": True, "warmdown": 6000}, "RATE_NEVER_FULL", "warning"),
        ({"groups": "", "params": "model.parameters()"}, "DECAY_ON_NORMS", "warning"),
        ({"groups": "scalar_params = [model.norm.weight]", "params": "scalar_params"}, "DECAY_ON_NORMS", "note"),
    ],
)
def test_s94_a_script_that_does_not_fit_the_run_is_found_at_its_line(
    tmp_path: Path, said: dict, code: str | None, severity: str | None
) -> None:
    path = log(tmp_path / "a.log", planned=said.get("iterations", STEPS))
    trainer = script(tmp_path / "train.py", **said)
    seen = diagnose(None, str(path), script=trainer).findings
    assert [(one.code, one.severity) for one in seen] == ([] if code is None else [(code, severity)])
    lines = trainer.read_text().splitlines()
    for one in seen:
        assert one.evidence[0].file == "train.py"
        assert one.evidence[0].line is not None
        word = "AdamW" if code == "DECAY_ON_NORMS" else "def get_lr"
        assert word in lines[one.evidence[0].line - 1]


def test_s94_nothing_of_the_script_is_run(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise SystemExit(1)\n")
    diagnose(None, str(log(tmp_path / "a.log")))
    assert not (tmp_path / "ran").exists()


def test_a_script_beside_the_log_is_read_without_being_named(tmp_path: Path) -> None:
    script(tmp_path / "train.py", groups="", params="model.parameters()")
    assert found(log(tmp_path / "a.log")) == {"DECAY_ON_NORMS": "warning"}


def test_nothing_is_said_about_the_end_of_a_run_that_goes_on(tmp_path: Path) -> None:
    path = log(tmp_path / "a.log", planned=20_000)
    path.write_text(path.read_text().partition("stopping_early")[0])
    trainer = script(tmp_path / "train.py", iterations=20_000)
    assert found(path, script=trainer) == {}
    os.utime(path, (0, 0))  # nobody has written to it for years
    assert found(path, script=trainer) == {"COOLDOWN_NOT_REACHED": "warning"}


# --- evaluation


def test_s94_a_gap_between_training_and_validation_is_a_warning(tmp_path: Path) -> None:
    path = log(tmp_path / "a.log", val=lambda step: healthy(step) + 0.5)
    assert only(path, "TRAIN_VAL_GAP").findings[0].severity == "warning"
    below = log(tmp_path / "b.log", val=lambda step: healthy(step) - 0.7)
    assert "below the training loss" in only(below, "TRAIN_VAL_GAP").findings[0].text


def test_s94_augmentation_is_shown_beside_a_training_loss_above_validation(tmp_path: Path) -> None:
    path = log(tmp_path / "a.log", val=lambda step: healthy(step) - 0.7)
    (tmp_path / "train.py").write_text("from torch import nn\nmodel = nn.Dropout(p=0.6)\n")
    gap = only(path, "TRAIN_VAL_GAP").findings[0]
    assert ("train.py", 2) in [(at.file, at.line) for at in gap.evidence]
    assert "augmentation" in gap.advice


def test_validation_that_rises_again_is_overfitting_and_says_where_to_stop(tmp_path: Path) -> None:
    path = log(tmp_path / "a.log", val=lambda step: 2.2 + ((step - 800) / 1000) ** 2)
    over = only(path, "OVERFITTING").findings[0]
    assert over.first_step == 800
    assert "step 800" in over.advice


@pytest.mark.parametrize(
    ("line", "code", "severity"),
    [
        ("final_int8_zlib_roundtrip val_loss:2.1400 val_bpb:1.2600 eval_time:900ms", "QUANTISATION_GAP", "warning"),
        ("final_int8_zlib_roundtrip val_loss:2.9000 val_bpb:1.9000 eval_time:900ms", "QUANTISATION_GAP", "error"),
        ("final_ngram_exact val_loss:0.9000 val_bpb:0.5400 eval_time:900ms", "SCORED_OTHERWISE", "warning"),
        ("final_int6_sliding_window val_loss:2.0000 val_bpb:1.1900 eval_time:900ms", None, None),
    ],
)
def test_s94_a_final_score_far_from_the_last_validation_is_found(
    tmp_path: Path, line: str, code: str | None, severity: str | None
) -> None:
    path = log(tmp_path / "a.log", after=line)
    assert found(path) == ({} if code is None else {code: severity})


def test_evaluating_on_another_length_is_a_note(tmp_path: Path) -> None:
    path = log(tmp_path / "a.log", before="train_seq_len:1024 eval_seq_len:2048")
    noted = only(path, "EVALUATION_DIFFERS")
    assert noted.verdict == "fine"
    assert "2048" in noted.findings[0].text


# --- what is read


def test_a_log_of_another_dialect_is_read(tmp_path: Path) -> None:
    lines = [f"iter {step}: loss {healthy(step):.4f}, time {120.5}ms, mfu 31.2%" for step in range(0, 2000, 10)]
    (tmp_path / "a.txt").write_text("\n".join([*lines, "step 2000: train loss 2.0511, val loss 2.0602\n"]))
    series = read_run(tmp_path / "a.txt", "a.txt").series
    assert len(series["train_loss"]) == 201
    assert series["val_loss"][-1].value == 2.0602
    assert series["step_time_s"][0].value == pytest.approx(0.1205)


def test_a_metrics_file_is_read_and_its_nan_found(tmp_path: Path) -> None:
    points = [{"step": step, "iterations": 40, "train_loss": 3.0, "lr": 0.1} for step in range(20)]
    lines = [*map(json.dumps, points), '{"step": 20, "train_loss": NaN}', '{"step": 21, "train_lo']
    (tmp_path / "seed1.metrics.jsonl").write_text("\n".join(lines))
    nan = diagnose(None, str(tmp_path / "seed1.metrics.jsonl")).findings[0]
    assert (nan.code, nan.first_step, nan.evidence[-1].line) == ("NOT_A_NUMBER", 20, 21)


def test_a_run_taken_up_again_from_a_checkpoint_is_one_curve(tmp_path: Path) -> None:
    steps = [*range(0, 500, 10), *range(300, 1000, 10)]
    text = "\n".join(f"step:{step}/1000 train_loss:{healthy(step):.4f} train_time:{step * 100}ms" for step in steps)
    (tmp_path / "a.log").write_text(text)
    found_steps = [point.step for point in read_run(tmp_path / "a.log", "a.log").series["train_loss"]]
    assert found_steps == sorted(set(found_steps))
    assert found_steps[-1] == 990


@given(st.text(alphabet=st.sampled_from("step:loss 0123456789/.naNinfval_bpb\n\tlr"), max_size=400))
def test_any_text_is_diagnosed_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "a.log"
    path.write_text("step:1/5 train_loss:2.0 train_time:5ms\n" + text)
    with contextlib.suppress(UnreadableInput):
        diagnose(None, str(path)).model_dump_json()


def test_what_is_no_log_is_refused_with_what_to_give(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("hello\n")
    with pytest.raises(UnreadableInput, match="step"):
        diagnose(None, str(tmp_path / "a.log"))
    with pytest.raises(NotFound, match="golf"):
        diagnose(None, str(tmp_path / "none"))


def test_s94_an_experiment_is_found_by_name_or_by_its_job_s_id_with_its_settings(workspace: Workspace) -> None:
    folder = scored(
        workspace, "wide", 1.2, script=script(workspace.root / "t.py").read_text(), env={"LR_WARMUP_STEPS": "900"}
    )
    (folder / "logs").mkdir(exist_ok=True)
    log(folder / "logs" / "train_seed1.log")
    seen = diagnose(workspace, "wide")
    assert [(one.code, one.severity) for one in seen.findings] == [("WARMUP_TOO_LONG", "warning")]
    assert "900" in seen.findings[0].text
    assert seen.curves[0].file == "logs/train_seed1.log"
    job = JobStore(workspace).add("run", folder.name, "local")
    assert diagnose(workspace, job.id).findings == seen.findings


# --- the door


def test_s94_the_verb_shows_findings_places_and_a_line_of_blocks_and_exits_1_on_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    log(tmp_path / "ok.log", after="final_int8_zlib_roundtrip val_loss:2.0550 val_bpb:1.2160 eval_time:900ms")
    log(tmp_path / "bad.log", loss=lambda step: math.nan if step >= 1000 else healthy(step))
    assert main(["diagnose", "ok.log"]) == 0
    assert "verdict: fine" in capsys.readouterr().out
    assert main(["diagnose", "bad.log", "--picture", "bad.png"]) == 1
    out = capsys.readouterr().out
    assert "error NOT_A_NUMBER" in out
    assert "bad.log:" in out
    assert BLOCKS[-1] in out
    assert (tmp_path / "bad.png").read_bytes().startswith(b"\x89PNG")
    assert main(["diagnose", "bad.log", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "error"
    assert main(["diagnose", "none.log"]) == 2


def test_a_table_of_rates_before_the_first_step_is_not_the_run(tmp_path: Path) -> None:
    """As a record of the challenge prints its schedule; the run itself went on from step 300."""
    path = tmp_path / "train.log"
    lines = "".join(f"step:{step}/600 train_loss:{3 - step / 1000}\n" for step in range(300, 601, 20))
    path.write_text(f"  Step 0: lr_mul=0.2\n  Step 600: lr_mul=0.0\n{lines}step:100/900 train_loss:9.0\n")
    series = read_run(path, "train.log").series
    assert [point.step for point in series["train_loss"]] == list(range(300, 601, 20))
    assert (series.iterations, series.last_step) == (600, 600)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300))
def test_a_line_of_blocks_is_as_wide_as_allowed_and_reaches_its_lowest(values: list[float]) -> None:
    line = sparkline(values, 40)
    assert len(line) == min(40, len(values))
    assert set(line) <= set(BLOCKS)
    assert BLOCKS[0] in line


# --- real logs


@pytest.mark.skipif(not DATA.is_dir(), reason="real submissions are not here")
def test_accepted_records_raise_next_to_no_warning() -> None:
    rows = [json.loads(line) for line in (DATA / "verdicts.jsonl").read_text().splitlines()]
    accepted = sorted({row["data"] for row in rows if row["verdict"] == "valid" and row.get("data")})
    folders = [DATA / name for name in accepted if any((DATA / name).rglob("*.log"))]
    assert len(folders) > 15
    alarmed = []
    for folder in folders:
        try:
            seen = diagnose(None, str(folder))
        except (NotFound, UnreadableInput):
            continue
        assert seen.verdict != "error", folder.name
        alarmed += [folder.name] * (seen.verdict == "warning")
    assert len(alarmed) <= 0.1 * len(folders), alarmed
