"""`golf package --verify`: is a packed folder whole, and does everything in it follow from its logs?

A stranger's folder: listed without following links, read within bounds, nothing in it run. What only the workspace it
came from can tell (is the commit's script this one, is that run's result this one) is asked where that is at hand.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from golf.desk import private
from golf.desk.package import capsule as capsules
from golf.desk.package import record_facts, record_text
from golf.desk.package.capsule import Capsule, SeedEvidence
from golf.errors import GolfError, NotFound, UnreadableInput
from golf.measure import logs as training_logs
from golf.play import experiments, run, worktree
from golf.referee import ruling
from golf.rulings import Ruling
from golf.schema import Noun, TrainingLog
from golf.workspace import Workspace

FILES_MAX = 400
"""The largest of 2,059 pull requests has 153 files."""

BYTES_MAX = 64_000_000
"""Of all files together; a record holds texts, and the largest log of those pull requests has 2.2 MB."""


class Verified(Noun):
    """What a packed folder is worth."""

    folder: str
    verdict: str
    """`whole`, or `refused`."""
    reasons: list[str]
    """Everything that speaks against it, files first; empty when it is whole."""
    checked: list[str]
    not_checked: list[str]
    """What could not be asked here, and why; `whole` says nothing about it."""
    name: str | None = None
    track: str | None = None
    val_bpb: float | None = None
    """Mean of the packed logs."""
    seeds: list[int] = []
    referee: str | None = None
    """The referee's verdict on the folder, with its reason."""
    seal: str | None = None


def verify(folder: Path, workspace: Workspace | None = None) -> Verified:
    """Check a packed folder against its capsule, its logs, the rules and, where it is at hand, its own workspace.

    Raises:
        NotFound: there is no such folder, or it has no capsule.
        UnreadableInput: the capsule cannot be read, or the folder is larger than a record may be.
    """
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}. Give the one that golf package made")
    files, reasons = _read(folder)
    if capsules.NAME not in files:
        raise NotFound(
            f"{folder} has no {capsules.NAME}: it was not made by golf package, and there is nothing to check"
        )
    capsule = capsules.parse(files[capsules.NAME])
    logs = _logs(folder, capsule, files)
    checked = ["the hash of every file", "logs against submission.json, README.md and capsule", "limits of the track"]
    reasons += _files(capsule, files)
    reasons += _place(folder, capsule)
    scripts = {name: files[name] for name in capsule.scripts if name in files}
    reasons += record_facts.contradictions(capsule, logs, scripts)
    whole = len(logs) == len(capsule.seeds)
    reasons += _texts(capsule, logs if whole else None, files)
    reasons += [leak.told() for leak in private.leaks(files, private.Machine.of(workspace))]
    checked.append("keys and paths of this machine")
    judged = ruling.review_submission(folder)
    if judged.verdict == "block":
        reasons.append(f"the referee blocks it: {judged.reason}")
    checked.append("the referee's review")
    origin, missing = _origin(capsule, files, workspace)
    reasons += origin
    at_hand = not any(line.startswith(("the commit", "scores")) for line in missing)
    if at_hand:
        checked.append("scripts, scores, logs and weights against the run they are of")
    found = list(dict.fromkeys(reasons))
    return Verified(
        folder=str(folder),
        verdict="refused" if found else "whole",
        reasons=found,
        checked=checked,
        not_checked=[
            *missing,
            *([] if at_hand else ["that nobody wrote the logs by hand: only the run's machine knows"]),
        ],
        name=capsule.name,
        track=capsule.track,
        val_bpb=record_text.submission(capsule, logs)["val_bpb"] if whole else None,
        seeds=[seed.seed for seed in capsule.seeds],
        referee=_said(judged),
        seal=capsule.seal,
    )


def _said(judged: Ruling) -> str:
    return f"{judged.verdict}: {judged.reason}"


# --- files


