"""Strangers' Python is parsed within bounds, newer f-strings included."""

import ast
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.errors import UnreadableInput
from golf.referee import source
from golf.referee.fstrings import respell


@pytest.mark.parametrize(
    "newer, older",
    [
        ('f"{", ".join(a)}"', 'f"""{", ".join(a)}"""'),
        ("f'{d['k']} it''s'", "f'''{d['k']} it''''s'"),
        ('f"{x:{"w"}}"', 'f"""{x:{"w"}}"""'),
        ('f"{a}{{}}{f"{b["c"]}"}"', 'f"""{a}{{}}{f\'\'\'{b["c"]}\'\'\'}"""'),
        (r'f"{"\n".join(a)}"', 'f"""{"__".join(a)}"""'),
    ],
)
def test_newer_f_strings_are_respelled(newer: str, older: str) -> None:
    assert respell(newer) == older


def test_respelling_moves_no_line() -> None:
    newer = 'a = 1\nb = f"{", ".join(\n    names\n)}"\nc = 3\n'
    tree = source.parse(newer)
    assert [statement.lineno for statement in tree.body] == [1, 2, 5]


@given(st.text(alphabet="abc{}'\"fF\\ \n:!#=", max_size=30))
def test_respelling_keeps_what_the_older_parser_reads(text: str) -> None:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    assert ast.dump(ast.parse(respell(text))) == ast.dump(tree)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        "-" * 100_000 + "1",
        "1" + "+1" * 100_000,
        "a" + "()" * 100_000,
        "if 1:\n pass\n" + "elif 1:\n pass\n" * 50_000,
        "def f(:\n",
        "a = 1\0",
        "print 'hello'\n",
        'f"{',
        "9" * 10_000,
    ],
    ids=range(10),
)
def test_what_cannot_be_parsed_within_bounds_says_so(text: str) -> None:
    with pytest.raises(UnreadableInput, match=r"no Python|cannot be parsed"):
        source.parse(text)


@pytest.mark.parametrize("text", ["import " + "a." * 100_000 + "a", "import a" + " \\\n . b" * 3_000])
def test_a_dotted_name_that_would_take_gigabytes_is_not_parsed(text: str) -> None:
    with pytest.raises(UnreadableInput, match="dotted name"):
        source.parse(text)


def test_tokens_are_counted_until_there_are_too_many() -> None:
    assert source.count_tokens("a = b + 1\n" * 10, at_most=50) == 60  # five tokens and a line's end
    assert source.count_tokens("a;" * 1_000_000, at_most=1_000) > 1_000
    assert source.count_tokens(textwrap.dedent("x"), at_most=10) <= 1
