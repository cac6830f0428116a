"""The nouns of a diagnosis: what is wrong with a run, where it shows, and what to do."""

from typing import Literal

from pydantic import computed_field

from golf.desk.findings import Severity
from golf.rulings import Described, Evidence, Said

TroubleCode = Literal[
    "NOT_A_NUMBER", "DIVERGED", "PLATEAU", "LOSS_SPIKE",
    "WARMUP_TOO_LONG", "WARMUP_TOO_SHORT", "COOLDOWN_NOT_REACHED", "RATE_NEVER_FULL", "RATE_ZERO_TOO_EARLY",
    "CLIPPING_ALWAYS", "DECAY_ON_NORMS",
    "STEP_TIME_DRIFT", "STEP_TIME_SHIFT", "STALL",
    "TRAIN_VAL_GAP", "OVERFITTING", "QUANTISATION_GAP", "SCORED_OTHERWISE", "EVALUATION_DIFFERS",
]  # fmt: skip


class Trouble(Described):
    """One thing that is wrong with a run, or looks so."""

    code: TroubleCode
    severity: Severity
    """error: the result is worthless or the run is broken; warning: it costs score or time; note: good to know."""
    text: Said
    """What it is, in a sentence with its numbers."""
    first_step: int | None = None
    """Where it begins; null for what is no matter of steps."""
    last_step: int | None = None
    evidence: list[Evidence]
    """Lines of the log or the script."""
    advice: Said
    """What to do about it."""


class Curve(Described):
    """One run's loss in at most 120 points, for a picture."""

    file: str
    """Relative to what was given."""
    steps: int
    """The newest step."""
    iterations: int | None
    """Steps that were planned."""
    quantity: Literal["train_loss", "val_loss", "val_bpb"]
    points: list[tuple[int, float]]
    """Steps and nats per token (bits per byte for val_bpb); what is no number is left out."""


class Diagnosis(Described):
    """What is wrong with a run, from its logs and its script; nothing of them was run."""

    subject: str
    """What was asked about."""
    findings: list[Trouble]
    """The worst first."""
    examined: list[str]
    """What was looked at."""
    not_examined: dict[str, str]
    """What could not be looked at, and why: of that the diagnosis says nothing."""
    curves: list[Curve]

    @computed_field
    @property
    def verdict(self) -> Literal["error", "warning", "fine"]:
        """The worst severity; notes alone are fine."""
        found = {one.severity for one in self.findings}
        return "error" if "error" in found else "warning" if "warning" in found else "fine"
