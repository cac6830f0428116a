"""What came of a sweep's runs: `record.jsonl`, a row for each, which a second call continues.

Rows are taken from what is on disk: logs of runs that the script saw end well, and results of experiments. Anybody may
append one of their own: `{"point": …, "seed": …, "digest": …, "status": "done", "score": …}`.
"""

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from golf import durable
from golf.desk.sweep.plan import PlannedPoint, SweepPlan
from golf.desk.sweep.script import run_name
from golf.desk.sweep.specification import Metric
from golf.errors import GolfError, UnreadableInput
from golf.measure.logs import read_log
from golf.schema import Noun

RECORD = "record.jsonl"
LOG_BYTES_MAX = 64_000_000
"""Of a log only so much of its end is read for a metric."""
RECORD_BYTES_MAX = 64_000_000


class Outcome(Noun):
    """One row: a run with one seed, and how it ended."""

    point: str
    seed: int
    digest: str
    """Of its settings, as planned."""
    status: Literal["done", "crash"]
    score: float | None = Field(default=None, allow_inf_nan=False)
    """None for a crash, and for a log that states none."""
    time_s: float | None = None
    """Seconds it took, where they are known."""
    source: str = ""
    """The log or experiment it was read from."""
    note: str = ""


class Record(Noun):
    """All rows of a sweep that are of its present settings."""

    outcomes: list[Outcome]
    stale: int
    """Rows of points or settings that are no longer planned."""
    damaged: int
    """Lines that are no rows."""

    def of(self, point: str) -> dict[int, Outcome]:
        """A point's rows by seed; the last one of each that is done, else the last."""
        return self.by_point().get(point, {})

    def by_point(self) -> dict[str, dict[int, Outcome]]:
        """As `of`, for every point that has rows, in one pass."""
        found: dict[str, dict[int, Outcome]] = {}
        for one in self.outcomes:
            own = found.setdefault(one.point, {})
            if one.status == "done" or one.seed not in own:
                own[one.seed] = one
        return found


def read(path: Path, planned: SweepPlan) -> Record:
    """The record as it stands; empty where there is none.

    Raises:
        UnreadableInput: it is too large.
    """
    outcomes: list[Outcome] = []
    stale = damaged = 0
    digests = {one.name: one.digest for one in planned.points}
    if path.is_file():
        if path.stat().st_size > RECORD_BYTES_MAX:
            raise UnreadableInput(f"{path.name} is over {RECORD_BYTES_MAX:,} bytes; move it away, and begin a new one")
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if not line.strip():
                continue
            try:
                one = Outcome.model_validate_json(line)
            except ValidationError:
                damaged += 1
                continue
            if digests.get(one.point) != one.digest or one.seed not in planned.seeds:
                stale += 1
            else:
                outcomes.append(one)
    return Record(outcomes=outcomes, stale=stale, damaged=damaged)


def extend(path: Path, planned: SweepPlan, found: Iterable[Outcome]) -> Record:
    """Append the rows that the record has not got, and return all of it."""
    record = read(path, planned)
    known = {_key(one) for one in record.outcomes}
    new = []
    for one in found:
        if _key(one) not in known:
            known.add(_key(one))
            durable.append_line(path, json.dumps(one.model_dump(mode="json"), ensure_ascii=True))
            new.append(one)
    return record.model_copy(update={"outcomes": [*record.outcomes, *new]}) if new else record


def _key(one: Outcome) -> tuple[object, ...]:
    return one.point, one.seed, one.status, one.score, one.source


def of_logs(out: Path, planned: SweepPlan, metric: Metric) -> list[Outcome]:
    """The scores of runs that the launch script has seen end well."""
    found = []
    for one in planned.points:
        for seed in planned.seeds:
            name = run_name(one.name, seed)
            done, log = out / f"{name}.done", out / f"{name}.log"
            try:
                if done.stat().st_size > 200 or done.read_text(encoding="utf-8").strip() != one.digest:
                    continue
            except (OSError, UnicodeDecodeError):
                continue
            found.append(_of_log(log, one, seed, metric))
    return found


def _of_log(log: Path, one: PlannedPoint, seed: int, metric: Metric) -> Outcome:
    score, note = None, ""
    try:
        score = score_in(log, metric.name)
    except GolfError as error:
        note = str(error)[:200]
    if score is None and not note:
        note = f"its log states no {metric.name}, or ends with one that is no number"
    return Outcome(point=one.name, seed=seed, digest=one.digest, status="done", score=score, source=log.name, note=note)


def score_in(log: Path, name: str) -> float | None:
    """The last number that a log states for a metric; None where it states none, or where the last one is NaN or
    infinite: what stood there before a run diverged is no score of it.

    `val_bpb` is read as everywhere in Caddie: after the compressed round trip, where the log has that.

    Raises:
        UnreadableInput: the log is missing or no text.
    """
    stated = read_log(log).final_bpb if name == "val_bpb" else None
    try:
        text = durable.tail(log, LOG_BYTES_MAX)
    except OSError as error:
        raise UnreadableInput(f"{log.name} cannot be read: {error}") from error
    spelled = r"[ _-]".join(map(re.escape, re.split(r"[ _-]", name)))
    numbers = re.findall(
        rf"(?<![\w.]){spelled}[\"']?\s{{0,4}}[:=]?\s{{0,4}}([-+]?(?:(?:\d{{1,30}}\.?\d{{0,30}}|\.\d{{1,30}})(?:[eE][-+]?\d{{1,3}})?|(?i:nan|inf(?:inity)?)))(?![\w.])",
        text,
    )
    value = float(numbers[-1]) if numbers else math.nan
    if numbers and not math.isfinite(value):
        return None
    return stated if stated is not None else value if numbers else None
