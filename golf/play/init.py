"""`golf init`: a workspace out of a folder, without touching what is there.

Writes golf.toml, the reference results and our naive baseline; an existing file always wins. What
was written is remembered with its hash in `.golf/init.json`, so that `undo` removes exactly that.
"""

import hashlib
import json
import shutil
from pathlib import Path

from golf import bundle, durable
from golf.errors import NotFound
from golf.play import worktree
from golf.schema import Noun
from golf.workspace import CONFIG_NAME, Workspace


class Setup(Noun):
    """What init did, or would do."""

    folder: str
    wrote: list[str]
    kept: list[str]
    """Files that existed and were left alone."""
    removed: list[str] = []
    started_git: bool = False
    dry_run: bool = False


def init(folder: Path, *, dry_run: bool = False, own_repository: bool = False) -> Setup:
    """Make `folder` a workspace (creating it when missing); running it again changes nothing.

    A folder outside any git repository becomes one, because every run is played in a worktree;
    with `own_repository` a folder inside another repository does too.

    Raises:
        MissingPackage: git is not installed.
    """
    wanted = {CONFIG_NAME: bundle.TEMPLATES / CONFIG_NAME}
    source = bundle.baselines()
    for path in sorted(source.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            wanted[f"baselines/{path.relative_to(source).as_posix()}"] = path
    if (folder / "data" / "cached_challenge_fineweb.py").exists():  # the challenge's own checkout
        wanted = {CONFIG_NAME: wanted[CONFIG_NAME], "baselines/naive.json": source / "naive.json"}
    starts_git = not ((folder / ".git").exists() if own_repository else _in_git(folder))
    if starts_git:
        wanted[".gitignore"] = bundle.TEMPLATES / "gitignore"
    kept = [name for name in wanted if (folder / name).exists()]
    wrote = [name for name in wanted if name not in kept]
    if not dry_run:
        folder.mkdir(parents=True, exist_ok=True)
        for name in wrote:
            durable.replace(folder / name, wanted[name].read_bytes())
        memory = Workspace(folder).state / "init.json"
        remembered = json.loads(memory.read_text()) if memory.exists() else {}
        durable.replace_json(memory, {**remembered, **{name: _digest(folder / name) for name in wrote}})
        if starts_git:
            worktree.git(folder, "init", "--quiet")
    return Setup(folder=str(folder), wrote=wrote, kept=kept, started_git=starts_git, dry_run=dry_run)


def undo(folder: Path, *, dry_run: bool = False) -> Setup:
    """Remove what `init` wrote here and nobody changed since; everything else stays.

    Raises:
        NotFound: init did not write anything here.
    """
    memory = folder / ".golf" / "init.json"
    if not memory.exists():
        raise NotFound(f"{memory} is missing: golf init did not write anything in {folder}")
    remembered = {
        name: digest
        for name, digest in json.loads(memory.read_text()).items()
        if (folder / name).resolve().is_relative_to(folder)
    }
    same = [
        name for name, digest in remembered.items() if (folder / name).exists() and _digest(folder / name) == digest
    ]
    kept = [name for name in remembered if name not in same and (folder / name).exists()]
    if not dry_run:
        for name in same:
            (folder / name).unlink()
        for place in sorted({(folder / name).parent for name in same}, key=lambda path: -len(path.parts)):
            if place != folder and not any(place.iterdir()):
                shutil.rmtree(place)
        memory.unlink()
    return Setup(folder=str(folder), wrote=[], kept=kept, removed=same, dry_run=dry_run)


def _in_git(folder: Path) -> bool:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return any((path / ".git").exists() for path in (existing, *existing.parents))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
