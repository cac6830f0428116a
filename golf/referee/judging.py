"""One submission among many: its ruling, its techniques and its sketch, from one reading of its folder."""

import base64
import hashlib
from functools import cache
from pathlib import Path

import numpy as np

from golf.referee import duplicates, places, ruling, techniques
from golf.referee.case import open_case
from golf.referee.reading import printable
from golf.referee.rulebook import finding
from golf.referee.techniques import Sighting
from golf.rulings import Described, Ruling, Submission


class Judged(Described):
    """What is known about one submission, whatever the others are."""

    ruling: Ruling
    sightings: list[Sighting]
    sketch: str | None
    """Of its scripts, base64 of `duplicates.Sketch`; null with too little code to compare."""

    @property
    def hashes(self) -> duplicates.Sketch | None:
        """The sketch as numbers."""
        return None if self.sketch is None else np.frombuffer(base64.b64decode(self.sketch), "<u4")

    @property
    def techniques(self) -> list[str]:
        """What tells it apart, sorted; what only a README claims although there is code is left out."""
        return techniques.telling(self.sightings, has_code="code" in self.ruling.examined)


def judge(folder: Path, pull_request: int | None = None) -> Judged:
    """Judge one submission's folder without running anything in it.

    Raises:
        NotFound: there is no such folder.
    """
    case = open_case(folder, pull_request)
    ruled = ruling.rule(case, ruling.examine(case))
    seen = techniques.sightings(case)
    sketch = duplicates.sketch(duplicates.runs_of(case).values())
    judged = Judged(
        ruling=ruled,
        sightings=seen,
        sketch=None if sketch is None else base64.b64encode(sketch.astype("<u4").tobytes()).decode(),
    )
    return judged.model_copy(update={"ruling": ruled.model_copy(update={"techniques": judged.techniques})})


def not_judged(name: str, pull_request: int | None, why: str) -> Judged:
    """What is left to say of a submission that could not be read through."""
    why = printable(why)
    found = finding("UNREADABLE", f"it was not judged: {why}", confidence=1.0)
    ruled = Ruling(
        submission=Submission(folder=name, pr=pull_request, track=places.track(name)),
        verdict="review",
        reason=f"{found.code}: {found.text}",
        findings=[found],
        examined=[],
        not_examined=[f"everything: {why}"],
    )
    return Judged(ruling=ruled, sightings=[], sketch=None)


@cache
def version() -> str:
    """Changes whenever what decides a judgement does: the text of the referee's own modules and data."""
    package = Path(__file__).parents[1]
    parts = [*(package / "referee").rglob("*"), *(package / "measure").rglob("*.py"), *package.glob("*.py")]
    digest = hashlib.sha256()
    for path in sorted(path for path in parts if path.is_file() and path.suffix != ".pyc"):
        digest.update(f"{path.relative_to(package).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
