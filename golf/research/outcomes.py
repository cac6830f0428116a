"""What came of the items that were graded: their grades before anything was tried, and the gains that were measured.

An experiment follows from an item when its hypothesis or expected outcome names the item's id. What is surprising: the
grade that counts is the newest from before the item's first experiment was claimed. A failed row lowers the grades
that come after it, so a later one would foretell what is known already.

An item is one outcome, however many experiments follow from it: they share its grade, and counting them singly would
make few grades look like many.
"""

import re
import statistics
from collections.abc import Iterable, Iterator
from datetime import datetime

from golf.errors import GolfError
from golf.play import experiments, ledger
from golf.research import attempts, foreign, grades, place, records
from golf.research.calibration import Calibration, Outcome, calibrate
from golf.research.nouns import Graded
from golf.research.standing import is_paid
from golf.schema import Experiment, Noun
from golf.workspace import Workspace

_JOINED = r"\w./#:@?&=%~+\-"
_BEFORE = re.compile(rf"(?<![{_JOINED}])[a-z][a-z_-]*:")
"""Where an id may begin."""
_AFTER = re.compile(rf"(?![{_JOINED}]*\w)")
"""Where one may end: not within a longer one, but before a full stop."""


class Run(Noun):
    """A row of an experiment in the ledger."""

    tier: str
    is_scored: bool
    gain_bpb: float | None
    is_crash: bool


class Followed(Noun):
    """Every item that experiments follow from: outcomes, and how many have none."""

    outcomes: list[Outcome]
    num_crashed: int = 0
    """Every run of it crashed: there is no gain."""
    num_uncompared: int = 0
    """It has no score, or none on its tier came before."""
    num_ungraded: int = 0
    """Graded only after its first experiment was claimed, or that claim has no date."""

    @property
    def left_out(self) -> str:
        """In words; empty when nothing was."""
        counts = {
            "crashed": self.num_crashed,
            "without a score to compare": self.num_uncompared,
            "not graded before it was claimed": self.num_ungraded,
        }
        return ", ".join(f"{count} {why}" for why, count in counts.items() if count)


def outcomes(workspace: Workspace) -> list[Outcome]:
    """Items that were graded and then tried, by id, with what was gained; see `followed`."""
    return followed(workspace).outcomes


def calibrated(workspace: Workspace) -> Calibration:
    """The grader against what was measured here; its summary also says what was left out.

    Raises:
        UnreadableInput: results.tsv or grades.jsonl has a malformed line.
    """
    found = followed(workspace)
    said = calibrate(found.outcomes)
    left_out = f"; left out: {found.left_out}" if found.left_out else ""
    return said.model_copy(update={"summary": said.summary + left_out})


def followed(workspace: Workspace) -> Followed:
    """Every graded item that experiments follow from, and what came of it.

    The gain is measured on the dearest tier that any of them was compared on, each by its first scored run there; of
    several experiments it is the mean, because the best of them would reward trying often.

    Raises:
        UnreadableInput: results.tsv or grades.jsonl has a malformed line.
    """
    history: dict[str, list[Graded]] = {}
    for one in records.read(place.folder(workspace) / grades.GRADES, Graded):
        history.setdefault(one.item_id, []).append(one)
    claims: dict[str, list[tuple[str, datetime | None]]] = {}
    for name, claim in _claims(workspace, history):
        for id in named(f"{claim.hypothesis}\n{claim.expected_outcome}", history):
            claims.setdefault(id, []).append((name, foreign.moment(claim.created_at)))
    played = _played(workspace)
    found: list[Outcome] = []
    crashed = uncompared = ungraded = 0
    for id, following in sorted(claims.items()):
        runs = [run for name, _ in following for run in played.get(name, [])]
        dates = [at for _, at in following if at is not None]
        graded = before(history[id], min(dates)) if len(dates) == len(following) else None
        gain = _gain(workspace, [played.get(name, []) for name, _ in following])
        if not runs:
            continue
        if all(run.is_crash for run in runs):
            crashed += 1
        elif gain is None:
            uncompared += 1
        elif graded is None:
            ungraded += 1
        else:
            found.append(Outcome(graded=graded, gain_bpb=gain))
    return Followed(outcomes=found, num_crashed=crashed, num_uncompared=uncompared, num_ungraded=ungraded)


def before(history: Iterable[Graded], at: datetime) -> Graded | None:
    """The newest grade from before `at`: the rules', or Codex's where they gave none; None where there is none."""
    earlier = [one for one in history if one.graded_at < at]
    return max(earlier, key=lambda one: (one.graded_by == "rules", one.graded_at), default=None)


def named(text: str, ids: Iterable[str]) -> set[str]:
    """Those of `ids` that a text names as a whole; the longest where one begins like another."""
    known = set(ids)
    lengths = sorted({len(id) for id in known}, reverse=True)
    found: set[str] = set()
    for match in _BEFORE.finditer(text):
        start = match.start()
        for length in lengths:
            if text[start : start + length] in known and _AFTER.match(text, start + length):
                found.add(text[start : start + length])
                break
    return found


def _claims(workspace: Workspace, ids: Iterable[str]) -> Iterator[tuple[str, Experiment]]:
    """Claims that may name an item; the many others are not parsed. A damaged one follows from nothing."""
    kinds = {id.partition(":")[0] + ":" for id in ids}
    for path in sorted(workspace.experiments.glob(f"*/{experiments.CONFIG}")):
        try:
            text = path.read_text(encoding="utf-8")
            if any(kind in text for kind in kinds):
                yield path.parent.name, experiments.load(path.parent)
        except (GolfError, OSError, ValueError):
            continue


def _played(workspace: Workspace) -> dict[str, list[Run]]:
    """Experiment → its rows in the ledger, in their order."""
    found: dict[str, list[Run]] = {}
    best: dict[str, float] = {}
    for row in ledger.iterate(workspace.ledger):
        gain = attempts.gained(row, best)
        is_crash = row.status == "crash"
        is_scored = row.val_bpb is not None and not is_crash
        one = Run(tier=row.tier, is_scored=is_scored, gain_bpb=gain, is_crash=is_crash)
        found.setdefault(attempts.named(row.description)[0], []).append(one)
    return found


def _gain(workspace: Workspace, played: list[list[Run]]) -> float | None:
    """Mean gain over experiments, of each the first scored run on the dearest tier that any was compared on.

    A repetition does not count: it is compared with its own first run.
    """
    tiers = workspace.config.tiers
    rungs = list(tiers)

    def price(tier: str) -> tuple[bool, float, int]:
        known = tiers.get(tier)
        rate = known.hourly_rate_usd if known else 0.0
        return is_paid(tier, tiers), rate, rungs.index(tier) if known else -1

    gains: dict[str, list[float]] = {}
    for runs in played:
        first: dict[str, Run] = {}
        for run in runs:
            if run.is_scored:
                first.setdefault(run.tier, run)
        for tier, run in first.items():
            if run.gain_bpb is not None:
                gains.setdefault(tier, []).append(run.gain_bpb)
    return statistics.fmean(gains[max(gains, key=price)]) if gains else None
