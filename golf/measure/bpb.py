"""Bits per byte of a checkpoint: the caller's side of the scoring worker.

The training script is executed to get its model class, so scoring happens in a process of its own, under the training
interpreter and with an environment that holds no credentials. Whatever ends the caller (an exception, Ctrl-C, SIGKILL)
ends the worker too: it is in a process group that is killed, and it leaves by itself when the pipe to its stdin closes.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

import golf
from golf import durable, errors, leftovers, schema
from golf.environment import inherited
from golf.errors import BadConfig, GolfError, JobFailed, NotFound
from golf.measure import artifact, shards

WORKER_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""What the worker starts with, and none of it changes a number. glibc's malloc keeps what one pass frees for the next:
else activations of tens of megabytes are given back, and zeroed by the kernel again, in every operation. And threads
that wait for others sleep: spinning, they take from a busy machine what the others would need to be done."""

_POLL_S = 0.1
_LOG_TAIL = 600


class Checkpoint(NamedTuple):
    """Weights, and the script whose model they fit."""

    weights: Path
    script: Path


def find_checkpoint(path: Path, script: Path | None = None) -> Checkpoint:
    """The weights at `path` (a file, or a folder whose one weights file counts) and the script beside them.

    Raises:
        NotFound: no `train_gpt.py` beside them and no `script` given.
        UnreadableInput: there are no weights.
        AmbiguousInput: several weight files; none is chosen silently.
    """
    if path.is_dir():
        path = artifact.find_weights(path)
    elif not path.is_file():
        raise NotFound(f"there is no checkpoint {path}")
    script = script or path.parent / artifact.SCRIPT
    if not script.is_file():
        raise NotFound(f"there is no script {script} to build the model from. Name it: --script PATH")
    return Checkpoint(path, script)


def evaluate_bpb(
    checkpoint: Path,
    *,
    script: Path,
    data: Path,
    tokenizer: Path | None,
    env: Mapping[str, str] | None = None,
    seq_len: int | None = None,
    stride: int | None = None,
    max_tokens: int | None = None,
    dtype: str = "float32",
    device: str = "auto",
    python: str = sys.executable,
    scratch: Path | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    timeout_s: float | None = None,
) -> schema.Evaluation:
    """Score a checkpoint on a validation split, by the challenge's metric.

    Args:
        checkpoint: `final_model.int8.ptz`, or a raw `.pt` state dict.
        script: Training script with the `GPT` and `Hyperparameters` it was made with.
        data: Folder with `fineweb_val_*.bin`, or one shard. Byte side-cars beside the shards are used where they lie.
        tokenizer: SentencePiece model the shards were made with; may be None where there are side-cars.
        env: Variables the script reads its hyperparameters from (NUM_LAYERS, MODEL_DIM, …).
        seq_len: Tokens per window; None takes the script's.
        stride: Targets scored per window; below seq_len the window slides. None: seq_len, plain windows.
        max_tokens: Score only about this many targets; the result then says `is_subset`.
        dtype: `float32`, `float64`, or `bfloat16` (autocast, as on the challenge's GPUs).
        device: `auto`, `cpu`, `cuda`, `mps`.
        python: Interpreter with torch and sentencepiece; it need not be the one golf runs under.
        scratch: Folder for the worker's request, log and result, kept; None: a temporary one.
        threads: CPU threads; None leaves it to torch.
        progress: Called with (targets scored, targets to score) now and then.
        timeout_s: Seconds of wall-clock time after which the worker is ended.

    Raises:
        NotFound, BadConfig, UnreadableInput: the input cannot be scored; the message says why and what to do.
        JobFailed: the worker ended without a result: killed, out of memory, or too slow. There is no number then.
    """
    if not checkpoint.is_file():
        raise NotFound(f"there is no checkpoint {checkpoint}")
    found = [data] if data.is_file() else shards.find_shards(data, "val")
    sidecars = [] if data.is_file() else shards.find_sidecars(data)
    with leftovers.folder("golf-bpb-") as temporary:
        folder = (scratch or temporary).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        result, lines = folder / "result.json", folder / "progress.jsonl"
        for stale in (result, lines):
            stale.unlink(missing_ok=True)
        request = {
            "checkpoint": str(checkpoint.resolve()),
            "script": str(script.resolve()),
            "shards": [str(path.resolve()) for path in found],
            "sidecars": [str(path.resolve()) for path in sidecars] or None,
            "tokenizer": str(tokenizer.resolve()) if tokenizer else None,
            "env": dict(env or {}),
            "seq_len": seq_len,
            "stride": stride,
            "max_tokens": max_tokens,
            "dtype": dtype,
            "device": device,
            "threads": threads,
            "progress": str(lines),
            "result": str(result),
            "lifeline": True,
        }
        (folder / "request.json").write_text(json.dumps(request, indent=2), encoding="utf-8")
        log = folder / "scorer.log"
        status = _run(folder, python, log, lines, progress, timeout_s)
        return _read(result, status, log, checkpoint)


