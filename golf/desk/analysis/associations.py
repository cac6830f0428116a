"""Which settings go with better scores over the last runs, and how far that can be believed.

A run counts once: repeats with the same settings are one, at their mean. Scores of two tiers or two validation splits
do not compare, so the runs are those of one. Of each setting that changed: Spearman's correlation with improvement
(lower score), or for a text the share of the spread between its values; a permutation p, corrected by Holm over all
settings asked.

It is an association in what somebody chose to run, never an experiment on the setting. What stands in the way is said
with each: settings that changed together, a setting that went with time, with the seeds or with the tier, and code that
was different in every run. Where no order of these runs could have shown anything, there is no number but "too few".
"""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from golf.desk.analysis import confounding, ranking
from golf.desk.analysis.runs import PastRun, Value, past_runs
from golf.desk.analysis.table import Setting, Table, changed
from golf.errors import BadConfig, NotFound
from golf.schema import Noun
from golf.workspace import Workspace

RUNS_MIN = 5
"""Runs that state a setting, below which nothing is said: the surest order of four has p = 2/24."""
SHOWN_P = 0.05
"""Corrected p at which an association counts as shown."""
WAYS_MIN = 2 / SHOWN_P
"""With fewer ways to lie over the runs, even the best order of a setting's values has p above `SHOWN_P`."""
VALUES_SHOWN = 5
RUNS_MAX = 2_000
"""Distinct runs at once: dealing out their scores takes half a megabyte each."""

ALL_TIERS = "all"

Verdict = Literal["better", "worse", "differs", "with time", "not shown", "too few"]


class Association(Noun):
    """A setting, or several that always changed together, and what goes with it."""

    settings: list[str]
    kind: Literal["number", "category"]
    n: int
    """Runs that state it and count."""
    values: list[str]
    """The most frequent ones, with how many runs had each."""
    verdict: Verdict
    """Of a number: `better` when more of it goes with better scores, `worse` when less does. Of a category: `differs`.
    `with time`: it does go with the scores, but so does the order of the runs, and beside that nothing is shown."""
    rho: float | None = None
    """Spearman's, of a number with improvement: 1 the more the better, -1 the less the better."""
    epsilon_squared: float | None = None
    """Of a category: the share of the spread of ranks that lies between its values."""
    p: float | None = None
    p_holm: float | None = None
    rho_given_order: float | None = None
    """Correlation with the order of the runs held fixed: what is left of it beside all that got better with time."""
    p_given_order: float | None = None
    """Not corrected: asked only of what is shown without it."""
    best: str | None = None
    """Of a category: the value with the best median score."""
    reason: str = ""
    """Why there is no number."""
    warnings: list[str] = []


class Analysis(Noun):
    """Settings against scores over the last runs."""

    source: str
    metric: Literal["val_bpb", "val_loss"]
    tier: str
    """`all` where tiers were mixed on request."""
    runs: int
    """That count: scored, of this tier and data, repeats taken together."""
    asked: int
    """How many were asked for at most."""
    first: str
    last: str
    """Names of the oldest and the newest."""
    repeats: int
    """Runs that were taken together with an earlier one of the same settings."""
    unscored: int
    """Among the last ones: crashed, or without a score."""
    elsewhere: int
    """Runs left out because they are of another tier or were scored on other data."""
    improvement_over_time: float | None
    """Spearman's, of the order of the runs with improvement; None below `RUNS_MIN`."""
    constant: int
    """Settings that had one value wherever they were stated."""
    associations: list[Association]
    """Of those that did, shown ones first."""
    caveats: list[str]
    """What is true of all of them."""

    @property
    def shown(self) -> list[Association]:
        """Those that chance does not explain."""
        return [one for one in self.associations if one.verdict in ("better", "worse", "differs")]


