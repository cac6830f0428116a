"""What a text says of time: training, how much slower it gets, GPU hours.

Training time is that of the challenge's eight H100: on fewer of them it is converted, on another machine it says
nothing of ours.
"""

import re
from bisect import bisect
from collections.abc import Iterator

from golf.research.statements import FLAGS, FREE, GAP, N, Stated, clause, is_denied, number, stated

_SLOWER = re.compile(
    rf"{FREE}{N} ?(x|×|times|%) ?(?:slower|longer|more (?:compute|time|training(?! (?:steps|tokens|data)))|overhead)",
    FLAGS,
)
_FASTER = re.compile(rf"{FREE}{N} ?(?:x|×|times) ?(?:faster|speed-?up)", FLAGS)
_NO_COST = re.compile(
    r"\b(?:no|zero|without|negligible) (?:any )?(?:additional |extra |added )?"
    r"(?:training |compute |computational |runtime )?(?:cost|overhead|slow-?down|training time)\b",
    FLAGS,
)
_UNIT = r"(seconds?|secs?|s|minutes?|mins?|hours?|hrs?|h|days?|weeks?)\b"
_FREE_OF_RANGE = r"(?<![\w.,–-])"
_NEEDS = re.compile(
    rf"\b(?:requires?|needs?|takes?|training time(?: of| is|:)?){GAP}{{0,30}}?{_FREE_OF_RANGE}{N}[ -]?{_UNIT}"
    rf"|(?<!after ){_FREE_OF_RANGE}{N}[ -]?{_UNIT}(?: of)? training\b"
    rf"|\btrain(?:s|ed|ing)?(?: [\w-]{{1,20}}){{0,3}} (?:in|for|over|takes|lasts) (?:about |roughly |~)?"
    rf"{N}[ -]?{_UNIT}",
    FLAGS,
)
_LIMIT = re.compile(
    r"(?! (?:over|beyond|above|exceed)) ?[ /\w-]{0,20}\b(?:cap|limit|budget|constraint|window|target|rule)s?\b", FLAGS
)
_WITHIN = re.compile(r"\b(?:within|under|inside|below) (?:the |a |our )?(?:strict |same )?[*]{0,2}$", FLAGS)
"""Right before a limit: what is within it needs no more."""

_MACHINE = re.compile(
    r"\b(?:(\d{1,4}|one|single) ?[x×]? ?-?(?:NVIDIA )?(H[12]00|GPU)s?\b|(H[12]00)s?\b|[ABLTV]\d{2,3}s?\b"
    r"|[RG]TX ?[A-Z\d]|\d{4} ?Ti\b|M\d (?:Max|Pro|Ultra)\b|TPU|DGX|MacBook|on (?:a |one |the )?(?:CPU|laptop))",
    FLAGS,
)
GPUS = 8
"""H100s that the challenge trains on."""

_TRAINING = re.compile(r"\btrain", FLAGS)
_DEVICE = r"(?:[HAVB]\d{3}s?|TPU\w{0,4}|GPUs?)"
_GPU_TIME = re.compile(
    rf"(?<![\w.,])(\d{{1,5}}) ?[x×]? ?(?:NVIDIA )?{_DEVICE}{GAP}{{0,30}}?\bfor {N}[ -]?{_UNIT}"
    rf"|{FREE}{N} {_DEVICE}[ -](hours?|days?)\b",
    FLAGS,
)


def slowdowns(text: str) -> Iterator[Stated]:
    """Training time as a multiple of what it was."""
    for match in _SLOWER.finditer(text):
        value = number(match[1])
        yield stated(text, match, 1 + value / 100 if match[2] == "%" else value)
    for match in _FASTER.finditer(text):
        if (value := number(match[1])) > 0:
            yield stated(text, match, 1 / value)
    if match := _NO_COST.search(text):
        yield stated(text, match, 1.0)


def training_s(text: str) -> Iterator[Stated]:
    """Seconds of training that the text says it needs, on the challenge's machine."""
    machines = list(_MACHINE.finditer(text))
    starts = [machine.start() for machine in machines]
    for match in _NEEDS.finditer(text):
        _, words = clause(text, match, 40)
        is_said = _TRAINING.search(words) and not is_denied(text, match) and "less than" not in words
        is_rule = _LIMIT.match(text, match.end()) and not _WITHIN.search(
            text[max(0, match.start() - 40) : match.start()]
        )
        if not is_said or is_rule or _is_asked(text, match):
            continue
        share = _share_of_ours(_governing(text, match, machines, starts))
        if share is not None:
            digits, unit = next((match[at], match[at + 1]) for at in (1, 3, 5) if match[at])
            yield stated(text, match, share * _seconds(digits, unit))


def _is_asked(text: str, match: re.Match[str]) -> bool:
    start, words = clause(text, match, 300)
    return words.rstrip().endswith("?") or text.startswith("?", start + len(words))


def _governing(
    text: str, match: re.Match[str], machines: list[re.Match[str]], starts: list[int]
) -> re.Match[str] | None:
    """The machine that a time was taken on: one named behind it in its line, else the last before it, else the next."""
    at = bisect(starts, match.start())
    before, behind = machines[at - 1 : at], machines[at : at + 1]
    is_near = bool(behind) and "\n" not in text[match.end() : behind[0].start()]
    is_before_in_line = bool(before) and "\n" not in text[before[0].end() : match.start()]
    if is_near and not is_before_in_line:
        return behind[0]
    return next(iter(before + behind), None)


def _share_of_ours(machine: re.Match[str] | None) -> float | None:
    """Seconds on the challenge's eight H100 per second on a machine; None for one that is not comparable."""
    if machine is None or machine[3]:
        return 1.0
    if not machine[2]:
        return None
    return (int(machine[1]) if machine[1].isdecimal() else 1) / GPUS


def gpu_hours(text: str) -> Iterator[Stated]:
    """Of experiments, on whatever machine."""
    for match in _GPU_TIME.finditer(text):
        if match[4]:
            yield stated(text, match, _seconds(match[4], match[5]) / 3600)
        else:
            yield stated(text, match, int(match[1]) * _seconds(match[2], match[3]) / 3600)


def _seconds(value: str, unit: str) -> float:
    return number(value) * {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}[unit[0].lower()]
