"""Two runs compared: is the gain more than seeds do, is it enough for a record, how many seeds would settle it.

Two traps are built in. A bar in nats is not a bar in BPB: 0.005 nats a token is 0.0019 to 0.0030 BPB, depending on how
many tokens a byte takes, which is measured on each side from its own losses. And a p-value is one look at one idea:
the best of many looks good by chance, so that the number of looks belongs to the question.

Source of the bars: openai/parameter-golf README, "Submission Process" 1 (written); pull request #1902 (applied).
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from golf.errors import UnreadableInput
from golf.measure.significance import Spread, more_seeds, welch
from golf.rulings import ComparedSide, Comparison

BAR_NATS = 0.005
"""Gain that a record must show, nats per token."""

WRITTEN_LEVEL, APPLIED_LEVEL = 0.01, 0.25

SAME_TOKENIZER = 1e-3
"""Relative difference of tokens per byte up to which two sides share a tokenizer; others are 5 % apart or more."""

SEEDS_USUAL = 3
"""Seeds of a record, by custom: "an average over 3 training runs is sufficient"."""

_SEEDS_SHOWN, _WARNINGS_SHOWN, _WARNING_CHARS = 10, 4, 180  # an answer stays under 2 kB


@dataclass(frozen=True)
class Sample:
    """The scores of one run, one per seed."""

    name: str
    scores: tuple[float, ...]
    """val_bpb."""
    seeds: tuple[int, ...] = ()
    """In the order of `scores`, or empty when they are not known."""
    losses: tuple[float, ...] = ()
    """val_loss, nats per token, in the order of `scores`, or empty."""
    warnings: tuple[str, ...] = ()
    """What is known about how the scores were chosen."""

    @property
    def mean(self) -> float:
        """Mean val_bpb."""
        return statistics.fmean(self.scores)

    @property
    def std(self) -> float | None:
        """Sample standard deviation of val_bpb; None with one score."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else None

    @property
    def tokens_per_byte(self) -> float | None:
        """Tokens per byte of the text that was scored: val_bpb × ln 2 / val_loss."""
        if not self.losses:
            return None
        return statistics.fmean(self.scores) * math.log(2) / statistics.fmean(self.losses)


def nats_to_bpb(nats: float, tokens_per_byte: float) -> float:
    """A loss, or a difference of losses, in bits per byte."""
    return nats / math.log(2) * tokens_per_byte


def compare(
    a: Sample | Sequence[float], b: Sample | Sequence[float], *, looks: int = 1, is_speed_up: bool = False
) -> Comparison:
    """Whether `a` scores lower than `b`.

    Args:
        a: The run that is claimed to be better; plain scores are val_bpb, one per seed.
        b: The run it is held against.
        looks: Ideas, or looks at one idea, that this one was picked from.
        is_speed_up: A change of systems alone, for which the written bar is waived.

    Raises:
        UnreadableInput: a side has no score, a number is not positive and finite, or `looks` is below 1.
    """
    a, b = _sample(a, "A"), _sample(b, "B")
    if looks < 1:
        raise UnreadableInput(f"a comparison is one look at least (got {looks})")
    gain = b.mean - a.mean
    rates = [rate for rate in (a.tokens_per_byte, b.tokens_per_byte) if rate is not None]
    is_one_tokenizer = len(rates) == 2 and abs(rates[0] / rates[1] - 1) <= SAME_TOKENIZER
    bars = [nats_to_bpb(BAR_NATS, rate) for rate in rates]
    bar = max(bars, default=None)
    p = p_at_bar = None
    if a.std is not None and b.std is not None and a.std + b.std > 0:
        p = welch(a.scores, b.scores).p_one_sided
        p_at_bar = None if bar is None else welch(a.scores, b.scores, bar).p_one_sided
    p_corrected = None if p is None else min(1.0, p * looks)
    is_written = _meets_written(gain, bars, p, is_speed_up)
    return Comparison(
        a=_side(a),
        b=_side(b),
        gain_bpb=gain,
        gain_nats=gain * math.log(2) / statistics.fmean(rates) if is_one_tokenizer else None,
        bar_bpb=bar,
        p=p,
        p_at_bar=p_at_bar,
        looks=looks,
        p_corrected=p_corrected,
        verdict=_verdict(p, p_corrected, looks),
        is_speed_up=is_speed_up,
        meets_written_bar=is_written,
        meets_applied_bar=None if p is None else p < APPLIED_LEVEL,
        more_seeds_written=0 if is_written else None if gain < (bar or 0.0) else _missing(a, b, p, WRITTEN_LEVEL),
        more_seeds_applied=_missing(a, b, p, APPLIED_LEVEL),
        warnings=[_short(text) for text in _warnings(a, b, looks, p, p_corrected)][:_WARNINGS_SHOWN],
    )


