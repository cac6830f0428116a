"""`golf sweep …`: many values of a few settings, planned, played, reported, and as a goal."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from golf.cli import jobs, verb

if TYPE_CHECKING:
    from golf.desk.sweep.plan import SweepPlan
    from golf.desk.sweep.specification import Specification
    from golf.workspace import Workspace

UNSCORED_SHOWN = 5
"""Experiments of a sweep whose trouble is said."""


def register(verbs: verb.Verbs) -> None:
    """Declare the verbs of sweeps."""
    group = verbs.add_parser(
        "sweep",
        help="many values of a few settings: override files and a script, or experiments; then the best three",
        description="A sweep of settings, as configs/sweep.yaml says it: grid, ranges, seeds, exclusions and design.",
        epilog="then: golf sweep run, or the script that plan has written; golf sweep report\n\n"
        "example:\n  golf sweep plan configs/sweep.yaml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    inner = group.add_subparsers(title="verbs", dest="sweep_verb", metavar="VERB", required=True)

    files = verb.add(
        inner,
        "plan",
        plan,
        "write a file of overrides for each combination and a script that plays them; start nothing",
        "golf sweep plan configs/sweep.yaml --max 100",
    )
    _config(files)
    files.add_argument("--dry-run", action="store_true", help="only say what would be written")

    play = verb.add(
        inner,
        "run",
        run,
        "play each combination as an experiment on a free tier; called again, it goes on where it was",
        "golf sweep run configs/sweep.yaml --parallel 2",
    )
    _config(play)
    play.add_argument("--parallel", type=verb.count, default=1, metavar="N", help="at the same time (default: 1)")
    play.add_argument("--dry-run", action="store_true", help="runs, time and price of what is left; play nothing")
    play.add_argument("--again", action="store_true", help="also what has crashed twice")

    page = verb.add(
        inner,
        "report",
        report,
        "the best three where seeds tell them apart, else what would; what each setting does",
        "golf sweep report configs/sweep.yaml --write outputs/sweeps/mlp/report.md",
    )
    _config(page)
    page.add_argument("--top", type=verb.count, default=3, metavar="N", help="to be recommended (default: 3)")
    page.add_argument("--write", type=Path, metavar="FILE.md", help="also as Markdown, with a picture beside it")

    text = verb.add(
        inner,
        "goal",
        goal,
        "the sweep as the text of a Codex /goal, within its limit of characters",
        "golf sweep goal configs/sweep.yaml --target 1.15 --hours 8",
    )
    _config(text)
    text.add_argument("--target", type=float, metavar="SCORE", help="what is hoped for")
    text.add_argument("--hours", type=verb.positive, metavar="H", help="when to stop")
    text.add_argument("--report", default="", metavar="FILE.md", help="where the report goes")


def _config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, nargs="?", default=Path("configs/sweep.yaml"), metavar="SWEEP.yaml")
    parser.add_argument(
        "--max", type=verb.count, metavar="N", help="combinations that are meant at most (default: 512)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="the plan's folder (default: sweeps/NAME beside the file)"
    )


def plan(arguments: argparse.Namespace) -> int:
    """Nothing is started."""
    from golf.desk.sweep import plan as plans
    from golf.report import render

    spec, planned, folder, root, _ = _planned(arguments, asks=not arguments.dry_run)
    if not arguments.dry_run:
        plans.write(spec, planned, folder, root)
    render.show(planned, json=arguments.json)
    if not arguments.dry_run:
        print(f"nothing was started. Play it: bash {planned.script}", file=sys.stderr)
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 when every combination has a score, 1 when one has none."""
    from golf.desk.sweep import plan as plans
    from golf.desk.sweep import play
    from golf.desk.sweep.points import COMBINATIONS_MAX
    from golf.report import render

    workspace = verb.opened()
    spec, planned, folder, root, out = _planned(arguments, workspace=workspace)
    unscored: list[str] = []
    if not arguments.dry_run:
        with jobs.telling_what_goes_on(lambda: play.going(spec, workspace)), render.progress("sweep") as bar:

            def tell(done: int, total: int, what: str) -> None:
                bar.update(spec.name, done, total, what, unit="point")

            if spec.design == "optuna":
                limit = arguments.max or COMBINATIONS_MAX
                planned = play.search(
                    spec,
                    workspace,
                    lambda points: plans.plan(spec, folder, root, limit=limit, points=points),
                    out,
                    parallel=arguments.parallel,
                    on_change=tell,
                )
            else:
                played = play.play(
                    spec, workspace, planned, out, parallel=arguments.parallel, again=arguments.again, on_change=tell
                )
                unscored = [f"{one.experiment}: {one.status}" for one in played if one.val_bpb is None]
    now = play.standing(spec, workspace, planned, out, parallel=arguments.parallel, again=arguments.again)
    render.show(now, json=arguments.json)
    for told in unscored[:UNSCORED_SHOWN]:
        print(f"golf sweep: no score of {told}", file=sys.stderr)
    return 0 if arguments.dry_run or now.done == now.points else 1


def report(arguments: argparse.Namespace) -> int:
    """Exit 0 when the best are shown to be, 1 while seeds cannot tell or runs are missing."""
    from golf.desk.sweep import play, recommendation
    from golf.play import promotion
    from golf.report import render, sweeps

    workspace = verb.opened_if_any()
    spec, planned, _, _, out = _planned(arguments)
    rows = play.gather(spec, workspace, planned, out)
    floor = None
    if workspace is not None and spec.style == "env" and spec.tier in workspace.config.tiers:
        floor = promotion.tier_noise(workspace, spec.tier)
    found = recommendation.recommend(spec, planned, rows, top=arguments.top, floor=floor)
    render.show(found, json=arguments.json)
    if arguments.write is not None:
        picture = sweeps.picture(arguments.write.with_suffix(".png"), found)
        sweeps.write_page(arguments.write, found, picture)
        print(f"wrote {arguments.write} and {picture}", file=sys.stderr)
    return 0 if found.verdict in ("settled", "nothing to cut") else 1


def goal(arguments: argparse.Namespace) -> int:
    """The text alone, to be pasted behind /goal."""
    from golf.desk.sweep import goal as goals
    from golf.report import render

    spec, planned, *_ = _planned(arguments)
    found = goals.goal(
        spec, planned, arguments.config, report=arguments.report, target=arguments.target, hours=arguments.hours
    )
    if arguments.json:
        render.show(found, json=True)
    else:
        print(found.text)
        print(f"{found.characters} of {found.limit} characters", file=sys.stderr)
    return 0


def _planned(
    arguments: argparse.Namespace, *, workspace: "Workspace | None" = None, asks: bool = False
) -> "tuple[Specification, SweepPlan, Path, Path, Path]":
    """The sweep, its plan, the plan's folder, where commands are started, and where its record lies."""
    from golf.desk.sweep import plan as plans
    from golf.desk.sweep import play, specification
    from golf.desk.sweep.points import COMBINATIONS_MAX

    spec = specification.read(arguments.config)
    folder, root = plans.places(arguments.config, spec.name, arguments.out)
    root = root if workspace is None else workspace.root  # experiments lie there, wherever the file does
    limit = arguments.max or COMBINATIONS_MAX
    out = root / "outputs" / "sweeps" / spec.name
    points = ()
    if spec.design == "optuna":
        points = play.open_points(spec, workspace, folder, root, out, asks=asks)
    return spec, plans.plan(spec, folder, root, limit=limit, points=points), folder, root, out
