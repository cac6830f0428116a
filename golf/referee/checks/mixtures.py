"""Byte mixtures (PPM and the like) that are no distribution over tokens."""

from golf.referee.case import Case
from golf.rulings import Finding


def findings(case: Case) -> list[Finding]:
    """Not written yet."""
    return []
