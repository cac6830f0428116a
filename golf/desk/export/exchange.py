"""Token ids one way, logits back: how the confined processes of an export are asked, and how they answer.

A message is a line of JSON and, where it says a shape, an array's bytes behind it. The process that runs a stranger's
script may answer anything; it is taken for numbers of the shape that was asked for, or for an error's text, and for
nothing else. Standard library and numpy alone: both ends run under the interpreter that trains.
"""

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, Protocol

import numpy as np

from golf import errors
from golf.errors import GolfError, JobFailed, UnreadableInput

REQUESTS, ANSWERS = 0, 3
"""Descriptors of the answering process."""

FLOATS = {"float32": "<f4", "float64": "<f8"}
"""What logits may be, and how their bytes are read."""

CHUNK_BYTES = 16 << 20
VOCAB_SIZE_MAX = 1 << 20


class Pipe(Protocol):
    """What is talked over, a `golf.jobs.confine.Confined`."""

    def write(self, data: bytes) -> None:
        """Send all of it."""
        ...

    def read(self, num_bytes: int) -> bytes:
        """Exactly so many bytes."""
        ...

    def readline(self) -> bytes:
        """A line without its end."""
        ...


def heard(pipe: Pipe) -> dict[str, Any]:
    """What the other end says next.

    Raises:
        GolfError: it says that it failed; of the class it names.
        JobFailed: it is gone, or that was no JSON object.
    """
    try:
        said = json.loads(pipe.readline())
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise JobFailed("the confined process answered something that is no JSON object")
    if "error" in said:
        kind = getattr(errors, str(said.get("kind")), JobFailed)
        is_ours = isinstance(kind, type) and issubclass(kind, GolfError)
        raise (kind if is_ours else JobFailed)(str(said["error"])[:1_500])
    return said


def ask(pipe: Pipe, ids: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Logits (B, T, V) of token ids (B, T), and what was said besides.

    Raises:
        GolfError: as `heard`, or the logits have another shape.
    """
    header = json.dumps({"shape": list(ids.shape)}).encode() + b"\n"
    pipe.write(header + ids.astype("<i8").tobytes())
    said = heard(pipe)
    shape, kind = said.get("shape"), FLOATS.get(str(said.get("dtype")))
    is_expected = isinstance(shape, list) and len(shape) == 3 and shape[:2] == list(ids.shape)
    width = shape[2] if isinstance(shape, list) and is_expected else None
    if not isinstance(width, int) or not 0 < width <= VOCAB_SIZE_MAX or kind is None:
        raise UnreadableInput(
            f"for {ids.shape[0]} × {ids.shape[1]} token ids the model gives {str(said.get('dtype'))[:20]} of shape "
            f"{str(shape)[:60]}; logits are float32 or float64 and (batch, sequence, vocabulary)"
        )
    data = pipe.read(np.dtype(kind).itemsize * ids.size * width)
    return np.frombuffer(data, dtype=kind).reshape(*ids.shape, width), said


def pieces(pipe: Pipe, num_bytes: int) -> Iterator[bytes]:
    """So many bytes, a chunk at a time."""
    while num_bytes > 0:
        chunk = pipe.read(min(num_bytes, CHUNK_BYTES))
        num_bytes -= len(chunk)
        yield chunk


class Answers:
    """The answering side; what a script reads from or prints goes elsewhere."""

    def __init__(self) -> None:
        self._requests = os.fdopen(os.dup(REQUESTS), "rb")
        self._answers = os.fdopen(ANSWERS, "wb")
        os.dup2(os.open(os.devnull, os.O_RDONLY), REQUESTS)

    def say(self, header: Mapping[str, Any], data: bytes = b"") -> None:
        """One message."""
        self._answers.write(json.dumps(header).encode() + b"\n" + data)
        self._answers.flush()

    def fail(self, error: BaseException) -> None:
        """Why there is no answer."""
        text = str(error) if isinstance(error, GolfError) else f"{type(error).__name__}: {error}"
        if isinstance(error, FileNotFoundError) or "No such file or directory" in text:
            text = f"{text[:900]}; it sees its script, the modules beside it and the weights alone: name others it "
            text += "needs, --with PATH"
        self.say({"error": text[:1_500], "kind": type(error).__name__})

    def serve(self, logits: Callable[[np.ndarray], tuple[np.ndarray, Mapping[str, Any]]]) -> None:
        """Answer token ids with logits until nobody asks any more."""
        while line := self._requests.readline():
            shape = json.loads(line)["shape"]
            ids = np.frombuffer(_exactly(self._requests, 8 * math.prod(shape)), dtype="<i8").reshape(shape)
            try:
                given, besides = logits(ids)
            except BaseException as error:  # a script may raise anything, SystemExit included
                self.fail(error)
            else:
                kind = FLOATS.get(given.dtype.name)
                data = b"" if kind is None else given.astype(kind).tobytes()
                self.say({**besides, "shape": list(given.shape), "dtype": given.dtype.name}, data)


def _exactly(file: BinaryIO, num_bytes: int) -> bytes:
    data = file.read(num_bytes)
    if len(data) != num_bytes:
        sys.exit(1)  # who asked is gone
    return data
