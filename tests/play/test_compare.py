"""Experiments and submissions compared: what counts, what was left out, how many ideas were tried."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from golf.errors import NotFound, UnreadableInput
from golf.play import experiments, record
from golf.play.compare import compare_runs
from golf.schema import Experiment, Result, SeedResult
from golf.workspace import Workspace

RATE = 0.41
"""Tokens per byte."""


def play(
    workspace: Workspace, name: str, scores: dict[int, float], *, tier: str = "local", data: str = "d", **claim: str
) -> str:
    """One recorded run of an experiment, by seed; a repetition sets the earlier one aside."""
    folder = workspace.experiments / f"2026-01-01_{name}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / experiments.CONFIG).write_text(experiments.dump(Experiment(hypothesis="h", **claim)))
    before = experiments.read_result(folder)
    if before is not None:
        experiments.set_aside(folder, before)
    run_id = f"{name}{len(list(folder.glob('earlier/*')))}"
    result = Result(
        experiment=folder.name,
        run_id=run_id,
        commit=run_id.encode().hex()[:12].ljust(12, "0"),
        tier=tier,
        status="keep",
        promoted="no",
        hypothesis="h",
        val_bpb=sum(scores.values()) / len(scores),
        seeds=[
            SeedResult(
                seed=seed,
                val_bpb=score,
                val_loss=score * math.log(2) / RATE,
                artifact_bytes=1,
                eval_time_s=1,
                memory_bytes=1,
                log="logs/x.log",
            )
            for seed, score in scores.items()
        ],
        data=data,
        finished_at=datetime.now(UTC),
    )
    record.record(workspace, result, f"{folder.name}: h")
    return folder.name


def submission(folder: Path, scores: dict[int, float], claim: float | None = None, rate: float = RATE) -> str:
    """A submission of our own making, with a log per seed."""
    folder.mkdir()
    for seed, score in scores.items():
        (folder / f"train_seed{seed}.log").write_text(
            f"step:10/10 val_loss:9.0 val_bpb:5.5 train_time:1000ms\n"
            f"final_int8_zlib_roundtrip_exact val_loss:{score * math.log(2) / rate:.8f} val_bpb:{score:.8f}\n"
        )
    (folder / "submission.json").write_text(json.dumps({} if claim is None else {"val_bpb": claim}))
    return str(folder)


BASE = {1: 1.20, 2: 1.202, 3: 1.198}
BETTER = {1: 1.18, 2: 1.182, 3: 1.178}


def test_experiments_are_compared_by_their_seeds(workspace: Workspace) -> None:
    play(workspace, "base", BASE)
    play(workspace, "better", BETTER)
    comparison = compare_runs(workspace, "better", "2026-01-01_base")
    assert (comparison.verdict, comparison.looks, comparison.warnings) == ("better", 1, [])
    assert comparison.gain_bpb == pytest.approx(0.02)
    assert comparison.a.tokens_per_byte == pytest.approx(RATE)
    assert comparison.meets_written_bar
    assert compare_runs(workspace, "base", "better").verdict == "worse"


def test_every_scored_run_since_the_other_side_was_a_look(workspace: Workspace) -> None:
    play(workspace, "before", BASE)
    play(workspace, "base", BASE)
    for number in range(5):
        play(workspace, f"idea{number}", BASE)
    play(workspace, "elsewhere", BASE, tier="smoke")
    play(workspace, "better", BETTER)
    comparison = compare_runs(workspace, "better", "base")
    assert comparison.looks == 6
    assert comparison.p_corrected == pytest.approx(6 * comparison.p)
    assert compare_runs(workspace, "better", "base", looks=2).looks == 2


@pytest.mark.parametrize("other", [{"tier": "smoke"}, {"data": "other"}])
def test_other_tiers_and_other_data_do_not_compare(workspace: Workspace, other: dict[str, str]) -> None:
    play(workspace, "base", BASE)
    play(workspace, "better", BETTER, **other)
    with pytest.raises(UnreadableInput, match="do not compare"):
        compare_runs(workspace, "better", "base")


def test_a_repetition_that_drops_scores_is_named(workspace: Workspace) -> None:
    play(workspace, "base", BASE)
    play(workspace, "better", {7: 1.25, 1: 1.18})
    play(workspace, "better", BETTER)
    (warning,) = compare_runs(workspace, "better", "base").warnings
    assert "1 score in earlier runs does not count (seed 7: 1.25000)" in warning


def test_seeds_that_are_not_the_parents_are_named(workspace: Workspace) -> None:
    play(workspace, "parent", BASE)
    play(workspace, "other", {11: 1.2, 12: 1.21, 13: 1.22})
    play(workspace, "child", {11: 1.18, 12: 1.182, 13: 1.178}, parent="2026-01-01_parent")
    (warning,) = compare_runs(workspace, "child", "other").warnings
    assert "ran seeds [11, 12, 13], its parent 2026-01-01_parent [1, 2, 3]" in warning


def test_one_seed_is_unknown_and_asks_for_more(workspace: Workspace) -> None:
    play(workspace, "base", BASE)
    play(workspace, "better", {1: 1.19})
    comparison = compare_runs(workspace, "better", "base")
    assert (comparison.verdict, comparison.p) == ("unknown", None)
    assert comparison.more_seeds_written >= 1


def test_an_experiment_without_a_score_is_an_error(workspace: Workspace) -> None:
    play(workspace, "base", BASE)
    folder = workspace.experiments / "2026-01-01_new"
    folder.mkdir()
    (folder / experiments.CONFIG).write_text(experiments.dump(Experiment(hypothesis="h")))
    with pytest.raises(UnreadableInput, match="has not been played"):
        compare_runs(workspace, "new", "base")
    record.crash(workspace, "run1", folder.name, "out of memory")
    with pytest.raises(UnreadableInput, match="crashed"):
        compare_runs(workspace, "base", "new")


def test_what_is_neither_an_experiment_nor_a_folder_is_not_found(workspace: Workspace) -> None:
    play(workspace, "base", BASE)
    with pytest.raises(NotFound, match="neither"):
        compare_runs(workspace, "base", "nowhere")
    with pytest.raises(NotFound):
        compare_runs(None, "base", "nowhere")


def test_submissions_are_compared_by_their_logs(tmp_path: Path) -> None:
    mine, theirs = submission(tmp_path / "mine", BETTER, 1.18), submission(tmp_path / "theirs", BASE, 1.2)
    comparison = compare_runs(None, mine, theirs)
    assert (comparison.verdict, comparison.a.seeds, comparison.warnings) == ("better", [1, 2, 3], [])
    assert comparison.a.tokens_per_byte == pytest.approx(RATE, rel=1e-6)


def test_an_experiment_is_compared_with_a_submission(workspace: Workspace, tmp_path: Path) -> None:
    play(workspace, "better", BETTER)
    theirs = submission(tmp_path / "theirs", BASE)
    assert compare_runs(workspace, "better", theirs).verdict == "better"


def test_an_experiment_on_another_text_than_the_challenges_does_not_compare_with_a_submission(
    workspace: Workspace, tmp_path: Path
) -> None:
    """A log of FineWeb was "better, gain 2.90 BPB, bar met" than a run on this Python's documentation."""
    play(workspace, "docs", BASE, data="pydocs_sp1024 aa029ddc02133d78")
    play(workspace, "web", BASE, data="fineweb10B_sp8192 aa029ddc02133d78")
    theirs = submission(tmp_path / "theirs", BETTER, rate=0.38)
    for sides in (("docs", theirs), (theirs, "docs")):
        with pytest.raises(UnreadableInput, match=r"pydocs_sp1024.*FineWeb.*do not compare"):
            compare_runs(workspace, *sides)
    assert compare_runs(workspace, theirs, "web").verdict == "better", "another tokenizer of the same text"


