"""Files, seeds, hardware: whether the evidence is there and belongs together.

Merged records began with one seed and the best of several as headline, some shipped a script edited after the run, and
two shipped no log; so what is thin is a note, what is missing a flag, and only a submission without log and
submission.json is none.
"""

import re
from collections.abc import Iterator, Sequence

from golf.referee import hardware, logged
from golf.referee.case import Case, Script
from golf.referee.claimed import in_readme
from golf.referee.prose import assertions
from golf.referee.rulebook import finding
from golf.referee.tracks import is_record
from golf.rulings import Evidence, Finding, Severity
from golf.schema import TrainingLog

SEEDS = 3
"""Runs that a record's average is most often over (R)."""
SETTINGS_DIFFER = 4
"""Differing settings from which the seeds are not of one configuration; accepted records differ in one at most."""
SEED_MAX = 1_000_000
"""Nobody sets a larger one by hand; it came out of a search or a clock."""
CODE_SHARE = 0.85
"""A script's logged size over its shipped one, or the reverse: 0.91 or more in accepted records."""
PACKED = (0.15, 0.4)
"""A packed script's size over its source's: the log may count what packing makes of a readable script."""
LINES_SHARE = 0.7
"""Of the source a log embeds, the lines that the shipped scripts have: 0.91 or more in accepted records."""

SOURCE_LINES_MIN = 100
"""A log with fewer such lines quotes a traceback or a configuration, and no script."""

_TRAINS = re.compile(r"\.backward\(|value_and_grad|\bgrad\(|GradientTape|\.grad\b")
_SETTINGS_OF_A_RUN = re.compile(
    r"(?:^|_)(?:seeds?|run_?id|path|dir|files?|logs?|logfile|time|date|host|port|every|artifact|wallclock)(?:_|$)"
    r"|^(?:s|params|tokens|rank|local_rank|world_size|grad_accum\w*|val_tokens|train_shards|tokens_?seen)$|_ms$",
    re.IGNORECASE,
)
"""Settings that differ between seeds of one configuration."""
_SEARCHED = re.compile(
    r"\b(?:best|lowest|selected|picked|chosen)\b[^.|]{0,20}\b(?:of|from|out of|across|over) (?:[4-9]|\d{2,}) seeds\b"
    r"|\bseed[- ](?:search|hunt\w*|lottery|mining|shopping)\b|\bbrute[- ]?forc\w+ (?:the )?seeds?\b",
    re.IGNORECASE,
)
_LOST = re.compile(
    r"\blogs? (?:was|were|are|is)\b[^.|]{0,20}\b(?:lost|unavailable|not (?:saved|available|preserved))"
    r"|\b(?:result|score|run)s? (?:is|are) not reproducible\b",
    re.IGNORECASE,
)


def findings(case: Case) -> list[Finding]:
    """MISSING_FILES, EVIDENCE_WEAK, CODE_LOG_MISMATCH, SEED_BRUTE_FORCE and NOT_REPRODUCIBLE."""
    return [*_missing(case), *_weak(case), *_mismatch(case), *_seeds(case), *_said(case)]


# --- files


def _missing(case: Case) -> Iterator[Finding]:
    lacking = [
        name
        for name, there in (
            ("README.md", bool(case.readmes)),
            ("submission.json", case.json_file is not None),
            ("training log", bool(case.logs)),
            ("training script", case.has_code or not case.expects_code),
        )
        if not there
    ]
    if not lacking:
        return
    blocks = {"submission.json", "training log"} <= set(lacking) and bool(case.readmes)  # a lone file is an excerpt
    names = ", ".join(sorted(case.files, key=lambda name: (name.count("/"), name))[:8])
    yield finding(
        "MISSING_FILES",
        f"there is no {', no '.join(lacking)}",
        Evidence(file=".", line=None, quote=f"files: {names or 'none'}"),
        severity=_weight(case, lacking, blocks),
        confidence=0.95,
    )


