"""What is to be exported: weights, the script whose model they fit, its settings and its interpreter."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from golf.errors import BadConfig, NotFound
from golf.measure import artifact, bpb
from golf.play import experiments
from golf.workspace import Workspace


@dataclass(frozen=True)
class Subject:
    """A checkpoint and what builds its model."""

    name: str
    """As it was given."""
    weights: Path
    script: Path
    """The training script, or the file with the factory."""
    factory: str
    """A function in the script; empty: its GPT."""
    env: Mapping[str, str]
    python: str
    beside: tuple[Path, ...]

    def parts(self) -> list[Path]:
        """All that the confined process sees besides the interpreter and the system's libraries."""
        folder = self.script.parent
        modules = [path for path in sorted(folder.glob("*.py")) if path.is_file()]
        packages = [path.parent for path in sorted(folder.glob("*/__init__.py"))]
        return list(dict.fromkeys([self.script, self.weights, *self.beside, *modules, *packages]))


def find_subject(
    target: str,
    *,
    workspace: Workspace | None = None,
    script: Path | None = None,
    factory: str = "",
    env: Mapping[str, str] | None = None,
    seed: int | None = None,
    beside: Sequence[Path] = (),
    python: str | None = None,
) -> Subject:
    """What `target` means: an experiment of the workspace, a weights file, or a folder with one.

    Args:
        target: See above.
        workspace: Where experiments are, and whose interpreter is used; None: this one, and no experiments.
        script: The training script, when it is not beside the weights.
        factory: `FILE.py:FUNCTION`, or `MODULE:FUNCTION` with MODULE.py here or beside the weights: what gives the
            model, of nothing or of the loaded checkpoint, where no script of the challenge's shape does.
        env: Settings the script reads, besides an experiment's own.
        seed: Which seed's artifact of an experiment; None: the largest.
        beside: Files and folders that the script reads besides the modules beside it.
        python: An interpreter with torch; None: the workspace's.

    Raises:
        NotFound: there is nothing of this name, or no script.
        AmbiguousInput: several files could be the weights.
        BadConfig: the factory names no function, or both a script and a factory are given.
    """
    if lost := [path for path in beside if not path.exists()]:
        raise NotFound(f"there is nothing at {lost[0]}. --with takes a file or folder that the script reads")
    settings = dict(env or {})
    if workspace is not None and not Path(target).exists() and experiments.exists(workspace, target):
        folder = experiments.find(workspace, target)
        experiment = experiments.load(folder)
        weights = artifact.find_weights(experiments.artifact_folder(folder, seed))
        script = script or experiments.model_script(folder / experiment.script)
        settings = {**experiments.settings(workspace, experiment), **settings}
    elif factory:
        weights = Path(target)
        weights = artifact.find_weights(weights) if weights.is_dir() else weights
        if not weights.is_file():
            raise NotFound(f"there is no checkpoint {target}. Give a weights file, or a folder with one")
    else:
        if not Path(target).exists():
            raise NotFound(f"nothing at {target}. Give an experiment, a weights file, or a folder with one")
        weights, script = bpb.find_checkpoint(Path(target), script)
    function = ""
    if factory:
        if script is not None and not (workspace and experiments.exists(workspace, target)):
            raise BadConfig("--script and --factory both say where the model comes from: give one of them")
        script, function = find_factory(factory, weights)
    assert script is not None
    return Subject(
        name=target,
        weights=weights.resolve(),
        script=script.resolve(),
        factory=function,
        env=settings,
        python=python or (sys.executable if workspace is None else workspace.python),
        beside=tuple(path.resolve() for path in beside),
    )


def find_factory(text: str, weights: Path) -> tuple[Path, str]:
    """The file and the function that a factory's name means.

    Raises:
        BadConfig: it names no function.
        NotFound: there is no such file.
    """
    place, colon, function = text.rpartition(":")
    if not colon or not place or not function.isidentifier():
        raise BadConfig(f"--factory takes FILE.py:FUNCTION or MODULE:FUNCTION (got {text!r}), e.g. model.py:build")
    if place.endswith(".py"):
        candidates = [Path(place)]
    else:
        relative = Path(*place.split(".")).with_suffix(".py")
        candidates = [relative, weights.parent / relative]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise NotFound(f"there is no file {' or '.join(map(str, candidates))} for --factory {text}")
    return found, function
