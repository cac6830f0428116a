"""The referee's verdicts against labelled submissions: what is caught, what is wrongly blocked, what goes to review.

    python bench/referee_verdicts.py [LABELS [FOLDERS]]

LABELS (default `../shared/data/verdicts.jsonl`) has one row per submission: `verdict` (valid, invalid, contested),
`reasons` (the referee's codes), `data` (its README, JSON and logs, relative to LABELS) and `commit`, `folder`, `path`
(where its code is). FOLDERS holds the submissions with their code, `<name of data, or pr>/<folder>`. Contested rows
count neither way.
"""

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import run
from typing import Any, NamedTuple

from golf.referee.pull_requests import Objects
from golf.referee.ruling import review_submission
from golf.rulings import Ruling

LABELS = Path(__file__).parents[1] / "../shared/data/verdicts.jsonl"

Row = Mapping[str, Any]
FolderOf = Callable[[Row], Path | None]

TARGETS = {
    "balanced accuracy, blocked or reviewed against invalid": (0.92, "at least"),
    "of what is blocked, invalid": (0.97, "at least"),
    "of the valid, blocked": (0.03, "at most"),
    "of the valid, sent to review": (0.15, "at most"),
}


class Line(NamedTuple):
    """One figure of the report."""

    what: str
    figure: str
    target: str
    met: bool | None


@dataclass
class Confusion:
    """Verdicts by label, and what went wrong."""

    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(label, verdict) to submissions."""
    caught: Counter[str] = field(default_factory=Counter)
    """Per reason of an invalid row: rows whose verdict names that code."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Per reason: invalid rows."""
    missed: list[str] = field(default_factory=list)
    """Invalid rows ruled clear."""
    accused: list[str] = field(default_factory=list)
    """Valid rows blocked or sent to review, with the codes."""
    unmeasured: list[str] = field(default_factory=list)
    """Rows whose folder is not at hand."""

    def share(self, label: str, *verdicts: str) -> float | None:
        """Share of a label's rows with one of these verdicts; None without rows."""
        rows = sum(count for (of, _), count in self.verdicts.items() if of == label)
        return sum(self.verdicts[label, verdict] for verdict in verdicts) / rows if rows else None

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of the invalid rows that are blocked or reviewed and the valid ones that are clear."""
        sensitivity, specificity = self.share("invalid", "block", "review"), self.share("valid", "clear")
        return None if sensitivity is None or specificity is None else (sensitivity + specificity) / 2

    @property
    def precision(self) -> float | None:
        """Share of the blocked rows that are invalid."""
        blocked = self.verdicts["invalid", "block"] + self.verdicts["valid", "block"]
        return self.verdicts["invalid", "block"] / blocked if blocked else None

    def figures(self) -> dict[str, float | None]:
        """The four figures that have targets."""
        values = (self.balanced_accuracy, self.precision, self.share("valid", "block"), self.share("valid", "review"))
        return dict(zip(TARGETS, values, strict=True))


def score(rows: Iterable[Row], folder_of: FolderOf, *, expects_code: bool) -> Confusion:
    """Rule on every row that is not contested and whose folder is at hand."""
    confusion = Confusion()
    for row in rows:
        if row["verdict"] == "contested":
            continue
        folder = folder_of(row)
        if folder is None:
            confusion.unmeasured.append(str(row["pr"]))
            continue
        ruling = review_submission(folder, expects_code=expects_code)
        _count(confusion, row, ruling)
    return confusion


def _count(confusion: Confusion, row: Row, ruling: Ruling) -> None:
    confusion.verdicts[row["verdict"], ruling.verdict] += 1
    told = f"#{row['pr']} {ruling.verdict}: {', '.join(ruling.codes) or '-'}"
    if row["verdict"] == "valid" and ruling.verdict != "clear":
        confusion.accused.append(told)
    if row["verdict"] == "invalid":
        if ruling.verdict == "clear":
            confusion.missed.append(f"#{row['pr']}: {', '.join(row['reasons'])}")
        found = {finding.code for finding in ruling.findings if finding.severity != "note"}
        for reason in row["reasons"]:
            confusion.reasons[reason] += 1
            confusion.caught[reason] += reason in found


def excerpts(labels: Path) -> FolderOf:
    """README, JSON and logs alone, in the folder that a row's `data` names."""

    def folder_of(row: Row) -> Path | None:
        folder = labels.parent / row["data"] if row["data"] else None
        return folder if folder and folder.is_dir() else None

    return folder_of


