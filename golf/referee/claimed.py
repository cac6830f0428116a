"""The numbers that a submission claims, each with the line that says so."""

import re

from golf.referee import stated
from golf.referee.case import Case
from golf.rulings import Evidence


def claimed_bpb(case: Case) -> tuple[float, Evidence] | None:
    """The headline in bits per byte and where it stands; None when nothing states one."""
    claim = case.submission.claimed_val_bpb
    if claim is None:
        return None
    in_text = in_json(case, *stated.BPB, *stated.LOSS, value=claim) or in_readme(case, f"{claim}")
    return claim, in_text or nowhere(case, claim)


def claimed_bytes(case: Case) -> tuple[int, Evidence] | None:
    """The artifact's bytes that submission.json states and where; None when it states none."""
    size = case.submission.claimed_bytes
    return None if size is None else (size, in_json(case, *stated.BYTES, value=size) or nowhere(case, size))


def claimed_pairs(case: Case) -> list[tuple[float, float, Evidence]]:
    """Nats per token and bits per byte that submission.json states for one and the same score."""
    said = stated.read(case.json)
    pairs = [(said.loss, said.bpb), *((row.loss, row.bpb) for row in said.rows)]
    return [
        (loss, bpb, in_json(case, *stated.BPB, *stated.SEED_BPB, value=bpb) or nowhere(case, bpb))
        for loss, bpb in pairs
        if loss and bpb
    ]


def in_json(case: Case, *keys: str, value: float | None = None) -> Evidence | None:
    """The line of submission.json that states one of the keys, with that value when given."""
    if case.json_file is None:
        return None
    for key in keys:
        for match in re.finditer(rf'"{re.escape(key)}"\s*:\s*"?([\d.,_eE+-]*)', case.json_file.text):
            if value is None or stated.number_of(match[1].strip(",_ ")) == value:
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
