"""A log that is written and read back."""

import pytest

from golf.measure.logs import read_log


@pytest.fixture
def log(tmp_path):
    """Write a log and read it back."""

    def read(text: str | bytes, name: str = "train.log", **options):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_log(path, **options)

    return read
