"""`golf check-commit`: checkpoints and large weights stay out of git (S79), and a note goes in before its code (S71).

Git's index is judged, byte for byte what the commit would hold: a pointer of Git LFS is small, whatever it points to.
It needs no Codex. Whoever means it all the same says `git commit --no-verify`.
"""

import shlex
import sys
from pathlib import Path

from golf import durable
from golf.desk.findings import Finding
from golf.desk.notebook import notebook
from golf.desk.notebook.history import index
from golf.errors import BadConfig, UnreadableInput
from golf.hooks.frozen import CHECKPOINTS, LARGEST_BYTES, WEIGHTS
from golf.play import worktree
from golf.rulings import Described
from golf.workspace import Workspace

BINARY_LOOK = 8000
"""Bytes in which a null byte makes a file binary. Source: git's own buffer_is_binary."""

LOOKED_AT_MAX = 50_000_000
"""Bytes of a file in a checkpoint folder that is looked into; a larger one is no text."""

HOOK = "pre-commit"


class Commit(Described):
    """What the next commit would hold."""

    files: int
    """Added or changed by it."""
    findings: list[Finding]

    @property
    def is_refused(self) -> bool:
        """Whether it should not be made."""
        return any(one.severity == "error" for one in self.findings)


def check(
    folder: Path,
    *,
    workspace: Workspace | None = None,
    largest_bytes: int = LARGEST_BYTES,
    with_notebook: bool = True,
) -> Commit:
    """Judge the index of the repository around a folder.

    Args:
        folder: Anywhere in it.
        workspace: Whose experiments must have their note before their code.
        largest_bytes: Weights above this are refused wherever they lie.
        with_notebook: Look at the notes of experiments too.

    Raises:
        BadConfig: the folder is in no git repository.
    """
    top = worktree.toplevel(folder)
    files = _staged(top)
    findings = [one for name, blob in files.items() if (one := _weights(top, name, blob, largest_bytes))]
    if with_notebook and workspace is not None and _has_experiments(workspace, top):
        checked = notebook.check([workspace.experiments], workspace=workspace, staged=True)
        findings += [_before_a_commit(one) for one in checked.findings]
    return Commit(files=len(files), findings=findings)


def install(folder: Path) -> str:
    """Make it the repository's own commit hook; says what was written.

    Raises:
        BadConfig: there is another hook, which is left alone.
    """
    top = worktree.toplevel(folder)
    place = _hooks(top) / HOOK
    line = f"{shlex.quote(sys.executable)} -m golf.cli check-commit"
    text = f"#!/bin/sh\n# Written by golf check-commit --install.\nexec {line}\n"
    if place.exists() and place.read_text(encoding="utf-8", errors="replace") != text:
        raise BadConfig(
            f"{place} is somebody's hook already and was left alone; add this line to it:\n{line} || exit 1"
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    durable.replace(place, text)
    place.chmod(0o755)
    return f"wrote {place}; undo it by removing that file"


def _staged(top: Path) -> dict[str, str]:
    """Files that the commit adds or changes, with their blobs."""
    try:
        against = worktree.git(top, "rev-parse", "--verify", "--quiet", "HEAD")
    except UnreadableInput:  # the very first commit
        against = worktree.git(top, "hash-object", "-w", "-t", "tree", "/dev/null")
    words = iter(worktree.git(top, "diff-index", "--cached", "--no-renames", "-z", against, env=index()).split("\0"))
    found = {}
    for facts in words:
        if not facts:
            continue
        name = next(words)
        _, mode, _, blob, status = facts.split()
        if status != "D" and not mode.startswith("160"):
            found[name] = blob
    return found


def _has_experiments(workspace: Workspace, top: Path) -> bool:
    return workspace.experiments.is_dir() and worktree.toplevel(workspace.root).resolve() == top.resolve()


def _weights(top: Path, name: str, blob: str, largest_bytes: int) -> Finding | None:
    folders = {part.lower() for part in name.split("/")[:-1]}
    is_named = name.lower().endswith(WEIGHTS)
    is_kept = bool(CHECKPOINTS & folders) if is_named else "checkpoints" in folders
    if not (is_named or is_kept):
        return None
    size = int(worktree.git(top, "cat-file", "-s", blob))
    if is_kept and (is_named or size > LOOKED_AT_MAX or _is_binary(top, blob)):
        text = f"a checkpoint ({size:,} bytes): the repository would carry it for good"
        fix = f"git restore --staged {shlex.quote(name)}, and add outputs/ or checkpoints/ to .gitignore"
    elif is_named and size > largest_bytes:
        text = f"weights of {size:,} bytes, above {largest_bytes:,}: the repository would carry them for good"
        fix = f"git restore --staged {shlex.quote(name)}; publish weights elsewhere, or keep them with Git LFS"
    else:
        return None
    return Finding(code="WEIGHTS", severity="error", file=name, line=1, quote="", text=text, fix=fix)


def _hooks(top: Path) -> Path:
    """Where git looks for hooks; asked scope by scope, because our own commands turn hooks off."""
    for scope in ("--local", "--global"):
        try:
            return top / Path(worktree.git(top, "config", scope, "--type=path", "--get", "core.hooksPath"))
        except UnreadableInput:
            continue
    return Path(worktree.git(top, "rev-parse", "--path-format=absolute", "--git-common-dir")) / "hooks"


def _is_binary(top: Path, blob: str) -> bool:
    return "\0" in worktree.git(top, "cat-file", "blob", blob)[:BINARY_LOOK]


def _before_a_commit(one: Finding) -> Finding:
    """An order that could not be told afterwards is one that can still be had."""
    if one.code == "NO_REPORT":  # a run writes it, later
        return one.model_copy(update={"severity": "note"})
    if one.code != "ORDER_UNCLEAR":
        return one
    return one.model_copy(
        update={
            "severity": "error",
            "text": "this commit would bring the note and the code together, and nobody could tell which came first",
            "fix": f"commit the note alone first: git commit -m 'Claim it' -- {one.file}; then the code",
        }
    )
