"""Judged submissions made up for tests of what is seen of many."""

import base64
from collections.abc import Sequence

import numpy as np

from golf.referee.judging import Judged
from golf.referee.survey import Placed
from golf.referee.techniques import Sighting
from golf.rulings import Evidence, Finding, Ruling, RulingVerdict, Submission, SubmittedSeed

LINE = Evidence(file="train_gpt.py", line=3, quote="x = 1")


def seed(number: int, val_bpb: float | None) -> SubmittedSeed:
    nothing = dict.fromkeys(("val_loss", "artifact_bytes", "code_bytes", "train_time_s", "eval_time_s", "steps"))
    return SubmittedSeed(log=f"train_seed{number}.log", seed=number, val_bpb=val_bpb, **nothing)


def found(severity: str, text: str = "it does", quote: Evidence = LINE) -> Finding:
    return Finding.model_validate(
        {
            "code": "SIZE_OVER" if severity == "block" else "EVIDENCE_WEAK",
            "severity": severity,
            "confidence": 0.9,
            "text": text,
            "evidence": [quote],
            "rule": "the rule",
            "clears": "the cure",
        }
    )


def ruling(
    verdict: RulingVerdict = "clear",
    scores: Sequence[float] = (1.1, 1.2, 1.3),
    techniques: Sequence[str] = (),
    findings: Sequence[Finding] | None = None,
    **said: object,
) -> Ruling:
    due = {"block": [found("block")], "review": [found("flag")], "clear": []}[verdict]
    facts: dict[str, object] = {
        "folder": "x",
        "track": "10min_16mb",
        "seeds": [seed(number, score) for number, score in enumerate(scores)],
        "val_bpb": sum(scores) / len(scores) if scores else None,
        **said,
    }
    return Ruling(
        submission=Submission.model_validate(facts),
        verdict=verdict,
        reason="because",
        findings=list(due if findings is None else findings),
        examined=["code"],
        techniques=list(techniques),
    )


def program(shared: float, like: int = 0) -> np.ndarray:
    """A sketch that has this share of its entries in common with program number `like`, and the rest with none."""
    own = np.random.default_rng(int(shared * 1000) + 7919 * like + 1).integers(1 << 20, 1 << 32, 128, np.uint32)
    theirs = np.arange(128, dtype=np.uint32) + 1000 * like
    return np.where(np.arange(128) < round(128 * shared), theirs, own).astype(np.uint32)


def placed(name: str, what: Ruling | None = None, sketch: np.ndarray | None = None, day: str | None = None) -> Placed:
    what = what or ruling()
    seen = [Sighting(technique=technique, state="used", evidence=LINE) for technique in what.techniques]
    kept = None if sketch is None else base64.b64encode(sketch.astype("<u4").tobytes()).decode()
    return Placed(name, Judged(ruling=what, sightings=seen, sketch=kept), day, day)
