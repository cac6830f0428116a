"""Where README, submission.json and logs state different numbers for the same thing: each a finding with both lines.

A headline may be the mean of the logs or one of them, rounded as its digits say. One that is better than every log
supports needs a person; one that is worse, or apart in its last digit only, is good to know.
"""

import math
import re
from collections.abc import Iterator

from golf import rules
from golf.referee import chosen, headline, logged, stated
from golf.referee.case import Case
from golf.referee.claimed import in_json, in_readme, nowhere
from golf.referee.rulebook import finding
from golf.rulings import Evidence, Finding, Severity, SubmittedSeed

SEEDS_MAX = 5
"""Findings about single seeds; the others are counted."""


def findings(case: Case) -> list[Finding]:
    """SCORE_DISAGREES and SIZE_DISAGREES."""
    return [*_headline(case), *_readme(case), *_seeds(case)]


def _headline(case: Case) -> Iterator[Finding]:
    """The headline against the logs."""
    claim, mean = case.submission.claimed_val_bpb, case.submission.val_bpb
    scored = [seed for seed in case.submission.seeds if seed.val_bpb is not None]
    if claim is None or mean is None or headline.which_of(claim, scored) != headline.UNBACKED:
        return
    nearest = min(scored, key=lambda seed: abs((seed.val_bpb or 0.0) - claim))
    low, high = min(seed.val_bpb or 0.0 for seed in scored), max(seed.val_bpb or 0.0 for seed in scored)
    if len(scored) == 1:
        text = f"val_bpb {claim:.10g} is claimed, and {nearest.log} states {mean:.8g}"
    else:
        text = (
            f"val_bpb {claim:.10g} is claimed, and {len(scored)} logs give {mean:.8g} on average, "
            f"from {low:.8g} to {high:.8g}"
        )
    where = _claim_line(case, claim)
    yield finding(
        "SCORE_DISAGREES", text, where, _score_line(case, nearest), confidence=0.95, severity=_weight(claim, low)
    )


def _readme(case: Case) -> Iterator[Finding]:
    """The README's headline against submission.json's."""
    said = stated.read(case.json).bpb
    if said is None or not case.readmes:
        return
    in_text = headline.readme_bpb(case.readmes[0])
    if in_text is None or chosen.is_near(said, in_text) or chosen.is_near(in_text, said):
        return
    line = in_readme(case, f"{in_text}") or nowhere(case, in_text)
    is_logged = any(chosen.is_near(log.final_bpb, in_text) for log in case.logs)
    text = f"submission.json states val_bpb {said:.10g}, {case.readmes[0].name} {in_text:.10g}"
    severity: Severity = "flag" if abs(said - in_text) > 10 * rules.DISAGREEMENT_BPB and not is_logged else "note"
    yield finding("SCORE_DISAGREES", text, _claim_line(case, said), line, confidence=0.8, severity=severity)


def _seeds(case: Case) -> Iterator[Finding]:
    """What submission.json states of a seed against that seed's log."""
    rows = stated.read(case.json).rows
    said = 0
    for row in rows:
        logs = [seed for seed in case.submission.seeds if seed.seed == row.seed]
        if len(logs) != 1 or len([other for other in rows if other.seed == row.seed]) != 1:
            continue
        for found in (_seed_score(case, row, logs[0]), _seed_size(case, row, logs[0])):
            if found is not None and said < SEEDS_MAX:
                said += 1
                yield found


def _seed_score(case: Case, row: stated.StatedSeed, log: SubmittedSeed) -> Finding | None:
    scores = [other.final_bpb for other in case.logs if other.seed == row.seed]  # a seed may have run more than once
    if row.bpb is None or log.val_bpb is None or any(chosen.is_near(score, row.bpb) for score in scores):
        return None
    text = f"submission.json states val_bpb {row.bpb:.10g} for seed {row.seed}, and {log.log} {log.val_bpb:.8g}"
    where = in_json(case, *stated.SEED_BPB, row.name, value=row.bpb) or nowhere(case, row.bpb)
    weight = _weight(row.bpb, log.val_bpb)
    return finding("SCORE_DISAGREES", text, where, _score_line(case, log), confidence=0.9, severity=weight)


def _seed_size(case: Case, row: stated.StatedSeed, log: SubmittedSeed) -> Finding | None:
    if row.bytes is None or log.artifact_bytes is None:
        return None
    if any(other.artifact_bytes == row.bytes for other in case.logs if other.seed == row.seed):
        return None
    text = f"submission.json states {row.bytes:,} bytes for seed {row.seed}, and {log.log} {log.artifact_bytes:,}"
    where = in_json(case, *stated.BYTES, value=row.bytes) or nowhere(case, row.bytes)
    total = f"{log.artifact_bytes:,}".replace(",", ",?")
    return finding("SIZE_DISAGREES", text, where, _quote(case, log, total, f"{log.artifact_bytes} bytes"))


def _weight(claim: float, best: float) -> Severity:
    return "flag" if claim < best - rules.DISAGREEMENT_BPB else "note"


def _claim_line(case: Case, claim: float) -> Evidence:
    return (
        in_json(case, *stated.BPB, *stated.LOSS, value=claim)
        or in_readme(case, f"{claim}")
        or nowhere(case, f"{claim:.10g}")
    )


def _score_line(case: Case, seed: SubmittedSeed) -> Evidence:
    """The line of a log that its score stands on; logs print up to 8 decimals."""
    score = seed.val_bpb or math.nan
    return _quote(case, seed, rf"{re.escape(repr(score))}0*(?!\d)", f"val_bpb {score}")


def _quote(case: Case, seed: SubmittedSeed, pattern: str, otherwise: str) -> Evidence:
    for log in case.logs:
        if logged.name_of(case, log) == seed.log:
            return logged.quote(case, log, pattern, otherwise)
    return Evidence(file=seed.log, line=None, quote=otherwise)
