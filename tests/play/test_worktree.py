"""A run sees the tree as it is now, and the user's tree never notices."""

import os
from pathlib import Path

import pytest
from scene import git

from golf.errors import BadConfig
from golf.play import worktree
from golf.workspace import Workspace


def state(root: Path) -> dict[str, object]:
    """Everything of a repository a user could see change."""
    files = {
        path.relative_to(root).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file() and ".git" not in path.parts and ".golf" not in path.parts
    }
    return {
        "files": files,
        "status": git(root, "status", "--porcelain=v2", "--branch", "--untracked-files=all"),
        "branches": git(root, "for-each-ref", "refs/heads", "refs/tags"),
        "index": git(root, "ls-files", "--stage"),
        "stash": git(root, "stash", "list"),
    }


@pytest.fixture
def busy(workspace: Workspace) -> Workspace:
    """A repository in the middle of work: staged, modified, deleted, untracked and ignored files."""
    root = workspace.root
    for name in ("kept.py", "changed.py", "deleted.py", "staged.py"):
        (root / name).write_text(f"{name} as committed\n")
    (root / ".gitignore").write_text("ignored.txt\n")
    git(root, "add", ".")
    git(root, "-c", "user.name=u", "-c", "user.email=u@h", "commit", "--quiet", "-m", "first")
    (root / "changed.py").write_text("changed since\n")
    (root / "deleted.py").unlink()
    (root / "staged.py").write_text("staged\n")
    git(root, "add", "staged.py")
    (root / "staged.py").write_text("staged, and changed again\n")
    (root / "ünïcode name.py").write_text("untracked\n")
    (root / "ignored.txt").write_text("ignored\n")
    workspace.state  # noqa: B018 # exists before the comparison
    return workspace


def test_a_snapshot_holds_the_tree_as_it_is_and_changes_nothing(busy: Workspace) -> None:
    before = state(busy.root)
    commit, left_out = worktree.snapshot(busy.root, "run-1")
    assert state(busy.root) == before
    assert left_out == []
    held = set(git(busy.root, "ls-tree", "-r", "-z", "--name-only", commit).split("\0")) - {""}
    assert held == {".gitignore", "changed.py", "golf.toml", "kept.py", "staged.py", "ünïcode name.py"}
    assert git(busy.root, "show", f"{commit}:staged.py") == "staged, and changed again\n"
    assert git(busy.root, "rev-parse", "refs/golf/run-1").strip() == commit


def test_a_checkout_is_separate_and_gone_afterwards(busy: Workspace) -> None:
    before = state(busy.root)
    commit, _ = worktree.snapshot(busy.root, "run-1")
    place = busy.worktrees / "one"
    with worktree.checkout(busy.root, commit, place) as root:
        assert (root / "changed.py").read_text() == "changed since\n"
        (root / "changed.py").write_text("vandalised by the trainer\n")
        (root / "new").write_text("x")
    assert state(busy.root) == before
    assert not place.exists()
    assert git(busy.root, "worktree", "list").count("\n") == 1


def test_a_checkout_is_gone_after_an_exception_too(busy: Workspace) -> None:
    commit, _ = worktree.snapshot(busy.root, "run-1")
    with pytest.raises(RuntimeError), worktree.checkout(busy.root, commit, busy.worktrees / "one"):
        raise RuntimeError
    assert not (busy.worktrees / "one").exists()


def test_a_workspace_below_the_repository_s_root_is_found_in_the_checkout(busy: Workspace) -> None:
    inner = busy.root / "inner"
    inner.mkdir()
    (inner / "golf.toml").write_text("")
    commit, _ = worktree.snapshot(inner, "run-1")
    with worktree.checkout(inner, commit, inner / ".golf" / "worktrees" / "x") as folder:
        assert folder.name == "inner"
        assert (folder / "golf.toml").is_file()


def test_large_untracked_files_are_left_out_and_named(workspace: Workspace) -> None:
    with open(workspace.root / "checkpoint [1].bin", "wb") as file:
        file.truncate(worktree.LARGE_FILE_BYTES + 1)
    commit, left_out = worktree.snapshot(workspace.root, "run-1")
    assert left_out == ["checkpoint [1].bin"]
    assert "checkpoint" not in git(workspace.root, "ls-tree", "-r", "--name-only", commit)


def test_file_names_may_be_any_bytes(workspace: Workspace) -> None:
    (workspace.root / os.fsdecode(b"latin-1 \xe9.py")).write_text("x")
    commit, _ = worktree.snapshot(workspace.root, "run-1")
    with worktree.checkout(workspace.root, commit, workspace.worktrees / "one") as root:
        assert (root / os.fsdecode(b"latin-1 \xe9.py")).exists()


def test_the_evidence_of_earlier_runs_is_no_part_of_the_next(workspace: Workspace) -> None:
    for name in ("a/logs/x.log", "a/artifact/seed1/w.ptz", "a/earlier/r/result.json", "a/train.py"):
        path = workspace.experiments / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    commit, _ = worktree.snapshot(
        workspace.root, "run-1", without=["experiments/*/logs/**", "experiments/*/earlier/**"]
    )
    held = git(workspace.root, "ls-tree", "-r", "--name-only", commit)
    assert "a/train.py" in held and "a/artifact" in held
    assert "logs" not in held and "earlier" not in held


def test_an_ignored_script_is_in_the_snapshot_when_the_run_needs_it(busy: Workspace) -> None:
    commit, _ = worktree.snapshot(busy.root, "run-1", [busy.root / "ignored.txt"])
    assert git(busy.root, "show", f"{commit}:ignored.txt") == "ignored\n"


def test_two_snapshots_of_one_tree_are_two_commits(busy: Workspace) -> None:
    assert worktree.snapshot(busy.root, "run-1")[0] != worktree.snapshot(busy.root, "run-2")[0]


def test_the_repository_s_hooks_do_not_run(busy: Workspace) -> None:
    hook = busy.root / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {busy.root / 'hook-ran'}\n")
    hook.chmod(0o755)
    commit, _ = worktree.snapshot(busy.root, "run-1")
    with worktree.checkout(busy.root, commit, busy.worktrees / "one"):
        pass
    assert not (busy.root / "hook-ran").exists()


def test_a_folder_outside_git_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="git init"):
        worktree.snapshot(tmp_path, "run-1")


def test_a_fingerprint_moves_with_content_addition_and_removal(tmp_path: Path) -> None:
    (tmp_path / "baselines" / "deep").mkdir(parents=True)
    (tmp_path / "baselines" / "deep" / "a").write_text("1")
    names = ["baselines", "eval.py"]
    first = worktree.fingerprint(tmp_path, names)
    assert set(first) == {"baselines/deep/a"}
    (tmp_path / "eval.py").write_text("x")
    (tmp_path / "baselines" / "deep" / "a").write_text("2")
    second = worktree.fingerprint(tmp_path, names)
    assert second["baselines/deep/a"] != first["baselines/deep/a"]
    assert "eval.py" in second
    os.unlink(tmp_path / "baselines" / "deep" / "a")
    assert "baselines/deep/a" not in worktree.fingerprint(tmp_path, names)
