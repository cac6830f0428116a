"""Training logs on disk → `TrainingLog`s, for every dialect people log in.

A number that a log does not settle is None with a reason. Reading goes through three modules, each on its own concept:
`log_source` finds the log's own lines, `log_lines` reads them as numbers, `log_conclusions` says which of those stand.

Surprising: the seed in a file's name beats the one printed, and a folder's submission.json may choose among a log's
scores but never becomes one. Files are streamed in constant memory whatever their size or longest line.
"""

import hashlib
import io
import itertools
import json
import math
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from golf.errors import UnreadableInput
from golf.measure.log_conclusions import EXACT_BPB, conclude, is_exact
from golf.measure.log_source import Reading, read_tail, read_whole
from golf.schema import LogPoint, TrainingLog

HEAD_BYTES = 8192
"""Read from the beginning of a file to tell text from binary."""
TAIL_BYTES = 1 << 16
"""First look at the end of a growing file; a second one reads 16 times as much."""
FILES_MAX = 400
"""Log files read in one folder."""
JSON_BYTES_MAX = 1 << 20
"""A larger submission.json is not read."""

_SEED_IN_NAME = re.compile(r"(?:^|[^A-Za-z0-9])(?:seed|s)[-_]?(\d{1,10})(?![A-Za-z0-9])", re.IGNORECASE)
_SEED_FOLDER = re.compile(r"(?:^|.*[^A-Za-z0-9])seed[-_]?(\d{1,10})", re.IGNORECASE)


def read_log(path: Path, expected_bpb: float | None = None) -> TrainingLog:
    """Read one training log.

    `expected_bpb` (bits per byte) is what submission.json or a README claims for this log: it chooses among the scores
    that the log states and never becomes one. The seed in the file's name is preferred over the one printed, which is
    often the script's default.

    Raises UnreadableInput when the file is missing, binary or not text.
    """
    path = Path(path)
    encoding = _encoding(path)
    try:
        with path.open(encoding=encoding, errors="replace") as file:
            reading = read_whole(file)
    except OSError as e:
        raise _unreadable(path, e) from e
    return conclude(path, reading, seed_in_name(path), expected_bpb)


def last_point(path: Path) -> LogPoint | None:
    """Return the newest step line of a log that may still be growing, or None when there is none in its tail.

    Reads at most the last MiB and never more than the tail when that suffices; an unfinished last line is left for
    the next look. Raises UnreadableInput when the file is missing or binary.
    """
    path = Path(path)
    encoding = _encoding(path)
    try:
        size = path.stat().st_size
        for span in (TAIL_BYTES, 16 * TAIL_BYTES):
            start = max(0, size - span)
            with path.open("rb") as file:
                file.seek(start - start % 2)  # even: UTF-16 keeps its alignment
                data = file.read(span + 1)
            newest = read_tail(data.decode(encoding, errors="replace"), whole=start == 0).run.newest
            if newest is not None:
                return newest.noun
            if start == 0:
                break
    except OSError as e:
        raise _unreadable(path, e) from e
    return None


