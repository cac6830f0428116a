"""`golf diagnose`, `golf drift`: a run against what a run should look like, and against today's settings."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golf.cli import verb
from golf.errors import BadConfig, NotFound

if TYPE_CHECKING:
    from golf.desk.drift.parameters import Parameters


def register(verbs: verb.Verbs) -> None:
    """Declare the verbs."""
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

    apart = verb.add(
        verbs,
        "drift",
        drift,
        "which settings differ from those of a tracked run: added, removed, changed, or of another type",
        "golf drift configs/train.yaml --run 2026-03-17_wider --ignore '*seed'",
    )
    apart.description = f"{apart.description}\n\nexit 0 no drift, 1 drift, 2 one side could not be read"
    apart.add_argument(
        "config",
        nargs="+",
        type=Path,
        help="YAML (Hydra's defaults are composed), TOML, JSON, .env, or a script for its defaults; later ones win",
    )
    apart.add_argument(
        "--run", help="an experiment, a result.json or other file, a Trackio run, an MLflow run's id or name"
    )
    apart.add_argument(
        "--tag",
        help="instead of a name: promoted or deployed (the newest promoted experiment); of MLflow KEY=VALUE or a value",
    )
    apart.add_argument("--mlflow", metavar="URI", help="look for the run in this store, e.g. sqlite:///mlflow.db")
    apart.add_argument("--trackio", type=Path, metavar="FILE", help="look for it in this Trackio project, PROJECT.db")
    apart.add_argument(
        "--override", action="append", default=[], metavar="KEY=VALUE", help="as on the training's command line"
    )
    apart.add_argument("--ignore", action="append", default=[], metavar="NAME", help="leave out settings; * and ? work")


def diagnose(arguments: argparse.Namespace) -> int:
    """Exit 1 when something is found that spoils the run."""
    from golf.desk.diagnosis import diagnose as desk
    from golf.report import diagnosis, render

    found = desk.diagnose(verb.opened_if_any(), arguments.run, script=arguments.script)
    if arguments.picture:
        diagnosis.picture(arguments.picture, found)
    render.show(found, json=arguments.json)
    return 1 if found.verdict == "error" else 0


def drift(arguments: argparse.Namespace) -> int:
    """Exit 1 when anything differs."""
    from golf.desk.drift import differences as drifting
    from golf.desk.drift import parameters
    from golf.report import render

    current = parameters.read_configs(arguments.config, arguments.override)
    found = drifting.drift(current, _tracked(arguments), ignore=arguments.ignore)
    render.show(found, json=arguments.json)
    return 1 if found.has_drift else 0


def _tracked(arguments: argparse.Namespace) -> "Parameters":
    """The run's side, from the store that is named, else from wherever a run of that name is."""
    from golf.desk.drift import tracked
    from golf.play import experiments

    run, tag = arguments.run, arguments.tag
    if (run is None) == (tag is None):
        raise BadConfig("which run? Give --run NAME, or --tag promoted")
    if arguments.mlflow:
        return tracked.of_mlflow(arguments.mlflow, run, tag)
    store = arguments.trackio
    if store is not None:
        if run is None or not store.is_file():
            raise NotFound(f"no Trackio project at {store}" if run else "Trackio keeps no tags: give --run NAME")
        return tracked.of_trackio(lambda: _trackio_runs(store), run, store.name)
    if run is not None and Path(run).is_file():
        return tracked.of_file(Path(run))
    workspace = verb.opened_if_any()
    if workspace is None:
        raise NotFound(f"no file {run or tag!r}, and no workspace here; name a store: --mlflow URI, --trackio FILE")
    if run is None or experiments.exists(workspace, run):
        return tracked.of_experiment(workspace, run, tag)
    own = workspace.state / "trackio" / f"{workspace.root.name}.db"
    return tracked.of_trackio(lambda: _trackio_runs(own), run, "the workspace's Trackio store")


def _trackio_runs(path: Path) -> Sequence[tuple[str, Mapping[str, Any]]]:
    from golf.desk.tracking import trackio_store

    return [(run.name, run.config) for run in trackio_store.read_runs(path.parent, path.stem)]
