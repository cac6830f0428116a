"""What a submission does, in the words of one catalogue: recognised in code, in the README where there is no code.

`techniques.toml` holds the catalogue. A phrase of it matches prose and names of code alike: `leaky relu` is LeakyReLU,
leaky_relu and LEAKY-RELU. Code outranks the README: what only the README speaks of is claimed and no more, and what the
submission's settings switch off is off, however much of it lies in the script.
"""

import ast
import bisect
import functools
import itertools
import keyword
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from golf.referee import duplicates
from golf.referee.case import Case
from golf.referee.program import Program, program_of
from golf.referee.settings import Setting, Settings
from golf.referee.syntax import name_of
from golf.referee.texts import Script, TextFile
from golf.rulings import Described, Evidence

Family = Literal[
    "quantisation", "compression", "architecture", "attention", "embedding", "optimiser", "schedule", "averaging",
    "initialisation", "objective", "regularisation", "data", "tokenizer", "evaluation", "test-time training",
    "context mixing", "systems", "search",
]  # fmt: skip
"""What a technique changes."""


class Technique(Described):
    """One row of the catalogue; the head of `techniques.toml` says what each field means."""

    id: str
    name: str
    family: Family
    source: tuple[str, ...]
    words: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    prose: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    when: str | None = None
    baseline: bool = False
    forbidden: str | None = None

    @property
    def is_visible_in_code(self) -> bool:
        """Whether code can show it; otherwise the README's word is all there is."""
        return bool(self.words or self.code)

    def setting(self, settings: Settings) -> Setting | Literal[False] | None:
        """The setting that meets `when`; False when the settings do not meet it, None where that is open."""
        if self.when is None:
            return None
        condition = ast.parse(self.when, mode="eval").body
        is_met = settings.truth(condition)
        return settings.get(name_of(getattr(condition, "left", None))) if is_met else is_met


class Sighting(Described):
    """A technique in a submission, and where it shows."""

    technique: str
    """Its id in the catalogue."""
    state: Literal["used", "off", "claimed"]
    """used: the code has it and no setting switches it off; off: one does; claimed: the README alone speaks of it."""
    evidence: Evidence


@functools.cache
def catalogue() -> Mapping[str, Technique]:
    """Every technique, by id."""
    with open(Path(__file__).with_suffix(".toml"), "rb") as file:
        rows = tomllib.load(file)
    return {key: Technique(id=key, **row) for key, row in rows.items()}


def with_parents(techniques: Iterable[str]) -> set[str]:
    """These techniques and every wider one they belong to."""
    found: set[str] = set()
    left = list(techniques)
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += catalogue()[one].parents
    return found


def telling(sightings: Iterable[Sighting], has_code: bool) -> list[str]:
    """The techniques that tell a submission apart: used or, where code cannot or does not show it, claimed; sorted.

    What the challenge's naive baseline has is left out.
    """
    known = catalogue()
    return sorted(
        sighting.technique
        for sighting in sightings
        if not known[sighting.technique].baseline
        and (
            sighting.state == "used"
            or (sighting.state == "claimed" and not (has_code and known[sighting.technique].is_visible_in_code))
        )
    )


def sightings(case: Case) -> list[Sighting]:
    """The techniques of a submission, in the order of the catalogue, each once.

    Of its scripts those count that its run reaches, where that can be told: beside them lie tools and older versions.
    """
    program = program_of(case)
    settings = program.settings
    found = {
        id: Sighting(technique=id, state="claimed", evidence=evidence)
        for readme in case.readmes[:1]  # what lies beside it are notes, on what was merely tried as well
        for id, evidence in claimed(readme)
    }
    runs = duplicates.runs_of(case)
    named = {script: _in_code(runs[script.name].tokens) for script in case.scripts[: duplicates.SCRIPTS_MAX]}
    running = [script for script, ids in named.items() if _is_reached(program, script, ids)]
    for script in reversed(running or list(named)):  # so that the training script has the last word
        for id, names in named[script].items():
            state = "off" if _is_off(id, names, settings) else "used"
            found[id] = Sighting(technique=id, state=state, evidence=script.at(min(names.values())))
    for technique in catalogue().values():
        setting = technique.setting(settings)
        if setting:
            found[technique.id] = Sighting(technique=technique.id, state="used", evidence=setting.evidence)
        elif setting is False:
            found.pop(technique.id, None)
    return [found[id] for id in catalogue() if id in found]


