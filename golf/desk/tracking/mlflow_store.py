"""A run in an MLflow store: its experiment, `log_params` at the start, metrics per step, alerts as tags (S70).

Through MLflow's client and not its module functions, which share one active run with whatever else this process tracks.
A local store is one SQLite file (MLflow's own folders of files are deprecated upstream). Values are gathered and
written 500 at a time: each write is a transaction of some milliseconds. Its report of being used is switched off.
"""

import contextlib
import json
import logging
import math
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from golf.desk.tracking.tracker import FINAL, Alert, StoredRun, Tracker, unique
from golf.errors import MissingPackage, TrackingFailed, UnreadableInput

KEY = "caddie.run"
ALERT = "caddie.alert."
"""Beginning of the tags that are alerts, each `LEVEL at step N: TEXT`."""
BATCH = 500
PARAM_CHARS, TAG_CHARS, NAME_CHARS = 6000, 5000, 250
"""MLflow's limits (mlflow.utils.validation)."""
SQLITE = "sqlite:///"

LOGGERS = ("mlflow", "alembic")
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""With a server, where the user has not said otherwise: MLflow's own would wait for many minutes."""


class MlflowTracker(Tracker):
    """A run of an MLflow experiment.

    Args:
        uri: The tracking store: `sqlite:///PATH`, made when missing, or a server's address.
        experiment: Its name; made when missing.
    """

    to = "mlflow"

    def __init__(self, uri: str, experiment: str) -> None:
        super().__init__()
        self.uri, self.experiment, self.place = uri, experiment, without_password(uri)
        self._client: Any = None
        self._id = ""
        self._gathered: list[tuple[str, float, int]] = []

    def find(self, key: str) -> StoredRun | None:
        """The newest run of the experiment with this key as a tag."""
        if self.uri.startswith(SQLITE) and not Path(self.uri.removeprefix(SQLITE)).is_file():
            return None
        with self._mlflow("look for a run") as client:
            there = client.get_experiment_by_name(self.experiment)
            if there is None:
                return None
            found = next(search(client, [there.experiment_id], f"tags.`{KEY}` = '{_quoted(key)}'"), None)
            if found is None:
                return None
            self._id = found.info.run_id
            return _stored(client, found)

    def read_back(self) -> StoredRun:
        """As the store holds it."""
        with self._mlflow("read the run") as client:
            return _stored(client, client.get_run(self._id))

    def _open(self, run: str, config: dict[str, Any], tags: dict[str, str], key: str, held: StoredRun | None) -> str:
        with self._mlflow("start a run") as client:
            from mlflow.entities import Param, RunTag

            if held is not None:
                client.update_run(self._id, status="RUNNING")
                return run
            there = client.get_experiment_by_name(self.experiment)
            if there is None:
                at = {}
                if self.uri.startswith(SQLITE):  # else MLflow would make a folder where this process happens to be
                    store = Path(self.uri.removeprefix(SQLITE)).resolve()
                    at = {"artifact_location": store.with_suffix(".artifacts").as_uri()}
                experiment = client.create_experiment(self.experiment, **at)
            elif there.lifecycle_stage == "deleted":
                raise TrackingFailed(f"the MLflow experiment {self.experiment!r} is deleted there; restore it, or "
                                     "track to another: project in [tracking] of golf.toml")  # fmt: skip
            else:
                experiment = there.experiment_id
            alike = search(client, [experiment], f"attributes.run_name LIKE '{_quoted(run)}%'")
            name = unique(run, {one.info.run_name for one in alike})
            marks = {**tags, **({KEY: _quoted(key)} if key else {})}
            made = client.create_run(experiment, run_name=name)
            self._id = made.info.run_id
            params = {_name(one): _text(value, PARAM_CHARS) for one, value in config.items()}
            client.log_batch(
                self._id,
                params=[Param(one, value) for one, value in params.items()][:100],
                tags=[RunTag(_name(one), _text(value, TAG_CHARS)) for one, value in marks.items()],
            )
            rest = [Param(one, value) for one, value in params.items()][100:]
            for start in range(0, len(rest), 100):  # of one request
                client.log_batch(self._id, params=rest[start : start + 100])
            return name

    def _log(self, metrics: Mapping[str, float], step: int) -> None:
        self._gathered += [(_name(name), float(value), step) for name, value in metrics.items()]
        if len(self._gathered) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered.

        Raises:
            TrackingFailed: the store did not take it.
        """
        if not self._gathered:
            return
        with self._mlflow("log metrics") as client:
            from mlflow.entities import Metric

            now = int(time.time() * 1000)
            while self._gathered:
                batch = self._gathered[:BATCH]
                client.log_batch(self._id, metrics=[Metric(name, value, now, step) for name, value, step in batch])
                del self._gathered[: len(batch)]

    def _alert(self, alert: Alert) -> None:
        with self._mlflow("raise an alert") as client:
            text = f"{alert.level} at step {alert.step}: {alert.text}"
            client.set_tag(self._id, _name(f"{ALERT}{alert.title}"), _text(text, TAG_CHARS))

    def _close(self, summary: Mapping[str, Any], step: int) -> None:
        self._gathered += [
            (_name(f"{FINAL}{name}"), float(value), step)
            for name, value in summary.items()
            if isinstance(value, int | float)
        ]
        self.flush()
        with self._mlflow("finish the run") as client:
            for name, value in summary.items():
                if isinstance(value, str):
                    client.set_tag(self._id, _name(name), _text(value, TAG_CHARS))
            client.set_terminated(self._id, "FAILED" if summary.get("status") == "crash" else "FINISHED")

    @contextlib.contextmanager
    def _mlflow(self, act: str) -> Iterator[Any]:
        with quiet():
            try:
                if self._client is None:
                    if self.uri.startswith(SQLITE):
                        Path(self.uri.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)
                    self._client = client_of(self.uri)
                yield self._client
            except (TrackingFailed, MissingPackage):
                raise
            except Exception as error:  # MLflow's own, its database library's, its HTTP library's
                raise TrackingFailed(f"MLflow could not {act} in {self.place}: {_told(error)}") from error


def client_of(uri: str) -> Any:
    """MLflow's client of a store; to be used within `quiet`.

    Raises:
        MissingPackage: MLflow is not installed.
    """
    try:
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise MissingPackage("MLflow is not installed here. Install it: pip install 'caddie[mlflow]'") from error
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)  # the import has set its own
    return MlflowClient(tracking_uri=uri)


@contextlib.contextmanager
def reading(uri: str) -> Iterator[Any]:
    """MLflow's client of a store that is only read.

    Raises:
        MissingPackage: MLflow is not installed.
        UnreadableInput: it cannot read this store.
    """
    with quiet():
        try:
            client = client_of(uri)
        except MissingPackage:
            raise
        except Exception as error:  # its database library's, e.g. for want of a driver
            raise UnreadableInput(f"MLflow cannot open this store: {_told(error)}") from error
        from mlflow.exceptions import MlflowException

        try:
            yield client
        except MlflowException as error:
            raise UnreadableInput(f"MLflow cannot read this store: {_told(error)}") from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No report of being used, and what MLflow's libraries say kept to themselves."""
    before = dict(os.environ)
    own = {**{key: value for key, value in PATIENCE.items() if key not in before}, **QUIET}
    os.environ.update(own)
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        for key in own:
            os.environ.pop(key, None)
            if key in before:
                os.environ[key] = before[key]


