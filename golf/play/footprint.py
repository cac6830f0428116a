"""What Caddie leaves in somebody's folder, and how it goes again.

Everything is looked at before anything is written: a file that cannot be added to stops it all. What is about to be
written is remembered first, in `.golf/init.json`, with the hash of each file and the text it had before; so a kill at
any moment leaves nothing that `undo` would not find. What nobody changed since is written anew from that earlier
text, as if for the first time; what somebody changed is theirs.
"""

import contextlib
import difflib
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from golf import durable
from golf.errors import BadConfig, NotFound
from golf.workspace import Workspace

MEMORY = ".golf/init.json"
KEPT = (MEMORY, ".golf/trust.json")
"""What is remembered, and outlives the files."""


@dataclass(frozen=True)
class Wanted:
    """A file as it should lie in the folder when there is none of its name."""

    name: str
    """Relative to the folder, with slashes."""
    text: str
    add_to: Callable[[str], str] | None = None
    """What becomes of a file that somebody else wrote; without it, that file stays as it is."""
    take_out: Callable[[str], str] | None = None
    """That file without our part, where our part can be told from the rest."""
    is_renewed: bool = True
    """Written again when it would come out differently and nobody changed it; a `False` is written once."""


class Past(BaseModel):
    """What was done to one file."""

    model_config = ConfigDict(extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    sha256: list[str]
    """Of the file as it was written; before it, of what that replaced of ours, because a kill may fall between."""
    before: bytes | None
    """What it held until then; None where there was no file."""


class Memory(BaseModel):
    """`.golf/init.json`."""

    model_config = ConfigDict(extra="forbid")

    files: dict[str, Past] = {}
    folders: list[str] = []
    """Folders that were made, outermost first."""
    agents: str | None = None
    """Which AGENTS.md was asked for."""


@dataclass(frozen=True)
class Step:
    """What happens to one file."""

    name: str
    path: Path
    now: str | None
    """What lies there; None where nothing does."""
    before: str | None
    """What would lie there without us."""
    after: str | None

    @property
    def is_new(self) -> bool:
        return self.now is None

    @property
    def is_change(self) -> bool:
        return self.now is not None and self.after != self.now

    @property
    def diff(self) -> list[str]:
        """Unified, without context: somebody's settings are shown no further than they change."""
        now, after = ((text or "").encode(errors="replace").decode().splitlines() for text in (self.now, self.after))
        return list(difflib.unified_diff(now, after, self.name, self.name, n=0, lineterm=""))


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """One process at a time plans and writes here, so that none forgets what another did; makes a missing folder.

    The folder itself is locked: a lock file would be one more thing to leave behind.

    Raises:
        BadConfig: the folder cannot be one, because a file is in its way.
    """
    made = [place for place in (root, *root.parents) if not place.exists()]
    try:
        root.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise BadConfig(f"{error.filename} cannot be a folder: a file is in its way. Nothing was written") from error
    opened = os.open(root, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a network file system may lock no folders: then it goes without
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
        with contextlib.suppress(OSError):  # it is not empty when something was written
            for place in made:
                place.rmdir()


def remembered(root: Path) -> Memory:
    """What was left in this folder; empty where nothing was.

    Raises:
        BadConfig: the memory is not readable.
    """
    path = inside(root, MEMORY)
    content = path.read_bytes() if path.exists() else b""
    if not content:  # also what a kill leaves between making the file and filling it
        return Memory()
    try:
        return Memory.model_validate_json(content)
    except ValidationError:
        pass
    try:  # until 0.1.0: name to hash
        hashes = json.loads(content)
        return Memory(files={name: Past(sha256=[sha256], before=None) for name, sha256 in hashes.items()})
    except (ValueError, AttributeError, ValidationError) as error:
        raise BadConfig(
            f"{path} is not what golf init wrote; move it away, and golf init forgets what it did"
        ) from error


def plan(root: Path, wanted: Iterable[Wanted], memory: Memory) -> list[Step]:
    """What would happen to each file; writes nothing.

    Raises:
        BadConfig: a file is malformed, or its place is no place for one; the message names it.
    """
    return [_step(root, one, memory.files.get(one.name)) for one in wanted]


def _step(root: Path, one: Wanted, past: Past | None) -> Step:
    try:
        path = inside(root, one.name)
    except BadConfig:
        if one.add_to is None and (root / one.name).is_file():  # wherever it leads: it wins, and is not looked into
            return Step(one.name, root / one.name, "", "", "")
        raise
    now = _read(path)
    if now is None:
        return Step(one.name, path, None, None, one.text)
    try:
        before = one.take_out(now) if one.take_out else now
        if past and digest(now) in past.sha256 and one.is_renewed:
            before = None if past.before is None else _text(past.before)
        if before is None:
            return Step(one.name, path, now, None, one.text)
        if one.add_to is None:
            return Step(one.name, path, now, before, now)
        added = one.add_to(now if one.take_out else before)  # a section stays where its owner moved it
        return Step(one.name, path, now, before, added)
    except BadConfig as error:
        raise BadConfig(f"{path}: nothing was written, because {error}") from error


def carry_out(root: Path, steps: Iterable[Step], memory: Memory) -> None:
    """Write what was planned, and remember it first."""
    steps = list(steps)
    _sweep(root, [step.name for step in steps])
    steps = [step for step in steps if step.is_new or step.is_change]
    files = dict(memory.files)
    folders = list(memory.folders)
    for step in steps:
        past = files.get(step.name)
        ours = [] if past is None or step.now is None else [one for one in past.sha256 if one == digest(step.now)]
        files[step.name] = Past(
            sha256=[*ours, digest(step.after or "")],
            before=None if step.before is None else _bytes(step.before),
        )
        missing = [place for place in step.path.parents if place.is_relative_to(root) and not place.exists()]
        names = [place.relative_to(root).as_posix() for place in reversed(missing)]
        folders += [name for name in names if name not in (".", *folders)]
    memory = memory.model_copy(update={"files": files, "folders": folders})
    if memory != remembered(root):
        place = Workspace(root).state / Path(MEMORY).name
        place.touch(mode=0o600)  # the earlier text of settings may hold what others on this machine should not read
        durable.replace(place, memory.model_dump_json(indent=2))
    for step in steps:
        durable.replace(step.path, _bytes(step.after or ""))


def plan_undo(
    root: Path, may: Callable[[str], bool], sections: Mapping[str, Callable[[str], str]]
) -> tuple[list[Step], list[str]]:
    """What would go or get its earlier text back, and the names of what was changed since and stays.

    Args:
        root: The folder.
        may: Whether a name is one we ever write; the memory lies in their folder and is not believed.
        sections: By name, how our part is taken out of a file whose rest was changed.

    Raises:
        NotFound: nothing was left here.
    """
    if not inside(root, MEMORY).exists():
        raise NotFound(f"{root / MEMORY} is missing: golf init did not write anything in {root}")
    steps, kept = [], []
    for name, past in remembered(root).files.items():
        try:
            path = inside(root, name)
            now, before = _read(path), None if past.before is None else _text(past.before)
            if now is None or now == before:
                continue
            if not may(name):
                kept.append(name)
            elif digest(now) in past.sha256:
                steps.append(Step(name, path, now, before, before))
            elif name in sections and (rest := sections[name](now)) != now:
                after = None if past.before is None and not rest.strip() else rest
                steps.append(Step(name, path, now, after, after))
            else:
                kept.append(name)
        except BadConfig:
            kept.append(name)
    return steps, kept


def undo(root: Path, steps: Iterable[Step]) -> None:
    """Do it, and forget."""
    memory, path = remembered(root), inside(root, MEMORY)
    _sweep(root, memory.files)
    for step in steps:
        if step.after is None:
            step.path.unlink()
        else:
            durable.replace(step.path, _bytes(step.after))
    for name in reversed(memory.folders):
        place = root / name
        if place.is_dir() and place.resolve() == place and root in place.parents and not any(place.iterdir()):
            place.rmdir()
    path.unlink()
    state = path.parent
    if [one.name for one in state.iterdir()] == [".gitignore"]:
        (state / ".gitignore").unlink()
        if not (root / MEMORY).parent.is_symlink():  # what a link of theirs leads to is their folder
            state.rmdir()


def _sweep(root: Path, names: Iterable[str]) -> None:
    """Remove what a kill left of `durable.replace` beside files of these names, which is its temporary file."""
    for name in [*names, *KEPT]:
        with contextlib.suppress(BadConfig, OSError):
            path = inside(root, name)
            temporary = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}\.tmp")
            for beside in path.parent.iterdir():
                if temporary.fullmatch(beside.name) and beside.is_file() and not beside.is_symlink():
                    beside.unlink()


def inside(root: Path, name: str) -> Path:
    """The place of a file below `root`, symlinks followed as long as they stay there.

    Raises:
        BadConfig: it leads out of the folder or nowhere, or something that is no file is in its way.
    """
    place = root / name
    try:
        path = place.resolve()
    except (OSError, RuntimeError) as error:
        raise BadConfig(f"{place} leads nowhere: {error}. Nothing was written") from error
    if not path.is_relative_to(root) or path == root:
        raise BadConfig(
            f"{place} leads out of {root}, to {path}: it is not written to. Put a real file or folder there"
        )
    if path.exists():
        is_free = path.is_file()
    else:
        is_free = not place.is_symlink() and next(folder for folder in path.parents if folder.exists()).is_dir()
    if not is_free:
        raise BadConfig(f"{place} is no file, and one belongs there: move away what is in its place")
    return path


def digest(text: str) -> str:
    """Of a file's text, SHA-256."""
    return hashlib.sha256(_bytes(text)).hexdigest()


def _read(path: Path) -> str | None:
    try:
        return _text(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None


def _text(content: bytes) -> str:
    """Bytes that are no UTF-8 survive in it."""
    return content.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
