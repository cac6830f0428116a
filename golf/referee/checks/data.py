"""Which documents were trained on and which were scored, by logs and data preparation.

The published CaseOps shards were made without the validation documents, 39 or 80 of them. The preparation script's
default keeps 10,000 documents for validation where the split has 50,000, and training on what it leaves is training on
the split: 1,497 to 1,502 shards in a log give it away, 80 may be either.
"""

import re
from collections.abc import Iterator

from golf.referee import logged, validation
from golf.referee.case import Case, TextFile
from golf.referee.prose import assertions
from golf.referee.rulebook import finding
from golf.referee.tracks import is_record
from golf.referee.validation import TOKENS_PER_BYTE, VALIDATION_BYTES
from golf.rulings import Evidence, Finding, Severity
from golf.schema import TrainingLog

LOCAL_SHARDS_MIN = 1000
"""More training shards than any published export has; local preparation writes smaller ones."""
WHOLE = 0.97
"""Share of the split from which a score covers it: a long sequence length leaves a last row over."""

COMMAND_CHARS_MAX = 4_000

_CASEOPS_TOKENS = round(TOKENS_PER_BYTE["SP8192 CaseOps"] * VALIDATION_BYTES)

_PREPARES = re.compile(r"python[\d.]{0,5}\s+\S{0,99}prepare_caseops\w{0,20}\.py\b")
_DOWNLOADS = re.compile(r"snapshot_download|huggingface-cli|hf download|romeerp/parameter-golf-caseops", re.IGNORECASE)
_ALL_DOCS = re.compile(r"val[-_]docs[= ]\s*50[,_]?000", re.IGNORECASE)
_FEW_DOCS = re.compile(r"val[-_]docs`?\s?[= ]\s?`?10[,_]?000", re.IGNORECASE)
_FULL = re.compile(r"\bfull\b|50[,_]?000|50k\b", re.IGNORECASE)

_VAL_ONLY = re.compile(
    r"\bval(?:idation)?[-_ ]?only\b(?! (?:scor|eval|winner))"
    r"|(?<!test-time )\btrain(?:s|ed|ing)? (?:\w+ ){0,3}?on (?:the )?(?:\w+ )?"
    r"val(?:idation)?[- ](?:set|shard|split|data|tokens|docs)\b",
    re.IGNORECASE,
)
_ADAPTS = re.compile(r"\bttt\b|test[- ]time|adapt|calibrat", re.IGNORECASE)
"""Learning from validation text at evaluation has rules of its own."""
_VAL_ONLY_LOGGED = r"train_loader:dataset:\S*val[-_]?only|train_(?:files|pattern)\W+\S*fineweb_val"

_PARTIAL_SETTINGS = ("ppm_subset_tokens", "val_subset_tokens", "val_max_tokens", "max_val_tokens", "val_token_limit")
_PARTIAL_LOGGED = re.compile(r"\bsubset[=:]\s?(\d[\d,_]{3,12})\s?tokens|scoring (?:the )?first (\d[\d,_]{3,12}) tokens")
_PARTIAL_SAID = re.compile(
    r"\bfirst [\d.,]+ ?[MKk]?[- ](?:val(?:idation)? )?tokens\b"
    r"|\b[\d.,]+ ?[MK]?-token (?:eval |val )?(?:slice|subset|prefix)\b"
    r"|\bsubset of (?:the )?val|\bval(?:idation)? subset\b|\b(?:partial|truncated) val(?:idation)?\b",
    re.IGNORECASE,
)


def findings(case: Case) -> list[Finding]:
    """VAL_IN_TRAINING, PARTIAL_VAL and DATA_MISMATCH."""
    return [*_local_shards(case), *_preparation(case), *_val_only(case), *_partial(case), *_mismatch(case)]


# --- validation documents in training


def _local_shards(case: Case) -> Iterator[Finding]:
    for log in logged.submitted(case):
        is_local = (log.train_shards or 0) > LOCAL_SHARDS_MIN
        whole = log.val_tokens is not None and abs(log.val_tokens / _CASEOPS_TOKENS - 1) < 0.01
        if is_local and whole and validation.is_caseops(log):
            yield finding(
                "VAL_IN_TRAINING",
                f"{log.train_shards} training shards: prepared locally with the default 10,000 validation documents, "
                f"so that documents 10,000 to 49,999 of the {log.val_tokens:,} tokens scored were trained on",
                logged.quote(case, log, rf"train_shards:\s*{log.train_shards}", f"train_shards {log.train_shards}"),
                logged.quote(case, log, r"val_tokens|val_loader", f"val_tokens {log.val_tokens}"),
                confidence=0.85,
            )
            return


def _preparation(case: Case) -> Iterator[Finding]:
    texts = [*case.readmes, *case.shells]
    for sentence, _ in assertions(case, _FEW_DOCS):
        line = sentence.file.lines[sentence.line - 1]
        if _FULL.search(_FEW_DOCS.sub("", line)):
            text = f"trained on shards that keep 10,000 documents out, scored on all 50,000: {sentence.text[:150]}"
            yield finding("VAL_IN_TRAINING", text, sentence.where)
            return
    if any(_DOWNLOADS.search(text.text) or _ALL_DOCS.search(text.text) for text in texts):
        return
    if any((log.train_shards or 0) == 39 for log in logged.submitted(case)):
        return
    for text, number, line in _commands(texts):
        if _PREPARES.search(line):
            said = "data prepared with prepare_caseops_data.py and no --val-docs 50000: its default of 10,000 leaves "
            said += "40,000 scored documents in training"
            yield finding("VAL_IN_TRAINING", said, text.at(number), severity="flag", confidence=0.6)
            return


