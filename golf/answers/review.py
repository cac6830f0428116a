"""A critic's verdict."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from golf.answers.base import Answer, Name, Said
from golf.schema import Verdict

PointName = Literal[
    "gain", "significance", "size", "time", "leakage", "causality", "bytes", "simplicity", "provenance", "conflicts"
]
POINTS: tuple[PointName, ...] = (
    "gain", "significance", "size", "time", "leakage", "causality", "bytes", "simplicity", "provenance", "conflicts",
)  # fmt: skip


class Point(Answer):
    """One point of the critic's sheet, answered."""

    name: PointName
    verdict: Literal["pass", "fail", "unknown"]
    """unknown when neither the sheet nor your reading settles it."""
    evidence: Said
    """The number, or file and line, that the verdict rests on."""


class Review(Answer):
    """A critic's verdict on one experiment, bound to the change it read."""

    experiment: Name
    """Folder name of the experiment, as the sheet gives it."""
    diff_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Copied from the sheet of review_submission: 64 lower-case hex digits."""
    verdict: Verdict
    """accept only when no point fails."""
    points: list[Point]
    """Each of the ten points once."""
    reason: Said
    """The verdict in a sentence or two."""

    @model_validator(mode="after")
    def _is_whole(self) -> "Review":
        names = [point.name for point in self.points]
        missing = [name for name in POINTS if name not in names]
        twice = [name for name in POINTS if names.count(name) > 1]
        if missing or twice:
            complaints = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"twice: {', '.join(twice)}"] * bool(
                twice
            )
            raise ValueError(f"each of the ten points is answered once; {'; '.join(complaints)}")
        failing = [point.name for point in self.points if point.verdict == "fail"]
        if self.verdict == "accept" and failing:
            raise ValueError(f"the verdict is accept although {', '.join(failing)} fails: revise or reject")
        return self
