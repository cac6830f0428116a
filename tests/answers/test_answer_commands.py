"""`golf schema` prints what Codex is asked for; `golf accept` takes its answer or says what is wrong with it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sample_answers import FACTS, REVIEW, SCHEMAS, item, review, run, summary

from golf import answers
from golf.answers import ANSWERS

Golf = Callable[..., tuple[int, str, str]]


@pytest.fixture
def golf(capsys: pytest.CaptureFixture[str]) -> Golf:
    from golf.cli import main

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_golf_schema_prints_the_file_and_lists_the_names(golf: Golf):
    assert golf("schema", "review") == (0, (SCHEMAS / "review.json").read_text(), "")
    code, out, _ = golf("schema", "--json")
    assert (code, [one["name"] for one in json.loads(out)]) == (0, list(ANSWERS))
    code, _, err = golf("schema", "revue")
    assert code == 2 and "next-directions" in err


def test_golf_accept_prints_the_answer_or_a_line_for_each_problem(golf: Golf, tmp_path: Path):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(REVIEW)
    bad.write_text(json.dumps(review(verdict="perhaps", reason="")))
    code, out, err = golf("accept", "review", str(good), "--json")
    assert (code, json.loads(out), err) == (0, review(), "")
    code, out, err = golf("accept", "review", str(bad))
    assert (code, out) == (2, "")
    assert any(line.startswith("verdict:") for line in err.splitlines())
    assert any(line.startswith("reason:") for line in err.splitlines())


def test_golf_accept_reads_stdin(golf: Golf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "answer").write_text(REVIEW)
    with open(tmp_path / "answer") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert golf("accept", "review", "-")[0] == 0


def test_golf_accept_adds_the_grades_up(golf: Golf, tmp_path: Path):
    file = tmp_path / "grades.json"
    file.write_text(answers.ResearchGrade(items=[item(3, 3, 2, 4, 3)]).model_dump_json())
    code, out, _ = golf("accept", "research-grade", str(file), "--json")
    assert code == 0
    assert [(one["total"], one["tier"]) for one in json.loads(out)] == [(15, "A")]


def test_golf_accept_refuses_numbers_nobody_measured(golf: Golf, tmp_path: Path):
    (tmp_path / "facts.json").write_text(json.dumps(FACTS))
    (tmp_path / "answer.json").write_text(json.dumps(summary(run(1, 1.1, "a"))))
    code, _, err = golf(
        "accept", "experiment-summary", str(tmp_path / "answer.json"), "--facts", str(tmp_path / "facts.json")
    )
    assert code == 2
    assert "val_bpb is said to be 1.1, and is 1.234567" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("review", "nowhere.json"), "there is no nowhere.json"),
        (("review", "."), "not a file"),
        (("revue", "nowhere.json"), "no schema 'revue'"),
        (("triage", "nowhere.json", "--record"), "--record takes a verdict"),
    ],
)
def test_golf_accept_says_what_it_cannot_use(golf: Golf, arguments: tuple[str, ...], said: str):
    code, _, err = golf("accept", *arguments)
    assert code == 2
    assert said in err
