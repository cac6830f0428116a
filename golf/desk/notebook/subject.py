"""One experiment: its note, its code, what came first, and what is wrong with it."""

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from golf.desk.findings import Finding, Severity
from golf.desk.notebook import notes, order
from golf.desk.notebook.history import UNCOMMITTED, Entry, History
from golf.desk.notebook.notes import HEADINGS, Heading, Note
from golf.desk.notebook.order import CODE, RESULTS, Traces, Verdict
from golf.errors import GolfError
from golf.play import experiments
from golf.rulings import Described, Said
from golf.workspace import Workspace

NOTES = (
    experiments.CONFIG, "config.yml", "README.md", "note.md", "notes.md", "NOTES.md", "hypothesis.md", "plan.md",
    experiments.REPORT,
)  # fmt: skip
"""Where a folder's note is looked for: the first that states one of the headings, else the first that is there."""

WORDS: dict[Heading, str] = {
    "hypothesis": "hypothesis",
    "expected_outcome": "expected outcome",
    "rollback_criteria": "rollback criteria",
}
ADVICE = "write it before the code, in words and numbers that a result can contradict"
PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)+)`|`([\w-]+\.(?:py|ya?ml|toml|json|cu|sh))`")


class Checked(Described):
    """One experiment, and what came first in it."""

    experiment: Said
    note: str
    """The file its headings were looked for in; empty where there is none."""
    order: Verdict
    reason: Said
    note_commit: str
    """Where its statements came to be what they are; `uncommitted` for none yet, empty where nothing tells."""
    code_commit: str
    """Where its code first differs from what it starts from."""


class Subject:
    """One experiment: a folder, or a note alone."""

    def __init__(
        self,
        place: Path,
        shown: str,
        history: History,
        workspace: Workspace | None,
        note: str = "",
        code: Sequence[str] = (),
        start: Mapping[str, str] | None = None,
    ) -> None:
        self.place, self.shown, self.history, self.workspace = place, shown, history, workspace
        self.asked, self.globs = note, code
        self.is_folder = place.is_dir()
        self.folder = history.name(place if self.is_folder else place.parent)
        self.note = self._find_note()
        self.traces = Traces(
            history,
            self.folder,
            self.note,
            self._code(),
            self._base(),
            self._parent() is not None,
            results=self._results(),
            is_alone=not self.is_folder,
            start=start,
        )
        self.judged = order.judge(self.traces)

    def checked(self) -> Checked:
        """Its row."""
        return Checked(
            experiment=self.shown,
            note=self._file(self.note) if self.note else "",
            order=self.judged.verdict,
            reason=self.judged.reason,
            note_commit=self.judged.note,
            code_commit=self.judged.code,
        )

    def findings(self) -> Iterator[Finding]:
        """What is wrong with it."""
        yield from self._files()
        if not self.note:
            return
        now = self.traces.now
        yield from self._headings(now)
        if self.judged.verdict == "code first":
            yield self._finding(
                "CODE_FIRST",
                "error",
                self._line(now, "hypothesis"),
                f"the code came before the note: {self.judged.reason}",
                "say so in the note, and leave history as it is; next time the note is claimed (golf new) before code",
            )
        elif self.judged.verdict == "cannot tell":
            yield self._finding(
                "ORDER_UNCLEAR",
                "warning",
                self._line(now, "hypothesis"),
                f"whether note or code came first cannot be told: {self.judged.reason}",
                "commit the note before the code, each by itself; golf new keeps a commit of the claim besides",
            )
        yield from self._bent(now)

    def _files(self) -> Iterator[Finding]:
        wanted = [self.asked] if self.asked else [experiments.CONFIG, experiments.REPORT]
        if not self.is_folder:
            return
        for name in wanted:
            if (self.place / name).is_file():
                continue
            fix = (
                "state hypothesis, expected outcome and rollback criteria in it; golf new does"
                if name == experiments.CONFIG
                else "golf report writes it from a played run; until then hypothesis, outcome and criteria belong there"
            )
            code = {experiments.CONFIG: "NO_CONFIG", experiments.REPORT: "NO_REPORT"}.get(name, "NO_NOTE")
            yield Finding(
                code=code, severity="error", file=f"{self.shown}/{name}", line=1, quote="", fix=fix,
                text=f"there is no {name}",
            )  # fmt: skip
        if self.note.endswith((".yaml", ".yml")):
            try:
                notes.read(self.note, self._text())
            except ValueError as error:
                yield self._finding("UNREADABLE_NOTE", "error", 1, f"not YAML: {error}", "mend it: nothing can be read")

    def _headings(self, now: Note) -> Iterator[Finding]:
        """What is not stated; headings that are not there at all are one finding."""
        missing = [WORDS[heading] for heading in HEADINGS if now.missing(heading) == "missing"]
        if missing:
            words = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1]]))
            yield self._finding("MISSING_HEADING", "error", 1, f"not stated: {words}", ADVICE)
        for heading in HEADINGS:
            line = self._line(now, heading)
            if now.missing(heading) == "empty":
                yield self._finding("EMPTY_HEADING", "error", line, f"the {WORDS[heading]} is empty", ADVICE)
            elif now.missing(heading) == "placeholder":
                text = f"the {WORDS[heading]} is a placeholder, and says nothing that a result can contradict"
                yield self._finding("PLACEHOLDER", "error", line, text, ADVICE)

    def _bent(self, now: Note) -> Iterator[Finding]:
        """Statements that are not what the result answered."""
        told: set[Heading] = set()
        for heading in self._recorded(now):
            told.add(heading)
            yield self._finding(
                "CHANGED_AFTER_RESULT",
                "error",
                self._line(now, heading),
                f"the {WORDS[heading]} is not the one that was played",
                "restore it (git log -p shows it); what you think now is a new experiment",
            )
        for one in order.reworded(self.traces):
            if one.heading in told or (not one.is_clear and self._has_record):
                continue
            if one.is_clear:
                where = "in the working tree" if one.commit == UNCOMMITTED else f"in {one.commit}"
                text = f"the {WORDS[one.heading]} was changed after the result, {where}"
                fix = "restore it (git log -p shows it); what you think now is a new experiment"
                yield self._finding("CHANGED_AFTER_RESULT", "error", self._line(now, one.heading), text, fix)
            else:
                text = f"whether the {WORDS[one.heading]} was there before the result cannot be told: {one.reason}"
                fix = "commit the note before the run, and the result after it"
                yield self._finding("CHANGE_UNCLEAR", "warning", self._line(now, one.heading), text, fix)

    def _recorded(self, now: Note) -> list[Heading]:
        """What a run of Caddie's own took for the claim, against what it is now."""
        self._has_record = False
        if self.workspace is None or not self.is_folder or not self.note.endswith(experiments.CONFIG):
            return []
        changed: dict[Heading, None] = {}
        for place in [self.place, *sorted((self.place / "earlier").glob("*"))]:
            try:
                result = experiments.read_result(place)
            except GolfError:
                continue
            if result is None:
                continue
            recorded: dict[Heading, str] = {"hypothesis": result.hypothesis}
            text = None if result.commit == "-" else self.history.at(result.commit, self.note)
            if text is not None:
                then = notes.read(self.note, text)
                recorded = {heading: then.said[heading].words if heading in then.said else ("") for heading in HEADINGS}
                self._has_record = True
            changed.update(dict.fromkeys(order.against_record(now, recorded)))
        return list(changed)

    def _results(self) -> list[Entry]:
        names = [name for name in self.history.below(self.folder) if self._is_result(name)] if self.is_folder else []
        return [self.history.of(name)[0] for name in names]

    def _is_result(self, name: str) -> bool:
        inner = name.removeprefix(f"{self.folder}/").split("/")
        return inner[-1] in RESULTS and (len(inner) == 1 or (len(inner) == 3 and inner[0] == "earlier"))

    def _find_note(self) -> str:
        if not self.is_folder:
            return self.history.name(self.place)
        there = [name for name in ([self.asked] if self.asked else NOTES) if self._is_there(name)]
        for name in there:
            try:
                text = self.history.text(self.history.of(f"{self.folder}/{name}")[-1].blob)
                if notes.read(name, text).said:
                    return f"{self.folder}/{name}"
            except (ValueError, GolfError, OSError):
                continue
        return f"{self.folder}/{there[0]}" if there else ""

    def _is_there(self, name: str) -> bool:
        states = self.history.of(f"{self.folder}/{name}")
        return bool(states) and bool(states[-1].blob) and (self.place / name).is_file()

    def _text(self) -> str:
        states = self.history.of(self.note)
        return self.history.text(states[-1].blob) if states else ""

    def _code(self) -> list[str]:
        if not self.is_folder:
            return self._named()
        found = []
        for name in self.history.below(self.folder):
            inner = name.removeprefix(f"{self.folder}/")
            if inner.split("/")[0] in experiments.EVIDENCE or name == self.note:
                continue
            if self.globs:
                if any(
                    fnmatch.fnmatch(inner, glob) or fnmatch.fnmatch(inner.split("/")[-1], glob) for glob in self.globs
                ):
                    found.append(name)
            elif CODE.fullmatch(inner):
                found.append(name)
        return found

    def _named(self) -> list[str]:
        """Files that a note alone names in backticks, and that came into the repository with it or later."""
        words = {one or other for one, other in PATH.findall(self._text())}
        return sorted(name for name in words if self.history.of(name))

    def _base(self) -> frozenset[str]:
        parent = self._parent()
        if parent is None:
            return frozenset()
        name = self.history.name(parent)
        return frozenset(
            entry.blob for file in self.history.below(name) if CODE.fullmatch(file) for entry in self.history.of(file)
        )

    def _parent(self) -> Path | None:
        if self.workspace is None or not self.is_folder or not self.note.endswith(experiments.CONFIG):
            return None
        try:
            named = experiments.load(self.place).parent
            return None if named is None else experiments.find(self.workspace, named)
        except GolfError:
            return None

    def _line(self, now: Note, heading: Heading) -> int:
        return now.said[heading].line if heading in now.said else 1

    def _file(self, name: str) -> str:
        return f"{self.shown}/{name.removeprefix(f'{self.folder}/')}" if self.is_folder else self.shown

    def _finding(self, code: str, severity: Severity, line: int, text: str, fix: str) -> Finding:
        lines = self._text().splitlines()
        quote = lines[line - 1].strip()[:200] if line <= len(lines) else ""
        return Finding(
            code=code, severity=severity, file=self._file(self.note), line=line, quote=quote, text=text, fix=fix
        )