def _is_reached(program: Program, script: Script, named: Mapping[str, Mapping[str, int]]) -> bool:
    lines = {line for names in named.values() for line in names.values()}
    return any(program.reaches(script.name, line) for line in lines)


def in_source(source: str) -> dict[str, str]:
    """Techniques that code or settings name, each with the first name that gave it away; wider ones included."""
    found: dict[str, str] = {}
    for id, names in _in_code(duplicates.tokens(source)).items():
        for wider in with_parents([id]):
            found.setdefault(wider, next(iter(names)))
    return found


# --- phrases


@functools.cache
def _phrases(kind: Literal["code", "prose"]) -> tuple[Mapping[str, frozenset[str]], frozenset[str]]:
    """Phrases without their spaces → techniques, and all beginnings of such phrases."""
    found: dict[str, set[str]] = {}
    for technique in catalogue().values():
        for phrase in (*technique.words, *(technique.code if kind == "code" else technique.prose)):
            found.setdefault("".join(pieces(phrase)), set()).add(technique.id)
    beginnings = {phrase[:length] for phrase in found for length in range(1, len(phrase) + 1)}
    return {phrase: frozenset(ids) for phrase, ids in found.items()}, frozenset(beginnings)


PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+(?:\.\d+)?|²")


def pieces(text: str) -> list[str]:
    """The words and numbers of prose or of a name in code, in lower case: `LeakyReLU²` is leaky, re, lu, 2."""
    return [_piece(piece) for piece in PIECE.findall(text)]


def _piece(found: str) -> str:
    return found.replace("²", "2").lower()


def phrases(pieces: Sequence[str], kind: Literal["code", "prose"]) -> Iterator[tuple[int, int, str]]:
    """Every phrase of the catalogue among `pieces`: where it starts, where it has ended, and the technique it names.

    One phrase may give away several techniques, and phrases may lie within each other; all of them are told.
    """
    known, beginnings = _phrases(kind)
    for start, word in enumerate(pieces):
        end = start + 1
        while word in beginnings:
            for id in known.get(word, ()):
                yield start, end, id
            if end == len(pieces):
                break
            word += pieces[end]
            end += 1


# --- code


def _in_code(tokens: Sequence[str]) -> dict[str, dict[str, int]]:
    """Technique → the names that give it away, each with the line it first stands on."""
    first = dict(zip(reversed(tokens), range(len(tokens) - 1, -1, -1), strict=True))
    places: dict[int, list[tuple[str, str]]] = {}
    for token, place in first.items():
        name = token if token[0].isidentifier() else token.strip("\"'")
        for id in _spotted(name):
            places.setdefault(place, []).append((id, name))
    broken = [place for place, token in enumerate(tokens) if "\n" in token]
    breaks = list(itertools.accumulate(tokens[place].count("\n") for place in broken))
    found: dict[str, dict[str, int]] = {}
    for place in sorted(places):
        before = bisect.bisect_left(broken, place)
        for id, name in places[place]:
            found.setdefault(id, {}).setdefault(name, 1 + (breaks[before - 1] if before else 0))
    return found


@functools.lru_cache(maxsize=1 << 16)
def _spotted(name: str) -> Mapping[str, tuple[str, ...]]:
    """The techniques a name gives away, each with what else the name says: `use_xsa` is XSA and `use`."""
    if len(name) > 100 or not name.isidentifier() or keyword.iskeyword(name):
        return {}
    parts = pieces(name)
    found: dict[str, tuple[str, ...]] = {}
    for start, end, id in phrases(parts, "code"):
        rest = (*parts[:start], *parts[end:])
        if id not in found or len(rest) < len(found[id]):
            found[id] = rest
    return found


