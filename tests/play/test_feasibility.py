"""What the paid tier trains is predicted to fit, or not, or it cannot be told; never by a ratio that does not carry."""

from pathlib import Path
from typing import Any

import pytest
from scene import scored

from golf.measure.size_prediction import plan_of, predict_size
from golf.play import experiments
from golf.play.feasibility import feasibility_gate
from golf.schema import Gate
from golf.workspace import SMOKE, Workspace

FULL: dict[str, str] = {}
"""The naive baseline as it is: 15,863,489 bytes when it was trained (baselines/naive.json's source)."""


def gate(workspace: Workspace, folder: Path, planned: dict[str, str], **played: Any) -> Gate:
    result = experiments.read_result(folder)
    assert result is not None
    return feasibility_gate(workspace, result.model_copy(update=played), planned)


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    return scored(workspace, "base", 1.3)


def test_what_was_played_is_what_it_weighs(workspace: Workspace, folder: Path) -> None:
    assert gate(workspace, folder, FULL, settings=FULL, artifact_bytes=15_999_999).verdict == "pass"
    assert gate(workspace, folder, FULL, settings=FULL, artifact_bytes=16_000_001).verdict == "fail"


def test_a_smoke_run_s_weight_says_nothing_of_the_full_model_s(workspace: Workspace, folder: Path) -> None:
    found = gate(workspace, folder, FULL, settings=SMOKE, artifact_bytes=592_999)  # as measured: 1.5 × the prediction
    plain = predict_size(plan_of(FULL), limit_bytes=16_000_000)
    assert found.value == pytest.approx(plain.bytes)
    assert found.verdict == "unknown" and "which may be too many" in found.reason


def test_a_model_that_is_too_large_fails_from_a_smoke_run_too(workspace: Workspace, folder: Path) -> None:
    wider = {"MLP_MULT": "3"}
    found = gate(workspace, folder, wider, settings={**SMOKE, **wider}, artifact_bytes=700_000)
    assert found.verdict == "fail" and 19e6 < (found.value or 0) < 22e6


def test_between_models_of_about_one_size_the_script_s_own_packing_counts(workspace: Workspace, folder: Path) -> None:
    played = predict_size(plan_of(FULL), limit_bytes=16_000_000).bytes
    deeper = {"NUM_LAYERS": "10"}
    plain = predict_size(plan_of(deeper), limit_bytes=16_000_000).bytes
    found = gate(workspace, folder, deeper, settings=FULL, artifact_bytes=round(0.8 * played))
    assert found.value == pytest.approx(0.8 * plain, rel=1e-6)
    assert found.verdict == "pass"
