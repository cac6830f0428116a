"""All sources at once, each in a thread and with a deadline of its own: what one does costs the others nothing.

Outcomes come as sources end, so that what one has found is stored while another still hangs. A source that does not
even end at its deadline (a resolver that does not answer) is given up; its thread ends with the process.
"""

import queue
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from golf.errors import GolfError, explained
from golf.jobs.heard import told
from golf.research import sources
from golf.research.addresses import WebFailed
from golf.research.nouns import Item
from golf.research.sources import Off
from golf.research.validators import Validators
from golf.research.web import Web
from golf.workspace import ResearchSettings

GRACE_S = 5.0
"""Beyond its deadline a source is waited for so long; it ends by itself as a rule."""


@dataclass(frozen=True)
class Outcome:
    """How one source's visit ended."""

    name: str
    state: Literal["ok", "off", "failed"]
    items: list[Item]
    seconds: float
    error: str = ""
    retry_after_s: float | None = None
    web: Web | None = None
    """To keep what it heard, once the items are stored."""


def gather(
    since: Mapping[str, datetime],
    settings: ResearchSettings,
    validators: Validators | None = None,
    grace_s: float = GRACE_S,
) -> Iterator[Outcome]:
    """Visit these sources; one outcome for each, as they end.

    Args:
        since: Name of a source → from when on it is asked.
        settings: Of golf.toml, with absolute paths.
        validators: What makes questions conditional; None asks for everything.
        grace_s: Seconds beyond its deadline after which a source is given up.
    """
    ended: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    begun = time.monotonic()
    for name, start in since.items():
        visit = threading.Thread(
            target=lambda name=name, start=start: ended.put(_visited(name, start, settings, validators)),
            name=f"research-{name}",
            daemon=True,
        )
        visit.start()
    missing = dict.fromkeys(since)
    while missing:
        left_s = begun + settings.deadline_s + grace_s - time.monotonic()
        try:
            outcome = ended.get(timeout=max(0.0, left_s))
        except queue.Empty:
            for name in missing:
                error = f"not ended {grace_s:g} s after its deadline of {settings.deadline_s:g} s; given up"
                yield Outcome(name, "failed", [], time.monotonic() - begun, error)
            return
        del missing[outcome.name]
        yield outcome


def _visited(name: str, since: datetime, settings: ResearchSettings, validators: Validators | None) -> Outcome:
    begun = time.monotonic()
    try:
        with Web(settings.deadline_s, validators) as web:
            found = sources.opened(name)(since, settings, web)
            failures = told("; ".join(found.failures), 600)
            return Outcome(name, "ok", list(found.items), time.monotonic() - begun, failures, web=web)
    except Off as error:
        return Outcome(name, "off", [], time.monotonic() - begun, told(error))
    except Exception as error:  # whatever it is, the other sources have nothing to do with it
        failure = error if isinstance(error, GolfError) else explained(error)
        retry_after_s = error.retry_after_s if isinstance(error, WebFailed) else None
        return Outcome(name, "failed", [], time.monotonic() - begun, told(failure), retry_after_s)
