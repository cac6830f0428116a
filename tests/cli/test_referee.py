"""The referee's verbs through the entry point: text, JSON and exit code."""

import json
from pathlib import Path

import pytest
from scene import scored

from golf.cli import main
from golf.workspace import Workspace

TOYS = Path(__file__).parents[1] / "referee" / "toys.py"


def golf(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(argv)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def two_runs(workspace: Workspace) -> Workspace:
    scored(workspace, "base", 1.25)
    scored(workspace, "wider", 1.10, parent="base", script="x = 2\n")
    return workspace


@pytest.mark.parametrize(("a", "b", "exit_code"), [("wider", "base", 0), ("base", "wider", 1)])
def test_compare_exits_by_whether_a_gain_is_shown(
    two_runs: Workspace, capsys: pytest.CaptureFixture[str], a: str, b: str, exit_code: int
) -> None:
    code, out, _ = golf(capsys, "compare", a, b, "--looks", "1")
    assert code == exit_code
    assert "written bar" in out
    code, out, _ = golf(capsys, "compare", a, b, "--looks", "1", "--json")
    assert (code, json.loads(out)["verdict"]) == (exit_code, "better" if exit_code == 0 else "worse")


def test_compare_names_what_is_neither_experiment_nor_folder(
    two_runs: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = golf(capsys, "compare", "nothing", "base")
    assert code == 2
    assert "neither an experiment nor a submission's folder" in err


def test_review_of_a_folder_shows_each_finding_with_rule_and_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "README.md").write_text("# A claim\n\nval_bpb: 1.1\n")
    code, out, _ = golf(capsys, "review", str(tmp_path))
    assert code in (0, 1)
    assert "MISSING_FILES" in out and "rule: " in out and "clears: " in out
    code, out, _ = golf(capsys, "review", str(tmp_path), "--json")
    assert json.loads(out)["verdict"] in ("review", "block")


def test_an_excerpt_is_not_blamed_for_its_missing_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "README.md").write_text("# A claim\n")
    ruling = json.loads(golf(capsys, "review", str(tmp_path), "--excerpt", "--json")[1])
    assert not [finding for finding in ruling["findings"] if "train_gpt" in finding["text"]]
    assert any(line.startswith("code") for line in ruling["not_examined"])


def test_predict_size_exits_1_only_when_it_cannot_fit(capsys: pytest.CaptureFixture[str]) -> None:
    assert golf(capsys, "predict-size", "--env", "NUM_LAYERS=2")[0] == 0
    code, out, _ = golf(capsys, "predict-size", "--env", "NUM_LAYERS=60", "--json")
    assert (code, json.loads(out)["verdict"]) == (1, "does not fit")
    assert golf(capsys, "predict-size", "--env", "NUM_LAYERS=many")[0] == 2


@pytest.mark.parametrize(("toy", "exit_code"), [("CausalBigram", 0), ("OracleGate", 1), ("WrongShape", 2)])
def test_audit_exits_0_causal_1_violated_2_undecided(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], toy: str, exit_code: int
) -> None:
    code, out, _ = golf(capsys, "audit", f"{TOYS}:{toy}", "--tokens", "48", "--positions", "8")
    assert code == exit_code
    assert "confinement: " in out or "not_confined: " in out


def test_audit_of_bytes_and_certify_say_what_they_need(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    for argv in (["audit"], ["certify"], ["certify", "nothing"], ["audit", "--bytes", "x.npz"]):
        code, _, err = golf(capsys, *argv)
        assert code == 2, argv
        assert "golf" in err and "Traceback" not in err
