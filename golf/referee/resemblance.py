"""Whether a submission has the very lines for which others were ruled invalid.

`known_invalid.json` holds fingerprints of those lines: hashes of runs of tokens, as `duplicates` makes them, so that
renaming and reformatting hide nothing; no line of anybody's code. `bench/known_invalid.py` makes it. What accepted work
has too is left out of a fingerprint.

Likeness alone proves nothing: a repaired submission and its legal descendants are near-duplicates of the invalid one.
So only the offending lines count, nearly all of them, and only where the submission's settings let them run.
"""

import base64
import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from golf.referee import duplicates
from golf.referee.case import Case
from golf.referee.program import program_of
from golf.referee.rulebook import finding
from golf.referee.texts import Script
from golf.rulings import Code, Finding

SHARED_MIN = 0.9
"""Share of a fingerprint that has to be there: one changed statement breaks more than a tenth of it."""

HASHES_MIN = 24
"""A fingerprint of fewer runs is too short to stand for anything."""

Fingerprint = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Known:
    """Lines that a submission was ruled invalid for."""

    pr: int
    code: Code
    source: str
    """Where the ruling can be read."""
    fingerprint: Fingerprint


@functools.cache
def known() -> Sequence[Known]:
    """Every fingerprint there is."""
    rows = json.loads(Path(__file__).with_name("known_invalid.json").read_text())
    return [
        Known(row["pr"], row["code"], row["source"], np.frombuffer(base64.b64decode(row["fingerprint"]), "<u4"))
        for row in rows
    ]


def shortened(runs: duplicates.Runs) -> Fingerprint:
    """Hashes of a script's runs in 32 bits, one for each run."""
    return (runs.hashes >> np.uint64(32)).astype(np.uint32)


def findings(case: Case) -> list[Finding]:
    """A flag where offending lines of a ruled-invalid submission run here, a note where they merely lie here."""
    found: dict[str, Finding] = {}
    for script in case.scripts[: duplicates.SCRIPTS_MAX]:
        runs = duplicates.runs_of(case)[script.name]
        hashes = shortened(runs)
        for one in _alike(hashes):
            if one.pr != case.submission.pr and (one.code not in found or found[one.code].severity == "note"):
                found[one.code] = _finding(case, script, one, runs.lines[np.isin(hashes, one.fingerprint)])
    return list(found.values())


@functools.cache
def _table() -> tuple[Fingerprint, npt.NDArray[np.bool_]]:
    """All known hashes, and which fingerprint has which. Shapes (hashes,) and (fingerprints, hashes)."""
    values = np.unique(np.concatenate([np.empty(0, np.uint32), *(one.fingerprint for one in known())]))
    return values, np.array([np.isin(values, one.fingerprint) for one in known()], bool).reshape(-1, len(values))


def _alike(hashes: Fingerprint) -> list[Known]:
    """The known ones that nearly all of is there."""
    values, has = _table()
    if not len(values):
        return []
    places = np.searchsorted(values, hashes)
    there = places[values[np.minimum(places, len(values) - 1)] == hashes]
    shared = has[:, np.unique(there)].sum(axis=1)
    return [one for one, num in zip(known(), shared, strict=True) if num >= SHARED_MIN * len(one.fingerprint)]


def _finding(case: Case, script: Script, one: Known, lines: npt.NDArray[np.int64]) -> Finding:
    program = program_of(case)
    distinct = sorted(set(lines.tolist()))
    reached = [line for line in distinct if program.reaches(script.name, line)]
    runs = 2 * len(reached) > len(distinct)  # a `def` is reached whether its function is called or not
    what = f"has the lines for which #{one.pr} was ruled invalid under {one.code} ({one.source})"
    return finding(
        "RESEMBLES_INVALID",
        what if runs else f"{what}, and does not run them",
        script.at(distinct[0]),
        confidence=0.8 if runs else 0.5,
        severity="flag" if runs else "note",
    )
