"""What a candidate changes, by name, and a hash that no byte escapes."""

from pathlib import Path

import pytest
from scene import scored

from golf.play import change, experiments
from golf.workspace import Workspace

SCRIPT = """\
import torch
LR = 0.1


class GPT:
    width = 1

    def forward(self, x):
        return x


def train():
    pass
"""


@pytest.fixture
def pair(workspace: Workspace) -> tuple[Path, Path]:
    base = scored(workspace, "base", 1.3, script=SCRIPT, env={"LAYERS": "2"})
    edited = SCRIPT.replace("return x", "return x + 1").replace("LR = 0.1", "LR = 0.2")
    return base, scored(workspace, "next", 1.2, script=edited, parent="base", env={"LAYERS": "4", "WIDTH": "8"})


def test_functions_and_settings_that_differ_are_named(workspace: Workspace, pair: tuple[Path, Path]) -> None:
    found = change.change(workspace, pair[1])
    assert found.functions == ["GPT.forward", "the module's own code"]
    assert found.settings == {"LAYERS": ("2", "4"), "WIDTH": (None, "8")}
    assert found.added == ["LR = 0.2", "        return x + 1"]
    assert "LAYERS: 2 -> 4" in found.diff
    assert "-        return x\n+        return x + 1" in found.diff


def test_a_change_of_settings_alone_is_no_change_of_code(workspace: Workspace) -> None:
    scored(workspace, "base", 1.3, script=SCRIPT)
    found = change.change(workspace, scored(workspace, "next", 1.2, script=SCRIPT, parent="base", env={"A": "1"}))
    assert not found.is_code
    assert found.functions == []


def test_a_script_that_does_not_parse_has_no_named_functions(workspace: Workspace) -> None:
    assert change.change(workspace, scored(workspace, "broken", 1.3, script="def (:\n")).functions is None


def test_without_a_parent_everything_is_new(workspace: Workspace) -> None:
    found = change.change(workspace, scored(workspace, "base", 1.3, script=SCRIPT))
    assert len(found.added) == len(SCRIPT.splitlines())
    assert not found.removed


@pytest.mark.parametrize("which", ["base/config.yaml", "base/train_gpt.py", "next/config.yaml", "next/train_gpt.py"])
def test_one_byte_anywhere_is_another_hash(workspace: Workspace, pair: tuple[Path, Path], which: str) -> None:
    before = change.diff_sha256(workspace, pair[1])
    assert change.diff_sha256(workspace, pair[1]) == before
    name, file = which.split("/")
    path = pair[0 if name == "base" else 1] / file
    path.write_bytes(path.read_bytes() + b"\n")
    assert change.diff_sha256(workspace, pair[1]) != before


def test_a_repetition_of_the_run_is_another_hash(workspace: Workspace, pair: tuple[Path, Path]) -> None:
    before = change.diff_sha256(workspace, pair[1])
    path = pair[1] / experiments.RESULT
    path.write_text(path.read_text().replace('"run-next"', '"run-again"'))
    assert change.diff_sha256(workspace, pair[1]) != before
