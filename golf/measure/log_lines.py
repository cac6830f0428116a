"""One run's lines as numbers: a line states a step, an early stop, a score, a size, a time or a setting, or nothing.

What is surprising about these lines:

- A line that only announces (`step:4902 late_qat`) or only repeats a score (an evaluation loop's summary) looks much
  like one that states it; `Score.kind` tells scores apart.
- Dialects differ in every separator, so each expression takes several; every one is linear.
- However long the run, only so many points, scores and settings are kept.

Only the log's own lines belong here; `golf.measure.log_source` finds them.
"""

import math
import re
from typing import NamedTuple

from golf.schema import LogPoint

LINE_CHARS_MAX = 600
"""Longer lines are payloads and state no result."""
POINTS_MAX = 1000
"""Training points kept per log, and as many validation points; beyond it every second one is dropped."""
NAMES_MAX = 256
"""Labels and hyperparameters kept per log."""

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|nan|inf)"
_SCORE = re.compile(
    rf"(?:\bsliding )?\bval_loss\s?[:=]\s*(?P<loss>{_NUMBER}),?\s+(?:sliding )?val_bpb\s?[:=]\s*(?P<bpb>{_NUMBER})"
)
_BPB_ONLY = re.compile(rf"(?:\bval_|\b(?:\w{{1,20}}_)?mix_)bpb\s?[:=]\s*(?P<bpb>{_NUMBER})")
"""Scores printed without a loss; `mix_bpb` is what mixtures with an n-gram or PPM model call theirs."""
_LABEL = re.compile(r"[A-Za-z][\w+./: -]{0,79}")
_STEP = re.compile(r"(?:step\s{0,4}[:=]?\s{0,8}(\d+)(?:/(\d+))?|(\d+)/(\d+))(?=[\s:])")
_FIRST_STEP = re.compile(r"(?:step\s{0,4}[:=]?\s{0,8})?[01]/(\d{1,12})(?=[\s:])")
_STOP = re.compile(r"stopping[_ ]early\b", re.IGNORECASE)
_STOP_STEP = re.compile(r"\bstep[: ]\s?(\d+)")
_STOP_TIME = re.compile(r"\b(?:train_time|time|t):\s?(\d{1,12}(?:\.\d{1,12})?)(ms|s)(?=[\s,)]|$)")
_PAIR = re.compile(rf"\b(train_loss|loss|val_loss|val_bpb)(?:\s?[:=]\s*|\s)({_NUMBER})")
_TRAIN_TIME = re.compile(r"\b(?:train_time|t)\s?[:=]\s*(\d{1,12}(?:\.\d{1,12})?)(ms|s|m)(?=[\s,)]|$)")
_EVAL_TIME = re.compile(
    r"\b(?:eval_time|time|elapsed|total_time|eval|t)[:=]\s*(\d{1,12}(?:\.\d{1,12})?)(ms|s)(?=[\s,)]|$)"
)
_TOTAL_EVAL = re.compile(r"total_eval_time[:=]\s*(\d{1,12}(?:\.\d{1,12})?)(ms|s)\b")
_TOTAL = re.compile(r"\bTotal submission(?: size)?(?P<codec>[^:]{0,40}):\s*(?P<bytes>\d[\d,]{0,14}) bytes")
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
_VAL_TOKENS = re.compile(r"(?:\bval_tokens:\s?|^val_loader:.* tokens:|^Validation tokens: )(\d[\d,]{0,18})\b")
_COUNTS = (("train_shards", "train_shards", _SHARDS), ("val_tokens", "tokens:", _VAL_TOKENS))
"""Name, a word of every line that states it, and the line."""
_SEED_IN_LINE = re.compile(r"(?:^|\s)(?:seed[:=]\s?|s:)(\d{1,10})(?:\s|$)", re.IGNORECASE)
_SIZE_OR_TIME = (
    "ubmission", "Serialized", "Code", "code:", "rtifact", "budget:", "total:", "peak mem", "total_eval",
)  # fmt: skip
"""One of them is in every line that states a size, or the time of a whole evaluation."""
_DIAGNOSTIC = re.compile(
    r"diag|pre[-_ ]?quant|pre[-_ ]codebook|^post[-_](?!quant)|baseline"
    r"|(?:^|_)(?:raw|ema|swa|static|warmup)(?=[-_ :.]|$)"
)
"""In a label: a score of something else than what is submitted."""
_ASIDE = re.compile(
    r"(?:^|_)(?:snapshot|candidate|control|mean|best|delta)(?=[-_ :.]|$)|search|sweep|probe|debug|ablation|unpaid"
    r"|neural_only|selected_|timed_eval|progress"
)
"""In a label: a score beside the submitted one, unless that is what is claimed."""
_DONE = re.compile(r":\s?done$|\bdone\b|chunk|batch|windows")


class Score(NamedTuple):
    """A labelled score, as its line states it."""

    label: str
    variant: str
    """` sliding` where the line says so beside its label."""
    loss: float | None
    bpb: float | None
    """None where the line says nan or inf."""
    decimals: int
    """Digits of the bits per byte after the point: how far two lines can be told apart."""
    eval_time_s: float | None
    kind: str
    """`final`, `diagnostic`, `echo` for an evaluation loop's own summary, which a scored line usually repeats, or
    `aside` for one that only a claim makes the submitted: without a loss, or one of several that were tried."""

    @property
    def name(self) -> str:
        """What the score is kept under: a later one of the same name replaces it."""
        return self.label + self.variant


