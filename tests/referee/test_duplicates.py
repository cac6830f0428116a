"""Copies are known whatever was renamed, reformatted or moved; different programs are not copies."""

import ast
import itertools
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golf.referee import duplicates

GOLF = Path(__file__).parents[2] / "golf"
PROGRAM = (GOLF / "measure" / "log_lines.py").read_text()
"""Any Python of a few hundred lines: our own."""
OTHERS = [(GOLF / "measure" / name).read_text() for name in ("codecs.py", "artifact.py", "shards.py")]


def similarity(one: str, other: str) -> float:
    sketches = [duplicates.sketch([duplicates.runs(source)]) for source in (one, other)]
    first, second = sketches
    assert first is not None and second is not None
    return float(duplicates.similarities(first[None], second)[0])


def renamed(source: str) -> str:
    """Every name that the program itself gives, changed."""
    tree = ast.parse(source)
    given = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    given |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    given |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    names = {name: f"v{index}_" for index, name in enumerate(sorted(given))}
    return re.sub(r"[A-Za-z_]\w*", lambda match: names.get(match[0], match[0]), source)


def reordered(source: str) -> str:
    """Its functions and classes in another order."""
    body = ast.parse(source).body
    moved = [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    random.Random(1).shuffle(moved)
    left = iter(moved)
    module = ast.Module([next(left) if isinstance(node, ast.FunctionDef | ast.ClassDef) else node for node in body], [])
    return ast.unparse(module)


@pytest.mark.parametrize(
    ("change", "least"),
    [
        (renamed, 0.99),
        (lambda source: ast.unparse(ast.parse(source)), 0.9),
        (reordered, 0.9),
        (lambda source: renamed(reordered(source)), 0.9),
        (lambda source: source.replace("\n\n", "\n\n\n# ---\n"), 0.99),
        (lambda source: re.sub(r"\b\d+\b", "7", source), 0.99),
    ],
    ids=["renamed", "reformatted", "reordered", "renamed and reordered", "spaced", "other numbers"],
)
def test_what_hides_a_copy_from_readers_hides_it_from_nobody_here(change, least: float) -> None:
    assert change(PROGRAM) != PROGRAM
    assert similarity(PROGRAM, change(PROGRAM)) >= least


def test_the_order_of_functions_makes_no_difference_at_all() -> None:
    plain = ast.unparse(ast.parse(PROGRAM))
    assert similarity(plain, reordered(plain)) > 0.98


def test_different_programs_are_far_apart() -> None:
    assert all(similarity(one, other) < 0.15 for one, other in itertools.combinations([PROGRAM, *OTHERS], 2))


def test_half_a_program_is_about_half_as_similar() -> None:
    assert 0.3 < similarity(PROGRAM, PROGRAM + OTHERS[0]) < 0.95


def test_a_program_in_two_files_is_the_same_program() -> None:
    lines = PROGRAM.splitlines(keepends=True)
    parts = ["".join(lines[:150]), "".join(lines[150:])]
    whole = duplicates.sketch([duplicates.runs(PROGRAM)])
    split = duplicates.sketch([duplicates.runs(part) for part in parts])
    assert whole is not None and split is not None
    assert duplicates.similarities(whole[None], split)[0] > 0.9


def test_too_short_a_program_is_compared_with_none() -> None:
    assert duplicates.sketch([duplicates.runs("x = 1\n" * 5)]) is None
    assert duplicates.sketch([]) is None


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x=1 # no", ["x", "=", "1", "# no"]),
        ("f\"a\" + b'c'", ['f"a"', "+", "b'c'"]),
        ('"""a\nb"""\nx', ['"""a\nb"""', "\n", "x"]),
        ("'open\nx", ["'open", "\n", "x"]),
        ('"""never closed\nx', ['"""never closed\nx']),
        ("r'\\d' if é else 0x1F", ["r'\\d'", "if", "é", "else", "0x1F"]),
    ],
)
def test_tokens_are_those_of_python(source: str, found: list[str]) -> None:
    assert duplicates.tokens(source) == found


@given(st.text(alphabet="ab_1. \n\t\"'#\\,;()é\0"))
@settings(max_examples=200)
def test_any_text_is_read_and_none_of_it_but_blanks_is_lost(text: str) -> None:
    kept = "".join(duplicates.tokens(text))
    blank = re.compile(r"[^\S\n]+")
    assert blank.sub("", kept) == blank.sub("", text)
    runs = duplicates.runs(text)
    assert len(runs.hashes) == len(runs.places) == len(runs.lines)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", ['"""\\', "'\\'", "((((", "a.b,", '"" ""', "\\\n", "é"], ids=repr)
def test_a_megabyte_of_anything_is_read_in_linear_time(unit: str) -> None:
    duplicates.sketch([duplicates.runs(unit * (1_000_000 // len(unit)))])


def test_a_run_knows_the_line_it_begins_on() -> None:
    script = '"""One\n\nthree"""\n\n' + "".join(f"x{number} = call(y{number}, {number})\n" for number in range(40))
    runs = duplicates.runs(script)
    assert runs.lines[0] == 5
    assert all(script.splitlines()[line - 1].strip() for line in runs.lines)
    assert list(runs.lines) == sorted(runs.lines)
