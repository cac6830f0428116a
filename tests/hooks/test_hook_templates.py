"""What `golf init` declares to Codex: the hooks, and the rules as Codex's own checker reads them."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from golf.hooks import entry

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "golf" / "templates" / "codex"
RULES = TEMPLATES / "rules" / "golf.rules"
CODEX = shutil.which("codex") or shutil.which("codex", path=str(ROOT / "node_modules" / ".bin"))


def test_every_declared_hook_is_one_that_golf_hook_answers() -> None:
    declared = json.loads((TEMPLATES / "hooks.json").read_text())
    assert set(declared) <= {"description", "hooks"}, "Codex drops a file with anything else in it"
    hooks = {event: hook for event, groups in declared["hooks"].items() for group in groups for hook in group["hooks"]}
    assert set(hooks) == {"PreToolUse", "SessionStart", "Stop"}
    for event, hook in hooks.items():
        program, asked = hook["command"].split(" ")
        assert (program, asked.replace("-", "")) == ("golf-hook", event.lower()) and asked in entry.EVENTS
        assert hook["timeout"] <= 10


def test_the_matcher_takes_every_tool_that_a_guard_looks_at() -> None:
    (group,) = json.loads((TEMPLATES / "hooks.json").read_text())["hooks"]["PreToolUse"]
    for tool in ("Bash", "apply_patch", "mcp__golf__record_note", "mcp__filesystem__write_file"):
        assert re.search(group["matcher"], tool)
    assert not re.search(group["matcher"], "collaborationwait_agent")


def decision(tmp_path: Path, *command: str) -> str | None:
    if CODEX is None:
        pytest.skip("the Codex CLI is not installed: npm install")
    done = subprocess.run(
        [CODEX, "execpolicy", "check", "--rules", str(RULES), *command],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "CODEX_HOME": str(tmp_path), "HOME": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[:2000]  # an example in the file that does not hold is an error
    return json.loads(done.stdout).get("decision")


@pytest.mark.parametrize(
    "line, expected",
    [
        ("ls", None),
        ("nvidia-smi", None),
        ("nvidia-smi --gpu-reset", "forbidden"),
        ("killall -9 python3", "forbidden"),
        ("rm -rf .golf/", "forbidden"),
        ("git push -f", "prompt"),
        ("golf record override why --edit eval.py", "forbidden"),
        ("golf submit wider --tier h100x8", "prompt"),
        ("golf run wider", None),
    ],
)
def test_the_rules_load_with_all_their_examples_and_decide(line: str, expected: str | None, tmp_path: Path) -> None:
    assert decision(tmp_path, *line.split(" ")) == expected