def _read(folder: Path) -> tuple[dict[str, bytes], list[str]]:
    """Every regular file of a folder by its name, and what is there that is none."""
    files: dict[str, bytes] = {}
    odd: list[str] = []
    left = BYTES_MAX
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted([*names, *(each for each in folders if (Path(root) / each).is_symlink())]):
            path = Path(root) / name
            shown = os.fsencode(path.relative_to(folder)).decode("utf-8", "backslashreplace")
            if len(files) + len(odd) >= FILES_MAX:
                raise UnreadableInput(f"over {FILES_MAX} files in {folder}: that is no record")
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode):
                odd.append(f"{shown} is a link or no regular file")
                continue
            left -= status.st_size
            if left < 0:
                raise UnreadableInput(f"over {BYTES_MAX:,} bytes in {folder}: that is no record")
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                files[shown] = file.read(status.st_size + 1)
    return files, odd


def _files(capsule: Capsule, files: Mapping[str, bytes]) -> Iterator[str]:
    if capsules.seal(capsule) != capsule.seal:
        yield f"{capsules.NAME} was changed since it was sealed"
    listed = {entry.path: entry for entry in capsule.files}
    if len(listed) < len(capsule.files):
        yield f"{capsules.NAME} lists a file twice"
    for name in sorted(files.keys() - listed.keys() - {capsules.NAME}):
        yield f"{name} is not in {capsules.NAME}: it was added later"
    for name, entry in sorted(listed.items()):
        if name not in files:
            yield f"{name} is missing"
            continue
        found = capsules.hashed(files[name], name)
        if found.bytes != entry.bytes:
            yield f"{name} has {found.bytes:,} bytes, and {capsules.NAME} says {entry.bytes:,}: it was changed"
        elif found.sha256 != entry.sha256:
            yield f"{name} was changed since it was packed (sha256)"
    for seed in capsule.seeds:
        packed = files.get(seed.log)
        if packed is not None and not seed.num_redacted and capsules.hashed(packed, "-").sha256 != seed.log_sha256:
            yield f"{seed.log} is not the log the run left (sha256), and no path in it is said to be replaced"
    needed = {*record_text.WRITTEN, capsule.script, *capsule.scripts, *(seed.log for seed in capsule.seeds)}
    for name in sorted(needed - listed.keys() - {capsules.NAME}):
        yield f"{name} is not among the files of {capsules.NAME}"
    for name in sorted(listed.keys() - needed):
        yield f"{name} is neither a script, nor a log, nor written by the packer"


def _place(folder: Path, capsule: Capsule) -> Iterator[str]:
    """Its name says day and title, and its parent's the track."""
    place = folder.resolve()
    if wrong := record_facts.date_contradiction(capsule, place.name):
        yield wrong
    if place.parent.name != capsules.track_folder(capsule.track):
        yield f"it lies in {place.parent.name}, and its track is {capsule.track}"


# --- texts


def _logs(folder: Path, capsule: Capsule, files: Mapping[str, bytes]) -> dict[int, TrainingLog]:
    read: dict[str, TrainingLog | UnreadableInput] = {}
    for seed in capsule.seeds:
        if seed.log in files:
            try:
                read[seed.log] = training_logs.read_log(folder / seed.log)
            except UnreadableInput as error:
                read[seed.log] = error
    return record_facts.by_seed(capsule, read)


def _texts(capsule: Capsule, logs: record_facts.Logs | None, files: Mapping[str, bytes]) -> Iterator[str]:
    """README, submission.json and requirements.txt, made again."""
    due = record_text.requirements(capsule).encode()
    if files.get(record_text.REQUIREMENTS, due) != due:
        yield f"{record_text.REQUIREMENTS} is not what was imported, by {capsules.NAME}"
    packed = files.get(record_text.SUBMISSION)
    table: object = None
    if packed is not None:
        try:
            table = capsules.strict_json(packed)
        except (ValueError, RecursionError) as error:
            yield f"{record_text.SUBMISSION} is no JSON: {str(error)[:200]}"
    if logs is None or any(log.final_bpb is None or log.final_loss is None for log in logs.values()):
        return  # named already
    if isinstance(table, dict):
        told = list(record_text.differing(table, record_text.submission(capsule, logs)))
        yield from (f"{record_text.SUBMISSION}: {line}" for line in told)
        if not told and packed != record_text.submission_bytes(capsule, logs):
            yield f"{record_text.SUBMISSION} has the right values and was written anew"
    if (readme := files.get(record_text.README)) is not None:
        yield from _readme(readme.decode("utf-8", "replace"), record_text.readme(capsule, logs))


