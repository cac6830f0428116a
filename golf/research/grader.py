"""The deterministic grader: an item's text against what the workspace knows, by rules that give their reasons.

It is always there, costs nothing, and the same text against the same standing gets the same grade. What it cannot know
it grades low: a text that names no technique and no language model is worth little here, however novel.

Laws: an added failed row, a technique more that is proven or was tried, or a lower best never raise a grade; a
`Standing` without competitors never has `competitor_validated`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from golf.answers.research import GradedItem
from golf.errors import GolfError
from golf.measure import size_prediction
from golf.referee import techniques
from golf.research import foreign, mentions, rubric
from golf.research.nouns import Competitor, Graded, Item
from golf.research.priors import PRIORS, SAVES_BYTES
from golf.research.reading import Reading
from golf.research.standing import Standing
from golf.research.twins import canonical

LARGE_BPB, CLEAR_BPB = 0.01, 0.003
"""Gains worth a 3 and a 2. A record of the challenge had to gain 0.005 nats per token, 0.003 bits per byte."""

UNBELIEVED_BPB = 0.12
"""A larger gain, a tenth of the baseline, was measured on another scale than ours and counts as a clear one."""

SLOW, VERY_SLOW = 1.05, 1.5
"""Training time, as a multiple, from which fewer steps cost something, and from which they cost most of any gain."""

LONG_CONTEXT = 16_384
"""Tokens of context from which training cannot be cheap in ten minutes."""

GPU_HOURS = 50.0
"""Eight GPUs for the challenge's ten minutes are 1.3; from here on an idea was shown in another regime."""


class Mark(NamedTuple):
    """A grade and what it rests on."""

    grade: int
    words: str


def grade(item: Item, standing: Standing, now: datetime) -> Graded:
    """An item's grade by the rules; any text whatever has one."""
    reading = Reading(item, standing)
    forbidden = _forbidden(reading)
    marks = {
        "bpb_impact": _impact(reading),
        "size_compatibility": _size(reading),
        "time_compatibility": _time(reading),
        "implementability": _implementability(reading),
        "novelty": _novelty(reading),
    }
    if standing.competitors:
        marks[rubric.COMPETITOR_DIMENSION] = _validated(reading)
    told = [f"{name} {mark.grade}: {mark.words}" for name, mark in marks.items()]
    answer = GradedItem(
        title=foreign.line(item.title) or item.id,
        url=item.url,
        **{name: mark.grade for name, mark in marks.items()},
        **({} if standing.competitors else {rubric.COMPETITOR_DIMENSION: None}),
        **{flag: flag in forbidden for flag in rubric.FORBIDDEN},
        techniques=list(reading.own),
        reason="; ".join([*forbidden.values(), *told]),
    )
    return rubric.graded(
        answer,
        item_id=item.id,
        source=item.source,
        by="rules",
        at=now,
        has_competitors=bool(standing.competitors),
        ruled_out="; ".join(forbidden.values()),
    )


def _forbidden(reading: Reading) -> dict[str, str]:
    """Flags of the rubric that hold, each with words."""
    said, standing = reading.claims, reading.standing
    found: dict[str, str] = {}
    if said.dependencies:
        names = ", ".join(one.name for one in said.dependencies[:3])
        found["needs_new_dependency"] = f"needs {names} installed ({_quoted(said.dependencies[0].quote)})"
    size = min(said.artifact_bytes, key=lambda one: one.value, default=None)
    if size is not None and size.value > standing.artifact_bytes_max:
        limit = f"{standing.artifact_bytes_max:,} bytes"
        found["needs_more_bytes"] = f"its artifact has {size.value:,.0f} bytes, over {limit} ({_quoted(size.quote)})"
    time = min(said.training_s, key=lambda one: one.value, default=None)
    if time is not None and time.value > standing.train_time_s_max:
        limit = f"{standing.train_time_s_max:g} s"
        found["needs_more_time"] = f"it trains for {time.value:,.0f} s, over {limit} ({_quoted(time.quote)})"
    return found


def _impact(reading: Reading) -> Mark:
    mark = _stated_impact(reading) or _usual_impact(reading)
    if mark.grade and reading.repeated:
        failed = _quoted(reading.repeated[-1].description)
        return Mark(mark.grade - 1, f"{mark.words}, one less for what failed here: {failed}")
    return mark


