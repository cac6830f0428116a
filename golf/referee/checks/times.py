"""Training and evaluation time against the limits, which hold for records on 8×H100.

The script's own training clock counts, quantisation's calibration included, and not the wall time of the process: a
merged run printed 825 s for the making of its artifact. Evaluation is every pass that the score needs; a sliding window
beside the test-time training that was submitted is a diagnostic, and sums of all passes reach 900 s in accepted logs.
"""

import re

from golf import rules
from golf.referee import hardware, logged
from golf.referee.case import Case
from golf.referee.rulebook import finding
from golf.referee.tracks import states_record
from golf.rulings import Code, Evidence, Finding, Severity
from golf.schema import TrainingLog

TRAIN_NOTE_S = 600.2
"""Scripts that stop after the step in which the clock ran out overshoot by up to this."""
TRAIN_BLOCK_S = 601.0
"""Accepted logs end by 600.4 s; one of 602.0 s was replaced by a rerun before its row was written (#1945)."""
UNHURRIED_S = 2 * rules.TRAIN_TIME_S_MAX
"""Whoever trains longer is on the track without a clock, unless the submission calls itself a record."""
EVAL_BLOCK_S = rules.EVAL_TIME_S_MAX + 1.0

_CALIBRATED = re.compile(r"gptq:\s?(?:collected|calibrated) .*?\bin (\d{1,6}(?:\.\d+)?) ?s\b", re.IGNORECASE)
_OUTSIDE = re.compile(
    r"precompute_outside\w*.*?elapsed[=:]\s?(\d{1,6}(?:\.\d+)?)s|outside.{0,40}?elapsed[=:](\d{1,6})s"
)
_PASS = re.compile(r"val_bpb.*?\b\w{0,20}eval_time[:=]\s*(\d{1,12}(?:\.\d+)?)(ms|s)\b")


def findings(case: Case) -> list[Finding]:
    """TIME_OVER_TRAIN and TIME_OVER_EVAL: the longest seed of each."""
    found: list[Finding] = []
    logs = logged.submitted(case)
    for measure in (_training, _calibration, _evaluation):
        each = [one for log in logs if (one := measure(case, log))]
        found += sorted(each, key=lambda one: ("block", "flag", "note").index(one.severity))[:1]
    return found


def _training(case: Case, log: TrainingLog) -> Finding | None:
    seconds = log.train_time_s
    if seconds is None or seconds <= TRAIN_NOTE_S:
        return None
    where = logged.quote(case, log, r"stopping_early|train_time", f"train_time {seconds} s")
    severity: Severity = "block" if seconds > TRAIN_BLOCK_S else "note"
    return _judged(case, log, "TIME_OVER_TRAIN", f"training took {seconds:.1f} s", severity, where)


def _calibration(case: Case, log: TrainingLog) -> Finding | None:
    """Calibration after the training clock stopped, where both are timed and together exceed the limit."""
    if log.train_time_s is None or log.train_time_s > TRAIN_NOTE_S:
        return None
    for number, line in logged.after_training(case, log):
        timed = _CALIBRATED.search(line)
        together = log.train_time_s + float(timed[1]) if timed else 0.0
        if together > TRAIN_NOTE_S:
            text = f"training and calibration together took {together:.1f} s"
            return _judged(case, log, "TIME_OVER_TRAIN", text, "note", logged.at(case, log, number, line))
    return None


def _evaluation(case: Case, log: TrainingLog) -> Finding | None:
    seconds = log.eval_time_s
    severity: Severity = "block"
    where, more = None, 0.0
    for number, line in logged.after_training(case, log):
        if outside := _OUTSIDE.search(line):
            more += float(outside[1] or outside[2])
            where = logged.at(case, log, number, line)
        timed = _PASS.search(line)
        if timed and log.eval_time_s is None:
            taken = float(timed[1]) / (1000 if timed[2] == "ms" else 1)
            if taken > (seconds or 0.0):
                seconds, severity, where = taken, "flag", logged.at(case, log, number, line)
    if seconds is None or seconds + more <= EVAL_BLOCK_S:
        return None
    written = rf"(time|elapsed)[=:]\s?({round(seconds * 1000)}(\.\d+)?ms|{re.escape(f'{seconds:g}')}\d*s)"
    where = where or logged.quote(case, log, written, f"evaluation {seconds} s")
    text = f"evaluation took {seconds + more:.1f} s"
    if more and seconds <= EVAL_BLOCK_S:
        text += f", {more:.1f} s of it outside the script's timer"
        severity = "flag"
    if log.eval_time_s is None:
        text = f"one evaluation pass took {seconds:.1f} s, and the log does not time the submitted score's own"
    return _judged(case, log, "TIME_OVER_EVAL", text, severity, where)


def _judged(case: Case, log: TrainingLog, code: Code, text: str, severity: Severity, where: Evidence) -> Finding:
    """Softened to a note outside the record track and on other hardware, to a flag where neither is stated."""
    text = f"{text} in {logged.name_of(case, log)}"
    standard, record = hardware.is_standard(case, log), states_record(case)
    unhurried = record is None and (log.train_time_s or 0.0) > UNHURRIED_S
    if record is False or unhurried:
        return finding(code, f"{text}; the limit holds for records", where, severity="note")
    if standard is False:
        on = hardware.stated(case) or f"{log.world_size} GPUs"
        return finding(code, f"{text} on {on}; the limit is for 8×H100", where, severity="note", confidence=0.7)
    if severity == "block" and (record is None or standard is None):
        return finding(code, f"{text}; track or hardware are not stated", where, severity="flag", confidence=0.8)
    return finding(code, text, where, severity=severity)
