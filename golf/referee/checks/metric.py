"""Bits per byte against the tokenizer's constant: what a log alone can show."""

from golf.referee.case import Case
from golf.rulings import Finding


def findings(case: Case) -> list[Finding]:
    """Not written yet."""
    return []
