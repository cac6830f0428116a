"""What a submission.json states, in one spelling.

1,764 of them spell the same dozen facts in some 2,000 keys. Surprising: a score may be text, a mean hides under ten
names, `seeds` is a list of numbers or a table of results, and `val_loss` now and then holds the bits per byte (see
`golf.referee.extraction`). Zero, negative numbers and words such as `TBD` stand for "not yet" and state nothing.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from golf.referee.reading import printable

BPB = (
    "val_bpb", "mean_val_bpb", "val_bpb_mean", "val_bpb_3seed_mean", "val_bpb_mean_3seed", "three_seed_mean_bpb",
    "seed_mean_val_bpb", "mean_bpb", "final_val_bpb", "val_bpb_exact", "bpb", "score", "score_bpb_mean",
    "final_validation_bpb",
)  # fmt: skip
"""Keys of the headline, the ones that mean nothing else first."""

SEED_BPB = (
    "val_bpb_exact", "val_bpb", "final_val_bpb", "final_bpb", "post_ttt_val_bpb", "post_ttt_bpb", "ttt_val_bpb",
    "quantized_ttt_val_bpb", "quantized_ttt_bpb", "ttt_bpb", "mix_bpb", "bpb", "sliding_val_bpb", "sliding_bpb",
    "score",
)  # fmt: skip
"""Keys of one seed's score."""

LOSS = ("val_loss", "mean_val_loss", "val_loss_mean", "val_loss_nats", "final_val_loss")
BYTES = (
    "bytes_total", "artifact_bytes", "artifact_bytes_max", "bytes_total_max", "total_bytes", "artifact_size_bytes",
    "total_submission_bytes", "total_submission_bytes_max", "submission_bytes", "submission_size_bytes",
    "artifact_bytes_total", "total_artifact_bytes",
)  # fmt: skip
ROWS = ("seed_results", "seeds", "per_seed", "per_seed_results", "seed_metrics", "results", "result", "runs")
"""Keys of a table of seeds."""

SCORES = ("val_bpb_seeds", "val_bpb_per_seed", "per_seed_val_bpb", "val_bpb_by_seed", "seed_bpbs", "seed_scores")
"""Keys of the seeds' scores alone, by seed or in the order of `seeds`."""

BPB_MAX = 20.0
BYTES_MIN, BYTES_MAX = 10_000, 10**12
ROWS_MAX = 100
TEXT_CHARS_MAX = 200

_NOT_FINAL = re.compile(r"pre|ema|base|delta|gain|before|raw|neural|inflated|corrected|round")
_SEED = re.compile(r"(?:^|.*[^A-Za-z0-9])(?:seed|s)[ _-]?(\d{1,10})(?!\d)|^(\d{1,10})(?![\dA-Za-z])", re.IGNORECASE)


@dataclass(frozen=True)
class StatedSeed:
    """What is stated of one seed's run."""

    name: str
    """The key it stands under."""
    seed: int | None
    bpb: float | None = None
    loss: float | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Stated:
    """The numbers of a submission.json; what it does not state is None."""

    bpb: float | None = None
    bpb_key: str | None = None
    loss: float | None = None
    bytes: int | None = None
    bytes_key: str | None = None
    seeds: Sequence[int] = ()
    rows: Sequence[StatedSeed] = ()
    logs: Sequence[str] = field(default=())
    """Names that look like those of logs."""

    @property
    def expected(self) -> dict[int | None, float]:
        """Bits per byte by seed, where a seed has one; the headline under None."""
        scores: dict[int | None, float] = {} if self.bpb is None else {None: self.bpb}
        for seed in {row.seed for row in self.rows if row.seed is not None}:
            values = {row.bpb for row in self.rows if row.seed == seed and row.bpb is not None}
            if len(values) == 1:
                scores[seed] = values.pop()
        return scores


def read(table: Mapping[str, Any]) -> Stated:
    """What a parsed submission.json states."""
    bpb_key, bpb = _first(table, BPB, score)
    bytes_key, size = _first(table, BYTES, size_of)
    rows = list(_rows(table))[:ROWS_MAX]
    for key in ("val_bpb", "results", "result", "metrics", "final"):
        if bpb is None and isinstance(table.get(key), dict):
            inner, bpb = _first(table[key], ("mean", *BPB[:4]), score)
            bpb_key = f"{key}.{inner}" if inner else None
    if size is None and (sizes := [row.bytes for row in rows if row.bytes is not None]):
        bytes_key, size = "the largest of its seeds", max(sizes)
    return Stated(
        bpb=bpb,
        bpb_key=bpb_key,
        loss=_first(table, LOSS, score)[1],
        bytes=size,
        bytes_key=bytes_key,
        seeds=[seed for value in _listed(table.get("seeds")) if (seed := seed_of(value)) is not None],
        rows=rows,
        logs=list(_logs(table)),
    )


