"""`golf track`, `golf dashboard`: metrics into trackers, and Trackio's own dashboard on them."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from golf.cli import verb

if TYPE_CHECKING:
    from golf.desk.tracking.mirror import Stores
    from golf.workspace import Workspace

TRACKERS = ("trackio", "mlflow", "wandb", "jsonl")


def register(verbs: verb.Verbs) -> None:
    """Declare the verbs."""
    parser = verb.add(
        verbs,
        "track",
        track,
        "bring the metrics of a run into Trackio, MLflow, W&B (offline) or JSON lines, each value once, also of a run "
        "that is on",
        "golf track logs/train_seed42.log --to trackio mlflow",
    )
    parser.description = (
        f"{parser.description}\n\nexit 0 all is there, 2 nothing to track, or a tracker did not keep it"
    )
    parser.add_argument("run", help="an experiment, a job's id, a log, a metrics file (.jsonl), or a folder with logs")
    parser.add_argument(
        "--to", nargs="+", choices=TRACKERS, metavar="TRACKER",
        help=f"{', '.join(TRACKERS)} (default: [tracking] of golf.toml, which says trackio)",
    )  # fmt: skip
    parser.add_argument(
        "--follow", action="store_true", help="stay until the run is over, point by point; Ctrl-C leaves"
    )
    parser.add_argument("--uri", metavar="URI", default="", help="MLflow's store, e.g. sqlite:///mlflow.db")
    _stores(parser)

    board = verb.add(
        verbs,
        "dashboard",
        dashboard,
        "Trackio's own dashboard on the tracked runs, on loopback, until Ctrl-C; or the runs as a dataset on the Hub",
        "golf dashboard --publish me/golf-runs --with wider",
    )
    board.description = (
        f"{board.description}\n\nexit 0 ended or planned or sent, 1 a key is in the files or the repository is public, "
        "2 it could not be done"
    )
    board.add_argument("--no-browser", action="store_true", help="only print the address")
    board.add_argument("--port", type=verb.count, metavar="N", help="of loopback (default: a free one from 7860 on)")
    board.add_argument(
        "--publish", metavar="OWNER/NAME", help="instead: what a private dataset on the Hub would get; --yes sends it"
    )
    board.add_argument(
        "--with", nargs="+", default=[], dest="names", metavar="EXPERIMENT", help="their reports and evidence too"
    )
    board.add_argument("--public", action="store_true", help="make the dataset for everybody to read")
    board.add_argument("--yes", action="store_true", help="send what --publish shows")
    _stores(board)


def _stores(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help="folder of the stores (default: the workspace's .golf, else ./.golf)"
    )
    parser.add_argument("--project", default="", help="project of the runs (default: the workspace's name)")


def track(arguments: argparse.Namespace) -> int:
    """Exit 2 when a tracker did not keep a run."""
    import threading

    from golf.desk.tracking import mirror, sources
    from golf.report import render

    workspace = verb.opened_if_any()
    stores = mirror.Stores.of(workspace, folder=arguments.store, project=arguments.project, uri=arguments.uri)
    wanted, missing = arguments.to, []
    if wanted is None:
        wanted, missing = mirror.installed(["trackio"] if workspace is None else workspace.config.tracking.to)
    left = threading.Event()

    def wait(seconds: float) -> bool:
        try:
            return not left.wait(seconds)
        except KeyboardInterrupt:  # a last look, then the end
            return False

    done = mirror.track(
        arguments.run,
        sources.find(workspace, arguments.run),
        stores,
        wanted or ["trackio"],
        with_alerts=workspace is None or workspace.config.tracking.alerts,
        wait=wait if arguments.follow else None,
    )
    render.show(done, json=arguments.json)
    for told in [*missing, *done.failures]:
        print(f"golf track: {told}", file=sys.stderr)
    return 2 if done.failures else 0


def dashboard(arguments: argparse.Namespace) -> int:
    """Serves until Ctrl-C, which is a good end; a hang-up or a polite kill ends it as well, and closes the port."""
    import threading
    import webbrowser

    from golf import leftovers
    from golf.desk.tracking import dashboard as board
    from golf.desk.tracking import mirror
    from golf.errors import BadConfig
    from golf.report import render

    workspace = verb.opened_if_any()
    stores = mirror.Stores.of(workspace, folder=arguments.store, project=arguments.project)
    if arguments.publish:
        return _publish(arguments, workspace, stores)
    if arguments.names or arguments.public or arguments.yes:
        raise BadConfig("--with, --public and --yes are about --publish OWNER/NAME")
    with leftovers.asked_to_end(), board.served(stores.trackio, stores.project, arguments.port) as served:
        render.show(served, json=arguments.json)
        sys.stdout.flush()
        if not served.runs:
            print("golf dashboard: nothing is tracked yet; golf run does it, or golf track RUN", file=sys.stderr)
        print("golf dashboard: Ctrl-C ends it", file=sys.stderr)
        try:
            if not arguments.no_browser:
                webbrowser.open(served.url)
            threading.Event().wait()
        except KeyboardInterrupt:
            print("golf dashboard: ended", file=sys.stderr)
    return 0


def _publish(arguments: argparse.Namespace, workspace: "Workspace | None", stores: "Stores") -> int:
    """A plan, or with --yes the deed; exit 1 when a file has a key in it."""
    from golf.desk.tracking import publish
    from golf.report import render

    planned, files = publish.plan(
        workspace,
        stores.trackio,
        stores.project,
        arguments.publish,
        names=arguments.names,
        is_private=not arguments.public,
    )
    if arguments.yes:
        planned = publish.send(planned, files)
    render.show(planned, json=arguments.json)
    if not arguments.yes and not planned.refused:
        print("golf dashboard: nothing was sent; --yes sends it", file=sys.stderr)
    return 1 if planned.refused else 0