def search(client: Any, every: Sequence[str], wanted: str = "") -> Iterator[Any]:
    """The runs of these experiments, the newest first; `wanted` is a filter as MLflow takes it."""
    token = None
    while every:
        page = client.search_runs(list(every), wanted, order_by=["attributes.start_time DESC"], page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def read_runs(uri: str, experiment: str) -> list[StoredRun]:
    """The runs of an experiment with their points, the newest first.

    Raises:
        MissingPackage: MLflow is not installed.
        UnreadableInput: it cannot read this store.
    """
    with reading(uri) as client:
        there = client.get_experiment_by_name(experiment)
        return [] if there is None else [_stored(client, run) for run in search(client, [there.experiment_id])]


def without_password(uri: str) -> str:
    """An address as it may be printed."""
    return re.sub(r"(://[^/@\s:]*):[^/@\s]*@", r"\1:…@", uri)


def _stored(client: Any, run: Any) -> StoredRun:
    points: dict[int, dict[str, Any]] = {}
    for name in run.data.metrics:
        for metric in client.get_metric_history(run.info.run_id, name):
            points.setdefault(metric.step, {"step": metric.step})[name] = _number(metric.value)
    tags = {name: value for name, value in run.data.tags.items() if not name.startswith(("mlflow.", ALERT))}
    return StoredRun(
        run.info.run_name,
        dict(run.data.params),
        [points[step] for step in sorted(points)],
        key=tags.pop(KEY, ""),
        tags=tags,
        alerts={
            name.removeprefix(ALERT): value.split(" ")[0]
            for name, value in run.data.tags.items()
            if name.startswith(ALERT)
        },
        is_finished=run.info.status in ("FINISHED", "FAILED"),
    )


def _number(value: float) -> float:
    """MLflow's databases keep the largest number there is in place of infinity."""
    return math.copysign(math.inf, value) if abs(value) == sys.float_info.max else value


def _name(text: str) -> str:
    """A name that MLflow takes, of a metric, a parameter or a tag."""
    return re.sub(r"[^\w\-./ :]", "_", text)[:NAME_CHARS].strip("/. ") or "_"


def _quoted(text: str) -> str:
    """As it may stand in a filter."""
    return re.sub(r"['\"\\`%]", "_", text)[:TAG_CHARS]


def _text(value: Any, chars: int) -> str:
    return (value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False))[:chars]


def _told(error: Exception) -> str:
    return without_password(" ".join(str(error).split()))[:300]
