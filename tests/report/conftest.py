"""One experiment and its result, as a round leaves them."""

from datetime import UTC, datetime

import pytest

from golf.schema import Experiment, Gate, Noise, Promotion, Result, SeedResult


@pytest.fixture
def experiment() -> Experiment:
    return Experiment(
        hypothesis="A wider embedding helps at this size",
        expected_outcome="0.05 BPB below the baseline",
        rollback_criteria="no gain after 300 steps",
        parent="2026-11-20_baseline",
        seeds=[1337, 42],
        techniques=["wide embedding"],
    )


@pytest.fixture
def promotion() -> Promotion:
    return Promotion(
        experiment="2026-11-20_wide",
        tier="local",
        val_bpb=2.2125,
        baseline="2026-11-20_baseline",
        baseline_bpb=2.2821,
        improvement=0.030498,
        noise=Noise(num_seeds=2, std_bpb=0.004, threshold_bpb=0.0253),
        line_delta=-3,
        decision="keep",
        promoted=False,
        gates=[
            Gate(name="size", verdict="pass", value=4_512_001, limit=16_000_000, reason="within the limit"),
            Gate(name="gain", verdict="fail", value=0.0299, limit=0.03, reason="2.99 % is below 3 %"),
            Gate(name="noise", verdict="unknown", reason="the baseline has one seed"),
        ],
        reason="better than the baseline, not by enough",
    )


@pytest.fixture
def result(promotion: Promotion) -> Result:
    seeds = [
        SeedResult(
            seed=seed,
            val_bpb=val_bpb,
            val_loss=3.9,
            logged_val_bpb=val_bpb,
            artifact_bytes=4_512_001,
            train_time_s=61.25,
            eval_time_s=4.0,
            steps=300,
            memory_bytes=812_000_000,
            log=f"seed{seed}.log",
        )
        for seed, val_bpb in ((1337, 2.21), (42, 2.215))
    ]
    return Result(
        experiment="2026-11-20_wide",
        run_id="r1",
        commit="0123abc",
        tier="local",
        status="keep",
        promoted="no",
        hypothesis="A wider embedding helps at this size",
        val_bpb=2.2125,
        val_bpb_std=0.0035355,
        artifact_bytes=4_512_001,
        headroom_bytes=11_487_999,
        memory_gb=0.812,
        train_time_s=122.5,
        eval_time_s=8.0,
        seeds=seeds,
        promotion=promotion,
        reference_bpb={"unigram": 4.41, "gzip": 2.93, "zstd": 2.51, "lzma": 2.49},
        settings={"ITERATIONS": "300", "DATA_PATH": "data/datasets/pydoc_sp1024"},
        notes=["subset: first 32768 of 400000 tokens"],
        finished_at=datetime(2026, 11, 20, 12, 0, tzinfo=UTC),
    )
