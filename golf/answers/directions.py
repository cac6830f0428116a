"""What to do next: a sweep's recommendation, and new directions."""

import math
from typing import Annotated

from pydantic import Field, FiniteFloat, model_validator

from golf.answers.base import Answer, Name, Said

RESERVED = ("DATA_PATH", "TOKENIZER_PATH", "SEED")
"""Variables that are not an experiment's to set."""

Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Setting(Answer):
    """One of the trainer's variables."""

    name: Variable
    value: str

    @model_validator(mode="after")
    def _is_free(self) -> "Setting":
        _check_free(self.name)
        return self


class RecommendedRun(Answer):
    """A configuration worth a longer or dearer run."""

    experiment: Name | None
    """The experiment that measured it; null when nobody has played it yet."""
    settings: list[Setting]
    val_bpb: FiniteFloat | None
    """As measured; null when it was not."""
    reason: Said

    @model_validator(mode="after")
    def _is_measured(self) -> "RecommendedRun":
        if self.experiment is None and self.val_bpb is not None:
            raise ValueError(f"val_bpb {self.val_bpb} has no experiment that measured it")
        return self


class SweptVariable(Answer):
    """A variable and the values still worth trying."""

    name: Variable
    values: list[str]
    """At least two, each once."""
    reason: Said

    @model_validator(mode="after")
    def _is_swept(self) -> "SweptVariable":
        _check_free(self.name)
        if len(self.values) < 2 or len(set(self.values)) < len(self.values):
            raise ValueError(f"{self.name} needs at least two values, each once (got {self.values})")
        return self


class SweepRecommendation(Answer):
    """What a sweep showed: the runs to take further, and the values to try next."""

    parent: Name
    """The experiment whose script and settings everything else keeps."""
    hypothesis: Said
    recommended: list[RecommendedRun]
    """At most three, the best first."""
    sweep: list[SweptVariable]
    """The next grid; empty when the sweep is done."""
    max_runs: Annotated[int, Field(ge=0)]
    """Runs to spend on that grid at most."""
    stop_rule: Said
    """When to give the sweep up, in numbers."""
    reason: Said

    @model_validator(mode="after")
    def _is_bounded(self) -> "SweepRecommendation":
        if len(self.recommended) > 3:
            raise ValueError(f"at most three runs are recommended (got {len(self.recommended)})")
        names = [variable.name for variable in self.sweep]
        if len(set(names)) < len(names):
            raise ValueError(f"a variable is swept once (got {', '.join(names)})")
        points = math.prod(len(variable.values) for variable in self.sweep) if self.sweep else 0
        if not self.sweep and self.max_runs:
            raise ValueError(f"max_runs is {self.max_runs}, and nothing is left to sweep")
        if self.sweep and not 1 <= self.max_runs <= points:
            raise ValueError(f"max_runs is {self.max_runs}; the grid has {points} points")
        return self


class Direction(Answer):
    """An experiment to play next, with all that its claim needs."""

    slug: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,79}$")]
    """A name for it: a-z, 0-9, '-', '_' and '.'."""
    parent: Name | None
    """The experiment it changes; null for a start from scratch."""
    family: Name
    """Technique family, such as tokenizer, depth recurrence, quantisation, optimiser."""
    hypothesis: Said
    expected_gain_bpb: FiniteFloat | None
    """null when nothing supports a number."""
    rollback_criteria: Said
    expected_artifact_bytes: Annotated[int, Field(ge=0)] | None
    already_tried: list[Name]
    """Experiments nearest to it; empty when the direction is unexplored."""
    reason: Said


class Avoided(Answer):
    """A direction not worth a run."""

    what: Said
    reason: Said


class NextDirections(Answer):
    """Where to go next, the most promising first."""

    directions: list[Direction]
    avoid: list[Avoided]
    summary: Said

    @model_validator(mode="after")
    def _are_different(self) -> "NextDirections":
        slugs = [direction.slug for direction in self.directions]
        if len(set(slugs)) < len(slugs):
            raise ValueError(f"each direction has a name of its own (got {', '.join(slugs)})")
        return self


def _check_free(name: str) -> None:
    if name in RESERVED:
        raise ValueError(f"{name} is not an experiment's to set")
