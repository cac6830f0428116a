"""Work of several machines in one workspace: rows, experiments, notes, and the commits that rows name (S111).

A row that several ledgers have is one row, however often it was merged before; what a ledger has twice stays twice.
Every ledger's own order is kept, and between ledgers the day decides: the outcome is the same in whatever order they
are given. Money is not merged, a workspace's budget is what was spent from it.
"""

import contextlib
import heapq
import re
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from golf import durable
from golf.errors import BadConfig, GolfError, NotFound
from golf.play import experiments, ledger, notes, record, worktree
from golf.schema import Note, Noun, Row
from golf.workspace import Workspace

LEDGER = "results.tsv"

Occurrence = tuple[str, int]
"""A row's line in our own layout, and how many such lines its ledger has before it."""


class Merged(Noun):
    """What came from where."""

    ledger: str
    rows: int
    """In the ledger now."""
    rows_added: int
    experiments_added: list[str]
    conflicts: list[str]
    """Experiments that are here and there and differ; ours were kept, theirs were not copied."""
    notes_added: int
    without_commits: list[str]
    """Sources whose commits could not be fetched, and why: `git show` of their rows' commits will not work here."""
    dry_run: bool = False


def merge(workspace: Workspace, sources: Sequence[Path], *, dry_run: bool = False) -> Merged:
    """Take in what other workspaces have, or other ledgers alone.

    Args:
        workspace: Which takes it in; nothing of its own is changed but the order of rows in its ledger.
        sources: Workspaces' folders, or ledger files.
        dry_run: Only say what would be done.

    Raises:
        NotFound: there is no such folder or file; nothing was done.
        BadConfig: a source is this workspace itself; nothing was done.
        UnreadableInput: a ledger has a malformed line; nothing was done.
    """
    folders = [_checked(workspace, source) for source in sources]
    theirs = [ledger.read(folder / LEDGER if folder.is_dir() else folder) for folder in folders]
    places = [folder for folder in folders if folder.is_dir()]
    record.recover(workspace)  # what is half recorded is recorded before
    with record.lock(workspace):
        ours = ledger.read(workspace.ledger)
        rows = merged([ours, *theirs])
        added, conflicts = _experiments(workspace, places, dry_run)
        said = [note for place in places for note in _notes_of(place)]
        fresh = _fresh_notes(workspace, said)
        if not dry_run:
            if rows != ours:
                ledger.replace(workspace.ledger, rows)
            if fresh:
                _write_notes(workspace, fresh)
    return Merged(
        ledger=str(workspace.ledger),
        rows=len(rows),
        rows_added=len(rows) - len(ours),
        experiments_added=added,
        conflicts=conflicts,
        notes_added=len(fresh),
        without_commits=[] if dry_run else [why for place in places if (why := _fetch(workspace, place))],
        dry_run=dry_run,
    )


def merged(ledgers: Sequence[Sequence[Row]]) -> list[Row]:
    """The rows of all, each as often as the ledger that has it most often; the same for every order of `ledgers`.

    Each ledger's order is kept; where two contradict each other, and between rows that nothing orders, the earlier day
    in a row's name comes first, then its text.
    """
    rows: dict[Occurrence, Row] = {}
    after: defaultdict[Occurrence, set[Occurrence]] = defaultdict(set)
    waits: Counter[Occurrence] = Counter()
    days: dict[Occurrence, str] = {}
    for found in ledgers:
        seen: Counter[str] = Counter()
        before: Occurrence | None = None
        day = ""
        for row in found:
            line = row.model_dump_json()
            one = (line, seen[line])
            seen[line] += 1
            named = re.match(r"\d{4}-\d\d-\d\d", row.description)
            day = max(day, named[0]) if named else day  # a row without a day is as late as the one before it
            rows[one], days[one] = row, min(day, days.get(one, day))
            if before is not None and one not in after[before]:
                after[before].add(one)
                waits[one] += 1
            before = one
    return [rows[one] for one in _ordered(rows, after, waits, days)]


def _ordered(
    rows: Iterable[Occurrence],
    after: defaultdict[Occurrence, set[Occurrence]],
    waits: Counter[Occurrence],
    days: dict[Occurrence, str],
) -> list[Occurrence]:
    """Kahn's order, the earliest that waits for nobody first; where all wait for each other, the earliest of them."""
    left = set(rows)
    ready = [(days[one], one) for one in left if not waits[one]]
    heapq.heapify(ready)
    found: list[Occurrence] = []
    while left:
        if not ready:
            heapq.heappush(ready, min((days[one], one) for one in left))
        _, one = heapq.heappop(ready)
        if one not in left:
            continue
        left.remove(one)
        found.append(one)
        for later in after[one]:
            waits[later] -= 1
            if not waits[later] and later in left:
                heapq.heappush(ready, (days[later], later))
    return found


