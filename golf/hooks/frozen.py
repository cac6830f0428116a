"""What is not written by habit: Caddie's records, the human's settings, the files that score, checkpoints in git."""

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path

from golf.hooks import writes
from golf.hooks.roles import TERMINAL
from golf.hooks.shell import Command
from golf.hooks.state import State, clean

RECORDS = (
    "results.tsv",
    "notes.jsonl",
    ".golf",
    "experiments/*/result.json",
    "experiments/*/review.json",
    "experiments/*/logs",
    "experiments/*/artifact",
    "experiments/*/earlier",
)
"""What Caddie alone writes; no override opens them."""

STOP_FILES = "experiments/*/logs/*.stop"
"""Whoever makes one ends a seed's training early: the one thing among the records that is everybody's."""

SETTINGS = ("golf.toml", ".codex/hooks.json", ".codex/rules", ".codex/agents", ".codex/config.toml")
"""The human's: limits, money and these guards themselves."""

WEIGHTS = (".pt", ".ptz", ".pth", ".bin", ".safetensors", ".ckpt", ".npz", ".gguf", ".onnx")
CHECKPOINTS = {"outputs", "checkpoints"}
"""Folders whose weights are never committed."""


def written(write: writes.Write, state: State) -> str | None:
    """Why a write is refused."""
    for parts in inside(write.path, state):
        for pattern in RECORDS:
            hit = meets(parts, write.is_deep, pattern, state)
            if hit and not _leaves_alone(write, hit, state) and not _is_stop_file(parts):
                return (
                    f"{hit} is one of Caddie's records, which only measuring and the tools write (run_experiment, "
                    "record_note): a failed idea stays as a discard. To end a seed's training early and keep its "
                    "result: touch experiments/NAME/logs/train_seedN.stop"
                )
        for pattern in SETTINGS:
            hit = meets(parts, write.is_deep, pattern, state)
            if hit and not write.by_git and not _is_open(hit, state):
                return (
                    f"{hit} sets limits, money or guards and is the human's. Tell them what to change and why; to let "
                    f"you, they {TERMINAL}: golf record override 'WHY' --edit {hit}"
                )
        for pattern in state.frozen:
            hit = meets(parts, write.is_deep, pattern, state)
            known = write.by_git == "restores" or (write.by_git == "cleans" and state.is_tracked(pattern))
            if hit and not known and not _is_open(hit, state):
                return (
                    f"{hit} is frozen (guard.frozen in golf.toml): experiments are scored with it, and a change makes "
                    "their numbers incomparable. Change a copy in an experiment instead. If a human wants it "
                    f"otherwise, they {TERMINAL}: golf record override 'WHY' --edit {clean(pattern, 80)}"
                )
    return None


def inside(path: str, state: State) -> list[tuple[str, ...]]:
    """A path's parts below the workspace, as written and with links followed; none for one outside."""
    root = str(state.root)
    try:
        written = Path(path)
        places = (path, str(written.parent.resolve() / written.name), str(written.resolve()))
    except (OSError, ValueError, RuntimeError):
        return []
    found: dict[tuple[str, ...], None] = {}
    for place in places:
        if place == root or root.startswith(place.rstrip("/") + "/"):
            found[()] = None
        elif place.startswith(root + "/"):
            found[tuple(place[len(root) + 1 :].split("/"))] = None
    return list(found)


def meets(parts: tuple[str, ...], is_deep: bool, pattern: str, state: State) -> str | None:
    """The path below the root at which a write to `parts`, or to all below it, meets the guarded `pattern`."""
    if "**" in parts:
        parts, is_deep = parts[: parts.index("**")], True
    guarded = pattern.split("/")
    if not all(fnmatchcase(a, b) or fnmatchcase(b, a) for a, b in zip(parts, guarded, strict=False)):
        return None
    if len(parts) >= len(guarded):
        return clean("/".join(parts), 120)
    if not is_deep:
        return None
    below = next(state.root.glob("/".join([*parts, *guarded[len(parts) :]])), None)
    return None if below is None else clean(below.relative_to(state.root).as_posix(), 120)


def _leaves_alone(write: writes.Write, hit: str, state: State) -> bool:
    """Whether git spares a record: what it restores it must know, what it cleans it must not."""
    if write.by_git == "restores":
        return not state.is_tracked(hit)
    return write.by_git == "cleans" and (state.is_tracked(hit) or hit.startswith(".golf"))


def _is_stop_file(parts: tuple[str, ...]) -> bool:
    return len(parts) == 4 and fnmatchcase("/".join(parts), STOP_FILES)


def _is_open(path: str, state: State) -> bool:
    return any(target in (".", path) or path.startswith(f"{target}/") for target in state.overrides)


def committed(command: Command) -> str | None:
    """Weights that a git command would stage."""
    if command.name != "git":
        return None
    cwd, verb, rest = writes.git_verb(command)
    if verb not in ("add", "stage", "commit"):
        return None
    named = [word for word in rest if not word.startswith("-")]
    takes_all = any(re.fullmatch(r"-[a-zA-Z]*[Au][a-zA-Z]*|--all|--update", word) for word in rest)
    candidates = list(named)
    if verb != "commit" and (takes_all or named):
        is_forced = any(re.fullmatch(r"-[a-zA-Z]*f[a-zA-Z]*|--force", word) for word in rest)
        candidates += _would_add(cwd, named or ["."], is_forced)
    for path in candidates:
        place = os.path.normpath(f"{cwd}/{path}")
        if place.lower().endswith(WEIGHTS) and CHECKPOINTS & set(place.split("/")[:-1]):
            return (
                f"{clean(path, 120)} is a checkpoint, and those are never committed: the repository would carry it for "
                "good. Add the files you mean by name; an experiment's artifact is kept by Caddie."
            )
    return None


def _would_add(cwd: str, paths: list[str], is_forced: bool) -> list[str]:
    """Untracked and changed files below `paths`, as git sees them; none where git cannot say."""
    import subprocess

    asked = ["git", "-C", cwd, "ls-files", "--others", "--modified", "-z"]
    try:
        done = subprocess.run(
            [*asked, *([] if is_forced else ["--exclude-standard"]), "--", *paths],
            capture_output=True,
            timeout=1.0,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
    return [name for name in os.fsdecode(done.stdout).split("\0") if name]