def _stated_impact(reading: Reading) -> Mark | None:
    """By the numbers of the text: a score in the challenge's own terms, then a gain."""
    said, bar = reading.claims, reading.standing.bar_bpb
    if said.val_bpb and bar is not None:
        score = said.val_bpb[0]  # the headline; lower ones are of a stage before quantisation, or of one seed
        if doubted := _doubted(reading.item, reading.standing.competitors):
            return Mark(0, f"its score is not believed: {foreign.line(doubted.doubts[0], 80)}")
        gain = bar - score.value
        grade = 3 if gain >= LARGE_BPB else 2 if gain > 0 else 1 if gain > -LARGE_BPB else 0
        return Mark(grade, f"{score.value:.4f} against {bar:.4f} ({_quoted(score.quote)})")
    if said.gains:
        gain = max(said.gains, key=lambda one: one.value)
        grade = 0 if gain.value <= 0 else 1 if gain.value < CLEAR_BPB else 2 if gain.value < LARGE_BPB else 3
        if gain.value > UNBELIEVED_BPB:
            return Mark(2, f"a gain on another scale than ours ({_quoted(gain.quote)})")
        return Mark(grade, f"about {gain.value:+.4f} bits per byte gained ({_quoted(gain.quote)})")
    return None


def _usual_impact(reading: Reading) -> Mark:
    """By what its families usually give."""
    if not reading.families:
        if reading.claims.subject:
            return Mark(1, f"no number and no known technique ({_quoted(reading.claims.subject)})")
        return Mark(0, "nothing in it is about language models" if reading.is_readable else "no words in it")
    family = max(reading.families, key=lambda one: PRIORS[one].impact)
    return Mark(PRIORS[family].impact, f"no number; usual for {family} ({_quoted(reading.families[family])})")


def _size(reading: Reading) -> Mark:
    said = reading.claims
    saving = next((family for family in reading.families if family in SAVES_BYTES), None)
    if said.parameters:
        params = min(said.parameters, key=lambda one: one.value)
        bits = min(said.bits, key=lambda one: one.value, default=None)
        predicted = predicted_bytes(params.value, 8.0 if bits is None else bits.value)
        shown = f"{params.value:,.0f} parameters at {'8' if bits is None else f'{bits.value:g}'} bits"
        fits = predicted / reading.standing.artifact_bytes_max
        grade = 3 if fits <= 1 else 2 if fits <= 1.25 else 1 if fits <= 10 else 0
        if saving is not None and grade < 2:
            return Mark(2, f"saves bytes, shown on {shown} ({_quoted(params.quote)})")
        return Mark(grade, f"{shown} are about {predicted / 1e6:,.1f} MB ({_quoted(params.quote)})")
    if reading.families:
        family = min(reading.families, key=lambda one: PRIORS[one].size)
        return Mark(PRIORS[family].size, f"usual for {family} ({_quoted(reading.families[family])})")
    return Mark(1, "nothing said of size")


def predicted_bytes(params: float, bits: float) -> float:
    """Bytes of so many weights at so many bits, by the size predictor where it knows the precision, else as they are.

    The naive baseline's codec, and no script: what is compared is an idea, not a submission.
    """
    plain = params * bits / 8
    try:
        part = size_prediction.Part("matrices", 1_000_000, size_prediction.Precision(bits))
        plan = size_prediction.Plan((part,), "zlib-9")
        weights = size_prediction.predict_size(plan, code_bytes=0).parts[0]
    except GolfError:
        return plain
    return params * min(weights.bytes / part.params, bits / 8)


def _time(reading: Reading) -> Mark:
    said = reading.claims
    if said.slowdown:
        worst = max(said.slowdown, key=lambda one: one.value)
        grade = 0 if worst.value >= VERY_SLOW else 1 if worst.value > SLOW else 2
        return Mark(grade, f"{worst.value:.2f} × the training time ({_quoted(worst.quote)})")
    if said.gpu_hours and (least := min(said.gpu_hours, key=lambda one: one.value)).value > GPU_HOURS:
        return Mark(0, f"shown with {least.value:,.0f} GPU hours ({_quoted(least.quote)})")
    if said.context_length and (least := min(said.context_length, key=lambda one: one.value)).value >= LONG_CONTEXT:
        return Mark(1, f"{least.value:,.0f} tokens of context ({_quoted(least.quote)})")
    if reading.families:
        family = min(reading.families, key=lambda one: PRIORS[one].time)
        return Mark(PRIORS[family].time, f"usual for {family} ({_quoted(reading.families[family])})")
    return Mark(1 if reading.is_ours else 0, "nothing said of time")


