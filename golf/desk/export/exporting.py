"""`golf export`: trace a checkpoint to ONNX in one confined process, check it in another, keep it only if they agree.

The comparison is made here, of token ids chosen here: neither the script nor the file it turned into has a say in it.
Nothing is written where an export is looked for before it has passed.
"""

import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from golf import durable, leftovers
from golf.desk.export import serving
from golf.desk.export.exchange import Pipe, ask, heard, pieces
from golf.desk.export.exported import TOLERANCE, Compared, Export, Port, Written
from golf.desk.export.subject import Subject
from golf.errors import BadConfig, GolfError, JobFailed, UnreadableInput
from golf.jobs.confine import Confined, Limits

OPSET = 18
"""What torch's exporter is written for; later ones are converted from it, and fewer runtimes read them."""

OPSETS = range(18, 24)
MODEL_BYTES_MAX = (1 << 31) - 1
"""Of one protobuf message, which an ONNX model in a single file is."""

LOGITS_MAX = 1 << 27
"""Logits of one comparison: half a gigabyte in float32."""

MEMORY_BYTES = 12 << 30
SUMMARY, MODEL = "export.json", "model.onnx"


@dataclasses.dataclass(frozen=True)
class Options:
    """How to export."""

    tolerance: float = TOLERANCE
    dtype: str = "float32"
    """`float32`, or `float64`, in which rounding is out of the way."""
    opset: int = OPSET
    max_len: int | None = None
    """Tokens of the longest sequence; None: the script's."""
    vocab_size: int | None = None
    """Token ids run below it; None: the script's."""
    serve: str = ""
    """`onnxruntime` or `torchserve`: files for a container that serves it; empty: none."""
    time_limit_s: float = 1800.0
    memory_bytes: int = MEMORY_BYTES


def export(
    subject: Subject, folder: Path, options: Options | None = None, *, force: bool = False, dry_run: bool = False
) -> Export:
    """Write `folder` with the model and what is known of it, or nothing.

    It **runs the script** (or the factory), confined: no network, no variables but the allowed ones, no files but its
    own, within limits of time and memory.

    Args:
        subject: See `golf.desk.export.subject.find_subject`.
        folder: Written whole or not at all.
        options: None: the defaults.
        force: Replace an export that is there. It is gone even where the new one is refused: what lay there would pass
            for an export of this checkpoint.
        dry_run: Do everything and write nothing.

    Raises:
        BadConfig: an option out of range, or `folder` is there and is not to be replaced, or is no export.
        MissingPackage: the interpreter lacks onnx, onnxscript or onnxruntime.
        UnreadableInput: the model cannot be loaded, built or traced.
        JobFailed: a process ended without an answer: killed, out of memory or time.
    """
    options = options or Options()
    _check(options)
    if not dry_run:
        _make_way(folder, force)
    with leftovers.folder("golf-export-") as place:
        model = place / MODEL
        made = _made(subject, options, model)
        reasons = _reasons(made, options.tolerance)
        verdict = "refused" if reasons else "would be exported" if dry_run else "exported"
        noun = made.model_copy(update={"verdict": verdict, "reasons": reasons, "folder": str(folder)})
        if reasons:
            return noun
        stage = place / "stage"
        stage.mkdir()
        shutil.move(model, stage / MODEL)
        if options.serve:
            lint, notes = serving.write(stage, noun, options.serve)
            noun = noun.model_copy(update={"serve": options.serve, "lint": lint, "notes": [*noun.notes, *notes]})
        noun = noun.model_copy(update={"files": [_written(path, stage) for path in sorted(stage.iterdir())]})
        (stage / SUMMARY).write_text(noun.model_dump_json(indent=2) + "\n", encoding="utf-8")
        if not dry_run:
            _place(stage, folder)
        return noun


def _check(options: Options) -> None:
    if options.dtype not in ("float32", "float64"):
        raise BadConfig(f"dtype is {options.dtype!r}; an export is of float32 or float64")
    if options.opset not in OPSETS:
        raise BadConfig(f"opset is {options.opset}; it may be {OPSETS[0]} to {OPSETS[-1]}")
    if options.max_len is not None and options.max_len < 2:
        raise BadConfig(f"--max-len is {options.max_len}; a sequence axis that varies needs at least 2")
    if options.serve and options.serve not in serving.SERVERS:
        raise BadConfig(f"nothing is written to serve by {options.serve!r}; known: {', '.join(serving.SERVERS)}")


