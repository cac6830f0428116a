"""Learning from validation text: test-time training, second passes, SLOT.

The rule is one: a token's loss counts only from before the weights saw the token. So for each update on validation text
(`Update`) and each reported loss (`Forward`), this asks which came first *for that text*:

- an update and then a loss over everything: adapted before scoring. A second pass if the text had been scored before
  the update, pre-quantisation if the weights were packed in between, training on validation if it stands in the loop
  that trains the model;
- both in one loop that walks the text, the update first: the chunk is scored after it was learnt. Of a single added
  tensor that is SLOT;
- the loss first, but inside a loop that repeats the same text: only the first round is a score.

Score first, bank, then train, chunk by chunk, is legal and leaves nothing here: its losses precede their updates, and
the loops around both walk on through the text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from golf.referee.case import Case
from golf.referee.checks import calibration
from golf.referee.flow import TRAIN, VAL, Forward, Trace, Update, follow
from golf.referee.program import Module, program_of
from golf.referee.rulebook import finding
from golf.rulings import SEVERITIES, Code, Finding, Severity

EARLIER = re.compile(r"hist|prev|past|prefix|scored|seen|(?:ctx|context)_?(?:end|stop|upto)", re.IGNORECASE)
"""Names of places in the text that lie before what is scored."""


def findings(case: Case) -> list[Finding]:
    """What the scripts that run learn from validation text before it is scored; one finding per code, the worst."""
    if not case.has_code:
        return []
    program = program_of(case)
    headlines = {log.final_label for log in case.logs if log.final_label}
    found: dict[Code, Finding] = {}
    for entry, trace in zip(program.entries, follow(program), strict=True):
        unfollowed = [_unfollowed(entry)] if trace.is_cut_short else []
        for one in (*_of_trace(trace, headlines), *calibration.of_trace(trace, case, program.settings), *unfollowed):
            known = found.get(one.code)
            if known is None or SEVERITIES.index(one.severity) < SEVERITIES.index(known.severity):
                found[one.code] = one
    return list(found.values())


def _unfollowed(entry: Module) -> Finding:
    return finding(
        "UNREADABLE",
        f"{entry.script.name} is too large or too deep to be followed to its end: what it learns from validation text "
        "is seen in part",
        entry.script.at(1),
        confidence=1.0,
        severity="flag",
    )


@dataclass(frozen=True)
class _Offence:
    """An update on validation text and a reported loss that had the benefit of it."""

    code: Code
    update: Update
    score: Forward
    severity: Severity
    text: str


def _of_trace(trace: Trace, headlines: set[str]) -> Iterator[Finding]:
    for index, update in enumerate(trace.updates):
        if VAL not in update.data:
            continue
        offences = [
            offence
            for number, score in enumerate(trace.forwards)
            if number in trace.reported and VAL in score.data
            if (offence := _offence(trace, index, number, headlines)) is not None
        ]
        if not offences:
            if not _has_benefit(trace, index):
                yield _warm_up(update)
            continue
        worst = min(offences, key=lambda one: (SEVERITIES.index(one.severity), -one.score.order))
        yield finding(
            worst.code,
            worst.text,
            worst.update.evidence,
            worst.score.evidence,
            confidence={"block": 0.9, "flag": 0.6, "note": 0.4}[worst.severity],
            severity=worst.severity,
        )


def _has_benefit(trace: Trace, index: int) -> bool:
    """Whether scores and the update have to do with each other: one uses it, or comes before it in a common loop."""
    update = trace.updates[index]
    scores = (trace.forwards[number] for number in trace.reported)
    return any(
        index in score.adapted or (score.order < update.order and not set(score.loops).isdisjoint(update.loops))
        for score in scores
        if VAL in score.data
    )


def _warm_up(update: Update) -> Finding:
    """Steps on validation text that no score had the benefit of; accepted twice, so only worth knowing."""
    return finding(
        "TTT_WARMUP_ON_VAL",
        f"{update.function} takes optimiser steps on validation text (line {update.line}), and no score is seen to use "
        "them",
        update.evidence,
        confidence=0.5,
        severity="note",
    )


def _offence(trace: Trace, index: int, number: int, headlines: set[str]) -> _Offence | None:
    update, score = trace.updates[index], trace.forwards[number]
    is_headline = _is_headline(trace, number, headlines)
    if is_headline is False:
        return None
    certain = update.is_certain and score.is_certain and TRAIN not in update.data
    severity: Severity = "block" if certain else "flag"
    shared = [loop for loop in update.loops if loop in score.loops]
    walked = [loop for loop in shared if _walks(trace, loop, score) or _walks(trace, loop, update)]
    if index in score.adapted:
        if walked:
            return _within_chunk(trace, update, number, walked, severity)
        if _are_apart(update, score):
            return None
        return _after_everything(trace, update, score, severity, is_headline)
    if update.order > score.order and shared:
        return _repeated(trace, update, number, shared, severity)
    return None


def _is_headline(trace: Trace, number: int, headlines: set[str]) -> bool | None:
    """Whether a loss is the submitted score, by the label it is printed under; None when no label tells."""
    labels = {report.label for report in trace.reported[number]} - {""}
    if labels & headlines:
        return True
    others = {report.label for reports in trace.reported.values() for report in reports}
    return False if labels and headlines & others else None


def _walks(trace: Trace, loop: int, event: Forward | Update) -> bool:
    """Whether a loop moves on through the text: its variable selects it, or it is a `while`, which may."""
    return not trace.loops[loop].is_counted or any(tag.kind == "loop" and tag.key == loop for tag in event.data)


def _ends(event: Forward | Update) -> set[str]:
    return {tag.key for tag in event.data if tag.kind == "upto"}


def _begins(event: Forward | Update) -> set[str]:
    return {tag.key for tag in event.data if tag.kind == "from"}


def _are_apart(update: Update, score: Forward) -> bool:
    """Whether one takes the text up to a place and the other from there."""
    return bool(_ends(update) & _begins(score) - _begins(update))


def _are_the_same(trace: Trace, update: Update, score: Forward, walked: Sequence[int]) -> bool:
    """Whether both take one and the same slice in these loops."""
    shared = {tag.key for tag in update.data & score.data if tag.kind == "cut"}
    return any(loop in trace.cuts[cut] for cut in shared for loop in walked)


def _within_chunk(
    trace: Trace, update: Update, number: int, walked: Sequence[int], severity: Severity
) -> _Offence | None:
    """The update came first inside the loop that walks the text."""
    score = trace.forwards[number]
    is_same = _are_the_same(trace, update, score, walked)
    begins = {place for bank in trace.banks if number in bank.forwards for place in bank.begins}
    stops = _ends(update) - _begins(update)
    is_before = bool(begins & stops) or any(EARLIER.search(place) for place in stops)
    if update.nets and update.nets <= trace.tensors:
        return _slot(trace, update, score, walked, is_before, severity) if is_same else None
    if is_before:  # learnt up to where the kept losses begin
        return None
    return _Offence(
        "TTT_TRAIN_THEN_SCORE", update, score, severity if is_same else "flag",
        f"{update.function} trains on {'a chunk' if is_same else 'text'} (line {update.line}) before {score.function} "
        f"scores {'it' if is_same else 'some in the same round'} (line {score.line})",
    )  # fmt: skip


def _slot(
    trace: Trace, update: Update, score: Forward, walked: Sequence[int], is_before: bool, severity: Severity
) -> _Offence:
    """A tensor optimised on a window and used to score it: on all of it, or on what comes before the scored part."""
    batch = [
        tag.key
        for tag in update.data
        if tag.kind == "loop" and tag.key not in update.loops and set(walked) & set(trace.loops[tag.key].loops)
    ]
    where = (
        f"{update.function} optimises a tensor on a window (line {update.line}) and scores the window with it "
        f"(line {score.line})"
    )
    if not is_before:
        return _Offence("SLOT_NONCAUSAL", update, score, severity, where)
    if batch and update.nets <= trace.single:
        text = f"{where}: on contexts alone, but with one tensor for a batch of windows that overlap"
        return _Offence("SLOT_NONCAUSAL", update, score, "flag", text)
    return _Offence("SLOT_NONCAUSAL", update, score, "note", f"{where}: on its context alone, as far as names tell")


def _after_everything(
    trace: Trace, update: Update, score: Forward, severity: Severity, is_headline: bool | None
) -> _Offence:
    """The update's whole loop had run before the score's began."""
    earlier = [
        forward
        for number, forward in enumerate(trace.forwards)
        if number in trace.reported and VAL in forward.data and forward.order < update.order
        if set(forward.loops) & set(update.loops)
    ]
    if _is_training(trace, update, earlier):
        return _Offence(
            "VAL_IN_TRAINING", update, score, severity,
            f"{update.function} trains on validation text in its training loop (line {update.line}) before "
            f"{score.function} scores it (line {score.line})",
        )  # fmt: skip
    if earlier:
        return _Offence(
            "TWO_PASS_RESCORE", update, score, severity if is_headline else "flag",
            f"{update.function} scores and trains on validation text (line {update.line}), then {score.function} "
            f"scores it again with the same weights (line {score.line})",
        )  # fmt: skip
    is_packed = any(update.order < event.order < score.order for event in trace.exports)
    learnt_nothing_else = all(VAL in other.data for other in trace.updates) and not _are_loaded(trace, update, score)
    code: Code = (
        "VAL_IN_TRAINING" if learnt_nothing_else else "TTT_PREQUANT_VAL" if is_packed else "TTT_TRAIN_THEN_SCORE"
    )
    return _Offence(
        code, update, score, severity,
        f"{update.function} trains on validation text (line {update.line}) before {score.function} scores it "
        f"(line {score.line})",
    )  # fmt: skip


def _is_training(trace: Trace, update: Update, earlier: Sequence[Forward]) -> bool:
    """Whether an update stands in the loop that trains the model, rather than in one that goes through the text to be
    scored: training text is learnt in it as well, or the whole split is scored in it now and then."""
    around = set(update.loops)
    if any(TRAIN in other.data and not around.isdisjoint(other.loops) for other in trace.updates):
        return True
    return bool(earlier) and not any(
        forward.loops[-1] in around or any(tag.kind == "loop" and tag.key in around for tag in forward.data)
        for forward in earlier
    )


def _repeated(trace: Trace, update: Update, number: int, shared: Sequence[int], severity: Severity) -> _Offence | None:
    """The loss comes first, but a loop around both goes over the same text again with what was learnt."""
    score = trace.forwards[number]
    if not update.nets & score.nets:
        return None
    for loop in shared:
        if trace.loops[loop].rounds == 1 or _walks(trace, loop, score) or _is_renewed(trace, update, loop):
            continue
        banks = [bank for bank in trace.banks if number in bank.forwards and loop in bank.loops]
        if banks and all(loop in bank.first_of for bank in banks):
            continue
        return _Offence(
            "TTT_MULTI_EPOCH_RESCORE", update, score, severity if trace.loops[loop].is_settled else "flag",
            f"{update.function} scores text (line {score.line}) in every round of a loop (line "
            f"{trace.loops[loop].line}) that trains on the same text (line {update.line})",
        )  # fmt: skip
    return None


def _are_loaded(trace: Trace, update: Update, score: Forward) -> bool:
    """Whether weights came from elsewhere before the update, rather than from the script's own beginning."""
    before = [
        sum(event.order < update.order for event in trace.renewed.get(net, [])) for net in update.nets | score.nets
    ]
    return any(times > 1 for times in before)  # the first is their making


def _is_renewed(trace: Trace, update: Update, loop: int) -> bool:
    """Whether every round starts from fresh weights."""
    return all(any(loop in event.loops for event in trace.renewed.get(net, [])) for net in update.nets)
