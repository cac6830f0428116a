"""Which lines of a file are the log's own: a log begins with the source of its script, and may hold several runs.

What is surprising:

- An embedded source prints, formats and comments on scores, so a line counts only outside one (`_Source`).
- Where a source ends is sometimes known only later; what was read meanwhile is then taken back.
- The last run that came to anything counts.
- A file's longest line may be larger than memory, so a line is read in pieces.
"""

import functools
import re
from collections.abc import Iterator
from typing import NamedTuple, TextIO

from golf.measure.log_lines import LINE_CHARS_MAX, Run, is_finished, states_result

FRAGMENT_CHARS = 8192
"""Longest piece of a line held at once."""
DUMP_CHARS_MAX = 4096
"""Hyperparameters may be dumped on one line up to this long."""
KEPT_LINES_MAX = 20_000
"""Of a longer run the first and the last half as many lines are kept for quoting."""

_PREFIX = re.compile(
    r"(?:\[(?:default|rank)?\d[\d:.,T +-]{0,40}\]:? ?)?(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S{0,16} |\d+\.\d+s? )?"
)
"""What launchers and loggers put before a line: a rank, a clock, elapsed seconds or a Unix time."""
_BEGINS_RUN = re.compile(r"Hyperparameters:|Running Python \d|val_bpb:enabled\b|train_loader:")
_RULE = re.compile(r"={20,}$")
"""Printed after an embedded source."""
_SOURCE_START = re.compile(
    r"from\s+[\w.]+\s+import\b|import\s+[\w.]+(?:\s+as\s+\w+)?\s*(?:[,;#]|$)|(?:async\s+)?def\s+\w+\s*\(|class\s+\w+\s*[(:]"
    r"|@[A-Za-z_][\w.]*(?:\(|$)|#!|[rRbBuU]{0,2}(?:\"\"\"|''')|if\s+__name__\s*=="
)
_QUOTE = re.compile(r"\\.|'''|\"\"\"|'|\"|#")
_TWO_PAIRS = re.compile(r"[A-Za-z_]\w*:[^\s(\[{'\"]+ [A-Za-z_]\w*:[^\s(\[{'\"]+(?:\s|$)")


class _Line(NamedTuple):
    """A line, or a piece of one that is too long to hold."""

    text: str
    starts: bool
    """The piece begins a line."""
    ends: bool
    """The piece is ended by a line break."""


class Reading(NamedTuple):
    """What came of reading a file."""

    run: Run
    """The last run that came to anything."""
    runs: int
    """Runs in the file, up to and including that one."""
    is_empty: bool
    ends_in_source: bool
    """The file ends inside the source it embeds, so no line after it could be read."""
    lines: list[tuple[int, str]]
    """Numbers (from 1) and texts of that run's own lines; the first and the last of a very long run."""


def read_whole(file: TextIO) -> Reading:
    """Read a file from its beginning to its end, in constant memory."""
    reader = _Reader()
    for line in _pieces(file):
        reader.take(line)
    return reader.finish()


def read_tail(text: str, whole: bool) -> Reading:
    """Read the tail of a file that may still grow; `whole` when the text begins where the file does.

    The last line is left out as unfinished, and so is the first unless `whole`.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    del lines[-1]  # unfinished, or empty
    reader = _Reader()
    for line in lines if whole else lines[1:]:
        if not whole and _RULE.match(line):  # the tail may begin inside the source: whatever came before is void
            reader = _Reader()
        reader.take(_Line(line[:FRAGMENT_CHARS], starts=True, ends=True))
    return reader.finish()


def own_lines(file: TextIO) -> list[tuple[int, str]]:
    """Numbers (from 1) and texts of the lines that are the log's own, of the last run that came to anything.

    For quoting: what launchers put before a line is taken off, payloads are left out, memory is bounded.
    """
    return read_whole(file).lines


def _pieces(file: TextIO) -> Iterator[_Line]:
    starts = True
    for piece in iter(functools.partial(file.readline, FRAGMENT_CHARS), ""):
        ends = piece.endswith("\n")
        yield _Line(piece.rstrip("\n"), starts, ends)
        starts = ends


def _is_rule(text: str) -> bool:
    return text[:1] == "=" and _RULE.match(text.rstrip()) is not None


class _Source:
    """Tells the source that a log embeds from the log itself, line by line.

    A source begins at a line only Python starts with and ends at a rule (`====`) outside its strings. Where no rule
    follows, it ends at the first line that states a result and could not stand in a Python file; if source goes on
    after such a line, or the rule comes after all, the line was part of the source and is taken back.
    """

    def __init__(self) -> None:
        self.inside = False
        self.provisional = False
        self._quote: str | None = None
        self._ruled = False

    def begin(self, text: str, ends: bool) -> None:
        self.inside, self.provisional, self._quote = True, False, None
        self.scan(text, ends)

    def end(self, provisional: bool) -> None:
        self.inside, self.provisional = False, provisional

    @property
    def in_string(self) -> bool:
        return self._quote in ("'''", '"""')

    def resumes(self, text: str) -> bool:
        """Does the log resume although a string seems open? A line torn by another writer loses its quotes."""
        resumed = self._ruled and bool(_BEGINS_RUN.match(text))
        self._ruled = _is_rule(text)
        if resumed:
            self.end(provisional=True)
        return resumed

    def scan(self, text: str, ends: bool) -> None:
        """Follow the quotes of one piece of source."""
        quote = self._quote
        if "'" not in text and '"' not in text:
            self._quote = None if ends and quote in ("'", '"') else quote
            return
        for match in _QUOTE.finditer(text):
            token = match[0]
            if token[0] == "\\":
                continue
            if quote is None:
                if token == "#":
                    break
                quote = token
            elif token == quote:
                quote = None
            elif len(quote) == 1 and token == 3 * quote:
                quote = None  # closes, opens and closes
        if ends and quote in ("'", '"'):
            quote = None
        self._quote = quote


