"""`golf audit --bytes`: the denominator of bits per byte, counted again by decoding the validation text."""

import math
import sys
from pathlib import Path

from golf.errors import BadConfig, NotFound
from golf.jobs.confine import Confined, Limits
from golf.measure import artifact, byte_audit, byte_counts, shards
from golf.measure.byte_counts import ByteTable
from golf.play import experiments
from golf.play.audit import ONE_THREAD
from golf.referee import table_server
from golf.rulings import ByteAudit
from golf.workspace import Workspace


def audit_bytes(
    target: str | None,
    *,
    workspace: Workspace | None = None,
    data: Path | None = None,
    tokenizer: Path | None = None,
    claimed_bpb: float | None = None,
    time_limit_s: float = 300.0,
) -> ByteAudit:
    """Count the validation text by decoding it, and hold a script's byte table against that, token by token.

    Args:
        target: A table as `.npz`, or a script (or a folder or experiment with one) whose function builds it, run in a
            confined process; None: the challenge's own table.
        workspace: Whose split, tokenizer and interpreter are used.
        data: Folder of shards, or one shard; None: the workspace's.
        tokenizer: SentencePiece model of the shards; None: the workspace's.
        claimed_bpb: A score that was computed with the table, to be corrected. None: an experiment's own.
        time_limit_s: For the script's process.

    Raises:
        BadConfig: the score is none.
        NotFound, UnreadableInput: no text, tokenizer or table to count with.
        JobFailed: the script's process ended.
    """
    if claimed_bpb is not None and not 0 < claimed_bpb < math.inf:
        raise BadConfig(f"the score to correct is {claimed_bpb} bits per byte; it must be a number above 0")
    split = data or (workspace.data if workspace else None)
    spelling = tokenizer or (workspace.tokenizer if workspace else None)
    if split is None or spelling is None:
        raise NotFound("there is no text to count: run it in a workspace, or give --data and --tokenizer")
    if claimed_bpb is None and target is not None and workspace is not None and experiments.exists(workspace, target):
        result = experiments.read_result(experiments.find(workspace, target))
        claimed_bpb = None if result is None else result.val_bpb
    table = None if target is None else _table(target, workspace, spelling, time_limit_s)
    found = [split] if split.is_file() else shards.find_shards(split, "val")
    return byte_audit.audit_bytes(
        spelling,
        (shards.tokens(path) for path in found),
        table,
        source=target or "the challenge's rule",
        claimed_bpb=claimed_bpb,
    )


def _table(target: str, workspace: Workspace | None, tokenizer: Path, time_limit_s: float) -> ByteTable:
    if target.endswith(".npz"):
        return byte_audit.read_table(Path(target))
    script = _script(target, workspace)
    python = sys.executable if workspace is None else workspace.python
    vocab_size = byte_counts.table(tokenizer).vocab_size
    child = Confined(
        [python, "-m", "golf.referee.table_server", str(script), str(tokenizer.resolve()), str(vocab_size)],
        env=dict.fromkeys(ONE_THREAD, "1"),
        shown=[tokenizer.resolve(), *sorted(script.parent.glob("*.py"))],
        limits=Limits(time_s=time_limit_s),
    )
    with child:
        return byte_audit.table_of(table_server.receive(child))


def _script(target: str, workspace: Workspace | None) -> Path:
    if workspace is not None and experiments.exists(workspace, target):
        folder = experiments.find(workspace, target)
        return experiments.model_script(folder / experiments.load(folder).script).resolve()
    path = Path(target)
    path = path / artifact.SCRIPT if path.is_dir() else path
    if not path.is_file():
        raise NotFound(
            f"nothing at {target}. Give a table (.npz), a script, a folder with train_gpt.py or an experiment"
        )
    return path.resolve()
