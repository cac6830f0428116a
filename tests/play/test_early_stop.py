"""Whether a run is worth its end: from its log alone, never early, never on too little."""

import importlib.util
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from golf.errors import UnreadableInput
from golf.measure.curves import Curve
from golf.play import early_stop, experiments, record
from golf.play.early_stop import FLOOR_STEP, Watched, advise, advise_simply, bank_of, look
from golf.schema import LogPoint, Result, SeedResult
from golf.workspace import Workspace

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
spec = importlib.util.spec_from_file_location("bench_early_stop", ROOT / "bench" / "early_stop.py")
assert spec is not None and spec.loader is not None
bench = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = bench  # dataclasses look their module up
spec.loader.exec_module(bench)

RUNS = bench.synthetic_runs(40, np.random.default_rng(3))
BY_END = sorted(RUNS, key=lambda run: run.curve.final_bpb)
BEST, WORST = BY_END[0], BY_END[-1]


def others(run) -> list[Curve]:
    return [one.curve for one in RUNS if one is not run]


def watched(run, upto: int, usd_per_s: float = 0.0) -> Watched:
    return Watched([point for point in run.log.points if point.step <= upto], 20_000, 600.0, usd_per_s)


def test_a_hopeless_run_is_stopped_and_the_saving_named() -> None:
    target = BY_END[4].curve.final_bpb
    advice = advise(watched(WORST, 2_000, usd_per_s=0.01), others(WORST), target)
    assert advice.verdict == "stop" and advice.best_bpb is not None and advice.best_bpb > target
    left = (WORST.curve.steps - 2_000) * 600 / WORST.curve.steps
    assert advice.saved_s == pytest.approx(left, rel=0.01)
    assert advice.saved_usd == pytest.approx(left * 0.01, rel=0.01) and "Stopping saves" in advice.reason


def test_a_run_that_may_still_win_goes_on() -> None:
    for upto in range(1_000, BEST.curve.steps, 200):
        assert advise(watched(BEST, upto), others(BEST), BY_END[4].curve.final_bpb).verdict == "go on"


def test_nothing_is_stopped_before_step_1000() -> None:
    for mode in (advise, advise_simply):
        advice = mode(watched(WORST, FLOOR_STEP - 1), others(WORST), 0.5)
        assert advice.verdict == "go on" and "before step 1000" in advice.reason


def test_one_look_alone_stops_nothing() -> None:
    advice = advise(watched(WORST, FLOOR_STEP), others(WORST), 0.5)
    assert advice.verdict == "go on" and "next look" in advice.reason
    assert advise(watched(WORST, FLOOR_STEP + 200), others(WORST), 0.5).verdict == "stop"


def test_with_too_few_comparable_curves_it_says_so_and_stops_nothing() -> None:
    advice = advise(watched(WORST, 3_000), others(WORST)[:3], 0.5)
    assert advice.verdict == "cannot tell" and "are needed" in advice.reason and advice.val_bpb is None
    assert advise(watched(WORST, 3_000), [], 0.5).verdict == "cannot tell"


def test_the_simple_mode_compares_with_winners_at_the_same_step() -> None:
    target = BY_END[4].curve.final_bpb
    assert advise_simply(watched(WORST, 1_000), others(WORST), target).verdict == "stop"
    assert advise_simply(watched(BEST, 1_000), others(BEST), target).verdict == "go on"
    assert advise_simply(watched(BEST, 1_000), [], target).verdict == "cannot tell"


def test_the_published_rule_stops_even_the_best_run() -> None:
    assert bench.peer([point for point in BEST.log.points if point.step <= 1_000], others(BEST), 1.0)


def test_a_run_without_a_step_or_an_end_cannot_be_looked_at() -> None:
    with pytest.raises(UnreadableInput, match="no step yet"):
        advise(Watched([], 100, None), others(BEST), 1.0)
    with pytest.raises(UnreadableInput, match="how many"):
        advise(Watched([LogPoint(step=5, train_loss=3.0)], None, None), others(BEST), 1.0)


def log_lines(run, upto: int, of: int = 20_000) -> list[str]:
    lines = ["max_wallclock_seconds: 600.0"] if of == 20_000 else []
    lines = [f"Hyperparameters:\n  {line}" for line in lines]
    for point in run.log.points:
        if point.step <= upto:
            said = f"train_loss:{point.train_loss:.6f}" if point.train_loss else ""
            said = said or f"val_loss:{point.val_loss:.6f} val_bpb:{point.val_bpb:.6f}"
            lines.append(f"step:{point.step}/{of} {said} train_time:{1000 * (point.train_time_s or 0):.0f}ms")
    return lines