def _run(
    folder: Path,
    python: str,
    log: Path,
    lines: Path,
    progress: Callable[[int, int], None] | None,
    timeout_s: float | None,
) -> int:
    """Run the worker in `folder` to its end and return its exit status; it never outlives this call."""
    # The package is offered under a folder that holds nothing else: the folder golf is installed in may be full of
    # packages for another Python than the one that trains.
    library = folder / "library"
    library.mkdir(exist_ok=True)
    link = library / "golf"
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(Path(golf.__file__).resolve().parent)
    command = [python, "-m", "golf.measure.scorer", str(folder / "request.json")]
    compiled = folder / "compiled"
    own = {"PYTHONPATH": str(library), "PYTHONDONTWRITEBYTECODE": "1", "TORCHINDUCTOR_CACHE_DIR": str(compiled)}
    environment = {**WORKER_ENVIRONMENT, **inherited(), **own}
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    with open(log, "wb") as output:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise BadConfig(
                f"the training interpreter {python} could not be started: {error}. "
                "Set train.python in golf.toml to one that has torch"
            ) from error
        seen = 0
        try:
            while True:
                try:
                    return process.wait(_POLL_S)
                except subprocess.TimeoutExpired:
                    pass
                finally:
                    seen = _forward(lines, seen, progress)
                if deadline is not None and time.monotonic() > deadline:
                    raise JobFailed(
                        f"scoring took longer than its limit of {timeout_s:g} s and was ended; there is no score. "
                        "Score fewer targets (--tokens N), a larger --stride, or allow more time"
                    )
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a zombie
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdin:
                process.stdin.close()
            shutil.rmtree(compiled, ignore_errors=True)


def _forward(lines: Path, seen: int, progress: Callable[[int, int], None] | None) -> int:
    """Pass on the progress lines after byte `seen`; returns how far was read."""
    if progress is None or not lines.exists():
        return seen
    with open(lines, "rb") as file:
        file.seek(seen)
        for raw in file:
            if not raw.endswith(b"\n"):
                break
            seen += len(raw)
            line = json.loads(raw)
            progress(line["scored_tokens"], line["total_tokens"])
    return seen


def _read(result: Path, status: int, log: Path, checkpoint: Path) -> schema.Evaluation:
    """The worker's result as an Evaluation, or the error it stands for."""
    tail = durable.tail(log, _LOG_TAIL).strip()
    if not result.exists():
        if status < 0:
            name = signal.Signals(-status).name
            reason = f"was killed by {name}" + (", often for lack of memory" if name == "SIGKILL" else "")
        else:
            reason = f"ended with exit status {status}"
        raise JobFailed(
            f"the scorer of {checkpoint} {reason}, and left no result: there is no score. "
            + (f"Its last words: {tail}" if tail else "It printed nothing.")
        )
    answer = json.loads(result.read_text(encoding="utf-8"))
    if "error" in answer:
        kind = getattr(errors, str(answer.get("kind")), JobFailed)
        raise (kind if isinstance(kind, type) and issubclass(kind, GolfError) else JobFailed)(answer["error"])
    try:
        return schema.Evaluation.model_validate(answer)
    except ValidationError as error:
        raise JobFailed(f"the scorer of {checkpoint} wrote a result that cannot be used: {error}") from error
