"""A sweep as files: one of overrides for each combination, a script that plays them one after the other, and the plan.

Nothing is started. Planning again writes the same bytes; what an earlier plan wrote and this one does not is removed,
and nothing else is touched.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from golf import durable
from golf.desk.sweep import script
from golf.desk.sweep.fractional import named
from golf.desk.sweep.points import COMBINATIONS_MAX, Design, Point, design, digest
from golf.desk.sweep.specification import Specification, Style
from golf.desk.sweep.unread import unread
from golf.desk.sweep.values import word, written
from golf.errors import BadConfig, NotFound, UnreadableInput
from golf.schema import Noun
from golf.workspace import Workspace

MANIFEST = "plan.json"
LAUNCH = "launch.sh"
ENDINGS: dict[Style, str] = {"hydra": "yaml", "env": "env", "args": "args"}
ALIASES_SHOWN = 12


class PlannedPoint(Noun):
    """One combination of a sweep."""

    name: str
    """Made of its values."""
    file: str
    """Its overrides, in the plan's folder."""
    settings: dict[str, str]
    """What is swept, as it is written for the script."""
    words: list[str]
    """All its settings as words of a command line, the seed aside; for style env as NAME=VALUE."""
    digest: str
    """Of the command, all its settings, and the script, parent and tier: another one is another run."""


class SweepPlan(Noun):
    """`plan.json`: what a sweep plays. Nothing of it has been started."""

    name: str
    design: Literal["grid", "factorial", "random", "optuna"]
    style: Style
    folder: str
    """Where its files lie, relative to `root` if they lie in it."""
    script: str
    """Plays them one after the other: bash SCRIPT."""
    out: str
    """Where the script keeps logs and what is done, and the record lies."""
    combinations: int
    excluded: int
    seeds: list[int]
    runs: int
    """Points times seeds."""
    resolution: int | None = None
    """Of a fractional factorial design; None for every other, and for a full one."""
    generators: list[str] = []
    """Of a fractional factorial design: which setting is the product of which."""
    aliases: list[str] = []
    """What it cannot tell apart."""
    estimated_s: float | None = None
    """Runs times `run_time_s`, where that is given."""
    notes: list[str] = []
    """What is suspicious."""
    points: list[PlannedPoint]


def places(config: Path, name: str, out: Path | None = None) -> tuple[Path, Path]:
    """Where a sweep's files go, and where its command is started.

    That is the workspace that the file lies in, or else the current folder, or else what is around its `configs/`.
    """
    here, there = Path.cwd().resolve(), config.resolve().parent
    try:
        root = Workspace.find(there).root
    except NotFound:
        around = there.parent if there.name == "configs" else there
        root = here if there.is_relative_to(here) else around
    return (config.parent / "sweeps" / name if out is None else out), root


def plan(
    spec: Specification, folder: Path, root: Path, *, limit: int = COMBINATIONS_MAX, points: Sequence[Point] = ()
) -> SweepPlan:
    """What a sweep plays, without writing anything.

    Args:
        spec: The sweep.
        folder: Where its files go.
        root: Where its command is started.
        limit: The most combinations.
        points: Those that Optuna has been asked for; other designs bring their own.

    Raises:
        BadConfig: as `golf.desk.sweep.points.design`.
    """
    found = design(spec, limit)
    chosen = tuple(points) or found.points
    planned = [_planned(spec, one) for one in chosen]
    if len({one.name for one in planned}) < len(planned):
        raise BadConfig("two combinations have one name; give their settings values that differ in more than spelling")
    runs = len(planned) * len(spec.seeds)
    shown = Path(os.path.relpath(folder.resolve(), root.resolve()))
    return SweepPlan(
        name=spec.name,
        design=spec.design,
        style=spec.style,
        folder=shown.as_posix(),
        script=(shown / LAUNCH).as_posix(),
        out=f"outputs/sweeps/{spec.name}",
        combinations=found.combinations or len(planned),
        excluded=found.excluded,
        seeds=spec.seeds,
        runs=runs,
        resolution=found.fraction.resolution if found.fraction else None,
        generators=_generators(found),
        aliases=_aliases(found),
        estimated_s=None if spec.run_time_s is None else spec.run_time_s * runs,
        notes=unread(spec, root),
        points=planned,
    )


