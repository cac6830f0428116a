"""A folder of other people's submissions, at a glance: what each claims, what its own logs say, where the two part.

Only what can be measured without judging the method: numbers, sizes, times. Whether a submission is legal is not
examined here, so nothing is ever called clear; the verdict is `violation` only for a size that its own files or
logs put over the limit, with the line it stands on.

What lies in the folder is data by strangers: it is read up to a size, never run, unpickled or followed through a
link. A submission with links or special files in it is named and not read further.
"""

import json
import math
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from golf import rules
from golf.answers import Evidence, Finding, FindingKind, Triage, TriagedSubmission
from golf.errors import GolfError, NotFound, UnreadableInput
from golf.measure import artifact, logs
from golf.referee import conflicts
from golf.schema import TrainingLog

UNEXAMINED = "legality was not examined: this version measures numbers and sizes only"

DEPTH_MAX = 5
"""Folders below the given one that are searched for submissions."""

SUBMISSIONS_MAX = 5_000
FILES_MAX = 2_000
"""Files in one submission; more are not read."""

FILE_BYTES_MAX = 256_000_000
"""A submission with a larger file is named and not read."""

TEXT_BYTES_MAX = 1_000_000
"""Read of a submission.json, a README or a script; a larger one is not read."""

LINES_MAX, LINE_MAX = 200_000, 2_000
"""Lines of a log that are searched for the one to quote, and characters of one that are read at once."""

TIME_SLACK_S = 1.0
"""A step in progress when the time is up: accepted records overshoot by up to 0.15 s, and the clock is their own."""

MARK = re.compile(r"submission.*\.json|readme\.md|train_gpt.*\.py", re.IGNORECASE)
"""A folder with such a file is a submission."""

SCORE = ("val_bpb", "mean_val_bpb", "val_bpb_mean", "mean_bpb")
SIZE = ("bytes_total", "artifact_bytes", "artifact_bytes_max", "total_bytes", "artifact_size_bytes")
"""Spellings in submission.json."""

README_SCORE = re.compile(
    r"\bval_bpb\W{0,6}\s*[=:]?\W{0,6}(\d\.\d{2,10})\b|\bbpb\s*[:=]\s*\W{0,4}(\d\.\d{2,10})\b", re.IGNORECASE
)


def triage(folder: Path, challenge: rules.Challenge = rules.PARAMETER_GOLF) -> Triage:
    """Every submission below `folder`, the ones with the worst findings first.

    Raises:
        NotFound: there is no such folder.
        UnreadableInput: there is no submission in it, or there are too many.
    """
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}. Give the one that holds the submissions")
    places = _submissions(folder)
    if not places:
        raise UnreadableInput(
            f"no submission in {folder}: none of its folders has a submission.json, README.md or train_gpt.py"
        )
    found = [_examine(place, folder, challenge) for place in places]
    order = ("violation", "review", "clear")
    found.sort(key=lambda entry: (order.index(entry.verdict), -len(entry.findings), entry.submission))
    over = sum(entry.verdict == "violation" for entry in found)
    with_findings = sum(bool(entry.findings) for entry in found)
    return Triage(
        num_submissions=len(found),
        submissions=found,
        summary=(
            f"{len(found)} submissions: {over} over the size limit by their own numbers, "
            f"{with_findings} with findings; {UNEXAMINED}"
        ),
    )


