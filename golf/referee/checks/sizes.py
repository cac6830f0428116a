"""artifact_bytes against the limit, under the conventions the challenge really counted by.

What counts is what the script's own `Total submission size` line states, for every seed. Three conventions stand behind
that line: the script's bytes as they are, a self-extracting script's own bytes, and `Code size (compressed)` beside a
readable script. A readable script counted by its bytes is over in eleven accepted records, so that sum never blocks.
"""

import re
from collections.abc import Iterator

from golf import rules
from golf.referee import logged
from golf.referee.case import Case
from golf.referee.claimed import claimed_bytes
from golf.referee.prose import admissions
from golf.referee.rulebook import finding
from golf.referee.tracks import is_record
from golf.rulings import Evidence, Finding, Severity
from golf.schema import TrainingLog

LIMIT = rules.ARTIFACT_BYTES_MAX

PACKED_SHARE = 0.2
"""No packed training script is smaller than this share of its source: 0.22 to 0.31 in accepted records."""

_TOKENIZERS = re.compile(r"(?:\.model|\.vocab|tokenizer[\w.-]*\.json)$", re.IGNORECASE)
_OVER = re.compile(
    r"(?:over|exceed\w*|above|beyond|violat\w*|larger than|bigger than|too (?:big|large) for)\W{0,4}"
    r"(?:the |our |a |official |strict |hard |leaderboard )*"
    r"(?:16(?:\.0+)? ?mi?b\b|16,?000,?000|16m\b|(?:artifact |submission )?(?:size )?(?:cap|limit|budget)\b)"
    r"|not (?:eligible|submittable)|\boversized?\b",
    re.IGNORECASE,
)
_SUBJECT = re.compile(r"\b(?:artifacts?|submission|serialized|model|total|it|run|size)\b", re.IGNORECASE)
_OF_NOW = re.compile(
    r"\b(?:(?:current(?:ly)?|this|our|final|serialized|submitted)\s+(?:run|submission|artifact|entry)\b[^:;(]{0,60}"
    r"|all (?:\d|three) (?:seeds|artifacts)\b.{0,40})$",
    re.IGNORECASE,
)
"""Before the words: it is the submitted artifact that is over, and not one on the way to it."""
_SEED_ROW = re.compile(r"^\s*\|\s*\W{0,3}(?:seed\s*)?(\d{1,10})\W{0,3}\s*\|", re.IGNORECASE)
_NO_RECORD = re.compile(r"not (?:a )?(?:valid|eligible|submittable)", re.IGNORECASE)
_BYTES = re.compile(r"(?<![\d.,])(1[6-9],\d{3},\d{3}|[2-9]\d,\d{3},\d{3}|1[6-9]\d{6}|[2-9]\d{7})\b")


def findings(case: Case) -> list[Finding]:
    """SIZE_OVER, SIZE_DISAGREES and TOKENIZER_BYTES."""
    return [*_over(case), *_disagrees(case), *_shipped(case), *_tokenizer(case)]


def _totals(case: Case) -> list[tuple[int, TrainingLog]]:
    return [(log.artifact_bytes, log) for log in logged.submitted(case) if log.artifact_bytes is not None]


def _over(case: Case) -> list[Finding]:
    """What logs, submission.json and README say of a size over the limit, softened where maintainers merged one."""
    totals, claim = _totals(case), claimed_bytes(case)
    stated = claim[0] if claim else None
    largest = max(totals, key=lambda total: total[0], default=None)
    found: list[Finding] = []
    if largest and largest[0] > LIMIT:
        found.append(_over_by_log(case, *largest, claimed=stated))
    if claim and claim[0] > LIMIT:
        text = f"submission.json states {claim[0]:,} bytes, {claim[0] - LIMIT:,} over {LIMIT:,}"
        within = largest is not None and largest[0] <= LIMIT
        text += f", and the largest logged total is {largest[0]:,}" if within and largest else ""
        found.append(finding("SIZE_OVER", text, claim[1], severity="flag" if within else "block"))
    found += _dropped(case)
    admitted = _admitted(case, within=any(size <= LIMIT for size in (largest and largest[0], stated) if size))
    if is_record(case) or admitted:
        return [*found, *admitted]
    return [
        finding("SIZE_OVER", f"{one.text}; #542 was merged outside the record track", *one.evidence, severity="flag")
        for one in found
    ]


