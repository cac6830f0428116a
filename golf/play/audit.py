"""`golf audit`: a scorer by whatever name, in confined processes, asked everything (`golf.referee.causality`)."""

import contextlib
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from golf.data.tokenizer import BOS_ID
from golf.errors import BadConfig, GolfError, JobFailed, NotFound
from golf.jobs.confine import Confined, Limits
from golf.measure import artifact, bpb, byte_counts, shards
from golf.play import experiments
from golf.referee import audit_text, causality, scorers
from golf.referee.audit_text import Text
from golf.referee.exchange import Remote
from golf.referee.questions import Effort
from golf.rulings import Audit
from golf.workspace import Workspace

NUM_TOKENS = 256
STREAM_TOKENS_MAX = 4_000_000
"""Read of the split to draw documents from."""

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Sums in another order would be noise."""


@dataclass(frozen=True)
class Target:
    """A scorer, and what runs it."""

    name: str
    source: scorers.Source
    python: str


def find_target(
    target: str,
    *,
    workspace: Workspace | None = None,
    script: Path | None = None,
    env: Mapping[str, str] | None = None,
    checkpoint_seed: int | None = None,
    vocab_size: int | None = None,
    seq_len: int | None = None,
    stride: int | None = None,
    dtype: str = "float32",
    device: str = "cpu",
) -> Target:
    """What `target` means: `FILE.py:NAME`, an experiment of the workspace, or a checkpoint with its script.

    Args:
        target: A function or factory in a Python file; an experiment's name or folder; a weights file, or a folder
            with one, in the challenge's layout (`train_gpt.py` with GPT and Hyperparameters beside it).
        workspace: Where experiments are, and whose interpreter is used; None: this one, and no experiments.
        script: The training script, when it is not beside the weights.
        env: Settings the script reads, besides an experiment's own.
        checkpoint_seed: Which seed's artifact of an experiment; None: the largest.
        vocab_size: Of a Python file that does not say.
        seq_len, stride, dtype, device: As `golf evaluate-bpb` means them.

    Raises:
        NotFound: there is nothing of this name, or the experiment has no artifact.
        AmbiguousInput: several files could be the weights.
        BadConfig: a Python file without a name in it.
    """
    python = sys.executable if workspace is None else workspace.python
    file, colon, name = target.rpartition(":")
    if colon and file.endswith(".py"):
        if not Path(file).is_file():
            raise NotFound(f"there is no file {file}. Give FILE.py:NAME, an experiment or a folder with weights")
        return Target(target, scorers.PythonFile(str(Path(file).resolve()), name, vocab_size), python)
    if target.endswith(".py"):
        raise BadConfig(
            f"{target} may define several scorers: give FILE.py:NAME, a function score(tokens) or a factory"
        )
    settings = dict(env or {})
    if workspace is not None and experiments.exists(workspace, target):
        folder = experiments.find(workspace, target)
        experiment = experiments.load(folder)
        place = experiments.artifact_folder(folder, checkpoint_seed)
        weights = artifact.find_weights(place)
        script = script or experiments.model_script(folder / experiment.script)
        settings = {**experiments.settings(workspace, experiment), **settings}
    else:
        if not Path(target).exists():
            raise NotFound(f"nothing at {target}. Give FILE.py:NAME, an experiment or a folder with weights and script")
        weights, script = bpb.find_checkpoint(Path(target), script)
    source = scorers.Checkpoint(
        script=str(script.resolve()),
        weights=str(weights.resolve()),
        env=settings,
        seq_len=seq_len,
        stride=stride,
        dtype=dtype,
        device=device,
        threads=1,
    )
    return Target(target, source, python)


def audit(
    target: str | Target,
    *,
    workspace: Workspace | None = None,
    data: Path | None = None,
    tokenizer: Path | None = None,
    num_tokens: int = NUM_TOKENS,
    num_positions: int = 128,
    seed: int = 0,
    effort: Effort | None = None,
    time_limit_s: float = 1800.0,
    memory_bytes: int = 8 << 30,
) -> Audit:
    """Test a scorer's causality, normalisation and memory in confined processes.

    Args:
        target: A `Target`, or what `find_target` finds one by.
        workspace: Whose validation split, tokenizer and interpreter are used.
        data: Folder of shards, or one shard, to take text from. None: the workspace's, where its tokens fit the
            scorer; else made-up text.
        tokenizer: Tells the bytes per token; None: the workspace's.
        num_tokens: Length of each scored sequence.
        num_positions: Positions drawn at random; how small a cheat can hide depends on it.
        seed: Of text, positions and replacements.
        effort: All other settings; `num_positions` is its own there.
        time_limit_s: Wall-clock time for everything; what is undecided then makes it inconclusive.
        memory_bytes: For each of the scorer's processes.

    Raises:
        NotFound, BadConfig, UnreadableInput: the target, its text or its vocabulary cannot be used.
        JobFailed: the scorer's process ended while it was loaded.
    """
    if num_tokens < 16:
        raise BadConfig(f"num_tokens is {num_tokens}; an audit needs at least 16")
    if num_positions < 1:
        raise BadConfig(f"num_positions is {num_positions}; an audit needs at least 1")
    chosen = target if isinstance(target, Target) else find_target(target, workspace=workspace)
    split = _split(workspace, data)
    processes = _Processes(chosen, split, time_limit_s, memory_bytes)
    texts: list[Text] = []

    def text(vocab_size: int) -> Text:
        texts.append(_text(split, data is not None, num_tokens, vocab_size, seed))
        return texts[0]

    found = causality.audit(
        processes.fresh,
        text,
        target=chosen.name,
        seed=seed,
        effort=effort or Effort(num_positions=num_positions),
    )
    per_token = _bytes_per_token(texts[0], tokenizer or (workspace.tokenizer if workspace else None))
    hidden = found.hidden_gain_nats
    return found.model_copy(
        update={
            "hidden_gain_bpb": None if hidden is None or per_token is None else hidden / math.log(2) / per_token,
            "confinement": processes.in_force,
            "unconfined": processes.lacking,
        }
    )


class _Processes:
    """Confined processes with the scorer, one after the other, within one time limit."""

    def __init__(self, target: Target, split: Path | None, time_limit_s: float, memory_bytes: int) -> None:
        self.target, self.memory_bytes = target, memory_bytes
        self.hidden = [split] if split is not None else []
        self.time_limit_s, self.deadline = time_limit_s, time.monotonic() + time_limit_s
        self.in_force: list[str] = []
        self.lacking: list[str] = []

    @contextlib.contextmanager
    def fresh(self) -> Iterator[Remote]:
        """A process that was asked nothing before."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise JobFailed(f"the audit took longer than its limit of {self.time_limit_s:g} s")
        source = self.target.source
        on_cpu = not isinstance(source, scorers.Checkpoint) or source.device == "cpu"
        child = Confined(
            [self.target.python, "-m", "golf.referee.exchange", json.dumps(scorers.to_json(source))],
            env=dict.fromkeys(ONE_THREAD, "1"),
            hidden=self.hidden,
            devices=[] if on_cpu else [str(path.relative_to("/dev")) for path in Path("/dev").glob("nvidia*")],
            limits=Limits(time_s=left, memory_bytes=self.memory_bytes),
        )
        with child:
            self.in_force, self.lacking = child.in_force, child.lacking
            yield Remote(child)


