"""Makes `golf/referee/known_invalid.json`: fingerprints of the lines that submissions were ruled invalid for.

    python bench/known_invalid.py LABELS FOLDERS [LABELS FOLDERS …]

LABELS has a row per submission as JSON: `pr`, `verdict` (valid, invalid, contested), `reasons` (the referee's codes),
`folder`, and `key` or `data` for its place below FOLDERS, where its code lies. The offending lines are those that the
referee finds under one of the row's own reasons, and `AROUND` lines on both sides; what a valid submission has too is
taken out. A row whose reason is not in the code (a size, a missing file), or whose lines the referee does not find,
leaves no fingerprint, and of several alike the first remains.
"""

import base64
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from golf.referee import duplicates, resemblance
from golf.referee.case import Case, open_case
from golf.referee.ruling import examine

OUT = Path(resemblance.__file__).with_name("known_invalid.json")

AROUND = 8
"""Lines on either side of the one a finding quotes."""

IN_CODE = frozenset(
    (
        "NGRAM_UNNORMALISED", "NGRAM_TARGET_IN_KEY", "NGRAM_ORACLE_GATE", "TTT_PREQUANT_VAL", "TTT_TRAIN_THEN_SCORE",
        "TTT_MULTI_EPOCH_RESCORE", "TWO_PASS_RESCORE", "PPM_UNNORMALISED", "SLOT_NONCAUSAL", "TRAIN_DATA_AT_EVAL",
        "VAL_IN_ARTIFACT",
    )
)  # fmt: skip
"""Reasons that lines of code show. A calibration after the clock, or a gate that settings close, is not among them: the
same lines are in accepted work (#1019, #2140)."""

Row = Mapping[str, Any]


def main(arguments: Sequence[str]) -> None:
    """Write the file and say what is in it."""
    rows = [
        pair for labels, folders in zip(arguments[::2], arguments[1::2], strict=True) for pair in _rows(labels, folders)
    ]
    accepted = [_hashes(open_case(folder)) for row, folder in rows if row["verdict"] == "valid"]
    valid = np.unique(np.concatenate([np.empty(0, np.uint32), *accepted]))
    known: dict[tuple[str, bytes], dict[str, Any]] = {}
    invalid = [(row, folder) for row, folder in rows if row["verdict"] == "invalid"]
    for row, folder in sorted(invalid, key=lambda pair: -pair[0]["pr"]):  # the earliest of several alike is kept
        case = open_case(folder)
        for code in sorted(IN_CODE.intersection(row["reasons"])):
            kept = np.setdiff1d(_offending(case, code), valid)
            print(f"#{row['pr']} {code}: {len(kept)} runs{'' if len(kept) >= resemblance.HASHES_MIN else ', too few'}")
            if len(kept) >= resemblance.HASHES_MIN:
                known[code, kept.tobytes()] = {
                    "pr": row["pr"],
                    "code": code,
                    "source": f"https://github.com/openai/parameter-golf/pull/{row['pr']}",
                    "fingerprint": base64.b64encode(kept.astype("<u4").tobytes()).decode(),
                }
    lines = ",\n".join(json.dumps(one) for one in sorted(known.values(), key=lambda one: (one["pr"], one["code"])))
    OUT.write_text(f"[\n{lines}\n]\n")
    print(f"{len(known)} fingerprints, {OUT.stat().st_size:,} bytes, against {len(accepted)} valid submissions")


def _rows(labels: str, folders: str) -> Iterator[tuple[Row, Path]]:
    for line in Path(labels).read_text().splitlines():
        row = json.loads(line)
        key = row.get("key") or (Path(row["data"]).name if row.get("data") else str(row["pr"]))
        folder = Path(folders) / key / (row["folder"] or ".")
        if folder.is_dir():
            yield row, folder


def _hashes(case: Case) -> resemblance.Fingerprint:
    """All runs of a submission's scripts."""
    runs = duplicates.runs_of(case).values()
    return np.unique(np.concatenate([np.empty(0, np.uint32), *(resemblance.shortened(one) for one in runs)]))


def _offending(case: Case, code: str) -> resemblance.Fingerprint:
    """The runs around the lines that the referee quotes under this code."""
    kept = [np.empty(0, np.uint32)]
    runs = duplicates.runs_of(case)
    for finding in examine(case):
        for where in finding.evidence if finding.code == code else ():
            if where.line and where.file in runs:
                is_near = np.abs(runs[where.file].lines - where.line) <= AROUND
                kept.append(resemblance.shortened(runs[where.file])[is_near])
    return np.unique(np.concatenate(kept))


if __name__ == "__main__":
    main(sys.argv[1:])
