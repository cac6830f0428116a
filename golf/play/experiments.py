"""The folders under `experiments/`: one claim each, written down before it is tried.

`<date>_<slug>/` holds config.yaml (the claim), the script, and after the run logs, artifact,
result.json and report.md. A name is the folder's, or its slug alone when only one folder has it.
"""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from golf import durable
from golf.errors import AmbiguousInput, BadConfig, NotFound, UnreadableInput
from golf.play import claims, settlement
from golf.schema import Experiment, Result
from golf.workspace import TierSettings, Workspace, describe

CONFIG = "config.yaml"
RESULT = "result.json"
REPORT = "report.md"
NAME = r"[a-z0-9][a-z0-9_.-]{0,79}"
CANCELLED = "cancelled"
"""Marks what a run has left in `earlier/` that was cancelled or never got started: it never comes back from there."""
EVIDENCE = ("artifact", "logs", "earlier")
"""Folders of an experiment that runs write: no part of what is run."""

WRITTEN = ("logs", "artifact", REPORT, "loss.png", RESULT)
"""What a run leaves, in the order it is moved; the result last, because it marks the experiment as played."""


def create(workspace: Workspace, slug: str, experiment: Experiment, script: Path | None = None) -> Path:
    """Make the folder with config.yaml, report.md and a copy of `script` (default: the parent's); returns it.

    Raises:
        BadConfig: the slug is not a plain name, the tier is unknown, or there is neither script nor parent.
        NotFound: the script or the parent does not exist.
        AmbiguousInput: the experiment exists already.
    """
    parent = None if experiment.parent is None else find(workspace, experiment.parent)
    if script is None:
        if parent is None:
            raise BadConfig("a new experiment needs its training script: name one, or a parent whose script it takes")
        script = parent / load(parent).script
    if not re.fullmatch(NAME, slug):
        raise BadConfig(f"{slug!r} is not an experiment name: use a-z, 0-9, '-', '_' and '.', at most 80 characters")
    workspace.tier(experiment.tier)
    if not script.is_file():
        raise NotFound(f"no training script at {script}. Name one: --script PATH")
    dated = slug if re.match(r"\d{4}-\d\d-\d\d_", slug) else f"{datetime.now().astimezone():%Y-%m-%d}_{slug}"
    folder = workspace.experiments / dated
    if folder.exists():
        raise AmbiguousInput(f"{folder} exists already; choose another name, or play it: golf run {dated}")
    stamped = experiment.model_copy(
        update={"created_at": datetime.now(UTC), "script": script.name, "parent": parent and parent.name}
    )
    workspace.experiments.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".claim-", dir=workspace.experiments) as scratch:
        whole = Path(scratch) / dated  # or not at all: half a claim would keep its name from being used
        whole.mkdir()
        for source in {script, model_script(script)}:
            shutil.copyfile(source, whole / source.name)
        durable.replace(whole / CONFIG, dump(stamped))
        durable.replace(whole / REPORT, claims.page(dated, stamped))
        try:
            whole.rename(folder)
        except OSError as error:
            raise AmbiguousInput(f"{folder} exists already; choose another name") from error
    claims.keep(folder, sorted({CONFIG, script.name, model_script(script).name}))
    return folder


def claim(
    workspace: Workspace,
    name: str,
    *,
    hypothesis: str | None,
    expected_outcome: str = "",
    rollback_criteria: str = "",
    script: Path | None = None,
    parent: str | None = None,
    tier: str | None = None,
    env: Mapping[str, str] | None = None,
    seeds: Sequence[int] | None = None,
    techniques: Sequence[str] = (),
) -> Path:
    """A new experiment from a stated hypothesis; returns its folder.

    What is not said is the parent's: its script, tier and seeds, and its settings below `env`, so that
    an experiment differs from its parent in what it names and in nothing else.

    Raises:
        BadConfig: there is no hypothesis, or a value is out of range; else as `create`.
    """
    if hypothesis is None or not hypothesis.strip():
        raise BadConfig(f"{name} is a new experiment and needs its hypothesis first: what you expect, and why")
    base = None if parent is None else load(find(workspace, parent))
    try:
        experiment = Experiment(
            hypothesis=hypothesis.strip(),
            expected_outcome=expected_outcome,
            rollback_criteria=rollback_criteria,
            parent=parent,
            tier=tier or (base.tier if base else "local"),
            command=base.command if base else None,
            env={**(base.env if base else {}), **(env or {})},
            seeds=list(seeds) if seeds else (base.seeds if base else [1337]),
            techniques=list(techniques),
        )
    except ValidationError as error:
        raise BadConfig(f"{name}: {describe(error)}") from error
    return create(workspace, name, experiment, script)


