"""What was tried is asked and told at the command line, as text and as JSON."""

import json
from pathlib import Path
from unittest import mock

import pytest
from scene import scored

from golf.cli import main
from golf.play import experiments
from golf.research import calibration
from golf.workspace import Workspace


def golf(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(argv)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def script(workspace: Workspace) -> Path:
    path = workspace.root / "train_gpt.py"
    path.write_text("x = 1\n")
    return path


def test_a_new_experiment_is_warned_of_what_came_of_its_idea_and_is_claimed_all_the_same(
    workspace: Workspace, script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = scored(workspace, "base", 1.30)
    scored(workspace, "smear-gate", 1.31, parent=base.name)
    code, out, err = golf(capsys, "new", "again", "--hypothesis", "the smear gate helps", "--script", str(script))
    assert code == 0
    assert experiments.exists(workspace, "again")
    said = next(line for line in err.splitlines() if line.startswith("You tried this"))
    assert "smear-gate 'smear-gate helps': discard, -0.0100 BPB gained" in said
    assert len(said.encode()) <= 400
    assert "You tried" not in out


def test_an_idea_of_its_own_is_claimed_without_a_warning(
    workspace: Workspace, script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, hypothesis in (("a", "EMA decay 0.9"), ("b", "mixture of depths")):
        code, _, err = golf(capsys, "new", name, "--hypothesis", hypothesis, "--script", str(script))
        assert code == 0
        assert "tried" not in err


def test_a_claim_that_leaves_its_end_open_is_told_so_and_a_whole_one_is_not(
    workspace: Workspace, script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ("--hypothesis", "EMA decay 0.9", "--script", str(script))
    code, _, err = golf(capsys, "new", "a", *said, "--expected", "0.001 lower")
    assert code == 0
    assert "not said: when it is given up (--rollback); golf notebook will ask" in err
    _, _, err = golf(capsys, "new", "b", *said, "--expected", "0.001 lower", "--rollback", "no gain after 500 steps")
    assert "not said" not in err


def test_a_damaged_ledger_keeps_no_idea_from_being_claimed_and_is_said(
    workspace: Workspace, script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.ledger.write_text("what is this\n")
    code, _, err = golf(capsys, "new", "a", "--hypothesis", "EMA decay 0.9", "--script", str(script))
    assert code == 0
    assert experiments.exists(workspace, "a")
    assert "Whether this was tried before is not known: " in err
    assert "results.tsv:1 is not a ledger's header" in err


def test_a_dry_run_of_a_new_experiment_warns_and_leaves_no_memory_of_itself(
    course_workspace: Workspace, script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiments.claim(course_workspace, "ema", hypothesis="EMA decay 0.9", script=script, tier="tiny")
    said = ("--hypothesis", "EMA decay 0.99", "--script", str(script), "--tier", "tiny")
    code, _, err = golf(capsys, "run", "new", *said, "--dry-run")
    assert code == 0
    assert "You tried this (another knob value): " in err
    code, out, _ = golf(capsys, "research", "tried", "EMA decay 0.99", "--json")
    assert [one["record"]["name"].partition("_")[2] for one in json.loads(out)] == ["ema"]


def test_tried_is_exit_1_with_what_came_of_it_and_0_when_it_is_new(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    scored(workspace, "smear-gate", 1.30)
    assert golf(capsys, "research", "tried", "mixture of depths")[:2] == (0, "nothing like it was tried\n")
    assert golf(capsys, "research", "tried", "mixture of depths", "--json")[:2] == (0, "[]\n")
    code, out, _ = golf(capsys, "research", "tried", "smear-gate helps")
    assert code == 1
    assert "smear-gate helps" in out
    assert "same idea" in out
    code, out, _ = golf(capsys, "research", "tried", "smear-gate helps", "--json")
    assert code == 1
    (one,) = json.loads(out)
    assert (one["kind"], one["record"]["status"]) == ("same idea", "keep")


def test_rules_are_a_line_each(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert golf(capsys, "research", "rules")[:2] == (0, "no idea has failed twice\n")
    assert golf(capsys, "research", "rules", "--json")[:2] == (0, "[]\n")
    base = scored(workspace, "base", 1.30)
    for number in (1, 2):
        scored(workspace, f"2026-04-0{number}_smear-gate", 1.31, parent=base.name)
    code, out, _ = golf(capsys, "research", "rules")
    assert code == 0
    (line,) = out.splitlines()
    assert "failed twice" in line
    assert json.loads(golf(capsys, "research", "rules", "--json")[1]) == [line]


def test_calibrate_shows_too_few_outcomes_in_words(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = golf(capsys, "research", "calibrate")
    assert code == 0
    assert "summary: not enough outcomes: 0 of 20 graded items have a measured result" in out
    assert "proposal" not in out
    value = json.loads(golf(capsys, "research", "calibrate", "--json")[1])
    assert value["outcomes"] == 0
    assert {one["verdict"] for one in value["dimensions"]} == {"not enough outcomes"}


@pytest.mark.parametrize("verb", ["tried", "rules", "calibrate"])
def test_each_verb_s_help_ends_in_an_example_that_parses(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    import shlex

    from golf.cli import build_parser

    with pytest.raises(SystemExit):
        main(["research", verb, "--help"])
    example = capsys.readouterr().out.split("example:\n")[1].strip()
    assert build_parser().parse_args(shlex.split(example)[1:]).research_verb == verb


def test_s60_calibrate_shows_a_proposal_and_changes_nothing(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    found = calibration.Calibration(
        outcomes=40,
        dimensions=[
            calibration.Dimension(
                name="novelty", outcomes=40, correlation=0.1461, low=-0.182, high=0.446, p=0.0005,
                verdict=calibration.NOTHING, weight=0.0,
            )
        ],
        summary="novelty: this dimension predicts nothing, by 40 outcomes",
    )  # fmt: skip
    before = sorted(workspace.root.rglob("*"))
    with mock.patch("golf.research.outcomes.calibrated", return_value=found):
        code, out, _ = golf(capsys, "research", "calibrate")
    assert code == 0
    assert "proposal: the weights are factors of each dimension's grade; nothing was changed" in out
    assert (
        "dimension novelty: this dimension predicts nothing, outcomes 40, correlation 0.146, low -0.182, high 0.446, "
        "p 0.0005, weight 0.000"
    ) in out
    assert [path for path in sorted(workspace.root.rglob("*")) if ".golf" not in path.parts] == before
