"""`golf audit`: a scorer by whatever name, in confined processes, asked everything (`golf.referee.causality`)."""

import contextlib
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
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
SUM_SECONDS = 20.0
STREAM_TOKENS_MAX = 4_000_000
"""Read of the split to draw documents from."""

DEVICES = ("cpu", "cuda", "mps", "auto")

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Sums in another order would be noise."""


@dataclass(frozen=True)
class Target:
    """A scorer, and what runs it."""

    name: str
    source: scorers.Source
    python: str
    """The interpreter."""
    device: str = "cpu"
    beside: tuple[Path, ...] = ()
    """Other files and folders that are part of it, e.g. weights that a function reads."""

    def parts(self) -> list[Path]:
        """All it is made of: its files, the modules beside its script, and what was named besides.

        It sees nothing else of the disk but the interpreter and the system's libraries.
        """
        files = [Path(path).resolve() for path in self.source.files]
        modules = [path for path in sorted(files[0].parent.glob("*.py")) if path.is_file()]
        packages = [path.parent for path in sorted(files[0].parent.glob("*/__init__.py"))]
        return list(dict.fromkeys([*files, *self.beside, *modules, *packages]))


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
    beside: Sequence[Path] = (),
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
        beside: Files and folders that the scorer reads besides its own script, the modules there and its weights.

    Raises:
        NotFound: there is nothing of this name, or the experiment has no artifact.
        AmbiguousInput: several files could be the weights.
        BadConfig: a Python file without a name in it, or no such device.
    """
    if device.partition(":")[0] not in DEVICES:
        raise BadConfig(f"there is no device {device!r}; known: {', '.join(DEVICES)}")
    if lost := [path for path in beside if not path.exists()]:
        raise NotFound(f"there is nothing at {lost[0]}. --with takes a file or folder that the scorer reads")
    others = tuple(path.resolve() for path in beside)
    python = sys.executable if workspace is None else workspace.python
    file, colon, name = target.rpartition(":")
    if colon and file.endswith(".py"):
        if not Path(file).is_file():
            raise NotFound(f"there is no file {file}. Give FILE.py:NAME, an experiment or a folder with weights")
        return Target(target, scorers.PythonFile(str(Path(file).resolve()), name, vocab_size), python, device, others)
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
    return Target(target, source, python, device, others)


