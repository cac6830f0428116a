"""`golf package`: a played experiment as a record folder of the challenge, or every reason why it is none.

Scripts come from the commit that ran, numbers from logs and measurements, and both must agree to the last digit they
have in common. The folder is built elsewhere, verified there as a stranger would, and put in place whole.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from golf import durable
from golf.desk.package import capsule as capsules
from golf.desk.package import record_text
from golf.desk.package import verify as verify_package
from golf.desk.package.capsule import Capsule, HashedFile
from golf.desk.package.gathering import Gathered, Request
from golf.errors import UnreadableInput
from golf.play import experiments
from golf.schema import Noun, TrainingLog
from golf.workspace import Workspace

__all__ = ["Packed", "Request", "package"]


class Packed(Noun):
    """A record folder that was written, would be written, or was refused."""

    experiment: str
    folder: str
    """Where it lies, or would."""
    track: str
    written: bool
    dry_run: bool
    reasons: list[str]
    """Why it was refused, all of them; empty otherwise."""
    notes: list[str]
    """Good to know; stops nothing."""
    val_bpb: float | None = None
    """Mean over seeds, as logged."""
    val_bpb_std: float | None = None
    bytes_total: int | None = None
    """Of the largest seed."""
    seeds: list[int] = []
    files: list[HashedFile] = []
    referee: str | None = None
    seal: str | None = None


def package(
    workspace: Workspace,
    name: str,
    request: Request,
    *,
    out: Path | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> Packed:
    """Build a record folder of a played experiment in `out`/track_<track>/ (default: the workspace's `records`).

    Nothing is written when anything speaks against it, or with `dry_run`. `force` replaces a folder that is there.

    Raises:
        NotFound: there is no such experiment.
        UnreadableInput: it has not been played, or a file of its evidence cannot be read at all.
        BadConfig: its claim is not readable.
    """
    folder = experiments.find(workspace, name)
    result = experiments.read_result(folder)
    if result is None:
        raise UnreadableInput(f"{folder.name} has not been played, so there is nothing to pack: golf run {folder.name}")
    gathered = Gathered(workspace, folder, result, request)
    gathered.gather()
    track = gathered.track
    leaf = f"{result.finished_at.date().isoformat()}_{gathered.name}"
    target = (out or workspace.root / "records") / capsules.track_folder(track) / leaf
    if not force and os.path.lexists(target):
        gathered.refuse(f"{target.name} is there already: --force replaces it, --name NAME gives this one another name")
    told = {
        "experiment": folder.name,
        "folder": str(target if out is not None else target.relative_to(workspace.root)),
        "track": track,
        "dry_run": dry_run,
        "notes": gathered.notes,
        "seeds": [seed.seed for seed in result.seeds],
    }
    capsule = gathered.capsule()
    if capsule is None or (record := _written(capsule, gathered)) is None:
        return Packed(**told, written=False, reasons=gathered.reasons)
    with tempfile.TemporaryDirectory(prefix="golf-package-") as scratch:
        staged = Path(scratch) / "records" / capsules.track_folder(track) / leaf
        for path, data in record.files.items():
            (staged / path).parent.mkdir(parents=True, exist_ok=True)
            (staged / path).write_bytes(data)
        found = verify_package.verify(staged, workspace)
        reasons = list(dict.fromkeys([*gathered.reasons, *map(_with_remedy, found.reasons)]))
        if not reasons and not dry_run:
            _put(staged, target, force)
    table = record_text.submission(record.capsule, record.logs)
    return Packed(
        **told,
        written=not reasons and not dry_run,
        reasons=reasons,
        val_bpb=table["val_bpb"],
        val_bpb_std=table.get("val_bpb_std"),
        bytes_total=table["bytes_total"],
        files=[capsules.hashed(data, path) for path, data in sorted(record.files.items())],
        referee=found.referee,
        seal=record.capsule.seal,
    )


def _with_remedy(reason: str) -> str:
    if "a path of this machine" not in reason:
        return reason
    file = reason.split(":", 1)[0]
    if file.endswith(".log"):
        return f"{reason} (--redact-paths replaces such paths in logs, and says so)"
    return f"{reason} (it is part of what ran, or of what you say: change it there, and run again if it ran)"


# --- writing it


@dataclass(frozen=True)
class _Record:
    """A record in memory."""

    capsule: Capsule
    logs: Mapping[int, TrainingLog]
    files: Mapping[str, bytes] = field(default_factory=dict)


def _written(capsule: Capsule, gathered: Gathered) -> _Record | None:
    """All files of a record; None where a seed that the result has could not be read."""
    if len(gathered.seeds) < len(gathered.result.seeds):
        return None
    files = dict(gathered.files)
    files[record_text.README] = record_text.readme(capsule, gathered.logs).encode()
    files[record_text.SUBMISSION] = record_text.submission_bytes(capsule, gathered.logs)
    files[record_text.REQUIREMENTS] = record_text.requirements(capsule).encode()
    listed = [capsules.hashed(data, path) for path, data in sorted(files.items())]
    whole = capsules.sealed(capsule.model_copy(update={"files": listed}))
    files[capsules.NAME] = capsules.dump(whole)
    return _Record(whole, gathered.logs, files)


def _put(staged: Path, target: Path, force: bool) -> None:
    """The staged folder as `target`, whole or not at all; what was there is gone only after that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".package-", dir=target.parent) as scratch:
        whole, old = Path(scratch) / "new", Path(scratch) / "old"
        shutil.copytree(staged, whole)
        for path in whole.rglob("*"):
            if path.is_file():
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
        if force and os.path.lexists(target):
            target.rename(old)
        try:
            whole.rename(target)  # fails where somebody else's folder came to lie there meanwhile
        except OSError:
            if os.path.lexists(old):
                old.rename(target)
            raise
    durable.sync_folder(target.parent)
