"""`golf research tried`, `golf research rules`, `golf research calibrate`: what the workspace's own past teaches."""

import argparse
import json
import sys
from pathlib import Path

from golf.cli import verb
from golf.workspace import Workspace


def register(verbs: verb.Verbs) -> None:
    """Declare these verbs among those of `golf research`."""
    asked = verb.add(
        verbs,
        "tried",
        tried,
        "whether an idea was tried before, in other words or with another value, and what came of it",
        "golf research tried 'EMA of the weights, decay 0.997'",
    )
    asked.add_argument("text", help="the idea, as a hypothesis")

    verb.add(
        verbs,
        "rules",
        rules,
        "what the past teaches: ideas that failed at least twice and never gained, a line each",
        "golf research rules",
    )

    verb.add(
        verbs,
        "calibrate",
        calibrate,
        "grades against measured gains: which dimensions of the rubric foretell anything, with proposed weights",
        "golf research calibrate",
    )


def tried(arguments: argparse.Namespace) -> int:
    """Exit 0 when it is new, 1 when it was tried before."""
    from golf.errors import BadConfig
    from golf.report import render
    from golf.research import memory, recollection

    if not any(map(str.isalnum, arguments.text)):
        raise BadConfig("there is no idea in it; say it in words, as in: golf research tried 'EMA of the weights'")
    with recollection.opened(verb.opened()) as connection:
        found = memory.recall(connection, arguments.text)
    render.show(found, json=arguments.json, empty="nothing like it was tried")
    return 1 if found else 0


def rules(arguments: argparse.Namespace) -> int:
    """Lines of text; with `--json` a list of them."""
    from golf.report import words
    from golf.research import memory, recollection

    with recollection.opened(verb.opened()) as connection:
        found = memory.rules(connection)
    if arguments.json:
        lines = [json.dumps(found, ensure_ascii=False, indent=2)]
    else:
        lines = [words.clean(line) for line in found] or ["no idea has failed twice"]
    words.write_lines(sys.stdout, lines)
    return 0


def calibrate(arguments: argparse.Namespace) -> int:
    """Reads only: weights are proposed, and nothing is changed by them."""
    from golf.report import render
    from golf.research import outcomes

    render.show(outcomes.calibrated(verb.opened()), json=arguments.json)
    return 0


def warn(workspace: Workspace, folder: Path, hypothesis: str | None) -> None:
    """Say on stderr what came of a new experiment's idea the last time; nothing where it is new."""
    from golf.report import words
    from golf.research import recollection

    if hypothesis and (said := recollection.warning(workspace, folder.name, hypothesis)):
        words.write_lines(sys.stderr, [words.clean(said)])
