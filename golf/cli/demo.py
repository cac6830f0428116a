"""`golf demo`: a whole round on real text, on the CPU, in about three minutes, without a network."""

import argparse
import sys
import time
from pathlib import Path

from golf.cli import verb


def register(verbs: verb.Verbs) -> None:
    """Declare `golf demo`."""
    parser = verb.add(
        verbs,
        "demo",
        demo,
        "play a whole round on real text: two experiments, measured, decided, recorded, shown",
        "golf demo my-first-round",
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("caddie-demo"), help="new folder (default: caddie-demo)"
    )


def demo(arguments: argparse.Namespace) -> int:
    """Exit 0 when the round was played to its end, whoever won; Ctrl-C ends it and keeps what was recorded."""
    from golf.cli import jobs
    from golf.play import demo as play
    from golf.play import experiments, record, start
    from golf.report import plots, render, round

    began = time.monotonic()
    folder = play.free_folder(arguments.folder.resolve())
    with render.progress("course") as bar:
        workspace, course = play.prepare(folder, bar.update)
    text = round.describe(course)
    print(f"text: {text}", file=sys.stderr)

    results = []
    for claim in (play.claim_baseline, lambda workspace: play.claim_candidate(workspace, results[0].experiment)):
        experiment = claim(workspace)
        job = start.start_run(workspace, experiment.name, foreground=True)
        jobs.finished(workspace, job, experiment.name)
        results.append(experiments.read_result(experiment))

    picture = folder / "round.png"
    rows = [record.row(result, result.experiment) for result in results]
    plots.ladder(picture, rows, results[-1].reference_bpb)
    render.show(play.conclude(results, folder, text, picture, time.monotonic() - began), json=arguments.json)
    return 0
