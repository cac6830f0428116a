"""The model of a training script with the weights of a checkpoint.

The script's top level is executed to get at its `GPT` class, so this belongs in a process of its own: the scoring
worker (`golf.measure.scorer`) or a confined job of the referee. Weights are unpickled with `weights_only=True`: a
checkpoint cannot run code, the script can. Imports only what a training environment has.
"""

import importlib.util
import inspect
import io
import pickle
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from golf.errors import NotFound, UnreadableInput

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}

_MODULE = "_golf_scored_script"


def load_script(path: Path) -> ModuleType:
    """Execute a training script's top level, under a private module name, and return the module.

    Raises:
        NotFound: there is no such script.
        UnreadableInput: it fails, or defines no `GPT` and `Hyperparameters`.
    """
    if not path.is_file():
        raise NotFound(f"there is no script {path}. Name the one the checkpoint was trained with: --script PATH")
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise UnreadableInput(f"{path} is not a Python script. Name the training script: --script PATH")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module  # dataclasses and pickles look their module up by name
    sys.path.insert(0, str(path.parent))
    sys.argv = [str(path)]
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UnreadableInput(f"{path} failed while it was loaded: {type(error).__name__}: {error}") from error
    for name in ("GPT", "Hyperparameters"):
        if not hasattr(module, name):
            raise UnreadableInput(
                f"{path} defines no class {name} at its top level, which is where its model is looked for. "
                "Name another script: --script PATH"
            )
    return module


def build_model(module: ModuleType, settings: Any) -> nn.Module:
    """The script's `GPT`, each constructor argument taken from the hyperparameter of the same name.

    Raises:
        UnreadableInput: an argument without default has no hyperparameter, or the constructor refuses them.
    """
    arguments = {}
    for name, parameter in inspect.signature(module.GPT).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if hasattr(settings, name):
            arguments[name] = getattr(settings, name)
        elif parameter.default is parameter.empty:
            raise UnreadableInput(
                f"GPT in {module.__file__} needs {name!r}, and Hyperparameters has no attribute of that name"
            )
    try:
        return module.GPT(**arguments)
    except Exception as error:
        raise UnreadableInput(f"GPT in {module.__file__} could not be built: {error}") from error


def load_plain(data: bytes, name: str) -> dict[str, Any]:
    """A checkpoint of tensors and plain values; nothing in it is executed.

    Raises:
        UnreadableInput: it holds more, or is damaged.
    """
    try:
        loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnreadableInput(
            f"{name} was refused: it is damaged, or holds more than tensors and plain values, which could run code; "
            "nothing in it was executed. Save a state dict of tensors: torch.save(model.state_dict(), PATH)"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise UnreadableInput(f"{name} is damaged or not a torch checkpoint: {error}") from error
    if not isinstance(loaded, dict):
        raise UnreadableInput(f"{name} holds a {type(loaded).__name__}, not a state dict")
    return loaded


def load_weights(data: bytes, path: Path, module: ModuleType) -> dict[str, Tensor]:
    """The state dict in a checkpoint: a raw `.pt`, or a quantised `.ptz` that the script's own function restores.

    Raises:
        UnreadableInput: damaged, holds anything but tensors and plain values, or cannot be dequantised.
    """
    try:
        raw = zlib.decompress(data) if path.suffix == ".ptz" else data
    except zlib.error as error:
        raise UnreadableInput(f"{path} is damaged: its zlib stream does not decompress ({error})") from error
    loaded = load_plain(raw, str(path))
    if not loaded:
        raise UnreadableInput(f"{path} holds an empty dict, not a state dict")
    if all(isinstance(value, Tensor) for value in loaded.values()):
        return loaded
    restore = getattr(module, "dequantize_state_dict_int8", None)
    if restore is None:
        raise UnreadableInput(
            f"{path} is quantised, and {module.__file__} has no dequantize_state_dict_int8 to restore it. "
            "Name the script it was made with (--script PATH), or score the unquantised .pt"
        )
    try:
        return restore(loaded)
    except Exception as error:
        raise UnreadableInput(
            f"{path} could not be dequantised by {module.__file__}: {type(error).__name__}: {error}"
        ) from error


def fit_weights(model: nn.Module, weights: dict[str, Tensor], dtype: str) -> None:
    """Put a checkpoint's weights into the model, strictly, in the type that `dtype` asks for.

    Raises:
        UnreadableInput: names or shapes differ; the message says which variables probably do.
    """
    built = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    saved = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if built != saved:
        raise UnreadableInput(describe_mismatch(built, saved))
    model.load_state_dict(weights, strict=True, assign=True)
    if dtype != "bfloat16":
        model.to(DTYPES[dtype])


Shape = tuple[int, ...]

_SHAPED_BY = (
    ("tok_emb.weight", 0, "VOCAB_SIZE"),
    ("tok_emb.weight", 1, "MODEL_DIM"),
    ("q_gain", 0, "NUM_HEADS"),
)
"""Axes whose length is one variable of the challenge's script: end of the parameter's name, axis, variable."""


def describe_mismatch(built: Mapping[str, Shape], saved: Mapping[str, Shape]) -> str:
    """How a checkpoint differs from the model that was built for it, and which variables likely explain that."""
    missing, extra = sorted(built.keys() - saved.keys()), sorted(saved.keys() - built.keys())
    shapes = [name for name in sorted(built.keys() & saved.keys()) if built[name] != saved[name]]
    facts = []
    if missing or extra:
        named = ", ".join([f"lacks {name}" for name in missing[:2]] + [f"has {name} besides" for name in extra[:2]])
        facts.append(f"the checkpoint {named} ({len(missing)} lacking, {len(extra)} besides)")
    facts += [f"{name} is {saved[name]} in the checkpoint and {built[name]} in the model" for name in shapes[:3]]

    suspects = []
    if _blocks(built) != _blocks(saved):
        suspects.append(f"NUM_LAYERS={_blocks(saved)}")
    if "lm_head.weight" in (*missing, *extra):
        suspects.append(f"TIE_EMBEDDINGS={int('lm_head.weight' in missing)}")
    for ending, axis, variable in _SHAPED_BY:
        name = next((name for name in shapes if name.endswith(ending)), None)
        if name and saved[name][axis : axis + 1] != built[name][axis : axis + 1]:
            suspects.append(f"{variable}={saved[name][axis]}")
    if not suspects:
        suspects = ["NUM_KV_HEADS=…" if any(".c_k." in name for name in shapes) else "MLP_MULT=…"]
    remedy = " ".join(f"--env {setting}" for setting in suspects)
    return (
        f"the checkpoint does not fit the model its script builds: {'; '.join(facts)}. The script reads its shape from "
        f"the environment; give what it was trained with, probably {remedy}"
    )


def _blocks(shapes: Mapping[str, Shape]) -> int:
    return len({name.split(".")[1] for name in shapes if name.startswith("blocks.")})