def test_that_two_texts_are_taken_for_one_is_said(workspace: Workspace, tmp_path: Path) -> None:
    play(workspace, "better", BETTER)
    comparison = compare_runs(workspace, "better", submission(tmp_path / "theirs", BASE))
    assert any("is taken for the submission's text" in warning for warning in comparison.warnings)


def test_a_headline_that_is_the_best_of_its_seeds_is_named(tmp_path: Path) -> None:
    mine, theirs = submission(tmp_path / "mine", BETTER, 1.178), submission(tmp_path / "theirs", BASE, 1.2)
    (warning,) = compare_runs(None, mine, theirs).warnings
    assert "claims 1.1780, the best of its 3 seeds, whose mean is 1.1800" in warning


def test_logs_of_a_submission_that_its_score_does_not_rest_on_are_named(tmp_path: Path) -> None:
    mine, theirs = submission(tmp_path / "mine", BETTER, 1.18), submission(tmp_path / "theirs", BASE, 1.2)
    other = (tmp_path / "mine" / "train_seed1.log").read_text().replace("1.18000000", "1.19500000")
    (tmp_path / "mine" / "train_seed1_original.log").write_text(other)
    results = {seed: {"val_bpb": score} for seed, score in BETTER.items()}
    (tmp_path / "mine" / "submission.json").write_text(json.dumps({"val_bpb": 1.18, "seed_results": results}))
    comparison = compare_runs(None, mine, theirs)
    assert comparison.a.num_seeds == 3
    assert any("1 score in its logs does not count (seed 1: 1.19500)" in warning for warning in comparison.warnings)


def test_a_submission_without_logs_has_nothing_to_compare(tmp_path: Path) -> None:
    mine, theirs = submission(tmp_path / "mine", {}, 1.1), submission(tmp_path / "theirs", BASE)
    with pytest.raises(UnreadableInput, match="no log of it"):
        compare_runs(None, mine, theirs)
