"""`golf new`, `golf run`, `golf history`, `golf check-promotion`, `golf check-budget`, `golf report`."""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from golf.cli import verb
from golf.schema import Noun


def register(verbs: verb.Verbs) -> None:
    """Declare the verbs of a round."""
    fresh = verb.add(
        verbs,
        "new",
        new,
        "write down an experiment: hypothesis, expected outcome, rollback criteria, script",
        "golf new wider --script train_gpt.py --hypothesis 'MLP 3x gains 1 %' --env MLP_MULT=3 --parent baseline",
    )
    fresh.add_argument("name", help="a slug; the date is put before it")
    _claim(fresh)

    play = verb.add(
        verbs,
        "run",
        run,
        "play an experiment on its local tier: worktree, train, quantise, evaluate, decide, record",
        "golf run wider",
    )
    play.add_argument(
        "name",
        nargs="+",
        help="an experiment, or the slug of a new one (then with --hypothesis and --script), or several",
    )
    _claim(play)
    play.add_argument("--again", action="store_true", help="repeat a played experiment; the earlier run is kept")
    play.add_argument("--detach", action="store_true", help="return the job instead of waiting for it")
    play.add_argument("--dry-run", action="store_true", help="show what would be run, and run nothing")
    play.add_argument(
        "--parallel", type=verb.count, default=1, metavar="N", help="of several: how many at the same time (default: 1)"
    )

    past = verb.add(
        verbs,
        "history",
        history,
        "the ledger: what was tried, what it scored, what was kept",
        'golf history --where "val_bpb < 1.2 and matrix_lr > 0.01" --sort val_bpb --top 5',
    )
    past.add_argument("-n", "--limit", type=verb.whole, default=20, help="rows to show (default: 20)")
    past.add_argument("--tier", help="only this tier")
    past.add_argument("--status", choices=("keep", "discard", "crash"), help="only this status")
    past.add_argument("--best", action="store_true", help="best first instead of newest last")
    past.add_argument(
        "--where",
        metavar="EXPR",
        help="only runs of which this is true: fields, settings, comparisons, in, and, or, not",
    )
    past.add_argument(
        "--sort", metavar="EXPR", help="by this field, setting or sum, lowest first; 'EXPR desc' turns it"
    )
    past.add_argument(
        "--top", type=verb.count, metavar="K", help="the first K with their settings (default sort: val_bpb)"
    )
    past.add_argument(
        "--from", dest="place", type=Path, metavar="FOLDER", help="of a folder of folders of logs instead"
    )

    gates = verb.add(
        verbs,
        "check-promotion",
        check_promotion,
        "the gates between an experiment and paid compute, one by one",
        "golf check-promotion bigram-prior",
    )
    gates.add_argument("name", help="a played experiment")
    gates.add_argument("--tier", help="the paid tier it would be played on (default: the first in golf.toml)")

    money = verb.add(
        verbs,
        "check-budget",
        check_budget,
        "credits spent, reserved and left, and the next allowed run",
        "golf check-budget",
    )
    money.add_argument("--cost", type=float, metavar="USD", help="worst-case cost of the run in question")

    page = verb.add(
        verbs,
        "report",
        report,
        "write an experiment's report.md and picture again; or, with --last, which settings go with better scores",
        "golf report --last 10",
    )
    page.add_argument("name", nargs="?", help="a played experiment")
    page.add_argument(
        "-n", "--last", type=verb.count, metavar="N", help="instead: settings against scores over the newest N runs"
    )
    page.add_argument(
        "--from", dest="place", type=Path, metavar="FOLDER", help="of a folder of folders of logs instead"
    )
    page.add_argument("--tier", help="with --last: runs of this tier; all mixes them (default: the newest run's)")
    page.add_argument("--page", type=Path, metavar="FILE", help="with --last: where it goes (default: outputs/ here)")


