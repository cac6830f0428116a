"""`golf certify`: a slice of the validation text through a scorer into bits, and back in a process that never saw it.

The scorer's processes see the artifact, the interpreter and the system's libraries, and no other file; they are asked
one position at a time, so that what comes back comes from the artifact and the bits alone. What the artifact weighs is
said: a text in it needs no bits.
"""

import bisect
from pathlib import Path

import numpy as np

from golf.errors import BadConfig, NotFound
from golf.jobs import jail
from golf.measure import byte_counts, shards
from golf.play import experiments
from golf.play.audit import Processes, Target, find_target, hidden_text
from golf.referee import certificate, scorers
from golf.rulings import Certificate
from golf.workspace import Workspace

TEXT_BYTES = 64_000
TEXT_BYTES_MAX = 10_000_000
_PARTS_TOLD = 6
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
    progress: certificate.Progress = lambda what, done, total, note: None,
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
        NotFound, BadConfig, UnreadableInput: there is nothing to certify, it would take far longer than the limit, or
            its arithmetic does not repeat.
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
    hidden = hidden_text([split] if split.is_file() else shards.find_shards(split, "val"), data, chosen)
    processes = Processes(chosen, hidden, time_limit_s, memory_bytes)
    found = certificate.certify(
        processes.fresh,
        tokens,
        wanted,
        count_bytes,
        target=chosen.name,
        claimed_bpb=_claim(workspace, chosen.name),
        settings=_settings(chosen),
        time_limit_s=time_limit_s,
        progress=progress,
    )
    told: dict[str, object] = {"confinement": processes.in_force, "unconfined": processes.lacking}
    if any(line.startswith(jail.VIEW) for line in processes.lacking):
        told["reason"] = f"{found.reason}; this system did not keep other files from the scorer, see not_confined"
    return found.model_copy(update=told)


def _text(split: Path, text_bytes: int) -> np.ndarray:
    """Tokens from the beginning of the split, enough for `text_bytes` bytes and a window more, or all there are."""
    stream = shards.Stream([split] if split.is_file() else shards.find_shards(split, "val"))
    return stream.read(0, min(len(stream), text_bytes + WINDOWS_TOKENS)).astype(np.int64)


def _claim(workspace: Workspace | None, name: str) -> float | None:
    if workspace is None or not experiments.exists(workspace, name):
        return None
    result = experiments.read_result(experiments.find(workspace, name))
    return None if result is None else result.val_bpb


def _settings(target: Target) -> list[str]:
    lines = ["one position at a time, from the prefix alone, in encoder and decoder", "one CPU thread"]
    parts = target.parts()
    sizes = ", ".join(f"{path.name} {_num_bytes(path)}" for path in parts[:_PARTS_TOLD])
    more = f" and {len(parts) - _PARTS_TOLD} more with {sum(map(_num_bytes, parts[_PARTS_TOLD:]))}"
    lines.append(f"what the scorer can read of its own, in bytes: {sizes}{more if len(parts) > _PARTS_TOLD else ''}")
    if isinstance(target.source, scorers.Checkpoint):
        lines.append(f"{target.source.dtype} on {target.source.device}")
    return lines


def _num_bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