def analyse(
    workspace: Workspace | None, *, last: int = 10, place: Path | None = None, tier: str | None = None
) -> Analysis:
    """Settings against scores over the last runs.

    Args:
        workspace: Whose runs, where no `place` is named.
        last: Newest runs looked at, of the tier.
        place: A folder of folders of logs, or another workspace.
        tier: Of which runs; `all` mixes them; default the newest run's that has a score.

    Raises:
        NotFound: no run has a score, or none of that tier.
        BadConfig: `last` is below 1, or so many runs are left that they do not fit memory.
        UnreadableInput: results.tsv has a malformed line.
    """
    if last < 1:
        raise BadConfig(f"at least one run is looked at (got --last {last})")
    return of_runs(past_runs(workspace, place), last=last, tier=tier, source=place.name if place else "results.tsv")


def of_runs(every: Sequence[PastRun], *, last: int = 10, tier: str | None = None, source: str = "") -> Analysis:
    """As `analyse`, of runs that are at hand, oldest first."""
    metric: Literal["val_bpb", "val_loss"] = "val_bpb" if any(run.val_bpb is not None for run in every) else "val_loss"
    scored = [run for run in every if getattr(run, metric) is not None]
    if not scored:
        raise NotFound("no run has a score yet; play one: golf run EXPERIMENT, or name a folder of logs: --from FOLDER")
    rung = tier if tier is not None else scored[-1].tier
    of_tier = [run for run in every if rung in (ALL_TIERS, run.tier)]
    if not any(getattr(run, metric) is not None for run in of_tier):
        tiers = ", ".join(sorted({run.tier for run in scored if run.tier}))
        raise NotFound(f"no run of tier {rung!r} has a score; there are: {tiers or 'runs without a tier'}, or all")
    data = next(run.data for run in reversed(of_tier) if getattr(run, metric) is not None)
    comparable = [run for run in of_tier if not run.data or not data or run.data == data]
    window = comparable[-last:]
    with_score = [run for run in window if getattr(run, metric) is not None]
    kept = _distinct(with_score, metric)
    if len(kept) > RUNS_MAX:
        raise BadConfig(
            f"{len(kept):,} different runs are more than the {RUNS_MAX:,} that are analysed at once; look at fewer: "
            f"--last {RUNS_MAX}"
        )
    table = Table(kept, [-score for _, score in kept])
    findings, constant = _findings(table)
    return Analysis(
        source=source, metric=metric, tier=rung, runs=len(kept), asked=last,
        first=kept[0][0].name if kept else "", last=kept[-1][0].name if kept else "",
        repeats=len(with_score) - len(kept), unscored=len(window) - len(with_score),
        elsewhere=len(every) - len(comparable),
        improvement_over_time=ranking.spearman(table.order, table.gains) if len(kept) >= RUNS_MIN else None,
        constant=constant, associations=findings, caveats=_caveats(table, rung),
    )  # fmt: skip


def _distinct(runs: Sequence[PastRun], metric: str) -> list[tuple[PastRun, float]]:
    """Each configuration once, where it was first run, with the mean of its scores."""
    groups: dict[str, list[PastRun]] = {}
    for place, run in enumerate(runs):
        same = repr((run.tier, run.script, sorted(run.settings.items()))) if run.settings else str(place)
        groups.setdefault(same, []).append(run)
    return [(group[0], statistics.fmean(getattr(run, metric) for run in group)) for group in groups.values()]


def _findings(table: Table) -> tuple[list[Association], int]:
    """Every setting that changed, and how many did not."""
    varied, constant = changed(table.runs)
    groups: dict[object, Setting] = {}
    for one in varied:
        groups.setdefault(one.pattern, one).names.append(one.name)
    settings = sorted(groups.values(), key=lambda one: one.places)
    tested: list[tuple[Setting, ranking.Strength]] = []
    found: list[Association] = []
    for one in settings:
        if reason := _too_few(one):
            found.append(_association(one, "too few", reason=reason))
            continue
        gains = [table.gains[place] for place in one.places]
        dealt = table.dealt(one.places)
        strength = (
            ranking.of_numbers(one.numbers, gains, dealt)
            if one.is_number
            else ranking.of_groups(one.codes, gains, dealt)
        )
        tested.append((one, strength))
    corrected = ranking.holm([strength.p for _, strength in tested])
    for (one, strength), p_holm in zip(tested, corrected, strict=True):
        found.append(_tested(table, one, strength, p_holm, [other for other, _ in tested if other is not one]))
    place = {"better": 0, "worse": 0, "differs": 0, "with time": 1, "not shown": 2, "too few": 3}
    found.sort(key=lambda one: (place[one.verdict], one.p or 0.0, -_size(one), -one.n, one.settings))
    return found, constant


