"""What a log shows of the evaluation: passes, caches and mixtures that print what they do, and in which order.

A line in a log is what ran, whatever the script's defaults or the README say. A mixture counts where the score its line
states is one that was submitted: ablations are logged too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from golf.referee import logged, validation
from golf.referee.case import Case
from golf.referee.rulebook import finding
from golf.rulings import Code, Evidence, Finding, Severity
from golf.schema import TrainingLog

SAME_BPB = 0.002
"""A line's score this near to a submitted one is the submitted one, or one of its seeds'."""

CREDIBLE_BPB = 0.9
"""Where a log shows no loss of the model alone: a cache that brings the score under this is no distribution."""

LEGAL_GAIN = 0.95
"""A normalised hint or cache leaves at least this share of the loss: accepted ones gain 0.3 %."""


@dataclass(frozen=True)
class Trace:
    """A kind of line, and what it is a trace of."""

    code: Code
    line: re.Pattern[str]
    text: str
    severity: Severity = "block"
    of_score: bool = True
    """It is about one score and not about the model, so the score must be a submitted one."""


def _line(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


TRACES = (
    Trace(
        "TTT_PREQUANT_VAL",
        _line(r"^\W{0,4}pre-?quant[-_]?ttt\S{0,20}[: ].*epoch|\bpost-prequant-ttt\b"),
        "epochs over the validation split before quantisation and scoring",
        of_score=False,
    ),
    Trace(
        "TWO_PASS_RESCORE",
        _line(
            r"ngram_pass_?2|\bpass 2 (?:done|\(n-?gram)|starting pass 2|rescoring (?:all|first) .{0,12}chunks"
            r"|ttt_second_pass: ?chunks|n-?gram_rescore: matched|two_pass=True|using two_pass mode"
        ),
        "tokens are scored again after a cache or the model has seen them",
    ),
    Trace(
        "PPM_UNNORMALISED",
        _line(
            r"\bppm_(?:mix|mixer|sliding|full_native|token\w{0,20})\b.*bpb|\bppm:mix\b|\bppm_only="
            r"|ppm \w{0,20} ?mixture eval|_ppm\w{0,20} val_"
        ),
        "the score is of a byte mixture with PPM",
    ),
    Trace(
        "GPTQ_CALIB_ON_VAL",
        _line(
            r"(?:gptq|hessian|calib).{0,60}?(?:\bval(?:idation)?[- ](?:data|tokens|split)|source=val\b)"
            r"|calib:val_tail"
        ),
        "quantisation is calibrated on validation data",
        of_score=False,
    ),
    Trace(
        "TRAIN_DATA_AT_EVAL",
        _line(r"pre-?fill(?:ing|ed) .{0,20}(?:n-?gram|oracle|tables?).{0,30}training shards"),
        "tables are filled from training data for the evaluation",
        of_score=False,
    ),
    Trace(
        "SLOT_NONCAUSAL",
        _line(r"^\W{0,4}(?:final_)?\w{0,24}slot\w{0,12}\b(?::(?:start|done)|.*val_(?:bpb|loss)).*"),
        "a correction is optimised during scoring (SLOT)",
        "flag",
    ),
)

_NGRAM = _line(
    r"n-?gram_(?:cache|eval|mixer|single_pass|two_pass)\b.*(?:order|bpb|alpha)|final_n-?gram"
    r"|ngram\d+(?:_exact)? val_loss|starting n-?gram .{0,12}eval|n-?gram eval cache|ngram_bpb"
    r"|prefill\w{0,9} .{0,20}n-?gram"
)
_NORMALISED = _line(r"dirichlet|ngram_tilt|normali[sz]ed")

_EPOCH = _line(
    r"^\W{0,4}(?:INFO: )?(?!.*(?:burst|e2e|meta|ttt_train|chunk \d|prequant))"
    r"(?:(?:\w{0,20}ttt\w{0,20}|val_adapt\w{0,20})(?::\w{1,20})?[:_ ]{1,2}epoch[:=_ ]{0,2}\d+/\d+\b.*loss"
    r"|ttt_adapt_time[:=])"
)
_QUANTISES = _line(r"^\W{0,4}(?:gptq|quantiz|Serialized model \S{0,30}(?:int|quant))")
_SCORED = _line(r"^\W{0,4}(?:final|quantized|legal_ttt)\S{0,60}(?: sliding)? .*val_bpb")

_CALIBRATES = _line(r"gptq:\s?(?:calibrat|collecting hessians)")
_GENERATED = _line(
    r"autoregressive|self-?gen|generated|synthetic|random tokens|AR tokens|ar_selfgen|val-?data|validation|source=val"
)
_INSIDE = _line(r"gptq:\s?reserv|train\+gptq|total_train_time")
_TRAINING_DATA = _line(r"train(?:ing)?[- ](?:data|batches|shards)")
_FULL_CLOCK_S = 598.0
"""Training that stops later has left no time for calibration within the 600 s."""

_WORTH_A_LOOK = _line(
    r"ttt|n-?gram|ppm|slot|gptq|hessian|calib|quant|pass|rescor|fill|reserv|val_adapt|val_bpb|Serialized|total_train"
)
"""Words without which a line is no trace: most of a log's lines are steps."""

_TEMPERATURES = _line(r"^final\w{0,20}_T(\d\.\d+)(?:_exact)? val_loss")


@dataclass(frozen=True)
class _Reading:
    """The lines of one log that may be a trace of anything."""

    case: Case
    log: TrainingLog
    lines: list[tuple[int, str]]
    trained_at: int
    """Number of the line that ends training; past the last one where the log does not show it."""

    def at(self, number: int, line: str) -> Evidence:
        return logged.at(self.case, self.log, number, line)

    @property
    def after(self) -> list[tuple[int, str]]:
        """Those that follow training."""
        return [one for one in self.lines if one[0] > self.trained_at]