def score(value: Any) -> float | None:
    """Bits per byte or nats per token: a finite number above zero, also one written as text."""
    number = number_of(value)
    return number if number is not None and 0 < number < BPB_MAX else None


def size_of(value: Any) -> int | None:
    """Bytes of an artifact; the largest where they stand by seed."""
    if isinstance(value, dict):
        if (total := size_of(value.get("total"))) is not None:
            return total
        return max(
            filter(None, (size_of(part) for key, part in value.items() if seed_of(key) is not None)), default=None
        )
    number = number_of(value)
    return int(number) if number is not None and BYTES_MIN <= number <= BYTES_MAX and number == int(number) else None


def number_of(value: Any) -> float | None:
    """A finite number; text counts when it is nothing but a number, with or without commas."""
    if isinstance(value, str):
        value = value.strip().replace(",", "") if len(value) <= 40 else None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def seed_of(value: Any) -> int | None:
    """The seed that a number or a key such as `seed_42` names."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 10**10 else None
    match = _SEED.match(value[:TEXT_CHARS_MAX]) if isinstance(value, str) else None
    return int(match[1] or match[2]) if match else None


def text_of(value: Any) -> str | None:
    """Text on one line, cleaned and cut; None when there is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    return printable(" ".join(value[: 4 * TEXT_CHARS_MAX].split()))[:TEXT_CHARS_MAX] or None


def _first(table: Mapping[str, Any], keys: Sequence[str], read_one: Any) -> tuple[str | None, Any]:
    for key in keys:
        value = read_one(table.get(key))
        if value is not None:
            return key, value
    return None, None


def _rows(table: Mapping[str, Any]) -> Iterator[StatedSeed]:
    for key in ROWS:
        held = table.get(key)
        if isinstance(held, dict):
            yield from (_row(name, row) for name, row in held.items() if _is_row(name, row))
        else:
            yield from (_row(str(row.get("seed")), row) for row in _listed(held) if isinstance(row, dict))
    for key, value in table.items():
        if isinstance(value, dict) and key.startswith("seed_") and seed_of(key) is not None:
            yield _row(key, value)
        elif (match := re.fullmatch(r"val_bpb_seed_?(\d{1,10})", key)) and score(value):
            yield StatedSeed(key, int(match[1]), score(value))
    seeds = [seed_of(value) for value in _listed(table.get("seeds"))]
    for key in (*SCORES, "val_bpb"):
        held = table.get(key)
        if isinstance(held, dict):
            yield from (_row(name, value) for name, value in held.items() if _is_row(name, value))
        elif isinstance(held, list) and len(held) == len(seeds):
            yield from (
                StatedSeed(f"{key}[{n}]", seed, score(value))
                for n, (seed, value) in enumerate(zip(seeds, held, strict=True))
            )


def _is_row(name: Any, value: Any) -> bool:
    return seed_of(name) is not None and (isinstance(value, dict) or score(value) is not None)


def _row(name: str, value: Any) -> StatedSeed:
    if not isinstance(value, dict):
        return StatedSeed(name, seed_of(name), score(value))
    bpb = _first(value, SEED_BPB, score)[1]
    others = [key for key in value if key.endswith("bpb") and not _NOT_FINAL.search(key) and score(value[key])]
    if bpb is None and len(others) == 1:  # the only score it states, whatever it is called
        bpb = score(value[others[0]])
    return StatedSeed(
        name,
        seed_of(name),
        bpb,
        _first(value, LOSS, score)[1],
        _first(value, BYTES, size_of)[1],
    )


def _listed(value: Any) -> list[Any]:
    return value[:ROWS_MAX] if isinstance(value, list) else []


def _logs(value: Any, depth: int = 0) -> Iterator[str]:
    """Names of logs anywhere in a JSON value."""
    if isinstance(value, str) and len(value) <= TEXT_CHARS_MAX and value.lower().endswith((".log", ".txt", ".out")):
        yield value
    elif isinstance(value, dict | list) and depth < 4:
        for inside in list(value.values() if isinstance(value, dict) else value)[:ROWS_MAX]:
            yield from _logs(inside, depth + 1)
