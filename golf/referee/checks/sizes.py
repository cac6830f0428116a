"""artifact_bytes against the limit, under the conventions the challenge really counted by."""

from golf.referee.case import Case
from golf.rulings import Finding


def findings(case: Case) -> list[Finding]:
    """Not written yet."""
    return []
