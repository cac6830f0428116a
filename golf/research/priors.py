"""What a family of techniques usually gives and costs here, for texts that state no numbers.

These are our own judgements from the challenge's records, as coarse as they look; a number that a text states outranks
them, and outcomes are held against the grades they lead to.
"""

from typing import NamedTuple

from golf.referee.techniques import Family


class Prior(NamedTuple):
    """Grades of a family, in the ranges of the rubric's dimensions."""

    impact: int
    size: int
    time: int


PRIORS: dict[Family, Prior] = {
    "quantisation": Prior(2, 3, 2),
    "compression": Prior(2, 3, 2),
    "architecture": Prior(2, 2, 1),
    "attention": Prior(1, 3, 1),
    "embedding": Prior(1, 2, 2),
    "optimiser": Prior(2, 3, 1),
    "schedule": Prior(1, 3, 2),
    "averaging": Prior(1, 3, 2),
    "initialisation": Prior(1, 3, 2),
    "objective": Prior(1, 3, 1),
    "regularisation": Prior(1, 3, 2),
    "data": Prior(1, 3, 2),
    "tokenizer": Prior(2, 2, 2),
    "evaluation": Prior(2, 3, 2),
    "test-time training": Prior(2, 3, 1),
    "context mixing": Prior(2, 2, 1),
    "systems": Prior(1, 3, 2),
    "search": Prior(0, 3, 1),
}

SAVES_BYTES: frozenset[Family] = frozenset(("quantisation", "compression"))
"""What these were tried on may be of any size: they make it smaller."""
