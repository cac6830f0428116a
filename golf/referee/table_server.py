"""A script's own byte table: `python -m golf.referee.table_server SCRIPT TOKENIZER VOCAB_SIZE`, in a confined job.

Executes the script's top level and calls its `build_sentencepiece_luts(sp, vocab_size, device)`, as the challenge's
evaluation does; answers a line of JSON and three arrays. What comes back is a stranger's word, taken as numbers alone.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from golf.errors import GolfError, UnreadableInput
from golf.referee.exchange import ANSWERS, VOCAB_SIZE_MAX, Pipe

BUILDER = "build_sentencepiece_luts"
NAMES = ("base_bytes", "has_leading_space", "is_boundary_token")


def main(arguments: list[str]) -> int:
    """Exit 0 with the table, 2 with an error in its place."""
    answers = os.fdopen(ANSWERS, "wb")
    try:
        arrays = _build(Path(arguments[0]), arguments[1], int(arguments[2]))
    except BaseException as error:  # a script may raise anything
        text = str(error) if isinstance(error, GolfError) else f"{type(error).__name__}: {error}"
        answers.write(json.dumps({"error": text[:1_000]}).encode() + b"\n")
        return 2
    answers.write(json.dumps({"size": len(arrays[0])}).encode() + b"\n")
    for array in arrays:
        answers.write(array.astype("<f8").tobytes())
    answers.flush()
    return 0


def _build(script: Path, tokenizer: str, vocab_size: int) -> list[np.ndarray]:
    import sentencepiece
    import torch

    from golf.measure.script_model import load_script

    module = load_script(script)
    build: Callable[..., Any] | None = getattr(module, BUILDER, None)
    if build is None:
        raise UnreadableInput(f"{script} has no function {BUILDER}. Give the table as an .npz instead")
    model = sentencepiece.SentencePieceProcessor()
    model.Load(tokenizer)
    made = [np.asarray(array.cpu().numpy()) for array in build(model, vocab_size, torch.device("cpu"))]
    if len(made) != len(NAMES) or any(array.shape != made[0].shape or array.ndim != 1 for array in made):
        raise UnreadableInput(f"{BUILDER} gave {len(made)} arrays of shapes {[array.shape for array in made]}")
    return made


def receive(pipe: Pipe) -> dict[str, np.ndarray]:
    """The arrays of a table by name, from the process at the other end.

    Raises:
        UnreadableInput: the script has no such table, or failed.
        JobFailed: its process ended.
    """
    try:
        said = json.loads(pipe.readline())
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        said = {"error": "no answer"}
    if "error" in said:
        raise UnreadableInput(f"the script's byte table could not be built: {said['error']}")
    size = said.get("size")
    if not isinstance(size, int) or not 2 <= size <= VOCAB_SIZE_MAX:
        raise UnreadableInput(f"the script's byte table has {size!r} entries")
    return {name: np.frombuffer(pipe.read(8 * size), dtype="<f8") for name in NAMES}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
