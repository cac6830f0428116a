"""Runs into trackers: as they are now, or on and on until they end. A tracker that fails is left out and told of."""

import contextlib
import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from golf.desk.tracking.alone import Alone
from golf.desk.tracking.jsonl_store import JsonlTracker
from golf.desk.tracking.mlflow_store import SQLITE, MlflowTracker
from golf.desk.tracking.sources import Look, Reading, named
from golf.desk.tracking.tracker import Tracker, TrackerName
from golf.desk.tracking.trackio_store import TrackioTracker
from golf.desk.tracking.wandb_store import WandbTracker
from golf.errors import GolfError, MissingPackage
from golf.schema import Noun
from golf.workspace import Workspace

POLL_S = 2.0
"""Between two looks at a run that is on; longer where a look takes long."""
ALERTS_S = 30.0
"""Between two looks for alerts."""

PACKAGES: dict[TrackerName, str] = {"trackio": "trackio", "mlflow": "mlflow", "wandb": "wandb"}


class TrackedTo(Noun):
    """One run in one store."""

    run: str
    """Its name there."""
    to: TrackerName
    store: str
    """Where; no password in it."""
    values: int
    """Numbers of it that the store holds."""
    added: int
    """Of them, those that were not there before."""
    is_resumed: bool
    """The store had it already."""
    is_over: bool
    alerts: list[str] = []
    """Titles of what whoever watches should know."""


class Tracked(Noun):
    """What came of tracking."""

    subject: str
    runs: list[TrackedTo]
    failures: list[str] = []
    """Trackers that did not keep a run, and why; the run itself stands."""


@dataclass(frozen=True)
class Stores:
    """Where the trackers' stores are."""

    folder: Path
    """`.golf` of a workspace, or another folder."""
    project: str
    uri: str
    """MLflow's."""
    system: bool = False
    gpu: bool = False

    @classmethod
    def of(
        cls, workspace: Workspace | None, *, folder: Path | None = None, project: str = "", uri: str = ""
    ) -> "Stores":
        """As golf.toml says, or what is given; without a workspace, `.golf` in the current directory."""
        if workspace is None:
            place = folder or Path(".golf")
            return cls(place, project or named(Path.cwd().name), uri or _sqlite(place))
        said = workspace.config.tracking
        place = folder or workspace.state
        uri = uri or (said.tracking_uri if folder is None else "") or _sqlite(place.resolve())
        path = uri.removeprefix(SQLITE)
        if uri.startswith(SQLITE) and not Path(path).is_absolute():  # as golf.toml means it
            uri = f"{SQLITE}{workspace.root / path}"
        return cls(place, project or said.project or workspace.root.name, uri, said.system, said.gpu)

    @property
    def trackio(self) -> Path:
        return self.folder / "trackio"

    def open(self, to: TrackerName) -> Tracker:
        """A tracker for one run."""
        if to == "trackio":
            return TrackioTracker(self.trackio, self.project, system=self.system, gpu=self.gpu)
        if to == "mlflow":
            return MlflowTracker(self.uri, self.project)
        if to == "wandb":
            return WandbTracker(self.folder / "wandb", self.project)
        return JsonlTracker(self.folder / "tracked" / named(self.project))


def _sqlite(folder: Path) -> str:
    return f"{SQLITE}{folder / 'mlflow.db'}"


def installed(to: Sequence[TrackerName]) -> tuple[list[TrackerName], list[str]]:
    """Of these, those whose library is here, JSON lines where it is of none; and what is missing, as notes."""
    there: list[TrackerName] = []
    missing: list[str] = []
    for name in dict.fromkeys(to):
        package = PACKAGES.get(name)
        if package is None or _is_here(package):
            there.append(name)
        else:
            wanted = "trackio" if name == "trackio" else f"'caddie[{name}]'"
            missing.append(f"{name} is not installed here, so nothing goes there. Install it: pip install {wanted}")
    return there or (["jsonl"] if to else []), missing


