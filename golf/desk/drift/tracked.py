"""The parameters a run was made with, from wherever it was tracked: an experiment, Trackio, MLflow, a JSON."""

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from golf.desk.drift.parameters import Parameter, Parameters, flat, literal, of_texts, read_config
from golf.desk.tracking import mlflow_store
from golf.desk.tracking.trackio_store import KEY
from golf.errors import AmbiguousInput, BadConfig, NotFound, UnreadableInput
from golf.play import experiments, ledger
from golf.schema import Result
from golf.workspace import Workspace

PROMOTED = ("promoted", "deployed", "production", "champion")
"""Tags that, in a workspace, all mean the newest promoted row."""

TrackioRuns = Callable[[], Sequence[tuple[str, Mapping[str, Any]]]]
"""Names and configurations of a Trackio project's runs, oldest first."""


def of_experiment(workspace: Workspace, name: str | None, tag: str | None) -> Parameters:
    """What an experiment's trainer was given: its result's settings, or before its run those of its configuration.

    Raises:
        NotFound: there is no such experiment, or none is promoted.
        BadConfig: the tag is none of a workspace's.
    """
    if name is None:
        if tag not in PROMOTED:
            raise BadConfig(
                f"a workspace knows the tags {', '.join(PROMOTED)} (got {tag!r}); or name a run: --run NAME"
            )
        rows = [row for row in ledger.read(workspace.ledger) if row.promoted == "yes"]
        if not rows:
            raise NotFound("no row of the ledger is promoted; name a run: --run EXPERIMENT (see golf history)")
        name = experiments.named_in(rows[-1].description)
    folder = experiments.find(workspace, name)
    result = experiments.read_result(folder)
    if result is None:
        claim = experiments.load(folder)
        return _of_settings(f"{folder.name} (not played)", "config.yaml", claim.env)
    return _of_result(folder.name, result)


def _of_result(name: str, result: Result) -> Parameters:
    return _of_settings(f"{name} (run {result.run_id})", "result.json", result.settings)


def _of_settings(name: str, file: str, settings: Mapping[str, str]) -> Parameters:
    return Parameters(name, False, {key: Parameter(literal(value), file) for key, value in settings.items()})


def of_file(path: Path) -> Parameters:
    """The parameters in a file: a result.json of ours, else a table of them, under `config` or `params` or at its top.

    Raises:
        UnreadableInput: it holds no table.
    """
    if path.suffix != ".json":
        return read_config(path)[0]
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableInput(f"{path.name} is no JSON: {error}") from error
    if not isinstance(table, dict):
        raise UnreadableInput(f"{path.name} holds no table of parameters")
    if isinstance(table.get("settings"), dict) and "experiment" in table:
        return _of_settings(path.name, path.name, {key: str(value) for key, value in table["settings"].items()})
    inner = next((table[key] for key in ("config", "params", "parameters") if isinstance(table.get(key), dict)), table)
    return Parameters(path.name, True, flat(inner, path.name))


def of_trackio(runs: TrackioRuns, name: str, shown: str) -> Parameters:
    """The configuration of a run in a Trackio store.

    Raises:
        NotFound: there is none of that name.
        AmbiguousInput: several have it, and differ.
    """
    found = [config for one, config in runs() if one == name]
    if not found:
        raise NotFound(f"no Trackio run {name[:100]!r} in {shown}. See them: trackio list runs --project PROJECT")
    own = [{key: value for key, value in config.items() if key != KEY and not key.startswith("_")} for config in found]
    if any(other != own[-1] for other in own):
        raise AmbiguousInput(f"{len(found)} Trackio runs in {shown} are called {name}, with different configurations")
    config = own[-1]
    is_ours = {"commit", "hypothesis"} <= config.keys()  # an environment, so texts, and what is no setting
    kept = {key: value for key, value in config.items() if not is_ours or key not in ("commit", "hypothesis")}
    return Parameters(f"{name} ({shown})", not is_ours, flat(kept, f"trackio:{name}"))


def of_mlflow(uri: str, run: str | None, tag: str | None) -> Parameters:
    """The parameters of an MLflow run; nothing is written to its store.

    Args:
        uri: The tracking store, e.g. `sqlite:///mlflow.db` or a server's address.
        run: A run's id or name.
        tag: `KEY=VALUE`, or a value that any tag has: the newest run tagged so, where no run is named.

    Raises:
        NotFound: there is no such store or run.
        AmbiguousInput: several runs have that name.
        MissingPackage: MLflow is not installed.
    """
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
        raise NotFound(f"no MLflow store at {uri}; give the address that the run was logged to")
    with mlflow_store.reading(uri) as client:
        found = _runs(client, run, tag)
        if not found:
            raise NotFound(f"no MLflow run {f'named {run}' if run else f'tagged {tag}'} in {uri}")
        if run is not None and len(found) > 1:
            ids = ", ".join(one.info.run_id for one in found[:4])
            raise AmbiguousInput(f"{len(found)} MLflow runs are called {run}: {ids}. Give an id")
        chosen = found[0]
        params = {
            key: literal(value) if isinstance(value, str) else value
            for key, value in of_texts(dict(chosen.data.params)).items()
        }
        shown = f"{chosen.info.run_name} (MLflow {chosen.info.run_id})"
        return Parameters(shown, False, flat(params, f"mlflow:{chosen.info.run_id}"))


def _runs(client: Any, run: str | None, tag: str | None) -> list[Any]:
    """The runs that are meant, the newest first."""
    every = [one.experiment_id for one in client.search_experiments()]
    if run is not None:
        with contextlib.suppress(Exception):  # MLflow raises its own for an id that is none
            return [client.get_run(run)]
        return [one for one in mlflow_store.search(client, every) if one.info.run_name == run]
    key, mark, value = (tag or "").partition("=")

    def is_tagged(tags: Mapping[str, str]) -> bool:
        return tags.get(key) == value if mark else tag in tags.values() or tags.get(key, "").lower() in ("true", "1")

    return [one for one in mlflow_store.search(client, every) if is_tagged(one.data.tags)]
