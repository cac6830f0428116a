"""Live updates for people, from the ledger and the competitors: the bar, our runs, who leads, who builds on whom.

The page about other people's submissions alone, with every verdict and its line, is `golf.play.bulletin`.
"""

from collections.abc import Sequence

from golf.research import blocks
from golf.research.competitors import credible_best, incredible_ahead, target_bpb
from golf.research.nouns import Competitor
from golf.schema import Noun, Row

LINES_MAX = 20
"""Of a list; the rest is counted."""


class Bulletin(Noun):
    """The page."""

    page: str


def bulletin(rows: Sequence[Row], competitors: Sequence[Competitor], own_bpb: float | None, day: str) -> str:
    """The page, in Markdown.

    Args:
        rows: The ledger's, oldest first.
        competitors: With those that are not believed.
        own_bpb: Our best in bits per byte, on the challenge's own hardware.
        day: When it was made, `2026-05-01`.
    """
    best, target = credible_best(competitors), target_bpb(own_bpb, competitors)
    bar = "nothing yet" if target is None else f"{target:.4f} bpb"
    leader = f"{blocks.scored(best)} by {blocks.quoted(best.name, 80)}" if best else "none yet"
    parts = [
        f"# Live updates, {blocks.inert(day, 20)}",
        f"To beat: {bar}. Ours: {blocks.bpb(own_bpb)}. Credible best: {leader}.",
        f"## Our last runs, of {len(rows)}",
        blocks.history(rows),
        f"## Competitors, {len(competitors)}",
        blocks.competitor_table(competitors),
    ]
    ahead = [f"- {blocks.scored(one)} {_name(one)}: {_why(one)}" for one in incredible_ahead(competitors)]
    if ahead:
        parts += ["## Lower, and not believed", _listed(ahead)]
    lineage = [f"- {_name(one)} builds on {blocks.listed(one.parents)}" for one in competitors if one.parents]
    if lineage:
        parts += ["## Who builds on whom", _listed(lineage)]
    return "\n\n".join(parts) + "\n"


def _name(one: Competitor) -> str:
    return blocks.quoted(one.name, 80)


def _why(one: Competitor) -> str:
    return blocks.quoted("; ".join(one.doubts) or "not said why", 300)


def _listed(lines: Sequence[str]) -> str:
    left = len(lines) - LINES_MAX
    return "\n".join([*lines[:LINES_MAX], *([f"- and {left} more"] if left > 0 else [])])