def _planned(spec: Specification, one: Point) -> PlannedPoint:
    words = [word(spec.style, key, value) for key, value in one.settings.items()]
    return PlannedPoint(
        name=one.name,
        file=f"{one.name}.{ENDINGS[spec.style]}",
        settings={key: written(spec.style, key, value) for key, value in one.swept.items()},
        words=words,
        digest=digest([spec.style, spec.command, words, spec.seed_setting, *_course(spec)])[:12],
    )


def _course(spec: Specification) -> list[str | None]:
    """What experiments of the sweep are played with, where it says any of it."""
    said = [spec.script, spec.parent, spec.tier]
    return said if any(said) else []


def write(spec: Specification, planned: SweepPlan, folder: Path, root: Path) -> None:
    """Write a plan's files.

    Raises:
        UnreadableInput: the folder holds a plan of another sweep.
    """
    before = _written_before(folder, planned.name)
    files = {one.file: _overrides(planned.style, one) for one in planned.points}
    files[LAUNCH] = script.launch(spec, planned, os.path.relpath(root.resolve(), folder.resolve()))
    for name, text in files.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text:
            durable.replace(path, text)
    (folder / LAUNCH).chmod(0o755)
    durable.replace(folder / MANIFEST, planned.model_dump_json(indent=2) + "\n")
    for name in before - files.keys():
        (folder / name).unlink(missing_ok=True)


def _written_before(folder: Path, name: str) -> set[str]:
    """Names of override files that an earlier plan wrote there."""
    try:
        table = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return set()
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableInput(f"{folder.name}/{MANIFEST} is damaged: {error}. Move the folder away") from error
    if not isinstance(table, dict) or table.get("name") != name:
        raise UnreadableInput(f"{folder.name}/ holds another sweep's plan; choose another name, or --out DIR")
    points: Any = table.get("points")
    names = [one.get("file") for one in points if isinstance(one, dict)] if isinstance(points, list) else []
    return {one for one in names if isinstance(one, str) and Path(one).name == one and not one.startswith(".")}


def _overrides(style: Style, one: PlannedPoint) -> str:
    """Hydra's own `overrides.yaml`; lines for a shell's `source`; or a word to a line, as argparse reads files."""
    if style == "hydra":
        import yaml

        return yaml.safe_dump(one.words, allow_unicode=True, width=10_000) if one.words else "[]\n"
    if style == "env":
        return "".join(f"{script.assignment(text)}\n" for text in one.words)
    return "".join(f"{text}\n" for text in one.words)


def _generators(found: Design) -> list[str]:
    if found.fraction is None:
        return []
    names = list(found.axes)
    base = found.fraction.base
    return [f"{names[base + at]} = {named(bits, names)}" for at, bits in enumerate(found.fraction.generators)]


def _aliases(found: Design) -> list[str]:
    if found.fraction is None or not found.fraction.words:
        return []
    names = list(found.axes)
    told = []
    for index in range(found.fraction.factors):
        others = [bits for bits in found.fraction.aliases(1 << index) if bits]
        if others:
            told.append(f"{names[index]} = {' = '.join(named(bits, names) for bits in others)}")
    if not told:  # of resolution IV or more: the interactions among themselves
        seen: set[int] = set()
        for a in range(found.fraction.factors):
            for b in range(a + 1, found.fraction.factors):
                bits = 1 << a | 1 << b
                others = [one for one in found.fraction.aliases(bits) if one.bit_count() == 2]
                if others and bits not in seen:
                    seen |= {bits, *others}
                    told.append(" = ".join(named(one, names) for one in (bits, *others)))
    more = [f"and {len(told) - ALIASES_SHOWN} more"] if len(told) > ALIASES_SHOWN else []
    return [*told[:ALIASES_SHOWN], *more]
