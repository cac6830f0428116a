"""A training log → numbers, for every dialect people log in; a number the log does not settle is None with a reason.

What is surprising about these logs:

- They begin with the source of their own script, so a result counts only outside an embedded source (`_Source`).
- Several runs may share one file; the last one counts.
- The last score is not always the submitted one: diagnostics and failed test-time training are printed too. The
  final score is the last scored line that is no diagnostic, unless another is clearly better: then the log
  alone settles nothing, and `candidates` says what there is to choose from.
- `Total submission size: N` without a codec is the raw model, not the artifact, unless the arithmetic says otherwise.

Files are streamed in constant memory whatever their size or longest line, and every expression here is linear.
"""

import hashlib
import itertools
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from golf.errors import UnreadableInput
from golf.schema import LogPoint, TrainingLog

FRAGMENT_CHARS = 8192
"""Longest piece of a line held at once."""
LINE_CHARS_MAX = 600
"""Longer lines are payloads and state no result."""
DUMP_CHARS_MAX = 4096
"""Hyperparameters may be dumped on one line up to this long."""
HEAD_BYTES = 8192
"""Read from the beginning of a file to tell text from binary."""
TAIL_BYTES = 1 << 16
"""First look at the end of a growing file; a second one reads 16 times as much."""
POINTS_MAX = 1000
"""Training points kept per log, and as many validation points; beyond it every second one is dropped."""
NAMES_MAX = 256
"""Labels and hyperparameters kept per log."""
BETTER_BPB = 0.002
"""Another score better than the last one by more than this makes the final score unsettled."""
CLAIM_BPB = 0.000_06
"""A score this near to a claimed one is the claimed one, rounded to 4 decimals."""
FILES_MAX = 400
"""Log files read in one folder."""
JSON_BYTES_MAX = 1 << 20

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|nan|inf)"
_PREFIX = re.compile(
    r"(?:\[(?:default|rank)?\d[\d:.,T +-]{0,40}\]:? ?)?(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S{0,16} |\d+\.\d+s? )?"
)
"""What launchers and loggers put before a line: a rank, a clock, elapsed seconds or a Unix time."""
_SCORE = re.compile(
    rf"(?:\bsliding )?\bval_loss\s?[:=]\s*(?P<loss>{_NUMBER}),?\s+(?:sliding )?val_bpb\s?[:=]\s*(?P<bpb>{_NUMBER})"
)
_BPB_ONLY = re.compile(rf"(?:\bval_|\b(?:\w{{1,20}}_)?mix_)bpb\s?[:=]\s*(?P<bpb>{_NUMBER})")
"""Scores printed without a loss; `mix_bpb` is what mixtures with an n-gram or PPM model call theirs."""
_LABEL = re.compile(r"[A-Za-z][\w+./: -]{0,79}")
_STEP = re.compile(r"(?:step\s{0,4}[:=]?\s{0,8}(\d+)(?:/(\d+))?|(\d+)/(\d+))(?=[\s:])")
_FIRST_STEP = re.compile(r"(?:step\s{0,4}[:=]?\s{0,8})?[01]/(\d{1,12})(?=[\s:])")
_STOP = re.compile(r"stopping[_ ]early\b", re.IGNORECASE)
_STOP_STEP = re.compile(r"\bstep[: ]\s?(\d+)(?:/(\d+))?")
_STOP_TIME = re.compile(r"\b(?:train_time|time|t):\s?(\d{1,12}(?:\.\d{1,12})?)(ms|s)(?=[\s,)]|$)")
_PAIR = re.compile(rf"\b(train_loss|loss|val_loss|val_bpb)(?:\s?[:=]\s*|\s)({_NUMBER})")
_TRAIN_TIME = re.compile(r"\b(train_time|t)\s?[:=]\s*(\d{1,12}(?:\.\d{1,12})?)(ms|s|m)(?=[\s,)]|$)")
_EVAL_TIME = re.compile(
    r"\b(?:eval_time|time|elapsed|total_time|eval|t)[:=]\s*(\d{1,12}(?:\.\d{1,12})?)(ms|s)(?=[\s,)]|$)"
)
_TOTAL_EVAL = re.compile(r"total_eval_time[:=]\s*(\d{1,12}(?:\.\d{1,12})?)(ms|s)\b")
_TOTAL = re.compile(r"\bTotal submission(?: size)?(?P<codec>[^:]{0,40}):\s*(?P<bytes>\d[\d,]{0,14}) bytes")
_UNCOMPRESSED = re.compile(r"\b(?:raw|fp32|bf16|fp16)\b(?!.*[+])")
_STATED = re.compile(
    r"\b(?:total_)?artifact_bytes\s?[:=]\s*(?P<bytes>\d[\d,]{0,14})\b|\b(?:budget|total):(?P<share>\d{1,15})/\d{7,9}\b"
    r"|^\s*Artifact(?: size)?:\s*(?P<size>\d[\d,]{0,14}) bytes"
)
_MODEL = re.compile(r"\bSerialized model(?P<codec>[^:]{0,40}):\s*(?P<bytes>\d[\d,]{0,14}) bytes")
_CODE = re.compile(r"\bCode(?: size)?(?: \((?P<kind>uncompressed|compressed)\))?:\s*(?P<bytes>\d[\d,]{0,14}) bytes")
_CODE_SHORT = re.compile(r"artifact:\S+ .*\bcode:(?P<bytes>\d{1,15})(?:\s|$)")
_MEMORY = re.compile(r"\bpeak memory(?: allocated)?: (\d{1,9}) MiB")
_NAMED = re.compile(r"([A-Za-z_]\w{0,63})[:=](\S*)")
_DUMPED = re.compile(r"\s{1,8}([A-Za-z_]\w{0,63}): (.{0,200})$")
_SHARDS = re.compile(r"\btrain_shards:\s?(\d{1,9})\b")
_VAL_TOKENS = re.compile(r"(?:\bval_tokens:\s?|^val_loader:.* tokens:)(\d{1,15})\b")
_SIZE_OR_TIME = re.compile(r"ubmission|Serialized|Code|code:|rtifact|budget:|total:|peak mem|total_eval")

