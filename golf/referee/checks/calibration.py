"""Statistics that quantisation is calibrated with: on which text, and inside which clock.

Calibration on validation text makes the weights depend on what they are scored on. On training text it is training, so
it belongs inside the training clock: a script that trains until the limit and then calibrates has none left. That was
applied to some submissions and overlooked in others, so it asks for a person.
"""

from collections.abc import Iterator

from golf.referee.case import Case
from golf.referee.flow import TRAIN, VAL, Trace
from golf.referee.rulebook import finding
from golf.referee.settings import Settings
from golf.rulings import Finding

TRAIN_TIME_S = 600.0
"""Limit on training, in seconds."""
RESERVED_S = 1.0
"""A logged training time this much under the limit leaves a calibration its time."""


def of_trace(trace: Trace, case: Case, settings: Settings) -> Iterator[Finding]:
    """Calibration on validation text, and calibration on training text after the training clock."""
    last_step = max((update.order for update in trace.updates if TRAIN in update.data), default=None)
    for forward in trace.forwards:
        packed = [event for event in trace.exports if event.order > forward.order]
        if not forward.calibrates or not packed:
            continue
        if VAL in forward.data:
            is_sure = forward.is_certain and TRAIN not in forward.data
            yield finding(
                "GPTQ_CALIB_ON_VAL",
                f"{forward.function} gathers statistics for quantisation on validation text (line {forward.line})",
                forward.evidence,
                confidence=0.9 if is_sure else 0.6,
                severity="block" if is_sure else "flag",
            )
        elif TRAIN in forward.data and last_step is not None and last_step < forward.order:
            if _is_in_time(case, settings):
                continue
            yield finding(
                "GPTQ_CALIB_AT_EVAL_ON_TRAIN",
                f"{forward.function} gathers statistics for quantisation on training text (line {forward.line}) after "
                "a training loop that leaves no time for it",
                forward.evidence,
                confidence=0.8,
                severity="flag",
            )


def _is_in_time(case: Case, settings: Settings) -> bool:
    """Whether the training loop leaves time, or the track has no clock."""
    track = case.submission.track or case.folder.as_posix()
    if "non" in track.rsplit("/", 1)[0] and "record" in track:
        return True
    if any(settings.is_on(name) for name in settings.named("reserve")):
        return True
    limit = settings.get("max_wallclock_seconds")
    if limit is not None and isinstance(limit.value, int | float) and 0 < limit.value < TRAIN_TIME_S - RESERVED_S:
        return True
    times = [log.train_time_s for log in case.logs if log.train_time_s is not None]
    return bool(times) and max(times) < TRAIN_TIME_S - RESERVED_S