def _commands(texts: list[TextFile]) -> Iterator[tuple[TextFile, int, str]]:
    """Lines of commands, those that a backslash continues joined to the first."""
    for text in texts:
        joined, first = "", 0
        for number, line in enumerate(text.lines, 1):
            first = number if not joined else first
            joined += line[:COMMAND_CHARS_MAX].rstrip("\\")
            if not line.endswith("\\") or len(joined) > COMMAND_CHARS_MAX:
                yield text, first, joined
                joined = ""


def _val_only(case: Case) -> Iterator[Finding]:
    said = [one for one, _ in assertions(case, _VAL_ONLY) if not _ADAPTS.search(one.text)]
    shown = [logged.quote(case, log, _VAL_ONLY_LOGGED) for log in logged.submitted(case)]
    lines = [where for where in shown if where.line is not None][:1]
    if not said and not lines:
        return
    agree = bool(lines) or len({sentence.file.name for sentence in said}) > 1
    text = f"trained on the validation split: {said[0].text[:150] if said else lines[0].quote}"
    where = [*lines, *(sentence.where for sentence in said[:2])]
    yield finding("VAL_IN_TRAINING", text, *where, severity="block" if agree else "flag", confidence=0.85)


# --- part of the split


def _partial(case: Case) -> Iterator[Finding]:
    found: list[Finding] = []
    for log in logged.submitted(case):
        found += _partial_by_log(case, log)
    if found:
        yield found[0]
        return
    said = [sentence for sentence, _ in assertions(case, _PARTIAL_SAID)]
    if said:
        both = len({sentence.file.name for sentence in said}) > 1
        text = f"scored on a part of the split, it says: {said[0].text[:150]}"
        where = [sentence.where for sentence in said[:2]]
        yield finding("PARTIAL_VAL", text, *where, severity="block" if both else "flag", confidence=0.7)


def _partial_by_log(case: Case, log: TrainingLog) -> Iterator[Finding]:
    severity: Severity = "block" if is_record(case) else "flag"
    if case.own_course is not None:
        whole = case.own_course.num_tokens
        if whole and log.val_tokens is not None and log.val_tokens < WHOLE * whole:
            text = f"{log.val_tokens:,} tokens scored of {whole:,} of {case.own_course.name}"
            where = logged.quote(case, log, r"val_tokens|val_loader", f"val_tokens {log.val_tokens}")
            yield finding("PARTIAL_VAL", text, where, severity=severity)
            return
        yield from _partial_by_setting(case, log, severity)
        return
    scored = validation.implied_bytes(log)
    if log.val_tokens is not None and log.val_tokens < validation.TOKENS_MIN:
        scored = scored or log.val_tokens / 0.2
    if scored is not None and scored < WHOLE * VALIDATION_BYTES and validation.is_plausible(log):
        share = f"{scored:,.0f} of {VALIDATION_BYTES:,} bytes"
        where = logged.quote(case, log, r"val_tokens|val_loader", f"val_tokens {log.val_tokens}")
        yield finding("PARTIAL_VAL", f"{log.val_tokens:,} tokens scored, about {share}", where, severity=severity)
        return
    yield from _partial_by_setting(case, log, severity)


def _partial_by_setting(case: Case, log: TrainingLog, severity: Severity) -> Iterator[Finding]:
    for name in _PARTIAL_SETTINGS:
        value = log.hyperparameters.get(name, "")
        if value.isdigit() and 0 < int(value) < (log.val_tokens or 0) * WHOLE:
            text = f"{name} is {int(value):,} of {log.val_tokens:,} validation tokens"
            yield finding("PARTIAL_VAL", text, logged.quote(case, log, rf"\b{name}\b", value), severity=severity)
            return
    for number, line in logged.telling(case, log):
        if match := _PARTIAL_LOGGED.search(line):
            text = f"{match[1] or match[2]} tokens scored of {log.val_tokens or 'all'}"
            yield finding("PARTIAL_VAL", text, logged.at(case, log, number, line), severity=severity)
            return


# --- data that are not what they are called


def _mismatch(case: Case) -> Iterator[Finding]:
    for log in logged.submitted(case):
        caseops_tokens = log.val_tokens is not None and abs(log.val_tokens / _CASEOPS_TOKENS - 1) < 0.001
        if caseops_tokens and not validation.is_caseops(log) and log.hyperparameters.get("tokenizer_path"):
            text = f"{log.val_tokens:,} validation tokens are CaseOps', and tokenizer and settings are not"
            where = logged.quote(case, log, r"tokenizer_path", log.hyperparameters["tokenizer_path"])
            yield finding("DATA_MISMATCH", text, where, _tokens(case, log))
            return
        for number, line in logged.lines(case, log):
            if re.search(r"VOCAB_SIZE=\d+ (?:!=|does not match) ", line):
                text = "the model's vocabulary is not the tokenizer's"
                yield finding("DATA_MISMATCH", text, logged.at(case, log, number, line))
                return


def _tokens(case: Case, log: TrainingLog) -> Evidence:
    return logged.quote(case, log, r"val_tokens|val_loader", f"val_tokens {log.val_tokens}")
