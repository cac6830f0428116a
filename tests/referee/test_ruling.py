"""The verdict that findings make, and what it speaks of."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_folder import case_of, log_of

from golf.referee import ruling
from golf.referee.rulebook import RULES, finding
from golf.rulings import CODES, SEVERITIES, Evidence, Finding

LINES = st.builds(Evidence, file=st.sampled_from(["a", "b"]), line=st.none() | st.integers(1, 9), quote=st.just("x"))
FINDINGS = st.lists(
    st.builds(
        lambda code, evidence, severity, confidence: finding(
            code, f"about {code}", *evidence, severity=severity, confidence=confidence
        ),
        st.sampled_from(CODES),
        st.lists(LINES, max_size=3),
        st.sampled_from(["block", "flag", "note"]),
        st.floats(0, 1),
    ),
    max_size=12,
)


@given(FINDINGS)
def test_merging_keeps_every_code_once_and_the_worst_of_each(findings: list[Finding]) -> None:
    merged = ruling.merged(findings)
    assert sorted(one.code for one in merged) == sorted({one.code for one in findings})
    for one in merged:
        same = [other for other in findings if other.code == one.code]
        assert one.severity == min((other.severity for other in same), key=SEVERITIES.index)
        assert one.severity != "block" or one.evidence
        assert set(map(str, one.evidence)) <= {str(where) for other in same for where in other.evidence}


@given(FINDINGS)
def test_merging_again_changes_nothing(findings: list[Finding]) -> None:
    merged = ruling.merged(findings)
    assert ruling.merged(merged) == merged


@given(FINDINGS)
def test_the_worst_stands_first(findings: list[Finding]) -> None:
    ranks = [SEVERITIES.index(one.severity) for one in ruling.merged(findings)]
    assert ranks == sorted(ranks)


def test_a_clean_folder_is_clear_of_what_was_examined(tmp_path: Path) -> None:
    case_of(tmp_path, table={"name": "Toy", "val_bpb": 1.2}, logs={f"seed{n}.log": log_of(seed=n) for n in (1, 2, 3)})
    ruled = ruling.review_submission(tmp_path, expects_code=False)
    assert (ruled.verdict, ruled.codes) == ("clear", [])
    assert ruled.examined == ["readme", "json", "logs", "files"]
    assert ruled.not_examined == ["code: the folder is an excerpt without it"]


def test_a_size_over_the_limit_blocks_and_says_so_in_a_sentence(tmp_path: Path) -> None:
    case_of(tmp_path, table={"name": "Toy", "val_bpb": 1.2}, logs={"seed1.log": log_of(total=17_000_000)})
    ruled = ruling.review_submission(tmp_path, expects_code=False)
    assert (ruled.verdict, ruled.codes) == ("block", ["SIZE_OVER"])
    assert ruled.reason.startswith("SIZE_OVER: 17,000,000 bytes in seed1.log")


def test_an_empty_folder_blocks_nothing_and_is_reviewed(tmp_path: Path) -> None:
    ruled = ruling.review_submission(tmp_path)
    assert (ruled.verdict, ruled.codes, ruled.examined) == ("review", ["MISSING_FILES"], [])


def test_what_could_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Toy\n")
    (tmp_path / "submission.json").write_text("[1, 2")
    ruled = ruling.review_submission(tmp_path)
    assert "json: submission.json could not be read" in ruled.not_examined


@pytest.mark.parametrize("code", CODES)
def test_no_code_hardens_beyond_its_rule(code: str) -> None:
    where = Evidence(file="a", line=1, quote="x")
    one = finding(code, "text", where)
    assert one.severity == RULES[one.code].severity


def test_a_check_that_runs_out_of_depth_leaves_a_flag_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train_gpt.py").write_text("x = 1\n")

    def endless(case: object) -> list[object]:
        raise RecursionError

    monkeypatch.setattr("golf.referee.checks.access.findings", endless)
    found = ruling.review_submission(tmp_path)
    assert "UNREADABLE" in found.codes or found.verdict == "block"
    assert any(finding.code == "UNREADABLE" and "access" in finding.text for finding in found.findings)
    assert any(finding.code == "MISSING_FILES" for finding in found.findings)
