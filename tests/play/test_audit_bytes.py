"""`golf audit --bytes` holds a script's byte table, built in a confined process, against the decoded text."""

from pathlib import Path

import numpy as np
import pytest

from golf.errors import NotFound, UnreadableInput
from golf.play.audit_bytes import audit_bytes
from golf.workspace import Workspace

SCRIPT = """
import torch
class GPT: pass
class Hyperparameters: pass
def build_sentencepiece_luts(sp, vocab_size, device):
    size = sp.vocab_size()
    base, space, control = torch.zeros(size), torch.zeros(size, dtype=torch.bool), torch.ones(size, dtype=torch.bool)
    for token in range(size):
        if sp.is_control(token) or sp.is_unknown(token) or sp.is_unused(token):
            continue
        control[token] = False
        piece = sp.id_to_piece(token)
        space[token] = piece.startswith("\u2581")
        base[token] = 1 if sp.is_byte(token) else len(piece.replace("\u2581", "").encode()) + {extra}
    return base, space, control
"""


def script(folder: Path, extra: str) -> str:
    path = folder / "theirs.py"
    path.write_text(SCRIPT.replace("{extra}", extra))
    return str(path)


def test_the_challenges_own_table_is_exact_on_the_workspaces_text(course_workspace: Workspace) -> None:
    found = audit_bytes(None, workspace=course_workspace)
    assert (found.verdict, found.defects) == ("exact", [])


def test_a_script_that_counts_right_is_exact(course_workspace: Workspace, tmp_path: Path) -> None:
    assert audit_bytes(script(tmp_path, "0"), workspace=course_workspace).verdict == "exact"


def test_a_space_that_counts_twice_is_named_and_the_score_corrected(
    course_workspace: Workspace, tmp_path: Path
) -> None:
    found = audit_bytes(script(tmp_path, "bool(space[token])"), workspace=course_workspace, claimed_bpb=1.0)
    assert found.verdict == "miscounted"
    assert found.defects[0].kind == "leading_space_twice"
    assert found.corrected_bpb == pytest.approx(found.counted_bytes / found.challenge_bytes)


def test_a_table_beside_a_script_is_read_without_unpickling(course_workspace: Workspace, tmp_path: Path) -> None:
    np.savez(tmp_path / "meta.npz", base_bytes=np.array([{"a": 1}] * 4, dtype=object))
    with pytest.raises(UnreadableInput, match="no byte table"):
        audit_bytes(str(tmp_path / "meta.npz"), workspace=course_workspace)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('no table')", "no table"),
        ("class GPT: pass\nclass Hyperparameters: pass", "no function build_sentencepiece_luts"),
        ("import os; os.write(3, b'[1]\\n'); os._exit(0)", "no answer"),
    ],
)
def test_a_script_without_a_table_says_so(course_workspace: Workspace, tmp_path: Path, body: str, words: str) -> None:
    (tmp_path / "theirs.py").write_text(body)
    with pytest.raises(UnreadableInput, match=words):
        audit_bytes(str(tmp_path / "theirs.py"), workspace=course_workspace)


def test_nothing_is_counted_without_text(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no text to count"):
        audit_bytes(None)
