"""What is kept is read back whole; a kill costs the line it cut short, and another hand's line is named."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.errors import UnreadableInput
from golf.research import records
from golf.schema import Noun


class Word(Noun):
    word: str


words = st.lists(st.builds(Word, word=st.text(st.characters(codec="utf-8"))), min_size=1, max_size=5)


@given(words, st.data())
def test_what_was_appended_is_read_back_from_any_line_on(
    tmp_path_factory: pytest.TempPathFactory, kept: list[Word], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("records") / "words.jsonl"
    assert records.read(path, Word) == []
    starts = []
    for word in kept:
        starts.append(path.stat().st_size if path.exists() else 0)
        records.append(path, word)
    first = data.draw(st.integers(0, len(kept) - 1))
    assert records.read(path, Word, starts[first]) == kept[first:]


@given(words, st.integers(0, 200), st.binary(max_size=3).filter(lambda end: b"\n" not in end))
def test_a_kill_costs_the_last_line_alone(
    tmp_path_factory: pytest.TempPathFactory, kept: list[Word], cut: int, power_cut: bytes
) -> None:
    path = tmp_path_factory.mktemp("records") / "words.jsonl"
    for word in kept:
        records.append(path, word)
    whole = path.read_bytes()
    path.write_bytes(whole[: max(whole[:-1].rfind(b"\n") + 1, len(whole) - 1 - cut)] + power_cut)
    logging.disable()
    try:
        left = records.read(path, Word)
    finally:
        logging.disable(logging.NOTSET)
    assert left in (kept, kept[:-1])
    records.append(path, Word(word="new"))
    assert records.read(path, Word) == [*left, Word(word="new")]


def test_a_line_that_is_none_of_ours_is_named_and_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "words.jsonl"
    records.append(path, Word(word="a"))
    start = path.stat().st_size
    with open(path, "ab") as file:
        file.write(b'{"word": 1}\n\x1b[2J\n')
    for begin in (0, start):
        with pytest.raises(UnreadableInput, match=r"words\.jsonl:2 is no word record: .* \+2 ") as refused:
            records.read(path, Word, begin)
        assert str(refused.value).isprintable()
