"""Sizes predicted before training, against what 26 public submissions came to.

What goes in is what was known before the run: the number of parameters (the log prints it at the start), and from the
script's text and command its bits, scales, codec, learning rate and weight decay, written down here by hand. Nothing
measured afterwards goes in. The constant for decayed weights comes from other submissions.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from referee_report import Line

from golf.measure.logs import folder_logs
from golf.measure.size_prediction import Part, Plan, Precision, plan_of, predict_size, trained_std
from golf.rulings import SizePrediction
from golf.schema import TrainingLog

ROW_INT8, ROW_INT6, FLOAT16 = Precision(8), Precision(6), Precision(16)
SMALL = 40_000
"""Norms, gains and gates of these scripts, kept as floats."""


@dataclass(frozen=True)
class Recipe:
    """How a script stores its model."""

    codec: str
    matrix: Precision = ROW_INT8
    table: Precision = ROW_INT8
    """Token and n-gram embeddings."""
    table_params: int = 1024 * 512
    second: Precision | None = None
    """Of a share of the matrices."""
    second_share: float = 0.0
    params: int | None = None
    """Where the log does not print it."""

    def plan(self, params: int) -> Plan:
        """A model with so many parameters."""
        matrices = params - self.table_params - SMALL
        second = round(matrices * self.second_share)
        parts = [
            Part("embedding", self.table_params, self.table),
            Part("matrices", matrices - second, self.matrix),
            *([Part("matrices", second, self.second)] if self.second else []),
            Part("other", SMALL, FLOAT16),
        ]
        return Plan(tuple(parts), self.codec)


def muon(bits: int, learning_rate: float, weight_decay: float, momentum: float = 0.99, steps: int = 7_000) -> Precision:
    """Scales from the largest value with the floor at 1 / qmax, as all of these scripts have it."""
    return Precision(bits, weight_std=trained_std(learning_rate, weight_decay, momentum, steps))


NAIVE = muon(8, 0.04, 0.0, 0.95, 13_000)
MARCH = Recipe("zstd-22", muon(6, 0.025, 0.04), table_params=1024 * 512 + 2048 * 128 + 1024 * 128)
GPTQ = Recipe("lzma-6", muon(6, 0.025, 0.04), table_params=1024 * 512 + 3072 * 112 + 1024 * 128)
RECIPES = {
    77: Recipe("zlib-9", NAIVE),
    42: Recipe("zlib-9", NAIVE, FLOAT16),
    39: Recipe("zlib-9", NAIVE, second=muon(6, 0.04, 0.0, 0.95, 13_000), second_share=0.4),
    63: Recipe("zstd-22", muon(6, 0.02, 0.0, 0.99, 8_000), FLOAT16),
    50: Recipe("zlib-9", NAIVE, params=17_059_912),
    60: Recipe("zlib-9", muon(8, 0.04, 0.02, 0.95, 10_000), FLOAT16),
    65: Recipe("zstd-22", muon(6, 0.02, 0.01), FLOAT16, 1024 * 512 + 4096 * 128),
    315: MARCH,
    414: MARCH,
    549: GPTQ,
    1019: GPTQ,
    1060: GPTQ,
    1204: Recipe("brotli-11", muon(5, 0.03, 0.04), table_params=1024 * 512 + 2816 * 112 + 1024 * 128,
                 second=muon(6, 0.03, 0.04), second_share=0.27),
    1334: Recipe("brotli-11", muon(6, 0.02, 0.09), table_params=4096 * 512 + 4096 * 128),
    903: Recipe("brotli-11", Precision(4, is_packed=True), ROW_INT8, 8192 * 336, params=32_800_000),
    1104: Recipe("zlib-9", NAIVE, table_params=260 * 512),
    1371: Recipe("zlib-9", muon(8, 0.02, 0.0, 0.99, 750), table_params=1024 * 448),
    1644: Recipe("lzma-9", muon(6, 0.025, 0.04), table_params=8192 * 512),
    2058: Recipe("zstd-22", muon(8, 0.02, 0.0, 0.95, 7_500), FLOAT16,
                 second=muon(6, 0.02, 0.0, 0.95, 7_500), second_share=0.25),
}  # fmt: skip
"""By pull request, for scripts whose logs do not print their bits and scales.

#1106 has no log, no size and no quantiser: nothing can be predicted for it, and nothing is rejected.
"""


def predictions(data: Path) -> Iterator[tuple[int, SizePrediction, int]]:
    """Per public submission its prediction and its size in bytes."""
    for line in (data / "extraction.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        size = row["max_artifact_bytes"] or row["submission_bytes_total"]
        recipe = RECIPES.get(row["pr"])
        folder = data / "submissions" / str(row["pr"])
        if not folder.is_dir():
            folder = data / "submissions" / f"head_{Path(row['folder']).name}"
        if size is None or not folder.is_dir():
            continue
        log = max(folder_logs(folder), key=lambda log: log.model_params or 0)
        params = log.model_params or (recipe.params if recipe else None)
        plan = recipe.plan(params or 0) if recipe else plan_of(log.hyperparameters, params)
        yield row["pr"], predict_size(plan, code_bytes=_code(log)), size


def _code(log: TrainingLog) -> int | None:
    """The script's size, which is known before the run."""
    return log.code_bytes.get("compressed") or log.code_bytes.get("plain")


def report(data: Path | None, checkout: Path | None) -> Iterator[Line]:
    """None of what was accepted is said not to fit, and how far off the middle is."""
    if data is None:
        return
    found = list(predictions(data))
    errors = [abs(prediction.bytes / size - 1) for _, prediction, size in found]
    rejected = [pr for pr, prediction, _ in found if prediction.verdict == "does not fit"]
    held = sum(prediction.low_bytes <= size <= prediction.high_bytes for _, prediction, size in found)
    yield Line("public records said not to fit", f"{len(rejected)} of {len(found)}", "none", not rejected)
    yield Line("median error of the prediction", f"{median(errors):.2%}", "at most 3 %", median(errors) <= 0.03)
    yield Line("largest error", f"{max(errors):.1%}", "", None)
    yield Line("sizes within the 95 % interval", f"{held} of {len(found)}", "", None)


if __name__ == "__main__":
    for pr, found, size in predictions(Path("../shared/data")):
        interval = f"[{found.low_bytes:_}, {found.high_bytes:_}]"
        print(f"#{pr:<5}{size:>12_}{found.bytes:>12_} {found.bytes / size - 1:>6.1%}  {interval:<26} {found.verdict}")
