"""What is looked into for submissions, however it is nested."""

import os
import subprocess
from pathlib import Path

from golf.referee import triage


def test_folders_a_thousand_deep_are_left_and_the_rest_is_judged(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "README.md").write_text("# Toy\n")
    here = os.open(tmp_path / "toy", os.O_RDONLY)
    for _ in range(1_000):
        os.mkdir("d", dir_fd=here)
        inside = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inside
    os.close(here)
    try:
        found = triage.triage(tmp_path, num_workers=1)
    finally:  # deeper than what clears up after the tests can climb
        subprocess.run(["rm", "-rf", str(tmp_path / "toy" / "d")], check=True)
    assert [entry.submission for entry in found.submissions] == ["toy"]
