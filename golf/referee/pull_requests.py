"""The submissions that a repository's pull requests add, read from Git's objects: nothing is checked out.

A submission is a folder that the pull request's head has and the commit it branched off from has not. Heads are looked
for where GitHub keeps them (`refs/pull/N/head`) and where people fetch them to (`refs/remotes/origin/pr/N`).

A handful of git processes read everything, whatever the number of pull requests. None of them runs a hook or a filter,
fetches anything or touches a working tree.
"""

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from golf.errors import MissingPackage, UnreadableInput
from golf.referee import places

HEAD = re.compile(r"refs/(?:pull/(\d{1,9})/head|remotes/[^/]+/(?:pr|pull)/(\d{1,9})(?:/head)?)")
"""A pull request's head among the refs."""

MAIN = ("refs/remotes/origin/HEAD", "refs/heads/main", "refs/heads/master", "HEAD")
"""What pull requests are merged into: the first of these that there is."""

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""What every repository knows without storing it; the base of a history that shares nothing with the main branch."""

FILE = (b"100644", b"100755", b"100664")
"""Modes of regular files; links and submodules are left out."""

SETTINGS = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.packedGitWindowSize=4m", "core.packedGitLimit=32m",
)  # fmt: skip
"""Nothing of the repository's own runs, and a large pack is not kept in memory."""

FILES_MAX = 2_000
"""Files of one submission that are written out."""

BYTES_MAX = 512_000_000
"""Bytes of one submission that are written out."""

READ = (".py", ".md", ".json", ".log", ".txt", ".sh", ".c", ".cpp", ".cu", ".toml", ".yaml", ".yml", ".csv", "makefile")
"""Endings of what a referee reads; weights and pictures may be missing from a partial clone."""


@dataclass(frozen=True)
class Head:
    """A pull request's newest commit."""

    number: int
    commit: str


@dataclass(frozen=True)
class AddedFolder:
    """A submission's folder as a pull request adds it."""

    number: int
    path: str
    """From the repository's root."""
    since: str
    until: str
    """Days of the pull request's first and last commit, `2026-04-09`."""
    files: Mapping[str, str]
    """Path from the repository's root → object."""


def heads(folder: Path) -> list[Head]:
    """The pull requests of the repository whose root is `folder`, by number; none when it is no repository's root."""
    if not ((folder / ".git").exists() or ((folder / "objects").is_dir() and (folder / "HEAD").is_file())):
        return []
    found: dict[int, str] = {}
    for line in (
        _git(folder, "for-each-ref", "--format=%(objectname) %(refname)").decode("utf-8", "replace").splitlines()
    ):
        commit, _, ref = line.partition(" ")
        if match := HEAD.fullmatch(ref):
            found.setdefault(int(match[1] or match[2]), commit)
    return [Head(number, found[number]) for number in sorted(found)]


def added(folder: Path, wanted: Sequence[Head]) -> dict[Head, list[AddedFolder]]:
    """The submissions that each of these pull requests adds; an empty list for one that adds none.

    Raises:
        UnreadableInput: git cannot read the repository.
    """
    if not wanted:
        return {}
    history = _History(folder, [head.commit for head in wanted])
    bases = {head: history.base(head.commit) for head in wanted}
    trees = {head: (history.trees.get(bases[head] or "", EMPTY_TREE), history.trees[head.commit]) for head in wanted}
    new = {head: _submissions(files) for head, files in _new_files(folder, trees).items()}
    old = _existing(folder, {f"{trees[head][0]}:{place}" for head, found in new.items() for place in found})
    return {
        head: [
            AddedFolder(head.number, place, history.since(head.commit), history.days[head.commit], files)
            for place, files in found.items()
            if f"{trees[head][0]}:{place}" not in old
        ]
        for head, found in new.items()
    }


