"""The running baseline: the best kept experiment of a tier, on the same data, by its own evidence."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from golf.errors import UnreadableInput
from golf.play import experiments, ledger, promotion, record
from golf.schema import Result, Row, SeedResult
from golf.workspace import Workspace


def seed(score: float, number: int = 1) -> SeedResult:
    return SeedResult(
        seed=number, val_bpb=score, val_loss=score, artifact_bytes=1, eval_time_s=1, memory_bytes=1, log="logs/x.log"
    )


def played(
    workspace: Workspace, name: str, score: float, run: str, data: str = "d", status: str = "keep", spread: float = 0.0
) -> Result:
    """One recorded run: of one seed, or of three that lie `spread` apart."""
    folder = workspace.experiments / name
    folder.mkdir(parents=True, exist_ok=True)
    before = experiments.read_result(folder)
    if before is not None:
        experiments.set_aside(folder, before)
    result = Result(
        experiment=name,
        run_id=run,
        commit=run * 12,
        tier="local",
        status=status,
        promoted="no",
        hypothesis="h",
        val_bpb=score,
        seeds=[seed(score + step * spread, 2 + step) for step in ((-1, 0, 1) if spread else (0,))],
        data=data,
        finished_at=datetime.now(UTC),
    )
    record.record(workspace, result, f"{name}: h")
    return result


def best(workspace: Workspace, **options: str) -> str | None:
    found = promotion.running_baseline(workspace, "local", **options)
    return None if found is None else f"{found.experiment} {found.val_bpb}"


def test_there_is_none_before_the_first(workspace: Workspace) -> None:
    assert best(workspace) is None


def test_it_is_the_lowest_kept_score_of_the_tier(workspace: Workspace) -> None:
    played(workspace, "2026-01-01_a", 1.3, "1")
    played(workspace, "2026-01-01_b", 1.2, "2")
    played(workspace, "2026-01-01_c", 1.1, "3", status="discard")
    assert best(workspace) == "2026-01-01_b 1.2"
    assert promotion.running_baseline(workspace, "smoke") is None


def test_scores_on_other_data_do_not_compare(workspace: Workspace) -> None:
    played(workspace, "2026-01-01_a", 1.3, "1", data="pydocs")
    played(workspace, "2026-01-01_b", 1.2, "2", data="fineweb")
    assert best(workspace, data="pydocs") == "2026-01-01_a 1.3"
    assert best(workspace, data="other") is None


def test_a_repetition_does_not_take_the_baseline_away(workspace: Workspace) -> None:
    played(workspace, "2026-01-01_a", 1.2, "1")
    played(workspace, "2026-01-01_b", 1.25, "2")
    played(workspace, "2026-01-01_a", 1.3, "3", status="discard")
    assert best(workspace) == "2026-01-01_a 1.2"


def test_rows_of_other_tools_do_not_compete(workspace: Workspace) -> None:
    ledger.append(
        workspace.ledger,
        Row(
            commit="a1b2c3d",
            tier="local",
            val_bpb=0.9,
            artifact_bytes=1,
            memory_gb=1,
            status="keep",
            promoted="no",
            cost_usd=0,
            description="baseline",
        ),
    )
    assert best(workspace) is None


def test_a_baseline_set_aside_by_a_repetition_that_crashed_still_has_its_scores(workspace: Workspace) -> None:
    first = played(workspace, "2026-01-01_a", 1.2, "1")
    experiments.set_aside(workspace.experiments / "2026-01-01_a", first)
    record.crash(workspace, "2", "2026-01-01_a", "out of memory")
    found = promotion.running_baseline(workspace, "local")
    assert found is not None and [one.val_bpb for one in found.seeds] == [1.2]


def test_a_baseline_whose_evidence_is_gone_is_an_error_and_not_the_next_best(
    workspace: Workspace, tmp_path: Path
) -> None:
    played(workspace, "2026-01-01_a", 1.2, "1")
    played(workspace, "2026-01-01_b", 1.3, "2")
    (workspace.experiments / "2026-01-01_a").rename(tmp_path / "elsewhere")
    with pytest.raises(UnreadableInput, match="Restore the folder"):
        best(workspace)


def floor(workspace: Workspace, *scores: float, data: str = "d"):
    return promotion.noise_floor(workspace, "local", data, scores or [1.0])


def test_the_noise_floor_is_pooled_over_everything_kept_and_the_runs_own_seeds(workspace: Workspace) -> None:
    played(workspace, "2026-01-01_a", 1.3, "1", spread=0.01)
    played(workspace, "2026-01-01_b", 1.2, "2", spread=0.02)
    played(workspace, "2026-01-01_c", 1.1, "3", spread=0.5, status="discard")
    played(workspace, "2026-01-01_d", 1.0, "4", spread=0.5, data="other")
    assert floor(workspace) is None, "4 degrees of freedom are no measured floor"
    measured = floor(workspace, 1.0, 1.0, 1.0)
    assert measured is not None
    assert measured.df == 6
    assert measured.std == pytest.approx(((2 * 0.01**2 + 2 * 0.02**2) / 6) ** 0.5)


def test_seeds_that_change_nothing_measure_no_floor(workspace: Workspace) -> None:
    assert floor(workspace, *[1.1] * 10) is None


def test_a_kept_run_whose_evidence_is_gone_is_left_out_of_the_floor(workspace: Workspace, tmp_path: Path) -> None:
    for number in range(4):
        played(workspace, f"2026-01-01_{number}", 1.3, str(number + 1), spread=0.01)
    (workspace.experiments / "2026-01-01_0").rename(tmp_path / "elsewhere")
    assert floor(workspace).df == 6
