"""Offending lines are known again under other names, and neither a repair nor a dead copy is taken for the offence."""

import re
from pathlib import Path

import numpy as np
import pytest
from offence import OFFENCE, rule_invalid

from golf.referee import resemblance
from golf.referee.case import open_case
from golf.rulings import CODES, Finding

START = """
import os
import torch
import torch.nn.functional as F

adapt_enabled = bool(int(os.environ.get("ADAPT_ENABLED", "{default}")))
"""

END = """

def main():
    net = torch.nn.Linear(2, 2)
    if adapt_enabled:
        adapt(net, [], 0.1)


if __name__ == "__main__":
    main()
"""


@pytest.fixture(autouse=True)
def one_known(monkeypatch: pytest.MonkeyPatch) -> None:
    rule_invalid(monkeypatch)


def findings(folder: Path, offence: str = OFFENCE, default: int = 1, pr: int | None = None) -> list[Finding]:
    folder.mkdir(exist_ok=True)
    (folder / "train_gpt.py").write_text(START.format(default=default) + offence + END)
    return resemblance.findings(open_case(folder, pr))


def renamed(script: str) -> str:
    for name in ("net", "batches", "rate", "losses", "logits", "step", "value"):
        script = re.sub(rf"\b{name}\b", f"{name}_of_mine", script)
    return script.replace("    ", "  ").replace("1.0", "0.5")


@pytest.mark.parametrize("change", [str, renamed], ids=["as it was", "renamed and retuned"])
def test_a_copy_that_runs_is_for_a_person_to_look_at(tmp_path: Path, change) -> None:
    (found,) = findings(tmp_path, change(OFFENCE))
    assert (found.code, found.severity) == ("RESEMBLES_INVALID", "flag")
    assert "#7 was ruled invalid under TTT_TRAIN_THEN_SCORE" in found.text and "the ruling" in found.text
    (where,) = found.evidence
    assert where.file == "train_gpt.py" and where.line is not None and "def adapt" in where.quote


def test_a_repair_is_no_copy(tmp_path: Path) -> None:
    repaired = OFFENCE.replace(
        "        logits = net(x", "        scores.append(score(net, x, y))\n        logits = net(x"
    )
    assert repaired != OFFENCE
    assert findings(tmp_path, repaired) == []


def test_a_copy_that_the_settings_keep_from_running_is_a_note(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, default=0)
    assert found.severity == "note" and "does not run them" in found.text


def test_nobody_resembles_itself(tmp_path: Path) -> None:
    assert findings(tmp_path, pr=7) == []
    assert findings(tmp_path, pr=8) != []


def test_code_that_shares_nothing_is_not_mentioned(tmp_path: Path) -> None:
    assert findings(tmp_path, "\ndef adapt(*rest):\n    return rest\n") == []


def test_the_shipped_fingerprints_are_small_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    rows = resemblance.known()
    assert len(rows) > 50
    assert Path(resemblance.__file__).with_name("known_invalid.json").stat().st_size < 100_000
    for row in rows:
        assert row.code in CODES and row.source.startswith("https://github.com/openai/parameter-golf/")
        assert len(row.fingerprint) >= resemblance.HASHES_MIN
        assert np.array_equal(row.fingerprint, np.unique(row.fingerprint))
