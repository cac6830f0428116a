"""Gains a text states, on one scale: bits per byte of the challenge's naive baseline.

`2 % lower loss`, `0.02 nats`, `perplexity from 20 to 19` and `0.004 bpb` are made comparable; what is stated of memory,
speed or accuracy is no gain here, nor is what a clause reports of others or names as a threshold. A gain that is denied
is one of 0. A clause that says both better and worse says neither.
"""

import itertools
import math
import re
from collections.abc import Iterator

from golf import rules
from golf.research.statements import clause

LOSS_NATS = 2.07
"""Loss of the naive baseline in nats per token, by which gains in nats and perplexity become bits per byte.

Source: records/track_10min_16mb/2026-03-17_NaiveBaseline (1,024 tokens).
"""

GAIN_MAX = 0.5
"""A larger number in bits per byte is a score and no gain."""

PLACES_MAX = 200
"""So many numbers of a text are looked at: one with more is a table."""

_N = r"(\d{1,12}(?:\.\d{1,6})?)"
_GAIN = re.compile(
    rf"(?<![\w.,])([-+−–]?){_N} ?(%|percent|bpb\b|bits?[ -]per[ -]byte|nats?\b)",
    re.IGNORECASE,
)
_FROM_TO = re.compile(rf"\bfrom {_N} ?(?:bpb|ppl|nats)? ?(?:to|→|->) {_N}", re.IGNORECASE)
_BETTER = re.compile(
    r"\b(?:improv|reduc|lower|decreas|drop|gain|better|cut|outperform|save|saving|less)", re.IGNORECASE
)
_BETTER_AS_MORE = re.compile(r"\b(?:improv|gain|better|outperform|benefit)", re.IGNORECASE)
"""What makes `+0.01 bpb` a gain; without it, it is what the sign says."""

_WORSE = re.compile(
    r"\b(?:wors|degrad|hurt|harm|regress|higher|increas(?:e|es|ed|ing) (?:the |its )?(?:loss|ppl|perp|bpb|val))"
    r"|\bcost(?:s|ing)? (?:about |roughly |only |us |~)?[+~\d]",
    re.IGNORECASE,
)
_TURN = re.compile(
    r"\b(?:but|while|whereas|however|yet|although|though|despite|instead of|at the cost of)\b", re.IGNORECASE
)
"""Behind such a word a clause says something else than before it."""

_NOT_GAINED = re.compile(
    r"(?:\b(?:no|little|without(?: any)?|zero) (?:[\w-]{1,20} ){0,2}(?:gain|gains of|improvement|benefit|reduction)\b"
    r"|(?:\bnot|n't|n’t|\bnever|\bfail(?:s|ed)?|\bcannot|\bunable)(?! only)(?: [\w-]{1,20}){0,3}"
    r" (?:gain|improv|reduc|lower|decreas|drop|better|outperform|save|cut|deliver|reach|reproduc|replicat|giv|yield))"
    r"[^,(|]{0,50}$",
    re.IGNORECASE,
)
_LOST_AGAIN = re.compile(
    r"(?:\bnot|n't|n’t|\bfail(?:s|ed)? to)(?: [\w-]{1,20}){0,2}"
    r" (?:reproduc|replicat|hold|transfer|surviv|material|confirm)"
    r"|\b(?:vanish|disappear|evaporat)",
    re.IGNORECASE,
)
_OF_OTHERS = re.compile(
    r"#\d{1,6}['’]s\b|(?<!\bwe )(?<!\bour )\b(?:reported|reports|claimed|claims)\b"
    r"|\b(?:parent|paper|authors?|predecessor)(?:['’]s|s['’])? (?:[\w-]{1,20} ){0,2}"
    r"(?:gain|gained|improv|reduc|delta|result|score|show|saw|got)",
    re.IGNORECASE,
)
_YARDSTICK = re.compile(
    r"(?:[ -][\w-]{1,20}){0,3}[ -](?:threshold|requirement|bar|noise|floor|std|sigma|tolerance|spread)\b", re.IGNORECASE
)
_SPREAD = re.compile(
    r"(?:±|\+/|\bwithin|\bper|\bstd|\bsigma|σ|\bnoise|\bspread|\bthreshold|\bfrom|\bto|→|->)(?: of)?[ *(:=≥~]{0,4}$",
    re.IGNORECASE,
)
"""Right before a number: it is a spread, a limit, or one end of a range."""

