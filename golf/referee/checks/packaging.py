"""Files, seeds, hardware: whether the evidence is there and belongs together."""

from golf.referee.case import Case
from golf.rulings import Finding


def findings(case: Case) -> list[Finding]:
    """Not written yet."""
    return []