class _Reader:
    """Feeds the lines outside embedded sources to the run they belong to."""

    def __init__(self) -> None:
        self._run = Run()
        self._runs = 1
        self._is_empty = True
        self._source = _Source()
        self._previous: Run | None = None
        self._saved: tuple[dict[str, str], int, Run | None] = ({}, 1, None)
        """Facts, count of runs and previous run as they were when the current source began."""
        self._number = 0
        self._kept: list[tuple[int, str]] = []
        self._source_began = 0
        """Number of the line it began at."""
        self._began = [0]
        """Numbers of the lines that each run began at."""

    def take(self, line: _Line) -> None:
        text, source = line.text, self._source
        self._number += line.starts
        if self._is_empty and text.strip():
            self._is_empty = False
        if not line.starts:
            if source.inside:
                source.scan(text, line.ends)
            return
        if text[:1] == "[" or text[:1].isdigit():
            text = _PREFIX.sub("", text, count=1)
        if source.inside:
            if not (source.resumes(text) if source.in_string else self._ends_source(text)):
                source.scan(text, line.ends)
                return
        elif source.provisional and _is_rule(text):
            self._take_back()
            source.end(provisional=False)
            return
        elif _SOURCE_START.match(text):
            if source.provisional:
                self._take_back()
            elif self._run.has_results:
                self._begin_run()
            self._saved = (dict(self._run.facts), self._runs, self._previous)
            self._source_began = self._number
            source.begin(text, line.ends)
            return
        if len(text) > DUMP_CHARS_MAX or "{" in text:
            return
        if not line.ends and not is_finished(text):
            text = text.rpartition(" ")[0]
        if self._run.has_results:
            begins = _BEGINS_RUN.match(text)
            if begins or self._run.restarts_at(text):
                self._begin_run(keep_facts=not begins)
        self._keep(text)
        self._run.take(text)

    def _keep(self, text: str) -> None:
        if len(text) <= LINE_CHARS_MAX and text.strip():
            self._kept.append((self._number, text))
            if len(self._kept) >= 2 * KEPT_LINES_MAX:
                del self._kept[KEPT_LINES_MAX // 2 : -KEPT_LINES_MAX // 2]

    def _ends_source(self, text: str) -> bool:
        if _is_rule(text):
            self._source.end(provisional=False)
            return True
        if text[:1].isspace() or "{" in text or len(text) > LINE_CHARS_MAX:
            return False
        if _BEGINS_RUN.match(text) or _TWO_PAIRS.match(text) or states_result(text):
            self._source.end(provisional=True)
            return True
        return False

    def _take_back(self) -> None:
        facts, self._runs, self._previous = self._saved
        self._run = Run(facts)
        del self._began[self._runs :]
        while self._kept and self._kept[-1][0] >= self._source_began:
            self._kept.pop()

    def _begin_run(self, keep_facts: bool = False) -> None:
        self._previous = self._run
        self._run = Run(self._run.facts if keep_facts else None)
        self._runs += 1
        self._began.append(self._number)

    def finish(self) -> Reading:
        goes_back = self._previous is not None and not self._run.has_results
        run, runs = (self._previous, self._runs - 1) if self._previous and goes_back else (self._run, self._runs)
        began, until = self._began[-2:] if goes_back else (self._began[-1], self._number + 1)
        return Reading(
            run=run,
            runs=runs,
            is_empty=self._is_empty,
            ends_in_source=self._source.inside and not goes_back,
            lines=[line for line in self._kept if began <= line[0] < until],
        )
