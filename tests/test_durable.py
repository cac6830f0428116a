"""Whole files are replaced whole; appended lines are there or not there, whoever else appends."""

import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf import durable


def test_a_replacement_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    durable.replace(path, "old")
    with pytest.raises(RuntimeError), durable.replacement(path) as file:
        file.write(b"half of the ne")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_replaced_file_keeps_its_mode_and_a_new_one_is_readable_by_all(tmp_path: Path) -> None:
    path = tmp_path / "a"
    durable.replace(path, b"1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    path.chmod(0o600)
    durable.replace(path, b"2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_comes_back_as_it_went(value: object) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "v.json"
        durable.replace_json(path, value)
        assert json.loads(path.read_text(encoding="utf-8")) == value


def append_many(path: Path, writer: int) -> None:
    for number in range(200):
        durable.append_line(path, f"{writer} {number} {'x' * 200}", header="who what")


def test_eight_writers_lose_no_line_and_write_one_header(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=append_many, args=(path, writer)) for writer in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = path.read_text().splitlines()
    assert lines[0] == "who what"
    assert len(lines) == len(set(lines)) == 1 + 8 * 200
    assert all(line.endswith("x" * 200) for line in lines[1:])


def test_a_torn_last_line_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    durable.append_line(path, "whole", header="head")
    with open(path, "a") as file:
        file.write("torn half")
    durable.append_line(path, "next")
    assert path.read_text() == "head\nwhole\ntorn half\nnext\n"


@pytest.mark.parametrize("line", ["a\nb", "a\rb"])
def test_a_line_with_a_line_break_is_refused_before_anything_is_written(tmp_path: Path, line: str) -> None:
    with pytest.raises(ValueError, match="line breaks"):
        durable.append_line(tmp_path / "ledger", line)
    assert not (tmp_path / "ledger").exists()