_DIAGNOSTIC = re.compile(
    r"diag|pre[-_ ]?quant|pre[-_ ]codebook|^post[-_](?!quant)|(?:^|_)(?:raw|ema|swa|static|warmup|snapshot|candidate"
    r"|control|mean|best|delta)(?=[-_ :.]|$)|search|sweep|probe|debug|ablation|baseline|unpaid|neural_only|selected_"
    r"|timed_eval|progress"
)
_DONE = re.compile(r":\s?done$|\bdone\b|chunk|batch|windows")
_BEGINS_RUN = re.compile(r"Hyperparameters:|Running Python \d|val_bpb:enabled\b|train_loader:")

_RULE = re.compile(r"={20,}$")
_SOURCE_START = re.compile(
    r"from\s+[\w.]+\s+import\b|import\s+[\w.]+(?:\s+as\s+\w+)?\s*(?:[,;#]|$)|(?:async\s+)?def\s+\w+\s*\(|class\s+\w+\s*[(:]"
    r"|@[A-Za-z_][\w.]*(?:\(|$)|#!|[rRbBuU]{0,2}(?:\"\"\"|''')|if\s+__name__\s*=="
)
_QUOTE = re.compile(r"\\.|'''|\"\"\"|'|\"|#")
_TWO_PAIRS = re.compile(r"[A-Za-z_]\w*:[^\s(\[{'\"]+ [A-Za-z_]\w*:[^\s(\[{'\"]+(?:\s|$)")

_SEED_IN_NAME = re.compile(r"(?:^|[^A-Za-z0-9])(?:seed|s)[-_]?(\d{1,10})(?![A-Za-z0-9])", re.IGNORECASE)
_SEED_FOLDER = re.compile(r"(?:^|.*[^A-Za-z0-9])seed[-_]?(\d{1,10})", re.IGNORECASE)
_SEED_IN_LINE = re.compile(r"(?:^|\s)(?:seed[:=]\s?|s:)(\d{1,10})(?:\s|$)", re.IGNORECASE)


