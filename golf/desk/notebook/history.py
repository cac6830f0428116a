"""What git knows of some folders: every state of every file, in order, across renames; and which of two came first.

An answer is given only where the graph of commits gives it. Two things of one commit, of two branches, behind the edge
of a shallow clone, or whose dates contradict their order (a history that was rebased into shape) have none.
"""

import functools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from golf.desk.notebook.notes import NOTE_BYTES_MAX
from golf.errors import BadConfig, GolfError
from golf.play import claims, worktree

UNCOMMITTED = "uncommitted"
"""Stands for the commit that the working tree, or the index, would become."""

FILE_BYTES_MAX = 5_000_000
"""A larger file that is not committed is neither note nor code."""

ARGUMENTS_MAX = 200
"""Paths of one git command."""


@dataclass(frozen=True)
class Entry:
    """One state of one file."""

    commit: str
    time: int
    """When it was written, in seconds; the author's word, which survives a rebase."""
    blob: str
    """Empty where the file was removed."""
    moved: str = ""
    """The name it had before this commit; empty unless it was renamed here."""


@dataclass(frozen=True)
class Order:
    """Whether one of two came first."""

    verdict: Literal["before", "after", "unclear"]
    reason: str = ""
    """Why it is unclear."""


class History:
    """The history of some folders and files in the repository around them.

    Raises:
        BadConfig: they are in no git repository, or it has no commit yet.
    """

    def __init__(self, places: Sequence[Path], *, staged: bool = False) -> None:
        self.top = worktree.toplevel(places[0]).resolve()
        self.staged = staged
        """Whether what is not committed yet means the index, as for a commit hook, or the working tree."""
        self.specs = [self.name(place) for place in places]
        try:
            self.head = worktree.git(self.top, "rev-parse", "--verify", "--quiet", "HEAD")
        except GolfError:
            self.head = ""
        self.entries: dict[str, list[Entry]] = {}
        self._fresh: dict[str, str] = {}
        """Blobs that git may not have, because nobody added them, with a file of each."""
        if self.head:
            self._read()
        self._add_uncommitted()

    def name(self, path: Path) -> str:
        """A path as git names it.

        Raises:
            BadConfig: it lies in another repository, or in none.
        """
        try:
            return path.resolve().relative_to(self.top).as_posix()
        except ValueError:
            raise BadConfig(
                f"{path} is not in the git repository {self.top}; check each repository by itself"
            ) from None

    def of(self, name: str) -> list[Entry]:
        """Every state of a file, the oldest first."""
        return self.entries.get(name, [])

    def below(self, folder: str) -> Iterator[str]:
        """Names of all files that are or were in a folder."""
        start = "" if folder in ("", ".") else f"{folder}/"
        return (name for name in sorted(self.entries) if name.startswith(start))

    @functools.lru_cache(maxsize=4096)  # noqa: B019 - one check, then it goes
    def text(self, blob: str) -> str:
        """A file's text; empty for none, and for one that is too large to be a note."""
        if blob in self._fresh:
            path = self.top / self._fresh[blob]
            return "" if path.stat().st_size > NOTE_BYTES_MAX else path.read_text(encoding="utf-8", errors="replace")
        if not blob or int(worktree.git(self.top, "cat-file", "-s", blob)) > NOTE_BYTES_MAX:
            return ""
        return (
            worktree.git(self.top, "cat-file", "blob", blob).encode(errors="surrogateescape").decode(errors="replace")
        )

    def order(self, one: Entry, other: Entry) -> Order:
        """Whether `one` came before `other`."""
        if one.commit == other.commit:
            where = "not committed yet" if one.commit == UNCOMMITTED else f"of one commit, {one.commit[:10]}"
            return Order("unclear", f"both are {where}")
        if UNCOMMITTED in (one.commit, other.commit):
            return Order("before" if other.commit == UNCOMMITTED else "after")
        for cut in (one, other):
            if cut.commit in self._edge:
                return Order(
                    "unclear", "the clone is shallow, and its first commit has everything: git fetch --unshallow"
                )
        if self._leads_to(one.commit, other.commit):
            found, first, second = Order("before"), one, other
        elif self._leads_to(other.commit, one.commit):
            found, first, second = Order("after"), other, one
        else:
            return Order("unclear", f"{one.commit[:10]} and {other.commit[:10]} are of two branches")
        if first.time > second.time:
            return Order(
                "unclear",
                f"{first.commit[:10]} stands before {second.commit[:10]} and was written later: history was rewritten",
            )
        return found

    def first_with(self, blob: str) -> Entry | None:
        """The first commit of all that has a file with these bytes anywhere."""
        found = worktree.git(self.top, "log", "--reverse", "--format=%H %at", f"--find-object={blob}", "HEAD")
        commit, _, time = found.partition("\n")[0].partition(" ")
        return Entry(commit, int(time), blob) if commit else None

    @functools.cached_property
    def others(self) -> dict[str, str]:
        """Blobs outside the folders, as they are in HEAD, with a name of each."""
        found: dict[str, str] = {}
        if self.head:
            for line in worktree.git(self.top, "ls-tree", "-r", "-z", "HEAD").split("\0"):
                facts, _, name = line.partition("\t")
                if name and not any(spec == "." or name.startswith(f"{spec}/") for spec in self.specs):
                    found.setdefault(facts.split()[2], name)
        return found

    def claim(self, name: str) -> tuple[Entry, dict[str, str]] | None:
        """Caddie's own commit of an experiment as it was claimed, and its files' blobs by their names in the folder."""
        try:
            kept = worktree.git(self.top, "rev-parse", "--verify", "--quiet", f"{claims.REFS}/{name}^{{commit}}")
            facts = worktree.git(self.top, "log", "-1", "--format=%H %at", kept)
        except GolfError:
            return None
        commit, _, time = facts.partition(" ")
        blobs = {}
        for line in worktree.git(self.top, "ls-tree", "-r", "-z", commit).split("\0"):
            kind, _, path = line.partition("\t")
            folder, _, file = path.rpartition("/")
            if folder == name or folder.endswith(f"/{name}"):
                blobs[file] = kind.split()[2]
        return Entry(commit, int(time), ""), blobs

    def at(self, commit: str, name: str) -> str | None:
        """The text of a file in a commit; None where that has none."""
        try:
            return self.text(worktree.git(self.top, "rev-parse", "--verify", "--quiet", f"{commit}:{name}"))
        except GolfError:
            return None

    @functools.cached_property
    def _edge(self) -> frozenset[str]:
        place = Path(worktree.git(self.top, "rev-parse", "--path-format=absolute", "--git-path", "shallow"))
        return frozenset(place.read_text().split()) if place.exists() else frozenset()

    @functools.lru_cache(maxsize=65536)  # noqa: B019 - as above
    def _leads_to(self, one: str, other: str) -> bool:
        return worktree.git(self.top, "rev-list", "-1", one, f"^{other}") == ""

    def _read(self) -> None:
        """Walk the commits from the oldest on; a merge is compared with its first parent."""
        log = worktree.git(
            self.top, "--literal-pathspecs", "-c", "diff.renameLimit=2000", "log", "--topo-order", "--reverse",
            "--full-history", "--raw", "-z", "--no-abbrev", "-M", "--diff-merges=first-parent", "--format=%x01%H %at",
            "HEAD", "--", *self.specs,
        )  # fmt: skip
        words = iter(log.split("\0"))
        commit, time = "", 0
        for word in words:
            word = word.lstrip("\n")
            if word.startswith("\1"):
                commit, _, stamp = word[1:].strip().partition(" ")
                time = int(stamp)
            elif word.startswith(":"):
                *_, blob, status = word.split()
                name = next(words)
                if status[0] in "RC":
                    source, name = name, next(words)
                    if status[0] == "R" and source in self.entries:
                        self._move(source, name, commit, time)
                self._add(name, Entry(commit, time, "" if set(blob) == {"0"} else blob))

    def _move(self, source: str, name: str, commit: str, time: int) -> None:
        past = self.entries[source]
        here = Entry(commit, time, past[-1].blob, moved=source)
        self.entries[name] = [*self.entries.get(name, []), *past, here]
        self.entries[source] = [Entry(commit, time, "")]

    def _add(self, name: str, entry: Entry) -> None:
        known = self.entries.setdefault(name, [])
        if not known or known[-1].blob != entry.blob:
            known.append(entry)

    def _add_uncommitted(self) -> None:
        if self.staged:
            listed = worktree.git(
                self.top, "--literal-pathspecs", "ls-files", "--stage", "-z", "--", *self.specs, env=index()
            )
            lines = listed.split("\0")
            now = {line.partition("\t")[2]: line.split()[1] for line in lines if line}
        else:
            now = self._hashed(sorted({name for spec in self.specs for name in self._files(spec)}))
            self._fresh = {blob: name for name, blob in now.items()}
        for name in {*self.entries, *now}:
            known = self.entries.get(name)
            if not known or known[-1].blob != now.get(name, ""):
                self._add(name, Entry(UNCOMMITTED, 0, now.get(name, "")))

    def _files(self, spec: str) -> Iterable[str]:
        """Files that are there and could be note, code or result: evidence is large and no part of an order."""
        root = self.top / spec
        if root.is_file():
            yield spec
        for path in root.rglob("*"):
            inner = path.relative_to(root)
            if {"logs", "artifact", ".git", "__pycache__"} & set(inner.parts[:-1]) or path.is_symlink():
                continue
            if path.is_file() and path.stat().st_size <= FILE_BYTES_MAX:
                yield (Path(spec) / inner).as_posix()

    def _hashed(self, names: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(names), ARGUMENTS_MAX):
            some = names[start : start + ARGUMENTS_MAX]
            found.update(zip(some, worktree.git(self.top, "hash-object", "--", *some).split("\n"), strict=True))
        return found


def index() -> dict[str, str]:
    """The index that a commit hook is asked about: of `git commit -a`, or of some files, git makes one of its own."""
    named = os.environ.get("GIT_INDEX_FILE")
    return {"GIT_INDEX_FILE": str(Path(named).absolute())} if named else {}


def short(commit: str) -> str:
    """A commit as people write it."""
    return commit[:10] if re.fullmatch(r"[0-9a-f]{40,64}", commit) else commit
