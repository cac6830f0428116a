"""Both ends of the passive protocol: a job writes small files, whoever watches reads them.

The job keeps `status.json` (its phase, and where the trainers' metrics and logs are) in its folder. A
trainer appends JSON lines to the file GOLF_METRICS names, whose age is the heartbeat, and ends training
early, result included, when the file GOLF_STOP names appears: the log's name with `.stop`. Nobody ever
signals, attaches to or queries a running trainer to learn how it is doing.
"""

import contextlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from golf import durable
from golf.errors import UnreadableInput
from golf.jobs.leases import Leases
from golf.jobs.store import JobStore, Record
from golf.schema import Job

METRICS = "GOLF_METRICS"
STOP = "GOLF_STOP"


class Status:
    """The job's end: what it is doing, written for whoever watches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def phase(self, name: str, metrics: Sequence[Path] = (), logs: Sequence[Path] = ()) -> None:
        """Enter a phase; `metrics` and `logs` are the files its trainers write."""
        durable.replace_json(
            self.folder / "status.json",
            {"phase": name, "metrics": [str(path) for path in metrics], "logs": [str(path) for path in logs]},
        )

    def outcome(self, message: str, result: Any = None) -> None:
        """The result in one line and, as a JSON value, in full."""
        durable.replace_json(self.folder / "outcome.json", {"message": message, "result": result})


@dataclass(frozen=True)
class Price:
    """What a job costs in US dollars, written beside it before it starts."""

    usd_per_s: float
    at_most_usd: float
    """What its time limit comes to, and was set aside."""

    def write(self, folder: Path) -> None:
        """Put it into the job's folder."""
        durable.replace_json(folder / "price.json", asdict(self))

    @classmethod
    def read(cls, folder: Path) -> "Price | None":
        """The job's price; None when it is free, or the file is damaged."""
        written = _read_json(folder / "price.json")
        try:
            price = cls(float(written["usd_per_s"]), float(written["at_most_usd"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        return price if all(math.isfinite(usd) and usd >= 0 for usd in (price.usd_per_s, price.at_most_usd)) else None

    def of(self, seconds: float) -> float:
        """Dollars for a job that has been there for so long; a negative time says that a clock was set back."""
        return round(self.at_most_usd if seconds < 0 else min(seconds * self.usd_per_s, self.at_most_usd), 6)


ELSEWHERE = (
    "started on another machine, in a container or in the folder that this one was copied from: whether it runs is not "
    "seen from here. golf cancel asks it to stop; if what it ran on is no more: golf cancel ID --gone"
)
"""Of a job whose supervisor's pid means nothing here."""


def outcome(folder: Path) -> dict[str, Any]:
    """What the job said of its result; empty when it never came to that."""
    return _read_json(folder / "outcome.json")


def read_job(store: JobStore, record: Record) -> Job:
    """The job as its files show it now; never touches its processes."""
    folder = store.folder(record.id)
    status = _read_json(folder / "status.json")
    ended = _when(record.ended_at)
    metrics = [path for path in _paths(status, "metrics") if not _is_newer(path, ended)]
    newest = [point for path in metrics if (point := last_metrics(path))]
    if not newest:
        logs = [path for path in _paths(status, "logs") if not _is_newer(path, ended)]
        newest = [point for path in logs if (point := _last_logged(path))]
    slowest = min(newest, key=lambda point: point.get("step", 0), default={})
    ages = [age for path in metrics if (age := _age_s(path)) is not None]
    price = Price.read(folder)
    started = _when(record.started_at)
    spent_s = 0.0 if started is None else ((ended or datetime.now(UTC)) - started).total_seconds()
    return Job(
        id=record.id,
        kind="evaluate" if record.kind == "evaluate" else "run",
        subject=record.subject,
        backend=record.backend,
        state=record.state,
        created_at=datetime.fromisoformat(record.created_at),
        started_at=started,
        ended_at=ended,
        phase=None if record.has_ended else str(status.get("phase", "")) or None,
        step=_whole(slowest.get("step")),
        iterations=_whole(slowest.get("iterations")),
        metrics={key: float(value) for key, value in slowest.items() if key not in ("step", "iterations")},
        heartbeat_age_s=None if record.has_ended or not ages else round(min(ages), 1),
        cost_usd=_leased(store, record) if record.backend != "local" else 0.0 if price is None else price.of(spent_s),
        exit_code=record.exit_code,
        result=outcome(folder).get("result") if record.state == "done" else None,
        message=record.message or ("" if record.has_ended or record.is_supervised is not None else ELSEWHERE),
        folder=str(folder),
    )


def _leased(store: JobStore, record: Record) -> float:
    """Dollars of a job whose trainers run elsewhere: of what is gone as it was billed, of the rest by the second."""
    leases = Leases(store.path).of_run(record.id)
    return round(sum(lease.cost_usd if lease.gone_at else lease.age_s() * lease.usd_per_s for lease in leases), 6)


def read_metrics(path: Path, *, with_nonfinite: bool = False) -> list[dict[str, float]]:
    """Every complete line of a metrics file, numbers only; a torn last line is left out, and NaN unless asked for."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [point for line in lines if (point := _point(line, with_nonfinite=with_nonfinite))]


def last_metrics(path: Path) -> dict[str, float]:
    """The newest line of a metrics file, reading only its tail; empty when there is none."""
    merged: dict[str, float] = {}
    for line in durable.tail(path).splitlines():  # later lines win; val_bpb stays visible between validations
        merged.update(_point(line))
    return merged


def _point(line: str, *, with_nonfinite: bool = False) -> dict[str, float]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    found = {}
    for key, number in value.items():
        if isinstance(number, int | float) and not isinstance(number, bool):
            with contextlib.suppress(OverflowError):
                found[str(key)] = float(number)
    return {key: number for key, number in found.items() if with_nonfinite or math.isfinite(number)}


def _last_logged(path: Path) -> dict[str, float]:
    """The newest step line of a log, for trainers that do not know the protocol."""
    from golf.measure.logs import last_point

    try:
        point = last_point(path)
    except UnreadableInput:  # not there yet
        return {}
    return {} if point is None else {key: float(value) for key, value in point.model_dump(exclude_none=True).items()}


def _paths(status: dict[str, Any], key: str) -> list[Path]:
    listed = status.get(key)
    return [Path(name) for name in listed if isinstance(name, str)] if isinstance(listed, list) else []


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _age_s(path: Path) -> float | None:
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return None


def _is_newer(path: Path, ended: datetime | None) -> bool:
    """Written after the job had ended: by the next run of the same experiment."""
    try:
        return ended is not None and path.stat().st_mtime > ended.timestamp() + 1.0
    except OSError:
        return False


def _when(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