SWITCH = frozenset(("enabled", "enable", "use", "on", "with", "do", "run", "active"))
UNSWITCH = frozenset(("no", "skip", "disable", "disabled", "without"))
AMOUNT = frozenset(
    (
        "size", "n", "num", "last", "layers", "steps", "epochs", "dim", "dims", "rank", "buckets", "order", "loops",
        "heads", "every", "blocks", "experts", "prob", "pct", "weight", "loss", "vocab", "alpha", "lambda", "coef",
    )
)  # fmt: skip
"""What may stand beside a technique in a setting's name: to switch it, to switch it off, to say how much of it."""


def _is_off(id: str, names: Iterable[str], settings: Settings) -> bool:
    """Whether the submission's settings switch a technique off; what they leave open counts as used."""
    switches: list[bool] = []
    amounts: list[bool] = []
    for name in names:
        rest = set(_spotted(name)[id])
        if not (rest <= SWITCH or rest <= UNSWITCH or rest <= AMOUNT):
            continue
        is_on = settings.is_on(name)
        if is_on is None:
            continue
        if rest and rest <= SWITCH:
            switches.append(is_on)
        elif rest and rest <= UNSWITCH:
            switches.append(not is_on)
        else:
            amounts.append(is_on)
    return not any(switches) if switches else bool(amounts) and not all(amounts)


# --- prose

DENYING = frozenset(
    (
        "no", "not", "without", "non", "never", "disabled", "removed", "remove", "removing", "dropped", "drop",
        "instead", "unlike", "skip", "skipped", "disable", "excluding", "except", "neither", "nor", "avoid", "avoids",
        "lacks", "isn", "doesn", "don", "didn", "aren", "wasn", "zero",
    )
)  # fmt: skip
"""Words that, shortly before a technique, say that it is not there."""

DENIED = frozenset(
    ("off", "disabled", "false", "no", "none", "removed", "dropped", "unused", "hurts", "hurt", "failed")
)
"""The same, right behind it."""

BREAK = re.compile(r"[.;:!?](?:\s|$)|[()—]|,? but ")
"""Where a clause ends, and with it what a denial reaches."""

ASIDE = re.compile(
    r"^#+ .*\b(?:didn.?t work|did not work|not work|negative|failed|dead ends?|future|next steps|not used|unsuccessful"
    r"|related work|ablations?|rejected|discarded)\b",
    re.IGNORECASE,
)
"""Headings of what was tried, planned or done by others; nothing below them, to the next heading, is a claim."""


def claimed(readme: TextFile) -> Iterator[tuple[str, Evidence]]:
    """Techniques that a README, or any prose, speaks of without denying them, where it first does.

    What stands in a fenced block, or below a heading of what failed, is planned or was done by others, is left out, and
    so is what lies beyond the first 2,000 characters of a line.
    """
    seen: set[str] = set()
    aside = fenced = False
    for number, line in enumerate(readme.lines, start=1):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif line.startswith("#"):
            aside = bool(ASIDE.search(line))
        if fenced or aside:
            continue
        for id in _spoken_of(line[:2000]):
            if id not in seen:
                seen.add(id)
                yield id, readme.at(number)


def _spoken_of(line: str) -> Iterator[str]:
    places = list(PIECE.finditer(line))
    for start, end, id in phrases([_piece(place[0]) for place in places], "prose"):
        before = max(0, start - 4)
        clause = BREAK.split(line[places[before].start() : places[start].start()])[-1]
        behind = line[places[end - 1].end() : places[min(end + 1, len(places) - 1)].end()]
        if DENYING.isdisjoint(pieces(clause)) and DENIED.isdisjoint(pieces(BREAK.split(behind.lstrip(" :=*"))[0])):
            yield id
