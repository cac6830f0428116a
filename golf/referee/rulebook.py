"""The challenge's rules as the referee applies them: per code the rule with its source, and what would clear it.

A maintainer's word makes a `block`; what only participants hold, or what evidence may yet settle, is a `flag`; what
disqualifies nobody today is a `note`. `R` is the README of openai/parameter-golf, `#n` a pull request or issue there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from golf.rulings import Code, Evidence, Finding, Severity


@dataclass(frozen=True)
class Rule:
    """One rule."""

    severity: Severity
    """The worst a finding with this code may be."""
    rule: str
    clears: str


RULES: Mapping[Code, Rule] = {
    "SIZE_OVER": Rule(
        "block",
        "code and compressed model together are at most 16,000,000 bytes, for every seed (R, FAQ 1; applied in #1809)",
        "a log of the submitted script whose total is at most 16,000,000 bytes, for every seed",
    ),
    "VAL_IN_ARTIFACT": Rule(
        "block",
        "validation data may not be carried in the artifact, a 'paid prefix' (R, 2026-03-20; #168, #262, #275)",
        "an artifact whose data come from the training split alone",
    ),
    "NETWORK": Rule(
        "block",
        "no external downloads and no network calls during evaluation (R, FAQ)",
        "data read from local files; downloads only in data preparation that is not part of the run",
    ),
    "TIME_OVER_TRAIN": Rule(
        "block",
        "training takes at most 600 s on 8×H100, calibration included (R; #677)",
        "logs of 8×H100 runs that stop within 600 s, or the non-record track",
    ),
    "TIME_OVER_EVAL": Rule(
        "block",
        "evaluation takes at most 600 s on 8×H100, every pass that the score needs included (R, FAQ 4; #1972)",
        "logs whose evaluation passes add up to at most 600 s, or the non-record track",
    ),
    "VAL_IN_TRAINING": Rule(
        "block",
        "no validation token may be trained on before it is scored (R; #44, #2018)",
        "shards without the validation documents (--val-docs 50000, or the published ones), and logs to show it",
    ),
    "PARTIAL_VAL": Rule(
        "block",
        "the score covers the whole validation split, its first 50,000 documents (R; #1785, #1835)",
        "a log that scores every validation token",
    ),
    "TRAIN_DATA_AT_EVAL": Rule(
        "block",
        "training data may not be read during evaluation unless its bytes are paid for (R, FAQ; #883, #924)",
        "tables built from training data inside the artifact, or not at all",
    ),
    "GPTQ_CALIB_AT_EVAL_ON_TRAIN": Rule(
        "block",
        "calibration on training data counts as training: inside the 600 s (#593, #609)",
        "calibration inside the training clock, e.g. with a reserve that the log shows, or on text the model generates",
    ),
    "GPTQ_CALIB_ON_VAL": Rule(
        "block",
        "calibrating quantisation on validation data breaks autoregressivity (#728, 2026-03-28)",
        "calibration on training data inside the clock, or on text the model generates itself (#1019)",
    ),
    "DATA_MISMATCH": Rule(
        "flag",
        "the tokenizer and shards a run names are the ones it used (#2071)",
        "a log whose paths, settings and tokens per byte agree",
    ),
    "BPB_MISCOUNT": Rule(
        "block",
        "val_bpb is provably computed on the bytes of the original text (R, submission process 2; #1184, #1545)",
        "the canonical byte table: leading space once, byte fallback 1, control tokens 0; golf audit --bytes shows it",
    ),
    "TOKENIZER_LOSSY": Rule(
        "flag",
        "a tokenizer that cannot reproduce the text scores another text (issue #1604, no ruling)",
        "a bijective transform scored on the bytes of the original text (#1729)",
    ),
    "BPB_APPROX": Rule(
        "flag",
        "val_bpb is exact (R, process 2); bounds and estimates were accepted outside the record track (#1106)",
        "an exact code length, or the non-record track with the method named",
    ),
    "TTT_TRAIN_THEN_SCORE": Rule(
        "block",
        "test-time training may use only validation tokens already scored (R; issues #402, #1082)",
        "each chunk scored and banked before it is trained on, never scored again",
    ),
    "TTT_PREQUANT_VAL": Rule(
        "block",
        "adapting to validation data before quantisation and scoring is score-after-adapt (#1376, 2026-04-10; #1972)",
        "no adaptation before scoring, or score-first adaptation of the quantised model",
    ),
    "TTT_MULTI_EPOCH_RESCORE": Rule(
        "block",
        "with several epochs over a chunk, only the score from before the first may count (#568)",
        "the score banked before the first epoch",
    ),
    "TTT_WARMUP_ON_VAL": Rule(
        "flag",
        "optimiser steps on validation tokens during compile warm-up (#1530 accepted, raised in #1899)",
        "warm-up on random tokens, or weights restored afterwards",
    ),
    "TWO_PASS_RESCORE": Rule(
        "block",
        "one left-to-right pass: no token is scored again after the model or a cache has seen it (#846, #991)",
        "a single pass whose scores are banked as they are made",
    ),
    "NGRAM_TARGET_IN_KEY": Rule(
        "block",
        "a lookup may not be keyed with the token it predicts (#779, 2026-03-27)",
        "a lookup by context alone that gives a distribution over the whole vocabulary",
    ),
    "NGRAM_UNNORMALISED": Rule(
        "block",
        "a cache's probabilities must sum to one over the vocabulary (#677: over 33 closed on 2026-03-27)",
        "mixing of full distributions, renormalised; golf audit shows the sums",
    ),
    "NGRAM_ORACLE_GATE": Rule(
        "block",
        "which expert is used may not depend on which one scores the true token better (#659)",
        "a gate on the model's own distribution, fixed before the token is seen",
    ),
    "NGRAM_TARGET_GATE": Rule(
        "block",
        "whether a hint is given may not depend on the token to be predicted (#1967)",
        "gates on the context alone, hints applied by full-softmax tilting (#1514)",
    ),
    "SLOT_NONCAUSAL": Rule(
        "flag",
        "a score depends on the text before it alone (issue #1017, condition 1): a correction optimised on the "
        "positions it is scored on sees their tokens (issue #1336, #1240; no ruling), as does a model that looks ahead",
        "optimisation on the context alone, and a causal model; golf audit shows it",
    ),
    "PPM_UNNORMALISED": Rule(
        "block",
        "a byte mixture must be a distribution over tokens, fixed before the token (#2103, #1902; issue #1872)",
        "byte probabilities marginalised over every token; golf audit shows the sums",
    ),
    "BOS_LEAK": Rule(
        "flag",
        "the previous-token gate is masked at document starts in both forward paths (#1797, 2026-04-26)",
        "not_bos masks wherever a packed batch crosses documents",
    ),
    "MISSING_FILES": Rule(
        "block",
        "README.md, submission.json, training logs and a script with its dependencies, in one folder (R, process 3)",
        "the missing files",
    ),
    "EVIDENCE_WEAK": Rule(
        "flag",
        "a record rests on several seeds of one configuration on 8×H100 (R; 'an average over 3 runs is sufficient')",
        "logs of three seeds of the submitted script on the stated hardware",
    ),
    "CODE_LOG_MISMATCH": Rule(
        "flag",
        "the script that is submitted is the one that made the logs (R, process 3; #945)",
        "logs made by the shipped script",
    ),
    "NOT_SIGNIFICANT": Rule(
        "note",
        "a record beats the last by 0.005 nats, p < 0.01 (R, process 1); p < 0.25 was applied from 2026-04-28 (#1902)",
        "more seeds, or a larger gain: golf compare says how many",
    ),
    "NOT_REPRODUCIBLE": Rule(
        "flag",
        "a submission must run again to the same result (R, process 2)",
        "seeds that are set, and dependencies that are named",
    ),
    "SEED_BRUTE_FORCE": Rule(
        "flag",
        "seeds are not to be searched for the best score (R, FAQ 3)",
        "every seed that was run, reported",
    ),
    "CUSTOM_LIB": Rule(
        "flag",
        "imports may not bring in code or compute that the artifact should carry (R, FAQ 6)",
        "the library's code counted, or a general library in its place",
    ),
    "SCORE_DISAGREES": Rule(
        "flag",
        "README, submission.json and logs state one score (R, process 2)",
        "the number corrected, or the log it came from",
    ),
    "SIZE_DISAGREES": Rule(
        "note",
        "README, submission.json and logs state one size (R, process 2)",
        "the number corrected",
    ),
    "TOKENIZER_BYTES": Rule(
        "note",
        "a tokenizer's bytes are not counted by the challenge (issue #43, never ruled)",
        "nothing to clear: a fact to know",
    ),
    "RESEMBLES_INVALID": Rule(
        "flag",
        "the work is close to a submission that was ruled invalid",
        "the difference that removes the reason for that ruling",
    ),
    "WITHDRAWN": Rule(
        "flag",
        "an author who withdraws a score, or says that it breaks a rule, is taken at his word (#1127, #2011)",
        "a score that its author stands by, with what changed",
    ),
    "UNREADABLE": Rule(
        "flag",
        "what cannot be read cannot be judged",
        "files that are plain, small enough and what their names say",
    ),
}


def finding(
    code: Code, text: str, *evidence: Evidence, confidence: float = 0.9, severity: Severity | None = None
) -> Finding:
    """A finding under a rule; `severity` softens what the rule allows and never hardens it."""
    rule = RULES[code]
    order: tuple[Severity, ...] = ("block", "flag", "note")  # worst first
    worst: Severity = order[max(order.index(severity or "block"), order.index(rule.severity))]
    if worst == "block" and not evidence:
        worst = "flag"
    return Finding(
        code=code,
        severity=worst,
        confidence=confidence,
        text=text,
        evidence=list(evidence),
        rule=rule.rule,
        clears=rule.clears,
    )
