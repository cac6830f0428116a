"""A ruling in short, for whoever pays by the word: the worst of it, and the path to the whole.

The whole is written to `.golf/rulings/`, so that nothing is lost; the excerpt has the same fields.
"""

import hashlib

from golf import durable
from golf.rulings import Finding, Ruling, Submission
from golf.workspace import Workspace

FINDINGS, SEEDS = 3, 3
"""How many of each an excerpt keeps."""


def excerpt(workspace: Workspace, ruling: Ruling) -> Ruling:
    """The worst findings with a line of evidence each, the first seeds, and where the whole lies."""
    name = hashlib.sha256(ruling.submission.folder.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    whole = workspace.state / "rulings" / f"{name}.json"
    durable.replace(whole, ruling.model_dump_json(indent=2))
    return ruling.model_copy(
        update={
            "submission": _short(ruling.submission),
            "findings": [_shortened(finding) for finding in _worst(ruling)[:FINDINGS]],
            "whole_path": str(whole.relative_to(workspace.root)),
        }
    )


def _worst(ruling: Ruling) -> list[Finding]:
    """One finding per code, in the ruling's order, which is the worst first."""
    return list({finding.code: finding for finding in reversed(ruling.findings)}.values())[::-1]


def _shortened(finding: Finding) -> Finding:
    return finding.model_copy(update={"evidence": finding.evidence[:1]})


def _short(submission: Submission) -> Submission:
    return submission.model_copy(
        update={
            "claims": [],
            "parents": submission.parents[:3],
            "missing": {},
            "seeds": [seed.model_copy(update={"missing": {}}) for seed in submission.seeds[:SEEDS]],
        }
    )
