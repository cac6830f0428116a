"""N-gram caches at evaluation: keys, normalisation, gates."""

from golf.referee.case import Case
from golf.rulings import Finding


def findings(case: Case) -> list[Finding]:
    """Not written yet."""
    return []