def _dropped(case: Case) -> list[Finding]:
    """A seed of the README's table that is over and not among those submitted: every seed counts."""
    submitted = {seed.seed for seed in case.submission.seeds}
    for readme in case.readmes[:1]:
        for number, line in enumerate(readme.lines, 1):
            row, size = _SEED_ROW.match(line), _BYTES.search(line)
            if row and size and int(size[0].replace(",", "")) > LIMIT and int(row[1]) not in submitted:
                text = f"seed {row[1]} of the README's table has {size[0]} bytes and was left out"
                return [finding("SIZE_OVER", text, readme.at(number), severity="flag")]
    return []


def _admitted(case: Case, within: bool) -> list[Finding]:
    """The first sentence that says the artifact is over; when numbers contradict it, only of the submitted one."""
    for where, sentence in admissions(case, _OVER):
        over = _OVER.search(sentence)
        if not over or not _SUBJECT.search(sentence[: over.end()]):
            continue
        if within and not (_OF_NOW.search(sentence[: over.start()]) or _NO_RECORD.search(sentence)):
            continue
        severity: Severity = "block" if _BYTES.search(sentence) and not within else "flag"
        text = f"the submission says that it is over the limit: {sentence[:150]}"
        return [finding("SIZE_OVER", text, where, severity=severity, confidence=0.85)]
    return []


def _over_by_log(case: Case, total: int, log: TrainingLog, claimed: int | None) -> Finding:
    """A logged total over the limit, unless counting the code packed may bring it within, as the submission states."""
    where = logged.quote(case, log, rf"(total|artifact|budget|size).*{_grouped(total)}", f"{total} bytes")
    text = f"{total:,} bytes in {logged.name_of(case, log)}, {total - LIMIT:,} over {LIMIT:,}"
    code = 0 if "compressed" in log.code_bytes else max(log.code_bytes.values(), default=0)
    packed = total - code + _packed_code(case, code)
    if claimed is not None and claimed <= LIMIT and packed <= LIMIT:
        text += f"; submission.json states {claimed:,}, which counting the code packed may explain ({packed:,} at best)"
        return finding("SIZE_OVER", text, where, severity="flag")
    return finding("SIZE_OVER", text, where, confidence=0.97)


def _packed_code(case: Case, code_bytes: int) -> int:
    """Bytes of the training script packed: a self-extractor's own, else the least that packing makes of it."""
    wrapper = next((script.packed_in for script in case.scripts[:1] if script.packed_in in case.files), None)
    return case.files[wrapper] if wrapper else int(PACKED_SHARE * code_bytes)


def _grouped(number: int) -> str:
    """A pattern for a number written with or without commas."""
    return f"{number:,}".replace(",", ",?")


def _disagrees(case: Case) -> Iterator[Finding]:
    totals, claim = _totals(case), claimed_bytes(case)
    if not totals or not claim:
        return
    stated, where = claim
    largest, log = max(totals, key=lambda total: total[0])
    if stated not in {total for total, _ in totals} and abs(stated - largest) > 1000:
        said = logged.quote(case, log, _grouped(largest), f"{largest} bytes")
        text = f"submission.json states {stated:,} bytes and the largest logged total is {largest:,}"
        yield finding("SIZE_DISAGREES", text, where, said)


def _shipped(case: Case) -> Iterator[Finding]:
    """A note when the script's shipped bytes and the model together are over: accepted, and good to know."""
    models = [total - min(log.code_bytes.values()) for total, log in _totals(case) if log.code_bytes]
    if not models or not case.scripts:
        return
    script = case.scripts[0].packed_in or case.scripts[0].name
    shipped = case.files.get(script, 0) + max(models)
    if shipped > LIMIT >= max(total for total, _ in _totals(case)):
        text = f"{script} as shipped and the model are {shipped:,} bytes; the logged total counts the code packed"
        where = Evidence(file=script, line=None, quote=f"{case.files.get(script, 0):,} bytes")
        yield finding("SIZE_OVER", text, where, severity="note", confidence=1.0)


def _tokenizer(case: Case) -> Iterator[Finding]:
    sizes = {name: size for name, size in case.files.items() if _TOKENIZERS.search(name)}
    if sizes:
        name, size = max(sizes.items(), key=lambda item: item[1])
        where = Evidence(file=name, line=None, quote=f"{size:,} bytes")
        yield finding("TOKENIZER_BYTES", f"{size:,} bytes of tokenizer that the artifact does not count", where)
