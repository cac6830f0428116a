"""N-gram caches at evaluation: keys, normalisation, gates.

A cache is legal that gives a distribution over the vocabulary, or a hint, from the context alone. What is looked for is
the rest: counts found under a key that holds the token to be predicted, mixed as if they were its probability, and
gates that look at that token. A cache that is only there, switched off, is none of the submission's; what a log prints
of it tells more than any setting.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from golf.referee import count_tables, gates, logged, printed
from golf.referee.case import Case
from golf.referee.count_tables import Use
from golf.referee.program import Module, Program, program_of
from golf.referee.rulebook import finding
from golf.referee.settings import is_on
from golf.rulings import Evidence, Finding, Severity

_TOPIC = re.compile(
    r"n-?gram|back-?off|phrase|hedge|rescor|\bhint|\btilt|\b(?!kv)\w+[_ -]cache\b|\bcache\w*:|blend", re.IGNORECASE
)
_WEIGHT = re.compile(r"\b\w*(?:within|word)_?(?:\w+_)?(?:boost|beta|weight)\b", re.IGNORECASE)
"""Settings that weigh the experts whose gates look: those within a word and those at its start."""
_SWITCH = re.compile(r"\b\w*(?:n_?gram|tilt|hint)\w*_enabled\b", re.IGNORECASE)


def findings(case: Case) -> list[Finding]:
    """What the scripts that run do with counts of what they have scored; one finding per code and script."""
    if not case.has_code:
        return []
    program = program_of(case)
    found: list[Finding] = []
    for module in program.modules.values():
        if uses := count_tables.uses(module):
            found += _of_counts(case, program, module, uses)
        if chosen := gates.by_score(module):
            found += _by_score(program, module, chosen)
        found += _by_token(case, program, module.script.at, _live(program, module, gates.by_token(module)))
        found += _by_token(case, program, module.script.at, gates.by_token_in_c(module.script))
    for text in case.others:
        found += _by_token(case, program, text.at, gates.by_token_in_c(text))
    found.sort(key=lambda one: one.severity)  # blocks before flags
    return list({one.code: one for one in reversed(found)}.values())


def _of_counts(case: Case, program: Program, module: Module, uses: Sequence[Use]) -> Iterator[Finding]:
    """The way from a lookup through a quotient into a mixture, plain if all ways are."""
    ways = _ways(uses)
    told = {mixed: printed.account(case, module, mixed, _TOPIC) for _, mixed in ways}
    live = [
        (use, mixed)
        for use, mixed in ways
        if told[mixed] == "ran" or (told[mixed] != "denied" and program.reaches(module.script.name, mixed))
    ]
    if not live:
        return
    quotient, mixed = min(
        live, key=lambda way: (told[way[1]] == "silent", not way[0].is_smoothed, abs(way[1] - way[0].line))
    )
    doubt = ""
    if any(use.is_smoothed for use, _ in live):
        doubt = "; a model's probability is its prior, which is disputed"
    elif told[mixed] == "silent":
        doubt = "; no log shows that it ran"
    elif not printed.makes_the_score(case, _TOPIC):
        doubt = "; the score that is claimed is another"
    severity: Severity = "flag" if doubt else "block"
    confidence = 0.6 if doubt else 0.9
    place = module.script.at
    where = f"line {quotient.line} of {module.script.name}"
    if quotient.lookups:
        yield finding(
            "NGRAM_TARGET_IN_KEY",
            f"a count is looked up under a hash of the context and the token to be predicted, for {where}{doubt}",
            place(min(quotient.lookups)), place(quotient.line),
            severity=severity, confidence=confidence,
        )  # fmt: skip
    yield finding(
        "NGRAM_UNNORMALISED",
        f"what {where} divides is of one token alone and is mixed into its probability (line {mixed}){doubt}",
        *(place(line) for line in dict.fromkeys((quotient.line, mixed))),
        severity=severity,
        confidence=confidence,
    )


def _ways(uses: Sequence[Use]) -> list[tuple[Use, int]]:
    """Quotients and the lines that mix them."""
    quotients = {use.line: use for use in uses if use.kind == "quotient"}
    mixed = [
        (quotients[line], use.line)
        for use in uses
        if use.kind == "mixture"
        for line in sorted(use.quotients)
        if line in quotients
    ]
    return mixed + [(use, use.line) for use in quotients.values() if use.is_smoothed]


def _live(program: Program, module: Module, found: Sequence[gates.Gate]) -> list[gates.Gate]:
    return [gate for gate in found if program.reaches(module.script.name, gate.line)]


def _by_score(program: Program, module: Module, found: Sequence[gates.Gate]) -> Iterator[Finding]:
    for gate in _live(program, module, found)[:1]:
        yield finding(
            "NGRAM_ORACLE_GATE",
            f"of two scores of the true token the better is taken (line {gate.line} of {module.script.name})",
            *(module.script.at(line) for line in dict.fromkeys((gate.line, gate.looks))),
            confidence=0.85,
        )


def _by_token(
    case: Case, program: Program, place: Callable[[int], Evidence], found: Sequence[gates.Gate]
) -> Iterator[Finding]:
    if not found or (weighs := _is_weighed(case, program)) is False:
        return
    gate = found[0]
    doubt = "" if weighs else "; what weighs it is stated differently in different places"
    yield finding(
        "NGRAM_TARGET_GATE",
        f"whether a hint is given depends on a property of the token it is for (line {gate.line}){doubt}",
        place(gate.looks), place(gate.line),
        severity="block" if weighs else "flag", confidence=0.85 if weighs else 0.5,
    )  # fmt: skip


def _is_weighed(case: Case, program: Program) -> bool | None:
    """Whether hints have weight, by the logs of the claimed seeds or else by the settings; None when that is open."""
    texts = [module.script.text for module in program.modules.values()]
    switches = {name.lower() for text in texts for name in _SWITCH.findall(text)}
    if switches and {program.settings.is_on(name) for name in switches} == {False}:
        return False
    weights = {name.lower() for text in texts for name in _WEIGHT.findall(text)}
    if logs := [log for log in case.logs if logged.name_of(case, log) in {seed.log for seed in case.submission.seeds}]:
        values = {is_on(log.hyperparameters[name]) for log in logs for name in weights & set(log.hyperparameters)}
        if values:
            return True in values
    stated = {name: program.settings.is_on(name) for name in weights if program.settings.get(name)}
    if not stated:
        return True
    if set(stated.values()) == {False}:
        return False
    return True if True in stated.values() and not any(_is_zeroed(case, name) for name in stated) else None


def _is_zeroed(case: Case, name: str) -> bool:
    """Whether a command of the README or of a shell script sets a weight to nothing."""
    zero = re.compile(rf"\b(?:\w+_)?{re.escape(name)}=[\"']?0(?:\.0*)?(?![\d.])", re.IGNORECASE)
    return any(zero.search(text.text) for text in (*case.readmes, *case.shells))