def _submissions(folder: Path, depth: int = 0) -> list[Path]:
    """Folders that are a submission, in order of name; what lies inside one belongs to it."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []
    folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    if any(MARK.fullmatch(entry.name) for entry in entries if entry not in folders):
        return [folder]
    inside: list[Path] = []
    if depth < DEPTH_MAX:
        for entry in folders:
            if not entry.name.startswith("."):
                inside += _submissions(Path(entry.path), depth + 1)
            if len(inside) > SUBMISSIONS_MAX:
                raise UnreadableInput(f"over {SUBMISSIONS_MAX} submissions in {folder}: triage them in parts")
    return inside or [folder] * (depth > 0 and len(folders) < len(entries))  # files alone, such as a log


@dataclass
class Case:
    """What is known about one submission so far."""

    folder: Path
    findings: list[Finding] = field(default_factory=list)

    def add(self, kind: FindingKind, text: str, *evidence: Evidence) -> None:
        """One more finding."""
        self.findings.append(Finding(kind=kind, text=text, evidence=list(evidence)))


@dataclass(frozen=True)
class Claim:
    """A number that the submission says of itself, and where."""

    value: float
    evidence: Evidence


def _examine(place: Path, top: Path, challenge: rules.Challenge) -> TriagedSubmission:
    case = Case(place)
    name = os.fsencode(place.relative_to(top).as_posix()).decode("utf-8", "backslashreplace")
    name = name.strip() if name != "." else place.resolve().name
    files = _files(case)
    texts = {path.name: _text(case, path) for path in files if path.parent == place and MARK.fullmatch(path.name)}
    claims = _claims(case, texts)
    read = _logs(case) if files else []
    track = _track(claims.track, place)
    scored = [log.final_bpb for log in read if log.final_bpb is not None]
    mean = math.fsum(scored) / len(scored) if scored else None
    _compare_scores(case, claims.score, read, scored, mean)
    size = _size(case, claims.size, read, files, challenge)
    seconds = _time(case, read, track, challenge)
    is_over = any(finding.kind == "artifact_over_limit" and finding.evidence for finding in case.findings)
    return TriagedSubmission(
        submission=name or "unnamed",
        verdict="violation" if is_over else "review",
        track=track,
        claimed_val_bpb=claims.score.value if claims.score else None,
        logged_val_bpb=mean,
        num_seeds=len(scored),
        artifact_bytes=size,
        train_time_s=seconds,
        techniques=sorted(conflicts.techniques("\n".join(texts.values()))),
        findings=case.findings,
        reason=next(finding.text for finding in case.findings if finding.kind == "artifact_over_limit")
        if is_over
        else UNEXAMINED,
    )


# --- reading what strangers wrote


def _files(case: Case) -> list[Path]:
    """Every file of the submission; none, with a finding, when it holds what is not safe to read."""
    found: list[Path] = []
    for root, folders, names in os.walk(case.folder):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted([*names, *folders]):
            path = Path(root) / name
            try:
                status = path.lstat()
            except OSError:
                continue
            if stat.S_ISDIR(status.st_mode):
                continue
            shown = _shown(path, case.folder)
            if not stat.S_ISREG(status.st_mode):
                what = "a link" if stat.S_ISLNK(status.st_mode) else "a special file"
                case.add(
                    "unreadable", f"{shown} is {what}; nothing of this submission was read", _at(shown, None, what)
                )
                return []
            if status.st_size > FILE_BYTES_MAX:
                text = f"{shown} has {status.st_size} bytes; nothing of this submission was read"
                case.add("unreadable", text, _at(shown, None, f"{status.st_size} bytes"))
                return []
            found.append(path)
            if len(found) > FILES_MAX:
                case.add("unreadable", f"over {FILES_MAX} files; nothing of this submission was read")
                return []
    return found


def _text(case: Case, path: Path) -> str:
    try:
        if path.stat().st_size > TEXT_BYTES_MAX:
            case.add("unreadable", f"{path.name} is over {TEXT_BYTES_MAX} bytes and was not read")
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        case.add("unreadable", f"{_shown(path, case.folder)} cannot be read: {error.strerror}")
        return ""


@dataclass(frozen=True)
class Claims:
    """What submission.json says, else the README."""

    score: Claim | None
    size: Claim | None
    track: str | None


def _claims(case: Case, texts: Mapping[str, str]) -> Claims:
    names = [name for name in texts if name.lower().endswith(".json")]
    table: Mapping[str, Any] = {}
    source = ""
    if not names:
        case.add("missing_files", "no submission.json")
    for name in names[:1]:
        try:
            value = json.loads(texts[name])
        except (ValueError, RecursionError) as error:
            case.add("unreadable", f"{name} is not JSON: {str(error)[:100]}")
            continue
        if isinstance(value, dict):
            table, source = value, name
        else:
            case.add("unreadable", f"{name} is JSON and not an object")
    text = texts.get(source, "")
    score = _claim(table, SCORE, source, text, high=20.0) or _from_readme(texts)
    track = table.get("track")
    return Claims(score, _claim(table, SIZE, source, text, high=1e12), track[:60] if isinstance(track, str) else None)


def _claim(table: Mapping[str, Any], keys: Sequence[str], file: str, text: str, high: float) -> Claim | None:
    for key in keys:
        value = table.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            continue
        try:
            number = float(value)
        except (ValueError, OverflowError):
            continue
        if math.isfinite(number) and 0 < number < high:
            return Claim(number, _quoted(file, text, f'"{key}"', f"{key}: {number:.10g}"))
    return None


def _from_readme(texts: Mapping[str, str]) -> Claim | None:
    for name, text in texts.items():
        if name.lower() == "readme.md" and (match := README_SCORE.search(text)):
            line = text.count("\n", 0, match.start()) + 1
            return Claim(float(match[1] or match[2]), _at(name, line, match[0]))
    return None


def _logs(case: Case) -> list[TrainingLog]:
    try:
        return logs.folder_logs(case.folder)
    except (GolfError, OSError, ValueError) as error:
        case.add("unreadable", f"its logs could not be read: {str(error)[:150]}")
        return []


def _track(claimed: str | None, place: Path) -> str | None:
    parts = [part for part in place.parts if part.startswith("track_")]
    return parts[-1].removeprefix("track_") if parts else claimed  # the folder decides


# --- comparing


def _compare_scores(
    case: Case, claim: Claim | None, read: Sequence[TrainingLog], scored: Sequence[float], mean: float | None
) -> None:
    if claim is None:
        case.add("missing_files", "no score is claimed in submission.json or README.md")
    if mean is None:
        case.add("missing_files", "no log with a final score")
        return
    if len(scored) == 1:
        case.add("single_seed", "one log with a score: nothing says how far seeds differ")
    if claim is not None and all(abs(claim.value - value) > rules.DISAGREEMENT_BPB for value in (*scored, mean)):
        apart = [(abs(log.final_bpb - claim.value), log) for log in read if log.final_bpb is not None]
        nearest = min(apart, key=lambda pair: pair[0])[1]
        case.add(
            "score_disagrees",
            f"claims val_bpb {claim.value:.10g}; its logs give {mean:.6f} over {len(scored)} seeds "
            f"(from {min(scored):.6f} to {max(scored):.6f})",
            claim.evidence,
            _logged(case, nearest, f"{nearest.final_bpb}", f"{nearest.final_label} {nearest.final_bpb}"),
        )


def _size(
    case: Case, claim: Claim | None, read: Sequence[TrainingLog], files: Sequence[Path], challenge: rules.Challenge
) -> int | None:
    """The largest size that files or logs support; over the limit is a finding with its line."""
    limit = challenge.artifact_bytes_max
    sizes: list[tuple[int, Evidence]] = []
    for log in read:
        if log.artifact_bytes is not None:
            sizes.append(
                (log.artifact_bytes, _logged(case, log, str(log.artifact_bytes), f"{log.artifact_bytes} bytes"))
            )
    endings = artifact.COMPRESSED + artifact.RAW
    if any(path.parent == case.folder and path.name.lower().endswith(endings) for path in files):
        try:
            counted = artifact.measure_artifact(case.folder, challenge=challenge)
            sizes.append((counted.artifact_bytes, _at("the files", None, f"{counted.artifact_bytes} bytes counted")))
        except (GolfError, OSError, ValueError) as error:
            case.add("unreadable", f"its files could not be counted: {str(error).splitlines()[0][:150]}")
    if not sizes:
        if claim is not None and claim.value > limit:
            case.add(
                "artifact_over_limit",
                f"claims {claim.value:.0f} bytes, {claim.value - limit:.0f} over {limit}",
                claim.evidence,
            )
        case.add("missing_files", "neither files nor logs give the artifact's size")
        return None
    largest, where = max(sizes, key=lambda size: size[0])
    if largest > limit:
        case.add("artifact_over_limit", f"artifact of {largest} bytes, {largest - limit} over {limit}", where)
    if claim is not None and claim.value < largest * 0.99:
        case.add(
            "size_disagrees",
            f"claims {claim.value:.0f} bytes, and {largest} are there or logged",
            claim.evidence,
            where,
        )
    return largest


def _time(case: Case, read: Sequence[TrainingLog], track: str | None, challenge: rules.Challenge) -> float | None:
    """The longest training; the limits in seconds hold on the record track alone."""
    is_record = track is not None and not re.search("non|unlimited", track, re.IGNORECASE)
    limits: tuple[tuple[FindingKind, str, float], ...] = (
        ("train_time_over_limit", "train", challenge.train_time_s_max),
        ("eval_time_over_limit", "eval", challenge.eval_time_s_max),
    )
    for kind, what, limit in limits:
        timed = [(log.train_time_s if what == "train" else log.eval_time_s, log) for log in read]
        over = [(seconds, log) for seconds, log in timed if seconds is not None and seconds > limit + TIME_SLACK_S]
        if over and is_record:
            seconds, log = max(over, key=lambda pair: pair[0])
            case.add(
                kind,
                f"{what} time {seconds:.1f} s in {Path(log.path).name}, limit {limit:.0f} s",
                _logged(case, log, f"{round(seconds * 1000)}ms", f"{seconds:.1f} s"),
            )
    times = [log.train_time_s for log in read if log.train_time_s is not None]
    return max(times, default=None)


# --- quoting


def _at(file: str, line: int | None, quote: str) -> Evidence:
    text = " ".join(quote.split())[:160]
    return Evidence(file=file or "?", line=line, quote=text or "(empty)")


def _quoted(file: str, text: str, needle: str, otherwise: str) -> Evidence:
    for number, line in enumerate(text.splitlines(), start=1):
        if needle in line:
            return _at(file, number, line if len(line) <= 160 else otherwise)
    return _at(file, None, otherwise)


def _logged(case: Case, log: TrainingLog, needle: str, otherwise: str) -> Evidence:
    """The line of a log that a number stands on, where it is written as it was read."""
    path = Path(log.path)
    shown = _shown(path, case.folder)
    last, number = None, 1
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            while number <= LINES_MAX and (line := file.readline(LINE_MAX)):  # a longer one comes in pieces
                if needle in line:
                    last = _at(shown, number, line)
                number += line.endswith("\n")
    except OSError:
        last = None
    return last or _at(shown, None, otherwise)


def _shown(path: Path, folder: Path) -> str:
    try:
        path = path.relative_to(folder)
    except ValueError:
        path = Path(path.name)
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")
