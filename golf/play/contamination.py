"""What the referee says of an experiment's own files, under the settings it was played with."""

import re
import shlex
from pathlib import Path

from golf.referee import case as cases
from golf.referee import ruling
from golf.rulings import Finding
from golf.schema import Gate, Result

PUBLISHED = "fineweb"
"""What the names of folders with the published shards begin with."""
_COUNTED = re.compile(r"of ([\d,]+) target tokens")

ABOUT_PUBLISHING = ("MISSING_FILES", "EVIDENCE_WEAK")
"""Codes that a folder which is no submission yet cannot satisfy."""


def findings(folder: Path, result: Result) -> list[Finding]:
    """The referee's findings, the worst first; nothing of the experiment is run.

    The published split's numbers hold where it was played on that split; another course is the workspace's own, and the
    whole of it is what was counted there.
    """
    case = cases.open_case(folder)
    case.own_course = _own_course(result)
    exports = "\n".join(f"export {key}={shlex.quote(value)}" for key, value in sorted(result.settings.items()))
    case.shells = [cases.TextFile("result.json", f"{exports}\npython train_gpt.py")]
    return ruling.examine(case)


def _own_course(result: Result) -> cases.OwnCourse | None:
    name = result.data.partition(" ")[0]
    if not name or name.lower().startswith(PUBLISHED):
        return None
    counted = [match[1] for seed in result.seeds if (match := _COUNTED.search(seed.scored_on))]
    return cases.OwnCourse(name, int(counted[0].replace(",", "")) if counted else None)


def contamination_gate(folder: Path, result: Result) -> Gate:
    """Fails on what a maintainer's rule disqualifies, with the line; what a person must look at is the critic's."""
    found = [one for one in findings(folder, result) if one.code not in ABOUT_PUBLISHING]
    blocked = [one for one in found if one.severity == "block"]
    flagged = [one for one in found if one.severity == "flag"]
    if blocked:
        worst = blocked[0]
        where = ", ".join(f"{one.file}:{one.line}" for one in worst.evidence[:3] if one.line)
        return _gate("fail", len(blocked), f"{worst.code}: {worst.text}{f' ({where})' if where else ''}")
    if flagged:
        named = ", ".join(one.code for one in flagged[:3])
        return _gate("pass", 0, f"nothing disqualifying; for the critic to look at: {named}")
    return _gate("pass", 0, "the referee finds nothing disqualifying in its files")


def _gate(verdict: str, value: int, reason: str) -> Gate:
    return Gate.model_validate(
        {"name": "contamination", "verdict": verdict, "value": value, "limit": 0, "reason": reason}
    )
