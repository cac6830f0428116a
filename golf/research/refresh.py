"""One round of reading: visit what is due, store what is new, remember how it went. And the watch that repeats it."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from golf.research import cache, place, schedule, sources
from golf.research.gather import gather
from golf.research.nouns import Item
from golf.research.schedule import Health
from golf.research.validators import Validators
from golf.schema import Noun
from golf.workspace import ResearchSettings, Workspace

LOOK_S = 300.0
"""A watch looks at the clock at least so often: a laptop may have slept."""


class Heading(Noun):
    """A new item in a line."""

    id: str
    source: str
    title: str
    """As its author wrote it, who is a stranger."""
    url: str | None
    published_at: datetime | None


class Refreshed(Noun):
    """What a round brought."""

    at: datetime
    found: int
    new: int
    sources: list[Health]
    items: list[Heading]
    """The new ones."""

    @property
    def has_failed(self) -> bool:
        """Whether sources were visited and none of them answered."""
        states = {health.state for health in self.sources}
        return "failed" in states and "ok" not in states


def refresh(
    workspace: Workspace,
    only: Sequence[str] = (),
    *,
    force: bool = False,
    now: datetime | None = None,
    say: Callable[[Health], object] = lambda health: None,
) -> Refreshed:
    """Visit the sources that are due and store what is new in `raw_cache.jsonl`.

    Args:
        workspace: Whose golf.toml and cache.
        only: Names of sources; empty for all that golf.toml does not switch off.
        force: Whether to visit what is not due, too.
        now: The time; tests have their own.
        say: Told of each source as it ends.

    Raises:
        BadConfig: there is no such source.
    """
    at = now or datetime.now(UTC)
    settings = placed(workspace)
    folder = place.folder(workspace)
    health_file, raw = folder / place.HEALTH, folder / place.RAW_CACHE
    known = schedule.read(health_file)
    wanted = sources.chosen(settings, only)
    due = {
        name: schedule.since(known.get(name), settings, at)
        for name in wanted
        if force or schedule.is_due(known.get(name), at)
    }
    validators = Validators(folder / place.VALIDATORS, is_void=not raw.exists())
    stored = cache.RawCache(raw)
    healths: dict[str, Health] = {}
    new: list[Item] = []
    found = 0
    for outcome in gather(due, settings, validators):
        added = stored.add(outcome.items) if outcome.items else []
        if outcome.web is not None:
            outcome.web.keep()
        ended = Health(
            name=outcome.name, state=outcome.state, items=len(outcome.items), new=len(added), seconds=outcome.seconds,
            error=outcome.error,
        )  # fmt: skip
        healths[outcome.name] = schedule.visited(known.get(outcome.name), ended, settings, at, outcome.retry_after_s)
        schedule.write(health_file, [healths[outcome.name]])
        new += added
        found += len(outcome.items)
        say(healths[outcome.name])
    for name in wanted:
        if name not in healths:
            healths[name] = known[name].model_copy(update={"state": "not_due", "items": 0, "new": 0, "seconds": 0.0})
    return Refreshed(
        at=at, found=found, new=len(new), sources=[healths[name] for name in wanted], items=[heading(i) for i in new]
    )


def watch(
    workspace: Workspace,
    stop: threading.Event,
    *,
    say: Callable[[Health], object] = lambda health: None,
    then: Callable[[Refreshed], object] = lambda refreshed: None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Refresh whatever is due until `stop` is set; breaking news in a loop of its own, which the batch never waits for.

    Args:
        workspace: As `refresh`.
        stop: Ends it.
        say: Told of each source as it ends.
        then: Done after every round; not two at once.
        clock: The time; tests have their own.

    Raises:
        BadConfig: golf.toml switches off what there is not.
        OSError: what was found could not be stored.
    """
    names = sources.chosen(placed(workspace))
    failures: list[Exception] = []
    one_at_a_time = threading.Lock()

    def after(refreshed: Refreshed) -> None:
        with one_at_a_time:
            then(refreshed)

    def loop(group: list[str]) -> None:
        try:
            _repeat(workspace, group, stop, say, after, clock)
        except Exception as error:  # a full disk, a golf.toml that was broken meanwhile: a silent watch is none
            failures.append(error)
            stop.set()

    loops = [
        threading.Thread(target=loop, args=(group,), daemon=True)
        for cadence in ("batch", "breaking")
        if (group := [name for name in names if sources.SOURCES[name].cadence == cadence])
    ]
    for one in loops:
        one.start()
    while not stop.wait(LOOK_S):  # here, so that Ctrl-C is heard
        pass
    if failures:
        raise failures[0]


def _repeat(
    workspace: Workspace,
    names: Sequence[str],
    stop: threading.Event,
    say: Callable[[Health], object],
    then: Callable[[Refreshed], object],
    clock: Callable[[], datetime],
) -> None:
    while not stop.is_set():
        then(refresh(workspace, names, now=clock(), say=say))
        now = clock()
        known = schedule.read(place.folder(workspace) / place.HEALTH)
        on = [name for name in names if name in known and known[name].state != "off"]
        wait_s = (schedule.next_due(known, on, now) - now).total_seconds() if on else LOOK_S
        stop.wait(min(LOOK_S, max(1.0, wait_s)))


def placed(workspace: Workspace) -> ResearchSettings:
    """golf.toml's [research] with its folders as absolute paths."""
    settings = workspace.config.research
    folders = {
        name: str(workspace.root / given) for name in ("notes", "clone") if (given := getattr(settings, name)) != ""
    }
    return settings.model_copy(update=folders)


def heading(item: Item) -> Heading:
    """An item in a line."""
    return Heading(id=item.id, source=item.source, title=item.title, url=item.url, published_at=item.published_at)


def listed(workspace: Workspace, last: int) -> tuple[list[Heading], int]:
    """The newest `last` items of the cache, oldest first, and how many there are in all."""
    items = cache.read(place.folder(workspace) / place.RAW_CACHE)
    return [heading(item) for item in items[len(items) - min(last, len(items)) :]], len(items)