# --- reading ----------------------------------------------------------------------------------


def read_log(path: Path, expected_bpb: float | None = None) -> TrainingLog:
    """Read one training log.

    `expected_bpb` (bits per byte) is what submission.json or a README claims for this log: it chooses among the scores
    that the log states and never becomes one. The seed in the file's name is preferred over the one printed, which is
    often the script's default.

    Raises UnreadableInput when the file is missing, binary or not text.
    """
    path = Path(path)
    encoding = _encoding(path)
    reader = _Reader()
    try:
        with path.open(encoding=encoding, errors="replace") as file:
            for line in _lines(file):
                reader.take(line)
    except OSError as e:
        raise UnreadableInput(f"cannot read {path}: {e.strerror or e}; check the path and its permissions") from e
    return _conclude(path, reader, expected_bpb)


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
            point = _newest(data.decode(encoding, errors="replace"), whole=start == 0)
            if point is not None or start == 0:
                return point
    except OSError as e:
        raise UnreadableInput(f"cannot read {path}: {e.strerror or e}; check the path and its permissions") from e
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
    for path in sorted(_log_files(folder), key=lambda p: (seed_in_name(p) is None, str(p))):
        try:
            digest = _digest(path)
            if digest in seen:
                continue
            seen.add(digest)
            log = read_log(path)
            claim = expected.get(log.seed) if log.seed is not None else None
            if claim is None and log.final_bpb is None:
                claim = expected.get(None)  # a mean over seeds, so only where the log alone leaves the choice open
            if claim is not None and claim != log.final_bpb and log.candidates:
                log = read_log(path, claim)
        except (UnreadableInput, OSError):
            continue  # a folder may hold other files; one that is no log says nothing about the rest
        if log.points or log.candidates:
            logs.append(log)
    return sorted(logs, key=lambda log: (log.seed is None, log.seed or 0, log.path))


def seed_in_name(path: Path) -> int | None:
    """Seed carried by a file's name (`train_seed42.log`, `log_s7.txt`) or its folder's (`seed_1337/run.log`)."""
    found = _SEED_IN_NAME.findall(Path(path).stem)
    if found:
        return int(found[-1])
    in_folder = _SEED_FOLDER.fullmatch(Path(path).parent.name)
    return int(in_folder[1]) if in_folder else None


class _Line(NamedTuple):
    """A line, or a piece of one that is too long to hold."""

    text: str
    starts: bool
    """The piece begins a line."""
    ends: bool
    """The piece is ended by a line break."""


def _lines(file: TextIO) -> Iterator[_Line]:
    starts = True
    for piece in iter(lambda: file.readline(FRAGMENT_CHARS), ""):
        ends = piece.endswith("\n")
        yield _Line(piece.rstrip("\n"), starts, ends)
        starts = ends


def _encoding(path: Path) -> str:
    """Encoding of a text file; raises UnreadableInput for anything that is no text."""
    if path.exists() and not path.is_file():
        raise UnreadableInput(f"{path} is not a file; give the text log of one run")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as e:
        raise UnreadableInput(f"cannot read {path}: {e.strerror or e}; check the path and its permissions") from e
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
        if name.lower().endswith((".log", ".txt")) and not (Path(root) / name).is_symlink()
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
            if path.stat().st_size > JSON_BYTES_MAX:
                continue
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if not isinstance(data, dict):
            continue
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


