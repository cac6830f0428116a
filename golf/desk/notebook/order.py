"""What came first in one experiment: its note, its code, its result.

The note counts from the first state whose statements are those of today, so that a placeholder that was filled in later
counts from then. Code is what differs from the parent's, or, without a parent, from every file outside the experiments:
a copy of the repository's own script is what is changed and no change yet.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from golf.desk.notebook import notes
from golf.desk.notebook.history import UNCOMMITTED, Entry, History, Order, short
from golf.desk.notebook.notes import HEADINGS, Heading, Note

Verdict = Literal["note first", "code first", "cannot tell", "no code"]

SAME = 0.9
"""Likeness of two texts that are the same statement: a corrected word or comma, and the same numbers."""

CODE = re.compile(
    r".*\.(py|pyx|ipynb|cu|cuh|c|cc|cpp|h|hpp|rs|go|jl|js|ts|r|m|sh|patch|diff|triton|metal)", re.IGNORECASE
)
RESULTS = ("result.json", "results.json", "submission.json", "metrics.json")
"""Names of files that say what came out."""


@dataclass(frozen=True)
class Judged:
    """Which came first, and why."""

    verdict: Verdict
    reason: str
    note: str = ""
    """Commit of the note; empty where there is none."""
    code: str = ""
    """Commit of the first change."""


@dataclass(frozen=True)
class Traces:
    """What is known of one experiment's past."""

    history: History
    folder: str
    """As git names it."""
    note: str
    """The note's file; empty where there is none."""
    code: Sequence[str]
    """Names of its code, removed files among them."""
    base: frozenset[str]
    """Blobs that are no change."""
    has_parent: bool
    results: Sequence[Entry] = ()
    """First states of files that say what came out."""
    is_alone: bool = False
    """A note without a folder: its code is shared with every other experiment, and has a past of its own."""
    start: Mapping[str, str] | None = None
    """Blobs of that code where the work began, by name; None where nobody said."""

    @cached_property
    def states(self) -> list[tuple[Entry, Note]]:
        """The note over time; a state that could not be read says nothing."""
        return [(entry, self.read(entry.blob)) for entry in self.history.of(self.note)] if self.note else []

    @property
    def now(self) -> Note:
        """The note as it is."""
        return self.states[-1][1] if self.states else Note()

    def read(self, blob: str) -> Note:
        """A note's state."""
        try:
            return notes.read(self.note, self.history.text(blob)) if blob else Note()
        except ValueError:
            return Note()

    @cached_property
    def changes(self) -> list[tuple[str, Entry]]:
        """Every file of code with its first state that is a change."""
        found = []
        for name in self.code:
            states = self.history.of(name)
            if self.is_alone:
                start = (self.start or {}).get(name)
                known = [place for place, entry in enumerate(states) if entry.blob == start]
                first = next(iter(states[known[-1] + 1 if known else 0 :]), None)
            else:
                first = next((entry for entry in states if self.is_change(entry.blob)), None)
                first = first and self._elsewhere(first)
            if first is not None:
                found.append((name, first))
        return found

    def moved_in(self, name: str) -> Entry | None:
        """The commit in which a file came from somewhere else without the note: then its past may be another's."""
        for entry in self.history.of(name):
            origin = _origin(name, entry.moved)
            if entry.moved and not _is_below(entry.moved, self.folder) and origin not in self._moves(entry.commit):
                return entry
        return None

    def _moves(self, commit: str) -> set[str]:
        """Where the note came from in a commit."""
        return {
            _origin(self.note, entry.moved)
            for entry in self.history.of(self.note)
            if entry.moved and entry.commit == commit
        }

    def is_change(self, blob: str) -> bool:
        """Whether a file's bytes are the experiment's own."""
        return bool(blob) and blob not in self.base and (self.has_parent or blob not in self.history.others)

    def _elsewhere(self, entry: Entry) -> Entry:
        """When a change was written that was first made to a file outside and copied from there."""
        if entry.blob not in self.history.others:
            return entry
        return self.history.first_with(entry.blob) or entry


