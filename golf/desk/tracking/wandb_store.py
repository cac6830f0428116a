"""A run in W&B's offline format: a folder that W&B's own `wandb sync` sends when its owner wants that; we never send.

Reading back is ours, for W&B reads its own runs from its server: the file is LevelDB's log format around W&B's
protobuf records. A run that is gone on with is another folder with the same id, which W&B takes as one run.
Surprising: an offline run asks the name server for W&B's error collector unless WANDB_ERROR_REPORTING says no. Its
service process is ended with the run.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from golf.desk.tracking.tracker import FINAL, Alert, StoredRun, Tracker, unique
from golf.errors import MissingPackage, TrackingFailed

KEY = "caddie_run"
"""Where a run's configuration says what run it is."""
BLOCK = 32_768
"""Bytes of a block of LevelDB's log format; the file's own header of seven bytes counts as part of the first."""
HEADER = b":W&B"
FULL, LAST = 1, 4
"""Kinds of a fragment that end a record."""
FILE_BYTES_MAX = 256_000_000

_open_runs: list[str] = []
"""Ids of runs that are open here; W&B's service process serves them all."""


class WandbTracker(Tracker):
    """A run of a W&B project, offline.

    Args:
        folder: Where W&B's run folders are made, as `wandb/offline-run-…`.
        project: The project's name, when it is sent.
    """

    to = "wandb"
    settles_s = 10.0

    def __init__(self, folder: Path, project: str) -> None:
        super().__init__()
        self.folder, self.project, self.place = folder, project, str(folder / "wandb")
        self._run: Any = None
        self._id = ""

    def find(self, key: str) -> StoredRun | None:
        """All folders of the run with this key, as one run."""
        _wandb()
        return _read(self.folder, _id_of(key))

    def read_back(self) -> StoredRun:
        """As its folders say."""
        return _read(self.folder, self._id) or StoredRun(self.name, {})

    def _open(self, run: str, config: dict[str, Any], tags: dict[str, str], key: str, held: StoredRun | None) -> str:
        wandb = _wandb()
        self._id = _id_of(key) if key else secrets.token_hex(8)
        name = run if held else unique(run, {one.name for one in read_runs(self.folder)})
        with self._failing("start a run"), _surroundings(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._run = wandb.init(
                project=re.sub(r"[/\\#?%:]", "-", self.project)[:128], name=name, id=self._id, resume="allow",
                group=tags.get("experiment"), reinit="create_new", dir=str(self.folder),
                tags=[f"{one}:{value}"[:64] for one, value in tags.items() if value],
                config={**config, **({KEY: key} if key else {})},
                settings=wandb.Settings(
                    mode="offline", silent=True, console="off", disable_git=True, disable_code=True, save_code=False,
                    x_disable_stats=True, x_disable_meta=True, x_disable_machine_info=True,
                ),
            )  # fmt: skip
        _open_runs.append(self._id)
        return name

    def _log(self, metrics: Mapping[str, float], step: int) -> None:
        with self._failing("log a point"), _surroundings(self.folder):
            self._run.log(dict(metrics), step=step)

    def _alert(self, alert: Alert) -> None:
        with self._failing("raise an alert"), _surroundings(self.folder):
            self._run.alert(alert.title, alert.text, level=alert.level.upper(), wait_duration=0)

    def _close(self, summary: Mapping[str, Any], step: int) -> None:
        with self._failing("finish the run"), _surroundings(self.folder):
            try:
                for name, value in summary.items():
                    self._run.summary[f"{FINAL}{name}"] = value
            finally:
                self._end(1 if summary.get("status") == "crash" else 0)

    def abandon(self) -> None:
        """Close the folder and end W&B's service process."""
        if self._run is not None:
            with contextlib.suppress(Exception), _surroundings(self.folder):
                self._end(1)

    def _end(self, code: int) -> None:
        run, self._run = self._run, None
        try:
            run.finish(exit_code=code)
        finally:
            if self._id in _open_runs:
                _open_runs.remove(self._id)
            if not _open_runs:
                _wandb().teardown()

    @contextlib.contextmanager
    def _failing(self, act: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # W&B's own, and its service's
            raise TrackingFailed(
                f"W&B could not {act} in {self.place}: {' '.join(str(error).split())[:300]}"
            ) from error


def read_runs(folder: Path) -> list[StoredRun]:
    """Every offline run of a folder, by id; the folders of one id are one run.

    Raises:
        MissingPackage: W&B is not installed.
    """
    ids = {path.stem.removeprefix("run-") for path in folder.glob("wandb/offline-run-*/run-*.wandb")}
    return [run for run_id in sorted(ids) if (run := _read(folder, run_id))]


def _read(folder: Path, run_id: str) -> StoredRun | None:
    run: StoredRun | None = None
    final: dict[str, Any] = {}
    for path in sorted(folder.glob(f"wandb/offline-run-*-{run_id}*/run-{run_id}.wandb")):
        for record in _records(path):
            kind = record.WhichOneof("record_type")
            if kind == "run" and run is None:
                config = {
                    one.key: json.loads(one.value_json) for one in record.run.config.update if one.key != "_wandb"
                }
                tags = dict(tag.split(":", 1) for tag in record.run.tags if ":" in tag)
                run = StoredRun(record.run.display_name, config, key=str(config.get(KEY, "")), tags=tags)
            elif run is None:
                continue
            elif kind == "history":
                point = {one.key or "/".join(one.nested_key): json.loads(one.value_json) for one in record.history.item}
                step = point.get("_step", record.history.step.num)
                values = {name: value for name, value in point.items() if not name.startswith("_")}
                run.points.append({"step": step, **values})
            elif kind == "summary":
                for one in record.summary.update:
                    name = one.key or "/".join(one.nested_key)
                    if name.startswith(FINAL):
                        final[name] = json.loads(one.value_json)
            elif kind == "alert":
                run.alerts[record.alert.title] = record.alert.level.lower()
            elif kind == "exit":
                run.is_finished = bool(final)
    if run is not None and final:
        run.points.append({"step": max((point["step"] for point in run.points), default=0), **final})
    return run


def _records(path: Path) -> Iterator[Any]:
    """The protobuf records of a file; what a kill has torn at its end is left out."""
    _wandb()
    from wandb.proto import wandb_internal_pb2  # pyright: ignore[reportMissingImports] # an extra

    new_record: Any = wandb_internal_pb2.Record  # pyright: ignore[reportAttributeAccessIssue] # made by protobuf

    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise TrackingFailed(f"{path} has over {FILE_BYTES_MAX:,} bytes and was not read")
        data = path.read_bytes()
    except OSError as error:
        raise TrackingFailed(f"{path} cannot be read: {error.strerror or error}") from error
    if data[:4] != HEADER:
        return
    at, gathered = 7, b""
    while at + 7 <= len(data):
        left = BLOCK - at % BLOCK
        if left < 7:
            at += left
            continue
        _, size, kind = struct.unpack("<IHB", data[at : at + 7])
        gathered += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (FULL, LAST):
            record = new_record()
            try:
                record.ParseFromString(gathered)
            except Exception:  # protobuf's own: torn
                return
            yield record
            gathered = b""


def _id_of(key: str) -> str:
    """W&B's id of a run: of its letters, and the same for the same key."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _wandb() -> Any:
    try:
        with _surroundings(None):
            import wandb  # pyright: ignore[reportMissingImports] # an extra
    except ImportError as error:
        raise MissingPackage("W&B is not installed here. Install it: pip install 'caddie[wandb]'") from error
    return wandb


@contextlib.contextmanager
def _surroundings(folder: Path | None) -> Iterator[None]:
    """Nothing of the user's WANDB_ environment, no error collector, and W&B's caches within the store."""
    before = {key: value for key, value in os.environ.items() if key.startswith("WANDB_")}
    for key in before:
        del os.environ[key]
    os.environ.update(WANDB_MODE="offline", WANDB_ERROR_REPORTING="false", WANDB_SILENT="true")
    if folder is not None:
        os.environ.update({f"WANDB_{kind}_DIR": str(folder / "cache") for kind in ("CACHE", "CONFIG")})
    try:
        yield
    finally:
        for key in [key for key in os.environ if key.startswith("WANDB_")]:
            del os.environ[key]
        os.environ.update(before)
