import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.data import text

LONG = "The same long paragraph about how a parser reads its input, word by word and line by line."


@pytest.fixture(scope="module")
def documents() -> list[str]:
    return list(text.documents())


def test_the_text_is_megabytes_of_english(documents: list[str]):
    whole = "\n".join(documents)
    assert 1_500_000 < len(whole.encode()) < 6_000_000
    words = whole.split()
    assert sum(word == "the" for word in words) / len(words) > 0.03
    assert len(set(documents)) == len(documents)


def test_no_long_paragraph_is_in_both_splits(documents: list[str]):
    splits: tuple[set[str], set[str]] = (set(), set())
    for document in documents:
        for paragraph in text.paragraphs(document):
            if len(paragraph) >= 200:
                splits[text.is_validation(document)].add(" ".join(paragraph.lower().split()))
    assert len(splits[0]) > 100
    assert len(splits[1]) > 20
    assert not splits[0] & splits[1]


def test_validation_is_a_few_per_cent_of_the_text(documents: list[str]):
    validation = sum(len(document) for document in documents if text.is_validation(document))
    assert 0.01 < validation / sum(map(len, documents)) < 0.12


def test_documents_are_stripped_free_of_examples_and_bounded(documents: list[str]):
    for document in documents:
        assert document == document.strip()
        assert len(document) >= text.DOCUMENT_CHARS_MIN
        assert len(document) <= text.DOCUMENT_CHARS_MAX or "\n\n" not in document
        assert not any(line.lstrip().startswith(">>>") for line in document.splitlines())


SAMPLE = """
import hashlib, sys, sysconfig
from pathlib import Path
from golf.data import text

library = Path(sysconfig.get_path("stdlib"))
sample = [*text.topics(), text.builtin_docstrings()]
sample += [*text.library(library / "tkinter"), *text.library(library / "wsgiref")]
digest = hashlib.sha256("\\0".join(text.deduplicate(sample)).encode()).hexdigest()
"""


def test_another_hash_seed_gives_the_same_text_and_no_library_module_is_imported():
    here: dict[str, str] = {}
    exec(SAMPLE, here)
    env = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parents[2])}
    show = "print(digest, len(sample), 'tkinter' in sys.modules, 'wsgiref' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", SAMPLE + show], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [here["digest"], str(len(here["sample"])), "False", "False"]
    assert done.stderr == ""


@given(st.lists(st.lists(st.sampled_from([LONG, LONG.upper(), LONG.replace(" ", "\n"), "short", LONG[::-1]]))))
def test_a_paragraph_recurs_only_when_it_is_short(documents: list[list[str]]):
    kept = list(text.deduplicate("\n\n".join(paragraphs) for paragraphs in documents))
    words = [" ".join(p.lower().split()) for document in kept for p in text.paragraphs(document) if p != "short"]
    assert len(words) == len(set(words))


def test_a_document_loses_what_an_earlier_one_said_and_keeps_the_rest():
    own = "What only the second document says, at some length." + " More." * 40
    first, second = text.deduplicate([f"{LONG}\n\n{'x' * 200}", f"{LONG.replace(' ', '  ')}\n\n{own}"])
    assert LONG in first
    assert second == own


def test_a_long_document_is_continued_in_the_next():
    paragraphs = [f"Paragraph {number} has words of its own." + " And more." * 20 for number in range(200)]
    parts = list(text.deduplicate(["\n\n".join(paragraphs)]))
    assert len(parts) > 2
    assert all(len(part) <= text.DOCUMENT_CHARS_MAX for part in parts)
    assert "\n\n".join(parts) == "\n\n".join(paragraphs)


PIECES = st.sampled_from(
    ["\n", "\n", " ", "    ", "\t", ">>> ", "word", ".", "\r", "\f", "\x00", "\u2028", "\ud800", "é"]
)


@given(st.lists(PIECES).map("".join))
def test_cleaned_text_is_printable_lines_without_loose_ends(raw: str):
    cleaned = text.clean(raw)
    lines = cleaned.split("\n")
    assert [line for line in lines if line != line.rstrip() or line.lstrip().startswith(">>>")] == []
    assert "\n\n\n" not in cleaned
    assert not cleaned.startswith("\n")
    assert not cleaned.endswith("\n")
    assert min(cleaned.replace("\n", " ").encode(), default=32) >= 32


def test_cleaning_dedents_and_drops_interactive_examples():
    raw = "First line.   \n\n\n\n    Indented,\n      more.\n\n    >>> code()\n    answer\n\n    After\x00 it.\n    "
    assert text.clean(raw) == "First line.\n\nIndented,\n  more.\n\nAfter it."


def test_docstrings_and_comments_are_found_where_they_stand():
    source = '''"""Module."""
# one line is no prose
class A:
    """Class."""
    if True:
        def method(self):
            """Method."""
            # First line,
            #
            # third line.
            return """not a docstring"""
'''
    ast.parse(source)
    assert list(text.docstrings(source)) == ["Module.", "Class.", "Method."]
    assert list(text.comments(source)) == ["First line,\n\nthird line.\n"]


def test_a_library_file_that_cannot_be_parsed_is_passed_over(tmp_path: Path):
    (tmp_path / "bad.py").write_text('"""Doc."""\ndef (')
    (tmp_path / "latin.py").write_bytes(b'"""caf\xe9"""')
    (tmp_path / "good.py").write_text('"""Good."""')
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "tests.py").write_text('"""Test."""')
    assert list(text.library(tmp_path)) == ["Good."]


@given(st.text())
def test_a_document_is_in_one_split_whenever_it_is_asked(document: str):
    assert text.is_validation(document) is text.is_validation(document)
