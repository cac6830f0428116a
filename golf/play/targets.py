"""What a path means to the measuring verbs: an experiment's artifact, or the files as they lie."""

import contextlib
from pathlib import Path

from golf import rules
from golf.errors import NotFound
from golf.play import experiments
from golf.workspace import Workspace


def artifact(path: str, seed: int | None = None, workspace: Workspace | None = None) -> tuple[Path, rules.Challenge]:
    """The folder or file to weigh, and the limits that hold.

    An experiment's name or folder means the artifact of `seed` (default: its largest). Outside a
    workspace the parameter-golf preset holds.

    Raises:
        NotFound: there is nothing at `path`, or the experiment has no artifact.
    """
    workspace = workspace or _here()
    if workspace is None:
        place, challenge = Path(path), rules.PARAMETER_GOLF
    elif experiments.exists(workspace, path):
        return experiments.artifact_folder(experiments.find(workspace, path), seed), workspace.challenge
    else:
        place, challenge = Path(path) if Path(path).exists() else workspace.root / path, workspace.challenge
    if not place.exists():
        raise NotFound(f"nothing at {path}. Give an experiment, a submission folder, weights or a script.")
    return place, challenge


def submission(path: str, workspace: Workspace | None = None) -> Path | None:
    """A folder that holds somebody's submission; None when `path` names an experiment of the workspace, or no folder.

    Raises:
        AmbiguousInput: several experiments have this slug.
    """
    workspace = workspace or _here()
    if workspace is not None and experiments.exists(workspace, path):
        return None
    candidates = [Path(path)] if workspace is None else [Path(path), workspace.root / path]
    return next((folder for folder in candidates if folder.is_dir()), None)


def _here() -> Workspace | None:
    with contextlib.suppress(NotFound):
        return Workspace.find()
    return None