def _sample(given: Sample | Sequence[float], name: str) -> Sample:
    sample = given if isinstance(given, Sample) else Sample(name, tuple(given))
    for number in (*sample.scores, *sample.losses):
        if not (math.isfinite(number) and number > 0):
            raise UnreadableInput(f"{sample.name} has a score of {number}, which is no measurement; repeat that run")
    if not sample.scores:
        raise UnreadableInput(f"{sample.name} has no scores, so there is nothing to compare")
    if sample.losses and len(sample.losses) != len(sample.scores):
        raise UnreadableInput(f"{sample.name} has {len(sample.scores)} scores and {len(sample.losses)} losses")
    return sample


def _side(sample: Sample) -> ComparedSide:
    return ComparedSide(
        name=_short(sample.name, 100),
        num_seeds=len(sample.scores),
        seeds=list(sample.seeds[:_SEEDS_SHOWN]),
        mean_bpb=sample.mean,
        std_bpb=sample.std,
        tokens_per_byte=sample.tokens_per_byte,
    )


def _meets_written(gain: float, bars: Sequence[float], p: float | None, is_speed_up: bool) -> bool | None:
    """None where it is not known: no p, or a gain between what the bar is on the one side and on the other."""
    if is_speed_up:
        return gain >= 0
    if p is None:
        return None
    if p >= WRITTEN_LEVEL:
        return False
    if len(bars) == 2 and gain >= max(bars):
        return True
    return False if len(bars) == 2 and gain < min(bars) else None


def _missing(a: Sample, b: Sample, p: float | None, level: float) -> int | None:
    """Seeds to add on each side; a side with one seed is taken to vary as the other does."""
    if p is not None and p < level:
        return 0
    std_a, std_b = a.std or b.std, b.std or a.std
    if not std_a or not std_b:
        return None
    return more_seeds(b.mean - a.mean, Spread(std_a, len(a.scores)), Spread(std_b, len(b.scores)), level)


def _verdict(
    p: float | None, p_corrected: float | None, looks: int
) -> Literal["better", "unsettled", "worse", "unknown"]:
    if p is None or p_corrected is None:
        return "unknown"
    if p_corrected < WRITTEN_LEVEL:
        return "better"
    return "worse" if min(1.0, (1 - p) * looks) < WRITTEN_LEVEL else "unsettled"


def _warnings(a: Sample, b: Sample, looks: int, p: float | None, p_corrected: float | None) -> list[str]:
    found = [f"{sample.name}: {text}" for sample in (a, b) for text in sample.warnings]
    only_a, only_b = sorted(set(a.seeds) - set(b.seeds)), sorted(set(b.seeds) - set(a.seeds))
    if a.seeds and b.seeds and only_a:
        theirs = f", the other side {only_b}" if only_b else ""
        found.append(
            f"seeds {only_a} ran on one side only{theirs}: free choice of seeds is a way to pick a score. "
            "Run both on the same seeds"
        )
    for sample in (a, b):
        if twice := sorted({seed for seed in sample.seeds if sample.seeds.count(seed) > 1}):
            found.append(f"{sample.name} counts seeds {twice} more than once")
        if len(sample.scores) < SEEDS_USUAL:
            found.append(f"{sample.name} has {len(sample.scores)} of the usual {SEEDS_USUAL} seeds")
    if set(a.scores) & set(b.scores):
        found.append("a score is the same on both sides to the last digit: was it the same run?")
    if p is not None and p_corrected is not None and p < WRITTEN_LEVEL <= p_corrected:
        found.append(f"p < {WRITTEN_LEVEL} does not survive that this is the best of {looks} looks")
    return found


def _short(text: str, limit: int = _WARNING_CHARS) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
