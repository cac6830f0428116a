"""`golf route`."""

import argparse
import os

from golf.cli import verb


def register(verbs: verb.Verbs) -> None:
    """Declare the verb that chooses a model."""
    choose = verb.add(
        verbs,
        "route",
        route,
        "which model and reasoning effort a task is worth, and why",
        "golf route 'debug a NaN in step 300'",
    )
    choose.add_argument("task", nargs="*", help="a role, or the task in words (default: the whole table)")


def route(arguments: argparse.Namespace) -> int:
    """Works outside a workspace too; inside one, `[route]` in golf.toml overrides the table."""
    from golf.codex import routing
    from golf.errors import NotFound
    from golf.report import render
    from golf.workspace import Workspace

    try:
        overrides = Workspace.find().config.route
    except NotFound:
        if os.environ.get("GOLF_WORKSPACE"):  # one was named, and is not there
            raise
        overrides = {}
    task = " ".join(arguments.task)
    render.show(routing.route(task, overrides) if task else routing.routes(overrides), json=arguments.json)
    return 0
