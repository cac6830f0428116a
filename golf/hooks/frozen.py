"""What is not written by habit: Caddie's records, the human's settings, the files that score, checkpoints in git."""

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

from golf.hooks import writes
from golf.hooks.inline import UNKNOWN
from golf.hooks.roles import TERMINAL
from golf.hooks.shell import Command
from golf.hooks.state import State, clean, git

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
GLOB_MAX = 1_000
"""Files that a wildcard is taken to mean."""

CHECKPOINTS = {"outputs", "checkpoints"}
"""Folders whose weights are never committed."""

LARGEST_BYTES = 1_000_000
"""Weights above this are never committed wherever they lie; a test's fixture is smaller, a model is larger."""


def written(write: writes.Write, state: State) -> str | None:
    """Why a write is refused."""
    for parts in inside(write.path, state):
        for pattern in RECORDS:
            hit = meets(parts, write.is_deep, pattern, state)
            if hit and not _leaves_alone(write, pattern, hit, state) and not _is_stop_file(parts):
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
    """The path below the root at which a write to `parts`, or to all below it, meets the guarded `pattern`.

    `**` among the parts stands for any folders; another wildcard meets by what is on disk, unless it stands
    where the pattern has one as well.
    """
    if parts and parts[-1] in _MADE_AGAIN:
        return None
    if "**" in parts:
        at = parts.index("**")
        return meets(parts[:at], False, pattern, state) or _below(parts[:at], parts[-1], pattern, state)
    guarded = pattern.split("/")
    if any(_is_wild(a) and a != b and b != "*" for a, b in zip(parts, guarded, strict=False)):
        on_disk = (place.relative_to(state.root).parts for place in _glob("/".join(parts), state))
        shown = (found for found in on_disk if not any(map(_is_hidden_from, found, parts)))
        return next((hit for found in shown if (hit := meets(found, is_deep, pattern, state))), None)
    if not all(a == b or fnmatchcase(a, b) for a, b in zip(parts, guarded, strict=False)):
        return None
    if len(parts) >= len(guarded):
        return clean("/".join(parts).replace(UNKNOWN, "*"), 120)
    below = next(_glob("/".join([*parts, *guarded[len(parts) :]]), state), None) if is_deep else None
    return None if below is None else clean(below.relative_to(state.root).as_posix(), 120)


_MADE_AGAIN = ("__pycache__", "*.pyc", ".DS_Store", ".ipynb_checkpoints")
"""What is made again by itself, wherever it lies."""


def _below(start: tuple[str, ...], name: str, pattern: str, state: State) -> str | None:
    """Something of this name in any folder below `start` that is guarded, or lies in what is."""
    for place in _glob(pattern, state):
        if place.relative_to(state.root).parts[: len(start)] == start:
            within = _glob(f"**/{name}", state, place) if place.is_dir() else iter(())
            if (hit := place if fnmatchcase(place.name, name) else next(within, None)) is not None:
                return clean(hit.relative_to(state.root).as_posix(), 120)
    return None


def _glob(pattern: str, state: State, folder: Path | None = None) -> Iterator[Path]:
    try:
        yield from islice((folder or state.root).glob(pattern), GLOB_MAX)
    except (OSError, ValueError, NotImplementedError, IndexError, re.error):
        return


def _is_wild(part: str) -> bool:
    return any(mark in part for mark in "*?[")


def _is_hidden_from(name: str, part: str) -> bool:
    """Whether a shell's wildcard passes over the name for its leading full stop."""
    return name.startswith(".") and not part.startswith(".")


def _leaves_alone(write: writes.Write, pattern: str, hit: str, state: State) -> bool:
    """Whether git spares a record: it restores only what was changed, and cleans only what it does not know."""
    if write.by_git == "restores":
        return state.is_unchanged(pattern)
    return write.by_git == "cleans" and (state.is_tracked(hit) or hit.startswith(".golf"))


def _is_stop_file(parts: tuple[str, ...]) -> bool:
    return len(parts) == 4 and fnmatchcase("/".join(parts), STOP_FILES)


def _is_open(path: str, state: State) -> bool:
    return any(target in (".", path) or path.startswith(f"{target}/") for target in state.overrides)


def _is_large(place: str) -> bool:
    try:
        return Path(place).stat().st_size > LARGEST_BYTES
    except OSError:  # not there: git will say so
        return False


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
        ignored = () if is_forced else ("--exclude-standard",)
        added = git(cwd, "ls-files", "--others", "--modified", "-z", *ignored, "--", *(named or ["."]))
        candidates += added.split("\0")
    for path in candidates:
        place = os.path.normpath(f"{cwd}/{path}")
        if place.lower().endswith(WEIGHTS) and (CHECKPOINTS & set(place.split("/")[:-1]) or _is_large(place)):
            return (
                f"{clean(path, 120)} is a checkpoint, and those are never committed: the repository would carry it for "
                "good. Add the files you mean by name; an experiment's artifact is kept by Caddie."
            )
    return None
