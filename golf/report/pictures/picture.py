"""What a drawn picture is: where it lies, and in words what it shows."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from golf.desk.analysis.runs import PastRun
from golf.errors import UnreadableInput
from golf.report import plots
from golf.report.words import clean
from golf.schema import Noun

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALT_MAX = 600
"""Characters: a screen reader reads them out."""


class Picture(Noun):
    """A PNG, and what is in it for whoever does not see it."""

    name: str
    path: str
    alt: str


def nothing(name: str, what: str, do: str) -> UnreadableInput:
    """The error of a picture that would be empty."""
    return UnreadableInput(f"nothing to show yet in the picture {name}: {what}. {do}")


def saved(figure: "Figure", path: Path, name: str, alt: str) -> Picture:
    """Write the figure with its alternative text in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    alt = clean(alt)[:ALT_MAX]
    plots.save(figure, path, alt)
    return Picture(name=name, path=str(path), alt=alt)


def short_name(run: PastRun) -> str:
    """A run's name without the folders above its own, and without its day."""
    parts = run.name.split("/")
    source = len(run.source.split("/"))
    kept = parts[-2:] if "/" in run.source and len(parts) > source else parts[-1:]
    return "/".join(re.sub(r"^\d{4}-\d\d-\d\d_", "", part) for part in kept)
