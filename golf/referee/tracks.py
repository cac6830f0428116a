"""Which track a submission is for: records are held to the clock and to 8×H100, the others to 16 MB alone."""

import re

from golf.referee.case import Case

HEAD_CHARS = 1_500
"""Of a README: what it says of itself first."""

_NO_RECORD = re.compile(r"\bnon[- ]?record\b|\bunlimited[- ]compute\b", re.IGNORECASE)


def is_record(case: Case) -> bool:
    """Whether a submission is held to the record track's limits; one that does not say what it is for is."""
    return states_record(case) is not False


def states_record(case: Case) -> bool | None:
    """Whether folder or files say that it is a record, or that it is none; None when they say neither."""
    if case.submission.track is not None:
        return case.submission.track.startswith("10min")
    head = " ".join(readme.text[:HEAD_CHARS] for readme in case.readmes[:1])
    about = " ".join(str(case.json.get(key) or "") for key in ("name", "title", "blurb", "notes", "status"))
    return False if _NO_RECORD.search(f"{head} {about[: 4 * HEAD_CHARS]}") else None
