"""What tests are set in: repositories, tiny tiers on a real course, and waiting for a fact."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from golf.workspace import Workspace

TINY = {
    "ITERATIONS": "4",
    "VAL_LOSS_EVERY": "2",
    "TRAIN_LOG_EVERY": "1",
    "WARMUP_STEPS": "0",
    "NUM_LAYERS": "2",
    "MODEL_DIM": "32",
    "NUM_HEADS": "4",
    "NUM_KV_HEADS": "2",
    "TRAIN_SEQ_LEN": "64",
    "TRAIN_BATCH_TOKENS": "512",
    "VAL_BATCH_SIZE": "16384",
    "MAX_WALLCLOCK_SECONDS": "0",
}
"""The naive baseline, as small as it goes: a run takes seconds."""


def eventually(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait until `condition` is true; a condition that never comes true fails the test."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s"
        time.sleep(0.02)


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout


def course_settings(workspace: Workspace) -> str:
    """golf.toml's [data] of a workspace that has a course."""
    return f'[data]\npath = "{workspace.data}"\ntokenizer = "{workspace.tokenizer}"\n'


def on_course(root: Path, course: Path) -> Workspace:
    """Make `root` a workspace with a tiny tier on `course`."""
    root.mkdir(exist_ok=True)
    settings = "".join(f'{key} = "{value}"\n' for key, value in TINY.items())
    (root / "golf.toml").write_text(
        f'[data]\npath = "{course}/datasets/pydocs_sp1024"\ntokenizer = "{course}/tokenizers/pydocs_1024_bpe.model"\n'
        f"[tiers.tiny]\nparallel_seeds = 2\ntime_limit_s = 200\n[tiers.tiny.env]\n{settings}"
    )
    git(root, "init", "--quiet")
    return Workspace(root)
