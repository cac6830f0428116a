"""What a text claims, read off it by rules: parameters, bits, gains, training time, dependencies, code.

Every claim keeps the words it rests on. Texts are hostile: the first 20,000 characters are read, and every expression
here looks at a bounded number of characters from each place, so that reading takes time in proportion to the text.
A claim is what the text says and nothing more: `7B parameters` may be the model that somebody else tried an idea on.
"""

import math
import re
from collections.abc import Iterator

from golf.research import durations, foreign, gains, sizes
from golf.research.dependencies import Dependency, needed
from golf.research.statements import FLAGS, FREE, N, Stated, folded, is_denied, number, quoted, stated
from golf.schema import Noun

CLAIMS_MAX = 40
"""So many claims of a kind are kept; a text with more is a list of numbers."""


class Claims(Noun):
    """What a text claims, each in the order of the text."""

    parameters: list[Stated] = []
    bits: list[Stated] = []
    """Per weight."""
    gains: list[Stated] = []
    """In bits per byte of the naive baseline, positive for the better; losses and perplexities are converted."""
    val_bpb: list[Stated] = []
    """Scores stated as the challenge does."""
    artifact_bytes: list[Stated] = []
    slowdown: list[Stated] = []
    """Training time as a multiple of what it was: 2 is twice as slow, 1 costs nothing."""
    training_s: list[Stated] = []
    """Seconds of training it says it needs."""
    gpu_hours: list[Stated] = []
    """Somebody's own experiment; says nothing of ours for sure."""
    dependencies: list[Dependency] = []
    """Beyond what the challenge's scripts import."""
    kernels: str = ""
    """Words that speak of kernels of one's own; empty when none do."""
    code: str = ""
    """Words that say code is to be had."""
    one_script: str = ""
    """Words that say it is a few lines, or one file."""
    context_length: list[Stated] = []
    """In tokens."""
    subject: str = ""
    """Words that show it is about language models at all."""


_BITS = re.compile(
    r"(?<![\w.,])(\d{1,2}(?:\.\d{1,3})?)[ -]?bits?\b(?! ?(?:per|/) ?(?:byte|char|dim|token|second))"
    r"|\b(?:u?int|fp)(\d{1,2})\b",
    FLAGS,
)
_TERNARY = re.compile(r"\bternary\b|\bbitnet\b", FLAGS)
_VAL_BPB = re.compile(r"\bval_bpb\b[ *`:=|~≈]{0,6}(?:of |is |to )?(\d\.\d{2,8})", FLAGS)
_OF_OTHERS = re.compile(
    r"(?:\b(?:parent|base|baseline|prior|previous|sota|merged|target|leader|vs\.?|versus|against|compared|over"
    r"|pre-?quant\w{0,9})\b"
    r"[^|.;\n]{0,24}|#\d{1,6}(?:['’]s)?[ *`(]{1,4}(?:[\w-]{1,12} )?)$",
    FLAGS,
)
"""Right before a score: it is another submission's, or of a stage before the one that counts."""

_CONTEXT = re.compile(
    rf"\b(?:context|sequence)[ -]?(?:length|window|size)s? ?(?:of |= ?|to )?{N} ?(k)?\b"
    rf"|{FREE}{N} ?(k)?[ -]?(?:token )?context\b",
    FLAGS,
)
_WORDS = {
    field: re.compile(words, FLAGS)
    for field, words in {
        "kernels": (r"\bcustom (?:cuda|triton|gpu)?[ -]?(?:kernels?|ops?)\b|\bcustom cuda\b|\bcuda extension"),
        "code": (
            r"\bcode (?:and \w{1,12} )?(?:is|are) (?:now |made )?(?:publicly |freely )?(?:available|released|open)"
            r"|\bgithub\.com/(?!user-attachments)[\w.-]{1,40}/[\w.-]{1,60}+(?!/(?:issues|pull|discussions)\b)"
            r"|\bopen[- ]sourced?\b|\bwe release (?:our |the )?code"
        ),
        "one_script": (
            r"\b(?:single|one)[- ](?:file|script)\b|\bdrop-in\b|\btrain_gpt\.py\b"
            r"|\b(?:few|\d{1,2}|one|two|three|five|ten) (?:additional |extra )?lines? of (?:code|python|pytorch)"
        ),
        "subject": (
            r"\blanguage model|\btransformers?\b|\bLLMs?\b|\bperplexity\b|\bbits[ -]per[ -]byte\b|\bval_bpb\b|\bbpb\b"
            r"|\bparameter[ -]golf\b|\bnano-?gpt\b|\bGPT\b|\bnext[ -]token\b|\bpre-?training\b"
        ),
    }.items()
}
"""What speaks of each; the fields of `Claims`."""


def read(text: str) -> Claims:
    """The claims of a text; whatever it holds, this ends soon and raises nothing."""
    text = folded(text[: foreign.TEXT_CHARS_MAX])
    return Claims(
        parameters=_some(sizes.parameters(text)),
        bits=_some(_bits(text)),
        gains=_some(stated(text, match, value) for match, value in gains.stated(text)),
        val_bpb=_some(
            stated(text, match, float(match[1]))
            for match in _VAL_BPB.finditer(text)
            if not _OF_OTHERS.search(text[max(0, match.start() - 40) : match.start()])
        ),
        artifact_bytes=_some(sizes.artifact_bytes(text)),
        slowdown=_some(durations.slowdowns(text)),
        training_s=_some(durations.training_s(text)),
        gpu_hours=_some(durations.gpu_hours(text)),
        dependencies=needed(text)[:CLAIMS_MAX],
        kernels=_first("kernels", text),
        code=_first("code", text),
        one_script=_first("one_script", text),
        context_length=_some(_contexts(text)),
        subject=_first("subject", text),
    )


def _some(found: Iterator[Stated]) -> list[Stated]:
    kept: list[Stated] = []
    for one in found:
        if math.isfinite(one.value) and one.value not in [other.value for other in kept]:
            kept.append(one)
        if len(kept) == CLAIMS_MAX:
            break
    return kept


def _first(field: str, text: str) -> str:
    match = next((one for one in _WORDS[field].finditer(text) if not is_denied(text, one)), None)
    return "" if match is None else quoted(text, match)


def _bits(text: str) -> Iterator[Stated]:
    for match in _BITS.finditer(text):
        bits = float(match[1] or match[2])
        if 0 < bits <= 32:
            yield stated(text, match, bits)
    if match := _TERNARY.search(text):
        yield stated(text, match, 1.58)


def _contexts(text: str) -> Iterator[Stated]:
    for match in _CONTEXT.finditer(text):
        value = number(match[1] or match[3]) * (1024 if match[2] or match[4] else 1)
        if value >= 64:
            yield stated(text, match, value)