def _submissions(files: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Those under records/ when there are any; elsewhere only what has a submission.json."""
    found = places.submissions(path for path in files if path.startswith("records/") and path.count("/") >= 3)
    if not found:
        elsewhere = places.submissions(path for path in files if "/" in path)
        found = {
            place: paths
            for place, paths in elsewhere.items()
            if place != "." and any(places.TABLE.fullmatch(path.removeprefix(f"{place}/")) for path in paths)
        }
    return {place: {path: files[path] for path in paths} for place, paths in found.items()}


class _History:
    """The commits behind some heads and the main branch."""

    def __init__(self, folder: Path, commits: Sequence[str]) -> None:
        asked = "\n".join([*commits, *_main(folder)])
        listed = _git(
            folder, "rev-list", "--stdin", "--topo-order", "--no-commit-header", "--format=%H %T %cs %P", input=asked
        )
        self.trees: dict[str, str] = {}
        self.days: dict[str, str] = {}
        self.parents: dict[str, list[str]] = {}
        for line in listed.decode().splitlines():
            commit, tree, day, *parents = line.split()
            self.trees[commit], self.days[commit], self.parents[commit] = tree, day, parents
        self.landed = self._landed(next(iter(_main(folder)), None))
        """Commit → when it reached the main branch, counted in the main branch's own commits."""

    def _landed(self, main: str | None) -> dict[str, int]:
        chain: list[str] = []
        while main in self.parents:
            chain.append(main)
            main = next(iter(self.parents[main]), None)
        landed: dict[str, int] = {}
        for time, commit in enumerate(reversed(chain)):
            for reached in self._reach([commit], landed):
                landed[reached] = time
        return landed

    def _reach(self, commits: Iterable[str], known: Mapping[str, int]) -> list[str]:
        """The commits that these lead back to, without the known ones and what is behind them."""
        found: dict[str, None] = {}
        left = list(commits)
        while left:
            commit = left.pop()
            if commit not in found and commit not in known:
                found[commit] = None
                left += self.parents.get(commit, [])
        return list(found)

    def since(self, commit: str) -> str:
        """The earliest day among the commits that `commit` adds to the main branch."""
        return min(self.days[own] for own in self._reach([commit], self._older(commit)))

    def _older(self, commit: str) -> dict[str, int]:
        """What was on the main branch before `commit` was."""
        limit = self.landed.get(commit, len(self.landed))
        return {known: time for known, time in self.landed.items() if time < limit}

    def base(self, commit: str) -> str | None:
        """The newest commit that was on the main branch before `commit` was, and that it builds on."""
        older = self._older(commit)
        beyond = {parent for own in self._reach([commit], older) for parent in self.parents.get(own, [])}
        return max((parent for parent in beyond if parent in older), key=older.__getitem__, default=None)


def _main(folder: Path) -> list[str]:
    """The main branch's newest commit, if there is one."""
    listed = _git(folder, "for-each-ref", "--format=%(refname) %(objectname)", *MAIN).decode("utf-8", "replace")
    known = dict(line.rsplit(" ", 1) for line in listed.splitlines())
    named = [known[ref] for ref in MAIN if ref in known]
    return named[:1] or _git(folder, "rev-list", "--max-count=1", "HEAD").decode().split()


def _new_files(folder: Path, trees: Mapping[Head, tuple[str, str]]) -> dict[Head, dict[str, str]]:
    """Per head the files that its tree has and its base's has not, as path → object."""
    asked = dict.fromkeys(trees.values())
    listed = _git(
        folder, "diff-tree", "-r", "-z", "--no-renames", "--diff-filter=A", "--stdin",
        input="".join(f"{base} {tree}\n" for base, tree in asked),
    )  # fmt: skip
    found: dict[tuple[str, str], dict[str, str]] = {pair: {} for pair in asked}
    files: dict[str, str] = {}
    pieces = iter(listed.split(b"\0"))
    for piece in pieces:
        headers, _, meta = piece.rpartition(b":")
        if headers:
            base, tree = headers.split(b"\n")[-2].decode().split()
            files = found[base, tree]
        path = os.fsdecode(next(pieces, b""))
        if len(words := meta.split()) == 5 and words[1] in FILE:
            files[path] = words[3].decode()
    return {head: found[pair] for head, pair in trees.items()}


def _existing(folder: Path, names: set[str]) -> set[str]:
    """Those of `tree:path` that there are."""
    asked = sorted(name for name in names if "\n" not in name)
    answered = _git(folder, "cat-file", "--batch-check", input="".join(f"{name}\n" for name in asked))
    lines = answered.decode("utf-8", "surrogateescape").splitlines()
    return {name for name, line in zip(asked, lines, strict=True) if not line.endswith(" missing")}


class Objects:
    """An open `git cat-file`, for writing folders out one after the other."""

    def __init__(self, repository: Path) -> None:
        self._process = _start(repository, "cat-file", "--batch")

    def close(self) -> None:
        """End git."""
        self._process.kill()
        self._process.communicate()

    def write(self, files: Mapping[str, str], to: Path) -> list[str]:
        """Write files (path → object) below `to`; returns the paths whose content the repository does not hold.

        Raises:
            UnreadableInput: there are too many or too large ones, a path leads elsewhere, or git failed.
        """
        if len(files) > FILES_MAX:
            raise UnreadableInput(f"{len(files)} files, and at most {FILES_MAX} of a submission are read")
        if astray := next((path for path in files if {"", ".", "..", ".git"}.intersection(path.split("/"))), None):
            raise UnreadableInput(f"{astray!r} is no path inside a repository")
        lost: list[str] = []
        left = BYTES_MAX
        for path, blob in files.items():
            content = self._read(blob, left)
            if content is None:
                lost.append(path)
                continue
            left -= len(content)
            place = to / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        return lost

    def _read(self, blob: str, most: int) -> bytes | None:
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None and answered is not None
        try:
            asked.write(f"{blob}\n".encode())
            asked.flush()
            header = answered.readline().split()
        except OSError:
            header = []
        if header[-1:] == [b"missing"]:
            return None
        if len(header) != 3:
            raise UnreadableInput(f"git stopped answering at object {blob}")
        size = int(header[2])
        if size > most:
            raise UnreadableInput(f"over {BYTES_MAX} bytes, and no more of a submission is read")
        content = answered.read(size)
        answered.read(1)
        return content


def _git(folder: Path, *arguments: str, input: str = "") -> bytes:
    process = _start(folder, *arguments)
    answer, complaint = process.communicate(os.fsencode(input))
    if process.returncode != 0:
        reason = complaint.decode(errors="replace").strip()[-300:]
        raise UnreadableInput(f"git {arguments[0]} failed in {folder}: {reason}")
    return answer


def _start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    offline = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none", "LC_ALL": "C"}
    try:
        return subprocess.Popen(
            ["git", *(word for setting in SETTINGS for word in ("-c", setting)), "-C", str(folder), *arguments],
            env={**clean, **offline},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except FileNotFoundError:
        raise MissingPackage("git is not installed, and pull requests are read with it. Install git.") from None
