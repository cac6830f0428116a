"""Whatever goes wrong, nothing of ours outlives its reason, strangers' launches live, and the books are right.

One provider here (a folder); `make leak-report` plays the same on every back-end.
"""

from pathlib import Path

import matrix
import pytest
from standins import toy

FAULTS = [fault for fault in matrix.FAULTS if fault not in ("provider 5xx", "SIGKILL of everything")]


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_left_after(fault: str, tmp_path: Path, course: Path) -> None:
    if fault == "full disk" and not matrix.can_mount():
        pytest.skip("a small file system cannot be mounted here")
    with toy.StandIn() as provider:
        outcome = matrix.play(tmp_path, course, provider, fault)
    assert outcome.problem == ""
    assert outcome.asked == 1


@pytest.mark.parametrize("moment", matrix.moments(3))
def test_nothing_is_left_after_everything_of_ours_is_killed(moment: float, tmp_path: Path, course: Path) -> None:
    with toy.StandIn() as provider:
        outcome = matrix.play(tmp_path, course, provider, "SIGKILL of everything", moment)
    assert outcome.problem == ""
