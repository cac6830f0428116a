"""Tournaments by successive halving: all candidates on a small budget, the better half on twice as much, to one winner.

Planning alone: which experiment to play with which settings in which round, and who advances by the results on disk.
Nothing is remembered elsewhere, so that a tournament that was killed goes on where its results end. A candidate's run
in a round is an experiment of its own, its claim with a smaller budget (`<name>-r1`); at the tier's own budget it is
the candidate itself. Budgets are variables the challenge's scripts know: a short run cools down within its own.

A cut between two scores that seed noise explains is no cut: who ties with the last place that advances goes on as well,
at most as many as there are places. What that may cost at most is known before the first run.

Source: Jamieson and Talwalkar, Non-stochastic best arm identification (2016).
"""

import hashlib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from golf.errors import BadConfig
from golf.measure.significance import CONFIDENCE, Pooled, t_quantile
from golf.play import experiments
from golf.play.settlement import price
from golf.play.submission import NAME_CHARACTERS
from golf.schema import Experiment, Result
from golf.workspace import Workspace

Unit = Literal["ITERATIONS", "MAX_WALLCLOCK_SECONDS"]
"""What a round's budget is counted in: steps, or seconds of training."""


class Round(NamedTuple):
    """So many candidates at a share of the whole budget."""

    players: int
    budget: int
    """In the plan's unit."""
    places: int
    """Who advances, ties aside; 1 in the last round."""


class Plan(NamedTuple):
    """A tournament before it is played."""

    candidates: tuple[str, ...]
    tier: str
    unit: Unit
    rounds: tuple[Round, ...]
    expected_usd: float
    """Every run at its share of the tier's worst case, nobody tied."""
    at_most_usd: float
    """Every run to the tier's time limit, and as many ties as may advance."""
    at_most_runs: int
    is_whole: bool
    """The last round's budget is the tier's own."""


class Entry(NamedTuple):
    """One candidate's run in a round."""

    candidate: str
    experiment: str
    """Its folder's name."""
    round: int
    """From 0."""
    env: Mapping[str, str]
    """The round's budget, as its run must have had it."""


class Standing(NamedTuple):
    """Where a tournament is."""

    round: int
    """The round that is on, or the last."""
    due: tuple[Entry, ...]
    """Still to be played before anybody advances."""
    winner: str | None
    tied: tuple[str, ...]
    """Who won together, when seed noise explains what lies between them."""
    reason: str


class Score(NamedTuple):
    """What an entry came to."""

    val_bpb: float | None
    """None: it crashed, or its artifact is over the limit."""
    num_seeds: int


