"""Everything that was tried, by whomever, in one form: its techniques, what came of it, and what it cost.

A gain is counted against the best score that was known before the attempt, so that repeating what is known gains
nothing. What could not be measured, or gains more than anybody credibly did, has no gain: it is a try and teaches
nothing about the score.
"""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

from pydantic import AwareDatetime, Field, FiniteFloat

from golf import rules
from golf.play import known_claims, ledger
from golf.referee import techniques
from golf.research import foreign
from golf.research.mentions import mentioned, narrowest
from golf.research.nouns import Competitor, Item
from golf.research.standing import experiment_of
from golf.schema import Experiment, Noun, Row
from golf.workspace import Workspace

OTHER = "other"
"""Family of an attempt that names no technique of the catalogue."""

CREDIBLE_GAIN_MAX = 0.03
"""A competitor's gain in bits per byte over the best one known before, beyond which it is not counted.

Source: the records of openai/parameter-golf: after the first two days no credible one improved on the last by more.
"""

NAME_CHARS = 80
"""Of a name that is a description's own words."""


class Attempt(Noun):
    """One thing that was tried, or that somebody proposes to try."""

    name: str
    source: Literal["experiment", "competitor", "item"]
    text: str = ""
    """What was to be shown, in the words of whoever tried it."""
    techniques: list[str] = []
    """Ids of the catalogue, the narrowest that apply."""
    gain_bpb: FiniteFloat | None = None
    """Bits per byte gained over the best known before; negative is worse; None where nothing believable is known."""
    cost_usd: float = Field(default=0.0, ge=0)
    at: AwareDatetime | None = None
    tier: str = ""
    """Of an experiment."""
    outcome: str = ""
    """How it ended, in short: `keep`, `discard`, `crash`, or a doubt."""

    @cached_property
    def families(self) -> list[str]:
        """Families of its techniques, sorted; `other` alone where it names none."""
        known = techniques.catalogue()
        return sorted({known[id].family for id in self.techniques if id in known}) or [OTHER]

    @property
    def is_tried(self) -> bool:
        """Whether it is more than something to read about."""
        return self.source != "item"

    @property
    def is_win(self) -> bool:
        """Whether it improved on what was known."""
        return self.gain_bpb is not None and self.gain_bpb > 0

    @property
    def is_failure(self) -> bool:
        """Whether it crashed or measured no better than what was known; what was kept or never compared is none."""
        if self.outcome == "crash":
            return True
        return self.outcome != "keep" and self.gain_bpb is not None and not self.is_win


def of_workspace(workspace: Workspace) -> list[Attempt]:
    """The ledger's rows as attempts, oldest first, with what their claims say where the folders are still there.

    Raises:
        UnreadableInput: results.tsv has a malformed line.
    """
    with known_claims.opened(workspace) as load:
        return of_rows(ledger.iterate(workspace.ledger), lambda row: experiment_of(workspace, row.description, load)[1])


def of_rows(rows: Iterable[Row], claim: Callable[[Row], Experiment | None] = lambda row: None) -> list[Attempt]:
    """Ledger rows as attempts, in their order; a gain is over the best kept row of the same tier before it.

    Techniques are those that words name, the claim's or the row's own. Scripts are not read, of a whole ledger they are
    too many (`golf.research.standing.techniques_of` reads those of a few rows).
    """
    best: dict[str, float] = {}
    found = []
    for row in rows:
        name, words = named(row.description)
        said = claim(row)
        text = said.hypothesis if said else words
        found.append(
            Attempt(
                name=name,
                source="experiment",
                text=text,
                techniques=narrowest(
                    id for id in (*(said.techniques if said else ()), *mentioned(text)) if id in techniques.catalogue()
                ),
                gain_bpb=gained(row, best),
                cost_usd=max(0.0, row.cost_usd),
                at=foreign.moment(said.created_at if said else name[:10]),
                tier=row.tier,
                outcome=row.status,
            )
        )
    return found


def gained(row: Row, best: dict[str, float]) -> float | None:
    """What a row gains in bits per byte over the best kept row of its tier before it; None where either has no score.

    `best` holds that one by tier and is brought up to date: a ledger's rows are asked about in their order.
    """
    score = row.val_bpb if row.status != "crash" else None
    before = best.get(row.tier)
    if row.status == "keep" and score is not None:
        best[row.tier] = min(score, math.inf if before is None else before)
    return None if score is None or before is None else before - score


def idea(name: str, words: str) -> str:
    """What makes two ledger rows one idea on two tiers: their words, else their name; case and spaces do not count."""
    return " ".join((words or name).casefold().split())


def ideas(attempts: Iterable[Attempt]) -> list[Attempt]:
    """The same with each own idea once: its run on another tier is no second attempt, it settles the first one.

    The later tier's gain counts where it has one, and the cheaper run's cost: that is what an attempt takes, and
    what comes after it is another decision. On the same tier again is another attempt.
    """
    found: list[Attempt] = []
    places: dict[str, tuple[int, set[str]]] = {}
    for one in attempts:
        if one.source == "experiment":
            place, tiers = places.get(key := idea(one.name, one.text), (-1, {one.tier}))
            if one.tier not in tiers:
                tiers.add(one.tier)
                found[place] = _settled(found[place], one)
                continue
            places[key] = len(found), {one.tier}
        found.append(one)
    return found


def _settled(first: Attempt, later: Attempt) -> Attempt:
    if later.outcome == "crash":  # of a machine, as far as is known: the idea ran before
        return first
    return first.model_copy(
        update={
            "techniques": narrowest([*first.techniques, *later.techniques]),
            "gain_bpb": first.gain_bpb if later.gain_bpb is None else later.gain_bpb,
            "cost_usd": min(first.cost_usd, later.cost_usd),
            "at": later.at or first.at,
            "outcome": later.outcome,
        }
    )


def of_competitors(competitors: Iterable[Competitor]) -> list[Attempt]:
    """Others' submissions as attempts, by day; a gain is over the best credible one of an earlier day.

    Undated ones come first and are compared with the naive baseline.
    """
    found = []
    best = pending = rules.NAIVE_BASELINE_BPB
    day = None
    early = datetime.min.replace(tzinfo=UTC)
    for one in sorted(competitors, key=lambda one: (one.published_at or early, one.number or 0, one.name)):
        today = one.published_at.date() if one.published_at else None
        if today != day:
            best, day = pending, today
        gain = None if one.val_bpb is None else best - one.val_bpb
        found.append(
            Attempt(
                name=one.name,
                source="competitor",
                text=one.name,
                techniques=[id for id in one.techniques if id in techniques.catalogue()],
                gain_bpb=None if gain is None or gain > CREDIBLE_GAIN_MAX else gain,
                at=one.published_at,
                outcome="; ".join(one.doubts)[:200],
            )
        )
        if one.is_credible and one.val_bpb is not None:
            pending = min(pending, one.val_bpb)
    return found


def of_items(items: Iterable[Item]) -> list[Attempt]:
    """What was read, as things that nobody here has tried."""
    return [
        Attempt(
            name=item.id,
            source="item",
            text=item.title,
            techniques=list(mentioned(f"{item.title}. {item.text}")),
            at=item.published_at,
        )
        for item in items
    ]


def named(description: str) -> tuple[str, str]:
    """The experiment's name before a description, and the rest; a row of another loop is named by its own words."""
    name, colon, rest = description.partition(": ")
    if colon and " " not in name:
        return name, rest
    return foreign.line(description, NAME_CHARS) or "?", description
