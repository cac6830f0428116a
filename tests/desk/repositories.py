"""Real git repositories whose commits have times of their own, and a claim to put in them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from golf.desk.notebook.notebook import check
from golf.workspace import Workspace

CLAIM: dict[str, Any] = {
    "hypothesis": "a wider MLP learns more per step",
    "expected_outcome": "val_bpb 1.20 instead of 1.22",
    "rollback_criteria": "above 1.22 after 500 steps",
}


class Repository:
    """A real one, in which every commit is a minute after the one before."""

    def __init__(self, root: Path) -> None:
        self.root, self.minute = root, 0
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, minute: int | None = None, fails: bool = False) -> str:
        stamp = f"{1_790_000_000 + 60 * (self.minute if minute is None else minute)} +0000"
        clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
        done = subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-C", str(self.root), *arguments],
            env={**clean, "PATH": path, "GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode != 0) is fails, done.stderr
        return done.stdout + done.stderr if fails else done.stdout

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def commit(self, *files: str | tuple[str, str], minute: int | None = None) -> str:
        """Commit what is in the working tree, with these files written first."""
        self.minute += 1
        for file in files:
            name, text = file if isinstance(file, tuple) else (file, f"{file}\n")
            self.write(name, text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "c", minute=minute)
        return self.git("rev-parse", "HEAD").strip()


def orders(workspace: Workspace) -> dict[str, str]:
    found = check([], workspace=workspace).experiments
    return {one.experiment.partition("_")[2]: one.order for one in found}