_OURS = re.compile(
    r"(?<!no )(?<!without )(?<!little )(?<!minimal )\b(?:loss|perplexity|ppl|bpb|bits per byte|cross-entropy)\b",
    re.IGNORECASE,
)
_THEIRS = re.compile(
    r"\b(?:memory|latency|time|compute|flops?|cost|throughput|speed|faster|slower|accuracy|parameters?|size|storage"
    r"|energy|tokens?|bandwidth|sparsity|score|points)\b",
    re.IGNORECASE,
)


def stated(text: str) -> Iterator[tuple[re.Match[str], float]]:
    """The places of a folded text that state a gain, and the gain: bits per byte, negative for the worse."""
    for match in itertools.islice(_GAIN.finditer(text), PLACES_MAX):
        start, words = clause(text, match)
        size = _size(float(match[2]), match[3].lower(), _measure(words, match.start() - start, match.end() - start))
        before, after = _side(text, match, start, start + len(words))
        if size is None or _is_no_change(before, after):
            continue
        if _is_denied(before, text[match.end() : start + len(words)]):
            yield match, 0.0
            continue
        words = f"{before}{match[0]}{after}"
        if match[1] == "+":
            is_better = bool(_BETTER_AS_MORE.search(words))
            is_worse = not is_better or bool(_WORSE.search(words))
        else:
            is_worse = bool(_WORSE.search(words))
            is_better = bool(match[1]) or bool(_BETTER.search(words))
        if is_worse != is_better:
            yield match, -size if is_worse else size
    for match in itertools.islice(_FROM_TO.finditer(text), PLACES_MAX):
        start, words = clause(text, match)
        size = _change(float(match[1]), float(match[2]), _measure(words, match.start() - start, match.end() - start))
        before, after = _side(text, match, start, start + len(words))
        if size is not None and not _is_no_change(before, after):
            yield match, 0.0 if _is_denied(before, text[match.end() : start + len(words)]) else size


def _side(text: str, match: re.Match[str], start: int, end: int) -> tuple[str, str]:
    """The words before and behind a match in the clause from start to end, as far as no word turns it around."""
    before, after = text[start : match.start()], text[match.end() : end]
    turns = [turn.end() for turn in _TURN.finditer(before)]
    turn = _TURN.search(after)
    return before[turns[-1] if turns else 0 :], after[: turn.start()] if turn else after


def _is_denied(before: str, rest: str) -> bool:
    """Whether a clause says before a number that it was not gained, or anywhere behind it that it did not last."""
    return bool(_NOT_GAINED.search(before) or _LOST_AGAIN.search(rest))


def _is_no_change(before: str, after: str) -> bool:
    """Whether the words around a number give it to others, or make it a yardstick."""
    return bool(_OF_OTHERS.search(before) or _SPREAD.search(before) or _YARDSTICK.match(after))


def _size(value: float, unit: str, measure: str | None) -> float | None:
    if unit in ("%", "percent"):
        if measure is None or value >= 100:
            return None
        share = -math.log1p(-value / 100) / LOSS_NATS if measure in ("perplexity", "ppl") else value / 100
        size = share * rules.NAIVE_BASELINE_BPB
    else:
        size = value / LOSS_NATS * rules.NAIVE_BASELINE_BPB if unit.startswith("nat") else value
    return size if size < GAIN_MAX else None


def _change(before: float, after: float, measure: str | None) -> float | None:
    if measure in ("bpb", "bits per byte"):
        size = before - after
    elif measure in ("perplexity", "ppl") and before > 1 and after > 1:
        size = math.log(before / after) / LOSS_NATS * rules.NAIVE_BASELINE_BPB
    else:
        return None
    return size if abs(size) < GAIN_MAX else None


def _measure(clause: str, start: int, end: int) -> str | None:
    """What a number in a clause is about, in lower case; None when that is nothing of ours."""

    def distance(match: re.Match[str]) -> int:
        return match.start() - end if match.start() >= end else start - match.end()

    ours = min(_OURS.finditer(clause), key=distance, default=None)
    theirs = min(_THEIRS.finditer(clause), key=distance, default=None)
    if ours is None or (theirs is not None and distance(theirs) < distance(ours)):
        return None
    return ours[0].lower()
