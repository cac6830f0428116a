"""Data that lie beside the script: what a run loads of them counts, and what they hold is not known.

A log's total is of the script and the packed model alone, so a table that a script loads on top of it is bytes nobody
counted. Such a file is never opened here either: that it is loaded asks for a person, and blocks where it takes the
artifact over the limit for certain. Tokenizers and byte tables are not counted by the challenge; what a run writes
itself is its product, and what the log states the size of is counted.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from golf import rules
from golf.referee import logged
from golf.referee.case import Case
from golf.referee.checks.byte_tables import npz_table
from golf.referee.flow.names import READS, SAVES
from golf.referee.flow.splits import split_of_name, split_of_text
from golf.referee.flow.tags import VAL
from golf.referee.program import Function, Program, program_of
from golf.referee.reached import Place, calls_of, places, words
from golf.referee.rulebook import finding
from golf.referee.syntax import last_name, targets
from golf.referee.tracks import is_record
from golf.rulings import Evidence, Finding, Severity
from golf.schema import TrainingLog

LIMIT = rules.ARTIFACT_BYTES_MAX
FILES_MAX = 40
"""Data files of one submission that are looked for in its scripts, the largest first."""
SHOWN_MAX = 3
PARTS_DIFFER = 1_000
"""Bytes by which a logged total may differ from the sum of code and model."""
TABLE_BYTES_MAX = 200_000
"""Of an archive with a byte table: a larger one holds something else as well."""

_NO_DATA = re.compile(
    r"\.(?:py|ipynb|md|sh|bash|sbatch|slurm|bat|ps1|c|h|cc|cpp|hpp|cu|cuh|rs|toml|ya?ml|cfg|ini|env|diff|patch)$"
    r"|(?:^|/)(?:makefile|dockerfile|requirements[\w.-]*\.txt|licen[cs]e[\w.-]*)$|submission[\w.-]*\.json$"
    r"|\.(?:model|vocab)$|tokenizer[\w.-]*\.json$",
    re.IGNORECASE,
)
"""Code, settings, prose, and tokenizers, whose bytes are not counted."""
_OPENS_TO_WRITE = re.compile(r"^[rwax+bt]*[wax+][rwax+bt]*$")
_READ_BY_LINES = (".txt", ".json", ".csv", ".tsv", ".jsonl")


@dataclass(frozen=True)
class _Loaded:
    """A data file that a run loads."""

    name: str
    size: int
    where: Evidence
    is_sure: bool
    """A call that reads is given it; otherwise a line that runs names it, and what becomes of it is not seen."""

    @property
    def said(self) -> str:
        """The file in a sentence."""
        verb = "loaded" if self.is_sure else "named"
        return f"{self.name} ({self.size:,} bytes) is {verb} in line {self.where.line} of {self.where.file}"


def findings(case: Case) -> list[Finding]:
    """SIZE_OVER, VAL_IN_ARTIFACT, UNREADABLE and SIZE_DISAGREES for data files that the run loads."""
    candidates = _candidates(case) if case.has_code else []
    if not candidates:
        return []
    program = program_of(case)
    loaded = [one for name in candidates if (one := _loaded(program, name, case.files[name])) is not None]
    loaded = [one for one in loaded if not _is_byte_table(case, one)]
    uncounted = [one for one in loaded if not _is_counted(case, one)]
    return [*_over(case, uncounted), *map(_of_validation, filter(_holds_validation, loaded)), *_not_counted(uncounted)]


def _candidates(case: Case) -> list[str]:
    """Names of data files, the largest first."""
    taken = {script.packed_in or script.name for script in case.scripts} | {text.name for text in case.readmes}
    taken |= {text.name for text in case.log_texts.values()}
    names = (name for name in case.files if name not in taken and not _NO_DATA.search(name))
    return sorted(names, key=lambda name: -case.files[name])[:FILES_MAX]


# --- what is loaded


def _loaded(program: Program, name: str, size: int) -> _Loaded | None:
    """Where a run loads a file; None when nothing that runs names it, or when the run writes it itself."""
    base = PurePosixPath(name).name
    named = list(_naming(program, base))
    found: list[tuple[Place, bool]] = []
    for place, text in named:
        if isinstance(place.statement, Function):
            held = [(word, place.statement.name) for word in _defaults(place.statement, text)]
        else:
            held = [(last_name(target), None) for target in targets(place.statement)]
            found.append((place, _reads(place, {text})))
        if _writes(place, {text}):
            return None
        for word, function in held:
            for later in places(program, (word,)) if word != "?" else ():
                if function is not None and later.function != function:
                    continue
                if _writes(later, {word}):
                    return None
                if _reads(later, {word}):
                    found.append((later, True))
    if not found:
        return None
    place, is_sure = max(found, key=lambda one: one[1])
    return _Loaded(name, size, place.module.script.at(place.statement.lineno), is_sure)


def _naming(program: Program, base: str) -> Iterator[tuple[Place, str]]:
    """Statements that run and that name a file, or a glob that finds it, with the text that does."""
    ending = PurePosixPath(base).suffix
    wanted = [base, *([f"*{ending}"] if ending else [])]
    if not any(word in module.script.text for module in program.modules.values() for word in wanted):
        return
    for place in places(program, wanted):
        if isinstance(place.statement, ast.Expr) and isinstance(place.statement.value, ast.Constant):
            continue  # prose
        for text in words(place.statement) if not isinstance(place.statement, ast.ClassDef) else ():
            last = text.rpartition("/")[2]
            if last == base or ("*" in last and len(last) < 100 and fnmatchcase(base, last)):
                yield place, text
                break


def _defaults(node: Function, text: str) -> list[str]:
    """Parameters that have a text in their default."""
    spec = node.args
    positional = [*spec.posonlyargs, *spec.args]
    pairs = [*zip(reversed(positional), reversed(spec.defaults), strict=False)]
    pairs += [(p, d) for p, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if d is not None]
    return [parameter.arg for parameter, default in pairs if text in words(default)]


def _reads(place: Place, wanted: set[str]) -> bool:
    """Whether a call that reads is given one of these words."""
    return any(
        last_name(call.func) in READS and not _opens_to_write(call) and not wanted.isdisjoint(words(call))
        for call in calls_of(place.statement)
    )


def _writes(place: Place, wanted: set[str]) -> bool:
    return any(
        (last_name(call.func) in SAVES or _opens_to_write(call)) and not wanted.isdisjoint(words(call))
        for call in calls_of(place.statement)
    )


def _opens_to_write(call: ast.Call) -> bool:
    modes = [*call.args[:2], *(word.value for word in call.keywords if word.arg == "mode")]
    return last_name(call.func) == "open" and any(
        isinstance(mode, ast.Constant) and isinstance(mode.value, str) and _OPENS_TO_WRITE.match(mode.value)
        for mode in modes
    )


# --- what is counted


def _is_byte_table(case: Case, one: _Loaded) -> bool:
    """Whether a file is a tokenizer's table, which another check opens and which is not counted."""
    return one.name.lower().endswith(".npz") and one.size <= TABLE_BYTES_MAX and npz_table(case, one.name) is not None


