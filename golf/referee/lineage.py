"""What a submission says it builds on: pull requests and record folders, the nearest first.

Nearest is what submission.json names as its base, then what the README builds on, forks, extends or reproduces, in its
order, then whatever is credited. A pull request that is only compared with is no parent, unless it is credited as well;
nor is a bare `#3`, which is a rank or an item of a list, nor what a range such as `#1-#8` runs over.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PARENTS_MAX = 12
README_LINES_MAX = 400
LINE_CHARS_MAX = 1_000
DEPTH_MAX = 4
RANK_MAX = 20
"""Up to here `#n` by itself is a rank, a record or an item of a list; a pull request is written `PR #n` or `pull/n`."""

_BASE_KEYS = re.compile(
    r"^(?:base|based_on|base_(?:pr|record|submission|repo|stack|model)|parent(?:_pr|_record|_submission)?|upstream_pr"
    r"|supports_pr|reproduces_pr|implementation_lineage_pr|fork(?:ed)?_(?:of|from)|builds_on|built_on|base_pr_?\d*)$"
)
_CREDIT_KEYS = re.compile(r"lineage|attribution|credit|acknowledg|ancest|inspired|stack$", re.IGNORECASE)
_NUMBER_KEYS = re.compile(r"(?:^|_)prs?$")
_PULL = re.compile(
    r"(?:(?<![A-Za-z0-9])PRs?[\s_]{0,2}#?\s{0,2}|(?<![\w&])#|\bpulls?/)(\d{1,5})(?!\d|\.\d|\w)", re.IGNORECASE
)
_RANGE = re.compile(
    r"(?:\b(?:PRs?|records?|pulls?)\s{0,2})?#\d{1,5}\s{0,2}(?:[-‐-—…]|\.\.\.?|to|through)\s{0,2}#?\d{1,5}(?![\d.]\d|\w)"
    r"|\bPRs?\s{0,2}\d{1,5}\s{0,2}[-‐-—]\s{0,2}\d{1,5}(?!\w)",
    re.IGNORECASE,
)
_SAME_FAULT = re.compile(
    r"\bsame (?:\w+ ){0,2}(?:cause|reason|bug|issue|problem|fault|failure|mistake|effect|finding)s? "
    r"(?:\w+ )?(?:as|in|of)\b",
    re.IGNORECASE,
)
"""What it has in common with another, and does not come from there."""
_OWN = re.compile(r"#(\d{1,5})[*\s]{0,3}\(this (?:PR|submission|one|work)\)|\bthis PR \(#(\d{1,5})\)", re.IGNORECASE)
_OWN_TITLE = re.compile(r"[*#>\s]{0,6}PR\s?#?(\d{1,5})[*\s]{0,3}(?:\||$)")
"""In one of the first lines, before a bar or alone: `**PR #363 | Non-record submission**`."""
TITLE_LINES = 5
_DIGIT = re.compile(r"\d")
_LIST = re.compile(r"\bPRs?\s+#?\d{1,5}(?:\s*(?:,|and|/|\+|&)\s*#?\d{1,5}(?!\d|\.\d|\w))+")
_FOLDER = re.compile(r"\b(20\d\d-[01]\d-[0-3]\d_[\w.+-]{3,120})")
_BUILDS = re.compile(
    "|".join(
        (
            r"\b(?:buil(?:t|ds?|ding)|based|layer(?:s|ed)?)\s+(?:\w+\s+){0,2}?(?:on|upon|off)\b|\bon top of\b",
            r"\b(?:forks?(?:ed)?|ports?(?:ed)?|descend\w*)\s+(?:of|from)\b|\b(?:derived|adapted) from\b",
            r"\bextend(?:s|ing)?\b|\bstart(?:s|ed|ing)? (?:from|with|point)\b|\bpicks up\b",
            r"\breproduc(?:es?|tion|ing)\b|\binherit\w*|\bsame (?:\w+ ){0,3}as\b|\bstacks?\b|\bfollow-?up\b",
            r"\bbase(?:line)?\s*(?:\*\*)?\s*[:|(]|\bbase (?:stack|architecture|model|scaffold|code|submission)\b",
            r"\bPR ?#?\d+ base\b|\bparents?\b|\blineage\b|\bsuccessor\b|\b(?:code|source|script)\s+(?:from|of)\b",
            r"^#.*\b(?:what )?chang(?:ed|es)\b",
        )
    ),
    re.IGNORECASE,
)
_CREDITS = re.compile(r"^#.*\b(?:credit|acknowledg|lineage|attribution|built on|based on|base|parent)", re.IGNORECASE)
_COMPARES = re.compile(
    r"\b(?:vs\.?|versus|compared|beats?|improv\w+ (?:on|over|upon)|better than|over (?:the )?(?:merged|current))\b",
    re.IGNORECASE,
)


def parents(table: Mapping[str, Any], readme: Sequence[str], own: Sequence[str] = ()) -> list[str]:
    """Pull requests as `#1493` and record folders, nearest first; `own` are names that mean the submission itself."""
    near: list[str] = []
    far: list[str] = []
    own = [*own, *_own(readme)]
    for key, value in list(table.items())[:200]:
        if _BASE_KEYS.match(key):
            near += _references(value, is_number=True)
        elif _CREDIT_KEYS.search(key):
            far += _references(value, is_number=False)
    crediting = False
    for line in readme[:README_LINES_MAX]:
        line = line[:LINE_CHARS_MAX]
        if line.startswith("#"):
            crediting = _CREDITS.search(line) is not None
        if not _DIGIT.search(line) or _SAME_FAULT.search(line):  # and so no reference, or none to a base
            continue
        if _BUILDS.search(line):
            near += _of_sentences(line)
        elif crediting or not _COMPARES.search(line):
            far += _in_text(line)
    found = dict.fromkeys(name for name in (*near, *far) if name not in own)
    return list(found)[:PARENTS_MAX]


def _own(readme: Sequence[str]) -> Iterator[str]:
    """Its own number, where the README calls it that: not every caller knows it."""
    for number, line in enumerate(readme[:README_LINES_MAX]):
        for match in _OWN.finditer(line[:LINE_CHARS_MAX]):
            yield f"#{int(match[1] or match[2])}"
        if number < TITLE_LINES and (match := _OWN_TITLE.match(line)):
            yield f"#{int(match[1])}"


def _of_sentences(line: str) -> Iterator[str]:
    """References of the sentences that build on something; those that only compare come last, if at all."""
    sentences = re.split(r"(?<=[.;])\s+(?=[A-Z*])", line)
    for sentence in sentences:
        if _BUILDS.search(sentence):
            yield from _in_text(_COMPARES.split(sentence)[0] if _COMPARES.search(sentence) else sentence)


def _in_text(text: str) -> list[str]:
    """References in the order they stand."""
    text = _RANGE.sub(" ", text)
    found = [(match.start(), f"#{int(match[1])}") for match in _PULL.finditer(text) if _is_pull(match)]
    for match in _LIST.finditer(text):
        found += [(match.start() + n.start(), f"#{int(n[0])}") for n in re.finditer(r"\d+", match[0])]
    found += [(match.start(), match[1].rstrip(".")) for match in _FOLDER.finditer(text)]
    return [name for _, name in sorted(found)]


def _is_pull(match: re.Match[str]) -> bool:
    return int(match[1]) > (0 if match[0][0] in "Pp" else RANK_MAX)


def _references(value: Any, is_number: bool, depth: int = 0) -> list[str]:
    if isinstance(value, bool) or depth > DEPTH_MAX:
        return []
    if isinstance(value, int):
        return [f"#{value}"] if is_number and 0 < value < 100_000 else []
    if isinstance(value, str):
        text = value[:LINE_CHARS_MAX]
        number = re.fullmatch(r"#?(\d{1,5})", text) if is_number else None
        return [f"#{int(number[1])}"] if number else _in_text(text)
    found: list[str] = []
    if isinstance(value, dict):
        for key, inside in list(value.items())[:50]:
            found += _in_text(key) + _references(inside, _NUMBER_KEYS.search(key) is not None, depth + 1)
    elif isinstance(value, list):
        for inside in value[:50]:
            found += _references(inside, is_number, depth + 1)
    return found