def audit(
    target: str | Target,
    *,
    workspace: Workspace | None = None,
    data: Path | None = None,
    tokenizer: Path | None = None,
    num_tokens: int = NUM_TOKENS,
    num_positions: int = 128,
    sum_seconds: float = SUM_SECONDS,
    bos: int = BOS_ID,
    seed: int = 0,
    effort: Effort | None = None,
    time_limit_s: float = 1800.0,
    memory_bytes: int = 8 << 30,
    progress: causality.Progress = lambda what, done, total: None,
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
        sum_seconds: For a scorer without predict(prefix): time to go on adding up whole distributions.
        bos: The token that documents start with.
        seed: Of text, positions and replacements.
        effort: All other settings; `num_positions` and `sum_seconds` are its own there.
        time_limit_s: Wall-clock time for everything; what is undecided then makes it inconclusive.
        memory_bytes: For each of the scorer's processes.
        progress: For whoever waits.

    Raises:
        NotFound, BadConfig, UnreadableInput: the target, its text or its vocabulary cannot be used.
        JobFailed: the scorer's process ended while it was loaded.
    """
    if num_tokens < 16:
        raise BadConfig(f"num_tokens is {num_tokens}; an audit needs at least 16")
    if num_positions < 1:
        raise BadConfig(f"num_positions is {num_positions}; an audit needs at least 1")
    chosen = target if isinstance(target, Target) else find_target(target, workspace=workspace)
    found_shards = _shards(workspace, data)
    processes = Processes(chosen, hidden_text(found_shards, data, chosen), time_limit_s, memory_bytes)
    texts: list[Text] = []

    def text(vocab_size: int) -> Text:
        rng = np.random.default_rng([seed, num_tokens])
        stream = _stream(found_shards)
        is_usable = stream.size and (data is not None or int(stream.max()) < vocab_size)
        texts.append(
            audit_text.of_documents(stream, num_tokens, bos, rng)
            if is_usable
            else audit_text.made_up(vocab_size, num_tokens, bos, rng)
        )
        return texts[0]

    found = causality.audit(
        processes.fresh,
        text,
        target=chosen.name,
        seed=seed,
        effort=effort or Effort(num_positions=num_positions, sum_seconds=sum_seconds),
        progress=progress,
    )
    per_token = _bytes_per_token(texts[0], tokenizer or (workspace.tokenizer if workspace else None))
    gain = found.hidden_gain_nats
    return found.model_copy(
        update={
            "hidden_gain_bpb": None if gain is None or per_token is None else gain / math.log(2) / per_token,
            "confinement": processes.in_force,
            "unconfined": processes.lacking,
        }
    )


class Processes:
    """Confined processes with a scorer, one after the other, within one time limit."""

    def __init__(self, target: Target, hidden: Sequence[Path], time_limit_s: float, memory_bytes: int) -> None:
        """`hidden` is what they must not read: the text they are asked about, above all."""
        self.target, self.hidden, self.memory_bytes = target, hidden, memory_bytes
        self.time_limit_s, self.deadline = time_limit_s, time.monotonic() + time_limit_s
        self.in_force: list[str] = []
        self.lacking: list[str] = []

    @contextlib.contextmanager
    def fresh(self) -> Iterator[Remote]:
        """A process that was asked nothing before.

        Raises:
            GolfError: the scorer could not be loaded.
            JobFailed: its process ended, or there is no time left.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise JobFailed(f"all of it took longer than the limit of {self.time_limit_s:g} s")
        gpus = [] if self.target.device == "cpu" else Path("/dev").glob("nvidia*")
        child = Confined(
            [self.target.python, "-m", "golf.referee.exchange", json.dumps(scorers.to_json(self.target.source))],
            env=dict.fromkeys(ONE_THREAD, "1"),
            hidden=self.hidden,
            shown=self.target.parts(),
            devices=[gpu.name for gpu in gpus if gpu.is_char_device()],
            limits=Limits(time_s=left, memory_bytes=self.memory_bytes),
        )
        with child:
            self.in_force, self.lacking = child.in_force, child.lacking
            yield Remote(child)


def _shards(workspace: Workspace | None, data: Path | None) -> list[Path]:
    """Shards to take text from: what is asked for, else the workspace's, else none."""
    if data is not None:
        return [data] if data.is_file() else shards.find_shards(data, "val")
    with contextlib.suppress(NotFound):
        if workspace is not None:
            return shards.find_shards(workspace.data, "val")
    return []


def hidden_text(paths: Sequence[Path], data: Path | None, target: Target) -> list[Path]:
    """The text, and what lies beside it and may be the same text; not the folder itself where the scorer is in it.

    Hidden even if it should lie in a folder that the scorer is shown.
    """
    if not paths or paths == [data]:
        return list(paths)
    folder = paths[0].parent
    own = target.parts()
    if not any(path.is_relative_to(folder.resolve()) for path in own):
        return [folder]
    return [entry for entry in folder.iterdir() if not any(path.is_relative_to(entry.resolve()) for path in own)]


def _stream(paths: Sequence[Path]) -> np.ndarray:
    stream = shards.Stream(paths)
    return stream.read(0, min(len(stream), STREAM_TOKENS_MAX))


def _bytes_per_token(text: Text, tokenizer: Path | None) -> float | None:
    """Of a real text whose tokenizer is at hand."""
    if tokenizer is None or text.is_made_up:
        return None
    try:
        counted = byte_counts.table(tokenizer).count(text.tokens[:-1], text.tokens[1:])
    except (GolfError, ImportError):
        return None
    return counted / (text.tokens.size - 1) or None