def _newest(text: str, whole: bool) -> LogPoint | None:
    """Newest step line in a file's tail; `whole` when the text begins where the file does."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    del lines[-1]  # unfinished, or empty
    reader = _Reader()
    for line in lines if whole else lines[1:]:
        if not whole and _RULE.match(line):  # the tail may begin inside the source: whatever came before is void
            reader = _Reader()
        reader.take(_Line(line[:FRAGMENT_CHARS], starts=True, ends=True))
    newest = reader.finish().newest
    return newest.noun if newest else None


# --- embedded source --------------------------------------------------------------------------


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
        self._ruled = bool(_RULE.match(text.rstrip()))
        if resumed:
            self.end(provisional=True)
        return resumed

    def scan(self, text: str, ends: bool) -> None:
        """Follow the quotes of one piece of source."""
        quote = self._quote
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
        self.run = _Run()
        self.runs = 1
        self.is_empty = True
        self.unended_source = False
        self._source = _Source()
        self._previous: _Run | None = None
        self._saved: tuple[dict[str, str], int, _Run | None] = ({}, 1, None)
        """Facts, count of runs and previous run as they were when the current source began."""

    def take(self, line: _Line) -> None:
        text, source = line.text, self._source
        self.is_empty = self.is_empty and not text.strip()
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
        elif source.provisional and _RULE.match(text.rstrip()):
            self._take_back()
            source.end(provisional=False)
            return
        elif _SOURCE_START.match(text):
            if source.provisional:
                self._take_back()
            elif self.run.has_results:
                self._begin_run()
            self._saved = (dict(self.run.facts), self.runs, self._previous)
            source.begin(text, line.ends)
            return
        if len(text) > DUMP_CHARS_MAX or "{" in text:
            return
        if not line.ends and not _is_finished(text):
            text = text.rpartition(" ")[0]
        if self.run.has_results:
            begins = _BEGINS_RUN.match(text)
            if begins or self.run.restarts_at(text):
                self._begin_run(keep_facts=not begins)
        self.run.take(text)

    def _ends_source(self, text: str) -> bool:
        if _RULE.match(text.rstrip()):
            self._source.end(provisional=False)
            return True
        if text[:1].isspace() or "{" in text or len(text) > LINE_CHARS_MAX:
            return False
        states_something = (
            (_STEP.match(text) and _PAIR.search(text))
            or _STOP.match(text)
            or _BEGINS_RUN.match(text)
            or _TWO_PAIRS.match(text)
            or _score(text)
        )
        if states_something:
            self._source.end(provisional=True)
        return bool(states_something)

    def _take_back(self) -> None:
        facts, self.runs, self._previous = self._saved
        self.run = _Run(facts)

    def _begin_run(self, keep_facts: bool = False) -> None:
        self._previous = self.run
        self.run = _Run(self.run.facts if keep_facts else None)
        self.runs += 1

    def finish(self) -> "_Run":
        """Return the last run that came to anything."""
        self.unended_source = self._source.inside
        if self._previous and not self.run.has_results:
            self.run, self.runs, self.unended_source = self._previous, self.runs - 1, False
        return self.run


# --- one run ----------------------------------------------------------------------------------


class _Score(NamedTuple):
    label: str
    variant: str
    """` sliding` where the line says so beside its label."""
    loss: float | None
    bpb: float | None
    """None where the line says nan or inf."""
    decimals: int
    eval_time_s: float | None
    kind: str
    """`final`, `diagnostic`, or `echo` for an evaluation loop's own summary, which a scored line usually repeats."""

    @property
    def name(self) -> str:
        return self.label + self.variant


class _Point(NamedTuple):
    """A LogPoint before it is one: most are dropped again."""

    at_line: int
    step: int
    train_time_s: float | None
    train_loss: float | None
    val_loss: float | None
    val_bpb: float | None

    @property
    def noun(self) -> LogPoint:
        return LogPoint(**{name: value for name, value in self._asdict().items() if name != "at_line"})


class _Thinned:
    """Every k-th point and always the newest, k doubling so that at most POINTS_MAX are held."""

    def __init__(self) -> None:
        self._points: list[_Point] = []
        self._seen = 0
        self._every = 1
        self._newest: _Point | None = None

    def add(self, point: _Point) -> None:
        self._newest = point
        if self._seen % self._every == 0:
            self._points.append(point)
            if len(self._points) >= POINTS_MAX:
                self._points = self._points[::2]
                self._every *= 2
        self._seen += 1

    @property
    def points(self) -> list[_Point]:
        if self._newest and (not self._points or self._points[-1] is not self._newest):
            return [*self._points, self._newest]
        return self._points