def _claim(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hypothesis", help="what you expect, and why; required for a new experiment")
    parser.add_argument("--expected", default="", help="expected outcome, in numbers")
    parser.add_argument("--rollback", default="", help="when to give the idea up")
    parser.add_argument("--script", type=Path, help="training script; it is copied (default: the parent's)")
    parser.add_argument("--parent", help="the experiment this one changes; what is not said is as there")
    parser.add_argument("--tier", help="rung of the ladder in golf.toml (default: the parent's, else local)")
    parser.add_argument("--env", action="append", default=[], metavar="KEY=VALUE", help="a setting; repeatable")
    parser.add_argument("--seeds", help="comma-separated (default: the parent's, else 1337); two or more measure noise")


def new(arguments: argparse.Namespace) -> int:
    """Nothing runs; the claim is on disk first."""
    from golf.cli import recall
    from golf.play import experiments
    from golf.report import render

    workspace = verb.opened()
    folder = experiments.claim(workspace, arguments.name, **{"hypothesis": None, **_said(arguments)})
    recall.warn(workspace, folder, arguments.hypothesis)
    claim = experiments.load(folder)
    render.show(claim, json=arguments.json)
    said = {
        "what is expected (--expected)": claim.expected_outcome,
        "when it is given up (--rollback)": claim.rollback_criteria,
    }
    if unsaid := [what for what, text in said.items() if not text.strip()]:
        print(
            f"golf new: not said: {' and '.join(unsaid)}; golf notebook will ask. Write it before the code",
            file=sys.stderr,
        )
    print(f"wrote {folder}. Play it: golf run {folder.name}", file=sys.stderr)
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 when scored and within the limit, 1 when over it, 2 when there is no score."""
    from golf.cli import jobs, many, recall
    from golf.errors import BadConfig
    from golf.play import experiments, start
    from golf.report import render

    workspace = verb.opened()
    if len(arguments.name) > 1:
        if any(_said(arguments).values()) or arguments.again or arguments.detach or arguments.dry_run:
            raise BadConfig("several experiments are played as they are claimed: name them alone, with --parallel N")
        return many.run_several(workspace, arguments.name, arguments.parallel, arguments.json)
    name = arguments.name[0]
    is_new = not experiments.exists(workspace, name)
    folder = experiments.claimed(workspace, name, **_said(arguments))
    recall.warn(workspace, folder, arguments.hypothesis)
    if arguments.dry_run:
        try:
            render.show(start.plan_run(workspace, folder.name), json=arguments.json)
        finally:
            if is_new:
                shutil.rmtree(folder)
        return 0
    job = start.start_run(workspace, folder.name, again=arguments.again, foreground=not arguments.detach)
    if arguments.detach:
        render.show(job, json=arguments.json)
        return 0
    jobs.finished(workspace, job, folder.name)
    result = experiments.read_result(folder)
    assert result is not None  # a done run wrote it
    render.show(result, json=arguments.json)
    return 0 if (result.headroom_bytes or 0) >= 0 else 1


def history(arguments: argparse.Namespace) -> int:
    """The newest last, as in the file."""
    if any(getattr(arguments, name) is not None for name in ("where", "sort", "top", "place")):
        from golf.cli import analysis

        return analysis.query(arguments)
    from golf.play import history as ledger_history
    from golf.report import render

    workspace = verb.opened()
    found = ledger_history.history(
        workspace, limit=arguments.limit, tier=arguments.tier, status=arguments.status, best_first=arguments.best
    )
    render.show(found, json=arguments.json)
    return 0


def check_promotion(arguments: argparse.Namespace) -> int:
    """Exit 0 when every gate passes, 1 when one does not."""
    from golf.play import promotion
    from golf.report import render

    checked = promotion.check_promotion(verb.opened(), arguments.name, arguments.tier)
    render.show(checked, json=arguments.json)
    return 0 if checked.promoted else 1


def check_budget(arguments: argparse.Namespace) -> int:
    """Exit 0 when a paid run may start now, 1 when not."""
    from golf.play.budget import BudgetBook
    from golf.report import render

    workspace = verb.opened()
    budget = BudgetBook(workspace.database, workspace.config.budget).state(arguments.cost)
    render.show(budget, json=arguments.json)
    return 0 if budget.allowed else 1


def report(arguments: argparse.Namespace) -> int:
    """From what is on disk; nothing is measured again."""
    if any(one is not None for one in (arguments.last, arguments.place, arguments.tier, arguments.page)):
        from golf.cli import analysis

        return analysis.settings(arguments)
    from golf.errors import BadConfig
    from golf.play import experiments
    from golf.report import evidence, render

    if arguments.name is None:
        raise BadConfig("name a played experiment, or ask over several runs: golf report --last 10")
    workspace = verb.opened()
    folder = experiments.find(workspace, arguments.name)
    page = evidence.write_report(workspace, folder)
    render.show(Written(report=str(page), picture=str(folder / evidence.PICTURE)), json=arguments.json)
    return 0


class Written(Noun):
    """What `golf report` made."""

    report: str
    picture: str


def _said(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of a new experiment, as `experiments.claim` takes it; nothing that was not said."""
    from golf.errors import BadConfig

    try:
        seeds = [int(seed) for seed in arguments.seeds.split(",")] if arguments.seeds else None
    except ValueError:
        raise BadConfig(f"--seeds takes whole numbers with commas between (got {arguments.seeds!r})") from None
    said = {
        "hypothesis": arguments.hypothesis,
        "expected_outcome": arguments.expected,
        "rollback_criteria": arguments.rollback,
        "script": arguments.script,
        "parent": arguments.parent,
        "tier": arguments.tier,
        "env": verb.settings(arguments.env),
        "seeds": seeds,
    }
    return {key: value for key, value in said.items() if value}
