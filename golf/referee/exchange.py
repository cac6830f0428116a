"""Questions to a scorer in another process: `python -m golf.referee.exchange SOURCE`, and who asks it.

A message is a line of JSON and, where it says a shape, an array's bytes behind it: token ids as int64 there, numbers
as float64 back. The scorer's process may be hostile: what it answers is taken for numbers of the shape that was asked
for, or for an error's text, and for nothing else.
"""

import json
import math
import os
import sys
from typing import Any, BinaryIO, Protocol

import numpy as np

from golf import errors
from golf.errors import GolfError, JobFailed, UnreadableInput
from golf.referee import scorers
from golf.referee.scorers import Scorer

REQUESTS, ANSWERS = 0, 3
"""Descriptors of the scorer's process."""

VOCAB_SIZE_MAX = 1 << 20

ASKED = {"score": scorers.score_rows, "predict": scorers.predict_next, "predict_many": scorers.predict_lanes}


class Pipe(Protocol):
    """What questions travel over, e.g. a `golf.jobs.confine.Confined`."""

    def write(self, data: bytes) -> None:
        """Send all of it."""
        ...

    def read(self, num_bytes: int) -> bytes:
        """Exactly so many bytes."""
        ...

    def readline(self) -> bytes:
        """A line without its end."""
        ...


class Remote:
    """The asking side: a scorer on the other end of a pipe."""

    def __init__(self, pipe: Pipe) -> None:
        """Wait until the scorer is loaded.

        Raises:
            GolfError: it could not be loaded; of the class that loading raised.
            JobFailed: its process ended.
        """
        self._pipe = pipe
        said = self._header()
        if "error" in said:
            kind = getattr(errors, str(said.get("kind")), UnreadableInput)
            is_ours = isinstance(kind, type) and issubclass(kind, GolfError)
            raise (kind if is_ours else UnreadableInput)(str(said["error"])[:1_000])
        vocab_size = said.get("vocab_size")
        if not isinstance(vocab_size, int) or not 2 <= vocab_size <= VOCAB_SIZE_MAX:
            raise UnreadableInput(f"a vocabulary of {vocab_size!r} tokens; it may be 2 to {VOCAB_SIZE_MAX}")
        self.vocab_size = vocab_size
        self.can_predict = said.get("can_predict") is True
        period = said.get("period")
        self.period = period if isinstance(period, int) and period > 0 else None

    def score(self, tokens: np.ndarray) -> np.ndarray:
        """(B, T) token ids to (B, T) or (B, T - 1) nats.

        Raises:
            JobFailed: the scorer failed, or answered something else.
        """
        rows, length = tokens.shape
        return self._ask("score", tokens, (rows, length), (rows, length - 1))

    def predict(self, prefix: np.ndarray) -> np.ndarray:
        """(T,) token ids to (V,) log-probabilities in nats.

        Raises:
            JobFailed: as `score`.
        """
        return self._ask("predict", prefix, (self.vocab_size,))

    def predict_many(self, prefix: np.ndarray) -> np.ndarray:
        """(B, T) token ids to (B, V) log-probabilities in nats, where the scorer has a `period`.

        Raises:
            JobFailed: as `score`.
        """
        return self._ask("predict_many", prefix, (len(prefix), self.vocab_size))

    def _ask(self, what: str, tokens: np.ndarray, *shapes: tuple[int, ...]) -> np.ndarray:
        line = json.dumps({"ask": what, "shape": tokens.shape}).encode() + b"\n"
        self._pipe.write(line + tokens.astype("<i8").tobytes())
        said = self._header()
        if "error" in said:
            raise JobFailed(f"the scorer failed: {str(said['error'])[:1_000]}")
        shape = next((shape for shape in shapes if said.get("shape") == list(shape)), None)
        if shape is None:
            raise JobFailed(f"the scorer answered shape {str(said.get('shape'))[:100]} where {shapes[0]} was asked for")
        return np.frombuffer(self._pipe.read(8 * math.prod(shape)), dtype="<f8").reshape(shape)

    def _header(self) -> dict[str, Any]:
        try:
            said = json.loads(self._pipe.readline())
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise JobFailed("the scorer's process answered something that is no JSON object")
        return said


def serve(scorer: Scorer, requests: BinaryIO, answers: BinaryIO) -> None:
    """The answering side, until `requests` ends."""
    period = scorer.period if scorer.predict_many is not None else None
    _send(answers, {"vocab_size": scorer.vocab_size, "can_predict": scorer.predict is not None, "period": period})
    while line := requests.readline():
        asked = json.loads(line)
        tokens = np.frombuffer(requests.read(8 * math.prod(asked["shape"])), dtype="<i8").reshape(asked["shape"])
        try:
            given = ASKED[asked["ask"]](scorer, tokens)
        except BaseException as error:  # a scorer may raise anything, SystemExit included
            _send(answers, _failure(error))
        else:
            _send(answers, {"shape": given.shape}, given.astype("<f8").tobytes())


def main(arguments: list[str]) -> int:
    """Load the source in the first argument and serve it; what the scorer reads from or prints goes elsewhere."""
    requests, answers = os.fdopen(os.dup(REQUESTS), "rb"), os.fdopen(ANSWERS, "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, REQUESTS)
    try:
        scorer = scorers.from_json(json.loads(arguments[0])).load()
    except BaseException as error:
        _send(answers, _failure(error))
        return 2
    serve(scorer, requests, answers)
    return 0


def _failure(error: BaseException) -> dict[str, str]:
    text = str(error) if isinstance(error, GolfError) else f"{type(error).__name__}: {error}"
    if isinstance(error, FileNotFoundError) or "No such file or directory" in text:
        text = f"{text[:700]}; a scorer sees its own Python files and weights alone: name others it needs, --with FILE"
    return {"error": text[:1_000], "kind": type(error).__name__}


def _send(answers: BinaryIO, header: dict[str, Any], data: bytes = b"") -> None:
    answers.write(json.dumps(header).encode() + b"\n" + data)
    answers.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
