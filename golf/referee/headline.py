"""The headline: the score a submission claims, where it stands, and which of its logs' numbers it is.

It is submission.json's, else the README's. `val_loss` now and then holds bits per byte; it counts as them only where
no key states them and a log or the README says the same number.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from golf.referee.chosen import is_near
from golf.referee.reading import printable
from golf.referee.stated import Stated, text_of
from golf.referee.texts import TextFile
from golf.rulings import SubmittedSeed

HEAD_LINES = 30
"""Lines of a README that may state its headline."""

BPB_MIN = 0.02
"""Smaller numbers beside the word are differences, and spreads."""

UNBACKED = "no log backs it"

CLAIMS_MAX = 12
CLAIM_CHARS_MAX = 240
CLAIM_LINES = 400

_NUMBER = r"\d\.\d{3,10}"
_README_BPB = re.compile(
    r"(?:val[_ ]?bpb|\bbpb)\**\s{0,3}(?:score\s{0,2})?(?:\([^)\n]{0,40}\)\s{0,2})?\**\s{0,2}"
    rf"(?:[:=|≈~]|of|is|to)?\s{{0,2}}[*`~≈]{{0,4}}(?P<after>{_NUMBER})(?!\d)"
    rf"|(?<![\d.+−±-])(?<!± )\**(?P<before>{_NUMBER})\**\s{{0,2}}(?:val[_ ]?)?bpb\b",
    re.IGNORECASE,
)
_OF_OTHERS = re.compile(
    r"baseline|sota|\bvs\b|previous|prior|#\d{2,5}|improve|target|threshold|leader|merged|current|record bar|expected"
    r"|projected|estimat|pre-?quant|roundtrip",
    re.IGNORECASE,
)
_CLAIM = re.compile(
    "|".join(
        (
            r"bpb|\bscore[ds]?\b|record|state[- ]of[- ]the[- ]art|sota",
            r"complian|\blegal\b|\bc[1-4]\b|causal|score[- ]first|normali[sz]ed|no (?:val|training) data",
            r"under (?:the )?16|16 ?mb|16,000,000|within (?:the )?600",
            r"\bttt\b|test[- ]time|n-?gram|gptq|quanti|tokenizer|recurren|muon|\bema\b|attention",
        )
    ),
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z*])")


def headline(
    table: Mapping[str, Any], readme: TextFile, said: Stated, logged: Sequence[float]
) -> tuple[float | None, str]:
    """The claimed score in bits per byte and the key or file it stands in; else None and why there is none."""
    if said.bpb is not None:
        return said.bpb, str(said.bpb_key)
    in_readme = readme_bpb(readme)
    for evidence in (*logged, in_readme):
        if is_near(evidence, said.loss):
            return said.loss, "val_loss, which holds the bits per byte"
    if in_readme is not None:
        return in_readme, readme.name
    given = table.get("val_bpb")
    shown = f": val_bpb is {text_of(given) or type(given).__name__}" if "val_bpb" in table else ""
    return None, f"neither submission.json nor README states a score{shown}"


def readme_bpb(readme: TextFile) -> float | None:
    """The score that the head of a README states as its own, in bits per byte: in a heading or bold."""
    for line in readme.lines[:HEAD_LINES]:
        if not line.lstrip(" ->").startswith(("#", "**")):
            continue
        for match in _README_BPB.finditer(line[:500]):
            said = float(match["after"] or match["before"])
            if said >= BPB_MIN and not _OF_OTHERS.search(line[: match.start()][-60:]):
                return said
    return None


def which_of(claim: float, seeds: Sequence[SubmittedSeed]) -> str:
    """Which of the logs' numbers a headline is."""
    scores = [seed.val_bpb for seed in seeds if seed.val_bpb is not None]
    if not scores:
        return UNBACKED
    near = [score for score in scores if is_near(score, claim)]
    if len(scores) == 1:
        return "the only seed with a score" if near else UNBACKED
    if is_near(math.fsum(scores) / len(scores), claim):
        return f"the mean of {len(scores)} logs"
    if near:
        return f"the {'best' if min(scores) in near else 'score of one'} of {len(scores)} logs"
    return UNBACKED


def claims(readme: TextFile) -> Iterator[str]:
    """Sentences of the README that claim a score, a technique or compliance, each bounded."""
    found, fenced = 0, False
    for line in readme.lines[:CLAIM_LINES]:
        fenced ^= line.lstrip().startswith(("```", "~~~"))
        if fenced or line.lstrip().startswith(("|", "```", "~~~")):
            continue
        for sentence in _SENTENCE.split(line.strip(" #*->\t")[:1_000]):
            if found < CLAIMS_MAX and len(sentence) > 15 and _CLAIM.search(sentence):
                found += 1
                yield printable(" ".join(sentence.split()))[:CLAIM_CHARS_MAX]
