"""The scores that a competitor's README states, and which of them is its own: the mean over its seeds.

For a pull request of which no more than the text is known; where its logs are, `golf.referee.extraction` reads those,
and where its submission.json has a score, `golf.research.submitted` reads that.
What is surprising: the number at the top is often the best seed's, the README repeats other people's numbers more often
than its own, and a difference or a spread looks like a score.

Source of the forms: "Parameter Golf Auto Research" (2026-03-27), "Competitor Intelligence": `**val_bpb: x**`,
`val_bpb = x`, `val_bpb: x`, a bare `bpb: x` and `x bpb`.
"""

import math
import re
import statistics
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from golf import rules
from golf.referee.headline import readme_bpb
from golf.referee.texts import TextFile
from golf.research import foreign
from golf.schema import Noun

LINES_MAX = 600
LINE_CHARS_MAX = 600
SEEDS_MAX = 50
SCORE_MIN = 0.3
"""Bits per byte; a smaller number in a text is a difference, a spread or a share more often than a score."""
SAME_BPB = 1.5e-5
"""One number, as four or five digits of it tell."""

_NUMBER = r"\d\.\d{3,10}(?!\d)"
_STATED = re.compile(
    r"""(?:\bval[_ ]?bpb|(?<![A-Za-z_])bpb)["'`*]{0,3}\s?(?:\([^()]{0,40}\))?\s?["'`*]{0,3}\s?(?:[:=|≈]|of\b|is\b)"""
    rf"""[\s"'`*≈~]{{0,6}}(?P<after>{_NUMBER})"""
    rf"""|(?<![\d.,+−±-])(?<![±+−-]\s)(?P<before>{_NUMBER})[`*]{{0,3}}\s?(?:val[_ ]?)?bpb\b(?!["'`*]{{0,3}}\s?[:=])""",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"baseline|\bsota\b|\bvs\b|versus|previous|prior|\bbeat|\bfrom\b|(?:PR|pull) ?#?\d|#\d{2,5}|improv|target|threshold"
    r"|leader|current|record bar|expected|projected|estimat|pre-?quant|before|without|ablat|delta|Δ|std|±"
    r"|\bworse|\bbetter|\bgap\b|\bpenalty|\bgain",
    re.IGNORECASE,
)
"""Words before a number in its clause that make it somebody else's, a difference, or not the final one."""
_OTHERS_AFTER = re.compile(
    r"baseline|sota\b|previous|prior|pre-?quant|target|improv|(?:\w+ )?(?:lower|higher|better|worse|above|below)"
    r"|gap\b|penalty|gain|delta|regress|more\b|less\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[;!?]\s|\.\s|, (?=[A-Za-z])|\(|\bdown to\b|\bto\b|→")
_MEAN = re.compile(r"\b(?:mean|average|avg)\b", re.IGNORECASE)
_SEED = re.compile(r"\bseeds?[ _=:#]{0,3}(\d{1,10})\b(?!-)", re.IGNORECASE)
_SEED_CELL = re.compile(r"[*`~\s]{0,4}(?:(?:seed|run)[ _=:#]{0,3})?(\d{1,10})\b(?!\.\d)", re.IGNORECASE)
"""What a row of seeds begins with; `H1` is a variant's name."""
_COUNT = re.compile(r"\b(\d{1,2})[- ]seeds?\b|\b(?:over|of|across) (\d{1,2}) (?:seeds|runs)\b", re.IGNORECASE)
_SPREAD = re.compile(r"\s?\*{0,2}\s?(?:±|\+/-)\s?(0\.\d{2,8})|\s?\(std:?\s?(0\.\d{2,8})\)")
_CELL_NUMBER = re.compile(rf"[*`~\s]{{0,4}}({_NUMBER})[*`\s]{{0,4}}(?:(?:±|\+/-)\s?(0\.\d{{2,8}}))?[*`\s]{{0,4}}$")


class Told(Noun):
    """A score that a README states as its own."""

    val_bpb: float
    kind: Literal["headline", "mean", "seed"]
    seed: int | None = None
    std_bpb: float | None = None
    quote: str


class ReadmeScores(Noun):
    """What a README's numbers come to."""

    val_bpb: float | None = None
    """The mean over its seeds, the stated one where its table gives another: tables show earlier stages as well; else
    the one number there is. None where it states none as its own."""
    std_bpb: float | None = None
    num_seeds: int = 0
    """Seeds it gives a score for, or says it took the mean over; 0 where it does not say."""
    doubts: list[str] = []
    told: list[Told] = []
    """In the order of the text."""


class _Table(NamedTuple):
    seed: int
    score: int


