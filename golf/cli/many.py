"""`golf tournament`, `golf transfer`, and `golf run` of several: what is about many experiments."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from golf.cli import verb
from golf.errors import BadConfig
from golf.schema import Tournament
from golf.workspace import Workspace


def register(verbs: verb.Verbs) -> None:
    """Declare the verbs about many experiments."""
    cup = verb.add(
        verbs,
        "tournament",
        tournament,
        "successive halving: all candidates at a small budget, the better half at twice as much, to one winner",
        "golf tournament wider deeper tied longer --parallel 2",
    )
    cup.add_argument("names", nargs="+", metavar="NAME", help="claimed experiments of one tier (golf new)")
    cup.add_argument("--tier", default="local", help="the tier they are on (default: local)")
    cup.add_argument("--budget", type=verb.whole, help="steps of the last round (default: the tier's ITERATIONS)")
    cup.add_argument("--parallel", type=verb.count, default=1, metavar="N", help="runs at the same time (default: 1)")
    cup.add_argument("--dry-run", action="store_true", help="show the rounds and what they cost, and play nothing")

    tiers = verb.add(
        verbs,
        "transfer",
        transfer,
        "what local scores have promised of paid ones so far: mean difference, rank correlation, families",
        "golf transfer --local local --tier h100x8",
    )
    tiers.add_argument("--local", default="local", help="the cheap tier (default: local)")
    tiers.add_argument("--tier", required=True, help="the paid tier")
    tiers.add_argument(
        "--history", type=Path, metavar="FILE", help="pairs recorded elsewhere, a JSON object a line, instead of ours"
    )


def transfer(arguments: argparse.Namespace) -> int:
    """Exit 2 while there are not enough pairs: no number is made of too few."""
    from golf.play import transfer as tiers
    from golf.report import render

    found = tiers.between(verb.opened(), arguments.local, arguments.tier, arguments.history)
    render.show(found, json=arguments.json)
    return 0


def tournament(arguments: argparse.Namespace) -> int:
    """Exit 0 with a winner, 1 with a tie or nobody; asked again, it goes on where it was."""
    from golf.play import promotion
    from golf.play import tournament as cups
    from golf.report import render

    workspace = verb.opened()
    plan = cups.plan(workspace, arguments.names, arguments.tier, budget=arguments.budget)
    if plan.at_most_usd > 0 and not arguments.dry_run:
        raise BadConfig(
            f"tier {plan.tier!r} costs money, up to ${plan.at_most_usd:.2f} for {plan.at_most_runs} runs, and those "
            "have gates of their own: hold the tournament on a free tier, then golf submit its winner"
        )
    scores = cups.score_on_disk(workspace, plan)
    while True:
        floor = promotion.tier_noise(workspace, plan.tier)
        now = cups.standing(plan, scores, floor)
        if arguments.dry_run or not now.due:
            break
        for entry in now.due:
            cups.enter(workspace, entry)
        played = _play(workspace, [entry.experiment for entry in now.due], arguments.parallel, now.reason)
        if all(scores(entry) is None for entry in now.due):  # it would be asked for ever
            raise BadConfig(f"none of round {now.round + 1} came to an end: {played[0].status}")
    shown = Tournament(
        tier=plan.tier,
        unit=plan.unit,
        rounds=[f"{one.players} at {one.budget} {plan.unit}, {one.places} go on" for one in plan.rounds],
        at_most_runs=plan.at_most_runs,
        expected_usd=plan.expected_usd,
        at_most_usd=plan.at_most_usd,
        round=now.round + 1,
        due=[entry.experiment for entry in now.due],
        winner=now.winner,
        tied=list(now.tied),
        reason=now.reason,
    )
    render.show(shown, json=arguments.json)
    return 0 if now.winner or arguments.dry_run else 1


def run_several(workspace: Workspace, names: Sequence[str], parallel: int, as_json: bool) -> int:
    """Play claimed experiments; exit 0 when each has a score, 1 when one has none."""
    from golf.report import render

    played = _play(workspace, names, parallel, f"{len(names)} experiments")
    render.show(played, json=as_json)
    return 0 if all(one.val_bpb is not None for one in played) else 1


def _play(workspace: Workspace, names: Sequence[str], parallel: int, title: str) -> list:
    from golf.cli import jobs
    from golf.play import experiments, many

    def tell(done: int, total: int, what: str) -> None:
        print(f"{done}/{total}  {what}", file=sys.stderr, flush=True)

    print(title, file=sys.stderr)
    folders = [experiments.find(workspace, name).name for name in names]
    with jobs.telling_what_goes_on(lambda: many.going(workspace, folders)):
        return many.play_all(workspace, names, at_once=parallel, on_change=tell)