def _checked(workspace: Workspace, source: Path) -> Path:
    place = source.expanduser().resolve()
    if not place.is_file() and not (place / "golf.toml").is_file():  # nor a pipe or a device, which has no end
        raise NotFound(f"{source} is neither a ledger nor a workspace (a folder with golf.toml); nothing was merged")
    if place in (workspace.root.resolve(), workspace.ledger.resolve()):
        raise BadConfig(f"{source} is this workspace itself; name the others. Nothing was merged")
    return place


def _experiments(workspace: Workspace, places: Sequence[Path], dry_run: bool) -> tuple[list[str], list[str]]:
    """Copies what is missing here, a folder or a run whole or not at all."""
    added: list[str] = []
    conflicts: list[str] = []
    for place in places:
        for folder in sorted((place / "experiments").glob("????-??-??_*")):
            if not re.fullmatch(experiments.NAME, folder.name) or folder.is_symlink() or not folder.is_dir():
                continue
            ours = workspace.experiments / folder.name
            if not ours.exists():
                added += [folder.name] * (folder.name not in added)
                if not dry_run:
                    _copy(folder, ours)
            elif _claim(ours) != _claim(folder):
                conflicts.append(f"{folder.name} of {place}")
            elif not dry_run:
                _take_runs(folder, ours)
    return added, conflicts


def _take_runs(theirs: Path, ours: Path) -> None:
    """Runs of one claim that were made there: as the experiment's where it has none here, else beside the earlier."""
    mine, run = (experiments.read_result(folder) for folder in (ours, theirs))
    known = {mine.run_id if mine else None, *(place.name for place in (ours / "earlier").glob("*"))}
    for place in (theirs / "earlier").glob("*"):
        if place.name not in known and place.is_dir() and not place.is_symlink():
            _copy(place, ours / "earlier" / place.name)
    if run is None or run.run_id in known:
        return
    target = ours if mine is None else ours / "earlier" / run.run_id
    for name in sorted(experiments.WRITTEN, key=lambda name: name == experiments.RESULT):  # the result last
        is_claim = name == experiments.REPORT and target == ours  # of an experiment that has no run here
        if (theirs / name).exists() and (is_claim or not (target / name).exists()):
            _copy(theirs / name, target / name)


def _claim(folder: Path) -> bytes | None:
    try:
        return (folder / experiments.CONFIG).read_bytes()
    except OSError:
        return None


def _copy(folder: Path, ours: Path) -> None:
    ours.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".merge-", dir=ours.parent) as scratch:
        whole = Path(scratch) / ours.name
        if folder.is_dir():
            shutil.copytree(folder, whole, symlinks=True)
        else:
            shutil.copy2(folder, whole, follow_symlinks=False)
        whole.rename(ours)


def _notes_of(place: Path) -> list[str]:
    return [note.model_dump_json() for note in notes.read(Workspace(place))]


def _fresh_notes(workspace: Workspace, said: Iterable[str]) -> list[str]:
    known = {note.model_dump_json() for note in notes.read(workspace)}
    return [note for note in dict.fromkeys(said) if note not in known]


def _write_notes(workspace: Workspace, fresh: Iterable[str]) -> None:
    """All by their time: the newest verdict, and the newest word on a directive, is the one that counts."""
    text = workspace.notes.read_text(encoding="utf-8", errors="surrogateescape") if workspace.notes.exists() else ""
    whole = [*filter(str.strip, text.split("\n")), *fresh]
    lines = sorted(whole, key=lambda line: (_at(line), line))
    durable.replace(workspace.notes, "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))


def _at(line: str) -> float:
    """When a note was made; what is no note stays, and comes first."""
    try:
        return Note.model_validate_json(line).at.timestamp()
    except (ValidationError, UnicodeEncodeError):
        return 0.0


def _fetch(workspace: Workspace, place: Path) -> str | None:
    """The commits that the source's rows name; why not, where that does not work."""
    with contextlib.suppress(GolfError):
        if worktree.toplevel(workspace.root) == worktree.toplevel(place):
            return None
    try:
        top = worktree.toplevel(place)
        worktree.git(workspace.root, "fetch", "--no-tags", str(top), "refs/golf/*:refs/golf/*")
    except (GolfError, OSError) as error:
        return f"{place}: {str(error).splitlines()[-1][:200]}"
    return None