def test_log_and_metrics_file_get_the_same_advice(tmp_path: Path) -> None:
    log, metrics = tmp_path / "train_seed1.log", tmp_path / "seed1.metrics.jsonl"
    log.write_text("\n".join(log_lines(WORST, 2_000)) + "\n")
    shown = [
        {"iterations": 20_000, **point.model_dump(exclude_none=True)}
        for point in WORST.log.points
        if point.step <= 2_000
    ]
    metrics.write_text("".join(json.dumps(line) + "\n" for line in shown) + '{"step": 21')  # torn
    by_log = look(log, others(WORST), target_bpb=1.0, time_limit_s=600.0)
    by_metrics = look(metrics, others(WORST), target_bpb=1.0, time_limit_s=600.0)
    assert by_log.verdict == by_metrics.verdict == "stop"
    assert by_log.val_bpb == pytest.approx(by_metrics.val_bpb, abs=1e-4)
    assert look(log, others(WORST), target_bpb=1.0, time_limit_s=600.0, mode="step-1000").step == 2_000


def test_a_missing_file_is_an_error_and_no_advice(tmp_path: Path) -> None:
    for name in ("train.log", "seed1.metrics.jsonl"):
        with pytest.raises(UnreadableInput):
            look(tmp_path / name, others(BEST), target_bpb=1.0)


def test_looking_leaves_the_run_alone(tmp_path: Path) -> None:
    log = tmp_path / "train_seed1.log"
    log.write_text("\n".join(log_lines(WORST, 2_000)) + "\n")
    before = (log.read_bytes(), log.stat().st_mtime_ns)
    look(log, others(WORST), target_bpb=0.5, time_limit_s=600.0)
    assert (log.read_bytes(), log.stat().st_mtime_ns) == before and [path.name for path in tmp_path.iterdir()] == [
        log.name
    ]


def played(workspace: Workspace, name: str, run, *, tier: str = "local", data: str = "d") -> Path:
    folder = workspace.experiments / name
    (folder / "logs").mkdir(parents=True)
    log = folder / "logs" / "train_seed1.log"
    log.write_text("\n".join(log_lines(run, 10**9, run.curve.steps)) + "\n")
    seed = SeedResult(
        seed=1, val_bpb=run.curve.final_bpb + 0.01, val_loss=1, artifact_bytes=1, eval_time_s=1, memory_bytes=1,
        log="logs/train_seed1.log",
    )  # fmt: skip
    result = Result(
        experiment=name, run_id=f"run-{name}", commit="ab12", tier=tier, status="discard", promoted="no",
        hypothesis="h", val_bpb=seed.val_bpb, seeds=[seed], data=data, finished_at=datetime.now(UTC),
    )  # fmt: skip
    record.record(workspace, result, f"{name}: h")
    return log


def test_the_bank_holds_finished_runs_of_the_tier_and_its_data_by_their_measured_score(workspace: Workspace) -> None:
    played(workspace, "2026-01-01_a", BEST)
    played(workspace, "2026-01-01_b", WORST, tier="smoke")
    played(workspace, "2026-01-01_c", WORST, data="other")
    (curve,) = bank_of(workspace, "local", "d")
    assert curve.group == "2026-01-01_a" and curve.final_bpb == BEST.curve.final_bpb + 0.01
    assert bank_of(workspace, "local", "d", without="2026-01-01_a") == []


def test_a_run_that_was_stopped_early_is_no_evidence_of_an_end(workspace: Workspace) -> None:
    played(workspace, "2026-01-01_a", BEST).with_suffix(".stop").touch()
    assert bank_of(workspace, "local", "d") == []


def test_damaged_evidence_of_one_experiment_takes_no_other_away(workspace: Workspace) -> None:
    played(workspace, "2026-01-01_a", BEST)
    log = played(workspace, "2026-01-01_b", WORST)
    log.write_bytes(b"\0\1\2" * 100)
    (workspace.experiments / "2026-01-01_c").mkdir()
    (workspace.experiments / "2026-01-01_c" / experiments.RESULT).write_text("{")
    assert [curve.group for curve in bank_of(workspace, "local", "d")] == ["2026-01-01_a"]


def test_hardly_a_winner_is_killed_and_much_of_the_losers_compute_saved() -> None:
    """Sixty synthetic runs here; `bench/early_stop.py` plays 300, and the public logs."""
    runs = bench.synthetic_runs(60, np.random.default_rng(11))

    def rest(run):
        return [one for one in runs if one is not run]

    score = bench.replay("synthetic", runs, rest, lambda run, bank: bench._fifth(run, bank))
    assert score.killed <= 0.05 * score.winners + 1 and score.saved >= 0.3


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the labelled submissions are not at hand (../shared/data)")
def test_on_public_logs_at_most_5_percent_of_winners_are_killed_and_40_percent_of_losers_compute_saved() -> None:
    for score in bench.table(DATA, 300):
        if score.name in ("public: fifth", "public: one run out", "synthetic: fifth"):
            assert score.killed <= 0.05 * score.winners and score.saved >= 0.40, score


def test_the_limits_are_the_ones_the_seeds_name() -> None:
    assert (early_stop.FLOOR_STEP, early_stop.CONFIDENCE) == (1_000, 0.97)
