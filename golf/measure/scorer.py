"""The scoring worker: `python -m golf.measure.scorer REQUEST.json`, run by the interpreter that trains.

It executes the training script's top level to get at its `GPT` class, so it always runs as a process of its own;
`golf.measure.bpb` is the caller's side. Imports only the standard library, numpy, torch, sentencepiece and the parts
of golf that need nothing else: a training environment may have no pydantic.

The metric: sum of the losses of all scored targets in nats, divided by ln 2 and by the bytes those targets stand for.
Which targets, and with what context: `golf.measure.windows`. By which forward: `golf.measure.forward`.

SIGTERM ends the worker at once; files are replaced whole, so nothing is left half-written. The result is JSON, on
failure `{"error": message, "kind": class of golf.errors}` with exit status 2.
"""

import contextlib
import hashlib
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from golf import durable, errors
from golf.errors import BadConfig, GolfError, JobFailed, NotFound, UnreadableInput
from golf.measure import byte_counts, pace
from golf.measure.forward import choose
from golf.measure.pace import Way
from golf.measure.script_model import DTYPES, build_model, fit_weights, load_script, load_weights
from golf.measure.shards import Stream
from golf.measure.windows import ByteCounter, Totals, Windows, score

_BATCH_TOKENS = {"cpu": 8_192, "mps": 32_768, "cuda": 131_072}
_LOGIT_BYTES_MAX = {"cpu": 1 << 27, "mps": 1 << 28, "cuda": 1 << 31}
_PROGRESS_EVERY_S = 0.5


@dataclass(frozen=True)
class Request:
    """What to score and how; the fields of REQUEST.json. Paths are absolute."""

    checkpoint: str
    script: str
    shards: list[str]
    result: str
    """File the result is written to."""
    sidecars: list[str] | None = None
    """Byte side-cars, one per shard; the tokenizer is then not needed."""
    tokenizer: str | None = None
    env: Mapping[str, str] | None = None
    """Environment the script reads its hyperparameters from."""
    seq_len: int | None = None
    """None: the script's own (EVAL_SEQ_LEN where it has one, else TRAIN_SEQ_LEN)."""
    stride: int | None = None
    """None: seq_len."""
    max_tokens: int | None = None
    dtype: str = "float32"
    """`float32` and `float64` hold every weight in that type; `bfloat16` keeps each weight in the checkpoint's own
    type and computes under autocast, as the challenge does on cuda."""
    device: str = "auto"
    threads: int | None = None
    """None: as many as torch takes, or fewer where a probe finds that quicker."""
    batch_tokens: int | None = None
    """Tokens per forward pass; None chooses by device, vocabulary and a probe."""
    progress: str | None = None
    """File that JSON lines are appended to while it runs."""
    lifeline: bool = False
    """Exit when stdin closes: the caller holds its other end, so the worker cannot outlive it."""


