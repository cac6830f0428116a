"""One call surface for every tracker: `start(run, config, tags)`, `log(metrics, step)`, `alert(…)`, `finish(summary)`.

What a run is, is its key: starting a key that the store holds goes on with that run, and `log` and `alert` write only
what is not there yet. So a run can be tracked while it grows, again after a kill, and again when it is over, and is in
the store once. What was written is read back at the end, because trackers swallow their own failures.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from golf.errors import TrackingFailed

TrackerName = Literal["trackio", "mlflow", "wandb", "jsonl"]

Level = Literal["info", "warn", "error"]

FINAL = "final/"
"""Before the names of final numbers, where a store has no other place for them."""

NO_STEP = -1
"""Of what is said of a whole run."""


@dataclass(frozen=True)
class Alert:
    """What whoever watches should know of a run."""

    title: str
    """One alert of a title is kept per run."""
    text: str
    level: Level
    step: int = 0


@dataclass
class StoredRun:
    """A run as a store holds it."""

    name: str
    config: dict[str, Any]
    points: list[dict[str, Any]] = field(default_factory=list)
    """Metrics in the order they were logged, each with its `step`; the summary's keys start with `final/`."""
    key: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    alerts: dict[str, str] = field(default_factory=dict)
    """Level by title."""
    is_finished: bool = False

    def values(self) -> dict[tuple[int, str], Any]:
        """Every value by step and name, final ones at `NO_STEP`; of several the last."""
        return {
            (NO_STEP if name.startswith(FINAL) else int(point.get("step") or 0), name): value
            for point in self.points
            for name, value in point.items()
            if name != "step"
        }


class Tracker(ABC):
    """One run in one store; made for it, used from one thread."""

    to: TrackerName
    place: str
    """The store as people name it; no password in it."""
    settles_s = 0.0
    """Seconds that the library may still write after it says that it is done."""

    def __init__(self) -> None:
        self.name = ""
        self.is_resumed = False
        self.added = 0
        """Values written by this tracker, final ones included."""
        self.differing = 0
        """Values that the store holds otherwise; what it holds stands."""
        self._values: dict[tuple[int, str], Any] = {}
        self._alerts: set[str] = set()
        self._last = 0
        self._reopen: Callable[[], str] | None = None
        self._was_finished = False

    def start(
        self,
        run: str,
        config: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        *,
        key: str = "",
    ) -> str:
        """Open a run and return the name that it has in the store: `run`, made unique with `-2`, `-3`, …

        Args:
            run: The name that is wanted.
            config: What the run was started with.
            tags: What to find it by.
            key: What makes it this run wherever it is tracked; one that the store holds is gone on with. Empty: a new
                run in any case.

        Raises:
            MissingPackage: the tracker's library is not installed.
            TrackingFailed: the store cannot be used.
        """
        held = self.find(key) if key else None
        given = (dict(config or {}), dict(tags or {}), key, held)
        if held is None:
            self.name = self._open(run, *given)
            return self.name
        self._values, self._alerts, self.is_resumed = held.values(), set(held.alerts), True
        self._last = max((0, *(step for step, _ in self._values)))
        self.name = held.name
        self._reopen = lambda: self._open(held.name, *given)  # when there is something to write
        self._was_finished = held.is_finished
        return self.name

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Write the metrics of a step, as far as they are not there.

        Raises:
            TrackingFailed: the store did not take them.
        """
        new: dict[str, float] = {}
        for name, value in metrics.items():
            known = self._values.get((step, name))
            if known is None:
                new[name] = value
                self._values[step, name] = value
            elif not _same(known, value):
                self.differing += 1
        if new:
            self._opened()
            self._log(new, step)
            self.added += len(new)
            self._last = max(self._last, step)

    def alert(self, alert: Alert) -> None:
        """Tell whoever watches, once per title.

        Raises:
            TrackingFailed: the store did not take it.
        """
        if alert.title not in self._alerts:
            self._alerts.add(alert.title)
            self._opened()
            self._alert(alert)

    def flush(self) -> None:  # noqa: B027 - only some gather
        """Write what was gathered, for whoever watches."""

    def finish(self, summary: Mapping[str, Any] | None = None) -> None:
        """Write the final values, close the run and read it back.

        Args:
            summary: Final values; of a run that has not ended well, nothing.

        Raises:
            TrackingFailed: the store does not hold every value; what it holds stays.
        """
        new: dict[str, Any] = {}
        for name, value in (summary or {}).items():
            known = self._values.get((NO_STEP, f"{FINAL}{name}"))
            if value is not None and known is None:
                new[name] = value
            elif value is not None and not _same(known, value):
                self.differing += 1
        numbers = {name: value for name, value in new.items() if isinstance(value, int | float)}
        if self._reopen is not None and self._was_finished and not numbers:
            return  # all of it is there
        self._opened()
        self._close(new, self._last)
        self.added += len(numbers)
        self._values |= {(NO_STEP, f"{FINAL}{name}"): value for name, value in numbers.items()}
        self._check()

    def abandon(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of the run as it is, e.g. after a failure; never raises."""

    def _opened(self) -> None:
        if self._reopen is not None:
            self._reopen()
            self._reopen = None

    def _check(self) -> None:
        until = time.monotonic() + self.settles_s
        while True:
            kept = self.read_back().values()
            lost = sum(not _same(kept.get(at), value) for at, value in self._values.items())
            if not lost or time.monotonic() >= until:
                break
            time.sleep(0.05)
        if lost:
            raise TrackingFailed(f"{self.to} kept {len(self._values) - lost} of {len(self._values)} values of "
                                 f"{self.name} in {self.place}. {self._said()}".strip())  # fmt: skip

    @property
    def count(self) -> int:
        """Values of the run that the store holds, or was told."""
        return len(self._values)

    @abstractmethod
    def find(self, key: str) -> StoredRun | None:
        """The store's run of this key."""

    @abstractmethod
    def read_back(self) -> StoredRun:
        """The run that was started, as the store holds it now."""

    @abstractmethod
    def _open(
        self, run: str, config: dict[str, Any], tags: dict[str, str], key: str, held: StoredRun | None
    ) -> str: ...

    @abstractmethod
    def _log(self, metrics: Mapping[str, float], step: int) -> None: ...

    @abstractmethod
    def _alert(self, alert: Alert) -> None: ...

    @abstractmethod
    def _close(self, summary: Mapping[str, Any], step: int) -> None: ...

    def _said(self) -> str:
        """The library's last words."""
        return ""


def unique(name: str, taken: set[str]) -> str:
    """`name`, or with the first of `-2`, `-3`, … that is not taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free


def _same(kept: Any, value: Any) -> bool:
    if isinstance(kept, str) and isinstance(value, float) and not math.isfinite(value):
        return math.isnan(float(kept)) if math.isnan(value) else float(kept) == value
    if isinstance(kept, float) and isinstance(value, float) and math.isnan(kept):
        return math.isnan(value)
    return bool(kept == value)
