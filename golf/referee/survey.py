"""Many submissions seen together, from what is known of each."""

import datetime
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from golf.answers.submissions import VERDICTS
from golf.referee import kinship, standings, techniques
from golf.referee.field import Changes, Entry, Field, Spread
from golf.referee.judging import Judged


@dataclass(frozen=True)
class Placed:
    """A judged submission, and where and when it was found."""

    name: str
    judged: Judged
    since: str | None = None
    until: str | None = None
    """Days of the first and the last commit of its pull request."""


def survey(placed: Sequence[Placed], source: str, before: Mapping[str, str] | None = None) -> Field:
    """See submissions together; `before` is what the last run's verdicts were, by name."""
    days = {one.name: _day(one) for one in placed}
    ordered = sorted(placed, key=lambda one: (days[one.name] or "9999", by_number(one.name)))
    programs = [(one, hashes) for one in ordered if (hashes := one.judged.hashes) is not None]
    kin = kinship.Kinship(
        [one.name for one, _ in programs],
        [hashes for _, hashes in programs],
        [one.judged.ruling.verdict == "block" for one, _ in programs],
    )
    entries = _entries(ordered, days, kin)
    return Field(
        source=source,
        entries=sorted(entries, key=lambda entry: (VERDICTS.index(entry.ruling.verdict), by_number(entry.name))),
        families=kinship.families(entries),
        weeks=kinship.weeks(entries, kin),
        techniques=_spreads(entries),
        changes=None if before is None else _changes(before, entries),
    )


def by_number(name: str) -> tuple[int, str]:
    """Sorts `#99 x` before `#100 x`."""
    number = re.match(r"#(\d+)", name)
    return int(number[1]) if number else 0, name


def _entries(ordered: Sequence[Placed], days: Mapping[str, str | None], kin: kinship.Kinship) -> list[Entry]:
    said = {one.name: one.judged.ruling.submission for one in ordered}
    worth = {one.name: standings.standing(one.judged.ruling) for one in ordered}
    credible = [(name, noun) for name, noun in said.items() if worth[name][0] == "credible"]
    ranks = standings.ranks((name, noun.track, noun.val_bpb) for name, noun in credible)
    by_claim = standings.ranks((name, noun.track, noun.claimed_val_bpb) for name, noun in said.items())
    parents, nearest, nearest_blocked = _parents(ordered), kin.nearest(), kin.nearest_blocked()
    return [
        Entry(
            name=one.name,
            day=days[one.name],
            standing=worth[one.name][0],
            why=worth[one.name][1],
            rank=ranks.get(one.name),
            rank_by_claim=by_claim.get(one.name),
            family=kin.founders.get(one.name),
            nearest=nearest.get(one.name),
            nearest_blocked=nearest_blocked.get(one.name),
            parents=parents[one.name],
            ruling=one.judged.ruling,
            sightings=one.judged.sightings,
        )
        for one in ordered
    ]


def _day(one: Placed) -> str | None:
    """The day a submission gives itself, as far as its commits bear it out."""
    said = one.judged.ruling.submission
    claimed = next((day for text in (said.date, said.folder) if text and (day := _iso_day(text))), one.until)
    if claimed and one.since and one.until:
        return min(max(claimed, one.since), one.until)
    return claimed


def _iso_day(text: str) -> str | None:
    match = re.match(r"\d{4}-\d{2}-\d{2}", text)
    try:
        return datetime.date.fromisoformat(match[0]).isoformat() if match else None
    except ValueError:
        return None


def _parents(ordered: Sequence[Placed]) -> dict[str, list[str]]:
    """Name → names of what it says it builds on: pull requests by number, records by folder."""
    known: dict[str, list[str]] = {}
    for one in ordered:
        said = one.judged.ruling.submission
        for key in {said.folder, f"#{said.pr}"}:
            known.setdefault(key, []).append(one.name)
    found = {}
    for one in ordered:
        named = dict.fromkeys(known[parent][0] for parent in one.judged.ruling.submission.parents if parent in known)
        found[one.name] = [name for name in named if name != one.name]
    return found


def _spreads(entries: Sequence[Entry]) -> list[Spread]:
    seen: dict[str, list[tuple[Entry, str]]] = {}
    for entry in entries:
        for sighting in entry.sightings:
            seen.setdefault(sighting.technique, []).append((entry, sighting.state))
    found = []
    for technique in techniques.catalogue().values():
        sights = seen.get(technique.id, [])
        users = [entry for entry, state in sights if state == "used"]
        if sights:
            states = Counter(state for _, state in sights)
            standing = Counter(entry.standing for entry in users)
            found.append(
                Spread(
                    technique=technique.id,
                    name=technique.name,
                    family=technique.family,
                    num_used=states["used"],
                    num_off=states["off"],
                    num_claimed=states["claimed"],
                    num_credible=standing["credible"],
                    num_blocked=standing["blocked"],
                    first=users[0].name if users else None,
                )
            )
    return found


def _changes(before: Mapping[str, str], entries: Sequence[Entry]) -> Changes:
    now = {entry.name: entry.ruling.verdict for entry in entries}
    return Changes(
        new=[name for name in now if name not in before],
        gone=sorted(set(before) - set(now), key=by_number),
        verdicts={
            name: f"{before[name]} → {verdict}" for name, verdict in now.items() if before.get(name, verdict) != verdict
        },
    )
