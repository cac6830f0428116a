"""What is kept is found again, and what is damaged is never believed."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.errors import UnreadableInput
from golf.referee.index import Index


def test_what_was_put_is_there_for_the_next_one_who_opens_the_file(tmp_path: Path) -> None:
    index = Index(tmp_path / "deep" / "x.db")
    index.put("a", {"k": b"1", "l": b"2"})
    index.put("a", {"k": b"3"})
    index.put("b", {"k": b"other"})
    index.close()
    index = Index(tmp_path / "deep" / "x.db")
    assert index.get("a", ["k", "l", "m"]) == {"k": b"3", "l": b"2"}
    index.keep_only(["b"])
    assert index.get("a", ["k", "l"]) == {}
    assert index.get("b", ["k"]) == {"k": b"other"}
    index.close()


def test_without_a_file_it_lasts_as_long_as_it_is_open() -> None:
    index = Index(None)
    index.put("a", {"k": b"1"})
    assert index.get("a", ["k"]) == {"k": b"1"}
    index.close()


def test_a_value_that_was_changed_behind_its_back_is_not_found(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    index = Index(path)
    index.put("a", {"k": b"clear", "l": b"block"})
    index.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE kept SET value = ? WHERE key = 'l'", (b"clear",))
    connection.close()
    index = Index(path)
    assert index.get("a", ["k", "l"]) == {"k": b"clear"}
    index.close()


def test_a_value_does_not_pass_for_another_key_s(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    index = Index(path)
    index.put("a", {"k": b"clear"})
    index.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE kept SET key = 'l'")
    connection.close()
    index = Index(path)
    assert index.get("a", ["k", "l"]) == {}
    index.close()


@given(st.binary(min_size=1, max_size=300))
def test_a_file_that_is_no_index_is_refused_and_left_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """`triage --index README.md` once made a database of it and moved the text aside without a word."""
    path = tmp_path_factory.mktemp("index") / "README.md"
    path.write_bytes(data)
    with pytest.raises(UnreadableInput, match=r"README\.md is no index"):
        Index(path)
    assert path.read_bytes() == data
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "table", ["kept (other TEXT)", "ledger (cents INT)", "kept (kind, key, value, checksum, more)"]
)
def test_a_database_of_somebody_else_is_refused_and_left_as_it_is(tmp_path: Path, table: str) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE {table}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(UnreadableInput, match="no index"):
        Index(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_index_from_before_they_were_marked_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    index = Index(path)
    index.put("a", {"k": b"1"})
    index.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA application_id = 0")
    connection.close()
    index = Index(path)
    assert index.get("a", ["k"]) == {"k": b"1"}
    index.close()
    assert path.read_bytes()[68:72] == b"golf"


def test_damage_in_the_middle_costs_what_was_there_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    index = Index(path)
    index.put("a", {str(number): b"x" * 2000 for number in range(100)})
    index.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    index = Index(path)
    assert index.get("a", map(str, range(100))) == {}
    index.put("a", {"k": b"1"})
    assert index.get("a", ["k"]) == {"k": b"1"}
    index.close()
    assert path.with_name("x.db.damaged").exists()


def test_a_place_where_nothing_can_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnreadableInput, match="could not be opened"):
        Index(tmp_path / "file" / "x.db")
    with pytest.raises(UnreadableInput, match="index"):
        Index(tmp_path)
