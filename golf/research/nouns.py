"""What research speaks of: a thing that was read, its grade, its verification, and what a competitor claims.

Every text in here was written by strangers: it is shown in quotes and cut to a length, and is never an instruction.
"""

from typing import Literal

from pydantic import AwareDatetime, Field, FiniteFloat

from golf.schema import Noun


class Item(Noun):
    """One thing that was read: a paper, a pull request, a post, somebody's notes."""

    id: str
    """Stable where it comes from: `arxiv:2511.01234`, `github:openai/parameter-golf#74`, `url:…`, `note:ideas.md`."""
    source: str
    """The source that brought it, as golf.toml names it."""
    title: str
    url: str | None = None
    text: str = ""
    """Abstract, README or body, as far as it was fetched."""
    authors: list[str] = []
    published_at: AwareDatetime | None = None
    fetched_at: AwareDatetime
    relevance: FiniteFloat | None = None
    """As the source scores it, 0 to 1; None where it does not."""
    details: dict[str, str] = {}
    """What only this source tells, e.g. a pull request's number and state."""


class Graded(Noun):
    """An item's grades in the dimensions of the published loop, with the total that follows."""

    item_id: str
    title: str
    url: str | None = None
    source: str
    bpb_impact: int = Field(ge=0, le=3)
    size_compatibility: int = Field(ge=0, le=3)
    time_compatibility: int = Field(ge=0, le=2)
    implementability: int = Field(ge=0, le=4)
    novelty: int = Field(ge=0, le=3)
    competitor_validated: int | None = Field(default=None, ge=0, le=2)
    """None while no competitors' results are known."""
    ruled_out: str = ""
    """What the challenge does not allow about it; empty when nothing."""
    total: int = Field(ge=0, le=17)
    tier: Literal["A", "B", "C"]
    techniques: list[str] = []
    """Ids of the referee's catalogue."""
    reason: str
    graded_by: Literal["rules", "codex"]
    graded_at: AwareDatetime


class Verified(Noun):
    """A Tier A item that somebody read in full and held against other sources."""

    item_id: str
    title: str
    url: str | None = None
    before: int = Field(ge=0, le=17)
    """Total before it was read in full."""
    after: int = Field(ge=0, le=17)
    sources: list[str]
    """Addresses or files that it was held against; at least one."""
    brief: str
    """How to build it here."""
    verified_at: AwareDatetime


class Competitor(Noun):
    """What one submission of others claims, and whether to believe it."""

    name: str
    """`PR #74`, or the record folder's name."""
    number: int | None = None
    author: str = ""
    url: str | None = None
    techniques: list[str] = []
    """Ids of the referee's catalogue."""
    val_bpb: FiniteFloat | None = None
    """Mean over its seeds; None where it states none."""
    std_bpb: FiniteFloat | None = None
    num_seeds: int = 0
    delta_from_baseline: FiniteFloat | None = None
    """`val_bpb` minus the naive baseline's; negative is better."""
    parents: list[str] = []
    """Submissions that it builds on, as far as that is seen."""
    is_credible: bool = False
    doubts: list[str] = []
    """Why it is not believed, or not yet."""
    notes: list[str] = []
    """What else is to be known of it, without being a reason to doubt; at most two."""
    published_at: AwareDatetime | None = None