def _implementability(reading: Reading) -> Mark:
    if not reading.is_ours:
        return Mark(0, "nothing to build here")
    said, points, words = reading.claims, 1, []
    known = next((text for id, text in reading.own.items() if not techniques.catalogue()[id].baseline), "")
    for quote, what in ((said.code, "code"), (said.one_script, "one script"), (known, "built in the challenge before")):
        if quote:
            points += 1
            words.append(f"{what} ({_quoted(quote)})")
    if "github:" in reading.item.id and not said.code:
        points += 1
        words.append(f"code ({_quoted(reading.item.id)})")
    if said.kernels:
        points -= 1
        words.append(f"less for kernels of its own ({_quoted(said.kernels)})")
    return Mark(
        max(0, min(points, rubric.highest("implementability"))), ", ".join(words) or "no code and no recipe named"
    )


def _novelty(reading: Reading) -> Mark:
    mark = _newness(reading)
    if not reading.repeated:
        return mark
    tried = {id for failed in reading.repeated for id in failed.techniques}
    is_whole = reading.own.keys() <= tried or not reading.own or bool(_titled(reading) & tried)
    failed = reading.repeated[-1]
    how = "crashed here" if failed.status == "crash" else "failed here"
    return Mark(min(mark.grade, 0 if is_whole else 1), f"{how} before: {_quoted(failed.description)}")


def _newness(reading: Reading) -> Mark:
    if not reading.is_ours:
        return Mark(0, "not about this")
    if not reading.techniques:
        grade = 3 if any(one.value > 0 for one in reading.claims.gains) else 2  # words alone may be anything
        return Mark(grade, f"no technique of the catalogue ({_quoted(reading.claims.subject)})")
    proven, tried = reading.standing.proven, reading.standing.tried
    fresh = {id: words for id, words in reading.own.items() if id not in proven and id not in tried}
    if fresh:
        id = next(iter(fresh))
        grade = 2 if len(fresh) == len(reading.own) or not _titled(reading) - fresh.keys() else 1
        return Mark(grade, f"{id} was not tried here ({_quoted(fresh[id])})")
    unproven = [id for id in reading.own if id not in proven]
    id = next(iter(unproven or reading.own))
    how = "was tried here and is not proven" if unproven else "is proven and in use"
    return Mark(1 if unproven or not _titled(reading) else 0, f"{id} {how} ({_quoted(reading.own[id])})")


def _titled(reading: Reading) -> set[str]:
    """The item's techniques that its title names: the others may be what it is compared with."""
    return set(mentions.mentioned(reading.item.title)) & reading.own.keys()


def _validated(reading: Reading) -> Mark:
    own = {id for id in reading.own if not techniques.catalogue()[id].baseline}
    users = [one for one in reading.standing.competitors if not own.isdisjoint(one.techniques)]
    gaining = [one for one in users if one.delta_from_baseline is not None and one.delta_from_baseline < 0]
    best = min((one for one in gaining if one.is_credible), key=lambda one: one.delta_from_baseline or 0, default=None)
    if best is not None:
        return Mark(2, f"{foreign.line(best.name, 40)} has it, {best.delta_from_baseline:+.4f} bits per byte")
    return Mark(1, f"{foreign.line(users[0].name, 40)} claims it") if users else Mark(0, "no competitor has it")


def _doubted(item: Item, competitors: Sequence[Competitor]) -> Competitor | None:
    """The submission that an item is about, where it is not believed."""
    place = canonical(item.url or "")
    doubted = (one for one in competitors if one.url and one.doubts and not one.is_credible)
    return next((one for one in doubted if canonical(one.url or "") == place), None)


def _quoted(words: str) -> str:
    return f'"{foreign.line(words, 90)}"'
