"""`golf notebook`: experiments whose code came before their note, notes that say nothing or were bent afterwards (S71),
and experiments without config.yaml or report.md (S68).

An experiment is a folder below those that are given, or a Markdown file in one of them. An error is something a person
can see and mend; a warning is an order that nobody can tell any more, and that is never a pass.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from golf.desk.findings import Finding, Severity
from golf.desk.notebook import notes
from golf.desk.notebook.history import UNCOMMITTED, History
from golf.desk.notebook.subject import PATH, Checked, Subject
from golf.errors import BadConfig, GolfError, NotFound
from golf.play import worktree
from golf.rulings import Described
from golf.workspace import Workspace

EXPERIMENTS_MAX = 5000


class Notebook(Described):
    """What was checked, and what is wrong."""

    folders: list[str]
    experiments: list[Checked]
    findings: list[Finding]
    """The worst first. error: a heading or file is missing, the code came first, a statement changed after the result;
    warning: the order cannot be told; note: only mentioned."""
    since: str
    """Only what changed since this commit was checked; empty: everything."""

    @property
    def exit_code(self) -> int:
        """1 with an error, 2 where something cannot be told, 0 when all is well."""
        worst = {one.severity for one in self.findings}
        return 1 if "error" in worst else 2 if "warning" in worst else 0


def check(
    folders: Sequence[Path],
    *,
    workspace: Workspace | None = None,
    note: str = "",
    code: Sequence[str] = (),
    since: str = "",
    staged: bool = False,
) -> Notebook:
    """Check the experiments in some folders.

    Args:
        folders: Each holds experiments; none: the workspace's own.
        workspace: Whose experiments know parents and runs.
        note: The note's name in every folder, such as README.md; empty: it is found, and config.yaml and report.md are
            wanted besides.
        code: Globs of names that are code; none: by ending.
        since: Only experiments that changed since this commit.
        staged: Judge what a commit would hold, and only experiments it changes: for a commit hook.

    Raises:
        NotFound: there is no such folder, or no experiment in it.
        BadConfig: a folder is in no git repository, or `since` is no commit.
    """
    if not folders:
        if workspace is None:
            raise NotFound("name the folder that holds the experiments, e.g. golf notebook experiments")
        folders = [workspace.experiments]
        if not workspace.experiments.is_dir():
            raise NotFound(f"nothing was claimed in {workspace.root} yet: golf new")
    for folder in folders:
        if not folder.is_dir():
            raise NotFound(f"{folder} is no folder; name one that holds experiments")
    places = list(_places(folders))
    history = History([*folders, *_named_by(places)], staged=staged)
    touched = _touched(history, since) if since else _staged(history) if staged else None
    found: list[Finding] = []
    checked = []
    start = _start(history, since) if since else None
    for place in places:
        if touched is not None and not any(_is_within(name, history.name(place)) for name in touched):
            continue
        one = Subject(place, _shown(place, folders, workspace), history, workspace, note, tuple(code), start)
        checked.append(one.checked())
        found += one.findings()
    if not checked and touched is None:
        raise NotFound(f"no experiment in {', '.join(map(str, folders))}: each is a folder, or a Markdown file")
    ranks: dict[Severity, int] = {"error": 0, "warning": 1, "note": 2}
    return Notebook(
        folders=[str(folder) for folder in folders],
        experiments=checked,
        findings=sorted(found, key=lambda one: (ranks[one.severity], one.file, one.line)),
        since=since,
    )


def _places(folders: Sequence[Path]) -> Iterator[Path]:
    """The experiments: folders that hold a file, and notes that lie beside them."""
    count = 0
    for folder in folders:
        for path in sorted(folder.iterdir()):
            is_note = path.suffix.lower() == ".md" and path.stem.lower() not in ("readme", "index", "template")
            if path.name.startswith((".", "_")) or path.is_symlink():
                continue
            if (path.is_dir() and any(inner.is_file() for inner in path.iterdir())) or (path.is_file() and is_note):
                count += 1
                if count > EXPERIMENTS_MAX:
                    raise BadConfig(f"more than {EXPERIMENTS_MAX} experiments; name fewer folders, or --since REF")
                yield path


def _shown(place: Path, folders: Sequence[Path], workspace: Workspace | None) -> str:
    """A path as it was given, or as the workspace names it."""
    if workspace is not None and list(folders) == [workspace.experiments]:
        return place.relative_to(workspace.root).as_posix()
    return place.as_posix()


def _is_within(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}/") or folder == "."


def _named_by(places: Sequence[Path]) -> list[Path]:
    """Files outside that notes without a folder name in backticks: their code."""
    found: dict[Path, None] = {}
    for place in places:
        if place.is_file() and place.stat().st_size <= notes.NOTE_BYTES_MAX:
            top = worktree.toplevel(place.parent)
            for one, other in PATH.findall(place.read_text(encoding="utf-8", errors="replace")):
                path = (top / (one or other)).resolve()
                if path.is_file() and path.is_relative_to(top.resolve()):
                    found[path] = None
    return list(found)


def _began_at(history: History, since: str) -> str:
    """Where the work since a commit left it.

    Raises:
        BadConfig: it is no commit.
    """
    try:
        commit = worktree.git(
            history.top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{since}^{{commit}}"
        )
        return worktree.git(history.top, "merge-base", commit, "HEAD")
    except GolfError:
        raise BadConfig(f"{since!r} is no commit here; name one, a tag or a branch: --since origin/main") from None


def _touched(history: History, since: str) -> set[str]:
    """Names of files that have a state after the commit."""
    start = _began_at(history, since)
    names = worktree.git(history.top, "diff", "--name-only", "--no-renames", "-z", start, "HEAD").split("\0")
    return {name for name in names if name} | _staged(history)


def _start(history: History, since: str) -> dict[str, str]:
    """Every file's bytes where the work began."""
    listed = worktree.git(history.top, "ls-tree", "-r", "-z", _began_at(history, since)).split("\0")
    return {line.partition("\t")[2]: line.split()[2] for line in listed if line}


def _staged(history: History) -> set[str]:
    """Names of files that are not as the last commit has them."""
    return {name for name, states in history.entries.items() if states and states[-1].commit == UNCOMMITTED}
