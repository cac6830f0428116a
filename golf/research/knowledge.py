"""What is known here, gathered once: grades, runs, competitors, what was verified, and the score to beat."""

from typing import NamedTuple

from golf import rules
from golf.play import ledger
from golf.research import blocks, competitors, digest, grades, hearsay, place, sections, verified
from golf.research.nouns import Competitor, Graded, Verified
from golf.research.standing import Standing, standing
from golf.schema import Noun, Row
from golf.workspace import Workspace

DIGEST_BYTES_MAX = 1_900
"""Of a `Digest` as JSON, paths included."""


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
    others = hearsay.known(workspace)
    return Knowledge(
        graded=grades.read(workspace),
        rows=ledger.read(workspace.ledger),
        competitors=others,
        verified=verified.read(workspace),
        standing=standing(workspace, others),
    )


class Digest(Noun):
    """What research knows, for an agent that is about to decide."""

    digest: str
    """Words in quotes are strangers'."""
    program_path: str
    """More of the same, for people and agents; it may not exist yet."""
    folder: str
    """Everything that was read, graded and verified, as JSON lines."""


def brief(workspace: Workspace) -> Digest:
    """The digest, and where the rest is; at most 1,900 bytes as JSON.

    Raises:
        UnreadableInput: as `known`.
    """
    found = Digest(digest="", program_path=str(sections.program(workspace)), folder=str(place.folder(workspace)))
    room = DIGEST_BYTES_MAX - len(found.model_dump_json().encode())
    return found.model_copy(update={"digest": told(known(workspace), room)})


def told(knowledge: Knowledge, bytes_max: int = digest.BYTES_MAX) -> str:
    """The digest, at most `bytes_max` bytes as JSON writes it."""
    return digest.digest(
        knowledge.graded,
        knowledge.rows,
        knowledge.competitors,
        knowledge.verified,
        knowledge.target_bpb,
        bytes_max,
    )


def inject(workspace: Workspace, knowledge: Knowledge) -> bool:
    """Rewrite the sections and the SOTA line of `program.md`; whether anything in it changed.

    Before there is a score to beat, the line has the naive baseline's: an earlier target may have been withdrawn.

    Raises:
        NotFound, UnreadableInput, BadConfig: as `golf.research.sections.rewrite` and `program`; nothing was written.
    """
    said = blocks.blocks(knowledge.graded, knowledge.rows, knowledge.competitors, knowledge.verified)
    target = knowledge.target_bpb
    return sections.rewrite(sections.program(workspace), said, rules.NAIVE_BASELINE_BPB if target is None else target)
