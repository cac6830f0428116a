"""Input that cannot be used: exit 2, the option or path by its own name, and JSON where JSON was asked for."""

import json
from pathlib import Path

import pytest
from toy_folder import case_of, log_of

from golf.cli import main
from golf.workspace import Workspace


def golf(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> tuple[int, str, str]:
    try:
        code = main([str(word) for word in argv])
    except SystemExit as left:  # argparse
        code = int(left.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def submissions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one submission in it, outside any workspace."""
    monkeypatch.delenv("GOLF_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "subs" / "one").mkdir(parents=True)
    (tmp_path / "subs" / "one" / "README.md").write_text("# A claim\n")
    return tmp_path / "subs"


def test_review_of_nothing_exits_2_and_of_something_for_a_person_exits_0(
    submissions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case_of(submissions / "toy", table={"val_bpb": 1.1}, logs={"train_seed1.log": log_of(seed=1)})
    code, out, _ = golf(capsys, "review", submissions / "toy", "--excerpt", "--json")
    assert (code, json.loads(out)["verdict"]) == (0, "review")
    (submissions / "empty").mkdir()
    code, out, err = golf(capsys, "review", submissions / "empty", "--json")
    assert (code, json.loads(out)["examined"]) == (2, [])
    assert "nothing in" in err


def test_review_names_what_is_no_folder(submissions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for argv, why in (
        (("records/none",), "there is no folder records/none"),
        (("none",), "there is no folder none"),
        (
            (submissions / "one" / "README.md",),
            f"README.md is a file: give the submission's folder, e.g. {submissions}",
        ),
        (("",), "what is to be reviewed?"),
        (("-w", "/nope", submissions / "one"), "there is no golf.toml in it"),
    ):
        code, _, err = golf(capsys, "review", *argv)
        assert (code, why in err) == (2, True), err


def test_review_in_a_workspace_tells_a_folder_from_an_experiment(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workspace.root)
    assert "there is no folder records/none. " in golf(capsys, "review", "records/none")[2]
    assert "no folder none, and no experiment of this name" in golf(capsys, "review", "none")[2]


@pytest.mark.parametrize(
    "options",
    [("--limit", "-1"), ("--limit", "0"), ("--limit", "nan"), ("--workers", "0"), ("--workers", "-2")],
)
def test_triage_refuses_no_time_and_no_processes(
    submissions: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, str]
) -> None:
    code, _, err = golf(capsys, "triage", submissions, *options)
    assert code == 2 and options[0] in err


@pytest.mark.parametrize("option", ["--page", "--data", "--index"])
def test_triage_names_the_option_whose_file_is_a_folder_before_it_judges(
    submissions: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    code, out, err = golf(capsys, "triage", submissions, option, submissions)
    assert (code, out) == (2, "")
    assert f"{option} {submissions} is a folder: give a file" in err and "judged" not in err


def test_triage_of_which_nothing_was_judged_exits_2(submissions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = golf(capsys, "triage", submissions, "--limit", "0.000001")
    assert code == 2 and "none of 1 submissions was judged" in err


@pytest.mark.parametrize("claim", ["nan", "-1", "0", "inf"])
def test_a_score_to_correct_is_a_number_above_0(
    submissions: Path, capsys: pytest.CaptureFixture[str], claim: str
) -> None:
    code, _, err = golf(capsys, "audit", "--bytes", f"--claimed-bpb={claim}")
    assert code == 2 and "must be a number above 0" in err and "pydantic" not in err


def test_a_misspelled_setting_is_an_error_and_an_unknown_one_a_note(
    submissions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """NUM_LAYRES=40 predicted the baseline, which fits."""
    code, _, err = golf(capsys, "predict-size", "--env", "NUM_LAYRES=40")
    assert code == 2 and "NUM_LAYRES (did you mean NUM_LAYERS?)" in err
    code, out, _ = golf(capsys, "predict-size", "--env", "RUN_ID=7", "--json")
    assert code == 0 and "not read for this" in json.loads(out)["notes"][0] and "RUN_ID" in json.loads(out)["notes"][0]


def test_a_shape_that_is_none_is_told_in_settings(submissions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = golf(capsys, "predict-size", "--env", "NUM_HEADS=7")
    assert code == 2
    assert "MODEL_DIM=512, NUM_HEADS=7" in err and "Shape(" not in err


def test_an_error_is_json_where_json_was_asked_for(submissions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = golf(capsys, "review", "records/none", "--json")
    assert json.loads(out) == {"error": err.removeprefix("golf review: ").rstrip("\n"), "exit_code": 2}
    assert code == 2
    assert golf(capsys, "review", "records/none")[1] == ""


@pytest.mark.parametrize(
    "verb, exits", [("audit", "2 undecided"), ("certify", "1 not certified"), ("review", "1 blocked")]
)
def test_help_says_what_a_verb_exits_with_and_what_a_scorer_is(
    capsys: pytest.CaptureFixture[str], verb: str, exits: str
) -> None:
    _, out, _ = golf(capsys, verb, "--help")
    assert exits in out
    assert verb == "review" or "def predict(prefix)" in out
