"""A baseline file: the numbers that changed experiments are held to, with what they may be off.

```yaml
tier: smoke                              # tiers do not compare
data: pydocs_sp1024 0123456789abcdef     # nor do other data; `data` of a result
metrics:                                 # for every experiment without a number of its own
  train_time_s: {value: 60, tolerance: 30}
experiments:
  2026-05-04_wider:
    val_bpb: {value: 3.912, tolerance: 0.04}
```
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from golf import durable
from golf.errors import BadConfig, NotFound
from golf.workspace import describe

TOLERANCE = 0.01
"""Share of a value that a freshly written file tolerates."""

BYTES_MAX = 1_000_000
"""A larger file is not read."""

Metric = Literal["val_bpb", "artifact_bytes", "train_time_s", "eval_time_s", "memory_gb"]
"""What a baseline file may hold a run to; lower is better for all of them."""


class Expected(BaseModel):
    """One number of a baseline file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: FiniteFloat
    tolerance: Annotated[FiniteFloat, Field(ge=0)] = 0.0
    """In the metric's own unit; more than value + tolerance is a regression."""

    @property
    def limit(self) -> float:
        return self.value + self.tolerance


class Baseline(BaseModel):
    """A baseline file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tier: str | None = None
    """The tier the numbers were measured on."""
    data: str | None = None
    """`data` of the results they come from: other data do not compare."""
    metrics: dict[Metric, Expected] = {}
    """For every experiment that has no number of its own."""
    experiments: dict[str, dict[Metric, Expected]] = {}

    def of(self, experiment: str) -> dict[Metric, Expected]:
        """What one experiment is held to."""
        return {**self.metrics, **self.experiments.get(experiment, {})}


def read(path: Path) -> Baseline:
    """A baseline file, typed.

    Raises:
        NotFound: there is none at `path`.
        BadConfig: it is too large, not YAML, or a key is unknown or has an unusable value.
    """
    import yaml

    try:
        if path.stat().st_size > BYTES_MAX:
            raise BadConfig(f"{path} is over {BYTES_MAX:_} bytes: that is no baseline file")
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound(f"no baseline file at {path}. Write one where all is well: golf ci --write-baseline") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise BadConfig(f"{path} could not be read: {error}") from error
    try:
        return Baseline.model_validate({} if value is None else value)
    except ValidationError as error:
        raise BadConfig(f"{path}: {describe(error)}") from error


def write(path: Path, tier: str, data: str, numbers: Mapping[str, Mapping[Metric, float | None]]) -> None:
    """Write numbers by experiment into a baseline file; what it says of other experiments stays.

    Raises:
        BadConfig: the file there is no baseline file, or is about another tier or other data.
    """
    import yaml

    kept = read(path) if path.exists() else Baseline()
    for key, now in (("tier", tier), ("data", data)):
        if getattr(kept, key) not in (None, now):
            raise BadConfig(
                f"{path} holds numbers of {key} {getattr(kept, key)}, these are of {now}: name another file"
            )
    fresh: dict[str, dict[Metric, Expected]] = {
        name: {
            metric: Expected(value=value, tolerance=float(f"{value * TOLERANCE:.2g}"))
            for metric, value in metrics.items()
            if value is not None
        }
        for name, metrics in numbers.items()
    }
    whole = Baseline(tier=tier, data=data, metrics=kept.metrics, experiments={**kept.experiments, **fresh})
    text = yaml.safe_dump(whole.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)
    durable.replace(path, text)
