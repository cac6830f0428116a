"""What the workspace knows when something is graded: the bar, what is proven, what failed, what others claim.

It is read off `results.tsv` and `experiments/` every time, so that the next grade follows from the last outcome.

Source of what counts as best, proven and failed: "Parameter Golf Auto Research" (2026-03-27), "The Feedback Loop".
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from golf.errors import GolfError
from golf.jobs.backend import MAY_BE_FREE
from golf.play import experiments, known_claims, ledger
from golf.play.known_claims import Load
from golf.referee import techniques
from golf.research import mentions
from golf.research.nouns import Competitor
from golf.schema import Experiment, Noun, Row
from golf.workspace import TierSettings, Workspace

FAILED_MAX = 10
"""Failed rows that are held against what repeats them: the newest."""

PAID_GPUS = 8
"""From so many GPUs a tier is the challenge's own, whoever owns the machine."""

SEED_TIER = "runpod"
"""What the published loop calls its paid tier; its results.tsv is read as ours."""

ANCESTORS_MAX = 20
"""Parents that are followed until one has another script: a paid run's parent is its local twin."""


class Failed(Noun):
    """An experiment that was discarded, or crashed."""

    description: str
    val_bpb: float | None
    tier: str
    status: Literal["discard", "crash"]
    techniques: list[str] = []
    """Ids of the referee's catalogue."""


class Standing(Noun):
    """What a grade is held against."""

    best_bpb: float | None = None
    """Lowest val_bpb that was kept on a paid tier; None before there is one."""
    best: str = ""
    """The ledger's words on that row."""
    baseline_bpb: float | None = None
    """The challenge's published baseline; None where it has none."""
    proven: list[str] = []
    """Ids of the catalogue's techniques: the naive baseline's, then those of runs kept on a paid tier."""
    tried: list[str] = []
    """Ids of techniques of other experiments: kept on a tier that proves nothing, gained too little on one that does,
    or failed before the last ten; some may be proven as well."""
    failed: list[Failed] = []
    """At most the last ten, oldest first."""
    competitors: list[Competitor] = []
    artifact_bytes_max: int
    train_time_s_max: float

    @property
    def bar_bpb(self) -> float | None:
        """What has to be beaten: the best, before there is one the baseline."""
        return self.best_bpb if self.best_bpb is not None else self.baseline_bpb


def standing(workspace: Workspace, competitors: Sequence[Competitor] = ()) -> Standing:
    """What is known here now.

    Raises:
        UnreadableInput: results.tsv has a malformed line; the message names it.
    """
    challenge, tiers = workspace.challenge, workspace.config.tiers
    best: Row | None = None
    kept: list[Row] = []
    tried: list[Row] = []
    failed: deque[Row] = deque(maxlen=FAILED_MAX)
    lowest: float | None = None
    for row in ledger.iterate(workspace.ledger):
        score = row.val_bpb if is_paid(row.tier, tiers) and _fits(row, challenge.artifact_bytes_max) else None
        has_gained = lowest is not None and score is not None and score < lowest
        if score is not None and (lowest is None or has_gained):
            lowest = score
        if row.status != "keep":
            # records gain less than the 3 % that keeps a run: too little is no failure there
            if has_gained or len(failed) == FAILED_MAX:
                tried.append(row if has_gained else failed[0])
            if not has_gained:
                failed.append(row)
        elif is_paid(row.tier, tiers):
            kept.append(row)
            if row.val_bpb is not None and (best is None or best.val_bpb is None or row.val_bpb < best.val_bpb):
                best = row
        else:
            tried.append(row)
    proven = [id for id, technique in techniques.catalogue().items() if technique.baseline]
    attempts = dict.fromkeys(row.description for row in tried)
    with known_claims.opened(workspace) as load:
        for row in kept:
            proven += techniques_of(workspace, row.description, load)
        tried_before = dict.fromkeys(id for said in attempts for id in techniques_of(workspace, said, load))
    return Standing(
        best_bpb=None if best is None else best.val_bpb,
        best="" if best is None else best.description,
        baseline_bpb=challenge.baseline_bpb,
        proven=list(dict.fromkeys(proven)),
        tried=list(tried_before),
        failed=[_failed(workspace, row) for row in failed],
        competitors=list(competitors),
        artifact_bytes_max=challenge.artifact_bytes_max,
        train_time_s_max=challenge.train_time_s_max,
    )


def is_paid(tier: str, tiers: Mapping[str, TierSettings]) -> bool:
    """Whether a tier's scores count as the challenge's: it has a price, or eight GPUs, or the published loop's name."""
    if tier == SEED_TIER:
        return True
    known = tiers.get(tier)
    if known is None:
        return False
    return known.hourly_rate_usd > 0 or known.gpus >= PAID_GPUS or known.backend not in MAY_BE_FREE


def techniques_of(workspace: Workspace, description: str, load: Load = experiments.load) -> list[str]:
    """What the experiment of a ledger row tries, as ids of the catalogue; `load` reads claims.

    Those it claims and those that its description and hypothesis name; where that is none, those that its script and
    settings name and its parent's do not. The naive baseline's are left out, unless the words name nothing else.
    """
    known = techniques.catalogue()
    folder, claim = experiment_of(workspace, description, load)
    said = list(mentions.mentioned(description))
    if claim is not None:
        said += [id for id in claim.techniques if id in known]
        said += mentions.mentioned(claim.hypothesis)
    said = mentions.narrowest(said)
    if not all(known[id].baseline for id in said):
        said = [id for id in said if not known[id].baseline]
    if not said and claim is not None:
        said = [id for id in mentions.narrowest(_changed(workspace, folder, claim, load)) if not known[id].baseline]
    return said


def experiment_of(
    workspace: Workspace, description: str, load: Load = experiments.load
) -> tuple[Path, Experiment | None]:
    """The experiment of a ledger row, by the whole name of its folder; no claim for a row of another loop, or where the
    folder was moved away or is damaged."""
    name = experiments.named_in(description)
    folder = workspace.experiments / name
    try:
        return folder, load(folder) if re.fullmatch(experiments.NAME, name) else None
    except (GolfError, OSError, ValueError):
        return folder, None


def _fits(row: Row, limit: int) -> bool:
    return row.artifact_bytes is None or row.artifact_bytes <= limit


def _failed(workspace: Workspace, row: Row) -> Failed:
    return Failed(
        description=row.description,
        val_bpb=row.val_bpb,
        tier=row.tier,
        status="crash" if row.status == "crash" else "discard",
        techniques=techniques_of(workspace, row.description),
    )


def _changed(workspace: Workspace, folder: Path, claim: Experiment, load: Load) -> list[str]:
    """What a script names and its nearest ancestor with another script or settings does not."""
    ours = experiments.source(folder, claim)
    for parent, theirs in _ancestors(workspace, claim, load):
        before = experiments.source(parent, theirs)
        if before != ours:
            known = techniques.in_source(before)
            return [id for id in techniques.in_source(ours) if id not in known]
    return [] if claim.parent else list(techniques.in_source(ours))


def _ancestors(workspace: Workspace, claim: Experiment, load: Load) -> Iterator[tuple[Path, Experiment]]:
    for _ in range(ANCESTORS_MAX):
        if claim.parent is None:
            return
        folder = workspace.experiments / claim.parent
        try:
            claim = load(folder)
        except GolfError:
            return
        yield folder, claim
