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
from golf.referee.texts import TextFile
from golf.rulings import Code, Evidence, Finding, Severity, SubmittedSeed

SEEDS_MAX = 5
"""Findings about single seeds, and as many about rows of tables."""

TABLE_LINES_MAX = 2_000
TABLE_CHARS_MAX = 1_000
"""Of a README that are looked at for tables of seeds."""

FLATTERY_BPB = 0.002
"""A claim that beats its logs by more than this could make a record of none: 0.005 nats are at least 0.0019 BPB."""

_BPB = re.compile(r"bp[bp]\b", re.IGNORECASE)
_SCORE = re.compile(r"(?<![\d.,+−±~≈-])(?<![±~≈] )[01]\.\d{4,10}(?!\d)")
_SIZE = re.compile(r"(?<![\d.,~≈+−-])(?<![~≈] )1[0-9],?\d{3},?\d{3}(?![\d.,])")


def findings(case: Case) -> list[Finding]:
    """SCORE_DISAGREES and SIZE_DISAGREES."""
    return [*_headline(case), *_readme(case), *_seeds(case), *_tables(case)]


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


def _tables(case: Case) -> Iterator[Finding]:
    """A README's table of seeds against their logs: a row whose scores or sizes no log of that seed states."""
    by_seed = {str(log.seed): [other for other in case.logs if other.seed == log.seed] for log in case.logs}
    said = 0
    for line, cells in _rows(case.readmes[0]) if case.readmes else ():
        logs = next((by_seed[cell] for cell in cells[:2] if cell in by_seed), [])
        scores = [float(number) for cell in cells for number in _SCORE.findall(cell)]
        sizes = [int(number.replace(",", "")) for cell in cells for number in _SIZE.findall(cell)]
        logged_scores = [score for log in logs for score in (*log.candidates.values(), log.last_step_bpb) if score]
        logged_sizes = [log.artifact_bytes for log in logs if log.artifact_bytes is not None]
        found: list[tuple[Code, str]] = []
        if scores and logged_scores and not any(chosen.is_near(a, b) for a in logged_scores for b in scores):
            stated_ = ", ".join(f"{score:.10g}" for score in scores[:3])
            found.append(("SCORE_DISAGREES", f"{stated_} for seed {logs[0].seed}, and no log of it states one of them"))
        if sizes and logged_sizes and not set(sizes) & {*logged_sizes, *(log.model_bytes for log in logs)}:
            size = f"{sizes[0]:,} bytes for seed {logs[0].seed}, and its log {logged_sizes[0]:,}"
            found.append(("SIZE_DISAGREES", size))
        for code, text in found[: SEEDS_MAX - said]:
            said += 1
            readme = case.readmes[0]
            yield finding(code, f"{readme.name} states {text}", readme.at(line), confidence=0.7, severity="note")


def _rows(readme: TextFile) -> Iterator[tuple[int, list[str]]]:
    """Numbers and cells, without their marks, of the rows of tables that are about bits per byte."""
    is_scored = False
    for number, line in enumerate(readme.lines[:TABLE_LINES_MAX], start=1):
        if not line.lstrip().startswith("|"):
            is_scored = False
        elif len(line) <= TABLE_CHARS_MAX:
            is_scored = is_scored or _BPB.search(line) is not None
            if is_scored:
                yield number, [cell.strip(" *`") for cell in line.strip().strip("|").split("|")]


def _weight(claim: float, best: float) -> Severity:
    return "flag" if claim < best - FLATTERY_BPB else "note"


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
