"""What a fresh claim leaves besides config.yaml: a page with its three headings, and a commit that tells when.

The commit stands on HEAD under `refs/golf-claims/<experiment>` and touches no branch, index or file. It holds the claim
and the scripts as they were, so that `golf notebook` can tell a claim that came before its code from one after it.
"""

import contextlib
import tempfile
from collections.abc import Iterable
from pathlib import Path

from golf.errors import GolfError, UnreadableInput
from golf.play import worktree
from golf.schema import Experiment

REFS = "refs/golf-claims"

NOT_PLAYED = "No score yet."


def page(name: str, experiment: Experiment) -> str:
    """report.md until a run has one to show: the claim, under the headings of an experiment notebook."""
    parts = [
        f"# {name}\n\n{NOT_PLAYED} Play it: `golf run {name}`",
        f"## Hypothesis\n\n{_quoted(experiment.hypothesis)}",
        f"## Expected outcome\n\n{_quoted(experiment.expected_outcome)}",
        f"## Rollback criteria\n\n{_quoted(experiment.rollback_criteria)}",
    ]
    return "\n\n".join(parts) + "\n"


def keep(folder: Path, names: Iterable[str]) -> None:
    """Commit an experiment's files as they were claimed; a folder that is in no repository keeps none."""
    with contextlib.suppress(GolfError, OSError), tempfile.TemporaryDirectory(prefix="golf-index-") as scratch:
        top = worktree.toplevel(folder)
        env = {**worktree.IDENTITY, "GIT_INDEX_FILE": str(Path(scratch) / "index")}
        parents: list[str] = []
        with contextlib.suppress(UnreadableInput):  # a fresh repository has no commit to stand on
            parents = ["-p", worktree.git(top, "rev-parse", "--verify", "--quiet", "HEAD")]
            worktree.git(top, "read-tree", "HEAD", env=env)
        worktree.git(top, "add", "--force", "--", *(str(folder / name) for name in names), env=env)
        tree = worktree.git(top, "write-tree", env=env)
        commit = worktree.git(top, "commit-tree", tree, *parents, "-m", f"Claim {folder.name}", env=env)
        worktree.git(top, "update-ref", f"{REFS}/{folder.name}", commit)


def _quoted(text: str) -> str:
    """Somebody's words, as a quotation: no heading of theirs becomes one of ours."""
    lines = [line.rstrip() for line in text.strip().splitlines()] or ["*not stated*"]
    shown = ("".join(letter if letter.isprintable() else "�" for letter in line) for line in lines)
    return "\n".join(f"> {line}".rstrip() for line in shown)
