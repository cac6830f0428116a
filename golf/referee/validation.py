"""What is known of the text that every score is on: the published validation split, its first 50,000 documents.

Whatever the tokenizer, the split holds the same bytes. A log that states its tokens, its loss and its bits per byte
therefore says how many bytes it divided by, and a wrong byte table shows without any code: val_tokens over tokens per
byte comes to 151.08 MB in 1,186 of 1,240 pull requests whose logs allow the sum, within one part in 2,000.
"""

import math
import re
from collections.abc import Mapping

from golf.referee.case import Case
from golf.schema import TrainingLog

VALIDATION_BYTES = 151_080_000
"""UTF-8 bytes of the split; logs differ by the last row that a sequence length leaves over.

Source: val_tokens · val_loss / (val_bpb · ln 2) of the accepted records' logs, SP1024 151,079,964.
"""

TOKENS_PER_BYTE: Mapping[str, float] = {
    "SP1024": 0.41052,
    "SP2048": 0.34667,
    "SP4096": 0.30123,
    "SP8192": 0.26834,
    "SP8192 CaseOps": 0.31674,
    "Scylla": 0.40389,
    "bytes": 1.0,
}
"""Tokens per byte of the whole split. Source: as above; for Scylla, #1143's tokens over the split's bytes."""

FIRST_EXPORT = (63_779_840, 0.40945)
"""Tokens and tokens per byte of the first export of the SP1024 split, which the naive baseline was scored on."""

TOKENS_MIN = 10_000_000
"""Fewer tokens are no whole split under any tokenizer in use."""

_CASEOPS = re.compile(r"caseops|lossless_caps", re.IGNORECASE)
_SCYLLA = re.compile(r"scylla|candidate\.vocab", re.IGNORECASE)
_OTHER = re.compile(r"casefold|lowercas|superbpe|gravity|\bbese|h-?net|\bhybrid tokeni|custom tokeni", re.IGNORECASE)
_SENTENCEPIECE = re.compile(r"(?:\bsp[-_ ]?|fineweb_)(1024|2048|4096|8192)(?![0-9])(?!nb)", re.IGNORECASE)


def tokens_per_byte(loss: float | None, bpb: float | None) -> float | None:
    """What a pair of nats per token and bits per byte divides by; None without both."""
    return bpb * math.log(2) / loss if loss and bpb and loss > 0 and bpb > 0 else None


def bits_per_byte(loss: float, per_byte: float) -> float:
    """Nats per token as bits per byte."""
    return loss * per_byte / math.log(2)


def is_caseops(log: TrainingLog) -> bool:
    """Whether a log's tokenizer is CaseOps', by its paths or its settings."""
    settings = log.hyperparameters
    paths = " ".join(settings.get(key, "") for key in ("tokenizer_path", "datasets_dir", "data_path", "data_dir"))
    return bool(_CASEOPS.search(paths)) or settings.get("caseops_enabled", "").lower() in ("true", "1")


def is_plausible(log: TrainingLog) -> bool:
    """Whether tokens per byte are such as a subword or byte tokenizer has, so that bytes can be told from them."""
    per_byte = tokens_per_byte(log.final_loss, log.final_bpb)
    return per_byte is None or 0.15 < per_byte < 0.6 or abs(per_byte - 1) < 0.01


def implied_bytes(log: TrainingLog) -> float | None:
    """Bytes of text that a log's final score was divided by; None when the log does not say enough."""
    per_byte = tokens_per_byte(log.final_loss, log.final_bpb)
    return log.val_tokens / per_byte if per_byte and log.val_tokens else None


def covers_split(log: TrainingLog) -> bool:
    """Whether a log's validation tokens may be the whole published split."""
    return log.val_tokens is not None and log.val_tokens > TOKENS_MIN


def expected_tokens_per_byte(case: Case, log: TrainingLog | None) -> float | None:
    """Tokens per byte of the split under the tokenizer of a log, or of the submission; None when that is not known."""
    if case.own_course is not None:
        return None
    if log and log.val_tokens == FIRST_EXPORT[0]:
        return FIRST_EXPORT[1]
    if log and log.val_tokens and covers_split(log):
        return log.val_tokens / VALIDATION_BYTES
    name = tokenizer(case, log)
    return None if name is None else TOKENS_PER_BYTE[name]


def tokenizer(case: Case, log: TrainingLog | None = None) -> str | None:
    """A name of `TOKENS_PER_BYTE`: as a log's paths say, or else README and JSON; None when unclear or another one."""
    settings = log.hyperparameters if log else {}
    if settings.get("vocab_size") in ("256", "260"):
        return "bytes"
    if settings.get("tokenizer_path"):
        return _named(" ".join(settings.get(key, "") for key in ("tokenizer_path", "datasets_dir", "data_path")))
    stated = (str(case.json.get(key) or "") for key in ("tokenizer", "name", "technique_summary", "blurb"))
    return _named(" ".join(stated)) or _named(" ".join(readme.text for readme in case.readmes[:1]))


def _named(text: str) -> str | None:
    if _OTHER.search(text):
        return None
    if _SCYLLA.search(text):
        return "Scylla"
    sizes = set(_SENTENCEPIECE.findall(text))
    name = f"SP{sizes.pop()}" if len(sizes) == 1 else ""
    if name == "SP8192" and _CASEOPS.search(text):
        name = "SP8192 CaseOps"
    return name if name in TOKENS_PER_BYTE else None
