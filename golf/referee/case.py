"""A submission's folder as the referee reads it: files by strangers, read up to a size, never run or unpickled.

`open_case` reads everything once; each check then looks at the same `Case`. What could not be read is among the
case's findings. Weights, archives, images and pickles are never opened.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from golf.measure import logs as training_logs
from golf.referee import stated
from golf.referee.reading import SHOWN_MAX, TEXT_BYTES_MAX, Folder, decoded, list_folder, listed, printable
from golf.referee.rulebook import finding
from golf.referee.scripts import read_scripts
from golf.referee.texts import LogText, Script, TextFile
from golf.rulings import Finding, Severity, Submission
from golf.schema import TrainingLog

JSON_BYTES_MAX = 1_000_000
"""A larger JSON is not parsed: its objects take dozens of times its bytes."""

SHELLS = (".sh", ".bash", ".sbatch", ".slurm", ".bat", ".ps1", "makefile", "dockerfile")
OTHERS = (
    ".c", ".h", ".cc", ".cpp", ".hpp", ".cu", ".cuh", ".rs", ".toml", ".yaml", ".yml", ".csv", ".tsv", ".json",
    ".cfg", ".ini", ".env", ".diff", ".patch",
)  # fmt: skip
LOGS = (".log", ".txt", ".out")
"""Endings of the names of texts; a `.txt` is a log when it states a step or a score."""

LOG_BYTES_MAX = 12_000_000
"""A larger log is not read; the largest in 2,059 pull requests has 2.2 MB."""

ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".7z", ".rar", ".whl")
PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npz", ".npy", ".safetensors")
"""Endings of what is never opened: opening a pickle runs it."""

PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".pdf")
TOKENIZERS = (".model", ".vocab")

COMPILED = (".so", ".pyd", ".dll", ".dylib", ".pyc", ".pyo", ".o", ".a", ".exe", ".cubin", ".jar")

_NO_NUMBER = re.compile(
    r'"([\w -]{0,60}(?:bpb|loss)[\w -]{0,60})"\s{0,9}:\s{0,9}"?[-+]?(?:nan|inf(?:inity)?|\d{1,9}e\+?[3-9]\d{2,9})\b',
    re.IGNORECASE,
)
"""A score that is none; JSON knows no such number, and Python's reader lets it pass."""

_MENTION = re.compile(
    r"([\w-]{1,100})\.(?:py|ipynb|lzma|xz|gz)\b|^[ \t]*(?:from|import)[ \t]+([\w.]{1,200})", re.MULTILINE
)


@dataclass(frozen=True)
class OwnCourse:
    """A validation split of one's own."""

    name: str
    num_tokens: int | None
    """Tokens to be scored, where they were counted."""


@dataclass
class Case:
    """Everything the referee reads of one submission, and what it has found so far."""

    folder: Path
    files: Mapping[str, int]
    """Every regular file, relative name to bytes."""
    readmes: Sequence[TextFile]
    json: Mapping[str, Any]
    """The parsed submission.json; empty when there is none."""
    json_file: TextFile | None
    scripts: Sequence[Script]
    """Python sources, the training script first; what a packed one holds stands before it."""
    shells: Sequence[TextFile]
    """Shell scripts, Makefiles and Dockerfiles."""
    others: Sequence[TextFile]
    """C, C++, CUDA, TOML, YAML, CSV, other JSON and texts that are no logs."""
    logs: Sequence[TrainingLog]
    submission: Submission
    findings: list[Finding] = field(default_factory=list)
    """About reading it: unreadable files, disagreements between README, JSON and logs."""
    log_texts: Mapping[str, LogText] = field(default_factory=dict)
    """The text of each log by its `TrainingLog.path`, to quote from."""
    place: Folder | None = None
    expects_code: bool = True
    """Whether a script ought to be there; an excerpt of a submission may be README, JSON and logs alone."""
    own_course: "OwnCourse | None" = None
    """What it was scored on, where that is not the published validation split."""

    @property
    def has_code(self) -> bool:
        """Whether any Python source could be read."""
        return any(script.text.strip() for script in self.scripts)

    @property
    def unopened(self) -> list[str]:
        """Names of files that were never read, such as weights, archives and pictures."""
        return [name for name in self.files if name not in self.place.opened] if self.place else []

    def read(self, name: str, at_most: int = TEXT_BYTES_MAX) -> bytes | None:
        """The bytes of a file of `files`; None when it is larger, or cannot be read. `understood` says what became of
        them: until then the file counts as unopened."""
        if self.place is None:
            return None
        data = self.place.read(name, at_most)
        self.place.opened.discard(name)
        return data

    def understood(self, name: str) -> None:
        """Say that a file's bytes were what a check looks for."""
        if self.place is not None:
            self.place.opened.add(name)

    @cached_property
    def _named(self) -> Mapping[str, int]:
        """Stem of a script or module → how many scripts and commands have it as a word."""
        return Counter(name for text in (*self.scripts, *self.shells) for name in _mentioned(text))

    @property
    def unparsed(self) -> list[Finding]:
        """A finding for scripts that are no Python; parses them all, so it is for whoever looks at code anyway."""
        problems: dict[tuple[str, Severity], list[Script]] = {}
        nearer: set[str] = set()
        for number, script in enumerate(self.scripts):
            name = _stem(script)
            if script.problem:  # the first one is the submission, and what others name may run with it
                is_named = name not in nearer and self._named[name] > (name in _mentioned(script))
                severity: Severity = "note" if number and not is_named else "flag"
                problems.setdefault((script.problem, severity), []).append(script)
            nearer.add(name)
        return [
            finding(
                "UNREADABLE",
                f"not parsed, {problem}: {listed([script.name for script in scripts])}",
                *(script.at(1) for script in scripts[:SHOWN_MAX]),
                confidence=1.0,
                severity=severity,
            )
            for (problem, severity), scripts in problems.items()
        ]