def read(readme: str) -> ReadmeScores:
    """The score of a README, with what speaks against taking it for a mean."""
    text = foreign.clean(readme)
    told = [one for one in _told(text.split("\n")[:LINES_MAX]) if one.val_bpb >= SCORE_MIN]
    top = readme_bpb(TextFile("README.md", text))
    singles = [one for one in told if one.kind == "headline"]
    headline = next((one for one in singles if one.val_bpb == top), singles[0] if singles else None)
    mean = next((one for one in told if one.kind == "mean"), None)
    seeds: dict[int, float] = {}
    is_twofold = False
    for one in told:
        if one.seed is not None and len(seeds) < SEEDS_MAX:
            is_twofold |= not _near(seeds.setdefault(one.seed, one.val_bpb), one.val_bpb)
    scores = list(seeds.values())
    own = math.fsum(scores) / len(scores) if len(scores) > 1 else None
    agree = own is not None and (mean is None or _near(own, mean.val_bpb))
    spread = statistics.stdev(scores) if agree else mean.std_bpb if mean else None
    candidates = (own if agree else None, mean and mean.val_bpb, headline and headline.val_bpb, *scores)
    return ReadmeScores(
        val_bpb=next((value for value in candidates if value is not None), None),
        std_bpb=spread,
        num_seeds=len(scores) or (_counted(mean.quote) if mean else 0),
        doubts=list(_doubts(headline, mean, scores, own)) if not is_twofold else [],
        told=told,
    )


def _doubts(headline: Told | None, mean: Told | None, scores: Sequence[float], own: float | None) -> Iterator[str]:
    """What can be shown; that a headline is another number than the mean may come of another stage, and is none."""
    if own is not None and mean is not None and not _near(own, mean.val_bpb):
        yield f"it states a mean of {mean.val_bpb:.4f}; a column of {len(scores)} seeds in its README gives {own:.4f}"
        return  # and so which of them is the score is not known
    bar = mean.val_bpb if mean else own
    if bar is None and len(scores) < 2 and (headline or scores):
        yield "one number, and of how many seeds is not seen"
    elif headline is None or bar is None or _near(headline.val_bpb, bar):
        return
    elif any(abs(headline.val_bpb - score) < SAME_BPB for score in scores):
        which = "its best seed's" if headline.val_bpb < bar else "a single seed's"
        yield f"its headline {headline.val_bpb:.4f} is {which}; the mean of {len(scores)} is {bar:.4f}"


def _near(one: float, other: float) -> bool:
    """Equal, as far as four digits and a rounding of each tell."""
    return abs(one - other) <= rules.DISAGREEMENT_BPB / 5


def _counted(quote: str) -> int:
    match = _COUNT.search(quote)
    return min(int(match[1] or match[2]), SEEDS_MAX) if match else 0


def _told(lines: Sequence[str]) -> Iterator[Told]:
    table: _Table | None = None
    before = ""
    for raw in lines:
        line = raw[:LINE_CHARS_MAX].strip()
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if table is None and re.fullmatch(r"[|:\s-]+", line):
                table = _table(before)
            elif table is not None:
                yield from _row(cells, table, line)
                continue
        else:
            table = None
        before = line
        if table is None and line.count("|") <= 3:  # a row of more cells compares, and is not its own score's
            yield from _in_prose(line)


def _table(head: str) -> _Table | None:
    """Columns of seed and score; of several scores the last that is not marked as an earlier stage."""
    names = [cell.strip(" *`").lower() for cell in head.strip("|").split("|")]
    seeds = [number for number, name in enumerate(names) if re.match(r"(?:random |rng )?seed\b|run\b", name)]
    scores = [number for number, name in enumerate(names) if re.search(r"bpb", name) and not _OTHERS.search(name)]
    return _Table(seeds[0], scores[-1]) if seeds and scores else None


def _row(cells: Sequence[str], table: _Table, line: str) -> Iterator[Told]:
    if len(cells) <= max(table) or not (match := _CELL_NUMBER.match(cells[table.score])):
        return
    name, value = cells[table.seed], float(match[1])
    if _MEAN.search(name):
        spread = float(match[2]) if match[2] else None
        yield Told(val_bpb=value, kind="mean", std_bpb=spread, quote=foreign.line(line, 120))
    elif not _OTHERS.search(name) and (seed := _SEED_CELL.match(name)):
        yield Told(val_bpb=value, kind="seed", seed=int(seed[1]), quote=foreign.line(line, 120))


def _in_prose(line: str) -> Iterator[Told]:
    for match in _STATED.finditer(line):
        said = match["after"] or match["before"]
        start = match.start("after") if match["after"] else match.start("before")
        clause = _CLAUSE.split(line[: match.start()])[-1][-80:] + line[match.start() : start]
        if _OTHERS.search(clause) or _OTHERS_AFTER.match(line[match.end() :].lstrip(" *(")):
            continue
        quote = foreign.around(line, match.start(), match.end(), 160)
        around = line[max(0, match.start() - 60) : match.end() + 40]
        spread = _SPREAD.match(line, match.end())
        seed = _SEED.search(clause) or _SEED.match(line[match.end() :].lstrip(" *(,"))
        if seed and not _MEAN.search(clause):
            yield Told(val_bpb=float(said), kind="seed", seed=int(seed[1]), quote=quote)
        elif _MEAN.search(around) or spread:
            std = float(spread[1] or spread[2]) if spread else None
            yield Told(val_bpb=float(said), kind="mean", std_bpb=std, quote=quote)
        else:
            yield Told(val_bpb=float(said), kind="headline", quote=quote)