def folder_logs(folder: Path) -> list[TrainingLog]:
    """Read the logs of a submission or experiment folder, sorted by seed (those without one last), then by name.

    Text files that hold neither a step nor a score are no logs and are left out; of files with the same content the
    one whose name carries a seed is kept. Which of a log's scores was submitted, the folder's submission.json decides.
    Which of several different logs of one seed was submitted is not decided here.

    Raises UnreadableInput when the folder is missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UnreadableInput(f"no such folder: {folder}; give the folder that holds the logs")
    expected = _submission_scores(folder)
    seen: set[str] = set()
    logs: list[TrainingLog] = []
    for path in sorted(_log_files(folder), key=named_first):
        try:
            digest = _digest(path)
            if digest in seen:
                continue
            seen.add(digest)
            with path.open(encoding=_encoding(path), errors="replace") as file:
                log = _conclude(path, read_whole(file), expected)
        except (UnreadableInput, OSError):
            continue  # a folder may hold other files; one that is no log says nothing about the rest
        if log.points or log.candidates:
            logs.append(log)
    return in_order(logs)


class ParsedLog(NamedTuple):
    """A log, and the lines that are its own, by number (from 1), to quote from."""

    log: TrainingLog
    lines: list[tuple[int, str]]


def parse_log(path: Path, data: bytes, expected: Mapping[int | None, float]) -> ParsedLog | None:
    """Read a log that is in memory; None when it holds neither a step nor a score, or is no text.

    `expected` has the bits per byte that a submission claims by seed, its headline under None.
    """
    try:
        encoding = _encoding_of(data[:HEAD_BYTES], path)
    except UnreadableInput:
        return None
    with io.TextIOWrapper(io.BytesIO(data), encoding=encoding, errors="replace") as file:
        reading = read_whole(file)
    log = _conclude(path, reading, expected)
    return ParsedLog(log, reading.lines) if log.points or log.candidates else None


def named_first(path: Path) -> tuple[bool, str]:
    """Sorts logs with a seed in their name before copies of them without one."""
    return seed_in_name(path) is None, str(path)


def in_order(logs: Iterable[TrainingLog]) -> list[TrainingLog]:
    """Sort logs by seed, those without one last, then by name."""
    return sorted(logs, key=lambda log: (log.seed is None, log.seed or 0, log.path))


def _conclude(path: Path, reading: Reading, expected: Mapping[int | None, float]) -> TrainingLog:
    log = conclude(path, reading, seed_in_name(path), None)
    claim = expected.get(log.seed) if log.seed is not None else None
    headline = expected.get(None)
    if claim is None and headline is not None:  # a mean over seeds, mostly
        is_its_own = any(abs(score - headline) < EXACT_BPB for score in log.candidates.values())
        claim = headline if log.final_bpb is None or (is_its_own and is_exact(headline)) else None
    if claim is not None and claim != log.final_bpb and log.candidates:
        log = conclude(path, reading, seed_in_name(path), claim)
    return log


def seed_in_name(path: Path) -> int | None:
    """Seed carried by a file's name (`train_seed42.log`, `log_s7.txt`) or its folder's (`seed_1337/run.log`)."""
    found = _SEED_IN_NAME.findall(Path(path).stem)
    if found:
        return int(found[-1])
    in_folder = _SEED_FOLDER.fullmatch(Path(path).parent.name)
    return int(in_folder[1]) if in_folder else None


def _unreadable(path: Path, e: OSError) -> UnreadableInput:
    return UnreadableInput(f"cannot read {path}: {e.strerror or e}; check the path and its permissions")


def _encoding(path: Path) -> str:
    """Encoding of a text file; raises UnreadableInput for anything that is no text."""
    if path.exists() and not path.is_file():
        raise UnreadableInput(f"{path} is not a file; give the text log of one run")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as e:
        raise _unreadable(path, e) from e
    return _encoding_of(head, path)


def _encoding_of(head: bytes, path: Path) -> str:
    """Encoding of the text that begins so; raises UnreadableInput for anything that is no text."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):  # what `>` writes in Windows PowerShell
        return "utf-16"
    strange = head.decode("utf-8", errors="replace").count("�")
    if b"\0" in head or strange > len(head) / 20:
        raise UnreadableInput(f"{path} is a binary file, not a training log; give the text log of the run")
    return "utf-8-sig" if head.startswith(b"\xef\xbb\xbf") else "utf-8"


def _log_files(folder: Path) -> Iterator[Path]:
    found = (
        Path(root) / name
        for root, folders, names in os.walk(folder)
        if not folders.sort() and not Path(root).name.startswith(".")
        for name in sorted(names)
        if name.lower().endswith((".log", ".txt")) and stat.S_ISREG((Path(root) / name).lstat().st_mode)
    )
    return itertools.islice(found, FILES_MAX)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _submission_scores(folder: Path) -> dict[int | None, float]:
    """Scores that submission*.json claims, by seed; None stands for the headline. Unusable files claim nothing."""
    scores: dict[int | None, float] = {}
    for path in sorted(folder.glob("submission*.json")):
        try:
            if not stat.S_ISREG(path.lstat().st_mode) or path.stat().st_size > JSON_BYTES_MAX:
                continue
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(data, dict):
            scores = _claimed_scores(data) | scores
    return scores


def _claimed_scores(data: Mapping[str, Any]) -> dict[int | None, float]:
    """Scores that a submission.json claims, in bits per byte, by seed; None stands for the headline."""
    scores: dict[int | None, float] = {}
    for key in ("val_bpb", "mean_val_bpb", "val_bpb_mean"):
        value = _bpb(data.get(key))
        if value is not None:
            scores.setdefault(None, value)
    for key in ("seed_results", "seeds"):
        results = data.get(key)
        if not isinstance(results, dict):
            continue
        for name, result in results.items():
            digits = re.search(r"\d{1,10}", str(name))
            value = _bpb(result.get("val_bpb") if isinstance(result, dict) else result)
            if digits and value is not None:
                scores.setdefault(int(digits[0]), value)
    return scores


def _bpb(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None
