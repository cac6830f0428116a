"""The referee's word on one submission: every check on one reading of its folder, and the verdict that follows.

`block` only with a line of evidence under a maintainer's rule; `review` when a person must look; else `clear`, which
speaks of what was examined and of nothing else.
"""

from pathlib import Path

from golf.referee import case as cases
from golf.referee.checks import CHECKS
from golf.rulings import Finding, Ruling, RulingVerdict

ORDER = ("block", "flag", "note")


def review_submission(folder: Path, *, expects_code: bool = True) -> Ruling:
    """Judge one submission's folder without running anything in it.

    With `expects_code` False the folder is taken for an excerpt (README, JSON, logs): that there is no script is then
    no finding, and the ruling says that code was not examined.

    Raises:
        NotFound: there is no such folder.
    """
    case = cases.open_case(folder)
    found = examine(case)
    if not expects_code and not case.has_code:
        found = [finding for finding in found if finding.code != "MISSING_FILES"]
    return _ruling(case, found)


def examine(case: cases.Case) -> list[Finding]:
    """Every check on one case: what was found, the worst first."""
    found = [*case.findings]
    for check in CHECKS:
        found += check.findings(case)
    return sorted(found, key=lambda finding: (ORDER.index(finding.severity), -finding.confidence))


def _ruling(case: cases.Case, found: list[Finding]) -> Ruling:
    worst = {finding.severity for finding in found}
    verdict: RulingVerdict = "block" if "block" in worst else "review" if "flag" in worst else "clear"
    seen = {"code": case.has_code, "readme": bool(case.readmes), "json": bool(case.json), "logs": bool(case.logs)}
    return Ruling(
        submission=case.submission,
        verdict=verdict,
        reason=found[0].text if verdict != "clear" else "nothing was found in what was examined",
        findings=found,
        examined=[name for name, there in seen.items() if there],
        not_examined=[f"{name}: there is none" for name, there in seen.items() if not there],
    )
