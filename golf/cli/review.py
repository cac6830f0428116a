"""`golf review`, `golf submit`: facts for the critic, the referee's word, and the way to paid compute."""

import argparse
import os
import sys
from pathlib import Path

from golf.cli import verb


def register(verbs: verb.Verbs) -> None:
    """Declare the verbs between a local result and a paid run."""
    facts = verb.add(
        verbs,
        "review",
        review,
        "a submission's folder: the referee's ruling, each finding with its line; a played experiment: the facts that "
        "a critic starts from, and the hash a verdict is bound to",
        "golf review records/track_10min_16mb/2026-03-17_NaiveBaseline",
    )
    facts.description = (
        f"{facts.description}\n\nexit 0 clear, or for a person to look; 1 blocked, or a point fails; 2 nothing to see"
    )
    facts.add_argument("path", help="a submission's folder (nothing in it is run), or a played experiment's name")
    facts.add_argument(
        "--excerpt",
        action="store_true",
        help="the folder holds README, JSON and logs alone: a missing script is no finding",
    )

    pay = verb.add(
        verbs,
        "submit",
        submit,
        "start a played experiment on a paid tier, through every gate and with the money set aside first",
        "golf submit wider --tier h100x8 --dry-run",
    )
    pay.add_argument("name", help="a played experiment")
    pay.add_argument("--tier", required=True, help="a tier of golf.toml that costs money")
    pay.add_argument(
        "--dry-run", action="store_true", help="show files, command, limits, price, gates and what would be asked"
    )
    pay.add_argument("--again", action="store_true", help="repeat a paid run; the earlier one is kept")


def review(arguments: argparse.Namespace) -> int:
    """Exit 0 unless blocked (1), also where a person must look; 2 when there was nothing to examine."""
    from golf.play import review as desk
    from golf.report import render

    folder = _submission(arguments.path, arguments.workspace)
    if folder is not None:
        from golf.referee import ruling

        judged = ruling.review_submission(folder, expects_code=not arguments.excerpt)
        render.show(judged, json=arguments.json)
        if not set(judged.examined) - {"files"}:
            print(f"golf review: nothing in {folder} was examined: {judged.reason}", file=sys.stderr)
            return 2
        return 1 if judged.verdict == "block" else 0
    sheet = desk.sheet(verb.opened(), arguments.path)
    render.show(sheet, json=arguments.json)
    return 1 if any(point.verdict == "fail" for point in sheet.points) else 0


def _submission(path: str, workspace: str | None) -> Path | None:
    """The folder that is meant; None for an experiment of the workspace.

    Raises:
        BadConfig: it is no folder.
        NotFound: there is neither, or no such workspace.
    """
    from golf.errors import BadConfig, NotFound
    from golf.play import experiments, targets
    from golf.workspace import Workspace

    if not path.strip():
        raise BadConfig("what is to be reviewed? Give a submission's folder, or a played experiment's name")
    here = None
    try:
        here = Workspace.find()
    except NotFound:
        if workspace:
            raise
    if (folder := targets.submission(path)) is not None:
        return folder
    if here is not None and experiments.exists(here, path):
        return None
    if Path(path).is_file():
        raise BadConfig(f"{path} is a file: give the submission's folder, e.g. {Path(path).parent}")
    if here is None or os.sep in path:
        raise NotFound(f"there is no folder {path}. Give a submission's folder, or a played experiment's name")
    raise NotFound(
        f"there is no folder {path}, and no experiment of this name in {here.experiments}. See them: golf history"
    )


def submit(arguments: argparse.Namespace) -> int:
    """Exit 1 with what is missing when a gate is not passed; a dry run's also when its provider cannot be asked."""
    from golf.play import submission
    from golf.report import render

    workspace = verb.opened()
    if arguments.dry_run:
        planned = submission.plan(workspace, arguments.name, arguments.tier)
        render.show(planned, json=arguments.json)
        return 0 if planned.promotion.promoted and not planned.missing else 1
    job = submission.submit(workspace, arguments.name, arguments.tier, again=arguments.again)
    render.show(job, json=arguments.json)
    print(f"follow it: golf wait {job.id}    end it: golf cancel {job.id}", file=sys.stderr)
    return 0
