"""Techniques that are known to work against each other.

A table, because each row was paid for once: two techniques of the catalogue, and what happened when they met. Words are
a hint and no proof: a match asks for a reader. `#1493` is a pull request of openai/parameter-golf.
"""

from dataclasses import dataclass

from golf.referee import techniques


@dataclass(frozen=True)
class Conflict:
    """Two techniques (ids of the catalogue), what happens when they meet, and who found out."""

    first: str
    second: str
    why: str
    source: str

    @property
    def names(self) -> tuple[str, str]:
        """What people call the two."""
        known = techniques.catalogue()
        return known[self.first].name, known[self.second].name


CONFLICTS = (
    Conflict(
        "weight_averaging",
        "depth_recurrence",
        "reported to fail on recurrent models, errors compound through tied weights; #1493 made it work",
        "'Codex for ML research', the critic's catch on leaderboard techniques",
    ),
    Conflict(
        "ttt",
        "depth_recurrence",
        "reported to fail on recurrent models, gradients compound through tied weights; #1440 made it work",
        "'Codex for ML research', the critic's catch on leaderboard techniques",
    ),
)


def conflicts(source: str) -> list[Conflict]:
    """The rows of the table whose two techniques both seem to be in code or settings."""
    found = techniques.in_source(source)
    return [row for row in CONFLICTS if row.first in found and row.second in found]
