"""Runs a training script to get at its model, and traces it to ONNX: `python -m golf.desk.export.tracer REQUEST`.

A confined process of its own, started by `golf.desk.export.exporting`, under the interpreter that trains. It says what
the model is, sends the ONNX model's bytes, and then answers token ids with PyTorch's logits.

The model is built three times: once to be traced (tracing leaves marks: a cache of rotary angles must not hold those of
an earlier call, or they become constants), once to be compared with, and once in float64, which tells how far
float32's own rounding carries. Torch's exporter writes the script's lines and this machine's paths into the model;
they are taken out.
"""

import contextlib
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from golf.desk.export.exchange import Answers
from golf.desk.export.loading import LogitsOf, Request, Subject, find_subject
from golf.errors import MissingPackage, UnreadableInput

INPUT, OUTPUT = "input_ids", "logits"
BATCH, SEQUENCE = "batch", "sequence"
"""Names of the ONNX model's input, output and dynamic axes."""

BATCH_MAX = 1 << 16
"""Rows a trace allows for."""

EXAMPLE = (3, 7)
"""Rows and tokens that are traced with: neither is 1, which a trace takes for fixed."""


class _Logits(nn.Module):
    """What is traced: token ids in, logits out."""

    def __init__(self, model: nn.Module, ask: LogitsOf) -> None:
        super().__init__()
        self.model, self.ask = model, ask

    def forward(self, input_ids: Tensor) -> Tensor:
        return self.ask(self.model, input_ids)


def trace(subject: Subject, request: Request) -> bytes:
    """The model as ONNX, batch and sequence left open.

    Raises:
        MissingPackage: onnx or onnxscript is not installed.
        UnreadableInput: it cannot be traced so; the message has the exporter's reason.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401 # torch's exporter needs it, and would say so in more words
    except ImportError as error:
        raise MissingPackage(
            f"{sys.executable} has no {error.name}, and torch writes ONNX with it: "
            f"pip install 'caddie[export]', or {sys.executable} -m pip install onnx onnxscript onnxruntime"
        ) from None
    rows, length = EXAMPLE[0], min(EXAMPLE[1], subject.max_len)
    axes = {
        0: torch.export.Dim(BATCH, min=1, max=BATCH_MAX),
        1: torch.export.Dim(SEQUENCE, min=1, max=subject.max_len),
    }
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                _Logits(subject.build(request.dtype), subject.logits).eval(),
                (torch.zeros(rows, length, dtype=torch.long),),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes={INPUT: axes},
                opset_version=request.opset,
                optimize=True,
            )
        assert program is not None
        model: onnx.ModelProto = program.model_proto
    except Exception as error:
        raise UnreadableInput(
            f"torch {torch.__version__} cannot write this model as ONNX with a dynamic batch and a sequence of 1 to "
            f"{subject.max_len} tokens: {reason(error)}"
        ) from error
    without_traces(model)
    return model.SerializeToString(deterministic=True)


def reason(error: BaseException) -> str:
    """The exporter's own reason, which stands at the end of a chain and begins a long text."""
    while (cause := error.__cause__) is not None:
        error = cause
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:700]}"


def without_traces(model: Any) -> None:
    """Take out of a ModelProto what tells of this machine: stack traces, source lines, paths."""
    for part in (model, model.graph, *model.functions):
        for field in ("doc_string", "metadata_props"):
            if field in part.DESCRIPTOR.fields_by_name:
                part.ClearField(field)
    graph = model.graph
    parts = [*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer]
    for part in (*parts, *(node for function in model.functions for node in function.node)):
        for field in ("doc_string", "metadata_props"):
            if field in part.DESCRIPTOR.fields_by_name:
                part.ClearField(field)


def answering(subject: Subject, request: Request) -> Callable[[np.ndarray], tuple[np.ndarray, dict[str, Any]]]:
    """PyTorch's logits of token ids, and how far float32 is from float64 there."""
    model = subject.build(request.dtype)
    precise: nn.Module | None = None
    if request.dtype == "float32":
        precise = subject.build("float64")

    def logits(ids: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        nonlocal precise
        tokens = torch.from_numpy(ids.astype(np.int64))
        with torch.no_grad():
            given = subject.logits(model, tokens)
            rounding = None
            if precise is not None:
                try:
                    with float32_epsilon():
                        exact = subject.logits(precise, tokens).double()
                    rounding = (exact - given.double()).abs().max().item()
                except RuntimeError:  # types are mixed by hand somewhere: then it is not known
                    precise = None
        return given.contiguous().numpy(), {"rounding": rounding}

    return logits


@contextlib.contextmanager
def float32_epsilon() -> Iterator[None]:
    """RMS norms without an epsilon take their dtype's: in float64 that would be another model, not a more exact one."""
    original = F.rms_norm

    def rms_norm(
        input: Tensor, normalized_shape: list[int], weight: Tensor | None = None, eps: float | None = None
    ) -> Tensor:
        return original(input, normalized_shape, weight, torch.finfo(torch.float32).eps if eps is None else eps)

    F.rms_norm = rms_norm
    try:
        yield
    finally:
        F.rms_norm = original


def main(arguments: list[str]) -> int:
    """Trace what the first argument asks for and answer for it."""
    answers = Answers()
    try:
        request = Request(**json.loads(arguments[0]))
        subject = find_subject(request)
        ask = answering(subject, request)
        data = trace(subject, request)
    except BaseException as error:  # a script may raise anything, SystemExit included
        answers.fail(error)
        return 2
    numbers = sum(parameter.numel() for parameter in subject.build(request.dtype).parameters())
    answers.say(
        {
            "bytes": len(data),
            "torch": torch.__version__,
            "how": subject.how,
            "vocab_size": subject.vocab_size,
            "max_len": subject.max_len,
            "parameters": numbers,
        },
        data,
    )
    answers.serve(ask)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
