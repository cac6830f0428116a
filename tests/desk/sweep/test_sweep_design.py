"""Settings become combinations, each once, and what is wrong with a sweep's file is said (S74)."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swept import grids, planned, spec

from golf.cli import main
from golf.desk.sweep import constraints
from golf.desk.sweep.fractional import fraction
from golf.desk.sweep.points import design
from golf.desk.sweep.specification import parse
from golf.desk.sweep.values import word
from golf.errors import BadConfig, UnreadableInput

# --- combinations


@given(grids)
def test_s74_a_grid_is_its_product_with_every_combination_exactly_once(grid: dict[str, list[Any]]) -> None:
    found = design(spec(grid=grid), 1000)
    assert len(found.points) == math.prod(map(len, grid.values())) == found.combinations
    assert len({tuple(word("hydra", k, v) for k, v in one.swept.items()) for one in found.points}) == len(found.points)
    assert len({one.name for one in found.points}) == len(found.points)


@given(grids, st.data())
def test_s74_the_number_of_combinations_is_the_product_minus_the_exclusions(
    grid: dict[str, list[Any]], data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(sorted(grid)))
    value = data.draw(st.sampled_from(grid[key]))
    total = math.prod(map(len, grid.values()))
    gone = (
        total
        // len(grid[key])
        * sum(one == value and isinstance(one, bool) == isinstance(value, bool) for one in grid[key])
    )
    if gone == total:
        with pytest.raises(BadConfig, match="are excluded"):
            design(spec(grid=grid, exclude=[{key: value}]))
        return
    found = design(spec(grid=grid, exclude=[{key: value}]))
    assert (len(found.points), found.excluded) == (total - gone, gone)


@given(grids, st.integers(1, 30), st.integers(0, 99))
def test_s74_random_points_are_seeded_different_and_as_many_as_asked_for(
    grid: dict[str, list[Any]], count: int, seed: int
) -> None:
    said = spec(
        design="random", grid=grid, ranges={"q.lr": {"from": 1e-5, "to": 1, "scale": "log"}},
        random={"count": count, "seed": seed},
    )  # fmt: skip
    found = design(said)
    assert len({one.name for one in found.points}) == len(found.points) == count
    assert found.points == design(said).points
    assert all(1e-5 <= one.swept["q.lr"] <= 1 for one in found.points)


def test_s74_a_log_range_is_drawn_evenly_over_magnitudes() -> None:
    ranges = {"lr": {"from": 1e-4, "to": 1, "scale": "log"}}
    found = design(spec(design="random", ranges=ranges, random={"count": 400}))
    below = sum(one.swept["lr"] < 1e-2 for one in found.points)
    assert 160 < below < 240


def test_s74_ranges_have_both_ends_and_equal_steps_or_ratios() -> None:
    ranges = {
        "a": {"from": 1e-4, "to": 1e-2, "scale": "log", "count": 3},
        "b": {"from": 0, "to": 1, "count": 3},
        "c": {"from": 2, "to": 8, "count": 4, "int": True},
    }
    assert design(spec(ranges=ranges)).axes == {"a": (1e-4, 1e-3, 1e-2), "b": (0, 0.5, 1), "c": (2, 4, 6, 8)}


def test_s74_yaml_numbers_are_read_as_hydra_reads_them() -> None:
    found = parse("command: python t.py\ngrid: {lr: [1e-3, 0.001000]}", "x")
    assert found.grid == {"lr": [0.001, 0.001]}
    with pytest.raises(BadConfig, match=r"lr has 0\.001 twice"):
        design(found)


MALFORMED = [
    ("gird: {lr: [1]}", "unknown key gird; did you mean grid?"),
    ("ranges: {lr: {form: 1, to: 2}}", "did you mean from?"),
    ("grid: {lr: []}", "lr has no values"),
    ("grid: {}", "nothing is swept"),
    ("grid: {lr: [1, 1]}", "lr has 1 twice"),
    ("grid: {lr: [1]}\nfixed: {lr: 2}", "lr is under fixed and is set by grid as well"),
    ("grid: {lr: [1], lr: [2]}", "lr is there twice"),
    ("grid: {seed: [1, 2]}", "seeds are listed under seeds"),
    ("ranges: {n: {from: 1, to: 3, count: 5, int: true}}", "5 whole numbers do not lie apart"),
    ("ranges: {n: {from: 1, to: 3}}", "n needs its count"),
    ("ranges: {n: {from: 3, to: 1, count: 2}}", "from is the smaller one"),
    ("ranges: {n: {from: 0, to: 1, count: 2, scale: log}}", "a log scale at more than 0"),
    ("grid: {a: [1, 2, 3]}\ndesign: factorial", "takes two of each setting"),
    ("grid: {a: [1, 2], b: [1, 2]}\ndesign: factorial\nexclude: [{a: 1, b: 2}]", "take 1 of 4 combinations out"),
    ("grid: {a: [1]}\ndesign: random", "needs its table"),
    ("grid: {a: [1]}\nrandom: {count: 2}", "design is grid"),
    ("grid: {a: [1, 2]}\ndesign: random\nrandom: {count: 3}", "found 2 different combinations"),
    ("grid: {a: [1]}\nexclude: [{b: 1}]", "names b, which is no setting"),
    ("grid: {a: [1]}\nconstraints: ['b > 1']", "names b, which is no setting"),
    ("grid: {a: [1]}\nconstraints: ['__import__(\"os\")']", "a constraint cannot have"),
    ("grid: {'a b': [1]}", "is no name of a setting"),
    ('grid: {a: ["x\\ny"]}', "line break"),
    ("grid: {a: [.inf]}", "no value to try"),
    ("grid: {a: [1]}\nseeds: [1, 1]", "seeds are"),
    ("grid: {a: [1]}\nseed_key: null\nseeds: [1, 2]", "would play one run 2 times"),
    ("grid: {a: [1]}\ntracking: {tool: trackio}", "Trackio takes no run name"),
    ("grid: {a: [null]}\nstyle: env", "style env cannot say"),
    ("grid: {a: [1]}\nname: ../x", "name '../x' is none: use a-z"),
    ("grid: {a: [1]}\ntracking: {tool: mlflow, uri: 'https://me:hunter22@h/'}", "sweep.yaml:3 has a password in an"),
    (f"grid: {{a: [1]}}\nfixed: {{HF_TOKEN: hf_{'a1' * 20}}}", "sweep.yaml:3 has a Hugging Face token"),
]


@pytest.mark.parametrize(("text", "message"), MALFORMED, ids=[text for text, _ in MALFORMED])
def test_s74_what_is_wrong_with_a_sweep_is_said(text: str, message: str) -> None:
    with pytest.raises(BadConfig, match=message):
        design(parse(f"command: python t.py\n{text}", "x"))


def test_s74_a_key_in_a_sweep_is_refused_and_not_repeated() -> None:
    with pytest.raises(BadConfig) as refused:
        parse("command: python t.py\ngrid: {a: [1]}\ntracking: {tool: mlflow, uri: 'https://me:hunter22@h/'}", "x")
    assert "hunter22" not in str(refused.value)
    with pytest.raises(BadConfig, match="is empty"):
        parse("# nothing\n", "x")


def test_s74_too_many_combinations_are_refused_with_limit_and_number(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "sweep.yaml").write_text("command: c\ngrid: {a: [1, 2, 3, 4], b: [1, 2, 3, 4]}")
    assert main(["sweep", "plan", "sweep.yaml", "--max", "15"]) == 2
    assert "16 combinations (4 × 4), over the limit of 15" in capsys.readouterr().err
    assert main(["sweep", "plan", "sweep.yaml", "--max", "16"]) == 0
    with pytest.raises(BadConfig, match="over the limit of 512"):  # at once, of 300 to the 8th
        design(spec(grid={key: list(range(300)) for key in "abcdefgh"}))


def test_s74_aliases_that_grow_without_end_are_refused() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
    )
    with pytest.raises((BadConfig, UnreadableInput)):
        design(parse(f"command: c\nfixed:\n  {bomb.replace(chr(10), chr(10) + '  ')}\ngrid: {{q: [1]}}", "x"))


def test_s74_yaml_makes_no_objects() -> None:
    with pytest.raises(UnreadableInput, match="no YAML"):
        parse("command: c\ngrid: {a: [!!python/object/apply:os.system ['touch pwned']]}", "x")


def test_s74_many_settings_are_named_by_initials_and_one_name_is_one_combination() -> None:
    grid = {name: [0.5, 1e-05] for name in ("n_layer", "dropout", "learning_rate", "weight_decay", "beta2")}
    names = [one.name for one in design(spec(grid=grid)).points]
    assert names[0] == "nl0.5-d0.5-lr0.5-wd0.5-b0.5" and len(set(names)) == 32
    long = [one.name for one in design(spec(grid={f"k{n}": ["x" * 19, "y" * 19] for n in range(4)})).points]
    assert len(set(long)) == 16 and max(map(len, long)) <= 44


# --- constraints


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("dim % heads == 0", True),
        ("model.depth * dim < 5_000", True),
        ("kind in ['relu', 'gelu'] and not dim > 512", True),
        ("1 < heads <= 8", True),
        ("2 * heads - -1", 17),
    ],
)
def test_s74_a_constraint_is_worked_out(text: str, value: Any) -> None:
    names = {"dim": 512, "heads": 8, "model.depth": 9, "kind": "gelu"}
    assert constraints.holds(text, names) == value


@pytest.mark.parametrize(
    "text",
    [
        "dim()",
        "[d for d in 'a']",
        "lambda: 1",
        "dim.__class__",
        "9**9**9**9",
        "1/0",
        "'a' * 10**9",
        "dim < 'a'",
        "(" * 400,
    ],
)
def test_s74_a_constraint_runs_no_code_and_ends_soon(text: str) -> None:
    with pytest.raises(BadConfig):
        constraints.holds(text, {"dim": 512})


# --- fractional designs

TEXTBOOK = [(3, 3, 4, 3), (4, 4, 8, 4), (5, 3, 8, 3), (5, 5, 16, 5), (6, 3, 8, 3), (6, 4, 16, 4), (7, 3, 8, 3),
            (7, 4, 16, 4), (8, 4, 16, 4), (8, 5, 64, 5), (9, 3, 16, 3), (11, 3, 16, 3), (15, 3, 16, 3)]  # fmt: skip


@pytest.mark.parametrize(("factors", "asked", "runs", "resolution"), TEXTBOOK)
def test_s74_fractions_are_those_of_the_textbook(factors: int, asked: int, runs: int, resolution: int) -> None:
    """Box, Hunter and Hunter, table 12.15; Montgomery, table 8.14."""
    found = fraction(factors, asked)
    assert (found.runs, found.resolution) == (runs, resolution)


@given(st.integers(2, 8), st.sampled_from([None, 3, 4, 5]))
def test_s74_a_fraction_is_balanced_and_confounds_no_less_than_it_states(factors: int, asked: int | None) -> None:
    found = fraction(factors, asked)
    rows = found.rows()
    assert len(set(rows)) == len(rows) == found.runs
    assert asked is None or found.resolution is None or found.resolution >= asked
    for a in range(factors):
        assert sum(row[a] for row in rows) * 2 == len(rows)
        for b in range(a):
            assert sum(row[a] == row[b] for row in rows) * 2 == len(rows)
    strength = (found.resolution or factors + 1) - 1  # in any so many settings, every combination as often
    for start in range(factors - strength + 1):
        seen = {row[start : start + strength] for row in rows}
        assert len(seen) == 2**strength


def test_s74_a_fractional_sweep_states_its_resolution_and_what_it_cannot_tell_apart() -> None:
    grid = {name: [0, 1] for name in ("a", "b", "c")}
    found = planned(spec(design="factorial", grid=grid, factorial={"resolution": "III"}))
    assert (len(found.points), found.resolution, found.generators) == (4, 3, ["c = a×b"])
    assert found.aliases == ["a = b×c", "b = a×c", "c = a×b"]
