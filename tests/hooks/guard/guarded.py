"""A workspace with something to guard, and what the guard says of a call in it."""

from pathlib import Path
from typing import Any

from scene import git

from golf.hooks.guard import decide
from golf.hooks.state import State
from golf.workspace import Workspace

EXPERIMENT = "2026-11-21_wider"


def furnished(root: Path) -> Workspace:
    """A workspace with files to guard: a baseline, a scorer, a ledger, a played experiment; all of it in git."""
    root.mkdir(exist_ok=True)
    for name in (
        "golf.toml",
        "baselines/naive.json",
        "eval.py",
        "train_gpt.py",
        "results.tsv",
        "notes.jsonl",
        ".codex/hooks.json",
        ".codex/rules/golf.rules",
        ".codex/agents/critic.toml",
        f"experiments/{EXPERIMENT}/result.json",
        f"experiments/{EXPERIMENT}/train_gpt.py",
        f"experiments/{EXPERIMENT}/logs/train_seed1.log",
        f"experiments/{EXPERIMENT}/artifact/seed1/final_model.int8.ptz",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("" if name == "golf.toml" else "x\n")
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    return Workspace(root)


def refused(
    workspace: Workspace, tool: str, given: dict[str, Any], role: str | None = None, cwd: str = ""
) -> str | None:
    event = {"tool_name": tool, "tool_input": given, "cwd": str(workspace.root / cwd)}
    return decide(event if role is None else {**event, "agent_type": role}, State(workspace.root))


def shell(workspace: Workspace, line: str, role: str | None = None, cwd: str = "") -> str | None:
    return refused(workspace, "Bash", {"command": line}, role, cwd)


def patch(path: str, body: str = "+x") -> str:
    return f"*** Begin Patch\n*** Update File: {path}\n@@\n{body}\n*** End Patch"
