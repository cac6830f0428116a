"""What an artifact will weigh before anything is trained: parameters × bits × codec, with an interval.

Weights are close to normally distributed, so what is left of a quantised one is the entropy of a normal distribution
on the quantiser's grid: what counts is how many steps a standard deviation spans. That is measured here, by putting a
drawn matrix through the very quantiser and codec, in a second. Where the grid comes from decides how sure one can be:

- `clip_sigmas`: the scale is so many standard deviations of the row, and nothing is left to guess;
- the row's largest value: about 3.3 standard deviations, however small they are, so that neither training nor decay
  changes the bits (but for matrices that start at zero and pack to nothing before their first step);
- the row's largest value with a floor: the challenge's scripts floor the scale at 1 / qmax, as if no row stayed below
  1. Weights that are decayed or trained briefly do stay below, and then their standard deviation counts: `trained_std`
  tells it from the optimiser's settings, as that of a random walk with a pull.

Settings do not tell whether a script has the floor: ours, `baselines/naive`, has none. The middle of `plan_of` is then
without it, and the interval reaches down to what a floor would make of it.

Source of the constants: logs of submissions to the challenge that floor their scales, none of them among those the
prediction is judged by (`bench/referee_size.py`).
"""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache, partial
from typing import Literal, NamedTuple

import numpy as np

from golf import rules
from golf.errors import UnreadableInput
from golf.measure.codecs import compressed_size
from golf.rulings import PredictedPart, SizePrediction

WALK = 0.0152
"""Standard deviation of trained weights in units of `trained_std`'s random walk.

Median over 45 submissions with Muon at momentum 0.99, learning rate 0.02 to 0.03 and weight decay 0.02 to 0.09.
"""

WALK_SPREAD = 1.45
"""Factor within which it lies for 95 of 100 of them."""

SURE, GUESSED = 0.03, 0.05
"""Half-width of the 95 % interval, relative: weights are not quite normal, and a row's largest value still less so."""

FLOAT_SPREAD = 0.15
"""The same for numbers kept as floats, whose exponents pack by how alike they are."""

SCALE_BYTES = 1.7
"""A row's float16 scale after the codec."""

CONTAINER_BYTES, CONTAINER_SPREAD = 9_000, 0.7
"""torch.save's names and headers for a hundred tensors, after the codec."""

CODE_BYTES, CODE_SPREAD = 60_000, 0.8
"""Assumed where the script's size is not given: packed ones have 16 kB, plain ones over 100 kB."""

SAMPLE = 512
"""Rows and columns of the drawn matrix; a row's largest value depends on it a little."""

_NAMES_SHOWN = 8

Name = Literal["embedding", "attention", "mlp", "matrices", "other"]


@dataclass(frozen=True)
class Shape:
    """A transformer of the challenge's kind."""

    vocab_size: int = 1024
    num_layers: int = 9
    model_dim: int = 512
    num_heads: int = 8
    num_kv_heads: int = 4
    mlp_mult: float = 2.0
    tie_embeddings: bool = True

    def parameters(self) -> dict[Name, int]:
        """Parameters by component; `other` are norms, gains and gates.

        Raises:
            UnreadableInput: a number is not positive, or the heads do not divide the width.
        """
        sizes = (self.vocab_size, self.num_layers, self.model_dim, self.num_heads, self.num_kv_heads, self.mlp_mult)
        if min(sizes) <= 0 or self.model_dim % self.num_heads or self.num_heads % self.num_kv_heads:
            told = ", ".join(f"{field.name.upper()}={getattr(self, field.name):g}" for field in fields(self)[:-1])
            raise UnreadableInput(
                f"no transformer has this shape: {told}. Every number is above 0, NUM_HEADS divides MODEL_DIM, and "
                "NUM_KV_HEADS divides NUM_HEADS"
            )
        dim, layers = self.model_dim, self.num_layers
        kv_dim = dim // self.num_heads * self.num_kv_heads
        return {
            "embedding": self.vocab_size * dim * (1 if self.tie_embeddings else 2),
            "attention": layers * (2 * dim * dim + 2 * dim * kv_dim),
            "mlp": layers * 2 * dim * round(dim * self.mlp_mult),
            "other": layers * (4 * dim + self.num_heads) + layers // 2 * dim,
        }


