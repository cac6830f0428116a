"""When a source is visited next, and how the last visit went: `health.json`.

Every six hours for the batch and every hour for breaking news. A failed source is tried again sooner, later each time
it fails, and never before it asked to be. A clock that runs backwards makes a source due, not silent.

Source: "Parameter Golf Auto Research", 2026-03-27, "The Research Pipeline", for both cadences.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime

from golf import durable
from golf.research.place import locked
from golf.research.sources import SOURCES
from golf.schema import Noun
from golf.workspace import ResearchSettings

RETRY_S = 600.0
"""After a first failure; doubled with each further one, up to the cadence."""
RETRY_AFTER_MAX_S = 86_400.0
"""A server that asks for a longer wait is asked again after a day."""


class Health(Noun):
    """One source: how its visit went."""

    name: str
    state: Literal["ok", "off", "failed", "not_due"]
    """off: not set up (`error` says what would set it up), which is fine; not_due: not visited this time."""
    items: int = 0
    """Found by the visit, known ones included."""
    new: int = 0
    """Of these stored."""
    seconds: float = 0.0
    error: str = ""
    """Also of a source that is ok, where a part of it failed."""
    checked_at: AwareDatetime | None = None
    succeeded_at: AwareDatetime | None = None
    """The last visit of which no part failed: what is newer is asked for, and something before."""
    failures: int = 0
    """In a row."""
    next_due_at: AwareDatetime | None = None


def cadence(name: str, settings: ResearchSettings) -> timedelta:
    """How often a source is visited."""
    return timedelta(hours=settings.breaking_h if SOURCES[name].cadence == "breaking" else settings.batch_h)


def is_due(last: Health | None, now: datetime) -> bool:
    """Whether it is time: never visited, the time has come, or the clock was ahead when it was."""
    if last is None or last.checked_at is None or last.next_due_at is None:
        return True
    return now >= last.next_due_at or now < last.checked_at


def since(last: Health | None, settings: ResearchSettings, now: datetime) -> datetime:
    """From when on a visit asks: with an overlap, as what is known is not stored again."""
    seen = min(now, last.succeeded_at) if last is not None and last.succeeded_at is not None else now
    return seen - timedelta(days=settings.lookback_days)


def visited(
    last: Health | None, found: Health, settings: ResearchSettings, now: datetime, retry_after_s: float | None = None
) -> Health:
    """The health after a visit, with the time of the next."""
    every = cadence(found.name, settings)
    failures = 0
    succeeded_at = last.succeeded_at if last is not None else None
    next_due_at = now + every
    if found.state == "failed":
        failures = (last.failures if last is not None else 0) + 1
        wait_s = min(every.total_seconds(), RETRY_S * 2.0 ** min(failures - 1, 30))
        next_due_at = now + timedelta(seconds=max(wait_s, min(retry_after_s or 0.0, RETRY_AFTER_MAX_S)))
    elif found.state == "off":
        next_due_at = now  # costs nothing to look
    elif not found.error:
        succeeded_at = now
    return found.model_copy(
        update={"checked_at": now, "succeeded_at": succeeded_at, "failures": failures, "next_due_at": next_due_at}
    )


def read(path: Path) -> dict[str, Health]:
    """The health of every source that was ever visited; none where the file is missing or damaged."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {name: Health.model_validate(row) for name, row in rows.items() if name in SOURCES}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}  # every source is due then, which does no harm


def write(path: Path, healths: Iterable[Health]) -> None:
    """Put these in the place of what is known of the same sources."""
    with locked(path.parent):
        known = {**read(path), **{health.name: health for health in healths}}
        durable.replace_json(path, {name: health.model_dump(mode="json") for name, health in known.items()})


def next_due(healths: Mapping[str, Health], names: Iterable[str], now: datetime) -> datetime:
    """When the first of these is due; now, where one is already."""
    times = [now if is_due(last := healths.get(name), now) or last is None else last.next_due_at for name in names]
    return min((time for time in times if time is not None), default=now)