def judge(traces: Traces) -> Judged:
    """Whether the note came before the code."""
    states = [(entry, note) for entry, note in traces.states if entry.blob]
    if not states:
        return Judged("cannot tell", "there is no note")
    if not traces.changes:
        return Judged("no code", "nothing differs from what it starts from", note=short(states[0][0].commit))
    if claimed := _by_claim(traces):
        return claimed
    today = states[-1][1]
    if not today.has_hypothesis:
        return _against(traces, states[0][0], "the file")
    complete = [entry for entry, note in states if note.is_stated or not today.is_stated]
    first = next(entry for entry, note in states if note.has_hypothesis and entry in complete)
    same = next(entry for entry, note in states if is_same(note, today))
    by_same = _against(traces, same, "the note")
    if by_same.verdict == "note first" or same == first:
        return by_same
    by_first = _against(traces, first, "the note")
    if by_first.verdict != "note first":
        return by_first
    return Judged(
        "cannot tell",
        f"a note was first ({short(first.commit)}), and was reworded with or after the code ({short(same.commit)})",
        short(same.commit),
        by_same.code,
    )


def _by_claim(traces: Traces) -> Judged | None:
    """By the commit that Caddie made of the claim: what was there then came first. None where it does not settle it."""
    found = traces.history.claim(traces.folder.rpartition("/")[2])
    name = traces.note.rpartition("/")[2]
    if found is None or not traces.note.startswith(f"{traces.folder}/") or name not in found[1]:
        return None
    entry, blobs = found
    claimed, commit = traces.read(blobs[name]), short(entry.commit)
    if not claimed.has_hypothesis or not is_same(claimed, traces.now):
        return None  # not what is said today: git's own order has to tell
    written = [file for file, blob in blobs.items() if CODE.fullmatch(file) and traces.is_change(blob)]
    code = short(_earliest(traces.changes).commit)
    if written:
        return Judged("code first", f"{written[0]} was changed already when the experiment was claimed", commit, code)
    return Judged("note first", "the experiment was claimed with its code unchanged", commit, code)


def _against(traces: Traces, note: Entry, what: str) -> Judged:
    """The worst of all files of code decides."""
    orders: list[tuple[str, Entry, Order]] = [
        (name, entry, traces.history.order(note, entry)) for name, entry in traces.changes
    ]
    found = [
        _unless_doubtful(traces, entry, name, _said(traces, note, what, name, entry, order))
        for name, entry, order in orders
    ]
    return min(found, key=lambda one: ("code first", "cannot tell", "note first").index(one.verdict))


def _unless_doubtful(traces: Traces, code: Entry, name: str, found: Judged) -> Judged:
    """A past that is another folder's accuses nobody, and code that is younger than its own result clears nobody."""
    moved = traces.moved_in(name) if found.verdict == "code first" else None
    if moved is not None:
        reason = f"{name.rpartition('/')[2]} is older, and was moved here from {moved.moved} in {short(moved.commit)}"
        return Judged("cannot tell", reason, found.note, found.code)
    early = [one for one in traces.results if traces.history.order(one, code).verdict == "before"]
    if found.verdict == "note first" and early:
        reason = f"its result ({short(early[0].commit)}) is older than the code in git ({short(code.commit)})"
        return Judged("cannot tell", reason, found.note, found.code)
    return found


def _said(traces: Traces, note: Entry, what: str, name: str, entry: Entry, order: Order) -> Judged:
    file = name.removeprefix(f"{traces.folder}/")
    then, code = _when(note), _when(entry)
    if order.verdict == "after" and traces.is_alone and traces.start is None:
        reason = f"{file} is older than {what}, and whose change of it is this one's? Say where the work began: --since"
        return Judged("cannot tell", reason, short(note.commit))
    if order.verdict == "after":
        return Judged("code first", f"{file} is of {code}, {what} of {then}", short(note.commit), short(entry.commit))
    if order.verdict == "unclear":
        return Judged("cannot tell", f"{what} and {file}: {order.reason}", short(note.commit), short(entry.commit))
    return Judged("note first", f"{what} is of {then}, {file} of {code}", short(note.commit), short(entry.commit))


