"""Which track a submission is for: records are held to the clock and to 8×H100, the others to 16 MB alone."""

from golf.referee.case import Case


def is_record(case: Case) -> bool:
    """Whether a submission is held to the record track's limits; one that does not say so is."""
    return case.submission.track is None or case.submission.track.startswith("10min")
