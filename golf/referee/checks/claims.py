"""What README and submission.json say of their own method.

Words alone ask for a reader. They block where a submission's README and its submission.json both name a method that
maintainers disqualified as a class, and there is no code that could tell better.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from golf.referee.case import Case
from golf.referee.claimed import claimed_bpb, in_json
from golf.referee.prose import Sentence, assertions
from golf.referee.rulebook import finding
from golf.referee.tracks import is_record
from golf.rulings import Code, Finding, Severity


@dataclass(frozen=True)
class Claim:
    """Words that name a method."""

    code: Code
    words: re.Pattern[str]
    text: str
    unless: re.Pattern[str] | None = None
    """Words in the same sentence that make it another, legal thing."""
    is_class: bool = False
    """Maintainers disqualified it by name, without looking at how it was done."""


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_NGRAM = r"(?:n-?gram|\d{1,2}-gram)"
_CACHE = r"(?:cache|mix(?:er|ing|ture)?|back-?off|interpolat\w+|oracle|blend\w*|posterior)"
_TRAIN = r"(?:all )?(?:\w+ ){0,2}train(?:ing)? (?:data|tokens|shards|set|corpus)"
_TTT = r"(?:ttt|test[- ]time[- ]train\w*|adapt(?:s|ed|ation|ing)?|fine-?tun\w+|adamw|sgd)"

_ON_VAL = r"[^.|]{0,40}\bon (?:the )?(?:\w+ )?val(?:idation)?\b[^.|]{0,40}"
_TABLE = r"(?:n-?grams?|cache|oracle|tables?)"

_LEGAL_TTT = _words(
    r"\bvs\b|score[- ]?first|already[- ](?:scored|evaluated)|per[- ]chunk|backward[- ]looking|scored tokens"
)

CLAIMS = (
    Claim(
        "TTT_PREQUANT_VAL",
        _words(
            r"\bpre-?_?quant(?:ization|isation)?[- _]?(?:\w+ ){0,2}(?:ttt\b|test[- ]time)",
            rf"\b{_TTT}\b{_ON_VAL}\bbefore (?:gptq|quanti[sz])",
        ),
        "test-time training on validation data before quantisation",
        is_class=True,
    ),
    Claim(
        "TTT_TRAIN_THEN_SCORE",
        _words(
            r"\b\d+[- ]?ep(?:ochs?)?\b[^.|]{0,40}\b(?:on|over) (?:the )?(?:\w+ ){0,2}val(?:idation)?\b",
            rf"\b{_TTT}\b{_ON_VAL}\bbefore (?:the )?(?:final )?(?:eval|scor)",
            r"\b(?:full-weight|sgd|adamw|ttt)\b[^.|]{0,30}\bon val(?:idation)? (?:data|tokens|set)\b",
            r"\btrained on val_tokens\b",
            r"\bLoRA-improved model\b",
        ),
        "adaptation to the validation split before it is scored",
        unless=_LEGAL_TTT,
    ),
    Claim(
        "TWO_PASS_RESCORE",
        _words(
            r"\b(?:two|2)[- ]pass (?:n-?gram|rescor|scor|eval\w*|ttt)\w*",
            r"\bfull[- ]?rescor\w+",
            r"\bre-?scor(?:e|es|ed|ing) (?:all|every|the first|first|chunks?|tokens?|them|with)\b",
            r"\bpass 2\b[^.|]{0,60}\bre-?scor",
        ),
        "tokens scored again in a second pass",
        unless=_words(r"already-counted|naive|stride=\d+ rescore"),
        is_class=True,
    ),
    Claim(
        "NGRAM_UNNORMALISED",
        _words(rf"\b{_NGRAM}[- _](?:\w+[- ]){{0,2}}{_CACHE}\b", rf"\b{_CACHE}[- ](?:\w+[- ]){{0,2}}{_NGRAM}\b"),
        "an n-gram cache mixed into the score",
        unless=_words(r"tilt|bigram ?hash|normali[sz]|dirichlet|full[- ]vocab|hedge|logit bias"),
        is_class=True,
    ),
    Claim(
        "TRAIN_DATA_AT_EVAL",
        _words(
            rf"\bpre-?fill(?:ed|s|ing)?\b[^.|]{{0,60}}\b{_TABLE}\b[^.|]{{0,40}}\bfrom {_TRAIN}",
            rf"\b{_TABLE}\b[^.|]{{0,40}}\bpre-?(?:filled|computed)\b[^.|]{{0,30}}\bfrom {_TRAIN}",
        ),
        "tables filled from training data and read at evaluation",
        unless=_words(r"artifact|pack(?:ed|s)|stored|export"),
        is_class=True,
    ),
    Claim(
        "PPM_UNNORMALISED",
        _words(
            r"\bPPM(?:-?D)?\b[^.|]{0,30}\b(?:mix\w*|blend\w*|byte)",
            r"\b(?:byte|mix\w*|causal)[- ](?:\w+ )?PPM(?:-?D)?\b",
        ),
        "a byte mixture with PPM",
        is_class=True,
    ),
    Claim(
        "VAL_IN_ARTIFACT",
        _words(r"\bpaid[- ]?prefix\b", r"\bval(?:idation)? (?:target )?tokens\b[^.|]{0,40}\bin (?:the|our) artifact\b"),
        "validation tokens carried in the artifact",
        is_class=True,
    ),
    Claim(
        "SLOT_NONCAUSAL",
        re.compile(r"\bSLOT(?:-?\d+)?\b"),  # in capitals: a slot is any place
        "a correction optimised on what is scored (SLOT)",
        unless=_words(r"context-only|causal slot|slots"),
    ),
    Claim(
        "GPTQ_CALIB_ON_VAL",
        _words(
            r"\bval(?:idation)?[- ](?:data[- ])?calibrat\w+[^.|]{0,20}\bGPTQ\b",
            r"\bGPTQ\b[^.|]{0,50}\bcalibrat\w+ (?:on|with|from) val(?:idation)?\b",
        ),
        "quantisation calibrated on validation data",
    ),
    Claim(
        "TIME_OVER_EVAL",
        _words(
            r"\beval\w*\b[^.|]{0,50}\b(?:exceed(?:s|ed|ing)?|over|above|beyond)\b[^.|]{0,25}\b(?:10[- ]?min|600 ?s\b)",
        ),
        "an evaluation over ten minutes",
    ),
    Claim(
        "BPB_APPROX",
        _words(
            r"\bapproximate (?:byte|bpb)|\bELBO\b|\bvariational (?:upper )?bound\b",
            r"\bbpb (?:is|are) (?:an? )?(?:estimat|approx)",
        ),
        "bits per byte are approximate or a bound",
    ),
    Claim(
        "WITHDRAWN",
        _words(
            r"\b(?:retract(?:ed|ing)|withdrawn)\b(?! manifold)",
            r"\bthis (?:submission|pr|record|run|entry)\b[^.|]{0,20}\b(?:violates|is (?:invalid|illegal)"
            r"|is \W{0,2}not\W{0,2} (?:\w+ )?(?:valid|legal|compliant))",
        ),
        "the author withdraws it or says that it breaks a rule",
        unless=_words(r"manifold|riemannian|geodesic|if ruled"),
    ),
)

COMPLIANCE: Mapping[str, Code] = {
    "artifact_under_16mb": "SIZE_OVER",
    "train_under_600s": "TIME_OVER_TRAIN",
    "training_under_600s": "TIME_OVER_TRAIN",
    "eval_under_600s": "TIME_OVER_EVAL",
    "no_slot": "SLOT_NONCAUSAL",
    "no_pre_quant_ttt": "TTT_PREQUANT_VAL",
    "no_ngram_cache": "NGRAM_UNNORMALISED",
    "no_two_pass": "TWO_PASS_RESCORE",
    "score_first_ttt": "TTT_TRAIN_THEN_SCORE",
}
"""Keys of submission.json's `compliance` table and what their being false admits."""