def _is_counted(case: Case, one: _Loaded) -> bool:
    """Whether the log states the file's very size, or counts more than code and model by as much."""
    stated = re.compile(rf"(?<![\d,]){f'{one.size:,}'.replace(',', ',?')}(?![\d,])")
    for log in logged.submitted(case):
        rest = None if log.artifact_bytes is None or log.model_bytes is None else log.artifact_bytes - log.model_bytes
        if log.model_bytes == one.size or (
            rest is not None and rest - max(log.code_bytes.values(), default=0) >= one.size
        ):
            return True
        if any(stated.search(line) for _, line in logged.telling(case, log)):
            return True
    return False


def _over(case: Case, uncounted: Sequence[_Loaded]) -> Iterator[Finding]:
    """What is loaded on top of the largest logged total takes the artifact over the limit."""
    totals = [(log.artifact_bytes, log) for log in logged.submitted(case) if log.artifact_bytes is not None]
    if not totals or not uncounted:
        return
    total, log = max(totals, key=lambda one: one[0])
    whole = total + sum(one.size for one in uncounted)
    if total > LIMIT or whole <= LIMIT:
        return
    is_sure = all(one.is_sure for one in uncounted) and _is_code_and_model(log) and is_record(case)
    severity: Severity = "block" if is_sure else "flag"
    yield finding(
        "SIZE_OVER",
        f"{whole:,} bytes, {whole - LIMIT:,} over {LIMIT:,}: the logged total of {total:,} is of code and model, and "
        f"{_listed(uncounted)} on top of it",
        *(one.where for one in uncounted[:SHOWN_MAX]),
        logged.quote(case, log, rf"(total|artifact|budget|size).*{total:,}".replace(",", ",?"), f"{total} bytes"),
        severity=severity,
        confidence=0.9 if is_sure else 0.7,
    )


def _is_code_and_model(log: TrainingLog) -> bool:
    """Whether a logged total is the sum of code and model, so that it counts nothing else."""
    if log.artifact_bytes is None or log.model_bytes is None:
        return False
    rest = log.artifact_bytes - log.model_bytes
    return any(abs(rest - size) <= PARTS_DIFFER for size in log.code_bytes.values())


def _not_counted(uncounted: Sequence[_Loaded]) -> Iterator[Finding]:
    """Files whose contents nobody reads ask for a person; texts are read, and only not counted."""
    unread = [one for one in uncounted if not one.name.lower().endswith(_READ_BY_LINES)]
    texts = [one for one in uncounted if one not in unread]
    if unread:
        text = f"{_listed(unread)}: no log counts it, and it is not opened here"
        yield finding("UNREADABLE", text, *(one.where for one in unread[:SHOWN_MAX]), confidence=0.8)
    if texts:
        where = (one.where for one in texts[:SHOWN_MAX])
        yield finding("SIZE_DISAGREES", f"{_listed(texts)}: no log counts it", *where, confidence=0.8)


def _listed(files: Sequence[_Loaded]) -> str:
    more = f" (and {len(files) - SHOWN_MAX} more)" if len(files) > SHOWN_MAX else ""
    return "; ".join(one.said for one in files[:SHOWN_MAX]) + more


# --- validation text


def _holds_validation(one: _Loaded) -> bool:
    """Whether a file is validation text by its name; a table of its bytes per token is not."""
    path = PurePosixPath(one.name)
    is_bytes = "bytes" in path.name or "lengths" in path.name
    return not is_bytes and (VAL in split_of_name(path.stem) or VAL in split_of_text(path.name))


def _of_validation(one: _Loaded) -> Finding:
    text = f"{one.said}: validation text that is shipped beside the script, by its name"
    return finding("VAL_IN_ARTIFACT", text, one.where, severity="flag", confidence=0.7)
