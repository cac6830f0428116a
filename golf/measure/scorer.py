"""The scoring worker: `python -m golf.measure.scorer REQUEST.json`, run by the interpreter that trains.

It executes the training script's top level to get at its `GPT` class, so it always runs as a process of its own;
`golf.measure.bpb` is the caller's side. Imports only the standard library, numpy, torch, sentencepiece and the parts
of golf that need nothing else: a training environment may have no pydantic.

The metric: sum of the losses of all scored targets in nats, divided by ln 2 and by the bytes those targets stand for.

Plain windows (stride equal to seq_len) are the challenge's own evaluation: consecutive windows, and the last
`(targets % seq_len)` targets are left out, because scoring them would need a shorter context. A sliding window
(stride below seq_len) scores every target once: the first window all of its positions, each later one its last
`stride`, the last one what is left. Limiting either to `max_tokens` acts as if the split ended there.

Per-token losses come from the model's `logits(input_ids)` or `forward_logits(input_ids)` where it has one. An
unmodified challenge script has neither, only a mean loss; then `torch.nn.functional.cross_entropy` is replaced while
`forward` runs, and the arguments it is called with are scored.

Weights are unpickled with `weights_only=True`: a checkpoint cannot run code, the script can. SIGTERM ends the worker at
once; files are replaced whole, so nothing is left half-written. The result is JSON, on failure
`{"error": message, "kind": class of golf.errors}` with exit status 2.
"""

import contextlib
import hashlib
import importlib.util
import inspect
import io
import json
import math
import os
import pickle
import resource
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from golf import durable, errors
from golf.errors import BadConfig, GolfError, JobFailed, NotFound, UnreadableInput
from golf.measure import byte_counts
from golf.measure.shards import Stream

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}

_BATCH_TOKENS = {"cpu": 8_192, "mps": 32_768, "cuda": 131_072}
_LOGIT_BYTES_MAX = {"cpu": 1 << 27, "mps": 1 << 28, "cuda": 1 << 31}
_PROGRESS_EVERY_S = 0.5

_MODULE = "_golf_scored_script"


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
    batch_tokens: int | None = None
    """Tokens per forward pass; None chooses by device and vocabulary."""
    progress: str | None = None
    """File that JSON lines are appended to while it runs."""
    lifeline: bool = False
    """Exit when stdin closes: the caller holds its other end, so the worker cannot outlive it."""


@dataclass(frozen=True)
class Window:
    """One forward pass over targets `start` to `end`; those from `first` on are scored."""

    start: int
    first: int
    end: int


def windows(targets: int, seq_len: int, stride: int) -> Iterator[Window]:
    """Windows that score each of `targets` exactly once (plain windows: each but the tail)."""
    if stride == seq_len:
        targets = targets // seq_len * seq_len
    context = seq_len - stride
    for start in range(0, max(targets - context, 1 if targets else 0), stride):
        yield Window(start, start + context if start else 0, min(start + seq_len, targets))


def load_script(path: Path) -> ModuleType:
    """Execute a training script's top level, under a private module name, and return the module.

    Raises:
        NotFound: there is no such script.
        UnreadableInput: it fails, or defines no `GPT` and `Hyperparameters`.
    """
    if not path.is_file():
        raise NotFound(f"there is no script {path}. Name the one the checkpoint was trained with: --script PATH")
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise UnreadableInput(f"{path} is not a Python script. Name the training script: --script PATH")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module  # dataclasses and pickles look their module up by name
    sys.path.insert(0, str(path.parent))
    sys.argv = [str(path)]
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UnreadableInput(f"{path} failed while it was loaded: {type(error).__name__}: {error}") from error
    for name in ("GPT", "Hyperparameters"):
        if not hasattr(module, name):
            raise UnreadableInput(
                f"{path} defines no class {name} at its top level, which is where its model is looked for. "
                "Name another script: --script PATH"
            )
    return module


def build_model(module: ModuleType, settings: Any) -> nn.Module:
    """The script's `GPT`, each constructor argument taken from the hyperparameter of the same name.

    Raises:
        UnreadableInput: an argument without default has no hyperparameter, or the constructor refuses them.
    """
    arguments = {}
    for name, parameter in inspect.signature(module.GPT).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if hasattr(settings, name):
            arguments[name] = getattr(settings, name)
        elif parameter.default is parameter.empty:
            raise UnreadableInput(
                f"GPT in {module.__file__} needs {name!r}, and Hyperparameters has no attribute of that name"
            )
    try:
        return module.GPT(**arguments)
    except Exception as error:
        raise UnreadableInput(f"GPT in {module.__file__} could not be built: {error}") from error


