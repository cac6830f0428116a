"""A run in a local, offline Trackio store: one SQLite file per project in `<workspace>/.golf/trackio`.

Trackio reads TRACKIO_DIR once, at import: one store per process. It prints, and swallows its own failures as warnings;
both are kept to themselves, and what was stored is read back. It stamps points with the time of the flush, not of the
measurement: points bring their own seconds. Nothing of the user's TRACKIO_ environment (a Space, a server, a webhook)
is heeded. Neither a GPU nor the machine is looked at unless that is asked for.
Look at a store with `golf dashboard`, or `TRACKIO_DIR=.golf/trackio trackio show --project NAME`.
"""

import contextlib
import contextvars
import io
import json
import os
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from golf.desk.tracking.tracker import FINAL, Alert, StoredRun, Tracker, unique
from golf.errors import MissingPackage, TrackingFailed

KEY = "caddie_run"
"""Where a run's configuration says what run it is."""

_begun: set[tuple[Path, str]] = set()
"""Databases and names of runs that were started here: Trackio's thread writes them down half a second later."""


class TrackioTracker(Tracker):
    """A run of a Trackio project.

    Args:
        folder: The store, created when missing.
        project: The project's name; Trackio drops all but letters, digits, `-` and `_` from it.
        system: Log this machine's CPU, memory and disk while the run is open (Trackio's own monitor).
        gpu: Log its GPUs; wants nvidia-ml-py.
    """

    to = "trackio"

    def __init__(self, folder: Path, project: str, *, system: bool = False, gpu: bool = False) -> None:
        super().__init__()
        self.folder, self.project, self.place = folder, project, f"{database(folder, project)}"
        self._system, self._gpu = system, gpu
        self._words = io.StringIO()
        self._run: Any = None
        self._id = ""

    def find(self, key: str) -> StoredRun | None:
        """The run whose configuration has this key."""
        return next(iter(read_runs(self.folder, self.project, key=key)), None)

    def read_back(self) -> StoredRun:
        """From the database, without Trackio."""
        return next(iter(read_runs(self.folder, self.project, run_id=self._id)), StoredRun(self.name, {}))

    def _open(self, run: str, config: dict[str, Any], tags: dict[str, str], key: str, held: StoredRun | None) -> str:
        own = {name.lstrip("_") or "_": value for name, value in config.items()}  # others are Trackio's own
        if key:
            own[KEY] = key
        with bound(self.folder, self._words) as trackio:
            path = database(self.folder, self.project)
            taken = {*names(self.folder, self.project), *(begun for place, begun in _begun if place == path)}
            name = run if held else unique(run, taken)
            with self._failing("start a run"):
                # In a context of its own: init() would end the run before it, and seeds may train side by side.
                self._run = contextvars.copy_context().run(
                    trackio.init, project=self.project, name=name, group=tags.get("experiment"), config=own,
                    resume="allow" if held else "never", embed=False, auto_log_gpu=self._gpu, auto_log_cpu=self._system,
                )  # fmt: skip
        self._id = self._run.id
        _begun.add((path, name))
        return name

    def _log(self, metrics: Mapping[str, float], step: int) -> None:
        with bound(self.folder, self._words), self._failing("log a point"):
            self._run.log(dict(metrics), step=step)

    def _alert(self, alert: Alert) -> None:
        with bound(self.folder, self._words) as trackio, self._failing("raise an alert"):
            level = trackio.AlertLevel(alert.level)
            self._run.alert(alert.title, alert.text, level=level, step=alert.step)

    def _close(self, summary: Mapping[str, Any], step: int) -> None:
        numbers = {f"{FINAL}{name}": value for name, value in summary.items() if isinstance(value, int | float)}
        with bound(self.folder, self._words), self._failing("finish the run"):
            run, self._run = self._run, None
            try:
                if numbers:
                    run.log(numbers, step=step)
            finally:
                run.finish()

    def abandon(self) -> None:
        """Flush and stop Trackio's thread."""
        if self._run is not None:
            with contextlib.suppress(Exception), bound(self.folder, self._words):
                run, self._run = self._run, None
                run.finish()

    @contextlib.contextmanager
    def _failing(self, act: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # Trackio raises whatever its own libraries do
            raise TrackingFailed(f"Trackio could not {act}: {error}. {self._said()}".strip()) from error

    def _said(self) -> str:
        lines = [line.strip() for line in self._words.getvalue().splitlines() if line.strip()]
        return f"It last said: {lines[-1]}" if lines else ""


def database(folder: Path, project: str) -> Path:
    """Where Trackio keeps a project: it drops all but letters, digits, `-` and `_` from the name."""
    kept = "".join(character for character in project if character.isalnum() or character in "-_")
    return folder / f"{kept or 'default'}.db"


def names(folder: Path, project: str) -> list[str]:
    """Of every run of a project.

    Raises:
        TrackingFailed: the database cannot be read.
    """
    with _reading(database(folder, project)) as connection:
        if connection is None:
            return []
        return [
            name for (name,) in connection.execute("select run_name from metrics union select run_name from configs")
        ]


def read_runs(folder: Path, project: str, *, key: str = "", run_id: str = "") -> list[StoredRun]:
    """The runs of a project, or the one of a key or of Trackio's id, read without Trackio and without writing.

    Empty when there is no store.

    Raises:
        TrackingFailed: the database cannot be read.
    """
    runs: dict[str, StoredRun] = {}
    with _reading(database(folder, project)) as connection:
        if connection is None:
            return []
        for one, title, said in connection.execute("select run_id, run_name, config from configs order by id"):
            config = json.loads(said)
            runs[one] = StoredRun(title, config, key=str(config.get(KEY, "")))
        only = None
        if key or run_id:
            runs = {one: run for one, run in runs.items() if one == run_id or (key and run.key == key)}
            only = [*runs]
        for one, title, step, said in _rows(connection, "step, metrics", "metrics", only):
            run = runs.setdefault(one, StoredRun(title, {}))
            point = {metric: _number(value) for metric, value in json.loads(said).items()}
            run.points.append({"step": step, **point})
            run.is_finished |= any(metric.startswith(FINAL) for metric in point)
        for one, _, title, level in _rows(connection, "title, level", "alerts", only):
            if one in runs:
                runs[one].alerts[title] = level
    return list(runs.values())


def _rows(
    connection: sqlite3.Connection, columns: str, table: str, only: list[str] | None
) -> Iterator[tuple[Any, ...]]:
    asked = f"select run_id, run_name, {columns} from {table}"
    if only is None:
        yield from connection.execute(f"{asked} order by id")
    for run_id in only or []:
        yield from connection.execute(f"{asked} where run_id = ? order by id", (run_id,))


def _number(value: Any) -> Any:
    """JSON has no word for what is no number; Trackio writes it as a text."""
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else value


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """The database, read only; None where there is none, or its first writer has just begun."""
    if not path.exists():
        yield None
        return
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
            yield connection if {"configs", "metrics", "alerts"} <= tables else None
    except (sqlite3.Error, ValueError) as error:
        raise TrackingFailed(f"the Trackio store {path} cannot be read: {error}") from error


@contextlib.contextmanager
def bound(folder: Path, said: io.StringIO) -> Iterator[Any]:
    """Trackio bound to `folder`, offline, its banners and warnings going into `said`.

    Raises:
        MissingPackage: Trackio is not installed.
        TrackingFailed: this process has bound it to another folder, or the folder cannot be made.
    """
    folder = folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrackingFailed(f"Trackio could not use {folder}: {error.strerror or error}") from error
    with surroundings(folder), contextlib.redirect_stdout(said), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_args, **_kwargs: print(message, file=said)
        try:
            import trackio
            from trackio.utils import TRACKIO_DIR
        except ImportError as error:
            raise MissingPackage(f"Trackio is not installed here ({error}). Install it: pip install trackio") from error
        if Path(TRACKIO_DIR).resolve() != folder:
            raise TrackingFailed(
                f"Trackio was already imported here for {TRACKIO_DIR} and cannot change to {folder}; "
                "track each workspace in a process of its own"
            )
        yield trackio


@contextlib.contextmanager
def surroundings(folder: Path) -> Iterator[None]:
    """Trackio's environment: this folder, no network, and nothing of the user's."""
    own = ("TRACKIO_", "HF_HUB_OFFLINE")
    before = {key: value for key, value in os.environ.items() if key.startswith(own)}
    for key in before:
        del os.environ[key]  # a Space, a server or a webhook in the user's environment must not be written to
    os.environ.update(TRACKIO_DIR=str(folder), TRACKIO_STORAGE_MODE="sqlite", HF_HUB_OFFLINE="1")
    try:
        yield
    finally:
        for key in [key for key in os.environ if key.startswith(own)]:
            del os.environ[key]
        os.environ.update(before)