def evaluate(request: Request) -> dict[str, Any]:
    """Do what a request asks for; the result's keys are the fields of `golf.schema.Evaluation`.

    Raises:
        GolfError: it could not be scored; there is no number then.
    """
    if request.dtype not in DTYPES:
        raise BadConfig(f"dtype is {request.dtype!r}; it may be {', '.join(DTYPES)}")
    os.environ.update(request.env or {})
    if request.threads:
        torch.set_num_threads(request.threads)
    device = choose_device(request.device, request.dtype)

    stream = Stream([Path(path) for path in request.shards])
    module = load_script(Path(request.script))
    settings = module.Hyperparameters()
    if not hasattr(settings, "vocab_size"):
        raise UnreadableInput(f"Hyperparameters in {request.script} has no vocab_size, so tokens cannot be checked")
    seq_len, stride = window_shape(request, settings)
    offered = len(stream) - 1
    targets = offered if request.max_tokens is None else min(request.max_tokens, offered)
    if stride == seq_len and targets < seq_len:
        raise BadConfig(
            f"{targets} targets do not fill one window of {seq_len}; allow more, or set a shorter --seq-len"
        )
    checkpoint = Path(request.checkpoint)
    try:
        data = checkpoint.read_bytes()
    except OSError as error:
        raise NotFound(f"checkpoint {checkpoint} could not be read: {error}") from error
    sha256 = hashlib.sha256(data).hexdigest()  # of the very bytes that are scored

    model = build_model(module, settings)
    fit_weights(model, load_weights(data, checkpoint, module), request.dtype)
    del data
    model.to(device).eval()
    if (largest := stream.largest()) >= (vocab_size := settings.vocab_size):
        raise UnreadableInput(
            f"the shards hold token id {largest}, out of range for the model's vocabulary of {vocab_size}. "
            "They were made with another tokenizer; give the split the model was trained for (--data)"
        )
    count_bytes, notes = byte_counter(request, stream, vocab_size)

    windows = Windows(targets, seq_len, stride)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=request.dtype == "bfloat16")
    threads = torch.get_num_threads()
    aim = targets // seq_len * seq_len if stride == seq_len else targets
    begin = time.perf_counter()
    try:
        with torch.inference_mode(), autocast, Progress(request.progress, aim) as progress:
            forward = choose(
                model,
                module,
                stream,
                windows,
                dtype=request.dtype,
                device=device,
                ways=_ways(request, seq_len, vocab_size, device),
                workers=threads,
            )
            totals = score(
                forward.losses,
                stream,
                count_bytes,
                windows,
                pace=forward.pace,
                device=device,
                report=progress.report,
            )
    finally:
        torch.set_num_threads(threads)
    notes += forward.notes
    eval_time_s = time.perf_counter() - begin
    possible = offered // seq_len * seq_len if stride == seq_len else offered
    if totals.tokens != aim:
        raise JobFailed(f"{totals.tokens} targets were scored where {aim} should have been; this is a defect of golf")
    if aim < targets:
        notes.append(
            f"the last {targets - aim} targets are left out: they do not fill a window of {seq_len} "
            "(the challenge's convention)"
        )
    return {
        "checkpoint": str(checkpoint),
        "checkpoint_sha256": sha256,
        "val_bpb": totals.val_bpb,
        "val_loss": totals.val_loss,
        "scored_tokens": totals.tokens,
        "scored_bytes": totals.bytes,
        "total_tokens": offered,
        "is_subset": totals.tokens < possible,
        "seq_len": seq_len,
        "stride": stride,
        "byte_source": "sidecar" if request.sidecars else "tokenizer",
        "dtype": request.dtype,
        "device": device.type,
        "forward": forward.name,
        "eval_time_s": eval_time_s,
        "peak_memory_bytes": peak_memory_bytes(device),
        "shards": request.shards,
        "notes": notes,
    }


