"""A training script and a checkpoint to a model that gives logits, in the process that runs the script.

The challenge's scripts are loaded as for scoring (`golf.measure.script_model`); models of another shape by a factory.
"""

import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from golf.errors import BadConfig, UnreadableInput
from golf.measure import script_model
from golf.measure.own_forward import listening

STATES = ("model", "state_dict", "model_state_dict", "module")
"""Keys under which training loops keep a state dict among other things."""

PREFIXES = ("_orig_mod.", "module.")
"""What torch.compile and DistributedDataParallel put before every name."""

LogitsOf = Callable[[nn.Module, Tensor], Tensor]
"""A model and token ids (B, T) to logits (B, T, V)."""


@dataclass(frozen=True)
class Request:
    """What to trace; paths are absolute."""

    script: str
    weights: str
    dtype: str
    opset: int
    factory: str | None = None
    """Name of a function in `script` that gives the model, where it is not of the challenge's shape."""
    env: Mapping[str, str] | None = None
    max_len: int | None = None
    """Tokens of the longest sequence; None: the script's."""
    vocab_size: int | None = None


@dataclass(frozen=True)
class Subject:
    """A model that can be built again, with its weights in it."""

    build: Callable[[str], nn.Module]
    """In a dtype."""
    logits: LogitsOf
    how: str
    """How its logits are obtained, in words."""
    vocab_size: int
    max_len: int


def find_subject(request: Request) -> Subject:
    """Load the script, and find out how its model is asked.

    Raises:
        GolfError: it cannot be loaded or built, does not fit the weights, or gives no logits.
    """
    os.environ.update(request.env or {})
    data = Path(request.weights).read_bytes()
    settings: Any = None
    if request.factory is None:
        module = script_model.load_script(Path(request.script))
        settings = module.Hyperparameters()
        weights = script_model.load_weights(data, Path(request.weights), module)

        def bare() -> nn.Module:
            return script_model.build_model(module, settings)
    else:
        checkpoint = script_model.load_plain(data, request.weights)
        weights = state_of(checkpoint, request.weights)
        bare = factory(load_file(Path(request.script)), request, checkpoint)

    def build(dtype: str) -> nn.Module:
        model = bare()
        fit(model, weights, dtype, is_challenge=request.factory is None)
        return model.eval().requires_grad_(False)

    first = build(request.dtype)
    own = [getattr(settings, name, 0) for name in ("eval_seq_len", "train_seq_len")]
    config = getattr(first, "config", None)
    own += [getattr(config, name, 0) for name in ("block_size", "n_positions", "max_position_embeddings")]
    max_len = request.max_len or next((int(one) for one in own if one), 0)
    if max_len < 2:
        raise BadConfig("how long may a sequence be? The script does not say: give --max-len TOKENS, 2 or more")
    logits, how, width = find_logits(first, max_len)
    named = getattr(settings, "vocab_size", None) or getattr(config, "vocab_size", None)
    return Subject(build, logits, how, int(request.vocab_size or named or width), max_len)


def load_file(path: Path) -> ModuleType:
    """Execute a Python file's top level and return the module.

    Raises:
        UnreadableInput: it fails.
    """
    sys.path.insert(0, str(path.parent))
    sys.argv = [str(path)]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UnreadableInput(f"{path} is not a Python file")
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UnreadableInput(f"{path} failed while it was loaded: {type(error).__name__}: {error}") from error
    return module


def factory(module: ModuleType, request: Request, checkpoint: Mapping[str, Any]) -> Callable[[], nn.Module]:
    """What builds the model: a function of nothing, or of the checkpoint as it was saved.

    Raises:
        UnreadableInput: there is no such function, it fails, or gives no module.
    """
    make = getattr(module, request.factory or "", None)
    if not callable(make):
        raise UnreadableInput(f"{request.script} defines no function {request.factory}: --factory FILE.py:FUNCTION")
    takes = [one for one in inspect.signature(make).parameters.values() if one.default is one.empty]

    def build() -> nn.Module:
        try:
            made = make(checkpoint) if takes else make()
        except Exception as error:
            raise UnreadableInput(f"{request.factory} failed: {type(error).__name__}: {error}") from error
        if not isinstance(made, nn.Module):
            raise UnreadableInput(f"{request.factory} gives a {type(made).__name__}, not a torch.nn.Module")
        return made

    return build


