"""`golf certify`: a slice of the validation text through a scorer into bits, and back in a process that never saw it.

The scorer's processes get a copy of script and weights; the workspace with its data is hidden from them, and they are
asked one position at a time, so that what comes back comes from the artifact and the bits alone.
"""

import bisect
import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from golf.errors import BadConfig, NotFound
from golf.measure import byte_counts, shards
from golf.play import experiments
from golf.play.audit import Processes, Target, find_target
from golf.referee import certificate, scorers
from golf.rulings import Certificate
from golf.workspace import Workspace

TEXT_BYTES = 64_000
TEXT_BYTES_MAX = 10_000_000
WINDOWS_TOKENS = 1 << 18
"""Read beyond what is asked for, so that windows can be whole."""


def certify(
    target: str | Target,
    *,
    workspace: Workspace | None = None,
    data: Path | None = None,
    tokenizer: Path | None = None,
    text_bytes: int = TEXT_BYTES,
    time_limit_s: float = 7200.0,
    memory_bytes: int = 8 << 30,
    progress: certificate.Progress = lambda what, done, total: None,
) -> Certificate:
    """Prove a scorer's bits per byte on the beginning of the validation split, or say what stands against it.

    Args:
        target: A `Target`, or what `audit.find_target` finds one by.
        workspace: Whose validation split, tokenizer and interpreter are used.
        data: Folder of shards, or one shard; None: the workspace's.
        tokenizer: SentencePiece model of the shards; None: the workspace's.
        text_bytes: About how much text; cost grows with it, one forward pass per token and direction.
        time_limit_s: Wall-clock time for everything.
        memory_bytes: For each of the scorer's processes.
        progress: For whoever waits.

    Raises:
        NotFound, BadConfig, UnreadableInput: there is nothing to certify, or its arithmetic does not repeat.
        JobFailed: the scorer's process ended.
    """
    if not 64 <= text_bytes <= TEXT_BYTES_MAX:
        raise BadConfig(f"text_bytes is {text_bytes}; it must be 64 to {TEXT_BYTES_MAX}")
    chosen = target if isinstance(target, Target) else find_target(target, workspace=workspace)
    split = data or (workspace.data if workspace else None)
    if split is None:
        raise NotFound("there is no text to certify on: run it in a workspace, or give --data and --tokenizer")
    spelling = tokenizer or (workspace.tokenizer if workspace else None)
    if spelling is None:
        raise NotFound("bytes cannot be counted without the tokenizer of the shards: --tokenizer PATH")
    table = byte_counts.table(spelling)
    tokens = _text(split, text_bytes)

    def count_bytes(tokens: np.ndarray) -> int:
        return table.count(tokens[:-1], tokens[1:])

    ends = range(2, tokens.size + 1)
    wanted = 2 + bisect.bisect_left(ends, text_bytes, key=lambda end: count_bytes(tokens[:end]))
    hidden = [split, *([workspace.root] if workspace else [])]
    with _apart(chosen) as copy:
        processes = Processes(copy, hidden, time_limit_s, memory_bytes)
        found = certificate.certify(
            processes.fresh,
            tokens,
            wanted,
            count_bytes,
            target=chosen.name,
            claimed_bpb=_claim(workspace, chosen.name),
            settings=_settings(chosen),
            progress=progress,
        )
    return found.model_copy(update={"confinement": processes.in_force, "unconfined": processes.lacking})


def _text(split: Path, text_bytes: int) -> np.ndarray:
    """Tokens from the beginning of the split, enough for `text_bytes` bytes and a window more, or all there are."""
    stream = shards.Stream([split] if split.is_file() else shards.find_shards(split, "val"))
    return stream.read(0, min(len(stream), text_bytes + WINDOWS_TOKENS)).astype(np.int64)


@contextlib.contextmanager
def _apart(target: Target) -> Iterator[Target]:
    """The target in a folder of its own, so that the workspace it came from can be hidden."""
    source = target.source
    with tempfile.TemporaryDirectory(prefix="golf-certify-") as name:
        folder = Path(name)
        if isinstance(source, scorers.Checkpoint):
            _copy_scripts(Path(source.script), folder)
            weights = folder / Path(source.weights).name
            shutil.copyfile(source.weights, weights)
            script = str(folder / Path(source.script).name)
            source = dataclasses.replace(source, script=script, weights=str(weights))
        else:
            _copy_scripts(Path(source.path), folder)
            source = dataclasses.replace(source, path=str(folder / Path(source.path).name))
        yield dataclasses.replace(target, source=source)


def _copy_scripts(script: Path, folder: Path) -> None:
    """A script and the modules beside it that it may import."""
    for path in script.parent.glob("*.py"):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)


def _claim(workspace: Workspace | None, name: str) -> float | None:
    if workspace is None or not experiments.exists(workspace, name):
        return None
    result = experiments.read_result(experiments.find(workspace, name))
    return None if result is None else result.val_bpb


def _settings(target: Target) -> list[str]:
    lines = ["one position at a time, from the prefix alone, in encoder and decoder", "one CPU thread"]
    if isinstance(target.source, scorers.Checkpoint):
        lines.append(f"{target.source.dtype} on {target.source.device}")
    return lines