def claimed(workspace: Workspace, name: str, **said: Any) -> Path:
    """The experiment `name` to be played: the one there is, or a new one when anything is `said` of it (see `claim`).

    Raises:
        BadConfig: its tier would cost money, and nothing was written; or it exists, and something is said of it: a
            claim stands as it was written.
        NotFound: it does not exist, and nothing is said of it.
    """
    given = {key: value for key, value in said.items() if value}
    if not exists(workspace, name):
        if not given:
            return find(workspace, name)
        parent = given.get("parent")
        tier = given.get("tier") or ("local" if parent is None else load(find(workspace, parent)).tier)
        if tier in workspace.config.tiers:
            settlement.check_free(workspace, tier, name)
        return claim(workspace, name, **{"hypothesis": None, **given})
    if given:
        raise BadConfig(
            f"{name} exists, and its claim stands as written ({', '.join(sorted(given))} would change it); "
            "play it by its name alone, or choose a new name"
        )
    return find(workspace, name)


def relative(workspace: Workspace, name: str) -> Path:
    """Where an experiment's folder lies in a checkout of the workspace."""
    return workspace.experiments.relative_to(workspace.root) / name


def settings(workspace: Workspace, experiment: Experiment, tier: TierSettings | None = None) -> dict[str, str]:
    """The trainer's variables: the tier's, then the experiment's, and the workspace's data, which is for all the same.

    Values of `*_PATH` and `*_DIR` that exist in the workspace become absolute, because a run happens elsewhere.
    """
    chosen = {
        **(tier or workspace.tier(experiment.tier)).env,
        **experiment.env,
        "DATA_PATH": str(workspace.data),
        "TOKENIZER_PATH": str(workspace.tokenizer),
    }
    for key, value in chosen.items():
        if key.endswith(("_PATH", "_DIR")) and (workspace.root / value).exists():
            chosen[key] = str(workspace.root / value)
    return chosen


def source(folder: Path, claim: Experiment) -> str:
    """An experiment's script and settings, as text; the settings alone where the script cannot be read."""
    settings = "\n".join(f"{key} = {value!r}" for key, value in sorted(claim.env.items()))
    try:
        return (folder / claim.script).read_text(encoding="utf-8", errors="replace") + "\n" + settings
    except OSError:
        return settings


def model_script(script: Path) -> Path:
    """The script whose torch model an artifact is scored with: `script`, or its twin.

    `train_gpt_mlx.py` trains with MLX what `train_gpt.py` beside it scores with torch.
    """
    twin = script.with_name(f"{script.stem.removesuffix('_mlx')}.py")
    return twin if twin.is_file() else script


def dump(experiment: Experiment) -> str:
    """config.yaml's text."""
    import yaml

    value = experiment.model_dump(mode="json", exclude_none=True)
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110)
    if all(character.isprintable() or character == "\n" for character in text):
        return text
    return yaml.safe_dump(value, sort_keys=False, width=110)  # exotic line breaks survive only escaped


def find(workspace: Workspace, name: str) -> Path:
    """The folder of an experiment, by folder name, slug or path.

    Raises:
        NotFound: there is none.
        AmbiguousInput: several dates have this slug.
    """
    base = workspace.experiments
    given = Path(name)
    for candidate in (base / name, workspace.root / name, given):
        if (candidate / CONFIG).is_file() and candidate.resolve().is_relative_to(base.resolve()):
            return base / candidate.resolve().relative_to(base.resolve())
    matches = sorted(path for path in base.glob(f"????-??-??_{_literal(name)}") if (path / CONFIG).is_file())
    if len(matches) > 1:
        names = ", ".join(path.name for path in matches)
        raise AmbiguousInput(f"several experiments are called {name}: {names}. Give the whole name.")
    if not matches:
        raise NotFound(
            f"no experiment {name[:100]!r} in {base}. See them: golf history; a new one needs its hypothesis first"
        )
    return matches[0]


def around(workspace: Workspace, path: Path) -> Path | None:
    """The experiment a file lies in, or None."""
    for folder in path.resolve().parents:
        if folder.parent == workspace.experiments.resolve() and (folder / CONFIG).is_file():
            return folder
    return None


def exists(workspace: Workspace, name: str) -> bool:
    """Whether `find` finds it.

    Raises:
        AmbiguousInput: several dates have this slug.
    """
    try:
        find(workspace, name)
    except NotFound:
        return False
    return True


def load(folder: Path) -> Experiment:
    """config.yaml, typed.

    Raises:
        BadConfig: it is missing, not YAML, or a field is missing, unknown or out of range.
    """
    import yaml

    path = folder / CONFIG
    try:
        # libyaml's parser, where PyYAML has it: the same values at a tenth of the time
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except FileNotFoundError:
        raise BadConfig(f"{path} is missing: an experiment states its hypothesis before it runs") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadConfig(f"{path} could not be read: {error}") from error
    try:
        return Experiment.model_validate(value)
    except ValidationError as error:
        raise BadConfig(f"{path}: {describe(error)}") from error


