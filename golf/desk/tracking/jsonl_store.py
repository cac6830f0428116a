"""Runs as JSON lines, one file per run: what remains where no tracker is installed. Needs nothing, and grep reads it.

The first line is the run (name, key, config, tags), the others are points, alerts and at the end the final values.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from golf.desk.tracking.tracker import FINAL, Alert, StoredRun, Tracker, unique
from golf.errors import TrackingFailed


class JsonlTracker(Tracker):
    """A run as a file `NAME.jsonl` in `folder`."""

    to = "jsonl"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.place = folder, str(folder)
        self._path = folder / "none"

    def find(self, key: str) -> StoredRun | None:
        """The file whose first line has this key."""
        return next((run for run in read_runs(self.folder) if run.key == key), None)

    def read_back(self) -> StoredRun:
        """As its file says."""
        return _read(self._path) or StoredRun(self.name, {})

    def _open(self, run: str, config: dict[str, Any], tags: dict[str, str], key: str, held: StoredRun | None) -> str:
        name = re.sub(r"[^\w.+=-]+", "_", run).lstrip(".")[:150] or "run"
        if held is None:
            name = unique(name, {path.stem for path in self.folder.glob("*.jsonl")})
        self._path = self.folder / f"{name}.jsonl"
        if held is None:
            self._write({"run": name, "key": key, "config": config, "tags": tags})
        return name

    def _log(self, metrics: Mapping[str, float], step: int) -> None:
        self._write({"step": step, **metrics})

    def _alert(self, alert: Alert) -> None:
        self._write({"alert": alert.title, "level": alert.level, "step": alert.step, "text": alert.text})

    def _close(self, summary: Mapping[str, Any], step: int) -> None:
        if summary:
            self._write({"step": step, **{f"{FINAL}{name}": value for name, value in summary.items()}})

    def _write(self, line: Mapping[str, Any]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
        except OSError as error:
            raise TrackingFailed(f"{self._path} could not be written: {error.strerror or error}") from error


def read_runs(folder: Path) -> list[StoredRun]:
    """Every run of a folder, by name."""
    return [run for path in sorted(folder.glob("*.jsonl")) if (run := _read(path))]


def _read(path: Path) -> StoredRun | None:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return None
    run: StoredRun | None = None
    for line in lines:
        try:
            said = json.loads(line)
            if run is None:
                run = StoredRun(said["run"], said["config"], key=said["key"], tags=said["tags"])
            elif "alert" in said:
                run.alerts[said["alert"]] = said["level"]
            else:
                run.points.append(said)
                run.is_finished |= any(name.startswith(FINAL) for name in said)
        except (ValueError, KeyError, TypeError, RecursionError):
            if run is None:
                return None  # somebody else's file
    return run