def _is_here(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # taken out of this process
        return False


def track(
    subject: str,
    look: Look,
    stores: Stores,
    to: Sequence[TrackerName],
    *,
    with_alerts: bool = True,
    wait: Callable[[float], bool] | None = None,
) -> Tracked:
    """Bring every run of a subject into every store, each value once.

    Args:
        subject: What it is called in the answer.
        look: How to look at it.
        stores: Where.
        to: The trackers.
        with_alerts: Whether what the curves show is told as alerts.
        wait: Waits for so many seconds, and says whether to go on looking. Without it there is one look; what is not
            over then stays open in the stores and is gone on with next time.

    Raises:
        MissingPackage: a tracker's library is not installed.
        GolfError: the first look finds nothing to track.
    """
    session = _Session(stores, to, with_alerts)
    try:
        goes_on = True
        while True:
            began = time.monotonic()
            readings = look()
            session.take(readings, is_last=wait is None or not goes_on)
            if wait is None or not goes_on or (readings and all(one.is_over for one in readings)):
                break
            goes_on = wait(max(POLL_S, 10 * (time.monotonic() - began)))
        session.finish()
    finally:
        session.abandon()
    return Tracked(subject=subject, runs=session.nouns(), failures=session.failures)


class _Session:
    def __init__(self, stores: Stores, to: Sequence[TrackerName], with_alerts: bool) -> None:
        self.stores, self.to, self.with_alerts = stores, to, with_alerts
        self.failures: list[str] = []
        self._open: dict[tuple[str, TrackerName], Tracker | None] = {}
        """None: it failed, and is left out."""
        self._alone: dict[tuple[str, TrackerName], Alone] = {}
        self._newest: dict[str, Reading] = {}
        self._alerts: dict[str, list[str]] = {}
        self._looked = -ALERTS_S
        self._done: list[Tracker] = []

    def take(self, readings: Sequence[Reading], *, is_last: bool) -> None:
        """Bring in what is new."""
        has_alerts = self.with_alerts and (is_last or time.monotonic() - self._looked >= ALERTS_S)
        if has_alerts:
            self._looked = time.monotonic()
        for reading in readings:
            self._newest[reading.key] = reading
            told = reading.alerts() if has_alerts or (self.with_alerts and reading.is_over) else []
            if told:
                self._alerts[reading.key] = [alert.title for alert in told]
            for to, tracker in self._trackers(reading):
                with self._isolated(reading.key, to):
                    for step, values in reading.steps.items():
                        tracker.log(values, step)
                    for alert in told:
                        tracker.alert(alert)
                    tracker.flush()

    def finish(self) -> None:
        """Close every run with its final values."""
        for (key, to), tracker in list(self._open.items()):
            if tracker is not None:
                with self._isolated(key, to):
                    reading = self._newest[key]
                    tracker.finish(reading.summary if reading.is_over else {})
                    self._done.append(tracker)
            self._left(key, to)

    def abandon(self) -> None:
        """Let go of what is open."""
        for tracker in self._open.values():
            if tracker is not None and tracker not in self._done:
                tracker.abandon()
        for at in list(self._alone):
            self._left(*at)

    def nouns(self) -> list[TrackedTo]:
        """What is tracked."""
        return [
            TrackedTo(
                run=tracker.name,
                to=to,
                store=tracker.place,
                values=tracker.count,
                added=tracker.added,
                is_resumed=tracker.is_resumed,
                is_over=self._newest[key].is_over,
                alerts=self._alerts.get(key, []),
            )
            for (key, to), tracker in self._open.items()
            if tracker in self._done and tracker is not None
        ]

    def _trackers(self, reading: Reading) -> Iterator[tuple[TrackerName, Tracker]]:
        for to in self.to:
            at = (reading.key, to)
            if at not in self._open:
                self._open[at] = None
                tracker = self.stores.open(to)
                self._alone[at] = Alone(self.stores.folder, to, reading.key)
                try:
                    self._alone[at].take()
                    tracker.start(reading.name, reading.config, reading.tags, key=reading.key)
                except MissingPackage:
                    raise
                except Exception as error:
                    self._failed(to, reading.name, error)
                    tracker.abandon()
                    self._left(*at)
                    continue
                self._open[at] = tracker
            if (tracker := self._open[at]) is not None:
                yield to, tracker

    @contextlib.contextmanager
    def _isolated(self, key: str, to: TrackerName) -> Iterator[None]:
        """One tracker's trouble is nobody else's."""
        try:
            yield
        except Exception as error:
            self._failed(to, self._newest[key].name, error)
            if (tracker := self._open[key, to]) is not None:
                tracker.abandon()
            self._open[key, to] = None
            self._left(key, to)

    def _left(self, key: str, to: TrackerName) -> None:
        if (alone := self._alone.pop((key, to), None)) is not None:
            alone.leave()

    def _failed(self, to: TrackerName, name: str, error: BaseException) -> None:
        told = str(error) if isinstance(error, GolfError) else f"{type(error).__name__}: {error}"
        self.failures.append(f"{to} did not keep {name}: {told}")