def _weight(case: Case, lacking: Sequence[str], blocks: bool) -> Severity:
    """How much it matters: a README can be supplied, and without the others some were accepted as no records."""
    if lacking == ["README.md"]:
        return "note"
    if is_record(case):
        return "block" if blocks else "flag"
    return "flag" if blocks or not case.has_code else "note"


# --- seeds and hardware


def _weak(case: Case) -> Iterator[Finding]:
    logs = logged.submitted(case)
    if not logs or not is_record(case):
        return
    if all(hardware.is_standard(case, log) is False for log in logs):
        said, size = hardware.stated(case), logs[0].world_size
        on = f"{said or 'nothing'} is stated" + (f", and the log's world_size is {size}" if size else "")
        where = logged.quote(case, logs[0], r"world_size", on)
        yield finding("EVIDENCE_WEAK", f"no log is of 8×H100: {on}", where, confidence=0.7)
    if other := _other_mean(case, logs):
        yield other
    seeds = {log.seed for log in logs if log.seed is not None}
    if len(seeds) < SEEDS:
        text = f"seeds with a log: {len(seeds)}; a record's average is most often over {SEEDS}"
        where = Evidence(file=logged.name_of(case, logs[0]), line=None, quote=f"seeds: {sorted(seeds) or 'not stated'}")
        yield finding("EVIDENCE_WEAK", text, where, severity="note")
    if differing := _differing(logs):
        name, values = next(iter(differing.items()))
        text = f"the seeds' logs differ in {len(differing)} settings: {', '.join(list(differing)[:6])}"
        apart = [next(log for log in logs if log.hyperparameters[name] == value) for value in values[:2]]
        where = [logged.quote(case, log, rf"\b{re.escape(name)}\b", log.hyperparameters[name]) for log in apart]
        severity: Severity = "flag" if len(differing) >= SETTINGS_DIFFER else "note"
        yield finding(
            "EVIDENCE_WEAK", f"{text} ({name}: {', '.join(values)})", *where, severity=severity, confidence=0.7
        )


def _other_mean(case: Case, logs: Sequence[TrainingLog]) -> Finding | None:
    """A README whose headline is the mean of more logs than submission.json counts."""
    scores = [log.final_bpb for log in case.logs if log.final_bpb is not None]
    claim = case.submission.claimed_val_bpb
    if len(scores) <= len(logs) or claim is None:
        return None
    mean = sum(scores) / len(scores)
    where = in_readme(case, f"{mean:.6f}") or in_readme(case, f"{mean:.5f}")
    if where is None or abs(mean - claim) < 10**-5:
        return None
    text = f"the README's {mean:.5f} is the mean of {len(scores)} logs, and submission.json counts {len(logs)}"
    return finding("EVIDENCE_WEAK", text, where, confidence=0.8)


def _differing(logs: Sequence[TrainingLog]) -> dict[str, list[str]]:
    """Settings that all logs print and that have several values."""
    shared = set.intersection(*(set(log.hyperparameters) for log in logs)) if len(logs) > 1 else set()
    values = {name: sorted({log.hyperparameters[name] for log in logs}) for name in sorted(shared)}
    return {
        name: several
        for name, several in values.items()
        if len(several) > 1 and not _SETTINGS_OF_A_RUN.search(name) and not any("/" in value for value in several)
    }


# --- script and log


def _mismatch(case: Case) -> Iterator[Finding]:
    scripts = [script for script in case.scripts if script.text.strip()]
    logs = logged.submitted(case)
    if not scripts:
        return
    if not any(_TRAINS.search(script.text) for script in scripts):
        text = "no shipped script trains: none takes a gradient"
        yield finding("CODE_LOG_MISMATCH", text, scripts[0].at(1), confidence=0.7)
        return
    for check in (_label, _code_size, _source) if logs else ():
        if found := check(case, scripts, logs):
            yield found
            return