def open_case(folder: Path, pr: int | None = None) -> Case:
    """Read one submission's folder; `pr` is the pull request it came with, where the caller knows it.

    Raises:
        NotFound: there is no such folder.
    """
    place = list_folder(folder)
    names = sorted(place.files, key=lambda name: (name.count("/"), name))  # what lies on top comes first

    def texts(wanted: Sequence[str], strict: bool = False) -> list[TextFile]:
        read = ((name, place.text(name, strict)) for name in wanted)
        return [TextFile(name, text) for name, text in read if text is not None]

    def ending(*endings: str) -> list[str]:
        return [name for name in names if name.lower().endswith(endings)]

    jsons = sorted(filter(_is_submission_json, names), key=_strangeness)
    json_file = next(iter(texts(jsons[:1], strict=True)), None)
    table = _table(json_file, place) if json_file else {}
    if unsaid := _NO_NUMBER.search(json_file.text) if json_file else None:
        place.note(f"states no number for {unsaid[1]}", jsons[0], unsaid[0])
    for name in ending(*ARCHIVES):
        place.note("an archive and not opened", name, f"{place.files[name].size} bytes")
    for name in ending(*COMPILED):
        place.note("compiled code, which cannot be read", name, f"{place.files[name].size} bytes")
    for name in ending(*PICKLES):
        place.note("weights or data, which are never opened", name, f"{place.files[name].size} bytes", "note")
    readmes = texts(sorted(ending(".md"), key=lambda name: not _base(name).startswith("readme")))
    scripts = read_scripts(place)
    logs, log_texts, no_logs = _logs(place, ending(*LOGS), stated.read(table).expected)
    case = Case(
        folder=folder,
        files={name: listed.size for name, listed in place.files.items()},
        readmes=readmes,
        json=table,
        json_file=json_file,
        scripts=scripts,
        shells=texts(ending(*SHELLS)),
        others=[*texts([name for name in ending(*OTHERS) if name not in jsons[:1]]), *no_logs],
        logs=logs,
        submission=Submission(folder=printable(folder.resolve().name) or "submission"),
        log_texts=log_texts,
        place=place,
    )
    from golf.referee import extraction, reconcile  # they read a Case

    for name in case.unopened:
        if not place.is_noted(name) and not name.lower().endswith((*PICTURES, *TOKENIZERS)):
            place.note("of a kind that is never opened", name, f"{place.files[name].size} bytes", "note")
    case.submission = extraction.extract(case, pr)
    case.findings += [*place.findings, *reconcile.findings(case)]
    return case


def _stem(script: Script) -> str:
    return PurePosixPath(script.packed_in or script.name.split("!")[0]).name.partition(".")[0]


def _mentioned(text: TextFile) -> set[str]:
    """Stems of the Python files and modules that a text names."""
    return {(match[1] or match[2]).rpartition(".")[2] for match in _MENTION.finditer(text.text)}


def _base(name: str) -> str:
    return PurePosixPath(name).name.lower()


def _strangeness(name: str) -> tuple[bool, bool]:
    """Of a submission.json's name: one in capitals may lie beside the one that counts."""
    return _base(name) != "submission.json", PurePosixPath(name).name != "submission.json"


def _is_submission_json(name: str) -> bool:
    base = _base(name)
    return base.endswith(".json") and "submission" in base


def _table(file: TextFile, place: Folder) -> dict[str, Any]:
    """The object that a submission.json holds; empty, with a finding, when it holds none."""
    if len(file.text) > JSON_BYTES_MAX:
        place.note(f"over {JSON_BYTES_MAX:,} characters of JSON and not parsed", file.name, f"{len(file.text)}")
        return {}
    try:
        table = json.loads(file.text, parse_constant=lambda _: None)
        if "\\ud" in file.text.lower():  # half a character, which nothing could print
            whole = json.dumps(table, ensure_ascii=False).encode("utf-8", "replace")
            table = json.loads(whole)
    except (ValueError, RecursionError) as error:
        place.note("is not JSON", file.name, str(error)[:150] or type(error).__name__)
        return {}
    if not isinstance(table, dict):
        place.note("is JSON and not an object", file.name, type(table).__name__)
        return {}
    return table


def _logs(
    place: Folder, names: Sequence[str], expected: Mapping[int | None, float]
) -> tuple[list[TrainingLog], dict[str, LogText], list[TextFile]]:
    """The logs, copies left out; their texts; and the texts that are no logs."""
    found: list[TrainingLog] = []
    texts: dict[str, LogText] = {}
    no_logs: list[TextFile] = []
    seen: set[bytes] = set()
    folder = Path(printable(str(place.path)))
    for name in sorted(names, key=lambda name: training_logs.named_first(Path(name))):
        data = place.read(name, LOG_BYTES_MAX)
        digest = hashlib.sha256(data or b"").digest()
        if data is None or digest in seen:
            continue
        seen.add(digest)
        parsed = training_logs.parse_log(folder / name, data, expected)
        if parsed is not None:
            found.append(parsed.log)
            texts[parsed.log.path] = LogText(name, decoded(data), parsed.lines)
        elif name.lower().endswith(".txt"):
            no_logs.append(TextFile(name, decoded(data)))
        elif b"\0" in data:
            place.note("named like a log and no text", name, f"{data.count(0)} null bytes")
    return training_logs.in_order(found), texts, no_logs