class _Run:
    """What the lines of one run say."""

    def __init__(self, facts: dict[str, str] | None = None) -> None:
        self.facts: dict[str, str] = dict(facts or {})
        """Hyperparameters and counts printed before training."""
        self.training, self.validation = _Thinned(), _Thinned()
        self.newest: _Point | None = None
        self.iterations: int | None = None
        self.last_step_bpb: float | None = None
        self.train_time_s: float | None = None
        self.train_time_rounded = False
        self.stop: tuple[float | None, int | None] | None = None
        self.trained = False
        """A line was seen that only follows training."""
        self.scores: dict[str, _Score] = {}
        """Last score under each name, oldest first."""
        self.total_eval_s: float | None = None
        self.totals: dict[str, int] = {}
        self.stated: int | None = None
        """Artifact bytes from a line that names them so."""
        self.models: dict[str, int] = {}
        self.code: dict[str, int] = {}
        self.memory_bytes: int | None = None
        self._lines = 0
        self._dump = False

    @property
    def has_results(self) -> bool:
        return self.newest is not None or bool(self.scores) or self.trained

    def restarts_at(self, text: str) -> bool:
        """Is this the first step of a run whose steps have already been counted further?"""
        first = _FIRST_STEP.match(text)
        return bool(first) and self.newest is not None and self.newest.step >= 10 and int(first[1]) == self.iterations

    def take(self, text: str) -> None:
        """Read one line that belongs to the log itself."""
        self._lines += 1
        if len(text) > LINE_CHARS_MAX:
            if self.newest is None:
                self._fact(text)
        elif match := _STEP.match(text):
            self._dump = False
            self._step(match, text)
        elif _STOP.match(text):
            self._stop(text)
        elif "bpb" in text and (score := _score(text)):
            self.trained = self.trained or score.kind != "diagnostic"
            self.scores.pop(score.name, None)  # the newest stands last
            if len(self.scores) >= NAMES_MAX:
                del self.scores[next(iter(self.scores))]
            self.scores[score.name] = score
        elif not (self.newest is None and self._fact(text)) and _SIZE_OR_TIME.search(text):
            self._size_or_time(text)

    def _step(self, match: re.Match[str], text: str) -> None:
        step, iterations = _of_step(match)
        if step is None or len(step) > 12 or (iterations and len(iterations) > 12):
            return
        pairs = {name: _finite(value) for name, value in _PAIR.findall(text)}
        train_time = _TRAIN_TIME.search(text)
        if not pairs and not train_time:
            return  # `step:4902 late_qat`, a checkpoint's note
        seconds = None
        if train_time:
            seconds = _seconds(train_time[2], train_time[3])
            self.train_time_s, self.train_time_rounded = seconds, train_time[3] == "m"
        self.iterations = int(iterations) if iterations else self.iterations
        point = _Point(
            at_line=self._lines,
            step=int(step),
            train_time_s=seconds,
            train_loss=pairs.get("train_loss", pairs.get("loss")),
            val_loss=pairs.get("val_loss"),
            val_bpb=pairs.get("val_bpb"),
        )
        self.newest = point
        if "val_bpb" in pairs:
            self.last_step_bpb = point.val_bpb
            self.validation.add(point)
        else:
            self.training.add(point)

    def _stop(self, text: str) -> None:
        seconds, step = _STOP_TIME.search(text), _STOP_STEP.search(text)
        self.stop = (
            _seconds(seconds[1], seconds[2]) if seconds else None,
            int(step[1]) if step and len(step[1]) <= 12 else None,
        )
        self.trained = True

    def _fact(self, text: str) -> bool:
        """`  seed: 42` in a dump, or a line made of `name:value` only."""
        if text.startswith("Hyperparameters:"):
            self._dump = True
            return True
        if len(self.facts) >= NAMES_MAX:
            return False
        if self._dump and (dumped := _DUMPED.match(text)):
            self.facts[dumped[1]] = dumped[2].strip()
            return True
        for name, found in (("train_shards", _SHARDS), ("val_tokens", _VAL_TOKENS), ("seed", _SEED_IN_LINE)):
            if match := found.search(text):
                self.facts[name] = match[1]
        pairs = [_NAMED.fullmatch(token) for token in text.split()]
        if not pairs or not all(pairs):
            return False
        for pair in pairs:
            if pair and len(self.facts) < NAMES_MAX and len(pair[2]) <= 200 and not pair[1].endswith("_step"):
                self.facts.setdefault(pair[1], pair[2])
        return True

    def _size_or_time(self, text: str) -> None:
        if match := _TOTAL_EVAL.match(text):
            self.total_eval_s = _seconds(match[1], match[2])
        elif match := _MEMORY.match(text):
            self.memory_bytes, self.trained = int(match[1]) << 20, True
        elif match := _TOTAL.search(text):
            self.trained = True
            _keep(self.totals, match["codec"].strip(), match["bytes"])
        elif match := _STATED.search(text):
            self.trained, self.stated = True, _whole(match[match.lastgroup or 0])
        elif match := _MODEL.search(text):
            self.trained = True
            _keep(self.models, match["codec"].strip(), match["bytes"])
        if match := _CODE.search(text):
            self.code[match["kind"] or "plain"] = int(match["bytes"].replace(",", ""))
        elif match := _CODE_SHORT.match(text):
            self.code["plain"] = int(match["bytes"])


