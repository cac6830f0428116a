"""A challenge script's model as a scorer: windows as the challenge scores them, over streams of any length.

Only imported inside a confined job: it executes the script, by way of `golf.measure.script_model`.
"""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from golf.errors import NotFound, UnreadableInput
from golf.measure import scorer
from golf.measure.own_forward import listening, token_losses
from golf.measure.script_model import build_model, fit_weights, load_script, load_weights
from golf.measure.windows import Window, Windows
from golf.referee.scorers import Checkpoint, Scorer


def load(checkpoint: Checkpoint) -> Scorer:
    """Build the model and put the weights in.

    Raises:
        NotFound, BadConfig, UnreadableInput: as `golf.measure.scorer`.
    """
    os.environ.update(checkpoint.env)
    if checkpoint.threads:
        torch.set_num_threads(checkpoint.threads)
    device = scorer.choose_device(checkpoint.device, checkpoint.dtype)
    module = load_script(Path(checkpoint.script))
    settings = module.Hyperparameters()
    if not hasattr(settings, "vocab_size"):
        raise UnreadableInput(f"Hyperparameters in {checkpoint.script} has no vocab_size")
    request = scorer.Request(
        checkpoint=checkpoint.weights,
        script=checkpoint.script,
        shards=[],
        result="",
        seq_len=checkpoint.seq_len,
        stride=checkpoint.stride,
    )
    seq_len, stride = scorer.window_shape(request, settings)
    weights = Path(checkpoint.weights)
    try:
        data = weights.read_bytes()
    except OSError as error:
        raise NotFound(f"checkpoint {weights} could not be read: {error}") from error
    model = build_model(module, settings)
    fit_weights(model, load_weights(data, weights, module), checkpoint.dtype)
    model.to(device).eval()
    windows = _Windows(model, module, seq_len, stride, device, checkpoint.dtype == "bfloat16")
    is_plain = stride == seq_len
    return Scorer(
        int(settings.vocab_size),
        windows.score,
        predict=windows.predict,
        predict_many=windows.predict_many if is_plain else None,
        period=seq_len if is_plain else None,
    )


@dataclass
class _Windows:
    """The model over windows of `seq_len`, each token scored once with the context its window gives it."""

    model: nn.Module
    module: ModuleType
    seq_len: int
    stride: int
    device: torch.device
    is_autocast: bool

    def score(self, tokens: np.ndarray) -> np.ndarray:
        """(T,) token ids to (T - 1,) nats; unlike the challenge's evaluation, the last short window counts too.

        Streams are never batched: in another batch the same row is rounded otherwise.
        """
        run = torch.from_numpy(tokens.astype(np.int64)).to(self.device)[None]
        targets = tokens.size - 1
        windows = list(Windows(targets, self.seq_len, self.stride))
        if self.stride == self.seq_len and targets % self.seq_len:
            begin = targets // self.seq_len * self.seq_len
            windows.append(Window(begin, begin, targets))
        losses = token_losses(self.model, self.module)
        with torch.inference_mode(), self._autocast():
            scored = [
                losses(run[:, at.start : at.end], run[:, at.start + 1 : at.end + 1], at.first - at.start)[0]
                for at in windows
            ]
        return torch.cat(scored).double().cpu().numpy()

    def predict(self, prefix: np.ndarray) -> np.ndarray:
        """(T,) token ids to (V,) log-probabilities, from the context that `score` gives the next token."""
        return self.predict_many(prefix[None])[0]

    def predict_many(self, prefix: np.ndarray) -> np.ndarray:
        """(B, T) token ids of streams to (B, V) log-probabilities."""
        start = window_start(prefix.shape[1] - 1, self.seq_len, self.stride)
        inputs = torch.from_numpy(prefix[:, start:].astype(np.int64)).to(self.device)
        with torch.inference_mode(), self._autocast():
            logits = self._logits(inputs).reshape(*inputs.shape, -1)[:, -1]
        return F.log_softmax(logits.double(), dim=-1).cpu().numpy()

    def _logits(self, inputs: Tensor) -> Tensor:
        for name in ("logits", "forward_logits"):
            method: Callable[[Tensor], Tensor] | None = getattr(self.model, name, None)
            if method is not None:
                return method(inputs)
        heard: list[Tensor] = []
        original = F.cross_entropy

        def listen(logits: Tensor, target: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            if target.numel() == inputs.numel():
                heard.append(logits)
            return original(logits, target, *args, **kwargs)

        with listening(listen):
            self.model(inputs, torch.zeros_like(inputs))  # what is to be predicted is not known here
        if len(heard) != 1:
            raise UnreadableInput(
                f"forward of GPT in {self.module.__file__} took the cross entropy of its targets {len(heard)} times, "
                "not once, so its distribution is unknown. Give GPT a method logits(input_ids)"
            )
        return heard[0]

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.is_autocast)


def window_start(target: int, seq_len: int, stride: int) -> int:
    """Where the window begins in which `target` is scored (target i is token i + 1)."""
    if stride == seq_len:
        return target // seq_len * seq_len
    return max(0, math.ceil((target + 1 - seq_len) / stride)) * stride