def _label(case: Case, scripts: list[Script], logs: Sequence[TrainingLog]) -> Finding | None:
    """Logs whose submitted line no shipped script could have printed, all of them."""
    text = "\n".join(script.text for script in scripts).lower()
    unknown: list[tuple[str, TrainingLog]] = []
    for log in logs:
        words = [word for word in re.split(r"[^a-z]+", (log.final_label or "").lower()) if len(word) > 2]
        if all(word in text for word in words):
            return None
        unknown.append((next(word for word in words if word not in text), log))
    word, log = unknown[0]
    label = log.final_label or ""
    said = f"the score's line says {label!r}, and no shipped script has the word {word!r}"
    return finding("CODE_LOG_MISMATCH", said, logged.quote(case, log, re.escape(label), label), confidence=0.8)


def _code_size(case: Case, scripts: list[Script], logs: Sequence[TrainingLog]) -> Finding | None:
    """Logs that all state a size of code that no shipped script is near, packed or not."""
    shipped = {len(script.text.encode()) for script in scripts}
    shipped |= {case.files[script.name] for script in scripts if script.name in case.files}
    shipped.add(sum(case.files.get(name, 0) for name in {script.packed_in or script.name for script in scripts}))
    stated = [(size, log) for log in logs for size in log.code_bytes.values()]
    shares = [size / one for size, _ in stated for one in shipped if one]
    if not stated or any(CODE_SHARE < share < 1 / CODE_SHARE or PACKED[0] < share < PACKED[1] for share in shares):
        return None
    size, log = stated[0]
    closest = min(shipped, key=lambda one: abs(one - size))
    where = logged.quote(case, log, rf"code.*{size}", f"code {size} bytes")
    said = f"the log states {size:,} bytes of code, and the nearest shipped script has {closest:,}"
    return finding("CODE_LOG_MISMATCH", said, where, confidence=0.7)


def _source(case: Case, scripts: list[Script], logs: Sequence[TrainingLog]) -> Finding | None:
    """Logs that all embed a source the shipped scripts do not have."""
    shipped = {line.strip() for script in scripts for line in script.lines}
    shares: list[tuple[float, TrainingLog]] = []
    for log in logs:
        source = _embedded(case, log)
        if source:
            shares.append((sum(line in shipped for line in source) / len(source), log))
    if not shares or max(share for share, _ in shares) >= LINES_SHARE:
        return None
    share, log = max(shares, key=lambda one: one[0])
    where = Evidence(file=logged.name_of(case, log), line=None, quote="the source at the log's beginning")
    said = f"of the source that the log embeds, the shipped scripts have {share:.0%} of the lines"
    return finding("CODE_LOG_MISMATCH", said, where, confidence=0.8)


def _embedded(case: Case, log: TrainingLog) -> list[str]:
    """Lines of the source a log embeds, short ones left out; empty when it embeds none."""
    text = case.log_texts.get(log.path)
    if text is None or "\nimport torch" not in text.text:
        return []
    own = {number for number, _ in text.own_lines}
    lines = (line.strip() for number, line in enumerate(text.lines, 1) if number not in own)
    source = [line for line in lines if len(line) > 20 and re.search(r"[=(:\[]", line) and not line[0].isdigit()]
    return source if len(source) >= SOURCE_LINES_MIN else []


# --- what it says of its seeds and logs


def _seeds(case: Case) -> Iterator[Finding]:
    for sentence, _ in assertions(case, _SEARCHED):
        yield finding("SEED_BRUTE_FORCE", f"it says: {sentence.text[:150]}", sentence.where, confidence=0.6)
        return
    for log in case.logs:
        if log.seed is not None and log.seed > SEED_MAX:
            where = Evidence(file=logged.name_of(case, log), line=None, quote=f"seed {log.seed}")
            yield finding(
                "SEED_BRUTE_FORCE", f"seed {log.seed} is no usual one", where, severity="note", confidence=0.5
            )
            return


def _said(case: Case) -> Iterator[Finding]:
    for sentence, _ in assertions(case, _LOST):
        yield finding("NOT_REPRODUCIBLE", f"it says: {sentence.text[:150]}", sentence.where, confidence=0.6)
        return