def _score(text: str) -> _Score | None:
    """Read a labelled line that states val_bpb after training, or return None."""
    match = _SCORE.search(text) or _BPB_ONLY.search(text)
    if not match:
        return None
    head = text[: match.start()].strip().rstrip(":").rstrip()
    words = head.rpartition(": ")[2].split() if _LABEL.fullmatch(head.rpartition(": ")[2]) else head.split()
    while len(words) > 1 and re.fullmatch(r"[a-z_]+[:=]\S*", words[-1]) and not _DONE.search(words[-1]):
        words.pop()
    label = " ".join(words)
    if not _LABEL.fullmatch(label) or len(words) > 4:
        return None
    loss = match.groupdict().get("loss")
    lowered = label.lower()
    if _DIAGNOSTIC.search(lowered):
        kind = "diagnostic"
    elif "mix_" in match[0] or _DONE.search(lowered) or "val_bpb=" in match[0]:
        kind = "echo"
    elif loss is None and not (lowered.startswith(("final", "quantized", "legal_ttt")) and head == label):
        kind = "diagnostic"
    else:
        kind = "final"
    eval_time = _EVAL_TIME.search(text, match.end())
    return _Score(
        label=label,
        variant=" sliding" if "sliding val_bpb" in match[0] else "",
        loss=_finite(loss) if loss else None,
        bpb=_finite(match["bpb"]),
        decimals=_decimals(match["bpb"]),
        eval_time_s=_seconds(eval_time[1], eval_time[2]) if eval_time else None,
        kind=kind,
    )


def _is_finished(text: str) -> bool:
    """Is the last word of an unterminated line whole? A unit or a full-width score says so."""
    if re.search(r"\d(?:ms|s)$| bytes$| MiB$|\)$", text[-32:]):
        return True
    match = _SCORE.search(text)
    # loss and bpb are printed with equally many decimals; a cut number has fewer
    return bool(match) and match.end() == len(text) and _decimals(match["bpb"]) >= _decimals(match["loss"]) > 0


def _of_step(match: re.Match[str]) -> tuple[str | None, str | None]:
    return (match[1], match[2]) if match[1] else (match[3], match[4])


def _decimals(number: str) -> int:
    return len(number.partition(".")[2])


def _seconds(number: str, unit: str) -> float:
    return round(float(number) * {"ms": 0.001, "s": 1.0, "m": 60.0}[unit], 6)


def _finite(number: str) -> float | None:
    value = float(number)
    return value if math.isfinite(value) and value >= 0 else None


def _keep(sizes: dict[str, int], codec: str, number: str) -> None:
    if codec in sizes or len(sizes) < NAMES_MAX:
        sizes.pop(codec, None)
        sizes[codec] = int(number.replace(",", ""))


# --- conclusions ------------------------------------------------------------------------------


