"""What is known here, gathered once: grades, runs, competitors, what was verified, and the score to beat."""

from typing import NamedTuple

from golf.play import ledger
from golf.research import blocks, competitors, digest, grades, sections, verified
from golf.research.nouns import Competitor, Graded, Verified
from golf.research.standing import Standing, standing
from golf.schema import Row
from golf.workspace import Workspace


class Knowledge(NamedTuple):
    """All of it, oldest first, the competitors by score."""

    graded: list[Graded]
    rows: list[Row]
    competitors: list[Competitor]
    verified: list[Verified]
    standing: Standing

    @property
    def target_bpb(self) -> float | None:
        """What has to be beaten, bits per byte: the own best or the credible one; None before there is any."""
        return competitors.target_bpb(self.standing.best_bpb, self.competitors)


def known(workspace: Workspace) -> Knowledge:
    """Read off the workspace's files.

    Raises:
        UnreadableInput: results.tsv or a file of research has a malformed line; the message names it.
    """
    others = competitors.known(workspace)
    return Knowledge(
        graded=grades.read(workspace),
        rows=ledger.read(workspace.ledger),
        competitors=others,
        verified=verified.read(workspace),
        standing=standing(workspace, others),
    )


def told(knowledge: Knowledge) -> str:
    """The digest, at most 2,000 bytes."""
    return digest.digest(
        knowledge.graded, knowledge.rows, knowledge.competitors, knowledge.verified, knowledge.target_bpb
    )


def inject(workspace: Workspace, knowledge: Knowledge) -> bool:
    """Rewrite the sections and the SOTA line of `program.md`; whether anything in it changed.

    Raises:
        NotFound, UnreadableInput, BadConfig: as `golf.research.sections.rewrite` and `program`; nothing was written.
    """
    said = blocks.blocks(knowledge.graded, knowledge.rows, knowledge.competitors, knowledge.verified)
    return sections.rewrite(sections.program(workspace), said, knowledge.target_bpb)