def exported(folders: Path) -> FolderOf:
    """With their code, exported beforehand."""

    def folder_of(row: Row) -> Path | None:
        folder = folders / (Path(row["data"]).name if row["data"] else str(row["pr"])) / (row["folder"] or "")
        return folder if folder.is_dir() else None

    return folder_of


def checked_out(checkout: Path, into: Path) -> FolderOf:
    """With their code, as a clone of the challenge has them at the labelled commits; blobs it lacks are left out."""

    def folder_of(row: Row) -> Path | None:
        place = row["folder"] or row["path"]
        listing = ["git", "-C", str(checkout), "ls-tree", "-r", "-z", "--full-tree", row["commit"], "--", place]
        entries = run(listing, capture_output=True, check=False).stdout.decode("utf-8", "surrogateescape").split("\0")
        rows = [(entry.split("\t", 1)[1], entry.split()) for entry in entries if entry.startswith("100")]
        target = into / str(row["pr"])
        objects = Objects(checkout)
        try:
            objects.write({name: fields[2] for name, fields in rows}, target)
        finally:
            objects.close()
        folder = target / row["folder"] if row["folder"] else target
        return folder if folder.is_dir() else None

    return folder_of


def read_rows(labels: Path) -> list[Row]:
    """The labelled rows."""
    return [json.loads(line) for line in labels.read_text(encoding="utf-8").splitlines() if line.strip()]


def report(data: Path | None, checkout: Path | None) -> Iterator[Line]:
    """The lines of `make referee-report`."""
    labels = data / "verdicts.jsonl" if data else LABELS
    if not labels.exists():
        yield Line("labelled submissions", "not at hand", "", None)
        return
    rows = read_rows(labels)
    yield from _lines("README, JSON, logs", score(rows, excerpts(labels), expects_code=False))
    if checkout is None:
        yield Line("with code", "no checkout at hand", "", None)
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield from _lines("with code", score(rows, checked_out(checkout, Path(scratch)), expects_code=True))


def _lines(mode: str, confusion: Confusion) -> Iterator[Line]:
    for what, value in confusion.figures().items():
        target, direction = TARGETS[what]
        met = None if value is None else value >= target if direction == "at least" else value <= target
        yield Line(f"{mode}: {what}", "-" if value is None else f"{value:.3f}", f"{direction} {target}", met)
    recall = ", ".join(f"{code} {confusion.caught[code]}/{count}" for code, count in confusion.reasons.most_common())
    yield Line(f"{mode}: named by its own code", recall, "", None)
    yield Line(f"{mode}: invalid and ruled clear", "; ".join(confusion.missed) or "none", "", None)
    yield Line(f"{mode}: valid and not ruled clear", "; ".join(confusion.accused) or "none", "", None)
    if confusion.unmeasured:
        yield Line(f"{mode}: not at hand", ", ".join(confusion.unmeasured), "", None)


def main(arguments: Sequence[str]) -> None:
    """Print both modes, the second where FOLDERS is given."""
    labels = Path(arguments[0]) if arguments else LABELS
    rows = read_rows(labels)
    modes = [("README, JSON, logs", excerpts(labels), False)]
    if len(arguments) > 1:
        modes.append(("with code", exported(Path(arguments[1])), True))
    for mode, folder_of, expects_code in modes:
        for line in _lines(mode, score(rows, folder_of, expects_code=expects_code)):
            print(f"{line.what}: {line.figure}  {line.target}")


if __name__ == "__main__":
    main(sys.argv[1:])