def _conclude(path: Path, reader: _Reader, expected_bpb: float | None) -> TrainingLog:
    run = reader.finish()
    missing: dict[str, str] = {}
    if reader.is_empty:
        nothing = "the file is empty"
    elif reader.unended_source:
        nothing = "the log ends inside the source it embeds"
    elif reader.runs > 1:
        nothing = f"not stated by the last of the {reader.runs} runs in this log"
    else:
        nothing = "no line states it"

    final = _final(run, expected_bpb, missing)
    values: dict[str, Any] = {
        "seed": _first(seed_in_name(path), _whole(run.facts.get("seed"))),
        "final_bpb": final.bpb if final else None,
        "final_loss": final.loss if final else None,
        "final_label": final.label if final else None,
        "artifact_bytes": _artifact_bytes(run, missing),
        "model_bytes": _model_bytes(run),
        "train_time_s": _train_time(run, missing),
        "eval_time_s": _eval_time(run, final, missing),
        "steps": _steps(run, missing),
        "iterations": _first(run.iterations, _whole(run.facts.get("iterations"))),
        "memory_bytes": run.memory_bytes,
        "model_params": _first(_whole(run.facts.get("model_params")), _whole(run.facts.get("params"))),
        "world_size": _first(_whole(run.facts.get("world_size")), _whole(run.facts.get("ws"))),
        "val_tokens": _whole(run.facts.get("val_tokens")),
        "train_shards": _whole(run.facts.get("train_shards")),
        "wallclock_cap_s": _cap(run),
        "last_step_bpb": run.last_step_bpb,
    }
    for name, value in values.items():
        if value is None:
            missing.setdefault(name, nothing)
    points = sorted(run.training.points + run.validation.points)
    return TrainingLog(
        path=str(path),
        code_bytes=run.code,
        hyperparameters=run.facts,
        candidates={name: score.bpb for name, score in run.scores.items() if score.bpb is not None},
        points=[point.noun for point in points],
        missing={name: reason for name, reason in missing.items() if values.get(name) is None},
        **values,
    )


def _final(run: _Run, expected_bpb: float | None, missing: dict[str, str]) -> _Score | None:
    """Choose the last scored line that is no diagnostic, unless the log leaves the choice open."""
    scores = [score for score in run.scores.values() if score.kind != "diagnostic"]
    claimed = _claimed(scores, expected_bpb, CLAIM_BPB)
    if claimed:
        return claimed
    finals = [score for score in scores if score.kind == "final"]
    if finals:
        last = finals[-1]
        rivals = [
            s
            for s in scores
            if s.bpb is not None and (s.kind == "final" or not any(_same_pass(s, other) for other in finals))
        ]
        best = min(rivals, key=lambda s: s.bpb or 0.0, default=last)
        if last.bpb is None:
            reason = f"the last score, {last.name}, is not a finite number"
        elif (best.bpb or 0.0) < last.bpb - BETTER_BPB:
            reason = f"{best.name} {best.bpb} is better than the last score, {last.name} {last.bpb}"
        elif rivals[-1] is not last:
            reason = f"{rivals[-1].name} {rivals[-1].bpb} follows the last labelled score, {last.name} {last.bpb}"
        else:
            return last
        chosen = _claimed(scores, expected_bpb, BETTER_BPB)
        if chosen:
            return chosen
        reason += "; the log does not say which was submitted: see candidates"
    elif run.scores:
        reason = "no line is labelled as a final score; see candidates"
    elif run.last_step_bpb is not None:
        reason = "no score follows training; the last step's is in last_step_bpb"
    else:
        return None
    missing |= {"final_bpb": reason, "final_loss": reason, "final_label": reason}
    return None


def _claimed(scores: list[_Score], expected_bpb: float | None, within: float) -> _Score | None:
    """Pick the last score within so many bits per byte of what a submission claims, when all of those agree."""
    if expected_bpb is None:
        return None
    near = [s for s in scores if s.bpb is not None and abs(s.bpb - expected_bpb) <= within]
    return near[-1] if near and all(_same_pass(s, near[-1], losses=False) for s in near) else None