def _too_few(one: Setting) -> str:
    n = len(one.places)
    if n < RUNS_MIN:
        return f"{n} runs state it; {RUNS_MIN} are the least"
    counts = Counter(one.codes)
    if not one.is_number and max(counts.values()) == 1:
        return f"each of its {n} values occurs once"
    if ranking.ways(one.codes) < WAYS_MIN:
        split = " to ".join(str(count) for count in sorted(counts.values(), reverse=True))
        return f"{n} runs, {split}: even the clearest order would have p above {SHOWN_P:g}"
    return ""


def _association(one: Setting, verdict: Verdict, **more: object) -> Association:
    counts = Counter(_written(value) for value in one.values).most_common()
    values = [f"{value} ({count})" for value, count in counts[:VALUES_SHOWN]]
    if len(counts) > VALUES_SHOWN:
        values.append(f"{len(counts) - VALUES_SHOWN} more")
    return Association.model_validate(
        {
            "settings": one.names, "kind": "number" if one.is_number else "category", "n": len(one.places),
            "values": values, "verdict": verdict, **more,
        }
    )  # fmt: skip


def _tested(
    table: Table, one: Setting, strength: ranking.Strength, p_holm: float, others: Sequence[Setting]
) -> Association:
    gains = [table.gains[place] for place in one.places]
    order = [table.order[place] for place in one.places]
    verdict: Verdict = "not shown"
    best = left = None
    if not one.is_number:
        medians = _medians(one, gains)
        best = max(medians, key=lambda value: medians[value])
    if p_holm <= SHOWN_P:
        left = ranking.beside(one.columns(one.places), gains, order)
        if left is None or left.p > SHOWN_P:
            verdict = "with time"
        elif not one.is_number:
            verdict = "differs"
        elif (left.value > 0) != (strength.value > 0):
            verdict = "with time"  # beside the order it even goes the other way
        else:
            verdict = "better" if strength.value > 0 else "worse"
    return _association(
        one, verdict, rho=strength.value if one.is_number else None,
        epsilon_squared=None if one.is_number else strength.value, p=strength.p, p_holm=p_holm,
        rho_given_order=None if left is None else left.value, p_given_order=None if left is None else left.p,
        best=best, warnings=confounding.warnings(table, one, others),
    )  # fmt: skip


def _medians(one: Setting, gains: Sequence[float]) -> Mapping[str, float]:
    values: dict[str, list[float]] = {}
    for value, gain in zip(one.values, gains, strict=True):
        values.setdefault(_written(value), []).append(gain)
    return {value: statistics.median(members) for value, members in values.items()}


def _caveats(table: Table, rung: str) -> list[str]:
    found: list[str] = []
    runs = table.runs
    scripts = {run.script for run in runs if run.script}
    if len(scripts) > 1:
        found.append(
            f"{len(scripts)} different training scripts: what a script changed besides is not told from its settings"
        )
    if len(runs) >= RUNS_MIN and abs(ranking.spearman(table.order, table.gains)) >= confounding.ALIGNED:
        found.append("the scores moved with time as a whole: a setting that did so too proves nothing (`with time`)")
    if rung == ALL_TIERS and len({run.tier for run in runs}) > 1:
        found.append("runs of several tiers are mixed, and their scores do not compare")
    if not any(run.settings for run in runs):
        found.append("no run states a setting")
    return found


def _size(one: Association) -> float:
    return abs(one.rho if one.rho is not None else one.epsilon_squared or 0.0)


def _written(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)[:40]