_INCREDIBLE_BPB = 1.0
_NORMALISED = _words(r"\b(?:re)?normali[sz](?:ed|es|ation)\b|\bfull[- ]vocab|\bsums? to (?:1|one)\b")


def findings(case: Case) -> list[Finding]:
    """What the submission itself says, one finding per code."""
    found: dict[Code, Finding] = {one.code: one for one in _compliance(case)}
    said: dict[Code, list[Sentence]] = {}
    for claim in CLAIMS:
        for sentence, _ in assertions(case, claim.words):
            if claim.unless is None or not claim.unless.search(sentence.text):
                said.setdefault(claim.code, []).append(sentence)
    for claim in CLAIMS:
        if claim.code in said:
            found[claim.code] = _of(case, claim, said[claim.code])
    return list(found.values())


def _of(case: Case, claim: Claim, said: list[Sentence]) -> Finding:
    """The finding that a claim's sentences make."""
    first: dict[str, Sentence] = {}
    for sentence in said:
        first.setdefault(sentence.file.name, sentence)
    severity: Severity = "flag"
    if claim.code == "NGRAM_UNNORMALISED" and not _is_incredible(case):
        severity = "note" if any(assertions(case, _NORMALISED)) else "flag"
    elif claim.code in ("BPB_APPROX", "TIME_OVER_EVAL") and not is_record(case):
        severity = "note"
    elif claim.is_class and len(first) > 1 and not case.has_code:
        severity = "block"
    where = [sentence.where for sentence in first.values()][:2]
    text = f"it says that it has {claim.text}" if claim.code not in ("WITHDRAWN", "BPB_APPROX") else claim.text
    return finding(claim.code, text, *where, severity=severity, confidence=0.8 if severity == "block" else 0.6)


def _is_incredible(case: Case) -> bool:
    """Whether the claimed score is below what models alone reach, so that the cache made it."""
    claimed = claimed_bpb(case)
    return claimed is not None and claimed[0] < _INCREDIBLE_BPB


def _compliance(case: Case) -> Iterator[Finding]:
    table = case.json.get("compliance")
    for key, code in COMPLIANCE.items():
        if isinstance(table, dict) and table.get(key) is False and key != "score_first_ttt":
            where = in_json(case, key) or in_json(case, "compliance")
            if where:
                yield finding(code, f"its compliance table says {key}: false", where, severity="flag", confidence=0.8)
