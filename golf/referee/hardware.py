"""What a submission ran on: records are made on 8×H100, and a time means nothing without its hardware."""

import re

from golf.referee.case import Case
from golf.schema import TrainingLog

GPUS = 8

_STATED = re.compile(r"\b(\d{1,3})\s?[x×*]\s?(?:nvidia[ -])?([A-Z]{1,3}\d{2,4}\w{0,4}|RTX ?\w+)", re.IGNORECASE)


def stated(case: Case) -> str | None:
    """GPUs as submission.json or else the submission states them, e.g. `8xH100`."""
    for key in ("hardware", "gpu", "platform", "hardware_used"):
        if isinstance(case.json.get(key), str):
            return case.json[key][:100]
    return case.submission.hardware


def is_standard(case: Case, log: TrainingLog) -> bool | None:
    """Whether a log was made on 8×H100, by its own world size and what is stated; None when neither says.

    8×H200, as two merged records have them, count as such: the same chip with more memory.
    """
    text = stated(case)
    found = _STATED.search(text or "")
    if log.world_size is not None and log.world_size != GPUS:
        return False
    if found and (
        not found[2].upper().startswith(("H100", "H200")) or (log.world_size is None and int(found[1]) != GPUS)
    ):
        return False
    return True if log.world_size == GPUS or found else None
