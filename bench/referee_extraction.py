"""Extraction against numbers that were checked by hand: right, null with a reason, or wrong, per field.

    python bench/referee_extraction.py [DATA]

DATA (default `../shared/data`) holds `extraction.jsonl`, `verdicts.jsonl` and the folders they name.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golf.referee.case import open_case
from golf.rulings import SubmittedSeed

if TYPE_CHECKING:
    from referee_report import Line

DATA = Path(__file__).parents[1] / "../shared/data"

FIELDS = {
    "final_bpb": "val_bpb",
    "final_val_loss": "val_loss",
    "train_s": "train_time_s",
    "eval_s": "eval_time_s",
    "artifact_bytes": "artifact_bytes",
    "steps": "steps",
    "seed": "seed",
}
"""Their name → ours."""

TOLERANCE = 1e-9


def score(data: Path) -> dict[str, Any]:
    """Counts of right, null and wrong numbers per field, and the wrong ones and unexplained nulls in words.

    A seed whose log was not taken for the submission's counts as null in every field, and a log taken that the
    reference does not take as `extra`.
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name in FIELDS}
    wrong: list[str] = []
    unexplained: list[str] = []
    extra: list[str] = []
    rows = list(_rows(data))
    for row, folder in rows:
        submission = open_case(folder).submission
        taken = {seed.log: seed for seed in submission.seeds}
        for reference in row["seeds"]:
            found = taken.pop(reference["file"], None)
            for theirs, ours in FIELDS.items():
                verdict = _verdict(reference, theirs, found, ours)
                counts[theirs][verdict] += verdict != "unstated"
                place = f"{row['folder']} {reference['file']} {theirs}"
                if verdict == "wrong":
                    wrong.append(f"{place}: {getattr(found, ours)} for {reference[theirs]}")
                elif verdict == "null" and (found is None or ours not in found.missing):
                    unexplained.append(place)
        known = {other["file"] for other in (*row["seeds"], *(row["other_logs"] or ()))}
        extra += [f"{row['folder']} {log}" for log in taken if log in known]
    return {
        "submissions": len(rows),
        "fields": {name: dict(counter) for name, counter in counts.items()},
        "wrong": wrong,
        "unexplained": unexplained,
        "extra": extra,
    }


def _rows(data: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    places = {}
    for verdict in map(json.loads, (data / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()):
        if verdict["data"]:
            places.setdefault(verdict["folder"], data / verdict["data"])
    for row in map(json.loads, (data / "extraction.jsonl").read_text(encoding="utf-8").splitlines()):
        if row["folder"] in places:
            yield row, places[row["folder"]]


def _verdict(reference: Mapping[str, Any], theirs: str, found: SubmittedSeed | None, ours: str) -> str:
    expected, value = reference[theirs], getattr(found, ours) if found else None
    if value is None:
        return "null" if expected is not None else "unstated"
    if expected is None:
        return "unstated"
    return "right" if abs(value - expected) <= TOLERANCE * max(1.0, abs(expected)) else "wrong"


def report(data: Path | None, checkout: Path | None) -> Iterator["Line"]:
    """Lines for `referee_report`."""
    from referee_report import Line

    if data is None or not (data / "extraction.jsonl").exists():
        yield Line("submissions with checked numbers", "not at hand", "", None)
        return
    found = score(data)
    for name, counts in found["fields"].items():
        right, null = counts.get("right", 0), counts.get("null", 0)
        yield Line(f"{name}: right, null", f"{right}, {null}", "", None)
    yield Line("wrong", "; ".join(found["wrong"]) or "none", "none", not found["wrong"])
    yield Line("null without a reason", "; ".join(found["unexplained"]) or "none", "none", not found["unexplained"])


if __name__ == "__main__":
    print(json.dumps(score(Path(sys.argv[1]) if sys.argv[1:] else DATA), indent=2))
