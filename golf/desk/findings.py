"""What is wrong at a line of somebody's code, and what to write there instead."""

from typing import Literal

from golf.schema import Noun

Severity = Literal["error", "warning", "note"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The worst first."""


class Finding(Noun):
    """One defect, with the line it stands on."""

    code: str
    """Its kind, e.g. `SEED_NUMPY`."""
    severity: Severity
    """What each means is said where the findings are made."""
    file: str
    """Relative to the repository's root."""
    line: int
    """Counted from 1."""
    quote: str
    """The line itself."""
    text: str
    """What is wrong, in a sentence."""
    fix: str
    """What to write instead."""
