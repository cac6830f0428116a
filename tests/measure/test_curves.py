"""Finished curves, and the end they foretell for one that is going."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.errors import UnreadableInput
from golf.measure.curves import GROUPS_MIN, Curve, finished, foretell, level, read_folder, running
from golf.schema import LogPoint, TrainingLog

RATIO = 0.592
STEPS = 5_000
rng = np.random.default_rng(1)
HARD = rng.normal(0, 0.02, STEPS // 100 + 1)
"""How hard the batch of a logged step is, for all runs on the same tokens."""


def points(scale: float, steps: int = STEPS, upto: int = STEPS, seed: int = 0, drop: float = 0.06) -> list[LogPoint]:
    """A curve that ends near `scale` × 1.04: power law, a cooldown over its last third, hard batches."""
    own = np.random.default_rng(seed)
    found = [LogPoint(step=0, val_bpb=4.1, val_loss=4.1 / RATIO), LogPoint(step=1, train_loss=4.1 / RATIO)]
    for step in range(100, min(upto, steps) + 1, 100):
        cooled = max(0.0, step / steps - 0.66) / 0.34
        bpb = scale * (1.1 + 0.25 * (500 / step) ** 0.7 - drop * cooled)
        hard = bpb + HARD[step // 100] + own.normal(0, 0.002)
        found.append(LogPoint(step=step, train_loss=hard / RATIO, train_time_s=step * 0.1))
        if step % 500 == 0:
            found.append(LogPoint(step=step, val_bpb=bpb, val_loss=bpb / RATIO, train_time_s=step * 0.1))
    return found


def log(name: str, listed: list[LogPoint], steps: int = STEPS) -> TrainingLog:
    last = [point.val_bpb for point in listed if point.val_bpb]
    return TrainingLog(path=f"{name}.log", points=listed, steps=steps, last_step_bpb=last[-1], train_time_s=500.0)


def bank(count: int = 12, spread: float = 0.02, **options: float) -> list[Curve]:
    scales = 1 + spread * np.linspace(-1, 1, count)
    drops = 0.06 + 0.004 * np.random.default_rng(5).standard_normal(count)
    made = [
        finished(log(str(index), points(scale, seed=index, drop=drop)), str(index))
        for index, (scale, drop) in enumerate(zip(scales, drops, strict=True))
    ]
    return [curve for curve in made if curve is not None]


def going(scale: float, upto: int, **options: int):
    run = running(points(scale, upto=upto, seed=99), STEPS, None, **options)
    assert run is not None
    return run


def test_the_end_is_foretold_from_a_fifth_of_the_run() -> None:
    for scale in (0.97, 1.0, 1.05):
        told = foretell(bank(), going(scale, 1_000), 0.97)
        end = points(scale)[-1].val_bpb
        assert end is not None and told.val_bpb == pytest.approx(end, rel=0.01)
        assert told.best_bpb <= end <= told.val_bpb + 3 * told.spread


def test_a_hard_batch_that_all_curves_share_does_not_matter() -> None:
    """Single training losses are off by 2 %, the foretelling by a fraction of that."""
    told = foretell(bank(), going(1.0, 1_200), 0.97)
    assert told.spread < 0.01


def test_with_too_few_experiments_nothing_is_foretold_however_many_seeds_they_have() -> None:
    one = bank(GROUPS_MIN - 1)
    seeds = one * 10
    with pytest.raises(UnreadableInput, match=f"{GROUPS_MIN - 1} experiments have a curve comparable"):
        foretell(seeds, going(1.0, 2_000), 0.97)


def test_curves_the_run_is_not_parallel_to_are_left_out() -> None:
    strange = [
        finished(log(f"s{index}", points(1.0 + 0.3 * math.sin(index), seed=index, drop=0.5)), f"s{index}")
        for index in range(6)
    ]
    crossing = [
        curve._replace(points={at: value * (1 + 0.1 * at[1] / STEPS) for at, value in curve.points.items()})
        for curve in strange
        if curve is not None
    ]
    with pytest.raises(UnreadableInput, match="comparable"):
        foretell(crossing, going(1.0, STEPS), 0.97)


def test_a_run_of_another_length_is_not_comparable() -> None:
    short = running(points(1.0, upto=1_000), 1_500, None)
    assert short is not None
    with pytest.raises(UnreadableInput, match="comparable"):
        foretell(bank(), short, 0.97)


def test_a_training_loss_that_begins_elsewhere_than_the_validation_loss_is_dropped() -> None:
    listed = points(1.0)
    auxiliary = [
        point.model_copy(update={"train_loss": point.train_loss * 1.3}) if point.train_loss else point
        for point in listed
    ]
    curve = finished(log("mtp", auxiliary), "mtp")
    assert curve is not None and {channel for channel, _ in curve.points} == {"val"}


def test_steps_are_what_iterations_and_the_time_limit_leave() -> None:
    listed = points(1.0, upto=1_000)
    assert running(listed, 20_000, None).steps == 20_000
    capped = running(listed, 20_000, 300.0)
    assert capped is not None and capped.steps == 3_000 and capped.seconds_left == pytest.approx(200.0)
    assert running(listed, None, None) is None and running([], 10, None) is None


def test_what_comes_after_a_step_is_not_looked_at() -> None:
    assert running(points(1.0, seed=99), STEPS, None, upto=1_000) == going(1.0, 1_000)


@given(factor=st.floats(0.8, 1.2))
def test_a_run_and_its_bank_scale_together(factor: float) -> None:
    """Bits per byte in another unit foretell the same end in that unit."""
    one = foretell(bank(), going(1.0, 1_000), 0.97)
    scaled = [
        curve._replace(
            final_bpb=curve.final_bpb * factor, points={at: value * factor for at, value in curve.points.items()}
        )
        for curve in bank()
    ]
    run = going(1.0, 1_000)
    other = foretell(scaled, run._replace(points={at: value * factor for at, value in run.points.items()}), 0.97)
    assert other.best_bpb == pytest.approx(one.best_bpb * factor)


@given(order=st.permutations(range(12)))
def test_the_order_of_the_bank_does_not_matter(order: list[int]) -> None:
    curves = bank()
    assert foretell([curves[index] for index in order], going(1.0, 1_000), 0.97) == foretell(
        curves, going(1.0, 1_000), 0.97
    )


@given(confidence=st.floats(0.6, 0.98))
def test_more_confidence_is_a_lower_bound(confidence: float) -> None:
    low, high = (foretell(bank(), going(1.0, 1_000), level) for level in (confidence, confidence + 0.015))
    assert high.best_bpb <= low.best_bpb


def test_a_level_is_the_newest_score_near_a_step() -> None:
    at = {("val", 900): 1.3, ("train", 1_000): 1.4, ("val", 2_000): 1.2}
    assert level(at, 1_000) == 1.3
    assert level(at, 1_050) == 1.4
    assert level(at, 1_500) is None


def test_logs_in_a_folder_become_curves(tmp_path: Path) -> None:
    lines = [f"step:{step}/1000 train_loss:{3 - step / 1000:.4f} train_time:{step * 10}ms" for step in (200, 400, 800)]
    lines += ["step:1000/1000 val_loss:2.0000 val_bpb:1.1840 train_time:10000ms"]
    (tmp_path / "train_seed1.log").write_text("\n".join(lines) + "\n")
    (tmp_path / "notes.txt").write_text("nothing here\n")
    (curve,) = read_folder(tmp_path)
    assert (curve.group, curve.final_bpb, curve.steps) == (tmp_path.name, 1.184, 1_000)
    assert curve.points["train", 200] == pytest.approx(2.8 * 1.184 / 2)
