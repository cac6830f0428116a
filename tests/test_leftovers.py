"""A temporary folder goes when its owner goes, however that is."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from golf import leftovers

OWNER = """
import sys, time
from golf import leftovers
with leftovers.asked_to_end(), leftovers.folder("golf-test-") as place:
    (place / "deep" / "er").mkdir(parents=True)
    print(place, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary folders, which nobody has swept."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(leftovers, "_swept", set())
    yield tmp_path


def owner(top: Path, **options) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(top)},
        **{"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL), **options},  # ignored under nohup
    )
    assert process.stdout is not None
    with process.stdout:
        return process, Path(process.stdout.readline().strip())


def test_a_folder_is_gone_after_its_block(top: Path) -> None:
    with pytest.raises(ValueError), leftovers.folder("golf-test-") as place:  # ours
        assert place.is_dir()
        raise ValueError
    assert list(top.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_asks_to_end_leaves_no_folder(top: Path, number: signal.Signals) -> None:
    process, place = owner(top)
    assert place.is_dir()
    process.send_signal(number)
    assert process.wait(timeout=20) == 128 + number
    assert list(top.iterdir()) == []


def test_what_a_killed_owner_left_is_removed_by_the_next_one_and_what_a_living_one_has_is_not(top: Path) -> None:
    (dead, left), (alive, kept) = owner(top), owner(top)
    dead.kill()
    dead.wait()
    assert left.is_dir(), "nobody could tidy up"
    (top / "golf-test-somebodys").mkdir()
    try:
        with leftovers.folder("golf-test-") as mine:
            assert sorted(top.iterdir()) == sorted([kept, mine, top / "golf-test-somebodys"])
    finally:
        alive.terminate()
        alive.wait()


def test_who_was_told_not_to_hang_up_does_not(top: Path) -> None:
    process, place = owner(top, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    process.terminate()
    process.wait()
    assert not place.exists()