def _read(case: Case, log: TrainingLog) -> _Reading:
    own = logged.lines(case, log)
    end = own[-1][0] if own else 0
    after = next(logged.after_training(case, log), (end + 1, ""))
    return _Reading(case, log, [one for one in logged.telling(case, log) if _WORTH_A_LOOK.search(one[1])], after[0] - 1)


def findings(case: Case) -> list[Finding]:
    """What each log shows, one finding per code."""
    found: dict[str, Finding] = {}
    for log in logged.submitted(case):
        for one in _by_log(_read(case, log)):
            held = found.get(one.code)
            if held is None or (one.severity == "block") > (held.severity == "block"):
                found[one.code] = one
    return list(found.values())


def _by_log(read: _Reading) -> Iterator[Finding]:
    yield from _traces(read)
    yield from _ngram(read)
    yield from _epochs(read)
    yield from _late_calibration(read)
    yield from _temperatures(read)


def _traces(read: _Reading) -> Iterator[Finding]:
    last: dict[Code, tuple[Trace, int, str]] = {}
    for number, line in read.lines:
        for trace in TRACES:
            if trace.line.search(line):
                last[trace.code] = (trace, number, line)
    for trace, number, line in last.values():
        submitted = not trace.of_score or _is_submitted(read, line)
        severity = trace.severity if submitted else "flag"
        text = trace.text if submitted else f"{trace.text}; not in the line of the submitted score"
        yield finding(trace.code, text, read.at(number, line), severity=severity, confidence=0.9)


def _is_submitted(read: _Reading, line: str) -> bool:
    """Whether a line states a submitted score, or none at all."""
    scores = [float(number) for number in re.findall(r"(?<!only)bpb[:=]\s?(\d{1,2}\.\d{2,10})", line)]
    submitted = [read.log.final_bpb, read.case.submission.claimed_val_bpb]
    return not scores or any(abs(score - one) < SAME_BPB for score in scores for one in submitted if one is not None)


def _ngram(read: _Reading) -> Iterator[Finding]:
    """An n-gram cache mixed into the score: closed as a class, and no distribution when it gains what these do."""
    shown = [(number, line) for number, line in read.lines if _NGRAM.search(line)]
    shown = [(number, line) for number, line in shown if not _NORMALISED.search(line)]
    if not shown:
        return
    number, line = next((one for one in shown if "order" in one[1]), shown[-1])
    share = _share(read.case, read.log)
    gains = share < LEGAL_GAIN if share is not None else (read.log.final_bpb or 1.0) < CREDIBLE_BPB
    gains = gains and any(_is_submitted(read, line) for _, line in shown)
    text = "an n-gram cache is mixed into the score"
    if share is not None:
        text += f", which is {share:.2f} of the model's own"
    where = read.at(number, line)
    yield finding("NGRAM_UNNORMALISED", text, where, severity="block" if gains else "flag", confidence=0.85)


def _share(case: Case, log: TrainingLog) -> float | None:
    """The final score over the last one seen in training, in bits per byte."""
    seen = [point.val_loss for point in log.points if point.val_loss]
    expected = validation.expected_tokens_per_byte(case, log)
    if log.final_bpb is None or not seen or expected is None:
        return None
    return log.final_bpb / validation.bits_per_byte(seen[-1], expected)


def _epochs(read: _Reading) -> Iterator[Finding]:
    """Test-time training of its own that precedes the first score: the model has seen what it is scored on."""
    lines = read.after
    epochs = [index for index, (_, line) in enumerate(lines) if _EPOCH.search(line)]
    scored = [index for index, (_, line) in enumerate(lines) if _SCORED.search(line)]
    if not epochs or not any(index > epochs[-1] for index in scored):
        return
    quantised = any(_QUANTISES.search(line) for _, line in lines[epochs[-1] :])
    code: Code = "TTT_PREQUANT_VAL" if quantised else "TTT_TRAIN_THEN_SCORE"
    when = "quantisation and scoring" if quantised else "scoring"
    number, line = lines[epochs[-1]]
    after = next(lines[index] for index in scored if index > epochs[-1])
    yield finding(
        code,
        f"test-time training over the split precedes {when}",
        read.at(number, line),
        read.at(*after),
        confidence=0.9,
    )


def _late_calibration(read: _Reading) -> Iterator[Finding]:
    """Calibration on training data when the training clock has run out."""
    trained_s = read.log.train_time_s
    if trained_s is None or trained_s < _FULL_CLOCK_S or any(_INSIDE.search(line) for _, line in read.lines):
        return
    lines = [one for one in read.after if "gptq" in one[1].lower()]
    if any(_GENERATED.search(line) for _, line in lines):
        return
    for number, line in lines:
        if _CALIBRATES.search(line):
            named = _TRAINING_DATA.search(line) is not None
            yield finding(
                "GPTQ_CALIB_AT_EVAL_ON_TRAIN",
                f"calibration {'on training data ' if named else ''}after {trained_s:.1f} s of training",
                read.at(number, line),
                severity="block" if named else "flag",
                confidence=0.8,
            )
            return


def _temperatures(read: _Reading) -> Iterator[Finding]:
    """The same tokens scored at several temperatures, the best one submitted."""
    scored = [(number, line, match[1]) for number, line in read.lines if (match := _TEMPERATURES.match(line))]
    if len({temperature for _, _, temperature in scored}) > 1:
        number, line, _ = scored[-1]
        text = "the adapted model scores the split again at another temperature"
        yield finding("TWO_PASS_RESCORE", text, read.at(number, line), confidence=0.8)