def state_of(checkpoint: Mapping[str, Any], name: str) -> dict[str, Tensor]:
    """The state dict in a checkpoint, by the names that the model itself uses.

    Raises:
        UnreadableInput: there is none.
    """
    for found in (checkpoint, *(checkpoint.get(key) for key in STATES)):
        if isinstance(found, dict) and found and all(isinstance(value, Tensor) for value in found.values()):
            state = dict(found)
            for prefix in PREFIXES:
                if all(key.startswith(prefix) for key in state):
                    state = {key.removeprefix(prefix): value for key, value in state.items()}
            return state
    raise UnreadableInput(
        f"{name} holds no state dict, neither itself nor under {', '.join(STATES)}; it has "
        f"{', '.join(map(str, list(checkpoint)[:8]))}. Save one: torch.save(model.state_dict(), PATH)"
    )


def fit(model: nn.Module, weights: dict[str, Tensor], dtype: str, *, is_challenge: bool) -> None:
    """Put the weights into the model, all of them and nothing else.

    Raises:
        UnreadableInput: names or shapes differ.
    """
    if is_challenge:
        script_model.fit_weights(model, weights, dtype)
        return
    try:
        model.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise UnreadableInput(f"the checkpoint does not fit the model: {' '.join(str(error).split())[:600]}") from None
    model.to(script_model.DTYPES[dtype])


def find_logits(model: nn.Module, max_len: int) -> tuple[LogitsOf, str, int]:
    """How this model is asked for logits, in words too, and how many it gives per token.

    Raises:
        UnreadableInput: by none of the known ways.
    """
    ids = torch.zeros(2, min(5, max_len), dtype=torch.long)
    why = []
    for how, ask in (
        ("logits(input_ids)", _by_method("logits")),
        ("forward_logits(input_ids)", _by_method("forward_logits")),
        ("forward(input_ids)", _by_forward),
        ("what forward(input_ids, targets) takes the cross entropy of", _by_listening),
    ):
        try:
            with torch.no_grad():
                given = ask(model, ids)
        except Exception as error:
            why.append(f"{how}: {type(error).__name__}: {' '.join(str(error).split())[:120]}")
            continue
        if given.ndim == 3 and given.shape[:2] == ids.shape and given.is_floating_point():
            return ask, how, given.shape[2]
        why.append(f"{how}: shape {tuple(given.shape)}, not {(*ids.shape, 'vocabulary')}")
    raise UnreadableInput(
        f"{type(model).__name__} gives no logits for every token ({'; '.join(why)}). Give it a method logits(input_ids)"
    )


def _by_method(name: str) -> LogitsOf:
    def ask(model: nn.Module, ids: Tensor) -> Tensor:
        return getattr(model, name)(ids)

    return ask


def _by_forward(model: nn.Module, ids: Tensor) -> Tensor:
    given = model(ids)
    if isinstance(given, (tuple, list)):
        given = given[0]
    given = getattr(given, "logits", given)
    if not isinstance(given, Tensor):
        raise TypeError(f"a {type(given).__name__}, not a tensor")
    return given


def _by_listening(model: nn.Module, ids: Tensor) -> Tensor:
    """An unmodified challenge script gives its loss alone: the logits are what it takes the cross entropy of."""
    said: list[Tensor] = []

    def listen(logits: Tensor, target: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
        said.append(logits)
        return logits.sum()

    with listening(listen):
        model(ids, ids)
    if len(said) != 1:
        raise ValueError(f"cross entropy taken {len(said)} times, not once")
    return said[0].view(ids.shape[0], ids.shape[1], said[0].shape[-1])
