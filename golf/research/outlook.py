"""Where to go next and what the search so far looks like, in one short answer: for whoever decides on the next run."""

from golf.play import ledger
from golf.research import attempts, directions, frontier, hearsay
from golf.research.attempts import Attempt
from golf.research.directions import NextStep
from golf.research.standing import standing
from golf.schema import Noun
from golf.workspace import Workspace

COUNT = 5
"""Directions, by default."""

WARNINGS_MAX = 3


class Outlook(Noun):
    """The next directions, and what speaks against the last ones."""

    steps: list[NextStep]
    """Most promising first, those off the beaten track among them."""
    human_slots: int
    """So many of the next experiments are a person's to direct; they are taken from `steps`."""
    warnings: list[str]
    """The search is clustered, or goes in circles; the newest last, at most three."""
    diversity: float | None
    """Of the families of the last ten own experiments: 0 one family, 1 even; None for fewer than two."""
    never_tried: list[str]
    """Families that no experiment of one's own touched; others may have, and the steps' reasons count those too."""
    own: int
    others: int
    items: int
    """Experiments, competitors and things read that this rests on."""
    local_per_promoted: float | None
    """Local runs for each idea that was promoted; about 20 in the published loop. None before the first."""


def outlook(workspace: Workspace, count: int = COUNT) -> Outlook:
    """Directions by what everybody tried, with the shares that golf.toml's [research] sets.

    Raises:
        BadConfig: `count` is below 1.
        UnreadableInput: results.tsv or a file of research is malformed.
    """
    settings = workspace.config.research
    found = tried(workspace)
    covered = frontier.coverage(found)
    next_up = directions.next_directions(
        found,
        count=count,
        off_track=settings.off_track,
        human_share=settings.human_share,
        have=standing(workspace).proven,
    )
    clustered = []
    if covered.clustered_in is not None:
        share = covered.clustered_share or 0.0
        clustered = [f"{share:.0%} of the last {covered.window} experiments are {covered.clustered_in}"]
    loops = [loop.reason for loop in covered.loops]
    return Outlook(
        steps=next_up.steps,
        human_slots=next_up.human_slots,
        warnings=[*loops[max(0, len(loops) + len(clustered) - WARNINGS_MAX) :], *clustered],
        diversity=covered.diversity,
        never_tried=covered.never_tried,
        own=sum(one.source == "experiment" for one in found),
        others=sum(one.source == "competitor" for one in found),
        items=sum(one.source == "item" for one in found),
        local_per_promoted=frontier.ratio(ledger.read(workspace.ledger)).per_promoted,
    )


def tried(workspace: Workspace) -> list[Attempt]:
    """What was read, what others tried, what was tried here; each oldest first.

    Raises:
        UnreadableInput: results.tsv or a file of research is malformed.
    """
    return [
        *hearsay.hearsay(workspace).proposals,
        *attempts.of_competitors(hearsay.known(workspace)),
        *attempts.of_workspace(workspace),
    ]
