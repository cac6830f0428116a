"""What a text claims, read off it by rules: parameters, bits, gains, training time, dependencies, code.

Every claim keeps the words it rests on. Texts are hostile: the first 20,000 characters are read, and every expression
here looks at a bounded number of characters from each place, so that reading takes time in proportion to the text.
A claim is what the text says and nothing more: `7B parameters` may be the model that somebody else tried an idea on.
"""

import math
import re
from collections.abc import Iterator

from golf.research import foreign, gains
from golf.research.dependencies import Dependency, needed
from golf.research.statements import Stated, clause, is_denied, quoted, stated
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


_FLAGS = re.IGNORECASE | re.ASCII
"""ASCII, as `ſ` is an `s` else and `ı` an `i`, and no unit is written so."""

_N = r"(\d{1,3}(?:,\d{3}){1,4}|\d{1,12}(?:\.\d{1,6})?)"
_FREE = r"(?<![\w.,$])"
_GAP = r"(?:[^.;!?]|\.(?=\d))"
"""A character of the same clause."""

_PARAMETERS = re.compile(rf"{_FREE}{_N} ?(K|M|B|T|thousand|million|billion)?[ -]?param(?:eter|s\b)", _FLAGS)
_MODEL_SIZE = re.compile(r"(?<![\w.,$])(\d{1,4}(?:\.\d{1,3})?)([MB])\b(?![ -]?(?:token|sample|example|byte|word|doc))")
_BITS = re.compile(
    r"(?<![\w.,])(\d{1,2}(?:\.\d{1,3})?)[ -]?bits?\b(?! ?(?:per|/) ?(?:byte|char|dim|token|second))"
    r"|\b(?:u?int|fp)(\d{1,2})\b",
    _FLAGS,
)
_TERNARY = re.compile(r"\bternary\b|\bbitnet\b", _FLAGS)
_VAL_BPB = re.compile(r"\bval_bpb\b[ *`:=|~≈]{0,6}(?:of |is |to )?(\d\.\d{2,8})", _FLAGS)
_ARTIFACT = re.compile(
    rf"(?:artifact|submission size|total size|compressed size){_GAP}{{0,40}}?(?<![\w.,]){_N} ?(MiB|MB|bytes)\b"
    rf"|(?<![\w.,]){_N} ?(MiB|MB|bytes) (?:compressed )?artifact",
    _FLAGS,
)
_ALLOWANCE = re.compile(r"limit|cap\b|budget|under|below|max|within|at most|fits|constraint", _FLAGS)
_ALLOWED = re.compile(r" ?(?:artifact )?(?:limit|cap\b|budget|constraint|max)", _FLAGS)
_SLOWER = re.compile(rf"{_FREE}{_N} ?(x|×|times|%) ?(?:slower|longer|more (?:compute|time|training)|overhead)", _FLAGS)
_FASTER = re.compile(rf"{_FREE}{_N} ?(?:x|×|times) ?(?:faster|speed-?up)", _FLAGS)
_NO_COST = re.compile(
    r"\b(?:no|zero|without|negligible) (?:any )?(?:additional |extra |added )?"
    r"(?:training |compute |computational |runtime )?(?:cost|overhead|slow-?down|training time)\b",
    _FLAGS,
)
_UNIT = r"(seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?)\b"
_NEEDS = re.compile(
    rf"\b(?:requires?|needs?|takes?|training time(?: of| is|:)?){_GAP}{{0,30}}?(?<![\w.,]){_N}[ -]?{_UNIT}"
    rf"|(?<!after )(?<![\w.,]){_N}[ -]?{_UNIT}(?: of)? training\b",
    _FLAGS,
)
_TRAINING = re.compile(r"\btrain", _FLAGS)
_DEVICE = r"(?:[HAVB]\d{3}s?|TPU\w{0,4}|GPUs?)"
_GPU_TIME = re.compile(
    rf"(?<![\w.,])(\d{{1,5}}) ?[x×]? ?(?:NVIDIA )?{_DEVICE}{_GAP}{{0,30}}?\bfor {_N}[ -]?{_UNIT}"
    rf"|{_FREE}{_N} {_DEVICE}[ -](hours?|days?)\b",
    _FLAGS,
)
_CONTEXT = re.compile(
    rf"\b(?:context|sequence)[ -]?(?:length|window|size)s? ?(?:of |= ?|to )?{_N} ?(k)?\b"
    rf"|{_FREE}{_N} ?(k)?[ -]?(?:token )?context\b",
    _FLAGS,
)
_WORDS = {
    field: re.compile(words, _FLAGS)
    for field, words in {
        "kernels": (r"\bcustom (?:cuda|triton|gpu)?[ -]?(?:kernels?|ops?)\b|\bcustom cuda\b|\bcuda extension"),
        "code": (
            r"\bcode (?:and \w{1,12} )?(?:is|are) (?:now |made )?(?:publicly |freely )?(?:available|released|open)"
            r"|\bgithub\.com/[\w.-]{1,40}/[\w.-]{1,60}|\bopen[- ]sourced?\b|\bwe release (?:our |the )?code"
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
    text = " ".join(foreign.clean(text[: foreign.TEXT_CHARS_MAX]).split())
    return Claims(
        parameters=_some(_parameters(text)),
        bits=_some(_bits(text)),
        gains=_some(stated(text, match, value) for match, value in gains.stated(text)),
        val_bpb=_some(stated(text, match, float(match[1])) for match in _VAL_BPB.finditer(text)),
        artifact_bytes=_some(_artifacts(text)),
        slowdown=_some(_slowdowns(text)),
        training_s=_some(_training(text)),
        gpu_hours=_some(_gpu_hours(text)),
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


def _number(digits: str) -> float:
    return float(digits.replace(",", ""))


_SCALE = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "billion": 1e9, "t": 1e12}


def _parameters(text: str) -> Iterator[Stated]:
    for match in _PARAMETERS.finditer(text):
        count = _number(match[1]) * _SCALE.get((match[2] or "").lower(), 1)
        if count >= 1000:  # "three parameters" are a method's
            yield stated(text, match, count)
    for match in _MODEL_SIZE.finditer(text):
        yield stated(text, match, float(match[1]) * _SCALE[match[2].lower()])


def _bits(text: str) -> Iterator[Stated]:
    for match in _BITS.finditer(text):
        bits = float(match[1] or match[2])
        if 0 < bits <= 32:
            yield stated(text, match, bits)
    if match := _TERNARY.search(text):
        yield stated(text, match, 1.58)


def _artifacts(text: str) -> Iterator[Stated]:
    for match in _ARTIFACT.finditer(text):
        value, unit = _number(match[1] or match[3]), (match[2] or match[4]).lower()
        if not _ALLOWANCE.search(match[0]) and not _ALLOWED.match(text, match.end()):
            yield stated(text, match, value * {"mib": 2**20, "mb": 1e6, "bytes": 1}[unit])


def _slowdowns(text: str) -> Iterator[Stated]:
    for match in _SLOWER.finditer(text):
        value = _number(match[1])
        yield stated(text, match, 1 + value / 100 if match[2] == "%" else value)
    for match in _FASTER.finditer(text):
        if (value := _number(match[1])) > 0:
            yield stated(text, match, 1 / value)
    if match := _NO_COST.search(text):
        yield stated(text, match, 1.0)


def _seconds(value: str, unit: str) -> float:
    return _number(value) * {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}[unit[0].lower()]


def _training(text: str) -> Iterator[Stated]:
    for match in _NEEDS.finditer(text):
        _, words = clause(text, match, 40)
        if _TRAINING.search(words) and not is_denied(text, match) and "less than" not in words:
            yield stated(text, match, _seconds(match[1] or match[3], match[2] or match[4]))


def _gpu_hours(text: str) -> Iterator[Stated]:
    for match in _GPU_TIME.finditer(text):
        if match[4]:
            yield stated(text, match, _seconds(match[4], match[5]) / 3600)
        else:
            yield stated(text, match, int(match[1]) * _seconds(match[2], match[3]) / 3600)


def _contexts(text: str) -> Iterator[Stated]:
    for match in _CONTEXT.finditer(text):
        value = _number(match[1] or match[3]) * (1024 if match[2] or match[4] else 1)
        if value >= 64:
            yield stated(text, match, value)
