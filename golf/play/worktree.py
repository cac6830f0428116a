"""A run's own checkout: the tree as it is now, frozen as a commit, without touching the user's.

`snapshot` writes the working tree, uncommitted changes included, into a commit of its own through
a temporary index: HEAD, branches, the index and the files stay as they are. The commit is kept by
a ref under refs/golf/, so that `git show <commit>` answers "what exactly was run" for good.
"""

import contextlib
import fnmatch
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from golf.errors import BadConfig, MissingPackage, UnreadableInput

LARGE_FILE_BYTES = 10_000_000
"""Untracked files above this are left out of a snapshot: data and checkpoints are not source."""

SECRETS = (".env", ".env.*", "*.pem", "*.key", "id_rsa*", "id_ed25519*", "credentials*", ".netrc", "*.kdbx")
"""Untracked files left out of a snapshot, which is kept for good."""

_adding = threading.Lock()
"""Seeds that start at once add and prune worktrees one at a time."""

IDENTITY = {
    "GIT_AUTHOR_NAME": "Caddie",
    "GIT_AUTHOR_EMAIL": "caddie@localhost",
    "GIT_COMMITTER_NAME": "Caddie",
    "GIT_COMMITTER_EMAIL": "caddie@localhost",
}
"""Who made commits that nobody asked for."""


