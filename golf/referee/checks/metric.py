"""Bits per byte against the text they are of: what logs and submission.json alone can show.

Bits per byte are nats per token · tokens per byte / ln 2, and tokens per byte is a constant of tokenizer and split. So
a pair of val_loss and val_bpb shows a wrong byte table to four digits, and a training loss bounds what an honest
evaluation of the same model can come to.
"""

from collections.abc import Iterator, Mapping

from golf.referee import logged, validation
from golf.referee.case import Case
from golf.referee.claimed import claimed_bpb, claimed_pairs
from golf.referee.rulebook import finding
from golf.referee.tracks import is_record
from golf.rulings import Evidence, Finding
from golf.schema import TrainingLog

TOLERANCE = 0.005
"""Relative distance from the constant that rounding, a last row and odd sequence lengths explain."""

KNOWN_MISCOUNTS: Mapping[float, str] = {
    0.22798: "as when SP8192's leading spaces are counted twice, #1545",
    0.38789: "as with the first byte table of Scylla, #1143",
    0.34114: "as with a byte table of Scylla, #1184",
}
"""Tokens per byte of byte tables that were found wrong."""

CREDIBLE_BPB = 1.0
"""No record under this was accepted (the lowest is 1.0565), and none of those claimed held when looked into."""

EVALUATION_RATIO_MIN = 0.93
"""Final loss over the last validation loss seen in training: 0.932 to 1.03 in accepted logs, 0.97 in most.

Sliding windows, weight averaging and score-first adaptation together gain no more; mixtures and caches that are no
distribution come to 0.1 to 0.85.
"""

TRAINING_RATIO_MIN = 0.88
"""The same over the last training losses, where training was not interrupted for a validation: 0.91 to 1.02.

A byte count 17 % too high comes to 0.81.
"""

_LAST_LOSSES = 5


def findings(case: Case) -> list[Finding]:
    """BPB_MISCOUNT and TOKENIZER_LOSSY, from numbers alone."""
    found = [*_pairs(case), *_lossy(case)]
    if not any(one.severity == "block" for one in found):
        found += _incredible(case)
    return found


def _pairs(case: Case) -> Iterator[Finding]:
    """Whether the losses and scores stated together divide by the bytes that are there."""
    stated: list[tuple[float, TrainingLog | None, Evidence]] = []
    for log in logged.submitted(case):
        per_byte = validation.tokens_per_byte(log.final_loss, log.final_bpb)
        if per_byte:
            where = logged.quote(case, log, rf"val_bpb\s?[:=]\s*{log.final_bpb}", f"val_bpb {log.final_bpb}")
            stated.append((per_byte, log, where))
    if not stated:
        for loss, bpb, where in claimed_pairs(case)[:1]:
            per_byte = validation.tokens_per_byte(loss, bpb)
            if per_byte and loss != bpb:
                stated.append((per_byte, None, where))
    found = [judged for pair in stated if (judged := _judged(case, *pair))]
    yield from sorted(found, key=lambda one: one.severity)[:1]  # the seeds share a byte table; block sorts first


def _judged(case: Case, per_byte: float, log: TrainingLog | None, where: Evidence) -> Finding | None:
    expected = validation.expected_tokens_per_byte(case, log)
    if expected is None or abs(expected / per_byte - 1) <= TOLERANCE:
        return None
    ratio = expected / per_byte
    text = f"val_loss and val_bpb come to {per_byte:.5f} tokens per byte, and the split has {expected:.5f}"
    if log and log.val_tokens and validation.covers_split(log):
        text += f": {log.val_tokens / per_byte:,.0f} bytes for a text of {log.val_tokens / expected:,.0f}"
    if ratio < 1:
        text += "; not in its favour: fewer bytes than there are, or part of the split"
        return finding("BPB_MISCOUNT", text, where, severity="note", confidence=0.8)
    text += f"; by the right count val_bpb is {ratio:.3f} times as high"
    text += ", unless only a part of the split was scored" if log else ""
    bug = next((bug for known, bug in KNOWN_MISCOUNTS.items() if abs(per_byte / known - 1) < 0.003), None)
    settled = log is not None and validation.covers_split(log)  # else a part of the split may explain it
    return finding(
        "BPB_MISCOUNT",
        f"{text} ({bug})" if bug else text,
        where,
        severity="block" if (settled and is_record(case)) or bug else "flag",
        confidence=0.95 if settled else 0.85,
    )


def _lossy(case: Case) -> Iterator[Finding]:
    for log in logged.submitted(case):
        path = log.hyperparameters.get("tokenizer_path", "")
        if "casefold" in path.lower() or "lowercase" in path.lower():
            where = logged.quote(case, log, r"tokenizer_path", path)
            yield finding("TOKENIZER_LOSSY", "the tokenizer folds case, so the text cannot be restored", where)
            return


def _incredible(case: Case) -> Iterator[Finding]:
    claim = claimed_bpb(case)
    if claim is None:
        return
    bpb, where = claim
    if bpb < CREDIBLE_BPB:
        yield finding(
            "BPB_MISCOUNT",
            f"val_bpb {bpb:.4f} is under {CREDIBLE_BPB}: no record so low was accepted, all were miscounted or peeked",
            where,
            severity="flag",
            confidence=0.8,
        )
    for log in logged.submitted(case):
        if suspicion := _outdoes_its_model(case, log, bpb):
            yield suspicion
            return


def _outdoes_its_model(case: Case, log: TrainingLog, claim: float) -> Finding | None:
    """Whether a score is lower than any honest evaluation makes of the loss its model was trained to."""
    seen = [point.val_loss for point in log.points if point.val_loss][-1:]
    least, what = EVALUATION_RATIO_MIN, "validation in training"
    if not seen:
        seen = [point.train_loss for point in log.points if point.train_loss][-_LAST_LOSSES:]
        least, what = TRAINING_RATIO_MIN, "training loss"
    expected = validation.expected_tokens_per_byte(case, log)
    if expected is None or not seen:
        return None
    reached = validation.bits_per_byte(sum(seen) / len(seen), expected)
    score = log.final_bpb or claim
    if score >= least * reached:
        return None
    return finding(
        "BPB_MISCOUNT",
        f"val_bpb {score:.4f} is {score / reached:.2f} of the {reached:.4f} that the last {what} comes to, and "
        f"accepted logs have {least} or more: miscounted bytes, or an evaluation that sees what it scores",
        logged.quote(case, log, r"^\s*step.*loss\W", f"loss {seen[-1]}"),
        severity="flag",
        confidence=0.8,
    )
