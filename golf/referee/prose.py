"""What README and submission.json say, sentence by sentence, and whether they say it of their own method.

Words are a hint. A README denies ("no TTT"), tells of its parents ("PR #741 mixed in an n-gram cache"), of what was
tried and dropped, and of the rules; so a match counts only in a sentence that neither denies it nor speaks of others.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from golf.referee.case import Case, TextFile
from golf.rulings import Evidence

SENTENCES_MAX = 5_000
"""Sentences of one submission that are looked at."""
_WORDS_MAX = 1_000

_KEY = re.compile(r'"([^"]{1,80})"\s*:')
_FENCE = re.compile(r"^\s{0,8}(?:```|~~~)")
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.*)|^\s{0,3}\*\*([^*]{3,80})\*\*:?\s*$")
_SPLIT = re.compile(r"(?<=[.!?;])\s+(?=[A-Z*_`(\[>])|(?<!\s)\s+[—–]\s+(?=[A-Z])")


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_OTHERS_HEADING = _words(
    r"ablat|did(?:n.t| not)|fail|negative|tried|explor|lineage|credit|acknowledg|relat|histor|referenc|attribut|prior",
    r"background|compar|future|next step|not (?:includ|us)|reject|journey|timeline|lesson|learn|inspir|prev|earlier",
    r"\bwip\b|why (?:not|no)|differen|rules|stack of|baseline|context|motivation|landscape|caveat|limitation",
    r"illegal|invalid|proven|proof|moonshot|dead end|appendix|chapter|phase \d",
)
_OTHERS = _words(r"#\d{2,4}\b|\bPRs?\b[ -]?\d{2,4}|pull/\d+|\bissues?\b|@\w{3,}")
_OWN = _words(
    r"\b(?:we|our|ours|i|my|here)\b|\bthis (?:submission|record|pr|run|entry|folder|work|model|script|version)\b"
)
_HYPOTHETICAL = _words(
    r"\b(?:would|could|might|may be|future|todo|plan(?:s|ned)?|next|if (?:we|you|it|the)|should|rather than)\b",
    r"\b(?:unlike|compared (?:to|with)|versus|previous(?:ly)?|earlier|originally|formerly|initial(?:ly)?|used to)\b",
    r"\b(?:tried|attempt\w*|explored|experiment(?:s|ed) with|considered|optional(?:ly)?|supports?|available)\b",
    r"\byou(?:.re| are| can| cannot| may)\b|\bare (?:only )?allowed to\b",
)
_DENIES_BEFORE = re.compile(
    r"(?:\bno_|\b(?:no|not|non|without|never|nor|neither|zero|none|free of|lacks?|absent|against|unlike|instead of"
    r"|rather than|remov\w*|disabl\w*|dropp?\w*|exclud\w*|avoid\w*|reject\w*|forbid\w*|prohibit\w*|illegal\w*|invalid"
    r"|ban(?:s|ned)?|disallow\w*|strip\w*|omit\w*|skip\w*|turned off|replac\w*|fix(?:es|ed)?|abandon\w*|closed"
    r"|does ?n.t|do ?n.t|did ?n.t|is ?n.t|cannot|can.t)\b|❌|✗|n't\b)[^.;|]{0,70}$",
    re.IGNORECASE,
)
_DENIES_AFTER = _words(
    r"^[^.;|]{0,40}?\b(?:is|are|was|were|be|been|stays?|remains?)\s+(?:\w+\s+)?(?:not|never|disabled|removed|off|dropped"
    r"|excluded|unused|illegal|disallowed|banned|forbidden|rejected|absent)\b",
    r"^[^.;|]{0,40}?\b(?:disabled|removed|unused|dropped|not (?:used|included|applied)|off by default|none|prohibited"
    r"|disallowed|illegal|n/a)\b",
    r"^[^.;|]{0,40}?\s*[=:]\s*\W*(?:0|no|off|false|none|❌|✗)\b",
    r"^[^.;|]{0,40}?\s*\|\s*(?:no|off|none|❌|✗|n/a|0|false)\s*(?:\||$)",
)


@dataclass(frozen=True)
class Sentence:
    """One sentence, list item, table row or JSON value."""

    text: str
    file: TextFile
    line: int
    heading: str
    """The heading, or the JSON keys, it stands under."""

    @property
    def where(self) -> Evidence:
        """Evidence that quotes it."""
        return self.file.at(self.line, self.text)


def sentences(case: Case) -> list[Sentence]:
    """Everything README and submission.json say in words; fenced code left out."""
    kept = vars(case)  # as a cached property of the case would be: every check asks, and some texts are long
    if "sentences" not in kept:
        sources = (_json_sentences(case), *map(_readme_sentences, case.readmes[:3]))
        kept["sentences"] = list(islice(chain.from_iterable(sources), SENTENCES_MAX))
    return kept["sentences"]


def assertions(case: Case, pattern: re.Pattern[str]) -> Iterator[tuple[Sentence, re.Match[str]]]:
    """Sentences that say something of the submission itself: not denied, not about others, past or future."""
    for sentence in sentences(case):
        for match in pattern.finditer(sentence.text):
            if not is_denied(sentence.text, match) and not is_of_others(sentence):
                yield sentence, match
                break


def admissions(case: Case, pattern: re.Pattern[str]) -> Iterator[tuple[Evidence, str]]:
    """The same, as evidence and words."""
    for sentence, _ in assertions(case, pattern):
        yield sentence.where, sentence.text


def is_denied(text: str, match: re.Match[str]) -> bool:
    """Whether the words around a match deny it: "no n-gram cache", "SLOT: off", "TTT was removed"."""
    return bool(_DENIES_BEFORE.search(text[: match.start()]) or _DENIES_AFTER.search(text[match.end() :]))


def is_of_others(sentence: Sentence) -> bool:
    """Whether a sentence speaks of another pull request, of what was tried, or of what may come."""
    if _OTHERS_HEADING.search(sentence.heading):
        return True
    if _OTHERS.search(sentence.text) and not _OWN.search(sentence.text):
        return True
    return _HYPOTHETICAL.search(sentence.text) is not None


def _readme_sentences(readme: TextFile) -> Iterator[Sentence]:
    heading, fenced = "", False
    for number, line in enumerate(readme.lines, 1):
        if _FENCE.match(line):
            fenced = not fenced
            continue
        if fenced or not line.strip():
            continue
        titled = _HEADING.match(line)
        if titled:
            heading = titled[1] or titled[2] or ""
        for part in _SPLIT.split(line.strip()[: 4 * _WORDS_MAX]):
            yield Sentence(part[:_WORDS_MAX], readme, number, "" if titled else heading)


def _json_sentences(case: Case) -> Iterator[Sentence]:
    if case.json_file is None:
        return
    lines: dict[str, int] = {}
    for number, line in enumerate(case.json_file.lines, 1):
        for key in _KEY.findall(line):
            lines.setdefault(key, number)
    for keys, value in _strings(case.json, ""):
        for part in _SPLIT.split(value[: 8 * _WORDS_MAX]):
            yield Sentence(part[:_WORDS_MAX], case.json_file, lines.get(keys.rpartition(".")[2], 1), keys)


def _strings(value: Any, keys: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """The texts of a JSON value with the keys that lead to them."""
    if isinstance(value, str):
        yield keys, value
    elif depth < 8 and isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, f"{keys}.{key}" if keys else str(key), depth + 1)
    elif depth < 8 and isinstance(value, list):
        for item in value:
            yield from _strings(item, keys, depth + 1)
