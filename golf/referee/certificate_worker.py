"""One side of a certificate: `python -m golf.referee.certificate_worker REQUEST.json`, in a confined job.

The encoder gets the tokens and writes bits; the decoder, a process of its own, gets the bits and writes tokens. Loading
a scorer runs other people's code, so the result is what the job could have written and nothing more: whether the text
came back is compared outside.

Imports only what a training environment has, and the entropy coder.
"""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from golf.errors import GolfError, JobFailed
from golf.referee import certificate, scorers


@dataclasses.dataclass(frozen=True)
class Request:
    """What one side is given; the fields of REQUEST.json."""

    source: dict[str, Any]
    """As `scorers.to_json`."""
    num_tokens: int
    tokens: str | None = None
    """(T,) ids in a .npy file: encode these."""
    words: str | None = None
    """The coder's words in a .npy file: decode them."""
    first: int = 0
    output: str = ""
    """The .npy file that words or tokens are written to."""
    result: str = ""
    progress: str | None = None


def main(arguments: list[str]) -> int:
    """Exit 0 with a result, 1 or 2 with an error in its place."""
    request = Request(**json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    status, result = 0, {}
    try:
        result = _encode(request) if request.tokens is not None else _decode(request)
    except GolfError as error:
        status, result = error.exit_code, {"error": str(error), "kind": type(error).__name__}
    except Exception as error:  # the scorer's own failures, and memory
        message = f"the scorer failed: {type(error).__name__}: {error}"
        status, result = 2, {"error": message, "kind": JobFailed.__name__}
    Path(request.result).write_text(json.dumps(result), encoding="utf-8")
    return status


def _encode(request: Request) -> dict[str, Any]:
    tokens = np.load(request.tokens or "", allow_pickle=False)
    scorer = scorers.from_json(request.source).load()
    claimed = np.asarray(scorer.score(tokens), dtype=np.float64)
    predict = certificate.predict_from(scorer, tokens.size, tokens)
    encoded = certificate.encode(tokens, predict, _reporter(request))
    np.save(request.output, encoded.words)
    return {
        "first": encoded.first,
        "num_bits": encoded.num_bits,
        "nats": encoded.nats,
        "scored_nats": float(claimed[-(tokens.size - 1) :].sum()),
    }


def _decode(request: Request) -> dict[str, Any]:
    words = np.load(request.words or "", allow_pickle=False)
    scorer = scorers.from_json(request.source).load()
    predict = certificate.predict_from(scorer, request.num_tokens)
    tokens = certificate.decode(words, request.first, request.num_tokens, predict, _reporter(request))
    np.save(request.output, tokens)
    return {}


def _reporter(request: Request) -> Any:
    """JSON lines for whoever waits, a hundred in all; None where nobody does."""
    if request.progress is None:
        return None
    file = open(request.progress, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 # until the process ends

    def report(done: int, total: int) -> None:
        if done % max(1, total // 100) == 0 or done == total:
            print(json.dumps({"step": done, "iterations": total}), file=file)

    return report


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
