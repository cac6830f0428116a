"""`golf export`: a checkpoint as an ONNX model that was checked, and what serves it."""

import argparse
from pathlib import Path

from golf import leftovers
from golf.cli import verb


def register(verbs: verb.Verbs) -> None:
    """Declare the verb."""
    parser = verb.add(
        verbs,
        "export",
        export,
        "write a checkpoint as ONNX, batch and sequence dynamic, and keep it only if it computes what PyTorch does",
        "golf export runs/final_model.int8.ptz --script train_gpt.py --to onnx --serve onnxruntime",
    )
    parser.description = (
        f"{parser.description}\n\nIt runs the script, in a confined process: no network, no credentials, no files but "
        "its own, limits of time and memory.\n\nexit 0 exported; 1 refused: it differs, or an axis is fixed, and "
        "nothing is left in its place; 2 it could not be exported"
    )
    parser.add_argument("checkpoint", help="experiment, weights file, or a folder with one")
    parser.add_argument("--script", type=Path, help="training script, when it is not beside the weights")
    parser.add_argument(
        "--factory",
        default="",
        metavar="FILE.py:FUNCTION",
        help="for a model of another shape: a function of nothing, or of the loaded checkpoint, that builds it",
    )
    parser.add_argument("--to", choices=("onnx",), default="onnx", help="the format (default: onnx)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to write (default: <checkpoint>_onnx, here)")
    parser.add_argument("--env", action="append", default=[], metavar="KEY=VALUE", help="a setting the script reads")
    parser.add_argument(
        "--with", dest="beside", action="append", type=Path, default=[], metavar="PATH",
        help="a file or folder the script reads besides the modules beside it",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, help="which seed's artifact of an experiment (default: the largest)")
    parser.add_argument(
        "--tolerance", type=verb.positive, default=1e-5, metavar="D",
        help="largest difference of a logit that passes; the answer states it (default: 1e-5)",
    )  # fmt: skip
    parser.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32", help="what both compute in (default: float32)"
    )
    parser.add_argument("--opset", type=verb.count, default=18, help="ONNX operator set (default: 18)")
    parser.add_argument("--max-len", type=verb.count, metavar="TOKENS", help="longest sequence (default: the script's)")
    parser.add_argument("--vocab-size", type=verb.count, metavar="N", help="token ids (default: the script's)")
    parser.add_argument(
        "--serve", choices=("onnxruntime", "torchserve"), default="",
        help="write a Dockerfile and an app beside it; TorchServe is archived, and the file says so",
    )  # fmt: skip
    parser.add_argument(
        "--python", metavar="PATH", help="interpreter with torch (default: the workspace's, or this one)"
    )
    parser.add_argument(
        "--time-limit", type=verb.positive, default=1800.0, metavar="S", help="seconds for each process (default: 1800)"
    )
    parser.add_argument("--force", action="store_true", help="replace an export; it is gone even if the new one fails")
    parser.add_argument("--dry-run", action="store_true", help="trace and compare, and write nothing")


def export(arguments: argparse.Namespace) -> int:
    """Exit 1 when it is refused."""
    from golf.desk.export import exporting
    from golf.desk.export.subject import find_subject
    from golf.report import render

    subject = find_subject(
        arguments.checkpoint,
        workspace=verb.opened_if_any(),
        script=arguments.script,
        factory=arguments.factory,
        env=verb.settings(arguments.env),
        seed=arguments.seed,
        beside=arguments.beside,
        python=arguments.python,
    )
    options = exporting.Options(
        tolerance=arguments.tolerance,
        dtype=arguments.dtype,
        opset=arguments.opset,
        max_len=arguments.max_len,
        vocab_size=arguments.vocab_size,
        serve=arguments.serve,
        time_limit_s=arguments.time_limit,
    )
    folder = arguments.out or Path(f"{subject.weights.name.partition('.')[0]}_onnx")
    with leftovers.asked_to_end():
        made = exporting.export(subject, folder, options, force=arguments.force, dry_run=arguments.dry_run)
    render.show(made, json=arguments.json)
    return 1 if made.verdict == "refused" else 0
