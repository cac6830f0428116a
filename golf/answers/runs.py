"""Finished runs, ranked and flagged."""

import itertools
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from golf.answers.base import Answer, Name, Said

SummaryFlag = Literal[
    "artifact_over_limit",
    "train_time_over_limit",
    "eval_time_over_limit",
    "crash",
    "within_noise",
    "single_seed",
    "log_disagrees",
    "evidence_missing",
]
OVER_LIMIT: frozenset[SummaryFlag] = frozenset({"artifact_over_limit", "train_time_over_limit", "eval_time_over_limit"})
"""Flags that take an experiment out of the ranking."""


class RankedExperiment(Answer):
    """One finished run, with the numbers it is ranked by."""

    rank: Annotated[int, Field(ge=1)] | None
    """1 is the lowest val_bpb on its tier; null for a crash and for what is over a limit."""
    experiment: Name
    tier: Name
    status: Literal["keep", "discard", "crash"]
    val_bpb: FiniteFloat | None
    """Bits per byte, mean over seeds; null when it was not measured."""
    artifact_bytes: Annotated[int, Field(ge=0)] | None
    train_time_s: Annotated[FiniteFloat, Field(ge=0)] | None
    gain_bpb: FiniteFloat | None
    """Baseline's val_bpb minus this one's, positive when better; null without a baseline."""
    noise_bpb: Annotated[FiniteFloat, Field(ge=0)] | None
    """A smaller gain is noise; null when nobody repeated the baseline."""
    flags: list[SummaryFlag]
    """Limits that are exceeded, and what makes the number say less than it seems to."""
    tried: str
    """The idea, in one line."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "RankedExperiment":
        if self.rank is not None and self.val_bpb is None:
            raise ValueError(f"{self.experiment} has rank {self.rank} and no val_bpb")
        over = sorted(OVER_LIMIT & set(self.flags))
        if self.rank is not None and over:
            raise ValueError(f"{self.experiment} has rank {self.rank} although it is flagged {', '.join(over)}")
        if (self.status == "crash") != ("crash" in self.flags):
            raise ValueError(f"{self.experiment} has status {self.status} and flags {self.flags}: a crash has both")
        return self


class Anomaly(Answer):
    """Something in the runs that a person should know."""

    experiment: Name | None
    """null when it is about all of them."""
    evidence: Said
    """What was seen, with its numbers and the file they stand in."""


class ExperimentSummary(Answer):
    """Finished runs, ranked and flagged: what was tried, what came of it, where to look."""

    scope: Said
    """Which runs, e.g. "the last 10 runs"."""
    num_runs: Annotated[int, Field(ge=0)]
    """Runs looked at; `experiments` may list fewer of them."""
    best: Name | None
    """Experiment with rank 1 on the tier the newest run is on; null when none has a rank there."""
    experiments: list[RankedExperiment]
    """Tier by tier, in rank order; those without a rank last."""
    anomalies: list[Anomaly]
    look_at: list[Said]
    """What to read or repeat next, the most useful first."""
    summary: Said

    @model_validator(mode="after")
    def _is_ranked(self) -> "ExperimentSummary":
        if len(self.experiments) > self.num_runs:
            raise ValueError(f"num_runs is {self.num_runs}, and {len(self.experiments)} experiments are listed")
        for tier in dict.fromkeys(entry.tier for entry in self.experiments):
            ranked = [entry for entry in self.experiments if entry.tier == tier and entry.rank is not None]
            if [entry.rank for entry in ranked] != list(range(1, len(ranked) + 1)):
                raise ValueError(f"ranks on tier {tier} are {[entry.rank for entry in ranked]}, not 1, 2, 3, …")
            for better, worse in itertools.pairwise(ranked):
                if (better.val_bpb or 0) > (worse.val_bpb or 0):
                    raise ValueError(
                        f"rank {better.rank} ({better.experiment}, {better.val_bpb}) scores worse than "
                        f"rank {worse.rank} ({worse.experiment}, {worse.val_bpb})"
                    )
        if self.best is not None and all(
            (entry.experiment, entry.rank) != (self.best, 1) for entry in self.experiments
        ):
            raise ValueError(f"best is {self.best}, which is listed nowhere with rank 1")
        return self
