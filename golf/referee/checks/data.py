"""Which documents were trained on and which were scored, by logs and data preparation."""

from golf.referee.case import Case
from golf.rulings import Finding


def findings(case: Case) -> list[Finding]:
    """Not written yet."""
    return []
