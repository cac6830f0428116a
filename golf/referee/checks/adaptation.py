"""Learning from validation text: test-time training, second passes, SLOT, calibration."""

from golf.referee.case import Case
from golf.rulings import Finding


def findings(case: Case) -> list[Finding]:
    """Not written yet."""
    return []
