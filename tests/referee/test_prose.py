"""Whether a sentence says something of the submission itself."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_folder import case_of

from golf.referee import prose

CACHE = re.compile(r"\bcache\b")


def asserted(folder: Path, readme: str, **more: object) -> list[tuple[int, str]]:
    case = case_of(folder, readme=readme, **more)
    return [(sentence.line, sentence.text) for sentence, _ in prose.assertions(case, CACHE)]


def test_sentences_of_one_line_are_told_apart(tmp_path: Path) -> None:
    readme = "Nothing is cached here. The score has a cache. It has no cache.\n"
    assert asserted(tmp_path, readme) == [(1, "The score has a cache.")]


def test_fenced_code_is_no_prose(tmp_path: Path) -> None:
    assert not asserted(tmp_path, "# Toy\n\n```python\ncache = {}\n```\n")


def test_a_sentence_of_another_pull_request_counts_when_it_speaks_of_our_own(tmp_path: Path) -> None:
    assert not asserted(tmp_path / "a", "#741 has a cache.\n")
    assert asserted(tmp_path / "b", "Like #741, our model has a cache.\n")


def test_texts_in_the_json_are_read_with_their_line(tmp_path: Path) -> None:
    table = {"name": "Toy", "techniques": {"evaluation": ["a cache", "no cache"]}}
    assert asserted(tmp_path, "# Toy\n", table=table) == [(4, "a cache")]


@pytest.mark.parametrize("value", [None, 1, True, {}, [], [[[[[[[[[["cache"]]]]]]]]]]])
def test_json_of_any_shape_is_read(tmp_path: Path, value: object) -> None:
    assert not asserted(tmp_path, "# Toy\n", table={"x": value})


@given(words=st.lists(st.sampled_from(["a", "cache", "we", "not", ".", "|", "#12", "\n", "# Ablations\n", "```\n"])))
def test_whatever_is_asserted_stands_in_the_readme(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    readme = " ".join(words)
    for line, text in asserted(tmp_path_factory.mktemp("toy"), readme):
        assert text in readme.split("\n")[line - 1]


@given(
    st.recursive(st.text() | st.none() | st.floats(allow_nan=False), lambda inner: st.dictionaries(st.text(), inner))
)
def test_no_json_brings_it_down(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    case = case_of(tmp_path_factory.mktemp("toy"))
    case.json = {"x": json.loads(json.dumps(value))}
    assert len(list(prose.sentences(case))) <= prose.SENTENCES_MAX


def test_what_is_said_is_taken_apart_once_for_all_who_ask(tmp_path: Path) -> None:
    case = case_of(tmp_path, readme="It has a cache.\n")
    assert prose.sentences(case) is prose.sentences(case)


def test_sentences_are_parted_by_a_dash_whatever_space_surrounds_it(tmp_path: Path) -> None:
    assert asserted(tmp_path, "It has a cache   \u2014  Nothing else.\n") == [(1, "It has a cache")]