@dataclass(frozen=True)
class Precision:
    """How numbers are stored: bits, and where the grid's scale comes from."""

    bits: float
    """2 to 8: whole numbers in a byte each; 1.58 ternary and 1 binary, packed; 16 and 32: floats."""
    clip_sigmas: float | None = None
    """The grid's end in standard deviations of the row; None: the row's largest value."""
    weight_std: float | None = None
    """Standard deviation of the trained weights where the scale is floored at 1 / qmax; None: there is no floor."""
    weight_std_spread: float = WALK_SPREAD
    """Factor within which `weight_std` is known."""
    is_floor_known: bool = True
    """False: there may be no floor either. The middle is without it, and only the low end of the interval with it."""
    is_packed: bool = False
    """Bits laid side by side before the codec, instead of a byte each."""

    def __post_init__(self) -> None:
        is_whole = self.bits in range(2, 9)
        if not is_whole and self.bits not in (1, 1.58, 16, 32):
            raise UnreadableInput(f"no prediction for {self.bits} bits; known: 1, 1.58, 2 to 8, 16 and 32")
        for value in (self.clip_sigmas, self.weight_std):
            if value is not None and not 0 < value < 1e6:
                raise UnreadableInput(f"clip and standard deviation are positive numbers (got {value})")


def trained_std(learning_rate: float, weight_decay: float, momentum: float, steps: int) -> float:
    """Standard deviation of matrices trained with Muon and decoupled weight decay.

    Muon's updates have one size, so that weights walk at random, further with momentum, and decay pulls them back:
    σ² = WALK² · (1 + m) / (1 - m) · lr / wd · (1 - exp(-2 · lr · wd · steps)), and without decay its limit. A training
    shorter than its warm-down does not reach its rates, and gets less far.

    Raises:
        UnreadableInput: a setting is out of range.
    """
    if learning_rate <= 0 or weight_decay < 0 or not 0 <= momentum < 1 or steps < 1:
        raise UnreadableInput(
            f"no optimiser has learning rate {learning_rate}, weight decay {weight_decay}, momentum {momentum} and "
            f"{steps} steps"
        )
    pull = 2 * learning_rate * weight_decay * steps
    time = -math.expm1(-pull) / pull if pull else 1.0
    return WALK * math.sqrt((1 + momentum) / (1 - momentum) * 2 * learning_rate**2 * steps * time)


@dataclass(frozen=True)
class Part:
    """One component and how it is stored."""

    name: Name
    params: int
    precision: Precision
    row: int = SAMPLE
    """Numbers that share a scale."""


@dataclass(frozen=True)
class Plan:
    """A model as it will be stored."""

    parts: tuple[Part, ...]
    codec: str
    """What the weights are compressed with, e.g. `zlib-9`, `zstd-22`, `lzma-6`, `brotli-11`."""
    unread: tuple[str, ...] = ()
    """Settings that say nothing of size, as far as is known here."""
    steps: int | None = None
    """Steps it is to be trained for at most; None: not told."""


SETTINGS = (
    *("VOCAB_SIZE", "NUM_LAYERS", "MODEL_DIM", "NUM_HEADS", "NUM_KV_HEADS", "MLP_MULT", "TIE_EMBEDDINGS", "MATRIX_LR"),
    *("MUON_WD", "MUON_MOMENTUM", "ITERATIONS", "EMBED_BITS", "EMBED_CLIP_SIGMAS", "MATRIX_BITS", "ATTN_CLIP_SIGMAS"),
    *("MATRIX_CLIP_SIGMAS", "MLP_CLIP_SIGMAS", "COMPRESSOR"),
)
"""What `plan_of` reads."""


