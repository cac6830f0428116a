"""What Codex answers with under `--output-schema`, as pydantic models; schemas/ is generated from them."""

from typing import Literal

from pydantic import Field, model_validator

from golf.schema import Noun

POINTS = (
    "gain", "significance", "size", "time", "leakage", "causality", "bytes", "simplicity", "provenance", "conflicts",
)  # fmt: skip


class Point(Noun):
    """One point of the critic's sheet, answered."""

    name: Literal[
        "gain", "significance", "size", "time", "leakage", "causality", "bytes", "simplicity", "provenance", "conflicts"
    ]
    verdict: Literal["pass", "fail", "unknown"]
    evidence: str = Field(pattern=r"\S")


class Review(Noun):
    """A critic's verdict."""

    experiment: str
    diff_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    verdict: Literal["accept", "revise", "reject"]
    points: list[Point]
    reason: str = Field(pattern=r"\S")

    @model_validator(mode="after")
    def _each_point_once(self) -> "Review":
        names = [point.name for point in self.points]
        if sorted(names) != sorted(POINTS):
            raise ValueError(f"points must answer each of {', '.join(POINTS)} once (got {', '.join(names) or 'none'})")
        failing = [point.name for point in self.points if point.verdict == "fail"]
        if self.verdict == "accept" and failing:
            raise ValueError(f"accept although {', '.join(failing)} fails")
        return self
