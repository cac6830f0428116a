"""Scorers: what the audit and the certificate ask, whatever a submission is made of.

A scorer is anything with

    vocab_size            token ids run from 0 to vocab_size - 1
    score(tokens)         (T,) token ids to (T,) nats, minus ln of the probability each token was given; or (T - 1,),
                          when the first token is context only
    score_many(tokens)    optional: (B, T) token ids to (B, T) or (B, T - 1) nats, rows independent of one another
    predict(prefix)       optional: (T,) token ids, T >= 1, to (V,) log-probabilities in nats of the token after them
    predict_many(prefix)  optional, with a `period`: (B, T) ids of streams that know nothing of one another to (B, V)
    period                a stream may be cut after every so many targets without changing a score: plain windows

`score` gets a whole stream, because adaptation at evaluation time is part of a score. Every call stands for a whole
evaluation: what one call learned must not be known to the next. `predict` is the incremental side of the same scorer:
its answer after `tokens[:k]` gives `score(tokens)` at k, and it is all that a decoder has. It may keep state from one
call to the next as long as its answer depends on the prefix alone; callers ask with growing prefixes of one stream.

`PythonFile` and `Checkpoint` name a scorer and load it. Loading runs other people's code: only ever inside a confined
job (`golf.jobs.confine`). Imports only what a training environment has, and torch only where a model is loaded.
"""

import dataclasses
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from golf.errors import BadConfig, NotFound, UnreadableInput

_MODULE = "_golf_audited_file"


@dataclass(frozen=True)
class Scorer:
    """A loaded scorer; what its functions take and give stands at the top of this module."""

    vocab_size: int
    score: Callable[[np.ndarray], Any]
    score_many: Callable[[np.ndarray], Any] | None = None
    predict: Callable[[np.ndarray], Any] | None = None
    predict_many: Callable[[np.ndarray], Any] | None = None
    period: int | None = None


def score_rows(scorer: Scorer, tokens: np.ndarray) -> np.ndarray:
    """(B, T) token ids to (B, T) or (B, T - 1) nats, float64, by whichever way the scorer has.

    Raises:
        UnreadableInput: it gives something of another shape, or no numbers.
    """
    length = tokens.shape[1]
    if scorer.score_many is not None:
        return _numbers(
            scorer.score_many(tokens.copy()), "score_many", (len(tokens), length), (len(tokens), length - 1)
        )
    return np.stack([_numbers(scorer.score(row.copy()), "score", (length,), (length - 1,)) for row in tokens])


def predict_next(scorer: Scorer, prefix: np.ndarray) -> np.ndarray:
    """(T,) token ids to (V,) log-probabilities in nats, float64.

    Raises:
        UnreadableInput: the scorer cannot predict, or gives something of another shape, or no numbers.
    """
    if scorer.predict is None:
        raise UnreadableInput("the scorer has no predict(prefix)")
    return _logarithms(_numbers(scorer.predict(prefix.copy()), "predict", (scorer.vocab_size,)), "predict")


def predict_lanes(scorer: Scorer, prefix: np.ndarray) -> np.ndarray:
    """(B, T) token ids to (B, V) log-probabilities in nats, float64.

    Raises:
        UnreadableInput: as `predict_next`.
    """
    if scorer.predict_many is None:
        raise UnreadableInput("the scorer has no predict_many(prefix)")
    shape = (len(prefix), scorer.vocab_size)
    return _logarithms(_numbers(scorer.predict_many(prefix.copy()), "predict_many", shape), "predict_many")


def _numbers(value: Any, what: str, *shapes: tuple[int, ...]) -> np.ndarray:
    if hasattr(value, "detach"):  # a torch tensor, on any device and of any type
        value = value.detach().double().cpu()
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiubO" or (array.dtype.kind == "O" and any(map(_is_text, array.flat))):
            raise TypeError(f"it holds {'text' if array.dtype.kind in 'OUS' else array.dtype.name}")
        array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise UnreadableInput(f"{what} gave a {type(value).__name__} that is no array of numbers: {error}") from error
    if array.shape not in shapes:
        wanted = " or ".join(map(str, shapes))
        raise UnreadableInput(f"{what} gave an array of shape {array.shape}; it must be {wanted}")
    return array