def schedule(candidates: int, budget: int, *, halvings: Sequence[int] | None = None) -> tuple[Round, ...]:
    """Rounds of successive halving: 4 → 2 → 1 plays four at half the budget, then two at the whole.

    Args:
        candidates: How many start.
        budget: The last round's.
        halvings: Players per round, falling, instead of halving each time: `(8, 2)` ends with two.

    Raises:
        BadConfig: fewer than two candidates, players that do not fall, or a budget too small to divide.
    """
    players = list(halvings) if halvings else [candidates]
    while not halvings and players[-1] > 2:
        players.append(math.ceil(players[-1] / 2))
    falls = all(later < earlier for earlier, later in itertools.pairwise(players))
    if candidates < 2:
        raise BadConfig(f"a tournament needs at least 2 candidates (got {candidates})")
    if players[0] != candidates or players[-1] < 2 or not falls:
        raise BadConfig(
            f"{candidates} candidates cannot play rounds of {players}: a tournament starts with all its candidates, "
            "each round has fewer, and the last one at least 2"
        )
    budgets = [budget // 2**halvings_left for halvings_left in reversed(range(len(players)))]
    if budgets[0] < 1:
        raise BadConfig(f"a budget of {budget} cannot be halved {len(players) - 1} times; give more, or fewer rounds")
    places = [*players[1:], 1]
    return tuple(Round(*one) for one in zip(players, budgets, places, strict=True))


def plan(
    workspace: Workspace,
    candidates: Sequence[str],
    tier: str,
    *,
    unit: Unit = "ITERATIONS",
    budget: int | None = None,
    halvings: Sequence[int] | None = None,
) -> Plan:
    """A tournament of experiments on a tier.

    Args:
        workspace: Where the candidates lie.
        candidates: Names of experiments; each is on `tier`.
        tier: The rung that is played on.
        unit: What budgets are counted in.
        budget: The last round's; None means what the tier sets.
        halvings: As in `schedule`.

    Raises:
        NotFound: a candidate does not exist.
        BadConfig: one is named twice, is on another tier or sets a budget itself, or the tier sets none.
    """
    settings = workspace.tier(tier)
    names = [experiments.find(workspace, name).name for name in candidates]
    for name in names:
        claim = experiments.load(workspace.experiments / name)
        if names.count(name) > 1:
            raise BadConfig(f"{name} is named {names.count(name)} times; name each candidate once")
        if claim.tier != tier:
            raise BadConfig(f"{name} is on tier {claim.tier!r}, and the tournament is on {tier!r}: --tier {claim.tier}")
        if unit in claim.env:
            raise BadConfig(f"{name} sets {unit} itself, which a tournament's rounds set; leave it out of its env")
    own = _whole(settings.env.get(unit, ""))
    given = own if budget is None else budget
    if not given or given < 1:
        raise BadConfig(f"tier {tier!r} sets no {unit}, so the last round has no budget; give one")
    rounds = schedule(len(names), given, halvings=halvings)
    full = price(tier, settings).at_most_usd
    most = [rounds[0].players, *(2 * one.places for one in rounds[:-1])]
    most = [min(count, rounds[0].players) for count in most]
    return Plan(
        candidates=tuple(names),
        tier=tier,
        unit=unit,
        rounds=rounds,
        expected_usd=full * sum(one.players * one.budget / given for one in rounds),
        at_most_usd=full * sum(most),
        at_most_runs=sum(most),
        is_whole=given == own,
    )


def entry(plan: Plan, candidate: str, round: int) -> Entry:
    """A candidate's run in a round."""
    is_own = plan.is_whole and round == len(plan.rounds) - 1
    name = candidate if is_own else f"{candidate}-r{round + 1}"
    if len(name) > NAME_CHARACTERS:
        name = f"{name[: NAME_CHARACTERS - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return Entry(candidate, name, round, {plan.unit: str(plan.rounds[round].budget)})


def claim_of(workspace: Workspace, entry: Entry) -> Experiment:
    """An entry's claim: its candidate's, with the round's budget and the candidate as its parent."""
    claim = experiments.load(workspace.experiments / entry.candidate)
    if entry.experiment == entry.candidate:
        return claim
    return claim.model_copy(update={"env": {**claim.env, **entry.env}, "parent": entry.candidate})


def enter(workspace: Workspace, entry: Entry) -> None:
    """Claim an entry's run where it is not claimed yet; its script is its candidate's."""
    if not experiments.exists(workspace, entry.experiment):
        claim = claim_of(workspace, entry)
        script = workspace.experiments / entry.candidate / claim.script
        experiments.create(workspace, entry.experiment, claim, script)


def standing(plan: Plan, score_of: Callable[[Entry], Score | None], floor: Pooled | None) -> Standing:
    """Where the tournament is, by the scores there are.

    Args:
        plan: The tournament.
        score_of: An entry's score; None while it has not been played to an end.
        floor: Seed noise on the tier; None where it is not measured: then scores alone decide.
    """
    players = list(plan.candidates)
    for round in range(len(plan.rounds)):
        entries = [entry(plan, candidate, round) for candidate in players]
        scores = {one.candidate: score_of(one) for one in entries}
        due = tuple(one for one in entries if scores[one.candidate] is None)
        if due:
            reason = f"round {round + 1} of {len(plan.rounds)}: {len(due)} of {len(entries)} to be played"
            return Standing(round, due, None, (), reason)
        scored = {name: score for name, score in scores.items() if score is not None and score.val_bpb is not None}
        players = advancing(scored, plan.rounds[round].places, floor)
        if not players:
            return Standing(round, (), None, (), f"nobody came out of round {round + 1} with a score that counts")
    noise = "seed noise is not measured, so scores alone decided" if floor is None else "seed noise was looked at"
    if len(players) > 1:
        return Standing(len(plan.rounds) - 1, (), None, tuple(players), f"a tie: more seeds would decide; {noise}")
    return Standing(len(plan.rounds) - 1, (), players[0], (), f"{players[0]} won; {noise}")


def advancing(scores: Mapping[str, Score], places: int, floor: Pooled | None) -> list[str]:
    """Who advances, best first: so many, and who ties with the last of them, at most as many again."""
    ranked = sorted(scores.items(), key=lambda item: (item[1].val_bpb, item[0]))
    through = ranked[:places]
    if not through:
        return []
    _, last = through[-1]
    for name, score in ranked[places : 2 * places]:
        assert score.val_bpb is not None and last.val_bpb is not None
        luck = 0.0
        if floor is not None:
            error = floor.std * math.sqrt(1 / score.num_seeds + 1 / last.num_seeds)
            luck = t_quantile(CONFIDENCE, floor.df) * error
        if score.val_bpb - last.val_bpb <= luck:
            through.append((name, score))
    return [name for name, _ in through]


def score_on_disk(workspace: Workspace, plan: Plan) -> Callable[[Entry], Score | None]:
    """Scores of entries by their results in the workspace.

    A candidate's own result on another budget than the last round's does not count: it was played before.
    """

    def score_of(entry: Entry) -> Score | None:
        result = experiments.read_result(workspace.experiments / entry.experiment)
        if result is None or not _is_of(result, entry, plan):
            return None
        fits = result.status != "crash" and (result.headroom_bytes or 0) >= 0
        return Score(result.val_bpb if fits else None, max(1, len(result.seeds)))

    return score_of


def _is_of(result: Result, entry: Entry, plan: Plan) -> bool:
    if result.status == "crash":  # a crash's result has no settings
        return result.tier == plan.tier
    return result.tier == plan.tier and all(result.settings.get(key) == value for key, value in entry.env.items())


def _whole(text: str) -> int | None:
    try:
        return math.floor(float(text))
    except (ValueError, OverflowError):
        return None
