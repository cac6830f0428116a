"""Answers of each kind, whole, and with what a test changes in them."""

import json
from pathlib import Path
from typing import Any

from golf import answers
from golf.answers import POINTS

SCHEMAS = Path(__file__).parents[2] / "schemas"


def review(**changes: Any) -> dict[str, Any]:
    points = [{"name": name, "verdict": "pass", "evidence": "read it"} for name in POINTS]
    whole = {
        "experiment": "2026-05-04_wider",
        "diff_sha256": "ab" * 32,
        "verdict": "accept",
        "points": points,
        "reason": "sound",
    }
    return {**whole, **changes}


def failing(*names: str) -> list[dict[str, str]]:
    return [{"name": name, "verdict": "fail" if name in names else "pass", "evidence": "e"} for name in POINTS]


REVIEW = json.dumps(review())


def run(
    rank: int | None, val_bpb: float | None, name: str = "a", tier: str = "local", **changes: Any
) -> dict[str, Any]:
    flags = ["crash"] if val_bpb is None else []
    measured = {"val_bpb": val_bpb, "artifact_bytes": 9, "train_time_s": 1.25, "gain_bpb": None, "noise_bpb": None}
    named = {"rank": rank, "experiment": name, "tier": tier, "tried": "it"}
    return {**named, **measured, "status": "keep" if val_bpb else "crash", "flags": flags, **changes}


def summary(*runs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    whole = {
        "scope": "all",
        "num_runs": len(runs),
        "best": None,
        "experiments": runs,
        "anomalies": [],
        "look_at": [],
        "summary": "s",
    }
    return {**whole, **changes}


def submission(name: str = "a", verdict: str = "review", **changes: Any) -> dict[str, Any]:
    numbers = {"claimed_val_bpb": 1.1, "logged_val_bpb": 1.1, "num_seeds": 3, "artifact_bytes": 9, "train_time_s": None}
    words = {"submission": name, "verdict": verdict, "track": None, "techniques": [], "findings": [], "reason": "r"}
    return {**words, **numbers, **changes}


def triage(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"num_submissions": len(entries), "submissions": entries, "summary": "s"}


BLOCK = {
    "code": "VAL_IN_TRAINING",
    "severity": "block",
    "text": "trains on validation",
    "evidence": [{"file": "a.py", "line": 3, "quote": "val"}],
}
FLAG = {**BLOCK, "severity": "flag", "text": "may train on validation"}
NOTE = {**BLOCK, "code": "NOT_SIGNIFICANT", "severity": "note", "evidence": []}


def item(*grades: int, competitor: int | None = None, **flags: bool) -> answers.GradedItem:
    names = ("bpb_impact", "size_compatibility", "time_compatibility", "implementability", "novelty")
    none = {"needs_new_dependency": False, "needs_more_bytes": False, "needs_more_time": False}
    fields = {"title": "t", "url": None, "techniques": [], "reason": "r", "competitor_validated": competitor}
    return answers.GradedItem.model_validate({**fields, **none, **flags, **dict(zip(names, grades, strict=True))})


FACTS = summary(run(1, 1.234567, "a"), run(2, 1.3, "b"), run(None, None, "c"))
