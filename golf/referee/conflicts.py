"""Techniques that are known to work against each other.

A table, because each row was paid for once: the words that give a technique away, and what happened
when the two met. Words are a hint and no proof: a match asks for a reader. `#1493` is a pull request
of openai/parameter-golf.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Conflict:
    """Two techniques, what happens when they meet, and who found out."""

    first: str
    second: str
    why: str
    source: str


TECHNIQUES: Mapping[str, str] = {
    "weight averaging (EMA, SWA)": r"\b(ema|swa|lawa|moving_average|averaged_model|ema_\w+|\w+_ema|swa_\w+)\b",
    "test-time training": r"\b(ttt|ttt_\w+|\w+_ttt|test_time_train\w*|slot_(lr|steps))\b",
    "weight-tied recurrence": r"\b(recurren\w+|\w+_recurrence|num_recur\w*|num_loops?|\w+_loops|weight_tied\w*)\b",
}

CONFLICTS = (
    Conflict(
        "weight averaging (EMA, SWA)",
        "weight-tied recurrence",
        "reported to fail on recurrent models, errors compound through tied weights; #1493 made it work",
        "'Codex for ML research', the critic's catch on leaderboard techniques",
    ),
    Conflict(
        "test-time training",
        "weight-tied recurrence",
        "reported to fail on recurrent models, gradients compound through tied weights; #1440 made it work",
        "'Codex for ML research', the critic's catch on leaderboard techniques",
    ),
)


def techniques(source: str) -> dict[str, str]:
    """Techniques whose words occur in code or settings, each with the first word that gave it away."""
    found = {}
    for name, words in TECHNIQUES.items():
        if match := re.search(words, source, re.IGNORECASE):
            found[name] = match[0]
    return found


def conflicts(source: str) -> list[Conflict]:
    """The rows of the table whose two techniques both seem to be there."""
    found = techniques(source)
    return [row for row in CONFLICTS if row.first in found and row.second in found]