class Point(NamedTuple):
    """A LogPoint before it is one: most are dropped again."""

    at_line: int
    step: int
    train_time_s: float | None
    train_loss: float | None
    val_loss: float | None
    val_bpb: float | None

    @property
    def noun(self) -> LogPoint:
        """The point as the schema has it."""
        return LogPoint(**{name: value for name, value in self._asdict().items() if name != "at_line"})


class _Thinned:
    """Every k-th point and always the newest, k doubling so that at most POINTS_MAX are held."""

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._seen = 0
        self._every = 1
        self._newest: Point | None = None

    def add(self, point: Point) -> None:
        self._newest = point
        if self._seen % self._every == 0:
            self._points.append(point)
            if len(self._points) >= POINTS_MAX:
                self._points = self._points[::2]
                self._every *= 2
        self._seen += 1

    @property
    def points(self) -> list[Point]:
        if self._newest and (not self._points or self._points[-1] is not self._newest):
            return [*self._points, self._newest]
        return self._points


class Run:
    """What the lines of one run say, unjudged; bytes and seconds. Begins with the facts given."""

    def __init__(self, facts: dict[str, str] | None = None) -> None:
        self.facts: dict[str, str] = dict(facts or {})
        """Hyperparameters and counts printed before training."""
        self.training, self.validation = _Thinned(), _Thinned()
        self.newest: Point | None = None
        self.iterations: int | None = None
        self.last_step_bpb: float | None = None
        self.train_time_s: float | None = None
        self.train_time_rounded = False
        """It was stated in minutes."""
        self.stop: tuple[float | None, int | None] | None = None
        """Seconds and step at which training stopped early, where stated."""
        self.trained = False
        """A line was seen that only follows training."""
        self.scores: dict[str, Score] = {}
        """Last score under each name, oldest first."""
        self.total_eval_s: float | None = None
        self.totals: dict[str, int] = {}
        """Bytes of `Total submission size` by what follows those words, usually a codec."""
        self.stated: int | None = None
        """Artifact bytes from a line that names them so."""
        self.models: dict[str, int] = {}
        """Bytes of `Serialized model`, likewise."""
        self.code: dict[str, int] = {}
        """Bytes of code: `plain`, `uncompressed` or `compressed`."""
        self.memory_bytes: int | None = None
        self._lines = 0
        self._dump = False

    @property
    def has_results(self) -> bool:
        """Has the run come to anything, beyond its settings?"""
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
            self.trained = self.trained or score.kind not in ("diagnostic", "aside")
            self.scores.pop(score.name, None)  # the newest stands last
            if len(self.scores) >= NAMES_MAX:
                del self.scores[next(iter(self.scores))]
            self.scores[score.name] = score
        elif not (self.newest is None and self._fact(text)) and any(word in text for word in _SIZE_OR_TIME):
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
            seconds = _seconds(train_time[1], train_time[2])
            self.train_time_s, self.train_time_rounded = seconds, train_time[2] == "m"
        self.iterations = int(iterations) if iterations else self.iterations
        point = Point(
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
        for name, word, found in _COUNTS:
            if word in text and (match := found.search(text)):
                self.facts[name] = match[1]
        if match := _SEED_IN_LINE.search(text):
            self.facts["seed"] = match[1]
        pairs = []
        for token in text.split():
            pairs.append(_NAMED.fullmatch(token))
            if not pairs[-1]:
                return False
        if not pairs:
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
            self.trained, self.stated = True, whole(match[match.lastgroup or 0])
        elif match := _MODEL.search(text):
            self.trained = True
            _keep(self.models, match["codec"].strip(), match["bytes"])
        if match := _CODE.search(text):
            self.code[match["kind"] or "plain"] = int(match["bytes"].replace(",", ""))
        elif match := _CODE_SHORT.match(text):
            self.code["plain"] = int(match["bytes"])


def _score(text: str) -> Score | None:
    """Read a labelled line that states val_bpb after training, or return None."""
    match = _SCORE.search(text) or _BPB_ONLY.search(text)
    if not match:
        return None
    head = text[: match.start()].strip().rstrip(":").rstrip() or match[0].partition("bpb")[0] + "bpb"
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
    elif _ASIDE.search(lowered):
        kind = "aside"
    elif "mix_" in match[0] or _DONE.search(lowered) or "val_bpb=" in match[0]:
        kind = "echo"
    elif loss is None and not (lowered.startswith(("final", "quantized", "legal_ttt")) and head == label):
        kind = "aside"
    else:
        kind = "final"
    eval_time = _EVAL_TIME.search(text, match.end())
    return Score(
        label=label,
        variant=" sliding" if "sliding val_bpb" in match[0] else "",
        loss=_finite(loss) if loss else None,
        bpb=_finite(match["bpb"]),
        decimals=_decimals(match["bpb"]),
        eval_time_s=_seconds(eval_time[1], eval_time[2]) if eval_time else None,
        kind=kind,
    )


def states_result(text: str) -> bool:
    """Does the line state a step's numbers, an early stop or a labelled score?"""
    return bool((_STEP.match(text) and _PAIR.search(text)) or _STOP.match(text) or _score(text))


def is_finished(text: str) -> bool:
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


def whole(value: str | None) -> int | None:
    """Whole number of at most 15 digits and commas, or None when the text is none."""
    return int(value.replace(",", "")) if value and re.fullmatch(r"[\d,]{1,15}", value) and value[0] != "," else None
