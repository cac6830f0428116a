"""`golf diagnose`: what is wrong with a training run."""

import argparse
import os
from pathlib import Path

from golf.cli import verb
from golf.errors import NotFound
from golf.workspace import Workspace


def register(verbs: verb.Verbs) -> None:
    """Declare the verb."""
    parser = verb.add(
        verbs,
        "diagnose",
        diagnose,
        "what is wrong with a training run: plateau, divergence, spikes, NaN, schedule, clipping, weight decay, "
        "throughput, evaluation; from its log and its script, which is not run",
        "golf diagnose logs/train_seed42.log --script train_gpt.py --picture loss.png",
    )
    parser.description = f"{parser.description}\n\nexit 0 fine or warnings only, 1 an error is found, 2 no log to read"
    parser.add_argument(
        "run", help="an experiment, a job's id, a log, a metrics file (.jsonl), or a folder with logs and script"
    )
    parser.add_argument("--script", type=Path, help="the training script, when it is not beside the logs")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the loss and where the findings lie, as PNG")


def diagnose(arguments: argparse.Namespace) -> int:
    """Exit 1 when something is found that spoils the run."""
    from golf.desk import diagnosis as desk
    from golf.report import diagnosis, render

    found = desk.diagnose(_workspace(), arguments.run, script=arguments.script)
    if arguments.picture:
        diagnosis.picture(arguments.picture, found)
    render.show(found, json=arguments.json)
    return 1 if found.verdict == "error" else 0


def _workspace() -> Workspace | None:
    """The workspace, where there is one: logs lie anywhere.

    Raises:
        NotFound: one was named, and it is none.
    """
    try:
        return verb.opened()
    except NotFound:
        if os.environ.get("GOLF_WORKSPACE"):
            raise
        return None
