"""`golf init`: a workspace out of a folder, without touching what is there.

Writes golf.toml, the reference results, our naive baseline, and what Codex needs to be at home here
(`golf.codex.setup`). A file of the same name wins; only Codex's settings and hooks and AGENTS.md are added to, and
their diff is shown. `undo` takes back exactly that.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from golf import bundle
from golf.codex import merge
from golf.codex import setup as codex
from golf.errors import BadConfig, UnreadableInput
from golf.play import footprint, worktree
from golf.play.footprint import Step, Wanted
from golf.schema import Noun
from golf.workspace import CONFIG_NAME

PROGRAM = "program.md"


class Setup(Noun):
    """What init did, or would do."""

    folder: str
    wrote: list[str]
    changed: list[str] = []
    """Files that existed and were added to, or that only init had written and would now write differently."""
    kept: list[str]
    """Files that existed and were left alone; of an undo, files that somebody changed since."""
    removed: list[str] = []
    restored: list[str] = []
    """Files that were added to and are without our part again."""
    diff: str = ""
    """Unified, of all existing files that change."""
    started_git: bool = False
    dry_run: bool = False


def init(folder: Path, *, dry_run: bool = False, own_repository: bool = False, agents: str | None = None) -> Setup:
    """Make `folder` a workspace (creating it when missing); running it again changes nothing.

    A folder outside any git repository becomes one, because every run is played in a worktree;
    with `own_repository` a folder inside another repository does too. `agents` is a key of
    `golf.codex.setup.AGENTS`; the default is what was asked for last, and `golf` at first.

    Raises, each with nothing written:
        MissingPackage: git is not installed.
        UnreadableInput: git found a repository and does not work in it; the message is git's own.
        BadConfig: a file of theirs is malformed or in the way, or the folder can be no workspace.
    """
    root = folder.resolve()
    _refuse(root)
    starts_git = _starts_git(root, own_repository)
    with contextlib.nullcontext() if dry_run else footprint.locked(root):
        memory = footprint.remembered(root)
        agents = agents or memory.agents or "golf"
        if agents not in codex.AGENTS:
            raise BadConfig(f"there is no AGENTS.md {agents!r}; there are: {', '.join(codex.AGENTS)}")
        steps = footprint.plan(root, [*_course(root, starts_git), *codex.wanted(root, agents)], memory)
        if not dry_run:
            footprint.carry_out(root, steps, memory.model_copy(update={"agents": agents}))
            if starts_git:
                worktree.git(root, "init", "--quiet")
    return Setup(
        folder=str(root),
        wrote=[step.name for step in steps if step.is_new],
        changed=[step.name for step in steps if step.is_change],
        kept=[step.name for step in steps if not (step.is_new or step.is_change)],
        diff=_diff(step for step in steps if step.is_change),
        started_git=starts_git,
        dry_run=dry_run,
    )


def undo(folder: Path, *, dry_run: bool = False) -> Setup:
    """Remove what `init` wrote here and nobody changed since, and take our part out of what it added to.

    The rest stays and is named.

    Raises:
        NotFound: init did not write anything here.
    """
    root = folder.resolve()
    with footprint.locked(root) if root.is_dir() and not dry_run else contextlib.nullcontext():
        steps, kept = footprint.plan_undo(root, _is_ours, {"AGENTS.md": merge.without_section})
        if not dry_run:
            footprint.undo(root, steps)
    return Setup(
        folder=str(root).encode(errors="backslashreplace").decode(),
        wrote=[],
        kept=kept,
        removed=[step.name for step in steps if step.after is None],
        restored=[step.name for step in steps if step.after is not None],
        diff=_diff(step for step in steps if step.after is not None),
        dry_run=dry_run,
    )


def _course(root: Path, starts_git: bool) -> list[Wanted]:
    """golf.toml and what is played against."""
    source = bundle.baselines()
    wanted = {name: bundle.TEMPLATES / name for name in (CONFIG_NAME, PROGRAM)}
    if (root / "data" / "cached_challenge_fineweb.py").exists():  # the challenge's own checkout
        wanted["baselines/naive.json"] = source / "naive.json"
    else:
        for path in sorted(source.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                wanted[f"baselines/{path.relative_to(source).as_posix()}"] = path
    if starts_git:
        wanted[".gitignore"] = bundle.TEMPLATES / "gitignore"
    return [Wanted(name, path.read_text(encoding="utf-8"), is_renewed=False) for name, path in wanted.items()]


def _is_ours(name: str) -> bool:
    return name in (CONFIG_NAME, PROGRAM, ".gitignore") or name.startswith("baselines/") or codex.is_ours(name)


def _diff(steps: Iterable[Step]) -> str:
    return "\n".join(line for step in steps for line in step.diff)


def repository(folder: Path) -> Path | None:
    """Root of the git repository around `folder`, which may not exist yet; None where git says that there is none.

    Raises:
        MissingPackage: git is not installed.
        UnreadableInput: git says anything else, such as that the repository belongs to somebody else.
    """
    existing = next(path for path in (folder, *folder.parents) if path.is_dir())
    try:  # git's own word, in English: a stray `.git` somewhere above is no repository
        return Path(worktree.git(existing, "rev-parse", "--show-toplevel", env={"LC_ALL": "C"}))
    except UnreadableInput as error:
        if "not a git repository (" in str(error):
            return None
        raise


def _starts_git(root: Path, own_repository: bool) -> bool:
    if own_repository:
        worktree.git(Path("/"), "--version")  # it must be there, whatever it thinks of the repository around
        return not (root / ".git").exists()
    return repository(root) is None


def _refuse(root: Path) -> None:
    """Places where Codex's settings would be those of every session, or whose name no record can hold."""
    try:
        str(root).encode()
    except UnicodeEncodeError:
        name = os.fsencode(root).decode(errors="backslashreplace")
        raise BadConfig(f"the name {name} is not UTF-8, which records and settings are: rename the folder") from None
    home = Path.home().resolve()
    settings = Path(os.environ.get("CODEX_HOME") or home / ".codex").resolve()
    if root in (home, settings) or (root / ".codex").resolve() == settings:
        raise BadConfig(
            f"{root} is where Codex has your own settings ({settings}): what golf init writes would hold in every "
            "session everywhere. Nothing was written; make a folder for the workspace: golf init my-golf"
        )