def _split(workspace: Workspace | None, data: Path | None) -> Path | None:
    """Where text is taken from: a shard or a folder of shards; None: nowhere."""
    if data is not None:
        return data
    if workspace is not None and workspace.data.is_dir():
        return workspace.data
    return None


def _text(split: Path | None, is_demanded: bool, num_tokens: int, vocab_size: int, seed: int) -> Text:
    rng = np.random.default_rng([seed, num_tokens])
    if split is None:
        return audit_text.made_up(vocab_size, num_tokens, BOS_ID, rng)
    try:
        stream = shards.Stream([split] if split.is_file() else shards.find_shards(split, "val"))
        tokens = stream.read(0, min(len(stream), STREAM_TOKENS_MAX))
        if int(tokens.max()) >= vocab_size and not is_demanded:
            return audit_text.made_up(vocab_size, num_tokens, BOS_ID, rng)
        return audit_text.of_documents(tokens, num_tokens, BOS_ID, rng)
    except NotFound:
        if is_demanded:
            raise
        return audit_text.made_up(vocab_size, num_tokens, BOS_ID, rng)


def _bytes_per_token(text: Text, tokenizer: Path | None) -> float | None:
    """Of a real text whose tokenizer is at hand."""
    if tokenizer is None or text.is_made_up:
        return None
    try:
        counted = byte_counts.table(tokenizer).count(text.tokens[:-1], text.tokens[1:])
    except (GolfError, ImportError):
        return None
    return counted / (text.tokens.size - 1) or None