def _origin(name: str, source: str) -> str:
    """The folder that a file's whole folder was before a rename; the file's own where only it was renamed."""
    here, there = name.split("/"), source.split("/")
    while here and there and here[-1] == there[-1]:
        here.pop()
        there.pop()
    return "/".join(there)


def _is_below(name: str, folder: str) -> bool:
    return folder in ("", ".") or name.startswith(f"{folder}/")


def _when(entry: Entry) -> str:
    return "no commit yet" if entry.commit == UNCOMMITTED else short(entry.commit)


def _earliest(changes: Iterable[tuple[str, Entry]]) -> Entry:
    return min((entry for _, entry in changes), key=lambda entry: (entry.commit == UNCOMMITTED, entry.time))


def is_same(one: Note, other: Note) -> bool:
    """Whether two notes state the same: the numbers equal, the words all but."""
    for heading in HEADINGS:
        before, after = (note.said[heading].words if heading in note.said else "" for note in (one, other))
        numbers = [re.findall(r"\d+(?:[.,]\d+)*", text) for text in (before, after)]
        if numbers[0] != numbers[1]:
            return False
        if (
            before != after
            and difflib.SequenceMatcher(None, before[:2000], after[:2000], autojunk=False).ratio() < SAME
        ):
            return False
    return True


@dataclass(frozen=True)
class Reworded:
    """A statement that is not what it was when the result was written."""

    heading: Heading
    commit: str
    """Where it became what it is; empty where only the run's own record tells."""
    is_clear: bool = True
    reason: str = ""


def reworded(traces: Traces) -> list[Reworded]:
    """Statements that changed after the earliest result, or in the very commit that brought it."""
    states = [(entry, note) for entry, note in traces.states if entry.blob]
    results = [*traces.results, *[entry for entry, note in states if note.result_line is not None][:1]]
    if not states or not results:
        return []
    history = traces.history
    result = results[0]
    for other in results[1:]:
        if history.order(other, result).verdict == "before":
            result = other
    orders = [(entry, note, history.order(entry, result)) for entry, note in states]
    before = [note for _, note, order in orders if order.verdict == "before"]
    together = [(entry, note) for entry, note, order in orders if order.verdict == "unclear"]
    if not before and not together:
        stated = next((entry for entry, note in states if note.has_hypothesis), None)
        return [Reworded("hypothesis", short(stated.commit), reason="it was first stated then")] if stated else []
    known = before[-1] if before else together[0][1]
    found = []
    for heading in HEADINGS:
        then, now = _words(known, heading), _words(traces.now, heading)
        if then == now:
            continue
        since = next(entry for entry, note in reversed(states) if _began(states, entry, note, heading, now))
        with_it = history.order(since, result)
        found.append(Reworded(heading, short(since.commit), with_it.verdict != "unclear", with_it.reason))
    if not before and not found and traces.now.has_hypothesis:
        reason = history.order(together[0][0], result).reason
        found.append(Reworded("hypothesis", short(together[0][0].commit), False, f"note and result: {reason}"))
    return found


def _words(note: Note, heading: Heading) -> str:
    return note.said[heading].words if heading in note.said else ""


def _began(states: Sequence[tuple[Entry, Note]], entry: Entry, note: Note, heading: Heading, words: str) -> bool:
    """Whether this is the state in which a heading last came to say these words."""
    place = next(index for index, (one, _) in enumerate(states) if one is entry)
    earlier = _words(states[place - 1][1], heading) if place else None
    return _words(note, heading) == words and earlier != words


def against_record(now: Note, recorded: Mapping[Heading, str]) -> list[Heading]:
    """Headings that say something else than the run's own record has of them."""
    return [heading for heading, text in recorded.items() if " ".join(text.split()) != _words(now, heading)]
