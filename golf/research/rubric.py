"""The rubric: dimensions with their ranges, and a grade with the total and tier that follow.

The sum, the hard zeros and the tiers stand in `golf.answers.research.GradedItem` alone, for the deterministic grader
and for Codex alike: a total is never taken from a model.

Source: "Parameter Golf Auto Research" (2026-03-27), section on grading research against the challenge's constraints.
"""

from datetime import datetime
from typing import Literal

from golf.answers.research import GradedItem
from golf.research.nouns import Graded

DIMENSIONS = ("bpb_impact", "size_compatibility", "time_compatibility", "implementability", "novelty")
COMPETITOR_DIMENSION = "competitor_validated"
"""Only there when competitors' results are known."""
ALL_DIMENSIONS = (*DIMENSIONS, COMPETITOR_DIMENSION)

FORBIDDEN = {
    "needs_new_dependency": "needs a new dependency",
    "needs_more_bytes": "needs more bytes than the artifact may have",
    "needs_more_time": "needs more training time than there is",
}
"""Each alone makes the total 0."""


def highest(dimension: str) -> int:
    """The best grade in a dimension; the worst is 0."""
    limits = (limit for part in Graded.model_fields[dimension].metadata for limit in [getattr(part, "le", None)])
    return next(limit for limit in limits if limit is not None)


def graded(
    answer: GradedItem,
    *,
    item_id: str,
    source: str,
    by: Literal["rules", "codex"],
    at: datetime,
    has_competitors: bool,
    ruled_out: str = "",
) -> Graded:
    """A grade with its total and tier.

    Args:
        answer: The grades by dimension.
        item_id: Whose they are.
        source: Where the item came from.
        by: Who graded.
        at: When.
        has_competitors: Whether competitors' results are known; where they are not, a grade for them is left out.
        ruled_out: What the challenge does not allow, in words; by default those of the answer's flags.
    """
    if not has_competitors:
        answer = answer.model_copy(update={COMPETITOR_DIMENSION: None})
    flags = "; ".join(words for flag, words in FORBIDDEN.items() if getattr(answer, flag))
    return Graded(
        item_id=item_id,
        title=answer.title,
        url=answer.url,
        source=source,
        **{name: getattr(answer, name) for name in ALL_DIMENSIONS},
        ruled_out=(ruled_out or flags) if answer.is_ruled_out else "",
        total=answer.total,
        tier=answer.tier,
        techniques=list(dict.fromkeys(answer.techniques)),
        reason=answer.reason,
        graded_by=by,
        graded_at=at,
    )