def _artifact_bytes(run: _Run, missing: dict[str, str]) -> int | None:
    totals = {codec: total for codec, total in run.totals.items() if codec and not _UNCOMPRESSED.search(codec)}
    if run.stated is not None:
        totals["artifact"] = run.stated
    if len(set(totals.values())) == 1:
        return next(iter(totals.values()))
    if totals:
        sizes = ", ".join(f"{codec} {total}" for codec, total in itertools.islice(totals.items(), 4))
        missing["artifact_bytes"] = f"the log states several totals and not which was submitted: {sizes}"
        return None
    raw = run.totals.get("")
    models = [size for codec, size in run.models.items() if codec]
    if raw is not None and any(raw == model + code for model in models for code in run.code.values()):
        return raw
    if raw is not None:
        missing["artifact_bytes"] = "only the uncompressed model's total is stated"
    return None


def _model_bytes(run: _Run) -> int | None:
    sizes = {size for codec, size in run.models.items() if codec}
    return sizes.pop() if len(sizes) == 1 else None


def _train_time(run: _Run, missing: dict[str, str]) -> float | None:
    stop_s = run.stop[0] if run.stop else None
    if stop_s is not None:
        if not run.train_time_rounded and stop_s < (run.train_time_s or 0.0):
            missing["train_time_s"] = (
                f"the log contradicts itself: stopped at {stop_s} s, a step at {run.train_time_s} s"
            )
            return None
        return stop_s
    if reason := _unsettled_end(run):
        missing["train_time_s"] = reason
        return None
    if run.train_time_rounded:
        missing["train_time_s"] = f"only a rounded time is stated, about {run.train_time_s} s"
        return None
    return run.train_time_s


def _steps(run: _Run, missing: dict[str, str]) -> int | None:
    if run.stop and run.stop[1] is not None:
        return run.stop[1]
    if reason := _unsettled_end(run):
        missing["steps"] = reason
        return None
    return run.newest.step if run.newest else None


def _unsettled_end(run: _Run) -> str:
    """Reason why the last step line may not be where training ended; empty when it is."""
    if run.newest is None:
        return "this run trains no step"
    if run.iterations is not None and run.newest.step >= run.iterations:
        return ""
    if not run.trained:
        return f"training had not ended at step {run.newest.step}"
    if run.newest.val_bpb is None and run.newest.val_loss is None:
        return f"training went on for an unknown number of steps after the last line, step {run.newest.step}"
    return ""


def _eval_time(run: _Run, final: _Score | None, missing: dict[str, str]) -> float | None:
    """Time of the whole evaluation where it is stated, else of the pass that the final score stands on, seconds."""
    if run.total_eval_s is not None:
        return run.total_eval_s
    if final is None:
        missing["eval_time_s"] = "no final score whose pass was timed"
        return None
    twins = [s for s in reversed(run.scores.values()) if s.eval_time_s is not None and _same_pass(s, final)]
    twins.sort(key=lambda s: (s.name != final.name, s.kind == "echo"))
    if not twins:
        missing["eval_time_s"] = f"no line times the pass of {final.name}"
        return None
    if not twins[0].eval_time_s:
        missing["eval_time_s"] = f"{twins[0].name} states 0 ms: the pass was not timed"
        return None
    return twins[0].eval_time_s


def _same_pass(one: _Score, other: _Score, losses: bool = True) -> bool:
    """Do two lines print the same score, each to its own number of decimals?"""
    if one.bpb is None or other.bpb is None:
        return False
    half_a_digit = 0.51 * 10.0 ** -min(one.decimals, other.decimals, 12)
    same_loss = not losses or one.loss is None or other.loss is None or abs(one.loss - other.loss) <= half_a_digit
    return same_loss and abs(one.bpb - other.bpb) <= half_a_digit


def _cap(run: _Run) -> float | None:
    value = run.facts.get("max_wallclock_seconds", "")
    return float(value) if re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", value) else None


def _whole(value: str | None) -> int | None:
    return int(value.replace(",", "")) if value and re.fullmatch(r"[\d,]{1,15}", value) and value[0] != "," else None


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
