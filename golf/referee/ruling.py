"""The referee's word on one submission: every check on one reading of its folder, and the verdict that follows.

`block` only with a line of evidence under a maintainer's rule; `review` when a person must look; else `clear`, which
speaks of what was examined and of nothing else.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from golf.referee import case as cases
from golf.referee.checks import CHECKS
from golf.referee.reading import listed
from golf.referee.rulebook import finding
from golf.rulings import SEVERITIES, Evidence, Finding, Ruling, RulingVerdict

EVIDENCE_MAX = 6
"""Lines kept of findings that were merged into one."""


def review_submission(folder: Path, *, expects_code: bool = True) -> Ruling:
    """Judge one submission's folder without running anything in it.

    With `expects_code` False the folder is taken for an excerpt (README, JSON, logs): that there is no script is then
    no finding, and the ruling says that code was not examined.

    Raises:
        NotFound: there is no such folder.
    """
    case = cases.open_case(folder)
    case.expects_code = expects_code
    return rule(case, examine(case))


def examine(case: cases.Case) -> list[Finding]:
    """Every check on one case: what was found, one finding per code, the worst first."""
    found = [*case.findings]
    for check in CHECKS:
        try:
            found += check.findings(case)
        except RecursionError:  # nested as deeply as only somebody who wants it writes
            concern = check.__name__.rpartition(".")[2]
            found.append(finding("UNREADABLE", f"its code is nested too deeply to be examined for {concern}"))
    return merged([*found, *case.unparsed])


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """One finding per code, the worst and surest of it with the others' evidence, the worst first."""
    by_code: dict[str, list[Finding]] = {}
    for one in sorted(findings, key=_rank):
        by_code.setdefault(one.code, []).append(one)
    return sorted((_one(same) for same in by_code.values()), key=_rank)


def _rank(one: Finding) -> tuple[int, float, bool]:
    """Worst first, then surest, then those that quote a line."""
    return SEVERITIES.index(one.severity), -one.confidence, not any(where.line for where in one.evidence)


def _one(same: Sequence[Finding]) -> Finding:
    """The first of several findings of one code, with the evidence of all: worse evidence stands first."""
    best = same[0]
    evidence: list[Evidence] = []
    for one in same:
        evidence += (where for where in one.evidence if where not in evidence)
    others = len({one.text for one in same if one.severity == best.severity}) - 1
    text = best.text if others < 1 else f"{best.text} (and {others} more)"
    return best.model_copy(update={"text": text, "evidence": evidence[:EVIDENCE_MAX]})


def rule(case: cases.Case, found: list[Finding]) -> Ruling:
    """The verdict that findings make, with what it rests on."""
    worst = {one.severity for one in found}
    verdict: RulingVerdict = "block" if "block" in worst else "review" if "flag" in worst else "clear"
    seen = {
        "code": case.has_code,
        "readme": bool(case.readmes),
        "json": bool(case.json),
        "logs": bool(case.logs),
        "files": bool(case.files),
    }
    examined = [name for name, there in seen.items() if there]
    unopened = case.unopened
    count = f"{len(unopened)} of {len(case.files)} files {'was' if len(unopened) == 1 else 'were'} never opened"
    return Ruling(
        submission=case.submission,
        verdict=verdict,
        reason=_reason(verdict, found, examined),
        findings=found,
        examined=examined,
        not_examined=[
            *(f"{name}: {_why(name, case)}" for name, there in seen.items() if not there),
            *([f"contents: {count}: {listed(unopened)}"] if unopened else []),
        ],
    )


def _reason(verdict: RulingVerdict, found: Sequence[Finding], examined: Sequence[str]) -> str:
    """The verdict in a sentence: the worst finding, and what else there is of its kind."""
    if verdict == "clear":
        return f"nothing disqualifying was found in {', '.join(examined) or 'an empty folder'}"
    first, *rest = (one for one in found if one.severity == found[0].severity)
    also = f"; also {', '.join(one.code for one in rest)}" if rest else ""
    return f"{first.code}: {first.text}{also}"


def _why(name: str, case: cases.Case) -> str:
    """Why a part of a submission was not examined."""
    if name == "code" and not case.expects_code:
        return "the folder is an excerpt without it"
    unread = [where.file for one in case.findings if one.code == "UNREADABLE" for where in one.evidence]
    endings = {"code": (".py", ".ipynb"), "readme": (".md",), "json": (".json",), "logs": (".log", ".txt", ".out")}
    lost = [file for file in unread if file.lower().endswith(endings.get(name, ()))]
    return f"{lost[0]} could not be read" if lost else "there is none"