def _is_text(value: object) -> bool:
    return isinstance(value, str | bytes)


def _logarithms(log_p: np.ndarray, what: str) -> np.ndarray:
    """What a scorer predicts, unless it is plain probabilities: no logarithms of any are positive and sum to 1."""
    if log_p.min() >= 0 and abs(log_p.sum(axis=-1) - 1).max() < 1e-2:
        raise UnreadableInput(
            f"{what} gave numbers from 0 up that sum to 1, which look like probabilities: give their natural logarithms"
        )
    return log_p


@dataclass(frozen=True)
class PythonFile:
    """A name in a Python file: a function `score(tokens)`, or what makes a scorer when called without arguments."""

    kind: ClassVar[str] = "callable"
    path: str
    name: str
    vocab_size: int | None = None
    """None: the scorer's own `vocab_size`, or the file's VOCAB_SIZE."""

    @property
    def files(self) -> tuple[str, ...]:
        """What it is made of; a file may read others beside it."""
        return (self.path,)

    def load(self) -> Scorer:
        """Execute the file's top level and return its scorer.

        Raises:
            NotFound: no such file.
            UnreadableInput: it fails, or there is no scorer of that name.
            BadConfig: the size of the vocabulary is not known.
        """
        module = _execute(Path(self.path))
        made = getattr(module, self.name, None)
        if not callable(made):
            raise UnreadableInput(f"{self.path} defines no function or class {self.name!r}. Give FILE.py:NAME")
        if not _needs_arguments(made):
            made = made()
        score = getattr(made, "score", made)
        if not callable(score):
            raise UnreadableInput(f"{self.name} in {self.path} gives a {type(made).__name__} without score(tokens)")
        vocab_size = self.vocab_size or getattr(made, "vocab_size", None) or getattr(module, "VOCAB_SIZE", None)
        if not isinstance(vocab_size, int | np.integer) or vocab_size < 2:
            raise BadConfig(
                f"the vocabulary of {self.name} in {self.path} is not known: give --vocab-size, or set VOCAB_SIZE in it"
            )
        return Scorer(int(vocab_size), score, getattr(made, "score_many", None), getattr(made, "predict", None))


@dataclass(frozen=True)
class Checkpoint:
    """Weights and the training script whose `GPT` they fit, as `golf evaluate-bpb` scores them."""

    kind: ClassVar[str] = "model"
    script: str
    weights: str
    env: Mapping[str, str]
    """What the script reads its hyperparameters from."""
    seq_len: int | None = None
    """Tokens per window; None: the script's own."""
    stride: int | None = None
    """None: seq_len, plain windows."""
    dtype: str = "float32"
    device: str = "cpu"
    threads: int | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """What it is made of."""
        return self.script, self.weights

    def load(self) -> Scorer:
        """Execute the script's top level, build its model and put the weights in.

        Raises:
            NotFound, BadConfig, UnreadableInput: as `golf.measure.scorer`.
        """
        from golf.referee import model_scorer

        return model_scorer.load(self)


Source = PythonFile | Checkpoint


def to_json(source: Source) -> dict[str, Any]:
    """A source as plain values, for the process that loads it."""
    return {"kind": source.kind, **dataclasses.asdict(source)}


def from_json(value: Mapping[str, Any]) -> Source:
    """What `to_json` made."""
    fields = {key: field for key, field in value.items() if key != "kind"}
    return PythonFile(**fields) if value["kind"] == PythonFile.kind else Checkpoint(**fields)


def _needs_arguments(made: Callable[..., Any]) -> bool:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(
        parameter.kind in positional and parameter.default is parameter.empty
        for parameter in inspect.signature(made).parameters.values()
    )


def _execute(path: Path) -> Any:
    """Run a file's top level under a private module name."""
    if not path.is_file():
        raise NotFound(f"there is no file {path}. Give FILE.py:NAME")
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise UnreadableInput(f"{path} is not a Python file. Give FILE.py:NAME")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module  # dataclasses look their module up by name
    sys.path.insert(0, os.fspath(path.parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UnreadableInput(f"{path} failed while it was loaded: {type(error).__name__}: {error}") from error
    return module
