"""`golf review`, `golf submit`: facts for the critic, and the way to paid compute."""

import argparse
import sys

from golf.cli import verb


def register(verbs: verb.Verbs) -> None:
    """Declare the verbs between a local result and a paid run."""
    facts = verb.add(
        verbs,
        "review",
        review,
        "the facts about a played experiment that a critic starts from, and the hash a verdict is bound to",
        "golf review wider",
    )
    facts.add_argument("name", help="a played experiment")

    pay = verb.add(
        verbs,
        "submit",
        submit,
        "start a played experiment on a paid tier, through every gate and with the money set aside first",
        "golf submit wider --tier h100x8 --dry-run",
    )
    pay.add_argument("name", help="a played experiment")
    pay.add_argument("--tier", required=True, help="a tier of golf.toml that costs money")
    pay.add_argument("--dry-run", action="store_true", help="show the gates, and start nothing")


def review(arguments: argparse.Namespace) -> int:
    """Exit 1 when a point fails, 0 when none does: unknown points are the critic's."""
    from golf.play import review as desk
    from golf.report import render

    sheet = desk.sheet(verb.opened(), arguments.name)
    render.show(sheet, json=arguments.json)
    return 1 if any(point.verdict == "fail" for point in sheet.points) else 0


def submit(arguments: argparse.Namespace) -> int:
    """Exit 1 with what is missing when a gate is not passed."""
    from golf.play import submission
    from golf.report import render

    workspace = verb.opened()
    if arguments.dry_run:
        render.show(submission.check(workspace, arguments.name, arguments.tier), json=arguments.json)
        return 0
    job = submission.submit(workspace, arguments.name, arguments.tier)
    render.show(job, json=arguments.json)
    print(f"follow it: golf wait {job.id}    end it: golf cancel {job.id}", file=sys.stderr)
    return 0
