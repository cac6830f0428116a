"""The sheet claims only what was measured, and a verdict counts for what it was reached on, and for nothing else."""

import json
from pathlib import Path

import pytest
from scene import scored, verdict

from golf.errors import BadConfig, RuleBroken, UnreadableInput
from golf.play import experiments, notes, promotion, review
from golf.schema import Gate
from golf.workspace import Workspace


@pytest.fixture
def candidate(workspace: Workspace) -> Path:
    """4 % better than its parent, beyond the noise."""
    scored(workspace, "base", 1.3)
    return scored(workspace, "next", 1.248, script="x = 2\n", parent="base")


def points(workspace: Workspace, name: str) -> dict[str, str]:
    return {point.name: point.verdict for point in review.sheet(workspace, name).points}


def gate(workspace: Workspace, folder: Path) -> Gate:
    return review.review_gate(workspace, folder)


def test_the_sheet_measures_what_can_be_measured_and_leaves_the_rest_to_the_critic(
    workspace: Workspace, candidate: Path
) -> None:
    assert points(workspace, "next") == {
        "gain": "pass",
        "significance": "pass",
        "size": "pass",
        "time": "unknown",  # a local tier says nothing about 600 s on eight GPUs
        "leakage": "unknown",
        "causality": "unknown",
        "bytes": "pass",
        "simplicity": "pass",
        "provenance": "unknown",
        "conflicts": "pass",
    }
    sheet = review.sheet(workspace, "next")
    assert (workspace.root / sheet.diff_path).read_text().count("x = 2") == 1
    assert "no critic has looked" in sheet.standing


def test_that_only_settings_differ_is_said_and_is_no_proof(workspace: Workspace) -> None:
    """The parent may leak as well, and PYTHONPATH is a setting."""
    scored(workspace, "base", 1.3)
    scored(workspace, "next", 1.2, parent="base", env={"LAYERS": "4"})
    found = {point.name: point for point in review.sheet(workspace, "next").points}
    assert (found["leakage"].verdict, found["causality"].verdict) == ("unknown", "unknown")
    assert "only settings differ" in found["leakage"].fact


def test_what_else_differs_in_the_tree_is_part_of_the_change(workspace: Workspace) -> None:
    scored(workspace, "base", 1.3)
    (workspace.root / "model.py").write_text("look_ahead = True\n")
    folder = scored(workspace, "next", 1.2, parent="base", env={"LAYERS": "4"}, beside={"numpy.py": "evil\n"})
    sheet = review.sheet(workspace, "next")
    change = (workspace.root / sheet.diff_path).read_text()
    assert "+look_ahead = True" in change
    assert f"also in {folder.name}: numpy.py" in change
    assert "model.py" in next(point.fact for point in sheet.points if point.name == "causality")


def test_a_line_break_that_only_some_see_hides_nothing(workspace: Workspace) -> None:
    scored(workspace, "base", 1.3, script="x = 1\n")
    scored(workspace, "next", 1.2, script="x = 1\n# harmless \x0bimport evil\n", parent="base")
    assert "import evil" in (workspace.root / review.sheet(workspace, "next").diff_path).read_text()


@pytest.mark.parametrize("file", ["train_gpt.py", "config.yaml"])
def test_what_was_edited_after_its_run_cannot_be_reviewed(workspace: Workspace, candidate: Path, file: str) -> None:
    path = candidate / file
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(RuleBroken, match="edited after its run"):
        review.sheet(workspace, "next")


def test_a_result_edited_by_hand_is_no_evidence(workspace: Workspace, candidate: Path) -> None:
    verdict(workspace, "next")
    path = candidate / experiments.RESULT
    path.write_text(path.read_text().replace("1.248", "1.148"))
    gates = {gate.name: gate for gate in promotion.check_promotion(workspace, "next").gates}
    assert "not what a run recorded here" in gates["evidence"].reason
    assert not promotion.check_promotion(workspace, "next").promoted


def test_a_better_experiment_kept_since_takes_the_promotion(workspace: Workspace, candidate: Path) -> None:
    verdict(workspace, "next")
    scored(workspace, "better", 1.1, script="x = 5\n", parent="base")
    gates = {gate.name: gate for gate in promotion.check_promotion(workspace, "next").gates}
    assert "better was kept with 1.1000" in gates["evidence"].reason


@pytest.mark.parametrize("by", ["implementer", "researcher", "Critic"])
def test_nobody_else_reaches_a_verdict(workspace: Workspace, candidate: Path, by: str) -> None:
    with pytest.raises(BadConfig, match="a critic's or a human's"):
        verdict(workspace, "next", by=by)


def test_a_review_that_was_only_written_down_is_none(workspace: Workspace, candidate: Path) -> None:
    """By hand, copied from another experiment, or left by a later verdict that a kill cut short."""
    verdict(workspace, "next")
    accepted = (candidate / review.REVIEW).read_text()
    workspace.notes.unlink()
    assert "no critic has looked" in gate(workspace, candidate).reason
    verdict(workspace, "next", "reject")
    (candidate / review.REVIEW).write_text(accepted)
    assert gate(workspace, candidate).verdict == "fail"
    verdict(workspace, "next")
    (candidate / review.REVIEW).write_text(accepted.replace(candidate.name, "2026-01-01_other"))
    assert "not the review that was recorded" in gate(workspace, candidate).reason


@pytest.mark.parametrize("line", ["tokens = load('fineweb_val_000000.bin')", "train_on(validation)", "VAL = 1"])
def test_an_added_line_that_names_validation_is_shown_to_the_critic(workspace: Workspace, line: str) -> None:
    scored(workspace, "base", 1.3)
    scored(workspace, "next", 1.2, script=f"{line}\n", parent="base")
    fact = next(point.fact for point in review.sheet(workspace, "next").points if point.name == "leakage")
    assert line in fact


