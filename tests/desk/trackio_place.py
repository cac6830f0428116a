"""Trackio binds to one folder per process: tests share whatever store came first, and differ in project."""

import sys
from pathlib import Path


def trackio_folder(tmp_path: Path) -> Path:
    """The store that this process has, else one in `tmp_path`."""
    if "trackio" not in sys.modules:
        return tmp_path / ".golf" / "trackio"
    from trackio.utils import TRACKIO_DIR

    return Path(TRACKIO_DIR)