def _make_way(folder: Path, force: bool) -> None:
    if not folder.exists():
        if not folder.parent.is_dir():
            raise BadConfig(f"there is no folder {folder.parent} to write {folder.name} in")
        return
    if not force:
        raise BadConfig(f"{folder} is there already. Write elsewhere (--out DIR), or replace it: --force")
    if not folder.is_dir() or not (folder / SUMMARY).is_file():
        raise BadConfig(f"{folder} is no export ({SUMMARY} is not in it), so it is not replaced. Choose another: --out")
    shutil.rmtree(folder)


def _made(subject: Subject, options: Options, model: Path) -> Export:
    """The model at `model`, and how it compares; the verdict is not in it yet."""
    request = {
        "script": str(subject.script),
        "weights": str(subject.weights),
        "factory": subject.factory or None,
        "env": dict(subject.env),
        "dtype": options.dtype,
        "opset": options.opset,
        "max_len": options.max_len,
        "vocab_size": options.vocab_size,
    }
    limits = Limits(time_s=options.time_limit_s, memory_bytes=options.memory_bytes)
    before = [_sha256(subject.weights), _sha256(subject.script)]
    tracer = Confined(
        [subject.python, "-m", "golf.desk.export.tracer", json.dumps(request)], shown=subject.parts(), limits=limits
    )
    with tracer:
        facts = heard(tracer)
        size, vocab_size, max_len = (_whole(facts, key) for key in ("bytes", "vocab_size", "max_len"))
        if size > MODEL_BYTES_MAX:
            raise UnreadableInput(f"the traced model is {size} bytes; a single ONNX file holds {MODEL_BYTES_MAX}")
        with open(model, "wb") as file:
            file.writelines(pieces(tracer, size))
        runtime = Confined([subject.python, "-m", "golf.desk.export.runtime", str(model)], shown=[model], limits=limits)
        with runtime:
            said = heard(runtime)
            planned, notes = shapes(max_len, vocab_size)
            compared = [_compare(tracer, runtime, ids) for ids in token_ids(planned, vocab_size)]
            unconfined = list(dict.fromkeys([*tracer.lacking, *runtime.lacking]))
    if before != [_sha256(subject.weights), _sha256(subject.script)]:
        raise JobFailed(f"{subject.weights.name} or {subject.script.name} changed while it was exported: export again")
    differences = [one.difference for one in compared]
    return Export(
        verdict="refused",
        folder="",
        checkpoint=subject.name,
        checkpoint_sha256=before[0],
        script=_relative(subject.script),
        script_sha256=before[1],
        factory=subject.factory,
        logits=str(facts.get("how"))[:200],
        parameters=_whole(facts, "parameters"),
        vocab_size=vocab_size,
        max_len=max_len,
        dtype=options.dtype,
        tolerance=options.tolerance,
        difference=None if None in differences else max(one for one in differences if one is not None),
        shapes=compared,
        model_bytes=size,
        model_sha256=_sha256(model),
        opset=said.get("opset"),
        ir_version=_whole(said, "ir_version"),
        nodes=_whole(said, "nodes"),
        inputs=[Port.model_validate(one) for one in said["inputs"]],
        outputs=[Port.model_validate(one) for one in said["outputs"]],
        versions={"torch": str(facts.get("torch"))[:60]}
        | {name: str(said.get(name))[:60] for name in ("onnxruntime", "numpy", "python")},
        notes=notes,
        unconfined=unconfined,
    )


def _whole(said: Mapping[str, Any], key: str) -> int:
    """A positive number that a confined process names."""
    value = said.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1 << 40:
        raise JobFailed(f"the confined process says {key} is {str(value)[:60]}; it is a number above 0")
    return value