def git(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    """Run git in `folder` with hooks off; returns its output without the last line break.

    Raises:
        MissingPackage: git is not installed.
        UnreadableInput: git failed; the message is git's own.
    """
    return os.fsdecode(_output(folder, *arguments, env=env)).rstrip("\n")  # file names may be any bytes


def _output(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> bytes:
    command = ["git", "-c", "core.hooksPath=/dev/null", "-C", str(folder), *arguments]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(command, env={**clean, **(env or {})}, capture_output=True, check=False)
    except FileNotFoundError:
        raise MissingPackage("git is not installed, and every run is played in a git worktree. Install git.") from None
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip()[-500:]
        raise UnreadableInput(f"git {arguments[0]} failed in {folder}: {reason}")
    return done.stdout


def toplevel(folder: Path) -> Path:
    """Root of the repository around `folder`.

    Raises:
        BadConfig: `folder` is not in a git repository.
    """
    try:
        return Path(git(folder, "rev-parse", "--show-toplevel", env={"LC_ALL": "C"}))
    except UnreadableInput as error:
        if "not a git repository" not in str(error):
            raise  # a repository of somebody else's, for example: git says what to do
        raise BadConfig(
            f"{folder} is not in a git repository, and every run is played in a git worktree. "
            f"Make it one: git init {folder}"
        ) from None


def snapshot(folder: Path, ref: str, always: Iterable[Path] = (), without: Iterable[str] = ()) -> tuple[str, list[str]]:
    """Commit the working tree around `folder` under `refs/golf/<ref>`.

    Args:
        folder: The workspace; its whole repository is taken.
        ref: Name below `refs/golf/`.
        always: Files to take even if git ignores them.
        without: Globs, relative to `folder`, of untracked files that are not source.

    Returns:
        The commit's hash, and what was left out: large untracked files, such as may hold secrets, and
        repositories within the repository.
    """
    top = toplevel(folder)
    untracked = git(top, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    left_out = [name for name in untracked if name and _is_no_source(top, name)]
    with tempfile.TemporaryDirectory(prefix="golf-index-") as scratch:
        index = Path(scratch) / "index"
        with contextlib.suppress(FileNotFoundError):  # a fresh repository has none
            shutil.copyfile(git(top, "rev-parse", "--path-format=absolute", "--git-path", "index"), index)
        env = {**IDENTITY, "GIT_INDEX_FILE": str(index)}
        inner = folder.resolve().relative_to(top.resolve())
        excluded = [f":(exclude,literal,top){name}" for name in left_out]
        excluded += [f":(exclude,glob,top){(inner / pattern).as_posix()}" for pattern in without]
        git(top, "add", "--all", "--", ".", *excluded, env=env)
        if forced := [str(path) for path in always]:
            git(top, "add", "--force", "--", *forced, env=env)
        tree = git(top, "write-tree", env=env)
        try:
            parents = ["-p", git(top, "rev-parse", "--verify", "--quiet", "HEAD")]
        except UnreadableInput:
            parents = []
        commit = git(top, "commit-tree", tree, *parents, "-m", f"Snapshot for run {ref}", env=env)
    git(top, "update-ref", f"refs/golf/{ref}", commit)
    if (top / ".gitmodules").exists():
        left_out.append("the content of submodules")
    return commit, left_out


def changed_since(folder: Path, commit: str) -> list[str]:
    """Files of the repository around `folder` that differ from a commit, uncommitted ones included."""
    top = toplevel(folder)
    ref = f"compare-{os.getpid()}-{threading.get_ident()}"
    now, _ = snapshot(folder, ref)
    try:
        names = git(top, "diff", "--name-only", "--no-renames", "-z", commit, now).split("\0")
    finally:
        git(top, "update-ref", "-d", f"refs/golf/{ref}")
    return [name for name in names if name]


def keep(folder: Path, ref: str, commit: str) -> str:
    """Keep a snapshot under another run's name as well; returns it."""
    git(toplevel(folder), "update-ref", f"refs/golf/{ref}", commit)
    return commit


def kept(folder: Path, ref: str) -> str:
    """The snapshot that was kept under a run's name.

    Raises:
        UnreadableInput: there is none.
    """
    return git(toplevel(folder), "rev-parse", "--verify", "--quiet", f"refs/golf/{ref}^{{commit}}")


def differs(path: Path, commit: str) -> bool:
    """Whether a file is no longer what a snapshot has under its name; a missing one differs."""
    top = toplevel(path.parent)
    try:
        kept = git(top, "rev-parse", "--verify", "--quiet", f"{commit}:{path.resolve().relative_to(top.resolve())}")
        return git(top, "hash-object", str(path)) != kept
    except UnreadableInput:
        return True


def difference(folder: Path, before: str, after: str, besides: Iterable[str] = ()) -> str:
    """Unified diff between two snapshots of `folder`, globs in `besides` (relative to it) left out."""
    top = toplevel(folder)
    inner = folder.resolve().relative_to(top.resolve())
    excluded = [f":(exclude,glob,top){(inner / name).as_posix()}" for name in besides]
    return git(
        top,
        "diff",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--no-renames",
        "--end-of-options",
        before,
        after,
        "--",
        ".",
        *excluded,
    )


def sizes(folder: Path, commit: str) -> dict[str, int]:
    """Every file of a commit, by its path, with its bytes."""
    found = {}
    for line in git(folder, "ls-tree", "-r", "-l", "-z", commit).split("\0"):
        facts, _, path = line.partition("\t")
        size = facts.split()[-1:]
        if path and size and size[0].isdigit():
            found[path] = int(size[0])
    return found


def files(folder: Path, commit: str) -> list[str]:
    """Files of a snapshot below `folder`, relative to it."""
    top = toplevel(folder)
    inner = folder.resolve().relative_to(top.resolve()).as_posix()
    listed = git(top, "ls-tree", "-r", "-z", "--name-only", "--end-of-options", commit, "--", f"{inner}/")
    return [name.removeprefix(f"{inner}/") for name in listed.split("\0") if name]


def content(folder: Path, commit: str, name: str) -> bytes:
    """A file of a snapshot, byte for byte; `name` is relative to `folder`.

    Raises:
        UnreadableInput: the commit is gone, or has no such file.
    """
    top = toplevel(folder)
    inner = (folder.resolve().relative_to(top.resolve()) / name).as_posix()
    return _output(top, "cat-file", "blob", f"{commit}:{inner}")


@contextlib.contextmanager
def checkout(folder: Path, commit: str, place: Path) -> Iterator[Path]:
    """A detached worktree of `commit` at `place`, gone afterwards.

    Yields:
        The folder in the worktree that corresponds to `folder`.
    """
    top = toplevel(folder)
    place.parent.mkdir(parents=True, exist_ok=True)
    with _adding:
        git(top, "worktree", "add", "--quiet", "--detach", "--force", str(place), commit)
    try:
        yield place / folder.resolve().relative_to(top.resolve())
    finally:
        remove(folder, place)


def remove(folder: Path, place: Path) -> None:
    """Take a worktree away, also one that a killed run left behind."""
    with _adding, contextlib.suppress(UnreadableInput, BadConfig):
        git(folder, "worktree", "remove", "--force", "--force", str(place))  # this one: prune would take the user's too
    shutil.rmtree(place, ignore_errors=True)


def fingerprint(root: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of every file under `names` (files or folders, relative to `root`); absent ones are absent."""
    digests = {}
    for name in names:
        start = root / name
        files = sorted(path for path in start.rglob("*") if path.is_file()) if start.is_dir() else [start]
        for path in files:
            if path.is_file() and "__pycache__" not in path.parts:
                with open(path, "rb") as file:
                    digests[path.relative_to(root).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _is_no_source(top: Path, name: str) -> bool:
    """A nested repository (git lists it with a slash), a checkpoint, or a file that may hold a secret."""
    path = top / name
    if name.endswith("/") or any(fnmatch.fnmatch(path.name, pattern) for pattern in SECRETS):
        return True
    try:
        return path.lstat().st_size > LARGE_FILE_BYTES
    except OSError:
        return False