def misspelled(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings that nothing here reads and that look like one that is read, each with that one."""
    close = {name: difflib.get_close_matches(name.upper(), SETTINGS, n=1, cutoff=0.85) for name in _unread(settings)}
    return {name: known[0] for name, known in close.items() if known}


def _unread(settings: Mapping[str, str]) -> list[str]:
    return [name for name in settings if name.upper() not in SETTINGS]


def plan_of(settings: Mapping[str, str], params: int | None = None) -> Plan:
    """A plan from a script's settings by the names the challenge's scripts give them, in any case.

    What is not set is the naive baseline's: int8 by each row's largest value, with or without the floor, zlib. `params`
    is the number a script prints at its start; parameters beyond the shape's count as further matrices.

    Raises:
        UnreadableInput: a setting is not a usable number.
    """
    table = {key.upper(): value for key, value in settings.items()}

    def number(name: str, otherwise: float) -> float:
        try:
            value = float(table.get(name, otherwise))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise UnreadableInput(f"{name} is {table[name]!r}, not a number")
        return value

    def precision(bits: str, otherwise: float, *clips: str) -> Precision:
        clip = next((number(clip, 0) for clip in clips if clip in table), 0)
        if clip:
            return Precision(number(bits, otherwise), clip_sigmas=clip)
        return Precision(number(bits, otherwise), weight_std=std, is_floor_known=False)

    shape = Shape(
        vocab_size=int(number("VOCAB_SIZE", Shape.vocab_size)),
        num_layers=int(number("NUM_LAYERS", Shape.num_layers)),
        model_dim=int(number("MODEL_DIM", Shape.model_dim)),
        num_heads=int(number("NUM_HEADS", Shape.num_heads)),
        num_kv_heads=int(number("NUM_KV_HEADS", Shape.num_kv_heads)),
        mlp_mult=number("MLP_MULT", Shape.mlp_mult),
        tie_embeddings=table.get("TIE_EMBEDDINGS", "1").lower() not in ("0", "false"),
    )
    steps = int(number("ITERATIONS", 20_000))
    std = trained_std(number("MATRIX_LR", 0.04), number("MUON_WD", 0), number("MUON_MOMENTUM", 0.95), steps)
    precisions: dict[Name, Precision] = {
        "embedding": precision("EMBED_BITS", number("MATRIX_BITS", 8), "EMBED_CLIP_SIGMAS"),
        "attention": precision("MATRIX_BITS", 8, "ATTN_CLIP_SIGMAS", "MATRIX_CLIP_SIGMAS"),
        "mlp": precision("MATRIX_BITS", 8, "MLP_CLIP_SIGMAS", "MATRIX_CLIP_SIGMAS"),
        "matrices": precision("MATRIX_BITS", 8, "MATRIX_CLIP_SIGMAS"),
        "other": Precision(16),
    }
    sizes: dict[Name, int] = shape.parameters()
    beyond = 0 if params is None else params - sum(sizes.values())
    if params is not None and beyond < 0:  # another architecture: its embedding is all that is known of it
        sizes = {"embedding": min(sizes["embedding"], params)}
        beyond = params - sizes["embedding"]
    sizes["matrices"] = beyond
    parts = tuple(Part(name, count, precisions[name]) for name, count in sizes.items() if count)
    return Plan(parts, table.get("COMPRESSOR", "zlib-9"), tuple(_unread(settings)), steps)


def predict_size(
    plan: Plan,
    *,
    code_bytes: int | None = None,
    limit_bytes: int = rules.ARTIFACT_BYTES_MAX,
) -> SizePrediction:
    """Predict artifact_bytes with a 95 % interval.

    Args:
        plan: Components with their parameters and precision, and the codec.
        code_bytes: The script's counted size; None assumes one, and widens the interval.
        limit_bytes: What it must fit into.

    Raises:
        BadConfig: there is no such codec.
        UnreadableInput: there are no parameters.
    """
    parts, codec = plan.parts, plan.codec
    if not sum(part.params for part in parts) or min(part.params for part in parts) < 0:
        raise UnreadableInput("a prediction needs components with parameters; give a shape, or their number")
    found = [_weights(part, codec) for part in parts if part.params]
    rows = sum(part.params // part.row for part in parts if part.precision.bits <= 8)
    found.append(_rest("scales", rows * SCALE_BYTES, 0.2))
    found.append(_rest("container", CONTAINER_BYTES, CONTAINER_SPREAD))
    found.append(_rest("code", *((CODE_BYTES, CODE_SPREAD) if code_bytes is None else (code_bytes, 0.0))))
    low, middle, high = (sum(getattr(part, key) for part in found) for key in ("low_bytes", "bytes", "high_bytes"))
    verdict = "fits" if high <= limit_bytes else "does not fit" if low > limit_bytes else "cannot tell"
    return SizePrediction(
        codec=codec,
        parts=found,
        low_bytes=low,
        bytes=middle,
        high_bytes=high,
        limit_bytes=limit_bytes,
        verdict=verdict,
        reason=f"{verdict}: {middle:_} bytes, 95 % between {low:_} and {high:_}, against {limit_bytes:_}",
        notes=_notes(plan, code_bytes),
    )


class _Stored(NamedTuple):
    """Bits per number after the codec."""

    low: float
    middle: float
    high: float


def _weights(part: Part, codec: str) -> PredictedPart:
    stored = _stored(part.precision, codec)
    low, middle, high = (math.ceil(part.params * bits / 8) for bits in stored)
    return PredictedPart(
        name=part.name,
        params=part.params,
        bits=part.precision.bits,
        bits_stored=stored.middle,
        low_bytes=low,
        bytes=middle,
        high_bytes=high,
    )


def _rest(name: Literal["scales", "container", "code"], size: float, spread: float) -> PredictedPart:
    return PredictedPart(
        name=name,
        params=0,
        bits=None,
        bits_stored=None,
        low_bytes=round(size * (1 - spread)),
        bytes=round(size),
        high_bytes=round(size * (1 + spread)),
    )


def _stored(precision: Precision, codec: str) -> _Stored:
    if precision.bits > 8:
        bits = _float_bits(int(precision.bits), codec)
        return _Stored(bits * (1 - FLOAT_SPREAD), bits, min(bits * (1 + FLOAT_SPREAD), precision.bits))
    if precision.bits < 2:
        bits = {1.58: 8 / 5}.get(precision.bits, precision.bits)  # five ternary digits in a byte
        return _Stored(bits * (1 - GUESSED), bits, bits * 1.01)
    levels = 2 ** (int(precision.bits) - 1) - 1
    measured = partial(_grid_bits, levels, codec=codec, is_packed=precision.is_packed)
    if precision.clip_sigmas is not None:
        bits = measured(levels / precision.clip_sigmas)
        return _Stored(bits * (1 - SURE), bits, bits * (1 + SURE))
    spread = precision.weight_std_spread
    floored = [levels * (precision.weight_std or 0) * factor for factor in (1 / spread, 1.0, spread)]
    if precision.weight_std is None or not precision.is_floor_known:
        bits = measured(None)
        bare = _Stored(bits * (1 - GUESSED), bits, bits * (1 + GUESSED))
        if precision.weight_std is None:
            return bare
        return bare._replace(low=min(bare.low, measured(floored[0], is_floor=True) * (1 - SURE)))
    low, middle, high = (measured(steps, is_floor=True) for steps in floored)
    return _Stored(low * (1 - SURE), middle, high * (1 + SURE))


@lru_cache(maxsize=256)
def _grid_bits(
    levels: int, steps: float | None, *, codec: str, is_floor: bool = False, is_packed: bool = False
) -> float:
    """Bits per weight of a drawn matrix on a grid of ± `levels`, of which a standard deviation spans so many `steps`.

    None scales each row by its largest value; `is_floor` does so where that makes the grid coarser.
    """
    weights = _sample()
    scale = levels / np.abs(weights).max(axis=1, keepdims=True)
    if steps is not None:
        scale = np.minimum(scale, steps) if is_floor else np.full_like(scale, steps)
    grid = np.clip(np.round(weights * scale), -levels, levels).astype(np.int8)
    if is_packed:
        width = (2 * levels + 1).bit_length()
        planes = np.unpackbits((grid + levels).astype(np.uint8)[..., None], axis=-1, bitorder="little")[..., :width]
        return 8 * compressed_size(np.packbits(planes, bitorder="little").tobytes(), codec) / grid.size
    return 8 * compressed_size(grid.tobytes(), codec) / grid.size


@lru_cache(maxsize=32)
def _float_bits(bits: int, codec: str) -> float:
    weights = _sample().astype({16: np.float16, 32: np.float32}[bits])
    return 8 * compressed_size(weights.tobytes(), codec) / weights.size


@lru_cache(maxsize=1)
def _sample() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((SAMPLE, SAMPLE))


def _notes(plan: Plan, code_bytes: int | None) -> list[str]:
    found = []
    if plan.unread:
        names = ", ".join(plan.unread[:_NAMES_SHOWN]) + (" and others" if len(plan.unread) > _NAMES_SHOWN else "")
        found.append(f"not read for this, and the prediction is the same without: {names}")
    if code_bytes is None:
        found.append(f"code is taken to be {CODE_BYTES:_} bytes, give or take {CODE_SPREAD:.0%}")
    if any(_is_open(part.precision, plan.codec) for part in plan.parts):
        found.append(
            "scales are taken from each row's largest value, as the naive baseline here does: if the script floors "
            "them at 1 / qmax, as the challenge's does, briefly trained or decayed weights take less"
        )
    return found


def _is_open(precision: Precision, codec: str) -> bool:
    """Would a floor that may be there make a difference?"""
    if not 2 <= precision.bits <= 8 or precision.clip_sigmas is not None:
        return False
    stored = _stored(precision, codec)
    return precision.weight_std is None or (not precision.is_floor_known and stored.low < stored.middle * (1 - GUESSED))