def _ways(request: Request, seq_len: int, vocab_size: int, device: torch.device) -> list[Way]:
    """How many windows at once, and on how many threads; several where the request leaves it open."""
    most = min(_BATCH_TOKENS[device.type], _LOGIT_BYTES_MAX[device.type] // (4 * vocab_size))
    threads = torch.get_num_threads()
    if request.batch_tokens:
        return [Way(max(1, request.batch_tokens // seq_len), threads)]
    ways = pace.ways(seq_len, most, threads, device=device)
    return [way for way in ways if request.threads is None or way.threads == threads]


def choose_device(name: str, dtype: str) -> torch.device:
    """The device to score on; `auto` takes cuda, then mps (but not for float64), then cpu.

    Raises:
        BadConfig: there is no such device here.
    """
    usable = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available() and dtype != "float64"}
    if name == "auto":
        name = next((device for device in usable if usable[device]), "cpu")
    if name != "cpu" and not usable.get(name.partition(":")[0], False):
        raise BadConfig(f"device {name!r} with dtype {dtype} cannot be used here; try --device cpu")
    return torch.device(name)


def window_shape(request: Request, settings: Any) -> tuple[int, int]:
    """seq_len and stride, the script's own where the request leaves them open.

    Raises:
        BadConfig: not positive, a stride beyond seq_len, or the script names no seq_len.
    """
    own = getattr(settings, "eval_seq_len", 0) or getattr(settings, "train_seq_len", 0)
    seq_len = request.seq_len if request.seq_len is not None else int(own)
    if seq_len < 1:
        raise BadConfig(f"seq_len is {seq_len}; it must be at least 1. The script names none: give --seq-len")
    stride = request.stride if request.stride is not None else seq_len
    if not 1 <= stride <= seq_len:
        raise BadConfig(
            f"stride is {stride}; it must be 1 to seq_len ({seq_len}), because beyond it targets would be skipped"
        )
    if request.max_tokens is not None and request.max_tokens < 1:
        raise BadConfig(f"max_tokens is {request.max_tokens}; it must be at least 1")
    return seq_len, stride


def byte_counter(request: Request, stream: Stream, vocab_size: int) -> tuple[ByteCounter, list[str]]:
    """What counts the bytes of targets, from the side-car or the tokenizer, with notes on it.

    Raises:
        UnreadableInput: side-car or tokenizer do not belong to these shards.
    """
    if request.sidecars:
        sidecar = Stream([Path(path) for path in request.sidecars])
        if len(sidecar) != len(stream):
            raise UnreadableInput(
                f"the byte side-car counts {len(sidecar)} tokens, the shards beside it hold {len(stream)}; "
                "they must run in parallel. Fetch both again: golf data fineweb"
            )
        return lambda start, stop: int(sidecar.read(start + 1, stop + 1).sum(dtype=np.int64)), []
    if request.tokenizer is None:
        raise BadConfig("bytes cannot be counted without the tokenizer the shards were made with: --tokenizer PATH")
    table = byte_counts.table(Path(request.tokenizer))
    if table.vocab_size != vocab_size:
        raise UnreadableInput(
            f"the tokenizer {request.tokenizer} has {table.vocab_size} pieces, the model's vocabulary is {vocab_size}. "
            "Give the tokenizer the shards were made with: --tokenizer PATH"
        )
    notes = []
    if table.inner_spaces:
        notes.append(f"{table.inner_spaces} pieces hold a space inside, which the challenge counts as 3 bytes")

    def count(start: int, stop: int) -> int:
        run = stream.read(start, stop + 1)
        return table.count(run[:-1], run[1:])

    return count, notes


class Progress:
    """JSON lines for whoever waits: scored_tokens, total_tokens (to be scored) and val_bpb so far."""

    def __init__(self, path: str | None, total: int) -> None:
        self._path = path
        self._total = total
        self._next = 0.0
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Progress":
        self._file = self._stack.enter_context(open(self._path, "a", encoding="utf-8")) if self._path else None
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def report(self, totals: Totals) -> None:
        """Write a line, at most twice a second, and one at the end."""
        now = time.monotonic()
        if self._file is None or (now < self._next and totals.tokens < self._total) or not totals.bytes:
            return
        self._next = now + _PROGRESS_EVERY_S
        line = {"scored_tokens": totals.tokens, "total_tokens": self._total, "val_bpb": totals.val_bpb}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def peak_memory_bytes(device: torch.device) -> int:
    """Peak memory of the worker: allocated on the device for cuda, else resident in the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is bytes on macOS, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _exit_with_caller() -> None:
    os.read(0, 1)  # not sys.stdin: its lock would be held when the interpreter shuts down
    os._exit(1)


def main(arguments: list[str]) -> int:
    """Score one request file; 0 with a result, 2 with an error in its place."""
    if len(arguments) != 1:
        print("usage: python -m golf.measure.scorer REQUEST.json", file=sys.stderr)
        return 2
    request = Request(**json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    if request.lifeline:
        threading.Thread(target=_exit_with_caller, daemon=True).start()
    try:
        result = evaluate(request)
        status = 0
    except GolfError as error:
        result, status = {"error": str(error), "kind": type(error).__name__}, 2
    except Exception as error:  # the script's own failures, and memory
        import traceback

        traceback.print_exc()
        what = f"scoring {request.checkpoint} failed: {type(error).__name__}: {error}"
        result, status = {"error": what, "kind": errors.JobFailed.__name__}, 2
    durable.replace_json(Path(request.result), result)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
