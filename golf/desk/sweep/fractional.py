"""Two-level designs: the full factorial, and fractions of it with the resolution that is asked for.

A fraction plays 2^(k-p) of the 2^k combinations: n = k - p settings take all their levels, and each other's level is
the product of some of theirs. What cannot be told apart then follows from the words that multiply to one; the
resolution is the length of the shortest.

Source: Box, Hunter and Hunter, Statistics for Experimenters, 2nd ed., chapter 6.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from golf.errors import BadConfig

FACTORS_MAX = 15
"""More settings at once are no plan."""
NODES_MAX = 20_000
"""Looks for one size and resolution; beyond, it counts as not there and the next larger fraction is taken."""


class Fraction(NamedTuple):
    """A design of `factors` settings, numbered from 0."""

    factors: int
    base: int
    """The first so many take all their combinations."""
    generators: tuple[int, ...]
    """For each further setting which of the base it is the product of, as bits."""
    words: tuple[int, ...]
    """Products of settings that are always one, as bits; none in a full factorial."""

    @property
    def resolution(self) -> int | None:
        """Length of the shortest word; None for a full factorial, which confounds nothing."""
        return min((word.bit_count() for word in self.words), default=None)

    @property
    def runs(self) -> int:
        """Combinations that are played."""
        return 2**self.base

    def rows(self) -> list[tuple[int, ...]]:
        """The levels, 0 or 1, of each combination; the first setting changes slowest."""
        found = []
        for levels in itertools.product((0, 1), repeat=self.base):
            signs = [2 * level - 1 for level in levels]
            more = []
            for generator in self.generators:
                product = 1
                for index, sign in enumerate(signs):
                    if generator >> index & 1:
                        product *= sign
                more.append((product + 1) // 2)
            found.append((*levels, *more))
        return found

    def aliases(self, effect: int) -> list[int]:
        """Effects of one or two settings that cannot be told from this one, as bits."""
        return sorted(
            (effect ^ word for word in self.words if (effect ^ word).bit_count() <= 2),
            key=lambda bits: (bits.bit_count(), bits),
        )


def fraction(factors: int, resolution: int | None) -> Fraction:
    """The smallest design with at least a resolution, and among those of its size one with the highest found.

    Args:
        factors: How many settings have two levels.
        resolution: 3 (III) or more; None means the full factorial.

    Raises:
        BadConfig: too few or too many settings.
    """
    if not 1 <= factors <= FACTORS_MAX:
        raise BadConfig(f"a factorial design takes 1 to {FACTORS_MAX} settings (got {factors})")
    if resolution is not None:
        for base in range(2, factors):
            if 2**base <= factors:
                continue  # fewer runs than effects and the mean
            for wanted in range(base + 1, resolution - 1, -1):
                found = _search(factors, base, wanted)
                if found is not None:
                    return found
    return Fraction(factors, factors, (), ())


def _search(factors: int, base: int, resolution: int) -> Fraction | None:
    options = sorted(
        (bits for bits in range(1, 2**base) if bits.bit_count() + 1 >= resolution),
        key=lambda bits: (-bits.bit_count(), bits),
    )
    nodes = 0

    def add(chosen: tuple[int, ...], words: Sequence[int], start: int) -> Fraction | None:
        nonlocal nodes
        if base + len(chosen) == factors:
            return Fraction(factors, base, chosen, tuple(words))
        for index in range(start, len(options)):
            nodes += 1
            if nodes > NODES_MAX:
                return None
            word = options[index] | 1 << (base + len(chosen))
            new = [word, *(word ^ other for other in words)]
            if all(one.bit_count() >= resolution for one in new):
                found = add((*chosen, options[index]), [*words, *new], index + 1)
                if found is not None:
                    return found
        return None

    return add((), (), 0)


def named(effect: int, names: Sequence[str]) -> str:
    """An effect's settings with a sign of multiplication between them."""
    return "×".join(name for index, name in enumerate(names) if effect >> index & 1)
