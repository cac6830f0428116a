"""Where README, submission.json and logs part is a finding with both lines; where they agree is none."""

import json
from pathlib import Path
from typing import Any

import pytest
from referee.test_extraction import log

from golf.referee import reconcile
from golf.referee.case import open_case
from golf.rulings import Finding


def findings(folder: Path, table: dict[str, Any], readme: str = "# Toy\n", **logs: str) -> list[Finding]:
    (folder / "submission.json").write_text(json.dumps(table, indent=1))
    (folder / "README.md").write_text(readme)
    for name, text in logs.items():
        (folder / f"{name}.log").write_text(text)
    return reconcile.findings(open_case(folder))


@pytest.mark.parametrize("claim", [1.202, 1.2020, 1.201, 1.20199, 1.203])
def test_the_mean_and_any_seed_are_a_headline(tmp_path: Path, claim: float) -> None:
    logs = {"train_seed1": log(1.201), "train_seed2": log(1.202), "train_seed3": log(1.203)}
    assert findings(tmp_path, {"val_bpb": claim}, **logs) == []


def test_a_headline_better_than_every_log_is_a_flag_with_both_lines(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, {"val_bpb": 1.15}, train_seed1=log(1.201), train_seed2=log(1.202))
    assert (found.code, found.severity) == ("SCORE_DISAGREES", "flag")
    assert found.text == "val_bpb 1.15 is claimed, and 2 logs give 1.2015 on average, from 1.201 to 1.202"
    assert [(where.file, where.line) for where in found.evidence] == [("submission.json", 2), ("train_seed1.log", 6)]
    assert found.evidence[1].quote.startswith("final_int8_zlib_roundtrip_exact")


def test_a_headline_that_is_worse_than_the_logs_is_a_note(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, {"val_bpb": 1.25}, train=log(1.201))
    assert (found.severity, found.text) == ("note", "val_bpb 1.25 is claimed, and train.log states 1.201")


def test_a_headline_without_logs_is_no_disagreement(tmp_path: Path) -> None:
    assert findings(tmp_path, {"val_bpb": 1.25}) == []


@pytest.mark.parametrize(
    "said, severity", [("**val_bpb: 1.2011**", None), ("**val_bpb: 1.2015**", "note"), ("**val_bpb: 1.1011**", "flag")]
)
def test_the_readmes_headline_is_held_to_submission_json(tmp_path: Path, said: str, severity: str | None) -> None:
    found = findings(tmp_path, {"val_bpb": 1.2011}, f"# Toy\n\n{said}\n", train=log(1.2011))
    assert [one.severity for one in found] == ([severity] if severity else [])
    if severity:
        assert [(where.file, where.line) for where in found[0].evidence] == [("submission.json", 2), ("README.md", 3)]


def test_a_readmes_headline_that_a_log_backs_is_a_note(tmp_path: Path) -> None:
    """One record's submission.json states the round trip's score and its README the sliding window's."""
    found = findings(tmp_path, {"val_bpb": 1.2184}, "# Toy: 1.1971 BPB\n", train=log(1.1971))
    assert {one.severity for one in found} == {"note"}


def test_a_seed_whose_log_says_something_else_is_a_finding(tmp_path: Path) -> None:
    rows = {"1": {"val_bpb": 1.1, "artifact_bytes": 15_800_000}, "2": {"val_bpb": 1.202, "artifact_bytes": 15_900_000}}
    table = {"val_bpb": 1.2015, "seed_results": rows}
    found = findings(tmp_path, table, train_seed1=log(1.201), train_seed2=log(1.202))
    assert [(one.code, one.severity, one.text) for one in found] == [
        ("SCORE_DISAGREES", "flag", "submission.json states val_bpb 1.1 for seed 1, and train_seed1.log 1.201"),
        (
            "SIZE_DISAGREES",
            "note",
            "submission.json states 15,800,000 bytes for seed 1, and train_seed1.log 15,900,000",
        ),
    ]
    assert found[1].evidence[1].quote == "Total submission size int8+zlib: 15900000 bytes"


def test_many_disagreeing_seeds_are_a_few_findings(tmp_path: Path) -> None:
    rows = {str(seed): {"val_bpb": 1.1} for seed in range(1, 20)}
    logs = {f"train_seed{seed}": log(1.2 + seed / 1e4) for seed in range(1, 20)}
    found = findings(tmp_path, {"seed_results": rows}, **logs)
    assert len(found) == reconcile.SEEDS_MAX


TABLE = """\
| Seed | Steps | **val_bpb** | Artifact |
|------|-------|-------------|----------|
| **1** | 5,000 | {score} | {size} |
| 2 | 5,000 | 1.2020 | 15,900,000 |
| Mean | | 1.2015 | |

| Seed | GPU hours |
|---|---|
| 1 | 1.9999 |
"""


@pytest.mark.parametrize(
    "score, size, found",
    [
        ("**1.2010**", "15,900,000", []),
        ("1.2400 then 1.2010", "15900000", []),
        ("1.1990", "15,900,000", ["README.md states 1.199 for seed 1, and no log of it states one of them"]),
        ("1.2010", "15,800,000", ["README.md states 15,800,000 bytes for seed 1, and its log 15,900,000"]),
        ("-0.0100 ± 0.0020", "+15,800,000", []),
    ],
)
def test_a_readmes_table_of_seeds_is_held_to_their_logs(
    tmp_path: Path, score: str, size: str, found: list[str]
) -> None:
    readme = "# Toy\n\n" + TABLE.format(score=score, size=size)
    said = findings(tmp_path, {"val_bpb": 1.2015}, readme, train_seed1=log(1.201), train_seed2=log(1.202))
    assert [one.text for one in said] == found
    assert all(one.severity == "note" and one.evidence[0].line == 5 for one in said)
