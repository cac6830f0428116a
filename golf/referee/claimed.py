"""What a submission claims in numbers, with where it says so."""

import math
import re
from typing import Any

from golf.referee.case import Case
from golf.rulings import Evidence

_BPB = ("val_bpb", "mean_val_bpb", "val_bpb_mean", "mean_bpb")


def claimed_bpb(case: Case) -> tuple[float, Evidence] | None:
    """The headline score in bits per byte and where it stands; None when README and JSON state none."""
    claim = case.submission.claimed_val_bpb
    if claim is not None:
        return claim, in_json(case, *_BPB) or in_readme(case, f"{claim:.4f}"[:6]) or nowhere(case, claim)
    for key in _BPB:
        value = number(case.json.get(key))
        if value:
            return value, in_json(case, key) or nowhere(case, value)
    return None


def claimed_bytes(case: Case) -> tuple[int, Evidence] | None:
    """The artifact's size that submission.json states, in bytes; None when it states none."""
    keys = (
        "bytes_total",
        "artifact_bytes",
        "artifact_size_bytes",
        "total_bytes",
        "artifact_bytes_max",
        "submission_bytes",
    )
    stated = [(value, key) for key in keys if (value := number(case.json.get(key)))]
    for _, row in seed_rows(case):
        stated += [(value, key) for key in keys if (value := number(row.get(key)))]
    if not stated:
        return None
    value, key = max(stated)
    return int(value), in_json(case, key, value=value) or nowhere(case, value)


def claimed_pairs(case: Case) -> list[tuple[float, float, Evidence]]:
    """Losses in nats per token and bits per byte that submission.json states for one and the same score."""
    found = []
    for row in (case.json, *(row for _, row in seed_rows(case))):
        loss, bpb = number(row.get("val_loss")), number(row.get("val_bpb"))
        if loss and bpb:
            found.append((loss, bpb, in_json(case, "val_bpb", value=bpb) or nowhere(case, bpb)))
    return found


def seed_rows(case: Case) -> list[tuple[str, dict[str, Any]]]:
    """Per-seed objects of submission.json, by the key they stand under."""
    rows: list[tuple[str, dict[str, Any]]] = []
    for key in ("seed_results", "seeds", "results", "per_seed"):
        table = case.json.get(key)
        if isinstance(table, dict):
            rows += [(str(name), row) for name, row in table.items() if isinstance(row, dict)]
        elif isinstance(table, list):
            rows += [(str(row.get("seed", "")), row) for row in table if isinstance(row, dict)]
    return rows


def number(value: Any) -> float | None:
    """A finite number, also one written as text with commas."""
    if isinstance(value, str):
        value = value.replace(",", "").replace("_", "")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def in_json(case: Case, *keys: str, value: float | None = None) -> Evidence | None:
    """The line of submission.json that states one of the keys, with that value when given."""
    if case.json_file is None:
        return None
    for key in keys:
        for match in re.finditer(rf'"{re.escape(key)}"\s*:\s*"?([\d.,_eE+-]*)', case.json_file.text):
            if value is None or number(match[1].strip(",_ ")) == value:
                return case.json_file.find(match.start(), match[0])
    return None


def in_readme(case: Case, words: str) -> Evidence | None:
    """The first line of a README with these words."""
    for readme in case.readmes:
        offset = readme.text.find(words)
        if offset >= 0:
            return readme.find(offset)
    return None


def nowhere(case: Case, value: object) -> Evidence:
    """Evidence of something stated on no line of its own."""
    file = case.json_file.name if case.json_file else "submission.json"
    return Evidence(file=file, line=None, quote=str(value))