def load_weights(data: bytes, path: Path, module: ModuleType) -> dict[str, Tensor]:
    """The state dict in a checkpoint: a raw `.pt`, or a quantised `.ptz` that the script's own function restores.

    Raises:
        UnreadableInput: damaged, holds anything but tensors and plain values, or cannot be dequantised.
    """
    try:
        raw = zlib.decompress(data) if path.suffix == ".ptz" else data
    except zlib.error as error:
        raise UnreadableInput(f"{path} is damaged: its zlib stream does not decompress ({error})") from error
    try:
        loaded = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnreadableInput(
            f"{path} was refused: it is damaged, or holds more than tensors and plain values, which could run code; "
            "nothing in it was executed. Save a state dict of tensors alone: torch.save(model.state_dict(), PATH)"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise UnreadableInput(f"{path} is damaged or not a torch checkpoint: {error}") from error
    if not isinstance(loaded, dict) or not loaded:
        raise UnreadableInput(f"{path} holds a {type(loaded).__name__}, not a state dict")
    if all(isinstance(value, Tensor) for value in loaded.values()):
        return loaded
    restore = getattr(module, "dequantize_state_dict_int8", None)
    if restore is None:
        raise UnreadableInput(
            f"{path} is quantised, and {module.__file__} has no dequantize_state_dict_int8 to restore it. "
            "Name the script it was made with (--script PATH), or score the unquantised .pt"
        )
    try:
        return restore(loaded)
    except Exception as error:
        raise UnreadableInput(
            f"{path} could not be dequantised by {module.__file__}: {type(error).__name__}: {error}"
        ) from error


def fit_weights(model: nn.Module, weights: dict[str, Tensor], dtype: str) -> None:
    """Put a checkpoint's weights into the model, strictly, in the type that `dtype` asks for.

    Raises:
        UnreadableInput: names or shapes differ; the message says which variables probably do.
    """
    built = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    saved = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if built != saved:
        raise UnreadableInput(describe_mismatch(built, saved))
    model.load_state_dict(weights, strict=True, assign=True)
    if dtype != "bfloat16":
        model.to(DTYPES[dtype])


Shape = tuple[int, ...]

_SHAPED_BY = (
    ("tok_emb.weight", 0, "VOCAB_SIZE"),
    ("tok_emb.weight", 1, "MODEL_DIM"),
    ("q_gain", 0, "NUM_HEADS"),
)
"""Axes whose length is one variable of the challenge's script: end of the parameter's name, axis, variable."""


def describe_mismatch(built: Mapping[str, Shape], saved: Mapping[str, Shape]) -> str:
    """How a checkpoint differs from the model that was built for it, and which variables likely explain that."""
    missing, extra = sorted(built.keys() - saved.keys()), sorted(saved.keys() - built.keys())
    shapes = [name for name in sorted(built.keys() & saved.keys()) if built[name] != saved[name]]
    facts = []
    if missing or extra:
        named = ", ".join([f"lacks {name}" for name in missing[:2]] + [f"has {name} besides" for name in extra[:2]])
        facts.append(f"the checkpoint {named} ({len(missing)} lacking, {len(extra)} besides)")
    facts += [f"{name} is {saved[name]} in the checkpoint and {built[name]} in the model" for name in shapes[:3]]

    suspects = []
    if _blocks(built) != _blocks(saved):
        suspects.append(f"NUM_LAYERS={_blocks(saved)}")
    if "lm_head.weight" in (*missing, *extra):
        suspects.append(f"TIE_EMBEDDINGS={int('lm_head.weight' in missing)}")
    for ending, axis, variable in _SHAPED_BY:
        name = next((name for name in shapes if name.endswith(ending)), None)
        if name and saved[name][axis : axis + 1] != built[name][axis : axis + 1]:
            suspects.append(f"{variable}={saved[name][axis]}")
    if not suspects:
        suspects = ["NUM_KV_HEADS=…" if any(".c_k." in name for name in shapes) else "MLP_MULT=…"]
    remedy = " ".join(f"--env {setting}" for setting in suspects)
    return (
        f"the checkpoint does not fit the model its script builds: {'; '.join(facts)}. The script reads its shape from "
        f"the environment; give what it was trained with, probably {remedy}"
    )


def _blocks(shapes: Mapping[str, Shape]) -> int:
    return len({name.split(".")[1] for name in shapes if name.startswith("blocks.")})


TokenLosses = Callable[[Tensor, Tensor], Tensor]
"""(B, T) inputs and targets to (B, T) losses in nats."""


def token_losses(model: nn.Module, module: ModuleType) -> TokenLosses:
    """How this model's per-token losses are obtained: from its logits, or by listening to its cross entropy."""
    method = next((name for name in ("logits", "forward_logits") if callable(getattr(model, name, None))), None)
    if method:
        logits_of: Callable[[Tensor], Tensor] = getattr(model, method)

        def from_logits(inputs: Tensor, targets: Tensor) -> Tensor:
            logits = logits_of(inputs)
            logits = logits if logits.dtype == torch.float64 else logits.float()
            flat = logits.reshape(-1, logits.size(-1))
            return F.cross_entropy(flat, targets.reshape(-1), reduction="none").view_as(targets)

        return from_logits

    def from_forward(inputs: Tensor, targets: Tensor) -> Tensor:
        heard: list[Tensor] = []
        original = F.cross_entropy

        def listen(logits: Tensor, target: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
            if target.numel() == targets.numel() and torch.equal(target.reshape(-1), targets.reshape(-1)):
                heard.append(original(logits, target, reduction="none"))
                return heard[-1].mean()
            return original(logits, target, *_args, **_kwargs)

        F.cross_entropy = listen
        try:
            model(inputs, targets)
        finally:
            F.cross_entropy = original
        if len(heard) != 1:
            raise UnreadableInput(
                f"forward of GPT in {module.__file__} took the cross entropy of its targets {len(heard)} times, not "
                "once, so its per-token losses are unknown. Give GPT a method logits(input_ids)"
            )
        return heard[0].view_as(targets)

    return from_forward


@dataclass
class Totals:
    """Running sums over the scored targets."""

    nats: float = 0.0
    tokens: int = 0
    bytes: int = 0

    @property
    def val_loss(self) -> float:
        """Nats per token."""
        return self.nats / self.tokens

    @property
    def val_bpb(self) -> float:
        """Bits per byte.

        Raises:
            UnreadableInput: the targets stand for no bytes at all.
        """
        if not self.bytes:
            raise UnreadableInput(
                f"{self.tokens} scored tokens stand for 0 bytes: the tokenizer (or byte side-car) is of other shards"
            )
        return self.nats / math.log(2.0) / self.bytes


ByteCounter = Callable[[int, int], int]
"""Bytes of the targets from one index to another; target i is token i + 1 of the stream."""


def score(
    losses: TokenLosses,
    stream: Stream,
    count_bytes: ByteCounter,
    *,
    targets: int,
    seq_len: int,
    stride: int,
    batch_tokens: int,
    device: torch.device,
    report: Callable[[Totals], None] = lambda totals: None,
) -> Totals:
    """Score the first `targets` targets of `stream`; sums are float64 whatever the model computes in."""
    totals = Totals()
    rows = max(1, batch_tokens // seq_len)
    for batch in _batches(windows(targets, seq_len, stride), rows):
        first, last = batch[0], batch[-1]
        # one read serves the whole batch: its windows overlap or touch
        run = torch.from_numpy(stream.read(first.start, last.end + 1).astype(np.int64)).to(device)
        length = first.end - first.start
        rows_at = [window.start - first.start for window in batch]
        inputs = torch.stack([run[at : at + length] for at in rows_at])
        wanted = torch.stack([run[at + 1 : at + length + 1] for at in rows_at])
        scored = losses(inputs, wanted)[:, first.first - first.start :]
        nats = scored.cpu().double().sum().item()
        if not math.isfinite(nats):
            raise UnreadableInput(
                f"the model's loss is {nats} in the window at token {first.start}: there is no score. Its weights hold "
                "values that are not finite, or overflow in this dtype; try --dtype float32"
            )
        totals.nats += nats
        totals.tokens += scored.numel()
        totals.bytes += count_bytes(first.first, last.end)
        report(totals)
    return totals


def _batches(stream: Iterator[Window], rows: int) -> Iterator[list[Window]]:
    """Up to `rows` windows at a time, all with the same length and the same scored part."""
    batch: list[Window] = []
    for window in stream:
        if batch and (len(batch) == rows or _shape(window) != _shape(batch[0])):
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def _shape(window: Window) -> Shape:
    return window.end - window.start, window.first - window.start


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

    batch_tokens = request.batch_tokens or min(
        _BATCH_TOKENS[device.type], _LOGIT_BYTES_MAX[device.type] // (4 * vocab_size)
    )
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=request.dtype == "bfloat16")
    aim = targets // seq_len * seq_len if stride == seq_len else targets
    begin = time.perf_counter()
    with torch.inference_mode(), autocast, Progress(request.progress, aim) as progress:
        totals = score(
            token_losses(model, module),
            stream,
            count_bytes,
            targets=targets,
            seq_len=seq_len,
            stride=stride,
            batch_tokens=batch_tokens,
            device=device,
            report=progress.report,
        )
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
        "eval_time_s": eval_time_s,
        "peak_memory_bytes": peak_memory_bytes(device),
        "shards": request.shards,
        "notes": notes,
    }


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
