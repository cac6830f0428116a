"""`golf init`: a workspace out of a folder, without touching what is there.

Writes golf.toml, the reference results, our naive baseline, and what Codex needs to be at home here
(`golf.codex.setup`). A file of the same name wins; only Codex's settings and hooks and AGENTS.md are added to, and
their diff is shown. `undo` takes back exactly that.
"""

from collections.abc import Iterable
from pathlib import Path

from golf import bundle
from golf.codex import merge
from golf.codex import setup as codex
from golf.errors import BadConfig
from golf.play import footprint, worktree
from golf.play.footprint import Step, Wanted
from golf.schema import Noun
from golf.workspace import CONFIG_NAME


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

    Raises:
        MissingPackage: git is not installed.
        BadConfig: a file of theirs is malformed or in the way; nothing was written.
    """
    root = folder.resolve()
    memory = footprint.remembered(root)
    agents = agents or memory.agents or "golf"
    if agents not in codex.AGENTS:
        raise BadConfig(f"there is no AGENTS.md {agents!r}; there are: {', '.join(codex.AGENTS)}")
    starts_git = not ((root / ".git").exists() if own_repository else _in_git(root))
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
    steps, kept = footprint.plan_undo(root, _is_ours, {"AGENTS.md": merge.without_section})
    if not dry_run:
        footprint.undo(root, steps)
    return Setup(
        folder=str(root),
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
    wanted = {CONFIG_NAME: bundle.TEMPLATES / CONFIG_NAME}
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
    return name in (CONFIG_NAME, ".gitignore") or name.startswith("baselines/") or codex.is_ours(name)


def _diff(steps: Iterable[Step]) -> str:
    return "\n".join(line for step in steps for line in step.diff)


def _in_git(folder: Path) -> bool:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        worktree.toplevel(existing)  # git's own word: a stray `.git` somewhere above is no repository
    except BadConfig:
        return False
    return True
