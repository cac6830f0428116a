"""What an export is: the model that was written, and how far it is from PyTorch's."""

from typing import Literal

from golf.schema import Noun

TOLERANCE = 1e-5
"""Largest difference of a logit that passes. Source: seed C, "within 1e-5 tolerance"."""


class Port(Noun):
    """An input or output of the model."""

    name: str
    dtype: str
    shape: list[int | str]
    """An axis by its name is dynamic, one by a number fixed."""


class Compared(Noun):
    """One shape of input, given to both."""

    batch: int
    sequence: int
    """Tokens per row."""
    difference: float | None = None
    """Largest absolute difference of any logit; None where there is none to take."""
    rounding: float | None = None
    """The same between PyTorch in float32 and in float64: what rounding alone does to this model. None: not known."""
    largest_logit: float | None = None
    """By its absolute value, PyTorch's."""
    error: str = ""
    """Why there is no difference."""


class Written(Noun):
    """A file of the export."""

    path: str
    """Relative to the export's folder."""
    bytes: int
    sha256: str


class Export(Noun):
    """A checkpoint as an ONNX model, or why it is none."""

    verdict: Literal["exported", "would be exported", "refused"]
    reasons: list[str] = []
    """Why it was refused."""
    folder: str
    """Where it is, or would be; as it was given."""
    checkpoint: str
    checkpoint_sha256: str
    script: str
    script_sha256: str
    factory: str = ""
    """The function that gave the model; empty: the script's GPT."""
    logits: str
    """How PyTorch's logits were obtained."""
    parameters: int
    """Numbers in the model."""
    vocab_size: int
    max_len: int
    """Tokens of the longest sequence it was traced and checked for."""
    dtype: str
    """What both computed in."""
    tolerance: float
    difference: float | None
    """The largest of all shapes; None where a shape could not be compared."""
    shapes: list[Compared]
    model_bytes: int
    model_sha256: str
    opset: int | None
    ir_version: int
    nodes: int
    inputs: list[Port]
    outputs: list[Port]
    versions: dict[str, str]
    """Of what wrote it and what it was checked with."""
    files: list[Written] = []
    serve: Literal["", "onnxruntime", "torchserve"] = ""
    lint: str = ""
    """What hadolint says of the Dockerfile."""
    notes: list[str] = []
    unconfined: list[str] = []
    """Measures of confinement that this system refuses the processes which ran the script and its model."""