def shapes(max_len: int, vocab_size: int) -> tuple[list[tuple[int, int]], list[str]]:
    """Shapes (batch, sequence) to compare: the smallest, the longest, none that is a multiple of what was traced."""
    longest = max_len if max_len * vocab_size <= LOGITS_MAX else max(2, LOGITS_MAX // vocab_size)
    odd = max(2, min(longest, (longest // 2) | 1))
    wanted = [(1, 1), (1, longest), (2, longest), (3, odd), (5, 1), (4, min(longest, 13))]
    fitting = [one for one in wanted if one[0] * one[1] * vocab_size <= LOGITS_MAX or one[0] == 1]
    notes = []
    if longest < max_len:
        notes.append(
            f"compared up to {longest} tokens, not {max_len}: at that length the logits of one row take more than "
            f"{LOGITS_MAX} numbers"
        )
    return list(dict.fromkeys(fitting)), notes


def token_ids(planned: Sequence[tuple[int, int]], vocab_size: int) -> list[np.ndarray]:
    """Token ids of each shape, always the same: drawn evenly, the first and the last of the vocabulary among them."""
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, vocab_size, size=shape, dtype=np.int64) for shape in planned]
    for ids in drawn:
        ids[-1, -1] = vocab_size - 1
        ids[-1, 0] = 0 if ids.shape[1] > 1 else ids[-1, 0]
    return drawn


def _compare(tracer: Pipe, runtime: Pipe, ids: np.ndarray) -> Compared:
    rows, length = ids.shape
    expected, besides = ask(tracer, ids)
    rounding = besides.get("rounding")
    facts: dict[str, Any] = {"batch": rows, "sequence": length}
    facts["rounding"] = float(rounding) if isinstance(rounding, (int, float)) and rounding >= 0 else None
    try:
        given, _ = ask(runtime, ids)
    except JobFailed as error:
        return Compared(**facts, error=f"ONNX Runtime: {error}"[:400])
    except GolfError as error:
        return Compared(**facts, error=str(error)[:400])
    if not np.isfinite(expected).all():
        return Compared(**facts, error="PyTorch's logits are not all finite, so there is nothing to hold against them")
    facts["largest_logit"] = float(np.abs(expected).max())
    if given.shape != expected.shape:
        return Compared(**facts, error=f"ONNX gives shape {given.shape}, PyTorch {expected.shape}")
    if not np.isfinite(given).all():
        return Compared(**facts, error="ONNX gives logits that are not finite")
    return Compared(**facts, difference=float(np.abs(given.astype(np.float64) - expected).max()))


def _reasons(made: Export, tolerance: float) -> list[str]:
    """Why this is no export of the checkpoint."""
    reasons: list[str] = []
    wanted = [("input_ids", ["batch", "sequence"]), ("logits", ["batch", "sequence"])]
    for port, (name, axes) in zip([*made.inputs[:1], *made.outputs[:1]], wanted, strict=True):
        if port.name != name or port.shape[:2] != axes:
            reasons.append(f"{port.name} has shape {port.shape}: batch and sequence are not both dynamic")
    if len(made.inputs) != 1 or len(made.outputs) != 1:
        reasons.append(f"it has {len(made.inputs)} inputs and {len(made.outputs)} outputs, not one of each")
    if failed := [one for one in made.shapes if one.error]:
        first = failed[0]
        reasons.append(
            f"batch {first.batch}, sequence {first.sequence}: {first.error}"
            + (f" (and so in {len(failed)} of {len(made.shapes)} shapes)" if len(failed) > 1 else "")
        )
    over = [one for one in made.shapes if one.difference is not None and not one.difference <= tolerance]
    if over:
        worst = max(over, key=lambda one: one.difference or 0.0)
        reasons.append(
            f"logits differ by up to {worst.difference:.3g} (batch {worst.batch}, sequence {worst.sequence}), over the "
            f"tolerance of {tolerance:g}, in {len(over)} of {len(made.shapes)} shapes; {_hint(made, worst)}"
        )
    return reasons


def _hint(made: Export, worst: Compared) -> str:
    """Whether rounding alone explains a difference, and what would show that."""
    if made.dtype == "float64":
        return "in float64 rounding does not do that: the ONNX model computes something else"
    if worst.rounding is None:
        return "--dtype float64 takes rounding out of the comparison"
    if worst.difference is not None and worst.difference <= 4 * worst.rounding:
        return (
            f"PyTorch's own rounding in float32 is {worst.rounding:.3g} there, so this is no more than rounding. Show "
            "that it is: --dtype float64; accept it: --tolerance, which the answer then states"
        )
    return (
        f"PyTorch's own rounding in float32 is only {worst.rounding:.3g} there: the ONNX model computes something "
        "else. See in float64, where rounding is out of the way: --dtype float64"
    )


def _written(path: Path, folder: Path) -> Written:
    return Written(path=path.relative_to(folder).as_posix(), bytes=path.stat().st_size, sha256=_sha256(path))


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _relative(path: Path) -> str:
    """Relative to here, where it lies below; else its name alone: a path of this machine helps nobody else."""
    try:
        return path.relative_to(Path.cwd().resolve()).as_posix()
    except ValueError:
        return path.name


def _place(stage: Path, folder: Path) -> None:
    """Copy the stage beside the folder, and give it its name once it is whole."""
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".tmp"))
    try:
        for path in stage.iterdir():
            with open(path, "rb") as source, open(temporary / path.name, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
                os.fsync(target.fileno())
        temporary.chmod(0o755)
        temporary.rename(folder)
    except BaseException:
        leftovers.remove(temporary)
        raise
    durable.sync_folder(folder.parent)