def read_result(folder: Path) -> Result | None:
    """result.json, or None when the experiment has not been played to an end.

    Raises:
        UnreadableInput: the file is there and is not a result.
    """
    path = folder / RESULT
    try:
        return Result.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise UnreadableInput(f"{path} is not a readable result: {error}") from error


def artifact_folder(folder: Path, seed: int | None = None) -> Path:
    """Where a played experiment's artifact lies: of `seed`, or of the seed with the largest artifact.

    The largest, because the size limit applies to every seed.

    Raises:
        NotFound: the experiment has not produced an artifact (for this seed).
    """
    result = read_result(folder)
    sizes = {} if result is None else {entry.seed: entry.artifact_bytes for entry in result.seeds}
    if seed is None and sizes:
        seed = max(sizes, key=lambda key: sizes[key])
    place = folder / "artifact" / f"seed{seed}"
    if seed is None or not place.is_dir():
        which = "" if seed is None else f" of seed {seed}"
        raise NotFound(f"{folder.name} has no artifact{which}; play it: golf run {folder.name}")
    return place


def set_aside(folder: Path, result: Result) -> Path:
    """Move an earlier run's evidence to `earlier/<run id>/`, so that a repetition overwrites nothing."""
    place = folder / "earlier" / result.run_id
    place.mkdir(parents=True, exist_ok=True)
    for name in WRITTEN:
        if (folder / name).exists():
            os.replace(folder / name, place / name)
    with contextlib.suppress(BadConfig):  # until the repetition has its own
        durable.replace(folder / REPORT, claims.page(folder.name, load(folder)))
    return place


def put_back(folder: Path, run_id: str) -> None:
    """Undo `set_aside` for a run that came to nothing: the newest earlier run is the experiment's again.

    What that one has left goes to `earlier/<its id>/`. Killed at any step, it goes on when it is called again.
    """
    earlier = folder / "earlier"
    if not folder.is_dir():
        return
    if (folder / RESULT).exists():
        with contextlib.suppress(UnreadableInput, OSError):
            if earlier.is_dir() and (result := read_result(folder)) is not None:
                _take_back(earlier / result.run_id, folder)
        return
    aside = earlier / run_id
    if not (aside / CANCELLED).exists():
        left = [name for name in WRITTEN if (folder / name).exists() and not (name == REPORT and _is_claim(folder))]
        aside.mkdir(parents=True, exist_ok=True)
        for name in left:
            os.replace(folder / name, aside / name)
        (aside / CANCELLED).touch()  # from here on what lies in the folder is an earlier run's that came back
    played = [one for one in earlier.glob("*") if (one / RESULT).exists() and not (one / CANCELLED).exists()]
    if not played:
        return
    place = max(played, key=lambda path: path.name)
    for name in WRITTEN:
        if (place / name).exists():  # what a killed attempt has moved already must not be cleared away
            shutil.rmtree(folder / name, ignore_errors=True)
            os.replace(place / name, folder / name)
    shutil.rmtree(place)


def _take_back(place: Path, folder: Path) -> None:
    """What a killed `set_aside` had moved before the result, which marks the experiment as played; and the empty place
    that a killed `put_back` leaves."""
    if (place / RESULT).exists():
        return
    for name in WRITTEN:
        if (place / name).exists() and not (folder / name).exists():
            os.replace(place / name, folder / name)
    place.rmdir()


def _is_claim(folder: Path) -> bool:
    """Whether report.md is the claim's page, and no run's."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return f"\n{claims.NOT_PLAYED} " in (folder / REPORT).read_text(encoding="utf-8")
    return False


def code_lines(script: Path) -> int:
    """Lines of code: neither blank nor comment only."""
    lines = script.read_text(encoding="utf-8", errors="replace").splitlines()
    return sum(1 for line in lines if line.strip() and not line.lstrip().startswith("#"))


def line_delta(workspace: Workspace, folder: Path, experiment: Experiment) -> int | None:
    """Code lines of the script minus those of its parent's; None without a parent."""
    if experiment.parent is None:
        return None
    parent = find(workspace, experiment.parent)
    return code_lines(folder / experiment.script) - code_lines(parent / load(parent).script)


def _literal(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def described(name: str, experiment: Experiment) -> str:
    """The ledger's description: the folder's name, then the hypothesis' first line."""
    line = experiment.hypothesis.strip().splitlines()[0]
    return f"{name}: {line if len(line) <= 200 else line[:199] + '…'}"


def named_in(description: str) -> str:
    """The folder's name in a ledger description that `described` wrote, else the description's first word."""
    return description.split(":", 1)[0].split(" ", 1)[0]
