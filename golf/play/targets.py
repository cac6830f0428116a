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
    if workspace is None:
        with contextlib.suppress(NotFound):
            workspace = Workspace.find()
    if workspace is not None:
        with contextlib.suppress(NotFound):
            folder = experiments.find(workspace, path)
            if (folder / "artifact").is_dir() or not any(folder.glob("*.*tz")):
                return experiments.artifact_folder(folder, seed), workspace.challenge
    challenge = workspace.challenge if workspace is not None else rules.PARAMETER_GOLF
    if workspace is not None and not Path(path).exists() and (workspace.root / path).exists():
        return workspace.root / path, challenge
    if not Path(path).exists():
        raise NotFound(f"nothing at {path}. Give an experiment, a submission folder, weights or a script.")
    return Path(path), challenge
