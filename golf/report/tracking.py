"""A run's metrics in a local, offline Trackio store: one SQLite file per project in `<workspace>/.golf/trackio`.

Only ever called in a worker process, for Trackio reads TRACKIO_DIR once, at import, and prints to stdout.
Surprising: Trackio swallows its own failures as warnings, so what was stored is read back and counted.
It stamps points with the time of the flush, not of the measurement: points bring their own seconds.
Look at a store with `TRACKIO_DIR=.golf/trackio trackio show --project NAME`.
"""

import contextlib
import io
import json
import os
import sqlite3
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from golf.errors import MissingPackage, TrackingFailed


@dataclass(frozen=True)
class TrackedRun:
    """A run as the store holds it."""

    name: str
    config: dict[str, Any]
    points: list[dict[str, Any]] = field(default_factory=list)
    """Metrics in the order they were logged, each with its `step`; the summary's keys start with `final/`."""


def track_run(
    folder: Path,
    project: str,
    run_name: str,
    config: Mapping[str, Any],
    points: Iterable[Mapping[str, Any]],
    summary: Mapping[str, Any],
) -> Path:
    """Log a finished or growing run and return the project's database.

    Args:
        folder: the store (`<workspace>/.golf/trackio`), created when missing.
        project: the workspace's name.
        run_name: made unique with `-2`, `-3`, … because Trackio would keep two runs of one name.
        config: what the run was started with.
        points: metrics in order; `step`, where a point has it, becomes Trackio's step. May be a generator that
            waits for a run to go on; an error in it ends the tracked run and is the caller's.
        summary: final numbers, logged as one last point under `final/`.

    Raises:
        MissingPackage: Trackio is not installed.
        TrackingFailed: it did not keep every point; what there is stays in the store.
    """
    said = io.StringIO()
    with _trackio(folder, said) as trackio:
        name = _unique(run_name, {run.name for run in read_runs(folder, project)})
        with _failing(said, "start a run"):
            run = trackio.init(
                project=project, name=name, config=dict(config), embed=False, auto_log_gpu=False, auto_log_cpu=False
            )
        logged, last = 0, 0
        try:
            for point in points:
                values = {key: value for key, value in point.items() if key != "step"}
                last = int(point.get("step", last))
                if values:
                    with _failing(said, "log a point"):
                        run.log(values, step=last)
                    logged += 1
            if summary:
                with _failing(said, "log the summary"):
                    run.log({f"final/{key}": value for key, value in summary.items()}, step=last)
                logged += 1
        finally:
            with _failing(said, "finish the run"):
                trackio.finish()
    kept = sum(len(run.points) for run in read_runs(folder, project) if run.name == name)
    if kept != logged:
        raise TrackingFailed(
            f"Trackio kept {kept} of {logged} points of {name} in {folder}. {_last_line(said)}".strip()
        )
    return database(folder, project)


def database(folder: Path, project: str) -> Path:
    """Where Trackio keeps a project: it drops all but letters, digits, `-` and `_` from the name."""
    kept = "".join(character for character in project if character.isalnum() or character in "-_")
    return folder / f"{kept or 'default'}.db"


def read_runs(folder: Path, project: str) -> list[TrackedRun]:
    """Every run of a project, read without Trackio and without writing; empty when there is no store.

    Raises:
        TrackingFailed: the database cannot be read.
    """
    path = database(folder, project)
    if not path.exists():
        return []
    runs: dict[str, TrackedRun] = {}
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
            if not {"configs", "metrics"} <= tables:
                return []  # its first writer has just begun
            for run_id, name, config in connection.execute("select run_id, run_name, config from configs order by id"):
                runs[run_id] = TrackedRun(name, json.loads(config))
            for run_id, name, step, metrics in connection.execute(
                "select run_id, run_name, step, metrics from metrics order by id"
            ):
                run = runs.setdefault(run_id, TrackedRun(name, {}))
                run.points.append({"step": step, **json.loads(metrics)})
    except (sqlite3.Error, ValueError) as error:
        raise TrackingFailed(f"the Trackio store {path} cannot be read: {error}") from error
    return list(runs.values())


@contextlib.contextmanager
def _trackio(folder: Path, said: io.StringIO) -> Iterator[Any]:
    """Trackio bound to `folder`, offline, its banners and warnings going into `said`."""
    folder = folder.resolve()
    with _failing(said, f"use {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
    before = {key: value for key, value in os.environ.items() if key.startswith(("TRACKIO_", "HF_HUB_OFFLINE"))}
    for key in before:
        del os.environ[key]  # a Space, a server or a webhook in the user's environment must not be written to
    os.environ.update(TRACKIO_DIR=str(folder), TRACKIO_STORAGE_MODE="sqlite", HF_HUB_OFFLINE="1")
    try:
        with contextlib.redirect_stdout(said), warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = lambda message, *_args, **_kwargs: print(message, file=said)
            try:
                import trackio
                from trackio.utils import TRACKIO_DIR
            except ImportError as error:
                raise MissingPackage(
                    f"Trackio is not installed here ({error}). Install it: pip install trackio"
                ) from error
            if Path(TRACKIO_DIR).resolve() != folder:
                raise TrackingFailed(
                    f"Trackio was already imported here for {TRACKIO_DIR} and cannot change to {folder}; "
                    "track each workspace in a process of its own"
                )
            yield trackio
    finally:
        for key in [key for key in os.environ if key.startswith(("TRACKIO_", "HF_HUB_OFFLINE"))]:
            del os.environ[key]
        os.environ.update(before)


@contextlib.contextmanager
def _failing(said: io.StringIO, act: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # Trackio raises whatever its own libraries do
        raise TrackingFailed(f"Trackio could not {act}: {error}. {_last_line(said)}".strip()) from error


def _last_line(said: io.StringIO) -> str:
    lines = [line.strip() for line in said.getvalue().splitlines() if line.strip()]
    return f"It last said: {lines[-1]}" if lines else ""


def _unique(name: str, taken: set[str]) -> str:
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name}-{number}"
    return unique