def _readme(packed: str, due: str) -> Iterator[str]:
    if packed == due:
        return
    have, want = packed.split("\n"), due.split("\n")
    number = next((n for n, (a, b) in enumerate(zip(have, want, strict=False)) if a != b), min(len(have), len(want)))
    line = have[number] if number < len(have) else "(ends)"
    yield f"{record_text.README}:{number + 1} is not what logs and capsule give: {line[:120]!r}"


# --- where it came from


def _origin(capsule: Capsule, files: Mapping[str, bytes], workspace: Workspace | None) -> tuple[list[str], list[str]]:
    """What the workspace it was packed in says against it; or why that was not asked."""
    if workspace is None:
        return [], ["the commit: there is no workspace here"]
    try:
        worktree.git(workspace.root, "cat-file", "-e", f"{capsule.commit}^{{commit}}")
    except GolfError:
        return [], [f"the commit {capsule.commit[:12]}: this workspace does not have it"]
    found = []
    for name in capsule.scripts:
        try:
            ran = worktree.content(workspace.root, capsule.commit, f"{capsule.source}/{name}")
        except GolfError:
            found.append(f"{name} is not in commit {capsule.commit[:12]}")
            continue
        if name in files and files[name] != ran:
            found.append(f"{name} is not the script that ran: commit {capsule.commit[:12]} has another")
    try:
        folder = experiments.find(workspace, capsule.experiment)
        result = experiments.read_result(folder)
    except GolfError as error:
        return [*found, f"the experiment is not readable: {str(error)[:200]}"], []
    if result is None or result.run_id != capsule.run_id:
        return found, [f"scores against result.json: {capsule.experiment} has another run than {capsule.run_id}"]
    if result.commit != capsule.commit:
        found.append(f"result.json has commit {result.commit[:12]}, and {capsules.NAME} {capsule.commit[:12]}")
    if result.finished_at != capsule.finished_at:
        found.append(f"result.json ended at {result.finished_at}, and {capsules.NAME} at {capsule.finished_at}")
    recorded = {seed.seed: (seed.val_bpb, seed.artifact_bytes, seed.logged_val_bpb) for seed in result.seeds}
    packed = {seed.seed: (seed.val_bpb, seed.artifact_bytes, seed.logged_val_bpb) for seed in capsule.seeds}
    if recorded != packed:
        found.append(f"result.json and {capsules.NAME} have different scores, sizes or seeds")
    logs, machine = {seed.seed: seed.log for seed in result.seeds}, private.Machine.of(workspace)
    for seed in capsule.seeds:
        found += _as_left(seed, folder, logs.get(seed.seed), files.get(seed.log), machine)
    return found, _data(capsule, workspace)


def _as_left(
    seed: SeedEvidence, folder: Path, log: str | None, packed: bytes | None, machine: private.Machine
) -> Iterator[str]:
    """Log and weights of a seed, as the run left them in its experiment's folder."""
    if log is not None and (folder / log).is_file():
        left = (folder / log).read_bytes()
        if capsules.hashed(left, seed.log).sha256 != seed.log_sha256:
            yield f"{seed.log}: the run left another log (sha256)"
        elif packed is not None and seed.num_redacted:
            text, count = machine.redacted(left.decode("utf-8", "surrogateescape"))
            if count == seed.num_redacted and text.encode("utf-8", "surrogateescape") != packed:
                yield f"{seed.log}: more than paths differs from the log the run left"
    weights = folder / "artifact" / f"seed{seed.seed}" / seed.weights.path
    if weights.is_file() and capsules.hashed_file(weights, seed.weights.path) != seed.weights:
        yield f"seed {seed.seed}: the weights the run left are others than those of {capsules.NAME}"


def _data(capsule: Capsule, workspace: Workspace) -> list[str]:
    """Why the validation data were not compared, if they were not or are others by now."""
    try:
        now = run.data_fingerprint(workspace)
    except (GolfError, OSError) as error:
        return [f"the data: {str(error)[:200]}"]
    return [] if now == capsule.data.fingerprint else [f"the data: here lie {now}, it has {capsule.data.fingerprint}"]