@pytest.mark.parametrize("line", ["value = 1", "model.eval()", "interval = 3", "removal = 1"])
def test_a_word_that_only_contains_val_is_not(workspace: Workspace, line: str) -> None:
    scored(workspace, "base", 1.3)
    scored(workspace, "next", 1.2, script=f"{line}\n", parent="base")
    fact = next(point.fact for point in review.sheet(workspace, "next").points if point.name == "leakage")
    assert "no added line" in fact


def test_the_same_script_and_settings_again_are_found(workspace: Workspace, candidate: Path) -> None:
    scored(workspace, "copy", 1.248, script="x = 2\n", parent="base")
    point = next(point for point in review.sheet(workspace, "copy").points if point.name == "provenance")
    assert point.verdict == "fail"
    assert candidate.name in point.fact


def test_a_log_that_disagrees_with_the_measurement_fails_the_byte_audit(workspace: Workspace, candidate: Path) -> None:
    path = candidate / experiments.RESULT
    result = json.loads(path.read_text())
    result["seeds"][0]["logged_val_bpb"] = 1.1
    path.write_text(json.dumps(result))
    assert points(workspace, "next")["bytes"] == "fail"


def test_techniques_that_fail_together_are_pointed_out(workspace: Workspace) -> None:
    scored(workspace, "both", 1.2, script="ema_decay = 0.9\nnum_loops = 3\n")
    assert points(workspace, "both")["conflicts"] == "unknown"


def test_there_is_no_sheet_without_a_score(workspace: Workspace) -> None:
    script = workspace.root / "t.py"
    script.write_text("")
    experiments.claim(workspace, "new", hypothesis="h", script=script)
    with pytest.raises(UnreadableInput, match="no score yet"):
        review.sheet(workspace, "new")


def test_without_a_verdict_nothing_is_promoted(workspace: Workspace, candidate: Path) -> None:
    found = promotion.check_promotion(workspace, "next")
    assert not found.promoted
    assert [entry.name for entry in found.gates if entry.verdict == "fail"] == ["review"]
    assert "spawn the critic" in found.reason


def test_an_accepting_verdict_promotes_and_is_in_the_shared_channel(workspace: Workspace, candidate: Path) -> None:
    verdict(workspace, "next")
    assert promotion.check_promotion(workspace, "next").promoted
    said = list(notes.read(workspace))[-1]
    assert (said.kind, said.by, said.verdict, said.experiment) == ("verdict", "critic", "accept", candidate.name)


@pytest.mark.parametrize("word", ["revise", "reject"])
def test_another_verdict_does_not(workspace: Workspace, candidate: Path, word: str) -> None:
    verdict(workspace, "next", word)
    assert gate(workspace, candidate).reason == f"the critic says {word}: {word}: read it all"


def test_the_last_verdict_stands(workspace: Workspace, candidate: Path) -> None:
    verdict(workspace, "next", "reject")
    verdict(workspace, "next", "accept")
    assert gate(workspace, candidate).verdict == "pass"
    verdict(workspace, "next", "reject")
    assert gate(workspace, candidate).verdict == "fail"


@pytest.mark.parametrize("file", ["train_gpt.py", "config.yaml"])
def test_one_byte_later_the_verdict_counts_no_more(workspace: Workspace, candidate: Path, file: str) -> None:
    verdict(workspace, "next")
    path = candidate / file
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    assert "about an earlier state" in gate(workspace, candidate).reason
    path.write_bytes(before)
    assert gate(workspace, candidate).verdict == "pass"


def test_a_verdict_on_another_change_is_not_taken(workspace: Workspace, candidate: Path) -> None:
    sheet = review.sheet(workspace, "next")
    (candidate / "train_gpt.py").write_text("x = 3\n")
    with pytest.raises(BadConfig, match="edited or played again since"):
        review.record(
            workspace, "next", by="critic", verdict="accept", reason="r", diff_sha256=sheet.diff_sha256,
            points={point.name: "pass: seen" for point in sheet.points},
        )  # fmt: skip
    assert not (candidate / review.REVIEW).exists()
    assert not list(notes.read(workspace))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"verdict": None}, "verdict"),
        ({"verdict": "fine"}, "verdict"),
        ({"diff_sha256": None}, "diff_sha256"),
        ({"points": None}, "points"),
        ({"points": {"gain": "pass: yes"}}, "points|significance"),
        ({"points": "yes: all"}, "points|verdict"),
        ({"reason": ""}, "reason"),
    ],
)
def test_half_a_verdict_is_refused_and_says_what_is_missing(
    workspace: Workspace, candidate: Path, change: dict, problem: str
) -> None:
    sheet = review.sheet(workspace, "next")
    said = {
        "verdict": "accept", "reason": "r", "diff_sha256": sheet.diff_sha256,
        "points": {point.name: "pass: seen" for point in sheet.points}, **change,
    }  # fmt: skip
    if isinstance(said["points"], str):
        said["points"] = {point.name: said["points"] for point in sheet.points}
    with pytest.raises(BadConfig, match=problem):
        review.record(workspace, "next", by="critic", **said)
    assert gate(workspace, candidate).verdict == "fail"


def test_nobody_accepts_what_fails(workspace: Workspace, candidate: Path) -> None:
    with pytest.raises(BadConfig, match="accept"):
        verdict(workspace, "next", "accept", failing=("leakage",))
    verdict(workspace, "next", "reject", failing=("leakage",))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"review": {"verdict": "accept"}}', "\x00", "[" * 100_000])
def test_a_damaged_review_never_counts(workspace: Workspace, candidate: Path, content: str) -> None:
    (candidate / review.REVIEW).write_text(content)
    assert gate(workspace, candidate).verdict == "fail"
